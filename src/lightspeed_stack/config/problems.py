"""What pydantic found, as problems with line, key and fix. No value of a secret key, or of an unknown one, is shown."""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from lightspeed_stack.config.adapters import SettingsRefused
from lightspeed_stack.config.environment import Expansion, Unset
from lightspeed_stack.config.keys import as_yaml, example, field_at, is_secret, section_at
from lightspeed_stack.config.section import RulesBroken, Section
from lightspeed_stack.config.source import Document, KeyPath, Problem, dotted

_MESSAGES = {
    "model_type": "Input should be a valid dictionary",
    "tuple_type": "Input should be a valid list",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem before its place is looked up: ``path`` in the expanded tree, () the root."""

    path: KeyPath
    message: str
    fix: str


def findings(error: ValidationError, root: type[Section], above: KeyPath = ()) -> Iterator[Finding]:
    """Everything that ``error``, raised by ``root``, says; ``above`` is where ``root`` stands in the file."""
    for detail in error.errors(include_url=False):
        path = above + detail["loc"]
        cause = detail.get("ctx", {}).get("error")
        if isinstance(cause, RulesBroken):
            for breach in cause.breaches:
                yield Finding(_walk(path, breach.key), breach.message, breach.fix)
        elif isinstance(cause, SettingsRefused):
            yield from findings(cause.refusal, cause.settings, path)
        else:
            message = _MESSAGES.get(detail["type"], detail["msg"]).removeprefix("Value error, ")
            yield Finding(path, message, _fix(detail, root))


def _walk(path: KeyPath, steps: str) -> KeyPath:
    for step in filter(None, steps.split("/")):
        path = path[:-1] if step == ".." else (*path, int(step) if step.isdecimal() else step)
    return path


def located(found: Iterable[Finding], document: Document, expansion: Expansion) -> list[Problem]:
    """Unset variables and findings with their lines, in the order of the file.

    A finding at, above or below an unset variable is left out: it may only follow from the missing value.
    """
    unset = [one.path for one in expansion.unset]
    problems = [_unset_problem(one, document) for one in expansion.unset]
    for finding in found:
        path = expansion.in_file(finding.path)
        if any(_above(path, other) or _above(other, path) for other in unset):
            continue
        fix = _variable_fix(finding, document, path) or finding.fix
        problems.append(Problem(finding.message, fix, document.line(path), dotted(path)))
    return sorted(problems, key=lambda problem: (problem.line or 0, problem.key))


def _above(path: KeyPath, other: KeyPath) -> bool:
    return bool(path) and other[: len(path)] == path


def _unset_problem(unset: Unset, document: Document) -> Problem:
    fix = f"set {unset.name} before the start, or write a default:  ${{env.{unset.name}:=default}}"
    return Problem(unset.message, fix, document.line(unset.path), dotted(unset.path))


def _variable_fix(finding: Finding, document: Document, path: KeyPath) -> str | None:
    """The fix where a variable's value became a number and text is wanted: quotes do not help there."""
    if finding.message != "Input should be a valid string":
        return None
    raw = document.value
    for step in path:
        try:
            raw = raw[step]
        except (KeyError, IndexError, TypeError):
            return None
    if not isinstance(raw, str) or "${env." not in raw:
        return None
    return "the variable is empty or reads as a number or a boolean; give it a value that is text"


def _fix(detail: ErrorDetails, root: type[Section]) -> str:
    """What to write instead, from the kind of the error and the field it is about."""
    path: KeyPath = detail["loc"]
    make = _FIXES.get(detail["type"])
    if make is not None:
        return make(detail, root)
    field = field_at(root, path)
    if field is None or not path:
        return "see docs/reference/configuration.md for what may stand here"
    return f"write  {_name(path)}{example(field)}"


def _name(path: KeyPath) -> str:
    """The beginning of the line to write: the key, or the dash of a list item."""
    return f"{path[-1]}: " if isinstance(path[-1], str) else "- "


def _unknown(detail: ErrorDetails, root: type[Section]) -> str:
    path: KeyPath = detail["loc"]
    section = section_at(root, path[:-1])
    if section is None:
        return "remove the key"
    known = list(section.model_fields)
    near = difflib.get_close_matches(str(path[-1])[:60], known, n=1)
    return f"did you mean `{near[0]}`?" if near else f"remove it; known keys here: {', '.join(known)}"


def _missing(detail: ErrorDetails, root: type[Section]) -> str:
    path: KeyPath = detail["loc"]
    field = field_at(root, path)
    return f"add  {path[-1]}: {example(field)}" if field else "add the key"


def _text(detail: ErrorDetails, root: type[Section]) -> str:
    path: KeyPath = detail["loc"]
    field, given = field_at(root, path), detail["input"]
    if field is None or is_secret(field):
        return "put quotes around the value"
    if isinstance(given, int | float):
        return f'write  {_name(path)}"{as_yaml(given)}"'
    return f"write  {_name(path)}{example(field) if isinstance(path[-1], str) else 'text'}"


def _choice(detail: ErrorDetails, root: type[Section]) -> str:
    path: KeyPath = detail["loc"]
    known = re.findall(r"'([^']+)'", str(detail.get("ctx", {}).get("expected", "")))
    near = difflib.get_close_matches(str(detail["input"])[:60], known, n=1)
    if near:
        return f"did you mean `{near[0]}`?"
    field = field_at(root, path)
    return f"write one of: {', '.join(known)}" if known or field is None else f"write  {example(field)}"


def _file(detail: ErrorDetails, root: type[Section]) -> str:
    field = field_at(root, detail["loc"])
    shown = "the file" if field is None else f"the file '{str(detail['input'])[:200]}'"
    return f"create {shown} or write the path of one that exists"


def _section(detail: ErrorDetails, root: type[Section]) -> str:
    path: KeyPath = detail["loc"]
    section = section_at(root, path)
    if not path or section is None:
        return "write keys with values, each on a line of its own"
    required = [name for name, field in section.model_fields.items() if field.is_required()]
    if not required:
        return f"write  {_name(path)}{{}}  or its keys on the lines below, indented"
    return f"write its keys on the lines below, indented; required: {', '.join(required)}"


_FIXES: dict[str, Callable[[ErrorDetails, type[Section]], str]] = {
    "extra_forbidden": _unknown,
    "missing": _missing,
    "string_type": _text,
    "enum": _choice,
    "literal_error": _choice,
    "path_not_file": _file,
    "model_type": _section,
    "invalid_key": lambda _detail, _root: "put quotes around the key if it is text",
}
