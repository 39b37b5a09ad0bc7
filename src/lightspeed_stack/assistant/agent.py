"""Model ↔ tools until done: the loop that everything else exists for.

Frameworks and SDKs cost 5 to 15 times the CPU of the wire itself, so it is ours. A round is one generation: the model
answers, which ends the loop, or calls tools, whose results go back to it. Budgets bound both.

What is known between two steps is a ``Progress``, a plain value: where a human has to decide about a call, the loop
ends in ``Waiting``, and ``resume`` goes on, in this process or another.

The parts: ``listening`` hears one generation, ``round`` answers its calls, ``budgets`` say when it is enough.
"""

import math
from collections.abc import Awaitable, Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

import anyio

from lightspeed_stack.assistant import budgets
from lightspeed_stack.assistant.answer import Answer, Emit, Tell
from lightspeed_stack.assistant.budgets import Stop
from lightspeed_stack.assistant.context import without_old_results
from lightspeed_stack.assistant.listening import Heard
from lightspeed_stack.assistant.progress import Progress
from lightspeed_stack.assistant.round import Decide, Refusal, judge, run_together
from lightspeed_stack.assistant.text_calls import TextCalls
from lightspeed_stack.assistant.tool_calls import answerable
from lightspeed_stack.backends.base import ChatBackend, Generation, ToolSpec
from lightspeed_stack.domain.chat import Budget, Message, ToolCall, ToolResult
from lightspeed_stack.domain.events import TokenDelta, ToolCalled, ToolReturned
from lightspeed_stack.tools.approval import Allow, ApprovalPolicy, Ask, Decision, Deny
from lightspeed_stack.tools.base import Tool, Toolset

type Accepted = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Work:
    """What does not change while a turn runs.

    ``offered`` are the tools of ``toolset`` that the model is told of, besides those that this service runs itself. Of
    ``budget`` None is no limit. ``live`` as in ``Generation``. ``room``: tokens that the messages of a prompt may
    have, None where that is not known. ``read_text_calls``: calls that a model writes as text count. ``clock`` gives
    seconds.
    """

    backend: ChatBackend
    model: str
    toolset: Toolset
    offered: tuple[Tool, ...]
    budget: Budget
    live: bool
    approvals: ApprovalPolicy
    room: int | None = None
    read_text_calls: bool = True
    clock: Callable[[], float] = anyio.current_time


@dataclass(frozen=True, slots=True)
class Waiting:
    """A turn that goes on when it is decided about ``calls``, whose tools are known and whose arguments are objects."""

    progress: Progress
    calls: tuple[ToolCall, ...]


async def run(
    work: Work, progress: Progress, answer: Answer, emit: Emit, tell: Tell, *, accepted: Accepted
) -> Waiting | None:
    """Run rounds until the model answers; ``accepted`` is awaited when its server has taken the first generation.

    Events are emitted, and notices told, as they happen; text is only emitted. The rest of ``answer`` grows with them.

    Raises BackendError, ModelNotFound or PromptTooLong as ``ChatBackend.stream`` does, and what ``emit`` raises.
    """
    return await _Loop(work, progress, answer, emit, tell, accepted).rounds()


async def resume(
    work: Work,
    progress: Progress,
    decisions: Mapping[str, Allow | Deny],
    answer: Answer,
    emit: Emit,
    tell: Tell,
    *,
    accepted: Accepted,
) -> Waiting | None:
    """Go on where ``run`` gave ``Waiting``; no call is run twice. ``accepted`` is awaited at once. Raises as ``run``.

    ``decisions`` by the id of the call; a call without one goes on waiting.
    """
    loop = _Loop(work, progress, answer, emit, tell, accepted)
    await loop.accept()

    def decide(_: Tool, call: ToolCall) -> Decision:
        return decisions.get(call.id, Ask())

    return await loop.answer_calls(decide) or await loop.rounds()


