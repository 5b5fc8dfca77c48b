"""What people fill in, held against its schema: changed arguments, and answers to servers' questions."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from urllib.parse import urlsplit

from assistant.chat.arguments import is_writable_json
from assistant.chat.history import Message, calls_of
from assistant.chat.interfaces import ModelError, Tool
from assistant.chat.schemas import ANYTHING, plain
from serving.errors import CodedError

Edits = Mapping[str, Mapping[str, Any]]  # the new arguments by call id

RULES = ("type", "format", "enum", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems")
_BOUNDS = {"minimum": 1, "maximum": -1, "minLength": 1, "maxLength": -1, "minItems": 1, "maxItems": -1}
_KINDS: Mapping[str, type | tuple[type, ...]] = {
    **{"string": str, "number": (int, float), "boolean": bool},
    **{"integer": int, "array": list, "object": dict, "null": type(None)},
}
_ANY = {each["type"] for each in ANYTHING}


def checked(edits: Edits, waiting: Mapping[str, Tool], history: Sequence[Message]) -> dict[str, str]:
    """Return the arguments as texts, by the ids of the calls; `waiting` are the tools of those that wait.

    Raises ModelError: `edit_unknown` of an id that the history does not have, `edit_too_late` of a call that
    waits no more, `edit_invalid` of arguments that the tool's schema does not take.
    """
    known = {call.id for message in history for call in calls_of(message)}
    for id, args in edits.items():
        if id not in waiting:
            raise ModelError("edit_too_late" if id in known else "edit_unknown")
        schema = plain(waiting[id].input_schema, exact=True)
        wrong = next(_misfits(args, schema, ""), None) if is_writable_json(args) else ""
        if wrong is not None:
            raise ModelError("edit_invalid", field=wrong.lstrip("."))
    return {id: json.dumps(args, ensure_ascii=False) for id, args in edits.items()}


def problem(form: Mapping[str, Any], content: Mapping[str, Any]) -> CodedError | None:
    """Return what a server's form does not take of its content, by a code with the field's name."""
    schema = plain(form, exact=True)
    for name in schema.get("required", ()):
        if content.get(name) is None:
            return CodedError("answer_missing", field=name)
    for name, value in content.items():
        field = schema["properties"].get(name, {})
        options = field.get("anyOf", [field])
        if not any(_takes(option, value) for option in options):
            told = next((option for option in options if option.get("type") != "null"), field)
            rules = {key: told[key] for key in RULES if key in told}
            return CodedError("answer_invalid", field=name, expected=json.dumps(rules, ensure_ascii=False))
    return None


def _takes(field: Mapping[str, Any], value: Any) -> bool:
    """Whether a field of a form has this value, which is no object: forms are flat."""
    is_fitting = "type" in field and not isinstance(value, dict) and not [*_misfits(value, field, "")]
    return is_fitting and (not isinstance(value, str) or _is_formed(value, field.get("format")))


def _is_formed(text: str, form: Any) -> bool:
    try:
        match form:
            case "email":
                name, _, host = text.rpartition("@")
                return bool(name and host) and not any(map(str.isspace, text))
            case "uri":
                return bool(urlsplit(text).scheme) and not any(map(str.isspace, text))
            case "date":
                return date.fromisoformat(text).isoformat() == text
            case "date-time":
                return "T" in text.upper() and datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
    return True


def _misfits(value: Any, schema: Mapping[str, Any], at: str) -> Iterator[str]:
    """Yield the places that a schema in plain form does not take."""
    if options := schema.get("anyOf"):
        if {option["type"] for option in options} >= _ANY:
            return
        tried = [next(_misfits(value, option, at), None) for option in options]
        if None not in tried:
            yield max((wrong for wrong in tried if wrong is not None), key=len)  # of the one that fits best
        return
    kind = schema["type"]
    is_whole = kind == "integer" and isinstance(value, float) and value.is_integer()
    is_kind = isinstance(value, _KINDS[kind]) and isinstance(value, bool) == (kind == "boolean")
    if not (is_kind or is_whole) or ("enum" in schema and value not in schema["enum"]):
        yield at
        return
    size = value if kind in ("integer", "number") else len(value) if kind in ("string", "array") else 0
    if any(sign * size < sign * schema[bound] for bound, sign in _BOUNDS.items() if bound in schema):
        yield at
    if kind == "array":
        for number, each in enumerate(value):
            yield from _misfits(each, schema["items"], f"{at}[{number}]")
    if kind == "object":
        yield from _misfits_within(value, schema, at)


def _misfits_within(value: Mapping[str, Any], schema: Mapping[str, Any], at: str) -> Iterator[str]:
    fields, required = schema.get("properties", {}), schema.get("required", ())
    yield from (f"{at}.{name}" for name in required if name not in value)
    for name, each in value.items():
        if name not in fields:
            if schema.get("additionalProperties") is False:
                yield f"{at}.{name}"
        elif each is not None or name in required:  # an optional one may be null: the plain form drops that
            yield from _misfits(each, fields[name], f"{at}.{name}")
