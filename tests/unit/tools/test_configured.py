"""From the configuration to values."""

from typing import Any

import pytest

from lightspeed_stack.config.tools import McpServerSection
from lightspeed_stack.domain.servers import HeaderSource, ToolServer
from lightspeed_stack.tools.configured import named_once, server_of
from tests.spec.registry import requirement


def section(**keys: Any) -> McpServerSection:
    return McpServerSection.model_validate({"name": "tools", "url": "http://127.0.0.1:1/mcp", **keys})


@requirement("tools:configured")
def test_a_server_is_what_its_section_says() -> None:
    plain = server_of(section())
    assert (plain.name, plain.url, plain.timeout) == ("tools", "http://127.0.0.1:1/mcp", None)
    assert plain.provider_id == "model-context-protocol"
    full = server_of(
        section(
            provider_id="p",
            authorization_headers={"Authorization": "/run/token", "X-Key": "client"},
            headers=["X-RH-Identity"],
            timeout=3,
        )
    )
    assert (full.provider_id, full.headers, full.timeout) == ("p", ("X-RH-Identity",), 3)
    assert full.supplied_by_client(HeaderSource.CLIENT) == ("X-Key",)
    assert "/run/token" not in repr(full)


@requirement("tools:configured")
@pytest.mark.parametrize(
    ("rules", "needing"),
    [
        ("never", ""),
        ("always", "abc"),
        ({}, ""),
        ({"always": ["a"]}, "a"),
        ({"never": ["a"]}, "bc"),
        ({"never": []}, "abc"),
        ({"always": ["a"], "never": ["b"]}, "a"),
        ({"always": ["a"], "never": ["a"]}, "a"),
        ({"always": [], "never": ["a"]}, "bc"),
    ],
)
def test_some_tools_need_a_human(rules: Any, needing: str) -> None:
    approval = server_of(section(require_approval=rules)).approval
    assert [tool for tool in "abc" if approval.needed(tool)] == list(needing)


@requirement("tools:configured")
@pytest.mark.parametrize(
    ("given", "once"),
    [
        ([], []),
        (["a", "b"], ["a", "b"]),
        (["a", "a", "b", "a"], ["a", "a-2", "b", "a-3"]),
        (["a", "a", "a-2"], ["a", "a-3", "a-2"]),
        (["a-2", "a-2", "a"], ["a-2", "a-2-2", "a"]),
    ],
)
def test_names_are_given_once(given: list[str], once: list[str]) -> None:
    servers = named_once([ToolServer(name, f"http://{at}") for at, name in enumerate(given)])
    assert [server.name for server in servers] == once
    assert [server.url for server in servers] == [f"http://{at}" for at in range(len(given))]
