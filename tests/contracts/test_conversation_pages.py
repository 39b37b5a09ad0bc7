"""Lists of both views: their order, their pages, and whose they are."""

import uuid
from collections.abc import Sequence
from datetime import timedelta

import pytest

from lightspeed_stack.domain.ids import ConversationId, new_conversation_id
from lightspeed_stack.errors import ConversationNotFound
from lightspeed_stack.storage.base import ConversationStore
from tests.contracts.stores import NOON, Stores, begun, conversation, exchange, listed, listed_in_cache, someone
from tests.spec.registry import requirement


async def pages(store: ConversationStore, owner: str | None, limit: int) -> list[list[ConversationId]]:
    """The whole list, page by page."""
    found: list[list[ConversationId]] = []
    after, more = None, True
    while more:
        page = await store.page(owner=owner, limit=limit, after=after)
        found.append([entry.id for entry in page.entries])
        after, more = found[-1][-1] if found[-1] else None, page.more
    return found


def named(numbers: Sequence[int]) -> list[ConversationId]:
    """Ids in the order of their numbers, that nobody else has."""
    rest = uuid.uuid4().hex[8:]
    return [ConversationId(str(uuid.UUID(f"{number:08x}{rest}"))) for number in numbers]


@requirement("store:page:order")
async def test_the_newest_is_first_and_equal_times_are_in_the_order_of_ids(stores: Stores) -> None:
    alice = someone()
    first, second, third, fourth = named([1, 2, 3, 4])
    for id_, second_ in ((third, 5), (first, 5), (fourth, 1), (second, 5)):
        await begun(stores, alice, id=id_, second=second_)
    assert await listed(stores, alice) == [third, second, first, fourth]
    turn = exchange(alice, second=9)
    await stores.conversations.append(conversation(alice, id=fourth), turn)
    entries = (await stores.conversations.page(owner=alice)).entries
    assert [entry.id for entry in entries] == [fourth, third, second, first], "a new message brings it to the top"
    assert (entries[0].message_count, entries[0].last_message_at) == (2, turn.completed_at)


@requirement("store:page:limit", "store:page:after")
@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 100])
async def test_pages_put_together_are_the_list(stores: Stores, limit: int) -> None:
    alice = someone()
    for second in (1, 1, 1, 2, 3):
        await begun(stores, alice, second=second)
    whole = await listed(stores, alice)
    found = await pages(stores.conversations, alice, limit)
    assert [id_ for page in found for id_ in page] == whole
    assert [len(page) for page in found] == [min(limit, 5 - at) for at in range(0, 5, limit)]


@requirement("store:page:limit")
async def test_a_page_says_what_its_conversations_are(stores: Stores) -> None:
    alice = someone()
    talk = conversation(alice)
    await stores.conversations.append(talk, exchange(alice, model="n", provider="q"), create=True)
    await stores.conversations.propose_topic(talk.id, "Pods")
    page = await stores.conversations.page(owner=alice)
    assert not page.more
    (entry,) = page.entries
    assert (entry.id, entry.owner, entry.topic, entry.message_count) == (talk.id, alice, "Pods", 1)
    assert (entry.last_model, entry.last_provider) == ("n", "q")
    assert (entry.created_at, entry.last_message_at) == (NOON, NOON + timedelta(seconds=1))
    nobodys = await stores.conversations.page(owner=someone())
    assert (nobodys.entries, nobodys.more) == ((), False)


@requirement("store:page:after")
async def test_a_page_begins_only_after_an_entry_of_the_same_list(stores: Stores) -> None:
    alice, bob = someone(), someone()
    talk, foreign = await begun(stores, alice), await begun(stores, bob)
    deleted = await begun(stores, alice)
    await stores.conversations.delete(deleted.id, owner=alice)
    for unknown in (foreign.id, deleted.id, new_conversation_id(), ConversationId("")):
        with pytest.raises(ConversationNotFound):
            await stores.conversations.page(owner=alice, after=unknown)
    assert (await stores.conversations.page(owner=alice, after=talk.id)).entries == ()
    with pytest.raises(ConversationNotFound):
        await stores.conversations.page(owner=None, after=new_conversation_id())


