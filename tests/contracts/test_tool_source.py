"""What servers of tools are sent, proved by a server that says what it got; and what callers get of servers."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import pytest

from lightspeed_stack.domain.identity import ToolAccess
from lightspeed_stack.domain.servers import Approval, ToolServer
from lightspeed_stack.errors import ToolAuthorizationRequired
from lightspeed_stack.storage.base import ServerStore
from tests.servers.mcp_server import Faults, Kind, McpServer, mcp_server
from tests.spec.registry import requirement
from tests.unit.tools.sources import called, file_store, given, names, skipped, source

NOBODY_LISTENS = "http://127.0.0.1:9/mcp"
"""The port of the discard protocol."""

OF_THE_PROTOCOL = {
    "host",
    "accept",
    "accept-encoding",
    "cache-control",
    "connection",
    "content-length",
    "content-type",
    "user-agent",
    "last-event-id",
}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[ServerStore]:
    async with file_store(tmp_path) as store:
        yield store


def theirs(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that somebody wanted to be sent."""
    return {
        name: value
        for name, value in headers.items()
        if name not in OF_THE_PROTOCOL and not name.startswith(("mcp-", "sec-"))
    }


REQUEST = ToolAccess(
    "callers-token",
    {"tools": {"Authorization": "Bearer given", "X-Key": "k"}, "others": {"X-Secret": "no"}},
    {"x-rh-identity": "id", "authorization": "Bearer callers-token", "cookie": "no"},
)
PLAIN = ToolAccess("callers-token", {}, REQUEST.passed_on)
ADDED = {"authorization": "Bearer given", "x-key": "k"}

MODES: dict[str, tuple[dict[str, Any], ToolAccess, dict[str, str]]] = {
    "nothing": ({}, PLAIN, {}),
    "mcp-headers": ({}, REQUEST, ADDED),
    "file": ({"Authorization": "FILE"}, PLAIN, {"authorization": "Bearer from-file"}),
    "file-not-replaced": ({"Authorization": "FILE"}, REQUEST, {"authorization": "Bearer from-file", "x-key": "k"}),
    "kubernetes": ({"Authorization": "kubernetes"}, PLAIN, {"authorization": "Bearer callers-token"}),
    "client": ({"Authorization": "client"}, REQUEST, ADDED),
    "oauth": ({"Authorization": "oauth"}, REQUEST, ADDED),
    "several": (
        {"Authorization": "kubernetes", "X-Key": "client", "X-File": "FILE"},
        REQUEST,
        {"authorization": "Bearer callers-token", "x-key": "k", "x-file": "from-file"},
    ),
}


