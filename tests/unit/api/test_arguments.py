"""A call's arguments on the wire, whatever the model wrote."""

import json
from typing import Any

import pytest

from lightspeed_stack.api.wire import SseV1, arguments_of, dumps, tool_call
from lightspeed_stack.domain.chat import ToolCall, ToolResult
from lightspeed_stack.domain.events import ToolCalled
from tests.spec.registry import requirement


def nested(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


def refused(constant: str) -> None:
    raise AssertionError(constant)


@requirement("guard:arguments")
@pytest.mark.parametrize("written", ['{"a": 1.5, "b": [null, {"c": 1e3}]}', "{}", nested(100)])
def test_an_object_is_shown_as_it_is(written: str) -> None:
    assert arguments_of(ToolCall("1", "now", written)) == json.loads(written)


@requirement("guard:arguments")
@pytest.mark.parametrize(
    "written",
    [
        nested(101),
        nested(1_000),
        nested(100_000),
        "[" * 900 + "]" * 900,
        "[" * 100_000,
        '{"a": 1e999}',
        '{"a": [-1e999]}',
        '{"a": NaN}',
        '{"a": Infinity}',
        '{"a": -Infinity}',
        f'{{"a": {"9" * 5_000}}}',
        "no JSON",
    ],
)
def test_what_is_no_such_object_is_shown_as_text_in_valid_json(written: str) -> None:
    call = ToolCall("1", "now", written)
    assert arguments_of(call) == {"query": written}
    shown: dict[str, Any] = json.loads(dumps(tool_call(ToolResult(call, "noon"))), parse_constant=refused)
    assert shown["arguments"] == shown["args"] == {"query": written}
    (line,) = SseV1().encode(ToolCalled(call)).decode().strip().split("\n")
    assert json.loads(line.removeprefix("data: "), parse_constant=refused)["event"] == "tool_call"
