"""What the client of an MCP server makes of HTTP: transports, redirects, sessions, and streams that end too early."""

import asyncio
import gzip
import json
from typing import Any

import anyio
import pytest
from aiohttp import web

from lightspeed_stack.tools.base import SkipReason
from lightspeed_stack.tools.mcp import McpClient, Outcome
from tests.contracts.mcp_clients import CURT, MINE, client_of, names_of, skipped
from tests.contracts.mcp_web import (
    CALLED,
    DISCOVERED,
    INITIALIZED,
    RESULTS,
    Asked,
    as_usual,
    error,
    event,
    events,
    result,
    web_server,
    with_handshake,
)
from tests.spec.registry import requirement

DONE = Outcome("3", failed=False)


async def add(client: McpClient) -> Outcome:
    return await client.call(MINE, "add", {}, timeout=20)


@requirement("mcp:client:list")
@pytest.mark.parametrize("answer", [as_usual, with_handshake])
async def test_servers_without_sessions_of_both_generations_are_spoken_to(answer: Any) -> None:
    async with web_server(answer) as server, client_of(server.url) as client:
        assert names_of(await client.tools(MINE)) == ["add"]
        assert await add(client) == DONE


@requirement("mcp:client:list")
async def test_a_server_without_tools_has_none() -> None:
    async def answer(asked: Asked) -> web.StreamResponse:
        return error(asked, -32601, "no such method") if asked.rpc == "tools/list" else await as_usual(asked)

    async with web_server(answer) as server, client_of(server.url) as client:
        assert await client.tools(MINE) == ()


class OldServer:
    """The older transport at an address that does not tell: a stream for all answers, opened by a GET."""

    def __init__(self) -> None:
        self.answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def __call__(self, asked: Asked) -> web.StreamResponse:
        if asked.http.method == "GET":
            return await self.stream(asked)
        if asked.http.path != "/messages":
            return web.Response(status=405)
        if asked.id is not None:
            self.answers.put_nowait({"jsonrpc": "2.0", "id": asked.id, "result": RESULTS[asked.rpc]})
        return web.Response(status=202, text="Accepted")

    async def stream(self, asked: Asked) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(asked.http)
        await response.write(b"event: endpoint\ndata: /messages?session_id=7\n\n")
        while True:
            await response.write(event(await self.answers.get()).encode())


@requirement("mcp:client:transports")
async def test_the_older_transport_is_found_where_nothing_else_is() -> None:
    async with web_server(OldServer(), path="/tools") as server, client_of(server.url) as client:
        assert names_of(await client.tools(MINE)) == ["add"]
        assert await add(client) == DONE
        assert {it.http.headers["Authorization"] for it in server.asked} == {"Bearer mine"}


@requirement("mcp:client:transports")
async def test_the_newer_transport_is_found_at_an_address_of_the_older_one() -> None:
    async with web_server(as_usual, path="/tools/sse") as server, client_of(server.url) as client:
        assert names_of(await client.tools(MINE)) == ["add"]
        assert [it.http.method for it in server.asked][:2] == ["GET", "POST"]


@requirement("mcp:client:transports")
async def test_an_older_server_that_sends_messages_elsewhere_is_not_followed() -> None:
    async def answer(asked: Asked) -> web.StreamResponse:
        return await events(asked, "event: endpoint\ndata: http://127.0.0.1:1/messages\n\n")

    async with web_server(answer, path="/sse") as server, client_of(server.url) as client:
        assert (await skipped(client, MINE)).message == "The server's answer is not valid."


@requirement("mcp:client:redirects")
@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("within", [True, False])
async def test_a_redirect_is_followed_within_the_origin_only(status: int, within: bool) -> None:
    async with web_server(as_usual) as other:

        async def answer(asked: Asked) -> web.StreamResponse:
            if asked.http.path == "/mcp/":
                return await as_usual(asked)
            target = "/mcp/" if within else other.url
            return web.Response(status=status, headers={"Location": target, "Set-Cookie": "a=b"})

        async with web_server(answer) as server, client_of(server.url) as client:
            if within and status >= 307:
                assert names_of(await client.tools(MINE)) == ["add"]
            else:
                assert (await skipped(client, MINE)).reason is SkipReason.BROKEN
            assert all("Cookie" not in it.http.headers for it in server.asked)
        assert other.asked == []


@requirement("mcp:client:redirects")
async def test_no_cookie_is_kept() -> None:
    async def answer(asked: Asked) -> web.StreamResponse:
        response = await as_usual(asked)
        response.set_cookie("session", "7")
        return response

    async with web_server(answer) as server, client_of(server.url) as client:
        assert await add(client) == DONE
        assert all("Cookie" not in it.http.headers for it in server.asked)


