"""The shields of one turn: what a question may not ask, an answer may not say, and a model may not be given to read.

A text goes past the shields one after the other, and what one lets through goes to the next. Shields see the question
without passages: retrieved text trips them. Of an answer nothing is emitted that has not passed, and nothing is kept.
"""

import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import anyio

from lightspeed_stack.assistant.answer import Emit, Tell
from lightspeed_stack.assistant.cleaning import (
    Clean,
    cleaned_call,
    cleaned_citations,
    cleaned_exchange,
    cleaned_passage,
    cleaned_result,
)
from lightspeed_stack.domain.chat import Exchange, Question, ToolCall, ToolResult
from lightspeed_stack.domain.events import Cited, TokenDelta, ToolCalled, ToolReturned, TurnEnded, TurnEvent
from lightspeed_stack.domain.knowledge import Passage
from lightspeed_stack.domain.notices import Notice, NoticeKind
from lightspeed_stack.errors import AssistantError, ShieldNotFound
from lightspeed_stack.shields.base import Objection, Shield, ShieldSource, Stage, Violation
from lightspeed_stack.tools.base import SkippedServer, Tool, Toolset

log = logging.getLogger(__name__)

WITHHELD = "The result of this tool was withheld: a shield found that it must not be read."


class Guard:
    """Holds the shields of a turn; ``tell`` hears what they refuse, take out and withhold."""

    def __init__(self, shields: Iterable[Shield], tell: Tell) -> None:
        self._shields = tuple(shields)
        self._tell = tell
        self._input, self._output, self._source = map(self._at, (Stage.INPUT, Stage.OUTPUT, Stage.SOURCE))

    def _at(self, stage: Stage) -> tuple[Shield, ...]:
        return tuple(shield for shield in self._shields if stage in shield.stage) if self._shields else ()

    @property
    def idle(self) -> bool:
        """Whether nothing is looked at."""
        return not self._shields

    @classmethod
    async def of(cls, source: ShieldSource | None, shield_ids: tuple[str, ...] | None, tell: Tell) -> "Guard":
        """The shields that ``source`` has just now: those that are named or required, all where ``shield_ids`` is None.

        Raises ShieldNotFound, and AssistantError where it cannot be known which there are.
        """
        known = () if source is None else await source.shields()
        if shield_ids is None:
            return cls(known, tell)
        names = [shield.identifier for shield in known]
        for name in shield_ids:
            if name not in names:
                there = f"there are: {', '.join(names)}" if names else "there are none"
                raise ShieldNotFound(f"shield_ids: there is no shield '{name[:100]}'; {there}.")
        return cls((shield for shield in known if shield.required or shield.identifier in shield_ids), tell)

    async def question(self, question: Question) -> Question | Violation:
        """The question as it may be asked, or why it may not be. Raises AssistantError where a shield cannot judge."""
        parts = asked = _parts_of(question)
        try:
            for shield in self._input:
                parts = await self._past(shield, Stage.INPUT, parts, "the question")
        except Objection as objection:
            await self._refused(objection.violation, Stage.INPUT, "the question")
            return objection.violation
        return question if parts == asked else _of_parts(question, parts)

    @asynccontextmanager
    async def speaking(self, emit: Emit) -> AsyncIterator[Emit]:
        """Gives the ``emit`` for one answer, in which text goes past the shields; the rest of it comes at the end.

        A shield that objects ends what runs in this context, and its words end the answer. Where it ends in another
        way, what was held back is dropped. Raises AssistantError where a shield cannot judge.
        """
        if self.idle:
            yield emit
            return
        speech = _Speech(self._output, emit, self)
        try:
            yield speech.emit
            await speech.close()
        except (Objection, BaseExceptionGroup) as raised:
            violation = _violation(raised)
            if violation is None:
                raise
            await self._refused(violation, Stage.OUTPUT, "the answer")
            await emit(TokenDelta(f"\n\n{violation.message}" if speech.said else violation.message))
        for shield, watch in speech.watches:
            await self._changed(shield, watch.changed, Stage.OUTPUT, "the answer")

    def toolset(self, toolset: Toolset) -> Toolset:
        """The same tools, with results that a model may be given."""
        return _GuardedToolset(toolset, self) if self._source else toolset

    async def result(self, result: ToolResult) -> ToolResult:
        """What a tool gave, as a model may be given it."""
        given = await self._given((result.content,), "a tool's result")
        if given is None:
            return ToolResult(result.call, WITHHELD, failed=True)
        return result if given == (result.content,) else replace(result, content=given[0])

    async def passages(self, passages: tuple[Passage, ...]) -> tuple[Passage, ...]:
        """Those that a model may be given, as it may be given them."""
        if not self._source:
            return passages
        given: list[Passage | None] = [None] * len(passages)

        async def one(at: int, passage: Passage) -> None:
            parts = await self._given((passage.title, *passage.section, passage.content), "a passage")
            if parts is not None:
                title, *section, content = parts
                given[at] = replace(passage, title=title, section=tuple(section), content=content)

        async with anyio.create_task_group() as tasks:  # each may ask a model
            for at, passage in enumerate(passages):
                tasks.start_soon(one, at, passage)
        return tuple(passage for passage in given if passage is not None)

    def shown[Event: TurnEvent](self, event: Event) -> Event:
        """An event without what may not be kept, in calls, results and passages; text goes by ``speaking``."""
        return event if self.idle else _shown(event, self.clean)

    def clean(self, text: str) -> str:
        """A text without what may not be kept."""
        return _cleaned(self._shields, text)

    def cleaned(self, exchange: Exchange) -> Exchange:
        """A turn without what may not be kept."""
        return cleaned_exchange(exchange, self.clean) if self._shields else exchange

    async def _given(self, parts: tuple[str, ...], what: str) -> tuple[str, ...] | None:
        """A text in parts as a model may be given it; None where a shield objects, or cannot judge."""
        for shield in self._source:
            try:
                parts = await self._past(shield, Stage.SOURCE, parts, what)
            except Objection as objection:
                await self._withheld(objection.violation.shield, f"{what.capitalize()} was kept from the model.")
                return None
            except AssistantError as error:
                log.error("the shield %s cannot judge %s: %s", shield.identifier, what, error.cause)
                message = f"{what.capitalize()} was kept from the model, as it could not be judged."
                await self._withheld(shield.identifier, message)
                return None
        return parts

    async def _past(self, shield: Shield, stage: Stage, parts: tuple[str, ...], what: str) -> tuple[str, ...]:
        """A text in parts past one shield, which sees them as one: a log says little without what is asked.

        What it takes out, it takes out of each part by itself. Raises Objection and AssistantError.
        """
        text = "\n\n".join(part for part in parts if part.strip())
        if not text:
            return parts
        passed, _ = await _watched(shield, stage, text)
        if passed == text:
            return parts
        each = [await _watched(shield, stage, part) if part.strip() else (part, 0) for part in parts]
        await self._changed(shield, sum(places for _, places in each), stage, what)
        return tuple(part for part, _ in each)

    async def _changed(self, shield: Shield, places: int, stage: Stage, what: str) -> None:
        if places:
            were = "1 place was" if places == 1 else f"{places} places were"
            message = f"{were} taken out of {what}."
            await self._tell(Notice(NoticeKind.SHIELD_CHANGED, shield.identifier, message, _word(stage)))

    async def _refused(self, violation: Violation, stage: Stage, what: str) -> None:
        message = f"{what.capitalize()} was refused."
        await self._tell(Notice(NoticeKind.SHIELD_REFUSED, violation.shield, message, _word(stage)))

    async def _withheld(self, shield: str, message: str) -> None:
        await self._tell(Notice(NoticeKind.SOURCE_WITHHELD, shield, message, _word(Stage.SOURCE)))


