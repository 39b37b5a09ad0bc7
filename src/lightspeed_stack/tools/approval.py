"""May this call go ahead? Asked before every call of a tool, on what the model really wrote."""

from dataclasses import dataclass
from typing import Protocol

from lightspeed_stack.domain.chat import ToolCall
from lightspeed_stack.tools.base import Tool


@dataclass(frozen=True, slots=True)
class Allow:
    """The call is run."""


@dataclass(frozen=True, slots=True)
class Deny:
    """The call is not run; ``reason`` is a sentence for the model and for the caller."""

    reason: str


@dataclass(frozen=True, slots=True)
class Ask:
    """A human has to decide; the turn waits, and holds neither a task nor a connection."""


type Decision = Allow | Deny | Ask


class ApprovalPolicy(Protocol):
    """Decides by what is known; it never waits. A human decides later, by ``agent.resume``."""

    def decide(self, tool: Tool, call: ToolCall) -> Decision:
        """What becomes of a call; its arguments are a JSON object."""
        ...


class NobodyToAsk:
    """Runs the tools that need no approval, and no others."""

    def decide(self, tool: Tool, call: ToolCall) -> Decision:
        if tool.needs_approval:
            return Deny("Each call of this tool has to be approved by a human, and there is nobody to ask.")
        return Allow()
