"""The door to what is kept.

Above: ``assistant`` loads and records. Below: ``conversations`` over ``database`` and ``writer``.
"""

from typing import Protocol

from lightspeed_stack.domain.chat import Conversation, Exchange, ModelChoice
from lightspeed_stack.domain.health import Health
from lightspeed_stack.domain.ids import ConversationId


class ConversationStore(Protocol):
    """Conversations and their turns. What a call has returned from is stored durably."""

    async def load(self, conversation_id: ConversationId, *, owner: str | None) -> Conversation:
        """The conversation with its newest turns, oldest first; ``owner`` None means whoever owns it.

        Turns come without passages, tool results and attachments, and no more of them than a prompt can use.

        Raises ConversationNotFound when there is none, or it is not the owner's; StorageError.
        """
        ...

    async def create(self, conversation: Conversation, model: ModelChoice) -> None:
        """Store a new conversation without turns. Raises StorageError."""
        ...

    async def append(self, conversation: Conversation, exchange: Exchange, *, create: bool = False) -> None:
        """Store one turn and what it changes in the conversation, all or nothing; ``create`` stores that as well.

        The conversation's instructions are kept with its first turn.

        Raises StorageError.
        """
        ...

    async def probe(self) -> Health: ...
