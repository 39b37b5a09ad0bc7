"""rest-api.md 3: both versions of the conversations API, over one store."""

import re
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.blackbox.stand import UNKNOWN, Answer, Serving, Stand, detail
from tests.servers.openai_server import Script, ScriptedCall
from tests.spec.registry import requirement

type Json = dict[str, Any]

ITEMS = [("GET", "v1"), ("DELETE", "v1"), ("GET", "v2"), ("DELETE", "v2"), ("PUT", "v2")]
TOPIC: Json = {"topic_summary": "New Topic"}
ISO_8601 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?(\+00:00)?")
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
ISO_Z = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
NO_CACHE = "Conversation cache is not configured"
DELETED = "Conversation deleted successfully"


async def item(stand: Stand, method: str, version: str, id_: str, body: object = TOPIC) -> Answer:
    return await stand.call(method, f"/{version}/conversations/{id_}", body if method == "PUT" else None)


async def ids(stand: Stand, version: str) -> list[str]:
    answer = await stand.get(f"/{version}/conversations")
    assert answer.status == 200, answer.raw
    return [it["conversation_id"] for it in answer.body["conversations"]]


async def begun(stand: Stand, question: str = "One?") -> str:
    return str((await stand.ask(question))["conversation_id"])


def not_retrieved(id_: str) -> tuple[int, Json]:
    return 404, detail("Conversation not found", f"Conversation {id_} could not be retrieved.")


def denied(doing: str) -> tuple[int, Json]:
    return 403, detail("Access denied", f"You do not have permission to {doing} this conversation")


def remember(stand: Stand, id_: str) -> None:
    """The row of a conversation as the reference leaves it, whose text is in its Llama Stack."""
    stand.place.execute(
        "INSERT INTO user_conversation (id, user_id, last_used_model, last_used_provider, message_count, topic_summary)"
        " VALUES (?, ?, 'm', 'p', 3, '')",
        id_,
        stand.user,
    )


@requirement("rest:3:id-format")
@pytest.mark.parametrize(("method", "version"), ITEMS)
@pytest.mark.parametrize("id_", ["nope", "123", "0d6f5e8c-41f5-4b8e-9d55-3a3f1a2b7c9g"])
async def test_what_is_no_id(stand: Stand, method: str, version: str, id_: str) -> None:
    told = detail("Invalid conversation ID format", f"Conversation ID {id_} is not a valid UUID")
    assert (await item(stand, method, version, id_)).told == (400, told)


@requirement("rest:3:id-spelling")
@pytest.mark.parametrize(("method", "version"), ITEMS)
async def test_every_spelling_of_an_id(stand: Stand, method: str, version: str) -> None:
    id_ = await begun(stand)
    answer = await item(stand, method, version, uuid.UUID(id_).hex.upper())
    assert (answer.status, answer.body["conversation_id"]) == (200, id_)


# 3.1


@requirement("rest:3.1:body")
async def test_the_list_of_v1(stand: Stand) -> None:
    assert (await stand.get("/v1/conversations")).told == (200, {"conversations": [], "has_more": False})
    id_ = (await stand.ask(model="other", provider="fake"))["conversation_id"]
    entry = await stand.entry(id_)
    for name in ("created_at", "last_message_at"):
        assert ISO_8601.fullmatch(entry.pop(name))
    assert entry == {
        "conversation_id": id_,
        "message_count": 1,
        "last_used_model": "other",
        "last_used_provider": "fake",
        "topic_summary": "",
    }


@requirement("rest:3.1:rows")
async def test_the_list_of_v1_has_the_callers_own(stand: Stand) -> None:
    mine = await begun(stand)
    await begun(stand.of(f"{stand.user}-2"))
    assert await ids(stand, "v1") == [mine]


@requirement("rest:3.1:others")
async def test_who_may_list_those_of_others_sees_all(serving: Serving) -> None:
    actions = ["query", "list_conversations", "list_other_conversations"]
    async with serving(authorization={"access_rules": [{"role": "*", "actions": actions}]}) as stand:
        mine, theirs = await begun(stand.of("alice")), await begun(stand.of("bob"))
        assert await ids(stand.of("alice"), "v1") == [theirs, mine]
        assert await ids(stand.of("alice"), "v2") == [mine], "the second version has no such action"


