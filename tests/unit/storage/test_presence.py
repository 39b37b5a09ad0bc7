"""Who else is on a database: the first one in clears away what earlier ones left, however those ended."""

import errno
import multiprocessing
import os
import threading
from collections.abc import Callable
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from lightspeed_stack.storage.database import Database
from lightspeed_stack.storage.locations import PostgresServer
from lightspeed_stack.storage.presence import AdvisoryPresence, FilePresence
from tests.servers.postgres import PostgresDatabase
from tests.spec.registry import requirement


class OnAFile:
    """A place beside a SQLite file."""

    def __init__(self, path: Path) -> None:
        self._presence = FilePresence(path)
        self.enter = self._presence.enter
        self.leave = self._presence.leave


class OnPostgres:
    """A place in PostgreSQL, with connections of its own as a service has them."""

    def __init__(self, database: PostgresDatabase, schema: str | None = None) -> None:
        self._server = database
        place = PostgresServer(database.host, database.port, database.name, database.user, database.password, schema)
        self.engine = Database.open(place).engine
        self._presence = AdvisoryPresence(self.engine)
        self.enter = self._presence.enter

    def leave(self) -> None:
        """Leave, and wait until the server knows."""
        with self.engine.connect() as connection:
            pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        self._presence.leave()
        self.engine.dispose()
        with closing(self._server.connect()) as session:
            while session.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [pid]).fetchall():
                pass


type Service = OnAFile | OnPostgres
type Make = Callable[[], Service]


def entered(service: Service) -> bool:
    """Whether who enters is the first."""
    found: list[bool] = []
    service.enter(lambda: found.append(True))
    return found == [True]


@pytest.fixture(params=["file", "postgres"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    if request.param == "file":
        return lambda: OnAFile(tmp_path / "a.db")
    database: PostgresDatabase = request.getfixturevalue("postgres_database")
    return lambda: OnPostgres(database)


@requirement("presence:first")
def test_the_first_one_in_is_told_so(make: Make) -> None:
    one, two, three, four = make(), make(), make(), make()
    assert entered(one)
    assert not entered(two)
    one.leave()
    assert not entered(three), "the second is still there"
    two.leave()
    three.leave()
    assert entered(four)
    four.leave()


@requirement("presence:first")
def test_leaving_without_having_come_is_nothing(make: Make) -> None:
    make().leave()
    presence = make()
    assert entered(presence)
    presence.leave()
    presence.leave()


@requirement("presence:first")
def test_who_comes_while_the_first_clears_away_waits_for_it(make: Make) -> None:
    one, two = make(), make()
    order: list[str] = []
    clearing, coming = threading.Event(), threading.Event()

    def clear() -> None:
        clearing.set()
        assert coming.wait(10)
        order.append("cleared")

    def come() -> None:
        assert clearing.wait(10)
        coming.set()
        two.enter(lambda: order.append("cleared twice"))
        order.append("second")

    thread = threading.Thread(target=come)
    thread.start()
    one.enter(clear)
    thread.join()
    assert order == ["cleared", "second"]
    one.leave()
    two.leave()


@requirement("presence:first")
def test_a_first_one_that_fails_to_clear_away_holds_no_place(make: Make) -> None:
    def fail() -> None:
        raise RuntimeError

    one, two = make(), make()
    with pytest.raises(RuntimeError):
        one.enter(fail)
    one.leave()
    assert entered(two)
    two.leave()


def hold(path: Path, told: Connection) -> None:
    FilePresence(path).enter(lambda: None)
    told.send("in")
    told.recv()


@requirement("presence:killed")
def test_a_killed_process_holds_no_place_on_a_file(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=hold, args=(tmp_path / "a.db", theirs))
    process.start()
    assert ours.poll(60)
    other = OnAFile(tmp_path / "a.db")
    assert not entered(other)
    other.leave()
    process.kill()
    process.join()
    assert entered(other)
    other.leave()
    ours.close()
    theirs.close()


TERMINATE_HOLDERS = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory'
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@requirement("presence:killed")
def test_lost_connections_hold_no_place_in_postgresql(postgres_database: PostgresDatabase) -> None:
    one, two = OnPostgres(postgres_database), OnPostgres(postgres_database)
    assert entered(one)
    with closing(postgres_database.connect()) as session:
        assert session.execute(TERMINATE_HOLDERS).fetchall() == [(True,)]
    assert entered(two)
    two.leave()
    one.leave()


@requirement("presence:back")
def test_who_connects_again_has_its_place_again(postgres_database: PostgresDatabase) -> None:
    one, two = OnPostgres(postgres_database), OnPostgres(postgres_database)
    assert entered(one)
    with closing(postgres_database.connect()) as session:
        assert session.execute(TERMINATE_HOLDERS).fetchall() == [(True,)]
    with one.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    assert not entered(two)
    one.leave()
    two.leave()


@requirement("presence:first")
def test_schemas_are_places_of_their_own(postgres_database: PostgresDatabase) -> None:
    with closing(postgres_database.connect()) as session:
        session.execute("CREATE SCHEMA here; CREATE SCHEMA there")
    here, there, again = (OnPostgres(postgres_database, schema) for schema in ("here", "there", "here"))
    assert entered(here)
    assert entered(there)
    assert not entered(again)
    for service in (here, there, again):
        service.leave()


@requirement("presence:no-locks")
@pytest.mark.parametrize("obstacle", ["directory", "missing"])
def test_a_place_without_locks_counts_as_one_where_others_are(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, obstacle: str
) -> None:
    path = tmp_path / "a.db"
    if obstacle == "directory":
        (tmp_path / "a.db-lock").mkdir()
    else:
        path = tmp_path / "missing" / "a.db"
    presence = OnAFile(path)
    assert not entered(presence)
    presence.leave()
    reason = os.strerror(errno.EISDIR if obstacle == "directory" else errno.ENOENT)
    assert caplog.messages == [f"no lock beside the database: {reason}"]
