"""MCP servers that nobody here wrote, as ``scripts/mcp_servers.sh`` installs them below ``.mcp``. In tests::

    async with everything("streamableHttp", tmp_path) as server:
        ...  # server.url

The one written in Node speaks HTTP itself, with sessions or over the older transport. Those written in Python speak on
their standard input and output, and are behind ``mcp_bridge``. Each is a process of its own, killed when the context is
left; a folder is where it runs.
"""

import os
import re
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import pytest
from anyio.abc import Process

from tests.servers.processes import free_port
from tests.servers.program import Program, heard, launched

REPOSITORY = Path(__file__).parents[2]
INSTALLED = REPOSITORY / ".mcp"
NODE = INSTALLED / "bin" / "node"
EVERYTHING = INSTALLED / "everything/node_modules/@modelcontextprotocol/server-everything/dist/index.js"
PROGRAMS = INSTALLED / "python" / "bin"
BRIDGE = Path(__file__).with_name("mcp_bridge.py")

type Transport = Literal["streamableHttp", "sse"]


class ForeignServer(Program):
    """``url`` is what to configure."""

    def __init__(self, process: Process) -> None:
        super().__init__(process)
        self.url = ""


def check_installed() -> None:
    """Skip a test where they are not installed; in CI they must be."""
    if not (INSTALLED / ".ready").is_file():
        (pytest.fail if "CI" in os.environ else pytest.skip)("scripts/mcp_servers.sh has installed no MCP servers")


@asynccontextmanager
async def everything(transport: Transport, folder: Path) -> AsyncIterator[ForeignServer]:
    """``@modelcontextprotocol/server-everything``: protocol 2025-11-25 with sessions, or over HTTP+SSE."""
    check_installed()
    port = free_port()
    async with await launched([NODE, EVERYTHING, transport], folder, {"PORT": str(port)}) as process:
        async with heard(ForeignServer(process)) as server:
            await server.said(f" port {port}")
            server.url = f"http://127.0.0.1:{port}/{'mcp' if transport == 'streamableHttp' else 'sse'}"
            yield server


@asynccontextmanager
async def bridged(
    command: Sequence[str | Path], folder: Path, environment: Mapping[str, str] | None = None
) -> AsyncIterator[ForeignServer]:
    """A server that speaks on its standard input and output, behind a bridge."""
    check_installed()
    async with await launched([sys.executable, BRIDGE, "--port", "0", *command], folder, environment) as process:
        async with heard(ForeignServer(process)) as server:
            await server.said("/mcp\n")
            found = re.search(r"bridge at (\S+)\n", server.log)
            assert found is not None, server.log
            server.url = found[1]
            yield server


@asynccontextmanager
async def time_server(folder: Path) -> AsyncIterator[ForeignServer]:
    """``mcp-server-time``, which is in UTC."""
    async with bridged([PROGRAMS / "mcp-server-time", "--local-timezone", "UTC"], folder) as server:
        yield server


@asynccontextmanager
async def fetch_server(folder: Path) -> AsyncIterator[ForeignServer]:
    """``mcp-server-fetch``, which may fetch from the loopback; give it no other address."""
    command: list[str | Path] = [PROGRAMS / "mcp-server-fetch", "--ignore-robots-txt", "--allow-private-ips"]
    # With Node in its path it would install a package to read pages with.
    environment = {"PATH": str(PROGRAMS), "NO_PROXY": "127.0.0.1"}
    async with bridged(command, folder, environment) as server:
        yield server


@asynccontextmanager
async def git_server(repository: Path, folder: Path) -> AsyncIterator[ForeignServer]:
    """``mcp-server-git`` for one repository."""
    async with bridged([PROGRAMS / "mcp-server-git", "--repository", repository], folder) as server:
        yield server
