"""One engine for what is kept: opening, and threads to read in.

SQLAlchemy Core is used synchronously, on one thread that writes and a few that read; docs/decisions/0005-storage.md
says why. The loop never waits for a lock or a disk.
"""

import sqlite3
from collections.abc import Callable
from typing import Any

import anyio
import anyio.to_thread
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from lightspeed_stack.errors import StorageError
from lightspeed_stack.storage.locations import BUSY_TIMEOUT, Location, PostgresServer, SqliteFile

READERS = 4
READ_TIMEOUT = 10.0
"""Seconds."""

WRITES = {"lightspeed_writes": True}
"""Execution options of a connection that is going to write: SQLite then takes the lock at the beginning."""


class Database:
    """An open database. ``read`` runs a function on a thread with a connection of its own."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._readers = anyio.CapacityLimiter(READERS)

    @classmethod
    def open(cls, location: Location) -> "Database":
        """An engine for a location; connections are made when they are needed."""
        match location:
            case SqliteFile():
                return cls(_sqlite(location))
            case PostgresServer():
                return cls(_postgres(location))

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self.engine.dialect.name

    async def read[T](self, query: Callable[[Connection], T]) -> T:
        """Run ``query`` off the event loop, in one transaction. Raises StorageError, if need be after READ_TIMEOUT."""

        def run() -> T:
            with self.engine.connect() as connection:
                return query(connection)

        try:
            with anyio.fail_after(READ_TIMEOUT):
                return await anyio.to_thread.run_sync(run, limiter=self._readers, abandon_on_cancel=True)
        except SQLAlchemyError as error:
            raise StorageError("The database cannot be read.") from error
        except TimeoutError as error:
            raise StorageError("The database did not answer in time.") from error

    def close(self) -> None:
        self.engine.dispose()


def _sqlite(file: SqliteFile) -> Engine:
    # The driver leaves transactions to us: its own way knows no lock at the beginning, and none around a migration.
    arguments = {"timeout": BUSY_TIMEOUT, "isolation_level": None}
    # One for each reader, one for the writer, and one that only stays open (``opened``).
    engine = create_engine(f"sqlite:///{file.path}", connect_args=arguments, pool_size=READERS + 2)
    # FULL: a turn that was reported as stored survives a power cut, not only our own end.
    synchronous = "FULL" if file.lasting else "OFF"
    pragmas = ("journal_mode=WAL", f"synchronous={synchronous}", f"busy_timeout={int(BUSY_TIMEOUT * 1000)}")

    def prepare(connection: sqlite3.Connection, _record: Any) -> None:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("lightspeed_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", begin)
    return engine


def _postgres(server: PostgresServer) -> Engine:
    return create_engine(
        URL.create("postgresql+psycopg"),
        connect_args=server.arguments(),
        pool_size=READERS + 1,
        pool_pre_ping=True,
        pool_timeout=READ_TIMEOUT,
    )
