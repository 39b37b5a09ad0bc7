"""How a model is asked for the topic of a conversation, and what is made of its answer (pure)."""

import re
import unicodedata

INSTRUCTION = (
    "You name the topic of a question, so that it can be found again in a list. Do not answer the question.\n"
    "Write the topic in at most five words, in the language of the question. Capitalize every significant word, as in "
    "a title. Leave out articles and prepositions. Use no punctuation. Keep abbreviations and names of products as "
    "they are. Be neutral: no opinion and no judgement.\n"
    "Write the topic and nothing else."
)

MAX_LENGTH = 100
"""Characters of a topic."""

MAX_HEARD = 4000
"""Characters of an answer, thoughts included, after which nothing useful is to be hoped for."""

_THOUGHTS = re.compile(r"<(think|thinking)>.*?(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_END_OF_THOUGHTS = re.compile(r"\A.*</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"(?:```|~~~)\s*\w*")
_MARKS = re.compile(r"(?:[-*+•>]|#{1,6}|\d{1,2}[.)])\s+")
_LABEL = re.compile(r"(?:the |conversation )?(?:topic|title|summary)(?: summary)? ?[:：]", re.IGNORECASE)
_PAIRS = ('""', "''", "“”", "‘’", "„“", "‚‘", "«»", "»«", "「」", "『』", "[]", "()", "**", "__", "<>")
_COLONS = (":", "：")
_LAST = " .,;!…。:："
_JOINERS = "\u200c\u200d"
"""Invisible, and needed: they join or part letters in several scripts, and make up emoji."""


def title(answer: str) -> str:
    """The topic in a model's answer: one line of at most ``MAX_LENGTH`` characters, or empty where there is none.

    Its first line that says something, without thoughts, control characters, Markdown, quotes and labels around it.
    """
    while (cleaner := _cleaned(answer)) != answer:
        answer = cleaner
    return answer


def _cleaned(text: str) -> str:
    lines = [line for line in map(_line, _spoken(_printable(text)).splitlines()) if line]
    # "Here is the topic:" comes before one.
    chosen = next((line for line in lines if not line.endswith(_COLONS)), lines[0] if lines else "")
    return _cut(chosen.rstrip(_LAST))


def _printable(text: str) -> str:
    """Without control and format characters, halves of characters, and what is in no Unicode."""
    return "".join(
        char for char in text if char in "\n\t\r " or char in _JOINERS or unicodedata.category(char)[0] != "C"
    )


def _spoken(text: str) -> str:
    """Without thoughts; some servers put the beginning mark into the prompt, so that only the end mark is heard."""
    return _END_OF_THOUGHTS.sub("", _THOUGHTS.sub("", text))


def _line(line: str) -> str:
    line = " ".join(line.split())
    if _FENCE.fullmatch(line):
        return ""
    line = line.replace("**", "").replace("`", "")
    for pattern in (_MARKS, _LABEL):
        if found := pattern.match(line):
            line = line[found.end() :].lstrip()
    around, inside = line[:1] + line[-1:], line[1:-1]
    if around in _PAIRS and len(line) > 1 and not set(around) & set(inside):
        line = inside.strip()
    return line if any(char.isalnum() for char in line) else ""


def _cut(line: str) -> str:
    if len(line) <= MAX_LENGTH:
        return line
    whole_words, _, _ = line[: MAX_LENGTH + 1].rpartition(" ")
    return whole_words or line[:MAX_LENGTH]
