"""Schemas of tools' arguments, of any shape, as every server of models takes them (pure).

One schema that a server of models cannot read makes it refuse the whole question, and each reads another part of JSON
Schema. What is offered keeps to the part that all of them read: ``type`` (one), ``description``, ``properties``,
``required``, ``items``, ``enum`` (of strings) and ``anyOf`` (with nothing beside it). References are put in place.
What else a schema says of a value is told in words, in its description; the tool's server checks arguments anyway.

Known refusals: OpenAI takes no ``anyOf``, ``oneOf``, ``allOf``, ``enum`` or ``not`` at the top, no ``oneOf`` and
``allOf`` below it, and no array without ``items``. Gemini takes no list as ``type``, no ``$ref``, ``const``,
``additionalProperties``, ``exclusiveMinimum``, no ``enum`` of numbers, and hardly any ``format``. llama.cpp's grammar
takes no description without a type, no ``pattern`` without anchors, and no large ``maxLength`` or ``maxItems``.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

MAX_BYTES = 64 * 1024
"""Of the JSON text; of a longer one, only the names and types of the arguments are offered."""

MAX_DEPTH = 12
MAX_STEPS = 10_000
"""Schemas looked at and properties gathered for one tool; what is beyond is offered by its type alone."""

MAX_OPTIONS = 32
MAX_VALUES = 500
MAX_REFERENCES = 64
"""On the way to one value."""
MAX_REFERENCE = 1_000
MAX_DESCRIPTION = 2_000
MAX_TOLD = 300
"""Characters of one fact that is told in words; longer ones are left out."""

TYPES = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})
TYPE_OF = {type(None): "null", bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}
TOLD = (
    *("const", "default", "enum", "examples", "format", "pattern", "minLength", "maxLength", "minimum", "maximum"),
    *("exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems", "uniqueItems"),
    *("minProperties", "maxProperties"),
)
"""What is told in words."""

READ = (*TOLD, "type", "nullable", "description", "items", "prefixItems", "anyOf", "oneOf", "additionalProperties")

type Schema = dict[str, Any]


def offered(schema: Any) -> str:
    """The schema of a tool's arguments as JSON text: always ``{"type": "object", "properties": {...}, ...}``.

    ``schema`` is what a server of tools sent, any JSON value. What is no schema of an object has no arguments.
    """
    whole = _Document(schema).whole()
    text = _json(whole)
    return text if _bytes(text) <= MAX_BYTES else _json(_outline(whole))


@dataclass(slots=True)
class _Document:
    """A schema that is being read. ``left`` bounds the work, which references could make exponential."""

    root: Any
    left: int = MAX_STEPS

    def whole(self) -> Schema:
        plain, above = self.plain(self.root, frozenset())
        plain, above = self.joined(plain, above)
        if plain and "object" not in _types(plain):
            plain = {}
        result = {"type": "object", "properties": {}, **self.object(plain, above, 0)}
        return _described(result, _description(plain, ()))

    def value(self, schema: Any, above: frozenset[str], depth: int, *, optional: bool = False) -> Schema:
        """One value's schema. ``above`` are the references that lead to it; ``optional``: it may be left out."""
        self.left -= 1
        if self.left < 0 or depth > MAX_DEPTH:
            return _cut(schema)
        plain, above = self.plain(schema, above)
        branches = self.branches(plain, above, depth)
        if optional and plain.get("default") is None:
            # Leaving it out says the same as null, in a shape that small models read better.
            branches = [branch for branch in branches if branch != {"type": "null"}] or branches
        shown = () if not any("enum" in branch for branch in branches) else ("const", "enum")
        return _described(_one_of(branches), _description(plain, shown))

    def branches(self, plain: Schema, above: frozenset[str], depth: int) -> list[Schema]:
        """What the value may be: one schema for each type or alternative."""
        types, options = _types(plain), _options(plain)
        if "object" in types and plain.get("properties") and options:
            plain, above = self.joined(plain, above)
        elif options and set(types) <= {"object", "array", "null"}:
            same = {"type": types[0]} if len(types) == 1 else {}
            found = [self.value({"allOf": [option, same]}, above, depth + 1) for option in options]
            return [branch for one in found for branch in one.get("anyOf", [one])] + [
                {"type": name} for name in types if name == "null"
            ]
        return [self.typed(plain, name, above, depth) for name in types] if types else _anything()

    def typed(self, plain: Schema, name: str, above: frozenset[str], depth: int) -> Schema:
        if name == "object":
            return {"type": name, **self.object(plain, above, depth)}
        if name == "array":
            return {"type": name, "items": self.items(plain, above, depth)}
        if name == "string" and (values := _words(plain)):
            return {"type": name, "enum": values}
        return {"type": name}

    def object(self, plain: Schema, above: frozenset[str], depth: int) -> Schema:
        """``properties`` and ``required`` of an object, or nothing: it is open."""
        given = plain.get("properties") or {}
        required = plain.get("required") or set()
        found: Schema = {}
        for name, schema in given.items():
            if self.left < 0 and depth:
                break
            found[name] = self.value(schema, above, depth + 1, optional=name not in required)
        if not found:
            return {}
        needed = [name for name in found if name in required]
        return {"properties": found} | ({"required": needed} if needed else {})

    def items(self, plain: Schema, above: frozenset[str], depth: int) -> Schema:
        """What an array holds; a tuple holds what any of its places does."""
        given = plain.get("prefixItems") or plain.get("items")
        if not isinstance(given, list):
            return self.value(given, above, depth + 1)
        found = [self.value(place, above, depth + 1) for place in given[:MAX_OPTIONS]]
        return _one_of([branch for one in found for branch in one.get("anyOf", [one])])

    def plain(self, schema: Any, above: frozenset[str]) -> tuple[Schema, frozenset[str]]:
        """A schema with what it refers to and its ``allOf`` in one; what stands nearer wins.

        A reference that leads to itself gives only a type.
        """
        result: Schema = {}
        waiting = [schema]
        while waiting and self.left > 0:
            self.left -= 1
            part = waiting.pop(0)
            if not isinstance(part, Mapping):
                continue
            self.merge(part, result)
            reference = part.get("$ref")
            if isinstance(reference, str) and reference.startswith("#"):
                target = _at(self.root, reference)
                if reference in above or len(above) >= MAX_REFERENCES:
                    result |= {key: value for key, value in _recursive(target).items() if key not in result}
                else:
                    above |= {reference}
                    waiting.append(target)
            more = part.get("allOf")
            waiting += more[:MAX_OPTIONS] if isinstance(more, list) else []
        return result, above

    def merge(self, part: Mapping[str, Any], result: Schema) -> None:
        for key in READ:
            if key in part:
                result.setdefault(key, part[key])
        properties, required = part.get("properties"), part.get("required")
        if isinstance(properties, Mapping):
            known = result.setdefault("properties", {})
            for name, schema in properties.items():
                self.left -= 1
                if self.left < 0 and len(known) >= MAX_STEPS:
                    break
                known.setdefault(_clean(name), schema)
        if isinstance(required, list):
            self.left -= len(required)
            result["required"] = result.get("required", set()) | {it for it in required if isinstance(it, str)}

    def joined(self, plain: Schema, above: frozenset[str]) -> tuple[Schema, frozenset[str]]:
        """An object with its alternatives in one: it has the properties of all, and needs what all of them need."""
        options = _options(plain)
        if not options:
            return plain, above
        properties: dict[str, list[Any]] = {name: [it] for name, it in plain.get("properties", {}).items()}
        needs: list[set[str]] = []
        for option in options:
            part, more = self.plain(option, above)
            above |= more
            needs.append(part.get("required", set()))
            for name, schema in part.get("properties", {}).items():
                properties.setdefault(name, []).append(schema)
        merged = {name: them[0] if len(them) == 1 else {"anyOf": them} for name, them in properties.items()}
        required = plain.get("required", set()) | set.intersection(*needs)
        return {**plain, "properties": merged, "required": required}, above