@requirement("tools:source:all-modes", "tools:headers:no-token-by-default")
@pytest.mark.parametrize("passed_on", [(), ("X-RH-Identity",)], ids=["", "passed-on"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["stateless", "sessions", "sse"])
async def test_a_server_gets_what_it_should_and_nothing_else(
    store: ServerStore, tmp_path: Path, kind: Kind, mode: str, passed_on: tuple[str, ...]
) -> None:
    authorization, access, sent = MODES[mode]
    path = tmp_path / "token"
    path.write_text("from-file\n")
    sources = {name: str(path) if value == "FILE" else value for name, value in authorization.items()}
    sent = {**sent, "x-rh-identity": "id"} if passed_on else sent
    async with mcp_server(kind=kind, tools=["echo_headers"]) as server:
        configured = ToolServer("tools", server.url, authorization_headers=sources, headers=passed_on)
        async with source(store, configured) as ours:
            toolset = await ours.until(names, access)
            result = await called(toolset, "echo_headers")
            assert not result.failed
            assert theirs(json.loads(result.content)) == sent
        calls = [theirs(request.headers) for request in server.asked("tools/call")]
        assert calls == [sent]
        before = {"authorization": "Bearer from-file"} if sources == {"Authorization": str(path)} else {}
        assert [theirs(it.headers) for it in server.requests if theirs(it.headers) not in (before, sent)] == []


CHALLENGE = 'Bearer resource_metadata="http://127.0.0.1/.well-known/tools"'

OAUTH = {"Authorization": "oauth"}


@requirement("tools:source:unauthorized", "tools:headers:asked-for")
@pytest.mark.parametrize("kind", ["stateless", "sessions", "sse"])
async def test_a_server_that_wants_a_token_says_so_itself(store: ServerStore, kind: Kind) -> None:
    async with mcp_server(kind=kind, tools=["add"], requires="Bearer right", challenge=CHALLENGE) as server:
        async with source(store, ToolServer("tools", server.url, authorization_headers=OAUTH)) as ours:
            for access in (
                given({"tools": {}}),
                given({server.url: {"X-Key": "k"}}, token="right"),
                given({"tools": {"Authorization": "Bearer wrong"}}),
            ):
                with pytest.raises(ToolAuthorizationRequired) as caught:
                    await ours.toolset(access)
                assert caught.value.www_authenticate == CHALLENGE
            assert skipped(await ours.toolset(given({}, token="right"))) == {"tools": "unauthorized"}
            right = given({"tools": {"authorization": "Bearer right"}})
            assert await ours.names(right) == ["add"]
            result = await called(await ours.toolset(right), "add", {"a": 1, "b": 2})
            assert result.content == "3"
        assert not any("right" in str(it.headers) for it in server.requests if it.headers.get("authorization") is None)


@requirement("tools:source:unauthorized")
async def test_a_server_without_a_challenge_wants_a_bearer_token(store: ServerStore) -> None:
    async with mcp_server(tools=["add"]) as server:
        async with source(store, ToolServer("tools", server.url, authorization_headers=OAUTH)) as ours:
            with pytest.raises(ToolAuthorizationRequired) as caught:
                await ours.toolset(given({"tools": {}}))
            assert caught.value.www_authenticate == "Bearer"


@requirement("tools:source:unauthorized")
async def test_a_refusal_is_no_error_where_no_token_was_to_be_brought(store: ServerStore) -> None:
    async with mcp_server(tools=["add"], requires="Bearer right") as server:
        async with source(store, ToolServer("tools", server.url)) as ours:
            wrong = given({"tools": {"Authorization": "Bearer wrong"}})
            assert skipped(await ours.toolset(wrong)) == {"tools": "unauthorized"}


@requirement("tools:source:others")
async def test_servers_that_are_ill_do_not_hide_the_others(
    store: ServerStore, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncExitStack() as stack:

        async def serve(**faults: Any) -> str:
            return (await stack.enter_async_context(mcp_server(tools=["add"], faults=Faults(**faults)))).url

        ours = await stack.enter_async_context(
            source(
                store,
                ToolServer("hangs", await serve(hang=True)),
                ToolServer("first", await serve()),
                ToolServer("lies", await serve(garbage=True)),
                ToolServer("broken", await serve(status=500)),
                ToolServer("down", NOBODY_LISTENS),
                ToolServer("no address", "tools"),
                ToolServer("no token", await serve(), authorization_headers={"X-Key": "client"}),
                ToolServer("no file", await serve(), authorization_headers={"X-Key": "/nowhere/s3cret"}),
                ToolServer("last", await serve(bad_shapes=True)),
            )
        )
        toolset = await ours.until(lambda it: {"add", "last_add"} <= set(names(it)))
        assert list(skipped(toolset)) == ["hangs", "lies", "broken", "down", "no address", "no token", "no file"]
        reasons = skipped(toolset)
        assert reasons["no token"] == reasons["no file"] == "no_credentials"
        assert reasons["down"] == reasons["no address"] == "unreachable"
        assert reasons["hangs"] in {"timeout", "connecting"}
        words = " ".join(server.message for server in toolset.skipped)
        assert "127.0.0.1" not in words
        assert "s3cret" not in words + caplog.text
        result = await called(toolset, "last_add", {"a": 1, "b": 2})
        assert (result.content, result.call.server_name) == ("3", "last")


@requirement("tools:source:tool", "tools:source:order", "tools:source:cheap")
async def test_tools_in_their_order_with_where_they_come_from(store: ServerStore) -> None:
    async with mcp_server(tools=["many", "add"]) as one, mcp_server(tools=["nested", "env.get/odd name"]) as two:
        hidden = one.url.replace("http://", "http://user:s3cret@") + "?key=s3cret"
        configured = (
            ToolServer("z", hidden, provider_id="p", approval=Approval(always=frozenset({"add"}))),
            ToolServer("a", two.url, approval=Approval(always=frozenset({"env.get/odd name"}))),
        )
        async with source(store, *configured) as ours:
            toolset = await ours.until(lambda it: len(it.tools) == 4)
            told = [(it.spec.name, it.group, it.provider_id, it.server, it.needs_approval) for it in toolset.tools]
            assert told == [
                ("many", "z", "p", one.url, False),
                ("add", "z", "p", one.url, True),
                ("nested", "a", "model-context-protocol", two.url, False),
                ("env_get_odd_name", "a", "model-context-protocol", two.url, True),
            ]
            assert toolset.tools[1].spec.description == "Adds two numbers."
            assert json.loads(toolset.tools[1].spec.parameters)["required"] == ["a", "b"]
            again = await ours.toolset()
            assert all(tool is other for tool, other in zip(toolset.tools, again.tools, strict=True))
            assert (await called(toolset, "env_get_odd_name")).content == "an odd name"
        assert two.calls == ["env.get/odd name"]


@requirement("tools:names:stable", "tools:names:once")
async def test_a_tool_is_called_the_same_while_another_server_is_down(store: ServerStore) -> None:
    async with mcp_server(tools=["add", "many"]) as one, mcp_server(tools=["add", "text"]) as two:
        async with source(store, ToolServer("one", one.url), ToolServer("two", two.url), taken=["text"]) as ours:
            toolset = await ours.until(lambda it: len(it.tools) == 4)
            assert names(toolset) == ["add", "many", "two_add", "two_text"]
            assert (await called(toolset, "two_add", {"a": 1, "b": 2})).content == "3"
            assert (one.calls, two.calls) == ([], ["add"])
            one.faults = Faults(status=500)
            one.cut_connections()
            await called(toolset, "add", {"a": 1, "b": 2})
            toolset = await ours.until(lambda it: len(it.tools) == 2)
            assert names(toolset) == ["two_add", "two_text"]
            one.faults = Faults()
            await ours.until(lambda it: names(it) == ["add", "many", "two_add", "two_text"])
            await two.change_tools(["many", "text"])
            await ours.until(lambda it: names(it) == ["add", "many", "two_many", "two_text"])


@requirement("tools:source:calls")
@pytest.mark.parametrize(
    ("name", "arguments", "content", "failed"),
    [
        ("add", '{"a": 1, "b": 2}', "3", False),
        ("no_arguments", "", "done", False),
        ("no_arguments", " ", "done", False),
        ("fails", "{}", "it failed", True),
        ("add", '{"a": 1', "The arguments are not valid JSON.", True),
        ("add", "a=1", "The arguments are not valid JSON.", True),
        ("add", '{"a": "\ud800"}', "The arguments are not valid JSON.", True),
        ("add", "[" * 100_000, "The arguments are not valid JSON.", True),
        ("add", "[1, 2]", "The arguments are not a JSON object.", True),
        ("add", "null", "The arguments are not a JSON object.", True),
        (
            "add",
            '"' + "x" * 1024 * 1024,
            "The arguments are too long: 1048577 characters, of which 1048576 are allowed.",
            True,
        ),
    ],
    ids=str,
)
async def test_what_a_call_brings(
    toolset_server: McpServer, store: ServerStore, name: str, arguments: str, content: str, *, failed: bool
) -> None:
    async with source(store, ToolServer("tools", toolset_server.url)) as ours:
        result = await called(await ours.until(names), name, arguments)
        assert (result.content, result.failed) == (content, failed)
        assert result.call.server_name == "tools"
        assert (result.call.name, result.call.arguments, result.call.id) == (name, arguments, "c1")


@pytest.fixture
async def toolset_server() -> AsyncIterator[McpServer]:
    async with mcp_server(tools=["add", "no_arguments", "fails", "wait"]) as server:
        yield server


@requirement("tools:source:calls")
async def test_a_tool_that_there_is_not(toolset_server: McpServer, store: ServerStore) -> None:
    async with source(store, ToolServer("tools", toolset_server.url)) as ours:
        result = await called(await ours.until(names), "subtract")
        assert (result.content, result.failed) == ("Unknown tool `subtract` was called.", True)
        assert result.call.server_name is None
    assert toolset_server.calls == []


@requirement("tools:source:calls")
@pytest.mark.parametrize("own", [None, 0.1])
async def test_a_call_takes_no_longer_than_it_may(
    toolset_server: McpServer, store: ServerStore, own: float | None
) -> None:
    configured = ToolServer("tools", toolset_server.url, timeout=own)
    async with source(store, configured, call_timeout=60 if own else 0.1) as ours:
        assert (await called(await ours.until(names), "wait")).failed
        with anyio.fail_after(5):
            await toolset_server.cancelled.wait()


@requirement("tools:source:calls")
async def test_leaving_a_call_stops_the_tool(toolset_server: McpServer, store: ServerStore) -> None:
    async with source(store, ToolServer("tools", toolset_server.url)) as ours:
        toolset = await ours.until(names)
        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(called, toolset, "wait")
                await toolset_server.running.wait()
                tasks.cancel_scope.cancel()
            await toolset_server.cancelled.wait()
