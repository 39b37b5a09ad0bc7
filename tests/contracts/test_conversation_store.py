"""``ConversationStore``: one suite for every implementation; here SQLite, opened at once and when first needed."""

import multiprocessing
import signal
import sqlite3
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path

import anyio
import pytest

from lightspeed_stack.domain.chat import (
    Attachment,
    Conversation,
    Exchange,
    ModelChoice,
    Outcome,
    ToolCall,
    ToolResult,
    Usage,
)
from lightspeed_stack.domain.health import HealthStatus
from lightspeed_stack.domain.ids import ConversationId, new_conversation_id
from lightspeed_stack.domain.knowledge import Citation, Passage
from lightspeed_stack.errors import ConversationNotFound, StorageError
from lightspeed_stack.storage.base import ConversationStore
from lightspeed_stack.storage.conversations import REPLAYED, SqlConversations
from lightspeed_stack.storage.database import Database
from lightspeed_stack.storage.opening import OpeningStore
from lightspeed_stack.storage.precheck import check_sqlite
from tests.spec.registry import requirement

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
MODEL = ModelChoice("p", "m")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "conversations.db"


@pytest.fixture(params=["at-once", "when-needed"])
async def store(request: pytest.FixtureRequest, path: Path) -> AsyncIterator[ConversationStore]:
    def open_store() -> SqlConversations:
        return SqlConversations(Database.open_sqlite(path))

    opening = OpeningStore(open_store)
    if request.param == "at-once":
        await opening.warm()
    yield opening
    await opening.aclose()


def conversation(owner: str = "alice") -> Conversation:
    return Conversation(new_conversation_id(), owner, "Be kind.", (), "m", "p")


def exchange(question: str = "q?", answer: str = "a.", **changes: object) -> Exchange:
    plain = Exchange(question, answer, "m", "p", NOON, NOON + timedelta(seconds=1), usage=Usage(3, 4))
    return replace(plain, **changes)  # type: ignore[arg-type] # the fields are named by the tests


@requirement("store:append")
async def test_a_turn_that_was_stored_is_there(store: ConversationStore) -> None:
    talk = conversation()
    await store.append(talk, exchange(), create=True)
    loaded = await store.load(talk.id, owner="alice")
    assert loaded == replace(talk, history=(exchange(),))


@requirement("store:append")
async def test_a_conversation_that_was_announced_gets_its_first_turn(store: ConversationStore) -> None:
    talk = conversation()
    await store.create(talk, MODEL)
    assert (await store.load(talk.id, owner="alice")).history == ()
    await store.append(talk, exchange())
    assert (await store.load(talk.id, owner="alice")).instructions == "Be kind."


@requirement("store:history")
async def test_history_is_oldest_first_and_bounded(store: ConversationStore) -> None:
    talk = conversation()
    await store.append(talk, exchange("0"), create=True)
    continued = replace(talk, history=(exchange("0"),))
    for number in range(1, REPLAYED + 5):
        await store.append(continued, exchange(str(number)))
    history = (await store.load(talk.id, owner="alice")).history
    assert [turn.question for turn in history] == [str(number) for number in range(5, REPLAYED + 5)]


@requirement("store:last-model")
async def test_the_model_that_was_really_used_is_remembered(store: ConversationStore) -> None:
    talk = conversation()
    await store.append(talk, exchange(), create=True)
    await store.append(replace(talk, history=(exchange(),)), exchange(model="n", provider="q"))
    loaded = await store.load(talk.id, owner="alice")
    assert (loaded.last_model, loaded.last_provider) == ("n", "q")


@requirement("store:ownership")
async def test_conversations_of_others_are_not_there(store: ConversationStore) -> None:
    talk = conversation("alice")
    await store.append(talk, exchange(), create=True)
    for owner in ("bob", ""):
        with pytest.raises(ConversationNotFound):
            await store.load(talk.id, owner=owner)
    assert (await store.load(talk.id, owner=None)).owner == "alice"
    with pytest.raises(ConversationNotFound):
        await store.load(new_conversation_id(), owner=None)


