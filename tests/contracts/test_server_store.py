"""``ServerStore``: the servers of tools that callers registered, on SQLite and on PostgreSQL."""

import uuid
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NoReturn

import anyio
import pytest

from lightspeed_stack.domain.servers import Approval, ToolServer
from lightspeed_stack.errors import StorageError
from lightspeed_stack.storage.locations import Location
from lightspeed_stack.storage.opening import Opening, OpeningServers
from lightspeed_stack.storage.servers import SqlToolServers
from tests.contracts.stores import POSTGRES, SQLITE, Kind, Stores, ask, opened
from tests.spec.registry import requirement

FULL = ToolServer(
    name="files",
    url="https://tools.example:8443/mcp?region=eu",
    provider_id="model-context-protocol",
    authorization_headers={"X-Second": "client", "Authorization": "oauth", "A-Last": "kubernetes"},
    headers=("x-rh-identity", "X-Request-Id"),
    timeout=2.5,
    approval=Approval(always=frozenset({"delete", "a\0b"}), never=frozenset({"read"}), others=True),
)


@pytest.fixture(params=[SQLITE, POSTGRES], ids=str)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    """Where an empty database is."""
    kind: Kind = request.param
    database = request.getfixturevalue("postgres_database") if kind.needs_postgres else None
    return kind.place(tmp_path, database)[0]


def start(place: Location, stack: ExitStack) -> SqlToolServers:
    """A service on the database, until the stack is closed."""
    return stack.enter_context(closing(opened(place))).servers


@requirement("servers:store:kept")
async def test_every_kind_of_storage_keeps_servers(stores: Stores) -> None:
    name = f"server-{uuid.uuid4()}"
    server = ToolServer(name, "http://127.0.0.1:1/mcp")
    assert await stores.servers.add(server) is True
    assert server in await stores.servers.servers()
    assert await stores.servers.remove(name) is True
    assert server not in await stores.servers.servers()
    assert await stores.servers.remove(name) is False


@requirement("servers:store:kept")
async def test_a_server_comes_back_as_it_was_after_a_new_start(place: Location) -> None:
    with ExitStack() as one:
        assert await start(place, one).add(FULL)
    with ExitStack() as two:
        (back,) = await start(place, two).servers()
    assert back == FULL
    assert list(back.authorization_headers) == list(FULL.authorization_headers), "headers stay in their order"


@requirement("servers:store:order")
async def test_they_are_listed_by_name(place: Location) -> None:
    names = ["b", "B", "a-2", "a.1", "a", "_", "10", "9"]
    with ExitStack() as stack:
        store = start(place, stack)
        for name in names:
            await store.add(ToolServer(name, "http://127.0.0.1:1/mcp"))
        assert [server.name for server in await store.servers()] == sorted(names)


@requirement("servers:store:taken")
async def test_a_name_that_is_taken_stays_as_it_is(place: Location) -> None:
    with ExitStack() as one, ExitStack() as two:
        first, second = start(place, one), start(place, two)
        assert await first.add(FULL) is True
        for store in (first, second):
            assert await store.add(ToolServer(FULL.name, "http://127.0.0.1:1/other")) is False
        assert await second.servers() == (FULL,)
        assert await second.remove(FULL.name) is True, "whoever registered it"
        assert await first.servers() == ()


@requirement("servers:store:at-once")
async def test_of_many_at_once_one_wins(place: Location) -> None:
    won: list[str] = []

    async def add(store: SqlToolServers, url: str) -> None:
        if await store.add(ToolServer("files", url)):
            won.append(url)

    with ExitStack() as one, ExitStack() as two:
        replicas = start(place, one), start(place, two)
        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(add, replicas[number % 2], f"http://127.0.0.1:1/{number}")
        (stored,) = await replicas[0].servers()
    assert won == [stored.url]


@requirement("servers:store:at-once")
async def test_what_is_there_in_the_end_is_what_somebody_was_told_of(place: Location) -> None:
    """Adding and removing at once, on two replicas."""
    added: list[str] = []
    removed: list[bool] = []

    async def add(store: SqlToolServers, url: str) -> None:
        if await store.add(ToolServer("files", url)):
            added.append(url)

    async def remove(store: SqlToolServers) -> None:
        removed.append(await store.remove("files"))

    with ExitStack() as one, ExitStack() as two:
        replicas = start(place, one), start(place, two)
        for turn in range(10):
            async with anyio.create_task_group() as tasks:
                for number, store in enumerate(replicas):
                    tasks.start_soon(add, store, f"http://127.0.0.1:1/{turn}-{number}")
                    tasks.start_soon(remove, store)
            stored = [server.url for server in await replicas[0].servers()]
            assert stored == [url for url in added if url in stored]
            if not any(removed):
                assert stored == added
            await replicas[1].remove("files")
            added.clear()
            removed.clear()


@requirement("servers:store:failing")
async def test_a_database_that_fails_is_told(place: Location, caplog: pytest.LogCaptureFixture) -> None:
    with ExitStack() as stack:
        store = start(place, stack)
        ask(place, "ALTER TABLE lightspeed_tool_server RENAME TO elsewhere")
        for call in (store.servers(), store.add(FULL), store.remove(FULL.name)):
            with pytest.raises(StorageError):
                await call
        ask(place, "ALTER TABLE elsewhere RENAME TO lightspeed_tool_server")
        assert await store.add(FULL) is True
        ask(place, "UPDATE lightspeed_tool_server SET headers = 'no JSON'")
        assert await store.servers() == (), "one that cannot be read must not hide the others"
        assert f"the stored server of tools '{FULL.name}' cannot be read" in caplog.text
        assert await store.remove(FULL.name) is True


@requirement("servers:store:failing")
async def test_while_the_database_cannot_be_opened() -> None:
    def fail() -> NoReturn:
        raise StorageError("The database cannot be opened.")

    store = OpeningServers(Opening(fail))
    for call in (store.servers(), store.add(FULL), store.remove(FULL.name)):
        with pytest.raises(StorageError, match="cannot be opened"):
            await call
