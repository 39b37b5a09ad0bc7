"""Shields: checks on what goes to a model and what comes back."""

from typing import ClassVar

from pydantic import Field

from lightspeed_stack.config.adapters import AdapterSection
from lightspeed_stack.config.section import Room
from lightspeed_stack.config.values import NonEmpty


class ShieldSection(AdapterSection):
    """A shield of our own. Its name says where it looks."""

    room: ClassVar[Room] = "shields"

    id: NonEmpty = Field(
        description="Its name, given once: `output_…` looks at answers, `inout_…` at questions and answers, `input_…` "
        "and every other name at questions.",
        examples=["inout_secrets"],
    )
    type: NonEmpty = Field(
        description="`redaction`, `question_validity`, `moderation`, `injection`, or another adapter's name.",
        examples=["redaction"],
    )
    required: bool = Field(
        default=False, description="Whether it holds although a request's `shield_ids` leave it out."
    )
