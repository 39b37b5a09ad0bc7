"""``/v1/mcp-servers`` and ``/v1/mcp-auth/client-options``: the registry of servers of tools.

Those of the configuration are shown, and cannot be removed here; the others are the same for all replicas.
"""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from lightspeed_stack.api.declared import BAD_BODY, BAD_VALUES, DENIED, NOT_THERE, REFUSED, TAKEN
from lightspeed_stack.api.deps import Caller, allowed, services_of
from lightspeed_stack.api.problems import json_response
from lightspeed_stack.api.registration import MAX_NAME, NAME, McpServerRegistrationRequest
from lightspeed_stack.api.values import Text
from lightspeed_stack.domain.identity import Action, Principal
from lightspeed_stack.domain.servers import HeaderSource
from lightspeed_stack.tools.base import RegisteredServer

router = APIRouter()

DELETE = "delete_mcp_server_handler_v1_mcp_servers__name__delete"

type ServerName = Annotated[Text, Path(max_length=MAX_NAME, json_schema_extra={"pattern": NAME}, examples=["weather"])]


class McpServerRegistrationResponse(BaseModel):
    name: str
    url: str
    provider_id: str
    message: str


class McpServerInfo(BaseModel):
    """A server; the configuration or a caller of this API has named it."""

    name: str
    url: str = Field(description="Without credentials")
    provider_id: str
    source: Literal["config", "api"]


class McpServerListResponse(BaseModel):
    servers: list[McpServerInfo] = Field(description="Those of the configuration in its order, then the others by name")


class McpServerDeleteResponse(BaseModel):
    name: str
    message: str


class McpServerAuthOptions(BaseModel):
    """Names of headers that a caller sends for this server in ``MCP-HEADERS``."""

    name: str
    client_auth_headers: list[str]
    oauth_headers: list[str]


class McpClientAuthOptionsResponse(BaseModel):
    servers: list[McpServerAuthOptions] = Field(description="Only servers that want something from the caller")


@router.post(
    "/v1/mcp-servers",
    operation_id="register_mcp_server_handler_v1_mcp_servers_post",
    tags=["mcp-servers"],
    status_code=201,
    response_model=McpServerRegistrationResponse,
    responses={
        **DENIED,
        **BAD_BODY,
        **TAKEN,
        201: {"links": {"DeleteServer": {"operationId": DELETE, "parameters": {"name": "$response.body#/name"}}}},
    },
)
async def register_mcp_server(request: Request, who: Caller, body: McpServerRegistrationRequest) -> Response:
    """Add a server of tools, for all replicas; it is stored when this is answered."""
    services = services_of(request)
    services.policy.require(who, Action.REGISTER_MCP_SERVER)
    server = body.server()
    await services.registry.register(server)
    shown = {"name": server.name, "url": server.url, "provider_id": server.provider_id}
    return json_response(201, {**shown, "message": f"MCP server '{server.name}' registered successfully"})


@router.get(
    "/v1/mcp-servers",
    operation_id="list_mcp_servers_handler_v1_mcp_servers_get",
    tags=["mcp-servers"],
    response_model=McpServerListResponse,
    responses=DENIED,
)
async def list_mcp_servers(
    request: Request, _: Annotated[Principal, Depends(allowed(Action.LIST_MCP_SERVERS))]
) -> Response:
    """List the servers of tools."""
    return json_response(200, {"servers": [_entry(it) for it in await services_of(request).registry.servers()]})


@router.delete(
    "/v1/mcp-servers/{name}",
    operation_id=DELETE,
    tags=["mcp-servers"],
    response_model=McpServerDeleteResponse,
    responses={**DENIED, 403: REFUSED[403], **NOT_THERE, **BAD_VALUES},
)
async def delete_mcp_server(
    request: Request, name: ServerName, _: Annotated[Principal, Depends(allowed(Action.DELETE_MCP_SERVER))]
) -> Response:
    """Remove a server of tools that was registered here, for all replicas."""
    await services_of(request).registry.remove(name)
    return json_response(200, {"name": name, "message": f"MCP server '{name}' unregistered successfully"})


@router.get(
    "/v1/mcp-auth/client-options",
    operation_id="get_mcp_client_auth_options_v1_mcp_auth_client_options_get",
    tags=["mcp-auth"],
    response_model=McpClientAuthOptionsResponse,
    responses=DENIED,
)
async def mcp_client_auth_options(
    request: Request, _: Annotated[Principal, Depends(allowed(Action.GET_TOOLS))]
) -> Response:
    """List what a caller is to send in ``MCP-HEADERS`` to prove who asks."""
    options = [_options(it) for it in await services_of(request).registry.servers()]
    wanted = [it for it in options if it["client_auth_headers"] or it["oauth_headers"]]
    return json_response(200, {"servers": wanted})


def _entry(it: RegisteredServer) -> dict[str, Any]:
    server = it.server
    return {"name": server.name, "url": server.address, "provider_id": server.provider_id, "source": it.source}


def _options(it: RegisteredServer) -> dict[str, Any]:
    return {
        "name": it.server.name,
        "client_auth_headers": it.server.supplied_by_client(HeaderSource.CLIENT),
        "oauth_headers": it.server.supplied_by_client(HeaderSource.OAUTH),
    }
