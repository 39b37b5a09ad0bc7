"""A guard, and what is heard of it."""

from dataclasses import dataclass, field

from lightspeed_stack.assistant.guard import Guard
from lightspeed_stack.domain.events import TokenDelta, TurnEvent
from lightspeed_stack.domain.notices import Notice
from lightspeed_stack.shields.base import Shield


@dataclass(slots=True)
class Told:
    """A guard and what became of a turn behind it."""

    shields: tuple[Shield, ...]
    events: list[TurnEvent] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)

    @property
    def guard(self) -> Guard:
        return Guard(self.shields, self.tell)

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, TokenDelta))

    @property
    def told(self) -> list[tuple[str, str, str, str]]:
        return [(it.kind.value, it.subject, it.reason, it.message) for it in self.notices]

    async def tell(self, notice: Notice) -> None:
        self.notices.append(notice)

    async def emit(self, event: TurnEvent) -> None:
        self.events.append(event)
