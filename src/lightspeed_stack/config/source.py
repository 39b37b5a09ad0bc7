"""YAML text to plain values, with the line of every key; for files that somebody else may have written.

Nothing here repeats a value of the file in a message, since it may be a secret.
"""

import re
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

try:
    from yaml import CSafeLoader as SafeLoader
except ImportError:  # PyYAML built without libyaml
    from yaml import SafeLoader  # type: ignore[assignment]

MAX_BYTES = 1024 * 1024
MAX_NODES = 100_000  # after aliases are followed
MAX_DEPTH = 64

type KeyPath = tuple[str | int, ...]
"""Mapping keys and list indices from the root down."""

_SEQUENCE, _MAPPING = "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"
_SCALARS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "timestamp"))


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a file that must be changed. ``line`` counts from 1; None concerns the whole file."""

    message: str
    fix: str
    line: int | None = None
    key: str = ""

    def text(self, file: str) -> str:
        """Two lines: where and what, then how to mend it; a line break in a message becomes a blank."""
        place = file if self.line is None else f"{file}:{self.line}"
        parts = [place, self.key, self.message] if self.key else [place, self.message]
        return f"{_one_line(': '.join(parts))}\n    fix: {_one_line(self.fix)}"


def _one_line(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in text)


class SourceError(Exception):
    """The file is no usable YAML; ``problems`` is never empty."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(problems[0].message)
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says. ``lines`` has the line of each key and list item, by path; () is the root's."""

    value: Any
    lines: dict[KeyPath, int]

    def line(self, path: KeyPath) -> int:
        """The line of a key, or of the nearest mapping or list above that the file has."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def dotted(path: KeyPath) -> str:
    """The path as it is shown: ``mcp_servers[0].url``."""
    shown = ""
    for step in path:
        if isinstance(step, int):
            shown += f"[{step}]"
        else:
            name = step if len(step) <= 60 else f"{step[:60]}…"
            shown += f".{name}" if shown else name
    return shown


def read_yaml(path: Path) -> Document:
    """Read and parse one file. Raises SourceError."""
    return parse_yaml(read_text(path))


def read_text(path: Path) -> str:
    """A file's text, which is UTF-8 and at most ``MAX_BYTES`` long. Raises SourceError."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise SourceError(Problem("the file does not exist", "create it, or name another file with -c")) from None
    except IsADirectoryError:
        raise SourceError(Problem("this is a directory", "name a file inside it")) from None
    except PermissionError:
        raise SourceError(Problem("the file is not readable", "let the service's user read it")) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "the path is not valid"
        raise SourceError(Problem(f"the file cannot be read: {reason}", "name a readable file")) from None
    if len(content) > MAX_BYTES:
        raise SourceError(Problem(f"the file is larger than {MAX_BYTES} bytes", "make it smaller"))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SourceError(Problem("the text is not UTF-8", "save the file as UTF-8", line)) from None


def parse_yaml(text: str) -> Document:
    """Parse one YAML document into plain values. Raises SourceError, with every duplicate key and odd value."""
    node = _compose(text)
    if node is None:
        return Document(None, {(): 1})
    _Bounds().measure(node, 1)
    builder = _Builder()
    value = builder.build(node, ())
    if builder.problems:
        raise SourceError(*sorted(builder.problems, key=lambda problem: problem.line or 0))
    return Document(value, builder.lines)


