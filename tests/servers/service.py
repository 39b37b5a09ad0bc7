"""Our own service, in this process's event loop, over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import anyio
import uvicorn
from fastapi import FastAPI

from lightspeed_stack.api.app import create_app
from lightspeed_stack.config.load import load_config
from lightspeed_stack.services.adapters import adapter_settings


@dataclass(frozen=True, slots=True)
class RunningService:
    """``http`` has the service's address as its base; ``app`` is for a look at what is not on the wire."""

    url: str
    http: aiohttp.ClientSession
    app: FastAPI


def configuration(
    provider_url: str,
    folder: Path,
    *,
    more: str = "",
    inference: str = "",
    service: str = "{}",
    topics: bool = False,
    database: str | None = None,
) -> str:
    """A configuration with one scripted provider, as YAML; ``inference`` and ``more`` go where they belong.

    ``topics``: the provider is asked for them as well, once for each new conversation. ``database`` is the content of
    the section of that name, indented by two; a SQLite file in ``folder`` where it is None.
    """
    kept = database or f"sqlite:\n    db_path: {folder}/conversations.db"
    return f"""
name: test
service: {service}
user_data_collection: {{}}
database:
  {kept}
inference:
  default_provider: fake
  default_model: fake-llm
  topic_summaries: {str(topics).lower()}
  providers:
    - id: fake
      type: openai
      url: {provider_url}
{inference}
{more}
"""


@asynccontextmanager
async def running(yaml: str, folder: Path) -> AsyncIterator[RunningService]:
    """Serve a configuration on a free port until the context is left."""
    path = folder / "lightspeed-stack.yaml"
    path.write_text(yaml, "utf-8")
    app = create_app(load_config(path, settings_of=adapter_settings))
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="on", ws="none", http="httptools")
    server = uvicorn.Server(config)
    # Not in a task group: that would wrap what a test raises, and end the server before it has closed.
    serving = asyncio.create_task(server._serve())
    try:
        with anyio.fail_after(20):
            while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has no event for it
                await anyio.sleep(0.005)
        if serving.done():
            await serving
        port = server.servers[0].sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        async with aiohttp.ClientSession(url, timeout=aiohttp.ClientTimeout(total=30)) as http:
            yield RunningService(url, http, app)
    finally:
        server.should_exit = True
        with anyio.CancelScope(shield=True):
            await serving
