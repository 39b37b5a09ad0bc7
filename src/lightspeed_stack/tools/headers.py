"""Whose headers go to which server of tools.

Above: ``mcp_tools`` for each turn, ``mcp_servers`` before the first one. Below: ``token_files``, and what the request
brought. Source: decisions.md 6; configuration of ``mcp_servers``.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Any

from lightspeed_stack.config.tools import MAX_HEADERS
from lightspeed_stack.domain.identity import ToolAccess
from lightspeed_stack.domain.servers import HeaderSource, ToolServer
from lightspeed_stack.tools.base import SkippedServer, SkipReason
from lightspeed_stack.tools.header_values import header_name, header_value
from lightspeed_stack.tools.token_files import TokenFiles

log = logging.getLogger(__name__)

NOBODY = ToolAccess()
"""The service itself, outside of any request."""


@dataclass(frozen=True, slots=True)
class MissingToken:
    """The request asked for this server, and did not bring the ``oauth`` header that it wants."""

    name: str


NONE: Mapping[str, str] = MappingProxyType({})


def asked_for(server: ToolServer, access: ToolAccess) -> bool:
    """Whether the request's ``MCP-HEADERS`` name the server, by its name or its URL."""
    return server.name in access.by_server or server.url in access.by_server


def needs_caller(server: ToolServer) -> bool:
    """Whether the server is not used without something that only a caller has."""
    return any(source in HeaderSource for source in server.authorization_headers.values())


def at_hand(server: ToolServer, files: TokenFiles) -> bool:
    """Whether ``headers_for`` gives its answer without waiting for a file."""
    sources = server.authorization_headers.values()
    return all(source in HeaderSource or files.fresh(source) for source in sources)


async def headers_for(
    server: ToolServer, access: ToolAccess, files: TokenFiles
) -> Mapping[str, str] | SkippedServer | MissingToken:
    """All headers for the server in this request, by lower-case name; or why it takes no part.

    What proves who asks wins over what ``MCP-HEADERS`` add, and that over what is passed on.
    """
    if not (server.authorization_headers or server.headers or access.by_server):
        return NONE
    given = _sendable(server, _named(server, access))
    headers: dict[str, str] = {}
    for name in server.authorization_headers:
        value = await _proof(server, name, access.token, given, files)
        if value is None:
            return _without(server, name, asked=asked_for(server, access))
        headers.setdefault(name.lower(), value)
    passed_on = {name: access.passed_on[name] for name in map(str.lower, server.headers) if name in access.passed_on}
    for name, value in (*given.items(), *_sendable(server, passed_on).items()):
        headers.setdefault(name, value)
    if len(headers) > MAX_HEADERS:
        log.warning("%s: %d headers of a request left out: too many", server.name, len(headers) - MAX_HEADERS)
    return MappingProxyType(dict(islice(headers.items(), MAX_HEADERS)))


def _named(server: ToolServer, access: ToolAccess) -> dict[object, object]:
    """What ``MCP-HEADERS`` give for the server; where they name it twice, what stands below its name wins."""
    found: list[object] = [access.by_server.get(key) for key in dict.fromkeys((server.url, server.name))]
    return {name: value for given in found if isinstance(given, Mapping) for name, value in given.items()}


def _sendable(server: ToolServer, headers: Mapping[Any, object]) -> dict[str, str]:
    """Those that can be sent, by lower-case name. Empty ones say nothing and are not missed."""
    sendable: dict[str, str] = {}
    left_out = 0
    for given_name, given in headers.items():
        name, value = header_name(given_name), header_value(given)
        if name is not None and value is not None:
            sendable[name] = value
        elif given != "":
            left_out += 1
    if left_out:
        # Neither value nor name: a caller can put anything there.
        log.warning("%s: %d headers of a request left out: they cannot be sent", server.name, left_out)
    return sendable


async def _proof(server: ToolServer, name: str, token: str, given: Mapping[str, str], files: TokenFiles) -> str | None:
    """The value of one authorization header; None where there is none that can be sent."""
    match server.authorization_headers[name]:
        case HeaderSource.KUBERNETES:
            value = header_value(token)
            return None if value is None else f"Bearer {value}"
        case HeaderSource.CLIENT | HeaderSource.OAUTH:
            return given.get(name.lower())
        case path:
            value = await files.read(path, key=f"mcp_servers '{server.name}': authorization_headers.{name}")
            bare = value is not None and name.lower() == "authorization" and not re.search(r"\s", value)
            return f"Bearer {value}" if bare else value


def _without(server: ToolServer, name: str, *, asked: bool) -> SkippedServer | MissingToken:
    """The server takes no part, as there is no value for this authorization header."""
    match server.authorization_headers[name]:
        case HeaderSource.OAUTH if asked:
            return MissingToken(server.name)
        case HeaderSource.OAUTH:
            message = f"It wants a token of yours: send it as {name} for this server in MCP-HEADERS."
            return SkippedServer(server.name, SkipReason.UNAUTHORIZED, message)
        case HeaderSource.CLIENT:
            message = f"It needs the header {name}, which the request does not give for it in MCP-HEADERS."
        case HeaderSource.KUBERNETES:
            message = f"It needs your own token in {name}, and the request has none."
        case _:
            message = f"The value of its header {name} cannot be read by this service."
    return SkippedServer(server.name, SkipReason.NO_CREDENTIALS, message)
