"""What keys there are, read from the sections: for messages, the reference page and tests."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from lightspeed_stack.config.section import Section
from lightspeed_stack.config.source import KeyPath


@dataclass(frozen=True, slots=True)
class Key:
    """One key: ``path`` as in ``mcp_servers[].url``."""

    path: str
    field: FieldInfo


def _find(annotation: Any, base: type) -> Any:
    """The first class below ``base`` in a possibly optional, repeated or annotated type; None where there is none."""
    if isinstance(annotation, type) and issubclass(annotation, base):
        return annotation
    found = (_find(argument, base) for argument in get_args(annotation) if not isinstance(argument, str))
    return next((one for one in found if one is not None), None)


def section_of(field: FieldInfo) -> type[Section] | None:
    """The section that a field holds, alone or in a list."""
    section: type[Section] | None = _find(field.annotation, Section)
    return section


def is_secret(field: FieldInfo) -> bool:
    return _find(field.annotation, SecretStr) is not None


def is_list(field: FieldInfo) -> bool:
    return _find(field.annotation, tuple) is not None or "tuple[" in str(field.annotation)


def every_key(section: type[Section], prefix: str = "") -> Iterator[Key]:
    """Every key of a section and of those below it, in the order of dumps; list items under ``[]``."""
    for name, field in section.model_fields.items():
        path = f"{prefix}{name}"
        yield Key(path, field)
        below = section_of(field)
        if below is not None:
            yield from every_key(below, f"{path}[]." if is_list(field) else f"{path}.")


def section_at(root: type[Section], path: KeyPath) -> type[Section] | None:
    """The section at a path, where the path is one of sections."""
    section: type[Section] | None = root
    for step in path:
        if isinstance(step, int):
            continue
        field = section.model_fields.get(step) if section else None
        section = section_of(field) if field else None
    return section


def field_at(root: type[Section], path: KeyPath) -> FieldInfo | None:
    """The field that a path leads to, or that holds the list item it leads to."""
    names = [step for step in path if isinstance(step, str)]
    if not names:
        return None
    section = section_at(root, tuple(names[:-1]))
    return section.model_fields.get(names[-1]) if section else None


def as_yaml(value: Any) -> str:
    """A value as one may write it in one line of YAML; JSON is a part of YAML."""
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z/][\w/.-]*(://[\w/.:-]+)?", value):
        return value
    if isinstance(value, Mapping) and len(value) == 1:
        return "{" + ", ".join(f"{key}: {as_yaml(below)}" for key, below in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False, default=str)


def example(field: FieldInfo) -> str:
    """Something that may be written for a field."""
    if field.examples:
        return as_yaml(field.examples[0])
    if section_of(field) is not None:
        return "[]" if is_list(field) else "{}"
    if is_secret(field):
        return '"${env.SECRET}"'
    if field.default is not PydanticUndefined and field.default not in (None, ()):
        return as_yaml(list(field.default) if isinstance(field.default, tuple) else field.default)
    return '["text"]' if is_list(field) else '"text"'
