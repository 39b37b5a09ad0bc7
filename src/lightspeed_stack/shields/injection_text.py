"""Text from outside as a model may read it: what cannot be seen is taken out, and disguises are seen through. Pure.

Source: Unicode Standard Annex 15 (NFKC, NFKD) and Technical Standard 39 (confusable letters).
"""

import html
from unicodedata import normalize

import regex

_TAGS = "\U000e0000-\U000e007f"
_BIDI = "\u202a-\u202e\u2066-\u2069"
_FILLERS = "\u115f\u1160\u3164\uffa0"
_ZERO_WIDTH = rf"\u00ad\u034f\u061c\u17b4\u17b5\u180e\u200b-\u200d\u2060-\u2064\u206a-\u206f\ufeff{_FILLERS}"
_VARIATION = "\ufe00-\ufe0f\U000e0100-\U000e01ef"

# One zero-width character may join a word or a picture, and one variation selector chooses a letter's form, as in
# "❤️‍🔥"; more in a row only hide something.
_INVISIBLE = regex.compile(
    rf"[{_ZERO_WIDTH}{_VARIATION}]*[{_TAGS}{_BIDI}][{_ZERO_WIDTH}{_VARIATION}{_TAGS}{_BIDI}]*"
    rf"|[{_ZERO_WIDTH}{_VARIATION}]{{3,}}|[{_ZERO_WIDTH}]{{2,}}|[{_VARIATION}]{{2,}}"
)
_HIDDEN = regex.compile(rf"[{_TAGS}{_BIDI}{_ZERO_WIDTH}{_VARIATION}\u200e\u200f]+")

_MARKERS = regex.compile(
    r"[<＜][|｜][A-Za-z][\w▁-]{0,40}[|｜][>＞]"  # <|im_start|> and what else is so written
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT)\]"
    r"|<</?SYS>>"
    r"|</?(?:start_of_turn|end_of_turn|tool_calls?|tool_response|function_calls?|function_results?)>"
)
"""What chat templates put between messages, where a model's tokenizer would read it as such."""

_UNICODE_ESCAPE = regex.compile(r"\\u([0-9a-f]{4})|\\x([0-9a-f]{2})")
_WHITE_ESCAPE = regex.compile(r"\\[nrtvf]|%20|\\?[\"']")
_MARKS = regex.compile(r"\p{Mn}+")
_MIXED = regex.compile(r"\b(?=\p{L}*\p{Latin})(?=\p{L}*[\p{Cyrillic}\p{Greek}])\p{L}+\b")
_SPACED = regex.compile(r"\b(?:[a-z][ .*-]){2,}[a-z]\b")
_DIGITS = regex.compile(r"(?<=[a-z])[013457]+(?=[a-z]|\b)|\b[1347](?=[a-z])")

_LOOKALIKES = str.maketrans("авекмнорстухіјѕԁԛѡɡıαβεικνορτυχω", "abekmhopctyxijsdqwgiabeikvoptuxw")
_SMALL_CAPITALS = str.maketrans("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnoprstuvwyz")
_LETTERS = str.maketrans("013457", "oieast")


def scrubbed(text: str) -> tuple[str, int]:
    """The text without invisible characters and without the markers of chat templates; and how many places that were.

    No line is added or taken out. What was scrubbed once is not changed by doing it again.
    """
    seen, invisible = _INVISIBLE.subn("", text) if not text.isascii() else (text, 0)
    # A blank in its place, so that what stood around a marker is no marker now.
    plain, markers = _MARKERS.subn(" ", seen)
    return plain, invisible + markers


def folded(text: str) -> str:
    """The text in lower case, for a search only: lines stay lines, and what is written to look alike is alike.

    Compatibility forms, accents, letters of other alphabets inside Latin words, zero-width characters, HTML entities,
    escapes of JSON, digits for letters and letters set apart are seen through; underscores are blanks.
    """
    return "\n".join(_folded_line(line) for line in text.split("\n"))


def _folded_line(line: str) -> str:
    if "&" in line:
        line = html.unescape(line).replace("\n", " ")
    line = line.lower().replace("_", " ")
    if "\\" in line or "%" in line:
        line = _WHITE_ESCAPE.sub(" ", _UNICODE_ESCAPE.sub(_character, line))
    if not line.isascii():
        line = _without_disguise(line)
    line = _SPACED.sub(lambda found: regex.sub(r"[ .*-]", "", found[0]), line)
    return _DIGITS.sub(lambda found: found[0].translate(_LETTERS), line)


def _without_disguise(line: str) -> str:
    line = _HIDDEN.sub("", line)
    line = _MARKS.sub("", normalize("NFKD", line)).lower().translate(_SMALL_CAPITALS)
    return _MIXED.sub(lambda found: found[0].translate(_LOOKALIKES), line).replace("\n", " ")


def _character(found: "regex.Match[str]") -> str:
    character = chr(int(found[1] or found[2], 16)).lower()
    return character if character.isprintable() else " "
