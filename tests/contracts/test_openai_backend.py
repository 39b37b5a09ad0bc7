"""``ChatBackend`` over the chat-completions protocol: what it passes on, and every way in which a server can fail."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from pydantic import SecretStr

from lightspeed_stack.backends.base import Delta, Finished, Generation, TextDelta, ToolCallDelta, ToolSpec
from lightspeed_stack.backends.openai import OpenAIBackend, Settings
from lightspeed_stack.domain.chat import Message, ToolCall, Usage
from lightspeed_stack.domain.health import HealthStatus
from lightspeed_stack.errors import (
    AssistantError,
    BackendFailed,
    BackendRateLimited,
    BackendUnavailable,
    ConfigurationError,
    ModelNotFound,
    PromptTooLong,
)
from tests.servers.openai_script import Json
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

ASK = Generation("fake-llm", (Message("system", "Be brief."), Message("user", "Hello?")))


@asynccontextmanager
async def backend_for(server: OpenAIServer, **settings: object) -> AsyncIterator[OpenAIBackend]:
    async with OpenAIBackend(server.url, None, Settings.model_validate(settings)) as backend:
        yield backend


async def answer(script: Script, generation: Generation = ASK, **settings: object) -> list[Delta]:
    with anyio.fail_after(20):
        async with openai_server(script) as server, backend_for(server, **settings) as backend:
            async with backend.stream(generation) as deltas:
                return [delta async for delta in deltas]


def text_of(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))


@requirement("backend:openai:streams-text", "backend:openai:usage")
async def test_text_comes_in_pieces_with_the_providers_own_counts() -> None:
    deltas = await answer(Script(("Hel", "lo", " wörld"), usage=(11, 3)))
    assert deltas == [TextDelta("Hel"), TextDelta("lo"), TextDelta(" wörld"), Finished("stop", Usage(11, 3))]


@requirement("backend:openai:usage")
async def test_a_server_that_does_not_count_gives_no_usage() -> None:
    assert (await answer(Script(("Hi",), usage=None)))[-1] == Finished("stop", None)


@requirement("backend:openai:tolerates-dialects")
@pytest.mark.parametrize(
    "script",
    [
        Script(("a", "ß", "漢"), split=1),
        Script(("a", "ß", "漢"), split=7, line_end="\r\n"),
        Script(("a", "ß", "漢"), comments=True),
        Script(("a", "ß", "漢"), finish_reason=None),
        Script(("a", "ß", "漢"), done=False),
    ],
    ids=["bytes-one-by-one", "crlf", "comments", "no-finish-reason", "no-done"],
)
async def test_dialects_of_the_protocol_give_the_same_text(script: Script) -> None:
    deltas = await answer(script)
    assert text_of(deltas) == "aß漢"
    assert isinstance(deltas[-1], Finished)


@requirement("backend:openai:finish-reasons")
@pytest.mark.parametrize("reason", ["stop", "length", "content_filter"])
async def test_the_reason_for_the_end_is_told(reason: str) -> None:
    last = (await answer(Script(("a",), finish_reason=reason)))[-1]
    assert isinstance(last, Finished)
    assert last.reason == reason


@requirement("backend:openai:tool-calls")
async def test_tool_calls_come_in_pieces() -> None:
    script = Script((), tool_calls=(ScriptedCall("c1", "get_pods", '{"namespace": "x"}'), ScriptedCall("c2", "now")))
    deltas = await answer(script)
    pieces = [delta for delta in deltas if isinstance(delta, ToolCallDelta)]
    assert {piece.index for piece in pieces} == {0, 1}
    assert "".join(piece.arguments for piece in pieces if piece.index == 0) == '{"namespace": "x"}'
    assert [(piece.id, piece.name) for piece in pieces if piece.id] == [("c1", "get_pods"), ("c2", "now")]


@requirement("backend:openai:request")
async def test_the_request_carries_messages_tools_limits_key_and_headers() -> None:
    call = ToolCall("c1", "now", "{}")
    messages = (*ASK.messages, Message("assistant", "", (call,)), Message("tool", "noon", tool_call_id="c1"))
    generation = Generation("m", messages, (ToolSpec("now", "the time", '{"type":"object"}'),))
    async with openai_server(api_key="k3y") as server:
        settings = Settings(max_tokens=7, temperature=0.5, headers={"X-Team": SecretStr("docs")})
        async with OpenAIBackend(server.url, SecretStr("k3y"), settings) as backend:
            async with backend.stream(generation) as deltas:
                async for _ in deltas:
                    pass
    (request,) = server.requests
    assert request.headers["x-team"] == "docs"
    assert request.body == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello?"},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "now", "arguments": "{}"}}],
            },
            {"role": "tool", "content": "noon", "tool_call_id": "c1"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 7,
        "temperature": 0.5,
        "tools": [
            {
                "type": "function",
                "function": {"name": "now", "description": "the time", "parameters": {"type": "object"}},
            }
        ],
    }


REFUSALS = [
    (UNAUTHORIZED, BackendFailed, "The model provider refused the configured credentials."),
    (MODEL_NOT_FOUND, ModelNotFound, "Model fake-llm is not known to the provider."),
    (CONTEXT_LENGTH_EXCEEDED, PromptTooLong, "exceed the model's context window"),
    (Refusal(413, "Too large."), PromptTooLong, "exceed the model's context window"),
    (RATE_LIMITED, BackendRateLimited, "limits requests"),
    (SERVER_ERROR, BackendFailed, "The model provider reported an error."),
    (Refusal(503, "Loading model"), BackendUnavailable, "The model provider is not ready."),
    (Refusal(400, "", body="<html>not JSON"), BackendFailed, "The model provider answered with status 400."),
    (Refusal(418, "", body='{"error": "teapot"}'), BackendFailed, "The model provider answered with status 418."),
]


@requirement("backend:openai:refusals")
@pytest.mark.parametrize(("refusal", "error", "cause"), REFUSALS, ids=[str(it[0].status) for it in REFUSALS])
async def test_a_refusal_becomes_our_error(refusal: Refusal, error: type[AssistantError], cause: str) -> None:
    with pytest.raises(error) as caught:
        await answer(Script(refusal=refusal))
    assert cause in caught.value.cause
    assert refusal.message not in caught.value.cause or not refusal.message


@requirement("backend:openai:refusals")
async def test_the_providers_wish_to_wait_is_kept() -> None:
    with pytest.raises(BackendRateLimited) as caught:
        await answer(Script(refusal=RATE_LIMITED))
    assert caught.value.retry_after == 7


@requirement("backend:openai:faults")
@pytest.mark.parametrize(
    ("script", "error", "said"),
    [
        (Script(("a", "b"), cut_after=1, delay=0.05), BackendUnavailable, "a"),
        (Script(("a", "b"), cut_after=0), BackendUnavailable, ""),
        (Script(("a", "b"), hang_after=1), BackendUnavailable, "a"),
        (Script(("a", "b"), error_after=1), BackendFailed, "a"),
        (Script(("a", "b"), garbage_after=1), BackendFailed, "a"),
        (Script(("a",), finish_reason=None, done=False), BackendFailed, "a"),
        (Script(("a",), huge_line=5_000_000), BackendFailed, ""),
    ],
    ids=["cut", "cut-at-once", "hang", "in-band-error", "garbage", "broke-off", "endless-line"],
)
async def test_a_fault_in_the_middle_raises_after_what_was_said(
    script: Script, error: type[AssistantError], said: str
) -> None:
    got: list[Delta] = []
    async with openai_server(script) as server, backend_for(server, timeout=0.5) as backend:
        with anyio.fail_after(20), pytest.raises(error):
            async with backend.stream(ASK) as deltas:
                async for delta in deltas:
                    got.append(delta)  # noqa: PERF401 - what came before the error counts
    assert text_of(got) == said


@requirement("backend:openai:faults")
async def test_a_server_that_never_answers_is_given_up() -> None:
    with pytest.raises(BackendUnavailable, match="Request timed out"):
        await answer(Script(hang_before_headers=True), timeout=0.3)


@requirement("backend:openai:unreachable")
async def test_nobody_listens() -> None:
    async with openai_server() as server:
        url = server.url
    async with OpenAIBackend(url) as backend:
        with pytest.raises(BackendUnavailable, match="Connection error"):
            async with backend.stream(ASK):
                pytest.fail("nobody can have accepted")
        health = await backend.probe()
    assert health.status is HealthStatus.ERROR
    assert "Connection error." in (health.message or "")


@requirement("backend:openai:leaving-stops")
async def test_leaving_early_stops_the_server() -> None:
    async with openai_server(Script(("a", "b", "c"), hang_after=1)) as server, backend_for(server) as backend:
        async with backend.stream(ASK) as deltas:
            assert await anext(deltas) == TextDelta("a")
        with anyio.fail_after(5):
            await server.cancelled.wait()


@requirement("backend:openai:pool")
async def test_connections_are_used_again() -> None:
    async with openai_server() as server, backend_for(server) as backend:
        for _ in range(5):
            async with backend.stream(ASK) as deltas:
                async for _delta in deltas:
                    pass
    assert server.connections == 1


@requirement("backend:openai:models")
async def test_models_are_listed_in_the_servers_order() -> None:
    models: list[str | Json] = ["b", {"id": "a", "object": "model", "max_model_len": 8192}]
    async with openai_server(models=models) as server, backend_for(server) as backend:
        assert [(model.name, model.context_window) for model in await backend.models()] == [("b", None), ("a", 8192)]
        assert (await backend.probe()).status is HealthStatus.OK


@requirement("backend:openai:models")
async def test_a_refused_list_makes_the_provider_ill() -> None:
    async with openai_server(models_refusal=UNAUTHORIZED) as server, backend_for(server) as backend:
        with pytest.raises(BackendFailed):
            await backend.models()
        assert (await backend.probe()).message == (
            "Unable to get an answer from the model: The model provider refused the configured credentials."
        )


@requirement("transport:http:ca")
async def test_a_file_that_is_no_certificate_is_told_with_its_key(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("not a certificate")
    with pytest.raises(ConfigurationError) as caught:
        async with OpenAIBackend("https://model.example/v1", None, Settings(ca_cert_path=file)):
            pytest.fail("it cannot have been opened")
    assert caught.value.cause == f"inference.providers: extra.ca_cert_path: {file} is not a PEM file"