def _types(plain: Schema) -> list[str]:
    """The types that a value may have, as said or as the rest tells; empty where it may have any."""
    given = plain.get("type")
    names = given[:MAX_OPTIONS] if isinstance(given, list) else [given]
    found = [name for name in dict.fromkeys(it for it in names if isinstance(it, str)) if name in TYPES]
    if not found and ("properties" in plain or isinstance(plain.get("additionalProperties"), Mapping)):
        found = ["object"]
    if not found and ("items" in plain or "prefixItems" in plain):
        found = ["array"]
    if not found:
        found = list(dict.fromkeys(TYPE_OF.get(type(it), "object") for it in _values(plain)))
    if found and plain.get("nullable") is True and "null" not in found:
        found.append("null")
    return found


def _values(plain: Schema) -> list[Any]:
    if "const" in plain:
        return [plain["const"]]
    given = plain.get("enum")
    return given if isinstance(given, list) and len(given) <= MAX_VALUES else []


def _words(plain: Schema) -> list[str]:
    """The strings that a value may be; empty where they cannot be offered as such."""
    values = [_clean(it) for it in _values(plain) if isinstance(it, str)]
    return list(dict.fromkeys(values)) if all(values) else []


def _options(plain: Schema) -> list[Any]:
    for key in ("anyOf", "oneOf"):
        options = plain.get(key)
        if isinstance(options, list) and options:
            return options[:MAX_OPTIONS]
    return []


