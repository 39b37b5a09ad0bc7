"""The client of an MCP server that is not as it should be: hung, slow, lying, crashing, or gone for a while."""

import logging
from dataclasses import replace

import anyio
import pytest
from aiohttp import web

from lightspeed_stack.tools.base import SkipReason
from lightspeed_stack.tools.mcp import McpClient, Outcome, ServerSkipped
from tests.contracts.mcp_clients import (
    CURT,
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
from tests.contracts.mcp_web import Asked, as_usual, web_server
from tests.servers.mcp_server import TOOLS, Faults, Kind, McpServer, mcp_server
from tests.servers.processes import free_port
from tests.spec.registry import requirement

ALL = list(TOOLS)

FAULTS = [
    (Faults(hang=True), SkipReason.TIMEOUT),
    (Faults(slow=5), SkipReason.TIMEOUT),
    (Faults(status=500), SkipReason.BROKEN),
    (Faults(status=503), SkipReason.BROKEN),
    (Faults(status=404), SkipReason.BROKEN),
    (Faults(status=405), SkipReason.BROKEN),
    (Faults(status=429), SkipReason.BROKEN),
    (Faults(status=403), SkipReason.UNAUTHORIZED),
    (Faults(garbage=True), SkipReason.BROKEN),
    (Faults(huge_body=True), SkipReason.BROKEN),
]


@requirement("mcp:client:faults", "mcp:client:ill:shown")
@every_kind
@pytest.mark.parametrize(("faults", "reason"), FAULTS, ids=str)
async def test_a_server_with_a_fault_is_skipped_at_once_until_it_is_well(
    kind: Kind, faults: Faults, reason: SkipReason
) -> None:
    limits = CURT if reason is SkipReason.TIMEOUT else replace(PATIENT, retry_first=0.05, retry_last=0.2)
    async with mcp_server(kind=kind, faults=faults) as server, client_of(server.url, limits) as client:
        assert (await skipped(client, MINE)).reason is reason
        with pytest.raises(ServerSkipped):
            at_once(client.tools(MINE))
        if reason is SkipReason.UNAUTHORIZED:
            return
        await ill(client, reason)
        server.faults = Faults()
        server.release.set()
        assert await names_when(client, MINE) == ALL


async def ill(client: McpClient, reason: SkipReason) -> None:
    """Wait until a server is known to be ill, which is told without waiting to whoever comes, with whatever headers."""
    await until(lambda: told_at_once(client) is reason)
    with pytest.raises(ServerSkipped) as caught:
        at_once(client.tools(YOURS))
    assert caught.value.reason is reason


@requirement("mcp:client:faults")
@every_kind
async def test_a_server_that_answers_what_nobody_asked_is_no_trouble(kind: Kind) -> None:
    async with mcp_server(kind=kind, faults=Faults(wrong_id=True)) as server, client_of(server.url, CURT) as client:
        server.faults = Faults()
        assert await names_when(client, MINE) == ALL


@requirement("mcp:client:ill")
@every_kind
async def test_nobody_waits_again_for_a_server_that_was_found_to_hang(kind: Kind) -> None:
    async with mcp_server(kind=kind, faults=Faults(hang=True)) as server, client_of(server.url, CURT) as client:
        client.warm({})
        await server.running.wait()
        await skipped(client, MINE)
        for headers in (MINE, YOURS, {}):
            with pytest.raises(ServerSkipped, match=r"has not answered yet|did not answer in time"):
                at_once(client.tools(headers))


@requirement("mcp:client:ill")
@every_kind
async def test_a_list_that_is_known_is_used_while_it_is_looked_at(kind: Kind) -> None:
    async with mcp_server(kind=kind) as server, client_of(server.url) as client:
        first = await client.tools(MINE)
        await server.listening.wait()
        server.faults = Faults(hang=True, only=["tools/list"])
        await server.change_tools(["add"])
        await server.running.wait()
        assert at_once(client.tools(MINE)) is first
        server.release.set()
        assert await names_when(client, MINE, lambda names: len(names) == 1) == ["add"]


@requirement("mcp:client:ill", "mcp:client:faults")
@every_kind
async def test_a_server_that_hangs_after_its_list_is_found_out_by_the_first_call(kind: Kind) -> None:
    async with mcp_server(kind=kind, faults=Faults(hang_after_list=True)) as server:
        async with client_of(server.url, replace(CURT, first_wait=20)) as client:
            assert names_of(await client.tools(MINE)) == ALL
            late = Outcome("The tool did not answer within 0.1 seconds.", failed=True)
            assert await client.call(MINE, "add", {"a": 1, "b": 2}, timeout=0.1) == late
            await ill(client, SkipReason.TIMEOUT)
            told = at_once(client.call(MINE, "add", {"a": 1, "b": 2}, timeout=20))
            assert told == Outcome("The server did not answer in time.", failed=True)


@requirement("mcp:client:call:timeout")
@every_kind
async def test_a_call_that_takes_too_long_is_stopped_on_its_server(kind: Kind) -> None:
    async with mcp_server(kind=kind) as server, client_of(server.url) as client:
        await client.tools(MINE)
        outcome = await client.call(MINE, "wait", {}, timeout=0.3)
        assert outcome == Outcome("The tool did not answer within 0.3 seconds.", failed=True)
        await server.cancelled.wait()
        assert (await client.call(MINE, "add", {"a": 1, "b": 2}, timeout=20)).content == "3"


@requirement("mcp:client:call:cancelled")
@every_kind
async def test_cancelling_a_call_stops_the_tool(kind: Kind) -> None:
    async with mcp_server(kind=kind) as server, client_of(server.url) as client:
        async with anyio.create_task_group() as calls:
            calls.start_soon(call_for_long, client)
            await server.running.wait()
            calls.cancel_scope.cancel()
        await server.cancelled.wait()
        assert (await client.call(MINE, "add", {"a": 1, "b": 2}, timeout=20)).content == "3"


async def call_for_long(client: McpClient) -> None:
    await client.call(MINE, "wait", {}, timeout=600)


BROKEN_CALLS = [
    (Faults(status=500, only=["tools/call"]), "The server answered with HTTP status 500."),
    (Faults(garbage=True, only=["tools/call"]), "The server's answer is not valid."),
    (Faults(huge_body=True, only=["tools/call"]), "The server's answer is too long."),
    (Faults(hang=True, only=["tools/call"]), "The tool did not answer within 0.3 seconds."),
]


@requirement("mcp:client:call:alone", "mcp:client:faults")
@pytest.mark.parametrize("kind", ["stateless", "sessions"])
@pytest.mark.parametrize(("faults", "sentence"), BROKEN_CALLS, ids=[sentence for _, sentence in BROKEN_CALLS])
async def test_a_call_that_fails_does_not_end_another_one(kind: Kind, faults: Faults, sentence: str) -> None:
    limits = replace(PATIENT, max_result=100_000)
    async with mcp_server(kind=kind) as server, client_of(server.url, limits) as client:
        await client.tools(MINE)
        async with anyio.create_task_group() as calls:
            calls.start_soon(waits_as_it_should, client, server)
            await server.running.wait()
            server.faults = faults
            timeout = 0.3 if faults.hang else 20
            assert await client.call(MINE, "add", {"a": 1, "b": 2}, timeout=timeout) == Outcome(sentence, failed=True)
            server.faults = Faults()
            server.release.set()


async def waits_as_it_should(client: McpClient, server: McpServer) -> None:
    assert await client.call(MINE, "wait", {}, timeout=20) == Outcome("waited", failed=False)
    assert not server.cancelled.is_set()


@requirement("mcp:client:call:alone")
@every_kind
async def test_a_server_that_is_busy_with_a_call_is_not_disturbed(kind: Kind) -> None:
    limits = replace(CURT, first_wait=20)
    async with mcp_server(kind=kind) as server, client_of(server.url, limits) as client:
        await client.tools(MINE)
        await server.listening.wait()
        async with anyio.create_task_group() as calls:
            calls.start_soon(waits_as_it_should, client, server)
            await server.running.wait()
            server.faults = Faults(status=503, only=["tools/list"])
            await server.change_tools(["add"])
            await ill(client, SkipReason.BROKEN)
            server.faults = Faults()
            assert await names_when(client, MINE) == ["add"]
            server.release.set()


@requirement("mcp:client:faults")
@every_kind
async def test_a_server_that_crashes_in_a_call_is_an_outcome(kind: Kind) -> None:
    async with mcp_server(kind=kind, faults=Faults(crash_on_call=True)) as server:
        async with client_of(server.url, replace(PATIENT, retry_first=0.05)) as client:
            await client.tools(MINE)
            outcome = await client.call(MINE, "add", {"a": 1, "b": 2}, timeout=20)
            assert outcome == Outcome("The server broke the connection.", failed=True)
            server.faults = Faults()
            assert await names_when(client, MINE) == ALL
            assert (await client.call(MINE, "add", {"a": 1, "b": 2}, timeout=20)).content == "3"
            assert len(server.asked("tools/call")) == 2, "nobody knows whether it was run, so it is not sent again"


@requirement("mcp:client:restart")
async def test_a_session_that_the_server_forgot_is_opened_anew() -> None:
    async with mcp_server(kind="sessions") as server, client_of(server.url) as client:
        await client.tools(MINE)
        server.forget_sessions()
        assert (await client.call(MINE, "add", {"a": 1, "b": 2}, timeout=20)).content == "3"
        assert server.calls == ["add"]
        assert len(server.asked("initialize")) == 2
        server.forget_sessions()
        assert at_once(client.tools(MINE))


async def keep_cutting(server: McpServer) -> None:
    """The client connects again at once, which a server that closes would wait for."""
    while True:
        server.cut_connections()
        await anyio.sleep(0.005)


@requirement("mcp:client:restart", "mcp:client:ill:shown")
@every_kind
async def test_a_server_that_was_started_anew_is_used_again(kind: Kind, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="lightspeed_stack")
    port = free_port()
    limits = replace(PATIENT, retry_first=0.05, retry_last=0.2)
    async with client_of(f"http://127.0.0.1:{port}/{'sse' if kind == 'sse' else 'mcp'}", limits) as client:
        async with anyio.create_task_group() as tasks:
            async with mcp_server(kind=kind, port=port) as server:
                await client.tools(MINE)
                tasks.start_soon(keep_cutting, server)
            tasks.cancel_scope.cancel()
        assert (await client.call(MINE, "add", {"a": 1, "b": 2}, timeout=20)).failed
        await ill(client, SkipReason.UNREACHABLE)
        async with mcp_server(kind=kind, port=port, tools=["add"]) as server:
            assert await names_when(client, MINE, lambda names: len(names) == 1) == ["add"]
            assert (await client.call(MINE, "add", {"a": 1, "b": 2}, timeout=20)).content == "3"
            assert server.calls == ["add"]
            ill_line, well_line = [it.getMessage() for it in caplog.records if it.name.startswith("lightspeed_stack")]
    assert ill_line.startswith("MCP server tools cannot be used: The server ")
    assert well_line == "MCP server tools is well again"


@requirement("mcp:client:ill:not-for-all")
async def test_headers_with_which_a_server_fails_do_not_make_it_ill_for_others() -> None:
    async def answer(asked: Asked) -> web.StreamResponse:
        if asked.http.headers.get("Authorization") == "Bearer yours":
            return web.Response(status=500)
        return await as_usual(asked)

    async with web_server(answer) as server, client_of(server.url) as client:
        first = await client.tools(MINE)
        lists = server.rpcs().count("tools/list")
        assert (await skipped(client, YOURS)).message == "The server answered with HTTP status 500."
        await until(lambda: server.rpcs().count("tools/list") > lists)
        assert at_once(client.tools(MINE)) is first
        with pytest.raises(ServerSkipped, match="500"):
            at_once(client.tools(YOURS))


@requirement("mcp:client:ill:not-for-all")
async def test_a_server_is_well_as_soon_as_it_answers_to_anybody() -> None:
    async def answer(asked: Asked) -> web.StreamResponse:
        if asked.http.headers.get("Authorization") == "Bearer yours":
            return web.Response(status=500)
        return await as_usual(asked)

    async with web_server(answer) as server, client_of(server.url, replace(PATIENT, retry_first=0.05)) as client:
        await skipped(client, YOURS)
        assert await names_when(client, MINE) == ["add"]
        with pytest.raises(ServerSkipped):
            await client.tools(YOURS)
        assert at_once(client.tools(MINE))


@requirement("mcp:client:secrets")
@every_kind
async def test_nothing_that_is_sent_or_answered_is_logged(kind: Kind, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = ["s3cr3t-header", "s3cr3t-argument", "127.0.0.1", "session_id", "it failed"]
    headers = {"Authorization": "Bearer s3cr3t-header"}
    async with mcp_server(kind=kind) as server:
        async with client_of(server.url, replace(CURT, first_wait=20)) as client:
            await client.tools(headers)
            for tool in ("many", "fails", "raises"):
                await client.call(headers, tool, {"items": ["s3cr3t-argument"]}, timeout=20)
            await client.call(headers, "wait", {}, timeout=0.1)
            server.forget_sessions()
            await client.call(headers, "add", {"a": 1, "b": 2}, timeout=20)
            for faults in (Faults(garbage=True), Faults(status=500), Faults(crash_on_call=True)):
                server.faults = faults
                await client.call(headers, "many", {"items": ["s3cr3t-argument"]}, timeout=20)
            assert not [secret for secret in secrets[:2] if secret in repr(vars(client))]
    # The server runs in this process, and its web server may say what it likes.
    ours = [it for it in caplog.records if not it.name.startswith(("uvicorn", "sse_starlette", "asyncio", "root"))]
    assert [(secret, it) for it in ours for secret in secrets if secret in it.getMessage()] == []
    assert {it.name.partition(".")[0] for it in ours} <= {"lightspeed_stack"}
