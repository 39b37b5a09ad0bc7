"""A scripted MCP server: the SDK's own server, of any of three kinds, with recording and faults before it.

In tests::

    async with mcp_server(kind="sessions", faults=Faults(slow=1), tools=["add", "wait"]) as server:
        ...  # server.url is what to configure; server.requests has what came, server.calls which tools were called

Kinds: ``stateless`` speaks protocol 2026-07-28 over streamable HTTP, ``sessions`` 2025-11-25 over the same, ``sse``
that over the older HTTP+SSE transport. The tools are in ``mcp_tools``, the faults in ``mcp_faults``; both may be
changed while it runs. It lives in the test's own event loop; leaving the context cuts every connection and ends what
still hangs.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import anyio
import uvicorn
from mcp.server import NotificationOptions, Server, ServerRequestContext
from mcp.server.models import InitializationOptions
from mcp.server.runner import serve_loop
from mcp.server.session import ServerSession
from mcp.server.sse import SseServerTransport
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ToolsListChanged
from mcp_types import CallToolRequestParams, CallToolResult, ListToolsResult, PaginatedRequestParams, Tool
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tests.servers.mcp_faults import (
    BAD_TOOLS,
    NOT_JSON,
    Faults,
    answer,
    asked_method,
    body_without_end,
    changing,
    dumps,
    headers_of,
    replayed,
    until_left,
    whole_body,
)
from tests.servers.mcp_tools import PIXEL, TOOLS, WEATHER, described, scripted

__all__ = ["BAD_TOOLS", "NOT_JSON", "PIXEL", "TOOLS", "WEATHER", "Faults", "McpServer", "RecordedRequest", "mcp_server"]

type Kind = Literal["stateless", "sessions", "sse"]
type Context = ServerRequestContext[Any, Request]

CHALLENGE = 'Bearer resource_metadata="http://127.0.0.1/.well-known/oauth-protected-resource"'
VERSION = b"mcp-protocol-version"
SESSION = "mcp-session-id"


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request as it came in: ``rpc`` is its JSON-RPC method or empty, the names of headers are lower case."""

    method: str
    rpc: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class McpServer:
    """The server as a test sees it.

    ``running`` is set when a call of the tool ``wait``, or a fault that waits, has begun; ``cancelled`` when such a
    call is cancelled, or the client left; setting ``release`` lets all that wait go on. ``listening`` is set when a
    client has opened a stream for change notices. ``calls`` names the tools that were called. ``faults`` may be set
    anew.
    """

    kind: Kind
    faults: Faults
    tools: list[str]
    requires: str | None
    challenge: str
    url: str = ""
    requests: list[RecordedRequest] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    running: anyio.Event = field(default_factory=anyio.Event)
    cancelled: anyio.Event = field(default_factory=anyio.Event)
    release: anyio.Event = field(default_factory=anyio.Event)
    listening: anyio.Event = field(default_factory=anyio.Event)
    _bus: InMemorySubscriptionBus = field(default_factory=InMemorySubscriptionBus)
    _sessions: dict[str, ServerSession] = field(default_factory=dict)
    _forgotten: set[str] = field(default_factory=set)
    _open: set[anyio.CancelScope] = field(default_factory=set)
    _connections: set[asyncio.Transport] = field(default_factory=set)

    def asked(self, rpc: str) -> list[RecordedRequest]:
        """The requests with this JSON-RPC method."""
        return [request for request in self.requests if request.rpc == rpc]

    async def change_tools(self, names: Sequence[str]) -> None:
        """Offer other tools from now on, and tell all who listen."""
        self.tools = list(names)
        await self._bus.publish(ToolsListChanged())
        for session in list(self._sessions.values()):
            with anyio.move_on_after(5):  # to one that does not read any more
                await session.send_tool_list_changed()

    def forget_sessions(self) -> None:
        """Lose the sessions, as a server that was started anew: their ids get a 404."""
        self._forgotten.update(self._sessions)
        self._sessions.clear()

    def cut_connections(self) -> None:
        """Cut all connections, as a process that ends does."""
        for connection in list(self._connections):
            connection.abort()

    async def list_tools(self, context: Context, params: PaginatedRequestParams | None) -> ListToolsResult:
        self._know(context)
        if self.faults.endless_pages:
            page = int(params.cursor) if params is not None and params.cursor else 0
            return ListToolsResult(tools=[described(f"page_{page}")], next_cursor=str(page + 1))
        return ListToolsResult(tools=[*map(described, self.tools), *big_tools(self.faults.huge_list)])

    async def call_tool(self, context: Context, params: CallToolRequestParams) -> CallToolResult:
        self._know(context)
        self.calls.append(params.name)
        if params.name == "wait":
            await self._wait()
        assert context.request is not None
        return scripted(params.name).answer(context.request, params.arguments or {})

    async def _wait(self) -> None:
        self.running.set()
        try:
            await self.release.wait()
        except anyio.get_cancelled_exc_class():
            self.cancelled.set()
            raise

    def _know(self, context: Context) -> None:
        """Remember a session, for change notices."""
        assert context.request is not None
        id_ = context.request.headers.get(SESSION) or context.request.query_params.get("session_id")
        if id_ is not None:
            self._sessions[id_] = context.session


