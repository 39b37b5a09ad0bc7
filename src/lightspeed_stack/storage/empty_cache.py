"""The conversation cache of the type ``noop``: it is there, and keeps nothing."""

from lightspeed_stack.domain.chat import Exchange
from lightspeed_stack.domain.ids import ConversationId
from lightspeed_stack.errors import ConversationNotFound
from lightspeed_stack.storage.base import MAX_PAGE, CachedSummary, Page


class EmptyCache:
    """Implements ``storage.base.ConversationCache``."""

    async def page(
        self, user_id: str, *, limit: int = MAX_PAGE, after: ConversationId | None = None
    ) -> Page[CachedSummary]:
        """See ConversationCache."""
        if after is not None:
            raise ConversationNotFound
        return Page(())

    async def read(self, user_id: str, conversation_id: ConversationId) -> tuple[Exchange, ...]:
        """See ConversationCache."""
        raise ConversationNotFound

    async def rename(self, user_id: str, conversation_id: ConversationId, topic: str) -> None:
        """See ConversationCache."""
        raise ConversationNotFound

    async def delete(self, user_id: str, conversation_id: ConversationId) -> bool:
        """See ConversationCache."""
        raise ConversationNotFound