@requirement("store:details")
async def test_what_a_turn_rests_on_is_stored_as_json(store: ConversationStore, path: Path) -> None:
    talk = conversation()
    passage = Passage("text", "docs", "Guide", "https://example.com/g", ("A",), 1, 5, 0.5, {"path": "g.md"})
    result = ToolResult(ToolCall("c1", "now", "{}", "clock"), "noon")
    turn = exchange(
        passages=(passage,),
        citations=(Citation("https://example.com/g", "Guide"),),
        tool_results=(result,),
        attachments=(Attachment("log", "text/plain", "x"),),
        outcome=Outcome.INTERRUPTED,
        truncated=True,
    )
    await store.append(talk, turn, create=True)
    with sqlite3.connect(path) as connection:
        outcome, details = connection.execute("SELECT outcome, details FROM lightspeed_turn").fetchone()
    connection.close()
    assert outcome == "interrupted"
    assert details == (
        '{"passages":[{"content":"text","source":"docs","title":"Guide","url":"https://example.com/g","section":["A"],'
        '"start":1,"end":5,"score":0.5,"attributes":{"path":"g.md"}}],'
        '"citations":[{"url":"https://example.com/g","title":"Guide"}],'
        '"tool_results":[{"call":{"id":"c1","name":"now","arguments":"{}","server_name":"clock"},"content":"noon",'
        '"failed":false}],'
        '"attachments":[{"attachment_type":"log","content_type":"text/plain","content":"x"}]}'
    )


@requirement("store:reference-table")
async def test_the_references_table_is_continued(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE TABLE user_conversation (id VARCHAR NOT NULL PRIMARY KEY, user_id VARCHAR NOT NULL,"
            " last_used_model VARCHAR NOT NULL, last_used_provider VARCHAR NOT NULL,"
            " created_at DATETIME DEFAULT CURRENT_TIMESTAMP NOT NULL,"
            " last_message_at DATETIME DEFAULT CURRENT_TIMESTAMP NOT NULL,"
            " message_count INTEGER NOT NULL, topic_summary VARCHAR NOT NULL)"
        )
        connection.execute(
            "INSERT INTO user_conversation (id, user_id, last_used_model, last_used_provider, message_count,"
            " topic_summary) VALUES ('93e26998-ad37-4a91-9048-fd12ab3e1e0c', 'alice', 'old', 'older', 3, 'Pods')"
        )
    connection.close()
    store = OpeningStore(lambda: SqlConversations(Database.open_sqlite(path)))
    talk = await store.load(ConversationId("93e26998-ad37-4a91-9048-fd12ab3e1e0c"), owner="alice")
    assert (talk.instructions, talk.last_model, talk.last_provider) == (None, "old", "older")
    await store.append(replace(talk, instructions="Be kind."), exchange())
    assert (await store.load(talk.id, owner="alice")).instructions == "Be kind."
    await store.aclose()
    with sqlite3.connect(path) as connection:
        row = connection.execute(
            "SELECT user_id, last_used_model, message_count, topic_summary, last_message_at FROM user_conversation"
        ).fetchone()
    connection.close()
    assert row == ("alice", "m", 4, "Pods", "2026-11-22 12:00:01.000000")


@requirement("store:groups")
async def test_many_writers_are_all_stored(store: ConversationStore) -> None:
    talks = [conversation(str(number)) for number in range(200)]

    async def write_first(talk: Conversation) -> None:
        await store.append(talk, exchange(talk.owner), create=True)

    async with anyio.create_task_group() as tasks:
        for talk in talks:
            tasks.start_soon(write_first, talk)
    for talk in talks:
        assert [turn.question for turn in (await store.load(talk.id, owner=talk.owner)).history] == [talk.owner]


@requirement("store:groups")
async def test_one_bad_write_does_not_fail_the_others(store: ConversationStore) -> None:
    talk, other = conversation(), conversation()
    await store.append(talk, exchange(), create=True)
    outcomes: dict[str, object] = {}

    async def write(name: str, what: Conversation) -> None:
        try:
            await store.append(what, exchange(), create=True)
            outcomes[name] = "stored"
        except StorageError as error:
            outcomes[name] = error.cause

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write, "again", talk)
        tasks.start_soon(write, "other", other)
    assert outcomes == {"again": "The database could not store it.", "other": "stored"}


