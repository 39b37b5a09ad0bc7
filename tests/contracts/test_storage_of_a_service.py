"""What a running service keeps where: by the kind of conversation cache it is given, and by what is asked of it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from lightspeed_stack.storage.locations import SqliteFile
from tests.contracts.stores import ask, server
from tests.servers.openai_server import openai_server
from tests.servers.postgres import PostgresDatabase
from tests.servers.service import configuration, running
from tests.spec.registry import requirement

type Section = Callable[[Path, pytest.FixtureRequest], str]


def of_postgres(_: Path, request: pytest.FixtureRequest) -> str:
    database: PostgresDatabase = request.getfixturevalue("postgres_database")
    return f"conversation_cache:\n  type: postgres\n  {database.yaml(4)}"


SECTIONS: dict[str, Section] = {
    "null": lambda _folder, _: "conversation_cache: {}",
    "noop": lambda _folder, _: "conversation_cache: {type: noop}",
    "memory": lambda _folder, _: "conversation_cache: {type: memory, memory: {max_entries: 2}}",
    "sqlite": lambda folder, _: f"conversation_cache: {{type: sqlite, sqlite: {{db_path: {folder}/cache.db}}}}",
    "postgres": of_postgres,
}


@asynccontextmanager
async def serving(folder: Path, more: str, user_data: str = "{}") -> AsyncIterator[aiohttp.ClientSession]:
    async with openai_server() as model:
        yaml = configuration(model.url, folder, more=more)
        yaml = yaml.replace("user_data_collection: {}", f"user_data_collection: {user_data}")
        async with running(yaml, folder) as service:
            yield service.http


async def asked(http: aiohttp.ClientSession, **body: Any) -> str:
    """Ask something; the id of the conversation."""
    async with http.post("/v1/query", json={"query": "?", **body}) as response:
        assert response.status == 200
        return str((await response.json())["conversation_id"])


async def listed(http: aiohttp.ClientSession) -> tuple[int, Any]:
    async with http.get("/v2/conversations") as response:
        return response.status, await response.json()


@requirement("cache:type:null")
async def test_without_a_cache_there_is_no_second_view(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    async with serving(tmp_path, SECTIONS["null"](tmp_path, request)) as http:
        await asked(http)
        words = "Conversation cache is not configured"
        assert await listed(http) == (404, {"detail": {"response": words, "cause": words}})


@requirement("cache:type:noop")
async def test_an_empty_cache_lists_nothing(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    async with serving(tmp_path, SECTIONS["noop"](tmp_path, request)) as http:
        talk = await asked(http)
        status, body = await listed(http)
        assert (status, body["conversations"]) == (200, [])
        async with http.delete(f"/v2/conversations/{talk}") as response:
            assert response.status == 404
        async with http.get(f"/v1/conversations/{talk}") as response:
            assert response.status == 200


@requirement("cache:type:memory", "cache:type:sqlite", "cache:type:postgres")
@pytest.mark.parametrize("kind", ["memory", "sqlite", "postgres"])
async def test_a_cache_lists_what_was_asked(tmp_path: Path, request: pytest.FixtureRequest, kind: str) -> None:
    section = SECTIONS[kind](tmp_path, request)
    async with serving(tmp_path, section) as http:
        talks = [await asked(http) for _ in range(3)]
        status, body = await listed(http)
        found = [entry["conversation_id"] for entry in body["conversations"]]
        assert status == 200
        assert found == (talks[:0:-1] if kind == "memory" else talks[::-1])
    async with serving(tmp_path, section) as http:
        status, body = await listed(http)
        found = [entry["conversation_id"] for entry in body["conversations"]]
        assert found == ([] if kind == "memory" else talks[::-1]), "memory ends with the service"


@requirement("cache:type:sqlite", "cache:type:postgres")
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_a_cache_is_where_it_is_configured(tmp_path: Path, request: pytest.FixtureRequest, kind: str) -> None:
    async with serving(tmp_path, SECTIONS[kind](tmp_path, request)) as http:
        talk = await asked(http)
    if kind == "sqlite":
        place: Any = SqliteFile(tmp_path / "cache.db")
    else:
        place = server(request.getfixturevalue("postgres_database"))
    assert ask(place, "SELECT conversation_id, query FROM cache") == [(talk, "?")]
    ours = SqliteFile(tmp_path / "conversations.db")
    assert ask(ours, "SELECT name FROM sqlite_master WHERE name = 'cache'") == []


@requirement(
    "storage:matrix:query",
    "storage:matrix:put-v2",
    "storage:matrix:feedback",
    "storage:matrix:delete-v2",
    "storage:matrix:delete-v1",
)
async def test_what_each_request_changes(tmp_path: Path) -> None:
    """Conversation rows, turns of ours, entries and records of the cache, transcripts and feedback files."""
    file = SqliteFile(tmp_path / "conversations.db")

    def kept() -> tuple[int, ...]:
        tables = ("user_conversation", "lightspeed_turn", "cache", "conversations")
        rows = [ask(file, f"SELECT count(*) FROM {table}")[0][0] for table in tables]  # noqa: S608
        return (*rows, *(len(list((tmp_path / name).rglob("*.json"))) for name in ("transcripts", "feedback")))

    cache = f"conversation_cache: {{type: sqlite, sqlite: {{db_path: {file.path}}}}}"
    user_data = (
        f"{{transcripts_enabled: true, transcripts_storage: {tmp_path}/transcripts,"
        f" feedback_enabled: true, feedback_storage: {tmp_path}/feedback}}"
    )
    async with serving(tmp_path, cache, user_data) as http:
        first = await asked(http)
        assert kept() == (1, 1, 1, 1, 1, 0)
        await asked(http, conversation_id=first)
        second = await asked(http)
        assert kept() == (2, 3, 3, 2, 3, 0)
        async with http.post("/v1/streaming_query", json={"query": "?", "conversation_id": second}) as response:
            assert b'"end"' in await response.read()
        assert kept() == (2, 4, 4, 2, 4, 0)
        async with http.put(f"/v2/conversations/{first}", json={"topic_summary": "New"}) as response:
            assert response.status == 200
        assert kept() == (2, 4, 4, 2, 4, 0)
        topics = "SELECT topic_summary FROM {} WHERE {} = ?"
        assert ask(file, topics.format("user_conversation", "id"), first) == [("New",)]
        assert ask(file, topics.format("conversations", "conversation_id"), first) == [("New",)]
        feedback = {"conversation_id": first, "user_question": "q", "llm_response": "r", "sentiment": 1}
        async with http.post("/v1/feedback", json=feedback) as response:
            assert response.status == 200
        assert kept() == (2, 4, 4, 2, 4, 1)
        async with http.delete(f"/v2/conversations/{first}") as response:
            assert response.status == 200
        assert kept() == (1, 2, 2, 1, 4, 1)
        async with http.delete(f"/v1/conversations/{second}") as response:
            assert response.status == 200
        assert kept() == (0, 0, 0, 0, 4, 1)
