"""Text from tools and documents that gives orders to the model which reads it: withheld, or without those lines.

It needs no model. ``injection_text`` takes out what cannot be seen, and the markers of chat templates, in any case;
``injection_search`` finds the signs. It is one wall of several: a text that gives its orders in words that nobody
thought of passes, which is why tools also have rights and budgets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import anyio
import anyio.to_thread
import regex
from pydantic import Field, field_validator

from lightspeed_stack.config.section import Breach, RulesBroken, Section
from lightspeed_stack.config.values import NonEmpty
from lightspeed_stack.shields.base import Materials, Objection, Stage, Violation, Watch
from lightspeed_stack.shields.injection_aims import ADDRESS, TAKING
from lightspeed_stack.shields.injection_languages import OTHERS
from lightspeed_stack.shields.injection_orders import NEW_ORDERS, OVERRIDE
from lightspeed_stack.shields.injection_search import Orders, orders
from lightspeed_stack.shields.injection_signs import Sign
from lightspeed_stack.shields.injection_text import scrubbed

type Sensitivity = Literal["low", "medium", "high"]

SIGNS = (*OVERRIDE, *NEW_ORDERS, *ADDRESS, *TAKING, *OTHERS)
THRESHOLDS: Mapping[Sensitivity, float] = {"low": 1.4, "medium": 1.0, "high": 0.6}
SURE = 1.5
"""The weight of what an operator names: enough at any sensitivity."""

MAX_TEXT = 250_000
"""Characters of one text; a longer one is withheld."""

SECONDS = 5.0
"""For one text, after which it is withheld: some ten times what the longest takes."""

SHORT = 1000
"""Characters that are searched at once; more are searched in a thread, so that nobody waits for it."""

WITHHELD = "This text was withheld: it tries to give orders to the assistant."
REMOVED = "[removed here: text that tries to give orders to the assistant]"


class Settings(Section):
    """Settings of a shield of type ``injection``."""

    action: Literal["withhold", "mark"] = Field(
        default="withhold",
        description="What happens to a text that gives orders: `withhold` keeps all of it from the model, `mark` puts "
        "a note in the place of the lines with the orders.",
    )
    sensitivity: Sensitivity = Field(
        default="medium", description="How soon a text is taken for an attack: `low`, `medium` or `high`."
    )
    patterns: tuple[NonEmpty, ...] = Field(
        default=(),
        description="Further regular expressions that are taken for orders; the text is searched in lower case and "
        "without accents and underscores.",
        examples=[["wire the money", "transfer .{1,40} to account"]],
    )

    @field_validator("patterns")
    @classmethod
    def _usable(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        breaches = [
            Breach(f"the pattern {problem}", "write a regular expression", str(index))
            for index, pattern in enumerate(patterns)
            if (problem := _problem(pattern)) is not None
        ]
        if breaches:
            raise RulesBroken(*breaches)
        return patterns


def _problem(pattern: str) -> str | None:
    if len(pattern) > 500:
        return "has more than 500 characters"
    try:
        found = regex.compile(pattern).search("", timeout=0.1)
    except (regex.error, TimeoutError) as error:
        return f"cannot be used: {error}"
    return None if found is None else "matches everything"


def build(settings: Settings, materials: Materials) -> "Injection":
    """Build the shield. It looks at sources, whatever its name says."""
    own = tuple(Sign("configured", SURE, regex.compile(pattern, regex.IGNORECASE)) for pattern in settings.patterns)
    return Injection(materials.identifier, materials.required, settings, (*SIGNS, *own))


@dataclass(frozen=True, slots=True)
class Injection:
    """See Shield. ``seconds`` are for one text, and ``threads`` bounds how many long ones are searched at once."""

    identifier: str
    required: bool
    settings: Settings
    signs: Sequence[Sign] = SIGNS
    seconds: float = SECONDS
    threads: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(2))
    provider_id: str = "injection"
    provider_resource_id: str = "signs"
    stage: Stage = Stage.SOURCE

    @property
    def params(self) -> Mapping[str, Any]:
        return {"action": self.settings.action, "sensitivity": self.settings.sensitivity}

    def watch(self, stage: Stage) -> Watch:
        """See Shield. A source is held until it is over."""
        return _Screening(self)

    def clean(self, text: str) -> str:
        """See Shield. It keeps a text from models, not from what is stored."""
        return text

    async def screened(self, text: str) -> tuple[str, int]:
        """What a model may read of a text, and how many places were taken out. Raises Objection."""
        if len(text) <= SHORT:
            return self._screened(text)
        search = partial(self._screened, text)
        return await anyio.to_thread.run_sync(search, abandon_on_cancel=True, limiter=self.threads)

    def _screened(self, text: str) -> tuple[str, int]:
        plain, changed = scrubbed(text)
        # Markers are signs too, so what is searched has them still.
        places = self._orders(text)
        if not places:
            return plain, changed
        if self.settings.action == "withhold":
            raise self.objection(frozenset[str]().union(*(place.signs for place in places)))
        rest, removed = _without(plain, places)
        left = self._orders(rest)
        if left:
            raise self.objection(frozenset[str]().union(*(place.signs for place in left)))
        return rest, changed + removed

    def _orders(self, text: str) -> list[Orders]:
        try:
            return orders(text, self.signs, threshold=THRESHOLDS[self.settings.sensitivity], seconds=self.seconds)
        except TimeoutError as error:
            raise self.objection(frozenset({"timeout"})) from error

    def objection(self, signs: frozenset[str]) -> Objection:
        return Objection(Violation(self.identifier, WITHHELD, {"signs": sorted(signs)}))


class _Screening:
    """See Watch."""

    def __init__(self, shield: Injection) -> None:
        self._shield = shield
        self._pieces: list[str] = []
        self._length = 0
        self._changed = 0

    @property
    def changed(self) -> int:
        return self._changed

    async def feed(self, text: str) -> str:
        """See Watch."""
        self._length += len(text)
        if self._length > MAX_TEXT:
            self._pieces.clear()
            raise self._shield.objection(frozenset({"too-long"}))
        self._pieces.append(text)
        return ""

    async def close(self) -> str:
        """See Watch."""
        text = "".join(self._pieces)
        self._pieces.clear()
        rest, self._changed = await self._shield.screened(text)
        return rest


def _without(text: str, places: Sequence[Orders]) -> tuple[str, int]:
    """The text with a note in the place of those lines, and how many notes that are."""
    bad = frozenset[int]().union(*(place.lines for place in places))
    kept: list[str] = []
    notes = 0
    for number, line in enumerate(text.split("\n")):
        if number not in bad:
            kept.append(line)
        elif number - 1 not in bad:
            kept.append(REMOVED)
            notes += 1
    return "\n".join(kept), notes
