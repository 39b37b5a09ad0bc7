"""The client of an MCP server, on all kinds of servers: lists, calls, changes, and what it keeps apart."""

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import anyio
import pytest

from lightspeed_stack.tools.base import SkipReason
from lightspeed_stack.tools.mcp import McpClient, Outcome, ServerSkipped
from tests.architecture.source import REPOSITORY
from tests.contracts.mcp_clients import (
    MINE,
    PATIENT,
    YOURS,
    at_once,
    client_of,
    every_kind,
    names_of,
    names_when,
    skipped,
    told_at_once,
    until,
)
from tests.servers.mcp_server import TOOLS, Faults, Kind, McpServer, mcp_server
from tests.spec.registry import requirement

PERSON = {"person": {"name": "Ada", "lives": {"town": "Brno"}}}


@requirement("mcp:client:list")
@every_kind
async def test_tools_are_listed_with_their_schemas_as_sent(kind: Kind) -> None:
    async with mcp_server(kind=kind) as server, client_of(server.url) as client:
        tools = await client.tools(MINE)
        assert {tool.name: (tool.description, tool.schema) for tool in tools} == {
            name: (tool.description, tool.schema) for name, tool in TOOLS.items()
        }
        assert names_of(tools) == list(TOOLS)


@requirement("mcp:client:list:shapes")
@every_kind
async def test_tools_of_a_wrong_shape_are_left_out(kind: Kind) -> None:
    async with mcp_server(kind=kind, faults=Faults(bad_shapes=True)) as server, client_of(server.url) as client:
        assert names_of(await client.tools(MINE)) == ["add"]


@requirement("mcp:client:list:bounds")
@every_kind
@pytest.mark.parametrize(
    ("faults", "count"), [(Faults(endless_pages=True), 50), (Faults(huge_list=2_000_000), 1000)], ids=["pages", "tools"]
)
async def test_a_list_has_an_end(kind: Kind, faults: Faults, count: int) -> None:
    async with mcp_server(kind=kind, faults=faults) as server, client_of(server.url) as client:
        assert len(await client.tools(MINE)) == count


CALLS: list[tuple[str, dict[str, Any], Outcome]] = [
    ("add", {"a": 1, "b": 2}, Outcome("3", failed=False)),
    ("no_arguments", {}, Outcome("done", failed=False)),
    ("nested", PERSON, Outcome(json.dumps(PERSON, sort_keys=True), failed=False)),
    ("many", {"items": ["a", "b"]}, Outcome('{"items": ["a", "b"]}', failed=False)),
    ("image", {}, Outcome("<image>", failed=False)),
    ("structured", {}, Outcome('{"place": "Brno", "temperature": 21.5}', failed=False)),
    ("fails", {}, Outcome("it failed", failed=True)),
    ("env.get/odd name", {}, Outcome("an odd name", failed=False)),
]


@requirement("mcp:client:call")
@every_kind
async def test_calls_bring_text(kind: Kind) -> None:
    async with mcp_server(kind=kind) as server, client_of(server.url) as client:
        assert [await client.call(MINE, tool, arguments, timeout=20) for tool, arguments, _ in CALLS] == [
            outcome for _, _, outcome in CALLS
        ]


@requirement("mcp:client:call:refused")
@every_kind
async def test_a_model_is_told_why_a_call_is_refused(kind: Kind) -> None:
    async with mcp_server(kind=kind) as server, client_of(server.url) as client:
        outcome = await client.call(MINE, "raises", {}, timeout=20)
    assert outcome.failed
    assert outcome.content.startswith("The server reported an error. It says: ")


@requirement("mcp:client:call:large")
@every_kind
async def test_a_large_result_comes_in_full(kind: Kind) -> None:
    async with mcp_server(kind=kind) as server, client_of(server.url) as client:
        outcome = await client.call(MINE, "text", {"length": 10_000_000}, timeout=50)
    assert not outcome.failed
    assert len(outcome.content) == 10_000_000
    assert outcome.content.startswith("line 1\nline 2\n")


@requirement("mcp:client:call:bounds")
@every_kind
async def test_a_result_that_is_too_long_is_cut_or_refused(kind: Kind) -> None:
    limits = replace(PATIENT, max_result=1000)
    async with mcp_server(kind=kind) as server, client_of(server.url, limits) as client:
        cut = await client.call(MINE, "text", {"length": 5000}, timeout=20)
        refused = await client.call(MINE, "text", {"length": 2_000_000}, timeout=20)
        assert (len(cut.content), cut.failed) == (1000, False)
        assert refused == Outcome("The server's answer is too long.", failed=True)
        assert (await client.call(MINE, "add", {"a": 1, "b": 2}, timeout=20)).content == "3"


