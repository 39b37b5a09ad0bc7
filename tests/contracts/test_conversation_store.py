"""``ConversationStore``: one suite for every kind of storage; lists, faults and old data have files of their own."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import anyio
import anyio.lowlevel
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
from lightspeed_stack.domain.ids import new_conversation_id
from lightspeed_stack.domain.knowledge import Citation, Passage
from lightspeed_stack.errors import ConversationNotFound, StorageError
from lightspeed_stack.storage.queries import REPLAYED
from lightspeed_stack.storage.rows import user_key
from tests.contracts.stores import NOON, Stores, begun, conversation, exchange, listed, listed_in_cache, someone
from tests.spec.registry import requirement

MODEL = ModelChoice("p", "m")


@requirement("store:append")
async def test_a_turn_that_was_stored_is_there(stores: Stores) -> None:
    talk, turn = conversation(alice := someone()), exchange(alice)
    await stores.conversations.append(talk, turn, create=True)
    expected = replace(talk, history=(turn,), last_model="m", last_provider="p", message_count=1)
    assert await stores.conversations.load(talk.id, owner=alice) == expected
    assert await stores.conversations.read(talk.id, owner=alice) == expected


@requirement("store:append", "store:instructions")
async def test_a_conversation_that_was_announced_gets_its_first_turn(stores: Stores) -> None:
    talk, turn = conversation(alice := someone()), exchange(alice)
    await stores.conversations.create(talk, MODEL)
    announced = await stores.conversations.load(talk.id, owner=alice)
    assert (announced.history, announced.message_count, announced.instructions) == ((), 0, None)
    assert (announced.last_model, announced.last_provider) == ("m", "p")
    await stores.conversations.append(talk, turn)
    loaded = await stores.conversations.load(talk.id, owner=alice)
    assert (loaded.history, loaded.message_count, loaded.instructions) == ((turn,), 1, "Be kind.")


@requirement("store:append", "storage:user-conversation:message-count")
async def test_an_announcement_that_came_late_is_counted_as_well(stores: Stores) -> None:
    """Who announces may give up waiting; the first turn then creates what was stored meanwhile."""
    talk = conversation(alice := someone())
    await stores.conversations.create(talk, MODEL)
    await stores.conversations.append(talk, exchange(alice, model="n"), create=True)
    loaded = await stores.conversations.load(talk.id, owner=alice)
    assert (loaded.message_count, loaded.last_model, len(loaded.history)) == (1, "n", 1)


@requirement("store:history")
async def test_history_is_oldest_first_and_bounded(stores: Stores) -> None:
    talk = await begun(stores, alice := someone())
    async with anyio.create_task_group() as tasks:
        for number in range(1, REPLAYED + 5):  # of one conversation, they are stored in this order
            tasks.start_soon(stores.conversations.append, talk, exchange(alice, str(number), second=number))
    loaded = await stores.conversations.load(talk.id, owner=alice)
    assert [turn.question for turn in loaded.history] == [str(number) for number in range(5, REPLAYED + 5)]
    assert loaded.message_count == REPLAYED + 5
    everything = await stores.conversations.read(talk.id, owner=alice)
    assert [turn.question for turn in everything.history] == ["q?", *map(str, range(1, REPLAYED + 5))]


@requirement("store:last-model", "storage:user-conversation:model", "storage:user-conversation:provider")
async def test_the_model_that_was_really_used_is_remembered(stores: Stores) -> None:
    talk = await begun(stores, alice := someone())
    await stores.conversations.append(talk, exchange(alice, model="n", provider="q"))
    loaded = await stores.conversations.load(talk.id, owner=alice)
    assert (loaded.last_model, loaded.last_provider) == ("n", "q")


@requirement("store:instructions")
async def test_a_conversation_keeps_the_system_prompt_of_its_first_turn(stores: Stores) -> None:
    talk = await begun(stores, alice := someone())
    await stores.conversations.append(replace(talk, instructions="Be rude."), exchange(alice))
    assert (await stores.conversations.load(talk.id, owner=alice)).instructions == "Be kind."
    kept = stores.ask("SELECT instructions FROM lightspeed_turn WHERE conversation_id = ? ORDER BY id", talk.id)
    assert kept == [("Be kind.",), (None,)], "it stands once, however long the conversation"


@requirement("store:ownership", "storage:user-conversation:user-id")
async def test_conversations_of_others_are_not_there(stores: Stores) -> None:
    talk = await begun(stores, alice := someone())
    store = stores.conversations
    for owner in (someone(), ""):
        for refused in (store.load, store.read, store.delete):
            with pytest.raises(ConversationNotFound):
                await refused(talk.id, owner=owner)
        assert talk.id not in await listed(stores, owner)
    assert (await store.load(talk.id, owner=None)).owner == alice
    assert (await store.read(talk.id, owner=None)).owner == alice


@requirement("store:ownership")
async def test_what_was_never_there_is_not_found(stores: Stores) -> None:
    store = stores.conversations
    for owner in (someone(), None):
        for missing in (store.load, store.read, store.delete):
            with pytest.raises(ConversationNotFound):
                await missing(new_conversation_id(), owner=owner)
    await store.propose_topic(new_conversation_id(), "Nobody's")


@requirement("store:ownership")
async def test_who_asks_in_a_conversation_does_not_own_it(stores: Stores) -> None:
    """Somebody who may continue conversations of others has no more of it when that right is gone."""
    alice, carol = someone(), someone()
    talk = await begun(stores, alice)
    await stores.conversations.append(talk, exchange(carol, "may I?", second=10))
    with pytest.raises(ConversationNotFound):
        await stores.conversations.load(talk.id, owner=carol)
    loaded = await stores.conversations.load(talk.id, owner=alice)
    assert (loaded.owner, [turn.asked_by for turn in loaded.history]) == (alice, [alice, carol])


RESTS_ON: dict[str, Any] = {
    "passages": (Passage("text", "docs", "Guide", "https://example.com/g", ("A",), 1, 5, 0.5, {"path": "g.md"}),),
    "citations": (Citation("https://example.com/g", "Guide"), Citation(None, "Notes")),
    "tool_results": (ToolResult(ToolCall("c1", "now", "{}", "clock"), "noon"),),
    "attachments": (Attachment("log", "text/plain", "x"),),
}


@requirement("store:details")
async def test_what_a_turn_rests_on_comes_back_with_it(stores: Stores) -> None:
    alice = someone()
    turn = exchange(alice, outcome=Outcome.INTERRUPTED, truncated=True, usage=Usage(3, 4, estimated=True), **RESTS_ON)
    talk = conversation(alice)
    await stores.conversations.append(talk, turn, create=True)
    assert (await stores.conversations.read(talk.id, owner=alice)).history == (turn,)
    light = replace(turn, passages=(), citations=(), tool_results=(), attachments=())
    assert (await stores.conversations.load(talk.id, owner=alice)).history == (light,), "a prompt needs none of it"


@requirement("store:details")
async def test_what_a_turn_rests_on_is_stored_as_json(stores: Stores) -> None:
    talk = conversation(alice := someone())
    await stores.conversations.append(talk, exchange(alice, outcome=Outcome.INTERRUPTED, **RESTS_ON), create=True)
    ((outcome, details),) = stores.ask(
        "SELECT outcome, details FROM lightspeed_turn WHERE conversation_id = ?", talk.id
    )
    assert outcome == "interrupted"
    assert details == (
        '{"passages":[{"content":"text","source":"docs","title":"Guide","url":"https://example.com/g","section":["A"],'
        '"start":1,"end":5,"score":0.5,"attributes":{"path":"g.md"}}],'
        '"citations":[{"url":"https://example.com/g","title":"Guide"},{"url":null,"title":"Notes"}],'
        '"tool_results":[{"call":{"id":"c1","name":"now","arguments":"{}","server_name":"clock"},"content":"noon",'
        '"failed":false}],'
        '"attachments":[{"attachment_type":"log","content_type":"text/plain","content":"x"}]}'
    )


@requirement("store:idempotent", "storage:user-conversation:message-count")
@pytest.mark.parametrize("create", [True, False], ids=["first", "later"])
async def test_the_same_turn_written_twice_is_stored_and_counted_once(stores: Stores, *, create: bool) -> None:
    alice = someone()
    talk = conversation(alice) if create else await begun(stores, alice)
    turn = exchange(alice, "once?", second=10)
    for _ in range(2):
        await stores.conversations.append(talk, turn, create=create)
    read = await stores.conversations.read(talk.id, owner=alice)
    assert [it.question for it in read.history].count("once?") == 1
    assert read.message_count == len(read.history)
    if stores.kept is not None:
        found = stores.ask_cache("SELECT query FROM cache WHERE conversation_id = ?", talk.id)
        assert found.count(("once?",)) == 1


@requirement("store:topic", "storage:user-conversation:topic")
async def test_a_topic_is_given_once(stores: Stores) -> None:
    talk = await begun(stores, alice := someone())
    assert stores.ask("SELECT topic_summary FROM user_conversation WHERE id = ?", talk.id) == [("",)]
    await stores.conversations.propose_topic(talk.id, "First \0Thoughts")
    await stores.conversations.propose_topic(talk.id, "Second Thoughts")
    assert (await stores.conversations.load(talk.id, owner=alice)).topic == "First \ufffdThoughts"
    await stores.conversations.append(talk, exchange(alice, second=10))
    assert (await stores.conversations.page(owner=alice)).entries[0].topic == "First \ufffdThoughts"


@requirement("store:deleted", "storage:user-conversation:id")
async def test_a_deleted_conversation_is_gone_and_stays_away(stores: Stores) -> None:
    talk = await begun(stores, alice := someone())
    other = await begun(stores, alice)
    await stores.conversations.delete(talk.id, owner=alice)
    await stores.conversations.append(talk, exchange(alice, "too late?"))
    await stores.conversations.propose_topic(talk.id, "Too Late")
    for missing in (stores.conversations.load, stores.conversations.read, stores.conversations.delete):
        with pytest.raises(ConversationNotFound):
            await missing(talk.id, owner=alice)
    assert await listed(stores, alice) == [other.id]
    assert stores.ask("SELECT count(*) FROM lightspeed_turn WHERE conversation_id = ?", talk.id) == [(0,)]


@requirement("store:groups")
async def test_many_writers_are_all_stored(stores: Stores) -> None:
    talks = [conversation(someone()) for _ in range(100)]

    async def write_first(talk: Conversation) -> None:
        await stores.conversations.append(talk, exchange(talk.owner, talk.owner), create=True)

    async with anyio.create_task_group() as tasks:
        for talk in talks:
            tasks.start_soon(write_first, talk)
    for talk in talks:
        loaded = await stores.conversations.load(talk.id, owner=talk.owner)
        assert [turn.question for turn in loaded.history] == [talk.owner]


IMPOSSIBLE: dict[str, Callable[[Exchange], Exchange]] = {
    "half-a-character": lambda turn: replace(turn, question="\ud83d"),
    "a-number-too-large": lambda turn: replace(turn, usage=Usage(2**70, 0)),
}


@requirement("store:groups")
@pytest.mark.parametrize("spoil", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
async def test_one_bad_write_does_not_fail_the_others(stores: Stores, spoil: Callable[[Exchange], Exchange]) -> None:
    alice = someone()
    good, bad = [conversation(alice) for _ in range(3)], conversation(alice)
    outcomes: dict[str, str] = {}

    async def write(talk: Conversation, turn: Exchange) -> None:
        try:
            await stores.conversations.append(talk, turn, create=True)
            outcomes[talk.id] = "stored"
        except StorageError as error:
            outcomes[talk.id] = error.cause

    async with anyio.create_task_group() as tasks:
        for talk in good[:2]:
            tasks.start_soon(write, talk, exchange(alice))
        tasks.start_soon(write, bad, spoil(exchange(alice)))
        tasks.start_soon(write, good[2], exchange(alice))
    assert outcomes == {talk.id: "stored" for talk in good} | {bad.id: "The database could not store it."}
    assert set(await listed(stores, alice)) == {talk.id for talk in good}, "all of a bad write fails"
    for talk in good:
        assert (await stores.conversations.load(talk.id, owner=alice)).message_count == 1


@requirement("store:failing")
async def test_a_bad_write_does_not_make_the_database_ill(stores: Stores) -> None:
    """Who is not ready is asked nothing, so it must not take a good turn to be ready again."""
    alice = someone()
    with pytest.raises(StorageError):
        await stores.conversations.append(conversation(alice), exchange(alice, "\ud83d"), create=True)
    assert (await stores.conversations.probe()).status is HealthStatus.OK
    assert stores.ask("SELECT count(*) FROM user_conversation WHERE id = 'trial'") == [(0,)]
    assert stores.ask("SELECT count(*) FROM lightspeed_turn WHERE conversation_id = 'trial'") == [(0,)]


@requirement("store:cancelled-write")
async def test_a_write_whose_caller_left_is_stored(stores: Stores) -> None:
    talk, turn = conversation(alice := someone()), exchange(alice)
    await stores.conversations.probe()
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: stores.conversations.append(talk, turn, create=True))
            await anyio.lowlevel.checkpoint()
            await anyio.lowlevel.checkpoint()
            scope.cancel()
    await begun(stores, someone())  # writes are in order
    assert (await stores.conversations.load(talk.id, owner=alice)).history == (turn,)


TEXTS = {
    "empty": "",
    "not-latin": "Grüße 日本語 \u0627\u0644\u0639\u0631\u0628\u064a\u0629",
    "astral": "😀👩‍💻𝔘𝔫𝔦𝔠𝔬𝔡𝔢\U0010ffff",
    "quotes": """'; DROP TABLE user_conversation; -- "%s" \\ ? :x {} \r\n\t""",
}


