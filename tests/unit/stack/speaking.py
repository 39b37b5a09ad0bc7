"""A client that speaks with recorded answers over a real connection."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import monotonic

import anyio

from lightspeed_stack.errors import StackUnavailable
from lightspeed_stack.stack.client import StackClient
from lightspeed_stack.transport.http import HttpLimits, HttpTransport


@asynccontextmanager
async def client(
    url: str, *, patience: float = 5.0, for_lists: float = 5.0, clock: Callable[[], float] = monotonic
) -> AsyncIterator[StackClient]:
    """``patience`` and ``for_lists`` are the client's limits in seconds; a test is over after half a minute."""
    with anyio.fail_after(30):
        async with HttpTransport(url, headers={}, limits=HttpLimits(), unavailable=StackUnavailable) as transport:
            async with StackClient(transport, timeout=patience, list_timeout=for_lists, clock=clock) as stack:
                yield stack
