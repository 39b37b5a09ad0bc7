"""rest-api.md 2: ``POST /v1/streaming_query``."""

import json
import uuid
from typing import Any

import anyio
import pytest

from tests.blackbox.stand import HELLO, UNKNOWN, Serving, Stand, detail, events
from tests.servers.openai_server import CONTEXT_LENGTH_EXCEEDED, RATE_LIMITED, SERVER_ERROR, Script, ScriptedCall
from tests.spec.registry import requirement
from tests.telemetry.scraping import scrape

type Json = dict[str, Any]

STREAM = "/v1/streaming_query"
TEXT: Json = {"media_type": "text/plain"}
CALL = ScriptedCall("c1", "now", '{"zone": "UTC"}')
USES_A_TOOL = [Script((), tool_calls=(CALL,), usage=(5, 5)), HELLO]
TOLD = "Unknown tool `now` was called."


def kinds(stream: list[Json]) -> list[str]:
    return [event["event"] for event in stream]


# 2.1: before the first byte


@requirement("rest:2.1:ownership")
async def test_streams_go_on_with_own_conversations_only(serving: Serving) -> None:
    actions = ["query", "streaming_query", "query_other_conversations"]
    async with serving(authorization={"access_rules": [{"role": "*", "actions": actions}]}) as stand:
        theirs = (await stand.of("bob").ask())["conversation_id"]
        for id_ in (UNKNOWN, theirs):
            answer = await stand.query(at=STREAM, conversation_id=id_)
            cause = "You do not have permission to access this conversation"
            assert answer.told == (403, detail("Access denied", cause))
        assert (await stand.of("bob").query(at=STREAM, conversation_id=theirs)).status == 200


@requirement("rest:2.1:override")
async def test_the_right_to_choose_a_model(serving: Serving) -> None:
    async with serving(authorization={"access_rules": [{"role": "*", "actions": ["streaming_query"]}]}) as stand:
        answer = await stand.query(at=STREAM, model="other", provider="fake", conversation_id=UNKNOWN)
        assert (answer.status, set(answer.detail)) == (403, {"response"})


@requirement("rest:2.1:unreachable")
async def test_a_provider_that_is_gone(serving: Serving) -> None:
    async with serving(model_url="http://127.0.0.1:9/v1") as stand:
        answer = await stand.query(at=STREAM)
        assert answer.told == (500, detail("Unable to connect to the model provider", "Connection error."))
        assert (await scrape(stand.http)).value("ls_llm_calls_failures_total") == 1


@requirement("rest:2.1:other-errors")
@pytest.mark.parametrize(
    ("fields", "script", "status"),
    [
        ({"model": "nope", "provider": "fake"}, HELLO, 400),
        ({"attachments": [{"attachment_type": "?", "content_type": "text/plain", "content": ""}]}, HELLO, 422),
        ({"query": "x" * 131_073}, HELLO, 413),
        ({}, Script(refusal=CONTEXT_LENGTH_EXCEEDED), 413),
        ({}, Script(refusal=RATE_LIMITED), 429),
        ({}, Script(refusal=SERVER_ERROR), 500),
    ],
    ids=["model", "attachment", "question", "length", "busy", "failure"],
)
@pytest.mark.parametrize("media_type", ["application/json", "text/plain"])
async def test_errors_before_the_first_byte_have_a_real_status(
    stand: Stand, media_type: str, fields: Json, script: Script, status: int
) -> None:
    stand.model.scripts = script
    answer = await stand.call("POST", STREAM, {"query": "?", "media_type": media_type, **fields})
    assert (answer.status, set(answer.detail)) == (status, {"response", "cause"})
    assert (await stand.get("/v1/conversations")).body["conversations"] == []


@requirement("rest:2.1:creation", "rest:2.1:counted")
async def test_the_conversation_is_there_before_its_id_is_told(stand: Stand) -> None:
    async def counted() -> float:
        return (await scrape(stand.http)).value("ls_llm_calls_total", provider="fake", model="fake-llm") or 0

    before = await counted()
    stand.model.scripts = Script(("Hello", " you"), hang_after=0)
    async with stand.http.post(f"{STREAM}?user_id={stand.user}", json={"query": "?"}) as response:
        start = json.loads((await response.content.readuntil(b"\n\n"))[6:])
        (entry,) = (await stand.get("/v1/conversations")).body["conversations"]
        assert entry["conversation_id"] == start["data"]["conversation_id"]
        assert await counted() == before + 1
        stand.model.release.set()
        await response.read()


