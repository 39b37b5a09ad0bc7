"""Takes secrets, addresses and numbers out of what is said, by patterns: those it knows, and the operator's own.

A stream is held back where such a thing may have begun, for at most ``Redaction.bound`` characters.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import anyio.lowlevel
from pydantic import Field, field_validator, model_validator

from lightspeed_stack.config.section import Breach, RulesBroken, Section
from lightspeed_stack.config.values import NonEmpty
from lightspeed_stack.shields.base import Materials, Objection, Stage, Violation
from lightspeed_stack.shields.patterns import GROUPS, KINDS, RULES
from lightspeed_stack.shields.scanning import Bank, Rule, Scan, Tail, TookTooLong, redact
from lightspeed_stack.shields.widths import Unsuitable, expression

log = logging.getLogger(__name__)

STEP = 16_384
"""Characters of a long text that are searched at once: some milliseconds."""

DEFAULT_KINDS = ("keys", "tokens", "passwords", "iban", "cards", "email")


class PatternSection(Section):
    """A pattern of the operator's own."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9_.-]{1,64}$",
        description="What it finds; it stands in the replacement.",
        examples=["ticket"],
    )
    pattern: NonEmpty = Field(
        description="A regular expression as Python's `re` has them, with a longest match of at most 1,024 characters. "
        "A group named `secret` is what is taken out; without one it is the whole match.",
        examples=["ACME-[0-9]{6,12}"],
    )
    continues: NonEmpty | None = Field(
        default=None,
        description="What may follow a match any number of times and is taken out with it, mostly a set of characters.",
        examples=["[0-9A-Z]"],
    )

    @field_validator("pattern", "continues")
    @classmethod
    def _fits(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                _bank("", pattern)
            except Unsuitable as reason:
                raise RulesBroken(Breach(reason.message, reason.fix)) from None
        return pattern


def _bank(name: str, pattern: str, continues: str | None = None) -> Bank:
    """One pattern alone, so that its flags and groups are its own. Raises Unsuitable."""
    tail = None if continues is None else Tail(expression(continues))
    return Bank(name, [Rule(name, expression(pattern), tail=tail)])


class Settings(Section):
    """What redaction takes out, and what it writes instead."""

    kinds: tuple[str, ...] = Field(
        default=DEFAULT_KINDS,
        description=f"What to take out: {', '.join(f'`{name}`' for name in DEFAULT_KINDS)}, or single kinds of these.",
        examples=[["keys", "tokens"]],
    )
    patterns: tuple[PatternSection, ...] = Field(default=(), description="Patterns of your own.")
    replacement: NonEmpty | None = Field(
        default=None, description="What to write instead; null means `[REDACTED:kind]`.", examples=["***"]
    )

    @field_validator("kinds")
    @classmethod
    def _known(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        known = [*GROUPS, *KINDS]
        breaches = [
            Breach(f"there is no kind '{kind[:64]}'", f"write some of: {', '.join(known)}", str(at))
            for at, kind in enumerate(kinds)
            if kind not in known
        ]
        if breaches:
            raise RulesBroken(*breaches)
        return kinds

    @field_validator("patterns")
    @classmethod
    def _names_once(cls, patterns: tuple[PatternSection, ...]) -> tuple[PatternSection, ...]:
        names = [*KINDS, *(pattern.name for pattern in patterns)]
        breaches = [
            Breach(f"the name '{name}' is taken", "give each pattern a name of its own", f"{at}/name")
            for at, name in enumerate(names[len(KINDS) :])
            if name in names[: len(KINDS) + at]
        ]
        if breaches:
            raise RulesBroken(*breaches)
        return patterns

    @model_validator(mode="after")
    def _replacements_stay(self) -> Self:
        """What stands for a finding must not be one: what is stored is looked at again."""
        names = [pattern.name for pattern in self.patterns]
        shown = "\n".join(dict.fromkeys(self.replaced(kind) for kind in (*KINDS, *names)))
        breaches = []
        for bank in self.banks():
            own = bank.name in names
            try:
                if redact(shown, [bank], lambda _kind: "") == shown:
                    continue
                message = (
                    "the pattern finds what is written instead of a finding" if own else "this is itself a finding"
                )
                fix = "make it more particular, or set another replacement" if own else "write  replacement: '***'"
            except TookTooLong:
                message, fix = "the pattern takes too long", "have no repetitions inside of repetitions"
            key = f"patterns/{names.index(bank.name)}/pattern" if own else "replacement"
            breaches.append(Breach(message, fix, key))
        if breaches:
            raise RulesBroken(*breaches)
        return self

    def replaced(self, kind: str) -> str:
        return self.replacement or f"[REDACTED:{kind}]"

    def banks(self) -> tuple[Bank, ...]:
        """The built-in patterns together, the others one by one."""
        chosen = {kind for name in self.kinds for kind in GROUPS.get(name, (name,))}
        rules = [rule for rule in RULES if rule.kind in chosen]
        own = [_bank(each.name, each.pattern, each.continues) for each in self.patterns]
        return (Bank("built-in patterns", rules), *own) if rules else tuple(own)


def build(settings: Settings, materials: Materials) -> "Redaction":
    return Redaction(materials.identifier, materials.stage, materials.required, settings, settings.banks())


@dataclass(frozen=True, slots=True)
class Redaction:
    """See Shield. It never refuses, unless a pattern takes too long for a text."""

    identifier: str
    stage: Stage
    required: bool
    settings: Settings
    banks: tuple[Bank, ...]

    @property
    def provider_id(self) -> str:
        return "redaction"

    @property
    def provider_resource_id(self) -> str:
        return "patterns"

    @property
    def params(self) -> Mapping[str, Any]:
        names = [pattern.name for pattern in self.settings.patterns]
        return {"kinds": list(self.settings.kinds), "patterns": names}

    @property
    def bound(self) -> int:
        """The most characters that a watch holds back."""
        return max((bank.reach for bank in self.banks), default=0)

    def watch(self, stage: Stage) -> "RedactingWatch":
        return RedactingWatch(self.identifier, Scan(self.banks, self.settings.replaced))

    def clean(self, text: str) -> str:
        """The text without what is found in it; nothing of it where a pattern takes too long."""
        try:
            return redact(text, self.banks, self.settings.replaced)
        except TookTooLong as found:
            _log_slow(self.identifier, found)
            return self.settings.replaced(found.name)


@dataclass(slots=True)
class RedactingWatch:
    """See Watch."""

    shield: str
    scan: Scan

    @property
    def changed(self) -> int:
        return self.scan.changed

    @property
    def held(self) -> int:
        """How many characters are held back."""
        return self.scan.held

    async def feed(self, text: str) -> str:
        if len(text) <= STEP:
            return self._feed(text)
        pieces = []
        for at in range(0, len(text), STEP):
            pieces.append(self._feed(text[at : at + STEP]))
            await anyio.lowlevel.checkpoint()  # a long text is not to be in the way of others
        return "".join(pieces)

    async def close(self) -> str:
        return self._feed("", last=True)

    def _feed(self, text: str, *, last: bool = False) -> str:
        try:
            return self.scan.feed(text, last=last)
        except TookTooLong as found:
            _log_slow(self.shield, found)
            raise Objection(Violation(self.shield)) from None


def _log_slow(shield: str, found: TookTooLong) -> None:
    log.error("the shield %s let nothing pass: the pattern %s took too long for a text", shield, found.name)
