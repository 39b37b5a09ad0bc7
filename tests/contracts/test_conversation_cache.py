"""``ConversationCache``: the second view, in the reference's tables; one suite for every kind that has one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import anyio
import pytest

from lightspeed_stack.domain.chat import Attachment
from lightspeed_stack.domain.ids import new_conversation_id
from lightspeed_stack.domain.knowledge import Citation, Passage
from lightspeed_stack.errors import ConversationNotFound
from lightspeed_stack.storage.empty_cache import EmptyCache
from lightspeed_stack.storage.locations import SqliteFile
from lightspeed_stack.storage.opened import CachePlace
from tests.contracts.stores import (
    NOON,
    Stores,
    begun,
    conversation,
    exchange,
    listed,
    listed_in_cache,
    open_stores,
    someone,
)
from tests.spec.registry import requirement

STARTED = NOON + timedelta(microseconds=250_000)
COMPLETED = NOON + timedelta(seconds=1, microseconds=500_001)


def in_sqlite(stores: Stores) -> bool:
    return stores.kept is not None and isinstance(stores.kept.location, SqliteFile)


@requirement("cache:insert", "storage:matrix:query")
async def test_a_turn_is_in_both_views(caching_stores: Stores) -> None:
    stores, alice = caching_stores, someone()
    talk = conversation(alice)
    turn = exchange(
        alice,
        passages=(Passage("text", "docs", "Guide", None),),
        citations=(Citation(None, "Guide"),),
        attachments=(Attachment("log", "text/plain", "x"),),
    )
    await stores.conversations.append(talk, turn, create=True)
    assert await listed(stores, alice) == await listed_in_cache(stores, alice) == [talk.id]
    assert await stores.cache.read(alice, talk.id) == (turn,), "with all that it rests on"
    assert (await stores.conversations.read(talk.id, owner=alice)).history == (turn,)
    assert stores.ask("SELECT count(*) FROM user_conversation WHERE id = ?", talk.id) == [(1,)]
    assert stores.ask_cache("SELECT count(*) FROM cache WHERE conversation_id = ?", talk.id) == [(1,)]


@requirement("cache:table:sqlite:cache", "cache:table:postgres:cache")
async def test_an_entry_has_the_references_formats(caching_stores: Stores) -> None:
    stores, alice = caching_stores, someone()
    talk = conversation(alice)
    turn = exchange(alice, "who?", answer="you", started_at=STARTED, completed_at=COMPLETED)
    await stores.conversations.append(talk, turn, create=True)
    texts = stores.ask_cache(
        "SELECT user_id, conversation_id, started_at, completed_at, query, response, provider, model FROM cache"
        " WHERE user_id = ?",
        alice,
    )
    times = ("2026-11-22T12:00:00Z", "2026-11-22T12:00:01Z")
    assert texts == [(alice, talk.id, *times, "who?", "you", "p", "m")]
    kind = "typeof(created_at)" if in_sqlite(stores) else "pg_typeof(created_at)::text"
    created = stores.ask_cache(f"SELECT created_at, {kind} FROM cache WHERE user_id = ?", alice)  # noqa: S608
    if in_sqlite(stores):
        assert created == [(COMPLETED.timestamp(), "real")]
    else:
        assert created == [(COMPLETED.replace(tzinfo=None), "timestamp without time zone")]


@requirement("cache:table:sqlite:conversations", "cache:table:postgres:conversations")
async def test_a_record_has_the_references_formats(caching_stores: Stores) -> None:
    stores, alice = caching_stores, someone()
    talk = conversation(alice)
    await stores.conversations.append(talk, exchange(alice, completed_at=COMPLETED), create=True)
    kind = "typeof(last_message_timestamp)" if in_sqlite(stores) else "pg_typeof(last_message_timestamp)::text"
    query = f"SELECT conversation_id, topic_summary, last_message_timestamp, {kind} FROM conversations"  # noqa: S608
    found = stores.ask_cache(f"{query} WHERE user_id = ?", alice)
    if in_sqlite(stores):
        assert found == [(talk.id, None, COMPLETED.timestamp(), "real")]
    else:
        assert found == [(talk.id, None, COMPLETED.replace(tzinfo=None), "timestamp without time zone")]


PRIMARY_KEY_OF_POSTGRES = """
SELECT attname FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)
WHERE indrelid = CAST(CAST(? AS text) AS regclass) AND indisprimary ORDER BY array_position(indkey, attnum)
"""


@requirement(
    "cache:table:sqlite:cache",
    "cache:table:postgres:cache",
    "cache:table:sqlite:conversations",
    "cache:table:postgres:conversations",
)
@pytest.mark.parametrize(
    ("table", "key"),
    [("cache", ["user_id", "conversation_id", "created_at"]), ("conversations", ["user_id", "conversation_id"])],
)
async def test_the_tables_have_the_references_keys(caching_stores: Stores, table: str, key: list[str]) -> None:
    stores = caching_stores
    await stores.cache.page(someone())
    if in_sqlite(stores):
        columns = stores.ask_cache('SELECT name, type, "notnull", pk FROM pragma_table_info(?)', table)
        assert [name for name, _, _, pk in sorted(columns, key=lambda it: it[3]) if pk] == key
        assert {name: (type_, notnull) for name, type_, notnull, _ in columns if name in key}[key[-1]] == (
            ("INT", 1) if table == "cache" else ("TEXT", 1)
        )
        indexes = stores.ask_cache("SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'cache'")
    else:
        assert [name for (name,) in stores.ask_cache(PRIMARY_KEY_OF_POSTGRES, table)] == key
        indexes = stores.ask_cache("SELECT indexname FROM pg_indexes WHERE tablename = 'cache'")
    assert ("timestamps",) in indexes


@requirement("cache:list")
async def test_the_list_has_exact_times_and_no_topic_before_there_is_one(caching_stores: Stores) -> None:
    stores, alice = caching_stores, someone()
    talk = conversation(alice)
    await stores.conversations.append(talk, exchange(alice, completed_at=COMPLETED), create=True)
    (entry,) = (await stores.cache.page(alice)).entries
    assert (entry.id, entry.topic, entry.last_message_at) == (talk.id, None, COMPLETED)
    assert entry.last_message_at.utcoffset() == timedelta(0)
    await stores.conversations.propose_topic(talk.id, "Pods")
    (entry,) = (await stores.cache.page(alice)).entries
    assert (entry.topic, entry.last_message_at) == ("Pods", COMPLETED)


@requirement("cache:insert")
async def test_a_later_turn_moves_the_record_and_keeps_its_topic(caching_stores: Stores) -> None:
    stores, alice = caching_stores, someone()
    talk = await begun(stores, alice)
    await stores.conversations.propose_topic(talk.id, "Pods")
    turn = exchange(alice, second=10)
    # Whoever loaded it before the topic came knows none.
    await stores.conversations.append(talk, turn)
    (entry,) = (await stores.cache.page(alice)).entries
    assert (entry.topic, entry.last_message_at) == ("Pods", turn.completed_at)


@requirement("cache:insert")
async def test_who_joins_a_conversation_finds_its_topic(caching_stores: Stores) -> None:
    stores, alice, carol = caching_stores, someone(), someone()
    talk = await begun(stores, alice)
    await stores.conversations.propose_topic(talk.id, "Pods")
    loaded = await stores.conversations.load(talk.id, owner=None)
    await stores.conversations.append(loaded, exchange(carol, second=10))
    assert [entry.topic for entry in (await stores.cache.page(carol)).entries] == ["Pods"]


@requirement("cache:get")
async def test_a_user_reads_what_they_asked_oldest_first(caching_stores: Stores) -> None:
    stores, alice, carol = caching_stores, someone(), someone()
    talk = conversation(alice)
    turns = [exchange(who, str(at), second=at * 10) for at, who in enumerate((alice, carol, alice))]
    for at, turn in enumerate(turns):
        await stores.conversations.append(talk, turn, create=at == 0)
    assert await stores.cache.read(alice, talk.id) == (turns[0], turns[2])
    assert await stores.cache.read(carol, talk.id) == (turns[1],)
    assert await listed_in_cache(stores, carol) == [talk.id]
    assert await listed(stores, carol) == [], "it is not theirs"


@requirement("cache:get")
async def test_what_is_not_listed_is_not_found(caching_stores: Stores) -> None:
    stores, alice, bob = caching_stores, someone(), someone()
    talk = await begun(stores, alice)
    for user, id_ in ((bob, talk.id), (alice, new_conversation_id())):
        for call in (stores.cache.read(user, id_), stores.cache.rename(user, id_, "x"), stores.cache.delete(user, id_)):
            with pytest.raises(ConversationNotFound):
                await call
    assert await listed(stores, alice) == await listed_in_cache(stores, alice) == [talk.id]
    assert (await stores.conversations.load(talk.id, owner=alice)).topic == ""


@requirement("cache:set-topic", "storage:matrix:put-v2")
async def test_renaming_shows_in_both_views_and_brings_it_to_the_top_of_the_second(caching_stores: Stores) -> None:
    stores, alice = caching_stores, someone()
    talk, newer = await begun(stores, alice), await begun(stores, alice, second=60)
    before = datetime.now(UTC) - timedelta(microseconds=1)
    await stores.cache.rename(alice, talk.id, "New\0 Name")
    first, second = (await stores.cache.page(alice)).entries
    assert ((first.id, first.topic), second.id) == ((talk.id, "New\ufffd Name"), newer.id)
    assert before <= first.last_message_at <= datetime.now(UTC)
    assert (await stores.conversations.load(talk.id, owner=alice)).topic == "New\ufffd Name"
    assert await listed(stores, alice) == [newer.id, talk.id], "no message came"
    await stores.conversations.propose_topic(talk.id, "From a model")
    assert (await stores.conversations.load(talk.id, owner=alice)).topic == "New\ufffd Name"


@requirement("cache:set-topic")
async def test_who_does_not_own_a_conversation_renames_only_their_record(caching_stores: Stores) -> None:
    stores, alice, carol = caching_stores, someone(), someone()
    talk = await begun(stores, alice)
    await stores.conversations.append(talk, exchange(carol, second=10))
    await stores.cache.rename(carol, talk.id, "Hers")
    assert [entry.topic for entry in (await stores.cache.page(carol)).entries] == ["Hers"]
    assert [entry.topic for entry in (await stores.cache.page(alice)).entries] == [None]
    assert (await stores.conversations.load(talk.id, owner=alice)).topic == ""


@requirement("cache:set-topic", "store:topic")
async def test_a_topic_that_comes_too_late_is_nobodys(caching_stores: Stores) -> None:
    stores, alice, carol = caching_stores, someone(), someone()
    talk = await begun(stores, alice)
    await stores.conversations.append(talk, exchange(carol, second=10))
    await stores.cache.rename(alice, talk.id, "Mine")
    await stores.conversations.propose_topic(talk.id, "From a model")
    for user in (alice, carol):
        assert [entry.topic for entry in (await stores.cache.page(user)).entries] == ["Mine"]
    assert (await stores.conversations.load(talk.id, owner=alice)).topic == "Mine"


@requirement("cache:delete", "storage:matrix:delete-v2")
async def test_the_owner_deletes_a_conversation_for_everybody(caching_stores: Stores) -> None:
    stores, alice, carol = caching_stores, someone(), someone()
    talk, other = await begun(stores, alice), await begun(stores, alice)
    await stores.conversations.append(talk, exchange(carol, second=10))
    assert await stores.cache.delete(alice, talk.id) is True
    assert await listed(stores, alice) == await listed_in_cache(stores, alice) == [other.id]
    assert await listed_in_cache(stores, carol) == []
    with pytest.raises(ConversationNotFound):
        await stores.cache.delete(alice, talk.id)
    assert stores.ask("SELECT count(*) FROM lightspeed_turn WHERE conversation_id = ?", talk.id) == [(0,)]


@requirement("cache:delete")
async def test_who_does_not_own_a_conversation_deletes_only_their_record(caching_stores: Stores) -> None:
    stores, alice, carol = caching_stores, someone(), someone()
    talk = await begun(stores, alice)
    await stores.conversations.append(talk, exchange(carol, second=10))
    assert await stores.cache.delete(carol, talk.id) is True
    assert await listed_in_cache(stores, carol) == []
    assert await listed(stores, alice) == await listed_in_cache(stores, alice) == [talk.id]
    assert len((await stores.conversations.read(talk.id, owner=alice)).history) == 2
    rows = stores.ask_cache("SELECT user_id FROM cache WHERE conversation_id = ?", talk.id)
    assert rows == [(alice,)]


@requirement("storage:matrix:delete-v1")
async def test_deleting_in_the_first_view_deletes_in_the_second(caching_stores: Stores) -> None:
    stores, alice, carol = caching_stores, someone(), someone()
    talk = await begun(stores, alice)
    await stores.conversations.append(talk, exchange(carol, second=10))
    await stores.conversations.delete(talk.id, owner=alice)
    assert await listed_in_cache(stores, alice) == await listed_in_cache(stores, carol) == []
    for table in ("cache", "conversations"):
        query = f"SELECT count(*) FROM {table} WHERE conversation_id = ?"  # noqa: S608
        assert stores.ask_cache(query, talk.id) == [(0,)]


@requirement("store:deleted")
@pytest.mark.parametrize("view", ["first", "second"])
async def test_what_was_deleted_during_a_turn_stays_away(caching_stores: Stores, view: str) -> None:
    stores, alice, carol = caching_stores, someone(), someone()
    talk = await begun(stores, alice)
    if view == "first":
        await stores.conversations.delete(talk.id, owner=None)
    else:
        await stores.cache.delete(alice, talk.id)
    for who in (alice, carol):
        await stores.conversations.append(replace(talk, topic="Pods"), exchange(who, second=10))
        assert await listed(stores, who) == await listed_in_cache(stores, who) == []
        with pytest.raises(ConversationNotFound):
            await stores.conversations.load(talk.id, owner=who)


@requirement("store:deleted")
async def test_what_is_deleted_while_turns_are_stored_stays_away(caching_stores: Stores) -> None:
    stores, alice, carol = caching_stores, someone(), someone()
    for _ in range(10):
        talk = await begun(stores, alice)
        async with anyio.create_task_group() as tasks:
            for second in range(3):
                tasks.start_soon(stores.conversations.append, talk, exchange(alice, second=second))
            tasks.start_soon(partial(stores.conversations.delete, talk.id, owner=alice))
            for second in range(3):
                tasks.start_soon(stores.conversations.append, talk, exchange(carol, second=second))
        assert await listed(stores, alice) == []
        assert await listed_in_cache(stores, alice) == await listed_in_cache(stores, carol) == []
        rows = stores.ask_cache("SELECT user_id FROM cache WHERE conversation_id = ?", talk.id)
        assert rows == []


@requirement("cache:type:memory")
async def test_a_memory_cache_keeps_the_newest_turns(tmp_path: Path) -> None:
    place = CachePlace(SqliteFile(tmp_path / "cache.db", lasting=False), 3)
    alice, bob = "alice", "bob"
    with open_stores(SqliteFile(tmp_path / "a.db"), place) as stores:
        long = await begun(stores, alice, second=0)
        short = await begun(stores, bob, second=1)
        renamed = await begun(stores, bob, second=2)
        await stores.cache.rename(bob, renamed.id, "Renamed")
        for second in (3, 4):
            await stores.conversations.append(long, exchange(alice, second=second))
        kept = stores.ask_cache("SELECT conversation_id FROM cache ORDER BY created_at")
        assert kept == [(renamed.id,), (long.id,), (long.id,)]
        assert await listed_in_cache(stores, bob) == [renamed.id], "without turns a conversation is not listed"
        assert len(await stores.cache.read(alice, long.id)) == 3, "what we know by ourselves is shown all the same"
        with pytest.raises(ConversationNotFound):
            await stores.cache.read(bob, short.id)
        await stores.conversations.append(long, exchange(alice, second=5))
        assert await listed_in_cache(stores, bob) == [], "however late it was renamed"
        assert await listed(stores, bob) == [renamed.id, short.id]


@requirement("cache:type:memory")
async def test_a_turn_older_than_all_that_a_full_cache_keeps_is_not_kept(tmp_path: Path) -> None:
    place = CachePlace(SqliteFile(tmp_path / "cache.db", lasting=False), 2)
    with open_stores(SqliteFile(tmp_path / "a.db"), place) as stores:
        for second in (10, 11):
            await begun(stores, "alice", second=second)
        late = await begun(stores, "bob", second=0)
        assert await listed_in_cache(stores, "bob") == []
        assert len(await listed_in_cache(stores, "alice")) == 2
        assert await listed(stores, "bob") == [late.id]


@requirement("cache:type:noop")
async def test_an_empty_cache_knows_no_conversation() -> None:
    cache, id_ = EmptyCache(), new_conversation_id()
    page = await cache.page("alice")
    assert (page.entries, page.more) == ((), False)
    for call in (
        cache.read("alice", id_),
        cache.rename("alice", id_, "x"),
        cache.delete("alice", id_),
        cache.page("alice", after=id_),
    ):
        with pytest.raises(ConversationNotFound):
            await call
