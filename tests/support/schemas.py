"""What a schema in plain form may hold, told by what is wrong with one."""

from typing import Any

KEYS = {"type", "description", "enum", "properties", "required", "items"}
KEYS |= {"minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"}
TYPES = {"string": str, "integer": int, "number": int | float, "boolean": (), "array": (), "object": ()}


def faults(schema: Any, where: str = "") -> list[str]:
    """Return what makes a schema other than plain, each with its place."""
    if not isinstance(schema, dict):
        return [f"{where} is no object"]
    if "anyOf" in schema:
        variants = schema["anyOf"]
        found = [] if schema.keys() == {"anyOf"} and len(variants) > 1 else [f"{where} has more than anyOf"]
        return found + [fault for n, one in enumerate(variants) for fault in faults(one, f"{where}|{n}")]
    found = [f"{where} has {key}" for key in schema.keys() - KEYS]
    kind = schema.get("type")
    if not isinstance(kind, str) or kind not in TYPES:
        return [*found, f"{where} has the type {kind}"]
    lengths = [schema[key] for key in KEYS & schema.keys() if key[3:] in ("Length", "Items")]
    found += [f"{where} counts to {n}" for n in lengths if not isinstance(n, int) or n < 0]
    values = schema.get("enum", [])
    found += [
        f"{where} has {value!r}"
        for value in values
        if isinstance(value, bool) or not isinstance(value, TYPES[kind])
    ]
    if "enum" in schema and not values:
        found.append(f"{where} allows nothing")
    properties = schema.get("properties", {})
    found += [f"{where} demands {name!r}" for name in schema.get("required", []) if name not in properties]
    for name, one in properties.items():
        found += faults(one, f"{where}.{name}")
    return found + (faults(schema.get("items"), f"{where}[]") if kind == "array" else [])
