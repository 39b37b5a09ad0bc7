"""The client of one MCP server, for all callers.

Above: ``mcp_servers`` has one for each server, ``mcp_tools`` joins their tools. Below: ``mcp_connections``, one for
each set of headers, whose lists and sessions are never shared with another set. Nothing here waits for a server that is
known to be ill, and no query waits for a look at a list that is known.
"""

import hashlib
import logging
import secrets
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import anyio
import anyio.abc
import anyio.to_thread
import msgspec

from lightspeed_stack.tools.base import SkipReason
from lightspeed_stack.tools.mcp_connections import ASK_AGAIN, Connection, Health
from lightspeed_stack.tools.mcp_faults import Fault, FaultKind, frames
from lightspeed_stack.tools.mcp_values import McpLimits, Outcome, RemoteTool, ServerSkipped

if TYPE_CHECKING:
    from lightspeed_stack.tools.mcp_session import Remote, Session

__all__ = ["McpClient", "McpLimits", "Outcome", "RemoteTool", "ServerSkipped"]

log = logging.getLogger(__name__)

LEAVING = 3.0
"""Seconds that all sessions have to be closed in."""

DOUBTFUL = frozenset(FaultKind) - {FaultKind.ERROR, FaultKind.TOO_LONG, FaultKind.BUSY, FaultKind.BAD_HEADERS}
"""After a call that fails so, the server is looked at."""

NO_HEADERS: Mapping[str, str] = {}


