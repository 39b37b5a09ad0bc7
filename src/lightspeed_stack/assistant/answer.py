"""What one turn has said and done so far: filled while it runs, so that a cut turn can be recorded."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from lightspeed_stack.domain.chat import ToolResult, Usage
from lightspeed_stack.domain.events import TurnEvent
from lightspeed_stack.domain.notices import Notice

type Emit = Callable[[TurnEvent], Awaitable[None]]
type Tell = Callable[[Notice], Awaitable[None]]
"""Makes a notice known: in the answer's events once they have begun, in its end, in metrics and in the log."""


@dataclass(slots=True)
class Answer:
    """``pieces`` are what the caller was given, behind all shields; ``tool_results`` what the model was given."""

    pieces: list[str] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    truncated: bool = False
    tool_results: list[ToolResult] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.pieces)
