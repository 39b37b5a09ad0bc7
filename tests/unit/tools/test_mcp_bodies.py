"""Streams that answer a request, as they pass the HTTP layer under the MCP client."""

import json
from collections.abc import AsyncIterator

import httpx2
import pytest

from lightspeed_stack.tools.mcp_bodies import AnswerStream
from lightspeed_stack.tools.mcp_faults import CHALLENGE_AT_MOST, FaultKind, challenge_of
from tests.spec.registry import requirement

NUMBERED = b"event: message\r\nid: 7\r\ndata: \r\n\r\n"
UNNUMBERED = b"event: message\ndata: aid: 7\n\ndata: half an ev"


class Sent(httpx2.AsyncByteStream):
    """A body in the pieces in which it is sent, which may then break off."""

    def __init__(self, pieces: list[bytes], *, breaks: bool) -> None:
        self._pieces = pieces
        self._breaks = breaks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
        if self._breaks:
            raise httpx2.ReadError("cut")


async def passed_on(pieces: list[bytes], *, breaks: bool = False, limit: float = 1000) -> bytes:
    stream = AnswerStream(httpx2.Response(200, stream=Sent(pieces, breaks=breaks)), 5, limit, lambda *_: None)
    return b"".join([piece async for piece in stream])


def error_code(added: bytes) -> int:
    """The code in the answer that was added; whatever event had begun before is no message any more."""
    before, _, message = added.partition(b"\n\n")
    assert before == b"\nevent: broken-off"
    answer = json.loads(message.removeprefix(b"data: "))
    assert answer["id"] == 5
    code: int = answer["error"]["code"]
    return code


@requirement("mcp:client:faults")
@pytest.mark.parametrize("breaks", [True, False])
async def test_a_stream_without_an_answer_gets_one_of_ours(breaks: bool) -> None:
    for cut in range(len(UNNUMBERED)):
        passed = await passed_on([UNNUMBERED[:cut], UNNUMBERED[cut:]], breaks=breaks)
        assert error_code(passed.removeprefix(UNNUMBERED)) == FaultKind.BROKEN_OFF


@requirement("mcp:client:faults")
@pytest.mark.parametrize("breaks", [True, False])
async def test_a_stream_that_can_be_resumed_may_end(breaks: bool) -> None:
    for cut in range(len(NUMBERED)):
        assert await passed_on([NUMBERED[:cut], NUMBERED[cut:]], breaks=breaks) == NUMBERED


@requirement("mcp:client:call:bounds")
async def test_a_stream_that_is_too_long_ends_with_an_answer_of_ours() -> None:
    passed = await passed_on([NUMBERED, b"x" * 100, b"x" * 100], limit=150)
    assert error_code(passed.removeprefix(NUMBERED + b"x" * 100)) == FaultKind.TOO_LONG


@requirement("mcp:client:unauthorized")
@pytest.mark.parametrize(
    ("header", "challenge"),
    [
        ('Bearer realm="a"', 'Bearer realm="a"'),
        ("", None),
        (None, None),
        ("Bearer\r\nSet-Cookie: a=b", None),
        ("Bearer é", None),
        ("x" * (CHALLENGE_AT_MOST + 1), None),
    ],
)
def test_a_challenge_is_passed_on_where_it_is_one(header: str | None, challenge: str | None) -> None:
    assert challenge_of(header) == challenge
