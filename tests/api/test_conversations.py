"""Both versions of the conversations API as their clients see them, over one store."""

import re
import sqlite3
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.servers.openai_server import OpenAIServer, Script, ScriptedCall, openai_server
from tests.servers.service import configuration, running
from tests.spec.registry import requirement

type Json = dict[str, Any]

CACHE = "conversation_cache: {{type: sqlite, sqlite: {{db_path: {folder}/cache.db}}}}"
VERSIONS = pytest.mark.parametrize("version", ["v1", "v2"])
UNKNOWN = "0d6f5e8c-41f5-4b8e-9d55-3a3f1a2b7c99"
MISFIT = "Invalid conversation ID format"


@dataclass(frozen=True, slots=True)
class Caller:
    """A user of the service."""

    http: aiohttp.ClientSession
    user_id: str
    folder: Path
    model: OpenAIServer

    async def call(self, method: str, path: str, body: object = None, **query: str) -> tuple[int, Any]:
        query.setdefault("user_id", self.user_id)
        async with self.http.request(method, path, json=body, params=query) as response:
            assert response.content_type == "application/json"
            return response.status, await response.json()

    async def ask(self, query: str, conversation_id: str | None = None) -> str:
        status, body = await self.call("POST", "/v1/query", {"query": query, "conversation_id": conversation_id})
        assert status == 200, body
        conversation_id = body["conversation_id"]
        assert isinstance(conversation_id, str)
        return conversation_id

    async def ids(self, version: str, **query: str) -> list[str]:
        status, body = await self.call("GET", f"/{version}/conversations", **query)
        assert status == 200, body
        return [it["conversation_id"] for it in body["conversations"]]


@pytest.fixture
async def alice(tmp_path: Path) -> AsyncIterator[Caller]:
    more = CACHE.format(folder=tmp_path)
    async with openai_server(Script(("Hello", " you"), usage=(1, 2))) as model:
        async with running(configuration(model.url, tmp_path, more=more), tmp_path) as service:
            yield Caller(service.http, "alice", tmp_path, model)


@pytest.fixture
def bob(alice: Caller) -> Caller:
    return Caller(alice.http, "bob", alice.folder, alice.model)


def detail(response: str, cause: str) -> Json:
    return {"detail": {"response": response, "cause": cause}}


def recent(text: str, form: str) -> bool:
    """Whether a text is a time of the last minute, written in a form."""
    # The literal zone of a form counts as UTC.
    time = datetime.strptime(text, form).replace(tzinfo=UTC)
    return abs((datetime.now(UTC) - time).total_seconds()) < 60


@requirement("conversations:list")
async def test_the_first_list(alice: Caller, bob: Caller) -> None:
    assert await alice.call("GET", "/v1/conversations") == (200, {"conversations": [], "has_more": False})
    first, second = await alice.ask("One?"), await alice.ask("Two?")
    await bob.ask("Mine?")
    await alice.ask("One again?", first)
    status, body = await alice.call("GET", "/v1/conversations")
    assert (status, body["has_more"]) == (200, False)
    newest, oldest = body["conversations"]
    assert recent(newest.pop("created_at"), "%Y-%m-%dT%H:%M:%S.%f+00:00")
    assert recent(newest.pop("last_message_at"), "%Y-%m-%dT%H:%M:%S.%f+00:00")
    assert newest == {
        "conversation_id": first,
        "message_count": 2,
        "last_used_model": "fake-llm",
        "last_used_provider": "fake",
        "topic_summary": "",
    }
    assert oldest["conversation_id"] == second


@requirement("conversations:list")
async def test_the_second_list(alice: Caller, bob: Caller) -> None:
    assert await alice.call("GET", "/v2/conversations") == (200, {"conversations": [], "has_more": False})
    first, second = await alice.ask("One?"), await alice.ask("Two?")
    await bob.ask("Mine?")
    await alice.ask("One again?", first)
    status, body = await alice.call("GET", "/v2/conversations")
    assert (status, body["has_more"]) == (200, False)
    newest, oldest = body["conversations"]
    assert abs(newest.pop("last_message_timestamp") - datetime.now(UTC).timestamp()) < 60
    assert newest == {"conversation_id": first, "topic_summary": None}
    assert oldest["conversation_id"] == second


