"""Files with the value of a header."""

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from lightspeed_stack.tools.token_files import KEPT, MAX_FILE, TokenFiles
from tests.spec.registry import requirement

KEY = "mcp_servers 'tools': authorization_headers.Authorization"


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def nothing(_: Path) -> None:
    """The file is missing."""


def written(content: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(content)

    return write


@requirement("tools:files:value")
@pytest.mark.parametrize(
    ("make", "value", "reason"),
    [
        (written(b"t0"), "t0", ""),
        (written(b" \n t0 \r\n\n"), "t0", ""),
        (written(b"x" * 16384 + b"\n" * 1000), "x" * 16384, ""),
        (nothing, None, "No such file"),
        (Path.mkdir, None, "Is a directory"),
        (os.mkfifo, None, "not a file"),
        (written(b""), None, "empty"),
        (written(b"\n \n"), None, "empty"),
        (written(b"a\nb"), None, "one line"),
        (written(b"a\x00b"), None, "one line"),
        (written("größe".encode()), None, "one line"),
        (written(b"x" * 16385), None, "one line"),
        (written(b"x" + b"\n" * MAX_FILE), None, "more than 65536 bytes"),
    ],
)
async def test_what_a_file_gives(
    tmp_path: Path, make: Callable[[Path], None], value: str | None, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "token"
    make(path)
    with anyio.fail_after(5):
        assert await TokenFiles().read(str(path), key=KEY) == value
    assert reason in caplog.text
    assert bool(caplog.records) is bool(reason)


@requirement("tools:files:value")
@pytest.mark.parametrize("path", ["", "a\x00b", "x" * 5000])
async def test_a_path_that_cannot_be_one(path: str) -> None:
    assert await TokenFiles().read(path, key=KEY) is None


@requirement("tools:files:rotated")
async def test_a_rotated_token_is_seen_within_seconds(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "token"
    files = TokenFiles(clock=clock)
    path.write_text("old")
    assert await files.read(str(path), key=KEY) == "old"
    path.write_text("new")
    clock.now = KEPT - 0.1
    assert await files.read(str(path), key=KEY) == "old", "no look at the disk for each question"
    clock.now = KEPT
    assert await files.read(str(path), key=KEY) == "new"


@requirement("tools:files:quiet")
async def test_a_state_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    path = tmp_path / "s3cret"
    files = TokenFiles(kept=0)
    for content in (None, None, b"", b"", b"t0", b"t1", None, b"a\nb", b"a\nc"):
        if content is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(content)
        await files.read(str(path), key=KEY)
    assert [record.getMessage().removeprefix(f"{KEY}: the file can") for record in caplog.records] == [
        "not be used: No such file or directory",
        "not be used: it is empty",
        " be used again",
        "not be used: No such file or directory",
        "not be used: its content is not one line of ASCII that can be the value of a header",
    ]


@requirement("tools:files:value")
async def test_many_questions_are_one_look(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("t0")
    files = TokenFiles(clock=Clock())
    found: list[str | None] = []

    async def ask() -> None:
        found.append(await files.read(str(path), key=KEY))
        path.unlink(missing_ok=True)

    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(ask)
    assert found == ["t0"] * 50


@requirement("tools:files:value")
async def test_a_file_that_takes_for_ever_is_waited_for_once(caplog: pytest.LogCaptureFixture) -> None:
    clock, begun, go_on = Clock(), [], threading.Event()

    def look(path: str) -> str:
        begun.append(path)
        assert go_on.wait(20)
        return "t0"

    files = TokenFiles(patience=0.05, look=look, clock=clock)
    for times in range(3):
        clock.now = times * KEPT
        assert await files.read("remote", key=KEY) is None
    assert begun == ["remote"], "no second thread hangs at it"
    assert caplog.text.count("takes too long") == 1
    go_on.set()
    with anyio.fail_after(20):
        while await files.read("remote", key=KEY) is None:
            clock.now += KEPT
            await anyio.sleep(0.01)
    assert await files.read("remote", key=KEY) == "t0"
