"""Whose headers go to which server: the table of the manual."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack.config.tools import MAX_HEADERS, OWN_HEADERS
from lightspeed_stack.domain.identity import ToolAccess
from lightspeed_stack.domain.servers import ToolServer
from lightspeed_stack.tools.base import SkippedServer, SkipReason
from lightspeed_stack.tools.header_values import header_name, header_value
from lightspeed_stack.tools.headers import NOBODY, MissingToken, headers_for, needs_caller
from lightspeed_stack.tools.token_files import TokenFiles
from tests.spec.registry import requirement

URL = "http://tools.example/mcp"
ELSE = "http://elsewhere.example/mcp"

NO_CREDENTIALS = SkipReason.NO_CREDENTIALS
UNAUTHORIZED = SkipReason.UNAUTHORIZED

type Given = Mapping[str, Mapping[str, str]]


def server(*passed_on: str, **authorization: str) -> ToolServer:
    """The server ``tools``; underscores in the names of its authorization headers stand for dashes."""
    named = {name.replace("_", "-"): value for name, value in authorization.items()}
    return ToolServer("tools", URL, authorization_headers=named, headers=passed_on)


def access(by_server: Given | None = None, *, token: str = "", **passed_on: str) -> ToolAccess:
    return ToolAccess(token, by_server or {}, {name.replace("_", "-"): value for name, value in passed_on.items()})


async def answer(server: ToolServer, access: ToolAccess) -> Any:
    """The headers; or the reason why the server takes no part, or the value itself."""
    match await headers_for(server, access, TokenFiles()):
        case SkippedServer(name, reason, _):
            assert name == server.name
            return reason
        case MissingToken() as missing:
            return missing
        case headers:
            return dict(headers)


BY_NAME: Given = {"tools": {"Authorization": "Bearer theirs"}}
BY_URL: Given = {URL: {"Authorization": "Bearer theirs"}}
OF_OTHERS: Given = {
    "Tools": {"Authorization": "no"},
    "tools ": {"Authorization": "no"},
    URL + "/": {"Authorization": "no"},
    ELSE: {"Authorization": "no"},
    "": {"Authorization": "no"},
}
THEIRS = {"authorization": "Bearer theirs"}


@requirement("tools:headers:sources")
@pytest.mark.parametrize(
    ("configured", "request_", "sent"),
    [
        # kubernetes: the caller's own token
        (server(Authorization="kubernetes"), access(token="t0"), {"authorization": "Bearer t0"}),
        (server(X_Token="kubernetes"), access(token="t0"), {"x-token": "Bearer t0"}),
        (server(Authorization="kubernetes"), access(), NO_CREDENTIALS),
        (server(Authorization="kubernetes"), access(BY_NAME), NO_CREDENTIALS),
        (server(Authorization="kubernetes"), access(BY_NAME, token="t0"), {"authorization": "Bearer t0"}),
        (server(Authorization="kubernetes"), access(token="t\r\nx: y"), NO_CREDENTIALS),
        # client: what the request gives for this server
        (server(Authorization="client"), access(BY_NAME), THEIRS),
        (server(Authorization="client"), access(BY_URL), THEIRS),
        (server(AUTHORIZATION="client"), access({"tools": {"authorization": "Bearer theirs"}}), THEIRS),
        (server(Authorization="client"), access({"tools": {"X-Key": "k"}}), NO_CREDENTIALS),
        (server(Authorization="client"), access({"tools": {"Authorization": ""}}), NO_CREDENTIALS),
        (server(Authorization="client"), access({"tools": {"Authorization": "a\nb"}}), NO_CREDENTIALS),
        (server(Authorization="client"), access(OF_OTHERS), NO_CREDENTIALS),
        (server(Authorization="client"), access(token="t0"), NO_CREDENTIALS),
        (
            server(Authorization="client", X_Key="client"),
            access({URL: {"x-key": "k"}, "tools": {"Authorization": "a"}}),
            {"authorization": "a", "x-key": "k"},
        ),
        (server(Authorization="client", X_Key="client"), access(BY_NAME), NO_CREDENTIALS),
        # oauth: the same, but who asked for the server is told what it wants
        (server(Authorization="oauth"), access(BY_NAME), THEIRS),
        (server(Authorization="oauth"), access(BY_URL), THEIRS),
        (server(Authorization="oauth"), access(token="t0"), UNAUTHORIZED),
        (server(Authorization="oauth"), access(OF_OTHERS), UNAUTHORIZED),
        # several sources at once: all are needed
        (
            server(Authorization="kubernetes", X_Key="client"),
            access({"tools": {"X-Key": "k"}}, token="t0"),
            {"authorization": "Bearer t0", "x-key": "k"},
        ),
        (server(Authorization="kubernetes", X_Key="client"), access(token="t0"), NO_CREDENTIALS),
    ],
)
async def test_who_asks_is_proved_as_configured(configured: ToolServer, request_: ToolAccess, sent: Any) -> None:
    assert await answer(configured, request_) == sent


@requirement("tools:headers:asked-for")
@pytest.mark.parametrize(
    "given",
    [
        {"tools": {}},
        {URL: {}},
        {"tools": {"X-Key": "k"}},
        {"tools": {"Authorization": ""}},
        {"tools": {"authorization": "\x00"}},
    ],
)
async def test_who_asked_for_a_server_is_told_what_it_wants(given: Given) -> None:
    assert await answer(server(Authorization="oauth"), access(given)) == MissingToken("tools")
    assert await answer(server(Authorization="client"), access(given)) == NO_CREDENTIALS


@requirement("tools:headers:sources")
@pytest.mark.parametrize(
    ("header", "content", "sent"),
    [
        ("Authorization", "t0", "Bearer t0"),
        ("authorization", "t0\n", "Bearer t0"),
        ("Authorization", "  Basic dXNlcjpwYXNz\r\n", "Basic dXNlcjpwYXNz"),
        ("Authorization", "Bearer t0", "Bearer t0"),
        ("X-Key", "k1\n", "k1"),
        ("X-Key", "two words", "two words"),
    ],
)
async def test_a_file_holds_the_value(tmp_path: Path, header: str, content: str, sent: str) -> None:
    path = tmp_path / "value"
    path.write_text(content)
    configured = server(**{header: str(path)})
    assert await answer(configured, NOBODY) == {header.lower(): sent}
    theirs = access({"tools": {header.upper(): "Bearer theirs"}}, token="t9")
    assert await answer(configured, theirs) == {header.lower(): sent}, "the request replaces nothing"


@requirement("tools:headers:sources", "tools:files:quiet")
async def test_a_file_that_cannot_be_used_is_not_named_to_callers(tmp_path: Path) -> None:
    path = tmp_path / "missing-token"
    skipped = await headers_for(server(X_Key=str(path)), access({"tools": {"X-Key": "theirs"}}), TokenFiles())
    assert isinstance(skipped, SkippedServer)
    assert skipped.reason is NO_CREDENTIALS
    assert "X-Key" in skipped.message
    assert "missing-token" not in skipped.message


@requirement("tools:headers:no-token-by-default", "tools:headers:request", "tools:headers:passed-on")
@pytest.mark.parametrize(
    ("configured", "request_", "sent"),
    [
        (server(), access(), {}),
        (server(), access(token="t0"), {}),
        (server(), access(OF_OTHERS, token="t0"), {}),
        (server(), access(token="t0", authorization="Bearer t0", cookie="c"), {}),
        # MCP-HEADERS: by name, by URL, by both
        (server(), access(BY_NAME), THEIRS),
        (server(), access(BY_URL), THEIRS),
        (server(), access({URL: {"A": "1", "B": "1"}, "tools": {"a": "2"}}), {"a": "2", "b": "1"}),
        (server(), access({"tools": {"a": "2"}, URL: {"A": "1", "B": "1"}}), {"a": "2", "b": "1"}),
        (
            server(Authorization="kubernetes"),
            access({"tools": {"X": "1"}}, token="t"),
            {"authorization": "Bearer t", "x": "1"},
        ),
        # headers: those of the request itself, where the server lists them
        (server("X-RH-Identity"), access(x_rh_identity="id", x_other="no"), {"x-rh-identity": "id"}),
        (server("X-RH-Identity"), access(), {}),
        (server("X-A"), access({"tools": {"x-a": "given"}}, x_a="passed"), {"x-a": "given"}),
        (server("Authorization"), access(token="t0", authorization="Basic b"), {"authorization": "Basic b"}),
        (
            server("Authorization", Authorization="kubernetes"),
            access(token="t0", authorization="Basic b"),
            {"authorization": "Bearer t0"},
        ),
    ],
)
async def test_what_is_sent_besides(configured: ToolServer, request_: ToolAccess, sent: Any) -> None:
    assert await answer(configured, request_) == sent


LONG = "x" * 16 * 1024


@requirement("tools:headers:sendable")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Host", "evil.example"),
        ("content-length", "0"),
        ("MCP-Session-Id", "s"),
        ("Transfer-Encoding", "chunked"),
        ("a b", "v"),
        ("a:", "v"),
        ("ä", "v"),
        ("", "v"),
        ("x" * 129, "v"),
        ("x", "a\r\nHost: evil"),
        ("x", "a\x00"),
        ("x", "\x7f"),
        ("x", "ü"),
        ("x", LONG + "x"),
        ("x", 7),
        ("x", None),
        ("x", ["v"]),
    ],
)
async def test_what_cannot_be_sent_is_left_out(name: str, value: Any, caplog: pytest.LogCaptureFixture) -> None:
    given: Any = {"tools": {name: value, "X-Fine": LONG}}
    assert await answer(server(name), ToolAccess("", given, {name.lower(): value})) == {"x-fine": LONG}
    assert "left out" in caplog.text
    assert "evil" not in caplog.text
    assert LONG not in caplog.text


@requirement("tools:headers:sendable")
@pytest.mark.parametrize("given", [None, "text", ["a"], 7])
async def test_headers_that_are_none_are_nothing(given: Any) -> None:
    assert await answer(server(), access({"tools": given})) == {}


@requirement("tools:headers:sendable")
async def test_there_are_not_too_many(caplog: pytest.LogCaptureFixture) -> None:
    given = {"tools": {f"x-{number}": "v" for number in range(MAX_HEADERS)}}
    sent = await answer(server("x-last", Authorization="kubernetes"), access(given, token="t0", x_last="v"))
    assert list(sent)[:2] == ["authorization", "x-0"]
    assert len(sent) == MAX_HEADERS
    assert "2 headers of a request left out" in caplog.text


@requirement("tools:headers:sendable")
@given(st.text(), st.text())
def test_whatever_is_sent_is_a_header(name: str, value: str) -> None:
    sent_name, sent_value = header_name(name), header_value(value)
    assert sent_name is None or (sent_name.isascii() and sent_name == name.lower() and sent_name not in OWN_HEADERS)
    assert sent_value is None or (sent_value.isascii() and sent_value.replace("\t", " ").isprintable())
    assert sent_value != ""


@requirement("tools:headers:sources")
@pytest.mark.parametrize(
    ("configured", "needed"),
    [
        (server(), False),
        (server("x-rh-identity"), False),
        (server(Authorization="/run/token"), False),
        (server(Authorization="kubernetes"), True),
        (server(X="/run/token", Authorization="client"), True),
        (server(Authorization="oauth"), True),
    ],
)
def test_some_servers_need_something_of_a_caller(configured: ToolServer, needed: bool) -> None:
    assert needs_caller(configured) is needed


@requirement("tools:headers:sendable")
async def test_no_secret_is_in_the_log(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    caplog.set_level(logging.DEBUG)
    path = tmp_path / "s3cret-path"
    path.write_text("s3cret\ns3cret")
    for configured in (server(Authorization=str(path)), server(Authorization="Bearer s3cret"), server("s3cret")):
        await answer(configured, access({"tools": {"s3cret\n": "s3cret\n"}}, token="s3cret", s3cret="s3cret\x00"))
    assert "authorization_headers.Authorization" in caplog.text
    assert "s3cret" not in caplog.text
