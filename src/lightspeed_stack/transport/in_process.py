"""A server inside this process: an ASGI application in a thread of its own, with an event loop of its own.

Above: ``services`` gives it an application and enters it. Below: ``exchange`` carries one request to and fro.

What the application does cannot block our loop; the two share the interpreter's lock, and nothing else.
"""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from contextvars import Context
from typing import Any, Self

import anyio

from lightspeed_stack.errors import BackendUnavailable
from lightspeed_stack.transport.base import Method, Response
from lightspeed_stack.transport.exchange import Application, Exchange, Message, Work, scope

log = logging.getLogger(__name__)

STOPPING = 15.0
"""Seconds in which an application has to close itself, before its loop is stopped under it."""

CANCELLING = 2.0
"""Seconds for its tasks to end then, or when its start is given up."""

SETTLING = 1.0
"""Seconds for its requests to end, and for what they have begun, before it is to close."""


class InProcessTransport:
    """See ``transport.base.Transport``. An async context manager that starts the thread and ends it.

    ``application`` makes the context that the application lives in; it is made, entered and left in the thread, where
    it may block. Times are seconds: ``read_timeout`` bounds the wait for a status and for each next piece,
    ``max_duration`` an exchange in all, ``start_timeout`` and ``stop_timeout`` the application's start and its end.

    Entering raises what the start raises, and ``unavailable`` where it takes too long. Leaving never takes much longer
    than ``stop_timeout``: a thread that does not end by then is left behind, with an error in the log, and does not
    keep the process from ending.
    """

    def __init__(
        self,
        application: Callable[[], AbstractAsyncContextManager[Application]],
        *,
        read_timeout: float,
        max_duration: float,
        start_timeout: float,
        stop_timeout: float = STOPPING,
        unavailable: type[BackendUnavailable] = BackendUnavailable,
        name: str = "in-process",
    ) -> None:
        self._make = application
        self._read_timeout = read_timeout
        self._max_duration = max_duration
        self._start_timeout = start_timeout
        self._stop_timeout = stop_timeout
        self._unavailable = unavailable
        self._name = name
        self._application: Application | None = None
        self._failure: BaseException = unavailable("Request timed out.")  # of the start, until it tells another

    async def __aenter__(self) -> Self:
        self._here = asyncio.get_running_loop()
        self._there = _new_event_loop()
        self._settled, self._ended = asyncio.Event(), asyncio.Event()
        self._halt = asyncio.Event()  # of the other loop
        self._running: set[Work] = set()  # in the other loop
        self._thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
        self._thread.start()
        try:
            with anyio.move_on_after(self._start_timeout):
                await self._settled.wait()
        finally:
            up, failure = self._application is not None, self._failure  # as it is now, not when all is stopped
            if not up:
                await self._stop(0)
        if not up:
            self._application = None
            raise failure
        return self

    async def __aexit__(self, *_: object) -> None:
        self._application = None
        self._post(self._halt.set)
        await self._stop(self._stop_timeout)

    def request(
        self, method: Method, path: str, body: bytes | None = None, *, timeout: float | None = None
    ) -> AbstractAsyncContextManager[Response]:
        """See Transport. Leaving early cancels the application's work on it."""
        return self._exchange(scope(method, path, body or b""), body or b"", timeout)

    @asynccontextmanager
    async def _exchange(self, request: Message, body: bytes, seconds: float | None) -> AsyncIterator[Response]:
        application = self._application
        if application is None:
            raise self._unavailable("Connection error.")
        exchange = Exchange(
            self._post,
            read_timeout=self._read_timeout if seconds is None else None,
            deadline=asyncio.get_running_loop().time() + (self._max_duration if seconds is None else seconds),
            unavailable=self._unavailable,
        )
        try:
            await exchange.open(lambda work: self._begin(work, application), request, body)
            yield exchange
        finally:
            await exchange.leave()

    async def _stop(self, patience: float) -> None:
        """Wait for the end of the thread, and help it where it does not come. A cancelled shutdown waits as well."""
        with anyio.CancelScope(shield=True):
            if not await self._ends_within(patience):
                if patience:
                    log.error("%s: did not close within %g seconds, and is stopped", self._name, patience)
                self._post(self._cancel_all)
                if not await self._ends_within(CANCELLING):
                    log.error("%s: its thread does not end, and is left behind", self._name)
                    return
            self._thread.join(CANCELLING)

    async def _ends_within(self, seconds: float) -> bool:
        with anyio.move_on_after(seconds):
            await self._ended.wait()
        return self._ended.is_set()

    # What the other thread tells, in our loop.

    def _is_up(self, application: Application) -> None:
        self._application = application
        self._settled.set()

    def _has_failed(self, error: BaseException) -> None:
        if self._settled.is_set():  # its words may quote a prompt: it has worked by now
            log.error("%s: failed when it was closed: %s", self._name, type(error).__name__)
            return
        self._failure = error
        self._settled.set()

    def _is_over(self) -> None:
        self._ended.set()
        self._settled.set()

    # What runs in the other thread.

    def _serve(self) -> None:
        try:
            with suppress(asyncio.CancelledError), asyncio.Runner(loop_factory=lambda: self._there) as runner:
                runner.run(self._live())  # cancelled by _stop alone
        finally:
            self._tell(self._is_over)

    async def _live(self) -> None:
        self._there.set_exception_handler(_unhandled)
        try:
            async with self._make() as application:
                lasting = asyncio.all_tasks()
                self._tell(self._is_up, application)
                await self._halt.wait()
                await self._end_requests(lasting)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the border to a foreign program; raised by us
            self._tell(self._has_failed, error)

    def _begin(self, work: Work, application: Application) -> None:
        self._running.add(work)
        work.begin(application).add_done_callback(lambda _: self._running.discard(work))

    async def _end_requests(self, lasting: set[asyncio.Task[Any]]) -> None:
        """Stop what is asked, and let finish what requests have begun and left to itself, such as storing an answer."""
        for work in self._running:
            work.leave()
        await asyncio.sleep(0)  # streams that were left begin to close themselves
        if begun := asyncio.all_tasks() - lasting:
            await asyncio.wait(begun, timeout=SETTLING)

    def _cancel_all(self) -> None:
        for task in asyncio.all_tasks(self._there):
            task.cancel()

    # From one loop to the other.

    def _post(self, function: Callable[[], object]) -> bool:
        """Have the other loop call a function, in a context that knows nothing of ours; False where that is closed."""
        try:
            self._there.call_soon_threadsafe(function, context=Context())
        except RuntimeError:
            return False
        return True

    def _tell(self, function: Callable[..., object], *arguments: object) -> None:
        """Have our loop call a function; once that is closed, nobody listens."""
        with suppress(RuntimeError):
            self._here.call_soon_threadsafe(function, *arguments)


def _new_event_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _unhandled(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what a loop cannot give to anybody, without an exception's words: they may quote a prompt."""
    error = context.get("exception")
    if "asyncgen" in context:  # a stream that was left, when the loop is closed: nothing is lost with it
        log.debug("a stream could not be closed: %s", type(error).__name__)
        return
    log.error("%s%s", context.get("message"), f" ({type(error).__name__})" if error is not None else "")
