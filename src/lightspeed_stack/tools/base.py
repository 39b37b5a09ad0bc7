"""The door to tools. Above: the agent's loop calls. Below: toolsets come with their servers."""

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


class NoTools:
    """The toolset of a turn without tools. A model that calls one all the same is told so."""

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        return ()

    async def call(self, call: ToolCall) -> ToolResult:
        return ToolResult(call, f"Unknown tool `{call.name}` was called.", failed=True)
