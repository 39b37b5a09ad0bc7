"""Real Llama Stack and OGX servers, of all releases that we speak with, before a scripted model.

``scripts/stacks.sh`` installs each below ``.stacks/``; ``stack_runs/`` has a configuration for each. In tests::

    async with openai_server(Script(tokens=("Hello",)), models=MODELS) as model:
        async with stack_server(RELEASES["ogx-1.5.0"], tmp_path, model.url) as stack:
            ...  # stack.url; stack.kill(), await stack.start() at the same address

The models ``openai/fake-llm``, ``openai/other`` and ``openai/embed`` (128 dimensions) are offered. Where a release has
shields, ``openai/guard`` judges for ``input_guard`` and ``openai/judge`` for ``output_guard``. Vectors are kept by
faiss. All that a server stores is below its folder, where the next one finds it.
"""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from tests.servers.processes import free_port
from tests.servers.program import PATIENCE, Program, heard, launched

REPOSITORY = Path(__file__).parents[2]
INSTALLED = REPOSITORY / ".stacks"
RUNS = Path(__file__).with_name("stack_runs")

# Releases read tokens with tiktoken, which would fetch this from the network.
VOCABULARY = REPOSITORY / "src" / "lightspeed_stack" / "stack" / "vocabulary"

MODELS = ("fake-llm", "other", "guard", "judge", "embed")
"""What the model's server must offer."""

READY = "Uvicorn running on "


@dataclass(frozen=True, slots=True)
class Release:
    """One release. ``command`` starts its server, with FILE and PORT to be filled in; the first word is in its ``bin``.

    ``openai`` is the path below which it speaks OpenAI's protocol. ``shields``: whether it has shields and moderations.
    ``statuses``: whether it tells a provider's refusal by the status of its answer, and not inside of it.
    """

    package: str
    version: str
    command: tuple[str, ...]
    openai: str = "/v1"
    shields: bool = False
    statuses: bool = True

    @property
    def name(self) -> str:
        return f"{self.package}-{self.version}"

    @property
    def place(self) -> Path:
        """Its environment."""
        return INSTALLED / self.name

    @property
    def installed(self) -> bool:
        return (self.place / ".ready").is_file()

    @property
    def run(self) -> Path:
        """Its configuration, in which ``environment`` is filled in by the stack itself."""
        return RUNS / f"{self.name}.yaml"


RELEASES = {
    release.name: release
    for release in (
        Release(
            "llama-stack",
            "0.2.22",
            # Its `llama stack run` does no more, but wants to be in an environment that it knows by name.
            ("python", "-m", "llama_stack.core.server.server", "FILE", "--port", "PORT"),
            openai="/v1/openai/v1",
            shields=True,
            statuses=False,
        ),
        Release("llama-stack", "0.7.3", ("llama", "stack", "run", "FILE", "--port", "PORT"), shields=True),
        Release("ogx", "1.0.2", ("ogx", "stack", "run", "FILE", "--port", "PORT")),
        # Without --insecure it asks for an authentication to be configured.
        Release("ogx", "1.5.0", ("ogx", "run", "FILE", "--insecure", "--port", "PORT")),
    )
}
"""Oldest first."""


def environment(folder: Path, model_url: str) -> dict[str, str]:
    """What ``stack_runs/`` needs to run a stack below ``folder``, in a process of its own or in ours; no network."""
    return {
        "STACK_FOLDER": str(folder),
        "MODEL_URL": model_url,
        "OPENAI_BASE_URL": model_url,  # 0.2 reads no other address for chat completions
        "LLAMA_STACK_CONFIG_DIR": str(folder),
        "OGX_CONFIG_DIR": str(folder),
        "HTTPS_PROXY": "http://127.0.0.1:9",  # nobody is there: a look at the network fails, and at once
    }


@dataclass(slots=True)
class StackServer:
    """A server of one release at one address; started, killed and started again on what it stored."""

    release: Release
    folder: Path
    model_url: str
    port: int
    _running: AsyncExitStack = field(default_factory=AsyncExitStack)
    _program: Program | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What it has said since its last start."""
        return self._program.log if self._program else ""

    async def start(self) -> None:
        """Wait until it answers. Nothing happens where it runs."""
        if self._program is not None:
            return
        filled = {"FILE": str(self.release.run), "PORT": str(self.port)}
        name, *arguments = [filled.get(word, word) for word in self.release.command]
        environ = environment(self.folder, self.model_url)
        environ["TIKTOKEN_CACHE_DIR"] = str(VOCABULARY)
        # Tracebacks with frames drawn around them keep a server from answering anybody for seconds.
        environ["OGX_LOG_FORMAT"] = environ["LLAMA_STACK_LOG_FORMAT"] = "json"
        environ["PATH"] = f"{self.release.place / 'bin'}{os.pathsep}{os.environ['PATH']}"
        command: list[str | Path] = [self.release.place / "bin" / name, *arguments]
        process = await self._running.enter_async_context(await launched(command, self.folder, environ))
        self._program = await self._running.enter_async_context(heard(Program(process)))
        await self._program.said(READY)
        # Programs on a port are told apart only by what they say; it could be somebody else's.
        assert await version(self.url) == self.release.version

    async def kill(self) -> None:
        """End it at once, in whatever it is doing."""
        await self._running.aclose()
        self._program = None


async def version(url: str) -> str:
    """What the stack at this address says that it is."""
    async with aiohttp.ClientSession(url, timeout=aiohttp.ClientTimeout(total=PATIENCE)) as http:
        async with http.get("/v1/version") as response:
            response.raise_for_status()
            told = await response.json()
            return str(told["version"])


@asynccontextmanager
async def stack_server(
    release: Release, folder: Path, model_url: str, *, port: int | None = None
) -> AsyncIterator[StackServer]:
    """Run a release's server until the context is left. ``model_url`` ends in ``/v1``."""
    server = StackServer(release, folder, model_url, port or free_port())
    try:
        await server.start()
        yield server
    finally:
        await server.kill()
