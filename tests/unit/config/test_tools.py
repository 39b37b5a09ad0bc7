"""Servers of tools, and shields."""

import pytest

from lightspeed_stack.config.tools import ApprovalRules
from lightspeed_stack.services.adapters import adapter_settings
from tests.spec.registry import requirement
from tests.unit.config.conftest import MINIMAL, Files

FULL = """mcp_servers:
  - name: ops
    url: http://localhost:3000/mcp
    authorization_headers:
      Authorization: kubernetes
      X-Key: /run/secrets/key
      X-Client: client
      X-Token: oauth
    headers: [x-rh-identity]
    timeout: 5
    require_approval: {always: [delete], never: [list]}
"""


@requirement("config:tools:servers")
def test_a_server_with_every_key_loads(files: Files) -> None:
    (server,) = files.load(MINIMAL + FULL).mcp_servers
    assert list(server.authorization_headers.values()) == ["kubernetes", "/run/secrets/key", "client", "oauth"]
    assert (server.headers, server.timeout) == (("x-rh-identity",), 5.0)
    assert server.require_approval == ApprovalRules(always=("delete",), never=("list",))


@requirement("config:tools:servers")
@pytest.mark.parametrize(
    ("entry", "key", "told"),
    [
        ("authorization_headers: {Authorization: s3cr3t-token}", "authorization_headers", "where the header's value"),
        ("authorization_headers: {Authorization: ''}", "authorization_headers", "where the header's value"),
        ("authorization_headers: {Host: kubernetes}", "authorization_headers", "set by the protocol itself"),
        ("authorization_headers: {'a b': client}", "authorization_headers", "not the name of a header"),
        ("headers: [x-ok, mcp-session-id]", "headers", "set by the protocol itself"),
        ("headers: [Authorization]", "headers", "proves who asks"),
        ("headers: [mcp-headers]", "headers", "proves who asks"),
        ("headers: [Cookie]", "headers", "proves who asks"),
        ("timeout: 0", "timeout", "greater than 0"),
        ("require_approval: sometimes", "require_approval", "neither 'always' nor 'never'"),
        ("require_approval: {often: [a]}", "require_approval", "not permitted"),
    ],
)
def test_a_server_is_refused_with_its_key(files: Files, entry: str, key: str, told: str) -> None:
    problems = files.problems(f"{MINIMAL}mcp_servers:\n  - name: ops\n    url: http://h/mcp\n    {entry}\n")
    assert f"mcp_servers[0].{key}" in problems
    assert told in problems
    assert "s3cr3t" not in problems


@requirement("config:shields:checked")
def test_a_shield_is_given_once(files: Files) -> None:
    text = f"{MINIMAL}shields:\n  - {{id: a, type: redaction}}\n  - {{id: a, type: redaction}}\n"
    assert "shields[1].id: the id 'a' is given twice" in files.problems(text)


@requirement("config:shields:checked")
def test_a_shield_is_checked_by_its_adapter(files: Files) -> None:
    text = f"{MINIMAL}shields:\n  - id: a\n    type: redaction\n    extra: {{kindz: [keys]}}\n"
    problems = files.problems(text, settings_of=adapter_settings)
    assert ": shields[0].extra.kindz: Extra inputs are not permitted" in problems
