"""Builds everything from ``Config``, once, in one ``AsyncExitStack``. The only place that loads adapters."""

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio

from lightspeed_stack.assistant.pipeline import Assistant, Limits
from lightspeed_stack.assistant.prompts import Instructions
from lightspeed_stack.auth.access import AccessPolicy
from lightspeed_stack.auth.base import Authenticator
from lightspeed_stack.backends.catalog import ModelCatalog, Provider
from lightspeed_stack.config.tree import Config
from lightspeed_stack.errors import AssistantError, ConfigurationError
from lightspeed_stack.retrieval.base import Retriever
from lightspeed_stack.services.adapters import required
from lightspeed_stack.services.health import HealthCheck
from lightspeed_stack.services.unsupported import without_effect
from lightspeed_stack.storage.base import ConversationStore
from lightspeed_stack.storage.opening import ClosableStore, OpeningStore
from lightspeed_stack.telemetry.metrics import Metrics

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
    catalog: ModelCatalog
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
        store = _conversations(config)
        stack.push_async_callback(store.aclose)
        catalog = await stack.enter_async_context(await _catalog(config, stack))
        retriever = _retriever(config)
        assistant = Assistant(
            catalog=catalog,
            conversations=store,
            retriever=retriever,
            instructions=_instructions(config),
            limits=Limits(
                max_question_length=config.inference.max_question_length, max_passages=config.rag.max_passages
            ),
            failures=metrics.degraded,
        )
        stack.push_async_callback(assistant.active.drained, DRAIN_TIMEOUT)
        rules = config.authorization.access_rules if config.authorization else ()
        parts: dict[str, ConversationStore | Retriever] = {"database": store}
        if retriever is not None:
            parts["knowledge"] = retriever
        tasks = await stack.enter_async_context(anyio.create_task_group())
        tasks.start_soon(_warm_up, store, retriever)
        stack.callback(tasks.cancel_scope.cancel)
        yield Services(
            config=config,
            assistant=assistant,
            catalog=catalog,
            authenticator=authenticator,
            policy=AccessPolicy.build(config.authentication.module, [(rule.role, rule.actions) for rule in rules]),
            metrics=metrics,
            health=HealthCheck(catalog, parts),
        )


async def _warm_up(store: OpeningStore, retriever: Retriever | None) -> None:
    await anyio.sleep(WARM_UP_DELAY)
    try:
        await store.warm()
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


async def _catalog(config: Config, stack: AsyncExitStack) -> ModelCatalog:
    sections = config.inference.providers
    if not sections:
        raise ConfigurationError(
            "inference.providers: no provider is configured, and llama_stack is not supported by this release yet\n"
            "    fix: name a model server:  inference: {providers: [{id: my, type: openai, url: http://…/v1}]}"
        )
    providers: dict[str, Provider] = {}
    for number, section in enumerate(sections):
        module = required("backends", section.type, key=f"inference.providers[{number}].type")
        backend = await stack.enter_async_context(module.build(section, section.settings))
        providers[section.id] = Provider(section.id, backend, section.allowed_models)
    return ModelCatalog(
        providers,
        default_provider=config.inference.default_provider,
        default_model=config.inference.default_model,
    )


def _conversations(config: Config) -> OpeningStore:
    section = config.database.sqlite
    if section is None:
        raise ConfigurationError(
            "database.postgres: PostgreSQL is not supported by this release yet\n"
            "    fix: write  database: {sqlite: {db_path: /path/to/lightspeed-stack.db}}"
        )
    path = Path(section.db_path)
    from lightspeed_stack.storage.precheck import check_sqlite

    check_sqlite(path)

    def open_store() -> ClosableStore:
        from lightspeed_stack.storage.conversations import SqlConversations
        from lightspeed_stack.storage.database import Database

        return SqlConversations(Database.open_sqlite(path))

    return OpeningStore(open_store)


def _retriever(config: Config) -> Retriever | None:
    if not config.rag.stores:
        return None
    from lightspeed_stack.services.knowledge import open_retriever

    return open_retriever(config.rag)


def _instructions(config: Config) -> Instructions:
    section = config.customization
    if section is None:
        return Instructions()
    profile = section.custom_profile.prompts.get("default") if section.custom_profile else None
    return Instructions(profile, section.system_prompt, section.disable_query_system_prompt)