@requirement("store:page:of-all")
async def test_without_an_owner_the_list_has_everybodys(stores: Stores) -> None:
    alice, bob = someone(), someone()
    talks = [await begun(stores, owner, second=second) for second, owner in enumerate((alice, bob, alice))]
    entries = (await stores.conversations.page(owner=None)).entries
    mine = {entry.id: entry for entry in entries if entry.owner in {alice, bob}}
    assert list(mine) == [talk.id for talk in reversed(talks)]
    for at, entry in enumerate(entries):
        if entry.id in mine:
            page = await stores.conversations.page(owner=None, after=entry.id, limit=2)
            assert page.entries == entries[at + 1 : at + 3]


@requirement("store:page:order", "cache:list")
async def test_the_second_view_is_in_the_same_order(caching_stores: Stores) -> None:
    stores, alice = caching_stores, someone()
    first, second, third, fourth = named([1, 2, 3, 4])
    for id_, second_ in ((third, 5), (first, 5), (fourth, 1), (second, 5)):
        await begun(stores, alice, id=id_, second=second_)
    assert await listed_in_cache(stores, alice) == [third, second, first, fourth]
    page = await stores.cache.page(alice, limit=2)
    assert ([entry.id for entry in page.entries], page.more) == ([third, second], True)
    rest = await stores.cache.page(alice, limit=2, after=second)
    assert ([entry.id for entry in rest.entries], rest.more) == ([first, fourth], False)


@requirement("store:page:after", "cache:list")
async def test_a_page_of_the_second_view_begins_only_after_an_entry_of_it(caching_stores: Stores) -> None:
    stores, alice, bob = caching_stores, someone(), someone()
    await begun(stores, alice)
    foreign = await begun(stores, bob)
    for unknown in (foreign.id, new_conversation_id()):
        with pytest.raises(ConversationNotFound):
            await stores.cache.page(alice, after=unknown)


OF_THE_REFERENCE = """
INSERT INTO user_conversation (id, user_id, last_used_model, last_used_provider, created_at, last_message_at,
    message_count, topic_summary) VALUES (?, ?, 'm', 'p', '2026-11-22 12:00:00', ?, 1, '')
"""


@requirement("store:page:reference-times")
async def test_times_that_the_reference_wrote_are_in_order_with_ours(stores: Stores) -> None:
    """Its database sets whole seconds; its code, like ours, microseconds."""
    alice = someone()
    ids = named(range(6))
    utc = "" if stores.is_sqlite else "+00"
    at_five = NOON.replace(second=5)
    stores.ask(OF_THE_REFERENCE, ids[0], alice, f"2026-11-22 12:00:05{utc}")
    stores.ask(OF_THE_REFERENCE, ids[1], alice, f"2026-11-22 12:00:05.000001{utc}")
    stores.ask(OF_THE_REFERENCE, ids[2], alice, f"2026-11-22 12:00:04{utc}")
    stores.ask(OF_THE_REFERENCE, ids[3], alice, f"2026-11-22 12:00:06{utc}")
    for id_, microsecond in ((ids[4], 999_999), (ids[5], 2)):
        turn = exchange(alice, completed_at=at_five.replace(microsecond=microsecond))
        await stores.conversations.append(conversation(alice, id=id_), turn, create=True)
    in_order = [ids[3], ids[4], ids[5], ids[1], ids[0], ids[2]]
    assert await listed(stores, alice) == in_order
    for limit in (1, 2, 4):
        found = await pages(stores.conversations, alice, limit)
        assert [id_ for page in found for id_ in page] == in_order
    entries = (await stores.conversations.page(owner=alice)).entries
    assert [entry.last_message_at for entry in entries] == sorted(
        (entry.last_message_at for entry in entries), reverse=True
    )
    assert entries[4].last_message_at == at_five
