"""What is written, as statements that the writer runs again and again.

``Ours`` writes our tables and the reference's ``user_conversation``, ``Cached`` the tables of its conversation cache.
Every one can run twice with the same values without harm: a connection that is lost in a commit leaves open whether the
commit was made, and the writer then tries again.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ClauseElement,
    Column,
    Delete,
    Table,
    Update,
    bindparam,
    case,
    delete,
    exists,
    func,
    not_,
    select,
    tuple_,
    update,
)

from lightspeed_stack.domain.ids import ConversationId
from lightspeed_stack.storage.cache_tables import cache, conversations
from lightspeed_stack.storage.tables import (
    lightspeed_setting,
    lightspeed_tool_server,
    lightspeed_turn,
    user_conversation,
)
from lightspeed_stack.storage.writer import Statement


def _insert(dialect: str) -> Callable[[Table], Any]:
    """A dialect's own ``INSERT``, which knows ``ON CONFLICT``; the other dialect's is large, and not imported."""
    insert: Callable[[Table], Any] = importlib.import_module(f"sqlalchemy.dialects.{dialect}").insert
    return insert


def _given(column: Column[Any], name: str = "") -> Any:
    """A parameter of a column's type, named after it."""
    return bindparam(name or column.name, type_=column.type)


@dataclass(frozen=True, slots=True)
class Ours:
    """Statements on our database; parameters are named after columns, in conditions with ``of_``."""

    create: ClauseElement
    touch: Update
    add_turn: ClauseElement
    propose_topic: Update
    rename: Update
    delete: Delete
    delete_turns: Delete
    set: ClauseElement
    add_server: ClauseElement
    remove_server: Delete

    @classmethod
    def of(cls, dialect: str) -> "Ours":
        """The statements in the words of a dialect."""
        insert = _insert(dialect)
        talk, turn, server = user_conversation.c, lightspeed_turn.c, lightspeed_tool_server.c
        of_id = talk.id == _given(talk.id, "of_id")
        stored = exists().where(turn.request_id == _given(turn.request_id))
        columns = [column for column in lightspeed_turn.columns if column.name not in {"id", "instructions"}]
        earlier = lightspeed_turn.alias()
        is_first = not_(exists().where(earlier.c.conversation_id == _given(turn.conversation_id)))
        instructions = case((is_first, _given(turn.instructions)), else_=None)
        # A turn of a conversation that was deleted meanwhile is not stored.
        new_turn = select(*[_given(column) for column in columns], instructions).where(
            exists().where(talk.id == _given(turn.conversation_id))
        )
        setting = insert(lightspeed_setting)
        return cls(
            create=insert(user_conversation).on_conflict_do_nothing(index_elements=["id"]),
            touch=update(user_conversation)
            .where(of_id, not_(stored))
            .values(
                last_used_model=_given(talk.last_used_model, "of_model"),
                last_used_provider=_given(talk.last_used_provider, "of_provider"),
                last_message_at=_given(talk.last_message_at, "at"),
                message_count=talk.message_count + 1,
            ),
            add_turn=insert(lightspeed_turn)
            .from_select([*(column.name for column in columns), "instructions"], new_turn)
            .on_conflict_do_nothing(index_elements=["request_id"]),
            propose_topic=update(user_conversation)
            .where(of_id, talk.topic_summary == "")
            .values(topic_summary=_given(talk.topic_summary, "topic")),
            rename=update(user_conversation)
            .where(of_id, talk.user_id == _given(talk.user_id, "of_owner"))
            .values(topic_summary=_given(talk.topic_summary, "topic")),
            delete=delete(user_conversation).where(of_id),
            delete_turns=delete(lightspeed_turn).where(turn.conversation_id == _given(talk.id, "of_id")),
            set=setting.on_conflict_do_update(index_elements=["name"], set_={"value": setting.excluded.value}),
            add_server=insert(lightspeed_tool_server).on_conflict_do_nothing(index_elements=["name"]),
            # Not one of the same name that was registered meanwhile.
            remove_server=delete(lightspeed_tool_server).where(
                server.name == _given(server.name, "of_name"),
                server.registration == _given(server.registration, "of_registration"),
            ),
        )

    def deleted(self, conversation_id: ConversationId) -> list[Statement]:
        """What deletes a conversation."""
        of = {"of_id": conversation_id}
        return [(self.delete, of), (self.delete_turns, of)]

    @property
    def order(self) -> tuple[ClauseElement, ...]:
        """The order in which a group's statements run: the turn after what asks whether it is there, its end last."""
        return (
            self.create,
            self.touch,
            self.add_turn,
            self.propose_topic,
            self.rename,
            self.delete,
            self.delete_turns,
            self.set,
            self.add_server,
            self.remove_server,
        )