# 2.2: the wire


@requirement("rest:2.2:content-type")
@pytest.mark.parametrize("media_type", ["application/json", "text/plain", None, ""])
async def test_both_kinds_of_streams_are_event_streams(stand: Stand, media_type: str | None) -> None:
    answer = await stand.query(at=STREAM, media_type=media_type)
    assert (answer.status, answer.content_type) == (200, "text/event-stream; charset=utf-8")


@requirement("rest:2.2:lines", "rest:2.2:json", "rest:2.3:sample")
async def test_a_stream_to_the_byte(stand: Stand) -> None:
    stand.model.scripts = Script(("Hello", ' w\N{LATIN SMALL LETTER O WITH DIAERESIS}rld\n"'), usage=(11, 12))
    answer = await stand.query(at=STREAM)
    start = events(answer.raw)[0]["data"]
    expected = (
        'data: {"event": "start", "data": {"conversation_id": "%(conversation_id)s", "request_id": "%(request_id)s"}}'
        '\n\ndata: {"event": "token", "data": {"id": 0, "token": "Hello"}}'
        '\n\ndata: {"event": "token", "data": {"id": 1, "token": " w\\u00f6rld\\n\\""}}'
        '\n\ndata: {"event": "turn_complete", "data": {"token": "Hello w\\u00f6rld\\n\\""}}'
        '\n\ndata: {"event": "end", "data": {"rag_chunks": [], "referenced_documents": [], "truncated": null, '
        '"input_tokens": 11, "output_tokens": 12}, "available_quotas": {}}\n\n'
    )
    assert answer.raw.decode("ascii") == expected % start


# 2.3: events


@requirement("rest:2.3:start")
async def test_start_comes_once_and_first(stand: Stand) -> None:
    stand.model.scripts = USES_A_TOOL
    stream = await stand.stream()
    assert [number for number, kind in enumerate(kinds(stream)) if kind == "start"] == [0]
    assert set(stream[0]["data"]) == {"conversation_id", "request_id"}
    for id_ in stream[0]["data"].values():
        assert str(uuid.UUID(id_)) == id_


@requirement("rest:2.3:token")
async def test_tokens_are_the_pieces_of_the_answer(stand: Stand) -> None:
    stand.model.scripts = Script(("", "Hello", "", " you", ""), comments=True)
    tokens = [event["data"] for event in await stand.stream() if event["event"] == "token"]
    assert tokens == [{"id": 0, "token": "Hello"}, {"id": 1, "token": " you"}]


@requirement("rest:2.3:tool_call")
async def test_a_tool_call_is_shown_when_it_is_complete(stand: Stand) -> None:
    stand.model.scripts = USES_A_TOOL
    (call,) = [event["data"] for event in await stand.stream() if event["event"] == "tool_call"]
    shown = {"tool_name": "now", "arguments": {"zone": "UTC"}, "name": "now", "args": {"zone": "UTC"}}
    assert call == {"id": 0, "token": {**shown, "id": "c1", "type": "tool_call", "server_name": None}}


@requirement("rest:2.3:tool_result")
async def test_a_tool_result_follows_its_call(stand: Stand) -> None:
    stand.model.scripts = USES_A_TOOL
    (result,) = [event["data"] for event in await stand.stream() if event["event"] == "tool_result"]
    assert result["id"] == 1
    assert {name: result["token"][name] for name in ("tool_name", "response", "id", "type")} == {
        "tool_name": "now",
        "response": TOLD,
        "id": "c1",
        "type": "tool_result",
    }


@requirement("rest:2.3:turn_complete")
async def test_turn_complete_carries_the_whole_text(stand: Stand) -> None:
    stream = await stand.stream()
    assert stream[-2] == {"event": "turn_complete", "data": {"token": "Hello you"}}


@requirement("rest:2.3:end")
async def test_end_is_last(stand: Stand) -> None:
    stand.model.scripts = Script(("Half",), usage=(3, 4), finish_reason="length")
    assert (await stand.stream())[-1] == {
        "event": "end",
        "data": {
            "rag_chunks": [],
            "referenced_documents": [],
            "truncated": True,
            "input_tokens": 3,
            "output_tokens": 4,
        },
        "available_quotas": {},
    }


