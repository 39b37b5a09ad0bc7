"""``kill -9`` at random moments under load: nothing that was promised is lost, and nothing is stuck.

A round: users ask, follow up, give feedback and delete, all at once; somewhere in it every process of the service is
killed; the service starts again on the same data and must have what the users were told, whole and once. Then whatever
was under way is continued, renamed and deleted. The moment is a seeded number of events, which the test's name and the
note at a failure tell, so that it lies inside of requests, and mostly in writes.
"""

import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from random import Random

import pytest

from tests.durability.load import Fuse, Ledger, drive
from tests.durability.places import Places
from tests.durability.survival import Survivors, assert_calm
from tests.durability.talking import asked, feedback_is_taken, listed, play, take_feedback
from tests.servers.openai_server import OpenAIServer, openai_server
from tests.servers.postgres import Postgres
from tests.servers.processes import READY, ServiceProcess, service_process
from tests.servers.service import running
from tests.spec.registry import requirement

QUICK, LONG = 3, 10
"""Rounds on one set of data."""

EVENTS = 250
"""At most, until something is killed."""

SEEDS = [
    pytest.param(0, QUICK, id="seed0"),
    *(pytest.param(seed, LONG, id=f"seed{seed}", marks=pytest.mark.slow) for seed in range(1, 11)),
]

FEW_SEEDS = [
    pytest.param("sqlite", 0, 1, id="sqlite-seed0"),
    *(
        pytest.param(kind, seed, LONG, id=f"{kind}-seed{seed}", marks=pytest.mark.slow)
        for kind in ("sqlite", "postgres")
        for seed in (1, 2)
    ),
]


@contextmanager
def places(kind: str, folder: Path, request: pytest.FixtureRequest, seed: int) -> Iterator[Places]:
    """New ones. Every second seed has conversations and their cache in one database."""
    if kind == "sqlite":
        yield Places(folder, together=seed % 2 == 1)
        return
    server: Postgres = request.getfixturevalue("postgres")
    with server.database() as database:
        yield Places(folder, database, together=seed % 2 == 1)


class Rounds:
    """Rounds on one set of data, with a ledger through all of them."""

    def __init__(self, kept: Places, model: OpenAIServer, seed: int) -> None:
        self.survivors = Survivors(kept, model)
        self._model = model
        self._seed = seed
        self._ledger = Ledger()
        self._touched: set[str] = set()

    @contextmanager
    def numbered(self, number: int) -> Iterator[Random]:
        """The random numbers of one round, which is named where it fails."""
        try:
            yield Random(f"{self._seed}/{number}")
        except BaseException as error:
            error.add_note(f"in round {number} of seed {self._seed}")
            raise

    async def die(self, service: ServiceProcess, random: Random) -> None:
        """Kill all processes under load."""
        await self._under_load(service, Fuse(random.randint(1, EVENTS)), random, service.kill)
        await service.ended()

    async def lose_a_worker(self, service: ServiceProcess, random: Random) -> None:
        """Kill one worker under load; the service goes on, and another takes the place."""
        ready = service.log.count(READY)
        fuse = Fuse(random.randint(1, EVENTS), more=EVENTS)
        await self._under_load(service, fuse, random, lambda: kill_one(service, random))
        await service.said(READY, times=ready + 1)

    async def _under_load(self, service: ServiceProcess, fuse: Fuse, random: Random, kill: Callable[[], None]) -> None:
        ledger = self._ledger
        before = {conversation_id: len(kept) for conversation_id, kept in ledger.kept.items()}
        ledger.in_flight.clear()
        self._model.scripts = fuse.playing(play)
        await drive([service.http], ledger, fuse, random, kill)
        self._model.scripts = play
        changed = {it for it, kept in ledger.kept.items() if len(kept) != before.get(it)}
        self._touched = changed | self._under_way()

    def _under_way(self) -> set[str]:
        """Conversations in which somebody waited for an answer."""
        return {it for it in self._ledger.in_flight.values() if it}

    async def check(self, service: ServiceProcess, *, new: bool = True) -> None:
        """See that all is there, and that what was under way is not stuck; ``new``: the service has just started."""
        ledger = self._ledger
        unknown = await self.survivors.check(service.http, ledger, self._touched - ledger.deleted, new=new)
        for conversation_id in sorted(self._under_way() | unknown):
            await self.survivors.continue_and_delete(service.http, conversation_id)
            ledger.kept.pop(conversation_id, None)
            ledger.deleted.add(conversation_id)
        ledger.in_flight.clear()
        assert_calm(service)


def kill_one(service: ServiceProcess, random: Random) -> None:
    os.kill(random.choice(service.workers()), signal.SIGKILL)


@requirement("durable:kill", "durable:kill:files", "durable:kill:not-stuck", "durable:kill:topic")
@pytest.mark.parametrize(("seed", "rounds"), SEEDS)
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_what_was_promised_survives_a_kill_at_any_moment(
    kind: str, seed: int, rounds: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with places(kind, tmp_path, request, seed) as kept:
        async with openai_server(play) as model:
            several = Rounds(kept, model, seed)
            for number in range(rounds + 1):
                with several.numbered(number) as random:
                    async with service_process(kept.configuration(model.url), tmp_path) as service:
                        await several.check(service)
                        if number < rounds:
                            await several.die(service, random)
            request.node.user_properties.extend(asdict(several.survivors.found).items())


@requirement("durable:kill:topic")
async def test_a_topic_that_one_view_missed_comes_with_the_next_turn(tmp_path: Path) -> None:
    """As after a kill between two databases, which is too short a moment to be met by chance."""
    kept = Places(tmp_path)
    async with openai_server(play) as model, running(kept.configuration(model.url, topics=False), tmp_path) as service:
        conversation_id = await asked(service.http, "first")
        with closing(sqlite3.connect(kept.database)) as connection, connection:
            connection.execute("UPDATE user_conversation SET topic_summary = 'Topic'")
        assert (await listed(service.http, 2))[conversation_id]["topic_summary"] is None
        await asked(service.http, "second", conversation_id)
        assert (await listed(service.http, 2))[conversation_id]["topic_summary"] == "Topic"


@requirement("durable:kill:worker")
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
@pytest.mark.slow
async def test_what_was_promised_survives_a_kill_of_all_workers(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with places(kind, tmp_path, request, seed=0) as kept:
        async with openai_server(play) as model:
            several = Rounds(kept, model, seed=0)
            for number in range(LONG + 1):
                with several.numbered(number) as random:
                    async with service_process(kept.configuration(model.url), tmp_path, workers=2) as service:
                        await several.check(service)
                        if number < LONG:
                            await several.die(service, random)


@requirement("durable:kill:worker", "durable:kill:switch")
@pytest.mark.parametrize(("kind", "seed", "rounds"), FEW_SEEDS)
async def test_a_service_survives_a_kill_of_one_of_its_workers(
    kind: str, seed: int, rounds: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with places(kind, tmp_path, request, seed) as kept:
        async with openai_server(play) as model:
            several = Rounds(kept, model, seed)
            async with service_process(kept.configuration(model.url), tmp_path, workers=2) as service:
                for number in range(rounds):
                    with several.numbered(number) as random:
                        await several.lose_a_worker(service, random)
                        await several.check(service, new=False)
                assert await take_feedback(service.http, on=False)
                service.kill()
                await service.ended()
            async with service_process(kept.configuration(model.url), tmp_path) as service:
                assert await feedback_is_taken(service.http)
                await several.check(service)
