"""Both views against a model: whatever is done in whatever order, they say the same as a few dictionaries do."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from datetime import UTC
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from lightspeed_stack.domain.chat import Exchange
from lightspeed_stack.domain.ids import ConversationId
from lightspeed_stack.errors import ConversationNotFound
from lightspeed_stack.storage.locations import Location, SqliteFile
from lightspeed_stack.storage.opened import CachePlace
from tests.contracts.stores import SCHEMA, Stores, ask, conversation, exchange, open_stores, server
from tests.servers.postgres import PostgresDatabase
from tests.spec.registry import requirement

USERS = ("alice", "bob", "")

CLEAR = {
    "user_conversation": "DELETE FROM user_conversation",
    "lightspeed_turn": "DELETE FROM lightspeed_turn",
    "cache": "DELETE FROM cache",
    "conversations": "DELETE FROM conversations",
}

users = st.sampled_from(USERS)
anybody = st.sampled_from((*USERS, None))
seconds = st.integers(0, 4)
topics = st.sampled_from(("Pods", "Nodes", "Certificates"))
limits = st.sampled_from((1, 2, 3, 100))
places = st.integers(0, 9)


@dataclass
class Record:
    """What the second view lists for one user. ``at``: the newest turn's time, or the number of a later renaming."""

    topic: str | None
    at: tuple[int, float]


@dataclass
class Talk:
    owner: str
    topic: str = ""
    turns: list[Exchange] = field(default_factory=list)
    records: dict[str, Record] = field(default_factory=dict)

    def take(self, turn: Exchange) -> None:
        if turn.request_id not in {it.request_id for it in self.turns}:
            self.turns.append(turn)
        at = (0, turn.completed_at.timestamp())
        record = self.records.setdefault(turn.asked_by, Record(None, at))
        record.at, record.topic = at, record.topic or self.topic or None