class _Speech:
    """One answer past all watches: what one lets through goes to the next."""

    def __init__(self, shields: Sequence[Shield], emit: Emit, guard: Guard) -> None:
        self.watches = [(shield, shield.watch(Stage.OUTPUT)) for shield in shields]
        self.said = False
        self._emit = emit
        self._guard = guard
        self._over: Objection | AssistantError | None = None

    async def emit(self, event: TurnEvent) -> None:
        if not isinstance(event, TokenDelta):
            await self._emit(self._guard.shown(event))
            return
        if self._over is not None:  # whoever goes on all the same is not heard
            raise self._over
        await self._say(await self._pass(event.text, last=False))

    async def close(self) -> None:
        await self._say(await self._pass("", last=True))

    async def _pass(self, text: str, *, last: bool) -> str:
        try:
            for _, watch in self.watches:
                if text:
                    text = await watch.feed(text)
                if last:
                    text += await watch.close()
        except (Objection, AssistantError) as over:
            self._over = over
            raise
        return text

    async def _say(self, text: str) -> None:
        if text:
            self.said = True
            await self._emit(TokenDelta(text))


@dataclass(frozen=True, slots=True)
class _GuardedToolset:
    """See Toolset."""

    unguarded: Toolset
    guard: Guard

    @property
    def tools(self) -> tuple[Tool, ...]:
        return self.unguarded.tools

    @property
    def skipped(self) -> tuple[SkippedServer, ...]:
        return self.unguarded.skipped

    async def call(self, call: ToolCall) -> ToolResult:
        return await self.guard.result(await self.unguarded.call(call))