@requirement("mcp:client:faults", "mcp:client:call:bounds")
async def test_an_answer_that_would_grow_is_refused() -> None:
    async def answer(asked: Asked) -> web.StreamResponse:
        if asked.rpc != "tools/call":
            return await as_usual(asked)
        body = gzip.compress(json.dumps({"jsonrpc": "2.0", "id": asked.id, "result": CALLED}).encode())
        return web.Response(body=body, headers={"content-type": "application/json", "content-encoding": "gzip"})

    async with web_server(answer) as server, client_of(server.url) as client:
        assert await add(client) == Outcome("The server's answer is not valid.", failed=True)
        assert {it.http.headers["Accept-Encoding"] for it in server.asked} == {"identity"}


HALF = 'event: message\ndata: {"jsonrpc":"2.0","id":'


async def taken(asked: Asked) -> web.StreamResponse:
    return web.Response(status=202)


async def half_an_event(asked: Asked) -> web.StreamResponse:
    return await events(asked, HALF)


async def no_event(asked: Asked) -> web.StreamResponse:
    return await events(asked, ": a comment\n\n")


async def another_type(asked: Asked) -> web.StreamResponse:
    return web.Response(text="Hello.")


async def error_for_nobody(asked: Asked) -> web.StreamResponse:
    error = {"code": -32000, "message": "too busy"}
    return web.json_response({"jsonrpc": "2.0", "id": None, "error": error})


async def long_error(asked: Asked) -> web.StreamResponse:
    return error(asked, -32602, "x" * 5000)


async def error_like_ours(asked: Asked) -> web.StreamResponse:
    return error(asked, -32001, "my own words")


async def asks_for_input(asked: Asked) -> web.StreamResponse:
    return result(asked, {"resultType": "input_required", "requestState": "s", "inputRequests": {}})


@requirement("mcp:client:faults", "mcp:client:call:refused", "mcp:client:declines")
@pytest.mark.parametrize(
    ("answer", "content"),
    [
        (taken, "The server's answer is not valid."),
        (half_an_event, "The server broke the connection."),
        (no_event, "The server broke the connection."),
        (another_type, "The server's answer is not valid."),
        (error_for_nobody, "The server reported an error. It says: too busy"),
        (error_like_ours, "The server reported an error. It says: my own words"),
        (long_error, "The server reported an error. It says: " + "x" * 500),
        (asks_for_input, "The tool asks for input that nobody here can give."),
    ],
)
async def test_an_answer_that_is_none_is_an_outcome(answer: Any, content: str) -> None:
    async def odd(asked: Asked) -> web.StreamResponse:
        return await answer(asked) if asked.rpc == "tools/call" else await as_usual(asked)

    async with web_server(odd) as server, client_of(server.url) as client:
        assert await add(client) == Outcome(content, failed=True)
        assert server.rpcs().count("tools/call") == 1


class Sessions:
    """A server with sessions; a subclass says how it answers in one."""

    def __init__(self) -> None:
        self.opened = 0

    async def __call__(self, asked: Asked) -> web.StreamResponse:
        if asked.rpc == "server/discover":
            return web.Response(status=400, text="Bad Request: no valid session id")
        if asked.rpc == "initialize":
            self.opened += 1
            return result(asked, INITIALIZED, **{"mcp-session-id": f"session-{self.opened}"})
        return await self.within(asked, asked.http.headers["mcp-session-id"])

    async def within(self, asked: Asked, _session: str) -> web.StreamResponse:
        return await with_handshake(asked)


class Forgetful(Sessions):
    """Forgets its first session when a tool is called, and says so in its own way."""

    def __init__(self, refusal: web.Response) -> None:
        super().__init__()
        self.refusal = refusal

    async def within(self, asked: Asked, session: str) -> web.StreamResponse:
        if asked.rpc == "tools/call" and session == "session-1":
            return self.refusal
        return await with_handshake(asked)


NO_SESSION = {"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": "No valid session ID provided"}}


@requirement("mcp:client:restart")
@pytest.mark.parametrize(
    "refusal",
    [
        lambda: web.Response(status=404),
        lambda: web.json_response(NO_SESSION, status=404),
        lambda: web.json_response(NO_SESSION, status=400),
        lambda: web.Response(status=410),
    ],
    ids=["404", "404-json", "400-json", "410"],
)
async def test_a_session_that_is_refused_is_opened_anew(refusal: Any) -> None:
    forgetful = Forgetful(refusal())
    async with web_server(forgetful) as server, client_of(server.url) as client:
        await client.tools(MINE)
        assert await add(client) == DONE
        assert forgetful.opened == 2


@requirement("mcp:client:restart")
async def test_a_call_is_repeated_once_at_most() -> None:
    class Never(Sessions):
        async def within(self, asked: Asked, session: str) -> web.StreamResponse:
            return web.Response(status=404) if asked.rpc == "tools/call" else await super().within(asked, session)

    async with web_server(Never()) as server, client_of(server.url) as client:
        assert await add(client) == Outcome("The server ended the session.", failed=True)
        assert server.rpcs().count("tools/call") == 2


