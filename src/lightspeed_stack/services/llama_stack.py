"""Opens the Llama Stack that the configuration names: a server, or one inside this process."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from pydantic import SecretStr

from lightspeed_stack.config.assistant import LlamaStackSection
from lightspeed_stack.errors import StackUnavailable
from lightspeed_stack.stack.base import Stack
from lightspeed_stack.stack.client import StackClient
from lightspeed_stack.stack.connection import connect, start
from lightspeed_stack.transport.base import Transport

MAX_DURATION = 1800.0
"""Seconds that one answer may take in all; ``timeout`` bounds the wait for each piece of it."""

LIBRARY_START = 300.0
"""Seconds for a stack inside this process to start: its import alone takes several."""


@asynccontextmanager
async def open_stack(section: LlamaStackSection) -> AsyncIterator[Stack]:
    """A stack that can be asked, or in degraded mode one that is tried again.

    Raises StackUnavailable, StackNotSupported or ConfigurationError, with the fix.
    """
    async with AsyncExitStack() as stack:
        transport = await stack.enter_async_context(_transport(section))
        client = await stack.enter_async_context(StackClient(transport, timeout=section.timeout))
        await stack.enter_async_context(connect(client, section))
        yield client


@asynccontextmanager
async def _transport(section: LlamaStackSection) -> AsyncIterator[Transport]:
    if section.use_as_library_client and section.library_client_config_path is not None:
        async with _library(section, Path(section.library_client_config_path)) as library:
            yield library
        return
    from lightspeed_stack.transport.http import HttpLimits, HttpTransport

    key = section.api_key
    headers = {} if key is None else {"Authorization": SecretStr(f"Bearer {key.get_secret_value()}")}
    limits = HttpLimits(read_timeout=section.timeout, max_duration=MAX_DURATION)
    async with HttpTransport(section.url or "", headers=headers, limits=limits, unavailable=StackUnavailable) as http:
        yield http


@asynccontextmanager
async def _library(section: LlamaStackSection, run_yaml: Path) -> AsyncIterator[Transport]:
    from lightspeed_stack.stack.library import open_library
    from lightspeed_stack.transport.in_process import InProcessTransport

    async with AsyncExitStack() as stack:
        started: list[Transport] = []

        async def once() -> None:
            library = InProcessTransport(
                partial(open_library, run_yaml),
                read_timeout=section.timeout,
                max_duration=MAX_DURATION,
                start_timeout=LIBRARY_START,
                unavailable=StackUnavailable,
                name="llama-stack",
            )
            started.append(await stack.enter_async_context(library))

        await start(once, section)
        yield started[0]
