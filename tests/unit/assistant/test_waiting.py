"""A turn that waits for a human holds nothing, and goes on anywhere."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from lightspeed_stack.assistant.budgets import Stop, not_run
from lightspeed_stack.assistant.progress import Progress
from lightspeed_stack.domain.chat import Budget, ToolCall, Usage
from lightspeed_stack.domain.events import ToolCalled, ToolReturned
from lightspeed_stack.tools.approval import Allow, Ask, Decision, Deny
from lightspeed_stack.tools.base import Tool
from tests.servers.openai_server import ScriptedCall
from tests.spec.registry import requirement
from tests.unit.assistant.loops import QUESTION, SAYS, Clock, Ran, Tools, calls, noon, run, tool

TOOLS = (tool("now"), tool("delete", needs_approval=True), tool("stop", needs_approval=True))
DOES = {"now": noon, "delete": noon, "stop": noon}
MADE = calls(
    ScriptedCall("c1", "delete", '{"pod": 1}'),
    ScriptedCall("c2", "now"),
    ScriptedCall("c3", "stop"),
    ScriptedCall("c4", "nothing"),
    says="Let me look.",
)


class Asking:
    """A policy with somebody to ask."""

    def decide(self, tool: Tool, call: ToolCall) -> Decision:
        assert isinstance(json.loads(call.arguments), dict)
        return Ask() if tool.needs_approval else Allow()


class Allowing:
    def decide(self, tool: Tool, call: ToolCall) -> Decision:
        assert tool.spec.name == call.name
        return Allow()


def tools() -> Tools:
    return Tools(DOES, TOOLS)


async def pause(budget: Budget | None = None, clock: Callable[[], float] | None = None) -> tuple[Ran, Progress, Tools]:
    """A turn that waits, and what another process would read of it."""
    had = tools()
    ran = await run([MADE, SAYS], had, budget, approvals=Asking(), clock=clock)
    assert ran.waiting is not None
    return ran, Progress.decode(ran.waiting.progress.encode()), had


@requirement("agent:waiting")
async def test_the_other_calls_of_the_round_are_run_and_then_the_turn_waits() -> None:
    ran, progress, had = await pause()
    assert [call.id for call in had.ran] == ["c2"]
    assert (ran.called, ran.returned) == (["c4", "c2"], ["c4", "c2"])
    assert ran.waiting is not None
    assert [(call.id, call.server_name) for call in ran.waiting.calls] == [("c1", "clock"), ("c3", "clock")]
    assert ran.waiting.calls == progress.pending
    assert ran.waiting.progress == progress
    assert [result.call.id for result in ran.answer.tool_results] == ["c2", "c4"]
    assert (len(ran.chats), ran.answer.usage, progress.usage) == (1, Usage(5, 2), Usage(5, 2))


@requirement("agent:resume")
async def test_another_process_goes_on_as_if_nobody_had_waited() -> None:
    first, progress, _ = await pause()
    had = tools()
    second = await run(SAYS, had, progress=progress, decisions={"c1": Allow(), "c3": Allow()}, approvals=Asking())
    straight = await run([MADE, SAYS], tools(), approvals=Allowing())
    assert [call.id for call in had.ran] == ["c1", "c3"], "no call twice"
    assert second.chats[0] == straight.chats[1]
    assert (second.waiting, second.accepted) == (None, 1)
    assert (first.text + second.text, second.answer) == (straight.text, straight.answer)
    assert sorted(first.returned + second.returned) == sorted(straight.returned)


@requirement("agent:resume")
async def test_what_a_human_refuses_is_not_run() -> None:
    _, progress, _ = await pause()
    had = tools()
    decisions: dict[str, Allow | Deny] = {"c1": Deny("Anna said no."), "c3": Allow()}
    ran = await run(SAYS, had, progress=progress, decisions=decisions, approvals=Asking())
    assert [call.id for call in had.ran] == ["c3"]
    assert [result.content for result in ran.answer.tool_results if result.call.id == "c1"] == [
        "Not run: Anna said no."
    ]
    assert ran.told == [("call_refused", "delete")]
    assert ran.text == "\n\nIt is noon.", "what was said before it waited stands above"


@requirement("agent:resume")
async def test_a_call_without_a_decision_goes_on_waiting() -> None:
    _, progress, _ = await pause()
    had = tools()
    ran = await run(SAYS, had, progress=progress, decisions={"c3": Allow()}, approvals=Asking())
    assert ran.waiting is not None
    assert [call.id for call in ran.waiting.calls] == ["c1"]
    assert (ran.chats, [call.id for call in had.ran]) == ([], ["c3"])
    last = await run(SAYS, had, progress=ran.waiting.progress, decisions={"c1": Allow()}, approvals=Asking())
    assert [call.id for call in had.ran] == ["c3", "c1"]
    assert [result.call.id for result in last.answer.tool_results] == ["c1", "c2", "c3", "c4"]
    assert [type(event) for event in last.events[:2]] == [ToolCalled, ToolReturned]


@requirement("agent:resume")
async def test_a_tool_that_is_gone_meanwhile_is_a_failed_call() -> None:
    _, progress, _ = await pause()
    without = Tools(DOES, TOOLS[:1])
    ran = await run(SAYS, without, progress=progress, decisions={"c1": Allow(), "c3": Allow()}, approvals=Asking())
    assert without.ran == []
    assert ran.results[0] == "Unknown tool `delete` was called."


@requirement("agent:resume", "agent:progress")
async def test_budgets_count_what_was_used_before_and_not_the_wait() -> None:
    clock = Clock()
    _, progress, _ = await pause(Budget(calls=3, seconds=100), clock)
    progress = replace(progress, seconds=60.0)
    clock.now = 5000
    decisions = {"c1": Allow(), "c3": Allow()}
    had = tools()
    ran = await run(SAYS, had, Budget(calls=3, seconds=100), progress=progress, decisions=decisions, clock=clock)
    assert (len(had.ran), ran.offered(0), ran.told) == (2, [], [("budget_stop", "calls")])
    ran = await run(SAYS, had, Budget(seconds=60), progress=progress, decisions=decisions, clock=clock)
    assert (len(had.ran), ran.told) == (2, [("budget_stop", "seconds")])
    assert [ran.results[0], ran.results[2]] == [not_run(Stop.SECONDS)] * 2


@requirement("agent:waiting")
async def test_a_call_that_waits_takes_its_place_in_the_budget() -> None:
    made = calls(ScriptedCall("c1", "delete"), ScriptedCall("c2", "now"))
    ran = await run([made, SAYS], tools(), Budget(calls=1), approvals=Asking(), progress=QUESTION)
    assert ran.waiting is not None
    assert ran.results == [not_run(Stop.CALLS)]


@requirement("agent:waiting")
@pytest.mark.parametrize("made", [ScriptedCall("c1", "delete", "not json"), ScriptedCall("c1", "nothing")])
async def test_nobody_is_asked_about_a_call_that_cannot_be_run(made: ScriptedCall) -> None:
    ran = await run([calls(made), SAYS], tools(), approvals=Asking())
    assert (ran.waiting, ran.text) == (None, "It is noon.")
