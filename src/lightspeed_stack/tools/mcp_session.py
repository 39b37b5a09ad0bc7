"""One session with an MCP server, on the SDK: its handshake, its list of tools, its calls, its notices of changes.

Above: ``mcp_connections`` keeps a session for each set of headers. Below: the SDK's session over its transport for
streamable HTTP or ours for the older one, both over ``mcp_http``. Both generations of the protocol are spoken: a server
that knows ``server/discover`` is spoken to without sessions (2026-07-28), any other one after a handshake (2025-11-25).

Importing this module imports the SDK, which takes the better part of a second: it is done in a thread.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import anyio
import anyio.abc
import httpx2
import mcp_types as types
from mcp.client.session import ClientSession, IncomingMessage
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import SubscriptionLost, listen
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import MCPError
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from pydantic import ValidationError

from lightspeed_stack import __version__
from lightspeed_stack.tools.mcp_content import Listing, Page, outcome
from lightspeed_stack.tools.mcp_faults import Fault, FaultKind, challenge_of
from lightspeed_stack.tools.mcp_http import Wire
from lightspeed_stack.tools.mcp_pool import open_pool, silence
from lightspeed_stack.tools.mcp_sse import sse_streams
from lightspeed_stack.tools.mcp_values import McpLimits, Outcome, RemoteTool

silence()

US = types.Implementation(name="lightspeed-stack", version=__version__)

LISTEN_AGAIN = (1.0, 300.0)
"""Seconds before a stream for notices that ended is opened again, at first and at last."""

CLOSED_BY_SDK = ("Connection closed", "SSE stream")
TIMED_OUT_BY_SDK = " timed out"
"""How the SDK's own errors begin and end; servers use the same codes for errors of theirs."""

NO_DISCOVERY = frozenset(
    {FaultKind.ERROR, FaultKind.NOT_HERE, FaultKind.STATUS, FaultKind.GARBAGE, FaultKind.OTHER_VERSION}
)
"""How a server answers that does not know ``server/discover``: in any way but that."""

OURS = frozenset(FaultKind)

type Transport = Literal["http", "sse"]


@dataclass(frozen=True, slots=True)
class Way:
    """How a server is spoken to; ``known`` where it worked before.

    ``discovered``: what it said of itself, which goes for all sessions with it; None where it wants a handshake, or
    where that is not known.
    """

    transport: Transport
    known: bool = False
    discovered: types.DiscoverResult | None = None


class Remote:
    """What all sessions with one server share: its connections, and the way in which it is spoken to."""

    def __init__(self, url: str, limits: McpLimits) -> None:
        """Reads files, so not to be called in an event loop. Raises Fault for an address that is none."""
        try:
            self._pool = open_pool(url, limits)
        except (ValueError, httpx2.InvalidURL):
            raise Fault(FaultKind.UNREACHABLE) from None
        self._url = url
        self._limits = limits
        self._known: Way | None = None

    def ways(self) -> tuple[Way, ...]:
        """The ways to try, one after the other: what worked before, then as if nothing was known.

        Source: MCP 2025-11-25, transports, backward compatibility.
        """
        order: tuple[Transport, ...] = ("http", "sse")
        if urlsplit(self._url).path.rstrip("/").endswith("/sse"):
            order = ("sse", "http")
        fresh = tuple(Way(transport) for transport in order)
        return fresh if self._known is None else (self._known, *fresh)

    def worked(self, way: Way) -> None:
        self._known = way

    @staticmethod
    def try_next(way: Way, fault: Fault) -> bool:
        """Whether another way may do better: a server may have changed since one was known."""
        if fault.kind is FaultKind.NOT_HERE:
            return True
        return way.known and fault.kind in {FaultKind.GARBAGE, FaultKind.ERROR, FaultKind.STATUS}

    @asynccontextmanager
    async def session(
        self, way: Way, headers: Mapping[str, str], changed: Callable[[], None]
    ) -> AsyncIterator["Session"]:
        """A session that is not open yet; entering it waits for nothing.

        ``changed`` is called when the tools, or the session itself, may not be any more what they were.
        """
        # No AsyncExitStack: it makes a cancellation that a task group raises its own context, and anyio, which follows
        # the contexts of a cancellation, then goes round for ever.
        async with anyio.create_task_group() as tasks:
            try:
                wire = Wire(self._pool, tasks, self._limits, answers=way.transport == "http")
                async with self._client(wire, headers) as client:
                    session = Session(way, self._limits, tasks, changed)
                    async with session.over(self._transport(way, client, session)):
                        yield session
            finally:
                tasks.cancel_scope.cancel()

    async def aclose(self) -> None:
        await self._pool.aclose()

    def _client(self, wire: Wire, headers: Mapping[str, str]) -> httpx2.AsyncClient:
        own = {"Accept-Encoding": "identity", "User-Agent": "lightspeed-stack"}
        given = {name.lower() for name in headers}
        sent = [(name, value) for name, value in own.items() if name.lower() not in given] + list(headers.items())
        return httpx2.AsyncClient(
            transport=wire,
            headers=[(name.encode(), value.encode()) for name, value in sent],
            # Whoever waits has a deadline; a stream for notices has none.
            timeout=httpx2.Timeout(None, connect=self._limits.connect, pool=self._limits.connect),
            trust_env=False,
        )

    def _transport(self, way: Way, client: httpx2.AsyncClient, session: "Session") -> AbstractAsyncContextManager[Any]:
        if way.transport == "sse":
            return sse_streams(client, self._url, max_event=self._limits.max_body, ended=session.ended)
        # The bound of a whole body comes first, and is told better.
        return streamable_http_client(self._url, http_client=client, max_sse_event_size=2 * self._limits.max_body)


