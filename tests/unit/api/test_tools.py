"""Tools and shields as the lists show them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from lightspeed_stack.api.catalog import shield_entry
from lightspeed_stack.api.tool_parameters import MAX_STEPS, parameters_of
from lightspeed_stack.api.tools import readable, skipped_entry, tool_entry
from lightspeed_stack.backends.base import ToolSpec
from lightspeed_stack.shields.base import Stage, Watch
from lightspeed_stack.tools.base import SkippedServer, SkipReason, Tool
from tests.spec.registry import requirement

LONG = "TOOL_NAME=a " + "x" * 300


@requirement("tools:descriptions")
@pytest.mark.parametrize(
    ("description", "shown"),
    [
        ("", ""),
        ("Reads a file.", "Reads a file."),
        ("x" * 300, "x" * 300),
        ("USECASE=Only this\n\nA part that is long enough to be shown.", None),
        ("TOOL_NAME=read\nDISPLAY_NAME=Read\n\nReads a file from the disk.", "Reads a file from the disk."),
        (
            "DISPLAY_NAME=Read\n\n  Reads a file from the disk.  \n\nAnd more of the same.",
            "Reads a file from the disk.",
        ),
        ("TOOL_NAME=read\n\nToo short to show it\n\nReads a file from the disk.", "Reads a file from the disk."),
        (
            "TOOL_NAME=read\n\nEXAMPLES=one two three four five six\n\nReads the disk for files.",
            "Reads the disk for files.",
        ),
        ("TOOL_NAME=read\nUSECASE= To read. \nEXAMPLES=a\nUSECASE=second", "To read."),
        ("TOOL_NAME=read\n\n  USECASE=Indented and long enough", "Indented and long enough"),
        ("TOOL_NAME=read\n\nUSECASE=To read", "To read"),
        ("TOOL_NAME=read\nUSECASE=", ""),
        ("Says TOOL_NAME= in the middle of a long sentence.", "Says TOOL_NAME= in the middle of a long sentence."),
        ("TOOL_NAME=read", "TOOL_NAME=read"),
        (LONG, LONG[:200] + "..."),
        ("TOOL_NAME=" + "x" * 190, "TOOL_NAME=" + "x" * 190),
        *(
            (
                f"TOOL_NAME=read\n\n{heading}words enough to be a part of its own",
                "TOOL_NAME=read\n\n" + heading + "words enough to be a part of its own",
            )
            for heading in (
                "INSTRUCTIONS=",
                "INPUT_DESCRIPTION=",
                "OUTPUT_DESCRIPTION=",
                "PREREQUISITES=",
                "AGENT_DECISION_CRITERIA=",
            )
        ),
    ],
)
def test_descriptions_for_people(description: str, shown: str | None) -> None:
    assert readable(description) == (description if shown is None else shown)


SCHEMA = {
    "type": "object",
    "properties": {
        "path": {"type": "string", "description": "Where"},
        "lines": {"type": ["null", "integer"], "default": 10},
        "anything": {},
        "odd": True,
    },
    "required": ["path"],
}


@requirement("tools:entry")
def test_a_tool_in_the_shape_of_llama_stack() -> None:
    spec = ToolSpec("read", "TOOL_NAME=read\n\nReads a file from the disk.", json.dumps(SCHEMA))
    tool = Tool(spec, group="files", provider_id="model-context-protocol", server="http://localhost:3000/mcp")
    names = ("name", "description", "parameter_type", "required", "default")
    assert tool_entry(tool) == {
        "identifier": "read",
        "description": "Reads a file from the disk.",
        "parameters": [
            dict(zip(names, ("path", "Where", "string", True, None), strict=True)),
            dict(zip(names, ("lines", "", "integer", False, 10), strict=True)),
            dict(zip(names, ("anything", "", "", False, None), strict=True)),
            dict(zip(names, ("odd", "", "", False, None), strict=True)),
        ],
        "provider_id": "model-context-protocol",
        "toolgroup_id": "files",
        "server_source": "http://localhost:3000/mcp",
        "type": "tool",
    }
    assert tool_entry(Tool(spec, "files", "builtin"))["server_source"] == "builtin"


@requirement("tools:skipped")
def test_a_server_that_is_skipped() -> None:
    entry = skipped_entry(SkippedServer("files", SkipReason.UNREACHABLE, "It cannot be reached."))
    assert entry == {"name": "files", "reason": "unreachable", "message": "It cannot be reached."}


@requirement("tools:entry")
@pytest.mark.parametrize("schema", ["", "nope", "[]", "null", "{}", '{"properties": []}', '{"properties": {}}'])
def test_a_tool_without_parameters(schema: str) -> None:
    assert parameters_of(schema) == []


@requirement("tools:entry")
@pytest.mark.parametrize("required", ['"a"', "null", "{}", "[1, null, [], {}]", '["b"]'])
def test_what_is_required_may_be_unsaid(required: str) -> None:
    (parameter,) = parameters_of(f'{{"properties": {{"a": {{"type": "null"}}}}, "required": {required}}}')
    assert (parameter["required"], parameter["parameter_type"]) == (False, "")


DEFINITIONS = {
    "Place": {"type": "object", "description": "Somewhere", "properties": {"x": {"type": "number"}}},
    "Alias": {"$ref": "#/$defs/Place"},
    "a/b ~c": {"type": "string"},
    "Circle": {"$ref": "#/$defs/Circle"},
    "Ring": {"anyOf": [{"$ref": "#/$defs/Ring"}, {"$ref": "#/$defs/Ring"}]},
}


@requirement("tools:schemas")
@pytest.mark.parametrize(
    ("schema", "type_", "description"),
    [
        ({"$ref": "#/$defs/Place"}, "object", "Somewhere"),
        ({"$ref": "#/$defs/Place", "description": "Here"}, "object", "Here"),
        ({"$ref": "#/$defs/Alias"}, "object", "Somewhere"),
        ({"$ref": "#/$defs/a~1b%20~0c"}, "string", ""),
        ({"allOf": [{"$ref": "#/$defs/Place"}], "description": "All"}, "object", "All"),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}], "description": "Perhaps"}, "integer", "Perhaps"),
        ({"oneOf": [{"$ref": "#/$defs/Place"}, {"type": "null"}]}, "object", "Somewhere"),
        ({"type": "array", "items": {"$ref": "#/$defs/Place"}}, "array", ""),
        ({"type": ["null", "array"], "description": ""}, "array", ""),
        ({"$ref": "#/$defs/Circle"}, "", ""),
        ({"$ref": "#/$defs/Ring"}, "", ""),
        ({"$ref": "#"}, "object", "The whole"),
        ({"$ref": "#/$defs/nowhere/at/all"}, "", ""),
        ({"$ref": "#anchor"}, "", ""),
        ({"$ref": "https://elsewhere.example/schema.json"}, "", ""),
        ({"$ref": 1, "anyOf": {"type": "string"}, "type": {}, "description": []}, "", ""),
        ({"anyOf": [{}] * 10_000 + [{"type": "string"}]}, "", ""),
        (False, "", ""),
        (None, "", ""),
    ],
)
def test_schemas_of_all_shapes(schema: Any, type_: str, description: str) -> None:
    whole = {"type": "object", "description": "The whole", "properties": {"a": schema}, "$defs": DEFINITIONS}
    (parameter,) = parameters_of(json.dumps(whole))
    assert (parameter["parameter_type"], parameter["description"]) == (type_, description)


@requirement("tools:schemas")
def test_arguments_that_are_a_reference_themselves() -> None:
    arguments = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    for whole in ({"$ref": "#/definitions/Arguments"}, {"allOf": [{}, {"$ref": "#/definitions/Arguments"}]}):
        (parameter,) = parameters_of(json.dumps({**whole, "definitions": {"Arguments": arguments}}))
        assert (parameter["name"], parameter["parameter_type"], parameter["required"]) == ("a", "string", True)


@requirement("tools:schemas")
def test_a_long_way_is_not_followed_to_its_end() -> None:
    steps = {str(number): {"$ref": f"#/$defs/{number + 1}"} for number in range(MAX_STEPS)}
    whole = {"properties": {"a": {"$ref": "#/$defs/0"}}, "$defs": {**steps, str(MAX_STEPS): {"type": "string"}}}
    assert [it["parameter_type"] for it in parameters_of(json.dumps(whole))] == [""]


@requirement("tools:schemas")
@pytest.mark.parametrize("default", ["NaN", "-Infinity", "1e999"])
def test_numbers_that_no_answer_can_carry(default: str) -> None:
    (parameter,) = parameters_of(f'{{"properties": {{"a": {{"type": "number", "default": {default}}}}}}}')
    assert parameter["default"] is None


@requirement("tools:schemas")
def test_a_schema_that_is_too_deep_has_no_parameters() -> None:
    assert parameters_of('{"properties": ' * 100_000 + "1" + "}" * 100_000) == []


@dataclass(frozen=True, slots=True)
class Pattern:
    """A shield as a later release may have it."""

    identifier: str = "secrets"
    provider_id: str = "redaction"
    provider_resource_id: str = "patterns"
    params: Mapping[str, Any] = field(default_factory=lambda: {"stage": "input"})
    stage: Stage = Stage.INPUT
    required: bool = False

    def watch(self, stage: Stage) -> Watch:
        raise NotImplementedError  # only listed here

    def clean(self, text: str) -> str:
        return text


@requirement("shields:entry")
def test_a_shield_in_the_shape_of_llama_stack() -> None:
    assert shield_entry(Pattern()) == {
        "identifier": "secrets",
        "provider_id": "redaction",
        "type": "shield",
        "params": {"stage": "input"},
        "provider_resource_id": "patterns",
    }
