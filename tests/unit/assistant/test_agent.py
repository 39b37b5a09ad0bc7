"""The loop between model and tools, against a scripted model over a real socket."""

import dataclasses
import json
import logging
from typing import Any

import anyio
import pytest

from lightspeed_stack.assistant.budgets import NOT_FINISHED, Stop, instead_of_answer, not_run
from lightspeed_stack.assistant.listening import MAX_CALLS_IN_ROUND
from lightspeed_stack.assistant.round import AT_ONCE, BROKEN, NO_OBJECT, REPEATED
from lightspeed_stack.domain.chat import Budget, ToolCall, Usage
from lightspeed_stack.domain.events import TokenDelta, ToolCalled, ToolReturned, TurnEvent
from lightspeed_stack.errors import BackendFailed
from lightspeed_stack.shields.base import Objection, Violation
from lightspeed_stack.tools.base import NoTools
from tests.servers.openai_server import Script, ScriptedCall
from tests.spec.registry import requirement
from tests.unit.assistant.loops import CALLS, QUESTION, SAYS, Clock, Ran, Tools, calls, noon, run, tool

NOW = ScriptedCall("c1", "now", '{"zone": "UTC"}')


def messages(ran: Ran, number: int) -> list[dict[str, Any]]:
    """What the model was sent in a round."""
    sent: list[dict[str, Any]] = ran.chats[number]["messages"]
    return sent


@requirement("agent:text")
async def test_a_plain_answer_is_one_round() -> None:
    ran = await run(SAYS, NoTools())
    assert ran.events == [TokenDelta("It is "), TokenDelta("noon.")]
    assert (ran.answer.usage, ran.answer.truncated, ran.answer.pieces) == (Usage(9, 3), False, [])
    assert (len(ran.chats), ran.accepted, ran.notices, ran.waiting) == (1, 1, [], None)


@requirement("agent:tools")
async def test_tool_results_go_back_to_the_model() -> None:
    ran = await run([CALLS, SAYS], Tools())
    assert ran.text == "It is noon."
    assert ran.answer.usage == Usage(14, 5), "the tokens of all rounds"
    assert ran.accepted == 1
    assert [message["role"] for message in messages(ran, 1)] == ["user", "assistant", "tool", "tool"]
    assert messages(ran, 1)[2] == {"role": "tool", "content": 'noon for {"zone": "UTC"}', "tool_call_id": "c1"}
    assert ran.results == ['noon for {"zone": "UTC"}', "noon for {}"]


@requirement("agent:tools")
async def test_calls_of_a_round_run_side_by_side_and_answer_in_their_order() -> None:
    begun = [anyio.Event(), anyio.Event()]

    async def first(_: ToolCall) -> str:
        begun[0].set()
        await begun[1].wait()
        await anyio.wait_all_tasks_blocked()
        return "one"

    async def second(_: ToolCall) -> str:
        begun[1].set()
        await begun[0].wait()
        return "two"

    made = calls(ScriptedCall("c1", "first"), ScriptedCall("c2", "second"))
    with anyio.fail_after(5):
        ran = await run([made, SAYS], Tools({"first": first, "second": second}))
    assert (ran.called, ran.returned) == (["c1", "c2"], ["c2", "c1"]), "events as they happen"
    assert ran.results == ["one", "two"]
    assert [message.get("tool_call_id") for message in messages(ran, 1)[2:]] == ["c1", "c2"]


@requirement("agent:tools")
async def test_only_so_many_calls_run_at_once() -> None:
    running = most = 0

    async def busy(_: ToolCall) -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await anyio.wait_all_tasks_blocked()
        running -= 1
        return "done"

    many = [ScriptedCall(f"c{number}", "busy", json.dumps({"number": number})) for number in range(AT_ONCE + 4)]
    with anyio.fail_after(5):
        ran = await run([calls(*many), SAYS], Tools({"busy": busy}))
    assert (most, len(ran.results)) == (AT_ONCE, AT_ONCE + 4)


