"""The shields of one turn: what a question may not ask, and what an answer may not say.

Shields see the question without passages: retrieved text trips them. An answer is judged as a whole, so none of it is
emitted before, and nothing of an answer that was never judged is kept.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable

from lightspeed_stack.assistant.agent import Answer, Emit
from lightspeed_stack.domain.chat import Question
from lightspeed_stack.domain.events import TokenDelta, TurnEvent
from lightspeed_stack.shields.base import Shield, ShieldSource, Stage, Violation

log = logging.getLogger(__name__)


class Guard:
    """Judges by ``shields``, one after the other, until the first that objects; ``violated`` hears of that."""

    def __init__(self, shields: Iterable[Shield], violated: Callable[[], None]) -> None:
        self._shields = tuple(shields)
        self._violated = violated

    @classmethod
    async def of(cls, source: ShieldSource | None, violated: Callable[[], None]) -> "Guard":
        """The shields that ``source`` has just now. Raises AssistantError where that cannot be known."""
        return cls(() if source is None else await source.shields(), violated)

    async def question(self, question: Question) -> Violation | None:
        """What is wrong with a question and what is attached to it. Raises AssistantError."""
        text = "\n\n".join((question.text, *(attachment.content for attachment in question.attachments)))
        return await self._judge(text, Stage.INPUT)

    async def answer(self, answer: Answer, emit: Emit, say: Callable[[Emit], Awaitable[None]]) -> None:
        """Let ``say`` fill ``answer``; its text is emitted, or replaced by a refusal, when it has been judged.

        Raises what ``say`` raises, and AssistantError where a shield cannot judge. Nothing was said then.
        """
        if not any(Stage.OUTPUT in shield.stage for shield in self._shields):
            await say(emit)
            return
        held: list[TokenDelta] = []

        async def hold(event: TurnEvent) -> None:
            if isinstance(event, TokenDelta):
                held.append(event)
            else:
                await emit(event)

        try:
            await say(hold)
            violation = await self._judge(answer.text, Stage.OUTPUT)
        except BaseException:
            answer.pieces.clear()
            raise
        if violation is not None:
            answer.pieces[:] = [violation.message]
            held = [TokenDelta(violation.message)]
        for event in held:
            await emit(event)

    async def _judge(self, text: str, stage: Stage) -> Violation | None:
        if not text.strip():
            return None
        for shield in self._shields:
            if stage not in shield.stage:
                continue
            violation = await shield.inspect(text, stage)
            if violation is not None:
                log.info("the shield %s objects to %s", violation.shield, _WHAT[stage])
                self._violated()
                return violation
        return None


_WHAT = {Stage.INPUT: "a question", Stage.OUTPUT: "an answer"}