class _Dispatcher(JSONRPCDispatcher[Any]):
    """The SDK's, which hands on results in a shape that the SDK's types do not refuse.

    ``page`` is the page of a list that came last, as it was sent.
    """

    def __init__(self, read: Any, write: Any, limits: McpLimits) -> None:
        super().__init__(read, write)
        self._max_result = limits.max_result
        self.page = Page((), None)

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None, **internal: Any
    ) -> dict[str, Any]:
        """See JSONRPCDispatcher."""
        result = await super().send_raw_request(method, params, opts, **internal)
        if method == "tools/list":
            self.page = Page.read(result)
            return self.page.for_sdk()
        if method == "tools/call":
            said = outcome(result, max_characters=self._max_result)
            text = {"type": "text", "text": said.content}
            return {"content": [text], "isError": said.failed, "resultType": "complete"}
        return result


class Session:
    """Made by ``Remote.session``. Every method but ``call`` is for the task that entered it."""

    def __init__(self, way: Way, limits: McpLimits, tasks: anyio.abc.TaskGroup, changed: Callable[[], None]) -> None:
        self._way = way
        self._limits = limits
        self._tasks = tasks
        self._changed = changed
        self._fault: Fault | None = None
        self._sdk: ClientSession
        self._dispatcher: _Dispatcher

    @asynccontextmanager
    async def over(self, transport: AbstractAsyncContextManager[Any]) -> AsyncIterator[None]:
        async with transport as (read, write):
            self._dispatcher = dispatcher = _Dispatcher(read, write, self._limits)
            async with ClientSession(dispatcher=dispatcher, message_handler=self._told, client_info=US) as self._sdk:
                yield

    def ended(self, fault: Fault) -> None:
        """Called by a transport whose connection is over."""
        self._fault = fault
        self._changed()

    @property
    def fault(self) -> Fault | None:
        """Why the session cannot be used any more, where that is known."""
        return self._fault

    async def open(self) -> Way:
        """Agree on a version of the protocol; how that was done. Raises Fault."""
        discovered = self._way.discovered
        if discovered is not None:
            self._sdk.adopt(discovered)
        elif self._way.transport == "sse" or self._way.known or not await self._discovered():
            await self._answered(self._agreed(self._sdk.initialize()))
        return Way(self._way.transport, known=True, discovered=self._sdk.discover_result)

    def listen(self) -> None:
        """Be told of changes from now on, where the server does that; sessions are told without asking."""
        discovered = self._sdk.discover_result
        can = None if discovered is None else discovered.capabilities.tools
        if can is not None and can.list_changed:
            self._tasks.start_soon(self._listen)

    async def tools(self) -> tuple[RemoteTool, ...]:
        """The list of tools. Raises Fault."""
        listing = Listing(self._limits)
        cursor: str | None = None
        while True:
            params = types.PaginatedRequestParams(cursor=cursor) if cursor is not None else None
            try:
                allowed = await self._answered(self._sdk.list_tools(params=params))
            except Fault as fault:
                if fault.code == types.METHOD_NOT_FOUND:
                    return ()
                raise
            names = {tool.name for tool in allowed.tools}  # the protocol forbids some
            more = listing.add(tool for tool in self._dispatcher.page.tools if tool.name in names)
            cursor = self._dispatcher.page.cursor
            if cursor is None or not more:
                return listing.tools

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> Outcome:
        """Call a tool, from any task; cancelling it stops the server. Raises Fault. No timeout."""
        params = types.CallToolRequestParams(name=tool, arguments=dict(arguments))
        request = types.CallToolRequest(params=params)
        # Not `call_tool`, which checks results against schemas and lists the tools for that.
        result = await self._translated(self._sdk.send_request(request, types.CallToolResult))
        said = "".join(it.text for it in result.content if isinstance(it, types.TextContent))
        return Outcome(said, failed=result.is_error)

    @staticmethod
    async def _agreed(answer: Awaitable[object]) -> None:
        try:
            await answer
        except RuntimeError:  # so the SDK says that there is no version in common
            raise Fault(FaultKind.OTHER_VERSION) from None

    async def _discovered(self) -> bool:
        try:
            await self._answered(self._agreed(self._sdk.discover()))
        except Fault as fault:
            if fault.kind in NO_DISCOVERY:
                return False
            raise
        return True

    async def _listen(self) -> None:
        """Keep a stream for notices open. What it brings comes to ``_told``."""
        pause, last = LISTEN_AGAIN
        while True:
            began = anyio.current_time()
            with suppress(SubscriptionLost, TimeoutError):
                try:
                    if not await self._listened():
                        return
                except MCPError as error:
                    if error.code == types.METHOD_NOT_FOUND:
                        return
            pause = LISTEN_AGAIN[0] if anyio.current_time() - began > last else min(2 * pause, last)
            await anyio.sleep(pause)
            self._changed()  # nobody knows what was missed meanwhile

    async def _listened(self) -> bool:
        """Until the server ends it; whether it tells of tools at all."""
        async with AsyncExitStack() as stack:
            with anyio.fail_after(self._limits.answer):
                notices = await stack.enter_async_context(listen(self._sdk, tools_list_changed=True))
            if not notices.honored.tools_list_changed:
                return False
            async for _ in notices:
                continue
        return True

    async def _told(self, message: IncomingMessage) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            self._changed()

    async def _answered[T](self, answer: Awaitable[T]) -> T:
        try:
            with anyio.fail_after(self._limits.answer):
                return await self._translated(answer)
        except TimeoutError:
            raise Fault(FaultKind.TIMEOUT) from None

    async def _translated[T](self, answer: Awaitable[T]) -> T:
        try:
            return await answer
        except MCPError as error:
            raise self._fault_of(error) from None
        except ValidationError:
            raise Fault(FaultKind.GARBAGE) from None

    def _fault_of(self, error: MCPError) -> Fault:
        if error.code in OURS:
            data = error.data if isinstance(error.data, dict) else {}
            status = data.get("status")
            return Fault(
                FaultKind(error.code),
                status=status if isinstance(status, int) else None,
                challenge=challenge_of(data.get("challenge")),
            )
        match error.code:
            case types.CONNECTION_CLOSED if error.message.startswith(CLOSED_BY_SDK):
                return self._fault or Fault(FaultKind.BROKEN_OFF)
            case types.REQUEST_TIMEOUT if error.message.endswith(TIMED_OUT_BY_SDK):
                return Fault(FaultKind.TIMEOUT)
            case types.PARSE_ERROR:
                return Fault(FaultKind.GARBAGE)
            case types.HEADER_MISMATCH:
                return Fault(FaultKind.STALE_LIST)
        return Fault(FaultKind.ERROR, code=error.code, said=error.message)
