"""Finds what must not be said in a text that comes in pieces, and takes it out.

What it finds is said of the whole text. For each rule: its leftmost matches, none over another, that pass its check;
what goes on behind a match belongs to it. What any rule finds is taken out, and where findings overlap there is one
replacement, that of the first.

A place of the text is *decided* when no text to come can change what is found there. ``regex`` tells which are not:
with ``partial`` it stops where it looks at the end of what is there. A rule in an atomic group before ``(?!)`` matches
nowhere, so the leftmost partial match of that is the first place that is not decided. Text is given out up to there,
and that is never farther from the end than the rules look ahead.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import regex

from lightspeed_stack.shields.identifiers import Check
from lightspeed_stack.shields.widths import Expression, Reach, Unsuitable, expression

PATIENCE = 0.25
"""Seconds for one search of up to ``SLICE`` characters; a pattern that takes longer may well take years."""

SLICE = 65_536

LONG = 256
"""Characters from which on searching for each rule is faster than first searching for all together."""


def _compile(source: str) -> regex.Pattern[str]:
    """Raises Unsuitable."""
    try:
        return regex.compile(source, regex.VERSION0)
    except regex.error:
        raise Unsuitable(
            "the pattern does not compile", "write it as for Python's re module, in simple words"
        ) from None


class Tail:
    """What goes on behind a match, piece after piece: so that a token of any length is taken out, held or not."""

    def __init__(self, piece: Expression) -> None:
        self.piece = piece
        self.reach = piece.reach
        self._single = piece.reach.single
        self._piece = _compile(piece.wrapped("(?:{})*+" if self._single else "{}"))
        self._undecided = _compile(piece.wrapped("(?>{})(?!)"))

    def end(self, text: str, at: int, patience: float, *, last: bool) -> tuple[int, bool]:
        """Where what goes on at ``at`` ends, as far as that is decided, and whether it may still go on."""
        if self._single:
            found = self._piece.match(text, at, timeout=patience)
            end = at if found is None else found.end()
            return end, not last and end == len(text)
        while True:
            if not last and self._undecided.match(text, at, partial=True, timeout=patience) is not None:
                return at, True
            found = self._piece.match(text, at, timeout=patience)
            if found is None:
                return at, False
            at = found.end()


@dataclass(frozen=True, slots=True)
class Rule:
    """One pattern, and ``kind``, a name for what it finds; ``lead`` stands before it, the same for many rules.

    A group named ``secret`` is what is taken out; the whole match where there is none. ``unless``: what may not stand
    just before that.
    """

    kind: str
    pattern: Expression
    lead: str = ""
    check: Check = len
    tail: Tail | None = None
    unless: str | None = None

    @property
    def reach(self) -> Reach:
        """With all that is around the pattern."""
        whole = expression(self.pattern.wrapped(f"{self.lead}(?:{{}})")).reach
        tail = self.tail.reach if self.tail is not None else whole
        before = expression(self.unless).reach.ahead if self.unless else 0
        return Reach(max(whole.ahead, tail.ahead), max(whole.behind, tail.behind, before))


class Bank:
    """Rules that are searched for together, and its name for the log. Rules with flags or group numbers stand alone.

    ``reach`` is how many characters are held at most, ``behind`` how many are looked at before the place of a search.
    """

    def __init__(self, name: str, rules: Sequence[Rule]) -> None:
        self.name = name
        self.rules = tuple(rules)
        self.aheads = [rule.reach.ahead for rule in rules]
        self.reach = max(self.aheads)
        self.behind = max(rule.reach.behind for rule in rules)
        self.single = [_compile(rule.pattern.wrapped(f"{rule.lead}(?:{{}})")) for rule in rules]
        self._groups = ["secret" if "secret" in compiled.groupindex else 0 for compiled in self.single]
        self._unless = [_before(rule.unless) for rule in rules]
        self.undecided = [_compile(rule.pattern.wrapped(f"(?>{rule.lead}(?:{{}}))(?!)")) for rule in rules]
        self.any = _compile(_joined(rules)) if len(rules) > 1 else self.single[0]

    def secret(self, number: int, match: regex.Match[str]) -> tuple[int, int]:
        """From where to where a match of a rule is what the rule looks for; an empty range where it is not."""
        start, end = match.span(self._groups[number])
        start = max(start, match.start())
        if end <= start:
            start, end = match.span()
        unless = self._unless[number]
        if unless is not None and unless(match.string, start):
            return start, start
        return start, start + self.rules[number].check(match.string[start:end])


def _before(pattern: str | None) -> Callable[[str, int], bool] | None:
    """Tells whether a pattern stands just before a place. ``regex`` errs with such look-behinds in partial matches."""
    if pattern is None:
        return None
    width = expression(pattern).reach.ahead
    ending = re.compile(rf"(?:{pattern})\Z")
    return lambda text, at: ending.search(text, max(0, at - width), at) is not None


def _joined(rules: Sequence[Rule]) -> str:
    """One pattern that finds what any rule finds. A lead that stands once for all is what makes it fast."""
    led: dict[str, list[str]] = {}
    for rule in rules:
        led.setdefault(rule.lead, []).append(rule.pattern.wrapped("(?:{})"))
    return "|".join(f"{lead}(?:{'|'.join(bodies)})" for lead, bodies in led.items())


class TookTooLong(Exception):
    """A search was given up; ``name`` is that of its bank."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(slots=True, eq=False)
