"""Which servers there are: those of the configuration, and those that callers registered, on every replica."""

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from lightspeed_stack.domain.servers import ToolServer
from lightspeed_stack.errors import ServerExists, ServerNotFound, ServerNotRemovable, ServerRefused, StorageError
from lightspeed_stack.storage.base import ServerStore
from lightspeed_stack.storage.locations import SqliteFile
from lightspeed_stack.tools.mcp import McpClient
from lightspeed_stack.tools.mcp_servers import MAX_REGISTERED, McpServers
from lightspeed_stack.tools.mcp_tools import McpTools
from lightspeed_stack.tools.token_files import TokenFiles
from tests.contracts.stores import ask
from tests.servers.mcp_server import Faults, Kind, McpServer, mcp_server
from tests.spec.registry import requirement
from tests.unit.tools.sources import PATIENCE, Source, client, file_store, given, names, skipped, source, until

NOWHERE = "http://127.0.0.1:9/mcp"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[ServerStore]:
    async with file_store(tmp_path) as store:
        yield store


@pytest.fixture
async def server() -> AsyncIterator[McpServer]:
    async with mcp_server(tools=["add"]) as server:
        yield server


async def listed(source: Source) -> list[str]:
    return [f"{it.source} {it.server.name}" for it in await source.servers.servers()]


@requirement("tools:servers:configured")
async def test_the_servers_of_the_configuration_come_first_and_stay(store: ServerStore) -> None:
    async with source(store, ToolServer("z", NOWHERE), ToolServer("m", NOWHERE), ToolServer("z", NOWHERE)) as ours:
        await ours.servers.register(ToolServer("b", NOWHERE))
        await ours.servers.register(ToolServer("a", NOWHERE))
        assert await listed(ours) == ["config z", "config m", "config z-2", "api a", "api b"]
        assert list(skipped(await ours.toolset())) == ["z", "m", "z-2", "a", "b"]
        for name in ("z", "z-2"):
            with pytest.raises(ServerExists):
                await ours.servers.register(ToolServer(name, NOWHERE))
            with pytest.raises(ServerNotRemovable):
                await ours.servers.remove(name)
    assert [server.name for server in await store.servers()] == ["a", "b"]


@requirement("tools:servers:registered")
async def test_a_registered_server_is_used_at_once_until_it_is_removed(store: ServerStore, server: McpServer) -> None:
    async with source(store, poll=3600) as ours:
        assert await listed(ours) == []
        await ours.servers.register(ToolServer("tools", server.url, headers=("X-RH-Identity",)))
        assert await ours.names() == ["add"]
        assert ours.tools.passed_on == {"x-rh-identity"}
        with pytest.raises(ServerExists):
            await ours.servers.register(ToolServer("tools", NOWHERE))
        assert [it.server.url for it in await ours.servers.servers()] == [server.url]
        await ours.servers.remove("tools")
        assert await listed(ours) == []
        assert await ours.names() == []
        assert ours.tools.passed_on == frozenset()
        with pytest.raises(ServerNotFound):
            await ours.servers.remove("tools")


@requirement("tools:servers:replicas")
async def test_replicas_follow_one_another(tmp_path: Path, server: McpServer) -> None:
    async with file_store(tmp_path) as one, file_store(tmp_path) as two, mcp_server(tools=["many"]) as other:
        await one.add(ToolServer("before", server.url))
        async with source(one) as here, source(two) as there:
            await here.until(lambda it: names(it) == ["add"])
            await there.until(lambda it: names(it) == ["add"])
            await here.servers.register(ToolServer("later", other.url))
            await there.until(lambda it: names(it) == ["add", "many"])
            await there.servers.remove("before")
            await here.until(lambda it: names(it) == ["many"])
            # registered anew, elsewhere: seen although the name is the same
            await there.servers.remove("later")
            await there.servers.register(ToolServer("later", server.url))
            await here.until(lambda it: names(it) == ["add"])
            assert await listed(here) == await listed(there) == ["api later"]


@requirement("tools:servers:limit")
async def test_there_are_not_too_many(store: ServerStore) -> None:
    for number in range(MAX_REGISTERED):
        await store.add(ToolServer(f"s{number:03}", NOWHERE))
    registry = McpServers([], store, TokenFiles())
    with pytest.raises(ServerRefused, match="100 MCP servers are registered"):
        await registry.register(ToolServer("one-more", NOWHERE))
    with pytest.raises(ServerExists, match="'s007' exists already"):
        await registry.register(ToolServer("s007", NOWHERE))
    await registry.remove("s007")
    await registry.register(ToolServer("one-more", NOWHERE))
    await store.add(ToolServer("s999-at-the-same-time-elsewhere", NOWHERE))
    assert len(await registry.servers()) == MAX_REGISTERED


