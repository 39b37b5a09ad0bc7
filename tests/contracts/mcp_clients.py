"""Clients of MCP servers for tests, and what tests ask of them."""

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any, get_args

import anyio
import pytest

from lightspeed_stack.tools.base import SkipReason
from lightspeed_stack.tools.mcp import McpClient, McpLimits, RemoteTool, ServerSkipped
from tests.servers.mcp_server import Kind

KINDS: tuple[Kind, ...] = get_args(Kind.__value__)
every_kind = pytest.mark.parametrize("kind", KINDS)

PATIENT = McpLimits(first_wait=20)
"""For a server that will answer, on a busy machine."""

CURT = McpLimits(first_wait=0.2, answer=0.4, contact=2, retry_first=0.05, retry_last=0.2, spacing=0.01)
"""For one that will not."""

MINE = {"Authorization": "Bearer mine"}
YOURS = {"Authorization": "Bearer yours"}


@asynccontextmanager
async def client_of(url: str, limits: McpLimits = PATIENT) -> AsyncIterator[McpClient]:
    with anyio.fail_after(60):
        async with McpClient("tools", url, limits=limits) as client:
            yield client


def at_once[T](answer: Coroutine[Any, Any, T]) -> T:
    """What a coroutine answers that waits for nothing at all."""
    try:
        answer.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    finally:
        answer.close()
    pytest.fail("it waits")


async def until(holds: Callable[[], bool]) -> None:
    with anyio.fail_after(20):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event
            await anyio.sleep(0.005)


async def names_when(
    client: McpClient, headers: Mapping[str, str], holds: Callable[[list[str]], bool] = bool
) -> list[str]:
    """The names of the tools, as soon as they are so."""
    names: list[str] = []
    with anyio.fail_after(20):
        while not holds(names):
            await anyio.sleep(0.005)
            try:
                names = names_of(await client.tools(headers))
            except ServerSkipped:
                names = []
    return names


def names_of(tools: tuple[RemoteTool, ...]) -> list[str]:
    return [tool.name for tool in tools]


async def skipped(client: McpClient, headers: Mapping[str, str]) -> ServerSkipped:
    with pytest.raises(ServerSkipped) as caught:
        await client.tools(headers)
    return caught.value


def told_at_once(client: McpClient) -> SkipReason | None:
    """Why the server is skipped; None where it is not."""
    try:
        at_once(client.tools(MINE))
    except ServerSkipped as error:
        return error.reason
    return None
