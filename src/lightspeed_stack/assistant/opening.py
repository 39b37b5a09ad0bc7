"""The beginning of a turn's events: what comes before the first token, once, and what is told besides the answer."""

import logging
from collections.abc import Callable
from dataclasses import replace

import anyio

from lightspeed_stack.assistant.answer import Emit
from lightspeed_stack.assistant.recorder import TurnRecorder
from lightspeed_stack.domain.events import Cited, Compacted, Noticed, TurnEvent, TurnStarted
from lightspeed_stack.domain.knowledge import citations
from lightspeed_stack.domain.notices import Notice, NoticeKind

log = logging.getLogger(__name__)

MAX_SUBJECT = 128
"""Characters of a notice's subject."""


class Opening:
    """Opens a turn for those who listen, with the conversation stored before its id is told.

    In a live turn ``once`` runs in tasks beside the model's work, never in that itself: storing goes on to its end when
    the caller leaves, and the model must not. ``observed`` hears of every notice at once. ``dropped`` old turns are
    told of; ``shown`` takes out of passages what must not be said.
    """

    def __init__(
        self, recorder: TurnRecorder, emit: Emit, observed: Callable[[TurnEvent], None], *, live: bool
    ) -> None:
        self._recorder = recorder
        self._emit = emit
        self._observed = observed
        self._live = live
        self._lock = anyio.Lock()
        self._told = 0
        self.dropped = 0
        self.shown: Callable[[Cited], Cited] = _as_it_is
        self.done = anyio.Event()

    async def after(self, seconds: float) -> None:
        await anyio.sleep(seconds)
        await self.once()

    async def emit(self, event: TurnEvent) -> None:
        """Emit an event that must not come before the opening."""
        if not self.done.is_set():
            await self.done.wait()
        await self._emit(event)

    async def tell(self, notice: Notice) -> None:
        """Make a notice known; its event comes now, or with the opening."""
        notice = replace(notice, subject=_printable(notice.subject))
        reason = f" ({notice.reason})" if notice.reason else ""
        # Whoever skips a server says so in the log, and not once a question.
        level = logging.DEBUG if notice.kind is NoticeKind.SERVER_SKIPPED else logging.INFO
        log.log(level, "%s: %s%s", notice.kind.value, notice.subject, reason)
        self._recorder.answer.notices.append(notice)
        self._observed(Noticed((notice,)))
        if self.done.is_set():
            await self._tell_all()

    async def once(self) -> None:
        async with self._lock:
            if self.done.is_set():
                return
            turn, passages = self._recorder.turn, self._recorder.passages
            if self._live:
                await self._recorder.announce()
            await self._emit(TurnStarted(turn.conversation.id, turn.request_id, turn.model))
            if passages:
                await self._emit(self.shown(Cited(passages, citations(passages))))
            if self.dropped:
                await self._emit(Compacted(self.dropped))
            await self._tell_all()
            self.done.set()

    async def _tell_all(self) -> None:
        notices = self._recorder.answer.notices
        while untold := notices[self._told :]:
            self._told += len(untold)
            await self._emit(Noticed(tuple(untold)))


def _as_it_is(event: Cited) -> Cited:
    return event


def _printable(name: str) -> str:
    """A name on one short line: tools are named by servers, and by models that make them up."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in name[:MAX_SUBJECT])
