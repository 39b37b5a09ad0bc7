"""Turns in flight: waiting for their end, for quiet, and giving way to the next."""

import anyio
import pytest

from lightspeed_stack.assistant.live import ActiveTurns
from tests.spec.registry import requirement

NEVER = 60.0


@requirement("topic:gives-way")
async def test_quiet_is_when_no_turn_runs() -> None:
    active, quiet = ActiveTurns(), anyio.Event()

    async def wait() -> None:
        await active.quiet(0)
        quiet.set()

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            with active.track():
                tasks.start_soon(wait)
                await anyio.wait_all_tasks_blocked()
                with active.track():
                    await anyio.wait_all_tasks_blocked()
                await anyio.wait_all_tasks_blocked()
                assert not quiet.is_set()
            await quiet.wait()


@requirement("topic:gives-way")
async def test_a_turn_that_begins_breaks_the_quiet() -> None:
    active, quiet = ActiveTurns(), anyio.Event()

    async def wait() -> None:
        await active.quiet(0.01)
        quiet.set()

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            with active.track():
                assert not await active.drained(0.02)
                assert not quiet.is_set()
            await quiet.wait()


@requirement("topic:gives-way")
@pytest.mark.parametrize("already", [True, False], ids=["runs-already", "begins-later"])
async def test_what_gives_way_is_cancelled_by_a_turn(already: bool) -> None:
    active, left = ActiveTurns(), anyio.Event()

    async def give_way() -> None:
        with active.giving_way():
            await anyio.sleep(NEVER)
        left.set()

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            if not already:
                tasks.start_soon(give_way)
                await anyio.wait_all_tasks_blocked()
            with active.track():
                if already:
                    tasks.start_soon(give_way)
                await left.wait()


@requirement("topic:stop")
async def test_turns_are_waited_for_and_not_for_ever() -> None:
    active = ActiveTurns()
    assert await active.drained(NEVER)
    with active.track():
        assert not await active.drained(0.01)
