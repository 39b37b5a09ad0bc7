"""The service as these tests see it: a socket to speak HTTP to, the scripted model behind it, and where it stores.

Every test has a user of its own, so that all of them can share one service on one store.
"""

import json
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, LiteralString
from urllib.parse import urlencode

import aiohttp

from tests.servers.openai_server import OpenAIServer, Script, Scripts, openai_server
from tests.servers.postgres import Postgres, PostgresDatabase
from tests.servers.service import running

type Json = dict[str, Any]

HELLO = Script(("Hello", " you"), usage=(11, 12))
"""What the model says where a test does not say otherwise."""

MODELS = ("first", "fake-llm", "other")
"""What the model's server offers; the second is the configured default."""

UNKNOWN = "0d6f5e8c-41f5-4b8e-9d55-3a3f1a2b7c99"
"""A conversation that nobody ever began."""

ORIGIN = "https://console.example.com"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a service stores; ``database`` is None where that is SQLite files in ``folder``."""

    folder: Path
    database: PostgresDatabase | None = None

    def sections(self) -> Json:
        """Its part of a configuration: the database, and the conversation cache beside it."""
        if self.database is None:
            return {
                "database": {"sqlite": {"db_path": f"{self.folder}/conversations.db"}},
                "conversation_cache": {"type": "sqlite", "sqlite": {"db_path": f"{self.folder}/cache.db"}},
            }
        it = self.database
        server = {"host": it.host, "port": it.port, "db": it.name, "user": it.user, "password": it.password}
        return {"database": {"postgres": server}, "conversation_cache": {"type": "postgres", "postgres": server}}

    def execute(self, statement: LiteralString, *values: object, cache: bool = False) -> list[tuple[Any, ...]]:
        """Run a statement on the database, or on the cache, from outside the service; the rows it gives.

        Values stand for question marks.
        """
        if self.database is None:
            file = self.folder / ("cache.db" if cache else "conversations.db")
            with closing(sqlite3.connect(file, timeout=10)) as connection, connection:
                return connection.execute(statement, values).fetchall()
        with self.database.connect() as server:
            server.execute("SET search_path TO public" if cache else 'SET search_path TO "lightspeed-stack"')
            cursor = server.execute(statement.replace("?", "%s"), values)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def empty(self, folder: Path) -> Iterator["Place"]:
        """A store of the same kind, with nothing in it."""
        if self.database is None:
            yield Place(folder)
            return
        with Postgres(self.database.host, self.database.port).database() as database:
            yield Place(folder, database)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, read to its end; header names in any case."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def content_type(self) -> str:
        return str(self.header("Content-Type"))

    @property
    def body(self) -> Any:
        """The JSON that was sent as such."""
        assert self.content_type == "application/json", (self.status, self.raw[:500])
        return json.loads(self.raw)

    @property
    def detail(self) -> Any:
        assert self.status >= 400, self.raw[:500]
        return self.body["detail"]

    @property
    def problem(self) -> Json:
        """The only mistake of a request that was refused with 422."""
        assert self.status == 422, (self.status, self.raw[:500])
        (only,) = self.detail
        assert isinstance(only, dict)
        return only

    @property
    def told(self) -> tuple[int, Any]:
        return self.status, self.body

    def header(self, name: str) -> str | None:
        return self.headers.get(name)


@dataclass(frozen=True, slots=True)
class Stand:
    """A running service for one user; ``folder`` holds ``feedback`` and ``transcripts``."""

    http: aiohttp.ClientSession
    model: OpenAIServer
    place: Place
    folder: Path
    user: str = "somebody"

    def of(self, user: str) -> "Stand":
        """The same service for another user."""
        return replace(self, user=user)

    async def call(
        self, method: str, path: str, body: object = None, *, headers: Mapping[str, str] | None = None, **query: Any
    ) -> Answer:
        """One request; ``query`` goes into the address beside the user's id, which ``user_id=None`` leaves out."""
        query.setdefault("user_id", self.user)
        given = {name: value for name, value in query.items() if value is not None}
        address = f"{path}{'&' if '?' in path else '?'}{urlencode(given)}" if given else path
        content = {"data": body} if isinstance(body, bytes) else {"json": body}
        async with self.http.request(method, address, headers=headers, allow_redirects=False, **content) as response:
            return Answer(response.status, response.headers.copy(), await response.read())

    async def get(self, path: str, **query: Any) -> Answer:
        return await self.call("GET", path, **query)

    async def query(self, question: object = "Hello?", *, at: str = "/v1/query", **fields: Any) -> Answer:
        """Ask, whatever comes of it."""
        return await self.call("POST", at, {"query": question, **fields})

    async def ask(self, question: str = "Hello?", **fields: Any) -> Json:
        """Ask, and get the answer of ``/v1/query``."""
        answer = await self.query(question, **fields)
        assert answer.status == 200, answer.raw
        body = answer.body
        assert isinstance(body, dict)
        return body

    async def stream(self, question: str = "Hello?", **fields: Any) -> list[Json]:
        """Ask, and get the events of ``/v1/streaming_query``."""
        answer = await self.query(question, at="/v1/streaming_query", **fields)
        assert answer.status == 200, answer.raw
        return events(answer.raw)

    async def entry(self, conversation_id: str, version: str = "v1") -> Json:
        """A conversation as its owner's list shows it."""
        listed = (await self.get(f"/{version}/conversations")).body["conversations"]
        (found,) = [it for it in listed if it["conversation_id"] == conversation_id]
        assert isinstance(found, dict)
        return found

    async def turns(self, conversation_id: str, version: str = "v1") -> list[Json]:
        answer = await self.get(f"/{version}/conversations/{conversation_id}")
        assert answer.status == 200, answer.raw
        found = answer.body["chat_history"]
        assert isinstance(found, list)
        return found

    def transcripts(self, conversation_id: str) -> list[Json]:
        """The transcripts of a conversation of this user, in no order."""
        files = (self.folder / "transcripts" / self.user / conversation_id).glob("*.json")
        return [json.loads(file.read_text("ascii")) for file in files]

    def feedback(self) -> list[Json]:
        """What this user has said of answers, in no order."""
        files = [json.loads(file.read_text("ascii")) for file in (self.folder / "feedback").glob("*.json")]
        return [it for it in files if it["user_id"] == self.user]

    @property
    def asked(self) -> list[Json]:
        """The messages of the last request to the model."""
        messages = self.model.chats[-1]["messages"]
        assert isinstance(messages, list)
        return messages