@requirement("agent:events")
async def test_a_call_is_told_with_its_server_before_it_runs() -> None:
    ran, seen = Ran(), []

    async def look(call: ToolCall) -> str:
        seen.append((call.id in ran.called, call.id in ran.returned))
        return "seen"

    tools = Tools({"look": look, "own": look}, (tool("look"), tool("own", server=None)))
    made = calls(ScriptedCall("c1", "look"), ScriptedCall("c2", "own"), ScriptedCall("c3", "nothing"))
    await run([made, SAYS], tools, ran=ran)
    assert seen == [(True, False)] * 2
    told = {event.call.id: event.call.server_name for event in ran.events if isinstance(event, ToolCalled)}
    assert told == {"c1": "clock", "c2": None, "c3": None}
    returned = {event.result.call.id: event.result for event in ran.events if isinstance(event, ToolReturned)}
    assert list(returned.values()) != ran.answer.tool_results == [returned["c1"], returned["c2"], returned["c3"]]


@requirement("agent:unknown-tool")
async def test_a_tool_that_there_is_not_is_an_answer_to_the_model() -> None:
    ran = await run([CALLS, SAYS], NoTools())
    assert ran.offered(0) == []
    assert messages(ran, 1)[2]["content"] == "Unknown tool `now` was called."
    assert [result.failed for result in ran.answer.tool_results] == [True, True]


@requirement("agent:arguments")
@pytest.mark.parametrize(
    ("written", "result", "echoed"),
    [
        ("", "noon for {}", "{}"),
        ("null", "noon for {}", "{}"),
        (' {"zone": 1.0}\n', 'noon for {"zone": 1.0}', '{"zone": 1.0}'),
        ("not json", NO_OBJECT, "{}"),
        ("[1]", NO_OBJECT, "{}"),
        ('{"zone": ', NO_OBJECT, "{}"),
        ('{"zone": "\\ud800"}', NO_OBJECT, "{}"),
        ("[" * 50_000, NO_OBJECT, "{}"),
    ],
)
async def test_arguments_are_an_object_or_a_failure_that_the_model_reads(
    written: str, result: str, echoed: str
) -> None:
    tools = Tools()
    ran = await run([calls(ScriptedCall("c1", "now", written)), SAYS], tools)
    assert (ran.results, ran.text) == ([result], "It is noon.")
    assert len(tools.ran) == (result != NO_OBJECT)
    assert messages(ran, 1)[1]["tool_calls"][0]["function"]["arguments"] == echoed


@requirement("agent:broken-tool")
async def test_a_toolset_that_raises_loses_no_other_call(caplog: pytest.LogCaptureFixture) -> None:
    async def raises(call: ToolCall) -> str:
        raise ValueError(call.arguments)

    async def cancelled(_: ToolCall) -> str:
        raise anyio.get_cancelled_exc_class()("from inside")

    async def half(_: ToolCall) -> str:
        return "half \ud800"

    tools = Tools({"raises": raises, "cancelled": cancelled, "half": half, "now": noon})
    made = [ScriptedCall(f"c{number}", name, '{"a": "my secret"}') for number, name in enumerate(tools.does)]
    ran = await run([calls(*made), SAYS], tools)
    assert ran.results == [BROKEN, BROKEN, "half ?", 'noon for {"a": "my secret"}']
    assert [result.failed for result in ran.answer.tool_results] == [True, True, False, False]
    logged = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.getMessage() for record in logged] == [
        "the tool raises broke",
        "the tool cancelled was cancelled, and not by us",
    ]
    assert all(record.exc_info for record in logged), "with the traceback"
    assert "in raises" in caplog.text
    assert "my secret" not in caplog.text


@requirement("agent:cancelled")
async def test_leaving_cancels_every_call_and_keeps_what_was_done() -> None:
    waiting, left = anyio.Event(), []

    async def wait(call: ToolCall) -> str:
        try:
            if call.id == "c3":
                waiting.set()
            await anyio.sleep_forever()
        finally:
            left.append(call.id)
        return "never"

    tools = Tools({"now": noon, "wait": wait})
    made = calls(NOW, ScriptedCall("c2", "wait"), ScriptedCall("c3", "wait", '{"a": 1}'))
    ran = Ran()
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:

            async def leave() -> None:
                await waiting.wait()
                await anyio.wait_all_tasks_blocked()
                tasks.cancel_scope.cancel()

            tasks.start_soon(leave)
            await run([made, SAYS], tools, ran=ran)
    assert sorted(left) == ["c2", "c3"]
    assert ran.results == ['noon for {"zone": "UTC"}']
    assert ran.answer.usage == Usage(5, 2)


