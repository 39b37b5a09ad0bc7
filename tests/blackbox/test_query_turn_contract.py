"""rest-api.md 1.5 to 1.10: what happens between a question and its answer."""

import re
from datetime import UTC, datetime
from typing import Any, LiteralString

import pytest

from tests.blackbox.stand import HELLO, UNKNOWN, Serving, Stand
from tests.servers.openai_server import Script, ScriptedCall
from tests.spec.registry import requirement
from tests.telemetry.scraping import scrape

type Json = dict[str, Any]

PATHS = ("/v1/query", "/v1/streaming_query")
BOTH = pytest.mark.parametrize("path", PATHS)
DEFAULT = "You are a helpful assistant"
NO_DEFAULT = {"default_provider": None, "default_model": None}
MODEL = {"model": "other", "provider": "fake"}
ISO_Z = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def recent(time: str) -> bool:
    return abs((datetime.now(UTC) - datetime.fromisoformat(time)).total_seconds()) < 60


# 1.5: system prompt


@pytest.mark.parametrize(
    ("profile", "configured", "asked", "told"),
    [
        pytest.param("P", "C", "Q", "Q", marks=requirement("rest:1.5:2-request"), id="request"),
        pytest.param("P", "C", "", "P", marks=requirement("rest:1.5:3-profile"), id="profile"),
        pytest.param("", "C", None, "C", marks=requirement("rest:1.5:3-profile"), id="empty-profile"),
        pytest.param(None, "C", None, "C", marks=requirement("rest:1.5:4-configured"), id="configured"),
        pytest.param(None, "", None, "", marks=requirement("rest:1.5:4-configured"), id="empty-configured"),
        pytest.param(None, None, None, DEFAULT, marks=requirement("rest:1.5:5-default"), id="default"),
    ],
)
async def test_which_system_prompt_is_used(
    serving: Serving, profile: str | None, configured: str | None, asked: str | None, told: str
) -> None:
    customization: Json = {"system_prompt": configured}
    if profile is not None:
        file = serving.folder / "profile.yaml"
        file.write_text(f"system_prompts: {{default: '{profile}'}}", "utf-8")
        customization["profile_path"] = str(file)
    async with serving(customization=customization) as stand:
        for path in PATHS:
            assert (await stand.query(at=path, system_prompt=asked)).status == 200
            # An empty prompt is none at all, and not the default.
            assert [it["content"] for it in stand.asked if it["role"] == "system"] == ([told] if told else [])


@requirement("rest:1.5:1-forbidden")
async def test_system_prompts_of_requests_can_be_forbidden(serving: Serving) -> None:
    async with serving(customization={"disable_query_system_prompt": True, "system_prompt": "C"}) as stand:
        for path in PATHS:
            answer = await stand.query(at=path, system_prompt="Q")
            assert (answer.status, set(answer.detail)) == (422, {"response"})
            for word in ("disable_query_system_prompt", "system_prompt field"):
                assert word in answer.detail["response"]
            assert (await stand.query(at=path, system_prompt="")).status == 200
            assert stand.asked[0]["content"] == "C"


@requirement("rest:1.5:follow-up")
@BOTH
async def test_a_conversation_keeps_its_prompt_and_changes_its_model(stand: Stand, path: str) -> None:
    id_ = (await stand.ask(system_prompt="First."))["conversation_id"]
    answer = await stand.query(at=path, conversation_id=id_, system_prompt="Second.", **MODEL)
    assert answer.status == 200
    assert [chat["messages"][0]["content"] for chat in stand.model.chats] == ["First.", "First."]
    assert [chat["model"] for chat in stand.model.chats] == ["fake-llm", "other"]
    entry = await stand.entry(id_)
    assert (entry["last_used_model"], entry["last_used_provider"]) == ("other", "fake")


# 1.6: MCP-HEADERS


@requirement("rest:1.6:1-unusable")
@BOTH
@pytest.mark.parametrize("value", ["", "{", "[]", '"x"', "null", "\xe9", '{"a": 1}'])
async def test_unusable_headers_for_servers_never_fail_a_question(stand: Stand, path: str, value: str) -> None:
    answer = await stand.call("POST", path, {"query": "?"}, headers={"MCP-HEADERS": value})
    assert answer.status == 200


