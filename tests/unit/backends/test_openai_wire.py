"""Chunks as values."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack.backends.base import Delta, TextDelta, ToolCallDelta
from lightspeed_stack.backends.openai_wire import joined
from tests.spec.registry import requirement

DELTAS = st.lists(
    st.one_of(
        st.builds(TextDelta, st.text(min_size=1)),
        st.builds(ToolCallDelta, st.integers(0, 2), st.none(), st.none(), st.text()),
    )
)


def said(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))


def calls(deltas: list[Delta]) -> list[Delta]:
    return [delta for delta in deltas if isinstance(delta, ToolCallDelta)]


@requirement("backend:joined")
@given(DELTAS)
def test_joined_pieces_say_the_same(deltas: list[Delta]) -> None:
    found = joined(deltas)
    assert said(found) == said(deltas)
    assert calls(found) == calls(deltas)
    assert not any(isinstance(one, TextDelta) and isinstance(two, TextDelta) for one, two in pairwise(found))