@requirement("agent:events")
async def test_what_hears_the_events_may_end_the_turn() -> None:
    class Strict(Ran):
        async def emit(self, event: TurnEvent) -> None:
            if isinstance(event, ToolReturned):
                raise Objection(Violation("strict"))

    with pytest.raises(Objection):
        await run([CALLS, SAYS], Tools(), ran=Strict())


@requirement("agent:ids")
async def test_every_call_has_an_id_of_its_own() -> None:
    same = ScriptedCall("c1", "now", '{"a": 1}')
    first = calls(same, ScriptedCall("c1", "now", '{"a": 2}'), ScriptedCall("", "now", '{"a": 3}'))
    second = calls(ScriptedCall("c1", "now", '{"a": 4}'), ScriptedCall("call_1_1", "now", '{"a": 5}'))
    ran = await run([first, second, SAYS], Tools())
    assert ran.called == ["c1", "call_1_1", "call_1_2", "call_2_0", "call_2_1"]
    sent = messages(ran, 2)
    made = [call["id"] for message in sent for call in message.get("tool_calls", ())]
    answered = [message["tool_call_id"] for message in sent if message["role"] == "tool"]
    assert made == answered == ran.called


@requirement("agent:ids")
async def test_too_many_calls_are_a_broken_model() -> None:
    many = [ScriptedCall(f"c{number}", "now") for number in range(MAX_CALLS_IN_ROUND + 1)]
    with pytest.raises(BackendFailed, match="too many tools"):
        await run(calls(*many), Tools())


@requirement("agent:offered")
async def test_the_tools_of_this_service_are_offered_besides_the_chosen() -> None:
    tools = Tools({"now": noon, "other": noon, "own": noon}, (tool("now"), tool("other"), tool("own", server=None)))
    ran = await run([calls(ScriptedCall("c1", "other")), SAYS], tools, offered=(tool("now"),))
    assert ran.offered(0) == ["now", "own"]
    assert ran.results == ["noon for {}"], "one that was not chosen may be called all the same"


@requirement("agent:text")
async def test_what_rounds_say_stands_in_paragraphs_of_its_own() -> None:
    ran = await run([calls(NOW, says="Let me look."), SAYS], Tools())
    assert ran.text == "Let me look.\n\nIt is noon."
    assert messages(ran, 1)[1]["content"] == "Let me look."


@requirement("agent:truncated")
async def test_a_cut_answer_says_so() -> None:
    ran = await run(Script(("It is",), finish_reason="length"), NoTools())
    assert ran.answer.truncated


@requirement("agent:usage-estimated")
async def test_usage_is_estimated_and_marked_where_the_provider_sends_none() -> None:
    ran = await run([calls(NOW, usage=None), SAYS], Tools())
    assert ran.answer.usage.estimated
    assert ran.answer.usage.input_tokens > 9
    assert ran.answer.usage.output_tokens > 3


EVERY_ROUND = [calls(ScriptedCall("", "now", json.dumps({"round": number})), usage=(30, 20)) for number in range(9)]


