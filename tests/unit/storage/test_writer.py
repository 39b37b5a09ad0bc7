"""One thread that commits for many: its order, its bounds, and what it tells those who wait."""

import asyncio
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import psycopg
import pytest
from sqlalchemy import (
    Column,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    create_engine,
    delete,
    insert,
    update,
)

from lightspeed_stack.errors import StorageError
from lightspeed_stack.storage.writer import MAX_GROUP, MAX_PENDING, Writer, reason_of
from tests.servers.postgres import PostgresDatabase
from tests.spec.registry import requirement

things = Table("things", MetaData(), Column("name", String, primary_key=True), Column("count", Integer, nullable=False))
ADD = insert(things)
COUNT = update(things).where(things.c.name == bindparam("of_name")).values(count=things.c.count + 1)
SET = update(things).where(things.c.name == bindparam("of_name")).values(count=bindparam("to"))
REMOVE = delete(things).where(things.c.name == bindparam("of_name"))
ORDER = (ADD, COUNT, SET, REMOVE)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE things (name TEXT PRIMARY KEY, count INTEGER NOT NULL)")
    return path


@pytest.fixture
def engine(path: Path) -> Iterator[Engine]:
    # It gives up soon where another writes.
    engine = create_engine(f"sqlite:///{path}", connect_args={"isolation_level": None, "timeout": 0.05})
    yield engine
    engine.dispose()


@pytest.fixture
def writer(engine: Engine) -> Iterator[Writer]:
    writer = Writer(engine, ORDER)
    yield writer
    writer.close()


def stored(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as connection:
        return dict(connection.execute("SELECT name, count FROM things"))


async def all_at_once(writer: Writer, writes: list[tuple[str, Any]]) -> None:
    """Writes that are one group, or few: each a key and a statement with its values."""
    async with anyio.create_task_group() as tasks:
        for key, statement in writes:
            tasks.start_soon(partial(writer.put, [statement], key=key))


def added(name: str, count: int = 0) -> tuple[Any, dict[str, Any]]:
    return ADD, {"name": name, "count": count}


@requirement("writer:order")
async def test_statements_run_in_their_order_however_they_come(writer: Writer, path: Path) -> None:
    statements = [
        (REMOVE, {"of_name": "b"}),
        (COUNT, {"of_name": "a"}),
        added("a"),
        added("b"),
        (COUNT, {"of_name": "a"}),
    ]
    await writer.put(statements, key="k")
    assert stored(path) == {"a": 2}


@requirement("writer:order")
async def test_writes_of_one_key_run_in_the_order_in_which_they_came(writer: Writer, path: Path) -> None:
    await writer.put([added("a"), added("b")], key="k")
    for _ in range(3):
        writes = [(name, (SET, {"of_name": name, "to": to})) for to in range(50) for name in ("b", "a")]
        await all_at_once(writer, writes)
        assert stored(path) == {"a": 49, "b": 49}


@requirement("writer:bounded")
async def test_more_than_a_group_is_several_groups(writer: Writer, path: Path) -> None:
    await all_at_once(writer, [(str(number), added(str(number))) for number in range(2 * MAX_GROUP + 10)])
    assert len(stored(path)) == 2 * MAX_GROUP + 10


@requirement("writer:bounded")
async def test_a_write_too_many_is_refused_at_once(path: Path) -> None:
    engine = create_engine(f"sqlite:///{path}", connect_args={"isolation_level": None, "timeout": 60})
    writer = Writer(engine, ORDER)
    refused: list[str] = []

    async def put(number: int) -> None:
        try:
            await writer.put([added(str(number))], key="k")
        except StorageError as error:
            refused.append(error.cause)

    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # until it is over the writer waits
        async with anyio.create_task_group() as tasks:
            for number in range(MAX_PENDING + MAX_GROUP + 5):
                tasks.start_soon(put, number)
            with anyio.fail_after(10):
                while not refused:
                    await anyio.lowlevel.checkpoint()
            other.execute("COMMIT")
    assert set(refused) == {"Too many writes are waiting for the database."}
    assert len(stored(path)) == MAX_PENDING + MAX_GROUP + 5 - len(refused)
    writer.close()
    engine.dispose()


@requirement("writer:failing")
async def test_who_waits_is_told_of_a_failure_and_the_thread_lives_on(writer: Writer, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="could not store it"):
            await writer.put([added("a")], key="k")
        failing = [writer.failing]
        other.execute("COMMIT")
    await writer.put([added("a")], key="k")
    assert [*failing, writer.failing] == [True, False]
    assert stored(path) == {"a": 0}


@requirement("writer:failing")
async def test_a_database_that_cannot_be_reached_is_told_to_all_at_once(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/missing/a.db")
    writer = Writer(engine, ORDER)
    for _ in range(2):
        with pytest.raises(StorageError, match="cannot be reached"):
            await writer.put([added("a")], key="k")
    writer.close()


@requirement("writer:failing", "store:groups")
async def test_a_bad_write_fails_alone(writer: Writer, path: Path) -> None:
    await writer.put([added("there")], key="k")
    outcomes: dict[str, bool] = {}

    async def put(name: str, count: Any) -> None:
        try:
            await writer.put([added(name, count), (COUNT, {"of_name": name})], key=name)
            outcomes[name] = True
        except StorageError:
            outcomes[name] = False

    async with anyio.create_task_group() as tasks:
        for name, count in (("a", 1), ("there", 1), ("b", 1), ("none", None), ("z", 1)):
            tasks.start_soon(put, name, count)
    assert outcomes == {"a": True, "there": False, "b": True, "none": False, "z": True}
    assert stored(path) == {"there": 0, "a": 2, "b": 2, "z": 2}


@requirement("writer:close")
def test_what_waits_at_the_end_is_written(engine: Engine, path: Path) -> None:
    """Also where those who asked for it are gone, with their loop."""
    writer = Writer(engine, ORDER)

    async def leave() -> None:
        waiting = [asyncio.ensure_future(writer.put([added(str(number))], key="k")) for number in range(100)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()

    asyncio.run(leave())
    writer.close()
    assert len(stored(path)) == 100


@requirement("writer:log")
async def test_a_failure_is_logged_without_values(writer: Writer, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(StorageError), caplog.at_level(logging.DEBUG):
        await writer.put([added("precious", None)], key="precious")  # type: ignore[arg-type] # what cannot be stored
    assert caplog.messages == ["a group of 1 writes failed: IntegrityError: NOT NULL constraint failed: things.count"]


@requirement("writer:log")
def test_postgresql_quotes_values_and_we_do_not(postgres_database: PostgresDatabase) -> None:
    with closing(postgres_database.connect()) as session:
        with pytest.raises(psycopg.DataError) as caught:
            session.execute("SELECT CAST(%s AS integer)", ["precious"])
    assert "precious" in str(caught.value)
    assert reason_of(caught.value) == "InvalidTextRepresentation, SQLSTATE 22P02"