@requirement("conversations:pages")
@VERSIONS
async def test_pages_of_a_list(alice: Caller, bob: Caller, version: str) -> None:
    ids = [await alice.ask(f"{number}?") for number in range(5)][::-1]
    await bob.ask("Mine?")
    path = f"/{version}/conversations"
    _, body = await alice.call("GET", path, limit="2")
    assert ([it["conversation_id"] for it in body["conversations"]], body["has_more"]) == (ids[:2], True)
    _, body = await alice.call("GET", path, limit="2", after=ids[1].replace("-", "").upper())
    assert ([it["conversation_id"] for it in body["conversations"]], body["has_more"]) == (ids[2:4], True)
    _, body = await alice.call("GET", path, limit="2", after=ids[3])
    assert ([it["conversation_id"] for it in body["conversations"]], body["has_more"]) == (ids[4:], False)
    assert await alice.ids(version, after=ids[4]) == []
    assert await alice.ids(version, after="") == ids


@requirement("conversations:bad-page")
@VERSIONS
async def test_pages_that_cannot_be(alice: Caller, bob: Caller, version: str) -> None:
    path, mine, theirs = f"/{version}/conversations", await alice.ask("Mine?"), await bob.ask("Theirs?")
    for limit in ("0", "-1", "10001", "many", "1" * 5000):
        status, body = await alice.call("GET", path, limit=limit, after=mine)
        assert (status, body["detail"][0]["loc"]) == (422, ["query", "limit"])
    cause = "Conversation ID nope is not a valid UUID"
    assert await alice.call("GET", path, after="nope") == (400, detail(MISFIT, cause))
    for after in (UNKNOWN, theirs):
        status, body = await alice.call("GET", path, after=after)
        assert (status, body["detail"]["response"]) == (404, "Conversation not found")


@requirement("conversations:get")
@pytest.mark.parametrize(
    ("version", "form"), [("v1", "%Y-%m-%dT%H:%M:%S.%fZ"), ("v2", "%Y-%m-%dT%H:%M:%SZ")], ids=["v1", "v2"]
)
async def test_a_conversation_turn_by_turn(alice: Caller, version: str, form: str) -> None:
    conversation_id = await alice.ask("One?")
    await alice.ask("Two \N{SNOWMAN}?", conversation_id)
    status, body = await alice.call("GET", f"/{version}/conversations/{conversation_id}")
    assert (status, body["conversation_id"]) == (200, conversation_id)
    assert [turn["messages"] for turn in body["chat_history"]] == [
        [{"content": question, "type": "user"}, {"content": "Hello you", "type": "assistant"}]
        for question in ("One?", "Two \N{SNOWMAN}?")
    ]
    for turn in body["chat_history"]:
        assert (turn["provider"], turn["model"]) == ("fake", "fake-llm")
        assert recent(turn["started_at"], form)
        assert recent(turn["completed_at"], form)


@requirement("conversations:rests-on")
async def test_what_an_answer_rested_on(alice: Caller) -> None:
    calls = Script((), tool_calls=(ScriptedCall("c1", "now", '{"zone": "UTC"}'),), usage=(1, 1))
    alice.model.scripts = [calls, Script(("Noon.",), usage=(1, 1))]
    _, answer = await alice.call("POST", "/v1/query", {"query": "?"})
    assert answer["tool_calls"]
    for version in ("v1", "v2"):
        _, body = await alice.call("GET", f"/{version}/conversations/{answer['conversation_id']}")
        (turn,) = body["chat_history"]
        shown = ("rag_chunks", "referenced_documents", "tool_calls", "tool_results")
        assert {name: turn[name] for name in shown} == {name: answer[name] for name in shown}


