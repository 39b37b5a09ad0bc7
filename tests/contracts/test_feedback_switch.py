"""``FeedbackSwitch``: one switch for all services on a database, on SQLite and on PostgreSQL."""

from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from lightspeed_stack.errors import StorageError
from lightspeed_stack.storage.locations import Location, SqliteFile
from lightspeed_stack.storage.opening import Opening, OpeningFeedbackSwitch
from lightspeed_stack.storage.switch import SqlFeedbackSwitch
from tests.contracts.stores import POSTGRES, SCHEMA, SQLITE, Kind, Stores, ask, opened, server, until_nobody_is_there
from tests.servers.postgres import PostgresDatabase
from tests.spec.registry import requirement


@pytest.fixture(params=[SQLITE, POSTGRES], ids=str)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    """Where an empty database is."""
    kind: Kind = request.param
    database = request.getfixturevalue("postgres_database") if kind.needs_postgres else None
    return kind.place(tmp_path, database)[0]


def start(place: Location, stack: ExitStack, *, configured: bool = True) -> SqlFeedbackSwitch:
    """A service on the database, until the stack is closed."""
    return stack.enter_context(closing(opened(place, feedback_enabled=configured))).feedback_switch


@requirement("switch:turned")
async def test_every_kind_of_storage_has_a_switch(stores: Stores) -> None:
    assert await stores.switch.enabled() is True
    assert await stores.switch.turn(False) is True
    assert await stores.switch.enabled() is False
    assert await stores.switch.turn(False) is False
    assert await stores.switch.turn(True) is False
    assert await stores.switch.enabled() is True


@requirement("switch:shared")
async def test_what_one_service_turns_the_others_see(place: Location) -> None:
    with ExitStack() as one, ExitStack() as two:
        first, second = start(place, one), start(place, two, configured=False)
        assert (await first.enabled(), await second.enabled()) == (True, False), "each as it is configured"
        assert await first.turn(False) is True
        assert (await first.enabled(), await second.enabled()) == (False, False)
        assert await second.turn(True) is False
        assert (await first.enabled(), await second.enabled()) == (True, True)


@requirement("switch:forgotten")
async def test_it_is_forgotten_when_the_last_service_has_ended(place: Location) -> None:
    with ExitStack() as one:
        await start(place, one).turn(False)
        with ExitStack() as two:
            assert await start(place, two).enabled() is False
        one.close()
        until_nobody_is_there(place)
        with ExitStack() as three:
            switch = start(place, three)
            assert await switch.enabled() is True
            assert await switch.turn(False) is True


@requirement("switch:forgotten")
async def test_it_is_kept_while_any_service_lives(place: Location) -> None:
    """Services that follow one another, as in a rolling update: there is always one."""
    running = ExitStack()
    await start(place, running).turn(False)
    for _ in range(3):
        successor = ExitStack()
        switch = start(place, successor)
        running.close()
        assert await switch.enabled() is False
        running = successor
    running.close()
    until_nobody_is_there(place)
    with ExitStack() as later:
        assert await start(place, later).enabled() is True


PLACES = """
SELECT DISTINCT classid, objid FROM pg_locks WHERE locktype = 'advisory'
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@requirement("switch:forgotten")
async def test_services_in_two_schemas_are_not_in_each_others_way(postgres_database: PostgresDatabase) -> None:
    with ExitStack() as here, ExitStack() as there:
        other = start(server(postgres_database), there)
        await start(server(postgres_database, SCHEMA), here).turn(False)
        assert await other.enabled() is True
        here.close()
        while len(ask(server(postgres_database), PLACES)) > 1:  # the server learns it a little later
            pass
        with ExitStack() as again:
            assert await start(server(postgres_database, SCHEMA), again).enabled() is True


@requirement("switch:last-known")
async def test_the_last_known_state_holds_while_the_database_does_not_answer(place: Location) -> None:
    with ExitStack() as one:
        switch = start(place, one)
        await switch.turn(False)
        ask(place, "ALTER TABLE lightspeed_setting RENAME TO elsewhere")
        assert await switch.enabled() is False
        with pytest.raises(StorageError):
            await switch.turn(True)
        assert await switch.enabled() is False
        ask(place, "ALTER TABLE elsewhere RENAME TO lightspeed_setting")
        assert await switch.turn(True) is False


@requirement("switch:last-known")
@pytest.mark.parametrize("configured", [True, False])
async def test_the_configuration_holds_while_the_database_cannot_be_opened(tmp_path: Path, *, configured: bool) -> None:
    missing = SqliteFile(tmp_path / "later" / "a.db")
    opening = Opening(lambda: opened(missing, feedback_enabled=configured))
    switch = OpeningFeedbackSwitch(opening, configured=configured)
    assert await switch.enabled() is configured
    with pytest.raises(StorageError):
        await switch.turn(not configured)
    missing.path.parent.mkdir()
    assert await switch.turn(not configured) is configured
    assert await switch.enabled() is not configured
    await opening.aclose()
