"""SIGKILL while turns are stored: whatever was reported is there, and a turn is stored with all that it changes."""

import multiprocessing
import signal
from multiprocessing.connection import Connection
from pathlib import Path

import anyio
import pytest

from lightspeed_stack.domain.chat import Conversation
from lightspeed_stack.domain.ids import ConversationId
from lightspeed_stack.storage.locations import Location
from lightspeed_stack.storage.opened import CachePlace, open_storage
from tests.contracts.stores import (
    POSTGRES_ONE_SCHEMA,
    SQLITE_ONE_FILE,
    SQLITE_TWO_FILES,
    Kind,
    exchange,
    open_stores,
)
from tests.spec.registry import requirement

TALK = Conversation(ConversationId("93e26998-ad37-4a91-9048-fd12ab3e1e0c"), "alice", None)


def write_for_ever(ours: Location, kept: CachePlace, told: Connection) -> None:
    """Store turn after turn; tell the number of each as soon as it is stored."""

    async def run() -> None:
        store = open_storage(ours, kept, feedback_enabled=True).conversations
        number = 0
        while True:
            await store.append(TALK, exchange("alice", str(number), second=number), create=number == 0)
            told.send(number)
            number += 1

    anyio.run(run)


@requirement("store:killed")
@pytest.mark.parametrize(
    ("kind", "after"),
    [(SQLITE_ONE_FILE, 0), (SQLITE_ONE_FILE, 20), (SQLITE_TWO_FILES, 10), (POSTGRES_ONE_SCHEMA, 5)],
    ids=str,
)
async def test_what_was_reported_as_stored_survives_a_kill(
    request: pytest.FixtureRequest, tmp_path: Path, kind: Kind, after: int
) -> None:
    database = request.getfixturevalue("postgres_database") if kind.needs_postgres else None
    ours, kept = kind.place(tmp_path, database)
    assert kept is not None
    ours.check()
    kept.location.check()
    spawn = multiprocessing.get_context("spawn")
    listening, telling = spawn.Pipe(duplex=False)
    process = spawn.Process(target=write_for_ever, args=(ours, kept, telling))
    process.start()
    telling.close()
    told = -1
    while told < after:
        assert listening.poll(60)
        told = listening.recv()
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    while True:
        try:
            told = listening.recv()
        except EOFError:
            break
    listening.close()
    with open_stores(ours, kept) as stores:
        read = await stores.conversations.read(TALK.id, owner="alice")
        stored = [int(turn.question) for turn in read.history]
        assert stored == list(range(len(stored)))
        assert told <= stored[-1]
        assert read.message_count == len(stored), "a turn and what it changes are stored together"
        rows = stores.ask_cache("SELECT query FROM cache ORDER BY created_at")
        in_cache = [int(query) for (query,) in rows]
        if kind in {SQLITE_ONE_FILE, POSTGRES_ONE_SCHEMA}:
            assert in_cache == stored, "and so is what the cache keeps"
        else:
            assert in_cache in (stored, stored[:-1])
            assert told <= in_cache[-1]
        # And it can be gone on with.
        await stores.conversations.append(TALK, exchange("alice", "after?", second=10_000))
        assert (await stores.cache.read("alice", TALK.id))[-1].question == "after?"
