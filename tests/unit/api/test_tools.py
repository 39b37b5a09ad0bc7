"""Tools and shields as the lists show them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from lightspeed_stack.api.catalog import shield_entry
from lightspeed_stack.api.tools import parameters_of, readable, tool_entry
from lightspeed_stack.backends.base import ToolSpec
from lightspeed_stack.shields.base import Stage, Violation
from lightspeed_stack.tools.base import NoTools, Tool
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
    assert NoTools().tools == ()


@requirement("tools:entry")
@pytest.mark.parametrize("schema", ["", "nope", "[]", "null", "{}", '{"properties": []}', '{"properties": {}}'])
def test_a_tool_without_parameters(schema: str) -> None:
    assert parameters_of(schema) == []


@requirement("tools:entry")
def test_what_is_required_may_be_unsaid() -> None:
    (parameter,) = parameters_of('{"properties": {"a": {"type": "null"}}, "required": "a"}')
    assert (parameter["required"], parameter["parameter_type"]) == (False, "")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A shield as a later release may have it."""

    identifier: str = "secrets"
    provider_id: str = "redaction"
    provider_resource_id: str = "patterns"
    params: Mapping[str, Any] = field(default_factory=lambda: {"stage": "input"})
    stage: Stage = Stage.INPUT

    async def inspect(self, text: str, stage: Stage) -> Violation | None:
        return Violation(self.identifier, "No.") if "secret" in text and stage in self.stage else None


@requirement("shields:entry")
def test_a_shield_in_the_shape_of_llama_stack() -> None:
    assert shield_entry(Pattern()) == {
        "identifier": "secrets",
        "provider_id": "redaction",
        "type": "shield",
        "params": {"stage": "input"},
        "provider_resource_id": "patterns",
    }
