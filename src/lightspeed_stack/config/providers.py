"""Model providers that the service talks to itself; the settings of each adapter are checked with the file."""

import re
from typing import Any, ClassVar, Self

from pydantic import Field, PrivateAttr, SecretStr, ValidationInfo, field_validator, model_validator

from lightspeed_stack.config.adapters import AdapterSection
from lightspeed_stack.config.section import Breach, Room, RulesBroken, loading
from lightspeed_stack.config.values import BaseUrl, NonEmpty


def environment_variable(name: str | None, key: Any, info: ValidationInfo) -> str | None:
    """The name of a variable that holds a key; ``key`` is what is given beside it. Raises RulesBroken."""
    if name is None:
        return None
    if key is not None:
        raise RulesBroken(Breach("api_key and api_key_env are both given", "remove one of them"))
    # Somebody may have put the key itself here: what cannot be a name is not shown.
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        fix = "write the name of the variable, as  api_key_env: OPENAI_API_KEY"
        raise RulesBroken(Breach("the value is not the name of an environment variable", fix))
    if not loading(info).environ.get(name):
        message = f"Environment variable '{name}' not set or empty"
        raise RulesBroken(Breach(message, f"set {name} to the key before the start"))
    return name


class ProviderSection(AdapterSection):
    """A place where models answer, and the key to it."""

    room: ClassVar[Room] = "backends"

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

    _secret: SecretStr | None = PrivateAttr(default=None)

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
        return environment_variable(name, info.data.get("api_key"), info)

    @model_validator(mode="after")
    def _resolve(self, info: ValidationInfo) -> Self:
        environ = loading(info).environ
        self._secret = self.api_key if self.api_key_env is None else SecretStr(environ[self.api_key_env])
        return self

    def secret(self) -> SecretStr | None:
        """The key to the API, whichever way it was given; None where there is none."""
        return self._secret
