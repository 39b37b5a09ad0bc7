"""Which model answers, against real scripted servers."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
import pytest

from lightspeed_stack.backends.catalog import ModelCatalog, Provider
from lightspeed_stack.backends.llama_stack import LlamaStackBackend
from lightspeed_stack.backends.openai import OpenAIBackend
from lightspeed_stack.domain.health import HealthStatus
from lightspeed_stack.errors import BackendError, ModelNotFound
from lightspeed_stack.stack.client import StackClient
from lightspeed_stack.transport.http import HttpLimits, HttpTransport
from tests.servers.openai_server import UNAUTHORIZED, OpenAIServer, Refusal, openai_server
from tests.servers.stack_answers import recorded
from tests.spec.registry import requirement


@asynccontextmanager
async def catalog(
    *servers: tuple[str, OpenAIServer],
    default: tuple[str | None, str | None] = (None, None),
    allowed: tuple[str, ...] = (),
) -> AsyncIterator[ModelCatalog]:
    async with AsyncExitStack() as stack:
        providers = {}
        for id_, server in servers:
            backend = await stack.enter_async_context(OpenAIBackend(server.url))
            providers[id_] = Provider(id_, backend, allowed)
        yield await stack.enter_async_context(
            ModelCatalog(providers, default_provider=default[0], default_model=default[1])
        )


@requirement("catalog:choice")
@pytest.mark.parametrize(
    ("default", "hint", "chosen"),
    [
        ((None, None), (None, None), ("one", "a")),
        (("two", "c"), (None, None), ("two", "c")),
        (("two", "c"), ("one", "b"), ("one", "b")),
        (("two", "c"), ("one", None), ("two", "c")),
        (("two", "c"), (None, "b"), ("two", "c")),
        (("two", "c"), ("", ""), ("two", "c")),
        ((None, None), ("one", None), ("one", "a")),
        ((None, None), ("one", "one/b"), ("one", "b")),
        ((None, None), ("two", "org/d"), ("two", "org/d")),
    ],
)
async def test_the_choice(
    default: tuple[str | None, str | None], hint: tuple[str | None, str | None], chosen: tuple[str, str]
) -> None:
    async with openai_server(models=("a", "b")) as one, openai_server(models=("c", "org/d")) as two:
        async with catalog(("one", one), ("two", two), default=default) as models:
            choice = await models.choose(*hint)
    assert (choice.provider_id, choice.label) == chosen


@requirement("catalog:choice")
async def test_what_is_not_offered_is_not_chosen() -> None:
    async with openai_server(models=("a", "b")) as one, catalog(("one", one), allowed=("b",)) as models:
        for hint in (("one", "a"), ("one", "z"), ("nobody", "b")):
            with pytest.raises(ModelNotFound, match="not found in available models"):
                await models.choose(*hint)
        assert (await models.choose(None, None)).label == "b"


@requirement("catalog:choice")
async def test_no_model_at_all() -> None:
    async with openai_server(models=()) as one, catalog(("one", one)) as models:
        with pytest.raises(ModelNotFound, match="No LLM model found in available models"):
            await models.choose(None, None)


@requirement("catalog:no-list")
@pytest.mark.parametrize("status", [404, 405, 501])
async def test_a_server_without_a_list_offers_what_is_configured(status: int) -> None:
    async with openai_server(models_refusal=Refusal(status, "No such thing.")) as one:
        async with catalog(("one", one), default=("one", "mine")) as models:
            assert (await models.choose(None, None)).label == "mine"
            assert [offer.model.name for offer in await models.models()] == ["mine"]
            assert [(await it.backend.probe()).status for it in models.providers] == [HealthStatus.OK]
            with pytest.raises(ModelNotFound):
                await models.choose("one", "other")


@requirement("catalog:cached")
async def test_a_question_does_not_ask_for_the_list_again() -> None:
    async with openai_server(models=("a",)) as one, catalog(("one", one), default=("one", "a")) as models:
        for _ in range(10):
            await models.choose(None, None)
        assert len(one.requests) == 1


@requirement("catalog:cached")
async def test_many_first_questions_ask_once() -> None:
    async with openai_server(models=("a",)) as one, catalog(("one", one)) as models:
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(models.choose, None, None)
        assert len(one.requests) == 1


@requirement("catalog:ill")
async def test_a_provider_that_is_down_does_not_hide_the_others() -> None:
    async with openai_server(models=("a",)) as one, openai_server(models_refusal=UNAUTHORIZED) as two:
        async with catalog(("two", two), ("one", one)) as models:
            assert [offer.model.name for offer in await models.models()] == ["a"]
            assert (await models.choose(None, None)).provider_id == "one"
            with pytest.raises(BackendError):
                await models.choose("two", "x")


@requirement("catalog:ill")
async def test_nobody_answers() -> None:
    async with openai_server(models_refusal=UNAUTHORIZED) as one, catalog(("one", one)) as models:
        with pytest.raises(BackendError):
            await models.models()


def inside(identifier: str, provider_id: str, kind: str = "llm") -> dict[str, object]:
    """A model as a stack lists it."""
    return {"id": identifier, "custom_metadata": {"model_type": kind, "provider_id": provider_id}}


@asynccontextmanager
async def beside_a_stack(*models: dict[str, object]) -> AsyncIterator[ModelCatalog]:
    """A provider ``one`` with the model ``a``, and a Llama Stack with these models."""
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(openai_server(models=("a",)))
        other = await stack.enter_async_context(openai_server(models=models, answers=recorded("ogx-1.5.0")))
        root = other.url.removesuffix("/v1")
        transport = await stack.enter_async_context(HttpTransport(root, headers={}, limits=HttpLimits()))
        client = await stack.enter_async_context(StackClient(transport, timeout=5))
        own = await stack.enter_async_context(OpenAIBackend(one.url))
        providers = {"one": Provider("one", own), "/stack": Provider("/stack", LlamaStackBackend(client))}
        yield await stack.enter_async_context(ModelCatalog(providers, default_provider=None, default_model=None))


@requirement("catalog:front")
@pytest.mark.parametrize(
    ("hint", "label", "asked_as"),
    [
        (("vllm", "b"), "b", "vllm/b"),
        (("vllm", "vllm/b"), "b", "vllm/b"),
        (("vllm", "org/c"), "org/c", "vllm/org/c"),
        (("vllm", "alone"), "alone", "alone"),
        (("one", "a"), "a", "a"),
    ],
)
async def test_a_provider_inside_a_stack_is_known_by_its_id(hint: tuple[str, str], label: str, asked_as: str) -> None:
    names = ("vllm/b", "vllm/org/c", "alone")
    async with beside_a_stack(*(inside(name, "vllm") for name in names), inside("one/z", "one")) as catalog:
        choice = await catalog.choose(*hint)
        assert (choice.provider_id, choice.label, choice.asked_as) == (hint[0], label, asked_as)
        assert catalog.backend(choice).fronts is (hint[0] != "one")
        for gone in (("one", "z"), ("vllm", "z"), ("nobody", "b"), ("/stack", "b")):
            with pytest.raises(ModelNotFound):
                await catalog.choose(*gone)


@requirement("catalog:front")
async def test_what_two_places_offer_is_listed_once_and_ours_first() -> None:
    async with beside_a_stack(inside("one/a", "one"), inside("vllm/b", "vllm", "embedding")) as catalog:
        assert [offer.identifier for offer in await catalog.models()] == ["one/a", "vllm/b"]
        choice = await catalog.choose(None, None)
        assert (choice.provider_id, choice.asked_as, choice.source) == ("one", "a", None)
