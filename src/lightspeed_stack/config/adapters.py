"""Entries of the configuration that an adapter reads: ``type`` names it, and it checks ``extra`` itself."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from pydantic import (
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_validator,
)

from lightspeed_stack.config.section import Breach, Room, RulesBroken, Section, loading
from lightspeed_stack.config.values import NonEmpty

MASK = "**********"


class SettingsRefused(ValueError):
    """An adapter's settings class refused ``extra``; the problems are those of ``refusal``, below ``extra``."""

    def __init__(self, settings: type[Section], refusal: ValidationError) -> None:
        super().__init__("the adapter refuses these settings")
        self.settings = settings
        self.refusal = refusal


class AdapterSection(Section):
    """One adapter of a room, by the name of its file, with settings of its own."""

    room: ClassVar[Room]

    id: NonEmpty = Field(description="Its name, given once.")
    type: NonEmpty = Field(description="The adapter's name.")
    extra: Mapping[str, Any] = Field(
        default={}, validate_default=True, repr=False, description="Settings of the adapter."
    )

    _settings: Section | None = PrivateAttr(default=None)

    @field_validator("extra")
    @classmethod
    def _settings_fit(cls, extra: Mapping[str, Any], info: ValidationInfo) -> Mapping[str, Any]:
        # Checked with the field, so that these problems are shown together with those of the other keys.
        settings = loading(info).settings_of(cls.room, info.data["type"]) if "type" in info.data else None
        if settings is not None:
            try:
                settings.model_validate(extra, context=info.context)
            except ValidationError as error:
                raise SettingsRefused(settings, error) from None
        return extra

    @model_validator(mode="after")
    def _resolve_settings(self, info: ValidationInfo) -> Self:
        settings = loading(info).settings_of(self.room, self.type)
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


def raise_for_repeated_ids(entries: Sequence[AdapterSection]) -> None:
    """Raise RulesBroken for every entry whose id stands in one before it."""
    ids = [entry.id for entry in entries]
    breaches = [
        Breach(f"the id '{id_}' is given twice", "give each an id of its own", f"{index}/id")
        for index, id_ in enumerate(ids)
        if id_ in ids[:index]
    ]
    if breaches:
        raise RulesBroken(*breaches)
