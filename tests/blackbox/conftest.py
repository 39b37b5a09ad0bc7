"""Two stands for every test: the service on SQLite, and the same on PostgreSQL."""

import uuid
from collections.abc import AsyncIterator, Iterator

import anyio
import pytest

from lightspeed_stack.cli.knowledge import ingest
from tests.blackbox.stand import HELLO, MODELS, Place, Serving, Stand
from tests.servers.postgres import Postgres

GUIDE = """# Backups

## How to make a backup

Stop the pump, then run `ferry backup --target DIR`. The backup contains all bookings and takes about a minute.

## How to restore a backup

Run `ferry restore DIR` on a machine without bookings.
"""


@pytest.fixture(scope="package", params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The store that the tests of this folder share."""
    folder = tmp_path_factory.mktemp(f"blackbox-{request.param}")
    if request.param == "sqlite":
        yield Place(folder)
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    with postgres.database() as database:
        yield Place(folder, database)


@pytest.fixture(scope="package")
async def service(place: Place) -> AsyncIterator[Stand]:
    async with Serving(place, place.folder)() as stand:
        yield stand


@pytest.fixture
def stand(service: Stand) -> Stand:
    """The shared service, with a model that knows nothing of other tests, for a user whom nobody else is."""
    return fresh(service)


def fresh(service: Stand) -> Stand:
    model = service.model
    model.scripts, model.models, model.models_refusal = HELLO, MODELS, None
    model.hanging, model.release, model.cancelled = anyio.Event(), anyio.Event(), anyio.Event()
    model.requests.clear()
    model.answered = 0
    return service.of(f"user-{uuid.uuid4()}")


@pytest.fixture
def serving(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Starts services on an empty store of the test's own."""
    with place.empty(tmp_path_factory.mktemp("serving")) as own:
        yield Serving(own, own.folder)


@pytest.fixture(scope="package")
async def librarian(place: Place, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stand]:
    """A service with one document."""
    folder = tmp_path_factory.mktemp("knowing")
    (folder / "documents").mkdir()
    (folder / "documents" / "backups.md").write_text(GUIDE, "utf-8")
    store = ["--store", "guide", "--path", f"{folder}/guide.db", "--base-url", "https://docs.example.com/"]
    assert ingest([f"{folder}/documents", *store]) == 0
    rag = {"stores": [{"name": "guide", "path": f"{folder}/guide.db"}]}
    async with Serving(place, folder)(rag=rag) as stand:
        yield stand


@pytest.fixture
def knowing(librarian: Stand) -> Stand:
    """The service with one document, for a user whom nobody else is."""
    return fresh(librarian)
