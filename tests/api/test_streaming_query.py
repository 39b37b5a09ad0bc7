"""``POST /v1/streaming_query``: the bytes on the wire, and every way in which a stream ends."""

import json
import sqlite3
import uuid
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack.api.wire import MAX_LINE, PlainText, SseV1
from lightspeed_stack.domain.chat import ToolCall, ToolResult, Usage
from lightspeed_stack.domain.events import TokenDelta, ToolReturned, TurnEnded, TurnEvent
from lightspeed_stack.domain.knowledge import Citation
from tests.api.conftest import Stand
from tests.servers.openai_server import Script, ScriptedCall
from tests.spec.registry import requirement

type Json = dict[str, Any]


async def stream(stand: Stand, query: str = "Hello?", **fields: object) -> bytes:
    async with stand.http.post("/v1/streaming_query", json={"query": query, **fields}) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        return await response.read()


def events(raw: bytes) -> list[Json]:
    """The events of a stream, each exactly one ``data:`` line and a blank one."""
    lines = raw.decode("ascii").split("\n\n")
    assert lines.pop() == ""
    assert all(line.startswith("data: ") and "\n" not in line for line in lines)
    return [json.loads(line[6:]) for line in lines]


@requirement("stream:bytes")
async def test_a_stream_to_the_byte(stand: Stand) -> None:
    stand.model.scripts = Script(("Hello", " wörld", '"\n'), usage=(11, 12))
    raw = await stream(stand)
    start = json.loads(raw.split(b"\n\n")[0][6:])["data"]
    conversation_id, request_id = start["conversation_id"], start["request_id"]
    assert str(uuid.UUID(conversation_id)) == conversation_id
    assert str(uuid.UUID(request_id)) == request_id
    assert raw.decode() == (
        f'data: {{"event": "start", "data": {{"conversation_id": "{conversation_id}", "request_id": "{request_id}"}}}}'
        "\n\n"
        'data: {"event": "token", "data": {"id": 0, "token": "Hello"}}\n\n'
        'data: {"event": "token", "data": {"id": 1, "token": " w\\u00f6rld"}}\n\n'
        'data: {"event": "token", "data": {"id": 2, "token": "\\"\\n"}}\n\n'
        'data: {"event": "turn_complete", "data": {"token": "Hello w\\u00f6rld\\"\\n"}}\n\n'
        'data: {"event": "end", "data": {"rag_chunks": [], "referenced_documents": [], "truncated": null, '
        '"input_tokens": 11, "output_tokens": 12}, "available_quotas": {}}\n\n'
    )


@requirement("stream:text-mode")
async def test_text_mode_to_the_byte(stand: Stand) -> None:
    stand.model.scripts = Script(("Hello", " wörld"), usage=(11, 12))
    raw = await stream(stand, media_type="text/plain")
    start, rest = raw.decode().split("\n\n", 1)
    assert json.loads(start[6:])["event"] == "start"
    assert rest == 'Hello wörlddata: {"event": "turn_complete", "data": {"token": "Hello w\\u00f6rld"}}\n\n'


@requirement("stream:text-mode")
def test_text_mode_names_its_sources_last() -> None:
    cited = (Citation("https://example.com/a", "A"), Citation(None, "B"))
    ended = TurnEnded("Hi", Usage(), False, (), cited, (), True)
    assert PlainText().encode(ended).decode().endswith("\n\n---\n\nA: https://example.com/a\nB")


@requirement("stream:tools")
async def test_tool_calls_are_shown(stand: Stand) -> None:
    stand.model.scripts = [Script((), tool_calls=(ScriptedCall("c1", "now"),)), Script(("No.",))]
    kinds = [event["event"] for event in events(await stream(stand))]
    assert kinds == ["start", "tool_call", "tool_result", "token", "turn_complete", "end"]
    stand.model.scripts = [Script((), tool_calls=(ScriptedCall("c1", "now"),)), Script(("No.",))]
    stand.model.answered = 0
    _, call, result, token, *_ = events(await stream(stand))
    assert call["data"]["id"] == 0
    assert call["data"]["token"]["tool_name"] == "now"
    assert result["data"]["id"] == 1
    assert result["data"]["token"]["response"] == "Unknown tool `now` was called."
    assert token["data"]["id"] == 2


