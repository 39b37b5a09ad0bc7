"""Reaching a stack at the start, over real connections; the pauses are the test's."""

import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import anyio
import pytest

from lightspeed_stack.config.assistant import LlamaStackSection
from lightspeed_stack.errors import (
    AssistantError,
    BackendFailed,
    ConfigurationError,
    StackNotSupported,
    StackUnavailable,
)
from lightspeed_stack.stack.connection import LONGEST_DELAY, connect, delay_after, start
from tests.servers.processes import free_port
from tests.servers.stack_answers import stack_answers
from tests.spec.registry import requirement
from tests.unit.stack.speaking import client

NEWEST = "ogx-1.5.0"
REFUSED = """\
llama_stack.api_key: Llama Stack refused the configured credentials.
    fix: set it to a key that the stack accepts"""


@dataclass
class Pauses:
    """Stands for time: writes down how long was to be waited, and does what a test wants to happen meanwhile."""

    meanwhile: dict[int, Callable[[], Awaitable[object]]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)

    async def wait(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await self.meanwhile.get(len(self.seconds), anyio.lowlevel.checkpoint)()


def section(url: str, **settings: object) -> LlamaStackSection:
    return LlamaStackSection.model_validate({"url": url.replace("://", "://anna:pass@"), "retry_delay": 1, **settings})


@requirement("stack:connection:retried")
@pytest.mark.parametrize(
    ("first", "delays"),
    [(1.0, [1, 2, 4, 8, 16, 30, 30]), (0.5, [0.5, 1, 2, 4, 8, 16, 30]), (60.0, [60, 60, 60, 60, 60, 60, 60])],
)
def test_the_pauses(first: float, delays: list[float]) -> None:
    assert [delay_after(number, first) for number in range(1, 8)] == delays
    assert delay_after(10_000, first) == max(first, LONGEST_DELAY)


@requirement("stack:connection:retried")
async def test_a_stack_that_comes_up_late_is_reached(caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with AsyncExitStack() as servers, client(url) as stack:
        pauses = Pauses({3: lambda: servers.enter_async_context(stack_answers(NEWEST, port=port))})
        async with connect(stack, section(url), sleep=pauses.wait):
            assert (await stack.capabilities()).version == "1.5.0"
    assert pauses.seconds == [1, 2, 4]
    told = [record.getMessage() for record in caplog.records if record.name.endswith("connection")]
    assert told[0] == "Llama Stack: Connection error. Attempt 1 of 6, the next in 1 s"
    assert len(told) == 3
    assert "pass" not in caplog.text


@requirement("stack:connection:retried")
async def test_a_library_whose_database_comes_up_late_is_started() -> None:
    pauses = Pauses()

    async def once() -> None:
        if len(pauses.seconds) < 2:
            raise StackUnavailable("Connection error.")

    await start(once, section("http://unused"), sleep=pauses.wait)
    assert pauses.seconds == [1, 2]


@requirement("stack:connection:retried")
async def test_a_library_whose_database_is_away_says_what_to_do() -> None:
    async def once() -> None:
        raise StackUnavailable("Connection error.")

    with pytest.raises(StackUnavailable, match="fix: start what the stack needs first"):
        await start(once, section("http://unused", max_retries=2), sleep=Pauses().wait)


@requirement("stack:connection:retried")
@pytest.mark.parametrize("status", [404, 429, 500, 503])
async def test_a_stack_that_is_still_starting_is_waited_for(status: int) -> None:
    async with stack_answers(NEWEST, status=status, refusals=2) as server, client(server.url) as stack:
        pauses = Pauses()
        async with connect(stack, section(server.url), sleep=pauses.wait):
            assert pauses.seconds == [1, 2]


@requirement("stack:connection:retried")
@pytest.mark.parametrize("retries", [0, 2])
async def test_a_stack_that_does_not_come_up_fails_the_start_with_the_fix(retries: int) -> None:
    url, pauses = f"http://127.0.0.1:{free_port()}", Pauses()
    async with client(url) as stack:
        with pytest.raises(StackUnavailable) as raised:
            async with connect(stack, section(url, max_retries=retries), sleep=pauses.wait):
                pytest.fail("it was entered")
    assert len(pauses.seconds) == retries
    assert raised.value.cause == (
        "llama_stack.url: Connection error.\n"
        "    fix: start the stack first, or set  llama_stack: {allow_degraded_mode: true}"
    )


@requirement("stack:connection:degraded")
async def test_degraded_mode_starts_without_the_stack_and_finds_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    up, reached = anyio.Event(), anyio.Event()
    async with AsyncExitStack() as servers, client(url) as stack:

        async def start() -> None:
            await up.wait()
            await servers.enter_async_context(stack_answers(NEWEST, port=port))

        async def again() -> None:
            reached.set()

        pauses = Pauses({1: start, 2: again})
        degraded = section(url, max_retries=0, allow_degraded_mode=True)
        async with connect(stack, degraded, sleep=pauses.wait):
            with pytest.raises(StackUnavailable):
                await stack.capabilities()
            assert (await stack.probe()).keys() == {"llama_stack"}
            up.set()
            while "Llama Stack has been reached" not in caplog.text:
                await anyio.lowlevel.checkpoint()
            assert (await stack.capabilities()).version == "1.5.0"
            assert await stack.probe() == {}
    assert not reached.is_set(), "once reached, it is not tried again"


@requirement("stack:connection:degraded", "stack:version:window")
async def test_degraded_mode_goes_on_after_a_release_that_is_not_supported(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    wrong = "Llama Stack version >= 0.2.17 is required, but 0.1.0 is used"
    async with stack_answers(NEWEST, status=503, refusals=1) as server, client(server.url) as stack:
        told = anyio.Event()
        seen = anyio.Event()

        async def replaced() -> None:
            told.set()
            await seen.wait()
            server.become(NEWEST)

        server.answers["GET /v1/version"] = {"version": "0.1.0"}
        pauses = Pauses({3: replaced})
        degraded = section(server.url, max_retries=0, allow_degraded_mode=True)
        async with connect(stack, degraded, sleep=pauses.wait):
            await told.wait()
            assert wrong in str((await stack.probe())["llama_stack"].message)
            with pytest.raises(BackendFailed, match=wrong):
                await stack.stores()
            seen.set()
            while "Llama Stack has been reached" not in caplog.text:
                await anyio.lowlevel.checkpoint()
            assert len(await stack.stores()) == 1
    assert caplog.text.count(wrong) == 1


@requirement("stack:connection:degraded")
async def test_leaving_ends_the_attempts_and_hides_no_error() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    async with client(url) as stack:
        degraded = section(url, max_retries=0, allow_degraded_mode=True)
        with pytest.raises(ConfigurationError, match="something else"):
            async with connect(stack, degraded, sleep=lambda _: anyio.sleep_forever()):
                raise ConfigurationError("something else is wrong")


@requirement("stack:connection:at-once")
@pytest.mark.parametrize("degraded", [False, True])
@pytest.mark.parametrize(
    ("status", "version", "kind", "cause"),
    [
        (
            401,
            "1.5.0",
            ConfigurationError,
            REFUSED,
        ),
        (None, "1.6.0", StackNotSupported, "Llama Stack version <= 1.5.0 is required, but 1.6.0 is used"),
        (None, "0.2.16", StackNotSupported, "Llama Stack version >= 0.2.17 is required, but 0.2.16 is used"),
        (None, "dev", StackNotSupported, "Llama Stack tells a version that cannot be read: 'dev'"),
    ],
)
async def test_what_waiting_does_not_mend(
    degraded: bool, status: int | None, version: str, kind: type[AssistantError], cause: str
) -> None:
    # A release tells its version to everybody, and wants a key for the rest.
    async with (
        stack_answers(NEWEST, status=status, refused={"GET /v1/providers"}) as server,
        client(server.url) as stack,
    ):
        server.answers["GET /v1/version"] = {"version": version}
        pauses = Pauses()
        with pytest.raises(kind) as raised:
            async with connect(stack, section(server.url, allow_degraded_mode=degraded), sleep=pauses.wait):
                pytest.fail("it was entered")
        assert (raised.value.cause, pauses.seconds) == (cause, [])
