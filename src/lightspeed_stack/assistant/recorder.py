"""What remains of a turn: stored before anybody is told that it is."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain

import anyio
import anyio.to_thread

from lightspeed_stack.assistant.answer import Answer
from lightspeed_stack.domain.chat import Exchange, Outcome, Transcript, Turn
from lightspeed_stack.domain.knowledge import Passage, citations
from lightspeed_stack.errors import StorageError
from lightspeed_stack.storage.base import ConversationStore, TranscriptSink

log = logging.getLogger(__name__)

MUCH = 16_384
"""Characters of a turn that are too many to be searched through on the event loop."""


def size_of(exchange: Exchange) -> int:
    """Characters of all that was said, read and called."""
    texts = chain(
        (exchange.question, exchange.answer),
        (it.content for it in exchange.attachments),
        (it.content for it in exchange.passages),
        (it.content + it.call.arguments for it in exchange.tool_results),
    )
    return sum(map(len, texts))


def _as_it_is(exchange: Exchange) -> Exchange:
    return exchange


@dataclass(slots=True)
class TurnRecorder:
    """Keeps one turn, as a transcript as well where ``transcripts`` is given.

    ``failures`` hears of every write that failed, by the name of what was to be written. ``cleaned`` takes out of what
    was said what may not be kept.
    """

    store: ConversationStore
    turn: Turn
    clock: Callable[[], datetime]
    failures: Callable[[str], None]
    transcripts: TranscriptSink | None = None
    passages: tuple[Passage, ...] = ()
    answer: Answer = field(default_factory=Answer)
    cleaned: Callable[[Exchange], Exchange] = _as_it_is
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
            asked_by=turn.principal.user_id,
            request_id=turn.request_id,
        )
        exchange = await self._cleaned(exchange)
        if self.transcripts is None:
            return await self._append(exchange)
        return await self._append_and_transcribe(exchange, self.transcripts)

    async def _cleaned(self, exchange: Exchange) -> Exchange:
        if self.cleaned is _as_it_is:
            return exchange
        if size_of(exchange) <= MUCH:
            return self.cleaned(exchange)
        with anyio.CancelScope(shield=True):  # a caller who leaves meanwhile must not cost the turn
            exchange = await anyio.to_thread.run_sync(self.cleaned, exchange)
        return exchange  # noqa: RET504 - a scope might swallow what is raised in it, says mypy

    async def _append(self, exchange: Exchange) -> bool:
        turn = self.turn
        try:
            await self.store.append(turn.conversation, exchange, create=turn.is_new and not self._created)
        except StorageError as error:
            self._failed("turn", error)
            return False
        return True

    async def _append_and_transcribe(self, exchange: Exchange, transcripts: TranscriptSink) -> bool:
        """Both at the same time; a caller who leaves must not part them. Gives what ``_append`` does."""
        stored = False
        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._transcribe, exchange, transcripts)
                stored = await self._append(exchange)
        return stored

    async def _transcribe(self, exchange: Exchange, transcripts: TranscriptSink) -> None:
        turn, asked = self.turn, self.turn.question
        transcript = Transcript(turn.principal.user_id, turn.conversation.id, exchange, asked.provider, asked.model)
        try:
            await transcripts.write(transcript)
        except StorageError as error:
            self._failed("transcript", error)

    def _failed(self, what: str, error: StorageError) -> None:
        log.error("storing the %s of conversation %s failed: %s", what, self.turn.conversation.id, error.cause)
        self.failures(what)
