"""``/v1/query`` and ``/v1/streaming_query``."""

import uuid
from typing import Annotated, Any, Self

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from lightspeed_stack.api.declared import DENIED, FAILED, ForbiddenResponse, UnauthorizedResponse
from lightspeed_stack.api.deps import Caller, services_of
from lightspeed_stack.api.problems import json_response
from lightspeed_stack.api.short_way import ShortWayRoute
from lightspeed_stack.api.streams import EventStream, UntilDisconnected
from lightspeed_stack.api.wire import (
    PlainText,
    RagChunk,
    ReferencedDocument,
    SseV1,
    arguments_of,
    rag_chunk,
    referenced_document,
)
from lightspeed_stack.assistant.agent import Emit
from lightspeed_stack.assistant.pipeline import collect
from lightspeed_stack.domain.chat import Attachment as DomainAttachment
from lightspeed_stack.domain.chat import Question, ToolResult, Turn
from lightspeed_stack.domain.events import TurnEnded, TurnEvent, TurnFailed, TurnStarted
from lightspeed_stack.domain.identity import Action, Principal
from lightspeed_stack.domain.ids import parse_conversation_id
from lightspeed_stack.errors import (
    BackendError,
    ConversationAccessDenied,
    ConversationNotFound,
    ModelOverrideNotAllowed,
)
from lightspeed_stack.services import Services

router = APIRouter(route_class=ShortWayRoute)


