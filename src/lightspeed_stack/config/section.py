"""What every part of the configuration is made of: the base class, the broken rule, and what loading knows.

Above: one file per topic, and the root in ``tree``. A rule over several keys raises ``RulesBroken``, so that the
message names the key to change and what to write there.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationInfo


class Section(BaseModel):
    """A mapping of the configuration file: frozen, with no unknown keys, silent about the values it refuses."""

    # defer_build: schemas are built when first used, so that importing a section that is not needed costs little.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True)


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule that does not hold.

    ``key`` leads from the place where the rule is checked to the key at fault, with ``/`` between steps and ``..``
    for the mapping above; empty where it is that place itself. Neither text ever holds a secret.
    """

    message: str
    fix: str
    key: str = ""


class RulesBroken(ValueError):
    """What a validator raises: one or more breaches. Pydantic carries it along as the cause of its own error."""

    def __init__(self, *breaches: Breach) -> None:
        super().__init__("; ".join(breach.message for breach in breaches))
        self.breaches = breaches


type Room = Literal["auth", "backends", "shields"]
"""The rooms whose adapters a configuration names."""

type SettingsOf = Callable[[Room, str], type[Section] | None]
"""From the room and the name of an adapter to the class of its settings, or None where it has none."""


def no_settings(_room: Room, _name: str) -> type[Section] | None:
    """The lookup for a load without adapters: ``extra`` is taken as it is."""
    return None


@dataclass(frozen=True, slots=True)
class Loading:
    """What validators may look at besides the file."""

    environ: Mapping[str, str]
    settings_of: SettingsOf = no_settings


def loading(info: ValidationInfo) -> Loading:
    """The surroundings of this validation; those of the process where a section is built by hand."""
    return info.context if isinstance(info.context, Loading) else Loading(os.environ)
