"""A scripted server of moderation models, over a real connection.

In tests::

    async with moderation_server(lambda text: "bomb" in text) as server:
        ...  # server.url ends in /v1; server.bodies has what was asked
        server.status = 500  # refuses everything from now on; server.hangs = True: never answers again

It answers ``POST /v1/moderations`` as OpenAI does, and ``POST /v1/chat/completions`` as a guard model that says
``words[0]`` of what is harmful and ``words[1]`` of the rest.
"""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from aiohttp import web

type Json = dict[str, Any]

GUARDIAN = ("<score> yes </score>", "<score> no </score>")
LLAMA_GUARD = ("\n\nunsafe\nS9", "\n\nsafe")


@dataclass(slots=True)
class ModerationServer:
    """``raw`` is said in place of every answer; ``gone`` is set when the context is left."""

    harmful: Callable[[str], bool]
    words: tuple[str, str] = GUARDIAN
    url: str = ""
    status: int | None = None
    retry_after: str | None = None
    hangs: bool = False
    raw: bytes | None = None
    asked: list[str] = field(default_factory=list)
    bodies: list[Json] = field(default_factory=list)
    authorization: list[str | None] = field(default_factory=list)
    gone: anyio.Event = field(default_factory=anyio.Event)

    async def handle(self, request: web.Request) -> web.Response:
        body = json.loads(await request.text())
        self.asked.append(request.path)
        self.bodies.append(body)
        self.authorization.append(request.headers.get("Authorization"))
        if self.hangs:
            await self.gone.wait()
        if self.status is not None:
            headers = {"Retry-After": self.retry_after} if self.retry_after else {}
            return web.json_response({"error": {"message": "a secret of theirs"}}, status=self.status, headers=headers)
        if self.raw is not None:
            return web.Response(body=self.raw, content_type="application/json")
        if request.path == "/v1/moderations":
            return web.json_response(moderation(harmful=self.harmful(body["input"])))
        text = next(message["content"] for message in body["messages"] if message["role"] == "user")
        return web.json_response(completion(self.words[0 if self.harmful(text) else 1]))


def moderation(*, harmful: bool) -> Json:
    """As OpenAI answers, with some of its categories."""
    result = {
        "flagged": harmful,
        "categories": {"violence": harmful, "self-harm": False, "hate/threatening": False},
        "category_scores": {"violence": 0.92 if harmful else 0.0001, "self-harm": 0.01, "hate/threatening": 0.3},
        "category_applied_input_types": {"violence": ["text"], "self-harm": ["text"], "hate/threatening": ["text"]},
    }
    return {"id": "modr-1", "model": "omni-moderation-latest", "results": [result]}


def completion(content: str | None) -> Json:
    message = {"role": "assistant", "content": content}
    return {"id": "c-1", "object": "chat.completion", "choices": [{"index": 0, "message": message}]}


@asynccontextmanager
async def moderation_server(
    harmful: Callable[[str], bool], *, words: tuple[str, str] = GUARDIAN
) -> AsyncIterator[ModerationServer]:
    """Serve on a free port until the context is left, which breaks what is under way."""
    server = ModerationServer(harmful, words)
    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        yield server
    finally:
        server.gone.set()
        await runner.cleanup()
