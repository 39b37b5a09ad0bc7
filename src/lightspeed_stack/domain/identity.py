"""Who asks, and what may be asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any


class Action(StrEnum):
    """What a caller may be allowed to do; values stand in configuration files, member names in 403 answers."""

    ADMIN = "admin"
    LIST_OTHERS_CONVERSATIONS = "list_other_conversations"
    READ_OTHERS_CONVERSATIONS = "read_other_conversations"
    QUERY_OTHERS_CONVERSATIONS = "query_other_conversations"
    DELETE_OTHERS_CONVERSATIONS = "delete_other_conversations"
    QUERY = "query"
    STREAMING_QUERY = "streaming_query"
    GET_CONVERSATION = "get_conversation"
    LIST_CONVERSATIONS = "list_conversations"
    DELETE_CONVERSATION = "delete_conversation"
    UPDATE_CONVERSATION = "update_conversation"
    FEEDBACK = "feedback"
    GET_MODELS = "get_models"
    GET_TOOLS = "get_tools"
    GET_SHIELDS = "get_shields"
    LIST_PROVIDERS = "list_providers"
    GET_PROVIDER = "get_provider"
    GET_METRICS = "get_metrics"
    GET_CONFIG = "get_config"
    INFO = "info"
    MODEL_OVERRIDE = "model_override"
    LIST_MCP_SERVERS = "list_mcp_servers"
    REGISTER_MCP_SERVER = "register_mcp_server"
    DELETE_MCP_SERVER = "delete_mcp_server"


OTHERS = frozenset(
    {
        Action.LIST_OTHERS_CONVERSATIONS,
        Action.READ_OTHERS_CONVERSATIONS,
        Action.QUERY_OTHERS_CONVERSATIONS,
        Action.DELETE_OTHERS_CONVERSATIONS,
    }
)
"""Actions on conversations of somebody else."""

OPERATING = frozenset({Action.ADMIN, Action.REGISTER_MCP_SERVER, Action.DELETE_MCP_SERVER})
"""Actions that change the service for everybody: a server of tools is called with what others say and may prove."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request brings to say who is asking.

    ``authorization`` is the header's value or None; ``user_id`` the query parameter of that name or None, which only
    the no-operation modules believe.
    """

    authorization: str | None = field(default=None, repr=False)
    user_id: str | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """An established caller.

    ``claims`` are the verified claims of the token, empty where there is none. ``skip_user_id_check`` is only
    reported by ``/authorized``. ``token`` is the caller's own bearer token, ``""`` where there is none.
    """

    user_id: str
    username: str
    skip_user_id_check: bool = False
    token: str = field(default="", repr=False)
    roles: frozenset[str] = frozenset()
    claims: Mapping[str, Any] = field(default=MappingProxyType({}), repr=False)


@dataclass(frozen=True, slots=True)
class ToolAccess:
    """What a request brings for servers of tools; nothing of it is ever logged or stored.

    ``token`` is the caller's bearer token, ``""`` where there is none. ``by_server`` are the headers that the request's
    ``MCP-HEADERS`` give, by the name or URL of a server, as they were sent. ``passed_on`` are headers of the request
    itself, by lower-case name: those that some server is configured to get.
    """

    token: str = field(default="", repr=False)
    by_server: Mapping[str, Mapping[str, str]] = field(default=MappingProxyType({}), repr=False)
    passed_on: Mapping[str, str] = field(default=MappingProxyType({}), repr=False)
