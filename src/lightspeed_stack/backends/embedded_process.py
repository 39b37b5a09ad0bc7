"""A child process that serves one model, started again when it ends: nothing here knows what is said to it.

Above: ``embedded``. Below: ``embedded_child``, which runs in the child.
"""

import json
import logging
import os
import re
import secrets
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass
from subprocess import PIPE

import anyio
from anyio.abc import ByteReceiveStream, Process
from anyio.streams.buffered import BufferedByteReceiveStream

log = logging.getLogger(__name__)

MODULE = "lightspeed_stack.backends.embedded_child"
START_TIMEOUT = 300.0
"""Seconds to load a model; a slow disk reads 1 GB in far less."""

STOP_TIMEOUT = 5.0
MAX_CRASHES = 5
"""Crashes in a row, without an answer in between, after which the child is not started again."""

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 30.0
LONG_LIFE = 600.0
"""Seconds after which a crash is no longer taken as one more of a row."""

MAX_LINE = 64 * 1024
LAST_WORDS = re.compile(rb"GGML_ASSERT|terminate called|what\(\):|bad_alloc|out of memory")
"""After the start only such lines are logged: an error line of the server could quote a request."""

PASSED_ON = re.compile(r"PATH|HOME|LANG|LC_.*|TZ|TMPDIR|LD_LIBRARY_PATH|VIRTUAL_ENV|PYTHON.*|GGML_.*|OMP_.*")
"""The only environment variables that the child gets: native code needs no secrets of ours."""


@dataclass(frozen=True, slots=True)
class ChildOrders:
    """What the child is to do, sent over its standard input. ``connections`` bounds its HTTP threads."""

    model: str
    name: str
    context_window: int
    threads: int
    max_tokens: int
    connections: int


@dataclass(frozen=True, slots=True)
class Starting:
    """Not ready for the first time."""


@dataclass(frozen=True, slots=True)
class Ready[Client]:
    """Listening; ``client`` speaks to it."""

    client: Client
    url: str
    api_key: str
    pid: int


@dataclass(frozen=True, slots=True)
class Restarting:
    """It ended for ``reason`` and is started again."""

    reason: str


@dataclass(frozen=True, slots=True)
class Ill:
    """It is not started again."""

    reason: str


type State[Client] = Starting | Ready[Client] | Restarting | Ill


class ChildFailed(Exception):
    """The child could not start, for the reason given by the text."""


class WatchedChild[Client]:
    """Keeps one child alive while ``run`` runs.

    ``orders`` finds out what the child is to do, each time; what it raises is not retried. ``connect`` opens a client
    for a base address and an API key, and enters its context only when the server answers.
    """

    def __init__(
        self,
        orders: Callable[[], Awaitable[ChildOrders]],
        connect: Callable[[str, str], AbstractAsyncContextManager[Client]],
        *,
        first_pause: float = FIRST_PAUSE,
    ) -> None:
        self._orders = orders
        self._connect = connect
        self._state: State[Client] = Starting()
        self._changed = anyio.Event()
        self._crashes = 0
        self._first_pause = first_pause

    @property
    def state(self) -> State[Client]:
        return self._state

    def succeeded(self) -> None:
        """Told by the user of the child after an answer: crashes before no longer count."""
        self._crashes = 0

    async def changed_from(self, state: State[Client], *, seconds: float) -> State[Client]:
        """The state as soon as it is another than ``state``, or after ``seconds``."""
        with anyio.move_on_after(seconds):
            while self._state is state:
                await self._changed.wait()
        return self._state

    async def settled(self, *, seconds: float) -> State[Client]:
        """The state as soon as it is Ready or Ill, or after ``seconds``."""
        with anyio.move_on_after(seconds):
            while isinstance(self._state, Starting | Restarting):
                await self._changed.wait()
        return self._state

    async def run(self) -> None:
        """Start the child, and again when it ends, until that is given up. Cancelling stops the child."""
        try:
            await self._keep_starting()
        finally:
            if not isinstance(self._state, Ill):
                self.give_up("it was stopped")

    async def _keep_starting(self) -> None:
        while True:
            began = time.monotonic()
            reason = await self._life(await self._orders())
            if time.monotonic() - began > LONG_LIFE:
                self._crashes = 0
            self._crashes += 1
            log.warning("embedded model ended (%d in a row): %s", self._crashes, reason)
            if self._crashes >= MAX_CRASHES:
                self.give_up(f"it ended {self._crashes} times in a row: {reason}")
                return
            self._become(Restarting(reason))
            await anyio.sleep(min(LONGEST_PAUSE, self._first_pause * 2 ** (self._crashes - 1)))

    def give_up(self, reason: str) -> None:
        self._become(Ill(reason))

    def _become(self, state: State[Client]) -> None:
        self._state = state
        self._changed.set()
        self._changed = anyio.Event()

    async def _life(self, orders: ChildOrders) -> str:
        """One child from start to end; the result says why it ended."""
        api_key = secrets.token_urlsafe(32)
        began = time.monotonic()
        lines = _Lines()
        try:
            async with _child() as process, anyio.create_task_group() as tasks:
                tasks.start_soon(lines.drain, process.stderr)
                try:
                    url = await _begin(process, orders, api_key)
                    async with self._connect(url, api_key) as client:
                        lines.quiet = True
                        log.info("embedded model %s ready after %.1f s", orders.name, time.monotonic() - began)
                        self._become(Ready(client, url, api_key, process.pid))
                        reason = _how_it_ended(await process.wait())
                        # Before the client closes, so that nobody is sent to it.
                        self._become(Restarting(reason))
                except ChildFailed as failed:
                    reason = str(failed)
                tasks.cancel_scope.cancel()
        except OSError as error:
            reason = f"it cannot be started: {error.strerror}"
        return reason


