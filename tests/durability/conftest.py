"""A PostgreSQL server that a test may stop, and that asks for passwords."""

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from psycopg import sql

from tests.servers.postgres import PASSWORD, Postgres, PostgresDatabase, postgres_server


@dataclass(slots=True)
class StoppableServer:
    """Stopped and started again on the same data, where it can be found again. Blocking."""

    folder: Path
    _running: ExitStack = field(default_factory=ExitStack)
    _server: Postgres | None = None

    def start(self) -> Postgres:
        """Nothing happens where it runs."""
        if self._server is None:
            self._server = self._running.enter_context(postgres_server(self.folder))
        return self._server

    def stop(self) -> None:
        self._running.close()
        self._server = None

    def ask_for_passwords(self) -> None:
        with self._database("postgres").connect() as admin:
            admin.execute(sql.SQL("ALTER USER postgres PASSWORD {}").format(PASSWORD))
            (self.folder / "pg_hba.conf").write_text("local all all scram-sha-256\n", "utf-8")
            admin.execute("SELECT pg_reload_conf()")

    def new_database(self) -> PostgresDatabase:
        """An empty one. It stays."""
        name = f"t{uuid.uuid4().hex[:12]}"
        with self._database("postgres").connect() as admin:
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self._database(name)

    def _database(self, name: str) -> PostgresDatabase:
        server = self.start()
        return PostgresDatabase(server.host, server.port, name)


@pytest.fixture(scope="session")
def only_server() -> Iterator[StoppableServer]:
    # Not below pytest's own folder, which another session of this user closes to the server's user.
    with tempfile.TemporaryDirectory(prefix="durability-") as name:
        server = StoppableServer(Path(name) / "data")
        server.ask_for_passwords()
        yield server
        server.stop()


@pytest.fixture
def stoppable(only_server: StoppableServer) -> Iterator[StoppableServer]:
    """A server that runs, and runs again after the test."""
    only_server.start()
    yield only_server
    only_server.start()