@dataclass(frozen=True, slots=True)
class Cached:
    """Statements on the cache's tables; conditions take ``of_user`` and ``of_id``, ``trim`` takes ``kept``."""

    add: ClauseElement
    touch: ClauseElement
    propose_topic: Update
    rename: Update
    delete: Delete
    forget: Delete
    delete_for_all: Delete
    forget_for_all: Delete
    forget_trimmed: Delete
    trim: Delete

    @classmethod
    def of(cls, dialect: str, *, beside_ours: bool) -> "Cached":
        """The statements in the words of a dialect; beside our tables, what was deleted there is not brought back."""
        insert = _insert(dialect)
        entry, talk = cache.c, conversations.c

        def added(table: Table) -> Any:
            if not beside_ours:
                return insert(table)
            there = exists().where(user_conversation.c.id == _given(table.c.conversation_id))
            values = select(*[_given(column) for column in table.columns]).where(there)
            return insert(table).from_select([column.name for column in table.columns], values)

        of_user, of_id = _given(talk.user_id, "of_user"), _given(talk.conversation_id, "of_id")
        topic = _given(talk.topic_summary, "topic")
        # Beside our tables: the one that stands there, which may be another than the one proposed.
        standing = select(user_conversation.c.topic_summary).where(user_conversation.c.id == of_id).scalar_subquery()
        listed = added(conversations)
        # A topic that is there is kept. One that is missing: we were killed when only the store had it.
        known = func.coalesce(func.nullif(talk.topic_summary, ""), listed.excluded.topic_summary)
        newest = {"last_message_timestamp": listed.excluded.last_message_timestamp, "topic_summary": known}
        boundary = select(entry.created_at).order_by(entry.created_at.desc()).limit(1).offset(bindparam("kept"))
        too_old = entry.created_at <= boundary.scalar_subquery()
        trimmed = select(entry.user_id, entry.conversation_id).where(too_old)
        of_talk = (entry.user_id == talk.user_id, entry.conversation_id == talk.conversation_id)
        stays = exists().where(*of_talk, entry.created_at > boundary.scalar_subquery())
        return cls(
            add=added(cache).on_conflict_do_nothing(),
            touch=listed.on_conflict_do_update(index_elements=["user_id", "conversation_id"], set_=newest),
            propose_topic=update(conversations)
            .where(talk.conversation_id == of_id, func.coalesce(talk.topic_summary, "") == "")
            .values(topic_summary=standing if beside_ours else topic),
            rename=update(conversations)
            .where(talk.user_id == of_user, talk.conversation_id == of_id)
            .values(topic_summary=topic, last_message_timestamp=_given(talk.last_message_timestamp, "at")),
            delete=delete(cache).where(entry.user_id == of_user, entry.conversation_id == of_id),
            forget=delete(conversations).where(talk.user_id == of_user, talk.conversation_id == of_id),
            delete_for_all=delete(cache).where(entry.conversation_id == of_id),
            forget_for_all=delete(conversations).where(talk.conversation_id == of_id),
            forget_trimmed=delete(conversations).where(
                tuple_(talk.user_id, talk.conversation_id).in_(trimmed), not_(stays)
            ),
            trim=delete(cache).where(too_old),
        )

    @property
    def order(self) -> tuple[ClauseElement, ...]:
        """The order in which a group's statements run."""
        return (
            self.add,
            self.touch,
            self.propose_topic,
            self.rename,
            self.delete,
            self.forget,
            self.delete_for_all,
            self.forget_for_all,
            self.forget_trimmed,
            self.trim,
        )