@requirement("store:cancelled-write")
async def test_a_write_whose_caller_left_is_stored(store: ConversationStore) -> None:
    talk = conversation()
    await store.probe()
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: store.append(talk, exchange(), create=True))
            await anyio.lowlevel.checkpoint()
            await anyio.lowlevel.checkpoint()
            scope.cancel()
    marker = conversation()
    await store.append(marker, exchange(), create=True)  # writes are in order
    assert (await store.load(talk.id, owner="alice")).history == (exchange(),)


@requirement("store:failing")
async def test_a_failed_write_shows_in_the_probe_until_one_succeeds(store: ConversationStore) -> None:
    talk = conversation()
    await store.append(talk, exchange(), create=True)
    assert (await store.probe()).status is HealthStatus.OK
    with pytest.raises(StorageError):
        await store.append(talk, exchange(), create=True)
    health = await store.probe()
    assert health.status is HealthStatus.ERROR
    assert health.message == "The last write to the database failed."
    await store.append(conversation(), exchange(), create=True)
    assert (await store.probe()).status is HealthStatus.OK


@requirement("store:precheck")
@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda path: path / "missing" / "x.db", "SQLite database directory does not exist"),
        (lambda path: path, "cannot be used"),
    ],
    ids=["no-directory", "is-a-directory"],
)
def test_an_unusable_file_is_found_before_the_start(
    tmp_path: Path, prepare: Callable[[Path], Path], message: str
) -> None:
    with pytest.raises(StorageError, match=message):
        check_sqlite(prepare(tmp_path))


@requirement("store:precheck")
def test_a_file_that_is_no_database_is_not_touched(path: Path) -> None:
    path.write_bytes(b"precious notes, not a database" * 100)
    with pytest.raises(StorageError, match="file is not a database"):
        check_sqlite(path)
    assert path.read_bytes() == b"precious notes, not a database" * 100


def write_for_ever(path: Path, told: Connection) -> None:
    """Store turn after turn; tell the number of each as soon as it is stored."""

    async def run() -> None:
        store = SqlConversations(Database.open_sqlite(path))
        talk = Conversation(ConversationId("93e26998-ad37-4a91-9048-fd12ab3e1e0c"), "alice", None, (), "m", "p")
        await store.append(talk, exchange("0"), create=True)
        number = 0
        while True:
            told.send(number)
            number += 1
            await store.append(talk, exchange(str(number)))

    anyio.run(run)


@requirement("store:killed")
@pytest.mark.parametrize("after", [1, 5, 20])
def test_what_was_reported_as_stored_survives_a_kill(path: Path, after: int) -> None:
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=write_for_ever, args=(path, theirs))
    process.start()
    theirs.close()
    told = -1
    while told < after:
        assert ours.poll(30)
        told = ours.recv()
    assert process.pid is not None
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    while True:
        try:
            told = ours.recv()
        except EOFError:
            break
    ours.close()
    with sqlite3.connect(path) as connection:
        stored = [int(row[0]) for row in connection.execute("SELECT question FROM lightspeed_turn ORDER BY id")]
        (count,) = connection.execute("SELECT message_count FROM user_conversation").fetchone()
    connection.close()
    assert stored == list(range(len(stored)))
    assert told <= stored[-1]
    assert count == len(stored), "a turn and what it changes are stored together"
