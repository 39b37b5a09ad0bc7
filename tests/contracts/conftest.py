"""The stores, open for the whole session."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.contracts.stores import KINDS, WITH_CACHE, Kind, Stores, open_stores
from tests.servers.postgres import Postgres


class OpenKinds:
    """One open storage of each kind that was asked for."""

    def __init__(self, folders: pytest.TempPathFactory, server: Postgres | None) -> None:
        self._folders = folders
        self._server = server
        self._open: dict[str, Stores] = {}
        self.closing = ExitStack()

    def of(self, kind: Kind) -> Stores:
        if kind.name not in self._open:
            database = self.closing.enter_context(self._server.database()) if self._server else None
            ours, kept = kind.place(self._folders.mktemp(kind.name), database)
            self._open[kind.name] = self.closing.enter_context(open_stores(ours, kept, when_needed=kind.when_needed))
        return self._open[kind.name]


@pytest.fixture(scope="session")
def open_in_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenKinds]:
    kinds = OpenKinds(tmp_path_factory, None)
    with kinds.closing:
        yield kinds


@pytest.fixture(scope="session")
def open_on_postgres(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[OpenKinds]:
    kinds = OpenKinds(tmp_path_factory, postgres)
    with kinds.closing:
        yield kinds


def opened_for(request: pytest.FixtureRequest) -> Stores:
    kind: Kind = request.param
    kinds: OpenKinds = request.getfixturevalue("open_on_postgres" if kind.needs_postgres else "open_in_files")
    return kinds.of(kind)


@pytest.fixture(params=KINDS, ids=str)
def stores(request: pytest.FixtureRequest) -> Stores:
    """A storage of every kind, with or without a conversation cache."""
    return opened_for(request)


@pytest.fixture(params=WITH_CACHE, ids=str)
def caching_stores(request: pytest.FixtureRequest) -> Stores:
    """A storage of every kind that has a conversation cache."""
    return opened_for(request)
