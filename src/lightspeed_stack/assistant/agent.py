"""Model ↔ tools until done: the loop that everything else exists for.

Frameworks and SDKs cost 5 to 15 times the CPU of the wire itself, so it is ours. A round is one generation; the model
either answers, which ends the loop, or calls tools, whose results go back to it. Budgets bound both.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic

import anyio

from lightspeed_stack.assistant.context import estimate_tokens
from lightspeed_stack.backends.base import ChatBackend, Delta, Finished, Generation, TextDelta, ToolCallDelta
from lightspeed_stack.domain.chat import Message, ToolCall, ToolResult, Usage
from lightspeed_stack.domain.events import TokenDelta, ToolCalled, ToolReturned, TurnEvent
from lightspeed_stack.errors import BackendFailed
from lightspeed_stack.tools.base import Toolset

type Emit = Callable[[TurnEvent], Awaitable[None]]

MAX_CALLS_IN_ROUND = 64
"""Tool calls that one message of a model may hold; more is a broken model."""

OVER_BUDGET = "Not run: the budget for tool calls is used up. Answer with what you have."


@dataclass(frozen=True, slots=True)
class Budget:
    """``max_rounds`` generations, ``max_calls`` tool calls and ``max_seconds`` for one turn.

    The last round offers no tools, so that the model has to answer with what it has.
    """

    max_rounds: int = 10
    max_calls: int = 30
    max_seconds: float = 1800.0


@dataclass(slots=True)
class Answer:
    """What has been said so far; filled while the loop runs, so that a cut turn can be recorded."""

    pieces: list[str] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    truncated: bool = False
    tool_results: list[ToolResult] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.pieces)


async def run(
    backend: ChatBackend,
    model: str,
    messages: Sequence[Message],
    toolset: Toolset,
    emit: Emit,
    answer: Answer,
    *,
    budget: Budget,
    live: bool,
    accepted: Callable[[], Awaitable[None]],
) -> None:
    """Run rounds until the model answers; ``accepted`` is awaited when the server has taken the first generation.

    ``live`` as in ``Generation``. Events are emitted as they happen and ``answer`` grows with them.

    Raises BackendError, ModelNotFound or PromptTooLong as ``ChatBackend.stream`` does.
    """
    conversation = list(messages)
    deadline = monotonic() + budget.max_seconds
    for number in range(budget.max_rounds):
        last = number + 1 >= budget.max_rounds or len(answer.tool_results) >= budget.max_calls
        specs = () if last or monotonic() > deadline else toolset.specs
        async with backend.stream(Generation(model, tuple(conversation), specs, live=live)) as deltas:
            if number == 0:
                await accepted()
            said = await _listen(deltas, emit, answer, conversation, round_number=number)
        if not said.calls or number + 1 == budget.max_rounds:
            return
        conversation.append(Message("assistant", said.text, tool_calls=said.calls))
        allowed = max(budget.max_calls - len(answer.tool_results), 0)
        results = await _call_all(toolset, said.calls[:allowed], emit)
        results += [ToolResult(call, OVER_BUDGET, failed=True) for call in said.calls[allowed:]]
        answer.tool_results += results
        conversation += [Message("tool", result.content, tool_call_id=result.call.id) for result in results]


@dataclass(frozen=True, slots=True)
class _Said:
    text: str
    calls: tuple[ToolCall, ...]


async def _listen(
    deltas: AsyncIterator[Delta], emit: Emit, answer: Answer, conversation: Sequence[Message], *, round_number: int
) -> _Said:
    """One generation: passes text on, gathers tool calls, adds up usage, which is estimated where no count came."""
    start = len(answer.pieces)
    calls: dict[int, ToolCallDelta] = {}
    counted: Usage | None = None
    try:
        async for delta in deltas:
            match delta:
                case TextDelta(text):
                    answer.pieces.append(text)
                    await emit(TokenDelta(text))
                case ToolCallDelta():
                    _gather(calls, delta)
                case Finished(reason, usage):
                    counted = usage
                    answer.truncated = answer.truncated or reason == "length"
    finally:  # a generation that was cut has been paid for as well
        answer.usage += counted or _estimated(conversation, "".join(answer.pieces[start:]))
    complete = (
        ToolCall(call.id or f"call_{round_number}_{index}", call.name or "", call.arguments or "{}")
        for index, call in sorted(calls.items())
    )
    return _Said("".join(answer.pieces[start:]), tuple(complete))


def _gather(calls: dict[int, ToolCallDelta], piece: ToolCallDelta) -> None:
    known = calls.get(piece.index)
    if known is None:
        if len(calls) >= MAX_CALLS_IN_ROUND:
            raise BackendFailed("The model called too many tools at once.")
        calls[piece.index] = piece
        return
    calls[piece.index] = ToolCallDelta(
        piece.index, known.id or piece.id, known.name or piece.name, known.arguments + piece.arguments
    )


def _estimated(conversation: Sequence[Message], said: str) -> Usage:
    return Usage(
        sum(estimate_tokens(message.content) for message in conversation), estimate_tokens(said), estimated=True
    )


async def _call_all(toolset: Toolset, calls: Sequence[ToolCall], emit: Emit) -> list[ToolResult]:
    """Run calls at once; results in the order of the calls, events in the order of happening."""
    results: dict[int, ToolResult] = {}

    async def one(number: int, call: ToolCall) -> None:
        results[number] = await toolset.call(call)
        await emit(ToolReturned(results[number]))

    async with anyio.create_task_group() as tasks:
        for number, call in enumerate(calls):
            await emit(ToolCalled(call))
            tasks.start_soon(one, number, call)
    return [results[number] for number in range(len(calls))]
