"""Asks a model of the service a short question of its own."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import anyio

from lightspeed_stack.backends.base import Delta, Finished, Generation, TextDelta
from lightspeed_stack.backends.catalog import ModelCatalog
from lightspeed_stack.domain.chat import Message
from lightspeed_stack.errors import BackendFailed, BackendUnavailable

MAX_HEARD = 2000
"""Characters of an answer that are listened to; models that think aloud need some before they come to the point."""

TIMEOUT = 60.0
"""Seconds for one answer; who asks may have less patience."""


@dataclass(frozen=True, slots=True)
class ModelAsk:
    """Implements ``shields.base.Ask``."""

    catalog: ModelCatalog

    async def __call__(self, system: str, text: str, model: str | None) -> str:
        """Raises ModelNotFound where there is no such model, and BackendError, also for an answer that is too long."""
        provider_id, _, label = (model or "").partition("/")
        choice = await self.catalog.choose(provider_id or None, label or None)
        messages = (Message("system", system), Message("user", text))
        generation = Generation(choice.asked_as, messages, temperature=0.0, live=False)
        try:
            with anyio.fail_after(TIMEOUT):
                async with self.catalog.backend(choice).stream(generation) as deltas:
                    return await _heard(deltas)
        except TimeoutError as error:
            raise BackendUnavailable("Request timed out.") from error


async def _heard(deltas: AsyncIterator[Delta]) -> str:
    """A whole answer. What was cut off is none: a model that thinks aloud names every verdict on its way to one."""
    said = ""
    async for delta in deltas:
        if isinstance(delta, TextDelta):
            said += delta.text
        if len(said) > MAX_HEARD or (isinstance(delta, Finished) and delta.reason == "length"):
            raise BackendFailed("The model's judgement is too long.")
    return said