@requirement("rest:1.6:2-names", "rest:1.6:3-token", "rest:1.6:4-model")
@BOTH
async def test_headers_for_servers_and_the_callers_token_reach_no_model(stand: Stand, path: str) -> None:
    mine = '{"unknown": {"X": "canary"}, "https://mcp.example.com/": {"Authorization": "Bearer canary"}}'
    headers = {"MCP-HEADERS": mine, "Authorization": "Bearer canary"}
    assert (await stand.call("POST", path, {"query": "?"}, headers=headers)).status == 200
    assert "canary" not in str(stand.model.requests)


@requirement("rest:1.6:5-no-tools")
async def test_a_question_without_tools_offers_none(stand: Stand) -> None:
    await stand.ask(no_tools=True)
    assert "tools" not in stand.model.chats[-1]


# 1.7: steps


@requirement("rest:1.7:2-override")
async def test_the_right_to_choose_a_model_is_looked_at_before_the_conversation(serving: Serving) -> None:
    async with serving(authorization={"access_rules": [{"role": "*", "actions": ["query"]}]}) as stand:
        assert (await stand.query(conversation_id=UNKNOWN, **MODEL)).status == 403


@requirement("rest:1.7:3-started", "rest:1.7:14-completed")
@BOTH
async def test_a_turn_has_its_times(stand: Stand, path: str) -> None:
    await stand.query(at=path)
    (entry,) = (await stand.get("/v2/conversations")).body["conversations"]
    (turn,) = await stand.turns(entry["conversation_id"], "v2")
    for time in (turn["started_at"], turn["completed_at"]):
        assert ISO_Z.fullmatch(time)
        assert recent(time)
    assert turn["started_at"] <= turn["completed_at"]


@requirement("rest:1.7:4-conversation")
async def test_the_conversation_is_looked_up_before_the_model(serving: Serving) -> None:
    actions = ["query", "streaming_query", "model_override", "query_other_conversations", "get_conversation"]
    async with serving(authorization={"access_rules": [{"role": "*", "actions": actions}]}) as stand:
        assert (await stand.query(conversation_id=UNKNOWN, model="nope", provider="fake")).status == 404
        theirs = (await stand.of("bob").ask("One?"))["conversation_id"]
        await stand.of("alice").ask("Two?", conversation_id=theirs)
        assert [it["content"] for it in stand.asked[1:]] == ["One?", "Hello you", "Two?"]
        rows = stand.place.execute("SELECT user_id, message_count FROM user_conversation WHERE id = ?", theirs)
        assert rows == [("bob", 2)], "the owner stays"


@requirement("rest:1.7:5-model", "rest:1.7:7-prompt-and-attachments")
async def test_the_model_is_chosen_before_prompt_and_attachments_are_looked_at(serving: Serving) -> None:
    async with serving(customization={"disable_query_system_prompt": True}) as stand:
        bad: Json = {"attachments": [{"attachment_type": "?", "content_type": "?", "content": ""}]}
        unknown = await stand.query(model="nope", provider="fake", system_prompt="Q", **bad)
        assert unknown.status == 400
        assert "system prompt" in (await stand.query(system_prompt="Q", **bad)).detail["response"]


@requirement("rest:1.7:8-history")
@BOTH
async def test_a_follow_up_knows_what_was_said(stand: Stand, path: str) -> None:
    id_ = (await stand.ask("One?"))["conversation_id"]
    await stand.query("Two?", at=path, conversation_id=id_)
    await stand.query("Three?", at=path, conversation_id=id_)
    said = ["One?", "Hello you", "Two?", "Hello you", "Three?"]
    assert [it["content"] for it in stand.asked[1:]] == said


@requirement("rest:1.7:10-usage")
async def test_a_turn_is_counted(stand: Stand) -> None:
    async def counted() -> list[float]:
        found = await scrape(stand.http)
        names = ("ls_llm_calls_total", "ls_llm_token_sent_total", "ls_llm_token_received_total")
        return [found.value(name, provider="fake", model="other") or 0 for name in names]

    before = await counted()
    await stand.ask(**MODEL)
    assert [after - was for was, after in zip(before, await counted(), strict=True)] == [1, 11, 12]


