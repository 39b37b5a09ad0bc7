"""The parameters of a tool, from the JSON Schema of its arguments, in the shape of Llama Stack 0.2 (rest-api.md 4.3).

That shape has room for a name, a type and a description; what a schema says beyond is for the model alone.
"""

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any
from urllib.parse import unquote

MAX_STEPS = 16
"""References and alternatives that are followed to find the type of one parameter. A schema may lead in a circle."""

ALTERNATIVES = ("anyOf", "oneOf", "allOf")

type Schema = Mapping[str, Any]

NOTHING: Schema = {}


def parameters_of(schema: str) -> list[dict[str, Any]]:
    """The parameters that a JSON Schema of an object asks for, in its order; none where it is not one."""
    try:
        whole = json.loads(schema, parse_constant=_no_number, parse_float=_number)
    except (ValueError, RecursionError):
        return []
    if not isinstance(whole, dict):
        return []
    arguments = next((it for it in _followed(whole, whole) if isinstance(it.get("properties"), dict)), NOTHING)
    required = arguments.get("required")
    wanted = {name for name in required if isinstance(name, str)} if isinstance(required, list) else set()
    return [
        {**_parameter(name, about, whole), "required": name in wanted}
        for name, about in arguments.get("properties", NOTHING).items()
    ]


def _parameter(name: str, about: Any, whole: Schema) -> dict[str, Any]:
    found = _followed(about, whole)
    return {
        "name": name,
        "description": next((text for it in found if isinstance(text := it.get("description"), str) and text), ""),
        "parameter_type": next((type_ for it in found if (type_ := _type(it))), ""),
        "required": False,
        "default": about.get("default") if isinstance(about, dict) else None,
    }


def _followed(schema: Any, whole: Schema) -> list[Schema]:
    """A schema, and those that it refers to or is one of, nearest first."""
    found: list[Schema] = []
    waiting = [schema]
    while waiting and len(found) < MAX_STEPS:
        it = waiting.pop(0)
        if not isinstance(it, dict):
            continue
        found.append(it)
        if isinstance(reference := it.get("$ref"), str):
            waiting.append(_referred(reference, whole))
        for key in ALTERNATIVES:
            if isinstance(alternatives := it.get(key), list):
                waiting.extend(alternatives[:MAX_STEPS])
    return found


def _referred(reference: str, whole: Schema) -> Any:
    """What a reference into the same document leads to; None for all others, which are not fetched.

    Source: RFC 6901, section 6.
    """
    document, _, pointer = reference.partition("#")
    if document or (pointer and not pointer.startswith("/")):
        return None
    place: Any = whole
    for step in unquote(pointer).split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        place = place.get(key) if isinstance(place, dict) else None
    return place


def _type(schema: Schema) -> str:
    """The type that this schema names itself; of several, the first that is not null."""
    found = schema.get("type")
    names = found if isinstance(found, list) else [found]
    return next((name for name in names if isinstance(name, str) and name != "null"), "")


def _number(text: str) -> float | None:
    """A number of JSON; what is too large for one cannot be answered in JSON either."""
    number = float(text)
    return number if isfinite(number) else None


def _no_number(_: str) -> None:
    """``NaN`` and its like, which some servers write."""
