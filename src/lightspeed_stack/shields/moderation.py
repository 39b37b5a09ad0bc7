"""Whether a text is harmful, as a moderation model behind an OpenAI-compatible server judges it.

Below: ``moderation_wire`` has what is asked and answered, and ``transport.http`` the connections. A server that cannot
judge stops the text, unless the operator says otherwise: nothing passes that nobody looked at.

An answer is judged as a text of its own, without the question that it answers.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import anyio
from pydantic import (
    Field,
    FilePath,
    PositiveFloat,
    PrivateAttr,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from lightspeed_stack.config.providers import environment_variable
from lightspeed_stack.config.section import Breach, RulesBroken, Section, loading
from lightspeed_stack.config.values import BaseUrl, NonEmpty
from lightspeed_stack.errors import BackendError, BackendUnavailable, ConfigurationError
from lightspeed_stack.shields.base import REFUSAL, Materials, Stage, Violation, Watch, stage_of
from lightspeed_stack.shields.holding import Judged
from lightspeed_stack.shields.moderation_wire import (
    RiskPlace,
    guarded,
    guardian_body,
    llama_guard_body,
    llama_guarded,
    moderated,
    moderation_body,
    refusal,
)
from lightspeed_stack.transport.base import whole
from lightspeed_stack.transport.http import HttpLimits, HttpTransport

log = logging.getLogger(__name__)

MAX_BODY = 256 * 1024
"""Bytes of a judgement."""

PART, OVERLAP = 12_000, 500
"""Characters that one request judges, and of them those that the request before judged too."""

AT_ONCE = 4
"""Parts of one text that are judged side by side."""

PATIENCE = 6.0
"""How many times ``timeout`` all parts of one text may take."""


class Settings(Section):
    """Settings of a shield of type ``moderation``."""

    url: BaseUrl = Field(
        description="Base URL of the API, http or https.",
        examples=["https://api.openai.com/v1", "http://guard:8000/v1"],
    )
    api_key: SecretStr | None = Field(default=None, description="Key to the API; rather write `api_key_env`.")
    api_key_env: str | None = Field(
        default=None,
        description="Environment variable that holds the key; not with `api_key`.",
        examples=["OPENAI_API_KEY"],
    )
    ca_cert_path: FilePath | None = Field(default=None, description="Certificate authority to trust, PEM.")
    model: NonEmpty | None = Field(
        default=None,
        description="The model that judges; null leaves it to the server.",
        examples=["omni-moderation-latest", "ibm-granite/granite-guardian-3.3-8b"],
    )
    style: Literal["openai", "guardian", "llama_guard"] = Field(
        default="openai",
        description="How it is asked: `openai` by `POST /moderations`, `guardian` (IBM Granite Guardian) and "
        "`llama_guard` by `POST /chat/completions`.",
    )
    categories: tuple[NonEmpty, ...] = Field(
        default=(),
        description="Of style `openai`: the categories that count; empty means all that the server flags.",
        examples=[["violence", "self-harm"]],
    )
    threshold: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Of style `openai`: the score from which a category counts; null leaves that to the server.",
    )
    risk: NonEmpty = Field(
        default="harm",
        description="Of style `guardian`: the risk to look for.",
        examples=["harm", "jailbreak", "violence"],
    )
    risk_definition: NonEmpty | None = Field(
        default=None,
        validate_default=True,
        description="Of style `guardian`: the risk in words, where the model does not know it by its name.",
    )
    risk_in: RiskPlace = Field(
        default="template",
        validate_default=True,
        description="Of style `guardian`: how the model is told the risk. `template`: Granite Guardian 3 at vLLM; "
        "`system`: at Ollama; `message`: Granite Guardian 4.",
    )
    window: int | None = Field(
        default=1000,
        ge=100,
        description="Characters of an answer that are held back and judged together; null holds back the whole answer. "
        "A question is always judged as a whole.",
    )
    refusal: NonEmpty = Field(default=REFUSAL, description="What is answered instead.")
    timeout: PositiveFloat = Field(default=10.0, description="Seconds to wait for one judgement.")
    on_error: Literal["refuse", "pass"] = Field(
        default="refuse",
        description="What becomes of a text that could not be judged: `refuse` fails the question with an error, "
        "`pass` lets the text through with a warning in the log.",
    )

    _secret: SecretStr | None = PrivateAttr(default=None)

    @field_validator("api_key_env")
    @classmethod
    def _variable_is_set(cls, name: str | None, info: ValidationInfo) -> str | None:
        return environment_variable(name, info.data.get("api_key"), info)

    @field_validator("risk_in")
    @classmethod
    def _risk_in_words(cls, place: RiskPlace, info: ValidationInfo) -> RiskPlace:
        risk = info.data.get("risk", "harm")
        if place == "message" and risk != "harm" and info.data.get("risk_definition", "") is None:
            message = "Granite Guardian 4 knows risks in words only"
            raise RulesBroken(Breach(message, f"add  risk_definition: what '{risk}' means", "../risk_definition"))
        return place

    @model_validator(mode="after")
    def _resolve(self, info: ValidationInfo) -> Self:
        environ = loading(info).environ
        self._secret = self.api_key if self.api_key_env is None else SecretStr(environ[self.api_key_env])
        return self

    def secret(self) -> SecretStr | None:
        """The key to the API, whichever way it was given; None where there is none."""
        return self._secret


def build(settings: Settings, materials: Materials) -> "Moderation":
    """Build the shield; it is to be entered before use."""
    return Moderation(materials.identifier, materials.required, settings, _transport(settings))


@dataclass(frozen=True, slots=True)
class Moderation:
    """See Shield. An async context manager that opens and closes the connections to the server.

    Entering raises ConfigurationError where ``ca_cert_path`` is no certificate. Its watch raises BackendError where the
    server cannot judge.
    """

    identifier: str
    required: bool
    settings: Settings
    transport: HttpTransport
    patience: float = PATIENCE
    provider_id: str = "moderation"

    async def __aenter__(self) -> Self:
        try:
            await self.transport.__aenter__()
        except ConfigurationError as error:
            raise ConfigurationError(f"shields: '{self.identifier}': ca_cert_path: {error.cause}") from error
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.transport.__aexit__()

    @property
    def provider_resource_id(self) -> str:
        return self.settings.model or ""

    @property
    def stage(self) -> Stage:
        return stage_of(self.identifier)

    @property
    def params(self) -> Mapping[str, Any]:
        # Without url: an internal address is nobody's business.
        shown = {"style", "categories", "threshold", "risk", "window", "on_error"}
        return self.settings.model_dump(mode="json", include=shown)

    def watch(self, stage: Stage) -> Watch:
        """See Shield. A question is judged whole, an answer window by window, each with the one before it."""
        window = self.settings.window if stage is Stage.OUTPUT else None
        return Judged(self._judge, window=window, context=window or 0)

    def clean(self, text: str) -> str:
        """See Shield. It only judges."""
        return text

    async def _judge(self, text: str) -> Violation | None:
        objections, failures = await self._asked_in_parts(text)
        if objections:
            categories = objections[min(objections)]
            return Violation(self.identifier, self.settings.refusal, {"categories": categories})
        if failures:
            if self.settings.on_error == "refuse":
                raise failures[0]
            log.warning("the shield %s could not judge and let a text pass: %s", self.identifier, failures[0])
        return None

    async def _asked_in_parts(self, text: str) -> tuple[dict[int, list[str]], list[BackendError]]:
        """What the server has against parts of a text, by their number, and why others could not be judged.

        No more is asked once that is enough to stop the text: with an objection, or a failure that does not pass.
        """
        objections: dict[int, list[str]] = {}
        failures: list[BackendError] = []
        parts = enumerate(_parts(text))

        async def ask() -> None:
            for number, part in parts:
                try:
                    categories = await self._asked(part)
                except BackendError as error:
                    failures.append(error)
                else:
                    if categories is not None:
                        objections[number] = categories
                if objections or (failures and self.settings.on_error == "refuse"):
                    tasks.cancel_scope.cancel()

        with anyio.move_on_after(self.patience * self.settings.timeout) as time:
            async with anyio.create_task_group() as tasks:
                for _ in range(AT_ONCE):
                    tasks.start_soon(ask)
        if time.cancelled_caught:
            failures.append(BackendUnavailable("The moderation server did not judge a long text in time."))
        return objections, failures

    async def _asked(self, text: str) -> list[str] | None:
        """What the server has against a text, None where it may pass."""
        settings = self.settings
        match settings.style:
            case "openai":
                answer = await self._post("/moderations", moderation_body(text, settings.model))
                return moderated(answer, categories=settings.categories, threshold=settings.threshold)
            case "guardian":
                body = guardian_body(text, settings.model, settings.risk, settings.risk_definition, settings.risk_in)
                return guarded(await self._post("/chat/completions", body), settings.risk)
            case "llama_guard":
                return llama_guarded(await self._post("/chat/completions", llama_guard_body(text, settings.model)))

    async def _post(self, path: str, body: bytes) -> bytes:
        async with self.transport.request("POST", path, body, timeout=self.settings.timeout) as response:
            if response.status != 200:
                raise refusal(response.status, response.retry_after)
            return await whole(response, limit=MAX_BODY)


def _parts(text: str) -> Iterator[str]:
    """A long text in pieces that models can take, each beginning with the end of the one before."""
    step = PART - OVERLAP
    for start in range(0, max(len(text) - OVERLAP, 1), step):
        yield text[start : start + PART]


def _transport(settings: Settings) -> HttpTransport:
    secret = settings.secret()
    headers = {} if secret is None else {"Authorization": SecretStr(f"Bearer {secret.get_secret_value()}")}
    limits = HttpLimits(
        connect_timeout=min(settings.timeout, HttpLimits().connect_timeout),
        read_timeout=settings.timeout,
        max_duration=settings.timeout,
    )
    return HttpTransport(settings.url, headers=headers, limits=limits, ca_cert_path=settings.ca_cert_path)
