"""The root of the configuration. Its fields stand in the order in which dumps show them."""

from typing import Any

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticKnownError

from lightspeed_stack.config.adapters import raise_for_repeated_ids
from lightspeed_stack.config.assistant import (
    CustomizationSection,
    InferenceSection,
    LlamaStackSection,
)
from lightspeed_stack.config.data import (
    ByokRagSection,
    ConversationCacheSection,
    DatabaseSection,
    RagSection,
    UserDataSection,
)
from lightspeed_stack.config.section import Breach, RulesBroken, Section
from lightspeed_stack.config.security import AuthenticationSection, AuthorizationSection
from lightspeed_stack.config.service import ServiceSection
from lightspeed_stack.config.shields import ShieldSection
from lightspeed_stack.config.tools import McpServerSection

__all__ = ["Config", "Section"]

_ABSENT = object()
"""Stands in for ``llama_stack`` where it is required and missing."""


def _has_providers(inference: Any) -> bool:
    if isinstance(inference, InferenceSection):
        return bool(inference.providers)
    return isinstance(inference, dict) and bool(inference.get("providers"))


class Config(Section):
    """The whole file. ``llama_stack`` is None only where ``inference.providers`` has an entry."""

    name: str = Field(description="Name of the service, as clients see it.", examples=["my service"])
    service: ServiceSection = Field(description="Listening. May be `{}`.")
    llama_stack: LlamaStackSection | None = Field(
        default=None,
        description="The Llama Stack to use; required unless `inference.providers` has an entry.",
        examples=[{"url": "http://localhost:8321"}],
    )
    user_data_collection: UserDataSection = Field(description="Feedback and transcripts. May be `{}`.")
    database: DatabaseSection = Field(default_factory=DatabaseSection, description="Where conversations are kept.")
    mcp_servers: tuple[McpServerSection, ...] = Field(default=(), description="Servers of tools.")
    authentication: AuthenticationSection = Field(
        default_factory=AuthenticationSection, description="How callers say who they are."
    )
    authorization: AuthorizationSection | None = Field(default=None, description="What callers may do.")
    customization: CustomizationSection | None = Field(default=None, description="Prompts.")
    inference: InferenceSection = Field(default_factory=InferenceSection, description="Models and their providers.")
    conversation_cache: ConversationCacheSection = Field(
        default_factory=ConversationCacheSection, description="The cache behind the second conversations API."
    )
    byok_rag: tuple[ByokRagSection, ...] = Field(default=(), description="Vector databases for the generator.")
    rag: RagSection = Field(default_factory=RagSection, description="Knowledge that this service searches itself.")
    shields: tuple[ShieldSection, ...] = Field(default=(), description="Checks on questions and answers.")

    @model_validator(mode="before")
    @classmethod
    def _something_answers(cls, given: Any) -> Any:
        # Decided before the fields, so that it is reported together with their problems.
        if not isinstance(given, dict) or given.get("llama_stack") is not None:
            return given
        return given if _has_providers(given.get("inference")) else {**given, "llama_stack": _ABSENT}

    @field_validator("llama_stack", mode="before")
    @classmethod
    def _required(cls, given: Any) -> Any:
        if given is _ABSENT:
            raise PydanticKnownError("missing")
        return given

    @field_validator("shields")
    @classmethod
    def _shields_once(cls, shields: tuple[ShieldSection, ...]) -> tuple[ShieldSection, ...]:
        raise_for_repeated_ids(shields)
        return shields

    @field_validator("rag")
    @classmethod
    def _embedding_has_a_stack(cls, rag: RagSection, info: ValidationInfo) -> RagSection:
        if rag.embedding is not None and info.data.get("llama_stack", _ABSENT) is None:
            message = "the embedding model is one of a Llama Stack, and no llama_stack is configured"
            fix = "add  llama_stack: {url: http://localhost:8321}  or remove embedding"
            raise RulesBroken(Breach(message, fix, "embedding"))
        return rag
