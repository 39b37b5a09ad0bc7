"""The tools of all servers, as one toolset for each turn.

Above: the agent's loop and ``api``, by the doors ``ToolSource`` and ``Toolset``. Below: ``mcp_servers`` has clients,
``headers`` says what they send, ``offers`` what models see of their lists.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from time import monotonic
from typing import Any

import anyio
import msgspec

from lightspeed_stack.domain.chat import ToolCall, ToolResult
from lightspeed_stack.domain.identity import ToolAccess
from lightspeed_stack.domain.servers import HeaderSource, ToolServer
from lightspeed_stack.errors import ToolAuthorizationRequired
from lightspeed_stack.tools.base import SkippedServer, SkipReason, Tool, unknown_tool
from lightspeed_stack.tools.header_values import header_value
from lightspeed_stack.tools.headers import MissingToken, asked_for, at_hand, headers_for
from lightspeed_stack.tools.mcp import McpClient
from lightspeed_stack.tools.mcp_servers import McpServers, Served
from lightspeed_stack.tools.mcp_values import ServerSkipped
from lightspeed_stack.tools.offers import Converted, Offer, Offers
from lightspeed_stack.tools.token_files import TokenFiles

log = logging.getLogger(__name__)

TELL_AGAIN = 60.0
"""Seconds between two lines in the log about the same server that is skipped for the same reason."""

MAX_ARGUMENTS = 1024 * 1024
"""Characters of a call's arguments."""

NO_CHALLENGE = "Bearer"
"""What a client is told to bring where the server does not say it. Source: RFC 9110, section 11.6.1."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """A server that takes part: what is sent to it, and its tools."""

    server: ToolServer
    client: McpClient
    headers: Mapping[str, str] = field(repr=False)
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
        self._told: dict[tuple[str, SkipReason], float] = {}

    @property
    def passed_on(self) -> frozenset[str]:
        """See ToolSource."""
        return frozenset(name.lower() for served in self._servers.current for name in served.server.headers)

    async def toolset(self, access: ToolAccess, *, told: bool = True) -> "McpToolset":
        """See ToolSource. ``told``: servers that are skipped are named in the log."""
        current = self._servers.current
        self._offers.follow(current)
        if not current:
            return NOTHING
        found = {served: await self._at_once(served, access) for served in current}
        waiting = [served for served, answer in found.items() if answer is None]
        if waiting:
            async with anyio.create_task_group() as tasks:
                for served in waiting:
                    tasks.start_soon(self._ask_into, found, served, access)
        answers = [answer for answer in found.values() if answer is not None]
        for answer in answers:
            if isinstance(answer, ToolAuthorizationRequired):
                raise answer
        ready = [answer for answer in answers if isinstance(answer, _Ready)]
        offers = self._offers.offers([it.tools for it in ready])
        skipped = tuple(answer for answer in answers if isinstance(answer, SkippedServer))
        if told:
            self._tell(skipped)
        return McpToolset(
            tools=tuple(chain.from_iterable(offer.tools for offer in offers)),
            skipped=skipped,
            sources=tuple(zip(ready, offers, strict=True)),
            timeout=self._timeout,
        )

    async def _at_once(self, served: Served, access: ToolAccess) -> _Answer | None:
        """What ``_ask`` gives, where that needs no waiting, as mostly; a task for each server would cost far more."""
        server, client = served.server, served.client
        if client is None or not at_hand(server, self._files):
            return None
        headers = await headers_for(server, access, self._files)
        if not isinstance(headers, Mapping):
            return headers if isinstance(headers, SkippedServer) else None
        try:
            remote = client.known(headers)
        except ServerSkipped as skipped:
            return None if _may_be_told(server, access, skipped) else _without(server, skipped)
        converted = None if remote is None else self._offers.kept(served, remote)
        return None if converted is None else _Ready(server, client, headers, converted)

    async def _ask_into(self, found: dict[Served, _Answer | None], served: Served, access: ToolAccess) -> None:
        found[served] = await self._ask(served, access)

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
            if _may_be_told(server, access, skipped):
                return _wants_token(server, skipped.www_authenticate or await client.challenge())
            return _without(server, skipped)
        return _Ready(server, client, headers, await self._offers.converted(served, remote))

    def _tell(self, skipped: Sequence[SkippedServer]) -> None:
        """Log who takes no part, each once a while: most questions of an hour miss the same servers."""
        for server in skipped:
            told, now = (server.name, server.reason), monotonic()
            if now >= self._told.get(told, now):
                self._told[told] = now + TELL_AGAIN
                log.info("server_skipped: %s (%s)", server.name, server.reason.value)


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
        outcome = await ready.client.call(ready.headers, tool, arguments, timeout=timeout)
        return ToolResult(call, outcome.content, failed=outcome.failed)


NOTHING = McpToolset((), (), (), 0.0)
"""What there is without any server."""


def _may_be_told(server: ToolServer, access: ToolAccess, skipped: ServerSkipped) -> bool:
    """Whether the caller asked for the server, with an ``oauth`` token that it refuses."""
    proved = HeaderSource.OAUTH in server.authorization_headers.values()
    return skipped.reason is SkipReason.UNAUTHORIZED and proved and asked_for(server, access)


def _without(server: ToolServer, skipped: ServerSkipped) -> SkippedServer:
    return SkippedServer(server.name, skipped.reason, skipped.message)


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
