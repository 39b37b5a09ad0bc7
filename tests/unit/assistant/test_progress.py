"""How far a turn has come is a value that can be written down and read elsewhere."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack.assistant.progress import SAME_CALLS, Progress
from lightspeed_stack.assistant.tool_calls import answerable, arguments_of, fingerprint, well_formed
from lightspeed_stack.domain.chat import Message, ToolCall, ToolResult, Usage
from lightspeed_stack.errors import StorageError
from tests.spec.registry import requirement

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
counts = st.integers(0, 2**40)
calls = st.builds(ToolCall, texts, texts, texts, st.none() | texts)
results = st.builds(ToolResult, calls, texts, st.booleans())
messages = st.builds(
    Message,
    st.sampled_from(["system", "user", "assistant", "tool"]),
    texts,
    st.lists(calls, max_size=3).map(tuple),
    st.none() | texts,
)
progresses = st.builds(
    Progress,
    messages=st.lists(messages, max_size=4).map(tuple),
    rounds=counts,
    calls=counts,
    usage=st.builds(Usage, counts, counts, st.booleans()),
    seconds=st.floats(0, 1e9),
    truncated=st.booleans(),
    spoken=st.booleans(),
    told=st.frozensets(texts, max_size=3),
    seen=st.dictionaries(texts, counts, max_size=3),
    repeats=counts,
    results=st.lists(results, max_size=3).map(tuple),
    said=st.none() | messages,
    done=st.lists(results, max_size=3).map(tuple),
)


@requirement("agent:progress-stored")
@given(progresses)
def test_what_is_read_is_what_was_written(progress: Progress) -> None:
    assert Progress.decode(progress.encode()) == progress


@requirement("agent:progress-stored")
@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"", "cannot be read"),
        (b"\xff", "cannot be read"),
        (b"{}", "cannot be read"),
        (b'{"version": 1, "progress": {}}', "cannot be read"),
        (b'{"version": 1, "progress": {"messages": [{"role": "judge", "content": ""}]}}', "cannot be read"),
        (b'{"version": 1, "progress": ' + b"[" * 100_000, "cannot be read"),
        (b'{"version": 2, "progress": {"anything": "else"}}', "another version"),
    ],
)
def test_what_nobody_of_us_wrote_is_refused(data: bytes, cause: str) -> None:
    with pytest.raises(StorageError, match=cause):
        Progress.decode(data)


NOW = ToolCall("c1", "now", "{}")
LATER = ToolCall("c2", "now", "not json")
SAID = Message("assistant", "Let me look.", (NOW, LATER))
ASKED = Progress.begin([Message("user", "What time is it?")])


@requirement("agent:progress")
def test_a_round_is_open_until_each_of_its_calls_has_a_result() -> None:
    progress, _ = ASKED.open_round(SAID)
    assert (progress.pending, progress.messages) == ((NOW, LATER), ASKED.messages)
    progress = progress.with_results([late := ToolResult(LATER, "later")])
    assert progress.pending == (NOW,)
    progress = progress.with_results([soon := ToolResult(NOW, "now")])
    assert (progress.pending, progress.done) == ((), (soon, late)), "in the order of the calls"
    progress = progress.close_round()
    assert (progress.results, progress.said, progress.done) == ((soon, late), None, ())
    assert progress.messages == (
        *ASKED.messages,
        replace(SAID, tool_calls=(NOW, replace(LATER, arguments="{}"))),
        Message("tool", "now", tool_call_id="c1"),
        Message("tool", "later", tool_call_id="c2"),
    )
    assert progress.call_ids == {"c1", "c2"}


@requirement("agent:repeats")
def test_the_same_call_counts_also_within_a_round() -> None:
    same = tuple(replace(NOW, id=f"c{number}") for number in range(SAME_CALLS + 1))
    progress, repeated = ASKED.open_round(replace(SAID, tool_calls=same))
    assert (repeated, progress.repeats) == (frozenset({f"c{SAME_CALLS}"}), 1)
    progress, repeated = progress.open_round(replace(SAID, tool_calls=(LATER,)))
    assert (repeated, progress.repeats) == (frozenset(), 0)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@requirement("agent:repeats")
@given(st.dictionaries(texts, json_values, max_size=4), st.booleans(), st.sampled_from([None, 2]))
def test_a_call_is_the_same_however_it_is_spelled(
    arguments: dict[str, object], ascii_: bool, indent: int | None
) -> None:
    turned = dict(reversed(arguments.items()))
    spelled = json.dumps(turned, ensure_ascii=ascii_, indent=indent)
    assert fingerprint(ToolCall("a", "now", spelled)) == fingerprint(ToolCall("b", "now", json.dumps(arguments)))


@requirement("agent:repeats")
@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("now", '{"a": 1}'), ("now", '{"a": 1.0}'), True),
        (("now", '{"a": 1}'), ("now", '{"a": 2}'), False),
        (("now", '{"a": 1}'), ("now", '{"a": true}'), False),
        (("now", '{"a": 1}'), ("now", '{"a": "1"}'), False),
        (("now", '{"a": [1, 2]}'), ("now", '{"a": [2, 1]}'), False),
        (("now", "{}"), ("then", "{}"), False),
        (("now", "what"), ("now", "what"), True),
        (("now", "what"), ("now", "else"), False),
        (("now", '{"a": 1e400}'), ("now", '{"a": 1e400}'), True),
    ],
)
def test_which_calls_are_the_same(one: tuple[str, str], other: tuple[str, str], same: bool) -> None:
    assert (fingerprint(ToolCall("a", *one)) == fingerprint(ToolCall("b", *other))) is same


@requirement("agent:ids")
@given(st.lists(st.builds(ToolCall, st.text(max_size=2), st.text(max_size=3), st.text(max_size=3))), st.sets(texts))
def test_answerable_calls_have_ids_of_their_own_and_can_be_sent(made: list[ToolCall], taken: set[str]) -> None:
    complete = answerable(made, taken, 1)
    ids = [call.id for call in complete]
    assert len(set(ids)) == len(made)
    assert all(ids)
    assert not taken & set(ids)
    assert all(call.arguments for call in complete)
    for call in complete:
        json.dumps([call.id, call.name, call.arguments], ensure_ascii=False).encode()
        assert arguments_of(call) is None or isinstance(arguments_of(call), dict)


@requirement("agent:ids")
@given(st.text())
def test_well_formed_text_is_left_as_it_is(text: str) -> None:
    assert well_formed(well_formed(text)) == well_formed(text)
    assert well_formed(text) == text or not text.isascii()
    assert len(well_formed(text)) == len(text)
