"""What every test may ask for."""

from collections.abc import Iterator

import pytest

from tests.servers.postgres import Postgres, PostgresDatabase, postgres_server


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server, started by the first test that asks for it."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def postgres_database(postgres: Postgres) -> Iterator[PostgresDatabase]:
    """An empty database on it."""
    with postgres.database() as database:
        yield database
