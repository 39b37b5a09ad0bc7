"""PostgreSQL goes away while the service serves: answers are given all the same, and all is well when it is back."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import aiohttp
import anyio
import anyio.to_thread
import pytest

from tests.durability.conftest import StoppableServer
from tests.durability.health import degraded, until_ill, until_well
from tests.durability.places import Json, Places
from tests.durability.talking import (
    QUERY,
    STREAM,
    asked,
    delete,
    feedback_is_taken,
    give_feedback,
    history,
    is_gone,
    json_of,
    listed,
    pairs,
    play,
    rename,
    take_feedback,
)
from tests.servers.openai_server import openai_server
from tests.servers.postgres import PASSWORD
from tests.servers.postgres_relay import Break, Relay, relay
from tests.servers.service import RunningService, running
from tests.spec.registry import requirement

UNREADABLE = "Unable to read or store data"

TOGETHER = pytest.mark.parametrize("together", [True, False], ids=["one-database", "two-databases"])


@asynccontextmanager
async def service(places: Places, folder: Path, *, feedback: bool = True) -> AsyncIterator[RunningService]:
    """Without topics: whether one was made in time would be counted as well."""
    async with openai_server(play) as model:
        async with running(places.configuration(model.url, topics=False, feedback=feedback), folder) as it:
            yield it


async def fails(http: aiohttp.ClientSession, conversation_id: str) -> None:
    """Everything that needs what is stored fails as the contract says, and tells nothing of what is inside."""
    unknown = "Unknown error"
    for path in (QUERY, STREAM):
        body = {"query": "Still there?", "conversation_id": conversation_id}
        await failure(http, "POST", path, UNREADABLE, body)
    for version in (1, 2):
        of_all, of_one = f"/v{version}/conversations", f"/v{version}/conversations/{conversation_id}"
        cause = await failure(http, "GET", of_all, unknown)
        assert cause == "Unknown error while getting conversations for user 00000000-0000-0000-0000-000"
        cause = await failure(http, "GET", of_one, unknown)
        assert cause.startswith(f"Unknown error while getting conversation {conversation_id} : ")
        cause = await failure(http, "DELETE", of_one, unknown)
        assert cause.startswith(f"Unknown error while deleting conversation {conversation_id} : ")
    await failure(http, "PUT", f"/v2/conversations/{conversation_id}", unknown, {"topic_summary": "New"})


async def failure(http: aiohttp.ClientSession, method: str, path: str, response: str, body: Json | None = None) -> str:
    """The cause of an answer with the status 500."""
    detail = (await json_of(http, path, method=method, body=body, status=500))["detail"]
    assert detail["response"] == response
    cause = str(detail["cause"])
    for secret in (PASSWORD, "PGSQL", "127.0.0.1", "psycopg", "SELECT"):
        assert secret not in cause
    return cause


@requirement("faults:database-gone", "faults:database-gone:told", "faults:database-back")
@TOGETHER
async def test_questions_are_answered_while_the_database_is_stopped(
    stoppable: StoppableServer, tmp_path: Path, together: bool
) -> None:
    places = Places(tmp_path, stoppable.new_database(), together=together)
    async with service(places, tmp_path) as it:
        http = it.http
        kept = await asked(http, "before")
        await until_well(http)
        await anyio.to_thread.run_sync(stoppable.stop)

        unstored = [await asked(http, f"during by {path}", path=path) for path in (QUERY, STREAM)]
        assert await degraded(http) == {"turn": 2, "conversation": 1}
        assert set(await until_ill(http, "database")) == {"database"}
        await fails(http, kept)
        for conversation_id in unstored:
            await json_of(
                http, QUERY, method="POST", body={"query": "?", "conversation_id": conversation_id}, status=500
            )

        await anyio.to_thread.run_sync(stoppable.start)
        await until_well(http)
        assert await history(http, kept) == await history(http, kept, 2) == pairs(["before"])
        assert set(await listed(http)) == set(await listed(http, 2)) == {kept}
        for number, path in enumerate((QUERY, STREAM)):
            await asked(http, f"after {number}", kept, path=path)
        new = await asked(http, "new")
        assert await history(http, kept) == pairs(["before", "after 0", "after 1"])
        await rename(http, new, "New")
        await delete(http, kept, 2)
        await is_gone(http, kept)
        assert await degraded(http) == {"turn": 2, "conversation": 1}


@requirement("faults:cache-gone")
async def test_a_cache_that_is_gone_takes_nothing_with_it(stoppable: StoppableServer, tmp_path: Path) -> None:
    places = Places(tmp_path, stoppable.new_database(), mixed=True)
    async with service(places, tmp_path) as it:
        http = it.http
        kept = await asked(http, "before")
        await anyio.to_thread.run_sync(stoppable.stop)

        for number, path in enumerate((QUERY, STREAM)):
            await asked(http, f"during {number}", kept, path=path)
        new = await asked(http, "new", path=STREAM)
        assert await history(http, kept) == pairs(["before", "during 0", "during 1"])
        assert await history(http, new) == pairs(["new"])
        assert set(await listed(http)) == {kept, new}
        await failure(http, "GET", "/v2/conversations", "Unknown error")
        await until_ill(http, "database")

        await anyio.to_thread.run_sync(stoppable.start)
        await until_well(http)
        await asked(http, "after", kept)
        await asked(http, "newer", new)
        assert await history(http, kept, 2) == pairs(["before", "during 0", "during 1", "after"])
        assert await history(http, new, 2) == pairs(["new", "newer"])


@requirement("faults:switch")
async def test_the_feedback_switch_outlives_the_database(stoppable: StoppableServer, tmp_path: Path) -> None:
    """It stays where it was while the database is gone, and afterwards for services that start later."""
    places = Places(tmp_path, stoppable.new_database())
    async with service(places, tmp_path, feedback=False) as first:
        await take_feedback(first.http, on=True)
        await anyio.to_thread.run_sync(stoppable.stop)
        assert await feedback_is_taken(first.http)
        await give_feedback(first.http, "during")
        await json_of(first.http, "/v1/feedback/status", method="PUT", body={"status": False}, status=500)
        await anyio.to_thread.run_sync(stoppable.start)
        assert await feedback_is_taken(first.http)
        async with service(places, tmp_path, feedback=False) as second:
            assert await feedback_is_taken(second.http)
    async with service(places, tmp_path, feedback=False) as later:
        assert not await feedback_is_taken(later.http)


@pytest.fixture
def between(stoppable: StoppableServer) -> Iterator[Relay]:
    with relay(stoppable.new_database()) as it:
        yield it


@requirement("faults:commit-unknown")
@TOGETHER
@pytest.mark.parametrize("where", list(Break), ids=["not-made", "made"])
async def test_a_commit_that_breaks_off_is_made_once(
    between: Relay, tmp_path: Path, together: bool, where: Break
) -> None:
    async with service(Places(tmp_path, between.database, together=together), tmp_path) as it:
        http = it.http
        conversation_id = await asked(http, "first")
        for number, path in enumerate((QUERY, STREAM)):
            between.breaks = [where]
            await asked(http, f"follow-up {number}", conversation_id, path=path)
            assert between.breaks == []
        expected = pairs(["first", "follow-up 0", "follow-up 1"])
        assert await history(http, conversation_id) == expected
        assert await history(http, conversation_id, 2) == expected
        assert (await listed(http))[conversation_id]["message_count"] == 3
        # A stream stores a new conversation before it begins, and the turn at its end.
        commits: list[tuple[str, list[Break | None]]] = [(QUERY, [where]), (STREAM, [where]), (STREAM, [None, where])]
        if not together:
            commits.append((QUERY, [None, where]))
        for number, (path, breaks) in enumerate(commits):
            between.breaks = [*breaks]
            new = await asked(http, f"new {number}", path=path)
            assert between.breaks == []
            assert await history(http, new) == await history(http, new, 2) == pairs([f"new {number}"])
            assert (await listed(http))[new]["message_count"] == 1
        between.breaks = [where]
        await delete(http, conversation_id, 2)
        await is_gone(http, conversation_id)
        assert await degraded(http) == {}
        await until_well(http)


@requirement("faults:database-silent")
@pytest.mark.slow
@pytest.mark.parametrize("opened", [True, False], ids=["opened", "not-opened"])
async def test_questions_are_answered_while_the_database_is_silent(
    between: Relay, tmp_path: Path, opened: bool
) -> None:
    """What has to be waited for is waited for in seconds, and not by one after the other."""
    async with service(Places(tmp_path, between.database), tmp_path) as it:
        kept = await asked(it.http, "before") if opened else None
        with between.hanging():
            with anyio.fail_after(30):
                async with anyio.create_task_group() as tasks:
                    for number in range(12):
                        path = (QUERY, STREAM)[number % 2]
                        tasks.start_soon(partial(asked, it.http, f"during {number}", path=path))
                    tasks.start_soon(failure, it.http, "GET", "/v1/conversations", "Unknown error")
                    tasks.start_soon(failure, it.http, "GET", "/v2/conversations", "Unknown error")
            await until_ill(it.http, "database")
        await until_well(it.http)
        conversation_id = await asked(it.http, "after", kept)
        assert await history(it.http, conversation_id) == pairs(["before", "after"] if opened else ["after"])
