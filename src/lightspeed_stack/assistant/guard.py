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
from lightspeed_stack.assistant.cleaning import Clean, cleaned_call, cleaned_exchange, cleaned_passage, cleaned_result
from lightspeed_stack.domain.chat import Exchange, Question, ToolCall, ToolResult
from lightspeed_stack.domain.events import Cited, TokenDelta, ToolCalled, ToolReturned, TurnEnded, TurnEvent
from lightspeed_stack.domain.knowledge import Passage
from lightspeed_stack.domain.notices import Notice, NoticeKind
from lightspeed_stack.errors import AssistantError, ShieldNotFound
from lightspeed_stack.shields.base import Objection, Shield, ShieldSource, Stage, Violation, Watch
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
        try:
            for shield in self._input:
                question = await self._asked(shield, question)
        except Objection as objection:
            await self._refused(objection.violation, Stage.INPUT, "the question")
            return objection.violation
        return question

    async def _asked(self, shield: Shield, question: Question) -> Question:
        """The question past one shield, which sees all of it as one text: a log says little without what is asked."""
        contents = [attachment.content for attachment in question.attachments]
        text = "\n\n".join((question.text, *contents))
        if not text.strip():
            return question
        watch = shield.watch(Stage.INPUT)
        passed = await watch.feed(text) + await watch.close()
        if passed == text:
            return question
        await self._changed(shield, watch, Stage.INPUT, "the question")
        attachments = [
            replace(attachment, content=await self._part(shield, attachment.content))
            for attachment in question.attachments
        ]
        return replace(question, text=await self._part(shield, question.text), attachments=tuple(attachments))

    async def _part(self, shield: Shield, text: str) -> str:
        """One text of a question from which a shield takes something out. Raises Objection and AssistantError."""
        watch = shield.watch(Stage.INPUT)
        return await watch.feed(text) + await watch.close()

    @asynccontextmanager
    async def speaking(self, emit: Emit) -> AsyncIterator[Emit]:
        """Gives the ``emit`` for one answer, in which text goes past the shields; the rest of it comes at the end.

        A shield that objects ends what runs in this context, and its words end the answer. Where it ends in another
        way, what was held back is dropped. Raises AssistantError where a shield cannot judge.
        """
        if not self._output:
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
            await self._changed(shield, watch, Stage.OUTPUT, "the answer")

    def toolset(self, toolset: Toolset) -> Toolset:
        """The same tools, with results that a model may be given."""
        return _GuardedToolset(toolset, self) if self._source else toolset

    async def result(self, result: ToolResult) -> ToolResult:
        """What a tool gave, as a model may be given it."""
        content = await self._given(result.content, "a tool's result")
        if content is None:
            return ToolResult(result.call, WITHHELD, failed=True)
        return result if content == result.content else replace(result, content=content)

    async def passages(self, passages: tuple[Passage, ...]) -> tuple[Passage, ...]:
        """Those that a model may be given, as it may be given them."""
        if not self._source:
            return passages
        given: list[Passage | None] = [None] * len(passages)

        async def one(at: int, passage: Passage) -> None:
            content = await self._given(passage.content, "a passage")
            given[at] = None if content is None else replace(passage, content=content)

        async with anyio.create_task_group() as tasks:  # each may ask a model
            for at, passage in enumerate(passages):
                tasks.start_soon(one, at, passage)
        return tuple(passage for passage in given if passage is not None)

    def shown[Event: TurnEvent](self, event: Event) -> Event:
        """An event without what an answer may not say, in calls, results and passages; text goes by ``speaking``."""
        if not self._output:
            return event
        return _shown(event, self._said)

    def clean(self, text: str) -> str:
        """A text without what may not be kept."""
        return _cleaned(self._shields, text)

    def cleaned(self, exchange: Exchange) -> Exchange:
        """A turn without what may not be kept."""
        return cleaned_exchange(exchange, self.clean) if self._shields else exchange

    def _said(self, text: str) -> str:
        return _cleaned(self._output, text)

    async def _given(self, text: str, what: str) -> str | None:
        """The text as a model may be given it; None where a shield objects, or cannot judge."""
        for shield in self._source:
            try:
                text = await self._through(shield, Stage.SOURCE, text, what)
            except Objection as objection:
                await self._withheld(objection.violation.shield, f"{what.capitalize()} was kept from the model.")
                return None
            except AssistantError as error:
                log.error("the shield %s cannot judge %s: %s", shield.identifier, what, error.cause)
                message = f"{what.capitalize()} was kept from the model, as it could not be judged."
                await self._withheld(shield.identifier, message)
                return None
        return text

    async def _through(self, shield: Shield, stage: Stage, text: str, what: str) -> str:
        """One whole text past one shield. Raises Objection and AssistantError."""
        if not text.strip():
            return text
        watch = shield.watch(stage)
        passed = await watch.feed(text) + await watch.close()
        await self._changed(shield, watch, stage, what)
        return passed

    async def _changed(self, shield: Shield, watch: Watch, stage: Stage, what: str) -> None:
        if watch.changed:
            places = "1 place was" if watch.changed == 1 else f"{watch.changed} places were"
            message = f"{places} taken out of {what}."
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
        case Cited(passages):
            return replace(event, passages=tuple(cleaned_passage(passage, clean) for passage in passages))
        case TurnEnded(passages=passages, tool_results=results):
            return replace(
                event,
                passages=tuple(cleaned_passage(passage, clean) for passage in passages),
                tool_results=tuple(cleaned_result(result, clean) for result in results),
            )
    return event
