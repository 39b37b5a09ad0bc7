"""Whether one OpenAPI document contains another: where it does not, and how."""

from collections.abc import Iterator
from typing import Any

type Json = dict[str, Any]

EXACT = ("type", "$ref", "format", "default", "minLength", "maxLength", "exclusiveMinimum", "writeOnly")
"""What a schema says must stand in ours alike, where the other says it."""


def missing(other: Json, ours: Json) -> Iterator[tuple[str, str]]:
    """What of the ``other`` document is not in ``ours``: its place, and what is wrong there."""
    for part in ("openapi", "servers"):
        yield from _same(part, other[part], ours.get(part))
    for part in ("version", "license"):
        yield from _same(f"info.{part}", other["info"][part], ours["info"].get(part))
    for path, operations in other["paths"].items():
        for method, operation in operations.items():
            place = f"{method.upper()} {path}"
            found = ours["paths"].get(path, {}).get(method)
            yield from _operation(place, operation, found) if found else [(place, "is not there")]
    schemas = ours["components"]["schemas"]
    for name, schema in other["components"]["schemas"].items():
        yield from _schema(name, schema, schemas[name]) if name in schemas else [(name, "is not there")]


def _operation(place: str, other: Json, ours: Json) -> Iterator[tuple[str, str]]:
    yield from _same(f"{place} operationId", other["operationId"], ours.get("operationId"))
    yield from _same(f"{place} tags", other["tags"], ours.get("tags"))
    known = {(it["name"], it["in"]): it for it in ours.get("parameters", ())}
    for parameter in other.get("parameters", ()):
        where = f"{place} {parameter['name']}"
        found = known.get((parameter["name"], parameter["in"]))
        if found is None:
            yield where, "is not there"
            continue
        yield from _same(f"{where} required", parameter["required"], found.get("required"))
        yield from _schema(where, parameter["schema"], found["schema"])
    if "requestBody" in other:
        body = ours.get("requestBody", {})
        yield from _same(f"{place} body required", other["requestBody"]["required"], body.get("required"))
        yield from _content(f"{place} body", other["requestBody"], body)
    for status, response in other["responses"].items():
        found = ours["responses"].get(status)
        yield from _content(f"{place} {status}", response, found) if found else [(f"{place} {status}", "is not there")]


def _content(place: str, other: Json, ours: Json) -> Iterator[tuple[str, str]]:
    for media_type, content in other.get("content", {}).items():
        found = ours.get("content", {}).get(media_type)
        where = f"{place} {media_type}"
        yield from _schema(where, content["schema"], found["schema"]) if found else [(where, "is not there")]


def _schema(place: str, other: Json, ours: Json) -> Iterator[tuple[str, str]]:
    choices = ours.get("anyOf") or ours.get("oneOf")
    if "anyOf" in other:
        for choice in other["anyOf"]:
            if not any(_fits(choice, found) for found in choices or [ours]):
                yield place, f"may not be {choice}"
        if "default" in other:
            yield from _same(f"{place} default", other["default"], ours.get("default"))
        return
    if choices:
        if not any(_fits(other, choice) for choice in choices):
            yield place, f"may not be {other}"
        return
    for word in EXACT:
        if word in other:
            yield from _same(f"{place} {word}", other[word], ours.get(word))
    yield from _members(place, other, ours)


def _members(place: str, other: Json, ours: Json) -> Iterator[tuple[str, str]]:
    properties = ours.get("properties", {})
    for name, schema in other.get("properties", {}).items():
        where = f"{place}.{name}"
        yield from _schema(where, schema, properties[name]) if name in properties else [(where, "is not there")]
    if "properties" in other:
        # What the other does not know may be required by us in an answer, and what it knows must be so in both.
        required = [name for name in ours.get("required", ()) if name in other["properties"]]
        yield from _same(f"{place} required", sorted(other.get("required", ())), sorted(required))
    if "enum" in other:
        # We may know more values: what a client of the other one writes, we take.
        common = [value for value in ours.get("enum", ()) if value in other["enum"]]
        yield from _same(f"{place} enum", sorted(other["enum"]), sorted(common))
    if "items" in other:
        yield from _schema(f"{place}[]", other["items"], ours.get("items", {}))
    match other.get("additionalProperties"):
        case dict() as schema:
            further = ours.get("additionalProperties", {})
            yield from _schema(f"{place}{{}}", schema, further if isinstance(further, dict) else {})
        case bool() as allowed:
            yield from _same(f"{place} additionalProperties", allowed, ours.get("additionalProperties", True))


def _fits(other: Json, ours: Json) -> bool:
    # ``anything`` fits only where ours is anything as well.
    return ours == {} if other == {} else not list(_schema("", other, ours))


def _same(place: str, other: Any, ours: Any) -> Iterator[tuple[str, str]]:
    if other != ours:
        yield place, f"is {ours!r}, not {other!r}"
