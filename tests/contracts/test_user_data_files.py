"""``FeedbackSink`` and ``TranscriptSink``: one suite for both, on real directories."""

import errno
import json
import multiprocessing
import os
import resource
import shutil
import signal
import stat
import tempfile
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import anyio
import pytest

from lightspeed_stack.config.data import UserDataSection
from lightspeed_stack.domain.chat import Exchange, Transcript
from lightspeed_stack.domain.feedback import Feedback
from lightspeed_stack.domain.health import Health, HealthStatus
from lightspeed_stack.domain.ids import ConversationId
from lightspeed_stack.errors import StorageError
from lightspeed_stack.services.user_data import open_user_data
from lightspeed_stack.storage.archive import MAX_STUCK, Archive
from lightspeed_stack.storage.base import FeedbackSink, TranscriptSink
from lightspeed_stack.storage.file_names import is_file
from lightspeed_stack.storage.files import FeedbackFiles, TranscriptFiles
from tests.spec.registry import requirement

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
TALK = ConversationId("93e26998-ad37-4a91-9048-fd12ab3e1e0c")
LONG = "text " * 4000


@dataclass(frozen=True, slots=True)
class Sink:
    """Either sink; ``folder`` is where it puts files of the user ``alice``."""

    write: Callable[[str, str], Coroutine[Any, Any, None]]
    """of a user, a text"""
    probe: Callable[[], Awaitable[Health]]
    root: Path
    folder: Path
    key: str

    def contents(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_bytes()) for path in self.root.rglob("*.json")]

    def drafts(self) -> list[Path]:
        return [path for path in self.root.rglob("*") if path.is_file() and path.suffix != ".json"]


def feedback_sink(archive: Archive) -> Sink:
    sink: FeedbackSink = FeedbackFiles(archive)

    async def write(user: str, text: str) -> None:
        await sink.write(Feedback(user, NOON, TALK, text, "r", 1))

    return Sink(write, sink.probe, archive.root, archive.root, "feedback_storage")


def transcript_sink(archive: Archive) -> Sink:
    sink: TranscriptSink = TranscriptFiles(archive)

    async def write(user: str, text: str) -> None:
        await sink.write(Transcript(user, TALK, Exchange(text, "a.", "m", "p", NOON, NOON)))

    return Sink(write, sink.probe, archive.root, archive.root / "alice" / TALK, "transcripts_storage")


type Make = Callable[[Archive], Sink]
KINDS: dict[str, Make] = {"feedback_storage": feedback_sink, "transcripts_storage": transcript_sink}