@requirement("rest:3.1:order", "rest:3.4:order")
@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_lists_have_the_newest_message_first_and_come_in_pages(stand: Stand, version: str) -> None:
    first, second, third = await begun(stand), await begun(stand), await begun(stand)
    await stand.ask("And now?", conversation_id=first)
    assert await ids(stand, version) == [first, third, second]
    page = (await stand.get(f"/{version}/conversations", limit="2")).body
    assert ([it["conversation_id"] for it in page["conversations"]], page["has_more"]) == ([first, third], True)
    page = (await stand.get(f"/{version}/conversations", limit="2", after=third)).body
    assert ([it["conversation_id"] for it in page["conversations"]], page["has_more"]) == ([second], False)


@requirement("rest:3.1:500", "rest:3.2:500", "rest:3.3:500")
async def test_what_v1_says_where_the_database_fails(serving: Serving) -> None:
    async with serving() as stand:
        id_ = await begun(stand)
        stand.place.execute("ALTER TABLE user_conversation RENAME TO elsewhere")
        told = detail("Unknown error", f"Unknown error while getting conversations for user {stand.user}")
        assert (await stand.get("/v1/conversations")).told == (500, told)
        for method, doing in (("GET", "getting"), ("DELETE", "deleting")):
            answer = await item(stand, method, "v1", id_)
            assert (answer.status, answer.detail["response"]) == (500, "Unknown error")
            assert answer.detail["cause"].startswith(f"Unknown error while {doing} conversation {id_} : ")
            assert "elsewhere" not in answer.detail["cause"]
            assert "user_conversation" not in answer.detail["cause"]


# 3.2


@requirement("rest:3.2:body")
async def test_a_conversation_in_v1(stand: Stand) -> None:
    stand.model.scripts = [Script((), tool_calls=(ScriptedCall("c1", "now"),)), Script(("Noon.",))]
    answer = await stand.ask("What time is it?")
    shown = (await stand.get(f"/v1/conversations/{answer['conversation_id']}")).body
    assert set(shown) == {"conversation_id", "chat_history"}
    (turn,) = shown["chat_history"]
    assert turn["messages"] == [
        {"content": "What time is it?", "type": "user"},
        {"content": "Noon.", "type": "assistant"},
    ]
    for name in ("started_at", "completed_at"):
        assert RFC_3339.fullmatch(turn[name])
    for name in ("tool_calls", "tool_results", "rag_chunks", "referenced_documents"):
        assert turn[name] == answer[name]


@requirement("rest:3.2:access")
async def test_a_conversation_that_is_not_the_callers_in_v1(stand: Stand) -> None:
    theirs = await begun(stand.of(f"{stand.user}-2"))
    for id_ in (theirs, UNKNOWN):
        assert (await item(stand, "GET", "v1", id_)).told == denied("read")


@requirement("rest:3.2:others")
async def test_who_may_read_those_of_others(serving: Serving) -> None:
    actions = ["query", "get_conversation", "read_other_conversations"]
    async with serving(authorization={"access_rules": [{"role": "*", "actions": actions}]}) as stand:
        theirs = await begun(stand.of("bob"))
        assert (await item(stand.of("alice"), "GET", "v1", theirs)).status == 200
        assert (await item(stand.of("alice"), "GET", "v1", UNKNOWN)).told == denied("read")
        assert (await item(stand.of("alice"), "GET", "v2", theirs)).told == not_retrieved(theirs)


@requirement("rest:3.2:404")
async def test_a_conversation_whose_text_is_in_a_llama_stack(stand: Stand) -> None:
    id_ = str(uuid.uuid4())
    remember(stand, id_)
    assert await ids(stand, "v1") == [id_]
    assert (await item(stand, "GET", "v1", id_)).told == not_retrieved(id_)


@requirement("rest:3.2:503", "rest:3.3:503")
async def test_history_needs_no_provider(serving: Serving) -> None:
    async with serving() as stand:
        id_ = await begun(stand)
    async with serving(model_url="http://127.0.0.1:9/v1") as stand:
        assert (await item(stand, "GET", "v1", id_)).status == 200
        assert (await item(stand, "DELETE", "v1", id_)).status == 200


# 3.3


