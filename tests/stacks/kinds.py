"""The columns of the table: releases, and the ways in which they run."""

import os
from dataclasses import dataclass

import pytest

from tests.servers.stacks import INSTALLED, RELEASES, Release
from tests.spec.rooms.stacks import BEHAVIOURS

NEWEST = "ogx-1.5.0"

RESULTS = INSTALLED / "results.json"
"""What the last run of this suite has shown; the table is written from it."""

DEMANDED = "LIGHTSPEED_TEST_STACKS"
"""The environment variable in which make names the releases that it has installed: their tests may not be skipped."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A release as a server, or as a library."""

    release: Release
    library: bool = False

    @property
    def name(self) -> str:
        return f"library-{self.release.name}" if self.library else self.release.name

    @property
    def long(self) -> bool:
        """Whether its tests are left to ``make test-all``."""
        return self.release.name != NEWEST

    def has(self, need: str | None) -> bool:
        """Whether a behaviour that needs this can be had."""
        match need:
            case "shields":
                return self.release.shields
            case "statuses":
                return self.release.statuses
            case "server":
                return not self.library
        return True

    def shows(self, requirements: tuple[str, ...]) -> bool:
        return all(self.has(BEHAVIOURS[id_].needs) for id_ in requirements)

    def check_installed(self) -> None:
        """Skip the test where the release is not there; fail where make has said that it is."""
        if self.release.installed:
            return
        reason = f"{self.release.name} is not installed; install it with:  sh scripts/stacks.sh {self.release.name}"
        if self.release.name in os.environ.get(DEMANDED, "").split():
            pytest.fail(reason)
        pytest.skip(reason)


KINDS = tuple(Kind(release, library=library) for library in (False, True) for release in RELEASES.values())
"""In the order of the page."""
