"""What a request brings for servers of tools: its token, ``MCP-HEADERS``, and headers that are passed on.

Source: rest-api.md 1.6, steps 1 and 2. Whether a server gets any of it is decided where the server is known.
"""

import json
import logging
from collections.abc import Mapping
from typing import Any

from fastapi import Request

from lightspeed_stack.config.tools import MAX_HEADERS
from lightspeed_stack.domain.identity import Principal, ToolAccess

log = logging.getLogger(__name__)

MCP_HEADERS = b"mcp-headers"

MAX_SIZE = 64 * 1024
"""Bytes of ``MCP-HEADERS``."""

MAX_SERVERS = 100
NOTHING = ToolAccess()


def tool_access(request: Request, who: Principal, passed_on: frozenset[str]) -> ToolAccess:
    """What ``request`` brings; ``passed_on`` are the lower-case names of headers that some server gets.

    ``MCP-HEADERS`` that cannot be understood are as good as none.
    """
    # Not by ``request.headers``, which costs five times as much where there is no such header: every question asks.
    given = next((value for name, value in request.scope["headers"] if name == MCP_HEADERS), b"")
    if not given and not passed_on:
        return ToolAccess(who.token) if who.token else NOTHING
    return ToolAccess(who.token, by_server(given) if given else {}, _passed_on(request, passed_on))


def by_server(header: bytes) -> dict[str, dict[str, str]]:
    """Name or URL of a server → its headers, as they stand in ``MCP-HEADERS``."""
    try:
        entries = _entries(header)
    except ValueError as reason:
        log.warning("MCP-HEADERS of a request are ignored: %s", reason)
        return {}
    understood = {server: headers for server, headers in entries.items() if _are_headers(headers)}
    if len(understood) < len(entries):
        log.warning("%d servers in MCP-HEADERS of a request are ignored", len(entries) - len(understood))
    return understood


def _entries(header: bytes) -> dict[str, Any]:
    """The entries, whatever they are. Raises ValueError with a reason that holds nothing of the header."""
    if len(header) > MAX_SIZE:
        raise ValueError(f"longer than {MAX_SIZE} bytes")
    try:
        entries = json.loads(header)
    except (ValueError, RecursionError):
        raise ValueError("no JSON") from None
    if not isinstance(entries, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - whoever sent it made the mistake, not a caller of this
    if len(entries) > MAX_SERVERS:
        raise ValueError(f"more than {MAX_SERVERS} servers")
    return entries


def _are_headers(value: Any) -> bool:
    return (
        isinstance(value, dict) and len(value) <= MAX_HEADERS and all(isinstance(text, str) for text in value.values())
    )


def _passed_on(request: Request, names: frozenset[str]) -> Mapping[str, str]:
    return {name: value for name in names if (value := request.headers.get(name)) is not None}
