"""The servers of tools that the configuration names, as values."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from types import MappingProxyType

from lightspeed_stack.config.tools import McpServerSection, approval_of
from lightspeed_stack.domain.servers import ToolServer


def server_of(section: McpServerSection) -> ToolServer:
    return ToolServer(
        name=section.name,
        url=section.url,
        provider_id=section.provider_id,
        authorization_headers=MappingProxyType(dict(section.authorization_headers)),
        headers=section.headers,
        timeout=section.timeout,
        approval=approval_of(section.require_approval),
    )


def named_once(servers: Sequence[ToolServer]) -> tuple[ToolServer, ...]:
    """The same servers, each with a name of its own: a name that was given before gets ``-2``, ``-3`` and so on.

    The contract allows repeated names (configuration.md 2.6). A name that somebody has as it is stays theirs.
    """
    own = {server.name for server in servers}
    used: set[str] = set()
    once = []
    for server in servers:
        name = server.name
        if name in used:
            name = next(it for n in count(2) if (it := f"{server.name}-{n}") not in own and it not in used)
        used.add(name)
        once.append(replace(server, name=name))
    return tuple(once)
