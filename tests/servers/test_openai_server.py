"""The scripted model server does what its scripts say, as an ordinary HTTP client sees it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import anyio
import pytest

from tests.servers.openai_server import (
    CONTEXT_LENGTH_EXCEEDED,
    MODEL_NOT_FOUND,
    RATE_LIMITED,
    SERVER_ERROR,
    UNAUTHORIZED,
    OpenAIServer,
    Refusal,
    Script,
    ScriptedCall,
    openai_server,
)
from tests.spec.registry import requirement

QUESTION: dict[str, Any] = {"model": "fake-llm", "messages": [{"role": "user", "content": "Hello?"}]}
STREAMED = QUESTION | {"stream": True, "stream_options": {"include_usage": True}}


@asynccontextmanager
async def asked(
    server: OpenAIServer, body: dict[str, Any], headers: dict[str, str] | None = None
) -> AsyncIterator[aiohttp.ClientResponse]:
    async with (
        aiohttp.ClientSession() as client,
        client.post(f"{server.url}/chat/completions", json=body, headers=headers) as response,
    ):
        yield response


async def lines_of(response: aiohttp.ClientResponse) -> list[str]:
    return [line.removeprefix("data: ") for line in (await response.text()).splitlines() if line.startswith("data: ")]


def text_of(lines: list[str]) -> str:
    chunks = [json.loads(line) for line in lines if line != "[DONE]"]
    return "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks if chunk["choices"])


@requirement("ground:model-server:answers")
async def test_an_answer_that_is_not_streamed() -> None:
    async with openai_server(Script(tokens=("Hel", "lo"), usage=(3, 2))) as server, asked(server, QUESTION) as response:
        answer = await response.json()
    assert answer["choices"][0]["message"]["content"] == "Hello"
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"] == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    assert server.chats == [QUESTION]
    assert not server.cancelled.is_set()


@requirement("ground:model-server:answers")
@pytest.mark.parametrize(
    "script",
    [
        Script(tokens=("Grüße", " 世界", "!")),
        Script(tokens=("Grüße", " 世界", "!"), delay=0.001),
        Script(tokens=("Grüße", " 世界", "!"), split=1),
        Script(tokens=("Grüße", " 世界", "!"), split=7, comments=True, line_end="\r\n"),
    ],
    ids=["at-once", "in-turn", "byte-by-byte", "split-comments-crlf"],
)
async def test_a_stream(script: Script) -> None:
    async with openai_server(script) as server, asked(server, STREAMED) as response:
        lines = await lines_of(response)
    assert text_of(lines) == "Grüße 世界!"
    assert lines[-1] == "[DONE]"
    assert json.loads(lines[-2])["choices"] == []
    assert json.loads(lines[-2])["usage"]["completion_tokens"] == 20
    assert json.loads(lines[-3])["choices"][0]["finish_reason"] == "stop"


@requirement("ground:model-server:answers")
async def test_usage_comes_only_when_it_is_asked_for_and_counted() -> None:
    async with openai_server([Script(), Script(usage=None)]) as server:
        for body in (QUESTION | {"stream": True}, STREAMED):
            async with asked(server, body) as response:
                assert all(not json.loads(line).get("usage") for line in (await lines_of(response))[:-1])


@requirement("ground:model-server:answers")
async def test_tool_calls_come_in_pieces() -> None:
    call = ScriptedCall("call_1", "search", '{"query":"pods"}')
    async with openai_server(Script(tokens=(), tool_calls=(call,))) as server, asked(server, STREAMED) as response:
        chunks = [json.loads(line) for line in (await lines_of(response))[:-1]]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    pieces = [piece for delta in deltas for piece in delta.get("tool_calls", [])]
    assert [piece.get("id") for piece in pieces] == ["call_1", None]
    assert "".join(piece["function"]["arguments"] for piece in pieces) == '{"query":"pods"}'
    assert chunks[-2]["choices"][0]["finish_reason"] == "tool_calls"


@requirement("ground:model-server:scripts")
async def test_scripts_are_chosen_in_order_or_by_the_request() -> None:
    async with openai_server([Script(tokens=("one",)), Script(tokens=("two",))]) as server:
        said = []
        for _ in range(3):
            async with asked(server, QUESTION) as response:
                said.append((await response.json())["choices"][0]["message"]["content"])
    assert said == ["one", "two", "two"]
    async with (
        openai_server(lambda body: Script(tokens=(body["messages"][0]["content"],))) as server,
        asked(server, QUESTION) as response,
    ):
        assert (await response.json())["choices"][0]["message"]["content"] == "Hello?"


@requirement("ground:model-server:scripts")
async def test_models_and_the_key() -> None:
    async with openai_server(models=("a", {"id": "b", "max_model_len": 4096}), api_key="sesame") as server:
        async with aiohttp.ClientSession(headers={"Authorization": "Bearer sesame"}) as client:
            listed = await (await client.get(f"{server.url}/models")).json()
        async with asked(server, QUESTION) as response:
            assert response.status == 401
    assert [(entry["id"], entry.get("max_model_len")) for entry in listed["data"]] == [("a", None), ("b", 4096)]
    assert server.requests[0].headers["authorization"] == "Bearer sesame"


@requirement("ground:model-server:faults")
@pytest.mark.parametrize(
    ("refusal", "status", "code"),
    [
        (UNAUTHORIZED, 401, "invalid_api_key"),
        (MODEL_NOT_FOUND, 404, "model_not_found"),
        (CONTEXT_LENGTH_EXCEEDED, 400, "context_length_exceeded"),
        (RATE_LIMITED, 429, "rate_limit_exceeded"),
        (SERVER_ERROR, 500, None),
    ],
)
async def test_refusals(refusal: Refusal, status: int, code: str | None) -> None:
    async with openai_server(Script(refusal=refusal)) as server, asked(server, STREAMED) as response:
        assert response.status == status
        assert (await response.json())["error"]["code"] == code
        assert response.headers.get("Retry-After") == ("7" if status == 429 else None)


@requirement("ground:model-server:faults")
@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (Script(tokens=("a", "b"), error_after=1), '{"error":{"message":"The engine died.","code":500}}'),
        (Script(tokens=("a", "b"), finish_reason=None, done=False, usage=None), None),
    ],
)
async def test_streams_that_end_badly(script: Script, expected: str | None) -> None:
    async with openai_server(script) as server, asked(server, STREAMED) as response:
        lines = await lines_of(response)
    assert "[DONE]" not in lines
    assert not any('"finish_reason":"' in line for line in lines)
    assert expected is None or lines[-1] == expected


@requirement("ground:model-server:faults")
async def test_garbage_and_a_huge_line() -> None:
    script = Script(tokens=("a",), garbage_after=0, huge_line=100_000)
    async with openai_server(script) as server, asked(server, STREAMED) as response:
        lines = await lines_of(response)
    assert max(len(line) for line in lines) > 100_000
    assert '{"id": "chatcmpl-' in lines


@requirement("ground:model-server:faults")
@pytest.mark.parametrize("body", [QUESTION, STREAMED], ids=["whole", "streamed"])
async def test_a_connection_that_is_cut(body: dict[str, Any]) -> None:
    async with openai_server(Script(tokens=("a", "b"), cut_after=1)) as server, asked(server, body) as response:
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()
    assert not server.cancelled.is_set()


@requirement("ground:model-server:faults")
async def test_a_hang_before_the_headers_goes_on_when_released() -> None:
    async with openai_server(Script(tokens=("late",), hang_before_headers=True)) as server:
        said: list[str] = []

        async def ask() -> None:
            async with asked(server, QUESTION) as response:
                said.append((await response.json())["choices"][0]["message"]["content"])

        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask)
                await server.hanging.wait()
                assert said == []
                server.release.set()
    assert said == ["late"]


@requirement("ground:model-server:cancelled")
@pytest.mark.parametrize("hang_after", [0, 1, 2])
async def test_a_client_that_leaves_is_noticed(hang_after: int) -> None:
    async with openai_server(Script(tokens=("a", "b"), hang_after=hang_after)) as server:
        with anyio.fail_after(5):
            async with asked(server, STREAMED) as response:
                await response.content.readline()
                await server.hanging.wait()
            await server.cancelled.wait()
    assert server.cancellations == 1
