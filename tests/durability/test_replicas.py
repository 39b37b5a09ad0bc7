"""Several services on one PostgreSQL, and several workers on one SQLite file: to a client they are one."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import aiohttp
import anyio
import pytest

from tests.durability.load import Fuse, Ledger, drive
from tests.durability.places import Json, Places
from tests.durability.survival import Survivors, assert_calm
from tests.durability.talking import (
    QUERY,
    STREAM,
    answer_to,
    ask,
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
    prompts,
    rename,
    take_feedback,
    topic_of,
    topics_asked,
)
from tests.servers.openai_server import OpenAIServer, openai_server
from tests.servers.postgres import Postgres
from tests.servers.processes import ServiceProcess, answering, service_process
from tests.servers.service import running
from tests.spec.registry import requirement


@dataclass(frozen=True, slots=True)
class Stage:
    """Two doors to one set of data; where there is but one service, its workers are what differs."""

    services: tuple[ServiceProcess, ...]
    model: OpenAIServer
    places: Places

    @property
    def doors(self) -> tuple[aiohttp.ClientSession, aiohttp.ClientSession]:
        return self.services[0].http, self.services[-1].http

    async def begin(self, name: str) -> str:
        """A conversation with one turn; its question is ``name``."""
        return await asked(self.doors[0], name)


@contextmanager
def databases(kind: str, folder: Path, request: pytest.FixtureRequest, *, together: bool) -> Iterator[Places]:
    if kind == "sqlite":
        yield Places(folder, together=together)
        return
    server: Postgres = request.getfixturevalue("postgres")
    with server.database() as database:
        yield Places(folder, database, together=together)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(("postgres", 2, 1, False), id="two-replicas"),
        pytest.param(("sqlite", 1, 4, False), id="four-workers"),
        pytest.param(("postgres", 2, 2, True), id="two-replicas-of-two-workers", marks=pytest.mark.slow),
    ],
)
async def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """All processes start at once, on empty databases, and are asked as soon as they listen."""
    kind, replicas, workers, together = request.param
    folder = tmp_path_factory.mktemp("stage")
    with databases(kind, folder, request, together=together) as places:
        async with openai_server(play) as model, AsyncExitStack() as stack:
            services = []
            for number in range(replicas):
                own = folder / str(number)
                own.mkdir()
                process = service_process(places.configuration(model.url), own, workers=workers, ready=False)
                services.append(await stack.enter_async_context(process))
            for service in services:
                await answering(service, workers)
            yield Stage(tuple(services), model, places)
            for service in services:
                assert_calm(service)


async def same_everywhere(stage: Stage, conversation_id: str) -> list[tuple[str, str]]:
    """The history of a conversation, which both doors and both versions of the API show alike, and count alike."""
    found = await history(stage.doors[0], conversation_id)
    for door in stage.doors:
        for version in (1, 2):
            assert await history(door, conversation_id, version) == found
        assert (await listed(door))[conversation_id]["message_count"] == len(found)
        assert conversation_id in await listed(door, 2)
    return found


@requirement("replicas:start")
async def test_all_may_start_at_once_on_an_empty_database(stage: Stage) -> None:
    found: list[str] = []

    async def begin(number: int) -> None:
        found.append(await asked(stage.doors[number % 2], f"start {number}"))

    async with anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(begin, number)
    for conversation_id in found:
        assert len(await same_everywhere(stage, conversation_id)) == 1


@requirement("replicas:conversation")
@pytest.mark.parametrize("paths", [(QUERY, STREAM), (STREAM, QUERY)], ids=["query-first", "stream-first"])
async def test_a_conversation_goes_on_at_any_door(stage: Stage, paths: tuple[str, str]) -> None:
    questions = [f"{paths[0]} {number}" for number in range(6)]
    others = [f"{paths[0]} other {number}" for number in range(6)]
    conversation_id = await asked(stage.doors[0], questions[0], path=paths[0])
    other_id = await asked(stage.doors[1], others[0], path=paths[1])
    for number in range(1, 6):
        there, back = stage.doors[number % 2], stage.doors[1 - number % 2]
        await asked(there, questions[number], conversation_id, path=paths[number % 2])
        await asked(back, others[number], other_id, path=paths[number % 2])
        told = prompts(stage.model)
        assert told[questions[number]] == questions[: number + 1]
        assert told[others[number]] == others[: number + 1]
    assert await same_everywhere(stage, conversation_id) == pairs(questions)
    assert await same_everywhere(stage, other_id) == pairs(others)
    for version in (1, 2):
        lists = [list(await listed(door, version)) for door in stage.doors]
        assert lists[0] == lists[1]
        assert lists[0][:2] == [other_id, conversation_id]


@requirement("replicas:deleted")
@pytest.mark.parametrize("version", [1, 2])
async def test_what_is_deleted_at_one_door_is_gone_at_the_other(stage: Stage, version: int) -> None:
    here, there = stage.doors
    conversation_id = await stage.begin(f"delete {version}")
    await asked(there, f"delete {version} again", conversation_id)
    await delete(there, conversation_id, version)
    for door in (here, there):
        await is_gone(door, conversation_id)
        await json_of(door, f"/v1/conversations/{conversation_id}", method="DELETE", status=403)
        await json_of(door, f"/v2/conversations/{conversation_id}", method="DELETE", status=404)
        body = {"query": "Still there?", "conversation_id": conversation_id}
        await json_of(door, QUERY, method="POST", body=body, status=404)
        await json_of(door, STREAM, method="POST", body=body, status=403)


@requirement("replicas:deleted")
@pytest.mark.parametrize("begun", [True, False], ids=["follow-up", "first-turn"])
async def test_what_is_deleted_while_it_goes_on_stays_deleted(stage: Stage, begun: bool) -> None:
    here, there = stage.doors
    model = stage.model
    question = f"slow {begun}"
    known = await stage.begin("to be deleted") if begun else None
    model.scripts = lambda body: replace(play(body), hang_after=1) if question in str(body) else play(body)
    model.release = anyio.Event()
    started, ids = anyio.Event(), []

    def heard(kind: str, data: Json) -> None:
        if kind == "start":
            ids.append(data["conversation_id"])
            started.set()

    async def go_on() -> None:
        answer = await ask(here, question, known, path=STREAM, heard=heard)
        assert (answer.text, answer.ended) == (answer_to(question), True)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(go_on)
        with anyio.fail_after(20):
            await started.wait()
        await delete(there, ids[0])
        model.release.set()
    model.scripts = play
    for door in stage.doors:
        await is_gone(door, ids[0])


@requirement("replicas:renamed")
async def test_a_name_given_at_one_door_shows_at_the_other(stage: Stage) -> None:
    here, there = stage.doors
    conversation_id = await stage.begin("rename")
    for number, (one, other) in enumerate(((here, there), (there, here))):
        await rename(one, conversation_id, f"Name {number}")
        for version in (1, 2):
            assert (await listed(other, version))[conversation_id]["topic_summary"] == f"Name {number}"
    await asked(there, "rename again", conversation_id)
    assert (await listed(here))[conversation_id]["topic_summary"] == "Name 1"


@requirement("replicas:counted")
async def test_turns_at_the_same_time_are_all_kept_and_counted(stage: Stage) -> None:
    conversation_id = await stage.begin("at once")
    questions = [f"at once {number}" for number in range(24)]

    async def go_on(number: int) -> None:
        path = (QUERY, STREAM)[number // 2 % 2]
        await asked(stage.doors[number % 2], questions[number], conversation_id, path=path)

    async with anyio.create_task_group() as tasks:
        for number in range(24):
            tasks.start_soon(go_on, number)
    found = await same_everywhere(stage, conversation_id)
    assert found[0] == pairs(["at once"])[0]
    assert sorted(found[1:]) == sorted(pairs(questions))


@requirement("replicas:topic")
async def test_a_topic_is_made_once(stage: Stage) -> None:
    """Each conversation goes on at both doors while its topic is being made."""
    names = [f"topic {number}" for number in range(8)]
    ids: dict[str, str] = {}

    async def talk(name: str) -> None:
        ids[name] = await asked(stage.doors[len(ids) % 2], name)
        for number, door in enumerate(stage.doors):
            await asked(door, f"{name} then {number}", ids[name], path=STREAM)

    async with anyio.create_task_group() as tasks:
        for name in names:
            tasks.start_soon(talk, name)
    for door in stage.doors:
        for version in (1, 2):
            for name in names:
                await until_topic(door, ids[name], topic_of(name), version)
    about = [question for question in topics_asked(stage.model) if question.startswith("topic")]
    assert Counter(about) == dict.fromkeys(names, 1)


async def until_topic(door: aiohttp.ClientSession, conversation_id: str, topic: str, version: int) -> None:
    with anyio.fail_after(20):
        while (found := (await listed(door, version))[conversation_id]["topic_summary"]) != topic:
            assert not found
            await anyio.lowlevel.checkpoint()


@requirement("replicas:load")
async def test_load_on_the_same_conversations_harms_nothing(stage: Stage) -> None:
    survivors, ledger = Survivors(stage.places, stage.model), Ledger()
    fuse = Fuse(600, more=0)
    stage.model.scripts = fuse.playing(play)
    before = set(await listed(stage.doors[0]))
    await drive(stage.doors, ledger, fuse, Random(1), lambda: None)
    stage.model.scripts = play
    assert ledger.in_flight == {}
    assert ledger.condemned == ledger.deleted
    for door in stage.doors:
        assert set(ledger.kept) == set(await listed(door)) - before
        for conversation_id in ledger.kept:
            await survivors.check_conversation(door, ledger, conversation_id)
    for service in stage.services:
        assert_calm(service)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
@requirement("replicas:switch")
async def test_the_feedback_switch_is_one_until_all_have_ended(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with databases(kind, tmp_path, request, together=False) as places:
        async with openai_server(play) as model:

            @asynccontextmanager
            async def replica() -> AsyncIterator[aiohttp.ClientSession]:
                async with running(places.configuration(model.url, feedback=False), tmp_path) as service:
                    yield service.http

            async with replica() as first, replica() as second:
                assert not await take_feedback(first, on=True)
                assert await feedback_is_taken(second)
                await give_feedback(second, "taken")
                assert await take_feedback(second, on=False)
                assert not await feedback_is_taken(first)
                await give_feedback(first, "refused", status=403)
                assert not await take_feedback(second, on=True)
                async with replica() as third:
                    assert await feedback_is_taken(third)
            async with replica() as later:
                assert not await feedback_is_taken(later)
