"""Starts on databases that cannot be used: exit code 3 and a sentence; and on one that is late, which is waited for."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.durability.conftest import StoppableServer
from tests.durability.places import Places
from tests.durability.talking import asked, history, pairs, play
from tests.servers.openai_server import openai_server
from tests.servers.postgres import PASSWORD, PostgresDatabase
from tests.servers.postgres_relay import relay
from tests.servers.processes import free_port, service_process
from tests.spec.registry import requirement

FAILED = "Unable to read or store data: "
NOWHERE = "http://127.0.0.1:9/v1"


async def ends_with(places: Places, folder: Path, words: str, *, workers: int = 1) -> str:
    """Start a service that cannot start; what it said, in which ``words`` are the reason."""
    configuration = places.configuration(NOWHERE)
    async with service_process(configuration, folder, ready=False, workers=workers) as service:
        assert await service.ended() == 3
        assert FAILED + words in service.log
        assert "Traceback" not in service.log
        return service.log


def no_directory(file: Path) -> str:
    file.parent.rmdir()
    return f"SQLite database directory does not exist: {file.parent}"


def a_directory(file: Path) -> str:
    file.mkdir()
    return f"SQLite database {file} cannot be used: unable to open database file"


def no_database(file: Path) -> str:
    file.write_text("Dear diary, today I have become a database." * 100, "utf-8")
    return f"SQLite database {file} cannot be used: file is not a database"


def no_room(file: Path) -> str:
    """A link to where nothing can be made."""
    file.symlink_to("/proc/self/x.db")
    return f"SQLite database {file} cannot be used: unable to open database file"


@requirement("faults:start:sqlite")
@pytest.mark.parametrize(
    "fault", [a_directory, *(pytest.param(it, marks=pytest.mark.slow) for it in (no_directory, no_database, no_room))]
)
async def test_a_sqlite_file_that_cannot_be_used(tmp_path: Path, fault: Callable[[Path], str]) -> None:
    places = Places(tmp_path / "data")
    places.folder.mkdir()
    await ends_with(places, tmp_path, fault(places.database))


@requirement("faults:start:sqlite")
@pytest.mark.slow
async def test_a_cache_that_cannot_be_used(tmp_path: Path) -> None:
    words = a_directory(tmp_path / "cache.db")
    await ends_with(Places(tmp_path), tmp_path, words)


@requirement("faults:start:sqlite")
@pytest.mark.slow
async def test_workers_whose_database_cannot_be_used(tmp_path: Path) -> None:
    places = Places(tmp_path)
    await ends_with(places, tmp_path, a_directory(places.database), workers=2)


@requirement("faults:start:postgres")
@pytest.mark.slow
async def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    """It is waited for, in case it is just starting as well."""
    port = free_port()
    nobody = PostgresDatabase("127.0.0.1", port, "lightspeed")
    words = f"PostgreSQL database lightspeed at 127.0.0.1:{port}: "
    log = await ends_with(Places(tmp_path, nobody), tmp_path, words)
    assert PASSWORD not in said(log, words)


@requirement("faults:start:password")
async def test_a_password_that_is_wrong(stoppable: StoppableServer, tmp_path: Path) -> None:
    database = replace(stoppable.new_database(), password="hunter2")
    words = f"PostgreSQL database {database.name} at {database.host}:{database.port}: "
    log = await ends_with(Places(tmp_path, database), tmp_path, words)
    assert "hunter2" not in log
    assert "password authentication failed" in said(log, words)


@requirement("faults:start:postgres")
@pytest.mark.slow
async def test_a_database_that_does_not_exist(stoppable: StoppableServer, tmp_path: Path) -> None:
    database = replace(stoppable.new_database(), name="elsewhere")
    words = f"PostgreSQL database elsewhere at {database.host}:{database.port}: "
    log = await ends_with(Places(tmp_path, database), tmp_path, words)
    assert 'database "elsewhere" does not exist' in said(log, words)


def said(log: str, words: str) -> str:
    """The line that begins with ``words``, from there."""
    return log.partition(words)[2].partition("\n")[0]


@requirement("faults:start:late")
@pytest.mark.parametrize("refusals", [1, pytest.param(3, marks=pytest.mark.slow)])
async def test_a_server_that_is_late_is_waited_for(stoppable: StoppableServer, tmp_path: Path, refusals: int) -> None:
    with relay(stoppable.new_database()) as between:
        between.refusals = refusals
        places = Places(tmp_path, between.database)
        async with openai_server(play) as model:
            async with service_process(places.configuration(model.url), tmp_path) as service:
                assert between.refusals == 0
                conversation_id = await asked(service.http, "first")
                assert await history(service.http, conversation_id) == pairs(["first"])
