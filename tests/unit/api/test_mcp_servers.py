"""What a caller may say of a server of tools to register it."""

from typing import Any

import pytest
from pydantic import ValidationError

from lightspeed_stack.api.registration import MAX_URL, McpServerRegistrationRequest
from lightspeed_stack.config.tools import MAX_HEADERS
from lightspeed_stack.domain.servers import Approval, ToolServer
from tests.spec.registry import requirement

URL = "http://127.0.0.1:3000/mcp"


def server(**changes: Any) -> ToolServer:
    return McpServerRegistrationRequest.model_validate({"name": "files", "url": URL, **changes}).server()


@requirement("servers:register:values")
def test_a_name_and_a_url_are_enough() -> None:
    assert server() == ToolServer("files", URL)


@requirement("servers:register:values")
def test_everything_that_can_be_said() -> None:
    assert server(
        provider_id="mine",
        authorization_headers={"X-Key": "client", "Authorization": "oauth", "X-Token": "kubernetes"},
        headers=["x-rh-identity", "X-Id", "X-Id"],
        timeout=2,
        require_approval={"always": ["delete"], "never": ["read"]},
    ) == ToolServer(
        "files",
        URL,
        "mine",
        {"X-Key": "client", "Authorization": "oauth", "X-Token": "kubernetes"},
        ("x-rh-identity", "X-Id"),
        2.0,
        Approval(frozenset({"delete"}), frozenset({"read"})),
    )


@requirement("servers:register:values")
@pytest.mark.parametrize(
    ("given", "approval"),
    [
        ("never", Approval()),
        ("always", Approval(others=True)),
        ({"always": ["a"]}, Approval(always=frozenset({"a"}))),
        ({"never": ["a"]}, Approval(never=frozenset({"a"}), others=True)),
        ({"never": []}, Approval(others=True)),
        ({}, Approval()),
    ],
)
def test_approvals_are_as_in_the_configuration(given: Any, approval: Approval) -> None:
    assert server(require_approval=given).approval == approval


@requirement("servers:register:values")
@pytest.mark.parametrize("name", ["a", "A.b_c-9", "..a", "-", "x" * 128])
def test_names(name: str) -> None:
    assert server(name=name).name == name


URLS = [
    "http://tools",
    "https://tools.example:8443/a/b?c=d&e=@f",
    "http://my_tools.my-namespace.svc.cluster.local:80",
    "http://3scale:1",
    "http://10.0.0.255:65535/",
    "http://[::1]:3000/mcp",
    "http://[2001:db8::1]",
    "http://" + "a" * 53 + "/" + "b" * (MAX_URL - 61),
]


@requirement("servers:register:values")
@pytest.mark.parametrize("url", URLS)
def test_urls(url: str) -> None:
    assert server(url=url).url == url


