"""Two processes' stores on one PostgreSQL, writing about the same conversations in every order."""

import logging
from datetime import UTC, datetime
from random import Random

import anyio
import pytest

from lightspeed_stack.domain.chat import Conversation, Exchange, ModelChoice
from lightspeed_stack.domain.ids import ConversationId, new_conversation_id, new_request_id
from lightspeed_stack.errors import ConversationNotFound
from lightspeed_stack.storage.locations import PostgresServer
from lightspeed_stack.storage.opened import CachePlace, SqlStorage, open_storage
from tests.servers.postgres import PostgresDatabase
from tests.spec.registry import requirement

MODEL = ModelChoice("p", "m")


async def write_something(storage: SqlStorage, conversation_id: ConversationId, random: Random) -> None:
    conversations, cache = storage.conversations, storage.cache
    assert cache is not None
    now = datetime.now(UTC)
    talk = Conversation(conversation_id, "alice", "Be kind.", (), "m", "p")
    turn = Exchange("q?", "a.", "m", "p", now, now, asked_by="alice", request_id=new_request_id())
    match random.randrange(5):
        case 0 | 1:
            await conversations.append(talk, turn, create=True)
        case 2:
            await conversations.propose_topic(conversation_id, "Topic")
        case 3:
            await cache.rename("alice", conversation_id, "Name")
        case 4:
            await conversations.delete(conversation_id, owner="alice")


@requirement("replicas:deadlock")
@pytest.mark.parametrize("namespace", [None, "apart"], ids=["one-writer", "two-writers"])
async def test_no_two_writers_wait_for_each_other(
    postgres_database: PostgresDatabase, namespace: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    it = postgres_database
    ours = PostgresServer(it.host, it.port, it.name, it.user, it.password, namespace)
    cache = PostgresServer(it.host, it.port, it.name, it.user, it.password)
    ours.check()
    replicas = [open_storage(ours, CachePlace(cache), feedback_enabled=False) for _ in range(2)]
    ids = [new_conversation_id() for _ in range(6)]

    async def write(number: int) -> None:
        random = Random(number)
        for _ in range(40):
            try:
                await write_something(replicas[number % 2], random.choice(ids), random)
            except ConversationNotFound:  # deleted by another
                continue

    async with anyio.create_task_group() as tasks:
        for number in range(16):
            tasks.start_soon(write, number)
    for storage in replicas:
        storage.close()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