@requirement("conversations:not-yours")
@pytest.mark.parametrize(
    ("method", "version", "status", "response", "cause"),
    [
        ("GET", "v1", 403, "Access denied", "You do not have permission to read this conversation"),
        ("DELETE", "v1", 403, "Access denied", "You do not have permission to delete this conversation"),
        ("GET", "v2", 404, "Conversation not found", "Conversation {} could not be retrieved."),
        ("DELETE", "v2", 404, "Conversation not found", "Conversation {} could not be retrieved."),
        ("PUT", "v2", 404, "Conversation not found", "Conversation {} could not be retrieved."),
    ],
)
async def test_conversations_that_are_not_yours(
    alice: Caller, bob: Caller, method: str, version: str, status: int, response: str, cause: str
) -> None:
    body = {"topic_summary": "Taken"} if method == "PUT" else None
    for conversation_id in (await bob.ask("Mine?"), UNKNOWN):
        told = (status, detail(response, cause.format(conversation_id)))
        assert await alice.call(method, f"/{version}/conversations/{conversation_id}", body) == told
    assert len(await bob.ids("v1")) == len(await bob.ids("v2")) == 1


@requirement("conversations:others", "conversations:list-others")
async def test_conversations_of_others_for_those_who_may(tmp_path: Path) -> None:
    actions = "query, list_conversations, get_conversation, delete_conversation, update_conversation"
    others = "list_other_conversations, read_other_conversations, delete_other_conversations"
    rules = f"authorization: {{access_rules: [{{role: '*', actions: [{actions}, {others}]}}]}}"
    more = f"{CACHE.format(folder=tmp_path)}\n{rules}"
    async with openai_server() as model, running(configuration(model.url, tmp_path, more=more), tmp_path) as service:
        alice = Caller(service.http, "alice", tmp_path, model)
        bob = Caller(service.http, "bob", tmp_path, model)
        mine, theirs = await alice.ask("Mine?"), await bob.ask("Theirs?")
        assert await alice.ids("v1") == [theirs, mine]
        assert await alice.ids("v1", limit="1", after=theirs) == [mine]
        assert await alice.ids("v2") == [mine]
        assert (await alice.call("GET", f"/v1/conversations/{theirs}"))[0] == 200
        assert (await alice.call("GET", f"/v2/conversations/{theirs}"))[0] == 404
        assert (await alice.call("DELETE", f"/v2/conversations/{theirs}"))[0] == 404
        assert (await alice.call("DELETE", f"/v1/conversations/{theirs}"))[0] == 200
        assert await bob.ids("v1") == [mine]
        assert await bob.ids("v2") == []


@requirement("conversations:text-elsewhere")
async def test_a_conversation_whose_text_is_in_a_llama_stack(alice: Caller) -> None:
    await alice.ask("Hello?")
    with sqlite3.connect(alice.folder / "conversations.db") as connection:
        connection.execute(
            "INSERT INTO user_conversation (id, user_id, last_used_model, last_used_provider, message_count,"
            " topic_summary) VALUES (?, 'alice', 'm', 'p', 3, '')",
            (UNKNOWN,),
        )
    connection.close()
    assert UNKNOWN in await alice.ids("v1")
    told = detail("Conversation not found", f"Conversation {UNKNOWN} could not be retrieved.")
    assert await alice.call("GET", f"/v1/conversations/{UNKNOWN}") == (404, told)
    assert (await alice.call("DELETE", f"/v1/conversations/{UNKNOWN}"))[0] == 200


@requirement("conversations:ids")
@VERSIONS
async def test_every_spelling_of_an_id(alice: Caller, version: str) -> None:
    stored = await alice.ask("Hello?")
    bare = uuid.UUID(stored).hex
    for spelling in (stored.upper(), bare, f"{{{stored}}}", f"urn:uuid:{stored}"):
        status, body = await alice.call("GET", f"/{version}/conversations/{spelling}")
        assert (status, body["conversation_id"]) == (200, stored)
    status, body = await alice.call("DELETE", f"/{version}/conversations/{bare.upper()}")
    assert (status, body["conversation_id"]) == (200, stored)


