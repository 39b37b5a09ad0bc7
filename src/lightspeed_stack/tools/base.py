"""The door to tools.

Above: the agent's loop calls, ``api`` lists and registers. Below: ``mcp_tools`` joins what servers of tools have, each
behind an ``mcp`` client; ``mcp_servers`` is the registry of servers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

from lightspeed_stack.backends.base import ToolSpec
from lightspeed_stack.domain.chat import ToolCall, ToolResult
from lightspeed_stack.domain.identity import ToolAccess
from lightspeed_stack.domain.servers import ToolServer


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool with where it comes from: ``group`` is the name of the toolset that has it.

    ``spec.name`` is how a model calls it, given once in a toolset. ``server`` is the address of the server that runs
    it, None where this service does. ``needs_approval``: a human has to agree to each call.
    """

    spec: ToolSpec
    group: str
    provider_id: str
    server: str | None = None
    needs_approval: bool = False


class SkipReason(StrEnum):
    """Why a server of tools takes no part in a turn: a closed set, for clients and metrics."""

    CONNECTING = "connecting"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    UNAUTHORIZED = "unauthorized"
    NO_CREDENTIALS = "no_credentials"
    BROKEN = "broken"
    NOT_INSTALLED = "not_installed"


@dataclass(frozen=True, slots=True)
class SkippedServer:
    """A server that takes no part; ``message`` is a sentence for the caller, without secrets or addresses."""

    name: str
    reason: SkipReason
    message: str


class Toolset(Protocol):
    """The tools of one turn, as they were when it began."""

    @property
    def tools(self) -> tuple[Tool, ...]:
        """In the order of the configuration and then of each server."""
        ...

    @property
    def skipped(self) -> tuple[SkippedServer, ...]:
        """The servers whose tools are not among them, in the order of the configuration."""
        ...

    async def call(self, call: ToolCall) -> ToolResult:
        """Run one call; its result is as long as the tool made it.

        A failure is a result (``failed``), never an exception: the model shall read it. Cancelling stops the tool.
        """
        ...


class ToolSource(Protocol):
    """Where toolsets come from; asked for each turn, so it answers from what it knows and never waits for a probe."""

    @property
    def passed_on(self) -> frozenset[str]:
        """Lower-case names of the headers of a request that some server gets."""
        ...

    async def toolset(self, access: ToolAccess) -> Toolset:
        """What this caller may use. A server that cannot be used is skipped.

        Raises ToolAuthorizationRequired where ``access`` names a server that wants another token.
        """
        ...


class ToolSelection(Protocol):
    """Chooses among many tools."""

    async def relevant(self, question: str, tools: Sequence[Tool], *, limit: int) -> tuple[Tool, ...]:
        """The ``limit`` tools most relevant to a question, in their given order; all where there are no more."""
        ...


@dataclass(frozen=True, slots=True)
class RegisteredServer:
    """A server of tools and who named it: the configuration, or a caller of the API."""

    server: ToolServer
    source: Literal["config", "api"]


class ServerRegistry(Protocol):
    """The servers of tools, those of the configuration and those that callers registered, for all replicas."""

    async def servers(self) -> tuple[RegisteredServer, ...]:
        """Those of the configuration in its order, then the others by name. Raises StorageError."""
        ...

    async def register(self, server: ToolServer) -> None:
        """Store it; it is used by this process at once and by all others within seconds.

        Raises ServerExists, ServerRefused, StorageError.
        """
        ...

    async def remove(self, name: str) -> None:
        """Forget it. Raises ServerNotFound, ServerNotRemovable, StorageError."""
        ...


class NoTools:
    """The toolset of a turn without tools. A model that calls one all the same is told so."""

    @property
    def tools(self) -> tuple[Tool, ...]:
        return ()

    @property
    def skipped(self) -> tuple[SkippedServer, ...]:
        return ()

    async def call(self, call: ToolCall) -> ToolResult:
        return ToolResult(call, unknown_tool(call.name), failed=True)


def unknown_tool(name: str) -> str:
    """What a model is told that calls a tool which there is not; at most 200 characters of the name."""
    return f"Unknown tool `{name[:200]}` was called."
