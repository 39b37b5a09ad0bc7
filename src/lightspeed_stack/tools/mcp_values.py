"""What the client of an MCP server takes and gives."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lightspeed_stack.tools.base import SkipReason

MEGA = 1024 * 1024


@dataclass(frozen=True, slots=True)
class RemoteTool:
    """A tool as its server lists it; ``schema`` is the JSON Schema of its arguments, always of an object."""

    name: str
    description: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call brought, as text for a model; ``failed`` where it is an error."""

    content: str
    failed: bool


class ServerSkipped(Exception):
    """A server's tools cannot be used now; ``message`` is a sentence for callers, without secrets or addresses.

    ``www_authenticate`` is the header of that name which came with the refusal.
    """

    def __init__(self, reason: SkipReason, message: str, www_authenticate: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.www_authenticate = www_authenticate


@dataclass(frozen=True, slots=True)
class McpLimits:
    """What one server may take. Times are seconds, sizes characters or bytes of JSON.

    ``first_wait``: how long a caller waits for the first list with its headers. ``answer``: for each answer on the way
    to a list; ``contact``: for that way as a whole. ``refresh``: between two looks at a list that nobody said changed;
    ``spacing``: between two at least. ``idle``: after which an unused session is closed. ``retry_first`` and
    ``retry_last``: between the first and the later attempts to reach a server that is ill.

    ``max_sessions``: sets of headers that are remembered; more only while more are in use at the same time.
    """

    first_wait: float = 2.0
    connect: float = 5.0
    answer: float = 10.0
    contact: float = 30.0
    refresh: float = 300.0
    spacing: float = 0.5
    idle: float = 600.0
    retry_first: float = 1.0
    retry_last: float = 60.0

    max_sessions: int = 64
    max_connections: int = 256
    max_result: int = 16 * MEGA
    max_list: int = 4 * MEGA
    max_pages: int = 50
    max_tools: int = 1000

    @property
    def max_body(self) -> int:
        """Bytes of one answer to a call: servers send a text twice, as text and as data."""
        return 2 * self.max_result + MEGA