@requirement("rest:1.7:12-transcript")
@BOTH
async def test_each_turn_has_a_transcript(stand: Stand, path: str) -> None:
    id_ = (await stand.ask("One?"))["conversation_id"]
    assert (await stand.query("Two?", at=path, conversation_id=id_)).status == 200
    written = {it["redacted_query"]: it for it in stand.transcripts(id_)}
    assert set(written) == {"One?", "Two?"}
    assert written["Two?"]["llm_response"] == "Hello you"


@requirement("rest:1.7:13-row")
@BOTH
async def test_the_conversations_row(stand: Stand, path: str) -> None:
    await stand.query(at=path, **MODEL)
    select = (
        "SELECT id, last_used_model, last_used_provider, message_count, topic_summary, created_at, last_message_at"
        " FROM user_conversation WHERE user_id = ?"
    )
    ((id_, *row, created, latest),) = stand.place.execute(select, stand.user)
    assert row == ["other", "fake", 1, ""]
    assert recent(f"{created}+00:00" if isinstance(created, str) else created.isoformat())
    await stand.query(at=path, conversation_id=id_, model="fake-llm", provider="fake")
    ((_, *row, same, later),) = stand.place.execute(select, stand.user)
    assert (row, same) == (["fake-llm", "fake", 2, ""], created)
    assert later > latest


@requirement("rest:1.7:14-cache")
@BOTH
async def test_the_caches_entry(stand: Stand, path: str) -> None:
    await stand.query("One?", at=path, **MODEL)
    select = "SELECT query, response, provider, model, started_at FROM cache WHERE user_id = ?"
    ((*row, started),) = stand.place.execute(select, stand.user, cache=True)
    assert row == ["One?", "Hello you", "fake", "other"]
    assert ISO_Z.fullmatch(started)


@requirement("rest:1.7:15-unstored")
@pytest.mark.parametrize(
    ("statement", "cache"),
    [
        ("ALTER TABLE lightspeed_turn RENAME TO elsewhere", False),
        ("ALTER TABLE cache RENAME TO elsewhere", True),
    ],
    ids=["database", "cache"],
)
async def test_an_answer_is_given_although_it_cannot_be_stored(
    serving: Serving, statement: LiteralString, *, cache: bool
) -> None:
    async with serving() as stand:
        await stand.ask()
        stand.place.execute(statement, cache=cache)
        for path in PATHS:
            answer = await stand.query(at=path)
            assert (answer.status, b"Hello you" in answer.raw) == (200, True)
        assert sum((await scrape(stand.http)).series("ls_degraded_total").values()) >= len(PATHS)
        ready = await stand.get("/readiness")
        assert (ready.status, ready.body["ready"]) == (503, False)


# 1.8: model selection


@requirement("rest:1.8:hints")
async def test_a_follow_up_is_answered_by_the_same_model(stand: Stand) -> None:
    id_ = (await stand.ask(**MODEL))["conversation_id"]
    await stand.ask(conversation_id=id_)
    assert [chat["model"] for chat in stand.model.chats] == ["other", "other"]


@requirement("rest:1.8:default")
@pytest.mark.parametrize("fields", [{}, {"model": "", "provider": ""}, {"model": None, "provider": ""}])
async def test_the_configured_model_answers_where_none_is_named(stand: Stand, fields: Json) -> None:
    await stand.ask(**fields)
    assert stand.model.chats[-1]["model"] == "fake-llm"


@requirement("rest:1.8:first")
async def test_the_first_model_answers_where_none_is_configured(serving: Serving) -> None:
    async with serving(models=("first/of-all", "second"), inference=NO_DEFAULT) as stand:
        await stand.ask()
        assert stand.model.chats[-1]["model"] == "first/of-all"


@requirement("rest:1.8:exact", "rest:1.8:label")
@pytest.mark.parametrize("model", ["other", "fake/other"])
async def test_a_model_is_named_with_or_without_its_provider(stand: Stand, model: str) -> None:
    id_ = (await stand.ask(model=model, provider="fake"))["conversation_id"]
    assert stand.model.chats[-1]["model"] == "other"
    (turn,) = await stand.turns(id_)
    (transcript,) = stand.transcripts(id_)
    entry = await stand.entry(id_)
    assert (turn["model"], transcript["metadata"]["model"], entry["last_used_model"]) == ("other",) * 3