@asynccontextmanager
async def _child() -> AsyncIterator[Process]:
    """A running child, ended when the context is left: asked first, killed after STOP_TIMEOUT."""
    environment = {name: value for name, value in os.environ.items() if PASSED_ON.fullmatch(name)}
    # Threads that wait for work by spinning would take the cores from the service.
    environment["OMP_WAIT_POLICY"] = "PASSIVE"
    process = await anyio.open_process(
        [sys.executable, "-m", MODULE], stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment
    )
    try:
        yield process
    finally:
        with anyio.CancelScope(shield=True):
            await _stop(process)


async def _stop(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
        with anyio.move_on_after(STOP_TIMEOUT):
            await process.wait()
    if process.returncode is None:
        process.kill()
    await process.aclose()


async def _begin(process: Process, orders: ChildOrders, api_key: str) -> str:
    """Give the orders and wait until the child listens; its base address. Raises ChildFailed."""
    if process.stdin is None or process.stdout is None:
        raise ChildFailed("it has no pipes")
    line = json.dumps({**asdict(orders), "api_key": api_key, "parent": os.getpid()}) + "\n"
    try:
        with anyio.fail_after(START_TIMEOUT):
            await process.stdin.send(line.encode())
            answer = await BufferedByteReceiveStream(process.stdout).receive_until(b"\n", MAX_LINE)
    except TimeoutError as error:
        raise ChildFailed(f"it did not start within {START_TIMEOUT:.0f} s") from error
    except (anyio.BrokenResourceError, anyio.IncompleteRead, anyio.DelimiterNotFound) as error:
        with anyio.move_on_after(STOP_TIMEOUT):
            await process.wait()
        raise ChildFailed(_how_it_ended(process.returncode)) from error
    report = json.loads(answer)
    if "listening" not in report:
        raise ChildFailed(f"the model cannot be loaded: {report.get('failed')}")
    return str(report["listening"])


class _Lines:
    """What the child writes to standard error, so that it never waits for a full pipe."""

    def __init__(self) -> None:
        self.quiet = False

    async def drain(self, stream: ByteReceiveStream | None) -> None:
        if stream is None:
            return
        rest = b""
        async for chunk in stream:
            *lines, rest = (rest + chunk).split(b"\n")
            rest = rest[-MAX_LINE:]
            for line in lines:
                if line.strip() and (not self.quiet or LAST_WORDS.search(line)):
                    log.debug("embedded model: %s", line[:500].decode(errors="replace"))


def _how_it_ended(code: int | None) -> str:
    if code is None:
        return "it does not answer"
    if code < 0:
        try:
            return f"killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"killed by signal {-code}"
    return f"it ended with status {code}"