@requirement("tools:servers:store-down")
async def test_what_is_known_stays_while_the_store_fails(
    tmp_path: Path, store: ServerStore, server: McpServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    place = SqliteFile(tmp_path / "servers.db")

    async def said(words: str, times: int) -> None:
        await until(lambda: sum(words in message for message in caplog.messages) >= times)

    await store.add(ToolServer("tools", server.url))
    async with source(store, ToolServer("configured", server.url)) as ours:
        await ours.until(lambda it: len(it.tools) == 2)
        for times in (1, 2):
            ask(place, "ALTER TABLE lightspeed_tool_server RENAME TO elsewhere")
            await said("used as last seen", times)
            assert await ours.names() == ["add", "tools_add"]
            with pytest.raises(StorageError):
                await ours.servers.servers()
            with pytest.raises(StorageError):
                await ours.servers.register(ToolServer("more", server.url))
            with pytest.raises(StorageError):
                await ours.servers.remove("tools")
            ask(place, "ALTER TABLE elsewhere RENAME TO lightspeed_tool_server")
            await said("read again", times)
        assert await ours.names() == ["add", "tools_add"]
    await said("used as last seen", 2)


@requirement("tools:servers:store-down")
async def test_the_servers_of_the_configuration_need_no_store(
    tmp_path: Path, store: ServerStore, server: McpServer
) -> None:
    ask(SqliteFile(tmp_path / "servers.db"), "DROP TABLE lightspeed_tool_server")
    async with source(store, ToolServer("configured", server.url)) as ours:
        assert await ours.names() == ["add"]


@requirement("tools:servers:no-files", "tools:servers:configured")
async def test_what_a_stored_server_may_not_be(
    tmp_path: Path, store: ServerStore, server: McpServer, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "s3cret"
    path.write_text("s3cret")
    thief = ToolServer("thief", server.url, authorization_headers={"X-Key": str(path)})
    await store.add(thief)
    await store.add(ToolServer("configured", server.url))
    await store.add(ToolServer("fine", server.url, authorization_headers={"Authorization": "client"}))
    async with source(store, ToolServer("configured", NOWHERE)) as ours:
        assert await listed(ours) == ["config configured", "api fine"]
        access = given({server.url: {"Authorization": "a"}})
        assert (await ours.until(lambda it: len(it.tools) == 1, access)).tools[0].group == "fine"
        with pytest.raises(ServerRefused):
            await ours.servers.register(thief)
        await ours.servers.remove("thief")
        with pytest.raises(ServerRefused):
            await ours.servers.register(thief)
        assert len([line for line in caplog.messages if "is ignored" in line]) == 2
    assert not any("s3cret" in str(request.headers) for request in server.requests)
    assert "s3cret" not in caplog.text


@requirement("tools:servers:warm")
@pytest.mark.parametrize("kind", ["stateless", "sessions", "sse"])
async def test_servers_are_known_before_the_first_question(store: ServerStore, tmp_path: Path, kind: Kind) -> None:
    path = tmp_path / "token"
    path.write_text("t0")
    async with (
        mcp_server(kind=kind, tools=["add"]) as plain,
        mcp_server(kind=kind, tools=["many"], requires="Bearer t0") as with_file,
        mcp_server(kind=kind, tools=["text"], requires="Bearer t1") as with_token,
    ):
        async with source(
            store,
            ToolServer("plain", plain.url),
            ToolServer("file", with_file.url, authorization_headers={"Authorization": str(path)}),
            ToolServer("token", with_token.url, authorization_headers={"Authorization": "client"}),
        ) as ours:
            await until(lambda: plain.asked("tools/list") and with_file.asked("tools/list") and with_token.requests)
            assert {it.headers.get("authorization") for it in plain.requests} == {None}
            assert {it.headers.get("authorization") for it in with_file.requests} == {"Bearer t0"}
            assert {it.headers.get("authorization") for it in with_token.requests} == {None}
            assert await ours.names() == ["add", "many"]
            listed = [len(it.asked("tools/list")) for it in (plain, with_file)]
            for _ in range(20):
                await ours.toolset()
            assert [len(it.asked("tools/list")) for it in (plain, with_file)] == listed, "a query never probes"


@requirement("tools:servers:warm")
async def test_a_server_that_was_down_is_used_when_it_is_back(store: ServerStore) -> None:
    async with mcp_server(tools=["add"], faults=Faults(status=503)) as server:
        async with source(store, ToolServer("tools", server.url)) as ours:
            await ours.until(lambda it: skipped(it) != {"tools": "connecting"})
            assert await ours.names() == []
            server.faults = Faults()
            await ours.until(lambda it: names(it) == ["add"])


@requirement("tools:servers:breakdown")
async def test_a_client_that_breaks_down_is_replaced(
    store: ServerStore, server: McpServer, caplog: pytest.LogCaptureFixture
) -> None:
    broken = 2

    def make(name: str, url: str) -> McpClient:
        nonlocal broken
        if name == "breaks" and broken:
            broken -= 1
            raise RuntimeError("s3cret")
        return client(name, url)

    configured = ToolServer("breaks", server.url), ToolServer("good", server.url)
    files = TokenFiles()
    async with McpServers(configured, store, files, client=make, reopen=0.05) as registry:
        ours = Source(registry, McpTools(registry, files, timeout=5))
        first = await ours.toolset()
        assert names(first) == ["add"]
        assert skipped(first) == {"breaks": "connecting"}
        await ours.until(lambda it: names(it) == ["add", "good_add"])
    assert len([line for line in caplog.messages if "its client broke down: RuntimeError in make" in line]) == 2
    assert "s3cret" not in caplog.text


@requirement("tools:servers:leave")
@pytest.mark.parametrize("cancelled", [False, True], ids=["left", "cancelled"])
async def test_sessions_are_closed_when_the_registry_is_left(store: ServerStore, *, cancelled: bool) -> None:
    async with mcp_server(kind="sessions", tools=["add"]) as server:
        await store.add(ToolServer("registered", server.url))
        with anyio.fail_after(PATIENCE), anyio.CancelScope() as around:
            async with source(store, ToolServer("configured", server.url)) as ours:
                await ours.until(lambda it: len(it.tools) == 2)
                if cancelled:
                    around.cancel()
                    await anyio.sleep_forever()
        assert around.cancelled_caught is cancelled
        assert [request.method for request in server.requests].count("DELETE") == 2
