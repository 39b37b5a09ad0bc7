"""Tokens of a turn: the provider's own count in what is stored, an estimate for what was cut before it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
import pytest

from lightspeed_stack.assistant.pipeline import Assistant
from lightspeed_stack.backends.catalog import ModelCatalog, Provider
from lightspeed_stack.backends.openai import OpenAIBackend
from lightspeed_stack.domain.chat import Exchange, Outcome, Question, Usage
from lightspeed_stack.domain.events import TurnEnded, TurnEvent, TurnFailed
from lightspeed_stack.storage.conversations import SqlConversations
from tests.servers.openai_server import OpenAIServer, Script, ScriptedCall, openai_server
from tests.spec.registry import requirement
from tests.unit.assistant.examples import ALICE

CALLS = Script((), tool_calls=(ScriptedCall("c1", "now"),), usage=(5, 2))
SAYS = Script(("It is ", "noon."), usage=(9, 3))
UNCOUNTED = Script(("It is ", "noon."), usage=None)


@asynccontextmanager
async def assistant(
    store: SqlConversations, scripts: Sequence[Script]
) -> AsyncIterator[tuple[Assistant, OpenAIServer]]:
    async with openai_server(scripts) as server, OpenAIBackend(server.url) as backend:
        catalog = ModelCatalog({"fake": Provider("fake", backend)}, default_provider=None, default_model=None)
        async with catalog:
            yield Assistant(catalog, store), server


async def run(store: SqlConversations, *scripts: Script) -> tuple[TurnEvent, Exchange]:
    """The last event of a turn, and what is stored of it."""
    events: list[TurnEvent] = []

    async def emit(event: TurnEvent) -> None:
        events.append(event)

    async with assistant(store, scripts) as (it, _):
        turn = await it.admit(Question("What time is it?"), ALICE)
        await it.answer(turn, emit)
    (stored,) = (await store.read(turn.conversation.id, owner=None)).history
    return events[-1], stored


@requirement("usage:recorded")
@pytest.mark.parametrize(
    ("scripts", "expected"), [([SAYS], Usage(9, 3)), ([CALLS, SAYS], Usage(14, 5))], ids=["one-round", "two-rounds"]
)
async def test_the_providers_own_count_is_stored(
    store: SqlConversations, scripts: list[Script], expected: Usage
) -> None:
    event, stored = await run(store, *scripts)
    assert isinstance(event, TurnEnded)
    assert event.usage == stored.usage == expected


@requirement("usage:recorded")
async def test_one_round_without_a_count_makes_an_estimate_of_the_whole(store: SqlConversations) -> None:
    event, stored = await run(store, CALLS, UNCOUNTED)
    assert isinstance(event, TurnEnded)
    assert event.usage == stored.usage
    assert stored.usage.estimated
    assert stored.usage.input_tokens > 5
    assert stored.usage.output_tokens > 2


@requirement("usage:recorded")
async def test_a_turn_that_failed_has_an_estimate(store: SqlConversations) -> None:
    event, stored = await run(store, CALLS, Script(("It is", "."), error_after=1))
    assert isinstance(event, TurnFailed)
    assert (stored.outcome, stored.answer) == (Outcome.FAILED, "It is")
    assert stored.usage.estimated
    assert stored.usage.input_tokens > 5
    assert stored.usage.output_tokens > 2


@requirement("usage:recorded")
async def test_a_turn_that_was_left_has_an_estimate(store: SqlConversations) -> None:
    async def ignore(_: TurnEvent) -> None:
        """Nobody reads on."""

    async with assistant(store, [Script(("It is", "."), hang_after=1)]) as (it, server):
        turn = await it.admit(Question("What time is it?"), ALICE)
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(it.answer, turn, ignore)
                await server.hanging.wait()
                await anyio.wait_all_tasks_blocked()
                tasks.cancel_scope.cancel()
    (stored,) = (await store.read(turn.conversation.id, owner=None)).history
    assert (stored.outcome, stored.answer) == (Outcome.INTERRUPTED, "It is")
    assert stored.usage.estimated
    assert stored.usage.input_tokens > 0
    assert stored.usage.output_tokens > 0


@requirement("usage:truncated")
@pytest.mark.parametrize(("reason", "truncated"), [("length", True), ("stop", False), ("content_filter", False)])
async def test_a_cut_answer_is_stored_as_such(store: SqlConversations, reason: str, truncated: bool) -> None:
    event, stored = await run(store, Script(("It is",), finish_reason=reason))
    assert isinstance(event, TurnEnded)
    assert event.truncated is stored.truncated is truncated