@requirement("mcp:client:warm")
@every_kind
async def test_a_call_is_one_request_over_a_connection_that_is_open(kind: Kind) -> None:
    async with mcp_server(kind=kind) as server, client_of(server.url) as client:
        client.warm(MINE)
        await until(lambda: bool(server.asked("tools/list")) and server.listening.is_set())
        assert names_of(await client.tools(MINE)) == list(TOOLS)
        before = len(server.requests)
        connections = len(server._connections)
        for _ in range(5):
            assert (await client.call(MINE, "add", {"a": 1, "b": 2}, timeout=20)).content == "3"
        assert at_once(client.tools(MINE)) is at_once(client.tools(MINE))
        assert [request.rpc for request in server.requests[before:]] == ["tools/call"] * 5
        assert len(server._connections) <= connections + 1


@requirement("mcp:client:changes")
@every_kind
async def test_a_changed_list_is_looked_at_again(kind: Kind) -> None:
    async with mcp_server(kind=kind) as server, client_of(server.url) as client:
        first = await client.tools(MINE)
        await server.listening.wait()
        await server.change_tools(["add", "weather_today"])
        assert at_once(client.tools(MINE)) is first
        assert await names_when(client, MINE, lambda names: len(names) == 2) == ["add", "weather_today"]
        assert (await client.call(MINE, "weather_today", {}, timeout=20)).content == "weather_today"


@requirement("mcp:client:changes", "mcp:client:faults")
@every_kind
async def test_a_server_that_tells_of_changes_without_end_is_not_asked_without_end(kind: Kind) -> None:
    async with mcp_server(kind=kind) as server, client_of(server.url) as client:
        await client.tools(MINE)
        await server.listening.wait()
        before = len(server.asked("tools/list"))
        for number in range(50):
            await server.change_tools(["add", f"tool_{number}"])
        assert await names_when(client, MINE, lambda names: names[-1:] == ["tool_49"]) == ["add", "tool_49"]
        assert len(server.asked("tools/list")) - before <= 5


@requirement("mcp:client:headers")
@every_kind
async def test_a_server_gets_the_headers_that_are_given_and_no_others(kind: Kind) -> None:
    mine, yours = {**MINE, "X-Team": "a"}, dict(YOURS)
    async with mcp_server(kind=kind) as server, client_of(server.url) as client:
        for headers in (mine, yours):
            await client.tools(headers)
        echoed = [json.loads((await client.call(it, "echo_headers", {}, timeout=20)).content) for it in (mine, yours)]
        assert [(it["authorization"], it.get("x-team")) for it in echoed] == [
            ("Bearer mine", "a"),
            ("Bearer yours", None),
        ]
        assert all("cookie" not in it for it in echoed)
        assert not [it for it in server.requests if b"traceparent" in it.body or b"baggage" in it.body]
        of_calls = server.asked("tools/call")
        sessions = {request.headers.get("mcp-session-id") for request in of_calls}
        assert len(server.asked("tools/list")) == 2, "a list goes for one set of headers"
        assert len(sessions) == (2 if kind == "sessions" else 1)
        assert {request.headers["authorization"] for request in server.requests} == {"Bearer mine", "Bearer yours"}


@requirement("mcp:client:headers")
async def test_what_a_server_says_of_itself_is_asked_once() -> None:
    async with mcp_server() as server, client_of(server.url) as client:
        for headers in (MINE, YOURS, {}):
            await client.tools(headers)
        assert len(server.asked("server/discover")) == 1


@requirement("mcp:client:headers", "mcp:client:faults")
async def test_a_header_that_is_none_is_an_outcome() -> None:
    async with mcp_server() as server, client_of(server.url) as client:
        bad = {"X-Mine": "a\r\nX-Other: b"}
        assert (await skipped(client, bad)).message == "A header for the server is not valid."
        assert (await client.call(bad, "add", {}, timeout=20)).failed
        assert names_of(await client.tools(MINE)) == list(TOOLS)
        assert {"x-mine", "x-other"}.isdisjoint({name for request in server.requests for name in request.headers})


@requirement("mcp:client:unauthorized")
@every_kind
async def test_a_refusal_concerns_the_headers_that_were_refused(kind: Kind) -> None:
    async with mcp_server(kind=kind, requires="Bearer mine") as server, client_of(server.url) as client:
        refused = await skipped(client, YOURS)
        assert (refused.reason, refused.www_authenticate) == (SkipReason.UNAUTHORIZED, server.challenge)
        assert names_of(await client.tools(MINE)) == list(TOOLS)
        outcome = await client.call(YOURS, "add", {"a": 1, "b": 2}, timeout=20)
        assert outcome == Outcome("The server refused the credentials.", failed=True)
        with pytest.raises(ServerSkipped, match="refused the credentials"):
            at_once(client.tools(YOURS))
        assert server.calls == []