# 1.9: tools, passages, documents


@requirement("rest:1.9:tool_calls")
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ('{"zone": "UTC"}', {"zone": "UTC"}),
        ('"UTC"', {"query": "UTC"}),
        ("[1]", {"query": "[1]"}),
        ("x", {"query": "x"}),
    ],
    ids=["object", "string", "list", "no-json"],
)
async def test_what_tool_calls_look_like(stand: Stand, arguments: str, told: Json) -> None:
    calls = (ScriptedCall("c1", "now", arguments), ScriptedCall("c2", "then", "{}"))
    stand.model.scripts = [Script((), tool_calls=calls), HELLO]
    body = await stand.ask()
    first, second = body["tool_calls"]
    assert (first["tool_name"], first["arguments"], second["tool_name"]) == ("now", told, "then")
    assert set(first["result"]) == {"response"}
    assert {name: first[name] for name in ("id", "name", "args", "type", "server_name")} == {
        "id": "c1",
        "name": "now",
        "args": told,
        "type": "tool_call",
        "server_name": None,
    }
    assert [it["id"] for it in body["tool_results"]] == ["c1", "c2"]
    assert set(body["tool_results"][0]) == {"id", "status", "content", "type"}


@requirement("rest:1.9:rag_chunks", "rest:1.7:9-passages")
async def test_what_passages_look_like(knowing: Stand) -> None:
    body = await knowing.ask("How do I make a backup?")
    best = body["rag_chunks"][0]
    assert set(best) == {"content", "source", "score", "attributes"}
    assert "ferry backup --target DIR" in best["content"]
    assert best["source"] == "https://docs.example.com/backups.md"
    assert 0 < best["score"] <= 1
    assert best["content"] in knowing.asked[-1]["content"]
    (transcript,) = [it for it in knowing.transcripts(body["conversation_id"]) if it["rag_chunks"]]
    assert transcript["rag_chunks"][0]["content"] == best["content"]


@requirement("rest:1.9:referenced_documents")
async def test_documents_are_named_once_and_alike_everywhere(knowing: Stand) -> None:
    question = "How do I make or restore a backup?"
    body = await knowing.ask(question)
    assert len(body["rag_chunks"]) > 1
    documents = [{"doc_url": "https://docs.example.com/backups.md", "doc_title": "Backups"}]
    end = (await knowing.stream(question))[-1]["data"]
    for version in ("v1", "v2"):
        (turn,) = await knowing.turns(body["conversation_id"], version)
        for shown in (body, end, turn):
            assert (shown["rag_chunks"], shown["referenced_documents"]) == (body["rag_chunks"], documents)


@requirement("rest:1.7:9-no-tools")
async def test_a_question_without_tools_looks_nothing_up(knowing: Stand) -> None:
    body = await knowing.ask("How do I make a backup?", no_tools=True)
    assert (body["rag_chunks"], body["referenced_documents"]) == ([], [])
    assert knowing.asked[-1]["content"] == "How do I make a backup?"


# 1.10: tokens


@requirement("rest:1.10:counted")
async def test_tokens_are_counted_by_the_provider(stand: Stand) -> None:
    calls = Script((), tool_calls=(ScriptedCall("c1", "now"),), usage=(100, 10))
    stand.model.scripts = [calls, Script(("Noon.",), usage=(200, 20))]
    body = await stand.ask()
    assert (body["input_tokens"], body["output_tokens"]) == (300, 30)


@requirement("rest:1.10:estimated")
async def test_tokens_that_nobody_counts_are_estimated_and_marked(serving: Serving) -> None:
    async with serving(Script(("Four words of answer",), usage=None)) as stand:
        body = await stand.ask("A question of some length?")
        assert body["input_tokens"] > 5
        assert body["output_tokens"] > 2
        found = await scrape(stand.http)
    assert found.value("ls_llm_usage_estimated_total", provider="fake", model="fake-llm") == 1
