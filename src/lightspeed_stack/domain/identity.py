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


OTHERS = frozenset(
    {
        Action.LIST_OTHERS_CONVERSATIONS,
        Action.READ_OTHERS_CONVERSATIONS,
        Action.QUERY_OTHERS_CONVERSATIONS,
        Action.DELETE_OTHERS_CONVERSATIONS,
    }
)
"""Actions on conversations of somebody else."""


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