def _compose(text: str) -> yaml.Node | None:
    # Nesting is counted on the flat stream of events first: the composer calls itself for every level.
    depth = 0
    try:
        for event in yaml.parse(text, Loader=SafeLoader):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MAX_DEPTH:
                    raise SourceError(_too_deep(_line_of(event.start_mark)))
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
        node: yaml.Node | None = yaml.compose(text, Loader=SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        # What stands in quotes may be a piece of a value: an alias, a tag. Token names stand in angle brackets.
        what = re.sub(r"'(?!<)[^']{2,}'", "'…'", error.problem or "the structure is broken")
        column = f" at column {mark.column + 1}" if mark else ""
        message = f"not valid YAML{column}: {what}"
        fix = "check indentation, colons and brackets here; quote values that begin with one of  * & ! % @ `"
        raise SourceError(Problem(message, fix, mark.line + 1 if mark else None)) from None
    except yaml.reader.ReaderError as error:
        message = f"not valid YAML: unacceptable character #x{_ordinal(error.character):04x}"
        raise SourceError(Problem(message, "remove the character")) from None
    return node


def _ordinal(character: str | bytes | int) -> int:
    return character if isinstance(character, int) else ord(character)


def _line_of(mark: Any) -> int:
    """A mark's line from 1 on; the two parsers have marks of different classes, with the same attribute."""
    return mark.line + 1 if mark else 1


def _too_deep(line: int) -> Problem:
    return Problem(f"nested deeper than {MAX_DEPTH} levels", "nest less deeply", line)


@dataclass(slots=True)
class _Bounds:
    """Weighs a document as it would be with every alias written out, before anything is written out."""

    known: dict[int, tuple[int, int]] = field(default_factory=dict)
    open: set[int] = field(default_factory=set)

    def measure(self, node: yaml.Node, depth: int) -> tuple[int, int]:
        """Nodes in and levels of ``node``, which stands ``depth`` levels deep. Raises SourceError."""
        line = _line_of(node.start_mark)
        if id(node) in self.open:
            raise SourceError(Problem("the value contains itself", "remove the alias", line))
        if depth > MAX_DEPTH + 1:
            raise SourceError(_too_deep(line))
        if id(node) not in self.known:
            self.open.add(id(node))
            measures = [self.measure(child, depth + 1) for child in _children(node)]
            self.open.remove(id(node))
            nodes = 1 + sum(count for count, _ in measures)
            self.known[id(node)] = (nodes, 1 + max((levels for _, levels in measures), default=0))
        nodes, levels = self.known[id(node)]
        if nodes > MAX_NODES:
            raise SourceError(Problem(f"more than {MAX_NODES} values, aliases included", "use fewer aliases", line))
        if depth + levels > MAX_DEPTH + 2:
            raise SourceError(_too_deep(line))
        return nodes, levels


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


class _Builder:
    """Turns nodes into values, noting lines and problems on the way."""

    def __init__(self) -> None:
        self.lines: dict[KeyPath, int] = {}
        self.problems: list[Problem] = []
        self._constructor = SafeLoader("")

    def build(self, node: yaml.Node, path: KeyPath) -> Any:
        self.lines.setdefault(path, _line_of(node.start_mark))
        if isinstance(node, yaml.MappingNode) and node.tag == _MAPPING:
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == _SEQUENCE:
            return [self.build(child, (*path, index)) for index, child in enumerate(node.value)]
        return self._scalar(node, path)

    def _scalar(self, node: yaml.Node, path: KeyPath) -> Any:
        line = _line_of(node.start_mark)
        if not isinstance(node, yaml.ScalarNode) or node.tag not in _SCALARS:
            self.problems.append(Problem("the YAML tag is not supported", "remove the tag", line, dotted(path)))
            return None
        try:
            value = self._constructor.construct_object(node)
            if isinstance(value, str):
                value.encode("utf-8")
        # Odd numbers and dates (0x, 2024-99-99) fail in the constructor with exceptions of the standard library.
        except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, OverflowError):
            self.problems.append(Problem("the value cannot be read", "put quotes around it", line, dotted(path)))
            return None
        return value

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[Hashable, Any]:
        self._find_duplicates(node, path)
        try:
            self._constructor.flatten_mapping(node)
        except yaml.YAMLError:
            problem = Problem(
                "the merge key << takes mappings only", "write  <<: *name", self.lines[path], dotted(path)
            )
            self.problems.append(problem)
            return {}
        built: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            below = (*path, str(key))
            self.lines[below] = _line_of(key_node.start_mark)
            built[key] = self.build(value_node, below)
        return built

    def _key(self, node: yaml.Node, path: KeyPath) -> Hashable:
        if isinstance(node, yaml.ScalarNode):
            key: Hashable = self._scalar(node, path)
            return key
        line = _line_of(node.start_mark)
        self.problems.append(Problem("a key must be a plain word", "quote it if it is text", line, dotted(path)))
        return None

    def _find_duplicates(self, node: yaml.MappingNode, path: KeyPath) -> None:
        first: dict[tuple[str, str], int] = {}
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == "tag:yaml.org,2002:merge":
                continue
            line = _line_of(key_node.start_mark)
            name = (key_node.tag, key_node.value)
            if name in first:
                message = f"the key is given twice, first in line {first[name]}"
                key = dotted((*path, key_node.value))
                self.problems.append(Problem(message, "remove one of the two", line, key))
            first.setdefault(name, line)