@requirement("rest:3.3:body", "rest:3.3:repeat", "rest:3.3:both")
async def test_deleting_in_v1(stand: Stand) -> None:
    kept, id_ = await begun(stand), await begun(stand)
    told = {"conversation_id": id_, "success": True, "response": DELETED}
    assert (await item(stand, "DELETE", "v1", id_)).told == (200, told)
    assert (await item(stand, "DELETE", "v1", id_)).told == denied("delete")
    assert (await item(stand, "GET", "v1", id_)).told == denied("read")
    assert (await item(stand, "GET", "v2", id_)).told == not_retrieved(id_)
    assert await ids(stand, "v1") == await ids(stand, "v2") == [kept]
    assert (await stand.query(conversation_id=id_)).status == 404
    assert stand.place.execute("SELECT * FROM cache WHERE conversation_id = ?", id_, cache=True) == []
    assert len(stand.transcripts(id_)) == 1, "transcripts are for study, and stay"


@requirement("rest:3.3:access")
async def test_deleting_what_is_not_the_callers_in_v1(stand: Stand) -> None:
    other = stand.of(f"{stand.user}-2")
    theirs = await begun(other)
    for id_ in (theirs, UNKNOWN):
        assert (await item(stand, "DELETE", "v1", id_)).told == denied("delete")
    assert await ids(other, "v1") == await ids(other, "v2") == [theirs]


@requirement("rest:3.3:others")
async def test_who_may_delete_those_of_others(serving: Serving) -> None:
    actions = ["query", "list_conversations", "delete_conversation", "delete_other_conversations"]
    async with serving(authorization={"access_rules": [{"role": "*", "actions": actions}]}) as stand:
        bob = stand.of("bob")
        theirs = await begun(bob)
        assert (await item(stand.of("alice"), "DELETE", "v2", theirs)).told == not_retrieved(theirs)
        assert (await item(stand.of("alice"), "DELETE", "v1", theirs)).status == 200
        assert await ids(bob, "v1") == await ids(bob, "v2") == []


@requirement("rest:3.3:no-session")
async def test_deleting_a_conversation_whose_text_is_in_a_llama_stack(stand: Stand) -> None:
    id_ = str(uuid.uuid4())
    remember(stand, id_)
    assert (await item(stand, "DELETE", "v1", id_)).body["success"] is True
    assert await ids(stand, "v1") == [], "what was told as deleted is gone"


# 3.4


@requirement("rest:3.4:body")
async def test_the_list_of_v2(stand: Stand) -> None:
    assert (await stand.get("/v2/conversations")).told == (200, {"conversations": [], "has_more": False})
    id_ = await begun(stand)
    await begun(stand.of(f"{stand.user}-2"))
    (entry,) = (await stand.get("/v2/conversations")).body["conversations"]
    assert abs(entry.pop("last_message_timestamp") - datetime.now(UTC).timestamp()) < 60
    assert entry == {"conversation_id": id_, "topic_summary": None}


@requirement("rest:3.4:no-cache", "rest:3.5:no-cache")
async def test_v2_without_a_cache(serving: Serving) -> None:
    async with serving(conversation_cache=None) as stand:
        id_ = await begun(stand)
        told = (404, detail(NO_CACHE, NO_CACHE))
        assert (await stand.get("/v2/conversations")).told == told
        for method in ("GET", "DELETE", "PUT"):
            assert (await item(stand, method, "v2", id_)).told == told
            assert (await item(stand, method, "v2", "nope")).status == 400, "ids are looked at first"
        assert await ids(stand, "v1") == [id_]


# 3.5


@requirement("rest:3.5:body")
async def test_a_conversation_in_v2(stand: Stand) -> None:
    id_ = await begun(stand)
    await stand.ask("Two?", conversation_id=id_, model="other", provider="fake")
    shown = (await stand.get(f"/v2/conversations/{id_}")).body
    assert set(shown) == {"conversation_id", "chat_history"}
    assert [turn["messages"] for turn in shown["chat_history"]] == [
        [{"content": question, "type": "user"}, {"content": "Hello you", "type": "assistant"}]
        for question in ("One?", "Two?")
    ]
    assert [(turn["provider"], turn["model"]) for turn in shown["chat_history"]] == [
        ("fake", "fake-llm"),
        ("fake", "other"),
    ]
    assert all(ISO_Z.fullmatch(turn[name]) for turn in shown["chat_history"] for name in ("started_at", "completed_at"))


@requirement("rest:3.5:listed", "rest:3.6:listed", "rest:3.7:listed")
@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
async def test_a_conversation_that_is_not_the_callers_in_v2(stand: Stand, method: str) -> None:
    other = stand.of(f"{stand.user}-2")
    theirs = await begun(other)
    for id_ in (theirs, UNKNOWN):
        assert (await item(stand, method, "v2", id_)).told == not_retrieved(id_)
    assert (await other.entry(theirs, "v2"))["topic_summary"] is None


