"""``/v2/conversations``: the conversations in which the caller asked, as the conversation cache has them."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from lightspeed_stack.api.conversations import (
    DELETE_V2,
    GET_V2,
    LINKS_OF_LIST_V2,
    UPDATE_V2,
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
from lightspeed_stack.api.declared import BAD_BODY, BAD_VALUES, DENIED, NOT_THERE, REFUSED
from lightspeed_stack.api.deps import Caller, allowed, services_of
from lightspeed_stack.api.problems import json_response, shown
from lightspeed_stack.api.values import Strict, Text
from lightspeed_stack.domain.identity import Action, Principal
from lightspeed_stack.domain.ids import ConversationId
from lightspeed_stack.errors import ConversationNotFound
from lightspeed_stack.services import Services
from lightspeed_stack.storage.base import MAX_PAGE, CachedSummary, ConversationCache

router = APIRouter()

NO_CACHE = "Conversation cache is not configured"


class ConversationData(BaseModel):
    conversation_id: str
    topic_summary: str | None
    last_message_timestamp: float = Field(description="Seconds since 1970, UTC")


class ConversationsListResponseV2(BaseModel):
    conversations: list[ConversationData] = Field(description="Newest message first")
    has_more: bool = Field(default=False, description="Whether older conversations follow")


class ConversationUpdateRequest(Strict):
    topic_summary: Text = Field(
        min_length=1, max_length=1000, description="The new topic", examples=["Adding Own Documents"]
    )


class ConversationUpdateResponse(BaseModel):
    conversation_id: str
    success: bool
    message: str


@router.get(
    "/v2/conversations",
    operation_id="get_conversations_list_endpoint_handler_v2_conversations_get",
    tags=["conversations_v2"],
    response_model=ConversationsListResponseV2,
    responses={**DENIED, 400: REFUSED[400], **NOT_THERE, **BAD_VALUES, 200: {"links": LINKS_OF_LIST_V2}},
)
async def list_conversations(request: Request, who: Caller, limit: Limit = MAX_PAGE, after: After = "") -> Response:
    """List the conversations in which the caller asked."""
    services = services_of(request)
    services.policy.require(who, Action.LIST_CONVERSATIONS)
    seen = stored_form(after) if after else None
    with telling(f"getting conversations for user {shown(who.user_id)}", and_why=False):
        page = await _cache(services).page(who.user_id, limit=limit, after=seen)
    return await listed(page, _entry)


@router.get(
    "/v2/conversations/{conversation_id}",
    operation_id=GET_V2,
    tags=["conversations_v2"],
    response_model=ConversationResponse,
    responses={**DENIED, 400: REFUSED[400], **NOT_THERE, **BAD_VALUES},
)
async def get_conversation(
    request: Request, conversation_id: PathId, who: Annotated[Principal, Depends(allowed(Action.GET_CONVERSATION))]
) -> Response:
    """Show what the caller asked in a conversation, and the answers."""
    id_ = stored_form(conversation_id)
    cache = _cache(services_of(request))
    with telling(f"getting conversation {id_}"):
        try:
            turns = await cache.read(who.user_id, id_)
        except ConversationNotFound:
            raise _not_listed(id_) from None
    return await history(id_, turns, _iso_z)


@router.delete(
    "/v2/conversations/{conversation_id}",
    operation_id=DELETE_V2,
    tags=["conversations_v2"],
    response_model=ConversationDeleteResponse,
    responses={**DENIED, 400: REFUSED[400], **NOT_THERE, **BAD_VALUES},
)
async def delete_conversation(
    request: Request, conversation_id: PathId, who: Annotated[Principal, Depends(allowed(Action.DELETE_CONVERSATION))]
) -> Response:
    """Delete what the caller asked in a conversation; all of it, in both versions of this API, where it is theirs."""
    id_ = stored_form(conversation_id)
    cache = _cache(services_of(request))
    with telling(f"deleting conversation {id_}"):
        try:
            deleted = await cache.delete(who.user_id, id_)
        except ConversationNotFound:
            raise _not_listed(id_) from None
    word = "Conversation deleted successfully" if deleted else "Conversation can not be deleted"
    return json_response(200, {"conversation_id": id_, "success": deleted, "response": word})


@router.put(
    "/v2/conversations/{conversation_id}",
    operation_id=UPDATE_V2,
    tags=["conversations_v2"],
    response_model=ConversationUpdateResponse,
    responses={**DENIED, 400: REFUSED[400], **NOT_THERE, **BAD_BODY},
)
async def update_conversation(
    request: Request, conversation_id: PathId, body: ConversationUpdateRequest, who: Caller
) -> Response:
    """Give a conversation another topic, in both versions of this API where it is the caller's."""
    services = services_of(request)
    services.policy.require(who, Action.UPDATE_CONVERSATION)
    id_ = stored_form(conversation_id)
    cache = _cache(services)
    with telling(f"updating conversation {id_}"):
        try:
            await cache.rename(who.user_id, id_, body.topic_summary)
        except ConversationNotFound:
            raise _not_listed(id_) from None
    told = {"conversation_id": id_, "success": True, "message": "Topic summary updated successfully"}
    return json_response(200, told)


def _cache(services: Services) -> ConversationCache:
    if services.cache is None:
        raise HTTPException(404, {"response": NO_CACHE, "cause": NO_CACHE})
    return services.cache


def _not_listed(conversation_id: ConversationId) -> ConversationNotFound:
    return ConversationNotFound(f"Conversation {conversation_id} could not be retrieved.")


def _entry(it: CachedSummary) -> dict[str, Any]:
    return {
        "conversation_id": it.id,
        "topic_summary": it.topic,
        "last_message_timestamp": it.last_message_at.timestamp(),
    }


def _iso_z(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
