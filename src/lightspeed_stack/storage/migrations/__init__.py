"""How the tables come about: one line of steps for ours, one for those of the conversation cache.

A step only adds, and only what is missing: a database that the reference service made is continued, and an older
release can go on with what a newer one left. Where there is no table yet, all are made at once, as the steps would have
made them; Alembic, which costs 10 MB of memory, is imported only where there is a step to go.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, inspect
from sqlalchemy.exc import SQLAlchemyError

from lightspeed_stack.errors import StorageError
from lightspeed_stack.storage import cache_tables, tables
from lightspeed_stack.storage.database import WRITES, Database
from lightspeed_stack.storage.writer import reason_of

log = logging.getLogger(__name__)

UPGRADE_LOCK = 0x6C696768_74737066
"""Key of the lock in PostgreSQL under which one process at a time goes the steps."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of steps: their folder, the table that holds the last one gone, and the newest one there is.

    ``create`` makes in an empty database what all steps together make; ``tables`` tell whether it is empty.
    """

    folder: str
    version_table: str
    newest: str
    tables: tuple[str, ...]
    create: Callable[[Connection], None]


OURS = Line("ours", "lightspeed_schema", "0003", tuple(tables.metadata.tables), tables.metadata.create_all)
CACHED = Line("cached", "lightspeed_cache_schema", "0001", tuple(cache_tables.metadata.tables), cache_tables.create)


def upgrade(database: Database, line: Line) -> None:
    """Go the steps that a database has not gone yet. Blocking. Raises StorageError."""
    try:
        with database.engine.connect() as connection:
            at = version(connection, line)
        if at is not None and at > line.newest:
            log.warning("the database was used by a newer release (%s, this one knows %s)", at, line.newest)
        elif at != line.newest:
            with database.engine.connect().execution_options(**WRITES) as connection, connection.begin():
                _alone(connection)
                if _is_empty(connection, line):
                    _create(connection, line)
                elif version(connection, line) != line.newest:  # or somebody was faster
                    _upgrade(connection, line)
    except SQLAlchemyError as error:
        raise StorageError(f"The database's tables cannot be made or read: {reason_of(error)}") from error


def version(connection: Connection, line: Line) -> str | None:
    """The last step that was gone; None where none was."""
    if not inspect(connection).has_table(line.version_table):
        return None
    row: str | None = connection.exec_driver_sql(f"SELECT version_num FROM {line.version_table}").scalar()  # noqa: S608
    return row


def _alone(connection: Connection) -> None:
    """Wait until no other process is here; in SQLite the transaction has seen to that."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")  # an index on a large table takes its time
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({UPGRADE_LOCK})")


def _is_empty(connection: Connection, line: Line) -> bool:
    found = inspect(connection)
    return not any(found.has_table(name) for name in (*line.tables, line.version_table))


def _create(connection: Connection, line: Line) -> None:
    line.create(connection)
    # As Alembic makes it.
    connection.exec_driver_sql(
        f"CREATE TABLE {line.version_table} (version_num VARCHAR(32) NOT NULL, "
        f"CONSTRAINT {line.version_table}_pkc PRIMARY KEY (version_num))"
    )
    connection.exec_driver_sql(f"INSERT INTO {line.version_table} VALUES ('{line.newest}')")  # noqa: S608


def _upgrade(connection: Connection, line: Line) -> None:
    from alembic import command
    from alembic.config import Config

    here = Path(__file__).parent
    config = Config()
    # A percent sign in a path would be taken for a reference to another option.
    for option, value in {
        "script_location": str(here),
        "version_locations": str(here / line.folder),
        "path_separator": "newline",
    }.items():
        config.set_main_option(option, value.replace("%", "%%"))
    config.attributes.update(connection=connection, version_table=line.version_table)
    command.upgrade(config, "head")
