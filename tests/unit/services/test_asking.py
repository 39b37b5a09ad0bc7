"""``ModelAsk``: a question of the service's own, whose answer is heard whole or not at all."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
import pytest

from lightspeed_stack.backends.catalog import ModelCatalog, Provider
from lightspeed_stack.backends.openai import OpenAIBackend
from lightspeed_stack.errors import BackendFailed
from lightspeed_stack.services.asking import MAX_HEARD, ModelAsk
from lightspeed_stack.shields.base import Materials, Stage
from lightspeed_stack.shields.question_validity import Settings, build
from tests.servers.openai_server import OpenAIServer, Script, openai_server
from tests.spec.registry import requirement
from tests.unit.shields.watching import passed

THINKING = "The user asks about bread. Could this be ALLOWED? The assistant is"


@asynccontextmanager
async def asking(script: Script) -> AsyncIterator[tuple[OpenAIServer, ModelAsk]]:
    async with AsyncExitStack() as stack:
        stack.enter_context(anyio.fail_after(30))
        server = await stack.enter_async_context(openai_server(script))
        backend = await stack.enter_async_context(OpenAIBackend(server.url))
        catalog = ModelCatalog({"fake": Provider("fake", backend)}, default_provider="fake", default_model="fake-llm")
        yield server, ModelAsk(await stack.enter_async_context(catalog))


@pytest.mark.parametrize("said", ["ALLOWED", "x" * MAX_HEARD])
@requirement("shield:subject:heard")
async def test_a_whole_answer_is_heard(said: str) -> None:
    async with asking(Script((said[:5], said[5:]))) as (server, ask):
        assert await ask("Sort it.", "How?", "fake/fake-llm") == said
        assert [message["content"] for message in server.chats[0]["messages"]] == ["Sort it.", "How?"]


@pytest.mark.parametrize(
    "script",
    [
        Script((THINKING,), finish_reason="length"),
        Script(("x" * (MAX_HEARD - len(THINKING)), THINKING, " not about bread. REJECTED")),
        Script(("x" * (MAX_HEARD + 1),)),
    ],
)
@requirement("shield:subject:heard")
async def test_an_answer_that_was_cut_is_no_judgement(script: Script) -> None:
    async with asking(script) as (_, ask):
        with pytest.raises(BackendFailed, match="judgement is too long"):
            await ask("Sort it.", "How?", None)
        shield = build(Settings(subject="pods"), Materials("subject", required=True, ask=ask))
        with pytest.raises(BackendFailed):
            await passed(shield.watch(Stage.INPUT), ["How do I bake bread?"])
