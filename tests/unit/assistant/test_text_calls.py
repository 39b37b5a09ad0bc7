"""Calls that a model writes as text."""

import json
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack.assistant.text_calls import MARKERS, MAX_BEFORE, MAX_HELD, TextCalls
from lightspeed_stack.domain.chat import ToolCall
from tests.spec.registry import requirement

NAMES = frozenset({"add", "addresses", "get_weather", "no_arguments"})
CALL = '{"name": "add", "arguments": {"a": 1, "b": 2}}'
OTHER = '{"name": "get_weather", "arguments": {"city": "Århus"}}'
ADD = ("add", {"a": 1, "b": 2})
WEATHER = ("get_weather", {"city": "Århus"})

type Read = tuple[str, list[tuple[str, object]]]


def read(pieces: Sequence[str], names: frozenset[str] = NAMES) -> Read:
    """The text and the calls of an answer that came in pieces."""
    calls = TextCalls(names)
    text = "".join([calls.feed(piece) for piece in pieces])
    rest, found = calls.close()
    assert [it.id for it in found] == [f"text_call_{number}" for number in range(len(found))]
    return text + rest, [(it.name, json.loads(it.arguments)) for it in found]


@requirement("text-calls:forms")
@pytest.mark.parametrize(
    ("answer", "calls"),
    [
        (CALL, [ADD]),
        (f"\n\n{CALL}\n", [ADD]),
        ('{"name": "add", "parameters": {"a": 1, "b": 2}}', [ADD]),
        ('{"tool": "add", "args": {"a": 1, "b": 2}}', [ADD]),
        ('{"arguments": {"a": 1, "b": 2}, "name": "add"}', [ADD]),
        ('{"id": "1", "type": "function", "function": {"name": "add", "arguments": {"a": 1, "b": 2}}}', [ADD]),
        ('{"function": "add", "input": {"a": 1, "b": 2}}', [ADD]),
        ('{"function": {"name": "add", "arguments": "{\\"a\\": 1, \\"b\\": 2}"}}', [ADD]),
        ('{"name": "no_arguments", "arguments": ""}', [("no_arguments", {})]),
        ('{"name": "no_arguments", "arguments": null}', [("no_arguments", {})]),
        ('{"name": "add", "arguments": {"a": "two\nlines", "b": "}\\""}}', [("add", {"a": "two\nlines", "b": '}"'})]),
        (f"[{CALL}, {OTHER}]", [ADD, WEATHER]),
        (f"{CALL}\n{OTHER}", [ADD, WEATHER]),
        (f"{CALL}; {OTHER};", [ADD, WEATHER]),
        (f"```json\n{CALL}\n```", [ADD]),
        (f"```\n{CALL}\n```\n", [ADD]),
        (f"```json\n{CALL}", [ADD]),
        (f"```JSON\n[{CALL}]\n```\n```json\n{OTHER}\n```", [ADD, WEATHER]),
        (f"```tool_call\n{CALL}\n```", [ADD]),
        (f"<tool_call>\n{CALL}\n</tool_call>", [ADD]),
        (f"<tool_call>{CALL}</tool_call>\n<tool_call>{OTHER}</tool_call>", [ADD, WEATHER]),
        (f"<tool_call>{CALL}<tool_call>{OTHER}", [ADD, WEATHER]),
        (f"<tool_call>[{CALL}, {OTHER}]</tool_c", [ADD, WEATHER]),
        ('<tool_call>{"name": "no_arguments"}</tool_call>', [("no_arguments", {})]),
        (f"[TOOL_CALLS][{CALL}, {OTHER}]", [ADD, WEATHER]),
        (f"[TOOL_CALLS] {CALL}", [ADD]),
        ('[TOOL_CALLS]add[ARGS]{"a": 1, "b": 2}[TOOL_CALLS]no_arguments{}', [ADD, ("no_arguments", {})]),
        ('<|python_tag|>{"type": "function", "name": "add", "parameters": {"a": 1, "b": 2}}', [ADD]),
        (f"<|python_tag|>{CALL}; {OTHER}", [ADD, WEATHER]),
        ('<function=add>{"a": 1, "b": 2}</function>', [ADD]),
        (f"functools[{CALL}]", [ADD]),
        (f"<|tool_call|>[{CALL}]", [ADD]),
    ],
)
def test_a_call_is_understood(answer: str, calls: list[tuple[str, object]]) -> None:
    assert read([answer]) == ("", calls)
    assert read(list(answer)) == ("", calls)


@requirement("text-calls:forms")
@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (f"Let me add.\n<tool_call>{CALL}</tool_call>", "Let me add.\n"),
        (f"Let me add.\n\n```json\n{CALL}\n```", "Let me add.\n\n"),
        (f"Let me add:\n{CALL}", "Let me add:\n"),
        (f"<tool_call>{CALL}</tool_call>\n\nDone.", "\n\nDone."),
        (f"[TOOL_CALLS][{CALL}] [see](x)", " [see](x)"),
        (f"Is 1 < 2? Yes: ``x``. <tool_call>{CALL}", "Is 1 < 2? Yes: ``x``. "),
    ],
)
def test_text_beside_a_call_is_the_answer(answer: str, text: str) -> None:
    assert read([answer]) == (text, [ADD])
    assert read(list(answer)) == (text, [ADD])


FAR = "x" * (MAX_BEFORE + 1)
LONG = '{"name": "add", "arguments": {"a": "' + "x" * MAX_HELD + '"}}'