def _unicode(text: str) -> str:
    """JSON can spell half of a character; no model, store or client could take it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("the text is not Unicode: it has a lone surrogate") from None
    return text


type Text = Annotated[str, AfterValidator(_unicode)]


class Attachment(BaseModel):
    model_config = ConfigDict(extra="forbid")

    attachment_type: Text
    content_type: Text
    content: Text


class QueryRequest(BaseModel):
    """A question. Unknown fields are ignored: consoles send extras such as ``mode`` (decisions.md 16)."""

    query: Text = Field(description="The question", examples=["How do I add my own documents?"])
    conversation_id: str | None = Field(None, description="Continue this conversation; a UUID")
    provider: Text | None = Field(None, description="Together with ``model``: who answers")
    model: Text | None = Field(None, description="Together with ``provider``: which model answers")
    system_prompt: Text | None = None
    attachments: list[Attachment] | None = None
    no_tools: bool | None = Field(default=False, description="Answer without documentation and tools")
    media_type: str | None = Field(None, description="`application/json` or `text/plain`; only streams differ by it")

    @field_validator("query")
    @classmethod
    def _says_something(cls, query: str) -> str:
        if not query.strip():
            raise ValueError("query is empty; write a question into it")
        return query

    @field_validator("conversation_id")
    @classmethod
    def _is_an_id(cls, value: str | None) -> str | None:
        if value and parse_conversation_id(value) is None:
            raise ValueError(f"Improper conversation ID '{value[:100]}'")
        return value

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        if self.provider and not self.model:
            raise ValueError("Model must be specified if provider is specified")
        if self.model and not self.provider:
            raise ValueError("Provider must be specified if model is specified")
        if self.media_type and self.media_type not in {"application/json", "text/plain"}:
            raise ValueError("media_type must be either 'application/json' or 'text/plain'")
        return self

    def question(self) -> Question:
        """What is asked, with ids in their stored form."""
        return Question(
            text=self.query,
            conversation_id=parse_conversation_id(self.conversation_id) if self.conversation_id else None,
            model=self.model,
            provider=self.provider,
            system_prompt=self.system_prompt,
            attachments=tuple(
                DomainAttachment(it.attachment_type, it.content_type, it.content) for it in self.attachments or ()
            ),
            no_tools=bool(self.no_tools),
        )


class ToolCall(BaseModel):
    tool_name: str
    arguments: dict[str, Any]
    result: dict[str, Any] | None = None


class QueryResponse(BaseModel):
    conversation_id: str | None = Field(None, examples=[str(uuid.UUID(int=7, version=4))])
    response: str
    rag_chunks: list[RagChunk] = []
    tool_calls: list[ToolCall] | None = None
    tool_results: list[dict[str, Any]] = []
    referenced_documents: list[ReferencedDocument] = []
    truncated: bool = False
    input_tokens: int = 0
    output_tokens: int = 0
    available_quotas: dict[str, int] = Field(default_factory=dict)


@router.post(
    "/v1/query",
    operation_id="query_endpoint_handler_v1_query_post",
    tags=["query"],
    response_model=QueryResponse,
    responses={400: {"model": UnauthorizedResponse}, **DENIED, **FAILED},
)
async def query(request: Request, body: QueryRequest, who: Caller) -> Response:
    """Answer a question in one piece."""
    services = services_of(request)
    turn = await _admit(services, body, who, Action.QUERY)
    ended: TurnEnded | None = None
    async with UntilDisconnected(request.receive):
        try:
            ended = await collect(lambda emit: services.assistant.answer(turn, emit, live=False))
        except BackendError:
            services.metrics.failed()
            raise
    if ended is None:  # the client has left, and nobody reads this
        return Response(status_code=499)
    services.metrics.answered(turn.model)
    services.metrics.used(turn.model, ended.usage)
    return json_response(200, _response(turn, ended))


@router.post(
    "/v1/streaming_query",
    operation_id="streaming_query_endpoint_handler_v1_streaming_query_post",
    tags=["streaming_query"],
    response_class=Response,
    responses={
        200: {
            "description": "The answer as it is made",
            "content": {
                "text/event-stream": {"schema": {"type": "string"}},
                "application/json": {"schema": {"type": "string"}},
                "text/plain": {"schema": {"type": "string"}},
            },
        },
        400: {"model": UnauthorizedResponse},
        401: {"model": UnauthorizedResponse},
        403: {"model": ForbiddenResponse},
        **FAILED,
    },
)
async def streaming_query(request: Request, body: QueryRequest, who: Caller) -> Response:
    """Answer a question as a stream of events; it ends in ``end`` or ``error``."""
    services = services_of(request)
    try:
        turn = await _admit(services, body, who, Action.STREAMING_QUERY)
    except ConversationNotFound:
        raise ConversationAccessDenied from None

    async def run(emit: Emit) -> None:
        async def observe(event: TurnEvent) -> None:
            match event:
                case TurnStarted():
                    services.metrics.answered(turn.model)
                case TurnEnded():
                    services.metrics.used(turn.model, event.usage)
                case TurnFailed(error) if isinstance(error, BackendError):
                    services.metrics.failed()
            await emit(event)

        await services.assistant.answer(turn, observe)

    return EventStream(run, PlainText() if body.media_type == "text/plain" else SseV1())


async def _admit(services: Services, body: QueryRequest, who: Principal, action: Action) -> Turn:
    services.policy.require(who, action)
    granted = services.policy.actions(who)
    if (body.model is not None or body.provider is not None) and Action.MODEL_OVERRIDE not in granted:
        raise ModelOverrideNotAllowed
    # The streaming endpoint never honours the right to others' conversations (auth.md 3.5).
    any_owner = action is Action.QUERY and Action.QUERY_OTHERS_CONVERSATIONS in granted
    try:
        return await services.assistant.admit(body.question(), who, any_owner=any_owner)
    except BackendError:
        services.metrics.failed()
        raise


def _response(turn: Turn, ended: TurnEnded) -> dict[str, Any]:
    return {
        "conversation_id": turn.conversation.id,
        "response": ended.text,
        "rag_chunks": [rag_chunk(passage) for passage in ended.passages],
        "tool_calls": [_tool_call(result) for result in ended.tool_results],
        "tool_results": [_tool_result(result) for result in ended.tool_results],
        "referenced_documents": [referenced_document(citation) for citation in ended.citations],
        "truncated": ended.truncated,
        "input_tokens": ended.usage.input_tokens,
        "output_tokens": ended.usage.output_tokens,
        "available_quotas": {},
    }


def _tool_call(result: ToolResult) -> dict[str, Any]:
    call, arguments = result.call, arguments_of(result.call)
    old = {"tool_name": call.name, "arguments": arguments}
    new = {"id": call.id, "name": call.name, "args": arguments, "type": "tool_call", "server_name": call.server_name}
    return {**old, "result": {"response": result.content} if result.content else None, **new}


def _tool_result(result: ToolResult) -> dict[str, Any]:
    status = "failure" if result.failed else "success"
    return {"id": result.call.id, "status": status, "content": result.content, "type": "tool_result"}
