"""Closes what llama-stack opens and, up to 0.3, never closes: each of its SQL stores has engines, each with threads.

Source: ``providers/utils/sqlstore/sqlalchemy_sqlstore.py`` of llama-stack 0.2.22 and 0.3.5.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any


@asynccontextmanager
async def closed_engines(package: str) -> AsyncIterator[None]:
    """Close, when the context is left, the engines that a stack has made within it."""
    try:
        module = import_module(f"{package}.providers.utils.sqlstore.sqlalchemy_sqlstore")
    except ModuleNotFoundError:  # a newer release, or none of SQLAlchemy
        yield
        return
    make, engines = module.create_async_engine, []

    def noting(*arguments: Any, **options: Any) -> Any:
        engines.append(make(*arguments, **options))
        return engines[-1]

    module.create_async_engine = noting  # type: ignore[attr-defined]
    try:
        yield
    finally:
        module.create_async_engine = make  # type: ignore[attr-defined]
        for engine in engines:
            await engine.dispose()
