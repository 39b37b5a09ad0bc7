"""``/v1/query`` and ``/v1/streaming_query``."""

from typing import Annotated, Any, Self

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field, WithJsonSchema, field_validator, model_validator

from lightspeed_stack.api.conversations import EXAMPLE_ID, ID_PATTERN, LINKS_OF_AN_ANSWER, QUERY
from lightspeed_stack.api.declared import ASKS_A_MODEL
from lightspeed_stack.api.deps import Caller, services_of
from lightspeed_stack.api.problems import json_response
from lightspeed_stack.api.short_way import ShortWayRoute
from lightspeed_stack.api.streams import EventStream, UntilDisconnected
from lightspeed_stack.api.tool_access import tool_access
from lightspeed_stack.api.values import Strict, Text
from lightspeed_stack.api.wire import (
    PlainText,
    RagChunk,
    ReferencedDocument,
    SseV1,
    noticed,
    rag_chunk,
    referenced_document,
    tool_call,
    tool_result,
)
from lightspeed_stack.assistant.answer import Emit
from lightspeed_stack.assistant.context import ATTACHMENT_TYPES, CONTENT_TYPES
from lightspeed_stack.assistant.pipeline import collect
from lightspeed_stack.domain.chat import Attachment as DomainAttachment
from lightspeed_stack.domain.chat import Budget, Question, Turn
from lightspeed_stack.domain.events import TurnEnded, TurnEvent, TurnFailed, TurnStarted
from lightspeed_stack.domain.identity import Action, Principal
from lightspeed_stack.domain.ids import parse_conversation_id
from lightspeed_stack.domain.notices import NoticeKind
from lightspeed_stack.errors import (
    BackendError,
    ConversationAccessDenied,
    ConversationNotFound,
    ModelOverrideNotAllowed,
)

router = APIRouter(route_class=ShortWayRoute)

MEDIA_TYPES = ("application/json", "text/plain")


class Attachment(Strict):
    # Other kinds are refused after everything else, in the contract's words, so they are only declared here.
    attachment_type: Text = Field(json_schema_extra={"enum": list(ATTACHMENT_TYPES)}, examples=["log"])
    content_type: Text = Field(json_schema_extra={"enum": list(CONTENT_TYPES)}, examples=["text/plain"])
    content: Text = Field(examples=["disk full"])


class QueryRequest(BaseModel):
    """A question. Unknown fields are ignored: consoles send extras such as ``mode``."""

    query: Text = Field(
        description="The question",
        examples=["How do I add my own documents?"],
        json_schema_extra={"minLength": 1, "pattern": r"^[^\u0000]*[^\s\u0000][^\u0000]*$"},
    )
    conversation_id: Annotated[Text, WithJsonSchema({"type": "string", "pattern": f"^$|{ID_PATTERN}"})] | None = Field(
        None, description="Continue this conversation; a UUID", examples=[None]
    )
    provider: Text | None = Field(None, description="Together with ``model``: who answers")
    model: Text | None = Field(None, description="Together with ``provider``: which model answers")
    system_prompt: Text | None = None
    attachments: list[Attachment] | None = Field(None, fail_fast=True)
    no_tools: bool | None = Field(default=False, description="Answer without documentation and tools")
    shield_ids: list[Text] | None = Field(
        None, max_length=100, description="Which shields look at this question, besides those that always do"
    )
    max_infer_iters: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Times that the model is asked at most, if that is fewer than the service allows"
    )
    max_tool_calls: Annotated[int, Field(ge=0)] | None = Field(
        None, description="Calls of tools at most, if that is fewer than the service allows"
    )
    max_turn_tokens: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Tokens sent and received after which no tool is called, if lower than the service's limit"
    )
    max_turn_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None, description="Seconds after which no tool runs any more, if lower than the service's limit"
    )
    media_type: Annotated[str, WithJsonSchema({"type": "string", "enum": ["", *MEDIA_TYPES]})] | None = Field(
        None, description="Only streams differ by it", examples=["application/json"]
    )

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
        if self.media_type and self.media_type not in MEDIA_TYPES:
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
            shield_ids=None if self.shield_ids is None else tuple(self.shield_ids),
            budget=Budget(self.max_infer_iters, self.max_tool_calls, self.max_turn_tokens, self.max_turn_seconds),
        )


class ToolCall(BaseModel):
    """``name`` and ``args`` are ``tool_name`` and ``arguments`` in the words of later releases of this API."""

    tool_name: str
    arguments: dict[str, Any]
    result: dict[str, Any] | None = None
    id: str = ""
    name: str = ""
    args: dict[str, Any] = {}
    type: str = "tool_call"
    server_name: str | None = None


class Notice(BaseModel):
    """``reason`` is one of a few words, empty where ``kind`` says it all."""

    kind: NoticeKind
    subject: str
    reason: str
    message: str


class QueryResponse(BaseModel):
    conversation_id: str | None = Field(None, examples=[EXAMPLE_ID])
    response: str
    rag_chunks: list[RagChunk] = []
    tool_calls: list[ToolCall] | None = None
    tool_results: list[dict[str, Any]] = []
    referenced_documents: list[ReferencedDocument] = []
    truncated: bool = False
    input_tokens: int = 0
    output_tokens: int = 0
    available_quotas: dict[str, int] = Field(default_factory=dict)
    notices: list[Notice] = Field([], description="What was refused, stopped, skipped or changed, if anything")


@router.post(
    "/v1/query",
    operation_id=QUERY,
    tags=["query"],
    response_model=QueryResponse,
    responses={**ASKS_A_MODEL, 200: {"links": LINKS_OF_AN_ANSWER}},
)
async def query(request: Request, body: QueryRequest, who: Caller) -> Response:
    """Answer a question in one piece."""
    services = services_of(request)
    turn = await _admit(request, body, who, Action.QUERY)
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
        **ASKS_A_MODEL,
    },
)
async def streaming_query(request: Request, body: QueryRequest, who: Caller) -> Response:
    """Answer a question as a stream of events; it ends in ``end`` or ``error``."""
    services = services_of(request)
    try:
        turn = await _admit(request, body, who, Action.STREAMING_QUERY)
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


async def _admit(request: Request, body: QueryRequest, who: Principal, action: Action) -> Turn:
    services = services_of(request)
    services.policy.require(who, action)
    granted = services.policy.actions(who)
    if (body.model is not None or body.provider is not None) and Action.MODEL_OVERRIDE not in granted:
        raise ModelOverrideNotAllowed
    # The streaming endpoint never honours the right to others' conversations (auth.md 3.5).
    any_owner = action is Action.QUERY and Action.QUERY_OTHERS_CONVERSATIONS in granted
    access = tool_access(request, who, services.tools.passed_on)
    try:
        return await services.assistant.admit(body.question(), who, any_owner=any_owner, access=access)
    except BackendError:
        services.metrics.failed()
        raise


def _response(turn: Turn, ended: TurnEnded) -> dict[str, Any]:
    return {
        "conversation_id": turn.conversation.id,
        "response": ended.text,
        "rag_chunks": [rag_chunk(passage) for passage in ended.passages],
        "tool_calls": [tool_call(result) for result in ended.tool_results],
        "tool_results": [tool_result(result) for result in ended.tool_results],
        "referenced_documents": [referenced_document(citation) for citation in ended.citations],
        "truncated": ended.truncated,
        "input_tokens": ended.usage.input_tokens,
        "output_tokens": ended.usage.output_tokens,
        "available_quotas": {},
        **noticed(ended.notices),
    }
