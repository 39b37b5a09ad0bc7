"""The door to shields. Above: the turn asks them, ``api`` lists them. Below: one file per kind of shield."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Flag, auto
from types import MappingProxyType
from typing import Any, Protocol


class Stage(Flag):
    """Where a shield looks: at the question, at the answer, or at text that a model is given to read."""

    INPUT = auto()
    OUTPUT = auto()
    INOUT = INPUT | OUTPUT
    SOURCE = auto()


PREFIXES = {"inout_": Stage.INOUT, "output_": Stage.OUTPUT, "input_": Stage.INPUT}


def stage_of(identifier: str) -> Stage:
    """What a shield's name says of where it looks; the question where it says nothing.

    Source: llama-stack-usage.md 4.
    """
    return next((stage for prefix, stage in PREFIXES.items() if identifier.startswith(prefix)), Stage.INPUT)


REFUSAL = "I can't answer that. Can I help with something else?"
"""For an objection without words; what Llama Stack's own shields say."""


@dataclass(frozen=True, slots=True)
class Violation:
    """Why a text may not pass; ``message`` takes the place of the answer."""

    shield: str
    message: str = REFUSAL
    metadata: Mapping[str, Any] = field(default=MappingProxyType({}))


class Objection(Exception):
    """What a watch raises where its text may not pass. It never leaves the turn."""

    def __init__(self, violation: Violation) -> None:
        super().__init__(violation.shield)
        self.violation = violation


class Watch(Protocol):
    """One text on its way past a shield, piece by piece.

    What goes in comes out: ``"".join`` of all that ``feed`` and ``close`` give is the text, perhaps with something
    taken out, and the same however the text was cut into pieces. Nothing comes out that may not pass.
    """

    @property
    def changed(self) -> int:
        """How many places were taken out so far."""
        ...

    async def feed(self, text: str) -> str:
        """Take the next piece, and give what may go on now; the rest is held back.

        That is a bounded number of characters, except by shields that judge a whole answer.

        Raises Objection; AssistantError where the shield cannot judge. Nothing more is asked of the watch then.
        """
        ...

    async def close(self) -> str:
        """The text is over: give what was held back. Raises as ``feed`` does."""
        ...


class Shield(Protocol):
    """A check on what goes to a model, or comes back from it."""

    @property
    def identifier(self) -> str:
        """The name by which the configuration and callers know it, given once."""
        ...

    @property
    def provider_id(self) -> str:
        """Which kind of check it is."""
        ...

    @property
    def provider_resource_id(self) -> str:
        """What the check rests on, a model or a list of patterns."""
        ...

    @property
    def params(self) -> Mapping[str, Any]:
        """Its settings as callers may see them: JSON values, no secrets."""
        ...

    @property
    def stage(self) -> Stage: ...

    @property
    def required(self) -> bool:
        """Whether it holds although a request leaves it out."""
        ...

    def watch(self, stage: Stage) -> Watch:
        """A watch for one text at one stage, which is one of ``self.stage``."""
        ...

    def clean(self, text: str) -> str:
        """The text without what may not be kept, for what is stored; as it is where the shield only judges."""
        ...


class ShieldSource(Protocol):
    """Where shields come from; asked for each turn, so it answers from what it knows."""

    async def shields(self) -> tuple[Shield, ...]:
        """In a stable order. Raises AssistantError where it cannot be known which there are."""
        ...


type Ask = Callable[[str, str, str | None], Awaitable[str]]
"""Asks a model of the service, for shields that judge by one: the system text, what to judge, and the model as
``provider/model`` or None for the default → all that it says, at most some thousand characters.

Raises AssistantError, also where it says more or takes too long."""


@dataclass(frozen=True, slots=True)
class Materials:
    """What ``build`` of a shield gets besides its settings."""

    identifier: str
    required: bool
    ask: Ask

    @property
    def stage(self) -> Stage:
        return stage_of(self.identifier)
