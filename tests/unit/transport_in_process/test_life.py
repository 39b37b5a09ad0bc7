"""How a thread with an application begins and ends."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any

import anyio
import pytest

from lightspeed_stack.errors import ConfigurationError, StackUnavailable
from lightspeed_stack.transport.exchange import Application
from lightspeed_stack.transport.in_process import InProcessTransport
from tests.spec.registry import requirement
from tests.unit.transport_in_process.applications import Facts, application, happened

NAME = "the-application"


def transport(
    make: Callable[[], AbstractAsyncContextManager[Application]], *, start: float = 5, stop: float = 5
) -> InProcessTransport:
    return InProcessTransport(
        make,
        read_timeout=5,
        max_duration=10,
        start_timeout=start,
        stop_timeout=stop,
        unavailable=StackUnavailable,
        name=NAME,
    )


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == NAME]


@requirement("transport:in-process:life")
async def test_it_begins_and_ends() -> None:
    facts = Facts()
    with anyio.fail_after(10):
        async with transport(application(facts)) as opened:
            assert threads() == [NAME]
            async with opened.request("GET", "/hello") as response:
                assert response.status == 200
    assert facts.closed.is_set()
    assert threads() == []
    with pytest.raises(StackUnavailable, match=r"^Connection error\.$"):
        async with opened.request("GET", "/hello"):
            pass


@requirement("transport:in-process:life")
async def test_the_end_ends_what_is_asked() -> None:
    facts = Facts()
    begun = anyio.Event()
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            async with transport(application(facts)) as opened:

                async def ask() -> None:
                    with pytest.raises(StackUnavailable, match=r"^Connection error\.$"):
                        async with opened.request("GET", "/watching") as response:
                            async for _ in response.chunks():
                                begun.set()

                tasks.start_soon(ask)
                await begun.wait()
    assert facts.cancelled.is_set()
    assert threads() == []


@requirement("transport:in-process:start-fails")
async def test_what_the_start_raises_is_raised() -> None:
    error = ConfigurationError("run.yaml: providers: none")
    with anyio.fail_after(10), pytest.raises(ConfigurationError) as caught:
        async with transport(lambda: failing(error)):
            pass
    assert caught.value is error
    assert threads() == []


@asynccontextmanager
async def failing(error: BaseException | None) -> AsyncIterator[Application]:
    if error:
        raise error
    yield no_application


@asynccontextmanager
async def endless() -> AsyncIterator[Application]:
    await anyio.sleep_forever()
    yield no_application


async def no_application(*_: object) -> None:
    raise AssertionError


@requirement("transport:in-process:start-fails")
async def test_a_start_that_takes_too_long() -> None:
    with anyio.fail_after(10), pytest.raises(StackUnavailable, match=r"^Request timed out\.$"):
        async with transport(endless, start=0.05):
            pass
    assert threads() == []


@requirement("transport:in-process:start-fails")
async def test_a_start_that_is_cancelled() -> None:
    with anyio.fail_after(10):
        with anyio.move_on_after(0.05):
            async with transport(endless):
                raise AssertionError
    assert threads() == []


@requirement("transport:in-process:start-fails")
async def test_an_application_that_exits_does_not_end_the_process() -> None:
    with anyio.fail_after(10), pytest.raises(SystemExit):
        async with transport(lambda: failing(SystemExit(1))):
            pass
    assert threads() == []


def hanging_at_the_end(facts: Facts, *, stubborn: bool) -> Callable[[], AbstractAsyncContextManager[Application]]:
    @asynccontextmanager
    async def hanging() -> AsyncIterator[Application]:
        yield no_application
        try:
            await anyio.sleep_forever()
        except asyncio.CancelledError:
            if stubborn:
                facts.gate.wait(10)
            facts.cancelled.set()
            raise

    return hanging


@requirement("transport:in-process:end-hangs")
async def test_an_end_that_hangs_is_cut_short(caplog: pytest.LogCaptureFixture) -> None:
    facts = Facts()
    with anyio.fail_after(10):
        async with transport(hanging_at_the_end(facts, stubborn=False), stop=0.05):
            pass
    assert facts.cancelled.is_set()
    assert threads() == []
    assert "did not close within 0.05 seconds" in caplog.text


@requirement("transport:in-process:end-hangs")
async def test_a_thread_that_does_not_end_is_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    facts = Facts()
    with anyio.fail_after(10):
        async with transport(hanging_at_the_end(facts, stubborn=True), stop=0.05):
            pass
    assert "is left behind" in caplog.text
    (thread,) = [thread for thread in threading.enumerate() if thread.name == NAME]
    assert thread.daemon, "it would keep the process from ending"
    facts.gate.set()
    await happened(facts.cancelled)
    await anyio.to_thread.run_sync(thread.join, 5)
    assert threads() == []


@requirement("transport:in-process:end-hangs")
async def test_a_request_that_does_not_end_is_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    facts = Facts()

    async def stubborn(_: object, __: object, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while not facts.gate.is_set():
            try:
                await asyncio.to_thread(facts.gate.wait, 5)
            except asyncio.CancelledError:
                facts.cancelled.set()

    with anyio.fail_after(10):
        async with transport(lambda: nullcontext(stubborn)) as opened:
            async with opened.request("GET", "/") as response:
                assert response.status == 200
            assert facts.cancelled.is_set()
            assert "did not end within" in caplog.text
            facts.gate.set()
    assert threads() == []
