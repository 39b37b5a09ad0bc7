"""A value that is served as last seen."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import pytest

from lightspeed_stack.errors import BackendFailed, StackUnavailable
from lightspeed_stack.stack.refreshed import FRESH, RETRY, Job, Refreshed
from tests.spec.registry import requirement


@dataclass
class Place:
    """Where the value comes from; every load waits until it is let go, and ``time`` is set by the test."""

    time: float = 1000.0
    loads: int = 0
    failure: Exception | None = None
    asked: anyio.Event = field(default_factory=anyio.Event)
    go: anyio.Event = field(default_factory=anyio.Event)

    async def load(self) -> int:
        self.loads += 1
        number = self.loads
        self.asked.set()
        await self.go.wait()
        if self.failure is not None:
            raise self.failure
        return number

    def hold(self) -> None:
        self.asked, self.go = anyio.Event(), anyio.Event()


@asynccontextmanager
async def refreshed(place: Place, *, held: bool = False) -> AsyncIterator[Refreshed[int]]:
    if not held:
        place.go.set()
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:

            def background(job: Job) -> None:
                tasks.start_soon(job)

            yield Refreshed("the value", place.load, background, clock=lambda: place.time)
            tasks.cancel_scope.cancel()


async def settled(place: Place, loads: int) -> None:
    """Wait until so many loads have begun, and a ``get`` after them sees what they brought."""
    while place.loads < loads:
        await place.asked.wait()
        await anyio.lowlevel.checkpoint()
    await anyio.wait_all_tasks_blocked()


@requirement("stack:refreshed:one")
async def test_all_who_need_it_first_wait_for_one_load() -> None:
    place, got = Place(), list[int]()
    async with refreshed(place, held=True) as value:

        async def need() -> None:
            got.append(await value.get())

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(need)
            await place.asked.wait()
            place.go.set()
    assert (got, place.loads) == ([1] * 5, 1)


@requirement("stack:refreshed:one")
async def test_all_who_need_it_first_fail_with_one_load_and_the_next_loads_again_after_a_while() -> None:
    place, told = Place(failure=StackUnavailable("Request timed out.")), list[StackUnavailable]()
    async with refreshed(place, held=True) as value:

        async def need() -> None:
            try:
                await value.get()
            except StackUnavailable as error:
                told.append(error)

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(need)
            await place.asked.wait()
            place.go.set()
        assert ([error.cause for error in told], place.loads) == (["Request timed out."] * 5, 1)
        assert len(set(map(id, told))) == 5
        place.failure = None
        place.time += RETRY
        assert await value.get() == 2


@requirement("stack:refreshed:one")
async def test_who_leaves_while_it_is_loaded_leaves_it_to_the_next() -> None:
    place = Place()
    async with refreshed(place, held=True) as value:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(value.get)
            await place.asked.wait()
            tasks.cancel_scope.cancel()
        place.go.set()
        assert await value.get() == 2


@requirement("stack:refreshed:behind")
async def test_an_old_value_serves_while_one_refresh_runs() -> None:
    place = Place()
    async with refreshed(place) as value:
        assert await value.get() == 1
        place.time += FRESH - 1
        assert await value.get() == 1
        place.hold()
        place.time += 1
        assert [await value.get() for _ in range(3)] == [1, 1, 1]
        await place.asked.wait()
        assert await value.get() == 1
        place.go.set()
        await settled(place, 2)
        assert (await value.get(), place.loads) == (2, 2)


@requirement("stack:refreshed:behind")
async def test_a_value_that_is_said_to_be_old_is_refreshed_but_not_for_ever() -> None:
    place = Place()
    async with refreshed(place) as value:
        await value.get()
        value.expire()
        assert await value.get() == 1, "it was asked for just now"
        await anyio.wait_all_tasks_blocked()
        assert place.loads == 1
        place.time += RETRY
        assert await value.get() == 1
        await settled(place, 2)
        assert await value.get() == 2


@requirement("stack:refreshed:failed")
async def test_a_failed_refresh_keeps_the_value_is_said_once_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    place = Place()
    async with refreshed(place) as value:
        await value.get()
        place.failure = BackendFailed("Llama Stack reported an error.")
        place.time += FRESH
        for loads in (2, 3):
            assert await value.get() == 1
            await settled(place, loads)
            assert (await value.get(), place.loads) == (1, loads), "not again at once"
            place.time += RETRY
        place.failure = None
        assert await value.get() == 1
        await settled(place, 4)
        assert await value.get() == 4
    assert [record.getMessage() for record in caplog.records] == [
        "the value: cannot be refreshed, used as last seen: Llama Stack reported an error.",
        "the value: refreshed again",
    ]


@requirement("stack:refreshed:behind")
async def test_a_value_that_is_forgotten_is_waited_for() -> None:
    place = Place()
    async with refreshed(place) as value:
        assert await value.get() == 1
        place.failure = BackendFailed("Llama Stack reported an error.")
        with pytest.raises(BackendFailed):
            await value.ask()
        place.failure = None
        value.forget()
        assert await value.get() == 3


@requirement("stack:refreshed:failed")
async def test_a_mistake_of_ours_does_not_take_others_with_it(caplog: pytest.LogCaptureFixture) -> None:
    place = Place()
    async with refreshed(place) as value:
        await value.get()
        place.failure = ZeroDivisionError()
        place.time += FRESH
        await value.get()
        await settled(place, 2)
        place.failure = None
        place.time += RETRY
        await value.get()
        await settled(place, 3)
        assert await value.get() == 3
    assert "ZeroDivisionError" in caplog.text


@requirement("stack:refreshed:failed")
async def test_who_asks_now_is_told_and_what_was_seen_stays() -> None:
    place = Place()
    async with refreshed(place) as value:
        assert await value.ask() == 1
        place.failure = BackendFailed("Llama Stack reported an error.")
        with pytest.raises(BackendFailed):
            await value.ask()
        assert await value.get() == 1
