"""Our service before a real stack before a scripted model."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.blackbox.stand import Place, Stand, events
from tests.servers.openai_server import OpenAIServer, Script, Scripts
from tests.servers.processes import ServiceProcess, service_process
from tests.servers.stacks import StackServer, environment
from tests.stacks.kinds import Kind

type Json = dict[str, Any]

GUARDS = ("guard", "judge")
"""The models that judge for the shields."""

UNSAFE = "bomb"
"""What it objects to."""

OPENAI = {"provider": "openai", "model": "fake-llm"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StackStand(Stand):
    """A running service for one user. ``stack`` is None where the release runs inside the service."""

    kind: Kind
    service: ServiceProcess
    stack: StackServer | None

    @property
    def server(self) -> StackServer:
        assert self.stack is not None, "a behaviour that needs a server claims that in tests/spec/rooms/stacks.py"
        return self.stack

    @property
    def chats(self) -> list[Json]:
        """The chat completions that the model was asked for, without those for shields."""
        return [body for body in self.model.chats if body["model"] not in GUARDS]

    @property
    def asked(self) -> list[Json]:
        messages = self.chats[-1]["messages"]
        assert isinstance(messages, list)
        return messages

    def play(self, scripts: Scripts) -> None:
        """What the model says from now on."""
        self.model.scripts = judging(scripts)
        self.model.answered = 0

    async def broken_stream(self, question: str = "Hello?") -> list[Json]:
        """Ask, and get the events of a stream that began well and did not end so."""
        answer = await self.query(question, at="/v1/streaming_query")
        assert answer.status == 200, answer.raw
        told = events(answer.raw)
        assert [it["event"] for it in told if it["event"] not in {"start", "token"}] == ["error"], told
        assert told[0]["event"] == "start"
        assert told[-1]["event"] == "error"
        return told


def judging(scripts: Scripts) -> Callable[[Json], Script]:
    """The scripts for questions, beside the judgement of the models behind the shields."""
    played = 0

    def script(body: Json) -> Script:
        nonlocal played
        if body.get("model") in GUARDS:
            unsafe = UNSAFE in json.dumps(body["messages"])
            return Script(("unsafe\nS1",) if unsafe else ("safe",), usage=(1, 1))
        if isinstance(scripts, Script):
            return scripts
        if callable(scripts):
            return scripts(body)
        played += 1
        return scripts[min(played, len(scripts)) - 1]

    return script


def configuration(kind: Kind, folder: Path, url: str | None, **sections: Json) -> str:
    """A configuration with one stack, as YAML; ``sections`` are merged into it."""
    stack: Json = {"url": url}
    if kind.library:
        stack = {"use_as_library_client": True, "library_client_config_path": str(kind.release.run)}
    tree: Json = {
        "name": "test",
        "service": {},
        "llama_stack": stack,
        "user_data_collection": {},
        "database": {"sqlite": {"db_path": f"{folder}/conversations.db"}},
        "inference": {"topic_summaries": False},
    }
    for name, section in sections.items():
        tree[name] = {**tree.get(name, {}), **section}
    return json.dumps(tree)


@dataclass(frozen=True, slots=True)
class Serving:
    """Starts services of one kind, before one scripted model; ``folder`` is where the stack stores."""

    kind: Kind
    folder: Path
    model: OpenAIServer
    stack: StackServer | None

    @asynccontextmanager
    async def __call__(self, folder: Path, *, url: str | None = None, **sections: Json) -> AsyncIterator[StackStand]:
        """A service that stores in ``folder``; ``url`` is another way to the stack's server."""
        address = url or (self.stack.url if self.stack else None)
        yaml = configuration(self.kind, folder, address, **sections)
        async with service_process(yaml, folder, **self.ours()) as service:
            yield StackStand(
                service.http, self.model, Place(folder), folder, kind=self.kind, service=service, stack=self.stack
            )

    def ours(self) -> Mapping[str, Any]:
        """Which program is started: in library mode the one that is installed beside the release."""
        if not self.kind.library:
            return {}
        environ = environment(self.folder, self.model.url)
        return {"program": self.kind.release.place / "bin" / "lightspeed-stack", "environment": environ}
