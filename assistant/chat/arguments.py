"""A call's arguments: JSON that has one meaning, which every server and provider takes."""

import json
from decimal import Decimal, InvalidOperation, localcontext
from math import isfinite
from typing import Any

from serving.errors import CodedError

MAX_DEPTH = 64  # of nested lists and objects
MAX_SHOWN = 200  # characters of broken arguments that are shown to the model


class ArgumentsError(CodedError):
    """The arguments are no JSON object, or could mean two things."""


def is_writable_json(value: Any, depth: int = 0) -> bool:
    """Whether every JSON encoder accepts this: not too deep, finite, 64-bit, no lone surrogates.

    Python's parser accepts more: `NaN`, `1e999`, a lone surrogate.
    """
    if depth > MAX_DEPTH:
        return False
    match value:
        case dict():
            return all(is_writable_json(k) and is_writable_json(v, depth + 1) for k, v in value.items())
        case list():
            return all(is_writable_json(item, depth + 1) for item in value)
        case str():
            return _is_encodable(value)
        case float():
            return isfinite(value)
        case int():
            return -(2**63) <= value < 2**64
        case _:
            return True


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def parse(text: str) -> dict[str, Any]:
    """Return the arguments that a text holds; no text is an empty object. Raises ArgumentsError."""
    try:
        args = json.loads(text or "{}", object_pairs_hook=_object)
    except (ValueError, RecursionError):
        args = None
    if isinstance(args, dict) and is_writable_json(args):
        return args
    raise ArgumentsError("arguments_not_json", arguments=text[:MAX_SHOWN])


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object; readers differ in which of two equal names counts."""
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise ArgumentsError("arguments_ambiguous", name=next(n for n in names if names.count(n) > 1))
    return made


def executed(text: str) -> str:
    """Return the text as it will be executed: the same, unless it has more digits than a number keeps.

    Raises ArgumentsError.
    """
    args = parse(text)
    lost: list[str] = []

    def exact(digits: str) -> float:
        number = float(digits)
        with localcontext() as context:
            context.traps[InvalidOperation] = False  # an exponent beyond all bounds becomes NaN
            if Decimal(digits) != Decimal(repr(number)):
                lost.append(digits)
        return number

    json.loads(text or "{}", parse_float=exact)
    return json.dumps(args, ensure_ascii=False) if lost else text


def canonical(text: str) -> str:
    """Return a text that is the same for equal arguments, in whatever order and form they were written."""

    def number(digits: str) -> float:
        value = float(digits)
        return int(value) if value.is_integer() else value

    return json.dumps(json.loads(text or "{}", parse_float=number), sort_keys=True)
