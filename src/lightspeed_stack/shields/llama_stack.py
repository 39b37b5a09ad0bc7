"""The shields of a Llama Stack. Above: the turn, by the door ``ShieldSource``. Below: the door ``stack.base``."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from lightspeed_stack.shields.base import REFUSAL, Shield, Stage, Violation, Watch, stage_of
from lightspeed_stack.shields.holding import Judged
from lightspeed_stack.stack.base import Stack, StackShield


class StackShields:
    """See ShieldSource. Empty where the release has no shields."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    async def shields(self) -> tuple[Shield, ...]:
        """In the stack's order."""
        return tuple(_StackShield(self._stack, listed) for listed in await self._stack.shields())


@dataclass(frozen=True, slots=True)
class _StackShield:
    """See Shield. A text is judged whole; its watch raises BackendError where the stack cannot judge."""

    stack: Stack
    listed: StackShield

    @property
    def identifier(self) -> str:
        return self.listed.identifier

    @property
    def provider_id(self) -> str:
        return self.listed.provider_id

    @property
    def provider_resource_id(self) -> str:
        return self.listed.provider_resource_id

    @property
    def params(self) -> Mapping[str, Any]:
        return self.listed.params

    @property
    def stage(self) -> Stage:
        return stage_of(self.listed.identifier)

    @property
    def required(self) -> bool:
        return False

    def watch(self, stage: Stage) -> Watch:
        """See Shield."""
        return Judged(partial(self._judge, stage))

    def clean(self, text: str) -> str:
        """See Shield. A stack's shields only judge."""
        return text

    async def _judge(self, stage: Stage, text: str) -> Violation | None:
        objection = await self.stack.run_shield(
            self.listed.identifier, text, role="user" if stage is Stage.INPUT else "assistant"
        )
        if objection is None:
            return None
        return Violation(self.listed.identifier, objection.message or REFUSAL, objection.metadata)
