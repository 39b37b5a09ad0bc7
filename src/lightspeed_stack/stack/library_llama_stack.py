"""Runs a stack of llama-stack 0.2: functions that make its parts and end them.

Source: ``core/stack.py`` and ``core/server/server.py`` of llama-stack 0.2.17 and 0.2.22.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any


@asynccontextmanager
async def running(package: str, config: Any, providers: Any) -> AsyncIterator[Mapping[Any, Any]]:
    """The parts of a stack by their API. ``providers`` is the release's registry of them."""
    core = import_module(f"{package}.core.stack")
    parts: Mapping[Any, Any] = await core.construct_stack(config, providers)
    try:
        yield parts
    finally:
        await core.shutdown_stack(parts)
