"""A topic for each new conversation, made in the background and never in the way of an answer.

Above: ``pipeline`` asks for a topic when a turn is stored; ``services`` opens it. Below: any ``ChatBackend``, and
``ConversationStore.propose_topic``, which sets a topic only where there is none.
"""

import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream

from lightspeed_stack.assistant.live import ActiveTurns
from lightspeed_stack.assistant.titles import INSTRUCTION, MAX_HEARD, title
from lightspeed_stack.backends.base import ChatBackend, Generation, TextDelta
from lightspeed_stack.domain.chat import Message, ModelChoice, Outcome, Turn
from lightspeed_stack.domain.ids import ConversationId
from lightspeed_stack.errors import AssistantError

log = logging.getLogger(__name__)

RETRY_AFTER = timedelta(seconds=600)
"""Age of the first complete turn at which a topic that is still missing is asked for again.

By then the first request, in whichever process it was made, has ended: ``Pace.lifetime`` is shorter.
"""

QUESTION_LENGTH = 1000
"""Characters of the question that are enough to name its topic."""

MAX_TOKENS = 32
"""Tokens of an answer where a backend is one small model. Others are left when ``MAX_HEARD`` characters were heard:
some models refuse a limit, and some need more than this to think."""

COMPLAINT_EVERY = 60.0
"""Seconds between two log lines about too many that wait."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Times in seconds: ``timeout`` for one attempt, ``lifetime`` for a request with all its waiting and attempts,
    ``quiet`` without turns before a backend that answers one at a time is asked, ``grace`` for requests under way when
    the service stops.

    At most ``waiting`` requests wait for each kind of backend, and ``at_once`` run where a backend answers many.
    """

    waiting: int = 256
    at_once: int = 4
    timeout: float = 120.0
    lifetime: float = 480.0
    quiet: float = 1.0
    grace: float = 2.0


@dataclass(frozen=True, slots=True)
class _Request:
    """A conversation that wants a topic; ``deadline`` on the clock of the event loop."""

    conversation_id: ConversationId
    backend: ChatBackend
    generation: Generation
    deadline: float


type _Requests = MemoryObjectReceiveStream[_Request]
type _Attempt = Callable[[_Request], Awaitable[str]]


def due(turn: Turn, now: datetime) -> bool:
    """Whether a turn that was stored calls for a topic (pure).

    It does in a conversation without one, when no turn before has asked for it, or did so long ago and in vain.
    """
    conversation = turn.conversation
    if conversation.topic:
        return False
    asked = next((it.completed_at for it in conversation.history if it.outcome is Outcome.COMPLETE), None)
    return asked is None or now - asked >= RETRY_AFTER


