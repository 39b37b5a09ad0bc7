"""Our own service as an operator runs it: a process of its own, or several, that can be stopped and killed.

In tests::

    async with service_process(configuration(model.url, tmp_path), tmp_path, workers=4) as service:
        async with service.http.post("/v1/query", json={"query": "?"}) as response:
            ...
        service.kill()  # like a machine that loses its power; or: await service.stop()
        await service.ended()

Run it again with the same folder, and it finds what it stored; run two at once with one PostgreSQL, each with a folder
of its own. A test that needs no process of its own takes ``tests.servers.service``, which is quicker.
"""

import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from anyio.abc import Process

from tests.servers.program import PATIENCE, Program, heard, launched

PROGRAM = Path(sys.executable).with_name("lightspeed-stack")

LISTENING = "serving "
"""What is logged when the port is open: whoever connects from then on is answered as soon as a worker is ready."""

READY = "Application startup complete"
"""What every worker logs when it begins to answer."""


class ServiceProcess(Program):
    """The program and its workers. ``http`` has its address as base, and opens a connection for each request.

    With a connection each, all workers get their share, and none is left to a worker that was killed. ``pid`` is the
    service itself, or the supervisor of its workers.
    """

    def __init__(self, process: Process, url: str, http: aiohttp.ClientSession, config_file: Path) -> None:
        super().__init__(process)
        self.url = url
        self.http = http
        self.config_file = config_file

    def workers(self) -> list[int]:
        """The ids of the living worker processes, oldest first; empty where the service is one process (Linux)."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text("ascii").split()
        return [int(pid) for pid in children if is_worker(int(pid))]


@asynccontextmanager
async def service_process(
    config: str | Path,
    folder: Path,
    *,
    workers: int = 1,
    port: int | None = None,
    environment: Mapping[str, str] | None = None,
    arguments: Sequence[str] = (),
    ready: bool = True,
    program: Path = PROGRAM,
) -> AsyncIterator[ServiceProcess]:
    """Run the program in ``folder`` until the context is left, which kills what is still there.

    ``config`` is YAML, or the path of a file with it; address, port (a free one) and workers are put into its
    ``service``. ``environment`` is added to that of the tests; temporary files go into ``folder``. With ``ready`` it is
    answering when the context is entered; without, it has just been started, and may be about to fail. ``program`` is
    ours as installed in another environment.
    """
    address = port or free_port()
    file = written(config, folder, {"host": "127.0.0.1", "port": address, "workers": workers})
    url = f"http://127.0.0.1:{address}"
    command: list[str | Path] = [program, "-c", file, *arguments]
    async with await launched(command, folder, environment) as process:
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        async with aiohttp.ClientSession(url, connector=connector, timeout=timeout) as http:
            async with heard(ServiceProcess(process, url, http, file)) as service:
                if ready:
                    await answering(service, workers)
                yield service


async def answering(service: ServiceProcess, workers: int) -> None:
    """Wait until every worker answers."""
    await service.said(LISTENING)
    await service.said(READY, times=workers)
    async with service.http.get("/liveness") as response:
        assert response.status < 500, service.log


def written(config: str | Path, folder: Path, service: dict[str, Any]) -> Path:
    """A file in ``folder`` with ``config``, whose section ``service`` is complemented."""
    text = config.read_text("utf-8") if isinstance(config, Path) else config
    tree = yaml.safe_load(text)
    tree["service"] = {**(tree.get("service") or {}), **service}
    file = folder / f"lightspeed-stack-{service['port']}.yaml"
    file.write_text(yaml.safe_dump(tree, sort_keys=False), "utf-8")
    return file


def is_worker(pid: int) -> bool:
    """Whether a child is a worker, and not the helper that Python starts beside spawned processes."""
    try:
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
