"""Runs a stack of OGX, or of llama-stack from 0.3 on: a ``Stack`` that is initialised and shut down.

Source: ``core/stack.py`` and ``core/server/server.py`` of llama-stack 0.3.5 and 0.7.3, and of ogx 1.0.2 and 1.5.0.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from typing import Any


@asynccontextmanager
async def running(package: str, config: Any, providers: Any) -> AsyncIterator[Mapping[Any, Any]]:
    """The parts of a stack by their API. ``providers`` is the release's registry of them."""
    stack = import_module(f"{package}.core.stack").Stack(config, providers)
    try:
        await stack.initialize()
    except BaseException:
        await _close_storage(package)
        raise
    stack.create_registry_refresh_task()
    try:
        yield stack.impls
    finally:
        await stack.shutdown()


async def _close_storage(package: str) -> None:
    """What ``shutdown`` does last; a stack that did not come up has no ``shutdown`` that works."""
    storage = f"{package}.core.storage"
    with suppress(ModuleNotFoundError):  # 0.3 keeps nothing open
        await import_module(f"{storage}.kvstore.kvstore").shutdown_kvstore_backends()
        await import_module(f"{storage}.sqlstore.sqlstore").shutdown_sqlstore_backends()
