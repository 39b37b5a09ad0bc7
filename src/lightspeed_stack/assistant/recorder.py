"""What remains of a turn: stored before anybody is told that it is."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import anyio

from lightspeed_stack.assistant.agent import Answer
from lightspeed_stack.domain.chat import Exchange, Outcome, Turn
from lightspeed_stack.domain.knowledge import Passage, citations
from lightspeed_stack.errors import StorageError
from lightspeed_stack.storage.base import ConversationStore

log = logging.getLogger(__name__)


@dataclass(slots=True)
class TurnRecorder:
    """Keeps one turn. ``failures`` hears of every write that failed, by the name of what was to be written."""

    store: ConversationStore
    turn: Turn
    clock: Callable[[], datetime]
    failures: Callable[[str], None]
    passages: tuple[Passage, ...] = ()
    answer: Answer = field(default_factory=Answer)
    _created: bool = False

    async def announce(self) -> None:
        """Store the conversation, if it is new, before its id is made known. A failure is counted, not raised."""
        if not self.turn.is_new:
            return
        try:
            # To its end even if the caller leaves: who records the turn has to know whether this was stored.
            with anyio.CancelScope(shield=True):
                await self.store.create(self.turn.conversation, self.turn.model)
            self._created = True
        except StorageError as error:
            self._failed("conversation", error)

    async def close(self, outcome: Outcome) -> bool:
        """Store the turn as it stands; False where that failed, in which case the answer is given all the same."""
        turn, answer = self.turn, self.answer
        exchange = Exchange(
            question=turn.question.text,
            answer=answer.text,
            model=turn.model.label,
            provider=turn.model.provider_id,
            started_at=turn.started_at,
            completed_at=self.clock(),
            outcome=outcome,
            usage=answer.usage,
            truncated=answer.truncated,
            passages=self.passages,
            citations=citations(self.passages),
            tool_results=tuple(answer.tool_results),
            attachments=turn.question.attachments,
        )
        try:
            await self.store.append(turn.conversation, exchange, create=turn.is_new and not self._created)
        except StorageError as error:
            self._failed("turn", error)
            return False
        return True

    def _failed(self, what: str, error: StorageError) -> None:
        log.error("storing the %s of conversation %s failed: %s", what, self.turn.conversation.id, error.cause)
        self.failures(what)