@requirement("mcp:client:restart")
async def test_a_call_that_does_not_fit_the_list_any_more_is_made_with_the_new_one() -> None:
    refused: list[Asked] = []

    async def answer(asked: Asked) -> web.StreamResponse:
        if asked.rpc == "tools/call" and not refused:
            refused.append(asked)
            return error(asked, -32020, "header mismatch", status=400)
        return await as_usual(asked)

    async with web_server(answer) as server, client_of(server.url) as client:
        assert await add(client) == DONE
        assert server.rpcs() == ["server/discover", "tools/list", "tools/call", "tools/list", "tools/call"]


class Resumed(Sessions):
    """Ends the stream of a call before its answer, which comes in the next stream that goes on from there."""

    async def within(self, asked: Asked, session: str) -> web.StreamResponse:
        if asked.rpc == "tools/call":
            self.id = asked.id
            return await events(asked, "id: 1\ndata: \n\n", "retry: 1\n\n")
        if asked.http.method == "GET" and asked.http.headers.get("last-event-id") == "1":
            return await events(asked, event({"jsonrpc": "2.0", "id": self.id, "result": CALLED}))
        return await super().within(asked, session)


@requirement("mcp:client:call")
async def test_a_stream_that_can_be_resumed_is_resumed() -> None:
    async with web_server(Resumed()) as server, client_of(server.url) as client:
        assert await add(client) == DONE
        assert server.rpcs().count("tools/call") == 1


class Restless(Sessions):
    """Ends each stream for notices at once, and wants the next one at once."""

    async def within(self, asked: Asked, session: str) -> web.StreamResponse:
        return (
            await events(asked, "retry: 0\n\n") if asked.http.method == "GET" else await super().within(asked, session)
        )


@requirement("mcp:client:faults")
async def test_a_server_that_ends_its_streams_at_once_is_not_asked_without_end() -> None:
    async with web_server(Restless()) as server, client_of(server.url) as client:
        for _ in range(30):
            assert await add(client) == DONE
        assert len(server.rpcs("GET")) <= 5


class Curious(Sessions):
    """Asks the client for a sample in the middle of a call, and answers when it was told something."""

    def __init__(self) -> None:
        super().__init__()
        self.told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def within(self, asked: Asked, session: str) -> web.StreamResponse:
        if asked.id == "mine":
            self.told.put_nowait(asked.message)
            return web.Response(status=202)
        if asked.rpc != "tools/call":
            return await super().within(asked, session)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(asked.http)
        params = {"messages": [], "maxTokens": 1}
        ask = {"jsonrpc": "2.0", "id": "mine", "method": "sampling/createMessage", "params": params}
        await response.write(event(ask).encode())
        self.answer = await self.told.get()
        await response.write(event({"jsonrpc": "2.0", "id": asked.id, "result": CALLED}).encode())
        return response


@requirement("mcp:client:declines")
async def test_a_server_that_asks_for_a_sample_is_declined() -> None:
    curious = Curious()
    async with web_server(curious) as server, client_of(server.url) as client:
        assert await add(client) == DONE
        assert "error" in curious.answer
        assert curious.answer.get("result") is None


class Deaf(Sessions):
    """Never answers a first call, nor takes it that this one is cancelled."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.cancelling = anyio.Event()
        self.left = anyio.Event()

    async def within(self, asked: Asked, session: str) -> web.StreamResponse:
        self.calls += asked.rpc == "tools/call"
        if asked.rpc == "notifications/cancelled":
            self.cancelling.set()
            await anyio.sleep_forever()
        if asked.rpc == "tools/call" and self.calls == 1:
            await anyio.sleep_forever()
        return await super().within(asked, session)


@requirement("mcp:client:call:alone", "mcp:client:call:timeout")
async def test_a_server_that_does_not_take_a_cancelled_call_delays_no_other() -> None:
    deaf = Deaf()
    async with web_server(deaf) as server, client_of(server.url) as client:
        await client.tools(MINE)
        assert (await client.call(MINE, "add", {}, timeout=0.2)).content == (
            "The tool did not answer within 0.2 seconds."
        )
        await deaf.cancelling.wait()
        with anyio.fail_after(4):  # less than what such a message is given
            assert await add(client) == DONE


@requirement("mcp:client:faults")
async def test_a_server_of_another_version_is_skipped() -> None:
    async def answer(asked: Asked) -> web.StreamResponse:
        if asked.rpc == "server/discover":
            return result(asked, {**DISCOVERED, "supportedVersions": ["2099-01-01"]})
        return result(asked, {**INITIALIZED, "protocolVersion": "2099-01-01"})

    async with web_server(answer) as server, client_of(server.url) as client:
        told = await skipped(client, MINE)
        assert told.reason is SkipReason.BROKEN
        assert told.message == "The server speaks no version of the protocol that this service knows."


@requirement("mcp:client:ill:shown")
@pytest.mark.parametrize("url", ["http://127.0.0.1:1/mcp", "http://127.0.0.1:1/sse"])
async def test_a_server_that_is_not_there_is_told_as_such(url: str) -> None:
    async with client_of(url, CURT) as client:
        told = await skipped(client, MINE)
        assert (told.reason, told.message) == (SkipReason.UNREACHABLE, "The server cannot be reached.")
        assert (await add(client)).content == "The server cannot be reached."