@requirement("agent:budget")
@pytest.mark.parametrize(
    ("budget", "rounds", "run_calls", "subject"),
    [
        (Budget(rounds=1), 1, 0, "rounds"),
        (Budget(rounds=3), 3, 2, "rounds"),
        (Budget(rounds=9, calls=0), 1, 0, "calls"),
        (Budget(rounds=9, calls=2), 3, 2, "calls"),
        (Budget(rounds=9, tokens=50), 2, 0, "tokens"),
        (Budget(rounds=9, tokens=51), 3, 1, "tokens"),
        (Budget(rounds=9, seconds=20), 3, 2, "seconds"),
    ],
    ids=str,
)
async def test_a_model_that_only_calls_tools_is_stopped(
    budget: Budget, rounds: int, run_calls: int, subject: str
) -> None:
    clock, tools = Clock(), Tools()

    async def slow(call: ToolCall) -> str:
        clock.now += 10
        return await noon(call)

    tools.does = {"now": slow}
    ran = await run(EVERY_ROUND, tools, budget, clock=clock)
    assert (len(ran.chats), len(tools.ran)) == (rounds, run_calls)
    assert [bool(ran.offered(number)) for number in range(rounds)] == [True] * (rounds - 1) + [False]
    assert ran.told == [("budget_stop", subject)], "once"
    assert ran.text == instead_of_answer(Stop(subject)), "never nothing at all"
    assert ran.answer.usage == Usage(30 * rounds, 20 * rounds)


@requirement("agent:budget")
async def test_what_a_model_says_in_the_last_round_is_the_answer() -> None:
    ran = await run([CALLS, calls(NOW, says="Noon, I think.")], Tools(), Budget(rounds=2))
    assert ran.text == "Noon, I think."
    assert ran.told == [("budget_stop", "rounds")]


@requirement("agent:budget")
@pytest.mark.parametrize("budget", [Budget(rounds=1), Budget(calls=0), Budget(tokens=1, seconds=1)], ids=str)
async def test_nothing_is_told_of_a_budget_that_ended_nothing(budget: Budget) -> None:
    for script in (SAYS, Script((), usage=(9, 0))):
        ran = await run(script, Tools(), budget, clock=Clock())
        assert (ran.notices, len(ran.chats)) == ([], 1)
        assert ran.text == "".join(script.tokens)


@requirement("agent:budget")
async def test_calls_over_budget_are_not_run() -> None:
    ran = await run([CALLS, SAYS], Tools(), Budget(calls=1))
    assert ran.results == ['noon for {"zone": "UTC"}', not_run(Stop.CALLS)]
    assert (sorted(ran.called), sorted(ran.returned)) == (["c1", "c2"], ["c1", "c2"])
    assert (ran.offered(1), ran.text) == ([], "It is noon.")
    assert ran.told == [("budget_stop", "calls")]
    assert messages(ran, 1)[3]["content"] == not_run(Stop.CALLS)


@requirement("agent:budget")
async def test_a_call_under_way_is_cancelled_when_the_time_is_up() -> None:
    clock, begun, cancelled = Clock(), [], []

    async def nearly(call: ToolCall) -> str:
        clock.now = 99.95
        return await noon(call)

    async def wait(call: ToolCall) -> str:
        begun.append(call.id)
        if len(begun) == AT_ONCE:
            clock.now = 101
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.append(call.id)
        return "never"

    async def late(_: ToolCall) -> str:
        raise AssertionError("begun when the time was up")

    tools = Tools({"now": nearly, "wait": wait, "late": late})
    many = [ScriptedCall(f"w{number}", "wait", json.dumps({"n": number})) for number in range(AT_ONCE)]
    made = calls(NOW, *many, ScriptedCall("l1", "late"))
    with anyio.fail_after(5):
        ran = await run([made, SAYS], tools, Budget(rounds=9, seconds=100), clock=clock)
    assert ran.results == ['noon for {"zone": "UTC"}', *[NOT_FINISHED] * (AT_ONCE + 1)]
    assert sorted(cancelled) == sorted(begun) == sorted(call.id for call in many)
    assert (ran.offered(1), ran.text, ran.told) == ([], "It is noon.", [("budget_stop", "seconds")])


@requirement("agent:budget")
async def test_no_call_runs_when_the_time_was_up_before() -> None:
    clock, tools = Clock(), Tools()

    def script(_: object) -> Script:
        clock.now += 60
        return CALLS if clock.now == 60 else SAYS

    ran = await run(script, tools, Budget(seconds=60), clock=clock)
    assert (ran.results, tools.ran) == ([not_run(Stop.SECONDS)] * 2, [])
    assert (ran.text, ran.told) == ("It is noon.", [("budget_stop", "seconds")])


