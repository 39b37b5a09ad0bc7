"""What is known of one MCP server with one set of headers, and how the server is.

Above: ``mcp`` keeps a connection for each set. Below: ``mcp_session``. Each connection lives in a task of its own,
which opens and closes its sessions, one after the other, and looks at the list of tools; whoever wants to know reads
what it found last, and calls over the session that is open.
"""

import logging
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio

from lightspeed_stack.tools.mcp_faults import Fault, FaultKind, frames
from lightspeed_stack.tools.mcp_values import McpLimits, RemoteTool

if TYPE_CHECKING:
    from lightspeed_stack.tools.mcp_session import Remote, Session

log = logging.getLogger(__name__)

ASK_AGAIN = 30.0
"""Seconds after which a set of headers that was refused is tried once more, when somebody comes with it."""

type Start = Callable[..., None]
"""Starts a function with its arguments in a task that somebody else owns."""


class Health:
    """How a server is: well, until the contact fails that is to be relied on; then ill, until one succeeds.

    Relied on is the connection that worked last. Where another one fails, that may be for its own headers, so this one
    is asked: nobody can make a server look ill to all others.
    """

    def __init__(self, name: str, start: Start, limits: McpLimits) -> None:
        self._name = name
        self._start = start
        self._limits = limits
        self._reference: Connection | None = None
        self._next: Connection | None = None
        self._recovering = False
        self.fault: Fault | None = None
        self.challenge: str | None = None
        self.well_since = -1.0

    def answered(self, connection: "Connection") -> None:
        """It answered, if only that these headers are refused."""
        self._reference = connection
        if self.fault is not None:
            self.fault = None
            self.well_since = anyio.current_time()
            log.info("MCP server %s is well again", self._name)

    def failed(self, connection: "Connection", fault: Fault) -> None:
        reference = self._reference
        if self.fault is None and reference is not None and reference is not connection:
            reference.ask()
            return
        self.fall_ill(fault)
        if not self._recovering:
            self._recovering = True
            self._start(self._recover, connection)

    def fall_ill(self, fault: Fault) -> None:
        """From now on nobody waits for it."""
        if self.fault is None:
            log.warning("MCP server %s cannot be used: %s", self._name, fault.sentence)
        self.fault = fault

    def wanted(self, connection: "Connection") -> None:
        """Somebody wants to use the server with these headers while it is ill: they are tried next."""
        self._next = connection

    def gone(self, connection: "Connection") -> None:
        """The connection is not kept any longer."""
        if self._reference is connection:
            self._reference = None
        if self._next is connection:
            self._next = None

    async def _recover(self, connection: "Connection") -> None:
        pause = self._limits.retry_first
        while self.fault is not None:
            with connection.in_use():
                # Not all processes of a service in step.
                await anyio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - no secret
                connection, self._next = self._next or connection, None
                self._reference = connection
            with connection.in_use():
                await connection.asked()
            pause = min(2 * pause, self._limits.retry_last)
        self._recovering = False