@requirement("rest:2.3:error")
async def test_error_is_last_instead_of_end(stand: Stand) -> None:
    stand.model.scripts = Script(("Half", "…"), error_after=1)
    stream = await stand.stream()
    assert kinds(stream) == ["start", "token", "error"]
    assert stream[-1]["data"] == {
        "status_code": 500,
        "response": "Unable to get an answer from the model",
        "cause": "The model provider reported an error.",
    }


@requirement(
    "rest:2.3:map:turn_start",
    "rest:2.3:map:no-violation",
    "rest:2.3:map:step_start",
    "rest:2.3:map:text",
    "rest:2.3:map:call-pieces",
    "rest:2.3:map:tool_execution",
    "rest:2.3:map:turn_complete",
    "rest:2.3:map:other",
    "rest:2.3:ids",
)
async def test_what_becomes_of_a_turns_steps(stand: Stand) -> None:
    calls = (CALL, ScriptedCall("c2", "then", "{}"))
    stand.model.scripts = [Script(("Let me", " look."), tool_calls=calls), Script(("Noon", "."), comments=True)]
    stream = await stand.stream()
    assert kinds(stream[:3]) == ["start", "token", "token"]
    assert sorted(kinds(stream[3:7])) == ["tool_call", "tool_call", "tool_result", "tool_result"]
    assert kinds(stream[7:]) == ["token", "token", "turn_complete", "end"]
    assert [event["data"]["id"] for event in stream if "id" in event["data"]] == list(range(8))
    for kind in ("tool_call", "tool_result"):
        assert [event["data"]["token"]["id"] for event in stream if event["event"] == kind] == ["c1", "c2"]


@requirement("rest:2.3:end-documents")
async def test_end_names_documents_once(knowing: Stand) -> None:
    end = (await knowing.stream("How do I make or restore a backup?"))[-1]["data"]
    assert len(end["rag_chunks"]) > 1
    assert end["referenced_documents"] == [{"doc_url": "https://docs.example.com/backups.md", "doc_title": "Backups"}]


@requirement("rest:2.3:line-limit")
async def test_no_line_about_a_tool_is_longer_than_64_kib(stand: Stand) -> None:
    arguments = json.dumps({"text": "x" * 100_000})
    stand.model.scripts = [Script((), tool_calls=(ScriptedCall("c1", "write", arguments),)), HELLO]
    answer = await stand.query(at=STREAM)
    assert kinds(events(answer.raw))[-1] == "end"
    assert max(len(line) for line in answer.raw.split(b"\n")) <= 64 * 1024


# 2.4: text mode, and what goes wrong later


async def text(stand: Stand) -> str:
    """A stream in text mode, without its first line."""
    answer = await stand.query(at=STREAM, **TEXT)
    start, _, rest = answer.raw.decode().partition("\n\n")
    assert json.loads(start.removeprefix("data: "))["event"] == "start"
    return rest


COMPLETE = 'data: {"event": "turn_complete", "data": {"token": "Hello you"}}\n\n'


@requirement("rest:2.4:start", "rest:2.4:token", "rest:2.4:turn_complete", "rest:2.4:end")
async def test_text_mode_is_the_answer_between_json_lines(stand: Stand) -> None:
    assert await text(stand) == f"Hello you{COMPLETE}"


@requirement("rest:2.4:tool_call", "rest:2.4:tool_result")
async def test_text_mode_shows_tools_in_lines(stand: Stand) -> None:
    stand.model.scripts = USES_A_TOOL
    raw = await text(stand)
    _, call, between, result, rest = raw.split("\n", 4)
    assert (between, rest) == ("", f"Hello you{COMPLETE}")
    shown = json.loads(call.removeprefix("Tool call: "))
    assert (shown["id"], shown["token"]["tool_name"], shown["token"]["arguments"]) == (0, "now", {"zone": "UTC"})
    shown = json.loads(result.removeprefix("Tool result: "))
    assert (shown["id"], shown["token"]["response"]) == (1, TOLD)


@requirement("rest:2.4:end")
async def test_text_mode_names_documents_last(knowing: Stand) -> None:
    answer = await knowing.query("How do I make a backup?", at=STREAM, **TEXT)
    assert answer.raw.endswith(b"\n\n\n\n---\n\nBackups: https://docs.example.com/backups.md")