@requirement("agent:repeats")
async def test_the_same_call_is_run_twice_and_no_more() -> None:
    spellings = ['{"a": 1, "b": [2]}', '{"b":[2.0],"a":1}', '{ "a": 1, "b": [2] }', '{"a": 1, "b": [2]}']
    scripts = [calls(ScriptedCall(f"c{n}", "now", written)) for n, written in enumerate(spellings)]
    tools = Tools()
    ran = await run([*scripts, SAYS], tools)
    assert [call.id for call in tools.ran] == ["c0", "c1"]
    assert ran.results[2:] == [REPEATED] * 2
    assert ran.told == [("call_repeated", "now")] * 2
    assert [ran.offered(number) for number in range(5)] == [["now"]] * 4 + [[]], "two such rounds are enough"
    assert ran.text == "It is noon."


@requirement("agent:repeats")
async def test_a_model_that_goes_round_in_circles_is_stopped() -> None:
    ran = await run(calls(ScriptedCall("", "nothing")), Tools(), Budget(rounds=100))
    assert len(ran.chats) == 5
    assert ran.text == instead_of_answer(Stop.REPEATS)
    assert ran.told == [("call_repeated", "unknown")] * 2, "not the name that the model made up"


@requirement("agent:repeats")
async def test_other_calls_between_are_no_circle() -> None:
    same, other = calls(ScriptedCall("", "now")), calls(ScriptedCall("", "now", '{"other": true}'))
    ran = await run([same, same, same, other, same, SAYS], Tools())
    assert ran.offered(5) == ["now"]
    assert ran.told == [("call_repeated", "now")] * 2


@requirement("agent:refused")
async def test_a_call_that_nobody_may_approve_is_refused() -> None:
    tools = Tools({"now": noon, "delete": noon}, (tool("now"), tool("delete", needs_approval=True)))
    ran = await run([calls(NOW, ScriptedCall("c2", "delete")), SAYS], tools)
    assert [call.name for call in tools.ran] == ["now"]
    assert ran.results[1].startswith("Not run: Each call of this tool has to be approved")
    assert ran.told == [("call_refused", "delete")]
    assert ran.answer.tool_results[1].failed


WRITTEN = '<tool_call>{"name": "now", "arguments": {"zone": "UTC"}}</tool_call>'


@requirement("agent:text-calls")
async def test_a_call_written_as_text_is_a_call() -> None:
    tools = Tools()
    ran = await run([Script(tuple(WRITTEN)), SAYS], tools)
    assert [json.loads(call.arguments) for call in tools.ran] == [{"zone": "UTC"}]
    assert ran.text == "It is noon."
    assert messages(ran, 1)[1]["content"] == ""
    assert messages(ran, 1)[1]["tool_calls"][0]["function"]["name"] == "now"
    assert messages(ran, 1)[2]["tool_call_id"] == messages(ran, 1)[1]["tool_calls"][0]["id"] != ""


@requirement("agent:text-calls")
async def test_a_call_written_as_text_is_never_an_answer() -> None:
    ran = await run(Script(tuple(WRITTEN)), Tools(), Budget(calls=1))
    assert (len(ran.chats), ran.text) == (2, instead_of_answer(Stop.CALLS))
    ran = await run([Script((WRITTEN,), tool_calls=(NOW,)), SAYS], tools := Tools())
    assert (len(tools.ran), ran.text) == (1, "It is noon."), "besides real calls"


@requirement("agent:text-calls")
async def test_without_tools_or_where_it_is_not_wished_for_text_is_text() -> None:
    assert (await run(Script((WRITTEN,)), NoTools())).text == WRITTEN
    assert (await run(Script((WRITTEN,)), Tools(), read_text_calls=False)).text == WRITTEN
    assert (await run(Script((WRITTEN,)), Tools(), Budget(calls=0))).text == WRITTEN


@requirement("agent:progress")
async def test_what_was_used_before_counts() -> None:
    ran = await run(CALLS, Tools(), Budget(rounds=2), progress=dataclasses.replace(QUESTION, rounds=1))
    assert len(ran.chats) == 1
