"""The calls of one round: what becomes of each, and running those that may be run.

Whatever is wrong with a call is a result, which the model reads.
"""

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import anyio

from lightspeed_stack.assistant.answer import Emit
from lightspeed_stack.assistant.budgets import NOT_FINISHED, Stop, not_run
from lightspeed_stack.assistant.tool_calls import arguments_of, well_formed
from lightspeed_stack.domain.chat import ToolCall, ToolResult
from lightspeed_stack.domain.events import ToolCalled, ToolReturned
from lightspeed_stack.domain.notices import Notice, NoticeKind
from lightspeed_stack.tools.approval import Allow, Ask, Decision, Deny
from lightspeed_stack.tools.base import Tool, Toolset, unknown_tool

log = logging.getLogger(__name__)

type Decide = Callable[[Tool, ToolCall], Decision]

AT_ONCE = 16
"""Calls of one round that run side by side; more wait for one that is over."""

REPEATED = (
    "Not run: you have made this call before, with the same arguments. Use its result, which you have, or make another "
    "call, or answer with what you have."
)
NO_OBJECT = "The arguments are not a JSON object. Write them as one, and call again."
BROKEN = "The tool failed."


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call that is not run: what its model is told, and why, where others should know."""

    told: str
    why: Notice | Stop | None = None


type Fate = Allow | Ask | Refusal


def judge(
    calls: Iterable[ToolCall],
    tools: Mapping[str, Tool],
    decide: Decide,
    *,
    repeated: AbstractSet[str] = frozenset(),
    stop: Stop | None = None,
    left: float = math.inf,
) -> list[tuple[ToolCall, Fate]]:
    """What becomes of each call (pure, as far as ``decide`` is).

    ``repeated`` are the ids of those that were made often enough; ``stop`` is why none may be run, and ``left`` how
    many may. One that waits for a decision counts as one that is run.
    """
    judged: list[tuple[ToolCall, Fate]] = []
    for call in calls:
        tool = tools.get(call.name)
        fate = _again(tool) if call.id in repeated else _fate(call, tool, decide, stop if left > 0 else Stop.CALLS)
        left -= not isinstance(fate, Refusal)
        judged.append((call, fate))
    return judged


def _again(tool: Tool | None) -> Refusal:
    # The name of a tool that there is not was made up by the model, so it is not repeated to others.
    subject = "unknown" if tool is None else tool.spec.name
    return Refusal(
        REPEATED, Notice(NoticeKind.CALL_REPEATED, subject, "The model made the same call again; it was not run.")
    )


def _fate(call: ToolCall, tool: Tool | None, decide: Decide, stop: Stop | None) -> Fate:
    if tool is None:
        return Refusal(unknown_tool(call.name))
    if arguments_of(call) is None:
        return Refusal(NO_OBJECT)
    if stop is not None:
        return Refusal(not_run(stop), stop)
    decision = decide(tool, call)
    if not isinstance(decision, Deny):
        return decision
    told = Notice(NoticeKind.CALL_REFUSED, tool.spec.name, decision.reason)
    return Refusal(f"Not run: {decision.reason}", told)


async def run_together(
    toolset: Toolset,
    calls: Sequence[ToolCall],
    emit: Emit,
    results: dict[str, ToolResult],
    *,
    left: Callable[[], float],
) -> bool:
    """Run calls side by side, within the seconds that are ``left``; whether these sufficed.

    Events are emitted one at a time, as they happen. ``results``, by the id of the call, fill up meanwhile, so that
    those of a round that is cut are known. Raises what ``emit`` raises.
    """
    slots, turn_to_emit = anyio.CapacityLimiter(AT_ONCE), anyio.Lock()
    in_time = True

    async def one(call: ToolCall) -> None:
        nonlocal in_time
        async with slots:
            async with turn_to_emit:
                await emit(ToolCalled(call))
            result = await _within(left(), toolset, call)
            in_time = in_time and result is not None
            results[call.id] = result = result or ToolResult(call, NOT_FINISHED, failed=True)
            async with turn_to_emit:
                await emit(ToolReturned(result))

    try:
        async with anyio.create_task_group() as tasks:
            for call in calls:
                tasks.start_soon(one, call)
    except ExceptionGroup as failed:  # nothing but ``emit`` raises, and what it raises has a meaning to others
        raise failed.exceptions[0] from None
    return in_time


async def _within(seconds: float, toolset: Toolset, call: ToolCall) -> ToolResult | None:
    """Run a call; None where it does not end in time."""
    if seconds > 0:  # a scope whose time is up lets a call begin
        with anyio.move_on_after(seconds):
            return await _result(toolset, call)
    return None


async def _result(toolset: Toolset, call: ToolCall) -> ToolResult:
    """Run a call. A toolset that breaks its word, and raises, must not take the other calls with it."""
    try:
        result = await toolset.call(call)
        return ToolResult(call, well_formed(result.content), failed=result.failed)
    except Exception as error:
        # Without the error's own words, which may quote arguments or results.
        where = RuntimeError(type(error).__name__).with_traceback(error.__traceback__)
        log.error("the tool %s broke", call.name, exc_info=where)
    except anyio.get_cancelled_exc_class():
        if anyio.current_effective_deadline() == -math.inf:
            raise
        log.exception("the tool %s was cancelled, and not by us", call.name)
    return ToolResult(call, BROKEN, failed=True)