def events(raw: bytes) -> list[Json]:
    """The events of a stream, each exactly one ``data:`` line and a blank one."""
    lines = raw.decode("ascii").split("\n\n")
    assert lines.pop() == ""
    assert all(line.startswith("data: ") and "\n" not in line for line in lines), raw
    return [json.loads(line[6:]) for line in lines]


def detail(response: str, cause: str | None = None) -> Json:
    """The body of a service's error."""
    return {"detail": {"response": response} if cause is None else {"response": response, "cause": cause}}


def configuration(place: Place, folder: Path, model_url: str, **sections: Any) -> str:
    """A configuration with one scripted provider, as YAML; ``sections`` are merged into it, None takes one out."""
    tree: Json = {
        "name": "test",
        "service": {},
        **place.sections(),
        "user_data_collection": {
            "feedback_enabled": True,
            "feedback_storage": f"{folder}/feedback",
            "transcripts_enabled": True,
            "transcripts_storage": f"{folder}/transcripts",
        },
        "inference": {
            "default_provider": "fake",
            "default_model": "fake-llm",
            "topic_summaries": False,
            "providers": [{"id": "fake", "type": "openai", "url": model_url}],
        },
    }
    for name, section in sections.items():
        whole = {**tree[name], **section} if name in tree and isinstance(section, dict) else section
        tree[name] = {key: it for key, it in whole.items() if it is not None} if isinstance(whole, dict) else whole
    return json.dumps({name: section for name, section in tree.items() if section is not None})


@dataclass(frozen=True, slots=True)
class Serving:
    """Starts services on one store, as many as a test needs."""

    place: Place
    folder: Path

    @asynccontextmanager
    async def __call__(
        self,
        scripts: Scripts = HELLO,
        *,
        models: tuple[str | Json, ...] = MODELS,
        model_url: str | None = None,
        **sections: Any,
    ) -> AsyncIterator[Stand]:
        """A service with a configuration of its own; ``model_url`` puts another address in place of the model's."""
        failure: Exception | None = None
        async with openai_server(scripts, models=models) as model:
            yaml = configuration(self.place, self.folder, model_url or model.url, **sections)
            async with running(yaml, self.folder) as service:
                try:
                    yield Stand(service.http, model, self.place, self.folder)
                except Exception as error:  # noqa: BLE001 - raised when all is closed: a task group would wrap it
                    failure = error
        if failure is not None:
            raise failure