def _anything() -> list[Schema]:
    """Spelled out: llama.cpp takes an empty schema for an object."""
    return [{"type": name} for name in ("string", "number", "boolean", "object")] + [{"type": "array", "items": {}}]


def _one_of(branches: Iterable[Schema]) -> Schema:
    """One schema for all of them. Strings to choose from are put together."""
    found: list[Schema] = []
    for branch in branches:
        choice = next((it for it in found if it.keys() == branch.keys() == {"type", "enum"}), None)
        if choice is not None:
            choice["enum"] = list(dict.fromkeys([*choice["enum"], *branch["enum"]]))
        elif branch not in found:
            found.append(dict(branch))
        if len(found) == MAX_OPTIONS:
            break
    return found[0] if len(found) == 1 else {"anyOf": found}


def _described(schema: Schema, text: str) -> Schema:
    """With a description, which stands in the first of several alternatives: Gemini takes nothing beside them."""
    if not text:
        return schema
    if "anyOf" in schema:
        first, *others = schema["anyOf"]
        return {"anyOf": [_described(first, text), *others]}
    own = schema.get("description")
    return {**schema, "description": f"{text} {own}"[:MAX_DESCRIPTION] if own and own != text else text}


def _description(plain: Schema, shown: Iterable[str]) -> str:
    given = plain.get("description")
    text = _clean(given).strip()[:MAX_DESCRIPTION] if isinstance(given, str) else ""
    told = [f"{key}: {said}" for key in TOLD if key in plain and key not in shown and (said := _said(plain[key]))]
    values = plain.get("additionalProperties")
    if isinstance(values, Mapping) and len(types := _types(dict(values))) == 1:
        told.append(f"values: {types[0]}")
    return f"{text} ({'; '.join(told)})".strip() if told else text


def _said(value: Any) -> str:
    """A value in words; empty where it is too long, or holds others that do."""
    flat = value if isinstance(value, list) else [value]
    if len(flat) > MAX_TOLD or any(isinstance(it, list | Mapping) and it for it in flat):
        return ""
    if value is None or any(_long(it) for it in flat):
        return ""
    text = _json(value)
    return _clean(text) if len(text) <= MAX_TOLD else ""


def _long(value: Any) -> bool:
    return value.bit_length() > MAX_TOLD if isinstance(value, int) else isinstance(value, str) and len(value) > MAX_TOLD


def _at(root: Any, reference: str) -> Any:
    """What a reference within the document points to; None where that is nothing. Source: RFC 6901, section 6."""
    place = root
    if len(reference) > MAX_REFERENCE:
        return None
    for step in unquote(reference[1:]).split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(place, Mapping):
            place = place.get(key)
        elif isinstance(place, list) and key.isdecimal() and len(key) < 6:
            place = place[int(key)] if int(key) < len(place) else None
        else:
            return None
    return place


def _recursive(target: Any) -> Schema:
    """What stands for a schema inside itself: an open object, where it is not plainly something else."""
    if not isinstance(target, Mapping):
        return {}
    name = target.get("type")
    return {} if _options(dict(target)) else {"type": name if isinstance(name, str) and name in TYPES else "object"}


def _cut(schema: Any) -> Schema:
    """The type of a schema, as far as that can be seen without a look into it."""
    name = schema.get("type") if isinstance(schema, Mapping) else None
    if name == "array":
        return {"type": "array", "items": {}}
    return {"type": name if isinstance(name, str) and name in TYPES else "object"}


def _outline(schema: Schema) -> Schema:
    """Names and types of arguments, those that are required first, as many as there is room for."""
    required = schema.get("required", [])
    room = MAX_BYTES - 100
    names: Schema = {}
    for name in dict.fromkeys([*required, *schema["properties"]]):
        found = schema["properties"][name]
        found = _cut(found["anyOf"][0] if "anyOf" in found else found)
        room -= _bytes(_json({name: found})) + (_bytes(_json(name)) + 2 if name in required else 0)
        if room < 0:
            break
        names[name] = found
    needed = [name for name in required if name in names]
    return {"type": "object", "properties": names} | ({"required": needed} if needed else {})


def _clean(text: str) -> str:
    """Half a surrogate pair can be said in JSON, but is no text that another server takes."""
    return text.encode("utf-8", "replace").decode()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "replace"))