@requirement("mcp:client:unauthorized")
@every_kind
async def test_credentials_that_end_are_noticed(kind: Kind) -> None:
    async with mcp_server(kind=kind, requires="Bearer mine") as server, client_of(server.url) as client:
        await client.tools(MINE)
        server.requires = "Bearer another"
        assert (await client.call(MINE, "add", {"a": 1, "b": 2}, timeout=20)).content == (
            "The server refused the credentials."
        )
        await until(lambda: told_at_once(client) is SkipReason.UNAUTHORIZED)


@requirement("mcp:client:unauthorized")
@every_kind
async def test_the_challenge_is_known_or_asked_for_once(kind: Kind) -> None:
    async with mcp_server(kind=kind, requires="Bearer mine") as server, client_of(server.url) as client:
        assert await client.challenge() == server.challenge
        before = len(server.requests)
        assert await client.challenge() == server.challenge
        assert len(server.requests) == before
        assert all("authorization" not in request.headers for request in server.requests)
    async with mcp_server(kind=kind) as server, client_of(server.url) as client:
        assert await client.challenge() is None
        assert at_once(client.challenge()) is None


@requirement("mcp:client:sessions:bounded")
async def test_the_session_used_last_stays_where_there_are_too_many() -> None:
    limits = replace(PATIENT, max_sessions=2)
    async with mcp_server(kind="sessions") as server, client_of(server.url, limits) as client:
        client.warm({})
        for number in range(4):
            await client.tools({"X-Caller": str(number)})
        await until(lambda: len([it for it in server.requests if it.method == "DELETE"]) == 3)
        assert [it.headers["x-caller"] for it in server.requests if it.method == "DELETE"] == ["0", "1", "2"]
        assert at_once(client.tools({"X-Caller": "3"}))
        assert at_once(client.tools({}))


@requirement("mcp:client:sessions:bounded")
async def test_a_session_that_nobody_uses_is_closed_but_for_the_warm_one() -> None:
    limits = replace(PATIENT, idle=0.1)
    async with mcp_server(kind="sessions") as server, client_of(server.url, limits) as client:
        client.warm(MINE)
        await client.tools(MINE)
        await client.tools(YOURS)
        async with anyio.create_task_group() as calls:
            calls.start_soon(waits_longer_than_idle, client, server)
            await server.running.wait()
            await client.tools(YOURS)
            await until(lambda: bool([it for it in server.requests if it.method == "DELETE"]))
            server.release.set()
        (ended,) = [it for it in server.requests if it.method == "DELETE"]
        assert ended.headers["authorization"] == "Bearer yours"
        assert at_once(client.tools(MINE))


async def waits_longer_than_idle(client: McpClient, server: McpServer) -> None:
    assert (await client.call({"X-Caller": "third"}, "wait", {}, timeout=20)).content == "waited"
    assert server.calls == ["wait"]


@requirement("mcp:client:left")
@every_kind
async def test_a_client_that_is_left_closes_its_sessions_and_says_so(kind: Kind) -> None:
    async with mcp_server(kind=kind) as server:
        async with client_of(server.url) as client:
            await client.tools(MINE)
        assert [it.method for it in server.requests if it.method == "DELETE"] == ["DELETE"] * (kind == "sessions")
        assert (await skipped(client, MINE)).reason is SkipReason.UNREACHABLE
        assert (await client.call(MINE, "add", {}, timeout=1)).content == "The server is not in use any more."
        client.warm(MINE)


WITHOUT_LIBRARY = """
import sys
import anyio
from lightspeed_stack.tools.mcp import McpClient, ServerSkipped
assert {"mcp", "httpx2", "mcp_types"}.isdisjoint(sys.modules), "loaded before it was needed"
sys.modules["mcp"] = None

async def main():
    async with McpClient("tools", "http://127.0.0.1:9/mcp") as client:
        client.warm({})
        for _ in range(2):
            try:
                await client.tools({"a": "b"})
            except ServerSkipped as skipped:
                print(skipped.reason)
        print((await client.call({}, "add", {}, timeout=5)).content)

anyio.run(main)
"""


@requirement("mcp:client:warm:lazy")
def test_the_library_is_loaded_when_it_is_needed_and_may_be_missing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_LIBRARY], check=True, capture_output=True, text=True, timeout=60, cwd=REPOSITORY
    )
    assert done.stdout.splitlines() == [
        "not_installed",
        "not_installed",
        "This service is not equipped for MCP servers.",
    ]
    assert done.stderr.count("\n") == 1, done.stderr
