"""The loop between model and tools, against a scripted model over a real socket."""

from collections.abc import Sequence

import pytest

from lightspeed_stack.assistant import agent
from lightspeed_stack.assistant.agent import OVER_BUDGET, Answer, Budget
from lightspeed_stack.backends.base import ToolSpec
from lightspeed_stack.backends.openai import OpenAIBackend
from lightspeed_stack.domain.chat import Message, ToolCall, ToolResult, Usage
from lightspeed_stack.domain.events import TokenDelta, ToolCalled, ToolReturned, TurnEvent
from lightspeed_stack.tools.base import NoTools, Toolset
from tests.servers.openai_server import OpenAIServer, Script, ScriptedCall, openai_server
from tests.spec.registry import requirement


class Clock:
    """A toolset with one tool, which answers what it was asked."""

    specs = (ToolSpec("now", "The time.", '{"type": "object"}'),)

    async def call(self, call: ToolCall) -> ToolResult:
        return ToolResult(call, f"noon for {call.arguments}")


async def run(
    scripts: Sequence[Script], toolset: Toolset, budget: Budget | None = None
) -> tuple[Answer, list[TurnEvent], OpenAIServer]:
    answer = Answer()
    events: list[TurnEvent] = []
    accepted = 0

    async def emit(event: TurnEvent) -> None:
        events.append(event)

    async def accept() -> None:
        nonlocal accepted
        accepted += 1

    async with openai_server(scripts) as server, OpenAIBackend(server.url) as backend:
        messages = (Message("user", "What time is it?"),)
        await agent.run(
            backend, "fake-llm", messages, toolset, emit, answer, budget=budget or Budget(), live=True, accepted=accept
        )
    assert accepted == 1
    return answer, events, server


CALLS = Script((), tool_calls=(ScriptedCall("c1", "now", '{"zone": "UTC"}'), ScriptedCall("c2", "now")), usage=(5, 2))
SAYS = Script(("It is ", "noon."), usage=(9, 3))


@requirement("agent:text")
async def test_a_plain_answer_is_one_round() -> None:
    answer, events, server = await run([SAYS], NoTools())
    assert (answer.text, answer.usage, answer.truncated) == ("It is noon.", Usage(9, 3), False)
    assert events == [TokenDelta("It is "), TokenDelta("noon.")]
    assert len(server.chats) == 1


@requirement("agent:tools")
async def test_tool_results_go_back_to_the_model() -> None:
    answer, events, server = await run([CALLS, SAYS], Clock())
    assert answer.text == "It is noon."
    assert answer.usage == Usage(14, 5), "the tokens of all rounds"
    assert [type(event) for event in events[:2]] == [ToolCalled, ToolCalled]
    assert {type(event) for event in events[2:4]} == {ToolReturned}
    assert [message["role"] for message in server.chats[1]["messages"]] == ["user", "assistant", "tool", "tool"]
    assert server.chats[1]["messages"][2] == {
        "role": "tool",
        "content": 'noon for {"zone": "UTC"}',
        "tool_call_id": "c1",
    }


@requirement("agent:unknown-tool")
async def test_a_tool_that_was_not_offered_is_an_answer_to_the_model() -> None:
    answer, _, server = await run([CALLS, SAYS], NoTools())
    assert "tools" not in server.chats[0]
    assert server.chats[1]["messages"][2]["content"] == "Unknown tool `now` was called."
    assert [result.failed for result in answer.tool_results] == [True, True]


@requirement("agent:budget")
async def test_calls_over_budget_are_not_run() -> None:
    answer, events, server = await run([CALLS, SAYS], Clock(), Budget(max_calls=1))
    assert [result.content for result in answer.tool_results] == ['noon for {"zone": "UTC"}', OVER_BUDGET]
    assert sum(isinstance(event, ToolCalled) for event in events) == 1
    assert "tools" not in server.chats[1], "a model without budget is offered no more tools"


@requirement("agent:budget")
async def test_a_model_that_only_calls_tools_is_stopped() -> None:
    answer, _, server = await run([CALLS], Clock(), Budget(max_rounds=3, max_calls=100))
    assert len(server.chats) == 3
    assert "tools" not in server.chats[2]
    assert answer.text == ""


@requirement("agent:truncated")
async def test_a_cut_answer_says_so() -> None:
    answer, _, _ = await run([Script(("It is",), finish_reason="length")], NoTools())
    assert answer.truncated


@requirement("agent:usage-estimated")
async def test_usage_is_estimated_and_marked_where_the_provider_sends_none() -> None:
    answer, _, _ = await run([Script(("It is noon.",), usage=None)], NoTools())
    assert answer.usage.estimated
    assert answer.usage.output_tokens > 0


@requirement("agent:tools")
@pytest.mark.parametrize("arguments", ["", "not json", "[1]"])
async def test_whatever_a_model_writes_as_arguments_reaches_the_tool(arguments: str) -> None:
    calls = Script((), tool_calls=(ScriptedCall("c1", "now", arguments),))
    answer, _, _ = await run([calls, SAYS], Clock())
    assert answer.tool_results[0].content == f"noon for {arguments or '{}'}"
