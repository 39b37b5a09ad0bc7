"""Limits of directories of user data: what is deleted, what stays, and who may be in the way."""

import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightspeed_stack.storage.archive import Archive
from lightspeed_stack.storage.file_names import new_draft, new_file, user_directory
from lightspeed_stack.storage.retention import LEFT_OVER, SHARE, Limits, Retention, Sweep, Swept
from tests.spec.registry import requirement

NOW = 2_000_000_000.0
DAY = 86_400
TALK = "93e26998-ad37-4a91-9048-fd12ab3e1e0c"
OTHER_TALK = "0123456789abcdef" * 3


def put(folder: Path, *, age: float = 0, size: int = 10, name: str | None = None) -> Path:
    """A file that was last written ``age`` seconds ago; and so were its directories."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (name or new_file())
    path.write_bytes(b"x" * size)
    for one in (path, folder):
        os.utime(one, (NOW - age, NOW - age))
    return path


def swept(root: Path, limits: Limits | None = None, *, nested: bool = True) -> Swept:
    return Sweep(root, nested, limits or Limits(), NOW).run()


def left(root: Path) -> set[Path]:
    return {path for path in root.rglob("*") if not path.is_dir() or path.is_symlink()}


@requirement("retention:age")
@pytest.mark.parametrize("nested", [True, False])
def test_old_files_go(tmp_path: Path, nested: bool) -> None:
    folder = tmp_path / "alice" / TALK if nested else tmp_path
    put(folder, age=3 * DAY)
    put(folder, age=2 * DAY + 1)
    young = {put(folder, age=2 * DAY, size=7), put(folder, size=5), put(folder, age=-DAY, size=3)}
    assert swept(tmp_path, Limits(max_age=2 * DAY), nested=nested) == Swept(size=15, deleted=2)
    assert left(tmp_path) == young


@requirement("retention:age")
def test_without_limits_everything_stays(tmp_path: Path) -> None:
    old = put(tmp_path / "alice" / TALK, age=10_000 * DAY)
    assert swept(tmp_path).deleted == 0
    assert left(tmp_path) == {old}


@requirement("retention:age", "retention:size")
def test_a_root_that_does_not_exist_yet_is_empty(tmp_path: Path) -> None:
    assert swept(tmp_path / "later", Limits(DAY, 1)) == Swept(size=0, deleted=0)
    assert not (tmp_path / "later").exists()


@requirement("retention:size")
@pytest.mark.parametrize("nested", [True, False])
def test_the_oldest_of_too_many_go(tmp_path: Path, nested: bool) -> None:
    folders = [tmp_path / "alice" / TALK, tmp_path / "bob" / OTHER_TALK, tmp_path / TALK] if nested else [tmp_path]
    files = [put(folders[age % len(folders)], age=age, size=100) for age in range(100)]
    assert swept(tmp_path, Limits(max_size=1600), nested=nested) == Swept(size=1500, deleted=85)
    assert left(tmp_path) == set(files[:15])


@requirement("retention:size")
def test_a_directory_at_its_limit_is_left_alone(tmp_path: Path) -> None:
    files = {put(tmp_path, size=100) for _ in range(16)}
    assert swept(tmp_path, Limits(max_size=1600), nested=False) == Swept(size=1600, deleted=0)
    assert left(tmp_path) == files


@requirement("retention:size")
@settings(deadline=None, max_examples=50)
@given(sizes=st.lists(st.integers(0, 50), max_size=30), limit=st.integers(1, 600))
def test_no_file_stays_while_a_younger_one_goes(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], limit: int
) -> None:
    root = tmp_path_factory.mktemp("sweep")
    files = [put(root, age=age, size=size) for age, size in enumerate(sizes)]
    swept(root, Limits(max_size=limit), nested=False)
    kept = [path.exists() for path in files]
    assert kept == sorted(kept, reverse=True)
    assert sum(size for size, stays in zip(sizes, kept, strict=True) if stays) <= limit
    if sum(sizes) > limit and not all(kept):
        oldest_gone = sizes[kept.index(False)]
        remaining = sum(size for size, stays in zip(sizes, kept, strict=True) if stays)
        assert remaining + oldest_gone > limit - limit // SHARE or oldest_gone == 0, "no more go than have to"


@requirement("retention:ours")
def test_only_our_files_go(tmp_path: Path) -> None:
    root = tmp_path / "transcripts"
    outside = put(tmp_path / "outside" / TALK, age=9 * DAY)
    ours = put(root / "alice" / TALK, age=9 * DAY)
    theirs = {
        put(root / "alice" / TALK, age=9 * DAY, name="notes.json"),
        put(root / "alice" / TALK, age=9 * DAY, name=f"{ours.stem}.txt"),
        put(root / "alice", age=9 * DAY),  # feedback of a service that keeps it in a directory in this one
        put(root, age=9 * DAY),
        put(root / "lost+found" / TALK, age=9 * DAY),
        put(root.joinpath(*["deep"] * 20, TALK), age=9 * DAY),
    }
    links = {root / "bob", root / "alice" / TALK / new_file(), root / new_draft()}
    for link in links:
        link.symlink_to(outside if link.suffix == ".json" else outside.parent)
    folder = root / "alice" / TALK / new_file()
    folder.mkdir()
    assert swept(root, Limits(DAY, 1)) == Swept(size=0, deleted=1)
    assert left(root) == theirs | links
    assert outside.exists()
    assert folder.exists()


@requirement("retention:ours")
def test_feedback_and_transcripts_may_share_a_directory(tmp_path: Path) -> None:
    feedback = put(tmp_path, age=9 * DAY)
    transcript = put(tmp_path / "alice" / TALK, age=9 * DAY)
    assert swept(tmp_path, Limits(DAY), nested=False).deleted == 1
    assert left(tmp_path) == {transcript}
    feedback.touch()
    assert swept(tmp_path, Limits(DAY), nested=True).deleted == 1
    assert left(tmp_path) == {feedback}


@requirement("retention:ours")
@pytest.mark.parametrize("user", ["", "alice", "a/b/c", "/".join("a" * 16), "../x", TALK])
def test_the_files_of_every_user_are_found(tmp_path: Path, user: str) -> None:
    put(tmp_path / user_directory(user) / TALK, age=2 * DAY)
    assert swept(tmp_path, Limits(DAY)) == Swept(size=0, deleted=1)
    assert list(tmp_path.iterdir()) == []


@requirement("retention:left-over")
def test_what_a_killed_process_left_behind(tmp_path: Path) -> None:
    folder = tmp_path / "alice" / TALK
    put(folder, name=new_draft(), age=LEFT_OVER + 1)
    put(tmp_path, name=new_draft(), age=LEFT_OVER + 1)
    in_use = put(tmp_path / "bob" / TALK, name=new_draft(), age=LEFT_OVER - 1)
    theirs = put(tmp_path / "bob", name=new_draft(), age=LEFT_OVER + 1)
    empty, fresh, other = (tmp_path / name / TALK for name in ("carol", "dave", "x/y"))
    for made, age in ((empty, LEFT_OVER + 1), (fresh, LEFT_OVER - 1), (other, LEFT_OVER + 1)):
        made.mkdir(parents=True)
        os.utime(made, (NOW - age, NOW - age))
    (tmp_path / "no conversation").mkdir()
    os.utime(tmp_path / "no conversation", (NOW - DAY, NOW - DAY))
    assert swept(tmp_path).deleted == 2
    assert left(tmp_path) == {in_use, theirs}
    assert {path.name for path in tmp_path.iterdir()} == {"bob", "dave", "no conversation"}


@requirement("retention:others")
@pytest.mark.parametrize("step", range(1, 60, 3))
def test_two_sweeps_delete_no_more_than_one(tmp_path: Path, step: int) -> None:
    """The other one does all its work between two steps of ours."""
    files = [put(tmp_path / f"user-{age % 5}" / TALK, age=age, size=100) for age in range(50)]
    limits = Limits(max_size=1600)
    steps = 0

    def pulse() -> None:
        nonlocal steps
        steps += 1
        if steps == step:
            Sweep(tmp_path, True, limits, NOW).run()

    result = Sweep(tmp_path, True, limits, NOW, pulse).run()
    assert result.failure is None
    assert left(tmp_path) == set(files[:15])


@requirement("retention:others")
def test_readers_delete_during_many_sweeps(tmp_path: Path) -> None:
    for number in range(200):
        put(tmp_path / f"user-{number % 7}" / TALK, age=number, size=100)
    results: list[Swept] = []

    def export() -> None:
        with suppress(FileNotFoundError, StopIteration):
            next(tmp_path.rglob("*.json")).unlink()

    def run() -> None:
        results.append(Sweep(tmp_path, True, Limits(DAY, 5000), NOW, export).run())

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(it.size <= 5000, it.failure) for it in results] == [(True, None)] * 4
    assert sum(path.stat().st_size for path in left(tmp_path)) <= 5000


@dataclass(slots=True)
class Watched:
    """A directory with its limits; ``failures`` are those that were counted."""

    archive: Archive
    retention: Retention
    failures: list[str] = field(default_factory=list)


type Watch = Callable[[Limits], Watched]


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    def make(limits: Limits) -> Watched:
        failures: list[str] = []
        root = tmp_path / "files"
        retention = Retention(
            root,
            "feedback_storage",
            nested=False,
            limits=limits,
            failures=failures.append,
            clock=lambda: NOW,
            first=10_000,
            every=10_000,
            rest=0,
        )
        return Watched(Archive(root, "feedback_storage", retention.wrote), retention, failures)

    return make


def size_of(root: Path) -> int:
    """Of files that are being deleted by a thread."""
    size = 0
    for path in left(root):
        with suppress(FileNotFoundError):
            size += path.stat().st_size
    return size


@requirement("retention:at-once")
async def test_the_limit_is_enforced_as_soon_as_it_is_passed(watch: Watch) -> None:
    watched = watch(Limits(max_size=16_000))
    root = watched.archive.root
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watched.retention.run)
        with anyio.fail_after(60):
            for _ in range(100):
                await watched.archive.put(Path(), lambda: b"x" * 500)
            while size_of(root) > 16_000:  # noqa: ASYNC110 - the sweep is a thread
                await anyio.sleep(0.005)
        tasks.cancel_scope.cancel()
    assert size_of(root) > 10_000
    assert watched.failures == []


@requirement("retention:failing")
async def test_a_sweep_that_fails_is_counted_and_not_the_last(watch: Watch, caplog: pytest.LogCaptureFixture) -> None:
    watched = watch(Limits(max_age=DAY))
    root = watched.archive.root
    root.write_text("in the way")
    await watched.retention.sweep()
    assert watched.failures == ["retention"]
    assert "user_data_collection.feedback_storage failed: [Errno 20] Not a directory" in caplog.text
    assert str(root) not in caplog.text
    root.unlink()
    put(root, age=2 * DAY)
    await watched.retention.sweep()
    assert left(root) == set()
    assert watched.failures == ["retention"]


@contextmanager
def unprivileged() -> Iterator[None]:
    """As somebody whom the rights of directories concern; root may do everything."""
    if os.getuid() == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        if os.getuid() == 0:
            os.seteuid(0)


@requirement("retention:failing")
def test_what_cannot_be_deleted_does_not_keep_the_rest() -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        kept = put(root / "alice" / TALK, age=5 * DAY)
        gone = put(root / "bob" / TALK, age=4 * DAY)
        for folder in (root, gone.parents[1], gone.parent):
            folder.chmod(0o777)
        kept.parent.chmod(0o555)
        with unprivileged():
            result = swept(root, Limits(DAY, 5))
        kept.parent.chmod(0o755)
        assert result == Swept(size=10, deleted=1, failure="[Errno 13] Permission denied")
        assert left(root) == {kept}


@requirement("retention:failing")
@pytest.mark.parametrize("limits", [Limits(DAY), Limits(max_size=1)], ids=["age", "size"])
def test_what_cannot_be_read_does_not_keep_the_rest(limits: Limits) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        kept = put(root / "alice" / TALK, age=5 * DAY)
        gone = put(root / "bob" / TALK, age=4 * DAY)
        for folder in (root, gone.parents[1], gone.parent):
            folder.chmod(0o777)
        kept.parent.chmod(0o000)
        with unprivileged():
            result = swept(root, limits)
        kept.parent.chmod(0o755)
        assert result == Swept(size=0, deleted=1, failure="[Errno 13] Permission denied")
        assert left(root) == {kept}


class Stopped(Exception):
    pass


@requirement("retention:stops")
def test_a_sweep_can_be_ended_between_any_two_directories(tmp_path: Path) -> None:
    for user in ("alice", "bob"):
        put(tmp_path / user / TALK, age=2 * DAY)
    steps = 0

    def pulse() -> None:
        nonlocal steps
        steps += 1
        if steps == 4:
            raise Stopped

    with pytest.raises(Stopped):
        Sweep(tmp_path, True, Limits(DAY), NOW, pulse).run()
    assert len(left(tmp_path)) == 1


@requirement("retention:stops")
async def test_sweeping_ends_with_the_service(tmp_path: Path) -> None:
    sweeps = 0
    enough = anyio.Event()

    def clock() -> float:
        nonlocal sweeps
        sweeps += 1
        if sweeps == 3:
            enough.set()
        return NOW

    retention = Retention(
        tmp_path,
        "transcripts_storage",
        nested=True,
        limits=Limits(max_age=DAY),
        failures=pytest.fail,
        clock=clock,
        first=0,
        every=0,
        rest=0,
    )
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(retention.run)
            await enough.wait()
            tasks.cancel_scope.cancel()