@requirement("rest:2.4:error")
async def test_text_mode_tells_errors_before_the_first_byte_as_json(stand: Stand) -> None:
    answer = await stand.query(at=STREAM, model="nope", provider="fake", **TEXT)
    cause = "Model nope from provider fake not found in available models"
    assert answer.told == (400, detail("Unable to process this request", cause))


LATE = [
    pytest.param(Script(("Half", "…"), error_after=1), marks=requirement("rest:2.4:in-band"), id="in-band"),
    pytest.param(Script(("Half", "…"), cut_after=1, delay=0.05), marks=requirement("rest:2.4:cut"), id="cut"),
]


@pytest.mark.parametrize("script", LATE)
async def test_a_stream_that_breaks_says_so_is_counted_and_kept(stand: Stand, script: Script) -> None:
    async def failures() -> float:
        return (await scrape(stand.http)).value("ls_llm_calls_failures_total") or 0

    before = await failures()
    stand.model.scripts = script
    stream = await stand.stream("One?")
    assert kinds(stream) == ["start", "token", "error"]
    answer = await stand.query("Two?", at=STREAM, conversation_id=stream[0]["data"]["conversation_id"], **TEXT)
    last = answer.raw.decode().splitlines()[-1]
    told = stream[-1]["data"]
    assert last == f"Error: {told['status_code']}: {told['response']}: {told['cause']}"
    assert await failures() == before + 2
    turns = await stand.turns(stream[0]["data"]["conversation_id"])
    assert [[it["content"] for it in turn["messages"]] for turn in turns] == [["One?", "Half"], ["Two?", "Half"]]


# 2.5: what is stored


@requirement("rest:2.5:before-end")
async def test_a_turn_is_stored_when_its_end_is_told(stand: Stand) -> None:
    async with stand.http.post(f"{STREAM}?user_id={stand.user}", json={"query": "One?"}) as response:
        start = json.loads((await response.content.readuntil(b"\n\n"))[6:])
        await response.content.readuntil(b'"event": "end"')
        id_ = start["data"]["conversation_id"]
        (transcript,) = stand.transcripts(id_)
        assert transcript["llm_response"] == "Hello you"
        for version in ("v1", "v2"):
            (turn,) = await stand.turns(id_, version)
            assert [it["content"] for it in turn["messages"]] == ["One?", "Hello you"]
        follow_up = await stand.stream("Two?", conversation_id=id_)
        assert kinds(follow_up)[-1] == "end"


@requirement("rest:2.5:topic")
async def test_no_end_waits_for_a_topic(serving: Serving) -> None:
    def script(body: Json) -> Script:
        asked = body["messages"][0]["content"] == "You are a helpful assistant"
        return HELLO if asked else Script(hang_before_headers=True)

    async with serving(script, inference={"topic_summaries": True}) as stand:
        with anyio.fail_after(30):
            assert kinds(await stand.stream("One?"))[-1] == "end"
            await stand.model.hanging.wait()
        stand.model.release.set()


@requirement("rest:2.5:leaving")
async def test_what_was_said_is_kept_although_the_client_left(stand: Stand) -> None:
    stand.model.scripts = Script(("Half", " of it"), hang_after=1)
    async with stand.http.post(f"{STREAM}?user_id={stand.user}", json={"query": "One?"}) as response:
        start = json.loads((await response.content.readuntil(b"\n\n"))[6:])
        await response.content.readuntil(b"\n\n")
        response.close()
    with anyio.fail_after(30):
        await stand.model.cancelled.wait()
        while not (turns := await stand.turns(start["data"]["conversation_id"])):
            await anyio.lowlevel.checkpoint()
    assert [it["content"] for it in turns[0]["messages"]] == ["One?", "Half"]


@requirement("rest:2.5:nothing-said")
async def test_a_turn_in_which_nothing_was_said_is_no_turn(stand: Stand) -> None:
    stand.model.scripts = Script(error_after=0)
    stream = await stand.stream()
    assert kinds(stream) == ["start", "error"]
    id_ = stream[0]["data"]["conversation_id"]
    assert (await stand.turns(id_), stand.transcripts(id_)) == ([], [])
    stand.model.scripts = HELLO
    assert kinds(await stand.stream(conversation_id=id_))[-1] == "end"
