"""Words of tools, and how well they fit those of a question (pure).

Source of the score: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009, section 3;
a word of the name counts for several, as in BM25F with weights in place of fields.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log

from lightspeed_stack.backends.base import ToolSpec

K1 = 1.2
B = 0.75
NAME_WEIGHT = 2

MAX_DESCRIPTION = 1_000
MAX_TEXT = 400
"""Characters of a description that are embedded: what a tool is for stands at its beginning, and more takes longer."""

MAX_ARGUMENTS = 50
MAX_WORDS = 64
"""Different words of a question that are looked at."""

CASES = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
WORD = re.compile(r"[^\W_]+")
STOPWORDS = frozenset(
    re.findall(
        r"\w+",
        "a about all am an and any are as at be been but by can could did do does for from get had has have i if in "
        "into is it its me my no not of on one or our please should so than that the their them there these they "
        "this to us use used was we were will with would you your",
    )
)
"""Without ``who``, ``when`` and the like, which tell what a tool finds out."""


@dataclass(frozen=True, slots=True)
class Described:
    """A tool by its words: how often each occurs, how many there are, and the tool as a sentence or two."""

    words: Mapping[str, int]
    length: int
    text: str


def described(spec: ToolSpec) -> Described:
    name = " ".join(_split(spec.name))
    description = " ".join(spec.description[:MAX_DESCRIPTION].split())
    counts = Counter(words(name) * NAME_WEIGHT + words(description) + words(" ".join(_arguments(spec.parameters))))
    text = f"{description[:MAX_TEXT]} ({name})" if description else name
    # Half a surrogate pair can be said in JSON, but not be embedded.
    return Described(counts, counts.total(), text.encode("utf-8", "replace").decode())


def words(text: str) -> list[str]:
    """What a text says, word by word, without endings; names are split at signs and capitals."""
    return [_stem(word) for word in _split(text) if word not in STOPWORDS]


def scores(question: str, tools: Sequence[Described]) -> list[float]:
    """How well each tool fits by its words; 0 where it has none of the question's."""
    asked = tuple(dict.fromkeys(words(question)))[:MAX_WORDS]
    usual = max(sum(tool.length for tool in tools) / max(len(tools), 1), 1)
    found = [0.0] * len(tools)
    for word in asked:
        having = [number for number, tool in enumerate(tools) if word in tool.words]
        rare = log(1 + (len(tools) - len(having) + 0.5) / (len(having) + 0.5))
        for number in having:
            often = tools[number].words[word]
            found[number] += rare * often * (K1 + 1) / (often + K1 * (1 - B + B * tools[number].length / usual))
    return found


def _arguments(parameters: str) -> list[str]:
    try:
        schema = json.loads(parameters)
    except (ValueError, RecursionError):
        return []
    properties = schema.get("properties") if isinstance(schema, dict) else None
    return list(properties)[:MAX_ARGUMENTS] if isinstance(properties, dict) else []


def _split(text: str) -> list[str]:
    return WORD.findall(CASES.sub(" ", text).lower())


def _stem(word: str) -> str:
    """A word without the commonest English endings, so that forms of one word are one."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("sses", "shes", "ches", "xes")):
        word = word[:-2]
    elif len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        if len(word) > len(ending) + 2 and word.endswith(ending):
            word = word[: -len(ending)]
            if word[-1] == word[-2] and word[-1] not in "lsz":
                word = word[:-1]
            break
    return word[:-1] if len(word) > 3 and word.endswith("e") else word
