"""Starts that cannot succeed: the stack is not there, or of a release that we do not speak with."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from lightspeed_stack.stack import versions
from tests.servers.processes import free_port, service_process
from tests.servers.stacks import RELEASES
from tests.spec.registry import requirement
from tests.stacks.kinds import KINDS, Kind
from tests.stacks.stand import Json, configuration


@asynccontextmanager
async def something_that_says(version: str) -> AsyncIterator[str]:
    """The address of a server that says this version, and knows nothing else."""

    async def told(_: web.Request) -> web.Response:
        return web.json_response({"version": version})

    app = web.Application()
    app.router.add_get("/v1/version", told)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


async def ended(folder: Path, url: str, section: Json) -> str:
    """Start a service that cannot start; what it said, without the configuration."""
    yaml = configuration(Kind(RELEASES["ogx-1.5.0"]), folder, url, llama_stack=section)
    async with service_process(yaml, folder, ready=False) as service:
        assert await service.ended() == 3
        assert "Traceback" not in service.log
        return service.log


@requirement("stacks:start:unreachable")
async def test_a_stack_that_is_not_there(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    log = await ended(tmp_path, url, {"max_retries": 3, "retry_delay": 0.1})
    assert [log.count(f"the next in {pause} s") for pause in ("0.1", "0.2", "0.4")] == [1, 1, 1]
    assert "Unable to connect to Llama Stack: llama_stack.url: Connection error." in log
    assert "allow_degraded_mode" in log


@requirement("stacks:start:window")
@pytest.mark.parametrize(
    ("version", "limit"), [("9.9.9", f"<= {versions.MAXIMAL}"), ("0.2.16", f">= {versions.MINIMAL}")]
)
async def test_a_release_that_we_do_not_speak_with(tmp_path: Path, version: str, limit: str) -> None:
    async with something_that_says(version) as url:
        log = await ended(tmp_path, url, {"allow_degraded_mode": True})
    assert f"Llama Stack version {limit} is required, but {version} is used" in log


@requirement("stacks:start:window")
def test_the_newest_release_of_this_suite_is_the_newest_that_is_allowed() -> None:
    newest = max((kind.release for kind in KINDS), key=lambda it: versions.order(it.version) or ())
    assert newest.version == versions.MAXIMAL
    assert all(not versions.is_before(kind.release.version, versions.MINIMAL) for kind in KINDS)