class _Finding:
    """A range of the text to take out; ``order`` is that of the rules. ``grows``: its end is not decided."""

    start: int
    end: int
    order: int
    kind: str
    grows: bool = False

    def place(self) -> tuple[int, int]:
        return self.start, self.order


def redact(text: str, banks: Sequence[Bank], replacement: Callable[[str], str]) -> str:
    """The text with each finding replaced. Raises TookTooLong."""
    return Scan(banks, replacement).feed(text, last=True)


class Scan:
    """One text in pieces: what ``feed`` gives, joined, is the same however it was cut.

    Places are counted from the beginning of the text; ``_base`` is that of the first character which is still here.
    """

    def __init__(self, banks: Sequence[Bank], replacement: Callable[[str], str]) -> None:
        self.changed = 0
        self._replacement = replacement
        self._findings: list[_Finding] = []
        orders = count()
        self._lanes = [_Lane(bank, orders, self._findings) for bank in banks]
        self._behind = max((bank.behind for bank in banks), default=0)
        self._text = ""
        self._base = 0
        self._given = 0
        self._growing: list[_Finding] = []
        self._cover = 0

    @property
    def held(self) -> int:
        """How many characters came and are not decided."""
        return self._base + len(self._text) - self._given

    def feed(self, text: str, *, last: bool = False) -> str:
        """Take the next piece, and give what is decided. Raises TookTooLong; the scan is over then."""
        self._text += text
        decided = self._base + len(self._text)
        for lane in self._lanes:
            decided = min(decided, lane.advance(self._text, self._base, last=last))
        given = self._give(decided)
        cut = decided - self._behind - self._base
        if cut > 0:
            self._text = self._text[cut:]
            self._base += cut
        return given

    def _give(self, decided: int) -> str:
        if not self._findings and not self._growing and self._cover <= self._given:
            start, self._given = self._given, decided
            return self._text[start - self._base : decided - self._base]
        pieces: list[str] = []
        self._extend()
        self._findings.sort(key=_Finding.place)
        while self._findings and self._findings[0].start < decided:
            finding = self._findings.pop(0)
            if finding.start >= self._cover:
                pieces += self._until(finding.start), self._replacement(finding.kind)
                self.changed += 1
            self._growing.append(finding)
            self._extend()
        pieces.append(self._until(decided))
        return "".join(pieces)

    def _extend(self) -> None:
        """Let what was taken out last reach to the end of all that it is made of, some of which may still grow."""
        self._cover = max(self._cover, *(one.end for one in self._growing), 0)
        self._growing = [one for one in self._growing if one.grows]

    def _until(self, place: int) -> str:
        """What may be given out from where that ended to ``place``."""
        start = max(self._given, self._cover)
        self._given = max(self._given, place)
        return self._text[start - self._base : place - self._base] if start < place else ""


class _Lane:
    """The rules of a bank on their way along a text. Its findings go into ``findings``, each one only once decided."""

    def __init__(self, bank: Bank, orders: Iterator[int], findings: list[_Finding]) -> None:
        self._bank = bank
        self._orders = [next(orders) for _ in bank.rules]
        self._next = [0] * len(bank.rules)
        self._findings = findings
        self._growing: list[tuple[int, _Finding]] = []
        self._at = 0

    def advance(self, text: str, base: int, *, last: bool) -> int:
        """Find all that is decided in ``text``, which starts at ``base``; give the first place that is not."""
        patience = PATIENCE * (1 + len(text) // SLICE)
        growing, self._growing = self._growing, []
        limit = base + len(text)
        try:
            for number, finding in growing:
                limit = min(limit, self._grow(number, finding, text, base, patience, last=last))
            limit = min(limit, self._find(text, base, limit, patience, last=last))
        except TimeoutError:
            raise TookTooLong(self._bank.name) from None
        self._at = limit
        return limit

    def _find(self, text: str, base: int, limit: int, patience: float, *, last: bool) -> int:
        bank, start = self._bank, self._at - base
        if len(text) - start < LONG:
            match = bank.any.search(text, start, partial=not last, timeout=patience)
            if match is None or match.partial:
                return limit if match is None else match.start() + base
        if not last:
            for look, ahead in zip(bank.undecided, bank.aheads, strict=True):
                match = look.search(text, max(start, len(text) - ahead), partial=True, timeout=patience)
                limit = limit if match is None else min(limit, match.start() + base)
        for number in range(len(bank.rules)):
            limit = min(limit, self._take(number, text, base, limit, patience, last=last))
        return limit

    def _take(self, number: int, text: str, base: int, limit: int, patience: float, *, last: bool) -> int:
        """Keep what a rule finds before ``limit``; give up to where its next search is decided."""
        bank, at = self._bank, max(self._next[number], self._at) - base
        while (match := bank.single[number].search(text, at, timeout=patience)) and match.start() + base < limit:
            start, end = bank.secret(number, match)
            if end > start:
                finding = _Finding(start + base, end + base, self._orders[number], bank.rules[number].kind)
                self._findings.append(finding)
                limit = min(limit, self._grow(number, finding, text, base, patience, last=last))
                at = finding.end - base
            else:
                at = match.start() + 1
        return limit

    def _grow(self, number: int, finding: _Finding, text: str, base: int, patience: float, *, last: bool) -> int:
        """Let a finding go on; give its end where it may still do so, for there its rule looks for the next."""
        tail = self._bank.rules[number].tail
        if tail is not None:
            end, finding.grows = tail.end(text, finding.end - base, patience, last=last)
            finding.end = end + base
        self._next[number] = finding.end
        if not finding.grows:
            return base + len(text)
        self._growing.append((number, finding))
        return finding.end
