"""Calls of tools that a model writes as text instead of making them (pure).

Small models do so, and servers that do not know a model's own form pass it on. A call is a JSON object with a tool's
name and arguments, or a list of them: alone on lines of its own, in a fence (```` ```json ````), or after a marker, in
the words of Hermes and Qwen (``<tool_call>{…}</tool_call>``), Mistral (``[TOOL_CALLS][{…}]`` and
``[TOOL_CALLS]name[ARGS]{…}``), Llama 3 (``<|python_tag|>{…}``, ``<function=name>{…}</function>``), Granite
(``<|tool_call|>[{…}]``) and Phi (``functools[{…}]``).

It begins the answer or follows a short sentence. Without a marker it has to end the answer as well: an answer that
shows some JSON and goes on is an answer. So is what stands in any other fence.
"""

import json
import re
from collections.abc import Collection, Generator
from dataclasses import dataclass
from typing import Any

from lightspeed_stack.domain.chat import ToolCall

MAX_HELD = 16_384
"""Characters that a call may have, with all around it that is held; a longer one is text."""

MAX_BEFORE = 1_000
"""Characters of answer that may stand before a call; what comes later is not looked at."""

MAX_BLANK = 8
"""Characters of white space at the beginning that are held, so that a call leaves no empty answer."""

MAX_DEPTH = 64

ENDS = {"<tool_call>": "</tool_call>", "<function=": "</function>"}
"""Markers with an end, which may be missing."""

FENCE = "```"
MARKERS = (*ENDS, "<|tool_call|>", "<|python_tag|>", "[TOOL_CALLS]", "functools", FENCE)
LANGUAGES = ("", "json", "tool_call", "tool_calls", "tool_code")

NAMES = ("name", "tool", "function", "tool_name")
ARGUMENTS = ("arguments", "parameters", "args", "input")
KEYS = frozenset({*NAMES, *ARGUMENTS, "id", "type"})
"""What the object of a call may hold."""

BLANK = " \t\r\n"
BETWEEN = BLANK + ",;"
NESTING = {"{": 1, "[": 1, "}": -1, "]": -1}
TOKEN = re.compile(r'["{}\[\]]')
STRING = re.compile(r'[^"\\]++|\\.|"', re.DOTALL)
JSON = json.JSONDecoder(strict=False)  # small models write line breaks into strings


def _beginning(marker: str) -> str:
    """A pattern for a marker, or for as much of it as stands at the end of the text."""
    pattern = ""
    for character in reversed(marker):
        pattern = re.escape(character) + (rf"(?:{pattern}|\Z)" if pattern else "")
    return pattern


START = re.compile("|".join(map(_beginning, MARKERS)) + r"|[{\[]")

type _Reading[T] = Generator[None, None, T]
"""Reads on in the text, and yields where it has to wait for more: pieces of any size give the same."""


class _NoCall(Exception):
    """What is being read is text."""


@dataclass(frozen=True, slots=True)
class _Call:
    name: str
    arguments: str


