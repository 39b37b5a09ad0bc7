"""Reaching a stack at the start, which may come up after us, or not at all.

Above: ``services`` opens it. Below: ``client``, which afterwards keeps itself informed.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import anyio

from lightspeed_stack.config.assistant import LlamaStackSection
from lightspeed_stack.errors import (
    BackendError,
    ConfigurationError,
    StackNotSupported,
    StackUnavailable,
)
from lightspeed_stack.stack.client import StackClient
from lightspeed_stack.stack.refusals import CredentialsRefused

log = logging.getLogger(__name__)

LONGEST_DELAY = 30.0
"""Seconds between two attempts."""

type Sleep = Callable[[float], Awaitable[None]]
type Once = Callable[[], Awaitable[None]]
"""One attempt. Raises BackendError where another may succeed."""


@asynccontextmanager
async def connect(
    client: StackClient, section: LlamaStackSection, *, sleep: Sleep = anyio.sleep
) -> AsyncIterator[None]:
    """Have the client look around; the context is entered when it has, or in degraded mode when it cannot yet.

    In degraded mode it is tried again until the context is left.

    Raises StackNotSupported or ConfigurationError (the key is refused) at once, and StackUnavailable after the last
    attempt, with the fix.
    """
    failure = await _attempts(client.look_around, section, sleep)
    if failure is not None and not section.allow_degraded_mode:
        fix = "start the stack first, or set  llama_stack: {allow_degraded_mode: true}"
        raise StackUnavailable(f"llama_stack.url: {failure.cause}\n    fix: {fix}") from failure
    trying = AsyncExitStack()
    if failure is not None:
        log.error("Llama Stack: %s Starting without it; it is tried again in the background", failure.cause)
        tasks = await trying.enter_async_context(anyio.create_task_group())
        trying.callback(tasks.cancel_scope.cancel)
        tasks.start_soon(_keep_trying, client, section, sleep)
    try:
        yield
    finally:
        await trying.aclose()  # so that what went wrong inside is not wrapped in a group of exceptions


async def start(once: Once, section: LlamaStackSection, *, sleep: Sleep = anyio.sleep) -> None:
    """Start a stack inside this process, again where something that it needs does not answer yet.

    Raises what ``once`` raises, and StackUnavailable after the last attempt, with the fix.
    """
    failure = await _attempts(once, section, sleep)
    if failure is not None:
        fix = "start what the stack needs first: its database, the servers of its models"
        raise StackUnavailable(f"llama_stack.library_client_config_path: {failure.cause}\n    fix: {fix}") from failure


async def _attempts(once: Once, section: LlamaStackSection, sleep: Sleep) -> BackendError | None:
    """None as soon as one succeeds, else the last failure."""
    last = section.max_retries + 1
    for number in range(1, last + 1):
        try:
            await once()
        except CredentialsRefused as error:
            raise ConfigurationError(
                f"llama_stack.api_key: {error.cause}\n    fix: set it to a key that the stack accepts"
            ) from error
        except BackendError as error:
            if number == last:
                return error
            delay = delay_after(number, section.retry_delay)
            log.warning("Llama Stack: %s Attempt %d of %d, the next in %g s", error.cause, number, last, delay)
            await sleep(delay)
        else:
            return None
    return None


async def _keep_trying(client: StackClient, section: LlamaStackSection, sleep: Sleep) -> None:
    told, number = "", 0
    while True:
        number += 1
        await sleep(delay_after(number, section.retry_delay))
        try:
            await client.look_around()
        except (BackendError, StackNotSupported) as error:
            if error.cause != told:  # said once, and by readiness all the time
                log.warning("Llama Stack: %s", error.cause)
            told = error.cause
        except Exception:  # a background task must not take the service with it
            log.exception("Llama Stack cannot be tried again")
            return
        else:
            log.info("Llama Stack has been reached")
            return


def delay_after(number: int, first: float) -> float:
    """Seconds to wait after attempt ``number``, counted from 1: doubled each time, up to a limit."""
    return min(first * 2.0 ** min(number - 1, 60), max(first, LONGEST_DELAY))
