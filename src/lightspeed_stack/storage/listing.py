"""Pages of a list, newest first, that cost the same whatever is before and behind them.

A page begins after the entry whose id the caller saw last. Its place in the order is looked up in the same statement,
in the database's own words, because SQLite keeps times as text of two lengths.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Table, select, tuple_

from lightspeed_stack.domain.ids import ConversationId
from lightspeed_stack.errors import ConversationNotFound
from lightspeed_stack.storage.rows import Row, user_key


@dataclass(frozen=True, slots=True)
class Listing:
    """A table whose rows belong to users and have a time and an id; the index it needs is (user, time, id)."""

    table: Table
    user: Column[Any]
    time: Column[Any]
    id: Column[Any]

    def rows(
        self, connection: Connection, user: str | None, limit: int, after: ConversationId | None
    ) -> tuple[list[Row], bool]:
        """At most ``limit`` rows of a user (None: of all), and whether older ones follow.

        Raises ConversationNotFound when ``after`` is not in the list.
        """
        mine = [] if user is None else [self.user == user_key(user)]
        query = select(self.table).where(*mine)
        if after is not None:
            seen = [*mine, self.id == after]
            if connection.execute(select(self.id).where(*seen)).first() is None:
                raise ConversationNotFound
            place = select(self.time).where(*seen).correlate(None).scalar_subquery()
            query = query.where(tuple_(self.time, self.id) < tuple_(place, after))
        newest = query.order_by(self.time.desc(), self.id.desc()).limit(limit + 1)
        rows: list[Row] = list(connection.execute(newest).mappings())
        return rows[:limit], len(rows) > limit