def big_tools(size: int) -> list[Tool]:
    """Tools of a thousand bytes each, ``size`` bytes in all at least."""
    words = "x" * 1000
    return [
        Tool(name=f"big_{number}", description=words, input_schema={"type": "object"})
        for number in range(-(-size // 1000))
    ]


class ChangingServer(Server[Any]):
    """The SDK's server, saying also in a handshake that it tells of changes."""

    def create_initialization_options(
        self,
        notification_options: NotificationOptions | None = None,
        experimental_capabilities: dict[str, dict[str, Any]] | None = None,
        extensions: dict[str, dict[str, Any]] | None = None,
    ) -> InitializationOptions:
        changes = notification_options or NotificationOptions(tools_changed=True)
        return super().create_initialization_options(changes, experimental_capabilities, extensions)


def application(server: McpServer) -> ASGIApp:
    """The SDK's server in its web application."""
    sdk = ChangingServer(
        "scripted",
        version="1",
        get_tool_input_schema=lambda name: scripted(name).schema,
        on_list_tools=server.list_tools,
        on_call_tool=server.call_tool,
        on_subscriptions_listen=ListenHandler(server._bus),
    )
    if server.kind != "sse":
        return sdk.streamable_http_app(stateless_http=server.kind == "stateless")
    transport = SseServerTransport("/messages/")

    async def connect(request: Request) -> Response:
        async with transport.connect_sse(request.scope, request.receive, request._send) as (read, write):
            # Not `run`, which speaks the new protocol as well: no server with the old transport does.
            await serve_loop(sdk, read, write, lifespan_state={})
        return Response()

    return Starlette(routes=[Route("/sse", connect), Mount("/messages/", app=transport.handle_post_message)])


@dataclass(frozen=True, slots=True)
class Front:
    """What stands before the SDK's server: it records, refuses, and plays the faults."""

    server: McpServer
    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        with anyio.CancelScope() as request:
            self.server._open.add(request)
            try:
                await self.take(scope, receive, send)
            finally:
                self.server._open.discard(request)

    async def take(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Record a request, then let it through or not."""
        server, faults = self.server, self.server.faults
        body = await whole_body(receive)
        request = RecordedRequest(scope["method"], asked_method(body), headers_of(scope), body)
        server.requests.append(request)
        if server.requires is not None and request.headers.get("authorization") != server.requires:
            challenge = (b"www-authenticate", server.challenge.encode("latin-1"))
            await answer(send, 401, dumps({"error": "invalid_token"}), [challenge])
        elif request.headers.get(SESSION) in server._forgotten:
            error = {"code": -32600, "message": "Session not found"}
            await answer(send, 404, dumps({"jsonrpc": "2.0", "id": None, "error": error}))
        elif faults.crash_on_call and request.rpc == "tools/call":
            server.cut_connections()
            await until_left(receive, anyio.sleep_forever)
        elif await self.delayed(request, receive):
            await self.answered(request, scope, replayed(body, receive), send)

    async def delayed(self, request: RecordedRequest, receive: Receive) -> bool:
        """Wait as the faults say; False when the client left meanwhile."""
        faults, server = self.server.faults, self.server
        concerned = faults.concern(request.rpc)
        listed = any(it.rpc == "tools/list" for it in server.requests[:-1])
        stayed = True
        if faults.slow and concerned:
            server.running.set()
            stayed = await until_left(receive, lambda: anyio.sleep(faults.slow))
        if stayed and ((faults.hang and concerned) or (faults.hang_after_list and listed)):
            server.running.set()
            stayed = await until_left(receive, server.release.wait)
        if not stayed and request.rpc == "tools/call":
            server.cancelled.set()
        return stayed

    async def answered(self, request: RecordedRequest, scope: Scope, receive: Receive, send: Send) -> None:
        faults = self.server.faults
        if faults.status is not None and faults.concern(request.rpc):
            await answer(send, faults.status, dumps({"error": "a fault"}))
            return
        if faults.huge_body and faults.concern(request.rpc):
            await receive()  # the body that was read
            await until_left(receive, lambda: body_without_end(send))
            return
        if self.server.kind == "sessions":
            scope = of_its_time(scope)
        outward = changing(send, faults) if faults.changes_answers() else send
        await self.app(scope, receive, self.telling(request, outward))

    def telling(self, request: RecordedRequest, send: Send) -> Send:
        """A ``send`` that notices when a stream for change notices has been opened."""

        async def pass_on(message: Message) -> None:
            await send(message)
            opened = message["type"] == "http.response.start" and message["status"] == 200
            if opened and (request.method == "GET" or request.rpc == "subscriptions/listen"):
                self.server.listening.set()

        return pass_on


def of_its_time(scope: Scope) -> Scope:
    """A request as a server of the older protocol takes it: a version that it does not know means nothing to it."""
    known = {version.encode() for version in HANDSHAKE_PROTOCOL_VERSIONS}
    headers = [(name, value) for name, value in scope["headers"] if name != VERSION or value in known]
    return {**scope, "headers": headers}


def protocol(server: McpServer) -> type[HttpToolsProtocol]:
    """Uvicorn's connection, known to the server while it is open."""

    class Connection(HttpToolsProtocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
            super().connection_made(transport)
            server._connections.add(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            server._connections.discard(self.transport)
            super().connection_lost(exc)

    return Connection


@asynccontextmanager
async def mcp_server(
    *,
    kind: Kind = "stateless",
    faults: Faults = Faults(),  # noqa: B008 - frozen
    tools: Sequence[str] | None = None,
    requires: str | None = None,
    challenge: str = CHALLENGE,
    port: int = 0,
) -> AsyncIterator[McpServer]:
    """A server on a free port, with all tools or those named; an unknown name makes a tool that says it.

    ``requires`` is the Authorization that every request must have; without it comes a 401 with ``challenge``.
    """
    server = McpServer(kind, faults, list(TOOLS if tools is None else tools), requires, challenge)
    config = uvicorn.Config(
        Front(server, application(server)),
        host="127.0.0.1",
        port=port,
        log_config=None,
        access_log=False,
        lifespan="on",
        ws="none",
        http=protocol(server),
    )
    web = uvicorn.Server(config)
    # Not in a task group: that would wrap what a test raises, and end the server before it has closed.
    serving = asyncio.create_task(web._serve())
    try:
        with anyio.fail_after(20):
            while not web.started and not serving.done():  # noqa: ASYNC110 - uvicorn has no event for it
                await anyio.sleep(0.005)
        if serving.done():
            await serving
        address = web.servers[0].sockets[0].getsockname()[1]
        server.url = f"http://127.0.0.1:{address}/{'sse' if kind == 'sse' else 'mcp'}"
        yield server
    finally:
        with anyio.CancelScope(shield=True):
            await close(server, web, serving)


async def close(server: McpServer, web: uvicorn.Server, serving: asyncio.Task[None]) -> None:
    """End it, whatever still hangs, and whoever comes back just now."""
    web.should_exit = True
    # What the SDK's server has open it closes only where a request ends by itself, as it does when its client has left.
    with anyio.move_on_after(2):
        while server._open or server._connections:
            server.cut_connections()
            await anyio.sleep(0.005)
    for request in list(server._open):
        request.cancel()
    while not serving.done():
        server.cut_connections()
        await anyio.sleep(0.005)
    await serving
