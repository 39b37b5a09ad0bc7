"""Requests to an application in a thread of its own, as a client sees them."""

import json
import threading
from collections.abc import AsyncIterator
from contextlib import nullcontext

import anyio
import pytest

from lightspeed_stack.errors import StackUnavailable
from lightspeed_stack.transport.base import Method
from lightspeed_stack.transport.exchange import DROPPED, PIECES
from lightspeed_stack.transport.in_process import InProcessTransport
from tests.spec.registry import requirement
from tests.unit.transport_in_process.applications import SECRET, Facts, application, happened, ours


@pytest.fixture
def facts() -> Facts:
    return Facts()


@pytest.fixture
async def transport(facts: Facts) -> AsyncIterator[InProcessTransport]:
    with anyio.fail_after(20):
        async with InProcessTransport(
            application(facts), read_timeout=5, max_duration=10, start_timeout=5, unavailable=StackUnavailable
        ) as opened:
            yield opened


async def whole(transport: InProcessTransport, method: Method, path: str, body: bytes | None = None) -> tuple[int, str]:
    async with transport.request(method, path, body) as response:
        return response.status, b"".join([piece async for piece in response.chunks()]).decode()


@requirement("transport:in-process:exchange")
@pytest.mark.parametrize(
    ("method", "path", "body", "answer"),
    [
        ("GET", "/hello", None, (200, '{"says":"unknown"}')),
        ("POST", "/echo/a%20b/c?x=1%262", b"[1]", (200, '{"path":"a b/c","query":{"x":"1&2"},"body":[1]}')),
        ("GET", "/nowhere", None, (404, "Not Found")),
        ("POST", "/hello", b"{}", (405, "Method Not Allowed")),
        ("GET", "/raising", None, (500, "Internal Server Error")),
        ("GET", "/mute", None, (500, "")),
    ],
)
async def test_answers(
    transport: InProcessTransport, method: Method, path: str, body: bytes | None, answer: tuple[int, str]
) -> None:
    ours.set("known to us alone")
    assert await whole(transport, method, path, body) == answer


@requirement("transport:in-process:exchange")
async def test_a_refusal_says_when_to_come_again(transport: InProcessTransport) -> None:
    async with transport.request("GET", "/busy") as response:
        assert (response.status, response.retry_after) == (429, "7")


@requirement("transport:in-process:exchange")
async def test_a_body_comes_in_pieces_while_it_is_made(transport: InProcessTransport, facts: Facts) -> None:
    async with transport.request("GET", "/gated") as response:
        pieces = response.chunks()
        assert await anext(pieces) == b"first"
        facts.gate.set()
        assert [piece async for piece in pieces] == [b"second"]


@requirement("transport:in-process:exchange")
async def test_many_at_once_keep_apart(transport: InProcessTransport) -> None:
    answers: dict[int, object] = {}

    async def ask(number: int) -> None:
        answers[number] = json.loads((await whole(transport, "POST", "/echo/x", b"%d" % number))[1])["body"]

    async with anyio.create_task_group() as tasks:
        for number in range(100):
            tasks.start_soon(ask, number)
    assert answers == {number: number for number in range(100)}


@requirement("transport:in-process:slow-reader")
async def test_a_slow_reader_slows_the_application(transport: InProcessTransport, facts: Facts) -> None:
    async with transport.request("GET", "/count?to=1000") as response:
        pieces = response.chunks()
        assert await anext(pieces) == b"0 "
        for _ in range(50):  # each goes once through the other loop, and lets it do all that it can
            await whole(transport, "GET", "/hello")
        assert PIECES <= facts.made <= PIECES + 2
        rest = b"".join([piece async for piece in pieces])
    assert rest.split()[-1] == b"999"


@requirement("transport:in-process:leaving")
async def test_leaving_early_stops_the_work(transport: InProcessTransport, facts: Facts) -> None:
    async with transport.request("GET", "/watching") as response:
        assert await anext(response.chunks()) == b"first"
    await happened(facts.cancelled)
    await happened(facts.disconnected)
    assert await whole(transport, "GET", "/hello") == (200, '{"says":"unknown"}')


@requirement("transport:in-process:leaving")
async def test_leaving_closes_what_a_stream_reads_from(transport: InProcessTransport, facts: Facts) -> None:
    async with transport.request("GET", "/source") as response:
        assert await anext(response.chunks()) == b"piece"
        await whole(transport, "GET", "/hello")  # by now it waits for its reader
    await happened(facts.cancelled)


@requirement("transport:in-process:leaving")
async def test_leaving_ends_a_stream_that_has_no_end(transport: InProcessTransport, facts: Facts) -> None:
    async with transport.request("GET", "/count?to=1000000000") as response:
        assert await anext(response.chunks()) == b"0 "
    assert facts.made < 2 * DROPPED


@requirement("transport:in-process:leaving")
async def test_a_cancelled_caller_stops_the_work(transport: InProcessTransport, facts: Facts) -> None:
    async with anyio.create_task_group() as tasks:

        async def ask() -> None:
            async with transport.request("GET", "/watching") as response:
                async for _ in response.chunks():
                    tasks.cancel_scope.cancel()

        tasks.start_soon(ask)
    await happened(facts.disconnected)


@requirement("transport:in-process:timeouts")
@pytest.mark.parametrize("path", ["/hanging", "/gated"], ids=["no-status", "no-next-piece"])
@pytest.mark.parametrize(("read_timeout", "in_all"), [(0.05, None), (5, 0.05)], ids=["a-piece", "the-whole"])
async def test_waiting_has_an_end(facts: Facts, path: str, read_timeout: float, in_all: float | None) -> None:
    async with InProcessTransport(
        application(facts), read_timeout=read_timeout, max_duration=10, start_timeout=5, unavailable=StackUnavailable
    ) as transport:
        with pytest.raises(StackUnavailable, match=r"^Request timed out\.$"):
            async with transport.request("GET", path, timeout=in_all) as response:
                async for _ in response.chunks():
                    pass
        facts.gate.set()


@requirement("transport:in-process:timeouts")
async def test_an_exchange_has_an_end(facts: Facts) -> None:
    async with InProcessTransport(application(facts), read_timeout=5, max_duration=0.05, start_timeout=5) as transport:
        with pytest.raises(Exception, match=r"^Request timed out\.$"):
            async with transport.request("GET", "/count?to=100000000") as response:
                async for _ in response.chunks():
                    pass


@requirement("transport:in-process:faults")
async def test_an_answer_that_breaks_off_is_no_shorter_answer(
    transport: InProcessTransport, caplog: pytest.LogCaptureFixture
) -> None:
    async with transport.request("GET", "/breaking") as response:
        pieces = response.chunks()
        assert await anext(pieces) == b"first"
        for _ in range(2):  # it stays so
            with pytest.raises(StackUnavailable, match=r"^Connection error\.$"):
                await anext(pieces)
    assert "ValueError" in caplog.text
    assert SECRET not in caplog.text


@requirement("transport:in-process:blocking")
async def test_an_application_that_blocks_does_not_block_us(facts: Facts) -> None:
    blocked = threading.Event()

    async def blocking(_: object, __: object, ___: object) -> None:
        blocked.set()
        facts.gate.wait(5)

    async with InProcessTransport(
        lambda: nullcontext(blocking), read_timeout=5, max_duration=10, start_timeout=5
    ) as transport:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(whole, transport, "GET", "/")
            await happened(blocked)  # our loop goes on
            facts.gate.set()
