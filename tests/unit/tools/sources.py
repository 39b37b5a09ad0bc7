"""Servers of tools as a service has them: a registry on a store, and the toolsets made of it."""

import json
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from lightspeed_stack.domain.chat import ToolCall, ToolResult
from lightspeed_stack.domain.identity import ToolAccess
from lightspeed_stack.domain.servers import ToolServer
from lightspeed_stack.storage.base import ServerStore
from lightspeed_stack.storage.locations import SqliteFile
from lightspeed_stack.tools.base import Toolset
from lightspeed_stack.tools.headers import NOBODY
from lightspeed_stack.tools.mcp import McpClient
from lightspeed_stack.tools.mcp_servers import McpServers
from lightspeed_stack.tools.mcp_tools import McpTools
from lightspeed_stack.tools.mcp_values import McpLimits
from lightspeed_stack.tools.token_files import TokenFiles
from tests.contracts.stores import opened

PATIENCE = 20.0
"""Seconds for what should take far less, on a machine that is busy."""

client = partial(McpClient, limits=McpLimits(retry_first=0.05, retry_last=0.2, spacing=0.05))


@dataclass(frozen=True, slots=True)
class Source:
    """What a service has: the registry, and the source of toolsets over it."""

    servers: McpServers
    tools: McpTools

    async def toolset(self, access: ToolAccess = NOBODY) -> Toolset:
        with anyio.fail_after(PATIENCE):
            return await self.tools.toolset(access)

    async def names(self, access: ToolAccess = NOBODY) -> list[str]:
        return [tool.spec.name for tool in (await self.toolset(access)).tools]

    async def until(self, right: Callable[[Toolset], object], access: ToolAccess = NOBODY) -> Toolset:
        """The first toolset that is right."""
        with anyio.fail_after(PATIENCE):
            while not right(toolset := await self.tools.toolset(access)):  # noqa: ASYNC110
                await anyio.sleep(0.01)
            return toolset


async def until(right: Callable[[], object]) -> None:
    """Wait for what happens in the background, and has no event."""
    with anyio.fail_after(PATIENCE):
        while not right():  # noqa: ASYNC110
            await anyio.sleep(0.01)


@asynccontextmanager
async def source(
    store: ServerStore, *servers: ToolServer, poll: float = 0.02, call_timeout: float = 5.0, taken: Collection[str] = ()
) -> AsyncIterator[Source]:
    files = TokenFiles(kept=0)
    async with McpServers(servers, store, files, client=client, poll=poll) as registry:
        yield Source(registry, McpTools(registry, files, timeout=call_timeout, taken=taken))


@asynccontextmanager
async def file_store(folder: Path) -> AsyncIterator[ServerStore]:
    """A store in SQLite, as one more replica has it."""
    with closing(opened(SqliteFile(folder / "servers.db"))) as storage:
        yield storage.servers


async def called(toolset: Toolset, name: str, arguments: Mapping[str, Any] | str = "") -> ToolResult:
    written = arguments if isinstance(arguments, str) else json.dumps(arguments)
    with anyio.fail_after(PATIENCE):
        return await toolset.call(ToolCall("c1", name, written))


def given(by_server: Mapping[str, Mapping[str, str]], token: str = "") -> ToolAccess:
    return ToolAccess(token, by_server)


def names(toolset: Toolset) -> Sequence[str]:
    return [tool.spec.name for tool in toolset.tools]


def skipped(toolset: Toolset) -> dict[str, str]:
    """Name → reason."""
    return {server.name: server.reason.value for server in toolset.skipped}
