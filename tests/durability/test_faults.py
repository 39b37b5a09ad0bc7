"""Disks that are full, read-only or in disorder: answers are given all the same, and all is well when they are."""

import os
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.durability.health import degraded, ill, until_ill, until_well
from tests.durability.places import Places, complete
from tests.durability.talking import (
    QUERY,
    STREAM,
    asked,
    delete,
    give_feedback,
    history,
    is_gone,
    json_of,
    listed,
    pairs,
    play,
)
from tests.servers.openai_server import openai_server
from tests.servers.processes import service_process
from tests.servers.service import RunningService, running
from tests.spec.registry import requirement

type Fault = Callable[[Path], AbstractContextManager[None]]


@asynccontextmanager
async def service(places: Places, folder: Path) -> AsyncIterator[RunningService]:
    async with openai_server(play) as model, running(places.configuration(model.url, topics=False), folder) as it:
        yield it


def said(places: Places) -> list[str]:
    """The texts of all feedback; and nothing else has been left in its directory."""
    files = list(places.feedback.iterdir())
    assert [file for file in files if file.suffix != ".json"] == []
    return sorted(str(complete(file)["user_feedback"]) for file in files)


@contextmanager
def no_file_may_grow(pid: int) -> Iterator[None]:
    """Every write to a file fails in a process, as on a disk without room: EFBIG."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of its own at ``folder``. Skips the test where that cannot be done."""
    folder.mkdir()
    mount_or_skip("-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder))
    try:
        yield
    finally:
        unmount(folder)


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """No room is left on the file system of ``folder``: ENOSPC."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        block = bytes(65536)
        while block:
            try:
                os.write(file.fileno(), block)
            except OSError:
                block = block[: len(block) // 2]
    yield
    ballast.unlink()


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nothing can be opened for writing in ``folder``: EROFS. Skips the test where that cannot be done."""
    mount_or_skip("--bind", str(folder), str(folder))
    try:
        mount_or_skip("-o", "remount,bind,ro", str(folder))
        yield
    finally:
        unmount(folder)


def mount_or_skip(*arguments: str) -> None:
    if shutil.which("mount") is None or subprocess.run(["mount", *arguments], check=False).returncode:
        pytest.skip("this user may mount nothing")


def unmount(folder: Path) -> None:
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def serves_on(http: aiohttp.ClientSession, places: Places, kept: str, *, reason: str) -> None:
    """Nothing can be stored, and everybody is answered."""
    for path in (QUERY, STREAM):
        await asked(http, f"new by {path}", path=path)
        await asked(http, f"follow-up by {path}", kept, path=path)
    assert await degraded(http) == {"turn": 4, "conversation": 1, "transcript": 4}
    detail = (await give_feedback(http, "lost", status=500))["detail"]
    assert detail == {"response": "Error storing user feedback", "cause": reason}
    messages = await until_ill(http, "database", "transcripts", "feedback")
    assert messages["transcripts"] == f"user_data_collection.transcripts_storage cannot be written: {reason}"
    assert messages["feedback"] == f"user_data_collection.feedback_storage cannot be written: {reason}"
    assert str(places.folder) not in "".join(messages.values())
    assert await history(http, kept) == await history(http, kept, 2) == pairs(["before"])
    for version in (1, 2):
        assert set(await listed(http, version)) == {kept}
        path = f"/v{version}/conversations/{kept}"
        detail = (await json_of(http, path, method="DELETE", status=500))["detail"]
        assert detail["response"] == "Unknown error"
        assert detail["cause"].startswith(f"Unknown error while deleting conversation {kept} : ")


async def is_well_again(http: aiohttp.ClientSession, places: Places, kept: str) -> None:
    await until_well(http)
    await asked(http, "after", kept)
    new = await asked(http, "new after", path=STREAM)
    await give_feedback(http, "after")
    assert await history(http, kept) == await history(http, kept, 2) == pairs(["before", "after"])
    assert (await listed(http))[kept]["message_count"] == 2
    assert sorted(places.transcribed()) == ["after", "before", "new after"]
    assert said(places) == ["after", "before"]
    await delete(http, new)
    await is_gone(http, new)


@requirement("faults:disk-full", "faults:disk-full:told", "faults:disk-back")
@pytest.mark.parametrize(
    "together", [pytest.param(True, id="one-database", marks=pytest.mark.slow), pytest.param(False, id="two-databases")]
)
async def test_questions_are_answered_while_no_file_may_grow(tmp_path: Path, together: bool) -> None:
    places = Places(tmp_path, together=together)
    async with openai_server(play) as model:
        async with service_process(places.configuration(model.url, topics=False), tmp_path) as it:
            kept = await asked(it.http, "before")
            await give_feedback(it.http, "before")
            with no_file_may_grow(it.pid):
                await serves_on(it.http, places, kept, reason="[Errno 27] File too large")
            await is_well_again(it.http, places, kept)


@requirement("faults:disk-full", "faults:disk-full:told", "faults:disk-back")
async def test_questions_are_answered_while_the_disk_is_full(tmp_path: Path) -> None:
    places = Places(tmp_path / "disk")
    with small_disk(places.folder):
        async with service(places, tmp_path) as it:
            kept = await asked(it.http, "before")
            await give_feedback(it.http, "before")
            with full(places.folder):
                await serves_on(it.http, places, kept, reason="[Errno 28] No space left on device")
            await is_well_again(it.http, places, kept)


@contextmanager
def file_instead(folder: Path) -> Iterator[None]:
    """A file in the place of a directory."""
    aside = folder.with_name("aside")
    folder.rename(aside)
    folder.touch()
    yield
    folder.unlink()
    aside.rename(folder)


DISORDER = pytest.mark.parametrize(
    ("fault", "reason"),
    [(file_instead, "[Errno 20] Not a directory"), (read_only, "[Errno 30] Read-only file system")],
    ids=["file", "read-only"],
)


@requirement("faults:transcripts", "faults:disk-back")
@DISORDER
async def test_answers_without_transcripts_are_given(tmp_path: Path, fault: Fault, reason: str) -> None:
    places = Places(tmp_path)
    async with service(places, tmp_path) as it:
        kept = await asked(it.http, "before")
        with fault(places.transcripts):
            new = [await asked(it.http, f"during by {path}", path=path) for path in (QUERY, STREAM)]
            assert await degraded(it.http) == {"transcript": 2}
            told = await until_ill(it.http, "transcripts")
            assert told["transcripts"].endswith(reason)
            assert set(await listed(it.http)) == {kept, *new}
        await until_well(it.http)
        await asked(it.http, "after", new[0])
        assert sorted(places.transcribed()) == ["after", "before"]


@requirement("faults:feedback", "faults:disk-back")
@DISORDER
async def test_feedback_that_cannot_be_stored_is_refused(tmp_path: Path, fault: Fault, reason: str) -> None:
    places = Places(tmp_path)
    async with service(places, tmp_path) as it:
        await give_feedback(it.http, "before")
        with fault(places.feedback):
            told = await give_feedback(it.http, "during", status=500)
            assert told == {"detail": {"response": "Error storing user feedback", "cause": reason}}
            assert await degraded(it.http) == {"feedback": 1}
            await until_ill(it.http, "feedback")
        await until_well(it.http)
        await give_feedback(it.http, "after")
        assert said(places) == ["after", "before"]


@contextmanager
def directory_instead(folder: Path) -> Iterator[None]:
    """A directory in the place of the database's file."""
    file = Places(folder).database
    file.unlink()
    file.mkdir()
    yield
    file.rmdir()


@requirement("faults:not-opened")
@pytest.mark.parametrize("fault", [directory_instead, read_only], ids=["directory", "read-only"])
async def test_a_database_that_cannot_be_opened_is_opened_later(tmp_path: Path, fault: Fault) -> None:
    """It was looked at when the service started, and is first needed afterwards."""
    places = Places(tmp_path / "data")
    places.folder.mkdir()
    async with service(places, tmp_path) as it:
        with fault(places.folder):
            for path in (QUERY, STREAM):
                await asked(it.http, f"during by {path}", path=path)
            counted = await degraded(it.http)
            assert (counted["turn"], counted["conversation"]) == (2, 1)
            assert "database" in await ill(it.http)
            detail = (await json_of(it.http, "/v1/conversations", status=500))["detail"]
            assert detail["response"] == "Unknown error"
        await until_well(it.http)
        kept = await asked(it.http, "after")
        assert await history(it.http, kept) == await history(it.http, kept, 2) == pairs(["after"])


@requirement("faults:locked")
@pytest.mark.slow
async def test_questions_are_answered_while_another_program_locks_the_database(tmp_path: Path) -> None:
    places = Places(tmp_path)
    async with service(places, tmp_path) as it:
        kept = await asked(it.http, "before")
        other = sqlite3.connect(places.database, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        for path in (QUERY, STREAM):
            await asked(it.http, f"during by {path}", kept, path=path)
        assert await degraded(it.http) == {"turn": 2}
        await until_ill(it.http, "database")
        assert await history(it.http, kept) == pairs(["before"])
        other.execute("ROLLBACK")
        other.close()
        await until_well(it.http)
        await asked(it.http, "after", kept)
        assert await history(it.http, kept) == pairs(["before", "after"])
