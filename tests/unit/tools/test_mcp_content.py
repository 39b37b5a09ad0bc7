"""What MCP servers send, as a model gets it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types import ListToolsResult

from lightspeed_stack.tools.mcp_content import NEEDS_INPUT, Listing, Page, outcome
from lightspeed_stack.tools.mcp_values import McpLimits, RemoteTool
from tests.spec.registry import requirement

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


@requirement("mcp:client:call")
@pytest.mark.parametrize(
    ("result", "content"),
    [
        ({"content": [text("one"), text("two")]}, "one two"),
        ({"content": []}, ""),
        ({}, ""),
        ({"content": [{"type": "image", "data": "AAECAw==", "mimeType": "image/png"}]}, "<image>"),
        ({"content": [{"type": "audio", "data": "AAEC", "mimeType": "audio/wav"}]}, "[audio: audio/wav, 3 bytes]"),
        ({"content": [{"type": "image", "data": "AAEC"}]}, "<image>"),
        ({"content": [{"type": "resource", "resource": {"uri": "a://b", "text": "inside"}}]}, "inside"),
        (
            {"content": [{"type": "resource", "resource": {"uri": "a://b", "blob": "AAEC", "mimeType": "x/y"}}]},
            "[resource a://b: x/y, 3 bytes]",
        ),
        ({"content": [{"type": "resource_link", "uri": "a://b", "name": "notes"}]}, "[notes](a://b)"),
        ({"content": [{"type": "resource_link", "uri": "a://b"}]}, "a://b"),
        ({"content": [{"type": "hologram", "x": 1}, text("and")]}, "[hologram of an unknown shape] and"),
        ({"content": [{"type": "text"}]}, "[text of an unknown shape]"),
        ({"content": ["no block", None, 7]}, ""),
        ({"content": "no list"}, ""),
        ({"structuredContent": {"a": [1, None]}}, '{"a":[1,null]}'),
        ({"content": [text("a summary")], "structuredContent": {"a": 1}}, 'a summary {"a":1}'),
        ({"content": [text('{ "a": 1 }')], "structuredContent": {"a": 1}}, '{ "a": 1 }'),
        ({"content": [text("7")], "structuredContent": {"result": 7}}, "7"),
        ({"content": [text("True")], "structuredContent": {"result": True}}, "True"),
        ({"content": [text("so")], "structuredContent": {"result": "so"}}, "so"),
        ({"content": [text("a"), text('{"b":1}')], "structuredContent": {"result": ["a", {"b": 1}]}}, 'a {"b":1}'),
        ({"content": [text("a")], "structuredContent": {"result": ["a", "b"]}}, 'a {"result":["a","b"]}'),
    ],
)
def test_a_result_is_text(result: dict[str, Any], content: str) -> None:
    told = outcome(result, max_characters=1000)
    assert (told.content, told.failed) == (content, False)


@requirement("mcp:client:call")
def test_a_failure_is_told_as_one() -> None:
    assert outcome({"content": [text("no")], "isError": True}, max_characters=10).failed
    assert not outcome({"content": [text("no")], "isError": "true"}, max_characters=10).failed


@requirement("mcp:client:declines")
def test_a_question_for_the_user_is_a_failure() -> None:
    asked = outcome({"resultType": "input_required", "inputRequests": {"a": {}}}, max_characters=1000)
    assert (asked.content, asked.failed) == (NEEDS_INPUT, True)


@requirement("mcp:client:call:bounds")
@given(
    st.dictionaries(st.sampled_from(["content", "structuredContent", "isError", "resultType"]), json_values),
    st.integers(0, 50),
)
def test_whatever_comes_is_text_within_bounds(result: dict[str, Any], length: int) -> None:
    assert len(outcome(result, max_characters=length).content) <= length


@requirement("mcp:client:call")
@given(json_values)
def test_data_is_never_lost(data: Any) -> None:
    told = outcome({"content": [text("a summary")], "structuredContent": {"data": data}}, max_characters=10**6)
    assert json.loads(told.content.removeprefix("a summary ")) == {"data": data}


@requirement("mcp:client:list:shapes")
@given(st.dictionaries(st.sampled_from(["tools", "nextCursor", "ttlMs", "_meta"]), json_values))
def test_whatever_comes_as_a_list_gets_into_shape(result: dict[str, Any]) -> None:
    page = Page.read(result)
    assert all(tool.name and tool.schema["type"] == "object" for tool in page.tools)
    ListToolsResult.model_validate(page.for_sdk())


@requirement("mcp:client:list:shapes")
@pytest.mark.parametrize(
    ("tool", "kept"),
    [
        ({"name": "a", "inputSchema": {"type": "object"}}, True),
        ({"name": "a", "inputSchema": {}}, True),
        ({"name": "a", "description": None, "inputSchema": {"$defs": {}}}, True),
        ({"name": "a", "inputSchema": {"type": "object"}, "outputSchema": 7, "annotations": [], "icons": {}}, True),
        ({"name": "a" * 128, "inputSchema": {}}, True),
        ({"name": "a" * 129, "inputSchema": {}}, False),
        ({"name": "a\nb", "inputSchema": {}}, False),
        ({"name": "env.get/odd name", "inputSchema": {}}, True),
        ({"name": "a", "inputSchema": {"type": "string"}}, False),
        ({"name": "a", "inputSchema": True}, False),
        ({"name": "a"}, False),
        ({"name": "a", "description": 7, "inputSchema": {}}, False),
    ],
)
def test_a_tool_of_a_wrong_shape_is_left_out(tool: dict[str, Any], kept: bool) -> None:
    other = {"name": "other", "inputSchema": {"type": "object"}}
    names = [it.name for it in Page.read({"tools": [tool, other]}).tools]
    assert names == ([tool["name"], "other"] if kept else ["other"])


@requirement("mcp:client:list:bounds")
def test_a_long_description_is_cut() -> None:
    (tool,) = Page.read({"tools": [{"name": "a", "description": "x" * 5000, "inputSchema": {}}]}).tools
    assert len(tool.description) == 4096


@requirement("mcp:client:list:bounds")
@pytest.mark.parametrize(
    ("limits", "names"),
    [
        (McpLimits(max_pages=2), ["a0", "b0", "a1", "b1"]),
        (McpLimits(max_tools=3), ["a0", "b0", "a1"]),
        (McpLimits(max_list=120), ["a0", "b0"]),
    ],
)
def test_a_list_ends_within_bounds(limits: McpLimits, names: list[str]) -> None:
    listing = Listing(limits)
    for number in range(10):
        page = [RemoteTool(f"{letter}{number}", "d" * 30, {"type": "object"}) for letter in "ab"]
        if not listing.add(page):
            break
    assert [tool.name for tool in listing.tools] == names


@requirement("mcp:client:list:bounds")
def test_of_two_tools_with_one_name_the_first_stands() -> None:
    listing = Listing(McpLimits())
    listing.add([RemoteTool("a", "first", {}), RemoteTool("a", "second", {})])
    assert [tool.description for tool in listing.tools] == ["first"]
