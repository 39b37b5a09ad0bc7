"""What happens during a turn. Every protocol is an encoder of this stream; metrics and records listen to it."""

from dataclasses import dataclass

from lightspeed_stack.domain.chat import ModelChoice, ToolCall, ToolResult, Usage
from lightspeed_stack.domain.ids import ConversationId, RequestId
from lightspeed_stack.domain.knowledge import Citation, Passage
from lightspeed_stack.domain.notices import Notice
from lightspeed_stack.errors import AssistantError


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """The turn is under way, and its conversation exists in the store."""

    conversation_id: ConversationId
    request_id: RequestId
    model: ModelChoice


@dataclass(frozen=True, slots=True)
class Cited:
    """Passages were found and put before the model, best first."""

    passages: tuple[Passage, ...]
    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class TokenDelta:
    """A piece of the answer's text, never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCalled:
    call: ToolCall


@dataclass(frozen=True, slots=True)
class ToolReturned:
    result: ToolResult


@dataclass(frozen=True, slots=True)
class Compacted:
    """Old turns were left out so that the prompt fits; ``dropped`` counts them."""

    dropped: int


@dataclass(frozen=True, slots=True)
class Noticed:
    """Things were refused, stopped, skipped or changed just now."""

    notices: tuple[Notice, ...]


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The answer is complete. ``stored`` is False when it could not be stored; it is then given all the same."""

    text: str
    usage: Usage
    truncated: bool
    passages: tuple[Passage, ...]
    citations: tuple[Citation, ...]
    tool_results: tuple[ToolResult, ...]
    stored: bool
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class TurnFailed:
    """No complete answer can be given; what was said before stands."""

    error: AssistantError


type TurnEvent = (
    TurnStarted | Cited | TokenDelta | ToolCalled | ToolReturned | Compacted | Noticed | TurnEnded | TurnFailed
)
