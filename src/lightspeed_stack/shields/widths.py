"""How far a pattern can look: what makes it fit for a text that comes in pieces.

Python's own parser reads the pattern, because it tells widths; ``regex`` searches with it, because it tells where a
match may begin. What the two read differently is refused here.
"""

import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from re import _constants as codes
from re import _parser as parser
from typing import Any

MAX_WIDTH = 1024


@dataclass(frozen=True, slots=True)
class Reach:
    """In characters: ``ahead`` from where a match starts to the last one that is looked at, ``behind`` before it.

    ``single``: a match is one character, and nothing around it is looked at.
    """

    ahead: int
    behind: int
    single: bool = False


@dataclass(frozen=True, slots=True)
class Expression:
    """A pattern in the words of ``regex``: ``flags`` as they stand at its beginning, ``body`` without them."""

    flags: str
    body: str
    reach: Reach

    def wrapped(self, template: str) -> str:
        """The pattern where ``{}`` stands in ``template``."""
        end = "\n" if "x" in self.flags else ""  # a comment at its end would go on
        return self.flags + template.replace("{}", self.body + end)


class Unsuitable(ValueError):
    """A pattern that no text in pieces can be searched for; ``fix`` says what to write instead."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


def expression(pattern: str) -> Expression:
    """Read and measure a pattern. Raises Unsuitable."""
    _parsed(pattern)  # before its parts are looked at: what does not compile is told as such
    flags = match[0] if (match := re.match(r"\(\?[aimsux]+\)", pattern)) else ""
    body = "".join(_translated(pattern[len(flags) :]))
    tree = _parsed(flags + body)
    least, most = tree.getwidth()
    beyond, behind = _around(tree)
    ahead = most + beyond
    if least == 0:
        raise Unsuitable("the pattern matches the empty text", "write + for *, and no ? around the whole")
    if max(ahead, behind) >= codes.MAXREPEAT:
        message = "the pattern has no longest match, so that text could be held back without end"
        raise Unsuitable(message, "write {1,100} for + and {0,100} for *; `continues` takes out what goes on behind")
    if max(ahead, behind) > MAX_WIDTH:
        message = f"the pattern can match {max(ahead, behind)} characters; more than {MAX_WIDTH} cannot be held back"
        raise Unsuitable(message, "write lower repetitions; `continues` takes out what goes on behind")
    return Expression(flags, body, Reach(ahead, behind, single=(least, ahead, behind) == (1, 1, 0)))


TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL)
REPETITION = re.compile(r"\{(?:[0-9]+(?:,[0-9]*)?|,[0-9]+)\}")

# At the end of what is there these look at the next character, so that they are not decided before it has come.
BOUNDARIES = {
    r"\b": r"(?:(?<=\w)(?!\w)|(?<!\w)(?=\w))",
    r"\B": r"(?:(?<=\w)(?=\w)|(?<!\w)(?!\w))",
}


def _translated(pattern: str) -> Iterator[str]:
    for token in TOKEN.finditer(pattern):
        # ``regex`` reads other braces as leave to match something similar, of any width.
        if token[0] == "{" and REPETITION.match(pattern, token.start()) is None:
            raise Unsuitable("a brace stands where nothing is repeated", "write \\{ for a brace in the text")
        if len(token[0]) > 2 and re.search(r"(?<!\\)(?:\\\\)*\[", token[0][1:]):
            raise Unsuitable("a bracket stands in a set of characters", "write \\[ for a bracket in a set")
        yield BOUNDARIES.get(token[0], token[0])


def _parsed(pattern: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return parser.parse(pattern)
    except re.error as error:
        message = f"the pattern does not compile: {error.msg}"
        raise Unsuitable(message, "write it as for Python's re module") from None
    except (Warning, ValueError):
        raise Unsuitable("the pattern can be read in two ways", "write \\ before each sign of a set") from None
    except (OverflowError, RecursionError):
        raise Unsuitable("the pattern is too large", "write lower repetitions, and fewer groups in groups") from None


def _around(tree: Any) -> tuple[int, int]:
    """How far look-arounds see beyond the end of what matches, and before its start."""
    beyond = behind = 0
    for code, value in tree.data:
        ahead, back = _widest(_around(inner) for inner in _inner(value))
        if code in {codes.ASSERT, codes.ASSERT_NOT}:
            direction, inner = value
            least, width = inner.getwidth()
            if direction < 0 and least != width:  # in partial matches ``regex`` errs with these
                raise Unsuitable("a look-behind has no single width", "write one for each width: (?<!a)(?<!bc)")
            ahead, back = (ahead + width, back) if direction > 0 else (ahead, back + width)
        elif code is codes.AT:
            _raise_for_end(value)
            back = 1
        beyond, behind = max(beyond, ahead), max(behind, back)
    return beyond, behind


def _widest(found: Iterable[tuple[int, int]]) -> tuple[int, int]:
    pairs = list(found)
    return max((one for one, _ in pairs), default=0), max((two for _, two in pairs), default=0)


def _inner(value: Any) -> Iterator[Any]:
    """The patterns inside an operation."""
    if isinstance(value, parser.SubPattern):
        yield value
    elif isinstance(value, tuple | list):
        for operand in value:
            yield from _inner(operand)


def _raise_for_end(where: Any) -> None:
    if where in {codes.AT_END, codes.AT_END_STRING}:
        raise Unsuitable("the pattern looks for the end of the text", "leave out $ and \\Z; (?!.) is the end of a line")
    if where in {codes.AT_BOUNDARY, codes.AT_NON_BOUNDARY}:
        raise Unsuitable("a boundary stands behind a comment with brackets", "leave out the comment")
