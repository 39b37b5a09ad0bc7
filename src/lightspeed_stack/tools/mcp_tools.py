"""The tools of all servers, as one toolset for each turn.

Above: the agent's loop and ``api``, by the doors ``ToolSource`` and ``Toolset``. Below: ``mcp_servers`` has clients,
``headers`` says what they send, ``offers`` what models see of their lists.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import anyio
import msgspec

from lightspeed_stack.domain.chat import ToolCall, ToolResult
from lightspeed_stack.domain.identity import ToolAccess
from lightspeed_stack.domain.servers import HeaderSource, ToolServer
from lightspeed_stack.errors import ToolAuthorizationRequired
from lightspeed_stack.tools.base import SkippedServer, SkipReason, Tool, unknown_tool
from lightspeed_stack.tools.header_values import header_value
from lightspeed_stack.tools.headers import MissingToken, asked_for, headers_for
from lightspeed_stack.tools.mcp import McpClient
from lightspeed_stack.tools.mcp_servers import McpServers, Served
from lightspeed_stack.tools.mcp_values import ServerSkipped
from lightspeed_stack.tools.offers import Converted, Offer, Offers
from lightspeed_stack.tools.token_files import TokenFiles

MAX_ARGUMENTS = 1024 * 1024
"""Characters of a call's arguments."""

NO_CHALLENGE = "Bearer"
"""What a client is told to bring where the server does not say it. Source: RFC 9110, section 11.6.1."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """A server that takes part: what is sent to it, and its tools."""

    server: ToolServer
    client: McpClient
    headers: Mapping[str, str]
    tools: Converted


type _Answer = _Ready | SkippedServer | ToolAuthorizationRequired


class McpTools:
    """Implements ``tools.base.ToolSource``.

    ``timeout``: seconds for a call of a server that has none of its own. ``taken``: names of tools that this service
    has itself.
    """

    def __init__(self, servers: McpServers, files: TokenFiles, *, timeout: float, taken: Collection[str] = ()) -> None:
        self._servers = servers
        self._files = files
        self._timeout = timeout
        self._offers = Offers(taken)

    @property
    def passed_on(self) -> frozenset[str]:
        """See ToolSource."""
        return frozenset(name.lower() for served in self._servers.current for name in served.server.headers)

    async def toolset(self, access: ToolAccess) -> "McpToolset":
        """See ToolSource."""
        current = self._servers.current
        self._offers.follow(current)
        found: dict[int, _Answer] = {}

        async def ask(at: int, served: Served) -> None:
            found[at] = await self._ask(served, access)

        async with anyio.create_task_group() as tasks:
            for at, served in enumerate(current):
                tasks.start_soon(ask, at, served)
        answers = [found[at] for at in range(len(current))]
        for answer in answers:
            if isinstance(answer, ToolAuthorizationRequired):
                raise answer
        ready = [answer for answer in answers if isinstance(answer, _Ready)]
        offers = self._offers.offers([it.tools for it in ready])
        return McpToolset(
            tools=tuple(chain.from_iterable(offer.tools for offer in offers)),
            skipped=tuple(answer for answer in answers if isinstance(answer, SkippedServer)),
            sources=tuple(zip(ready, offers, strict=True)),
            timeout=self._timeout,
        )

    async def _ask(self, served: Served, access: ToolAccess) -> _Answer:
        server = served.server
        headers = await headers_for(server, access, self._files)
        if isinstance(headers, SkippedServer):
            return headers
        client = await served.ready()
        if client is None:
            return SkippedServer(server.name, SkipReason.CONNECTING, "It is being connected.")
        if isinstance(headers, MissingToken):
            return _wants_token(server, await client.challenge())
        try:
            remote = await client.tools(headers)
        except ServerSkipped as skipped:
            proved = HeaderSource.OAUTH in server.authorization_headers.values()
            if skipped.reason is SkipReason.UNAUTHORIZED and proved and asked_for(server, access):
                return _wants_token(server, skipped.www_authenticate or await client.challenge())
            return SkippedServer(server.name, skipped.reason, skipped.message)
        return _Ready(server, client, headers, await self._offers.converted(served, remote))


@dataclass(frozen=True, slots=True)
class McpToolset:
    """Implements ``tools.base.Toolset``."""

    tools: tuple[Tool, ...]
    skipped: tuple[SkippedServer, ...]
    sources: tuple[tuple[_Ready, Offer], ...]
    timeout: float

    async def call(self, call: ToolCall) -> ToolResult:
        """See Toolset. Where the call names its server already, no other one's tool is run."""
        for ready, offer in self.sources:
            own = offer.own.get(call.name)
            if own is not None and call.server_name in {None, ready.server.name}:
                return await self._run(ready, own, replace(call, server_name=ready.server.name))
        return ToolResult(call, unknown_tool(call.name), failed=True)

    async def _run(self, ready: _Ready, tool: str, call: ToolCall) -> ToolResult:
        arguments = _arguments(call.arguments)
        if isinstance(arguments, str):
            return ToolResult(call, arguments, failed=True)
        timeout = ready.server.timeout or self.timeout
        try:
            outcome = await ready.client.call(ready.headers, tool, arguments, timeout=timeout)
        except ServerSkipped as skipped:
            return ToolResult(call, skipped.message, failed=True)
        return ToolResult(call, outcome.content, failed=outcome.failed)


def _wants_token(server: ToolServer, challenge: str | None) -> ToolAuthorizationRequired:
    cause = f"The MCP server '{server.name}' wants a token."
    return ToolAuthorizationRequired(cause, www_authenticate=header_value(challenge) or NO_CHALLENGE)


def _arguments(written: str) -> dict[str, Any] | str:
    """The arguments that a model wrote, or what is wrong with them."""
    if len(written) > MAX_ARGUMENTS:
        return f"The arguments are too long: {len(written)} characters, of which {MAX_ARGUMENTS} are allowed."
    try:
        arguments = msgspec.json.decode(written) if written.strip() else {}
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return "The arguments are not valid JSON."
    return arguments if isinstance(arguments, dict) else "The arguments are not a JSON object."