@pytest.fixture(params=sorted(KINDS))
def key(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def sink(key: str, tmp_path: Path) -> Sink:
    return KINDS[key](Archive(tmp_path / "data" / "files", key))


def below(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


@contextmanager
def in_thread(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Runs ``work`` until the context is left, and raises what it raised."""
    stop = threading.Event()
    raised: list[Exception] = []

    def run() -> None:
        try:
            work(stop)
        except Exception as error:  # noqa: BLE001 - raised below
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    if raised:
        raise raised[0]


@requirement("user-data:stored")
async def test_one_file_each_at_its_place(sink: Sink) -> None:
    await sink.write("alice", "one")
    await sink.write("alice", "two")
    files = sorted(sink.root.rglob("*.json"))
    assert len(files) == 2
    assert all(path.parent == sink.folder and is_file(path.name) for path in files)
    assert sink.drafts() == []


@requirement("user-data:stored")
@pytest.mark.parametrize(("umask", "file_mode", "folder_mode"), [(0o022, 0o644, 0o755), (0o077, 0o600, 0o700)])
async def test_the_umask_says_who_may_read(sink: Sink, umask: int, file_mode: int, folder_mode: int) -> None:
    before = os.umask(umask)
    try:
        await sink.write("alice", "one")
    finally:
        os.umask(before)
    (file,) = sink.folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == file_mode
    assert stat.S_IMODE(sink.folder.stat().st_mode) == folder_mode


@requirement("user-data:names:inside", "user-data:names:apart")
async def test_ids_that_are_no_names_are_stored_all_the_same(sink: Sink) -> None:
    users = ["", "..", "../../x", "a//b", "a/b", "/etc/passwd", "x" * 10_000, "a\0b", "a\nb", "\ud800", "é" * 200, "~"]
    for user in users:
        await sink.write(user, "one")
    stored = [it["metadata"]["user_id"] if "metadata" in it else it["user_id"] for it in sink.contents()]
    assert sorted(stored) == sorted(users)
    outside = [path for path in sink.root.parents[1].rglob("*.json") if sink.root not in path.parents]
    assert outside == []


@requirement("user-data:many")
async def test_two_hundred_at_once(sink: Sink) -> None:
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for number in range(200):
                tasks.start_soon(sink.write, f"user-{number % 20}", str(number))
    assert len(sink.contents()) == 200
    assert sink.drafts() == []


@requirement("user-data:atomic")
async def test_who_reads_meanwhile_finds_complete_files_only(sink: Sink) -> None:
    seen: set[Path] = set()

    def read(stop: threading.Event) -> None:
        while not stop.is_set():
            for path in sink.root.rglob("*.json"):
                json.loads(path.read_bytes())
                seen.add(path)

    with in_thread(read):
        async with anyio.create_task_group() as tasks:
            for number in range(100):
                tasks.start_soon(sink.write, f"user-{number % 5}", LONG)
        with anyio.fail_after(30):
            while len(seen) < 100:  # noqa: ASYNC110 - the reader is a thread
                await anyio.sleep(0.005)
    assert len(seen) == 100


@requirement("user-data:vanishing")
async def test_directories_that_vanish_all_the_time(sink: Sink) -> None:
    destroyed = 0

    def destroy(stop: threading.Event) -> None:
        nonlocal destroyed
        while not stop.is_set():
            destroyed += sink.root.exists()
            shutil.rmtree(sink.root, ignore_errors=True)

    with in_thread(destroy), anyio.fail_after(60):
        while destroyed < 200:
            async with anyio.create_task_group() as tasks:
                for number in range(10):
                    tasks.start_soon(sink.write, f"user-{number % 3}/below", "text")
    await sink.write("alice", "at last")
    assert len(list(sink.folder.glob("*.json"))) >= 1
    assert (await sink.probe()).status is HealthStatus.OK


def write_for_ever(key: str, root: Path, told: Connection) -> None:
    """Write file after file, several at once; tell the number of each as soon as it is stored."""

    async def run() -> None:
        sink = KINDS[key](Archive(root, key))

        async def one(first: int) -> None:
            number = first
            while True:
                await sink.write(f"user-{number % 3}", f"{number} {LONG}")
                told.send(number)
                number += 4

        async with anyio.create_task_group() as tasks:
            for first in range(4):
                tasks.start_soon(one, first)

    anyio.run(run)


@requirement("user-data:killed")
@pytest.mark.parametrize("after", [1, 7, 30])
def test_a_kill_leaves_complete_files(key: str, tmp_path: Path, after: int) -> None:
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=write_for_ever, args=(key, tmp_path, theirs))
    process.start()
    theirs.close()
    told: set[int] = set()
    while len(told) < after:
        assert ours.poll(60)
        told.add(ours.recv())
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    while True:
        try:
            told.add(ours.recv())
        except EOFError:
            break
    ours.close()
    contents = KINDS[key](Archive(tmp_path, key)).contents()
    texts = [it["redacted_query"] if "metadata" in it else it["user_question"] for it in contents]
    assert told <= {int(text.split(maxsplit=1)[0]) for text in texts}
    assert all(text.endswith(LONG) for text in texts)


@contextmanager
def closed_directory() -> Iterator[Path]:
    """A directory that this process may read only, for as long as the context lasts."""
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        top.chmod(0o755)
        closed = top / "closed"
        closed.mkdir(mode=0o555)
        if os.getuid() == 0:
            os.seteuid(65534)
        try:
            yield closed
        finally:
            if os.getuid() == 0:
                os.seteuid(0)
            closed.chmod(0o755)


async def refused(sink: Sink, user: str = "alice") -> str:
    with pytest.raises(StorageError) as raised:
        await sink.write(user, "secret-text")
    return raised.value.cause


@requirement("user-data:failing", "user-data:health")
async def test_a_file_where_the_directory_should_be(sink: Sink) -> None:
    sink.root.parent.mkdir()
    sink.root.write_text("in the way")
    assert await refused(sink) == "[Errno 20] Not a directory"
    assert await sink.probe() == Health.error(
        f"user_data_collection.{sink.key} cannot be written: [Errno 20] Not a directory"
    )
    sink.root.unlink()
    assert await sink.probe() == Health.ok()
    await sink.write("alice", "one")
    assert await sink.probe() == Health.ok()


@requirement("user-data:failing")
async def test_a_file_where_the_directory_of_one_user_should_be(tmp_path: Path) -> None:
    sink = transcript_sink(Archive(tmp_path, "transcripts_storage"))
    (tmp_path / "alice").write_text("in the way")
    assert await refused(sink) == "[Errno 20] Not a directory"
    await sink.write("bob", "one")
    assert sink.drafts() == [tmp_path / "alice"]


@requirement("user-data:failing")
async def test_a_path_that_is_too_long(key: str, tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["x" * 200] * 20)
    assert await refused(KINDS[key](Archive(deep, key))) == "[Errno 36] File name too long"


@requirement("user-data:failing", "user-data:health")
async def test_a_directory_that_may_not_be_written(key: str) -> None:
    """As an unprivileged user, because root may write everywhere."""
    told = f"user_data_collection.{key} cannot be written: [Errno 13] Permission denied"
    with closed_directory() as closed:
        sink = KINDS[key](Archive(closed / "files", key))
        assert (await sink.probe()).message == told, "before the first write as well"
        assert await refused(sink) == "[Errno 13] Permission denied"
        assert (await sink.probe()).message == told


def write_without_room(key: str, root: Path, told: Connection) -> None:
    """Write where a file may have 1000 bytes and no more: it breaks off in the middle, as on a full disk."""

    async def run() -> None:
        sink = KINDS[key](Archive(root, key))
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
        try:
            await sink.write("alice", LONG)
        except StorageError as error:
            told.send(error.cause)
        told.send((await sink.probe()).message)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        told.send((await sink.probe()).message)

    anyio.run(run)


@requirement("user-data:failing", "user-data:recovers")
def test_a_write_that_breaks_off_leaves_nothing(key: str, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=write_without_room, args=(key, tmp_path, theirs))
    process.start()
    theirs.close()
    told = []
    for _ in range(3):
        assert ours.poll(60)
        told.append(ours.recv())
    process.join()
    ours.close()
    why = f"[Errno {errno.EFBIG}] {os.strerror(errno.EFBIG)}"
    assert told == [why, f"user_data_collection.{key} cannot be written: {why}", None]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@requirement("user-data:health")
async def test_a_probe_makes_nothing(sink: Sink) -> None:
    assert await sink.probe() == Health.ok()
    assert not sink.root.exists()


@requirement("user-data:stuck")
async def test_a_disk_that_does_not_answer(key: str, tmp_path: Path) -> None:
    answers = threading.Event()
    waiting = 0

    def hang(*_: object) -> None:
        nonlocal waiting
        waiting += 1
        answers.wait()

    sink = KINDS[key](Archive(tmp_path, key, publish=hang, write_timeout=0.01))
    try:
        causes = [await refused(sink) for _ in range(MAX_STUCK + 5)]
        assert set(causes[:MAX_STUCK]) == {"The disk did not answer in time."}
        assert set(causes[-5:]) == {"The disk does not answer."}
        assert waiting <= MAX_STUCK
        assert (await sink.probe()).status is HealthStatus.ERROR
    finally:
        answers.set()
    with anyio.fail_after(30):
        while (await sink.probe()).status is not HealthStatus.OK:  # noqa: ASYNC110 - a probe is asked
            await anyio.sleep(0.005)


@requirement("user-data:opened")
@pytest.mark.parametrize(
    ("section", "feedback", "transcripts"),
    [
        ({}, False, False),
        ({"feedback_enabled": True, "feedback_storage": "f"}, True, False),
        ({"feedback_storage": "f", "transcripts_storage": "t"}, True, False),
        ({"transcripts_enabled": True, "transcripts_storage": "t"}, False, True),
    ],
)
async def test_the_sinks_of_a_configuration(
    tmp_path: Path, section: dict[str, Any], feedback: bool, transcripts: bool
) -> None:
    placed = {key: str(tmp_path / value) if isinstance(value, str) else value for key, value in section.items()}
    async with open_user_data(UserDataSection(**placed), pytest.fail) as user_data:
        assert (user_data.feedback is not None) is feedback
        assert (user_data.transcripts is not None) is transcripts
    assert below(tmp_path) == []


@requirement("user-data:opened", "transcript:without-text")
async def test_a_configuration_without_text(tmp_path: Path) -> None:
    section = UserDataSection(
        transcripts_enabled=True, transcripts_storage=str(tmp_path), transcripts_without_text=True
    )
    async with open_user_data(section, pytest.fail) as user_data:
        assert user_data.transcripts is not None
        await user_data.transcripts.write(
            Transcript("alice", TALK, Exchange("secret-text", "secret-answer", "m", "p", NOON, NOON))
        )
    (file,) = [path for path in below(tmp_path) if is_file(path.name)]
    assert "secret" not in file.read_text("ascii")


@requirement("user-data:opened")
async def test_what_ends_a_service_is_not_wrapped(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        async with open_user_data(UserDataSection(feedback_storage=str(tmp_path)), pytest.fail):
            raise StorageError("the database cannot be used")