def _word(stage: Stage) -> str:
    """What a notice says of where a shield looked: ``input``, ``output`` or ``source``."""
    return (stage.name or "").lower()


def _violation(raised: BaseException) -> Violation | None:
    """What a shield objects to, where that is all that was raised: task groups inside the context wrap it."""
    while isinstance(raised, BaseExceptionGroup):
        objections, rest = raised.split(Objection)
        if objections is None or rest is not None:
            return None
        raised = objections.exceptions[0]
    return raised.violation if isinstance(raised, Objection) else None


def _parts_of(question: Question) -> tuple[str, ...]:
    """What a caller wrote: the question, the system prompt of a new conversation, attachments."""
    prompt = (question.system_prompt,) if question.system_prompt and _brings_prompt(question) else ()
    return (question.text, *prompt, *(attachment.content for attachment in question.attachments))


def _of_parts(question: Question, parts: tuple[str, ...]) -> Question:
    """The question with these parts in the place of its own."""
    text, *rest = parts
    prompt = rest.pop(0) if _brings_prompt(question) else question.system_prompt
    attachments = tuple(replace(it, content=content) for it, content in zip(question.attachments, rest, strict=True))
    return replace(question, text=text, system_prompt=prompt, attachments=attachments)


def _brings_prompt(question: Question) -> bool:
    """A conversation that is continued keeps the system prompt it began with."""
    return question.conversation_id is None and bool(question.system_prompt)


async def _watched(shield: Shield, stage: Stage, text: str) -> tuple[str, int]:
    """One text past one shield, and in how many places it was changed. Raises Objection and AssistantError."""
    watch = shield.watch(stage)
    passed = await watch.feed(text) + await watch.close()
    return passed, watch.changed


def _cleaned(shields: Sequence[Shield], text: str) -> str:
    for shield in shields:
        text = shield.clean(text)
    return text


def _shown[Event: TurnEvent](event: Event, clean: Clean) -> Event:
    match event:
        case ToolCalled(call):
            return replace(event, call=cleaned_call(call, clean))
        case ToolReturned(result):
            return replace(event, result=cleaned_result(result, clean))
        case Cited(passages, cited):
            return replace(
                event,
                passages=tuple(cleaned_passage(passage, clean) for passage in passages),
                citations=cleaned_citations(cited, clean),
            )
        case TurnEnded(passages=passages, citations=cited, tool_results=results):
            return replace(
                event,
                passages=tuple(cleaned_passage(passage, clean) for passage in passages),
                citations=cleaned_citations(cited, clean),
                tool_results=tuple(cleaned_result(result, clean) for result in results),
            )
    return event
