"""The scripted MCP server does what is asked of it, as the SDK's client and an ordinary HTTP client see it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, get_args

import aiohttp
import anyio
import httpx2
import pytest
from mcp import Client
from mcp.client.session import IncomingMessage
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import ToolsListChanged
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, ImageContent, TextContent, ToolListChangedNotification

from tests.servers.mcp_server import BAD_TOOLS, NOT_JSON, TOOLS, WEATHER, Faults, Kind, McpServer, mcp_server
from tests.spec.registry import requirement

KINDS = get_args(Kind.__value__)
every_kind = pytest.mark.parametrize("kind", KINDS)

SPOKEN = {"stateless": "2026-07-28", "sessions": "2025-11-25", "sse": "2025-11-25"}

LIST = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/list",
    "params": {
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    },
}
HEADERS = {
    "Accept": "application/json, text/event-stream",
    "MCP-Protocol-Version": "2026-07-28",
    "Mcp-Method": "tools/list",
}


@asynccontextmanager
async def client_of(
    server: McpServer, *, headers: dict[str, str] | None = None, notices: list[IncomingMessage] | None = None
) -> AsyncIterator[Client]:
    """The SDK's client; what it is told goes into ``notices``."""

    async def take(message: IncomingMessage) -> None:
        if notices is not None:
            notices.append(message)

    async with httpx2.AsyncClient(headers=headers) as http:
        sse = sse_client(server.url, headers) if server.kind == "sse" else None
        transport = sse or streamable_http_client(server.url, http_client=http)
        async with Client(transport, message_handler=take) as client:
            yield client


def text_of(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


@asynccontextmanager
async def listed(server: McpServer) -> AsyncIterator[aiohttp.ClientResponse]:
    """The bare answer to one request for the tools."""
    async with aiohttp.ClientSession() as http, http.post(server.url, json=LIST, headers=HEADERS) as response:
        yield response


@requirement("ground:mcp-server:kinds")
@every_kind
async def test_each_kind_lists_and_calls(kind: Kind) -> None:
    async with mcp_server(kind=kind) as server, client_of(server, headers={"X-Mine": "7"}) as client:
        assert client.protocol_version == SPOKEN[kind]
        tools = (await client.list_tools()).tools
        assert [tool.name for tool in tools] == list(TOOLS)
        assert text_of(await client.call_tool("add", {"a": 2, "b": 3})) == "5"
        assert text_of(await client.call_tool("no_arguments")) == "done"
        assert text_of(await client.call_tool("env.get/odd name")) == "an odd name"
        assert json.loads(text_of(await client.call_tool("echo_headers")))["x-mine"] == "7"
        assert (await client.call_tool("fails")).is_error
        assert (await client.call_tool("structured")).structured_content == WEATHER
        assert isinstance((await client.call_tool("image")).content[0], ImageContent)
        assert len(text_of(await client.call_tool("text", {"length": 12345}))) == 12345
        with pytest.raises(MCPError):
            await client.call_tool("raises")
    assert server.calls[:2] == ["add", "no_arguments"]
    assert {request.headers["x-mine"] for request in server.requests} == {"7"}
    assert len(server.asked("tools/list")) == 1


@requirement("ground:mcp-server:changes")
@every_kind
async def test_each_kind_tells_of_changed_tools(kind: Kind) -> None:
    notices: list[IncomingMessage] = []
    async with mcp_server(kind=kind, tools=["add"]) as server, client_of(server, notices=notices) as client:
        with anyio.fail_after(10):
            assert [tool.name for tool in (await client.list_tools()).tools] == ["add"]
            if kind == "stateless":
                async with client.listen(tools_list_changed=True) as changes:
                    await server.listening.wait()
                    await server.change_tools(["weather_today"])
                    assert await anext(changes) == ToolsListChanged()
            else:
                await server.listening.wait()
                await server.change_tools(["weather_today"])
                while not notices:  # noqa: ASYNC110 - the client has no event for it
                    await anyio.sleep(0.005)
                assert isinstance(notices[0], ToolListChangedNotification)
            (tool,) = (await client.list_tools(cache_mode="refresh")).tools
            assert (tool.name, tool.description) == ("weather_today", "Weather today.")
            assert text_of(await client.call_tool("weather_today")) == "weather_today"


@requirement("ground:mcp-server:cancels")
@every_kind
async def test_a_call_waits_until_it_may_go_on_or_is_cancelled(kind: Kind) -> None:
    async with mcp_server(kind=kind) as server, client_of(server) as client:
        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.call_tool, "wait")
                await server.running.wait()
                assert not server.cancelled.is_set()
                tasks.cancel_scope.cancel()
            await server.cancelled.wait()
            server.release.set()
            assert text_of(await client.call_tool("wait")) == "waited"


