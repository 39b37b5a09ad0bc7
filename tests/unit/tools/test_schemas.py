"""What a model is told of a tool's arguments."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack.tools.schemas import MAX_BYTES, MAX_DEPTH, MAX_OPTIONS, MAX_STEPS, TYPES, offered
from tests.spec.registry import requirement

STRING = {"type": "string"}
ANY = [{"type": "string"}, {"type": "number"}, {"type": "boolean"}, {"type": "object"}, {"type": "array", "items": {}}]


def arguments(schema: Any) -> Any:
    """The properties of what is offered for ``schema``."""
    return json.loads(offered(schema))["properties"]


@requirement("tools:schema:shapes")
@pytest.mark.parametrize(
    ("given", "argument"),
    [
        (STRING, STRING),
        ({"type": "string", "title": "Name", "description": "Who."}, {"type": "string", "description": "Who."}),
        ({"type": "array", "items": STRING}, {"type": "array", "items": STRING}),
        ({"type": "array"}, {"type": "array", "items": {"anyOf": ANY}}),
        ({"type": "array", "prefixItems": [STRING, STRING]}, {"type": "array", "items": STRING}),
        (
            {"type": "array", "items": [STRING, {"type": "null"}]},
            {"type": "array", "items": {"anyOf": [STRING, {"type": "null"}]}},
        ),
        (True, {"anyOf": ANY}),
        ({}, {"anyOf": ANY}),
        ({"description": "A value."}, {"anyOf": [{"type": "string", "description": "A value."}, *ANY[1:]]}),
        ({"type": "object"}, {"type": "object"}),
        ({"type": "object", "additionalProperties": STRING}, {"type": "object", "description": "(values: string)"}),
        ({"enum": ["a", "b"]}, {"type": "string", "enum": ["a", "b"]}),
        ({"oneOf": [{"const": "a"}, {"const": "b"}]}, {"type": "string", "enum": ["a", "b"]}),
        ({"type": "integer", "enum": [1, 2]}, {"type": "integer", "description": "(enum: [1,2])"}),
        ({"enum": ["", "a"]}, {"type": "string", "description": '(enum: ["","a"])'}),
        (
            {"type": "string", "description": "Path.", "pattern": r"^\S+$", "maxLength": 9, "examples": ["/a"]},
            {"type": "string", "description": r'Path. (examples: ["/a"]; pattern: "^\\S+$"; maxLength: 9)'},
        ),
        ({"type": "string", "examples": ["x" * 10_000], "$comment": "c", "$id": "i"}, STRING),
        ({"type": "string", "items": STRING, "properties": {"x": STRING}}, STRING),
        (
            {"type": "file", "format": 7, "description": ["no"]},
            {"anyOf": [{"type": "string", "description": "(format: 7)"}, *ANY[1:]]},
        ),
        ({"not": STRING}, {"anyOf": ANY}),
        ("wrong", {"anyOf": ANY}),
    ],
)
def test_the_shape_of_an_argument(given: Any, argument: Any) -> None:
    assert arguments({"type": "object", "properties": {"it": given}, "required": ["it"]}) == {"it": argument}


@requirement("tools:schema:null")
@pytest.mark.parametrize(
    ("given", "optional", "required"),
    [
        ({"anyOf": [STRING, {"type": "null"}]}, STRING, {"anyOf": [STRING, {"type": "null"}]}),
        ({"type": ["string", "null"]}, STRING, {"anyOf": [STRING, {"type": "null"}]}),
        ({"type": "string", "nullable": True, "default": None}, STRING, {"anyOf": [STRING, {"type": "null"}]}),
        (
            {"enum": ["a", None]},
            {"type": "string", "enum": ["a"]},
            {"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}]},
        ),
        ({"type": "null"}, {"type": "null"}, {"type": "null"}),
    ],
)
def test_null_is_offered_only_where_leaving_out_would_not_do(given: Any, optional: Any, required: Any) -> None:
    properties = {"it": given}
    assert arguments({"type": "object", "properties": properties}) == {"it": optional}
    assert arguments({"type": "object", "properties": properties, "required": ["it"]}) == {"it": required}


def test_null_that_is_not_the_default_is_offered() -> None:
    limit = {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": 10, "description": "At most."}
    first = {"type": "integer", "description": "At most. (default: 10)"}
    assert arguments({"properties": {"limit": limit}}) == {"limit": {"anyOf": [first, {"type": "null"}]}}


@requirement("tools:schema:references")
@pytest.mark.parametrize(
    ("given", "properties"),
    [
        (
            {"$defs": {"A": {"enum": ["x"]}}, "properties": {"it": {"$ref": "#/$defs/A", "description": "One."}}},
            {"it": {"type": "string", "enum": ["x"], "description": "One."}},
        ),
        (
            {
                "definitions": {"a/b": {"$ref": "#/definitions/c"}, "c": STRING},
                "properties": {"it": {"$ref": "#/definitions/a~1b"}},
            },
            {"it": STRING},
        ),
        ({"properties": {"one": STRING, "two": {"$ref": "#/properties/one"}}}, {"one": STRING, "two": STRING}),
        (
            {"$defs": {"A": {"properties": {"a": STRING}}}, "properties": {"it": {"allOf": [{"$ref": "#/$defs/A"}]}}},
            {"it": {"type": "object", "properties": {"a": STRING}}},
        ),
        (
            {
                "$ref": "#/$defs/Node",
                "$defs": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}},
            },
            {"next": {"type": "object"}},
        ),
        (
            {"properties": {"it": {"$ref": "#"}}},
            {"it": {"type": "object", "properties": {"it": {"type": "object"}}}},
        ),
        ({"properties": {"it": {"$ref": "https://example.com/schema.json"}}}, {"it": {"anyOf": ANY}}),
        ({"properties": {"it": {"$ref": "#/$defs/none"}}}, {"it": {"anyOf": ANY}}),
        (
            {"$defs": {"A": {"$ref": "#/$defs/A"}}, "properties": {"it": {"$ref": "#/$defs/A"}}},
            {"it": {"type": "object"}},
        ),
    ],
    ids=["defs", "definitions", "properties", "all-of", "recursive", "itself", "remote", "missing", "circle"],
)
def test_references_are_put_in_place(given: Any, properties: Any) -> None:
    assert arguments(given) == properties


@requirement("tools:schema:shapes")
@pytest.mark.parametrize(
    "given",
    [{}, [], "object", 7, True, None, {"type": "array", "items": STRING}, STRING, {"type": "object", "properties": []}],
)
def test_what_is_no_schema_of_an_object_has_no_arguments(given: Any) -> None:
    assert json.loads(offered(given)) == {"type": "object", "properties": {}}


@requirement("tools:schema:shapes")
def test_alternatives_at_the_top_become_one_object() -> None:
    one = {"properties": {"kind": {"const": "one"}, "name": STRING}, "required": ["kind", "name"]}
    two = {"properties": {"kind": {"const": "two"}, "id": {"type": "integer"}}, "required": ["kind", "id"]}
    assert json.loads(offered({"type": "object", "oneOf": [one, two]})) == {
        "type": "object",
        "properties": {"kind": {"type": "string", "enum": ["one", "two"]}, "name": STRING, "id": {"type": "integer"}},
        "required": ["kind"],
    }
    needs = [{"required": ["a"]}, {"required": ["b"]}]
    both = {"type": "object", "properties": {"a": STRING, "b": STRING}, "anyOf": needs}
    assert json.loads(offered(both)) == {"type": "object", "properties": {"a": STRING, "b": STRING}}


@requirement("tools:schema:bounded")
def test_of_a_schema_that_is_too_long_names_and_types_are_left() -> None:
    texts = {f"argument_{number}": {"type": "string", "description": "text " * 300} for number in range(100)}
    given = {"type": "object", "properties": texts, "required": ["argument_99", "unknown"]}
    found = json.loads(offered(given))
    assert found["properties"] == dict.fromkeys(texts, STRING)
    assert found["required"] == ["argument_99"]


def nested(key: str, depth: int) -> Any:
    schema: Any = STRING
    for _ in range(depth):
        schema = {key: [schema]} if key in {"allOf", "anyOf"} else {"type": "object", "properties": {"a": schema}}
    return {"properties": {"a": schema}}


def fan(schema: Any) -> Any:
    """Forty definitions, each of which refers to the next one ``schema`` times."""
    text = json.dumps(schema)
    definitions = {f"d{number}": json.loads(text.replace("NEXT", f"#/$defs/d{number + 1}")) for number in range(40)}
    return {"$defs": definitions, "properties": {"it": {"$ref": "#/$defs/d0"}}}


NEXT = {"$ref": "NEXT"}
MANY = {"properties": {f"name{number}": STRING for number in range(100_000)}}
MALICIOUS = {
    "fan-properties": fan({"properties": {"a": NEXT, "b": NEXT}}),
    "fan-any": fan({"anyOf": [NEXT] * 40}),
    "fan-all": fan({"allOf": [NEXT] * 40}),
    "fan-tuple": fan({"prefixItems": [NEXT] * 40}),
    "deep-properties": nested("properties", 10_000),
    "deep-any": nested("anyOf", 10_000),
    "deep-all": nested("allOf", 10_000),
    "wide": MANY,
    "wide-shared": {
        "$defs": {"m": MANY},
        "properties": {f"p{n}": {"allOf": [{"$ref": "#/$defs/m"}] * 32} for n in range(300)},
    },
    "long-chain": {
        "$defs": {f"d{number}": {"$ref": f"#/$defs/d{number + 1}"} for number in range(10_000)},
        "properties": {f"p{number}": {"$ref": "#/$defs/d0"} for number in range(100)},
    },
    "long-reference": {"properties": {f"p{number}": {"$ref": "#" + "/a" * 500_000} for number in range(100)}},
    "long-enum": {"properties": {"it": {"enum": [f"value {number}" for number in range(100_000)]}}},
    "deep-default": {"properties": {"it": {"default": nested("anyOf", 10_000), "enum": [nested("anyOf", 10_000)]}}},
}


class Counted(dict[str, Any]):
    """A schema that counts how often something in it is looked at."""

    looks = 0

    def get(self, key: str, default: Any = None) -> Any:
        Counted.looks += 1
        return super().get(key, default)


def counted(value: Any, depth: int = 0) -> Any:
    """``value`` with all objects counting; what is deeper than anybody may look stays as it is."""
    if depth > 200:
        return value
    if isinstance(value, dict):
        return Counted({key: counted(it, depth + 1) for key, it in value.items()})
    return [counted(it, depth + 1) for it in value] if isinstance(value, list) else value


@requirement("tools:schema:bounded")
@pytest.mark.parametrize("name", MALICIOUS)
def test_a_schema_made_to_take_long_does_not(name: str) -> None:
    Counted.looks = 0
    text = offered(counted(MALICIOUS[name]))
    assert_understood(json.loads(text))
    assert len(text.encode()) <= MAX_BYTES
    # Twelve looks at each step, and one at each property of the top.
    assert Counted.looks <= 12 * MAX_STEPS + 100_000


def assert_understood(schema: Any, depth: int = 0) -> None:
    """Only what every server of models reads."""
    assert isinstance(schema, dict)
    assert depth <= 2 * MAX_DEPTH + 4
    assert not depth or "$ref" not in schema
    if "anyOf" in schema:
        assert depth > 0
        assert schema.keys() == {"anyOf"}
        assert 2 <= len(schema["anyOf"]) <= MAX_OPTIONS
        for option in schema["anyOf"]:
            assert "anyOf" not in option
            assert_understood(option, depth + 1)
        return
    if not schema:
        return
    extra = {"object": {"properties", "required"}, "array": {"items"}, "string": {"enum"}}
    assert schema["type"] in TYPES
    assert schema.keys() <= {"type", "description"} | extra.get(schema["type"], set())
    assert isinstance(schema.get("description", ""), str)
    if schema["type"] == "array":
        assert_understood(schema["items"], depth + 1)
    assert all(isinstance(it, str) and it for it in schema.get("enum", ["x"]))
    assert set(schema.get("required", [])) <= schema.get("properties", {}).keys()
    for value in schema.get("properties", {}).values():
        assert_understood(value, depth + 1)


KEYWORDS = st.sampled_from(
    [
        *(
            "type",
            "properties",
            "required",
            "items",
            "prefixItems",
            "anyOf",
            "oneOf",
            "allOf",
            "enum",
            "const",
            "default",
        ),
        *(
            "description",
            "$ref",
            "$defs",
            "nullable",
            "additionalProperties",
            "pattern",
            "minimum",
            "examples",
            "a",
            "b",
        ),
    ]
)
WORDS = st.sampled_from(
    [*sorted(TYPES), "#", "#/$defs/a", "#/properties/b", "#/$defs/a/anyOf/0", "http://x", "a", "b", "\ud800"]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYWORDS | st.text(max_size=3), inner, max_size=5),
    max_leaves=40,
)


@requirement("tools:schema:any-json")
@given(ANYTHING)
def test_any_json_gives_a_schema_of_an_object_that_all_understand(given: Any) -> None:
    text = offered(given)
    found = json.loads(text)
    assert found["type"] == "object"
    assert isinstance(found["properties"], dict)
    assert_understood(found)
    assert len(text.encode()) <= MAX_BYTES


@requirement("tools:schema:any-json")
@given(st.dictionaries(st.text(max_size=5), ANYTHING, max_size=5))
def test_every_argument_is_offered_by_its_name(properties: dict[str, Any]) -> None:
    names = [name.encode("utf-8", "replace").decode() for name in properties]
    assert list(arguments({"properties": properties})) == list(dict.fromkeys(names))
