"""Databases that fail: while a turn is stored, between two, and for a while. What was told as stored is there once."""

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from anyio import to_thread

from lightspeed_stack.domain.chat import Conversation
from lightspeed_stack.domain.health import HealthStatus
from lightspeed_stack.errors import StorageError
from lightspeed_stack.storage.locations import PostgresServer, SqliteFile
from lightspeed_stack.storage.opened import CachePlace, SqlStorage, open_storage
from lightspeed_stack.storage.opening import Opening, OpeningConversations, OpeningFeedbackSwitch
from tests.contracts.stores import (
    POSTGRES_TWO_SCHEMAS,
    SCHEMA,
    SQLITE_ONE_FILE,
    SQLITE_TWO_FILES,
    Stores,
    begun,
    conversation,
    exchange,
    listed,
    listed_in_cache,
    open_stores,
    server,
    until_nobody_is_there,
)
from tests.servers.postgres import Postgres, PostgresDatabase, postgres_server
from tests.servers.postgres_relay import Break, relay
from tests.spec.registry import requirement

OTHERS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"

TERMINATE = f"SELECT pg_terminate_backend(pid) {OTHERS}"


@pytest.fixture(params=[SQLITE_ONE_FILE, SQLITE_TWO_FILES, POSTGRES_TWO_SCHEMAS], ids=str)
async def frail(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stores]:
    """A storage of a test's own, to be broken."""
    database = request.getfixturevalue("postgres_database") if request.param.needs_postgres else None
    ours, kept = request.param.place(tmp_path, database)
    with open_stores(ours, kept) as stores:
        yield stores


@requirement("store:failing", "cache:ready")
@pytest.mark.parametrize("table", ["lightspeed_turn", "user_conversation", "cache", "conversations"])
async def test_a_failing_write_shows_in_the_probe_until_one_would_succeed(frail: Stores, table: str) -> None:
    """The probe tries by itself: while it says that it is ill, nobody asks the service anything."""
    talk = await begun(frail, "alice")
    ask_it = frail.ask if table in {"lightspeed_turn", "user_conversation"} else frail.ask_cache
    assert (await frail.conversations.probe()).status is HealthStatus.OK
    ask_it(f"ALTER TABLE {table} RENAME TO elsewhere")
    with pytest.raises(StorageError):
        await frail.conversations.append(talk, exchange("alice", second=10))
    for _ in range(2):
        health = await frail.conversations.probe()
        assert (health.status, health.message) == (HealthStatus.ERROR, "The last write to the database failed.")
    ask_it(f"ALTER TABLE elsewhere RENAME TO {table}")
    assert (await frail.conversations.probe()).status is HealthStatus.OK
    await frail.conversations.append(talk, exchange("alice", second=20))
    assert await listed(frail, "alice") == await listed_in_cache(frail, "alice") == [talk.id]


@requirement("store:connection-lost")
async def test_connections_lost_between_two_turns_are_made_anew(postgres_database: PostgresDatabase) -> None:
    place = server(postgres_database)
    with open_stores(place, CachePlace(place)) as stores:
        talk = await begun(stores, "alice")
        for second in (10, 20, 30):
            stores.ask(TERMINATE)
            await stores.conversations.append(talk, exchange("alice", second=second))
            stores.ask(TERMINATE)
            read = await stores.conversations.read(talk.id, owner="alice")
            assert len(read.history) == read.message_count == 1 + second // 10
            assert (await stores.conversations.probe()).status is HealthStatus.OK
            assert len(await stores.cache.read("alice", talk.id)) == read.message_count


@requirement("store:connection-lost")
async def test_a_connection_lost_while_a_turn_is_stored_loses_and_doubles_nothing(
    postgres_database: PostgresDatabase,
) -> None:
    place = server(postgres_database)
    with open_stores(place, CachePlace(place)) as stores, closing(postgres_database.connect()) as other:
        talk = await begun(stores, "alice")
        waiting = f"SELECT pid {OTHERS} AND wait_event_type = 'Lock'".encode()
        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                with other.transaction():
                    other.execute("SELECT 1 FROM user_conversation FOR UPDATE")
                    tasks.start_soon(stores.conversations.append, talk, exchange("alice", "held?", second=10))
                    while not (found := other.execute(waiting).fetchall()):
                        await anyio.lowlevel.checkpoint()
                    for (pid,) in found:
                        other.execute("SELECT pg_terminate_backend(%s)", [pid])
        read = await stores.conversations.read(talk.id, owner="alice")
        assert [turn.question for turn in read.history] == ["q?", "held?"]
        assert read.message_count == 2


@requirement("store:connection-lost")
async def test_connections_lost_under_load_lose_and_double_nothing(postgres_database: PostgresDatabase) -> None:
    place = server(postgres_database)
    with open_stores(place, CachePlace(place)) as stores:
        talks = [await begun(stores, "alice") for _ in range(4)]
        stored = 0

        async def go_on(talk: Conversation) -> None:
            nonlocal stored
            for second in range(1, 16):
                await stores.conversations.append(talk, exchange("alice", str(second), second=second))
                stored += 1
                if stored % 10 == 0:
                    await to_thread.run_sync(stores.ask, TERMINATE)

        async with anyio.create_task_group() as tasks:
            for talk in talks:
                tasks.start_soon(go_on, talk)
        for talk in talks:
            read = await stores.conversations.read(talk.id, owner="alice")
            assert [turn.question for turn in read.history] == ["q?", *map(str, range(1, 16))]
            assert read.message_count == 16


