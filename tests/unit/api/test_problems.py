"""Refused values as they are shown to who sent them."""

import json
from typing import Any

import pytest

from lightspeed_stack.api.problems import MAX_DEPTH, MAX_ECHO, MAX_ITEMS, shown
from lightspeed_stack.api.values import MAX_FIELDS, Strict, storable
from tests.spec.registry import requirement


def deep(levels: int) -> Any:
    value: Any = "end"
    for _ in range(levels):
        value = [value]
    return value


@requirement("problems:shown")
@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("short", "short"),
        ("x" * (MAX_ECHO + 1), "x" * MAX_ECHO + "…"),
        (b"\xffraw", "\N{REPLACEMENT CHARACTER}raw"),
        (list(range(100)), list(range(MAX_ITEMS))),
        ({"k" * 300: 1}, {"k" * MAX_ECHO + "…": 1}),
        ({1: {2: 3}}, {"1": {"2": 3}}),
        (float("nan"), "nan"),
        ([float("-inf"), 1.5], ["-inf", 1.5]),
        (None, None),
        (True, True),
        ([], []),
        (deep(MAX_DEPTH), deep(MAX_DEPTH)),
    ],
)
def test_enough_to_recognise_it(value: Any, told: Any) -> None:
    assert shown(value) == told
    json.dumps(shown(value), allow_nan=False)


@requirement("problems:shown")
def test_deep_values_are_cut() -> None:
    assert json.dumps(shown(deep(500))).count("[") == MAX_DEPTH


@requirement("problems:storable")
@pytest.mark.parametrize(("text", "wrong"), [("a\0", "NUL"), ("\ud800", "surrogate"), ("\udfff\ud800", "surrogate")])
def test_text_that_cannot_be_stored(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        storable(text)


@requirement("problems:storable")
@pytest.mark.parametrize("text", ["", "plain", "\N{SNOWMAN}\U0001f600", "\ufffd\uffff", "\t\r\n\x1b"])
def test_text_that_can(text: str) -> None:
    assert storable(text) == text


@requirement("problems:many-fields")
@pytest.mark.parametrize(("number", "problems"), [(2, 2), (MAX_FIELDS, MAX_FIELDS), (MAX_FIELDS + 1, 1), (100_000, 1)])
def test_not_every_unknown_field_is_told(number: int, problems: int) -> None:
    body = json.dumps({f"k{index}": 0 for index in range(number)})
    with pytest.raises(ValueError, match="validation error") as raised:
        Strict.model_validate_json(body)
    assert len(getattr(raised.value, "errors")()) == problems  # noqa: B009 - pydantic's own error is a ValueError
