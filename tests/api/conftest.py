"""The service with a scripted model, for black-box tests."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests.servers.openai_server import OpenAIServer, openai_server
from tests.servers.service import configuration, running


@dataclass(frozen=True, slots=True)
class Stand:
    """A service and the model server behind it."""

    http: aiohttp.ClientSession
    model: OpenAIServer
    folder: Path


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    async with openai_server() as model, running(configuration(model.url, tmp_path), tmp_path) as service:
        yield Stand(service.http, model, tmp_path)
