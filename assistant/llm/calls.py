"""Puts the tool calls of an answer together from their pieces; a call said twice is one call."""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from assistant.chat.arguments import is_writable_json
from assistant.chat.interfaces import ModelError, ToolRequest

MAX_CALLS = 128  # of an answer
SIGNED = "extra_content"  # the key for what goes back to a call's model, and to no other
_ARGUMENTS = ("arguments", "parameters", "input", "args")  # OpenAI's; others' names for them
_IDS, _NAMES = ("id", "call_id", "toolCallId"), ("name", "toolName")  # of Responses and of Vercel's SDK, too


@dataclass(eq=False)
class _CallBuilder:
    """A call that is still coming in."""

    id: str
    name: str = ""
    pieces: list[str] = field(default_factory=list)  # of its arguments
    signed: dict[str, Any] | None = None

    def arguments(self) -> str:
        """Return the arguments; where pieces came twice, without the repetitions if that alone makes JSON."""
        text = "".join(self.pieces)
        firsts, seconds = self.pieces[::2], self.pieces[1::2]
        if not is_json(text) and firsts == seconds and is_json("".join(firsts)):
            return "".join(firsts)  # every piece came twice
        if not is_json(text) and self.pieces[:1] == self.pieces[1:2] and is_json("".join(self.pieces[1:])):
            return "".join(self.pieces[1:])  # the first did, with id and name
        grows = all(after.startswith(before) for before, after in pairwise(self.pieces))
        if self.pieces and not is_json(text) and grows and is_json(self.pieces[-1]):
            return self.pieces[-1]  # each piece repeats all before it
        return text

    def is_whole(self) -> bool:
        return is_json(self.arguments())


class CallsBuilder:
    """Builds the calls of one answer; `names` are those of the tools that were offered."""

    def __init__(self, names: Collection[str] = (), max_calls: int = MAX_CALLS) -> None:
        self._names = names
        self._max_calls = max_calls
        self._builders: list[_CallBuilder] = []
        self._open: dict[int, _CallBuilder] = {}  # by index

    def add(self, piece: Any, position: int) -> str:
        """Add a piece of a call, at its position in the chunk, and return the text that it brings.

        The index may be missing or always 0, and so may the id. Raises ModelError: the calls have no end.
        """
        piece = piece if isinstance(piece, dict) else {}
        function = _function_of(piece)
        id, name = _first_text(piece, _IDS), _first_text(function, _NAMES)
        arguments = _first_text(function, _ARGUMENTS)
        if not (id or name or arguments or SIGNED in piece):
            return ""
        call = self._open_one(_number(piece.get("index")), position, id, name, arguments)
        if name and call.name != name:
            call.name = name if self._grows(call, name) else call.name + name
        if arguments:
            call.pieces.append(arguments)
        signed = piece.get(SIGNED)
        if isinstance(signed, dict) and is_writable_json(signed):
            call.signed = {**(call.signed or {}), **signed}
        return f"{name}{arguments}"

    def calls(self) -> tuple[ToolRequest, ...]:
        """Return the calls, each once: of those of one id and tool, the first whole one."""
        kept: list[list[_CallBuilder]] = []
        for call in self._builders:
            if not call.name and not call.pieces:  # an id alone
                continue
            said = next((group for group in kept if _is_said_again(call, group[0])), None)
            if said is None:
                kept.append([call])
            else:
                said.append(call)
        chosen = [
            next(
                (
                    call
                    for call in group
                    if call.arguments().strip() not in ("{}", "null") and call.is_whole()
                ),
                group[0],
            )
            for group in kept
        ]
        return tuple(ToolRequest(call.name, call.arguments(), call.signed) for call in chosen)

    def _grows(self, call: _CallBuilder, name: str) -> bool:
        """Whether a name is what has come of it before, and more."""
        return "" != call.name != name and call.name not in self._names and name.startswith(call.name)

    def _goes_on(self, call: _CallBuilder, name: str) -> bool:
        """Whether a name is the next piece of the one before: together they begin a tool's."""
        begun = call.name + name
        return call.name not in self._names and any(each.startswith(begun) for each in self._names)

    def _open_one(self, index: int | None, position: int, id: str, name: str, arguments: str) -> _CallBuilder:
        """Return the call that a piece belongs to, a new one where it begins one."""
        if index is None:
            known = next((at for at, call in self._open.items() if id and call.id == id), position)
            index = position if name else known
        call = self._open.get(index)
        is_named = call and name and not id and (self._goes_on(call, name) or self._grows(call, name))
        if call is None or (not is_named and _is_another(call, id, name, arguments)):
            call = self._open[index] = _CallBuilder(id)
            self._builders.append(call)
            if len(self._builders) > self._max_calls:
                raise ModelError("too_many_calls", max=self._max_calls)
        return call


def _function_of(piece: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a piece says of its function: some say it elsewhere."""
    told = (piece.get(key) for key in ("function", "custom"))
    return next((each for each in told if isinstance(each, dict)), piece)


def _first_text(told: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    return next(filter(None, (text_of(told.get(key)) for key in keys)), "")


def _number(index: Any) -> int | None:
    if isinstance(index, str) and re.fullmatch(r"\d{1,6}", index):
        return int(index)
    return index if isinstance(index, int) else None


def _is_another(call: _CallBuilder, id: str, name: str, arguments: str) -> bool:
    """Whether a piece begins a new call, although its index is that of an open one.

    Two calls of the same tool without ids and arguments look like a repeated name: they count as one.
    """
    if not name:
        return False  # some send a new id with every piece
    if id and call.id and id != call.id:
        goes_on = not call.is_whole() and not arguments.lstrip().startswith("{") if call.pieces else arguments
        return name != call.name or not goes_on  # some send both a new id and the name with every piece
    if arguments.lstrip().startswith("{") and call.is_whole():
        return True  # ids may repeat, but no call goes on after its arguments have ended
    return bool(call.name and name != call.name and not id and not call.pieces)


def _is_said_again(call: _CallBuilder, before: _CallBuilder) -> bool:
    """Whether a call is an earlier one, repeated by its id, or by its name without arguments."""
    if call.name not in ("", before.name):
        return False  # gateways give the same id to two calls of different tools
    return (bool(call.id) and call.id == before.id) or (not call.pieces and call.name == before.name)


def is_json(text: str) -> bool:
    """Whether a text is JSON, and whole."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def list_of(value: Any) -> list[Any]:
    """Return a list, or an empty one for what is none."""
    return value if isinstance(value, list) else []


def text_of(value: Any) -> str:
    """Return a text, which may come as parts (Mistral) or as an object (Ollama and others)."""
    match value:
        case None:
            text = ""
        case str():
            text = value
        case list():
            text = "".join(text_of(part.get("text")) for part in value if isinstance(part, dict))
        case _:
            text = json.dumps(value, ensure_ascii=False)
    return text.encode(errors="replace").decode()  # JSON can hold lone surrogates: they become "?"
