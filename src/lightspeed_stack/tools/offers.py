"""What models are offered of the lists that servers give: converted once, and named.

Above: ``mcp_tools``, for each turn. Below: ``schemas`` and ``names``. This is in the way of every question, so a list
that was seen before costs a look into a dictionary.
"""

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic

import anyio
from anyio import to_thread

from lightspeed_stack.backends.base import ToolSpec
from lightspeed_stack.domain.servers import ToolServer
from lightspeed_stack.tools.base import Tool
from lightspeed_stack.tools.mcp_servers import Served
from lightspeed_stack.tools.mcp_values import RemoteTool
from lightspeed_stack.tools.names import given_names
from lightspeed_stack.tools.schemas import offered

PATIENCE, MAX_SCHEMAS = 2.0, 8 * 1024 * 1024
"""Seconds and characters for all schemas of a list: only one that is made to be a burden needs more."""

ANYTHING = offered({})
"""What is offered of a tool whose schema is left out: it may be called, and says itself what is missing."""

KEPT = 32
"""Lists that are kept of each server, which may give each caller another one."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A server's tools as models know them; ``own`` are their names at the server, by their names for models."""

    tools: tuple[Tool, ...]
    own: Mapping[str, str]


@dataclass(slots=True, eq=False)
class Converted:
    """A server's list with its schemas as models can use them, and the last offer made of it."""

    server: ToolServer
    remote: Sequence[RemoteTool]
    schemas: tuple[str, ...]
    offer: Offer | None = None
    edition: int = 0


@dataclass(slots=True, eq=False)
class _Shelf:
    """The lists that a server gave, by identity, the last used one last: each with its own object, so that it lives."""

    lists: OrderedDict[int, tuple[Sequence[RemoteTool], Converted]] = field(default_factory=OrderedDict)
    lock: anyio.Lock = field(default_factory=anyio.Lock)

    def names(self) -> set[str]:
        return {tool.name for remote, _ in self.lists.values() for tool in remote}


class Offers:
    """The lists of all servers, and the names of their tools. ``taken`` are names that no server's tool may have.

    Bounded: ``KEPT`` lists a server.
    """

    def __init__(self, taken: Collection[str] = ()) -> None:
        self._taken = frozenset(taken)
        self._followed: tuple[Served, ...] = ()
        self._shelves: dict[Served, _Shelf] = {}
        self._names: Mapping[tuple[str, str], str] = {}
        self._edition = 0
        self._outdated = False
        self._converters = anyio.CapacityLimiter(1)

    def follow(self, servers: tuple[Served, ...]) -> None:
        """Know these servers and no others; their order says who has a right to a name."""
        if servers is not self._followed:
            self._followed = servers
            self._shelves = {served: self._shelves.get(served) or _Shelf() for served in servers}
            self._outdated = True

    def kept(self, served: Served, remote: Sequence[RemoteTool]) -> Converted | None:
        """The list ready to be offered, where it was seen before."""
        shelf = self._shelves.get(served)
        found = None if shelf is None else shelf.lists.get(id(remote))
        if shelf is None or found is None:
            return None
        shelf.lists.move_to_end(id(remote))
        return found[1]

    async def converted(self, served: Served, remote: Sequence[RemoteTool]) -> Converted:
        """The list ready to be offered: as it was kept, or converted in a thread."""
        shelf = self._shelves.get(served) or _Shelf()  # the latter where it was dismissed meanwhile
        kept = shelf.lists.get(id(remote))
        if kept is not None:
            shelf.lists.move_to_end(id(remote))
            return kept[1]
        async with shelf.lock:
            # Most callers get the same list; where each gets an object of its own, it is converted once all the same.
            found = next((it for other, it in shelf.lists.values() if other is remote or other == remote), None)
            if found is None:
                schemas = await to_thread.run_sync(_schemas, remote, limiter=self._converters)
                found = Converted(served.server, remote, schemas)
                self._outdated = True
            shelf.lists[id(remote)] = (remote, found)
            if len(shelf.lists) > KEPT:
                shelf.lists.popitem(last=False)
                self._outdated = True
            return found

    def offers(self, lists: Sequence[Converted]) -> tuple[Offer, ...]:
        """What is offered of lists, all at once, so that each name is given once among them."""
        if self._outdated:
            known = {served.server.name: shelf.names() for served, shelf in self._shelves.items()}
            self._names = given_names(known, taken=self._taken)
            self._edition += 1
            self._outdated = False
        return tuple(self._offer(converted) for converted in lists)

    def _offer(self, converted: Converted) -> Offer:
        if converted.offer is None or converted.edition != self._edition:
            converted.offer, converted.edition = _made(converted, self._names), self._edition
        return converted.offer


def _schemas(remote: Sequence[RemoteTool]) -> tuple[str, ...]:
    """Those of a list, as models are offered them; a list that takes too long, or grows too large, loses its rest."""
    deadline, room = monotonic() + PATIENCE, MAX_SCHEMAS
    found: list[str] = []
    for tool in remote:
        found.append(offered(tool.schema) if monotonic() < deadline and room > 0 else ANYTHING)
        room -= len(found[-1])
    return tuple(found)


def _made(converted: Converted, names: Mapping[tuple[str, str], str]) -> Offer:
    server, where = converted.server, converted.server.address
    tools: list[Tool] = []
    own: dict[str, str] = {}
    for tool, schema in zip(converted.remote, converted.schemas, strict=True):
        name = names.get((server.name, tool.name))
        if name is None or name in own:  # its server was dismissed meanwhile, or lists it twice
            continue
        own[name] = tool.name
        spec = ToolSpec(name, tool.description, schema)
        tools.append(Tool(spec, server.name, server.provider_id, where, server.approval.needed(tool.name)))
    return Offer(tuple(tools), own)
