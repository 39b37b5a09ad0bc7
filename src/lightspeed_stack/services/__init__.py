"""Builds everything from ``Config``, once, in one ``AsyncExitStack``. The only place that loads adapters."""

import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio

from lightspeed_stack.assistant.limits import Limits
from lightspeed_stack.assistant.live import ActiveTurns
from lightspeed_stack.assistant.pipeline import Assistant
from lightspeed_stack.assistant.prompts import Instructions
from lightspeed_stack.assistant.summaries import TopicSummaries
from lightspeed_stack.auth.access import AccessPolicy
from lightspeed_stack.auth.base import Authenticator
from lightspeed_stack.backends.catalog import ModelCatalog
from lightspeed_stack.config.tree import Config
from lightspeed_stack.domain.chat import Budget
from lightspeed_stack.domain.ids import ConversationId
from lightspeed_stack.errors import AssistantError
from lightspeed_stack.retrieval.base import Retriever
from lightspeed_stack.services.adapters import required
from lightspeed_stack.services.health import HealthCheck, Probed
from lightspeed_stack.services.models import open_models
from lightspeed_stack.services.providers import Directory
from lightspeed_stack.services.shields import AllShields, CleanFeedback, open_shields
from lightspeed_stack.services.storage import storage
from lightspeed_stack.services.tools import open_tools
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
from lightspeed_stack.storage.opening import (
    Opening,
    OpeningCache,
    OpeningConversations,
    OpeningFeedbackSwitch,
    OpeningServers,
)
from lightspeed_stack.telemetry.metrics import Metrics
from lightspeed_stack.tools.base import ServerRegistry, ToolSource

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
    tools: ToolSource
    registry: ServerRegistry
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
    async with AsyncExitStack() as stack:
        authenticator = _authenticator(config)
        opening = stack.enter_context(storage(config))
        stack.push_async_callback(opening.aclose)
        store = OpeningConversations(opening)
        catalog, llama_stack = await open_models(config, stack)
        retriever = _retriever(config, llama_stack)
        shields = await stack.enter_async_context(open_shields(config, catalog, llama_stack))
        tools = await stack.enter_async_context(open_tools(config, OpeningServers(opening)))
        active = ActiveTurns()
        user_data = await stack.enter_async_context(open_user_data(config.user_data_collection, metrics.degraded))
        assistant = Assistant(
            catalog=catalog,
            conversations=store,
            retriever=retriever,
            tools=tools.source,
            selection=tools.selection,
            transcripts=user_data.transcripts,
            topics=await _topics(config, stack, catalog, _proposing(store, shields), active, metrics),
            shields=shields,
            instructions=_instructions(config),
            limits=_limits(config),
            active=active,
            failures=metrics.degraded,
            observed=metrics.observe,
        )
        stack.push_async_callback(active.drained, DRAIN_TIMEOUT)
        await _in_background(stack, partial(_warm_up, opening, retriever))
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
            feedback=_feedback(user_data.feedback, shields),
            tools=tools.source,
            registry=tools.registry,
            shields=shields,
            catalog=catalog,
            stack=llama_stack,
            providers=Directory(config, catalog, health, llama_stack),
            authenticator=authenticator,
            policy=_policy(config),
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


async def _in_background(stack: AsyncExitStack, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    tasks = await stack.enter_async_context(anyio.create_task_group())
    tasks.start_soon(work)
    stack.callback(tasks.cancel_scope.cancel)


def _policy(config: Config) -> AccessPolicy:
    rules = config.authorization.access_rules if config.authorization else ()
    return AccessPolicy.build(config.authentication.module, [(rule.role, rule.actions) for rule in rules])


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


def _feedback(sink: FeedbackSink | None, shields: AllShields | None) -> FeedbackSink | None:
    return sink if sink is None or shields is None or not shields.own else CleanFeedback(sink, shields.clean)


def _proposing(
    store: ConversationStore, shields: AllShields | None
) -> Callable[[ConversationId, str], Coroutine[Any, Any, None]]:
    """Proposes topics without what may not be kept."""

    async def propose(conversation_id: ConversationId, topic: str) -> None:
        await store.propose_topic(conversation_id, topic if shields is None else shields.clean(topic))

    return propose


async def _topics(
    config: Config,
    stack: AsyncExitStack,
    catalog: ModelCatalog,
    propose: Callable[[ConversationId, str], Coroutine[Any, Any, None]],
    active: ActiveTurns,
    metrics: Metrics,
) -> TopicSummaries | None:
    if not config.inference.topic_summaries:
        return None
    profile = config.customization.custom_profile if config.customization else None
    topics = TopicSummaries(
        catalog.backend,
        propose,
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
        budget=Budget(
            rounds=section.max_infer_iters,
            calls=section.max_tool_calls,
            tokens=section.max_turn_tokens,
            seconds=section.max_turn_seconds,
        ),
        max_offered_tools=section.max_offered_tools,
        max_tool_result_tokens=section.max_tool_result_tokens,
    )


def _instructions(config: Config) -> Instructions:
    section = config.customization
    if section is None:
        return Instructions()
    profile = section.custom_profile.prompts.get("default") if section.custom_profile else None
    return Instructions(profile, section.system_prompt, section.disable_query_system_prompt)
