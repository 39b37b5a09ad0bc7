"""The servers that others wrote, started once, and one service that has all of them."""

import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import anyio
import pytest
from aiohttp import web

from tests.foreign.cases import SERVERS
from tests.servers.mcp_foreign import ForeignServer, check_installed, everything, fetch_server, git_server, time_server
from tests.servers.openai_server import OpenAIServer, Script, openai_server
from tests.servers.service import configuration, running

PAGE = """<!doctype html><html><head><title>The archive</title></head><body><main><h1>Shelves of the archive</h1>
<p>There are two hundred metres of shelves in the archive, and all of them are full of paper.</p></main></body>
</html>"""


@dataclass(frozen=True, slots=True)
class Foreign:
    """``urls`` of the servers by name; ``places`` is what their tools are asked about: a page and a repository."""

    urls: Mapping[str, str]
    places: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ForeignStand:
    """A service with all the servers, and the model behind it."""

    http: aiohttp.ClientSession
    model: OpenAIServer


@asynccontextmanager
async def page() -> AsyncIterator[str]:
    """The address of a page on the loopback."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    app = web.Application()
    app.router.add_get("/archive", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/archive"
    finally:
        await runner.cleanup()


def repository(folder: Path) -> Path:
    """A repository with two commits, untouched by anybody's own configuration of git."""

    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)

    git("init", "--initial-branch=main")
    notes = folder / "notes.txt"
    for message, text in (("First", "a line\n"), ("Second", "a line\na second line\n")):
        notes.write_text(text, "utf-8")
        git("add", "notes.txt")
        git("commit", "-m", message)
    return folder


@pytest.fixture(scope="package")
async def foreign(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Foreign]:
    check_installed()
    work = tmp_path_factory.mktemp("foreign")
    repo = repository(tmp_path_factory.mktemp("repository"))
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(page())
        servers = (
            everything("streamableHttp", work),
            everything("sse", work),
            time_server(work),
            fetch_server(work),
            git_server(repo, work),
        )
        urls = dict.fromkeys(SERVERS, "")

        async def start(name: str, server: AbstractAsyncContextManager[ForeignServer]) -> None:
            urls[name] = (await stack.enter_async_context(server)).url

        async with anyio.create_task_group() as tasks:
            for name, server in zip(SERVERS, servers, strict=True):
                tasks.start_soon(start, name, server)
        yield Foreign(urls, {"page": address, "repository": str(repo)})


@pytest.fixture(scope="package")
async def stand(foreign: Foreign, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ForeignStand]:
    """Entered when the service knows the tools of all servers."""
    folder = tmp_path_factory.mktemp("service")
    entries = "".join(f"  - name: {name}\n    url: {url}\n" for name, url in foreign.urls.items())
    async with openai_server(Script(("Done.",))) as model:
        yaml = configuration(model.url, folder, more=f"mcp_servers:\n{entries}", inference="  max_offered_tools: 100\n")
        async with running(yaml, folder) as service:
            with anyio.fail_after(30):
                while await known(service.http) != set(SERVERS):  # noqa: ASYNC110 - nothing tells of it
                    await anyio.sleep(0.05)
            yield ForeignStand(service.http, model)


async def known(http: aiohttp.ClientSession) -> set[str]:
    """The servers whose tools a service lists."""
    async with http.get("/v1/tools") as response:
        listed = await response.json()
    return {tool["toolgroup_id"] for tool in listed["tools"]} & set(SERVERS)
