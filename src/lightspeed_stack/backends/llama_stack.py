"""The models behind a Llama Stack, which OGX is called since its release 1.0.

Above: ``services`` builds it by hand around the one stack there is, so there is no ``build`` here. Below: ``stack``
speaks with any release, ``completions`` reads the answers.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import isfinite

from lightspeed_stack.backends.base import Delta, Generation, Model
from lightspeed_stack.backends.completions import Completion, refusal
from lightspeed_stack.backends.openai_wire import request_body
from lightspeed_stack.domain.health import Health, HealthStatus
from lightspeed_stack.stack.base import Stack, StackModel

WINDOWS = ("context_length", "context_window", "max_model_len")
"""Where a model's metadata may tell its context window: releases and providers differ, and most tell none."""


@dataclass(frozen=True, slots=True)
class LlamaStackBackend:
    """``ChatBackend`` of all providers inside one stack. ``Generation.model`` is a model's identifier in the stack."""

    stack: Stack

    @property
    def provider_type(self) -> str:
        return "remote::llama-stack"

    @property
    def fronts(self) -> bool:
        return True

    @property
    def parallel(self) -> int | None:
        return None

    @asynccontextmanager
    async def stream(self, generation: Generation) -> AsyncIterator[AsyncIterator[Delta]]:
        """See ChatBackend. Entered with the first event, for releases up to 0.2 refuse inside an accepted stream."""
        async with self.stack.complete(request_body(generation)) as response:
            if response.status != 200:
                raise await refusal(response, generation.model)
            completion = Completion(response, live=generation.live)
            await completion.begun(generation.model)
            yield completion.deltas()

    async def models(self) -> list[Model]:
        """See ChatBackend."""
        return [_model(model) for model in await self.stack.models()]

    async def probe(self) -> Health:
        """See ChatBackend: ill where the stack does not answer, or where one of its providers is ill."""
        ill = {id_: health for id_, health in (await self.stack.probe()).items() if health.status is HealthStatus.ERROR}
        if not ill:
            return Health.ok()
        return Health.error("; ".join(f"{id_}: {health.message or 'ill'}" for id_, health in ill.items()))


def _model(model: StackModel) -> Model:
    """Callers know a model by what stands behind the provider in its identifier."""
    return Model(
        model.identifier.partition("/")[2] or model.identifier,
        kind=model.kind,
        metadata=model.metadata,
        context_window=_context_window(model),
        provider=model.provider_id,
        address=model.identifier,
        resource=model.provider_resource_id,
    )


def _context_window(model: StackModel) -> int | None:
    """Tokens, where the metadata holds a number; some releases write every number as a float."""
    for name in WINDOWS:
        told = model.metadata.get(name)
        if isinstance(told, int | float) and not isinstance(told, bool) and isfinite(told) and told >= 1:
            return int(told)
    return None
