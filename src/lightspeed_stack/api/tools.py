"""``/v1/tools``: what a model may call, in the shape of Llama Stack 0.2 (rest-api.md 4.3)."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel

from lightspeed_stack.api.declared import DENIED
from lightspeed_stack.api.deps import allowed, services_of
from lightspeed_stack.api.problems import json_response
from lightspeed_stack.domain.identity import Action, Principal
from lightspeed_stack.tools.base import Tool

router = APIRouter()

BUILTIN = "builtin"

DESCRIPTION_LIMIT = 200
SHORTEST_PART = 20
MARKS = ("TOOL_NAME=", "DISPLAY_NAME=")
"""What a description contains that is written for models, in parts with headings."""

HEADINGS = (
    *MARKS,
    "USECASE=",
    "INSTRUCTIONS=",
    "INPUT_DESCRIPTION=",
    "OUTPUT_DESCRIPTION=",
    "EXAMPLES=",
    "PREREQUISITES=",
    "AGENT_DECISION_CRITERIA=",
)


class ToolsResponse(BaseModel):
    tools: list[dict[str, Any]]


@router.get(
    "/v1/tools",
    operation_id="tools_endpoint_handler_v1_tools_get",
    tags=["tools"],
    response_model=ToolsResponse,
    responses=DENIED,
)
async def tools(request: Request, _: Annotated[Principal, Depends(allowed(Action.GET_TOOLS))]) -> Response:
    """List the tools, in the order of the configuration and then of each server."""
    return json_response(200, {"tools": [tool_entry(tool) for tool in services_of(request).toolset.tools]})


def tool_entry(tool: Tool) -> dict[str, Any]:
    return {
        "identifier": tool.spec.name,
        "description": readable(tool.spec.description),
        "parameters": parameters_of(tool.spec.parameters),
        "provider_id": tool.provider_id,
        "toolgroup_id": tool.group,
        "server_source": tool.server or BUILTIN,
        "type": "tool",
    }


def parameters_of(schema: str) -> list[dict[str, Any]]:
    """The parameters that a JSON Schema object asks for, in its order; none where it is not one."""
    try:
        parsed = json.loads(schema)
    except ValueError:
        return []
    if not isinstance(parsed, dict) or not isinstance(parsed.get("properties"), dict):
        return []
    required = parsed.get("required")
    wanted = required if isinstance(required, list) else []
    return [
        {
            "name": name,
            "description": _text(about, "description"),
            "parameter_type": _type(about),
            "required": name in wanted,
            "default": about.get("default") if isinstance(about, dict) else None,
        }
        for name, about in parsed["properties"].items()
    ]


def readable(description: str) -> str:
    """A description for people, from one that may be written for models."""
    if not any(mark in description for mark in MARKS):
        return description
    for part in description.split("\n\n"):
        text = part.strip()
        if len(text) > SHORTEST_PART and not text.startswith(HEADINGS):
            return text
    for line in description.splitlines():
        text = line.strip()
        if text.startswith("USECASE="):
            return text.removeprefix("USECASE=").strip()
    return description[:DESCRIPTION_LIMIT] + "..." if len(description) > DESCRIPTION_LIMIT else description


def _text(about: Any, key: str) -> str:
    found = about.get(key) if isinstance(about, Mapping) else None
    return found if isinstance(found, str) else ""


def _type(about: Any) -> str:
    """The type; of several, the first that is not null."""
    found = about.get("type") if isinstance(about, Mapping) else None
    names = found if isinstance(found, list) else [found]
    return next((name for name in names if isinstance(name, str) and name != "null"), "")
