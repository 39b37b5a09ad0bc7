"""A program as an operator runs it: a process, or several, that says things, and can be stopped and killed."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT

import anyio
from anyio.abc import Process

PATIENCE = 60
"""Seconds for whatever is waited for here; a busy machine takes long to start several processes."""


class Program:
    """A process, what it has started, and what they say."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._output = b""
        self._silent = False
        self._news = anyio.Event()

    @property
    def pid(self) -> int:
        """The process that was started."""
        return self._process.pid

    @property
    def log(self) -> str:
        """All that was written to stdout and stderr so far."""
        return self._output.decode("utf-8", "replace")

    async def said(self, words: str, *, times: int = 1) -> None:
        """Wait until ``words`` were logged so often. Fails where the program ended or is silent for too long."""
        with anyio.move_on_after(PATIENCE):
            while self.log.count(words) < times and not self._silent:
                await self._news.wait()
        assert self.log.count(words) >= times, f"not logged {times} times: {words!r}; this was:\n{self.log}"

    async def ended(self) -> int:
        """Wait until no process of the program is left; the exit code of the first, negative for a signal."""
        with anyio.fail_after(PATIENCE):
            while not self._silent:
                await self._news.wait()
            return await self._process.wait()

    async def stop(self) -> int:
        """Ask it to stop as service managers do (SIGTERM), and wait; the exit code."""
        self._process.terminate()
        return await self.ended()

    def kill(self) -> None:
        """SIGKILL for the program and all it started at once; nobody gets to clean up. Nothing where all ended."""
        if not self._silent:  # else the number could be somebody else's by now
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    async def listen(self) -> None:
        """Take in the output until the last process that could write has ended."""
        assert self._process.stdout is not None
        with contextlib.suppress(anyio.EndOfStream, anyio.ClosedResourceError):
            while True:
                self._output += await self._process.stdout.receive()
                self._tell()
        self._silent = True
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = anyio.Event()


async def launched(
    command: Sequence[str | Path], folder: Path, environment: Mapping[str, str] | None = None
) -> Process:
    """Start a command in ``folder``, as the head of a process group of its own.

    ``environment`` is added to that of the tests; temporary files go into ``folder``.
    """
    # What a killed program leaves behind goes with the folder.
    environ = {**os.environ, "TMPDIR": str(folder), **(environment or {})}
    arguments = [str(it) for it in command]
    return await anyio.open_process(
        arguments, cwd=folder, env=environ, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, start_new_session=True
    )


@asynccontextmanager
async def heard[P: Program](program: P) -> AsyncIterator[P]:
    """Listen to a program until the context is left, which kills what is still there."""
    # Not in a task group: that would wrap what a test raises.
    listening = asyncio.create_task(program.listen())
    try:
        yield program
    finally:
        program.kill()
        with anyio.CancelScope(shield=True):
            await program.ended()
            await listening
