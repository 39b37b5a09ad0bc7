"""Model providers that the service talks to itself; the settings of each adapter are checked with the file."""

import re
from collections.abc import Mapping
from typing import Any, Self

from pydantic import (
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_validator,
)

from lightspeed_stack.config.section import Breach, RulesBroken, Section, loading
from lightspeed_stack.config.values import BaseUrl, NonEmpty

MASK = "**********"


class SettingsRefused(ValueError):
    """An adapter's settings class refused ``extra``; the problems are those of ``refusal``, below ``extra``."""

    def __init__(self, settings: type[Section], refusal: ValidationError) -> None:
        super().__init__("the adapter refuses these settings")
        self.settings = settings
        self.refusal = refusal


class ProviderSection(Section):
    """A place where models answer, and the key to it."""

    id: NonEmpty = Field(description="Name of the provider, given once, without a slash.", examples=["openai"])
    type: NonEmpty = Field(description="`openai`, `embedded`, or another adapter's name.", examples=["openai"])
    url: BaseUrl | None = Field(
        default=None, description="Base URL of its API, http or https.", examples=["https://api.openai.com/v1"]
    )
    api_key: SecretStr | None = Field(default=None, description="Key to the API; rather write `api_key_env`.")
    api_key_env: str | None = Field(
        default=None,
        description="Environment variable that holds the key; not with `api_key`.",
        examples=["OPENAI_API_KEY"],
    )
    allowed_models: tuple[str, ...] = Field(default=(), description="Models that may be used; empty means all.")
    extra: Mapping[str, Any] = Field(
        default={}, validate_default=True, repr=False, description="Settings of the adapter."
    )

    _secret: SecretStr | None = PrivateAttr(default=None)
    _settings: Section | None = PrivateAttr(default=None)

    @field_validator("id")
    @classmethod
    def _no_slash(cls, id_: str) -> str:
        # Clients write provider/model, and what stands before the first slash is the provider.
        if "/" in id_:
            raise RulesBroken(Breach("a provider's id has no slash", f"write  id: {id_.replace('/', '-')}"))
        return id_

    @field_validator("api_key_env")
    @classmethod
    def _variable_is_set(cls, name: str | None, info: ValidationInfo) -> str | None:
        if name is None:
            return None
        if info.data.get("api_key") is not None:
            raise RulesBroken(Breach("api_key and api_key_env are both given", "remove one of them"))
        # Somebody may have put the key itself here: what cannot be a name is not shown.
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            fix = "write the name of the variable, as  api_key_env: OPENAI_API_KEY"
            raise RulesBroken(Breach("the value is not the name of an environment variable", fix))
        if not loading(info).environ.get(name):
            message = f"Environment variable '{name}' not set or empty"
            raise RulesBroken(Breach(message, f"set {name} to the key before the start"))
        return name

    @field_validator("extra")
    @classmethod
    def _settings_fit(cls, extra: Mapping[str, Any], info: ValidationInfo) -> Mapping[str, Any]:
        # Checked with the field, so that these problems are shown together with those of the other keys.
        settings = loading(info).settings_of(info.data["type"]) if "type" in info.data else None
        if settings is not None:
            try:
                settings.model_validate(extra, context=info.context)
            except ValidationError as error:
                raise SettingsRefused(settings, error) from None
        return extra

    @model_validator(mode="after")
    def _resolve(self, info: ValidationInfo) -> Self:
        around = loading(info)
        self._secret = self.api_key if self.api_key_env is None else SecretStr(around.environ[self.api_key_env])
        settings = around.settings_of(self.type)
        self._settings = None if settings is None else settings.model_validate(self.extra, context=info.context)
        return self

    @field_serializer("extra")
    def _without_secrets(self, extra: Mapping[str, Any]) -> dict[str, Any]:
        """``extra`` as its settings class writes it, which masks secrets; all values masked where there is no class."""
        if self._settings is None:
            return dict.fromkeys(extra, MASK)
        return self._settings.model_dump(mode="json", exclude_unset=True)

    @property
    def settings(self) -> Section | None:
        """``extra`` as the adapter's own settings, or None where the adapter has no settings class."""
        return self._settings

    def secret(self) -> SecretStr | None:
        """The key to the API, whichever way it was given; None where there is none."""
        return self._secret
