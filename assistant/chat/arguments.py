"""A call's arguments: JSON that has one meaning, which every server and provider takes."""

import json
import re
from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import suppress
from itertools import chain, repeat
from math import isfinite
from typing import Any

from serving.errors import CodedError

MAX_DEPTH = 64  # of nested lists and objects
MAX_SHOWN = 200  # characters of broken arguments that are shown to the model
MAX_WRAPPED = 3  # fences, tags and texts around the object
MAX_DIGITS = 16  # of a number with a point, this one among them
MAX_SAID = 16  # objects in a row

STRING = r"\"(?:[^\"\\]|\\.)*+\"|'(?:[^'\\]|\\.)*+'"  # with either quotes
_COMMENT = r"/\*(?:[^*]|\*(?!/))*+(?:\*/|\Z)|//[^\n]*+"
_BRACKET = re.compile(rf"{STRING}|{_COMMENT}|[\[{{(\]}})\"']", re.DOTALL)
# What is no JSON and has one meaning: comments, other quotes and blanks, names without any, a last comma,
# Python's words.
_LOOSE = re.compile(
    rf"{STRING}|{_COMMENT}|[\xa0\u3000]|“[^“”]*”|\b(?P<name>[A-Za-z_]\w*+)(?=\s*[:：])|,(?=\s*[}}\]])|\b(?:True|False|None)\b|[：，]",
    re.DOTALL,
)
_STRICT = {"True": "true", "False": "false", "None": "null", "：": ":", "，": ",", ",": ""}
_STRICT |= dict.fromkeys("\xa0\u3000", " ")
_STRICT |= {'"': '\\"', "\\'": "'"}  # within a text of other quotes
# Thoughts or words around the one object. A number among them could be meant instead of one in it.
_THOUGHT = re.compile(r"\A\s*<(think\w{0,9})>[^{}<]*+</\1>")
_WORDS = r"(?:[^{}\[\]\"'“”<>`~;\d]|(?<=\w)'(?=\w))++"
_BEFORE, _BEHIND = re.compile(rf"\A{_WORDS}(?=\{{)"), re.compile(rf"(?<=\}}){_WORDS}\Z")
_WRAPS = ("arguments", "parameters", "input", "args", "kwargs", "params")  # a call within a call


class ArgumentsError(CodedError):
    """The arguments are no JSON object, or could mean two things."""


def is_writable_json(value: Any, depth: int = 0) -> bool:
    """Whether every JSON encoder accepts this: not too deep, finite, 64-bit, no lone surrogates.

    Python's parser accepts more: `NaN`, `1e999`, a lone surrogate.
    """
    if depth > MAX_DEPTH:
        return False
    match value:
        case dict() | list():
            inner = chain(value, value.values()) if isinstance(value, dict) else value
            return all(map(is_writable_json, inner, repeat(depth + 1)))
        case str():
            return value.isascii() or _is_encodable(value)
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
        args = _DECODER.decode(text or "{}")
    except (ValueError, RecursionError):
        args = None
    return _checked(args, text)


def read(text: str, schema: Mapping[str, Any], names: Collection[str] = ()) -> tuple[str, bool]:
    """Return the text of a call's arguments as it will be executed, and whether the model wrote it otherwise.

    What can be read in one way only is read, by the help of the tool's `schema` and `names`; a text that was
    said twice is said once, which is no mending. Raises ArgumentsError.
    """
    args, once = _read(text, MAX_WRAPPED)
    listed = schema.get("properties")
    properties = listed if isinstance(listed, dict) else {}
    args = _unpacked(args, properties, names)
    args = {name: _unwrapped(value, properties.get(name)) for name, value in args.items()}
    if once and _KEEPING.decode(once) == args:
        return once, False
    executed = json.dumps(_checked(args, text), ensure_ascii=False)
    return executed, executed != once


def _kept(digits: str) -> float | None:
    """Return a number, unless it has more digits than are surely kept, and so would not run as shown."""
    return float(digits) if len(digits) <= MAX_DIGITS else None


def _read(text: str, depth: int) -> tuple[dict[str, Any], str]:
    """Return the one object in a text, and the text that says only this, once; "" where there is none."""
    try:
        return parse(text), text.strip() or "{}"
    except ArgumentsError as error:
        if error.code != "arguments_not_json":
            raise
    said = _sequence(_bare(text)) or _sequence(_unquoted(text.strip()))
    filled = [each for each in said if each[0] not in (None, {}, "", [])] or said[:1]
    if len({json.dumps(value, sort_keys=True) for value, _ in filled}) != 1:
        raise ArgumentsError("arguments_not_json", arguments=text[:MAX_SHOWN])
    value, once = filled[0]
    if isinstance(value, list) and len(value) < 2:  # a list of one object, or of nothing
        value, once = next(iter(value), None), ""
    if isinstance(value, str) and depth:
        return _read(value, depth - 1)[0], ""
    if isinstance(value, dict) and once and not text.replace(once, "").strip():
        with suppress(ArgumentsError):
            return parse(once), once
    return _checked({} if value is None else value, text), ""


