"""Shields that do as a test says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lightspeed_stack.errors import BackendFailed
from lightspeed_stack.shields.base import Materials, Shield, Stage, Violation, Watch, stage_of
from lightspeed_stack.shields.holding import Judged
from lightspeed_stack.shields.redaction import Redaction, Settings, build

REFUSAL = "I do not speak of that."


@dataclass(frozen=True, slots=True)
class Word:
    """A shield that refuses texts with a word in them; ``broken``: it cannot judge at all.

    ``window`` as in ``Judged``; without one it holds a text until it is over.
    """

    identifier: str
    word: str = ""
    broken: bool = False
    window: int | None = None
    required: bool = False
    source: bool = False
    provider_id: str = "word"
    provider_resource_id: str = "word"
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def stage(self) -> Stage:
        return Stage.SOURCE if self.source else stage_of(self.identifier)

    def watch(self, stage: Stage) -> Watch:
        assert stage in self.stage
        return Judged(self._judge, window=self.window)

    def clean(self, text: str) -> str:
        return text

    async def _judge(self, text: str) -> Violation | None:
        if self.broken:
            raise BackendFailed("The shield cannot judge.")
        return Violation(self.identifier, REFUSAL) if self.word in text else None


@dataclass(frozen=True, slots=True)
class Words:
    """A fixed list of shields."""

    known: tuple[Shield, ...]

    async def shields(self) -> tuple[Shield, ...]:
        return self.known


def redaction(identifier: str, *, required: bool = False, **settings: Any) -> Redaction:
    return build(Settings(**settings), Materials(identifier, required, _nobody))


async def _nobody(_system: str, _text: str, _model: str | None) -> str:
    raise AssertionError
