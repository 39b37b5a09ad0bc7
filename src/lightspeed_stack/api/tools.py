"""``/v1/tools``: what a model may call, in the shape of Llama Stack 0.2 (rest-api.md 4.3)."""

from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from lightspeed_stack.api.declared import ASKS_TOOLS, DENIED
from lightspeed_stack.api.deps import allowed, services_of
from lightspeed_stack.api.problems import json_response
from lightspeed_stack.api.tool_access import tool_access
from lightspeed_stack.api.tool_parameters import parameters_of
from lightspeed_stack.domain.identity import Action, Principal
from lightspeed_stack.tools.base import SkippedServer, SkipReason, Tool, Toolset

router = APIRouter()

BUILTIN = "builtin"

LONG_LIST = 50
"""Tools from which the list is made in a thread: each has a schema to look through."""

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


class SkippedServerInfo(BaseModel):
    """A server of tools whose tools are not listed; ``message`` says why in a sentence, ``reason`` in a word."""

    name: str
    reason: SkipReason
    message: str


class ToolsResponse(BaseModel):
    tools: list[dict[str, Any]]
    skipped_servers: list[SkippedServerInfo] = Field([], description="Servers that take no part, if any")


@router.get(
    "/v1/tools",
    operation_id="tools_endpoint_handler_v1_tools_get",
    tags=["tools"],
    response_model=ToolsResponse,
    responses={**DENIED, **ASKS_TOOLS},
)
async def tools(request: Request, who: Annotated[Principal, Depends(allowed(Action.GET_TOOLS))]) -> Response:
    """List the tools that this caller may use, in the order of the configuration and then of each server."""
    source = services_of(request).tools
    toolset = await source.toolset(tool_access(request, who, source.passed_on))
    if len(toolset.tools) < LONG_LIST:
        return _listed(toolset)
    return await anyio.to_thread.run_sync(_listed, toolset)


def _listed(toolset: Toolset) -> Response:
    entries = [tool_entry(tool) for tool in toolset.tools]
    skipped = [skipped_entry(it) for it in toolset.skipped]
    # Only where there are any: otherwise the answer is what the reference's is.
    return json_response(200, {"tools": entries, "skipped_servers": skipped} if skipped else {"tools": entries})


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


def skipped_entry(server: SkippedServer) -> dict[str, str]:
    return {"name": server.name, "reason": server.reason.value, "message": server.message}


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
