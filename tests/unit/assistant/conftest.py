"""Conversations on a disk, as the service keeps them."""

from collections.abc import AsyncIterator
from pathlib import Path

import anyio.to_thread
import pytest

from lightspeed_stack.storage.conversations import SqlConversations
from lightspeed_stack.storage.locations import SqliteFile
from lightspeed_stack.storage.opened import open_storage


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "conversations.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqlConversations]:
    storage = open_storage(SqliteFile(path), None, feedback_enabled=True)
    yield storage.conversations
    await anyio.to_thread.run_sync(storage.close)
