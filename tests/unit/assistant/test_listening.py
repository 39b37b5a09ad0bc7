"""What is heard of one generation, in the dialects in which servers give calls."""

from collections.abc import AsyncIterator, Sequence

import pytest

from lightspeed_stack.assistant.listening import Heard
from lightspeed_stack.backends.base import Delta, Finished, TextDelta, ToolCallDelta
from lightspeed_stack.domain.chat import Message, ToolCall, Usage
from tests.spec.registry import requirement

DONE = Finished("tool_calls", Usage(3, 4))
ONE, TWO = ToolCall("a", "now", '{"a": 1}'), ToolCall("b", "then", "{}")


async def said(deltas: Sequence[Delta]) -> AsyncIterator[Delta]:
    for delta in deltas:
        yield delta


async def heard(*deltas: Delta) -> Heard:
    async def say(_: str) -> None:
        """Nobody listens."""

    found = Heard(say)
    await found.listen(said(deltas))
    return found


@requirement("agent:dialects")
@pytest.mark.parametrize(
    ("deltas", "calls"),
    [
        ((ToolCallDelta(0, "a", "now", '{"a"'), ToolCallDelta(0, None, None, ": 1}")), (ONE,)),
        ((ToolCallDelta(0, "a", "now", '{"a"'), ToolCallDelta(0, "other", None, ": 1}")), (ONE,)),
        ((ToolCallDelta(0, "a", "now", '{"a"'), ToolCallDelta(0, "a", "now", ": 1}")), (ONE,)),
        ((ToolCallDelta(0, "a", "now", '{"a": 1}'), ToolCallDelta(0, "b", "then", "{}")), (ONE, TWO)),
        (
            (
                ToolCallDelta(1, "a", "now", ""),
                ToolCallDelta(0, "b", "then", ""),
                ToolCallDelta(1, None, None, '{"a": 1}'),
                ToolCallDelta(0, None, None, "{}"),
            ),
            (ONE, TWO),
        ),
        ((ToolCallDelta(0, None, None, ""), ToolCallDelta(0, "a", "now", '{"a": 1}')), (ONE,)),
        ((ToolCallDelta(0, None, None, "{}"),), (ToolCall("", "", "{}"),)),
    ],
    ids=["pieces", "new-id-each", "name-each", "one-index", "mixed", "id-later", "nameless"],
)
async def test_calls_are_put_together_from_their_pieces(
    deltas: tuple[ToolCallDelta, ...], calls: tuple[ToolCall, ...]
) -> None:
    found = await heard(TextDelta("Let me "), *deltas, TextDelta("look."), DONE)
    assert found.calls == calls
    assert found.text == "Let me look."
    assert found.usage(()) == Usage(3, 4)


@requirement("agent:usage-estimated")
async def test_what_was_never_counted_is_estimated_with_its_calls() -> None:
    long = "x" * 3000
    found = await heard(TextDelta(long), ToolCallDelta(0, "a", "now", long), Finished("stop", None))
    usage = found.usage((Message("user", long), Message("tool", long)))
    assert usage.estimated
    assert usage.input_tokens >= 2000
    assert usage.output_tokens >= 2000
