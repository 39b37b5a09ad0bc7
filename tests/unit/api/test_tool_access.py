"""What a request brings for servers of tools, from its headers."""

import json
import logging
from typing import Any

import pytest
from fastapi import Request

from lightspeed_stack.api.tool_access import MAX_SERVERS, MAX_SIZE, NOTHING, tool_access
from lightspeed_stack.config.tools import MAX_HEADERS
from lightspeed_stack.domain.identity import Principal, ToolAccess
from tests.spec.registry import requirement

ANONYMOUS = Principal("user", "user")
ALICE = Principal("alice", "alice", token="canary-t0ken")


def request(**headers: str | bytes) -> Request:
    """A request with these headers, as a server gives them: names in lower case, values as bytes."""
    given = [
        (name.replace("_", "-").encode(), value if isinstance(value, bytes) else value.encode())
        for name, value in headers.items()
    ]
    return Request({"type": "http", "headers": given})


def brought(header: str | bytes) -> dict[str, dict[str, str]]:
    access = tool_access(request(mcp_headers=header), ANONYMOUS, frozenset())
    assert (access.token, access.passed_on) == ("", {})
    return {server: dict(headers) for server, headers in access.by_server.items()}


@requirement("tool-access:nothing")
def test_a_request_that_brings_nothing_costs_nothing() -> None:
    plain = request(host="example", authorization="Bearer x")
    assert tool_access(plain, ANONYMOUS, frozenset()) is NOTHING
    assert tool_access(plain, ALICE, frozenset()) == ToolAccess("canary-t0ken")
    assert tool_access(request(mcp_headers=""), ANONYMOUS, frozenset()) is NOTHING


@requirement("tool-access:by-server")
def test_headers_by_name_and_by_url_are_taken_as_sent() -> None:
    given = {
        "files": {"Authorization": "Bearer a", "X-Other": "1"},
        "https://tools.example/mcp": {"Authorization": "b"},
        "unknown": {},
    }
    assert brought(json.dumps(given)) == given
    assert brought('{"büro": {"X": "ü"}}') == {"büro": {"X": "ü"}}, "UTF-8, as clients write it"


@requirement("tool-access:by-server")
@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("canary", "no JSON"),
        ('{"canary": {"a": "b"}', "no JSON"),
        (b'{"canary\xff": {"a": "b"}}', "no JSON"),
        ("[" * 60_000, "no JSON"),
        ('"canary"', "no JSON object"),
        ('[{"canary": {"a": "b"}}]', "no JSON object"),
        ("null", "no JSON object"),
        (json.dumps({"canary": {"a": "b" * MAX_SIZE}}), f"longer than {MAX_SIZE} bytes"),
        (json.dumps({f"canary-{n}": {} for n in range(MAX_SERVERS + 1)}), f"more than {MAX_SERVERS} servers"),
    ],
)
def test_what_cannot_be_understood_is_ignored(header: str | bytes, why: str, caplog: pytest.LogCaptureFixture) -> None:
    assert brought(header) == {}
    assert caplog.messages == [f"MCP-HEADERS of a request are ignored: {why}"]


@requirement("tool-access:by-server")
def test_an_entry_without_headers_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    many = {f"X-{n}": "canary" for n in range(MAX_HEADERS + 1)}
    bad: dict[str, Any] = {
        "a": "canary",
        "b": ["canary"],
        "c": None,
        "d": {"X": 1},
        "e": {"X": None},
        "f": {"X": {}},
        "g": many,
    }
    assert brought(json.dumps({**bad, "good": {"X": "1"}})) == {"good": {"X": "1"}}
    assert caplog.messages == ["7 servers in MCP-HEADERS of a request are ignored"]


@requirement("tool-access:by-server")
def test_as_much_as_is_allowed(caplog: pytest.LogCaptureFixture) -> None:
    servers: dict[str, Any] = {f"s{n}": {} for n in range(MAX_SERVERS - 1)}
    given = {**servers, "last": {f"X-{n}": "v" for n in range(MAX_HEADERS)}}
    assert brought(json.dumps(given)) == given
    assert caplog.record_tuples == []


@requirement("tool-access:passed-on")
def test_headers_that_some_server_gets_are_passed_on() -> None:
    headers = request(x_identity="abc", x_other="canary", x_empty="")
    access = tool_access(headers, ALICE, frozenset({"x-identity", "x-missing", "x-empty"}))
    assert access == ToolAccess("canary-t0ken", {}, {"x-identity": "abc", "x-empty": ""})


@requirement("tool-access:secret")
def test_it_does_not_show_what_it_holds(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    headers = request(mcp_headers='{"files": {"Authorization": "canary-h"}, "x": 1}', x_identity="canary-i")
    access = tool_access(headers, ALICE, frozenset({"x-identity"}))
    assert access.by_server
    assert access.passed_on
    assert "canary" not in repr(access)
    assert "canary" not in caplog.text
