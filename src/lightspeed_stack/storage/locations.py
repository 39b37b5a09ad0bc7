"""Where databases are: known from the configuration, looked at before a start, opened when first needed.

Nothing is imported here that a start does not need; ``database`` opens a location with the SQL library.
"""

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from time import sleep
from typing import Any

from lightspeed_stack.errors import ConfigurationError, StorageError

BUSY_TIMEOUT = 5.0
"""Seconds: how long SQLite waits for another process that writes."""

CONNECT_TIMEOUT = 5
"""Seconds for a connection to PostgreSQL."""

STATEMENT_TIMEOUT = 8
"""Seconds that PostgreSQL takes for one statement at most, and that it may leave what we sent without a sign."""

START_PATIENCE = (0.5, 1.0, 2.0, 4.0)
"""Seconds between attempts at a server that is starting as well."""

REFUSALS = ("authentication failed", "no pg_hba.conf entry", 'FATAL:  database "', 'FATAL:  role "')
"""Words of a server that is there and will not change its mind. A server of another language is waited for in vain."""

SCHEMA_LOCK = 0x6C696768_73636865
"""Key of the lock in PostgreSQL under which one process at a time makes the schema."""


@dataclass(frozen=True, slots=True)
class SqliteFile:
    """One SQLite file. ``lasting`` is False for a file that need not survive this service."""

    path: Path
    lasting: bool = True

    def check(self) -> None:
        """Find out whether the file can be used; creates it where it is missing. Blocking.

        Raises StorageError that says what is wrong.
        """
        folder = self.path.parent
        if not folder.is_dir():
            raise StorageError(f"SQLite database directory does not exist: {folder}")
        try:
            connection = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT)
            try:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA schema_version").fetchone()
            finally:
                connection.close()
        except sqlite3.DatabaseError as error:
            raise StorageError(f"SQLite database {self.path} cannot be used: {error}") from error


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """One PostgreSQL database; ``schema`` None means the connection's default schema."""

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)
    schema: str | None = None
    ssl_mode: str = "prefer"
    gss_mode: str = "prefer"
    ca_path: Path | None = None

    def arguments(self) -> dict[str, Any]:
        """Arguments of a connection, in libpq's words."""
        options = [f"-c statement_timeout={STATEMENT_TIMEOUT}s", "-c timezone=UTC"]
        if self.schema is not None:
            options.append(f"-c search_path={_option(_identifier(self.schema))}")
        return {
            "host": self.host,
            "port": self.port,
            "dbname": self.database,
            "user": self.user,
            "password": self.password,
            "sslmode": self.ssl_mode,
            "gssencmode": self.gss_mode,
            **({"sslrootcert": str(self.ca_path)} if self.ca_path else {}),
            "options": " ".join(options),
            "application_name": "lightspeed-stack",
            "connect_timeout": CONNECT_TIMEOUT,
            "keepalives_idle": STATEMENT_TIMEOUT,
            "tcp_user_timeout": STATEMENT_TIMEOUT * 1000,
            # A pooler between us and the server may hand every transaction to another session.
            "prepare_threshold": None,
        }

    def check(self) -> None:
        """Connect, and make the schema where it is missing; a server that is not up yet is waited for. Blocking.

        Raises StorageError, or ConfigurationError where the driver is not installed.
        """
        try:
            import psycopg
        except ImportError as error:
            raise ConfigurationError(
                "database.postgres: the driver for PostgreSQL is not installed\n"
                "    fix: install the extra  lightspeed-stack[postgres]"
            ) from error
        for pause in (*START_PATIENCE, None):
            try:
                self._prepare(psycopg)
            except psycopg.OperationalError as error:
                if pause is None or any(words in str(error) for words in REFUSALS):
                    raise self._unusable(error) from error
                sleep(pause)
            except psycopg.Error as error:
                raise self._unusable(error) from error
            else:
                return

    def _prepare(self, psycopg: Any) -> None:
        with psycopg.connect(**self.arguments()) as connection:
            if self.schema is None:
                return
            # Looked for first: whoever may use a schema need not be allowed to make one. And one process at a time,
            # because two that make it in the same moment fail, ``IF NOT EXISTS`` or not.
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [SCHEMA_LOCK])
            if not connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [self.schema]).fetchone():
                connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_identifier(self.schema)}")

    def _unusable(self, error: Exception) -> StorageError:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        return StorageError(f"PostgreSQL database {self.database} at {self.host}:{self.port}: {reason[0].strip()}")


type Location = SqliteFile | PostgresServer


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _option(value: str) -> str:
    """A value inside libpq's ``options``, where white space separates and a backslash escapes."""
    return value.replace("\\", "\\\\").replace(" ", "\\ ")