# 3.6


@requirement("rest:3.6:body", "rest:3.6:both")
async def test_deleting_in_v2(stand: Stand) -> None:
    kept, id_ = await begun(stand), await begun(stand)
    told = {"conversation_id": id_, "success": True, "response": DELETED}
    assert (await item(stand, "DELETE", "v2", id_)).told == (200, told)
    assert (await item(stand, "DELETE", "v2", id_)).told == not_retrieved(id_), "success tells the truth"
    assert (await item(stand, "GET", "v1", id_)).told == denied("read")
    assert await ids(stand, "v1") == await ids(stand, "v2") == [kept]
    assert (await stand.query(conversation_id=id_, at="/v1/streaming_query")).status == 403


# 3.7


@requirement("rest:3.7:body", "rest:3.7:both")
async def test_renaming(stand: Stand) -> None:
    id_, newer = await begun(stand), await begun(stand)
    told = {"conversation_id": id_, "success": True, "message": "Topic summary updated successfully"}
    assert (await item(stand, "PUT", "v2", id_)).told == (200, told)
    for version in ("v1", "v2"):
        assert (await stand.entry(id_, version))["topic_summary"] == "New Topic"
        assert not (await stand.entry(newer, version))["topic_summary"]
    assert await ids(stand, "v2") == [id_, newer], "a rename counts as news"
    await stand.ask("And now?", conversation_id=id_)
    assert (await stand.entry(id_, "v2"))["topic_summary"] == "New Topic"


@requirement("rest:3.7:topic_summary")
@pytest.mark.parametrize(
    ("body", "loc", "kind"),
    [
        ({}, ["body", "topic_summary"], "missing"),
        ({"topic_summary": None}, ["body", "topic_summary"], "string_type"),
        ({"topic_summary": ""}, ["body", "topic_summary"], "string_too_short"),
        ({"topic_summary": "x" * 1001}, ["body", "topic_summary"], "string_too_long"),
        ({**TOPIC, "more": 1}, ["body", "more"], "extra_forbidden"),
    ],
    ids=["absent", "null", "empty", "long", "unknown-field"],
)
async def test_topics_that_cannot_be(stand: Stand, body: Json, loc: list[str], kind: str) -> None:
    problem = (await item(stand, "PUT", "v2", UNKNOWN, body)).problem
    assert (problem["loc"], problem["type"]) == (loc, kind)


@requirement("rest:3.7:topic_summary")
@pytest.mark.parametrize("topic", ["x", "\N{SNOWMAN}" * 1000, " "])
async def test_topics_that_can_be(stand: Stand, topic: str) -> None:
    id_ = await begun(stand)
    assert (await item(stand, "PUT", "v2", id_, {"topic_summary": topic})).status == 200
    assert (await stand.entry(id_, "v1"))["topic_summary"] == topic


@requirement("rest:3.7:memory")
async def test_a_cache_in_memory_is_real_and_bounded(serving: Serving) -> None:
    cache = {"type": "memory", "memory": {"max_entries": 2}, "sqlite": None, "postgres": None}
    async with serving(conversation_cache=cache) as stand:
        nobody = stand.of("00000000-0000-0000-0000-000")
        first, second, third = await begun(nobody), await begun(nobody), await begun(nobody)
        assert await ids(nobody, "v2") == [third, second]
        assert await ids(nobody, "v1") == [third, second, first]
        assert len(await nobody.turns(second, "v2")) == 1
        assert (await item(nobody, "GET", "v2", first)).told == not_retrieved(first)
        assert (await item(nobody, "PUT", "v2", second)).status == 200
        assert (await item(nobody, "DELETE", "v2", third)).status == 200
        assert await ids(nobody, "v1") == [second, first]


@requirement("rest:3.7:noop")
async def test_a_cache_that_keeps_nothing(serving: Serving) -> None:
    cache = {"type": "noop", "sqlite": None, "postgres": None}
    async with serving(conversation_cache=cache) as stand:
        id_ = await begun(stand)
        assert await ids(stand, "v2") == []
        for method in ("GET", "DELETE", "PUT"):
            assert (await item(stand, method, "v2", id_)).told == not_retrieved(id_)
        assert await ids(stand, "v1") == [id_]