@requirement("text-calls:text")
@pytest.mark.parametrize(
    "answer",
    [
        "",
        "  \n \n          ",
        "Plain words, 1 < 2, {braces} and [links](x), functools.partial, <b>tags</b> and `code`.",
        "[1] a reference\n[ ] a box\n{curly}\n<tool_call> is a marker, [TOOL_CALLS] too\n<|python_",
        '{"name": "delete", "arguments": {}}',
        '{"name": "ad", "arguments": {}}',
        '{"name": "add"}',
        '{"name": "add", "arguments": [1, 2]}',
        '{"name": "add", "arguments": {"a": 1}, "comment": "an example"}',
        '{"name": "add", "arguments": {"a": 1}',
        '{"name": "add", "arguments": {"a": NaN}}',
        '{"name": "add", "arguments": {"a": 1e999}}',
        '{"name": "add", "arguments": {"a": }}',
        '{"name": "add", "arguments": ' + "[" * 200 + "]" * 200 + "}",
        json.dumps({"name": "add", "arguments": "[" * 8_000}),
        '{"function": {"function": {"name": "add", "arguments": {}}}}',
        f"[{CALL}, 1]",
        f"{CALL}\nThis adds two numbers.",
        f"A call looks so: {CALL}",
        f"```json\n{CALL}\n```\nThis adds two numbers.",
        f"```python\n{CALL}\n```",
        f"```xml\n<tool_call>{CALL}</tool_call>\n```",
        f"Write `<tool_call>{CALL}</tool_call>` to add.",
        f"{FAR}<tool_call>{CALL}</tool_call>",
        "<tool_call>add(1, 2)</tool_call>",
        '<tool_call>{"name": "delete", "arguments": {}}</tool_call>',
        "<function=delete>{}</function>",
        "<function=add>1, 2</function>",
        "[TOOL_CALLS]delete{}",
        LONG,
        f"<tool_call>{LONG}</tool_call>",
        '```json\n{\n  "apiVersion": "v1", "kind": "Pod"\n}\n```\nApply it with `kubectl`.',
    ],
)
def test_all_else_is_text_to_the_last_character(answer: str) -> None:
    assert read([answer]) == (answer, [])
    assert read(list(answer)) == (answer, [])


@requirement("text-calls:text")
def test_without_tools_nothing_is_held() -> None:
    calls = TextCalls(frozenset())
    assert calls.feed(" <tool_call>") == " <tool_call>"
    assert calls.close() == ("", ())


@requirement("text-calls:forms")
def test_arguments_are_json_text_and_the_server_is_left_open() -> None:
    calls = TextCalls(NAMES)
    assert calls.feed(CALL) == ""
    assert calls.close() == ("", (ToolCall("text_call_0", "add", '{"a": 1, "b": 2}'),))


FRAGMENTS = st.sampled_from(
    [
        *(
            *MARKERS,
            "</tool_call>",
            "</function>",
            "<tool_",
            "<|",
            "[",
            "]",
            "{",
            "}",
            "`",
            "json\n",
            "[ARGS]",
            "function",
        ),
        *(
            CALL,
            OTHER,
            f"[{CALL}]",
            '{"a": 1}',
            '{"name": "add", ',
            '"arguments": {}}',
            '{"name": "delete", "arguments": {}}',
        ),
        *(" ", "\n", "\n\n", ";", ",", "add", "add>", "{}", "Some words. ", "x" * 400, " " * 9, '"', "\\", "é"),
    ]
)
ANSWERS = st.lists(FRAGMENTS, max_size=12).map("".join) | st.text(alphabet='<>|{}[]"`:,; \nadnme', max_size=40)


@st.composite
def split_answers(draw: st.DrawFn) -> tuple[str, list[str]]:
    answer = draw(ANSWERS)
    cuts = sorted(draw(st.lists(st.integers(0, len(answer)), max_size=20)))
    return answer, [answer[start:end] for start, end in pairwise([0, *cuts, len(answer)])]


@requirement("text-calls:pieces")
@given(split_answers())
def test_pieces_of_any_size_give_the_same(case: tuple[str, list[str]]) -> None:
    answer, pieces = case
    whole = read([answer])
    assert read(pieces) == whole
    assert read(list(answer)) == whole


@requirement("text-calls:text")
@given(ANSWERS)
def test_what_holds_no_call_is_given_as_it_came(answer: str) -> None:
    text, calls = read([answer])
    assert calls or text == answer
    assert read([answer], frozenset({"another"})) == (answer, [])


PROSE = st.lists(
    st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="{[`"), max_size=12)
    | st.sampled_from(["a < b", "<|x|>", "<tool>", "functional", "<function>", "</tool_call>", "\n"]),
    max_size=30,
)


@requirement("text-calls:flow")
@given(PROSE)
def test_prose_is_held_no_longer_than_a_marker(pieces: list[str]) -> None:
    calls, given_out, came = TextCalls(NAMES), "", ""
    for piece in pieces:
        came += piece
        given_out += calls.feed(piece)
        assert len(came) - len(given_out) <= max(map(len, MARKERS))
    assert given_out + calls.close()[0] == came


@requirement("text-calls:flow")
@pytest.mark.parametrize(
    ("answer", "held"),
    [
        ('{"kind": "Pod", "name": "add"}', 6),
        ('{"name": "delete", "arguments": {}}', 11),
        ('```json\n{"kind": "Pod"}\n```\n', 14),
        ("```yaml\nname: add\n", 4),
        ('[\n  "add", "get_weather"]', 5),
        ("[link](address) and more", 2),
        ("<tool_calling> is not a marker", 11),
    ],
)
def test_other_json_flows_as_soon_as_it_is_clear(answer: str, held: int) -> None:
    calls, given_out = TextCalls(NAMES), 0
    most = 0
    for number, character in enumerate(answer):
        given_out += len(calls.feed(character))
        most = max(most, number + 1 - given_out)
    assert most <= held
