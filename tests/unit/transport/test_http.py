"""``Transport`` over HTTP: what goes out, what comes back, and every way in which a connection can fail."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream
from pydantic import SecretStr

from lightspeed_stack.errors import BackendUnavailable, ConfigurationError, StackUnavailable
from lightspeed_stack.transport.base import Method, Transport
from lightspeed_stack.transport.http import HttpLimits, HttpTransport
from tests.servers.openai_server import RATE_LIMITED, OpenAIServer, Refusal, Script, openai_server
from tests.spec.registry import requirement

ASK = json.dumps({"model": "fake-llm", "stream": True, "messages": []}).encode()
CHAT = "/chat/completions"


@asynccontextmanager
async def transport_to(
    server: OpenAIServer,
    limits: HttpLimits = HttpLimits(),  # noqa: B008 - frozen
    *,
    keep_alive: bool = True,
    headers: Mapping[str, SecretStr] = MappingProxyType({}),
) -> AsyncIterator[HttpTransport]:
    async with HttpTransport(
        server.url, headers=headers, limits=limits, keep_alive=keep_alive, unavailable=StackUnavailable
    ) as transport:
        yield transport


async def body_of(
    transport: Transport, method: Method, path: str, body: bytes | None = None, *, within: float | None = None
) -> bytes:
    with anyio.fail_after(20):
        async with transport.request(method, path, body, timeout=within) as response:
            return b"".join([chunk async for chunk in response.chunks()])


@requirement("transport:http:exchange")
async def test_a_request_goes_out_and_its_answer_comes_back() -> None:
    async with openai_server() as server:
        async with transport_to(server, headers={"Authorization": SecretStr("Bearer k3y")}) as transport:
            listed = await body_of(transport, "GET", "/models")
            answered = await body_of(transport, "POST", CHAT, ASK)
    assert json.loads(listed)["object"] == "list"
    assert b"token1" in answered
    assert [(it.method, it.path) for it in server.requests] == [("GET", "/v1/models"), ("POST", "/v1/chat/completions")]
    assert {it.headers["authorization"] for it in server.requests} == {"Bearer k3y"}
    assert server.requests[1].headers["content-type"] == "application/json"
    assert server.requests[1].body == json.loads(ASK)


@requirement("transport:http:exchange")
async def test_a_refusal_is_an_answer() -> None:
    async with openai_server(Script(refusal=RATE_LIMITED)) as server, transport_to(server) as transport:
        async with transport.request("POST", CHAT, ASK) as response:
            assert (response.status, response.retry_after) == (429, "7")


@requirement("transport:http:exchange")
async def test_a_servers_cookies_are_not_kept() -> None:
    cookie = Refusal(200, "", headers=(("Set-Cookie", "who=anna"),), body="{}")
    async with openai_server(Script(refusal=cookie)) as server, transport_to(server) as transport:
        for _ in range(2):
            await body_of(transport, "POST", CHAT, ASK)
    assert not any("cookie" in request.headers for request in server.requests)


@requirement("transport:http:unreachable")
@pytest.mark.parametrize(
    ("script", "limits", "within", "cause"),
    [
        (Script(cut_after=1), HttpLimits(), None, "Connection error."),
        (Script(hang_before_headers=True), HttpLimits(read_timeout=0.2), None, "Request timed out."),
        (Script(hang_after=1), HttpLimits(read_timeout=0.2), None, "Request timed out."),
        (Script(("a",) * 1000, delay=0.02), HttpLimits(max_duration=0.3), None, "Request timed out."),
        (Script(hang_before_headers=True), HttpLimits(), 0.2, "Request timed out."),
        (Script(("a",) * 1000, delay=0.02), HttpLimits(), 0.3, "Request timed out."),
    ],
    ids=["cut", "no-status", "hang", "too-long", "no-status-in-time", "no-end-in-time"],
)
async def test_a_fault_has_one_of_the_contracts_two_texts(
    script: Script, limits: HttpLimits, within: float | None, cause: str
) -> None:
    async with openai_server(script) as server, transport_to(server, limits) as transport:
        with pytest.raises(StackUnavailable) as caught:
            await body_of(transport, "POST", CHAT, ASK, within=within)
    assert caught.value.cause == cause


@requirement("transport:http:unreachable")
async def test_nobody_listens_and_what_is_not_open() -> None:
    async with openai_server() as server:
        pass
    async with transport_to(server) as transport:
        with pytest.raises(StackUnavailable, match="Connection error"):
            await body_of(transport, "GET", "/models")
    with pytest.raises(StackUnavailable, match="not open"):
        await body_of(transport, "GET", "/models")


@requirement("transport:http:unreachable")
async def test_a_timeout_bounds_the_wait_for_a_connection() -> None:
    async with (
        openai_server(Script(hang_after=1)) as server,
        transport_to(server, HttpLimits(max_connections=1)) as transport,
    ):
        async with transport.request("POST", CHAT, ASK):
            with pytest.raises(StackUnavailable, match="Request timed out"):
                await body_of(transport, "GET", "/models", within=0.2)


@requirement("transport:http:pool")
@pytest.mark.parametrize(("keep_alive", "connections"), [(True, 1), (False, 5)])
async def test_connections_are_used_again_where_they_may(keep_alive: bool, connections: int) -> None:
    async with openai_server() as server, transport_to(server, keep_alive=keep_alive) as transport:
        for _ in range(5):
            await body_of(transport, "POST", CHAT, ASK)
    assert server.connections == connections


@requirement("transport:http:pool")
async def test_leaving_early_stops_the_server_and_spoils_no_later_answer() -> None:
    async with openai_server((Script(hang_after=1), Script(("b",)))) as server, transport_to(server) as transport:
        async with transport.request("POST", CHAT, ASK) as response:
            await anext(response.chunks())
        with anyio.fail_after(5):
            await server.cancelled.wait()
        assert b'"b"' in await body_of(transport, "POST", CHAT, ASK)


@asynccontextmanager
async def curt_server(*answers: int) -> AsyncIterator[tuple[str, list[int]]]:
    """Answers so many requests on its first, second … connection, then hears one more and hangs up.

    Gives its address, and the list of the connections on which it heard a request.
    """
    heard: list[int] = []
    rest = list(enumerate(answers))

    async def handle(stream: SocketStream) -> None:
        number, count = rest.pop(0)
        received = BufferedByteReceiveStream(stream)
        async with stream:
            for turn in range(count + 1):
                head = await received.receive_until(b"\r\n\r\n", 10_000)
                if b"Content-Length" in head:
                    await received.receive_exactly(int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0]))
                heard.append(number)
                if turn < count:
                    await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, handle)
        yield f"http://127.0.0.1:{listener.extra_attributes[SocketAttribute.local_port]()}", heard
        tasks.cancel_scope.cancel()


@requirement("transport:http:sent-once")
@pytest.mark.parametrize("seconds", [None, 5.0])
async def test_a_connection_from_the_pool_that_was_closed_is_no_fault(seconds: float | None) -> None:
    async with curt_server(1, 1) as (url, heard), HttpTransport(url, headers={}, limits=HttpLimits()) as transport:
        for _ in range(2):
            assert await body_of(transport, "POST", CHAT, ASK, within=seconds) == b"{}"
    assert heard == [0, 0, 1]


@requirement("transport:http:sent-once")
async def test_several_of_them_are_no_fault_either() -> None:
    async with curt_server(1, 1, 1) as (url, heard), HttpTransport(url, headers={}, limits=HttpLimits()) as transport:
        async with anyio.create_task_group() as tasks:  # at the same time, so that each has a connection
            for _ in range(2):
                tasks.start_soon(body_of, transport, "POST", CHAT, ASK)
        assert await body_of(transport, "POST", CHAT, ASK) == b"{}"
    assert sorted(heard) == [0, 0, 1, 1, 2]


@requirement("transport:http:sent-once")
async def test_what_a_new_connection_has_carried_is_not_sent_again() -> None:
    async with curt_server(0, 1) as (url, heard), HttpTransport(url, headers={}, limits=HttpLimits()) as transport:
        with pytest.raises(BackendUnavailable, match="Connection error"):
            await body_of(transport, "POST", CHAT, ASK)
    assert heard == [0]


@requirement("transport:http:proxy")
@pytest.mark.parametrize("host", ["127.0.0.1", "model.example"])
async def test_a_proxy_is_for_other_machines(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with openai_server() as server:
        here = server.url.removesuffix("/v1")
        monkeypatch.setenv("http_proxy", here if host == "model.example" else "http://127.0.0.1:9")
        url = server.url if host == "127.0.0.1" else f"http://{host}/v1"
        async with HttpTransport(url, headers={}, limits=HttpLimits()) as transport:
            await body_of(transport, "GET", "/models", within=5)
    assert server.requests[0].path == ("/v1/models" if host == "127.0.0.1" else "http://model.example/v1/models")


@requirement("transport:http:ca")
async def test_a_file_that_is_no_certificate_is_told_at_the_start(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("not a certificate")
    with pytest.raises(ConfigurationError, match="is not a PEM file"):
        async with HttpTransport("https://model.example", headers={}, limits=HttpLimits(), ca_cert_path=file):
            pytest.fail("it cannot have been opened")