class TopicSummaries:
    """Makes topics. An async context manager: leaving it waits for those under way, at most ``pace.grace`` seconds.

    ``backend_of`` is ``ModelCatalog.backend``, ``propose`` ``ConversationStore.propose_topic``. ``failures`` hears
    ``topic`` for each that was asked for and not made. ``prompt`` replaces the built-in instruction.
    """

    def __init__(
        self,
        backend_of: Callable[[ModelChoice], ChatBackend],
        propose: Callable[[ConversationId, str], Awaitable[None]],
        active: ActiveTurns,
        *,
        failures: Callable[[str], None],
        prompt: str | None = None,
        pace: Pace | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._backend_of = backend_of
        self._propose = propose
        self._active = active
        self._failures = failures
        self._prompt = prompt or INSTRUCTION
        self._pace = pace or Pace()
        self._clock = clock
        self._asked: set[ConversationId] = set()
        self._complained_at = -COMPLAINT_EVERY
        self._side_by_side = anyio.create_memory_object_stream[_Request](self._pace.waiting)
        self._in_quiet = anyio.create_memory_object_stream[_Request](self._pace.waiting)
        self._done = anyio.Event()
        self._quiet_work = anyio.CancelScope()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        tasks = await self._stack.enter_async_context(anyio.create_task_group())
        self._stack.callback(tasks.cancel_scope.cancel)
        tasks.start_soon(self._work_side_by_side)
        tasks.start_soon(self._work_in_quiet)
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            for asked, _requests in (self._side_by_side, self._in_quiet):
                asked.close()
            self._quiet_work.cancel()  # its model is too slow for a stop to wait
            with anyio.move_on_after(self._pace.grace):
                await self._done.wait()
            if self._asked:
                log.info("the service stops: %d conversations stay without a topic for now", len(self._asked))
        finally:
            await self._stack.aclose()

    def ask(self, turn: Turn) -> None:
        """Have a topic made for the conversation of a turn that was stored, if that is due. Neither waits nor raises.

        A conversation that has already asked is not asked for twice; with too many waiting the new one is dropped.
        """
        id_ = turn.conversation.id
        if id_ in self._asked or not due(turn, self._clock()):
            return
        backend = self._backend_of(turn.model)
        request = _Request(id_, backend, self._generation(turn, backend), anyio.current_time() + self._pace.lifetime)
        asked, _requests = self._side_by_side if backend.parallel is None else self._in_quiet
        try:
            asked.send_nowait(request)
        except anyio.WouldBlock:
            self._too_many()
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            self._failed(id_, "the service stops")
        else:
            self._asked.add(id_)

    def _generation(self, turn: Turn, backend: ChatBackend) -> Generation:
        asked = (it.question for it in turn.conversation.history if it.outcome is not Outcome.REFUSED)
        question = next(asked, turn.question.text)
        messages = (Message("system", self._prompt), Message("user", question[:QUESTION_LENGTH]))
        limit = None if backend.parallel is None else MAX_TOKENS
        return Generation(turn.model.asked_as, messages, max_tokens=limit, live=False)

    async def _work_side_by_side(self) -> None:
        async with self._side_by_side[1] as requests, anyio.create_task_group() as tasks:
            for _ in range(self._pace.at_once):
                tasks.start_soon(self._work, requests, self._attempt)
        self._done.set()

    async def _work_in_quiet(self) -> None:
        with self._quiet_work:
            async with self._in_quiet[1] as requests:
                await self._work(requests, self._attempt_in_quiet)

    async def _work(self, requests: _Requests, attempt: _Attempt) -> None:
        """Make one topic after the other, until no more can be asked for."""
        async for request in requests:
            try:
                with anyio.fail_after(request.deadline - anyio.current_time()):
                    topic = await attempt(request)
                    if topic:
                        await self._propose(request.conversation_id, topic)
            except AssistantError as error:
                self._failed(request.conversation_id, error.cause)
            except TimeoutError:
                self._failed(request.conversation_id, "it took too long")
            except Exception:  # a background task must not take the service with it
                log.exception("making the topic of conversation %s failed", request.conversation_id)
                self._failures("topic")
            finally:
                self._asked.discard(request.conversation_id)

    async def _attempt(self, request: _Request) -> str:
        """Ask the model once. Raises TimeoutError, and what ``ChatBackend.stream`` does."""
        said = ""
        with anyio.fail_after(self._pace.timeout):
            async with request.backend.stream(request.generation) as deltas:
                async for delta in deltas:
                    if isinstance(delta, TextDelta):
                        said += delta.text
                        if len(said) > MAX_HEARD:
                            break
        return title(said)

    async def _attempt_in_quiet(self, request: _Request) -> str:
        """Ask when no turn runs, stop when one begins, and ask again."""
        while True:
            await self._active.quiet(self._pace.quiet)
            with self._active.giving_way():
                return await self._attempt(request)

    def _too_many(self) -> None:
        now = anyio.current_time()
        if now - self._complained_at >= COMPLAINT_EVERY:
            self._complained_at = now
            log.warning("too many conversations wait for a topic; new ones stay without for now")
        self._failures("topic")

    def _failed(self, conversation_id: ConversationId, reason: str) -> None:
        log.warning("no topic for conversation %s: %s", conversation_id, reason)
        self._failures("topic")
