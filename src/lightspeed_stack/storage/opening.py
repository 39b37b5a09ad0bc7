"""A store that opens itself when it is first needed, off the event loop.

The SQL library costs half as much to import as everything else of a start together. So the service listens first, and
``warm`` opens the store while nobody waits for it; whoever comes earlier waits for the same opening.
"""

import threading
from collections.abc import Callable
from typing import Protocol

import anyio.to_thread

from lightspeed_stack.domain.chat import Conversation, Exchange, ModelChoice
from lightspeed_stack.domain.health import Health
from lightspeed_stack.domain.ids import ConversationId
from lightspeed_stack.errors import StorageError
from lightspeed_stack.storage.base import ConversationStore


class ClosableStore(ConversationStore, Protocol):
    def close(self) -> None: ...


class OpeningStore:
    """Implements ``storage.base.ConversationStore`` over the store that ``open_store`` (blocking) gives."""

    def __init__(self, open_store: Callable[[], ClosableStore]) -> None:
        self._open_store = open_store
        self._store: ClosableStore | None = None
        self._lock = threading.Lock()

    async def load(self, conversation_id: ConversationId, *, owner: str | None) -> Conversation:
        """See ConversationStore."""
        return await (self._store or await self.warm()).load(conversation_id, owner=owner)

    async def create(self, conversation: Conversation, model: ModelChoice) -> None:
        """See ConversationStore."""
        await (self._store or await self.warm()).create(conversation, model)

    async def append(self, conversation: Conversation, exchange: Exchange, *, create: bool = False) -> None:
        """See ConversationStore."""
        await (self._store or await self.warm()).append(conversation, exchange, create=create)

    async def probe(self) -> Health:
        """See ConversationStore."""
        try:
            return await (self._store or await self.warm()).probe()
        except StorageError as error:
            return Health.error(error.cause)

    async def warm(self) -> ClosableStore:
        """Open the store, if it is not open. A failed opening is tried again at the next need. Raises StorageError."""
        return await anyio.to_thread.run_sync(self._open)

    async def aclose(self) -> None:
        """Close the store, if it was opened: what is waiting is stored first."""
        if self._store is not None:
            await anyio.to_thread.run_sync(self._store.close)

    def _open(self) -> ClosableStore:
        with self._lock:
            if self._store is None:
                self._store = self._open_store()
            return self._store