@requirement("store:text")
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
async def test_text_comes_back_as_it_was(stores: Stores, text: str) -> None:
    alice = someone()
    talk, turn = conversation(alice, text), exchange(alice, text, answer=text)
    await stores.conversations.append(talk, turn, create=True)
    await stores.conversations.propose_topic(talk.id, text)
    read = await stores.conversations.read(talk.id, owner=alice)
    assert (read.history, read.instructions, read.topic) == ((turn,), text, text)


@requirement("store:text")
async def test_a_long_answer_is_stored_whole(stores: Stores) -> None:
    talk, turn = conversation(alice := someone()), exchange(alice, answer="répétition " * 100_000)
    await stores.conversations.append(talk, turn, create=True)
    assert (await stores.conversations.load(talk.id, owner=alice)).history == (turn,)


@requirement("store:text")
async def test_a_nul_is_stored_as_a_character_that_every_database_takes(stores: Stores) -> None:
    alice = someone()
    attachment = Attachment("log", "text/plain", "\0in a JSON text it is escaped\0")
    turn = exchange(alice, "\0q\0", answer="a\0", attachments=(attachment,))
    talk = conversation(alice, "be\0kind")
    await stores.conversations.append(talk, turn, create=True)
    read = await stores.conversations.read(talk.id, owner=alice)
    assert read.history == (replace(turn, question="\ufffdq\ufffd", answer="a\ufffd"),)
    assert read.instructions == "be\ufffdkind"


