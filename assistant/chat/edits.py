"""What the user changed about calls that wait, checked before it is shown again for an approval."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from assistant.chat.arguments import is_writable_json
from assistant.chat.history import Message, calls_of
from assistant.chat.interfaces import ModelError, Tool
from assistant.chat.schemas import ANYTHING, plain

Edits = Mapping[str, Mapping[str, Any]]  # the new arguments by call id

_BOUNDS = {"minimum": 1, "maximum": -1, "minLength": 1, "maxLength": -1, "minItems": 1, "maxItems": -1}
_KINDS: Mapping[str, type | tuple[type, ...]] = {"string": str, "number": (int, float), "boolean": bool}
_ANY = {each["type"] for each in ANYTHING}
_KINDS = {**_KINDS, "integer": int, "array": list, "object": dict, "null": type(None)}


def checked(edits: Edits, waiting: Mapping[str, Tool], history: Sequence[Message]) -> dict[str, str]:
    """Return the arguments as texts, by the ids of the calls; `waiting` are the tools of those that wait.

    Raises ModelError: `edit_unknown` of an id that the history does not have, `edit_too_late` of a call that
    waits no more, `edit_invalid` of arguments that the tool's schema does not take.
    """
    known = {call.id for message in history for call in calls_of(message)}
    for id, args in edits.items():
        if id not in waiting:
            raise ModelError("edit_too_late" if id in known else "edit_unknown")
        schema = plain(waiting[id].input_schema, closed=True)
        wrong = next(_misfits(args, schema, ""), None) if is_writable_json(args) else ""
        if wrong is not None:
            raise ModelError("edit_invalid", field=wrong.lstrip("."))
    return {id: json.dumps(args, ensure_ascii=False) for id, args in edits.items()}


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