class _Loop:
    """``progress`` is replaced at each step, and ``answer`` shows it to those who record a turn that is cut."""

    def __init__(
        self, work: Work, progress: Progress, answer: Answer, emit: Emit, tell: Tell, accepted: Accepted
    ) -> None:
        self._work = work
        self._progress = progress
        self._answer = answer
        self._emit = emit
        self._tell = tell
        self._accepted: Accepted | None = accepted
        self._began = work.clock() - progress.seconds
        self._gap = ""
        self._show()

    async def accept(self) -> None:
        """Say, once, that the turn is under way."""
        accepted, self._accepted = self._accepted, None
        if accepted is not None:
            await accepted()

    async def rounds(self) -> Waiting | None:
        """Ask the model and answer its calls, until there are none. A round without tools is the last."""
        while True:
            stop = budgets.before_round(self._work.budget, self._progress, self._seconds())
            said = await self._ask(stop)
            if stop is not None:
                await self._end(said, stop)
                return None
            if not said.tool_calls:
                return None
            self._progress, repeated = self._progress.open_round(said)
            waiting = await self.answer_calls(self._work.approvals.decide, repeated)
            if waiting is not None:
                return waiting

    async def answer_calls(self, decide: Decide, repeated: AbstractSet[str] = frozenset()) -> Waiting | None:
        """Answer the calls of the open round, as far as is decided about them; close it when all are answered."""
        work, progress = self._work, self._progress
        judged = judge(
            progress.pending,
            {tool.spec.name: tool for tool in work.toolset.tools},
            decide,
            repeated=repeated,
            stop=budgets.before_calls(work.budget, progress, self._seconds()),
            left=math.inf if work.budget.calls is None else work.budget.calls - progress.calls,
        )
        allowed = [call for call, fate in judged if isinstance(fate, Allow)]
        results: dict[str, ToolResult] = {}
        try:
            for call, fate in judged:
                if isinstance(fate, Refusal):
                    results[call.id] = await self._refuse(call, fate)
            in_time = await run_together(work.toolset, allowed, self._emit, results, left=self._seconds_left)
        finally:
            done = self._progress.with_results(results.values())
            self._progress = replace(done, calls=progress.calls + len(allowed), seconds=self._seconds())
            self._show()
        if not in_time:
            await self._tell_stop(Stop.SECONDS)
        if pending := self._progress.pending:
            return Waiting(self._progress, pending)
        self._progress = self._progress.close_round()
        return None

    async def _ask(self, stop: Stop | None) -> Message:
        """One generation; with ``stop`` it offers no tools."""
        work, progress = self._work, self._progress
        tools = self._offered()
        generation = Generation(work.model, self._fitting(), tools if stop is None else (), live=work.live)
        if stop is not None and progress.results:
            await self._tell_stop(stop)
        # Calls in a text are looked for as long as the model knows of tools, were they offered before only.
        knows = frozenset(tool.name for tool in tools if stop is None or progress.results)
        heard = Heard(self._say, TextCalls(knows) if knows and work.read_text_calls else None)
        self._gap = "\n\n" if progress.spoken else ""
        async with work.backend.stream(generation) as deltas:
            await self.accept()
            try:
                await heard.listen(deltas)
            finally:
                self._answer.usage = progress.usage + heard.usage(progress.messages)
                self._answer.truncated = progress.truncated or heard.truncated
        self._progress = replace(
            self._progress,
            rounds=progress.rounds + 1,
            usage=self._answer.usage,
            truncated=self._answer.truncated,
            spoken=progress.spoken or bool(heard.text.strip()),
        )
        return Message("assistant", heard.text, tool_calls=self._named(heard.calls))

    def _fitting(self) -> tuple[Message, ...]:
        messages, room = self._progress.messages, self._work.room
        return messages if room is None else tuple(without_old_results(messages, room))

    def _offered(self) -> tuple[ToolSpec, ...]:
        """What the model is told of: the tools chosen for this turn, and those that this service has by now."""
        own = (tool for tool in self._work.toolset.tools if tool.server is None)
        return tuple({tool.spec.name: tool.spec for tool in (*self._work.offered, *own)}.values())

    def _named(self, calls: tuple[ToolCall, ...]) -> tuple[ToolCall, ...]:
        """Calls with ids of their own, and the servers whose tools they are."""
        if not calls:
            return ()
        servers = {tool.spec.name: tool.group for tool in self._work.toolset.tools if tool.server is not None}
        complete = answerable(calls, self._progress.call_ids, self._progress.rounds)
        return tuple(replace(call, server_name=servers.get(call.name)) for call in complete)

    async def _refuse(self, call: ToolCall, refusal: Refusal) -> ToolResult:
        result = ToolResult(call, refusal.told, failed=True)
        await self._emit(ToolCalled(call))
        await self._emit(ToolReturned(result))
        if isinstance(refusal.why, Stop):
            await self._tell_stop(refusal.why)
        elif refusal.why is not None:
            await self._tell(refusal.why)
        return result

    async def _end(self, said: Message, stop: Stop) -> None:
        """What the model said in the last round is the answer. Where a stop left it speechless, we say so."""
        if not (said.tool_calls or self._progress.results):
            return
        await self._tell_stop(stop)
        if not said.content.strip():
            await self._say(budgets.instead_of_answer(stop))

    async def _say(self, text: str) -> None:
        """Emit a piece of the answer; what different rounds said stands in paragraphs of its own."""
        if self._gap:
            gap, self._gap = self._gap, ""
            text = text if text.startswith("\n") else gap + text
        await self._emit(TokenDelta(text))

    async def _tell_stop(self, stop: Stop) -> None:
        """Tell of the end of a budget, once. Of repeated calls everything has been told."""
        if stop is not Stop.REPEATS and stop not in self._progress.told:
            self._progress = replace(self._progress, told=self._progress.told | {stop.value})
            await self._tell(budgets.notice(stop))

    def _seconds(self) -> float:
        return self._work.clock() - self._began

    def _seconds_left(self) -> float:
        limit = self._work.budget.seconds
        return math.inf if limit is None else limit - self._seconds()

    def _show(self) -> None:
        progress = self._progress
        self._answer.usage, self._answer.truncated = progress.usage, progress.truncated
        self._answer.tool_results[:] = (*progress.results, *progress.done)
