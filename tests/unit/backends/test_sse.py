"""Server-sent events, however they are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack.backends.sse import MAX_LINE, SseParser
from lightspeed_stack.errors import BackendFailed
from tests.spec.registry import requirement

PAYLOADS = st.lists(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r\n")), max_size=6)


@requirement("backend:openai:tolerates-dialects")
@given(PAYLOADS, st.sampled_from([b"\n", b"\r\n"]), st.integers(1, 20))
def test_payloads_do_not_depend_on_where_the_bytes_are_cut(payloads: list[str], end: bytes, size: int) -> None:
    raw = b"".join(b": comment" + end + b"data: " + it.encode() + end + end for it in payloads)
    parser = SseParser()
    found = [payload for at in range(0, len(raw), size) for payload in parser.feed(raw[at : at + size])]
    assert found == [payload.encode().strip() for payload in payloads]


@requirement("backend:openai:faults")
def test_a_line_without_an_end_is_bounded() -> None:
    parser = SseParser()
    with pytest.raises(BackendFailed):
        for _ in range(MAX_LINE // 65_536 + 2):
            parser.feed(b"x" * 65_536)
