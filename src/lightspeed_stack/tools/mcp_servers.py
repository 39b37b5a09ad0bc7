"""The servers of tools, each with a client that stays connected.

Above: ``api`` registers and lists by the door ``ServerRegistry``, ``mcp_tools`` asks the clients. Below: ``mcp``, and
the store that all replicas share.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import anyio
from anyio.abc import TaskGroup

from lightspeed_stack.domain.servers import HeaderSource, ToolServer
from lightspeed_stack.errors import ServerExists, ServerNotFound, ServerNotRemovable, ServerRefused, StorageError
from lightspeed_stack.storage.base import ServerStore
from lightspeed_stack.tools.base import RegisteredServer
from lightspeed_stack.tools.configured import named_once
from lightspeed_stack.tools.headers import NOBODY, headers_for, needs_caller
from lightspeed_stack.tools.mcp import McpClient
from lightspeed_stack.tools.mcp_faults import frames
from lightspeed_stack.tools.token_files import TokenFiles

log = logging.getLogger(__name__)

POLL = 2.0
"""Seconds between two looks at the store: so long a server may be known to one replica and not to another."""

READ = 3.0
"""Seconds that a stop waits for a look at the store that is under way."""

MAX_REGISTERED = 100
"""Servers that callers may register, all replicas together."""

OPENING = 1.0
"""Seconds to wait for a new client before going on without it; opening one is no question to its server."""

LEAVING = 5.0
"""Seconds that a client has to be closed in."""

REOPEN = 5.0
"""Seconds before a client that broke down is replaced."""


@dataclass(slots=True, eq=False)
class Served:
    """A server and its client; ``client`` is None while there is none."""

    server: ToolServer
    client: McpClient | None = None
    opened: anyio.Event = field(default_factory=anyio.Event)
    dismissed: anyio.Event = field(default_factory=anyio.Event)
    # A client is not cancelled where it can take leave of its server.
    life: anyio.CancelScope = field(default_factory=lambda: anyio.CancelScope(shield=True))

    def dismiss(self) -> None:
        """Have the client closed, within ``LEAVING`` seconds."""
        self.dismissed.set()
        self.life.deadline = anyio.current_time() + LEAVING

    async def ready(self) -> McpClient | None:
        """The client; a new one is waited for."""
        if self.client is None:
            with anyio.move_on_after(OPENING):
                await self.opened.wait()
        return self.client


class McpServers:
    """Implements ``tools.base.ServerRegistry``. An async context manager: leaving it closes all clients.

    The configuration's servers are always there. Those of the store are looked at every ``poll`` seconds; while the
    store fails, those that are known stay. Neither is begun with before ``delay`` seconds. ``client`` makes a client of
    a name and a URL; one that breaks down is replaced after ``reopen`` seconds.
    """

    def __init__(
        self,
        configured: Sequence[ToolServer],
        store: ServerStore,
        files: TokenFiles,
        *,
        client: Callable[[str, str], McpClient] = McpClient,
        delay: float = 0.0,
        poll: float = POLL,
        reopen: float = REOPEN,
    ) -> None:
        self._configured = tuple(Served(server) for server in named_once(configured))
        self._registered: dict[str, Served] = {}
        self._reserved = frozenset(served.server.name for served in self._configured)
        self._store = store
        self._files = files
        self._client = client
        self._delay = delay
        self._poll = poll
        self._reopen = reopen
        self._lock = anyio.Lock()
        self._trouble = ""
        self._ignored: frozenset[str] = frozenset()
        self._tasks: TaskGroup | None = None
        self._current = self._configured

    async def __aenter__(self) -> Self:
        self._tasks = await anyio.create_task_group().__aenter__()
        self._open(self._configured)
        self._tasks.start_soon(self._follow)
        return self

    async def __aexit__(self, *_: object) -> None:
        for served in self._current:
            served.dismiss()
        tasks, self._tasks = self._tasks, None
        if tasks is not None:
            tasks.cancel_scope.cancel()
            await tasks.__aexit__(None, None, None)

    @property
    def current(self) -> tuple[Served, ...]:
        """Those of the configuration in its order, then the others by name: the same object until one is changed."""
        return self._current

    async def servers(self) -> tuple[RegisteredServer, ...]:
        """See ServerRegistry."""
        async with self._lock:
            await self._read()
            configured = [RegisteredServer(served.server, "config") for served in self._configured]
            registered = [RegisteredServer(served.server, "api") for served in self._registered.values()]
            return (*configured, *registered)

    async def register(self, server: ToolServer) -> None:
        """See ServerRegistry."""
        exists = ServerExists(f"An MCP server with the name '{server.name}' exists already")
        if server.name in self._reserved:
            raise exists
        if not self._usable(server):
            raise ServerRefused("A registered MCP server gets no file: its headers may be kubernetes, client or oauth")
        async with self._lock:
            stored = await self._store.servers()
            if len(stored) >= MAX_REGISTERED and all(server.name != known.name for known in stored):
                raise ServerRefused(f"{MAX_REGISTERED} MCP servers are registered, which is the most: remove one first")
            if not await self._store.add(server):
                raise exists
            self._take((*stored, server))

    async def remove(self, name: str) -> None:
        """See ServerRegistry."""
        if name in self._reserved:
            raise ServerNotRemovable(f"The MCP server '{name}' stands in the configuration")
        async with self._lock:
            if not await self._store.remove(name):
                raise ServerNotFound(f"There is no MCP server with the name '{name}'")
            self._take([served.server for served in self._registered.values() if served.server.name != name])

    async def _follow(self) -> None:
        """Keep in step with the store."""
        await anyio.sleep(self._delay)
        while True:
            try:
                # A read that is left behind would keep its connection open past the database's end.
                with anyio.move_on_after(READ, shield=True):
                    async with self._lock:
                        await self._read()
                    self._tell("")
            except StorageError as error:
                self._tell(error.cause)
            except Exception:  # a background task must not take the others with it
                log.exception("registered MCP servers: cannot be read")
            await anyio.sleep(self._poll)

    async def _read(self) -> None:
        """Look at the store. The lock must be held. Raises StorageError."""
        stored = await self._store.servers()
        self._take(stored)
        ignored = frozenset(server.name for server in stored) - self._registered.keys()
        for name in sorted(ignored - self._ignored):
            log.warning("registered MCP server '%s' is ignored: it is configured, wants a file or is too many", name)
        self._ignored = ignored

    def _tell(self, trouble: str) -> None:
        if trouble == self._trouble:
            return
        self._trouble = trouble
        if trouble:
            log.warning("registered MCP servers: cannot be read, used as last seen: %s", trouble)
        else:
            log.info("registered MCP servers: read again")

    def _take(self, stored: Sequence[ToolServer]) -> None:
        """Make the registered servers those of ``stored`` that can be used. The lock must be held."""
        usable = sorted(filter(self._usable, stored), key=lambda server: server.name)
        wanted = {server.name: server for server in usable[:MAX_REGISTERED]}
        known = self._registered
        kept = {name: it for name, it in known.items() if wanted.get(name) == it.server}
        new = {name: Served(server) for name, server in wanted.items() if name not in kept}
        if not new and len(kept) == len(known):
            return
        for name, served in known.items():
            if name not in kept:
                served.dismiss()
        self._registered = {name: kept.get(name) or new[name] for name in wanted}
        self._current = (*self._configured, *self._registered.values())
        self._open(new.values())

    def _usable(self, server: ToolServer) -> bool:
        """Whether a stored server may be one of ours.

        No file of this machine is sent to a server that a caller named, whatever was checked before it was stored.
        """
        no_files = all(source in HeaderSource for source in server.authorization_headers.values())
        return no_files and server.name not in self._reserved

    def _open(self, new: Iterable[Served]) -> None:
        for served in new:
            if self._tasks is not None:
                self._tasks.start_soon(self._keep, served)

    async def _keep(self, served: Served) -> None:
        """Have a client for the server until it is dismissed; one that breaks down is replaced after a while."""
        with served.life:
            while not served.dismissed.is_set():
                await self._attend(served)
                with anyio.move_on_after(self._reopen):
                    await served.dismissed.wait()

    async def _attend(self, served: Served) -> None:
        server = served.server
        try:
            async with self._client(server.name, server.url) as client, anyio.create_task_group() as tasks:
                served.client = client
                served.opened.set()
                tasks.start_soon(self._warm, server, client)
                await served.dismissed.wait()
                tasks.cancel_scope.cancel()
        except Exception as error:  # noqa: BLE001 - whatever the SDK raises; its words may hold what was sent
            log.error("MCP server '%s': its client broke down: %s", server.name, frames(error))
        finally:
            served.client = None
            served.opened.set()

    async def _warm(self, server: ToolServer, client: McpClient) -> None:
        """Be connected before the first question; or know at least whether the server answers."""
        await anyio.sleep(self._delay)
        headers = await headers_for(server, NOBODY, self._files)
        if needs_caller(server) or not isinstance(headers, Mapping):
            await client.challenge()
        else:
            client.warm(headers)
