"""One request on its way through an ASGI application that runs in another event loop, and what comes back.

Above: ``in_process`` owns both loops. ``Work`` lives in the application's loop and ``Exchange`` in ours; they share
nothing, and hand each other what happens with ``call_soon_threadsafe``, which keeps the order.

Source: the ASGI specification, HTTP and WebSocket protocol, version 2.4.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Self
from urllib.parse import unquote

import anyio

from lightspeed_stack.errors import BackendUnavailable
from lightspeed_stack.transport.base import Method

log = logging.getLogger(__name__)

PIECES = 16
"""Pieces of a body that may wait for their reader, before the application is made to wait."""

DROPPED = 1_000
"""Pieces that an application may still send when nobody reads any more, before it is cancelled in any case."""

QUIET = 10
"""Turns of its loop in which an application that goes on would send."""

LEAVING = 2.0
"""Seconds that the application has to end its work on a request that is left early."""

FAILED = 500
"""The status where an application raises, or ends, before it has said any: a server would answer with it."""

type Message = MutableMapping[str, Any]
"""An ASGI event or scope. Any: that protocol has dictionaries of many shapes."""

type Application = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of an answer."""

    status: int
    retry_after: str | None = None


class End(Enum):
    """How an answer ends: as it should, by the application's fault, or because its work was stopped."""

    COMPLETE = auto()
    BROKEN = auto()
    STOPPED = auto()


type Part = Head | bytes | End


def scope(method: Method, path: str, body: bytes) -> Message:
    """The scope of a request; ``path`` may have a query, and is quoted as in a URL."""
    raw, _, query = path.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(raw),
        "raw_path": raw.encode("ascii"),
        "query_string": query.encode("ascii"),
        "root_path": "",
        "headers": [
            (b"host", b"localhost"),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode("ascii")),
        ],
        "client": None,
        "server": ("localhost", None),
    }