REFUSED: list[tuple[str, Any, str]] = [
    ("name", "", "write 1 to 128 letters"),
    ("name", "x" * 129, "write 1 to 128 letters"),
    ("name", ".", "not dots alone"),
    ("name", "..", "not dots alone"),
    ("name", "a b", "write 1 to 128 letters"),
    ("name", "a/b", "write 1 to 128 letters"),
    ("name", "a\n", "write 1 to 128 letters"),
    ("name", "é", "write 1 to 128 letters"),
    ("name", None, "valid string"),
    ("url", "tools.example/mcp", "write http:// or https:// before it"),
    ("url", "file:///etc/passwd", "write http:// or https:// before it"),
    ("url", "", "write http:// or https:// before it"),
    ("url", "http://", "write it like"),
    ("url", "http:///mcp", "write it like"),
    ("url", "http://:80/mcp", "write it like"),
    ("url", "http://a b/mcp", "write it like"),
    ("url", "http://a/\n", "write it like"),
    ("url", "http://a/\0", "write it like"),
    ("url", "http://a/ü", "write it like"),
    ("url", "http://a:0/mcp", "write it like"),
    ("url", "http://a:65536/mcp", "write it like"),
    ("url", "http://a:b/mcp", "write it like"),
    ("url", "http://a..b/mcp", "write it like"),
    ("url", "http://-a/mcp", "write it like"),
    ("url", "http://1234/mcp", "write it like"),
    ("url", "http://256.1.1.1/mcp", "write it like"),
    ("url", "http://[::1/mcp", "write it like"),
    ("url", "http://[1]/mcp", "write it like"),
    ("url", "http://[fe80::1%25eth0]/mcp", "write it like"),
    ("url", "http://a\\@b/mcp", "holds credentials"),
    ("url", "http://user:secret@a/mcp", "holds credentials; remove them"),
    ("url", "https://@a/mcp", "holds credentials; remove them"),
    ("url", "http://a/mcp#part", "has a fragment; remove"),
    ("url", "http://a/" + "b" * MAX_URL, f"at most {MAX_URL} characters"),
    ("provider_id", "", "at least 1 character"),
    ("provider_id", "x" * 129, "at most 128 characters"),
    ("provider_id", "a\0", "NUL"),
    ("authorization_headers", {"Authorization": "/var/run/secrets/token"}, "write kubernetes, client or oauth"),
    ("authorization_headers", {"Authorization": "Bearer abc"}, "write kubernetes, client or oauth"),
    ("authorization_headers", {"Authorization": "Client"}, "write kubernetes, client or oauth"),
    ("authorization_headers", {"Authorization": ""}, "write kubernetes, client or oauth"),
    ("authorization_headers", {"Host": "client"}, "Host: Host is set by the protocol itself; remove it"),
    ("authorization_headers", {"a b": "client"}, "a b: this is not the name of a header"),
    ("authorization_headers", {f"X-{n}": "client" for n in range(MAX_HEADERS + 1)}, f"at most {MAX_HEADERS}"),
    ("authorization_headers", ["Authorization"], "valid dictionary"),
    ("headers", ["Content-Length"], "Content-Length is set by the protocol itself"),
    ("headers", [""], "this is not the name of a header"),
    ("headers", [f"X-{n}" for n in range(MAX_HEADERS + 1)], f"at most {MAX_HEADERS}"),
    ("headers", "X-Id", "valid list"),
    ("timeout", 0, "greater than 0"),
    ("timeout", -1.5, "greater than 0"),
    ("timeout", 3600.1, "less than or equal to 3600"),
    ("timeout", float("nan"), "less than or equal to 3600"),
    ("timeout", float("inf"), "less than or equal to 3600"),
    ("timeout", True, "valid number"),
    ("timeout", "5", "valid number"),
    ("require_approval", "sometimes", "'always' or 'never'"),
    ("require_approval", {"always": ["x" * 129]}, "at most 128 characters"),
    ("require_approval", {"always": ["x"] * 1001}, "at most 1000 items"),
    ("require_approval", {"sometimes": []}, "Extra inputs are not permitted"),
    ("api_key", "abc", "Extra inputs are not permitted"),
]


@requirement("servers:register:refused")
@pytest.mark.parametrize(("key", "value", "told"), REFUSED)
def test_a_bad_value_is_refused_with_its_field_and_the_fix(key: str, value: Any, told: str) -> None:
    with pytest.raises(ValidationError) as raised:
        server(**{key: value})
    assert {error["loc"][0] for error in raised.value.errors()} == {key}
    assert any(told in error["msg"] for error in raised.value.errors()), raised.value


@requirement("servers:register:refused")
def test_many_bad_headers_are_told_in_few_words() -> None:
    with pytest.raises(ValidationError) as raised:
        server(authorization_headers={"n" * 1000 + f"\n{n}": "x" * 1000 for n in range(60)})
    (error,) = raised.value.errors()
    assert len(error["msg"]) < 1000


@requirement("servers:list")
@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://user:canary@a.example:80/mcp?x=@y#z", "http://a.example:80/mcp"),
        ("http://canary@evil@a/mcp", "http://a/mcp"),
        ("http://a/x@y://b@c", "http://a/x@y://b@c"),
        ("http://a", "http://a"),
        ("user:canary@a.example/mcp", "a.example/mcp"),
        ("", ""),
    ],
)
def test_an_address_is_shown_without_credentials(url: str, shown: str) -> None:
    assert ToolServer("ops", url).address == shown
