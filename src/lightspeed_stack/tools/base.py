"""The door to tools. Above: the agent's loop calls, ``api`` lists. Below: toolsets come with their servers."""

from dataclasses import dataclass
from typing import Protocol

from lightspeed_stack.backends.base import ToolSpec
from lightspeed_stack.domain.chat import ToolCall, ToolResult


class Toolset(Protocol):
    """Tools that a model may call during one turn."""

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """What is offered to the model, in a stable order."""
        ...

    async def call(self, call: ToolCall) -> ToolResult:
        """Run one call. A failure is a result (``failed``), never an exception: the model shall read it."""
        ...


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool with where it comes from: ``group`` is the name of the toolset that has it.

    ``server`` is the address of the server that runs it, None where this service does.
    """

    spec: ToolSpec
    group: str
    provider_id: str
    server: str | None = None


class ListedToolset(Toolset, Protocol):
    """A toolset that also tells where its tools come from."""

    @property
    def tools(self) -> tuple[Tool, ...]:
        """All tools, in the order of the configuration and then of each server."""
        ...


class NoTools:
    """The toolset of a turn without tools. A model that calls one all the same is told so."""

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        return ()

    @property
    def tools(self) -> tuple[Tool, ...]:
        return ()

    async def call(self, call: ToolCall) -> ToolResult:
        return ToolResult(call, f"Unknown tool `{call.name}` was called.", failed=True)