class Connection:
    """The sessions with one set of headers, and what they brought.

    ``tools``: the list as last seen, None where none ever was, or where the headers are refused. ``fault``: why the
    last contact failed, at the time ``failed_at``. ``began``: since when a contact is under way. ``session``: the one
    that is open. ``kept``: not closed for being idle. ``calls``: how many are under way.
    """

    def __init__(
        self, headers: Mapping[str, str], remote: "Callable[[], Awaitable[Remote]]", health: Health, limits: McpLimits
    ) -> None:
        self._headers = headers
        self._remote = remote
        self._health = health
        self._limits = limits
        self._users = 0
        self._worked = False
        self._changed = False
        self._closing = anyio.Event()
        self._stir = anyio.Event()
        self._settled = anyio.Event()
        self._pause = 0.0
        self._due: float | None = None
        self._spacing = limits.spacing
        self._opened_at = -1.0
        self.ended = anyio.Event()
        self.kept = False
        self.calls = 0
        self.tools: tuple[RemoteTool, ...] | None = None
        self.fault: Fault | None = None
        self.failed_at = self.listed_at = -1.0
        self.began: float | None = None
        self.session: Session | None = None
        self.used_at = anyio.current_time()

    @property
    def busy(self) -> bool:
        return self._users > 0

    @contextmanager
    def calling(self) -> Iterator[None]:
        self.calls += 1
        try:
            yield
        finally:
            self.calls -= 1

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """It is not closed for being idle, or for others, meanwhile."""
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            self.used_at = anyio.current_time()

    def ask(self) -> None:
        """Look at the list now, where that is not being done; opens a session where there is none."""
        if self.began is None and not self._closing.is_set():
            self.began = anyio.current_time()
            self._settled = anyio.Event()
            self._stir.set()

    async def asked(self) -> None:
        """``ask``, and wait until the contact succeeded or failed: bounded by the limits of one."""
        self.ask()
        if not self._closing.is_set():
            await self._settled.wait()

    def lost(self, session: "Session") -> None:
        """This session turned out not to be known to the server any more."""
        if self.session is session:
            self.session = None
            self._stir.set()

    def close(self) -> None:
        self._closing.set()
        self._stir.set()

    async def live(self) -> None:
        """Until it is closed, or idle for long."""
        try:
            while await self._needed():
                fault = await self._met()
                self.session = None
                if fault is not None and not await self._may_reopen(fault):
                    self._failed(fault)
        finally:
            self.close()
            self._settle()
            self.ended.set()

    async def _needed(self) -> bool:
        """Wait until a contact is asked for; False where none will be."""
        while not self._closing.is_set():
            if self.began is not None:
                return True
            if self._idle():
                return False
            await self._wait(self._limits.idle)
        return False

    async def _met(self) -> Fault | None:
        """Have a session for as long as it is needed; what ended it otherwise."""
        self._worked = False
        fault: Fault | None = None
        try:
            remote = await self._remote()
            for way in remote.ways():
                async with remote.session(way, self._headers, self._notice) as session:
                    fault = await self._attend(remote, session)
                if fault is None or self._worked or not remote.try_next(way, fault):
                    break
        except Fault as known:
            fault = known
        except Exception as error:  # noqa: BLE001 - whatever the SDK raises; its words may hold what was sent
            log.error("a session with an MCP server broke down: %s", frames(error))
            fault = Fault(FaultKind.GARBAGE)
        return fault

    async def _attend(self, remote: "Remote", session: "Session") -> Fault | None:
        try:
            with anyio.fail_after(self._limits.contact):
                way = await session.open()
                tools = await session.tools()
            remote.worked(way)
            self._worked = True
            self._opened_at = anyio.current_time()
            self.session = session
            session.listen()
            self._listed(tools)
            while await self._look_again(session):
                await self._look(session)
        except Fault as fault:
            return fault
        except TimeoutError:
            return Fault(FaultKind.TIMEOUT)
        finally:  # from now on it is being closed: no call must begin on it
            self.session = None
        return None

    async def _look(self, session: "Session") -> None:
        """List again. Raises Fault where the session is not to be used any more."""
        try:
            with anyio.fail_after(self._limits.contact):
                self._listed(await session.tools())
        except (Fault, TimeoutError) as error:
            fault = error if isinstance(error, Fault) else Fault(FaultKind.TIMEOUT)
            # A server that runs a tool may have no time for a list: what it does for others is not broken off.
            if not self.calls or session.fault is not None or fault.kind is FaultKind.SESSION_GONE:
                raise fault from None
            self._failed(fault)

    async def _look_again(self, session: "Session") -> bool:
        """Wait until it is time for another look at the list; False where the session is not needed. Raises Fault."""
        while not self._closing.is_set():
            if session.fault is not None:
                raise session.fault
            if self.session is not session:
                raise Fault(FaultKind.SESSION_GONE)
            if self.began is not None:
                return True
            now = anyio.current_time()
            if self._changed:
                self._due = self._due or self._spaced()
                if now < self._due:
                    await self._wait(self._due - now)
                    continue
                self._changed, self._due = False, None
                self.ask()
                return True
            if self.kept and now >= self.listed_at + self._limits.refresh:
                self.ask()
                return True
            if self._idle():
                return False
            await self._wait(self.listed_at + self._limits.refresh - now if self.kept else self._limits.idle)
        return False

    def _spaced(self) -> float:
        """When to look again, as the server says that something changed: the later the more often it does."""
        quiet = anyio.current_time() - self.listed_at > 2 * self._spacing
        self._spacing = self._limits.spacing if quiet else min(2 * self._spacing, self._limits.retry_last)
        return self.listed_at + self._spacing

    async def _wait(self, patience: float) -> None:
        with anyio.move_on_after(patience):
            await self._stir.wait()
        self._stir = anyio.Event()

    def _notice(self) -> None:
        """Called by a session."""
        self._changed = True
        self._stir.set()

    def _idle(self) -> bool:
        return not self.kept and not self.busy and anyio.current_time() >= self.used_at + self._limits.idle

    def _listed(self, tools: tuple[RemoteTool, ...]) -> None:
        if tools != self.tools:
            self.tools = tools
        self.listed_at = anyio.current_time()
        self.fault = None
        self._health.answered(self)
        self._settle()

    async def _may_reopen(self, fault: Fault) -> bool:
        """Whether it was well till now, as it is where a server was started anew; later, if that happens often."""
        if not self._worked or fault.kind is FaultKind.TIMEOUT or fault.of_the_headers:
            return False
        lived = anyio.current_time() - self._opened_at
        self._pause = 0.0 if lived > self._limits.retry_last else self._pause
        with anyio.move_on_after(self._pause):
            await self._closing.wait()
            return True
        self._pause = min(max(self._limits.retry_first, 2 * self._pause), self._limits.retry_last)
        self.ask()
        return True

    def _failed(self, fault: Fault) -> None:
        self.fault = fault
        self.failed_at = anyio.current_time()
        if fault.kind is FaultKind.UNAUTHORIZED:
            self.tools = None
            if not self._headers:  # what is said to one caller is not for others
                self._health.challenge = fault.challenge or self._health.challenge
            self._health.answered(self)
        elif fault.kind is FaultKind.NOT_INSTALLED:
            self._health.fall_ill(fault)
        elif not fault.of_the_headers:
            self._health.failed(self, fault)
        self._settle()

    def _settle(self) -> None:
        self.began = None
        self._settled.set()
