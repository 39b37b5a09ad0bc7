"""An MCP server that answers exactly as a test says, for what the SDK's server would not do."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from aiohttp import web

type Json = dict[str, Any]
type Answer = Callable[["Asked"], Awaitable[web.StreamResponse]]

ADD: Json = {"name": "add", "description": "Adds.", "inputSchema": {"type": "object"}}
DISCOVERED: Json = {
    "resultType": "complete",
    "supportedVersions": ["2026-07-28"],
    "capabilities": {"tools": {}},
    "ttlMs": 0,
    "cacheScope": "private",
}
INITIALIZED: Json = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "web", "version": "1"},
}
LISTED: Json = {"tools": [ADD], "resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
CALLED: Json = {"content": [{"type": "text", "text": "3"}], "resultType": "complete"}

RESULTS = {"server/discover": DISCOVERED, "initialize": INITIALIZED, "tools/list": LISTED, "tools/call": CALLED}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: ``message`` is its JSON-RPC message, empty where it has none."""

    http: web.Request
    message: Json

    @property
    def rpc(self) -> str:
        return str(self.message.get("method", ""))

    @property
    def id(self) -> Any:
        return self.message.get("id")


@dataclass(slots=True)
class WebServer:
    url: str
    asked: list[Asked] = field(default_factory=list)

    def rpcs(self, method: str = "POST") -> list[str]:
        return [it.rpc for it in self.asked if it.http.method == method]


def result(asked: Asked, value: Json, **headers: str) -> web.Response:
    return web.json_response({"jsonrpc": "2.0", "id": asked.id, "result": value}, headers=headers)


def error(asked: Asked, code: int, message: str, *, status: int = 200) -> web.Response:
    body = {"jsonrpc": "2.0", "id": asked.id, "error": {"code": code, "message": message}}
    return web.json_response(body, status=status)


async def as_usual(asked: Asked) -> web.StreamResponse:
    """As a server of the new generation does that tells of no changes."""
    if asked.http.method != "POST":
        return web.Response(status=405)
    return result(asked, RESULTS[asked.rpc])


async def with_handshake(asked: Asked) -> web.StreamResponse:
    """As a server of the older generation does that has no sessions."""
    if asked.rpc == "server/discover":
        return error(asked, -32601, "Method not found", status=404)
    return web.Response(status=202) if asked.id is None else await as_usual(asked)


async def events(asked: Asked, *messages: str, headers: dict[str, str] | None = None) -> web.StreamResponse:
    """A stream of server-sent events, given as their text, that then ends."""
    response = web.StreamResponse(headers={"content-type": "text/event-stream", **(headers or {})})
    await response.prepare(asked.http)
    for message in messages:
        await response.write(message.encode())
    await response.write_eof()
    return response


def event(message: Json) -> str:
    return f"event: message\ndata: {json.dumps(message)}\n\n"


@asynccontextmanager
async def web_server(answer: Answer, *, path: str = "/mcp") -> AsyncIterator[WebServer]:
    async def take(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        asked = Asked(request, json.loads(body) if body else {})
        server.asked.append(asked)
        return await answer(asked)

    application = web.Application(client_max_size=2**26)
    application.router.add_route("*", "/{path:.*}", take)
    runner = web.AppRunner(application, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server = WebServer(f"http://127.0.0.1:{runner.addresses[0][1]}{path}")
        yield server
    finally:
        with anyio.CancelScope(shield=True):
            await runner.cleanup()