# What compresses fits into PostgreSQL's indexes however long it is; random text does not.
LONG = Random(3).randbytes(5000).hex()
OWNERS = {"empty": "", "10-kB": LONG, "quotes": """a'b"c\\%_?:x""", "astral": "😀"}


@requirement("store:text")
@pytest.mark.parametrize("owner", OWNERS.values(), ids=OWNERS)
async def test_user_ids_are_any_text(stores: Stores, owner: str) -> None:
    talk = await begun(stores, owner)
    assert (await stores.conversations.load(talk.id, owner=owner)).owner in {owner, user_key(owner)}
    with pytest.raises(ConversationNotFound):
        await stores.conversations.load(talk.id, owner=f"{owner}x")
    assert talk.id in await listed(stores, owner)
    await stores.conversations.delete(talk.id, owner=owner)
    assert talk.id not in await listed(stores, owner)


@requirement("store:text")
async def test_user_ids_that_are_too_long_for_an_index_are_told_apart(stores: Stores) -> None:
    """PostgreSQL's indexes take 2.7 kB; what cannot be compressed to that is kept by its digest."""
    alice, bob = (random.Random(seed).randbytes(5_000).hex() for seed in ("alice", "bob"))
    talk = await begun(stores, alice)
    await stores.conversations.append(talk, exchange(bob, second=10))
    assert await listed(stores, alice) == [talk.id]
    assert await listed(stores, bob) == []
    loaded = await stores.conversations.load(talk.id, owner=alice)
    assert loaded.message_count == len(loaded.history) == 2
    with pytest.raises(ConversationNotFound):
        await stores.conversations.load(talk.id, owner=bob)
    if stores.kept is not None:
        for user in (alice, bob):
            assert await listed_in_cache(stores, user) == [talk.id]
            assert len(await stores.cache.read(user, talk.id)) == 1
        await stores.cache.rename(alice, talk.id, "Long")
        assert (await stores.conversations.load(talk.id, owner=alice)).topic == "Long"
    await stores.conversations.delete(talk.id, owner=alice)


