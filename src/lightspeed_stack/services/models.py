"""Opens every place where models answer: the configured providers, and a Llama Stack behind them."""

import logging
from contextlib import AsyncExitStack

from lightspeed_stack.backends.catalog import ModelCatalog, Provider
from lightspeed_stack.config.tree import Config
from lightspeed_stack.errors import BackendError, ConfigurationError
from lightspeed_stack.services.adapters import required
from lightspeed_stack.stack.base import Stack

log = logging.getLogger(__name__)

STACK = "/llama_stack"
"""Stands for the Llama Stack among the providers; no provider's id has a slash."""


async def open_models(config: Config, stack: AsyncExitStack) -> tuple[ModelCatalog, Stack | None]:
    """All models there are, and the Llama Stack where one is configured; ``stack`` closes them.

    Raises ConfigurationError, StackUnavailable or StackNotSupported, with the fix.
    """
    providers: dict[str, Provider] = {}
    for number, section in enumerate(config.inference.providers):
        module = required("backends", section.type, key=f"inference.providers[{number}].type")
        backend = await stack.enter_async_context(module.build(section, section.settings))
        providers[section.id] = Provider(section.id, backend, section.allowed_models)
    llama_stack = await _llama_stack(config, stack)
    if llama_stack is not None:
        from lightspeed_stack.backends.llama_stack import LlamaStackBackend

        providers[STACK] = Provider(STACK, LlamaStackBackend(llama_stack))
    if not providers:
        raise ConfigurationError(
            "inference.providers: no provider is configured, and no llama_stack\n"
            "    fix: name a model server:  inference: {providers: [{id: my, type: openai, url: http://…/v1}]}"
        )
    catalog = ModelCatalog(
        providers,
        default_provider=config.inference.default_provider,
        default_model=config.inference.default_model,
    )
    await stack.enter_async_context(catalog)
    if llama_stack is not None:
        await _greet(config, llama_stack, catalog)
    return catalog, llama_stack


async def _llama_stack(config: Config, stack: AsyncExitStack) -> Stack | None:
    if config.llama_stack is None:
        return None
    from lightspeed_stack.services.llama_stack import open_stack  # a service without a stack loads none of it

    return await stack.enter_async_context(open_stack(config.llama_stack))


async def _greet(config: Config, llama_stack: Stack, catalog: ModelCatalog) -> None:
    """Learn ahead of the first question what the stack offers, and say what is configured and not there."""
    try:
        await catalog.look(STACK)
        stores = await llama_stack.stores()
    except BackendError as error:  # in degraded mode; readiness says so as well
        log.warning("%s: %s", error.response, error.cause)
        return
    names = {name for store in stores for name in (store.id, store.name)}
    for entry in config.byok_rag:
        if entry.vector_db_id not in names:
            log.warning(
                "byok_rag: the Llama Stack has no store '%s'; fix: make its configuration with -g, and restart it so",
                entry.vector_db_id,
            )
