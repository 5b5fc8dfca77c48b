"""A tool's schema in the plain form that every provider takes.

Every node is an object with one `type` in words, or `anyOf` alone; arrays have `items`; an `enum` holds texts
or numbers of its type; `required` holds known names; a `$ref` is replaced by what it points to, as far as
MAX_NODES and MAX_DEPTH go. What this leaves out the server still checks.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

MAX_NODES = 2_000  # of one schema
MAX_DEPTH = 24
MAX_INTEGER = 2**53  # what every JSON reader takes

Schema = Mapping[str, Any]
_UNIONS = ("anyOf", "oneOf", "allOf")
_ALIASES = {"str": "string", "text": "string", "int": "integer", "float": "number", "double": "number"}
_ALIASES |= {"bool": "boolean", "list": "array", "tuple": "array", "dict": "object", "map": "object"}
_RANGE = ("minimum", "maximum")
_KINDS = {type(None): "null", bool: "boolean", str: "string", int: "integer", float: "number"}
_KINDS |= {list: "array", dict: "object"}
_BOUNDS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("boolean", "object", "null"), ()),
    "string": ("minLength", "maxLength"),
    "integer": _RANGE,
    "number": _RANGE,
    "array": ("minItems", "maxItems"),
}
_HINTS: Mapping[str, tuple[str, ...]] = {  # what a schema without a type is meant to be
    "object": ("properties", "required", "additionalProperties", "patternProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems"),
    "string": ("pattern", "minLength", "maxLength", "format"),
    "number": (*_RANGE, "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
_SHAPES = {"type", "enum", "const", "$ref", *_UNIONS, *(key for keys in _HINTS.values() for key in keys)} - {
    "required"
}
ANYTHING: tuple[dict[str, Any], ...] = (
    {"type": "string"},
    {"type": "number"},
    {"type": "boolean"},
    {"type": "object", "properties": {}},
    {"type": "array", "items": {"type": "string"}},
)


def plain(schema: Any, *, exact: bool = False) -> dict[str, Any]:
    """Return a tool's schema in plain form: an object, with the properties of all variants at its top.

    `exact` keeps formats, nulls, and which objects take no other names, and takes anything where it goes no
    further: this is for our own readers.
    """
    maker = _Maker(schema, exact)
    top, seen = maker.resolved(schema, frozenset(), 0)
    properties = _dict(top.get("properties"))
    for variant in _variants(top):
        one, more = maker.resolved(variant, seen, 1)
        properties = {**_dict(one.get("properties")), **properties}
        seen |= more
    return maker.typed("object", {**top, "properties": properties}, seen, 0)


@dataclass
class _Maker:
    root: Any
    exact: bool
    left: int = field(default=MAX_NODES)

    def node(self, schema: Any, seen: frozenset[str], depth: int) -> dict[str, Any]:
        """Return a schema in plain form; `seen` are the references on the way to it."""
        schema, seen = self.resolved(schema, seen, depth)
        if self.left < 0 or depth > MAX_DEPTH:
            return {"anyOf": [*ANYTHING]} if self.exact else _stub(schema)
        alternatives: list[dict[str, Any]] = []
        for one, refs in self._alternatives(schema, seen, depth):
            kinds = _kinds(one)
            for each in (self.typed(kind, one, refs, depth) for kind in kinds) if kinds else ANYTHING:
                _add(alternatives, dict(each))
        if not self.exact:
            alternatives = [each for each in alternatives if each["type"] != "null"] or [{"type": "string"}]
        told = _described(schema).get("description", "")
        first = alternatives[0].get("description", "")
        if told and told not in first:
            alternatives[0]["description"] = f"{told}\n{first}".strip()
        return alternatives[0] if len(alternatives) == 1 else {"anyOf": alternatives}

    def typed(self, kind: str, schema: Schema, seen: frozenset[str], depth: int) -> dict[str, Any]:
        """Return a schema as a node of one type."""
        made: dict[str, Any] = {"type": kind, **_described(schema)}
        kinds = (kind, "integer") if kind == "number" else (kind,)
        values = [value for value in _values(schema) if _kind_of(value) in kinds]
        if values and kind in ("string", "integer", "number"):
            made["enum"] = list(dict.fromkeys(values))
        made |= {key: schema[key] for key in _BOUNDS[kind] if _is_bound(key, schema.get(key))}
        if kind == "array":
            made["items"] = self.node(_items(schema), seen, depth + 1)
        if kind == "object":
            listed = _dict(schema.get("properties")).items()
            properties = {name: value for name, value in listed if _is_name(name, value)}
            made["properties"] = {
                name: self.node(value, seen, depth + 1) for name, value in properties.items()
            }
            demanded = [name for name, value in properties.items() if _dict(value).get("required") is True]
            named = [name for name in _list(schema.get("required")) if isinstance(name, str)]
            if required := [name for name in dict.fromkeys([*named, *demanded]) if name in properties]:
                made["required"] = required
            if self.exact and schema.get("additionalProperties") is False:
                made["additionalProperties"] = False
        if self.exact and kind == "string" and "format" in schema:
            made["format"] = schema["format"]
        return made

    def resolved(
        self, schema: Any, seen: frozenset[str], depth: int
    ) -> tuple[dict[str, Any], frozenset[str]]:
        """Return a schema without `$ref` and `allOf`, and the references that it went through."""
        self.left -= 1
        found = _dict(schema)
        while isinstance(ref := found.get("$ref"), str):
            siblings = {key: value for key, value in found.items() if key != "$ref"}
            target = self._target(ref)
            found = {**(_outline(target) if ref in seen else target), **siblings}
            seen |= {ref}
        found.pop("$ref", None)
        for part in _list(found.pop("allOf", None)):
            if self.left < 0 or depth > MAX_DEPTH:
                break
            more, seen_there = self.resolved(part, seen, depth + 1)
            found, seen = _merged(found, more), seen | seen_there
        return found, seen

    def _alternatives(
        self, schema: dict[str, Any], seen: frozenset[str], depth: int
    ) -> Iterator[tuple[dict[str, Any], frozenset[str]]]:
        """Yield the schemas that may stand in the place of one: its variants, each with what all have."""
        variants = [variant for variant in _variants(schema) if _SHAPES & _dict(variant).keys()]
        if not variants or self.left < 0 or depth > MAX_DEPTH:
            yield schema, seen
            return
        shared = {key: value for key, value in schema.items() if key not in _UNIONS}
        for variant in variants:
            one, refs = self.resolved(variant, seen, depth + 1)
            yield from self._alternatives(_merged(one, shared), refs, depth + 1)

    def _target(self, ref: str) -> dict[str, Any]:
        """Return what a reference within the schema points to; all others point to nothing."""
        found = self.root
        path, _, pointer = ref.partition("#")
        for part in pointer.split("/")[1:] if not path and pointer[:1] in ("", "/") else ["?"]:
            key = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(found, list) and key.isdecimal() and int(key) < len(found):
                found = found[int(key)]
            else:
                found = found.get(key) if isinstance(found, dict) else None
        return dict(_dict(found))


def _variants(schema: Schema) -> list[Any]:
    return [*_list(schema.get("anyOf")), *_list(schema.get("oneOf"))]


def _merged(first: Schema, second: Schema) -> dict[str, Any]:
    """Return what holds for both; of what cannot be joined, the first's."""
    properties = {**_dict(second.get("properties")), **_dict(first.get("properties"))}
    required = [*_list(first.get("required")), *_list(second.get("required"))]
    joined = ({"properties": properties} if properties else {}) | ({"required": required} if required else {})
    return {**second, **first, **joined}