@requirement("ground:mcp-server:cancels")
@every_kind
@pytest.mark.parametrize("faults", [Faults(), Faults(hang=True, only=["tools/call"])])
async def test_it_closes_while_calls_hang(kind: Kind, faults: Faults) -> None:
    cut = anyio.Event()
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            async with mcp_server(kind=kind, faults=faults) as server:

                async def call() -> None:
                    try:
                        async with client_of(server) as client:
                            await client.call_tool("wait")
                    except* (MCPError, httpx2.TransportError):
                        cut.set()

                tasks.start_soon(call)
                await server.running.wait()
            tasks.cancel_scope.cancel()


@requirement("ground:mcp-server:refuses")
@every_kind
async def test_it_wants_a_token(kind: Kind) -> None:
    async with mcp_server(kind=kind, requires="Bearer right", challenge='Bearer realm="here"') as server:
        async with aiohttp.ClientSession() as http, http.get(server.url) as refused:
            assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, 'Bearer realm="here"')
        async with client_of(server, headers={"Authorization": "Bearer right"}) as client:
            assert (await client.list_tools()).tools


@requirement("ground:mcp-server:refuses")
async def test_it_can_lose_its_sessions() -> None:
    async with mcp_server(kind="sessions") as server, client_of(server) as client:
        await client.list_tools()
        server.forget_sessions()
        with pytest.raises(MCPError):
            await client.call_tool("no_arguments")


@requirement("ground:mcp-server:faults")
async def test_faults_of_the_answer() -> None:
    async with mcp_server(tools=["add"]) as server:
        server.faults = Faults(status=503)
        async with listed(server) as response:
            assert response.status == 503
        server.faults = Faults(garbage=True)
        async with listed(server) as response:
            assert await response.read() == NOT_JSON
        server.faults = Faults(wrong_id=True)
        async with listed(server) as response:
            assert (await response.json())["id"] != LIST["id"]
        server.faults = Faults(bad_shapes=True)
        async with listed(server) as response:
            assert (await response.json())["result"]["tools"] == BAD_TOOLS
        server.faults = Faults(huge_list=1_000_000)
        async with listed(server) as response:
            assert len(await response.read()) > 1_000_000
        server.faults = Faults(endless_pages=True)
        async with listed(server) as response:
            result: dict[str, Any] = (await response.json())["result"]
            assert (result["tools"][0]["name"], result["nextCursor"]) == ("page_0", "1")
        server.faults = Faults(status=503, only=["tools/call"])
        async with listed(server) as response:
            assert response.status == 200


@requirement("ground:mcp-server:faults")
@every_kind
async def test_faults_reach_answers_that_are_events(kind: Kind) -> None:
    async with mcp_server(kind=kind, faults=Faults(wrong_id=True, only=["tools/call"])) as server:
        async with client_of(server) as client:
            assert (await client.list_tools()).tools
            with anyio.move_on_after(0.3) as waited:
                await client.call_tool("no_arguments")
        assert server.calls == ["no_arguments"]
        # Where an answer comes on the stream of its question, this client does not look at the id.
        assert waited.cancelled_caught is (kind != "sessions")


@requirement("ground:mcp-server:faults")
async def test_faults_of_the_connection() -> None:
    async with mcp_server(faults=Faults(crash_on_call=True)) as server:
        with pytest.RaisesGroup(httpx2.RemoteProtocolError, flatten_subgroups=True):
            async with client_of(server) as client:
                assert (await client.list_tools()).tools
                await client.call_tool("no_arguments")
        assert server.calls == []
        async with listed(server) as response:
            assert response.status == 200

    async with mcp_server(faults=Faults(hang_after_list=True)) as server, client_of(server) as client:
        assert (await client.list_tools()).tools
        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.call_tool, "no_arguments")
                await server.running.wait()
                tasks.cancel_scope.cancel()
            await server.cancelled.wait()

    async with mcp_server(faults=Faults(huge_body=True)) as server, listed(server) as response:
        for _ in range(100):
            assert await response.content.read(65536)


@requirement("ground:mcp-server:faults")
@every_kind
async def test_a_slow_server_answers_in_the_end(kind: Kind) -> None:
    async with mcp_server(kind=kind, faults=Faults(slow=0.01)) as server, client_of(server) as client:
        assert text_of(await client.call_tool("no_arguments")) == "done"
        assert server.running.is_set()
