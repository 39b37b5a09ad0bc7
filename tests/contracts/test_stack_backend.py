"""``ChatBackend`` over a Llama Stack: how the models of its providers are named, and every way in which it can fail.

What the releases really send is tested with the releases themselves; here it is played.
"""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio
import pytest

from lightspeed_stack.backends.base import Delta, Finished, Generation, Model, TextDelta
from lightspeed_stack.backends.llama_stack import LlamaStackBackend
from lightspeed_stack.domain.chat import Message, Usage
from lightspeed_stack.domain.health import Health
from lightspeed_stack.errors import (
    AssistantError,
    BackendFailed,
    BackendRateLimited,
    BackendUnavailable,
    ModelNotFound,
    PromptTooLong,
    StackUnavailable,
)
from lightspeed_stack.stack.client import StackClient
from lightspeed_stack.transport.http import HttpLimits, HttpTransport
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
    openai_server,
)
from tests.servers.stack_answers import recorded
from tests.spec.registry import requirement

ASK = Generation("openai/fake-llm", (Message("user", "Hello?"),))


def scripted_stack(
    script: Script | None = None, *, models: Sequence[str | Json] = ("fake-llm",), providers: Sequence[Json] = ()
) -> AbstractAsyncContextManager[OpenAIServer]:
    """The scripted model, which tells of itself what OGX 1.5.0 does, unless it is to have other ``providers``."""
    told = recorded("ogx-1.5.0")
    answers = {key: told[key] for key in ("GET /v1/version", "GET /v1/inspect/routes", "GET /v1/providers")}
    if providers:
        answers["GET /v1/providers"] = {"data": list(providers)}
    return openai_server(script, models=models, answers=answers)


@asynccontextmanager
async def backend_for(server: OpenAIServer, *, patience: float = 5.0) -> AsyncIterator[LlamaStackBackend]:
    root = server.url.removesuffix("/v1")
    limits = HttpLimits(read_timeout=patience)
    async with HttpTransport(root, headers={}, limits=limits, unavailable=StackUnavailable) as transport:
        async with StackClient(transport, timeout=patience) as stack:
            yield LlamaStackBackend(stack)


async def answer(script: Script, got: list[Delta] | None = None, *, live: bool = True) -> list[Delta]:
    """The deltas of one generation, also those that came before an error."""
    got = [] if got is None else got
    generation = Generation(ASK.model, ASK.messages, live=live)
    with anyio.fail_after(20):
        async with scripted_stack(script) as server, backend_for(server, patience=0.5) as backend:
            async with backend.stream(generation) as deltas:
                async for delta in deltas:
                    got.append(delta)
    return got


async def accepted(script: Script) -> None:
    """Enter a generation, and leave it at once."""
    with anyio.fail_after(20):
        async with scripted_stack(script) as server, backend_for(server, patience=0.5) as backend:
            async with backend.stream(ASK):
                pass


def events(*payloads: Json | str) -> Script:
    """A stream of these events and no others, after status 200."""
    lines = (payload if isinstance(payload, str) else json.dumps(payload) for payload in payloads)
    return Script(refusal=Refusal(200, "", body="".join(f"data: {line}\n\n" for line in lines)))


def told(message: str, **more: object) -> Json:
    return {"error": {"message": message, **more}}


def text_of(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))


ROLE: Json = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]}
HELLO: Json = {"choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": None}]}
STOP: Json = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
COUNT: Json = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}}

REFUSED = "The model provider refused the configured credentials."
FAILED = "The model provider reported an error."
TOO_LONG = (
    "400: Error code: 400 - {'error': {'message': \"This model's maximum context length is 8192 tokens. secret\"}}"
)


@requirement("backend:llama-stack:streams")
@pytest.mark.parametrize("live", [True, False])
async def test_a_stream_without_done_is_complete(live: bool) -> None:
    got = await answer(events(ROLE, HELLO, STOP, COUNT), live=live)
    assert got == [TextDelta("Hello"), Finished("stop", Usage(3, 1))]


@requirement("backend:llama-stack:streams")
async def test_the_stack_is_asked_for_the_identifier() -> None:
    async with scripted_stack() as server, backend_for(server) as backend, backend.stream(ASK) as deltas:
        assert isinstance([delta async for delta in deltas][-1], Finished)
    assert [chat["model"] for chat in server.chats] == ["openai/fake-llm"]


@requirement("backend:llama-stack:accepted")
async def test_the_first_event_counts_even_if_it_says_nothing() -> None:
    with anyio.fail_after(20):
        async with scripted_stack(Script(hang_after=0)) as server, backend_for(server) as backend:
            async with backend.stream(ASK):
                await server.hanging.wait()
            await server.cancelled.wait()