class TextCalls:
    """Reads one answer. ``names`` are the tools that may be called: what names another is text, to the last character.

    The ids of calls are ``text_call_0`` and so on.
    """

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self._text = ""  # what came and is not decided yet; what is being read begins at 0
        self._ended = False
        self._out: list[str] = []
        self._said = 0
        self._last = "\n"
        self._fresh = True  # nothing was said yet, or nothing since a call
        self._shown = False  # in a fence that holds no call
        self._calls: list[_Call] = []
        self._reading = self._answer() if names else None

    def feed(self, text: str) -> str:
        """The next piece of the answer. Gives what is certainly text and not given yet."""
        self._text += text
        return self._read_on()

    def close(self) -> tuple[str, tuple[ToolCall, ...]]:
        """The answer has ended. Gives the rest of its text, and the calls that stood in it."""
        self._ended = True
        rest = self._read_on()
        return rest, tuple(
            ToolCall(f"text_call_{number}", call.name, call.arguments) for number, call in enumerate(self._calls)
        )

    def _read_on(self) -> str:
        if self._reading is not None:
            try:
                next(self._reading)
            except StopIteration:
                self._reading = None
        if self._reading is None:
            self._say(len(self._text))
        said = "".join(self._out)
        self._out.clear()
        return said

    def _say(self, length: int) -> None:
        if length:
            self._out.append(self._text[:length])
            self._said += length
            self._last = self._text[length - 1]
            self._text = self._text[length:]
            self._fresh = False

    def _answer(self) -> _Reading[None]:
        """The whole answer, up to where no call can begin any more."""
        while self._said <= MAX_BEFORE:
            blank = yield from self._blank()
            found = START.search(self._text)
            if found is None or found.start() > blank:
                self._say(found.start() if found else len(self._text))
            elif self._may_go_on(found):
                yield
                continue
            else:
                yield from self._candidate(found)
            if not self._text:
                if self._ended:
                    return
                yield

    def _blank(self) -> _Reading[int]:
        """The length of the white space that is held; all that there is at the end of calls is left out."""
        while self._fresh:
            length = len(self._text) - len(self._text.lstrip())
            if length > MAX_BLANK:
                self._say(length)
            elif length < len(self._text):
                return length
            elif self._ended:
                self._text = "" if self._calls else self._text
                return len(self._text)
            else:
                yield
        return 0

    def _may_go_on(self, found: re.Match[str]) -> bool:
        """Whether a marker may become whole with more text."""
        whole = found[0] in MARKERS or found[0] == "{"
        return not whole and found.end() == len(self._text) and not self._ended

    def _candidate(self, found: re.Match[str]) -> _Reading[None]:
        try:
            calls, end = yield from self._call(found[0], found.end())
        except _NoCall:
            if found[0] == FENCE:
                self._shown = not self._shown
                self._say(found.end())
            else:
                self._say(found.start() + 1)
        else:
            self._calls += calls
            self._text = self._text[end:]
            self._last, self._fresh = "\n", True

    def _call(self, marker: str, at: int) -> _Reading[tuple[list[_Call], int]]:
        """The calls that begin with a marker, which ends at ``at``, and where they end."""
        if self._shown or self._last == "`":
            raise _NoCall
        if marker in {"{", "["}:
            return (yield from self._bare(at - 1))
        if marker == FENCE:
            return (yield from self._fenced(at))
        if marker not in MARKERS:
            raise _NoCall
        at = yield from self._skip(at, BLANK)
        if marker == "<function=":
            name, at = yield from self._one_of(at, self._names, ">")
            calls, at = yield from self._arguments_of(name, at)
        elif marker == "[TOOL_CALLS]" and (yield from self._peek(at)) not in {"[", "{"}:
            name, at = yield from self._one_of(at, self._names, "[{")
            calls, at = yield from self._arguments_of(name, (yield from self._optional(at, "[ARGS]")))
        else:
            calls, at = yield from self._values(at, marked=True)
        if marker in ENDS:
            at = yield from self._optional((yield from self._skip(at, BLANK)), ENDS[marker], otherwise=at)
        return calls, at

    def _bare(self, at: int) -> _Reading[tuple[list[_Call], int]]:
        if self._last != "\n":
            raise _NoCall
        calls, at = yield from self._values(at, marked=False)
        at = yield from self._skip(at, BETWEEN)
        if (yield from self._peek(at)):
            raise _NoCall
        return calls, at

    def _fenced(self, at: int) -> _Reading[tuple[list[_Call], int]]:
        """Calls in one fence or several; the last one may be open."""
        calls: list[_Call] = []
        while True:
            at = yield from self._language(at)
            more, at = yield from self._values((yield from self._skip(at, BLANK)), marked=False)
            calls += more
            at = yield from self._literal((yield from self._skip(at, BETWEEN)), FENCE)
            at = yield from self._skip(at, BLANK)
            if not (yield from self._peek(at)):
                return calls, at
            at = yield from self._literal(at, FENCE)

    def _language(self, at: int) -> _Reading[int]:
        begin = at
        while (yield from self._peek(at)) not in {"", *BLANK, "{", "["}:
            at += 1
            if not any(language.startswith(self._text[begin:at].lower()) for language in LANGUAGES):
                raise _NoCall
        if self._text[begin:at].lower() not in LANGUAGES:
            raise _NoCall
        return at

    def _values(self, at: int, *, marked: bool) -> _Reading[tuple[list[_Call], int]]:
        """Objects and lists of calls, one after the other."""
        calls: list[_Call] = []
        end = at
        while True:
            try:
                more, end = yield from self._one_value(at, marked=marked)
            except _NoCall:
                if calls:
                    return calls, end
                raise
            calls += more
            at = yield from self._skip(end, BETWEEN)
            if (yield from self._peek(at)) not in {"{", "["}:
                return calls, end

    def _one_value(self, at: int, *, marked: bool) -> _Reading[tuple[list[_Call], int]]:
        first = at
        if (yield from self._peek(at)) == "[":
            first = yield from self._skip(at + 1, BLANK)
        yield from self._object_begins(first)
        value, end = yield from self._json(at)
        objects = value if isinstance(value, list) else [value]
        return [_named(it, self._names, marked=marked) for it in objects], end

    def _object_begins(self, at: int, *, inner: bool = False) -> _Reading[None]:
        """Look at the first key of an object, and at its value where that is a name: most JSON is told by that."""
        at = yield from self._skip((yield from self._whole(at, "{")), BLANK)
        key, at = yield from self._one_of((yield from self._whole(at, '"')), KEYS, '"')
        at = yield from self._whole((yield from self._skip(at, BLANK)), ":")
        at = yield from self._skip(at, BLANK)
        if key == "function" and not inner and (yield from self._peek(at)) == "{":
            yield from self._object_begins(at, inner=True)
        elif key in NAMES:
            yield from self._one_of((yield from self._whole(at, '"')), self._names, '"')

    def _arguments_of(self, name: str, at: int) -> _Reading[tuple[list[_Call], int]]:
        at = yield from self._skip(at, BLANK)
        if (yield from self._peek(at)) != "{":
            raise _NoCall
        value, at = yield from self._json(at)
        return [_Call(name, _arguments(value))], at

    def _json(self, at: int) -> _Reading[tuple[Any, int]]:
        """The object or list that begins at ``at``, and where it ends."""
        begin, depth = at, 0
        while True:
            token = TOKEN.search(self._text, at, MAX_HELD)
            if token is None:
                at = len(self._text)
                yield from self._more()
                continue
            at = token.end()
            if token[0] == '"':
                at = yield from self._string(at)
                continue
            depth += NESTING[token[0]]
            if depth > MAX_DEPTH:
                raise _NoCall
            if depth == 0:
                return _decoded(self._text[begin:at]), at

    def _string(self, at: int) -> _Reading[int]:
        """Where a string ends that has begun before ``at``."""
        while True:
            for part in STRING.finditer(self._text, at, MAX_HELD):
                at = part.end()
                if part[0] == '"':
                    return at
            yield from self._more()

    def _more(self) -> _Reading[None]:
        if self._ended or len(self._text) >= MAX_HELD:
            raise _NoCall
        yield

    def _peek(self, at: int) -> _Reading[str]:
        """The character at a place; empty at the end of the answer."""
        if at >= MAX_HELD:
            raise _NoCall
        while at >= len(self._text):
            if self._ended:
                return ""
            yield
        return self._text[at]

    def _skip(self, at: int, characters: str) -> _Reading[int]:
        while (found := (yield from self._peek(at))) and found in characters:
            at += 1
        return at

    def _literal(self, at: int, literal: str) -> _Reading[int]:
        """Where ``literal`` ends, or the answer in the middle of it."""
        for character in literal:
            found = yield from self._peek(at)
            if not found:
                return at
            if found != character:
                raise _NoCall
            at += 1
        return at

    def _optional(self, at: int, literal: str, otherwise: int | None = None) -> _Reading[int]:
        try:
            return (yield from self._literal(at, literal))
        except _NoCall:
            return at if otherwise is None else otherwise

    def _whole(self, at: int, character: str) -> _Reading[int]:
        if (yield from self._peek(at)) != character:
            raise _NoCall
        return at + 1

    def _one_of(self, at: int, words: Collection[str], ends: str) -> _Reading[tuple[str, int]]:
        """One of ``words``, and where it ends: behind the character of ``ends``, or before it where that opens JSON."""
        begin = at
        while (found := (yield from self._peek(at))) not in {"", *ends}:
            at += 1
            if not any(word.startswith(self._text[begin:at]) for word in words):
                raise _NoCall
        word = self._text[begin:at]
        if word not in words or not found:
            raise _NoCall
        return word, at if found in NESTING else at + 1


def _decoded(text: str) -> Any:
    try:
        return JSON.decode(text)
    except (ValueError, RecursionError):  # the latter: a string of arguments may be nested without end
        raise _NoCall from None


def _named(value: Any, names: frozenset[str], *, marked: bool) -> _Call:
    """The call that an object is. Without a marker, it must have arguments and hold nothing else."""
    if isinstance(value, dict) and isinstance(value.get("function"), dict) and value.keys() <= KEYS:
        value = value["function"]
    if not isinstance(value, dict) or not (marked or value.keys() <= KEYS):
        raise _NoCall
    keys = [key for key in ARGUMENTS if key in value]
    if not keys and not marked:
        raise _NoCall
    for key in NAMES:
        name = value.get(key)
        if isinstance(name, str) and name in names:
            return _Call(name, _arguments(value[keys[0]] if keys else None))
    raise _NoCall


def _arguments(given: Any) -> str:
    """Arguments as JSON text of an object; nothing means none, and a string holds such text."""
    value = _decoded(given) if isinstance(given, str) and given.strip() else given or {}
    if not isinstance(value, dict):
        raise _NoCall
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        raise _NoCall from None
    return text.encode("utf-8", "replace").decode()  # half a surrogate pair can be said in JSON
