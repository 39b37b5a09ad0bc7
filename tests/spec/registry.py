"""Every behaviour has an id, a sentence and a source; tests claim them with ``@requirement``.

The sentences live in ``tests/spec/rooms/``, one file a room, each with a ``REQUIREMENTS`` dictionary.
``test_coverage.py`` checks both ways: no requirement without a test, no claim without a requirement.
"""

import importlib
import pkgutil
from dataclasses import dataclass

import pytest

from tests.spec import rooms


@dataclass(frozen=True, slots=True)
class Requirement:
    """``sentence`` says what the service does; ``source`` names where that is asked: a contract page or a decision."""

    sentence: str
    source: str


def requirement(*ids: str) -> pytest.MarkDecorator:
    """Claim behaviours for a test."""
    return pytest.mark.requirement(*ids)


def all_requirements() -> dict[str, Requirement]:
    """Every requirement by id; an id that stands in two rooms is an error."""
    found: dict[str, Requirement] = {}
    for module in pkgutil.iter_modules(rooms.__path__):
        room: dict[str, Requirement] = importlib.import_module(f"{rooms.__name__}.{module.name}").REQUIREMENTS
        twice = found.keys() & room.keys()
        if twice:
            message = f"requirements defined twice: {sorted(twice)}"
            raise ValueError(message)
        found |= room
    return found
