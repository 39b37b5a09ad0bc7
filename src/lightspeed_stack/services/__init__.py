"""Builds everything from ``Config``, once, in one ``AsyncExitStack``. The only place that loads adapters."""

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import anyio

from lightspeed_stack.assistant.live import ActiveTurns
from lightspeed_stack.assistant.pipeline import Assistant, Limits
from lightspeed_stack.assistant.prompts import Instructions
from lightspeed_stack.assistant.summaries import TopicSummaries
from lightspeed_stack.auth.access import AccessPolicy
from lightspeed_stack.auth.base import Authenticator
from lightspeed_stack.backends.catalog import ModelCatalog
from lightspeed_stack.config.tree import Config
from lightspeed_stack.errors import AssistantError
from lightspeed_stack.retrieval.base import Retriever
from lightspeed_stack.services.adapters import required
from lightspeed_stack.services.health import HealthCheck, Probed
from lightspeed_stack.services.models import open_models
from lightspeed_stack.services.providers import Directory
from lightspeed_stack.services.storage import storage
from lightspeed_stack.services.unsupported import without_effect
from lightspeed_stack.services.user_data import open_user_data
from lightspeed_stack.shields.base import ShieldSource
from lightspeed_stack.stack.base import Stack
from lightspeed_stack.storage.base import (
    ConversationCache,
    ConversationStore,
    FeedbackSink,
    FeedbackSwitch,
)
from lightspeed_stack.storage.empty_cache import EmptyCache
from lightspeed_stack.storage.opening import Opening, OpeningCache, OpeningConversations, OpeningFeedbackSwitch
from lightspeed_stack.telemetry.metrics import Metrics
from lightspeed_stack.tools.base import ListedToolset, NoTools

log = logging.getLogger(__name__)

WARM_UP_DELAY = 0.5
"""Seconds after the start; so that a probe or a first visitor is not made to wait for what is warmed up."""

DRAIN_TIMEOUT = 5.0
"""Seconds that a stop waits for turns that were cut, so that what they said is stored before the store is closed."""


@dataclass(frozen=True, slots=True)
class Services:
    """The live parts of one application."""

    config: Config
    assistant: Assistant
    conversations: ConversationStore
    cache: ConversationCache | None
    feedback_switch: FeedbackSwitch
    feedback: FeedbackSink | None
    toolset: ListedToolset
    shields: ShieldSource | None
    catalog: ModelCatalog
    stack: Stack | None
    providers: Directory
    authenticator: Authenticator
    policy: AccessPolicy
    metrics: Metrics
    health: HealthCheck


@asynccontextmanager
async def open_services(config: Config, metrics: Metrics) -> AsyncIterator[Services]:
    """Open everything that ``config`` names; leaving closes it in reverse order.

    Raises ConfigurationError or StorageError, with the fix.
    """
    for sentence in without_effect(config):
        log.warning("%s", sentence)
    async with AsyncExitStack() as stack:
        authenticator = _authenticator(config)
        opening = stack.enter_context(storage(config))
        stack.push_async_callback(opening.aclose)
        store = OpeningConversations(opening)
        catalog, llama_stack = await open_models(config, stack)
        retriever = _retriever(config, llama_stack)
        shields = _shields(llama_stack)
        active = ActiveTurns()
        user_data = await stack.enter_async_context(open_user_data(config.user_data_collection, metrics.degraded))
        assistant = Assistant(
            catalog=catalog,
            conversations=store,
            retriever=retriever,
            transcripts=user_data.transcripts,
            topics=await _topics(config, stack, catalog, store, active, metrics),
            shields=shields,
            instructions=_instructions(config),
            limits=_limits(config),
            active=active,
            failures=metrics.degraded,
            violated=metrics.violated,
        )
        stack.push_async_callback(active.drained, DRAIN_TIMEOUT)
        rules = config.authorization.access_rules if config.authorization else ()
        tasks = await stack.enter_async_context(anyio.create_task_group())
        tasks.start_soon(_warm_up, opening, retriever)
        stack.callback(tasks.cancel_scope.cancel)
        health = _health(
            catalog,
            llama_stack,
            database=store,
            knowledge=retriever,
            transcripts=user_data.transcripts,
            feedback=user_data.feedback if config.user_data_collection.feedback_enabled else None,
        )
        yield Services(
            config=config,
            assistant=assistant,
            conversations=store,
            cache=_cache(config, opening),
            feedback_switch=OpeningFeedbackSwitch(opening, configured=config.user_data_collection.feedback_enabled),
            feedback=user_data.feedback,
            toolset=NoTools(),
            shields=shields,
            catalog=catalog,
            stack=llama_stack,
            providers=Directory(config, catalog, health, llama_stack),
            authenticator=authenticator,
            policy=AccessPolicy.build(config.authentication.module, [(rule.role, rule.actions) for rule in rules]),
            metrics=metrics,
            health=health,
        )


