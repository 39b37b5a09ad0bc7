"""Where databases are: what is found out before a start, and how libpq is told."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from lightspeed_stack.errors import StorageError
from lightspeed_stack.storage.locations import PostgresServer, SqliteFile
from tests.servers.postgres import PostgresDatabase, postgres_server
from tests.spec.registry import requirement


@pytest.fixture
def place(postgres_database: PostgresDatabase) -> PostgresServer:
    it = postgres_database
    return PostgresServer(it.host, it.port, it.name, it.user, it.password)


@requirement("store:precheck")
@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda path: path / "missing" / "x.db", "SQLite database directory does not exist: .*missing"),
        (lambda path: path, "cannot be used: unable to open database file"),
    ],
    ids=["no-directory", "is-a-directory"],
)
def test_an_unusable_file_is_found_before_the_start(
    tmp_path: Path, prepare: Callable[[Path], Path], message: str
) -> None:
    with pytest.raises(StorageError, match=message):
        SqliteFile(prepare(tmp_path)).check()


@requirement("store:precheck")
def test_a_file_that_is_no_database_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(b"precious notes, not a database" * 100)
    with pytest.raises(StorageError, match="file is not a database"):
        SqliteFile(path).check()
    assert path.read_bytes() == b"precious notes, not a database" * 100


@requirement("store:precheck")
def test_a_missing_file_is_made_for_many_readers_and_a_writer(tmp_path: Path) -> None:
    path = tmp_path / "a name with % and ?.db"
    SqliteFile(path).check()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@requirement("store:precheck:postgres")
@pytest.mark.parametrize(
    ("change", "message"),
    [({"database": "nowhere"}, 'database "nowhere" does not exist'), ({"user": "no"}, 'role "no" does not exist')],
    ids=["database", "user"],
)
def test_a_server_that_refuses_is_not_waited_for(place: PostgresServer, change: dict[str, Any], message: str) -> None:
    with pytest.raises(StorageError, match=message) as failure:
        replace(place, **change, password="precious").check()
    assert f"PostgreSQL database {change.get('database', place.database)} at {place.host}" in failure.value.cause
    assert "precious" not in failure.value.cause
    assert "precious" not in repr(replace(place, password="precious"))


@pytest.mark.slow  # it is waited for, for seconds
@requirement("store:precheck:postgres")
def test_a_server_that_is_not_there_is_told_after_a_while(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"PostgreSQL database d at .*: .*No such file or directory"):
        PostgresServer(str(tmp_path), 5432, "d", "u", "p").check()


@pytest.mark.slow  # a server of its own
@requirement("store:precheck:postgres")
def test_a_server_that_is_still_starting_is_waited_for(tmp_path: Path) -> None:
    folder = tmp_path / "pg"
    with postgres_server(folder) as running:
        place = PostgresServer(running.host, running.port, "postgres", "postgres", "p")
    outcome: list[str] = []

    def check() -> None:
        try:
            place.check()
            outcome.append("there")
        except StorageError as error:
            outcome.append(error.cause)

    waiting = threading.Thread(target=check)
    waiting.start()
    with postgres_server(folder):
        waiting.join()
    assert outcome == ["there"]


SCHEMAS = ["lightspeed-stack", "with space", 'with "quotes"', "back\\slash", "Größe", "x=y -c z"]


@requirement("store:schema")
@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_schema_of_any_name_is_made_and_used(place: PostgresServer, schema: str) -> None:
    named = replace(place, schema=schema)
    for _ in range(2):
        named.check()
    with closing(psycopg.connect(**named.arguments())) as session:
        assert session.execute("SELECT current_schema()").fetchall() == [(schema,)]
        assert session.execute("SHOW timezone").fetchall() == [("UTC",)]
        assert session.execute("SHOW statement_timeout").fetchall() == [("8s",)]


@requirement("store:schema")
def test_without_a_schema_the_default_one_is_used(place: PostgresServer) -> None:
    place.check()
    with closing(psycopg.connect(**place.arguments())) as session:
        assert session.execute("SELECT current_schema()").fetchall() == [("public",)]


@requirement("store:schema")
def test_many_that_start_at_once_make_one_schema(place: PostgresServer) -> None:
    named = replace(place, schema="new")
    together = threading.Barrier(6)
    failures: list[StorageError] = []

    def start() -> None:
        together.wait(30)
        try:
            named.check()
        except StorageError as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@requirement("store:schema")
def test_who_may_only_use_a_schema_can_start(place: PostgresServer, postgres_database: PostgresDatabase) -> None:
    user = f"user_{postgres_database.name}"
    with closing(postgres_database.connect()) as session:
        session.execute(f"CREATE ROLE {user} LOGIN; CREATE SCHEMA theirs AUTHORIZATION {user}".encode())
        try:
            replace(place, user=user, schema="theirs").check()
            with pytest.raises(StorageError, match="permission denied"):
                replace(place, user=user, schema="another").check()
        finally:
            session.execute(f"DROP SCHEMA theirs; DROP ROLE {user}".encode())
