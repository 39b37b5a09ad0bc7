"""Chunks as values."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack.backends.base import Delta, TextDelta, ToolCallDelta
from lightspeed_stack.backends.openai_wire import failure, joined
from lightspeed_stack.errors import BackendRateLimited
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


@requirement("backend:openai:refusals")
@pytest.mark.parametrize(
    ("sent", "seconds"),
    [("7", 7), (None, None), ("", None), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("²", None), ("9" * 5_000, None)],
)
def test_a_wish_to_wait_is_seconds_or_nothing(sent: str | None, seconds: int | None) -> None:
    error = failure(b"", status=429, retry_after=sent)
    assert isinstance(error, BackendRateLimited)
    assert error.retry_after == seconds
