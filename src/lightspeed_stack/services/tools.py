"""Joins the parts of tools: the registry of servers, the tools that they have, and the choice among many."""

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import anyio

from lightspeed_stack.assistant.long_results import READ
from lightspeed_stack.config.tree import Config
from lightspeed_stack.domain.identity import ToolAccess
from lightspeed_stack.retrieval.minilm import shared
from lightspeed_stack.storage.base import ServerStore
from lightspeed_stack.tools.base import ServerRegistry, ToolSelection, ToolSource
from lightspeed_stack.tools.configured import server_of
from lightspeed_stack.tools.mcp_faults import frames
from lightspeed_stack.tools.mcp_servers import McpServers
from lightspeed_stack.tools.mcp_tools import McpTools
from lightspeed_stack.tools.selection import RelevantTools
from lightspeed_stack.tools.token_files import TokenFiles

log = logging.getLogger(__name__)

DELAY = 0.5
"""Seconds after the start before servers and the store are looked at: the service listens first."""

FIRST_LOOK, LOOK_AGAIN = 3.0, 30.0
"""Seconds after the start, and between two looks whether there are tools that no question was about yet."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What the service knows of tools."""

    source: ToolSource
    registry: ServerRegistry
    selection: ToolSelection


@asynccontextmanager
async def open_tools(config: Config, store: ServerStore) -> AsyncIterator[Tools]:
    """All servers of tools, those of ``config`` and those of ``store``; nothing is waited for."""
    async with AsyncExitStack() as stack:
        configured = [server_of(section) for section in config.mcp_servers]
        files = TokenFiles()
        servers = await stack.enter_async_context(McpServers(configured, store, files, delay=DELAY))
        selection = await stack.enter_async_context(RelevantTools(shared()))
        source = McpTools(servers, files, timeout=config.inference.tool_timeout, taken=(READ,))
        tasks = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(tasks.cancel_scope.cancel)
        tasks.start_soon(_keep_warm, source, selection, config.inference.max_offered_tools)
        yield Tools(source, servers, selection)


async def _keep_warm(source: McpTools, selection: RelevantTools, offered: int) -> None:
    """Learn ahead of the questions what many tools are about, of those that need no caller's credentials to be seen."""
    await anyio.sleep(FIRST_LOOK)
    while True:
        try:
            tools = (await source.toolset(ToolAccess(), told=False)).tools
            if len(tools) > offered:
                await selection.warm(tools)
        except Exception as error:  # noqa: BLE001 - a background task must not take the service with it
            log.error("learning what tools are about failed: %s", frames(error))
        await anyio.sleep(LOOK_AGAIN)