def _add(alternatives: list[dict[str, Any]], one: dict[str, Any]) -> None:
    """Add an alternative, unless it is there; lists of values become one."""
    for other in alternatives:
        if one == other:
            return
        if "enum" in one and "enum" in other and one["type"] == other["type"]:
            other["enum"] = list(dict.fromkeys([*other["enum"], *one["enum"]]))
            return
    alternatives.append(one)


def _kinds(schema: Schema) -> list[str]:
    """Return the types that a schema allows, `null` as the last; none for anything."""
    said = schema.get("type")
    names = [str(name).lower() for name in (said if isinstance(said, list) else [said])]
    known = [kind for name in names if (kind := _ALIASES.get(name, name)) in _BOUNDS]
    known = known or [kind for value in _values(schema) if (kind := _kind_of(value))]
    known = known or [kind for kind, keys in _HINTS.items() if any(key in schema for key in keys)][:1]
    kinds = sorted(dict.fromkeys(known), key="null".__eq__)
    return [kind for kind in kinds if kind != "integer" or "number" not in kinds]


def _values(schema: Schema) -> list[Any]:
    return [schema["const"]] if "const" in schema else _list(schema.get("enum"))


def _kind_of(value: Any) -> str:
    """Return the type of a value, and nothing for what no JSON holds."""
    kind = _KINDS.get(type(value), "")
    is_sendable = _is_number(value) if kind in ("integer", "number") else kind != "string" or _is_text(value)
    return kind if is_sendable else ""


def _items(schema: Schema) -> Any:
    tuples = _list(schema.get("prefixItems")) or _list(schema.get("items"))
    return {"anyOf": tuples} if tuples else schema.get("items")


def _described(schema: Schema) -> dict[str, str]:
    """Return the description, with what has no place of its own in the plain form."""
    said = schema.get("description")
    notes = [said] if isinstance(said, str) and said else []
    for key in ("default", "format", "pattern"):
        value = schema.get(key)
        if isinstance(value, str | int | float) and value != "":
            notes.append(f"({key}: {json.dumps(value, ensure_ascii=False)})")
    text = " ".join(notes).encode(errors="replace").decode()
    return {"description": text} if text else {}


def _outline(schema: Schema) -> dict[str, Any]:
    """Return what is left of a schema where it would contain itself."""
    kinds = _kinds(schema)
    return {"type": kinds[0]} if kinds else {}


def _stub(schema: Schema) -> dict[str, Any]:
    kind = next(iter(_kinds(schema)), "string")
    return next((dict(each) for each in ANYTHING if each["type"] == kind), {"type": "string"})


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MAX_INTEGER


def _is_bound(key: str, value: Any) -> bool:
    """Whether a value bounds a number, or how many there may be."""
    return _is_number(value) and (key in _BOUNDS["number"] or (isinstance(value, int) and value >= 0))


def _is_text(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _is_name(name: Any, schema: Any) -> bool:
    return isinstance(name, str) and _is_text(name) and schema is not False


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
