"""What both versions of the conversations API share: ids, shapes of turns, links, the words of failures, long lists.

Above: ``conversations_v1`` and ``conversations_v2`` have the routes. Below: the ports ``ConversationStore`` and
``ConversationCache``.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any

import anyio
from fastapi import HTTPException, Path, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from lightspeed_stack.api.problems import shown
from lightspeed_stack.api.wire import dumps, rag_chunk, referenced_document, tool_call, tool_result
from lightspeed_stack.domain.chat import Exchange
from lightspeed_stack.domain.ids import ConversationId, parse_conversation_id
from lightspeed_stack.errors import StorageError
from lightspeed_stack.storage.base import MAX_PAGE, Page

log = logging.getLogger(__name__)

LONG_LIST = 100
"""Entries from which a list is encoded in a thread; 10,000 take a tenth of a second."""

LONG_TALK = 10
"""The same for turns, each of which may have long texts and passages."""

ID_PATTERN = "^([0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}|(conv_)?[0-9a-fA-F]{48})$"
"""Spellings of an id that clients are told of; ``parse_conversation_id`` takes a few more."""

EXAMPLE_ID = "5e3d0c5e-6f0b-4a53-9d0f-7b1d2f4c8a10"

type PathId = Annotated[str, Path(json_schema_extra={"pattern": ID_PATTERN}, examples=[EXAMPLE_ID])]
type Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Entries at most")]
type After = Annotated[
    str,
    Query(
        json_schema_extra={"pattern": f"^$|{ID_PATTERN}"},
        description="Begin behind this conversation: the last one of the page before",
    ),
]


class ConversationResponse(BaseModel):
    """A conversation; each entry of ``chat_history`` is a turn, with what its answer rested on."""

    conversation_id: str
    chat_history: list[dict[str, Any]] = Field(description="Turns, oldest first")


class ConversationDeleteResponse(BaseModel):
    conversation_id: str
    success: bool
    response: str


def stored_form(given: str) -> ConversationId:
    """The stored form of an id in a request; refuses with 400 what is none."""
    conversation_id = parse_conversation_id(given)
    if conversation_id is None:
        cause = f"Conversation ID {shown(given)} is not a valid UUID"
        raise HTTPException(400, {"response": "Invalid conversation ID format", "cause": cause})
    return conversation_id


@contextmanager
def telling(what: str, *, and_why: bool = True) -> Iterator[None]:
    """Tells a failure of the store in the words of these routes; ``what`` was being done, as in "getting …"."""
    try:
        yield
    except StorageError as error:
        log.error("conversations: %s", error.cause)  # whose, is for the caller alone
        cause = f"Unknown error while {what}" + (f" : {error.cause}" if and_why else "")
        raise HTTPException(500, {"response": "Unknown error", "cause": cause}) from error


def turn(exchange: Exchange, time: Callable[[datetime], str]) -> dict[str, Any]:
    """One turn of ``chat_history``; ``time`` writes its times."""
    return {
        "provider": exchange.provider,
        "model": exchange.model,
        "messages": [
            {"content": exchange.question, "type": "user"},
            {"content": exchange.answer, "type": "assistant"},
        ],
        "started_at": time(exchange.started_at),
        "completed_at": time(exchange.completed_at),
        "rag_chunks": [rag_chunk(passage) for passage in exchange.passages],
        "referenced_documents": [referenced_document(citation) for citation in exchange.citations],
        "tool_calls": [tool_call(result) for result in exchange.tool_results],
        "tool_results": [tool_result(result) for result in exchange.tool_results],
    }


async def listed[T](page: Page[T], shape: Callable[[T], dict[str, Any]]) -> Response:
    """A page of a list of conversations."""
    more = b',"has_more":true}' if page.more else b',"has_more":false}'
    return _json(b'{"conversations":', await _encoded(page.entries, shape, LONG_LIST), more)


async def history(
    conversation_id: ConversationId, turns: Sequence[Exchange], time: Callable[[datetime], str]
) -> Response:
    """A conversation with its turns."""
    beginning = b'{"conversation_id":' + dumps(conversation_id) + b',"chat_history":'
    return _json(beginning, await _encoded(turns, lambda exchange: turn(exchange, time), LONG_TALK), b"}")


async def _encoded[T](entries: Sequence[T], shape: Callable[[T], dict[str, Any]], long: int) -> bytes:
    """A JSON array. Entry by entry, because one call of the encoder would hold the interpreter to its end."""

    def encode() -> bytes:
        return b"[" + b",".join([dumps(shape(entry)) for entry in entries]) + b"]"

    return encode() if len(entries) < long else await anyio.to_thread.run_sync(encode)


def _json(*parts: bytes) -> Response:
    return Response(b"".join(parts), media_type="application/json")


_ITEM = "_conversation_endpoint_handler_{}_conversations__conversation_id__{}"

GET_V1, DELETE_V1 = "get" + _ITEM.format("v1", "get"), "delete" + _ITEM.format("v1", "delete")
GET_V2, DELETE_V2 = "get" + _ITEM.format("v2", "get"), "delete" + _ITEM.format("v2", "delete")
UPDATE_V2 = "update" + _ITEM.format("v2", "put")
QUERY = "query_endpoint_handler_v1_query_post"


def _links(place: str, **operation_ids: str) -> dict[str, Any]:
    """Links from an answer, in which a conversation's id stands at ``place``."""
    given = {"conversation_id": f"$response.body#{place}"}
    return {
        name: {"operationId": id_, "requestBody" if id_ == QUERY else "parameters": given}
        for name, id_ in operation_ids.items()
    }


V1 = {"GetConversation": GET_V1, "DeleteConversation": DELETE_V1}
V2 = {"GetConversationV2": GET_V2, "DeleteConversationV2": DELETE_V2, "RenameConversation": UPDATE_V2}

LINKS_OF_AN_ANSWER = _links("/conversation_id", FollowUp=QUERY, **V1, **V2)
LINKS_OF_LIST_V1 = _links("/conversations/0/conversation_id", FollowUp=QUERY, **V1)
LINKS_OF_LIST_V2 = _links("/conversations/0/conversation_id", FollowUp=QUERY, **V2)
