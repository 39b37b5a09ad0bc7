"""``/v1/feedback`` and ``/v1/feedback/status``: what users say of an answer, and whether they are asked.

Source: rest-api.md 5. Whether feedback is taken is told before a body is looked at, and without asking who calls.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import AfterValidator, BaseModel, Field, WithJsonSchema, field_validator, model_validator

from lightspeed_stack.api.conversations import EXAMPLE_ID, ID_PATTERN
from lightspeed_stack.api.declared import BAD_BODY, DENIED, FAILED, ErrorResponse, HTTPValidationError
from lightspeed_stack.api.deps import Caller, services_of
from lightspeed_stack.api.problems import json_response
from lightspeed_stack.api.values import Strict, Text, storable
from lightspeed_stack.domain.feedback import Feedback, FeedbackCategory
from lightspeed_stack.domain.identity import Action
from lightspeed_stack.domain.ids import parse_conversation_id
from lightspeed_stack.errors import NotAllowed, StorageError
from lightspeed_stack.services import Services

router = APIRouter()

# As values.Text, with a length that is checked before the rest: otherwise the message would not speak of characters.
ShortText = Annotated[
    str, Field(max_length=4096, json_schema_extra={"pattern": r"^[^\u0000]*$"}), AfterValidator(storable)
]

NO_DIRECTORY = "user_data_collection.feedback_storage names no directory."


async def feedback_is_taken(request: Request, _: Caller) -> None:
    """Raises NotAllowed while feedback is switched off."""
    if not await services_of(request).feedback_switch.enabled():
        raise NotAllowed("Forbidden: Feedback is disabled")


class FeedbackRequest(Strict):
    """One user's word on one answer: a sentiment, a text, categories, or several of them."""

    conversation_id: Annotated[Text, WithJsonSchema({"type": "string", "pattern": ID_PATTERN})] = Field(
        description="Where the answer was given; a UUID", examples=[EXAMPLE_ID]
    )
    user_question: Text = Field(description="What was asked", examples=["How do I add my own documents?"])
    llm_response: Text = Field(description="What was answered", examples=["Run lightspeed-stack ingest."])
    sentiment: Annotated[int, WithJsonSchema({"type": "integer", "enum": [-1, 1]})] | None = Field(
        None, description="1 for a good answer, -1 for a bad one", examples=[1, -1]
    )
    user_feedback: ShortText | None = Field(None, examples=["This helped."])
    categories: list[FeedbackCategory] | None = Field(
        None, fail_fast=True, description="What was wrong", examples=[["incomplete"]]
    )

    @field_validator("conversation_id")
    @classmethod
    def _is_an_id(cls, value: str) -> str:
        if parse_conversation_id(value) is None:
            raise ValueError(f"Improper conversation ID {value[:100]}")
        return value

    @field_validator("sentiment")
    @classmethod
    def _is_a_sentiment(cls, value: int | None) -> int | None:
        if value not in {None, 1, -1}:
            raise ValueError(f"Improper sentiment value of {str(value)[:100]}, needs to be -1 or 1")
        return value

    @field_validator("categories")
    @classmethod
    def _once_each(cls, value: list[FeedbackCategory] | None) -> list[FeedbackCategory] | None:
        return list(dict.fromkeys(value)) if value else None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.sentiment is None and self.user_feedback is None and self.categories is None:
            raise ValueError(
                "At least one form of feedback must be provided: 'sentiment', 'user_feedback', or 'categories'"
            )
        return self

    def feedback(self, user_id: str, at: datetime) -> Feedback:
        sentiment: Literal[-1, 1] | None = None if self.sentiment is None else 1 if self.sentiment == 1 else -1
        return Feedback(
            user_id=user_id,
            at=at,
            conversation_id=self.conversation_id,
            user_question=self.user_question,
            llm_response=self.llm_response,
            sentiment=sentiment,
            user_feedback=self.user_feedback,
            categories=None if self.categories is None else tuple(self.categories),
        )


class FeedbackResponse(BaseModel):
    response: str = Field(examples=["feedback received"])


class StatusResponse(BaseModel):
    functionality: str = Field(examples=["feedback"])
    status: dict[str, Any] = Field(examples=[{"enabled": True}])


class FeedbackStatusUpdateRequest(Strict):
    """The new position of the switch; off where nothing is said."""

    status: bool = False


class FeedbackStatusUpdateResponse(BaseModel):
    status: dict[str, Any] = Field(
        examples=[
            {
                "previous_status": True,
                "updated_status": False,
                "updated_by": "alice",
                "timestamp": "2026-11-22 20:15:53.217164+00:00",
            }
        ]
    )


@router.post(
    "/v1/feedback",
    operation_id="feedback_endpoint_handler_v1_feedback_post",
    tags=["feedback"],
    response_model=FeedbackResponse,
    responses={**DENIED, **BAD_BODY},
)
async def feedback(
    request: Request, who: Caller, _: Annotated[None, Depends(feedback_is_taken)], body: FeedbackRequest
) -> Response:
    """Store what a user says of an answer."""
    services = services_of(request)
    services.policy.require(who, Action.FEEDBACK)
    try:
        await _store(services, body.feedback(who.user_id, datetime.now(UTC)))
    except StorageError as error:
        services.metrics.degraded("feedback")
        return json_response(500, {"detail": {"response": "Error storing user feedback", "cause": error.cause}})
    return json_response(200, {"response": "feedback received"})


async def _store(services: Services, feedback: Feedback) -> None:
    if services.feedback is None:  # switched on by another replica, which has a directory
        raise StorageError(NO_DIRECTORY)
    await services.feedback.write(feedback)


@router.get(
    "/v1/feedback/status",
    operation_id="feedback_status_v1_feedback_status_get",
    tags=["feedback"],
    response_model=StatusResponse,
    responses=FAILED,
)
async def feedback_status(request: Request) -> Response:
    """Whether feedback is taken; open to everybody."""
    enabled = await services_of(request).feedback_switch.enabled()
    return json_response(200, {"functionality": "feedback", "status": {"enabled": enabled}})


@router.put(
    "/v1/feedback/status",
    operation_id="update_feedback_status_v1_feedback_status_put",
    tags=["feedback"],
    response_model=FeedbackStatusUpdateResponse,
    responses={**DENIED, **BAD_BODY, 422: {"model": HTTPValidationError | ErrorResponse}},
)
async def update_feedback_status(request: Request, who: Caller, body: FeedbackStatusUpdateRequest) -> Response:
    """Switch feedback on or off, for all processes on the same database."""
    services = services_of(request)
    services.policy.require(who, Action.ADMIN)
    if body.status and services.feedback is None:
        return json_response(422, {"detail": {"response": "Feedback cannot be switched on", "cause": NO_DIRECTORY}})
    previous = await services.feedback_switch.turn(body.status)
    status = {
        "previous_status": previous,
        "updated_status": body.status,
        "updated_by": who.user_id,
        "timestamp": str(datetime.now(UTC)),
    }
    return json_response(200, {"status": status})