@requirement("backend:llama-stack:accepted")
@pytest.mark.parametrize(
    ("script", "error", "cause"),
    [
        (events(told("404: Model 'secret' not found.")), ModelNotFound, "Model openai/fake-llm is not known"),
        (events(told(TOO_LONG)), PromptTooLong, "exceed the model's context window"),
        (events(told("500: Internal server error: secret")), BackendFailed, FAILED),
        (events(told("401: secret")), BackendFailed, REFUSED),
        (events(told("secret", code="403")), BackendFailed, REFUSED),
        (events(told("secret", code="429")), BackendRateLimited, "limits requests"),
        (events(told("secret", code=503)), BackendUnavailable, "The model provider is not ready."),
        (events(told("secret", code="invalid")), BackendFailed, FAILED),
        (events({"error": "secret"}), BackendFailed, FAILED),
        (events("secret"), BackendFailed, "not a chat completion"),
        (events(), BackendFailed, "broke off"),
        (Script(hang_before_headers=True), StackUnavailable, "Request timed out."),
        (Script(refusal=MODEL_NOT_FOUND), ModelNotFound, "Model openai/fake-llm is not known"),
        (Script(refusal=CONTEXT_LENGTH_EXCEEDED), PromptTooLong, "exceed the model's context window"),
        (Script(refusal=UNAUTHORIZED), BackendFailed, REFUSED),
        (Script(refusal=RATE_LIMITED), BackendRateLimited, "limits requests"),
        (Script(refusal=SERVER_ERROR), BackendFailed, FAILED),
        (Script(refusal=Refusal(503, "secret")), BackendUnavailable, "The model provider is not ready."),
    ],
)
async def test_what_is_refused_is_refused_on_entering(script: Script, error: type[AssistantError], cause: str) -> None:
    with pytest.raises(error) as caught:
        await accepted(script)
    assert cause in caught.value.cause
    assert "secret" not in caught.value.cause


@requirement("backend:llama-stack:faults")
@pytest.mark.parametrize(
    ("script", "error", "cause"),
    [
        (Script(("Hello", "b"), cut_after=1, delay=0.05), StackUnavailable, "Connection error."),
        (Script(("Hello", "b"), hang_after=1), StackUnavailable, "Request timed out."),
        (Script(("Hello", "b"), error_after=1), BackendFailed, FAILED),
        (Script(("Hello", "b"), garbage_after=1), BackendFailed, "not a chat completion"),
        (events(ROLE, HELLO), BackendFailed, "broke off"),
        (events(ROLE, HELLO, told("500: secret")), BackendFailed, FAILED),
        (events(ROLE, HELLO, told("secret", code="500")), BackendFailed, FAILED),
        (events(ROLE, HELLO, told("Expecting value: secret", code="400")), BackendFailed, FAILED),
        (events(ROLE, HELLO, told("404: secret")), BackendFailed, FAILED),
        (events(ROLE, HELLO, told("secret", code="429")), BackendRateLimited, "limits requests"),
        (events(ROLE, HELLO, told("503: secret"), "[DONE]"), BackendUnavailable, "The model provider is not ready."),
    ],
)
async def test_a_fault_in_the_middle_raises_after_what_was_said(
    script: Script, error: type[AssistantError], cause: str
) -> None:
    got: list[Delta] = []
    with pytest.raises(error) as caught:
        await answer(script, got)
    assert text_of(got) == "Hello"
    assert cause in caught.value.cause
    assert "secret" not in caught.value.cause


def entry(identifier: str, kind: str = "llm", **metadata: object) -> Json:
    custom = {"model_type": kind, "provider_id": "mine", "provider_resource_id": "theirs", **metadata}
    return {"id": identifier, "object": "model", "custom_metadata": custom}


@requirement("backend:llama-stack:models")
@pytest.mark.parametrize(
    ("listed", "name", "window"),
    [
        (entry("openai/fake-llm"), "fake-llm", None),
        (entry("vllm/ibm-granite/granite-4.0"), "ibm-granite/granite-4.0", None),
        (entry("alone"), "alone", None),
        (entry("openai/"), "openai/", None),
        (entry("a/b", "embedding", embedding_dimension=384.0), "b", None),
        (entry("a/b", context_length=8192), "b", 8192),
        (entry("a/b", context_window=8192.0), "b", 8192),
        (entry("a/b", context_length="large", max_model_len=4096), "b", 4096),
        (entry("a/b", context_length=0, context_window=True), "b", None),
    ],
)
async def test_a_model_is_known_without_its_provider(listed: Json, name: str, window: int | None) -> None:
    async with scripted_stack(models=[listed]) as server, backend_for(server) as backend:
        (model,) = await backend.models()
    kind, _, _, *metadata = listed["custom_metadata"].items()
    assert model == Model(
        name,
        kind=kind[1],
        metadata=dict(metadata),
        context_window=window,
        provider="mine",
        address=listed["id"],
        resource="theirs",
    )
    assert backend.fronts


def provider(id_: str, status: str) -> Json:
    health = {"status": status, "message": "a secret of theirs"}
    return {"api": "inference", "provider_id": id_, "provider_type": "t", "config": {}, "health": health}


def ill(id_: str) -> str:
    return f"{id_}: Llama Stack reports an error; see /v1/providers/{id_}"


@requirement("backend:llama-stack:probe")
@pytest.mark.parametrize(
    ("found", "health"),
    [
        ([provider("openai", "OK"), provider("faiss", "Not Implemented")], Health.ok()),
        (
            [provider("openai", "Error"), provider("faiss", "OK"), provider("guard", "Error")],
            Health.error(f"{ill('openai')}; {ill('guard')}"),
        ),
    ],
)
async def test_a_stack_is_as_its_providers_are(found: list[Json], health: Health) -> None:
    async with scripted_stack(providers=found) as server, backend_for(server) as backend:
        assert await backend.probe() == health
