"""``ChatBackend``: what every place where models answer has in common, on each of them.

What only one of them can do or suffer stands in ``test_openai_backend``, ``test_stack_backend`` and
``test_embedded_backend``.
"""

from collections.abc import AsyncIterator

import anyio
import pytest

from lightspeed_stack.backends.base import ChatBackend, Delta, Finished, Generation, TextDelta
from lightspeed_stack.backends.embedded import EmbeddedBackend
from lightspeed_stack.backends.embedded_fetch import find_cached
from lightspeed_stack.backends.embedded_models import Settings as EmbeddedSettings
from lightspeed_stack.backends.llama_stack import LlamaStackBackend
from lightspeed_stack.backends.openai import OpenAIBackend
from lightspeed_stack.domain.chat import Message
from lightspeed_stack.domain.health import HealthStatus
from lightspeed_stack.errors import ModelNotFound, PromptTooLong
from lightspeed_stack.stack.client import StackClient
from lightspeed_stack.transport.http import HttpLimits, HttpTransport
from tests.servers.openai_script import Json
from tests.servers.openai_server import (
    CONTEXT_LENGTH_EXCEEDED,
    MODEL_NOT_FOUND,
    Script,
    openai_server,
)
from tests.servers.stack_answers import recorded
from tests.spec.registry import requirement

PATIENCE = 60
SMALL = EmbeddedSettings(model="small", context_window=1024, max_tokens=60)


def play(body: Json) -> Script:
    """A large model with a context window: it counts, and refuses what it does not know or cannot hold."""
    if body["model"] != "fake-llm":
        return Script(refusal=MODEL_NOT_FOUND)
    if sum(len(message["content"]) for message in body["messages"]) > 4_000:
        return Script(refusal=CONTEXT_LENGTH_EXCEEDED)
    return Script(delay=0.01)


@pytest.fixture(scope="module", params=["openai", "llama-stack", "embedded"])
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[ChatBackend]:
    if request.param == "openai":
        async with openai_server(play) as server, OpenAIBackend(server.url) as openai:
            yield openai
    elif request.param == "llama-stack":
        async with openai_server(play, answers=recorded("ogx-1.5.0")) as server:
            root = server.url.removesuffix("/v1")
            async with HttpTransport(root, headers={}, limits=HttpLimits()) as transport:
                async with StackClient(transport, timeout=5) as stack:
                    yield LlamaStackBackend(stack)
    else:
        if find_cached(SMALL) is None:
            pytest.skip("the small model is not in the cache: lightspeed-stack model fetch --model small")
        async with EmbeddedBackend(SMALL) as embedded:
            yield embedded


async def asking(backend: ChatBackend, text: str, *, live: bool = True) -> Generation:
    (model, *_) = await backend.models()
    return Generation(model.address or model.name, (Message("system", "Be brief."), Message("user", text)), live=live)


async def answer(backend: ChatBackend, generation: Generation) -> list[Delta]:
    with anyio.fail_after(PATIENCE):
        async with backend.stream(generation) as deltas:
            return [delta async for delta in deltas]


@requirement("backend:contract")
@pytest.mark.parametrize("live", [True, False])
async def test_text_comes_first_and_the_end_last_with_its_count(backend: ChatBackend, live: bool) -> None:
    *pieces, last = await answer(backend, await asking(backend, "Say hello.", live=live))
    assert pieces
    assert all(isinstance(piece, TextDelta) and piece.text for piece in pieces)
    assert isinstance(last, Finished)
    assert last.usage is not None
    assert last.usage.input_tokens > 0
    assert last.usage.output_tokens > 0


@requirement("backend:contract")
async def test_leaving_early_is_no_harm(backend: ChatBackend) -> None:
    generation = await asking(backend, "Count from 1 to 300.")
    with anyio.fail_after(PATIENCE):
        async with backend.stream(generation) as deltas:
            assert isinstance(await anext(deltas), TextDelta)
    assert isinstance((await answer(backend, await asking(backend, "Say hello.")))[-1], Finished)


@requirement("backend:contract")
async def test_a_caller_may_be_cancelled_at_any_time(backend: ChatBackend) -> None:
    generation = await asking(backend, "Count from 1 to 300.")
    started = anyio.Event()

    async def listen() -> None:
        async with backend.stream(generation) as deltas:
            async for _ in deltas:
                started.set()

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listen)
            await started.wait()
            tasks.cancel_scope.cancel()
    assert isinstance((await answer(backend, await asking(backend, "Say hello.")))[-1], Finished)


@requirement("backend:contract")
async def test_an_unknown_model_is_not_found(backend: ChatBackend) -> None:
    with pytest.raises(ModelNotFound):
        await answer(backend, Generation("nobody's-model", (Message("user", "Hello?"),)))


@requirement("backend:contract")
async def test_a_prompt_that_does_not_fit_is_too_long(backend: ChatBackend) -> None:
    with pytest.raises(PromptTooLong):
        await answer(backend, await asking(backend, "word " * 3_000))


@requirement("backend:contract")
async def test_a_backend_that_answers_is_well(backend: ChatBackend) -> None:
    await answer(backend, await asking(backend, "Say hello."))
    assert (await backend.probe()).status is HealthStatus.OK
    assert backend.provider_type.startswith(("remote::", "inline::"))
    assert [model.kind for model in await backend.models()] == ["llm"]
