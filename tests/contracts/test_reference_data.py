"""Databases that others left behind: the reference service, and our own first release. Both are gone on with."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lightspeed_stack.domain.chat import Outcome
from lightspeed_stack.domain.ids import ConversationId
from lightspeed_stack.domain.knowledge import Citation
from lightspeed_stack.errors import ConversationNotFound
from lightspeed_stack.storage.locations import SqliteFile
from lightspeed_stack.storage.opened import CachePlace
from tests.contracts.stores import (
    FIXTURES,
    POSTGRES_ONE_SCHEMA,
    POSTGRES_TWO_SCHEMAS,
    SQLITE,
    SQLITE_ONE_FILE,
    SQLITE_TWO_FILES,
    Kind,
    Stores,
    exchange,
    listed,
    listed_in_cache,
    open_stores,
    run_script,
)
from tests.servers.postgres import PostgresDatabase
from tests.spec.registry import requirement

PODS = ConversationId("aaaaaaaa-0000-4000-8000-000000000001")
SHORT = ConversationId("aaaaaaaa-0000-4000-8000-000000000002")
LOST = ConversationId("aaaaaaaa-0000-4000-8000-000000000003")
CERTIFICATES = ConversationId("bbbbbbbb-0000-4000-8000-000000000001")
ONLY_A_TOPIC = ConversationId("dddddddd-0000-4000-8000-000000000001")


def at(hour: int, minute: int, second: int = 0, microsecond: int = 0, *, day: int = 20) -> datetime:
    return datetime(2026, 11, day, hour, minute, second, microsecond, tzinfo=UTC)


def left_by_the_reference(kind: Kind, folder: Path, database: PostgresDatabase | None) -> Iterator[Stores]:
    ours, kept = kind.place(folder, database)
    if database is None:
        for location in {ours, kept.location if kept else ours}:
            run_script(location, FIXTURES / "reference" / "sqlite.sql")
    else:
        run_script(ours, FIXTURES / "reference" / "postgres.sql", only_schema=kind is POSTGRES_ONE_SCHEMA)
    with open_stores(ours, kept, when_needed=kind.when_needed) as stores:
        yield stores


@pytest.fixture(params=[SQLITE, SQLITE_TWO_FILES, POSTGRES_ONE_SCHEMA, POSTGRES_TWO_SCHEMAS], ids=str)
def continued(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    """What the reference left, open."""
    database = request.getfixturevalue("postgres_database") if request.param.needs_postgres else None
    yield from left_by_the_reference(request.param, tmp_path, database)


@pytest.fixture(params=[SQLITE_ONE_FILE, POSTGRES_TWO_SCHEMAS], ids=str)
def continued_cache(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    """The same, with its conversation cache."""
    database = request.getfixturevalue("postgres_database") if request.param.needs_postgres else None
    yield from left_by_the_reference(request.param, tmp_path, database)


@requirement("store:reference:list")
async def test_its_conversations_are_listed(continued: Stores) -> None:
    pods, short = (await continued.conversations.page(owner="alice")).entries
    assert (pods.id, pods.topic, pods.message_count) == (PODS, "Pods Without Nodes", 3)
    assert (pods.created_at, pods.last_message_at) == (at(9, 0), at(9, 30, 0, 250_000))
    assert (pods.last_model, pods.last_provider) == ("gpt-4o-mini", "openai")
    assert (short.id, short.topic, short.created_at, short.last_message_at) == (SHORT, "", at(9, 30), at(9, 30))
    everybodys = (await continued.conversations.page(owner=None)).entries
    assert [entry.id for entry in everybodys] == [CERTIFICATES, PODS, SHORT]
    if continued.kept is not None:
        entries = (await continued.cache.page("alice")).entries
        assert [(entry.id, entry.topic, entry.last_message_at) for entry in entries] == [
            (PODS, "Pods Without Nodes", at(9, 30, 0, 250_000)),
            (SHORT, None, at(9, 30)),
            (LOST, None, at(11, 6, 40, 500_000, day=18)),
        ]


@requirement("store:reference:history", "store:instructions")
async def test_its_history_is_what_the_cache_knows(continued: Stores) -> None:
    loaded = await continued.conversations.load(PODS, owner="alice")
    assert (loaded.instructions, loaded.topic, loaded.message_count) == (None, "Pods Without Nodes", 3)
    assert (loaded.last_model, loaded.last_provider) == ("gpt-4o-mini", "openai")
    read = await continued.conversations.read(PODS, owner="alice")
    assert read.history == loaded.history
    if continued.kept is None:
        assert loaded.history == (), "its texts are in its stack"
        return
    assert [(turn.asked_by, turn.question, turn.answer, turn.completed_at) for turn in loaded.history] == [
        ("alice", "Why is my pod pending?", "It has no node.", at(9, 0, 0, 500_000)),
        ("carol", "Which node?", "Any with a GPU.", at(9, 15, 0, 125_000)),
        ("alice", "And now?", "Label one.", at(9, 30, 0, 250_000)),
    ]
    first = loaded.history[0]
    assert (first.started_at, first.request_id) == (at(8, 59, 57), None)
    assert (first.model, first.provider) == ("gpt-4o-mini", "openai")
    assert [turn.question for turn in await continued.cache.read("carol", PODS)] == ["Which node?"]


@requirement("store:reference:history")
async def test_an_entry_with_holes_can_be_read(continued_cache: Stores) -> None:
    (turn,) = await continued_cache.cache.read("bob", CERTIFICATES)
    assert (turn.question, turn.answer, turn.model, turn.provider) == ("Who signs?", "", "", "")
    assert turn.started_at == turn.completed_at == at(10, 0, 0, 750_000)


@requirement("store:reference:continued", "store:instructions", "storage:user-conversation:message-count")
async def test_its_conversations_are_gone_on_with(continued: Stores) -> None:
    store = continued.conversations
    talk = await store.load(PODS, owner="alice")
    turn = exchange("alice", "And ours?", answer="Stored.", completed_at=at(12, 0, 1, 250_000))
    await store.append(replace(talk, instructions="Be kind."), turn)
    loaded = await store.load(PODS, owner="alice")
    assert (loaded.history, loaded.message_count) == ((*talk.history, turn), 4)
    assert (loaded.instructions, loaded.topic, loaded.last_model) == ("Be kind.", "Pods Without Nodes", "m")
    (row,) = continued.ask(
        "SELECT id, user_id, last_used_model, last_used_provider, created_at, last_message_at, message_count,"
        " topic_summary FROM user_conversation WHERE id = ?",
        PODS,
    )
    times = (
        ("2026-11-20 09:00:00", "2026-11-20 12:00:01.250000")
        if continued.is_sqlite
        else (at(9, 0), at(12, 0, 1, 250_000))
    )
    assert row == (PODS, "alice", "m", "p", *times, 4, "Pods Without Nodes")


@requirement("store:reference:continued")
async def test_it_can_read_what_we_added_to_its_cache(continued_cache: Stores) -> None:
    stores = continued_cache
    talk = await stores.conversations.load(PODS, owner="alice")
    turn = exchange("alice", "And ours?", answer="Stored.", completed_at=at(12, 0, 1, 250_000, day=22))
    await stores.conversations.append(talk, turn)
    entries = stores.ask_cache(
        "SELECT query, response, provider, model, started_at, completed_at FROM cache"
        " WHERE user_id = ? AND conversation_id = ? ORDER BY created_at",
        "alice",
        PODS,
    )
    assert entries[-1] == ("And ours?", "Stored.", "p", "m", "2026-11-22T12:00:00Z", "2026-11-22T12:00:01Z")
    assert len(entries) == 3
    epoch = "last_message_timestamp" if stores.is_sqlite else "EXTRACT(EPOCH FROM last_message_timestamp)::float8"
    records = stores.ask_cache(
        f"SELECT conversation_id, topic_summary, {epoch} FROM conversations"  # noqa: S608
        " WHERE user_id = ? ORDER BY last_message_timestamp DESC",
        "alice",
    )
    assert records == [
        (PODS, "Pods Without Nodes", turn.completed_at.timestamp()),
        (SHORT, None, at(9, 30).timestamp()),
        (LOST, None, at(11, 6, 40, 500_000, day=18).timestamp()),
    ]


@requirement("store:reference:continued")
async def test_it_can_go_on_after_us(continued_cache: Stores) -> None:
    """The statements are those of the reference; they still fit our tables."""
    stores = continued_cache
    talk = await stores.conversations.load(PODS, owner="alice")
    await stores.conversations.append(talk, exchange("alice", "ours?", completed_at=at(12, 0, 1)))
    now = 1795200000.5 if stores.is_sqlite else datetime(2026, 11, 20, 18, 40, 0, 500_000)  # noqa: DTZ001 - no zone there
    stores.ask_cache(
        "INSERT INTO cache (user_id, conversation_id, created_at, started_at, completed_at, query, response, provider,"
        " model) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        *(
            "alice",
            PODS,
            now,
            "2026-11-20T18:39:58Z",
            "2026-11-20T18:40:00Z",
            "theirs?",
            "Yes.",
            "openai",
            "gpt-4o-mini",
        ),
    )
    stores.ask_cache(
        "INSERT INTO conversations (user_id, conversation_id, topic_summary, last_message_timestamp)"
        " VALUES (?, ?, ?, ?) ON CONFLICT (user_id, conversation_id)"
        " DO UPDATE SET last_message_timestamp = excluded.last_message_timestamp",
        *("alice", PODS, None, now),
    )
    stores.ask("UPDATE user_conversation SET message_count = message_count + 1 WHERE id = ?", PODS)
    stores.ask(
        "INSERT INTO user_conversation (id, user_id, last_used_model, last_used_provider, message_count,"
        " topic_summary) VALUES ('eeeeeeee-0000-4000-8000-000000000001', 'alice', 'm', 'p', 1, 'New')"
    )
    loaded = await stores.conversations.load(PODS, owner="alice")
    assert [turn.question for turn in loaded.history][-2:] == ["ours?", "theirs?"]
    assert len(loaded.history) == loaded.message_count == 5
    assert (await stores.conversations.page(owner="alice")).entries[0].topic == "New", "its time is the database's"
    assert (await stores.cache.page("alice")).entries[0].last_message_at == at(18, 40, 0, 500_000)


@requirement("store:reference:untouched")
async def test_what_is_not_ours_survives(continued: Stores) -> None:
    before = continued.ask("SELECT * FROM user_conversation WHERE user_id = 'bob'")
    talk = await continued.conversations.load(PODS, owner="alice")
    await continued.conversations.append(talk, exchange("alice"))
    await continued.conversations.delete(SHORT, owner="alice")
    assert continued.ask("SELECT * FROM user_conversation WHERE user_id = 'bob'") == before
    assert await listed(continued, "alice") == [PODS]
    if continued.kept is not None:
        assert continued.ask_cache("SELECT note FROM notes") == [("not ours",)]
        assert len(continued.ask_cache("SELECT * FROM cache")) == 6, "one more, one less"
        assert await listed_in_cache(continued, "dave") == [ONLY_A_TOPIC]
        assert await continued.cache.read("dave", ONLY_A_TOPIC) == ()


@requirement("store:adopted")
async def test_a_conversation_that_only_the_cache_knows_is_its_users(continued_cache: Stores) -> None:
    stores = continued_cache
    for owner in ("bob", "carol", "", None):
        with pytest.raises(ConversationNotFound):
            await stores.conversations.load(LOST, owner=owner)
    assert LOST not in await listed(stores, "alice")
    talk = await stores.conversations.load(LOST, owner="alice")
    assert ([turn.question for turn in talk.history], talk.message_count) == (["Lost?"], 1)
    assert (talk.owner, talk.instructions, talk.last_model, talk.last_provider) == ("alice", None, "granite", "vllm")
    await stores.conversations.append(replace(talk, instructions="Be kind."), exchange("alice", "Found?"))
    assert await listed(stores, "alice") == [LOST, PODS, SHORT]
    entry = (await stores.conversations.page(owner="alice")).entries[0]
    assert (entry.message_count, entry.created_at) == (2, at(11, 6, 40, 500_000, day=18))
    read = await stores.conversations.read(LOST, owner="alice")
    assert [turn.question for turn in read.history] == ["Lost?", "Found?"]
    for owner in ("bob", "carol"):
        with pytest.raises(ConversationNotFound):
            await stores.conversations.load(LOST, owner=owner)


@requirement("store:adopted", "store:ownership")
async def test_who_once_asked_in_a_conversation_of_others_cannot_adopt_it(continued_cache: Stores) -> None:
    with pytest.raises(ConversationNotFound):
        await continued_cache.conversations.load(PODS, owner="carol")
    with pytest.raises(ConversationNotFound):
        await continued_cache.conversations.load(ONLY_A_TOPIC, owner="dave")
    assert await listed(continued_cache, "carol") == await listed(continued_cache, "dave") == []


@requirement("store:adopted")
async def test_a_lost_conversation_can_be_renamed_and_deleted(continued_cache: Stores) -> None:
    stores = continued_cache
    await stores.cache.rename("alice", LOST, "Found")
    assert (await stores.cache.page("alice")).entries[0].topic == "Found"
    assert (await stores.conversations.load(LOST, owner="alice")).topic == "Found"
    await stores.cache.delete("alice", LOST)
    assert LOST not in await listed(stores, "alice")
    with pytest.raises(ConversationNotFound):
        await stores.conversations.load(LOST, owner="alice")


@requirement("store:history")
async def test_a_long_history_in_the_cache_is_bounded_as_well(continued_cache: Stores) -> None:
    stores = continued_cache
    time = "1795200000 + {0}" if stores.is_sqlite else "'2026-11-20 18:40:{0:02}'"
    rows = ", ".join(f"('alice', '{PODS}', {time.format(number)}, '{number}')" for number in range(60))
    stores.ask_cache(f"INSERT INTO cache (user_id, conversation_id, created_at, query) VALUES {rows}")  # noqa: S608
    stores.ask("UPDATE user_conversation SET message_count = 63 WHERE id = ?", PODS)
    loaded = await stores.conversations.load(PODS, owner="alice")
    assert [turn.question for turn in loaded.history] == [str(number) for number in range(10, 60)]
    assert len((await stores.conversations.read(PODS, owner="alice")).history) == 63


@requirement("store:first-release")
@pytest.mark.parametrize("cached", [False, True], ids=["without-cache", "with-cache"])
async def test_what_our_first_release_left_is_gone_on_with(tmp_path: Path, *, cached: bool) -> None:
    file = SqliteFile(tmp_path / "a.db")
    run_script(file, FIXTURES / "first_release" / "sqlite.sql")
    with open_stores(file, CachePlace(file) if cached else None) as stores:
        talk = await stores.conversations.read(PODS, owner="alice")
        assert (talk.instructions, talk.message_count) == ("Be kind.", 2)
        first, second = talk.history
        assert (first.question, first.citations, first.asked_by) == ("first?", (Citation(None, "Guide"),), "alice")
        assert (second.outcome, second.truncated, second.usage.estimated) == (Outcome.INTERRUPTED, True, True)
        turn = exchange("alice", "third?", completed_at=at(9, 0, day=21))
        await stores.conversations.append(talk, turn)
        continued = await stores.conversations.load(PODS, owner="alice")
        assert ([it.question for it in continued.history], continued.message_count) == (
            ["first?", "second?", "third?"],
            3,
        )
        assert (await stores.conversations.page(owner="alice")).entries[0].last_message_at == at(9, 0, day=21)
        if cached:
            assert [it.question for it in await stores.cache.read("alice", PODS)] == ["first?", "second?", "third?"]