@requirement("conversations:ids")
@pytest.mark.parametrize(
    ("method", "version"), [("GET", "v1"), ("DELETE", "v1"), ("GET", "v2"), ("DELETE", "v2"), ("PUT", "v2")]
)
async def test_what_is_no_id(alice: Caller, method: str, version: str) -> None:
    body = {"topic_summary": "Any"} if method == "PUT" else None
    for given, told in (("nope", "nope"), ("conv_12", "conv_12"), ("a" * 5000, "a" * 200 + "…")):
        cause = f"Conversation ID {told} is not a valid UUID"
        assert await alice.call(method, f"/{version}/conversations/{given}", body) == (400, detail(MISFIT, cause))


@requirement("conversations:delete")
@VERSIONS
async def test_what_is_deleted_is_gone_in_both(alice: Caller, version: str) -> None:
    kept, conversation_id = await alice.ask("One?"), await alice.ask("Two?")
    assert await alice.call("DELETE", f"/{version}/conversations/{conversation_id}") == (
        200,
        {"conversation_id": conversation_id, "success": True, "response": "Conversation deleted successfully"},
    )
    assert await alice.ids("v1") == await alice.ids("v2") == [kept]
    assert (await alice.call("GET", f"/v1/conversations/{conversation_id}"))[0] == 403
    assert (await alice.call("GET", f"/v2/conversations/{conversation_id}"))[0] == 404
    assert (await alice.call("DELETE", f"/v1/conversations/{conversation_id}"))[0] == 403
    assert (await alice.call("DELETE", f"/v2/conversations/{conversation_id}"))[0] == 404
    assert (await alice.call("POST", "/v1/query", {"query": "?", "conversation_id": conversation_id}))[0] == 404


@requirement("conversations:rename")
async def test_a_rename_shows_in_both(alice: Caller) -> None:
    conversation_id, other = await alice.ask("One?"), await alice.ask("Two?")
    body = {"topic_summary": "Naïve \N{SNOWMAN} topic"}
    assert await alice.call("PUT", f"/v2/conversations/{conversation_id}", body) == (
        200,
        {"conversation_id": conversation_id, "success": True, "message": "Topic summary updated successfully"},
    )
    for version in ("v1", "v2"):
        _, listed = await alice.call("GET", f"/{version}/conversations")
        topics = {it["conversation_id"]: it["topic_summary"] for it in listed["conversations"]}
        assert topics[conversation_id] == "Naïve \N{SNOWMAN} topic"
        assert not topics[other]
    assert (await alice.ids("v2"))[0] == conversation_id, "a rename counts as news"


@requirement("conversations:rename-rules")
@pytest.mark.parametrize(
    ("body", "loc", "kind"),
    [
        ({}, ["body", "topic_summary"], "missing"),
        ({"topic_summary": ""}, ["body", "topic_summary"], "string_too_short"),
        ({"topic_summary": "x" * 1001}, ["body", "topic_summary"], "string_too_long"),
        ({"topic_summary": None}, ["body", "topic_summary"], "string_type"),
        ({"topic_summary": "a\0b"}, ["body", "topic_summary"], "value_error"),
        ({"topic_summary": "\ud83d"}, ["body", "topic_summary"], "string_unicode"),
        ({"topic_summary": "x", "more": 1}, ["body", "more"], "extra_forbidden"),
        ({"topic_summary": "x", **{f"k{number}": 1 for number in range(200)}}, ["body"], "value_error"),
    ],
)
async def test_topics_that_cannot_be(alice: Caller, body: Json, loc: list[str], kind: str) -> None:
    conversation_id = await alice.ask("One?")
    status, told = await alice.call("PUT", f"/v2/conversations/{conversation_id}", body)
    assert (status, [(it["loc"], it["type"]) for it in told["detail"]]) == (422, [(loc, kind)])
    status, _ = await alice.call("PUT", f"/v2/conversations/{conversation_id}", {"topic_summary": "x" * 1000})
    assert status == 200


@requirement("conversations:no-cache")
async def test_without_a_cache(tmp_path: Path) -> None:
    async with openai_server() as model, running(configuration(model.url, tmp_path), tmp_path) as service:
        alice = Caller(service.http, "alice", tmp_path, model)
        conversation_id = await alice.ask("Hello?")
        word = "Conversation cache is not configured"
        told = (404, detail(word, word))
        body = {"topic_summary": "Any"}
        assert await alice.call("GET", "/v2/conversations") == told
        assert await alice.call("GET", f"/v2/conversations/{conversation_id}") == told
        assert await alice.call("DELETE", f"/v2/conversations/{conversation_id}") == told
        assert await alice.call("PUT", f"/v2/conversations/{conversation_id}", body) == told
        assert (await alice.call("PUT", "/v2/conversations/nope", body))[0] == 400
        assert await alice.ids("v1") == [conversation_id]


