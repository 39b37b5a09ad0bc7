"""What redaction means, told in the plainest way on a whole text; streams are compared with it."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import regex

from lightspeed_stack.shields.scanning import Bank, Rule, Scan, Tail, redact
from lightspeed_stack.shields.widths import expression


def shown(kind: str) -> str:
    return f"<{kind}>"


@dataclass(frozen=True)
class Definition:
    """A rule as it is written: ``continues`` may follow a match, and ``unless`` may not stand before it."""

    kind: str
    pattern: str
    continues: str | None = None
    check: Callable[[str], int] = len
    unless: str | None = None

    @classmethod
    def of(cls, rule: Rule) -> "Definition":
        continues = None if rule.tail is None else rule.tail.piece.body
        return cls(rule.kind, f"{rule.lead}(?:{rule.pattern.body})", continues, rule.check, rule.unless)

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        at = 0
        while (match := regex.search(self.pattern, text, pos=at)) is not None:
            start, end = match.span("secret") if "secret" in match.groupdict() else match.span()
            if end <= start:
                start, end = match.span()
            length = 0 if self.follows(text[:start]) else self.check(text[start:end])
            if length == 0:
                at = match.start() + 1
                continue
            end = start + length
            while self.continues and (more := regex.match(self.continues, text, pos=end)) is not None:
                end = more.end()
            yield start, end
            at = end

    def follows(self, before: str) -> bool:
        return self.unless is not None and re.search(rf"(?:{self.unless})\Z", before) is not None

    def rule(self) -> Rule:
        tail = None if self.continues is None else Tail(expression(self.continues))
        return Rule(self.kind, expression(self.pattern), check=self.check, tail=tail)


def without(text: str, definitions: Sequence[Definition]) -> list[tuple[str, int]]:
    """What is given out for a text, in order: each piece with how far in the text it reaches."""
    found = sorted(
        (start, order, end, definition.kind)
        for order, definition in enumerate(definitions)
        for start, end in definition.spans(text)
    )
    given: list[tuple[str, int]] = []
    at = 0
    for start, _, end, kind in found:
        if start >= at:
            given += [(text[place], place + 1) for place in range(at, start)]
            given.append((shown(kind), end))
        elif given:
            given[-1] = (given[-1][0], max(given[-1][1], end))
        at = max(at, end)
    return given + [(text[place], place + 1) for place in range(at, len(text))]


def check_watch(text: str, pieces: Sequence[str], banks: Sequence[Bank], given: list[tuple[str, int]]) -> None:
    """Feed the pieces; what comes out is ``given`` and nothing else, and not later than the banks' bound."""
    expected = "".join(piece for piece, _ in given)
    assert redact(text, banks, shown) == expected
    scan, said, came = Scan(banks, shown), "", 0
    bound = max(bank.reach for bank in banks)
    for piece in pieces:
        said += scan.feed(piece)
        came += len(piece)
        assert expected.startswith(said)
        assert scan.held <= bound
        assert came - reaches(given, said) <= bound
    assert said + scan.feed("", last=True) == expected
    assert scan.changed == sum(len(piece) > 1 for piece, _ in given)


def reaches(given: list[tuple[str, int]], said: str) -> int:
    """How far in the text that was given out is settled: to where the next piece begins that was not."""
    length = settled = 0
    for piece, end in given:
        length += len(piece)
        if length > len(said):
            break
        settled = end
    return settled
