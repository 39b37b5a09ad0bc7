"""The service as its users start it: a process with a configuration file, on a free port."""

import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

COMMAND = Path(sys.executable).with_name("lightspeed-stack")
START_SECONDS = 60.0
STOP_SECONDS = 20.0
BETWEEN_TRIES = 0.05

CONFIGURATION = """\
name: browser tests
service: {{host: 127.0.0.1, port: {port}}}
user_data_collection: {{}}
database: {{sqlite: {{db_path: {folder}/service.db}}}}
{more}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def service(folder: Path, more: str) -> AsyncIterator[str]:
    """A running service, as its address with a slash at the end; ``more`` is YAML beside what is always needed."""
    port = free_port()
    file = folder / "lightspeed-stack.yaml"
    file.write_text(CONFIGURATION.format(port=port, folder=folder, more=more), "utf-8")
    with (folder / "service.log").open("wb") as log:
        process = await anyio.open_process([COMMAND, "-c", file], stdout=log, stderr=log, cwd=folder)
    try:
        with anyio.fail_after(START_SECONDS):
            while not await listening(port):
                assert process.returncode is None, (folder / "service.log").read_text("utf-8")
                await anyio.sleep(BETWEEN_TRIES)  # a port that opens tells nobody
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        with anyio.fail_after(STOP_SECONDS):
            await process.wait()


async def listening(port: int) -> bool:
    try:
        stream = await anyio.connect_tcp("127.0.0.1", port)
    except OSError:
        return False
    await stream.aclose()
    return True


async def ingest(documents: Path, store: Path, base_url: str) -> None:
    """Fill a knowledge store by the service's own command."""
    where = ["--store", "docs", "--path", str(store), "--base-url", base_url, "--strip-suffix"]
    await anyio.run_process([str(COMMAND), "ingest", str(documents), *where], cwd=store.parent)