class McpClient:
    """An async context manager; entering starts nothing but its task group. To be left by the task that entered it."""

    def __init__(self, name: str, url: str, *, limits: McpLimits = McpLimits()) -> None:  # noqa: B008 - frozen
        self._name = name
        self._url = url
        self._limits = limits
        self._connections: OrderedDict[bytes, Connection] = OrderedDict()
        self._salt = secrets.token_bytes(16)
        self._health = Health(name, self._start, limits)
        self._tasks: anyio.abc.TaskGroup | None = None
        self._loading = anyio.Lock()
        self._loaded: Remote | None = None

    async def __aenter__(self) -> Self:
        self._tasks = await anyio.create_task_group().__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks, self._tasks = self._tasks, None
        if tasks is None:
            return
        with anyio.move_on_after(LEAVING, shield=True):
            for connection in self._connections.values():
                connection.close()
            for connection in list(self._connections.values()):
                await connection.ended.wait()
        tasks.cancel_scope.cancel()
        await tasks.__aexit__(None, None, None)
        if self._loaded is not None:
            with anyio.move_on_after(LEAVING, shield=True):
                await self._loaded.aclose()

    async def tools(self, headers: Mapping[str, str]) -> tuple[RemoteTool, ...]:
        """What the server offers to whoever sends these headers. Raises ServerSkipped.

        Waits only at the first sight of these headers, at most ``first_wait``; not at all where the server is ill, or
        has kept somebody else waiting for that long just now. A list that did not change is the same object.
        """
        try:
            connection = self._connection(headers)
            with connection.in_use():
                return await self._offered(connection)
        except Fault as fault:
            raise fault.skipped() from None

    def known(self, headers: Mapping[str, str]) -> tuple[RemoteTool, ...] | None:
        """As ``tools``, where that needs no waiting; None where it does. Raises ServerSkipped."""
        try:
            connection = self._connection(headers)
            self._raise_if_ill(connection)
        except Fault as fault:
            raise fault.skipped() from None
        if connection.tools is not None:
            with connection.in_use():
                self._refresh(connection)
        return connection.tools

    async def call(
        self,
        headers: Mapping[str, str],
        tool: str,
        arguments: Mapping[str, Any],
        *,
        timeout: float,  # noqa: ASYNC109 - part of the outcome
    ) -> Outcome:
        """Run a tool, within ``timeout`` seconds. Whatever goes wrong is an outcome; cancelling stops the server."""
        try:
            connection = self._connection(headers)
        except Fault as fault:
            return Outcome(fault.sentence, failed=True)
        with connection.in_use():
            with anyio.move_on_after(timeout):
                return await self._called(connection, tool, arguments)
            connection.ask()  # is it the tool that takes so long, or does the server hang?
        return Outcome(f"The tool did not answer within {timeout:g} seconds.", failed=True)

    def warm(self, headers: Mapping[str, str]) -> None:
        """Connect and list in the background, and keep that session open."""
        try:
            connection = self._connection(headers)
        except Fault:
            log.debug("MCP server %s is not warmed: its client is closed", self._name)
            return
        for other in self._connections.values():
            other.kept = other is connection or other is self._connections.get(self._key(NO_HEADERS))
        if self._health.fault is None:
            connection.ask()

    async def challenge(self) -> str | None:
        """The server's ``WWW-Authenticate``, as last seen, or by asking once without headers; None where it has none.

        Waits as ``tools`` does.
        """
        if self._health.challenge is None:
            with suppress(ServerSkipped):
                await self.tools(NO_HEADERS)
        return self._health.challenge

    async def _offered(self, connection: Connection) -> tuple[RemoteTool, ...]:
        self._raise_if_ill(connection)
        waited = False
        if connection.tools is None:
            waited = await self._first_sight(connection)
            self._raise_if_ill(connection)
        else:
            self._refresh(connection)
        if connection.tools is not None:
            return connection.tools
        if connection.fault is not None:
            raise connection.fault.with_traceback(None)  # which would hold on to what each caller sent
        raise ServerSkipped(SkipReason.TIMEOUT if waited else SkipReason.CONNECTING, "The server has not answered yet.")

    def _refresh(self, connection: Connection) -> None:
        """See to it that a list that is known is looked at again, behind whoever uses it."""
        if connection.fault is not None and anyio.current_time() < connection.failed_at + ASK_AGAIN:
            return
        if connection.session is None or anyio.current_time() > connection.listed_at + self._limits.refresh:
            connection.ask()

    async def _first_sight(self, connection: Connection) -> bool:
        """See to it that the tools are listed; whether that was waited for in vain."""
        now = anyio.current_time()
        if connection.fault is not None and connection.failed_at >= self._health.well_since:
            if now > connection.failed_at + ASK_AGAIN:
                connection.ask()
            return False
        connection.fault = None
        begun = [it.began for it in self._connections.values() if it.began is not None]
        patience = self._limits.first_wait - (now - min(begun, default=now))
        connection.ask()
        if patience <= 0:
            return False
        with anyio.move_on_after(patience) as scope:
            await connection.asked()
        return scope.cancelled_caught

    async def _called(self, connection: Connection, tool: str, arguments: Mapping[str, Any]) -> Outcome:
        for may_repeat in (True, False):
            session: Session | None = None
            try:
                session = await self._session(connection)
                with connection.calling():
                    return await session.call(tool, arguments)
            except Fault as fault:
                if not fault.never_run or session is None or not may_repeat:
                    if fault.kind in DOUBTFUL:
                        connection.ask()
                    return Outcome(fault.for_model, failed=True)
                if fault.kind is FaultKind.SESSION_GONE:
                    connection.lost(session)
            except Exception as error:  # noqa: BLE001 - whatever the SDK raises; its words may hold what was sent
                log.error("a call of an MCP server's tool broke down: %s", frames(error))
                break
            await connection.asked()
        return Outcome("The call could not be made.", failed=True)

    async def _session(self, connection: Connection) -> "Session":
        """An open session. Raises Fault."""
        self._raise_if_ill(connection)
        session = connection.session
        if session is not None and session.fault is None:
            return session
        await connection.asked()
        if connection.session is None:
            raise self._health.fault or connection.fault or Fault(FaultKind.UNREACHABLE)
        return connection.session

    def _raise_if_ill(self, connection: Connection) -> None:
        fault = self._health.fault
        if fault is not None:
            self._health.wanted(connection)
            raise fault.with_traceback(None)

    def _connection(self, headers: Mapping[str, str]) -> Connection:
        """The one of these headers, used last from now on. Raises Fault."""
        if self._tasks is None:
            raise Fault(FaultKind.CLOSED)
        key = self._key(headers)
        connection = self._connections.get(key)
        if connection is None:
            self._make_room()
            connection = Connection(dict(headers), self._remote, self._health, self._limits)
            connection.kept = not headers
            self._connections[key] = connection
            self._start(self._own, key, connection)
        self._connections.move_to_end(key)
        return connection

    def _make_room(self) -> None:
        for key, connection in list(self._connections.items()):
            if len(self._connections) < self._limits.max_sessions:
                return
            if not connection.busy and not connection.kept:
                connection.close()
                self._drop(key, connection)

    async def _own(self, key: bytes, connection: Connection) -> None:
        try:
            await connection.live()
        finally:
            self._drop(key, connection)

    def _drop(self, key: bytes, connection: Connection) -> None:
        if self._connections.get(key) is connection:
            del self._connections[key]
        self._health.gone(connection)

    def _key(self, headers: Mapping[str, str]) -> bytes:
        """Tells sets of headers apart, and does not tell what they are."""
        if not headers:
            return b""
        pairs = sorted((name.lower(), value) for name, value in headers.items())
        return hashlib.blake2b(msgspec.json.encode(pairs), key=self._salt, digest_size=16).digest()

    def _start(self, function: Callable[..., Coroutine[Any, Any, None]], *arguments: object) -> None:
        if self._tasks is not None:
            self._tasks.start_soon(function, *arguments)

    async def _remote(self) -> "Remote":
        """Raises Fault."""
        async with self._loading:
            if self._loaded is None:
                self._loaded = await anyio.to_thread.run_sync(self._load)
            return self._loaded

    def _load(self) -> "Remote":
        try:
            from lightspeed_stack.tools.mcp_session import Remote
        except ImportError:
            raise Fault(FaultKind.NOT_INSTALLED) from None
        return Remote(self._url, self._limits)