@requirement("stream:follow-up")
async def test_a_follow_up_may_come_right_after_the_end(stand: Stand) -> None:
    conversation_id: str | None = None
    for number in range(10):
        (start, *_) = events(await stream(stand, f"{number}?", conversation_id=conversation_id))
        conversation_id = start["data"]["conversation_id"]
    assert len(stand.model.chats[-1]["messages"]) == 1 + 2 * 9 + 1


@requirement("stream:unknown-conversation")
async def test_an_unknown_conversation_is_denied(stand: Stand) -> None:
    body = {"query": "?", "conversation_id": str(uuid.uuid4())}
    async with stand.http.post("/v1/streaming_query", json=body) as response:
        assert response.status == 403
        assert await response.json() == {
            "detail": {
                "response": "Access denied",
                "cause": "You do not have permission to access this conversation",
            }
        }


BROKEN = [
    (
        Script(("Half", "…"), cut_after=1, delay=0.05),
        500,
        "Unable to connect to the model provider",
        "Connection error.",
    ),
    (
        Script(("Half", "…"), error_after=1),
        500,
        "Unable to get an answer from the model",
        "The model provider reported an error.",
    ),
    (
        Script(("Half", "…"), garbage_after=1),
        500,
        "Unable to get an answer from the model",
        "The model provider sent something that is not a chat completion.",
    ),
    (
        Script(("Half",), finish_reason=None, done=False),
        500,
        "Unable to get an answer from the model",
        "The model provider broke off in the middle of the answer.",
    ),
]


@requirement("stream:error-event")
@pytest.mark.parametrize(("script", "status", "told", "cause"), BROKEN, ids=["cut", "in-band", "garbage", "broke-off"])
async def test_a_stream_that_breaks_says_so(stand: Stand, script: Script, status: int, told: str, cause: str) -> None:
    stand.model.scripts = script
    *before, last = events(await stream(stand))
    assert [event["event"] for event in before] == ["start", "token"]
    assert last == {"event": "error", "data": {"status_code": status, "response": told, "cause": cause}}


@requirement("stream:error-event")
async def test_text_mode_says_so_too(stand: Stand) -> None:
    stand.model.scripts = Script(("Half", "…"), cut_after=1, delay=0.05)
    raw = await stream(stand, media_type="text/plain")
    assert raw.decode().endswith("Half\n\nError: 500: Unable to connect to the model provider: Connection error.\n")


@requirement("stream:error-event")
async def test_a_server_that_accepts_and_says_nothing_but_an_error(stand: Stand) -> None:
    stand.model.scripts = Script(error_after=0)
    assert [event["event"] for event in events(await stream(stand))] == ["start", "error"]


@requirement("stream:announced-late")
async def test_a_slow_server_does_not_keep_the_conversation_from_being_told(stand: Stand) -> None:
    stand.model.scripts = Script(hang_before_headers=True)
    async with stand.http.post("/v1/streaming_query", json={"query": "?"}) as response:
        assert response.status == 200
        first = await response.content.readuntil(b"\n\n")
        assert json.loads(first[6:])["event"] == "start"
        stand.model.release.set()
        rest = await response.read()
    assert events(rest)[-1]["event"] == "end"


@requirement("stream:leaving")
async def test_a_client_that_leaves_stops_the_model_and_what_was_said_is_kept(stand: Stand) -> None:
    stand.model.scripts = Script(("Half", " of it"), hang_after=1)
    async with stand.http.post("/v1/streaming_query", json={"query": "First?"}) as response:
        start = json.loads((await response.content.readuntil(b"\n\n"))[6:])
        await response.content.readuntil(b"\n\n")
        response.close()
    with anyio.fail_after(10):
        await stand.model.cancelled.wait()
    stand.model.scripts = Script(("Whole.",))
    conversation_id = start["data"]["conversation_id"]
    said: list[str] = []
    for _ in range(100):  # the turn is recorded after the client is gone
        await stream(stand, "Second?", conversation_id=conversation_id)
        said = [it["content"] for it in stand.model.chats[-1]["messages"]]
        if "Half" in said:
            break
    assert said[1:3] == ["First?", "Half"]


