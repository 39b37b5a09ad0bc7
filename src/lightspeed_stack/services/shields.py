"""Opens the shields: those of the configuration, and those of a Llama Stack behind them."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

import anyio.to_thread

from lightspeed_stack.backends.catalog import ModelCatalog
from lightspeed_stack.config.tree import Config
from lightspeed_stack.domain.feedback import Feedback
from lightspeed_stack.domain.health import Health
from lightspeed_stack.services.adapters import required
from lightspeed_stack.services.asking import ModelAsk
from lightspeed_stack.shields.base import Materials, Shield, ShieldSource
from lightspeed_stack.stack.base import Stack
from lightspeed_stack.storage.base import FeedbackSink


@dataclass(frozen=True, slots=True)
class AllShields:
    """Implements ``shields.base.ShieldSource``: our own in the order of the configuration, then the stack's."""

    own: tuple[Shield, ...]
    stack: ShieldSource | None = None

    async def shields(self) -> tuple[Shield, ...]:
        """Raises AssistantError where it cannot be known which the stack has."""
        return self.own if self.stack is None else (*self.own, *await self.stack.shields())

    def clean(self, text: str) -> str:
        """A text without what may not be kept."""
        for shield in self.own:
            text = shield.clean(text)
        return text


@asynccontextmanager
async def open_shields(
    config: Config, catalog: ModelCatalog, llama_stack: Stack | None
) -> AsyncIterator[AllShields | None]:
    """None where there are none. Raises ConfigurationError, with the fix."""
    async with AsyncExitStack() as stack:
        own = [await _open(config, number, catalog, stack) for number in range(len(config.shields))]
        behind: ShieldSource | None = None
        if llama_stack is not None:
            from lightspeed_stack.shields.llama_stack import StackShields

            behind = StackShields(llama_stack)
        yield AllShields(tuple(own), behind) if own or behind is not None else None


async def _open(config: Config, number: int, catalog: ModelCatalog, stack: AsyncExitStack) -> Shield:
    section = config.shields[number]
    module = required("shields", section.type, key=f"shields[{number}].type")
    shield: Shield = module.build(section.settings, Materials(section.id, section.required, ModelAsk(catalog)))
    if isinstance(shield, AbstractAsyncContextManager):
        await stack.enter_async_context(shield)
    return shield


@dataclass(frozen=True, slots=True)
class CleanFeedback:
    """Implements ``storage.base.FeedbackSink``: what may not be kept is taken out before ``sink`` keeps the rest."""

    sink: FeedbackSink
    clean: Callable[[str], str]

    async def write(self, feedback: Feedback) -> None:
        """See FeedbackSink."""
        await self.sink.write(await anyio.to_thread.run_sync(self._cleaned, feedback))

    def _cleaned(self, feedback: Feedback) -> Feedback:
        said = feedback.user_feedback
        return replace(
            feedback,
            user_question=self.clean(feedback.user_question),
            llm_response=self.clean(feedback.llm_response),
            user_feedback=None if said is None else self.clean(said),
        )

    async def probe(self) -> Health:
        return await self.sink.probe()
