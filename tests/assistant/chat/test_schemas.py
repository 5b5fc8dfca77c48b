"""Every schema goes out in the plain form that all providers take."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.chat.schemas import MAX_NODES, plain
from tests.support.schemas import faults

ANY = [
    {"type": "string"},
    {"type": "number"},
    {"type": "boolean"},
    {"type": "object", "properties": {}},
    {"type": "array", "items": {"type": "string"}},
]
TEXT = {"type": "string"}
A_TREE = {"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#/$defs/T"}}}}

PROPERTIES: dict[str, tuple[Any, Any]] = {  # a property's schema, and what is sent
    "true": (True, {"anyOf": ANY}),
    "nothing": ({}, {"anyOf": ANY}),
    "null": (None, {"anyOf": ANY}),
    "any": ({"type": "any"}, {"anyOf": ANY}),
    "a list of types": ({"type": ["string", "null"], "description": "d"}, {**TEXT, "description": "d"}),
    "two types": ({"type": ["string", "integer"]}, {"anyOf": [TEXT, {"type": "integer"}]}),
    "a type beside a union": ({"type": "string", "anyOf": [{"minLength": 1}]}, {**TEXT, "minLength": 1}),
    "a union of conditions": (
        {"type": "object", "properties": {"a": TEXT}, "anyOf": [{"required": ["a"]}]},
        {"type": "object", "properties": {"a": TEXT}},
    ),
    "optional": ({"anyOf": [TEXT, {"type": "null"}], "default": None, "title": "A"}, TEXT),
    "optional, described": (
        {"anyOf": [TEXT, {"type": "null"}], "description": "d"},
        {**TEXT, "description": "d"},
    ),
    "a union, described": (
        {"anyOf": [TEXT, {"type": "integer"}], "description": "d"},
        {"anyOf": [{**TEXT, "description": "d"}, {"type": "integer", "description": "d"}]},
    ),
    "a union of literals": ({"anyOf": [{"const": "a"}, {"const": "b"}]}, {**TEXT, "enum": ["a", "b"]}),
    "one of one": ({"oneOf": [{"type": "integer"}]}, {"type": "integer"}),
    "unions in unions": (
        {"anyOf": [{"oneOf": [TEXT, {"type": "integer"}]}, {"type": "boolean"}]},
        {"anyOf": [TEXT, {"type": "integer"}, {"type": "boolean"}]},
    ),
    "all of": (
        {"allOf": [{"properties": {"a": TEXT}}, {"properties": {"b": TEXT}, "required": ["b"]}]},
        {"type": "object", "properties": {"a": TEXT, "b": TEXT}, "required": ["b"]},
    ),
    "a reference with siblings": (
        {"$ref": "#/$defs/Name", "description": "whose"},
        {**TEXT, "description": "whose", "maxLength": 9},
    ),
    "a reference to a property": ({"$ref": "#/properties/other"}, {"type": "integer"}),
    "a reference to nothing": ({"$ref": "https://example.com/x.json#/y", "type": "string"}, TEXT),
    "a reference to an anchor": ({"$ref": "#name"}, {"anyOf": ANY}),
    "counts below nothing": ({"type": "string", "minLength": -1, "maxLength": 1.5}, TEXT),
    "a reference to itself": ({"$ref": "#/properties/p"}, {"anyOf": ANY}),
    "a tree": (
        {"$ref": "#/$defs/T"},
        {
            "type": "object",
            "properties": {"children": {"type": "array", "items": {"type": "object", "properties": {}}}},
        },
    ),
    "an array of anything": ({"type": "array"}, {"type": "array", "items": {"anyOf": ANY}}),
    "an array of true": ({"type": "array", "items": True}, {"type": "array", "items": {"anyOf": ANY}}),
    "an array of null": ({"items": None}, {"type": "array", "items": {"anyOf": ANY}}),
    "a tuple": (
        {"type": "array", "items": [TEXT, {"type": "integer"}]},
        {"type": "array", "items": {"anyOf": [TEXT, {"type": "integer"}]}},
    ),
    "a boolean enum": ({"enum": [True, False]}, {"type": "boolean"}),
    "an enum with null": ({"type": "string", "enum": ["a", None]}, {**TEXT, "enum": ["a"]}),
    "an enum of both": (
        {"enum": ["a", 1]},
        {"anyOf": [{**TEXT, "enum": ["a"]}, {"type": "integer", "enum": [1]}]},
    ),
    "an enum of another type": ({"type": "string", "enum": [1]}, TEXT),
    "another spelling": ({"type": "STR"}, TEXT),
    "an unknown type": ({"type": "date", "format": "date"}, {**TEXT, "description": '(format: "date")'}),
    "required: null": (
        {"properties": {"a": TEXT}, "required": None},
        {"type": "object", "properties": {"a": TEXT}},
    ),
    "required: true": ({"type": "string", "required": True}, TEXT),
    "required of what is not there": (
        {"properties": {"a": TEXT}, "required": ["a", "b", "a", 7]},
        {"type": "object", "properties": {"a": TEXT}, "required": ["a"]},
    ),
    "properties: null": ({"type": "object", "properties": None}, {"type": "object", "properties": {}}),
    "a default": ({"type": "integer", "default": 5}, {"type": "integer", "description": "(default: 5)"}),
}


@pytest.mark.parametrize("kind", PROPERTIES)
def test_a_property_is_sent_in_plain_form(kind: str) -> None:
    given_, expected = PROPERTIES[kind]
    schema = {
        "type": "object",
        "properties": {"p": given_, "other": {"type": "integer"}},
        "$defs": {"Name": {"type": "string", "maxLength": 9}, "T": A_TREE},
    }
    sent = plain(schema)
    assert sent["properties"]["p"] == expected
    assert list(sent["properties"]) == ["p", "other"]
    assert ("required" in sent) == (kind == "required: true")
    assert faults(sent) == []


@pytest.mark.parametrize("top", [None, True, 7, {}, [], {"type": "string"}, {"$ref": "#"}, {"properties": 7}])
def test_whatever_stands_at_the_top_an_object_is_sent(top: Any) -> None:
    assert plain(top) == {"type": "object", "properties": {}}


def test_a_reference_at_the_top_is_followed() -> None:
    schema = {
        "$ref": "#/$defs/A",
        "$defs": {"A": {"type": "object", "properties": {"a": TEXT}, "required": ["a"]}},
    }
    assert plain(schema) == {"type": "object", "properties": {"a": TEXT}, "required": ["a"]}


@pytest.mark.parametrize("union", ["anyOf", "oneOf", "allOf"])
def test_references_that_double_at_every_step_end(union: str) -> None:
    twice = {f"D{n}": {union: [{"$ref": f"#/$defs/D{n + 1}", "title": t} for t in "ab"]} for n in range(40)}
    wide = {f"E{n}": {"properties": {t: {"$ref": f"#/$defs/E{n + 1}"} for t in "ab"}} for n in range(40)}
    both = {"d": {"$ref": "#/$defs/D0"}, "e": {"$ref": "#/$defs/E0"}}
    sent = plain({"properties": both, "$defs": twice | wide})
    assert faults(sent) == []
    assert len(json.dumps(sent)) < 100 * MAX_NODES


def test_a_schema_of_any_depth_ends() -> None:
    deep: Any = TEXT
    for _ in range(20_000):
        deep = {"items": deep}
    assert faults(plain({"properties": {"p": deep}})) == []


leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=4)
TYPES = ["string", "integer", "number", "boolean", "array", "object", "null", "any", "str", 7, None]
REFS = ["#", "#/$defs/A", "#/$defs/B", "#/properties/a", "#/nothing", "x.json", "#/$defs/A/items", 7]


def schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    many = st.lists(inner, max_size=3) | leaves
    named = st.dictionaries(
        st.sampled_from(["a", "b", "", "\ud800"]) | st.text(max_size=3), inner, max_size=3
    )
    parts: dict[str, st.SearchStrategy[Any]] = {
        "type": st.sampled_from(TYPES) | st.lists(st.sampled_from(TYPES), max_size=3),
        "$ref": st.sampled_from(REFS),
        "properties": named | leaves,
        "required": st.lists(st.sampled_from(["a", "b", 7]), max_size=3) | leaves,
        "items": inner | many,
        "enum": st.lists(leaves | st.just([]), max_size=3) | leaves,
        "minimum": leaves,
        "description": leaves,
        "default": leaves,
    } | dict.fromkeys(("anyOf", "oneOf", "allOf", "prefixItems", "const", "not"), many)
    return st.fixed_dictionaries({}, optional=parts) | leaves


any_schema = st.recursive(leaves, schemas, max_leaves=12)


@given(any_schema, any_schema, any_schema)
def test_any_schema_at_all_becomes_plain_and_stays_so(top: Any, a: Any, b: Any) -> None:
    schema = {**top, "$defs": {"A": a, "B": b}} if isinstance(top, dict) else top
    sent = plain(schema)
    assert faults(sent) == []
    assert plain(sent) == sent
    json.dumps(sent, allow_nan=False, ensure_ascii=False).encode()


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8"), max_size=5), st.sampled_from([TEXT, {}, True]), max_size=4
    )
)
def test_the_names_of_properties_are_kept(properties: dict[str, Any]) -> None:
    assert list(plain({"properties": properties})["properties"]) == list(properties)
