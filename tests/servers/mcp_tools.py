"""The tools of the scripted MCP server: one for each shape that schemas, arguments and results can have."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from mcp_types import CallToolResult, ImageContent, TextContent, Tool
from starlette.requests import Request

type Json = dict[str, Any]

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
"""A PNG of one pixel, as Base64."""

WEATHER: Json = {"place": "Brno", "temperature": 21.5}
"""What the tool ``structured`` answers."""


@dataclass(frozen=True, slots=True)
class ScriptedTool:
    """``answer`` gets the HTTP request that the call came with, and the arguments."""

    description: str
    answer: Callable[[Request, Json], CallToolResult]
    schema: Json = field(default_factory=lambda: {"type": "object"})
    output_schema: Json | None = None


def text(words: str, *, failed: bool = False) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=words)], is_error=failed)


def numbered(length: int) -> str:
    """``length`` characters: lines that say which they are."""
    lines: list[str] = []
    written = 0
    for number in count(1):
        if written >= length:
            break
        lines.append(f"line {number}\n")
        written += len(lines[-1])
    return "".join(lines)[:length]


def raises(_request: Request, _arguments: Json) -> CallToolResult:
    raise RuntimeError("the tool 'raises' raises")


def taken(names: Mapping[str, Json], *required: str, **more: Any) -> Json:
    """A schema of an object with these properties."""
    return {"type": "object", "properties": dict(names), "required": list(required), **more}


def an_object(arguments: Json) -> CallToolResult:
    """The arguments, as JSON text."""
    return text(json.dumps(arguments, sort_keys=True))


TOOLS: Mapping[str, ScriptedTool] = {
    "echo_headers": ScriptedTool(
        "Says which HTTP headers came with the call.",
        lambda request, _arguments: text(json.dumps(dict(request.headers))),
    ),
    "add": ScriptedTool(
        "Adds two numbers.",
        lambda _request, arguments: text(str(arguments["a"] + arguments["b"])),
        taken({"a": {"type": "number"}, "b": {"type": "number"}}, "a", "b"),
    ),
    "no_arguments": ScriptedTool("Takes no arguments.", lambda _request, _arguments: text("done")),
    "nested": ScriptedTool(
        "Takes a person, who lives somewhere.",
        lambda _request, arguments: an_object(arguments),
        taken(
            {"person": {"$ref": "#/$defs/Person"}},
            "person",
            **{
                "$defs": {
                    "Person": taken({"name": {"type": "string"}, "lives": {"$ref": "#/$defs/Place"}}, "name"),
                    "Place": taken({"town": {"type": "string"}}),
                }
            },
        ),
    ),
    "many": ScriptedTool(
        "Takes a list.",
        lambda _request, arguments: an_object(arguments),
        taken({"items": {"type": "array", "items": {"type": "string"}}}, "items"),
    ),
    "text": ScriptedTool(
        "Says a text of so many characters.",
        lambda _request, arguments: text(numbered(arguments["length"])),
        taken({"length": {"type": "integer"}}, "length"),
    ),
    "image": ScriptedTool(
        "Shows an image.",
        lambda _request, _arguments: CallToolResult(content=[ImageContent(data=PIXEL, mime_type="image/png")]),
    ),
    "structured": ScriptedTool(
        "Says what the weather is, as data.",
        lambda _request, _arguments: CallToolResult(
            content=[TextContent(text=json.dumps(WEATHER))], structured_content=WEATHER
        ),
        output_schema=taken({"place": {"type": "string"}, "temperature": {"type": "number"}}, "place", "temperature"),
    ),
    "fails": ScriptedTool("Says that it failed.", lambda _request, _arguments: text("it failed", failed=True)),
    "raises": ScriptedTool("Breaks down.", raises),
    "wait": ScriptedTool("Answers when it may.", lambda _request, _arguments: text("waited")),
    "env.get/odd name": ScriptedTool(
        "Has a name that no model may say.", lambda _request, _arguments: text("an odd name")
    ),
}


def scripted(name: str) -> ScriptedTool:
    """A tool by its name; one that is not known says its own name."""
    known = TOOLS.get(name)
    return known or ScriptedTool(name.replace("_", " ").capitalize() + ".", lambda _request, _arguments: text(name))


def described(name: str) -> Tool:
    """A tool as the list of tools has it."""
    it = scripted(name)
    return Tool(name=name, description=it.description, input_schema=it.schema, output_schema=it.output_schema)
