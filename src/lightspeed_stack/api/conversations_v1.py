"""``/v1/conversations``: every conversation of its owner."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from lightspeed_stack.api.conversations import (
    DELETE_V1,
    GET_V1,
    LINKS_OF_LIST_V1,
    After,
    ConversationDeleteResponse,
    ConversationResponse,
    Limit,
    PathId,
    history,
    listed,
    stored_form,
    telling,
)
from lightspeed_stack.api.declared import BAD_VALUES, DENIED, NOT_THERE, REFUSED, Declared, ErrorResponse
from lightspeed_stack.api.deps import Caller, allowed, services_of
from lightspeed_stack.api.problems import json_response, shown
from lightspeed_stack.domain.identity import Action, Principal
from lightspeed_stack.errors import ConversationAccessDenied, ConversationNotFound
from lightspeed_stack.services import Services
from lightspeed_stack.storage.base import MAX_PAGE, Summary

router = APIRouter()

STACK_GONE: Declared = {503: {"model": ErrorResponse, "description": "Never given; clients of the reference expect it"}}


class ConversationDetails(BaseModel):
    conversation_id: str
    created_at: str | None = Field(None, description="ISO 8601, UTC")
    last_message_at: str | None = Field(None, description="ISO 8601, UTC")
    message_count: int | None = Field(None, description="Turns")
    last_used_model: str | None = None
    last_used_provider: str | None = None
    topic_summary: str | None = Field(None, description="Empty until there is one")


class ConversationsListResponse(BaseModel):
    conversations: list[ConversationDetails] = Field(description="Newest message first")
    has_more: bool = Field(default=False, description="Whether older conversations follow")


@router.get(
    "/v1/conversations",
    operation_id="get_conversations_list_endpoint_handler_v1_conversations_get",
    tags=["conversations"],
    response_model=ConversationsListResponse,
    responses={
        **DENIED,
        400: REFUSED[400],
        **NOT_THERE,
        **BAD_VALUES,
        **STACK_GONE,
        200: {"links": LINKS_OF_LIST_V1},
    },
)
async def list_conversations(request: Request, who: Caller, limit: Limit = MAX_PAGE, after: After = "") -> Response:
    """List the caller's conversations, or everybody's for callers with ``list_other_conversations``."""
    services = services_of(request)
    services.policy.require(who, Action.LIST_CONVERSATIONS)
    seen = stored_form(after) if after else None
    owner = _owner(services, who, Action.LIST_OTHERS_CONVERSATIONS)
    with telling(f"getting conversations for user {shown(who.user_id)}", and_why=False):
        page = await services.conversations.page(owner=owner, limit=limit, after=seen)
    return await listed(page, _entry)


@router.get(
    "/v1/conversations/{conversation_id}",
    operation_id=GET_V1,
    tags=["conversations"],
    response_model=ConversationResponse,
    responses={**DENIED, **REFUSED, **NOT_THERE, **BAD_VALUES, **STACK_GONE},
)
async def get_conversation(
    request: Request, conversation_id: PathId, who: Annotated[Principal, Depends(allowed(Action.GET_CONVERSATION))]
) -> Response:
    """Show a conversation with everything that was said in it."""
    services, id_ = services_of(request), stored_form(conversation_id)
    owner = _owner(services, who, Action.READ_OTHERS_CONVERSATIONS)
    with telling(f"getting conversation {id_}"):
        try:
            conversation = await services.conversations.read(id_, owner=owner)
        except ConversationNotFound:
            raise ConversationAccessDenied("You do not have permission to read this conversation") from None
    if conversation.message_count and not conversation.history:
        # The reference kept the text in its Llama Stack, where we cannot read it.
        raise ConversationNotFound(f"Conversation {id_} could not be retrieved.")
    return await history(id_, conversation.history, _rfc3339)


@router.delete(
    "/v1/conversations/{conversation_id}",
    operation_id=DELETE_V1,
    tags=["conversations"],
    response_model=ConversationDeleteResponse,
    responses={**DENIED, **REFUSED, **NOT_THERE, **BAD_VALUES, **STACK_GONE},
)
async def delete_conversation(
    request: Request, conversation_id: PathId, who: Annotated[Principal, Depends(allowed(Action.DELETE_CONVERSATION))]
) -> Response:
    """Delete a conversation, here and in the second version of this API."""
    services, id_ = services_of(request), stored_form(conversation_id)
    owner = _owner(services, who, Action.DELETE_OTHERS_CONVERSATIONS)
    with telling(f"deleting conversation {id_}"):
        try:
            await services.conversations.delete(id_, owner=owner)
        except ConversationNotFound:
            raise ConversationAccessDenied("You do not have permission to delete this conversation") from None
    told = {"conversation_id": id_, "success": True, "response": "Conversation deleted successfully"}
    return json_response(200, told)


def _owner(services: Services, who: Principal, others: Action) -> str | None:
    """Whose conversations are meant; None is everybody's."""
    return None if others in services.policy.actions(who) else who.user_id


def _entry(it: Summary) -> dict[str, Any]:
    return {
        "conversation_id": it.id,
        "created_at": it.created_at.isoformat(timespec="microseconds"),
        "last_message_at": it.last_message_at.isoformat(timespec="microseconds"),
        "message_count": it.message_count,
        "last_used_model": it.last_model,
        "last_used_provider": it.last_provider,
        "topic_summary": it.topic,
    }


def _rfc3339(time: datetime) -> str:
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z")
