"""The door to shields. Above: the turn asks them, ``api`` lists them. Below: ``llama_stack``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Flag, auto
from types import MappingProxyType
from typing import Any, Protocol


class Stage(Flag):
    """Where a shield looks: at the question, at the answer, or at both."""

    INPUT = auto()
    OUTPUT = auto()
    INOUT = INPUT | OUTPUT


PREFIXES = {"inout_": Stage.INOUT, "output_": Stage.OUTPUT, "input_": Stage.INPUT}


def stage_of(identifier: str) -> Stage:
    """What a shield's name says of where it looks; the question where it says nothing.

    Source: llama-stack-usage.md 4.
    """
    return next((stage for prefix, stage in PREFIXES.items() if identifier.startswith(prefix)), Stage.INPUT)


@dataclass(frozen=True, slots=True)
class Violation:
    """Why a text may not pass; ``message`` takes the place of the answer."""

    shield: str
    message: str
    metadata: Mapping[str, Any] = field(default=MappingProxyType({}))


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

    async def inspect(self, text: str, stage: Stage) -> Violation | None:
        """Judge a question (INPUT) or an answer (OUTPUT). None where it may pass. Raises AssistantError."""
        ...


class ShieldSource(Protocol):
    """Where shields come from; asked for each turn, so it answers from what it knows."""

    async def shields(self) -> tuple[Shield, ...]:
        """In a stable order. Raises AssistantError where it cannot be known which there are."""
        ...