def _bare(text: str) -> str:
    """Return a text without thoughts before it, and without words, a fence or tags around it."""
    text = _THOUGHT.sub("", text)
    for _ in range(MAX_WRAPPED):
        text = re.sub(r"\A((?:`+|~~~)[a-z]*|<[^<>{}\"]+>)", "", text.strip().strip("\ufeff"))
        text = text.rstrip("`").removesuffix("~~~")
        last = text.rfind("<")
        if last >= 0 and re.fullmatch(r"<[^<>{}\"]+>\s*", text[last:]):
            text = text[:last]
    return _BEHIND.sub("", _BEFORE.sub("", text.strip()))


def _unquoted(text: str) -> str:
    """Return a text without the quotes around it, or without the escapes that belong within quotes."""
    if text.startswith('"{') and text.endswith('}"'):
        return text[1:-1]
    with suppress(ValueError):
        return str(json.loads(f'"{text}"')) if text.startswith('{\\"') else ""
    return ""


def _sequence(text: str) -> list[tuple[Any, str]]:
    """Return the JSON values that follow each other, each with its text; a string may hold raw newlines."""
    said: list[tuple[Any, str]] = []
    at = 0
    try:
        while len(said) <= MAX_SAID and set(text[at:].strip()) - set("}];"):  # of these, too many say nothing
            at += len(text[at:]) - len(text[at:].lstrip())
            value, end = value_at(text, at)
            if not is_writable_json(value):
                return []
            said.append((value, text[at:end]))
            at = end
    except (ValueError, RecursionError):
        return []
    return said if len(said) <= MAX_SAID else []


def value_at(text: str, at: int) -> tuple[Any, int]:
    """Return the value that stands at a place, and where it ends: JSON, or what can be read as such only.

    Raises ValueError, RecursionError: there is none; ArgumentsError: it could mean two things.
    """
    with suppress(ValueError):
        return _LENIENT.raw_decode(text, at)
    end = at + 4 if text.startswith("None", at) else closed_at(text, at)
    return _LENIENT.decode(_LOOSE.sub(_strict, text[at:end])), end


def closed_at(text: str, at: int) -> int:
    """Return where the brackets, or the quotes, that open at a place are closed. Raises ValueError."""
    depth = 0
    for found in _BRACKET.finditer(text, at):
        if found[0] in "\"'":  # never closed; to look for its end once more at each takes the square
            break
        depth += (found[0] in "[{(") - (found[0] in "]})")
        if depth <= 0:
            return found.end()
    raise ValueError("never closed")


def _strict(found: re.Match[str]) -> str:
    text = found[0]
    if text[:2] in ("//", "/*"):
        return " "
    if text[0] in "'“":
        inner = re.sub(r"\\.|\"", lambda each: _STRICT.get(each[0], each[0]), text[1:-1], flags=re.DOTALL)
        return f'"{inner}"'
    return f'"{text}"' if found["name"] else _STRICT.get(text, text)


def _unwrapped(value: Any, schema: Any) -> Any:
    """Return the list or object that the schema wants in the place of a text that holds one."""
    kind = schema.get("type") if isinstance(schema, dict) else None
    if kind not in ("object", "array") or not isinstance(value, str):
        return value
    said = [each for each, _ in _sequence(_bare(value))]
    return said[0] if [*map(type, said)] == [dict if kind == "object" else list] else value


def _unpacked(args: dict[str, Any], properties: Collection[str], names: Collection[str]) -> dict[str, Any]:
    """Return the arguments within a call that stands in their place, where they are those of this tool."""
    if not args.keys().isdisjoint(properties) or args.get("name", "") not in ("", *names):
        return args
    match [(key, value) for key, value in args.items() if key not in ("name", "type", "id")]:
        case [(str(key), value)] if key in _WRAPS:
            inner = _unwrapped(value, {"type": "object"})
            return inner if isinstance(inner, dict) and inner.keys() <= set(properties) else args
    return args


def _checked(args: Any, text: str) -> dict[str, Any]:
    if isinstance(args, dict) and is_writable_json(args):
        return args
    raise ArgumentsError("arguments_not_json", arguments=text[:MAX_SHOWN])


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object; readers differ in which of two equal names counts."""
    made = dict(pairs)
    if len(made) < len(pairs):
        [(name, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise ArgumentsError("arguments_ambiguous", name=name[:MAX_SHOWN])
    return made


# Made once: `json.loads` makes one for each text, which takes longer than to read it.
_DECODER = json.JSONDecoder(object_pairs_hook=_object)
_LENIENT = json.JSONDecoder(object_pairs_hook=_object, strict=False)
_KEEPING = json.JSONDecoder(parse_float=_kept)


def canonical(text: str) -> str:
    """Return a text that is the same for equal arguments, in whatever order and form they were written."""

    def number(digits: str) -> float:
        value = float(digits)
        return int(value) if value.is_integer() else value

    return json.dumps(json.loads(text or "{}", parse_float=number), sort_keys=True)
