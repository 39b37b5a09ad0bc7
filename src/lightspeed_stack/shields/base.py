"""The door to shields. Above: ``api`` lists them. Below: there is none in this release yet."""

from collections.abc import Mapping
from typing import Any, Protocol


class Shield(Protocol):
    """A check on what goes to a model, or comes back from it."""

    @property
    def identifier(self) -> str:
        """The name by which the configuration and callers know it, given once."""
        ...

    @property
    def provider_id(self) -> str:
        """Which kind of check it is."""
        ...

    @property
    def provider_resource_id(self) -> str:
        """What the check rests on, a model or a list of patterns."""
        ...

    @property
    def params(self) -> Mapping[str, Any]:
        """Its settings as callers may see them: JSON values, no secrets."""
        ...
