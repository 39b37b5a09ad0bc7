"""What is shown and kept of calls, results, passages and citations."""

import json
from dataclasses import replace

import pytest

from lightspeed_stack.domain.chat import Attachment, ToolCall, ToolResult, Usage
from lightspeed_stack.domain.events import Cited, ToolCalled, ToolReturned, TurnEnded
from lightspeed_stack.domain.knowledge import Citation, Passage, citations
from tests.spec.registry import requirement
from tests.unit.assistant.examples import exchange
from tests.unit.assistant.shields import Word, redaction
from tests.unit.assistant.told import Told

KEY = "AKIAIOSFODNN7EXAMPLE"
SHOWN = "[REDACTED:aws_key]"
TOKENS = redaction("inout_tokens")

PASSAGE = Passage(f"Use {KEY}.", "manual", "Title", None)
CALL = ToolCall("1", "login", json.dumps({"user": [f"{KEY}"], "note": "fine", "n": 1, "password": "hunter2"}))
RESULT = ToolResult(CALL, f"ok {KEY}")


@requirement("guard:output:events")
async def test_events_are_shown_without_what_an_answer_may_not_say() -> None:
    told = Told((TOKENS,))
    ended = TurnEnded("", Usage(), False, (PASSAGE,), (), (RESULT,), True)
    async with told.guard.speaking(told.emit) as emit:
        for event in (ToolCalled(CALL), ToolReturned(RESULT), Cited((PASSAGE,), ())):
            await emit(event)
    called, returned, cited = told.events
    assert isinstance(called, ToolCalled)
    assert json.loads(called.call.arguments) == {
        "user": [SHOWN],
        "note": "fine",
        "n": 1,
        "password": "[REDACTED:password]",
    }
    assert isinstance(returned, ToolReturned)
    assert returned.result == ToolResult(called.call, f"ok {SHOWN}")
    assert isinstance(cited, Cited)
    assert cited.passages[0].content == f"Use {SHOWN}."
    assert told.guard.shown(ended) == replace(ended, passages=cited.passages, tool_results=(returned.result,))


@requirement("guard:output:events")
@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ('{"a": "b"}', '{"a": "b"}'),
        (f'{{"a": "{KEY}"', f'{{"a": "{SHOWN}"'),
        ('{"a": "\\u0041KIAIOSFODNN7EXAMPLE"}', f'{{"a": "{SHOWN}"}}'),
        (f'{{"{KEY}": NaN}}', f'{{"{SHOWN}": NaN}}'),
        ("[" * 100_000, "[" * 100_000),
        ("", ""),
        ('{"p\\u0061ssword": "hunter2!x"}', '{"password": "[REDACTED:password]"}'),
        ('{"p\\u0061ssword": "hunter2!x"', '{"password": "[REDACTED:password]"'),
        ('{"p\\u0061ssword": "hunter2!x", "password": ""}', '{"password": ""}'),
        ('{"\\u0061": [1e999, "\\u00e9"], "b":1}', '{"\\u0061": [1e999, "\\u00e9"], "b":1}'),
        (f'{{"a": "{KEY} \\ud800"}}', f'{{"a": "{SHOWN} ?"}}'),
    ],
)
def test_arguments_are_what_a_model_wrote(arguments: str, shown: str) -> None:
    event = ToolCalled(ToolCall("1", "login", arguments))
    assert Told((TOKENS,)).guard.shown(event).call.arguments == shown


@requirement("guard:stored")
def test_everything_that_is_stored_is_cleaned_by_all_shields() -> None:
    said = replace(
        exchange(f"May {KEY}?", f"Yes, {KEY}."),
        attachments=(Attachment("log", "text/plain", KEY),),
        passages=(PASSAGE,),
        tool_results=(RESULT,),
    )
    stored = Told((redaction("input_tokens"), Word("output_guard", "x"))).guard.cleaned(said)
    assert KEY not in repr(stored)
    assert "hunter2" not in repr(stored)
    assert replace(stored, question=said.question, answer=said.answer) != said
    assert (stored.question, stored.answer) == (f"May {SHOWN}?", f"Yes, {SHOWN}.")
    assert (stored.model, stored.started_at, stored.outcome) == (said.model, said.started_at, said.outcome)


LEAKING = Passage(
    "Use it.", "manual", f"Of {KEY}", f"https://docs.example/{KEY}", ("Keys", KEY), attributes={"by": KEY, "page": 7}
)
WORDED = ToolResult(ToolCall(f"id {KEY}", f"login {KEY}", "{}", "ops"), "ok")


@requirement("guard:output:events", "guard:stored")
@pytest.mark.parametrize("identifier", ["input_tokens", "output_tokens"])
async def test_names_ids_titles_and_citations_are_cleaned_whatever_the_stage(identifier: str) -> None:
    told = Told((redaction(identifier),))
    cited = citations((LEAKING, replace(LEAKING, content="Or not.")))
    async with told.guard.speaking(told.emit) as emit:
        await emit(ToolCalled(WORDED.call))
        await emit(Cited((LEAKING,), cited))
    ended = told.guard.shown(TurnEnded("", Usage(), False, (LEAKING,), cited, (WORDED,), True))
    turn = replace(exchange("Why?"), passages=(LEAKING,), citations=cited, tool_results=(WORDED,))
    stored = told.guard.cleaned(turn)
    assert KEY not in repr((told.events, ended, stored))
    call = ToolCall(f"id {SHOWN}", f"login {SHOWN}", "{}", "ops")
    assert told.events[0] == ToolCalled(call)
    assert ended.tool_results == stored.tool_results == (ToolResult(call, "ok"),)
    assert ended.citations == stored.citations == citations(stored.passages)
    assert ended.passages[0].section == ("Keys", SHOWN)
    assert ended.passages[0].attributes == {"by": SHOWN, "page": 7}


@requirement("guard:stored", "guard:pass")
def test_citations_without_passages_are_kept_and_what_is_clean_stays_itself() -> None:
    turn = replace(exchange("Why?"), citations=(Citation(None, "Manual"),), passages=(CLEAN,))
    stored = Told((TOKENS,)).guard.cleaned(turn)
    assert stored == turn
    assert stored.passages[0] is CLEAN


CLEAN = Passage("Use it.", "manual", "Title", "https://docs.example/", ("Keys",), attributes={"page": 7})
