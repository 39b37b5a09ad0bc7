"""How tables come about: from nothing, by many at once, all or nothing; and that they are what the code describes."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, inspect

from lightspeed_stack.errors import StorageError
from lightspeed_stack.storage import cache_tables, migrations, tables
from lightspeed_stack.storage.database import WRITES, Database
from lightspeed_stack.storage.locations import Location, PostgresServer, SqliteFile
from lightspeed_stack.storage.migrations import CACHED, OURS, Line, upgrade, version
from tests.servers.postgres import PostgresDatabase
from tests.spec.registry import requirement

LINES = [(OURS, tables.metadata), (CACHED, cache_tables.metadata)]

type Open = Callable[[], Database]


@pytest.fixture(params=["sqlite", "postgres"])
def connect(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Open an empty database, again and again; each as another process would."""
    place: Location = SqliteFile(tmp_path / "a.db")
    if request.param == "postgres":
        it: PostgresDatabase = request.getfixturevalue("postgres_database")
        place = PostgresServer(it.host, it.port, it.name, it.user, it.password, "some schema")
    place.check()
    opened: list[Database] = []

    def open_() -> Database:
        opened.append(Database.open(place))
        return opened[-1]

    yield open_
    for database in opened:
        database.close()


def names(database: Database) -> set[str]:
    with database.engine.connect() as connection:
        return set(inspect(connection).get_table_names())


@requirement("storage:migrations:heads")
@pytest.mark.parametrize("line", [OURS, CACHED], ids=lambda line: line.folder)
def test_the_newest_step_is_the_one_that_the_code_names(line: Line) -> None:
    here = Path(migrations.__file__).parent
    config = Config()
    config.set_main_option("script_location", str(here))
    config.set_main_option("version_locations", str(here / line.folder))
    config.set_main_option("path_separator", "newline")
    script = ScriptDirectory.from_config(config)
    assert script.get_heads() == [line.newest]
    assert [step.revision for step in script.walk_revisions()] == sorted(
        (step.revision for step in script.walk_revisions()), reverse=True
    ), "numbers grow, so that a newer release is known by its number"


def go_all_steps(database: Database, line: Line) -> None:
    """In an empty database, which otherwise needs no steps."""
    with database.engine.connect().execution_options(**WRITES) as connection, connection.begin():
        migrations._upgrade(connection, line)


WAYS: dict[str, Callable[[Database, Line], None]] = {"at-once": upgrade, "by-steps": go_all_steps}


@requirement("storage:migrations:tables")
@pytest.mark.parametrize("make", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize(("line", "metadata"), LINES, ids=["ours", "cached"])
def test_the_tables_are_those_that_the_code_describes(
    connect: Open, line: Line, metadata: MetaData, make: Callable[[Database, Line], None]
) -> None:
    database = connect()
    make(database, line)

    def is_ours(name: str | None, kind: str, _parents: Any) -> bool:
        return kind != "table" or name in metadata.tables

    def differs(_context: Any, _inspected: Any, column: Any, _theirs: Any, _ours: Any) -> bool | None:
        # Declared by the reference as ``int`` in SQLite, which keeps what it is given there.
        return False if isinstance(column.type, cache_tables.Moment) else None

    with database.engine.connect() as connection:
        options = {"compare_type": differs, "include_name": is_ours}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
        assert version(connection, line) == line.newest
    assert names(database) == {*metadata.tables, line.version_table}


DESCRIPTION = {
    "sqlite": 'SELECT m.name, c.name, c.type, c."notnull", c.dflt_value, c.pk FROM sqlite_master AS m,'
    " pragma_table_xinfo(m.name) AS c WHERE m.type IN ('table', 'index') ORDER BY 1, 2",
    "postgresql": "SELECT table_name, column_name, data_type, is_nullable, column_default, is_identity"
    " FROM information_schema.columns WHERE table_schema = current_schema() UNION ALL"
    " SELECT tablename, indexname, indexdef, '', '', '' FROM pg_indexes WHERE schemaname = current_schema()"
    " ORDER BY 1, 2",
}


@requirement("storage:migrations:tables")
@pytest.mark.parametrize("line", [OURS, CACHED], ids=lambda line: line.folder)
def test_both_ways_make_the_same_tables(connect: Open, line: Line) -> None:
    found = []
    for make in WAYS.values():
        database = connect()
        make(database, line)
        with database.engine.begin() as connection:
            query = DESCRIPTION[database.dialect]
            found.append([tuple(map(normal, row)) for row in connection.exec_driver_sql(query)])
            for name in (*line.tables, line.version_table):
                connection.exec_driver_sql(f"DROP TABLE {name}")
    assert found[0] == found[1]
    assert len(found[0]) > 10


def normal(value: Any) -> Any:
    """Types of the cache's tables are written small in one way, and large in the other."""
    return value.lower() if isinstance(value, str) else value


@requirement("storage:migrations:once")
def test_both_lines_go_their_own_ways_in_one_database(connect: Open) -> None:
    database = connect()
    for line, _ in LINES:
        upgrade(database, line)
        upgrade(database, line)
    with database.engine.connect() as connection:
        assert [version(connection, line) for line, _ in LINES] == [OURS.newest, CACHED.newest]


@requirement("storage:migrations:at-once")
def test_many_that_start_at_once_all_find_the_tables(connect: Open) -> None:
    databases = [connect() for _ in range(4)]
    together = threading.Barrier(len(databases))
    failures: list[Exception] = []

    def start(database: Database) -> None:
        together.wait(30)
        try:
            for line, _ in LINES:
                upgrade(database, line)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
            failures.append(error)

    threads = [threading.Thread(target=start, args=(database,)) for database in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with databases[0].engine.connect() as connection:
        assert [version(connection, line) for line, _ in LINES] == [OURS.newest, CACHED.newest]


@requirement("storage:migrations:newer")
def test_a_newer_database_is_used_with_a_warning(connect: Open, caplog: pytest.LogCaptureFixture) -> None:
    database = connect()
    upgrade(database, OURS)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE lightspeed_schema SET version_num = '9999'")
    before = names(database)
    upgrade(database, OURS)
    assert caplog.messages == ["the database was used by a newer release (9999, this one knows 0003)"]
    assert names(database) == before
    with database.engine.connect() as connection:
        assert version(connection, OURS) == "9999"


@requirement("storage:migrations:all-or-nothing")
def test_a_step_that_fails_leaves_nothing_behind(connect: Open) -> None:
    database = connect()
    with database.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE lightspeed_setting (something text)")
    for _ in range(2):
        with pytest.raises(StorageError, match="The database's tables cannot be made or read: "):
            upgrade(database, OURS)
        assert names(database) == {"lightspeed_setting"}
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE lightspeed_setting")
    upgrade(database, OURS)
    assert "lightspeed_turn" in names(database)


@requirement("storage:migrations:all-or-nothing")
def test_a_database_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    database = Database.open(SqliteFile(tmp_path / "missing" / "a.db"))
    with pytest.raises(StorageError, match="OperationalError"):
        upgrade(database, OURS)
    database.close()