class Work:
    """The application's side. ``tell`` hands a part over to the other side; it may be called from this loop."""

    def __init__(self, request: Message, body: bytes, tell: Callable[[Part], None]) -> None:
        self._request = request
        self._body: bytes | None = body
        self._tell = tell
        self._room = asyncio.Semaphore(PIECES)
        self._left = asyncio.Event()
        self._sent = 0
        self._sending = False
        self._dropped = 0
        self._complete = False
        self._task: asyncio.Task[None] | None = None

    def begin(self, application: Application) -> asyncio.Task[None]:
        self._task = task = asyncio.get_running_loop().create_task(self._run(application))
        task.add_done_callback(self._forget)
        return task

    def make_room(self) -> None:
        """A piece was taken."""
        self._room.release()

    def leave(self) -> None:
        """Nobody waits for the answer any more.

        A stream that is cancelled while it waits for its source closes that. One that is cancelled between two pieces
        is only dropped, and its source stays open for a while. So it is cancelled when it has come to wait.
        """
        self._left.set()
        self._room.release()
        self._cancel()

    def _cancel(self, sent: int = 0, quiet: int = 0) -> None:
        """``quiet``: for how many turns of the loop nothing was sent since ``sent``."""
        if self._task is None:
            return
        quiet = quiet + 1 if sent == self._sent and not self._sending else 0
        if quiet < QUIET:
            asyncio.get_running_loop().call_soon(self._cancel, self._sent, quiet)
        else:
            self._task.cancel()

    def _forget(self, _: asyncio.Task[None]) -> None:
        """A task that was cancelled keeps the frames it was in, and with them streams that nobody would close."""
        self._task = None

    async def _run(self, application: Application) -> None:
        end = End.STOPPED
        try:
            await application(self._request, self._receive, self._send)
            end = End.BROKEN  # unless the last piece was told before
        except Exception as error:  # noqa: BLE001 - the border to a foreign program, whose words may quote a prompt
            end = End.BROKEN
            if not self._complete and not self._left.is_set():  # frameworks raise again what they have answered already
                log.error("an application inside this process failed: %s", type(error).__name__)
        finally:
            self._tell(end)

    async def _receive(self) -> Message:
        body, self._body = self._body, None
        if body is not None:
            return {"type": "http.request", "body": body, "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self._sent += 1
        self._sending = True
        try:
            await (self._drop() if self._left.is_set() else self._pass_on(message))
        finally:
            self._sending = False

    async def _drop(self) -> None:
        self._dropped += 1
        if self._dropped > DROPPED and self._task is not None:
            self._task.cancel()
        await asyncio.sleep(0)

    async def _pass_on(self, message: Message) -> None:
        match message["type"]:
            case "http.response.start":
                self._tell(Head(int(message["status"]), _retry_after(message.get("headers", ()))))
            case "http.response.body":
                if piece := message.get("body", b""):
                    await self._room.acquire()
                    self._tell(bytes(piece))  # in vain, where the reader has left meanwhile
                if not message.get("more_body", False):
                    self._complete = True
                    self._tell(End.COMPLETE)


def _retry_after(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    return next((value.decode("latin-1") for name, value in headers if name.lower() == b"retry-after"), None)


class Exchange:
    """Our side: a Response. ``post`` runs a function in the application's loop; False where that is closed.

    ``read_timeout`` bounds the wait for each part in seconds, None does not; all must be over at ``deadline``, a time
    of our loop.
    """

    def __init__(
        self,
        post: Callable[[Callable[[], object]], bool],
        *,
        read_timeout: float | None,
        deadline: float,
        unavailable: type[BackendUnavailable],
    ) -> None:
        self._post = post
        self._read_timeout = read_timeout
        self._deadline = deadline
        self._unavailable = unavailable
        self._loop = asyncio.get_running_loop()
        self._parts: asyncio.Queue[Part] = asyncio.Queue()  # bounded by the room that Work has
        self._all_here = False
        self._over = asyncio.Event()
        self._head = Head(FAILED)
        self._work: Work | None = None

    @property
    def status(self) -> int:
        return self._head.status

    @property
    def retry_after(self) -> str | None:
        return self._head.retry_after

    def chunks(self) -> AsyncIterator[bytes]:
        """See Response."""
        return self

    async def open(self, begin: Callable[[Work], object], request: Message, body: bytes) -> None:
        """Begin, and wait for the status. Raises as Transport does."""
        work = self._work = Work(request, body, self._told)
        if not self._post(lambda: begin(work)):
            self._over.set()
            raise self._unavailable("Connection error.")
        first = await self._next()
        if isinstance(first, Head):
            self._head = first
        elif first is End.STOPPED:
            raise self._unavailable("Connection error.")
        else:
            self._parts.put_nowait(End.COMPLETE)  # the status says all that there is to say

    async def leave(self) -> None:
        """Stop what still goes on for this request, and wait for its end, though not long."""
        if self._work is None or self._all_here or self._over.is_set() or not self._post(self._work.leave):
            return
        with anyio.move_on_after(LEAVING, shield=True):
            await self._over.wait()
        if not self._over.is_set():
            log.warning("a request that was left did not end within %g seconds", LEAVING)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        part = await self._next()
        if isinstance(part, bytes):
            if self._work is not None:
                self._post(self._work.make_room)
            return part
        self._parts.put_nowait(part)  # an end stays the end
        if part is End.COMPLETE:
            raise StopAsyncIteration
        raise self._unavailable("Connection error.")

    async def _next(self) -> Part:
        left = self._deadline - self._loop.time()
        if left > 0 and not self._parts.empty():
            return self._parts.get_nowait()
        patience = left if self._read_timeout is None else min(left, self._read_timeout)
        try:
            with anyio.fail_after(max(patience, 0)):
                return await self._parts.get()
        except TimeoutError:
            raise self._unavailable("Request timed out.") from None

    def _told(self, part: Part) -> None:
        """Called from the other loop."""
        try:
            self._loop.call_soon_threadsafe(self._arrived, part)
        except RuntimeError:
            log.debug("a part of an answer came after our loop was closed")

    def _arrived(self, part: Part) -> None:
        if isinstance(part, End):
            if part is not End.COMPLETE:
                self._over.set()
            if self._all_here:
                return
            self._all_here = True
        self._parts.put_nowait(part)