class Views(RuleBasedStateMachine):
    """``talks`` is the model, ``gone`` what was deleted."""

    def __init__(self, stores: Stores, run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        super().__init__()
        self.stores = stores
        self.run = run
        self.talks: dict[ConversationId, Talk] = {}
        self.gone: dict[ConversationId, Talk] = {}
        self.renamings = 0
        for location in {stores.ours, stores.kept.location if stores.kept else stores.ours}:
            clear(location)

    def pick(self, at: int) -> ConversationId:
        """One of all conversations there ever were, or one that never was."""
        ids = [*self.talks, *self.gone]
        return ids[at % len(ids)] if ids else conversation("").id

    def outcome(self, call: Coroutine[Any, Any, Any]) -> Any:
        try:
            return self.run(call)
        except ConversationNotFound:
            return ConversationNotFound

    @rule(owner=users, second=seconds)
    def begin(self, owner: str, second: int) -> None:
        talk, turn = conversation(owner), exchange(owner, second=second)
        self.run(self.stores.conversations.append(talk, turn, create=True))
        self.talks[talk.id] = Talk(owner)
        self.talks[talk.id].take(turn)

    @rule(at=places, asked_by=users, second=seconds, again=st.booleans())
    def go_on(self, at: int, asked_by: str, second: int, *, again: bool) -> None:
        """``again``: the last turn is written a second time."""
        id_ = self.pick(at)
        known = self.talks.get(id_) or self.gone.get(id_) or Talk(asked_by)
        turn = known.turns[-1] if again and known.turns else exchange(asked_by, second=second)
        talk = conversation(known.owner, id=id_, topic=known.topic)
        self.run(self.stores.conversations.append(talk, turn))
        if id_ in self.talks:
            self.talks[id_].take(turn)

    @rule(at=places, topic=topics)
    def propose(self, at: int, topic: str) -> None:
        id_ = self.pick(at)
        self.run(self.stores.conversations.propose_topic(id_, topic))
        if id_ in self.talks:
            talk = self.talks[id_]
            talk.topic = talk.topic or topic
            for record in talk.records.values():
                record.topic = record.topic or talk.topic

    @rule(at=places, user=users, topic=topics)
    def rename(self, at: int, user: str, topic: str) -> None:
        id_ = self.pick(at)
        found = self.outcome(self.stores.cache.rename(user, id_, topic))
        talk = self.talks.get(id_)
        assert (found is ConversationNotFound) is (talk is None or user not in talk.records)
        if talk is not None and user in talk.records:
            self.renamings += 1
            talk.records[user] = Record(topic, (1, self.renamings))
            talk.topic = topic if talk.owner == user else talk.topic

    @rule(at=places, owner=anybody)
    def delete(self, at: int, owner: str | None) -> None:
        id_ = self.pick(at)
        found = self.outcome(self.stores.conversations.delete(id_, owner=owner))
        may = id_ in self.talks and owner in {None, self.talks[id_].owner}
        assert found is (None if may else ConversationNotFound)
        if may:
            self.gone[id_] = self.talks.pop(id_)

    @rule(at=places, user=users)
    def delete_mine(self, at: int, user: str) -> None:
        id_ = self.pick(at)
        found = self.outcome(self.stores.cache.delete(user, id_))
        talk = self.talks.get(id_)
        listed = talk is not None and user in talk.records
        assert found is (True if listed else ConversationNotFound)
        if talk is not None and listed:
            if talk.owner == user:
                self.gone[id_] = self.talks.pop(id_)
            else:
                del talk.records[user]

    @rule(at=places, owner=anybody)
    def read(self, at: int, owner: str | None) -> None:
        id_ = self.pick(at)
        talk = self.talks.get(id_)
        for read in (self.stores.conversations.read, self.stores.conversations.load):
            found = self.outcome(read(id_, owner=owner))
            if talk is None or owner not in {None, talk.owner}:
                assert found is ConversationNotFound
            else:
                assert found.history == tuple(talk.turns)
                assert (found.owner, found.topic, found.message_count) == (talk.owner, talk.topic, len(talk.turns))

    @rule(at=places, user=users)
    def read_mine(self, at: int, user: str) -> None:
        id_ = self.pick(at)
        found = self.outcome(self.stores.cache.read(user, id_))
        talk = self.talks.get(id_)
        if talk is None or user not in talk.records:
            assert found is ConversationNotFound
        else:
            mine = [turn.request_id for turn in talk.turns if turn.asked_by == user]
            assert [turn.request_id for turn in found] == mine

    @precondition(lambda self: self.talks)
    @rule(owner=anybody, limit=limits, at=st.none() | places)
    def page(self, owner: str | None, limit: int, at: int | None) -> None:
        whole = sorted(
            ((talk.turns[-1].completed_at, id_) for id_, talk in self.talks.items() if owner in {None, talk.owner}),
            reverse=True,
        )
        ids = [id_ for _, id_ in whole]
        after = None if at is None else self.pick(at)
        found = self.outcome(self.stores.conversations.page(owner=owner, limit=limit, after=after))
        self.check_page(found, ids, limit, after)
        for entry in () if found is ConversationNotFound else found.entries:
            talk = self.talks[entry.id]
            assert (entry.owner, entry.topic, entry.message_count) == (talk.owner, talk.topic, len(talk.turns))

    @precondition(lambda self: self.talks)
    @rule(user=users, limit=limits, at=st.none() | places)
    def page_of_mine(self, user: str, limit: int, at: int | None) -> None:
        records = {id_: talk.records[user] for id_, talk in self.talks.items() if user in talk.records}
        ids = sorted(records, key=lambda id_: (records[id_].at, id_), reverse=True)
        after = None if at is None else self.pick(at)
        found = self.outcome(self.stores.cache.page(user, limit=limit, after=after))
        self.check_page(found, ids, limit, after)
        for entry in () if found is ConversationNotFound else found.entries:
            assert entry.topic == records[entry.id].topic
            assert entry.last_message_at.tzinfo is UTC

    def check_page(self, found: Any, ids: list[ConversationId], limit: int, after: ConversationId | None) -> None:
        if after is not None and after not in ids:
            assert found is ConversationNotFound
            return
        rest = ids if after is None else ids[ids.index(after) + 1 :]
        assert [entry.id for entry in found.entries] == rest[:limit]
        assert found.more is (len(rest) > limit)


def clear(location: Location) -> None:
    """Empty the tables that are there."""
    is_file = isinstance(location, SqliteFile)
    there = "sqlite_master" if is_file else "pg_tables WHERE schemaname = current_schema()"
    for (name,) in ask(location, f"SELECT {'name' if is_file else 'tablename'} FROM {there}"):  # noqa: S608
        if name in CLEAR:
            ask(location, CLEAR[name])


@pytest.fixture
def check_views() -> Iterator[Callable[[Stores, int], None]]:
    with asyncio.Runner() as runner:

        def check(stores: Stores, examples: int) -> None:
            run_state_machine_as_test(
                partial(Views, stores, runner.run),  # type: ignore[arg-type] # it calls what makes one
                settings=settings(
                    max_examples=examples,
                    stateful_step_count=30,
                    deadline=None,
                    suppress_health_check=[HealthCheck.too_slow],
                ),
            )

        yield check


@requirement("store:model")
@pytest.mark.parametrize("files", [1, 2], ids=["one-file", "two-files"])
def test_any_sequence_on_sqlite(check_views: Callable[[Stores, int], None], tmp_path: Path, files: int) -> None:
    # Not lasting: what is tested here is not the disk.
    places = [SqliteFile(tmp_path / f"{number}.db", lasting=False) for number in range(files)]
    with open_stores(places[0], CachePlace(places[-1])) as stores:
        check_views(stores, 40 // files)


@requirement("store:model")
@pytest.mark.parametrize("schema", [None, SCHEMA], ids=["one-schema", "two-schemas"])
def test_any_sequence_on_postgres(
    check_views: Callable[[Stores, int], None], postgres_database: PostgresDatabase, schema: str | None
) -> None:
    with open_stores(server(postgres_database, schema), CachePlace(server(postgres_database))) as stores:
        check_views(stores, 8)
