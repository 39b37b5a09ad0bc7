"""What a shield refuses never leaves, is not kept, and is answered by the shield's own words."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from lightspeed_stack.assistant.pipeline import Assistant
from lightspeed_stack.backends.catalog import ModelCatalog, Provider
from lightspeed_stack.backends.openai import OpenAIBackend
from lightspeed_stack.domain.chat import Attachment, Exchange, Question
from lightspeed_stack.domain.events import TokenDelta, TurnEnded, TurnEvent, TurnFailed, TurnStarted
from lightspeed_stack.errors import BackendFailed
from lightspeed_stack.shields.base import Shield, Stage, Violation, stage_of
from lightspeed_stack.storage.conversations import SqlConversations
from tests.servers.openai_server import OpenAIServer, Script, openai_server
from tests.spec.registry import requirement
from tests.unit.assistant.examples import ALICE

REFUSAL = "I do not speak of that."


@dataclass(frozen=True, slots=True)
class Word:
    """A shield that refuses texts with a word in them; ``broken``: it cannot judge at all."""

    identifier: str
    word: str
    broken: bool = False
    provider_id: str = "word"
    provider_resource_id: str = "word"
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def stage(self) -> Stage:
        return stage_of(self.identifier)

    async def inspect(self, text: str, stage: Stage) -> Violation | None:
        assert stage in self.stage
        if self.broken:
            raise BackendFailed("The shield cannot judge.")
        return Violation(self.identifier, REFUSAL) if self.word in text else None


@dataclass(frozen=True, slots=True)
class Words:
    """A fixed list of shields."""

    known: tuple[Shield, ...]

    async def shields(self) -> tuple[Shield, ...]:
        return self.known


@dataclass(slots=True)
class Seen:
    """What became of a turn."""

    events: list[TurnEvent]
    stored: tuple[Exchange, ...]
    asked: int
    violations: int

    @property
    def tokens(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, TokenDelta))


@asynccontextmanager
async def model(script: Script) -> AsyncIterator[tuple[ModelCatalog, OpenAIServer]]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(openai_server(script))
        backend = await stack.enter_async_context(OpenAIBackend(server.url))
        catalog = ModelCatalog({"fake": Provider("fake", backend)}, default_provider="fake", default_model="fake-llm")
        yield await stack.enter_async_context(catalog), server


async def ask(
    store: SqlConversations, question: Question, *shields: Shield, script: Script | None = None, live: bool = True
) -> Seen:
    events: list[TurnEvent] = []
    violations: list[None] = []

    async def emit(event: TurnEvent) -> None:
        events.append(event)

    async with model(script or Script(("The pump ", "is in ", "the cellar."))) as (catalog, server):
        assistant = Assistant(catalog, store, shields=Words(tuple(shields)), violated=lambda: violations.append(None))
        turn = await assistant.admit(question, ALICE)
        await assistant.answer(turn, emit, live=live)
        asked = len(server.chats)
    stored = (await store.read(turn.conversation.id, owner=None)).history if store_has(events) else ()
    return Seen(events, stored, asked, len(violations))


def store_has(events: list[TurnEvent]) -> bool:
    return any(isinstance(event, TurnStarted) for event in events)


@requirement("shields:naming")
@pytest.mark.parametrize(
    ("identifier", "stage"),
    [
        ("input_guard", Stage.INPUT),
        ("output_guard", Stage.OUTPUT),
        ("inout_guard", Stage.INOUT),
        ("guard", Stage.INPUT),
        ("my_output_guard", Stage.INPUT),
    ],
)
def test_a_name_says_where_a_shield_looks(identifier: str, stage: Stage) -> None:
    assert stage_of(identifier) is stage


@requirement("shields:input")
@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("identifier", ["input_guard", "inout_guard", "guard"])
async def test_a_refused_question_reaches_no_model(store: SqlConversations, identifier: str, live: bool) -> None:
    seen = await ask(store, Question("Where is the bomb?"), Word(identifier, "bomb"), live=live)
    assert (seen.tokens, seen.asked, seen.violations) == (REFUSAL, 0, 1)
    assert isinstance(seen.events[0], TurnStarted)
    assert isinstance(seen.events[-1], TurnEnded)
    assert [exchange.answer for exchange in seen.stored] == [REFUSAL]


@requirement("shields:input")
async def test_attachments_are_judged_with_the_question(store: SqlConversations) -> None:
    question = Question("What is this?", attachments=(Attachment("log", "text/plain", "a bomb"),))
    seen = await ask(store, question, Word("input_guard", "bomb"))
    assert (seen.tokens, seen.asked) == (REFUSAL, 0)


@requirement("shields:output")
@pytest.mark.parametrize("live", [True, False])
async def test_a_refused_answer_is_never_sent_or_kept(store: SqlConversations, live: bool) -> None:
    seen = await ask(store, Question("Where is it?"), Word("output_guard", "pump is in the"), live=live)
    assert (seen.tokens, seen.asked, seen.violations) == (REFUSAL, 1, 1)
    assert [exchange.answer for exchange in seen.stored] == [REFUSAL]
    assert isinstance(seen.events[-1], TurnEnded)
    assert seen.events[-1].text == REFUSAL


@requirement("shields:pass")
@pytest.mark.parametrize("live", [True, False])
async def test_what_no_shield_objects_to_passes_as_it_is(store: SqlConversations, live: bool) -> None:
    shields = Word("input_guard", "bomb"), Word("output_guard", "bomb"), Word("inout_guard", "bomb")
    seen = await ask(store, Question("Where is it?"), *shields, live=live)
    assert (seen.tokens, seen.violations) == ("The pump is in the cellar.", 0)
    assert [exchange.answer for exchange in seen.stored] == ["The pump is in the cellar."]


@requirement("shields:output")
@pytest.mark.parametrize("script", [Script(("The bomb ", "is ", "here."), cut_after=2), Script(error_after=2)])
async def test_an_answer_that_was_never_judged_is_not_kept(store: SqlConversations, script: Script) -> None:
    seen = await ask(store, Question("Where is it?"), Word("output_guard", "bomb"), script=script)
    assert seen.tokens == ""
    assert isinstance(seen.events[-1], TurnFailed)
    assert seen.stored == ()


@requirement("shields:broken")
@pytest.mark.parametrize("identifier", ["input_guard", "output_guard"])
async def test_a_shield_that_cannot_judge_lets_nothing_pass(store: SqlConversations, identifier: str) -> None:
    seen = await ask(store, Question("Where is it?"), Word(identifier, "", broken=True))
    assert seen.tokens == ""
    assert isinstance(seen.events[-1], TurnFailed)
    assert seen.stored == ()