@requirement("stream:leaving")
async def test_leaving_while_the_conversation_is_being_stored_loses_nothing(stand: Stand) -> None:
    await stream(stand, "Earlier?")
    stand.model.scripts = Script(("Half", " of it"), hang_after=1)
    busy = sqlite3.connect(stand.folder / "conversations.db", isolation_level=None)
    busy.execute("BEGIN IMMEDIATE")  # somebody else writes: the conversation has to wait
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stream, stand, "First?")
        with anyio.fail_after(10):
            await stand.model.hanging.wait()
        tasks.cancel_scope.cancel()
    with anyio.fail_after(10):
        await stand.model.cancelled.wait()
        busy.execute("ROLLBACK")
        rows: list[tuple[str, str, int]] = []
        while not rows:  # the turn is recorded after the client is gone
            async with stand.http.get("/liveness"):
                rows = busy.execute(
                    "SELECT answer, outcome, message_count FROM lightspeed_turn JOIN user_conversation"
                    " ON user_conversation.id = conversation_id WHERE question = 'First?'"
                ).fetchall()
    busy.close()
    assert rows == [("Half", "interrupted", 1)]


@requirement("stream:slow-reader")
async def test_a_slow_reader_gets_everything(stand: Stand) -> None:
    stand.model.scripts = Script(tuple(f"{number:07d} " * 32 for number in range(2000)))
    raw = bytearray()
    async with stand.http.post("/v1/streaming_query", json={"query": "?"}) as response:
        async for chunk in response.content.iter_chunked(65_536):
            raw += chunk
            await anyio.lowlevel.checkpoint()
    got = events(bytes(raw))
    assert [event["data"]["id"] for event in got if event["event"] == "token"] == list(range(2000))
    assert got[-1]["event"] == "end"


@requirement("stream:tokens-escaped")
@given(st.lists(st.text(min_size=1), max_size=5))
def test_every_token_is_what_json_makes_of_it(texts: list[str]) -> None:
    encoder = SseV1()
    for number, text in enumerate(texts):
        expected = "data: " + json.dumps({"event": "token", "data": {"id": number, "token": text}}) + "\n\n"
        assert encoder.encode(TokenDelta(text)).decode() == expected


@requirement("stream:line-limit")
@given(st.sampled_from(["x", "é", "漢", "😀", '"']), st.integers(0, 120_000))
def test_no_tool_result_makes_a_line_over_the_limit(character: str, length: int) -> None:
    event: TurnEvent = ToolReturned(ToolResult(ToolCall("c", "t", "{}"), character * length))
    raw = SseV1().encode(event)
    assert len(raw) <= MAX_LINE
    response = json.loads(raw[6:])["data"]["token"]["response"]
    assert response == character * length or response.endswith("cut]")


@requirement("stream:concurrent")
async def test_streams_do_not_mix(stand: Stand) -> None:
    stand.model.scripts = lambda body: Script(tuple(body["messages"][-1]["content"] for _ in range(20)), delay=0.001)
    answers: dict[str, str] = {}

    async def one(question: str) -> None:
        got = events(await stream(stand, question))
        answers[question] = got[-2]["data"]["token"]

    async with anyio.create_task_group() as tasks:
        for number in range(30):
            tasks.start_soon(one, f"<{number}>")
    assert answers == {f"<{number}>": f"<{number}>" * 20 for number in range(30)}


@requirement("stream:content-type")
async def test_only_json_bodies_are_read(stand: Stand) -> None:
    async with stand.http.post(
        "/v1/streaming_query", data="query=x", headers={"Content-Type": "application/x-www-form-urlencoded"}
    ) as response:
        assert response.status == 422
