"""``${env.NAME}`` in the values of a parsed file. The syntax and its oddities are those of Llama Stack 0.2.22."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightspeed_stack.config.source import KeyPath, dotted

_REFERENCE = re.compile(r"\$\{env\.([A-Z0-9_]+)(?::([=+])([^}]*))?\}")
DISABLED = "__disabled__"


@dataclass(frozen=True, slots=True)
class Unset:
    """A reference to a variable that is not set, or empty, at ``path`` of the file."""

    name: str
    path: KeyPath

    @property
    def message(self) -> str:
        return f"Environment variable '{self.name}' not set or empty at {dotted(self.path)}"


class _VariableUnset(Exception):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(slots=True)
class Expansion:
    """What became of a tree.

    ``unset`` lists the references that could not be replaced; their values are None. ``kept`` has, for each list
    that lost disabled items, by its path after the loss, the indices of the remaining ones in the file.
    """

    value: Any = None
    unset: list[Unset] = field(default_factory=list)
    kept: dict[KeyPath, tuple[int, ...]] = field(default_factory=dict)

    def in_file(self, path: KeyPath) -> KeyPath:
        """A path of the expanded tree as a path of the file."""
        found: KeyPath = ()
        for depth, step in enumerate(path):
            kept = self.kept.get(path[:depth])
            found += (kept[step],) if kept is not None and isinstance(step, int) and step < len(kept) else (step,)
        return found


def expand(tree: Any, environ: Mapping[str, str]) -> Expansion:
    """Replace the references in every string value, keys excepted; the tree itself is not changed."""
    expansion = Expansion()
    expansion.value = _expand(tree, (), (), environ, expansion)
    return expansion


def _expand(tree: Any, path: KeyPath, origin: KeyPath, environ: Mapping[str, str], found: Expansion) -> Any:
    """``path`` leads to the value in the result, ``origin`` in the file: disabled list items part the two."""
    if isinstance(tree, dict):
        return {
            key: _expand(value, (*path, str(key)), (*origin, str(key)), environ, found) for key, value in tree.items()
        }
    if isinstance(tree, list):
        kept = tuple(index for index, item in enumerate(tree) if not _disabled(item, environ))
        if len(kept) < len(tree):
            found.kept[path] = kept
        return [
            _expand(tree[index], (*path, place), (*origin, index), environ, found) for place, index in enumerate(kept)
        ]
    if not isinstance(tree, str):
        return tree
    try:
        return expand_text(tree, environ)
    except _VariableUnset as error:
        found.unset.append(Unset(error.name, origin))
        return None


def _disabled(item: Any, environ: Mapping[str, str]) -> bool:
    if not isinstance(item, dict) or not isinstance(item.get("provider_id"), str):
        return False
    try:
        return bool(expand_text(item["provider_id"], environ) == DISABLED)
    except _VariableUnset:
        return False


def expand_text(text: str, environ: Mapping[str, str]) -> Any:
    """One string with its references replaced; where that changed it, a number or boolean it reads as, "" as None."""

    def replacement(reference: re.Match[str]) -> str:
        name, operator, alternative = reference.groups()
        value = environ.get(name)
        match operator:
            case "=":
                chosen = value or alternative
            case "+":
                chosen = alternative if value else ""
            case _ if not value:
                raise _VariableUnset(name)
            case _:
                chosen = value
        return _home(chosen, environ)

    replaced = _REFERENCE.sub(replacement, text)
    return text if replaced == text else _typed(replaced)


def _home(value: str, environ: Mapping[str, str]) -> str:
    """A leading ``~`` is the home directory, ``~name`` that of a user; a name without one stays as it is."""
    if not value.startswith("~"):
        return value
    if environ.get("HOME") and (value == "~" or value.startswith("~/")):
        return environ["HOME"].rstrip("/") + value[1:]
    first, slash, rest = value.partition("/")
    try:
        return f"{Path(first).expanduser()}{slash}{rest}"
    except RuntimeError:
        return value


def _typed(text: str) -> Any:
    if text == "":
        return None
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text