NOTHING_ALLOWED = "authorization: {access_rules: [{role: '*', actions: [info]}]}"


@requirement("conversations:order-of-checks", "conversations:actions")
async def test_every_operation_needs_its_action_and_bad_values_are_told_first(tmp_path: Path) -> None:
    more = f"{CACHE.format(folder=tmp_path)}\n{NOTHING_ALLOWED}"
    async with openai_server() as model, running(configuration(model.url, tmp_path, more=more), tmp_path) as service:
        alice = Caller(service.http, "alice", tmp_path, model)
        for version in ("v1", "v2"):
            for method, path, action in (
                ("GET", "", "LIST_CONVERSATIONS"),
                ("GET", "?after=nope", "LIST_CONVERSATIONS"),
                ("GET", "/nope", "GET_CONVERSATION"),
                ("DELETE", "/nope", "DELETE_CONVERSATION"),
            ):
                told = {"detail": f"Insufficient permissions for action: Action.{action}"}
                assert await alice.call(method, f"/{version}/conversations{path}") == (403, told)
            assert (await alice.call("GET", f"/{version}/conversations", limit="0"))[0] == 422
        told = {"detail": "Insufficient permissions for action: Action.UPDATE_CONVERSATION"}
        assert await alice.call("PUT", "/v2/conversations/nope", {"topic_summary": "x"}) == (403, told)
        assert (await alice.call("PUT", "/v2/conversations/nope", {}))[0] == 422


@requirement("conversations:storage-failure")
async def test_a_database_that_fails(alice: Caller) -> None:
    conversation_id = await alice.ask("Hello?")
    for file, table in (("conversations.db", "user_conversation"), ("cache.db", "conversations")):
        with sqlite3.connect(alice.folder / file) as connection:
            connection.execute(f"ALTER TABLE {table} RENAME TO elsewhere")
        connection.close()
    doing = "Unknown error while {} conversation " + conversation_id + " : "
    for version in ("v1", "v2"):
        told = detail("Unknown error", "Unknown error while getting conversations for user alice")
        assert await alice.call("GET", f"/{version}/conversations") == (500, told)
    for method, version, word in (
        ("GET", "v1", "getting"),
        ("GET", "v2", "getting"),
        ("DELETE", "v1", "deleting"),
        ("DELETE", "v2", "deleting"),
        ("PUT", "v2", "updating"),
    ):
        topic = {"topic_summary": "x"} if method == "PUT" else None
        status, body = await alice.call(method, f"/{version}/conversations/{conversation_id}", topic)
        assert (status, body["detail"]["response"]) == (500, "Unknown error")
        assert body["detail"]["cause"].startswith(doing.format(word))
        assert not re.search(r"sqlite|SELECT|elsewhere|/", body["detail"]["cause"])


@requirement("conversations:bad-input")
async def test_nuls_and_endless_values(alice: Caller) -> None:
    endless = "a" * 60_000
    for version in ("v1", "v2"):
        for given in ("%00", "a%00b", "%ED%A0%80", endless, "%F0%9F", "%7B%7D"):
            for method in ("GET", "DELETE"):
                async with alice.http.request(method, f"/{version}/conversations/{given}") as response:
                    assert response.status in {400, 404}
            async with alice.http.get(f"/{version}/conversations?after={given}") as response:
                assert response.status == 400
            async with alice.http.get(f"/{version}/conversations?limit={given}") as response:
                assert response.status == 422
        async with alice.http.get(f"/{version}/conversations?user_id=a%00b") as response:
            assert response.status == 400
            assert "NUL character" in (await response.json())["detail"]
        async with alice.http.get(f"/{version}/conversations?user_id={endless}") as response:
            assert (response.status, (await response.json())["conversations"]) == (200, [])
