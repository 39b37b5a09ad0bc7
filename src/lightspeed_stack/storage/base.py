"""The door to what is kept.

Above: ``assistant`` loads and records, ``api`` lists, shows, renames and deletes. Below: ``conversations`` (and the
``cache`` that it keeps in step) over ``database`` and ``writer``; ``files`` for feedback and transcripts.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from lightspeed_stack.domain.chat import Conversation, Exchange, ModelChoice, Transcript
from lightspeed_stack.domain.feedback import Feedback
from lightspeed_stack.domain.health import Health
from lightspeed_stack.domain.ids import ConversationId
from lightspeed_stack.domain.servers import ToolServer

MAX_PAGE = 10_000
"""Entries of a list at most; who asks for no number gets as many."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One entry of a list of conversations; times are aware and in UTC."""

    id: ConversationId
    owner: str
    topic: str
    created_at: datetime
    last_message_at: datetime
    message_count: int
    last_model: str
    last_provider: str


@dataclass(frozen=True, slots=True)
class CachedSummary:
    """One entry of the cache's list; ``topic`` is None where none was ever set."""

    id: ConversationId
    topic: str | None
    last_message_at: datetime


@dataclass(frozen=True, slots=True)
class Page[T]:
    """A part of a list, newest first; ``more`` tells that older entries follow."""

    entries: tuple[T, ...]
    more: bool = False


class ConversationStore(Protocol):
    """Conversations and their turns. What a call has returned from is stored durably.

    ``owner`` None means whoever owns it. All methods raise StorageError.
    """

    async def load(self, conversation_id: ConversationId, *, owner: str | None) -> Conversation:
        """The conversation with its newest turns, oldest first, for a prompt.

        Turns come without passages, tool results and attachments, and no more of them than a prompt can use.

        Raises ConversationNotFound when there is none, or it is not the owner's.
        """
        ...

    async def create(self, conversation: Conversation, model: ModelChoice) -> None:
        """Store a new conversation without turns."""
        ...

    async def append(self, conversation: Conversation, exchange: Exchange, *, create: bool = False) -> None:
        """Store one turn and what it changes in the conversation, all or nothing; ``create`` stores that as well.

        The conversation's instructions are kept with its first turn. A conversation that was deleted meanwhile stays
        deleted.
        """
        ...

    async def page(
        self, *, owner: str | None, limit: int = MAX_PAGE, after: ConversationId | None = None
    ) -> Page[Summary]:
        """At most ``limit`` conversations, the one with the newest message first; those that follow ``after``.

        Raises ConversationNotFound when ``after`` is not in the list.
        """
        ...

    async def read(self, conversation_id: ConversationId, *, owner: str | None) -> Conversation:
        """The conversation with every turn and all that belongs to it, oldest first.

        Raises ConversationNotFound when there is none, or it is not the owner's.
        """
        ...

    async def delete(self, conversation_id: ConversationId, *, owner: str | None) -> None:
        """Delete the conversation and all its turns, for everybody.

        Raises ConversationNotFound when there is none, or it is not the owner's.
        """
        ...

    async def propose_topic(self, conversation_id: ConversationId, topic: str) -> None:
        """Give the conversation a topic, unless it has one."""
        ...

    async def probe(self) -> Health: ...


class ConversationCache(Protocol):
    """The second view of conversations, by who asked in them: what the reference calls its conversation cache.

    It shows the same conversations as ``ConversationStore`` does; deleting and renaming hold for both.
    All methods raise StorageError.
    """

    async def page(
        self, user_id: str, *, limit: int = MAX_PAGE, after: ConversationId | None = None
    ) -> Page[CachedSummary]:
        """As ``ConversationStore.page``, for the conversations in which ``user_id`` asked."""
        ...

    async def read(self, user_id: str, conversation_id: ConversationId) -> tuple[Exchange, ...]:
        """The turns in which ``user_id`` asked, oldest first. Raises ConversationNotFound when it is not listed."""
        ...

    async def rename(self, user_id: str, conversation_id: ConversationId, topic: str) -> None:
        """Set the topic, here and, where ``user_id`` owns the conversation, in the store.

        Raises ConversationNotFound when it is not listed.
        """
        ...

    async def delete(self, user_id: str, conversation_id: ConversationId) -> bool:
        """Delete what ``user_id`` asked and, where they own the conversation, all of it; whether anything was there.

        Raises ConversationNotFound when it is not listed.
        """
        ...


class FeedbackSwitch(Protocol):
    """Whether feedback is taken; one switch for all processes on one database, until they have all ended."""

    async def enabled(self) -> bool:
        """The last known state where the database does not answer."""
        ...

    async def turn(self, on: bool) -> bool:
        """Set it, and give the state before. Raises StorageError."""
        ...


class FeedbackSink(Protocol):
    """Where feedback is kept. What a call has returned from is stored durably."""

    async def write(self, feedback: Feedback) -> None:
        """Raises StorageError; its cause names the reason of the operating system, never a text."""
        ...

    async def probe(self) -> Health: ...


class TranscriptSink(Protocol):
    """Where transcripts of turns are kept. What a call has returned from is stored durably."""

    async def write(self, transcript: Transcript) -> None:
        """Raises StorageError; its cause names the reason of the operating system, never a text."""
        ...

    async def probe(self) -> Health: ...


class ServerStore(Protocol):
    """Servers of tools that callers registered. What a call has returned from is stored durably, for all replicas.

    All methods raise StorageError.
    """

    async def servers(self) -> tuple[ToolServer, ...]:
        """By name."""
        ...

    async def add(self, server: ToolServer) -> bool:
        """Store it; False where one of that name is there, which stays as it is."""
        ...

    async def remove(self, name: str) -> bool:
        """Forget it; False where there is none of that name."""
        ...
