"""What answers, and how: Llama Stack, model providers, MCP servers, prompts."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field, FilePath, NonNegativeInt, PositiveFloat, SecretStr, ValidationInfo, field_validator

from lightspeed_stack.config.adapters import raise_for_repeated_ids
from lightspeed_stack.config.profiles import load_profile, read_prompt
from lightspeed_stack.config.providers import ProviderSection
from lightspeed_stack.config.section import Breach, RulesBroken, Section
from lightspeed_stack.config.values import PosInt, check_file, no_scheme


class LlamaStackSection(Section):
    """A Llama Stack, as a server or inside this process; the latter wins where both are given.

    ``use_as_library_client`` is never None once loaded.
    """

    url: str | None = Field(
        default=None, description="URL of the server, with its scheme.", examples=["http://localhost:8321"]
    )
    api_key: SecretStr | None = Field(default=None, description="Key for the server, sent as bearer token.")
    use_as_library_client: bool | None = Field(
        default=None, validate_default=True, description="Whether it runs inside this process; null means false."
    )
    library_client_config_path: str | None = Field(
        default=None,
        validate_default=True,
        description="Its configuration file, required inside this process.",
        examples=["run.yaml"],
    )
    timeout: PositiveFloat = Field(
        default=60.0, description="Seconds to wait for an answer, and for each next piece of one that is streamed."
    )
    max_retries: NonNegativeInt = Field(
        default=5, description="Further attempts to reach it at the start, before the start is given up."
    )
    retry_delay: PositiveFloat = Field(
        default=1.0, description="Seconds before the first further attempt; doubled each time, up to 30."
    )
    allow_degraded_mode: bool = Field(
        default=False,
        description="Whether to start although it cannot be reached: readiness says so, questions to its models fail, "
        "and it is tried again in the background.",
    )

    @field_validator("use_as_library_client")
    @classmethod
    def _reachable(cls, in_process: bool | None, info: ValidationInfo) -> bool:
        if in_process or "url" not in info.data:  # the latter: url has a problem of its own
            return bool(in_process)
        url = info.data["url"]
        if url is None:
            state = "specified" if in_process is None else "enabled"
            message = f"Llama stack URL is not specified and library client mode is not {state}"
            raise RulesBroken(Breach(message, "add  url: http://localhost:8321", "../url"))
        # A server's URL without scheme can never be reached; inside the process it is not looked at.
        if "://" not in url:
            raise RulesBroken(no_scheme(url, "../url"))
        return False

    @field_validator("library_client_config_path")
    @classmethod
    def _file_for_library(cls, path: str | None, info: ValidationInfo) -> str | None:
        if not info.data.get("use_as_library_client"):
            return path
        if path is None:
            message = "Llama stack library client mode is enabled but a configuration file path is not specified"
            raise RulesBroken(Breach(message, "add  library_client_config_path: run.yaml"))
        check_file(path, "Llama Stack configuration file")
        return path


class InferenceSection(Section):
    """Where models answer, and which one where a caller does not choose."""

    default_model: str | None = Field(
        default=None, description="Model for questions that name none.", examples=["gpt-5-mini"]
    )
    default_provider: str | None = Field(
        default=None, validate_default=True, description="Provider of that model; both or neither.", examples=["openai"]
    )
    providers: tuple[ProviderSection, ...] = Field(
        default=(), description="Providers that this service talks to itself."
    )
    max_question_length: PosInt = Field(
        default=131072, description="Longest question, and longest system prompt of a request, in characters."
    )
    max_attachments: PosInt = Field(default=32, description="Attachments that a question may have.")
    max_attachments_length: PosInt = Field(
        default=1048576, description="Length of all attachments of a question together, in characters."
    )
    max_infer_iters: PosInt = Field(
        default=10, description="Times that a model is asked for one answer, each time with what its tools gave."
    )
    max_tool_calls: NonNegativeInt = Field(default=30, description="Calls of tools for one answer.")
    max_turn_tokens: PosInt | None = Field(
        default=None,
        description="Tokens sent and received for one answer, after which no tool is called; null for no limit.",
    )
    max_turn_seconds: PositiveFloat = Field(
        default=600.0, description="Seconds for one answer, after which no tool runs any more."
    )
    tool_timeout: PositiveFloat = Field(default=60.0, description="Seconds that one call of a tool may take.")
    max_tool_result_tokens: PosInt = Field(
        default=4000,
        description="Tokens of a tool's result that a model is shown; it can ask for the rest piece by piece.",
    )
    max_offered_tools: PosInt = Field(
        default=24, description="Tools that a model is offered; of more, those most relevant to the question."
    )
    topic_summaries: bool = Field(
        default=True,
        description="Whether the model is asked for a topic of each new conversation, in the background, by one more "
        "short question to it.",
    )

    @field_validator("default_provider")
    @classmethod
    def _both_or_neither(cls, provider: str | None, info: ValidationInfo) -> str | None:
        if "default_model" not in info.data:
            return provider
        model = info.data["default_model"]
        if model is None and provider is not None:
            message = "Default model must be specified when default provider is set"
            raise RulesBroken(Breach(message, "add  default_model: gpt-5-mini", "../default_model"))
        if model is not None and provider is None:
            message = "Default provider must be specified when default model is set"
            raise RulesBroken(Breach(message, "add  default_provider: openai"))
        return provider

    @field_validator("providers")
    @classmethod
    def _ids_once(cls, providers: tuple[ProviderSection, ...]) -> tuple[ProviderSection, ...]:
        raise_for_repeated_ids(providers)
        return providers


class CustomProfile(Section):
    """The prompts of a profile; the file at ``path`` is what counts, also where ``prompts`` is written out."""

    path: str = Field(description="The profile, a Python or YAML file.", examples=["profiles/product.yaml"])
    prompts: Mapping[str, str] = Field(
        default={},
        validate_default=True,
        description="Prompts by name, read from the profile; given values are not used.",
    )

    @field_validator("prompts", mode="before")
    @classmethod
    def _from_file(cls, _given: Any, info: ValidationInfo) -> Mapping[str, str]:
        return load_profile(info.data["path"], "../path") if "path" in info.data else {}


class CustomizationSection(Section):
    """What the assistant is told before every question."""

    profile_path: str | None = Field(
        default=None,
        description="A profile, a Python or YAML file; with it, `system_prompt_path` is not read.",
        examples=["profiles/product.yaml"],
    )
    disable_query_system_prompt: bool = Field(
        default=False, description="Whether requests may not bring a system prompt."
    )
    system_prompt_path: FilePath | None = Field(
        default=None, description="Text file whose content becomes `system_prompt`.", examples=["prompts/system.txt"]
    )
    system_prompt: str | None = Field(default=None, validate_default=True, description="The system prompt itself.")
    custom_profile: CustomProfile | None = Field(
        default=None, validate_default=True, description="The profile as loaded, normally from `profile_path`."
    )

    @field_validator("system_prompt")
    @classmethod
    def _prompt_from_file(cls, prompt: str | None, info: ValidationInfo) -> str | None:
        path = info.data.get("system_prompt_path")
        if info.data.get("profile_path") or path is None:
            return prompt
        return read_prompt(path, "../system_prompt_path")

    @field_validator("custom_profile", mode="before")
    @classmethod
    def _profile_from_file(cls, given: Any, info: ValidationInfo) -> Any:
        path = info.data.get("profile_path")
        if not path:
            return given
        return CustomProfile.model_construct(path=path, prompts=load_profile(path, "../profile_path"))