@requirement("store:connection-lost", "store:idempotent")
async def test_a_commit_that_nobody_heard_of_is_not_made_twice(postgres_database: PostgresDatabase) -> None:
    with relay(postgres_database) as between:
        through = between.database
        place = PostgresServer(
            through.host, through.port, through.name, through.user, through.password, None, "disable", "disable"
        )
        with open_stores(place, CachePlace(place)) as stores:
            await begun(stores, "bob")  # the writer has its connection
            talk = conversation("alice")
            between.breaks = [Break.AFTER]
            await stores.conversations.append(talk, exchange("alice", "first?"), create=True)
            between.breaks = [Break.AFTER]
            await stores.conversations.append(talk, exchange("alice", "second?", second=10))
            assert between.breaks == [], "it was broken off"
            read = await stores.conversations.read(talk.id, owner="alice")
            assert ([turn.question for turn in read.history], read.message_count) == (["first?", "second?"], 2)
            assert stores.ask_cache("SELECT query FROM cache WHERE user_id = 'alice' ORDER BY created_at") == [
                ("first?",),
                ("second?",),
            ]
            between.breaks = [Break.AFTER]
            await stores.cache.rename("alice", talk.id, "Renamed")
            between.breaks = [Break.AFTER]
            await stores.conversations.delete(talk.id, owner="alice")
            assert between.breaks == []
            assert await listed(stores, "alice") == await listed_in_cache(stores, "alice") == []


@requirement("store:server-gone", "switch:last-known")
async def test_a_server_that_is_gone_for_a_while_needs_no_restart_of_ours(tmp_path: Path) -> None:
    folder = tmp_path / "pg"
    with postgres_server(folder) as running:
        place = new_database(running)
        storage = open_storage(place, CachePlace(SqliteFile(tmp_path / "b.db")), feedback_enabled=True)
    with closing(storage):
        store, switch = storage.conversations, storage.feedback_switch
        assert storage.cache is not None
        talk = conversation("alice")
        with anyio.fail_after(30):
            for _ in range(2):
                for call in (
                    lambda: store.append(talk, exchange("alice"), create=True),
                    lambda: store.load(talk.id, owner="alice"),
                    lambda: store.page(owner=None),
                    lambda: switch.turn(False),
                ):
                    with pytest.raises(StorageError):
                        await call()
            await told_all(store.append, 50)
            assert (await store.probe()).status is HealthStatus.ERROR
            assert await switch.enabled() is True, "the last known state"
        with postgres_server(folder):
            assert (await store.probe()).status is HealthStatus.OK, "although nobody wrote meanwhile"
            turn = exchange("alice")
            await store.append(talk, turn, create=True)
            assert (await store.load(talk.id, owner="alice")).history == (turn,)
            assert await switch.turn(False) is True
            assert len((await storage.cache.page("alice")).entries) == 1


@requirement("store:opening")
async def test_many_first_callers_wait_for_one_opening(tmp_path: Path) -> None:
    openings: list[SqlStorage] = []

    def open_() -> SqlStorage:
        openings.append(open_storage(SqliteFile(tmp_path / "a.db"), None, feedback_enabled=True))
        return openings[-1]

    opening = Opening(open_)
    store = OpeningConversations(opening)
    async with anyio.create_task_group() as tasks:
        for user in map(str, range(20)):
            tasks.start_soon(partial(store.append, conversation(user), exchange(user), create=True))
    assert len(openings) == 1
    assert len((await store.page(owner=None)).entries) == 20
    await opening.aclose()


async def told_all(append: Callable[..., object], writers: int) -> None:
    """Many writers at once, of whom each is told that it failed."""
    failures: list[str] = []

    async def write(number: int) -> None:
        try:
            await append(conversation("alice"), exchange("alice", str(number)), create=True)  # type: ignore[misc]
        except StorageError as error:
            failures.append(error.cause)

    async with anyio.create_task_group() as tasks:
        for number in range(writers):
            tasks.start_soon(write, number)
    assert set(failures) == {"The database cannot be reached."}
    assert len(failures) == writers


@requirement("store:opening")
async def test_an_opening_that_fails_leaves_nothing_open_and_is_tried_again(
    postgres_database: PostgresDatabase, tmp_path: Path
) -> None:
    """Here the cache's directory is missing; ours is there, and must not be held on to."""
    place, missing = server(postgres_database, SCHEMA), tmp_path / "later" / "b.db"
    place.check()
    opening = Opening(lambda: open_storage(place, CachePlace(SqliteFile(missing)), feedback_enabled=False))
    store, switch = OpeningConversations(opening), OpeningFeedbackSwitch(opening, configured=False)
    before = [thread.name for thread in threading.enumerate()]
    for _ in range(3):
        with pytest.raises(StorageError):
            await store.load(conversation("alice").id, owner="alice")
        assert (await store.probe()).status is HealthStatus.ERROR
        assert await switch.enabled() is False
    after = [thread.name for thread in threading.enumerate()]
    assert after.count("storage-writer") == before.count("storage-writer")
    until_nobody_is_there(place)
    missing.parent.mkdir()
    await store.append(talk := conversation("alice"), exchange("alice"), create=True)
    assert (await store.load(talk.id, owner="alice")).message_count == 1
    assert (await store.probe()).status is HealthStatus.OK
    await opening.aclose()
    until_nobody_is_there(place)


def new_database(running: Postgres) -> PostgresServer:
    """The database that every server has; the server is a test's own."""
    place = server(PostgresDatabase(running.host, running.port, "postgres"), SCHEMA)
    place.check()
    return place