@requirement("store:times", "storage:user-conversation:created-at", "storage:user-conversation:last-message-at")
@pytest.mark.parametrize("microsecond", [0, 1, 500_000, 999_999])
async def test_times_are_aware_and_keep_their_microseconds(stores: Stores, microsecond: int) -> None:
    start = datetime(2026, 11, 22, 23, 59, 59, microsecond, tzinfo=UTC)
    later = start + timedelta(days=100, microseconds=7)
    first = exchange(alice := someone(), started_at=start, completed_at=start + timedelta(microseconds=1))
    second = exchange(alice, started_at=later, completed_at=later)
    talk = conversation(alice)
    await stores.conversations.append(talk, first, create=True)
    await stores.conversations.append(talk, second)
    history = (await stores.conversations.read(talk.id, owner=alice)).history
    times = [time for turn in history for time in (turn.started_at, turn.completed_at)]
    assert times == [start, start + timedelta(microseconds=1), later, later]
    entry = (await stores.conversations.page(owner=alice)).entries[0]
    assert (entry.created_at, entry.last_message_at) == (start, later)
    assert {time.utcoffset() for time in (*times, entry.created_at, entry.last_message_at)} == {timedelta(0)}


@requirement("storage:user-conversation:created-at")
async def test_an_announced_conversation_has_the_time_of_now(stores: Stores) -> None:
    before = datetime.now(UTC)
    await stores.conversations.create(conversation(alice := someone()), MODEL)
    entry = (await stores.conversations.page(owner=alice)).entries[0]
    assert before <= entry.created_at == entry.last_message_at <= datetime.now(UTC)
    assert entry.created_at > NOON - timedelta(days=365)