def _health(catalog: ModelCatalog, llama_stack: Stack | None, **own: Probed | None) -> HealthCheck:
    """All providers by their id, the parts of the service that there are by their name, and what a stack tells."""
    own_providers = [provider for provider in catalog.providers if not provider.backend.fronts]
    parts: dict[str, Probed] = {provider.id: provider.backend for provider in own_providers}
    for name, part in own.items():
        if part is not None:  # a provider may have such an id, and neither must hide the other
            parts[f"service-{name}" if name in parts else name] = part
    return HealthCheck(parts, {} if llama_stack is None else {"llama_stack": llama_stack})


async def _warm_up(opening: Opening, retriever: Retriever | None) -> None:
    await anyio.sleep(WARM_UP_DELAY)
    try:
        await opening.warm()
        if retriever is not None:
            await retriever.warm()
    except AssistantError as error:  # readiness says so as well, and the next question tries again
        log.error("%s: %s", error.response, error.cause)
    except Exception:  # a background task must not take the service with it
        log.exception("warming up failed")


def _authenticator(config: Config) -> Authenticator:
    module = required("auth", config.authentication.module, key="authentication.module")
    authenticator: Authenticator = module.build()
    return authenticator


def _cache(config: Config, opening: Opening) -> ConversationCache | None:
    match config.conversation_cache.type:
        case None:
            return None
        case "noop":
            return EmptyCache()
        case _:
            return OpeningCache(opening)


def _retriever(config: Config, llama_stack: Stack | None) -> Retriever | None:
    """Searches our own stores, and those of the stack."""
    retrievers: list[Retriever] = []
    if config.rag.stores:
        from lightspeed_stack.services.knowledge import open_retriever

        retrievers.append(open_retriever(config.rag, llama_stack))
    if llama_stack is not None:
        from lightspeed_stack.retrieval.llama_stack import StackRetriever

        retrievers.append(StackRetriever(llama_stack))
    if len(retrievers) < 2:
        return next(iter(retrievers), None)
    from lightspeed_stack.retrieval.combined import CombinedRetriever

    return CombinedRetriever(retrievers)


def _shields(llama_stack: Stack | None) -> ShieldSource | None:
    if llama_stack is None:
        return None
    from lightspeed_stack.shields.llama_stack import StackShields

    return StackShields(llama_stack)


async def _topics(
    config: Config,
    stack: AsyncExitStack,
    catalog: ModelCatalog,
    store: ConversationStore,
    active: ActiveTurns,
    metrics: Metrics,
) -> TopicSummaries | None:
    if not config.inference.topic_summaries:
        return None
    profile = config.customization.custom_profile if config.customization else None
    topics = TopicSummaries(
        catalog.backend,
        store.propose_topic,
        active,
        failures=metrics.degraded,
        prompt=profile.prompts.get("topic_summary") if profile else None,
    )
    return await stack.enter_async_context(topics)


def _limits(config: Config) -> Limits:
    section = config.inference
    return Limits(
        max_question_length=section.max_question_length,
        max_attachments=section.max_attachments,
        max_attachments_length=section.max_attachments_length,
        max_passages=config.rag.max_passages,
    )


def _instructions(config: Config) -> Instructions:
    section = config.customization
    if section is None:
        return Instructions()
    profile = section.custom_profile.prompts.get("default") if section.custom_profile else None
    return Instructions(profile, section.system_prompt, section.disable_query_system_prompt)
