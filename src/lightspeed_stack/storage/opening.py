"""Stores that open when they are first needed, off the event loop.

The SQL library costs half as much to import as everything else of a start together. So the service listens first, and
``warm`` opens the database while nobody waits for it; whoever comes earlier waits for the same opening. Below:
``opened``, which is imported only then.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import anyio
import anyio.to_thread

from lightspeed_stack.domain.chat import Conversation, Exchange, ModelChoice
from lightspeed_stack.domain.health import Health
from lightspeed_stack.domain.ids import ConversationId
from lightspeed_stack.domain.servers import ToolServer
from lightspeed_stack.errors import StorageError
from lightspeed_stack.storage.base import (
    MAX_PAGE,
    CachedSummary,
    ConversationCache,
    ConversationStore,
    FeedbackSwitch,
    Page,
    ServerStore,
    Summary,
)


class Opened(Protocol):
    """Everything on the database; ``cache`` is None where none is configured."""

    @property
    def conversations(self) -> ConversationStore: ...

    @property
    def cache(self) -> ConversationCache | None: ...

    @property
    def feedback_switch(self) -> FeedbackSwitch: ...

    @property
    def servers(self) -> ServerStore: ...

    def close(self) -> None:
        """Store what is waiting, then close. Blocking."""
        ...


OPEN_TIMEOUT = 10.0
"""Seconds that a caller waits. Opening itself may take longer: the tables of a large database may get a new index."""


STILL_OPENING = "The database is still being opened."


class Opening:
    """Opens once, by ``open_`` (blocking; raises StorageError). A failed opening is tried again at the next need."""

    def __init__(self, open_: Callable[[], Opened]) -> None:
        self._open_ = open_
        self._opened: Opened | None = None
        self._lock = threading.Lock()
        self._limiter = anyio.CapacityLimiter(2)

    async def get(self) -> Opened:
        """What is open, opened now if need be. Raises StorageError."""
        return self._opened or await self.warm()

    async def warm(self) -> Opened:
        """Open, if that was not done yet. Raises StorageError, if need be after OPEN_TIMEOUT; opening then goes on."""
        try:
            with anyio.fail_after(OPEN_TIMEOUT):
                return await anyio.to_thread.run_sync(self._open, limiter=self._limiter, abandon_on_cancel=True)
        except TimeoutError:
            raise StorageError(STILL_OPENING) from None

    async def aclose(self) -> None:
        """Close what was opened: what is waiting is stored first."""
        await anyio.to_thread.run_sync(self._close)

    def _open(self) -> Opened:
        # Bounded, because a thread whose caller has gone waits on.
        if not self._lock.acquire(timeout=OPEN_TIMEOUT):
            raise StorageError(STILL_OPENING)
        try:
            if self._opened is None:
                self._opened = self._open_()
            return self._opened
        finally:
            self._lock.release()

    def _close(self) -> None:
        with self._lock:
            if self._opened is not None:
                self._opened.close()


@dataclass(frozen=True, slots=True)
class OpeningConversations:
    """Implements ``storage.base.ConversationStore``."""

    opening: Opening

    async def _store(self) -> ConversationStore:
        return (await self.opening.get()).conversations

    async def load(self, conversation_id: ConversationId, *, owner: str | None) -> Conversation:
        """See ConversationStore."""
        return await (await self._store()).load(conversation_id, owner=owner)

    async def create(self, conversation: Conversation, model: ModelChoice) -> None:
        """See ConversationStore."""
        await (await self._store()).create(conversation, model)

    async def append(self, conversation: Conversation, exchange: Exchange, *, create: bool = False) -> None:
        """See ConversationStore."""
        await (await self._store()).append(conversation, exchange, create=create)

    async def page(
        self, *, owner: str | None, limit: int = MAX_PAGE, after: ConversationId | None = None
    ) -> Page[Summary]:
        """See ConversationStore."""
        return await (await self._store()).page(owner=owner, limit=limit, after=after)

    async def read(self, conversation_id: ConversationId, *, owner: str | None) -> Conversation:
        """See ConversationStore."""
        return await (await self._store()).read(conversation_id, owner=owner)

    async def delete(self, conversation_id: ConversationId, *, owner: str | None) -> None:
        """See ConversationStore."""
        await (await self._store()).delete(conversation_id, owner=owner)

    async def propose_topic(self, conversation_id: ConversationId, topic: str) -> None:
        """See ConversationStore."""
        await (await self._store()).propose_topic(conversation_id, topic)

    async def probe(self) -> Health:
        """See ConversationStore."""
        try:
            return await (await self._store()).probe()
        except StorageError as error:
            return Health.error(error.cause)


@dataclass(frozen=True, slots=True)
class OpeningCache:
    """Implements ``storage.base.ConversationCache``; only where one is configured."""

    opening: Opening

    async def _cache(self) -> ConversationCache:
        cache = (await self.opening.get()).cache
        if cache is None:
            raise StorageError("No conversation cache is configured.")
        return cache

    async def page(
        self, user_id: str, *, limit: int = MAX_PAGE, after: ConversationId | None = None
    ) -> Page[CachedSummary]:
        """See ConversationCache."""
        return await (await self._cache()).page(user_id, limit=limit, after=after)

    async def read(self, user_id: str, conversation_id: ConversationId) -> tuple[Exchange, ...]:
        """See ConversationCache."""
        return await (await self._cache()).read(user_id, conversation_id)

    async def rename(self, user_id: str, conversation_id: ConversationId, topic: str) -> None:
        """See ConversationCache."""
        await (await self._cache()).rename(user_id, conversation_id, topic)

    async def delete(self, user_id: str, conversation_id: ConversationId) -> bool:
        """See ConversationCache."""
        return await (await self._cache()).delete(user_id, conversation_id)


class OpeningFeedbackSwitch:
    """Implements ``storage.base.FeedbackSwitch``; ``configured`` holds while the database cannot be opened."""

    def __init__(self, opening: Opening, *, configured: bool) -> None:
        self._opening = opening
        self._configured = configured

    async def enabled(self) -> bool:
        """See FeedbackSwitch."""
        try:
            switch = (await self._opening.get()).feedback_switch
        except StorageError:
            return self._configured
        return await switch.enabled()

    async def turn(self, on: bool) -> bool:
        """See FeedbackSwitch."""
        return await (await self._opening.get()).feedback_switch.turn(on)


@dataclass(frozen=True, slots=True)
class OpeningServers:
    """Implements ``storage.base.ServerStore``."""

    opening: Opening

    async def servers(self) -> tuple[ToolServer, ...]:
        """See ServerStore."""
        return await (await self.opening.get()).servers.servers()

    async def add(self, server: ToolServer) -> bool:
        """See ServerStore."""
        return await (await self.opening.get()).servers.add(server)

    async def remove(self, name: str) -> bool:
        """See ServerStore."""
        return await (await self.opening.get()).servers.remove(name)
