"""Builds a reply from what a provider sends: chunks of a stream, or a whole answer, in any dialect."""

import json
from dataclasses import dataclass, field
from typing import Any, Literal

from assistant.chat.arguments import is_writable_json
from assistant.chat.interfaces import ModelError, Reply, ToolRequest
from assistant.llm.request import MODEL, REASONING, REASONING_DETAILS, SIGNED, THINK

THINK_BEGINS, THINK_ENDS = "<think>", "</think>"  # MiniMax's thoughts, or any model's behind a bare vLLM


@dataclass
class _CallBuilder:
    """A tool call that is still coming in."""

    id: str | None
    name: str = ""
    arguments: str = ""
    signed: dict[str, Any] | None = None

    def is_whole(self) -> bool:
        try:
            json.loads(self.arguments)
        except ValueError:
            return False
        return True


@dataclass
class ReplyBuilder:
    """Builds the reply of the model of this name."""

    model: str
    text: str = ""  # what the user sees of it
    has_begun: bool = False
    _thought: str = ""  # a leading <think> block, or what may become one
    _may_think: bool = True
    _reasoning: dict[str, str] = field(default_factory=dict)
    _details: list[dict[str, Any]] = field(default_factory=list)
    _calls: list[_CallBuilder] = field(default_factory=list)
    _open: dict[int, _CallBuilder] = field(default_factory=dict)  # calls by index
    _finish: str | None = None

    def add(self, piece: Any) -> str:
        """Add a `ChatCompletionChunk` or a `ChatCompletion`, and return the text to show for it.

        The SDK checks neither: keep-alive chunks have no choices, and a stray `data: null` comes as None.
        """
        self.has_begun = True
        choices = getattr(piece, "choices", None)
        if not choices:
            return ""
        self._finish = choices[0].finish_reason or self._finish
        return self._add_delta(getattr(choices[0], "delta", None) or getattr(choices[0], "message", None))

    def say(self, text: str) -> str:
        """Add text that the user is to see, and return it."""
        self.text += text
        return text

    def rest(self) -> str:
        """Return, at the end, the text that was held back as a possible beginning of a <think> block."""
        if not self._may_think or self._thought.lstrip().startswith(THINK_BEGINS):
            return ""
        held, self._thought = self._thought, ""
        return self.say(held)

    def reply(self) -> Reply:
        """Return the whole reply; one that ended in the middle of arguments counts as cut off.

        Raises ModelError: the provider's content filter ended it.
        """
        if self._finish == "content_filter":
            raise ModelError("content_filtered")
        torn = any(call.arguments and not call.is_whole() for call in self._calls)
        finish: Literal["stop", "tool_calls", "length"] = "tool_calls" if self._calls else "stop"
        if self._finish == "length" or (self._finish is None and torn):
            finish = "length"
        calls = tuple(ToolRequest(call.name, call.arguments, call.signed) for call in self._calls)
        return Reply(self.text, calls, finish, self._extra())

    def _extra(self) -> dict[str, Any]:
        """Return what goes back to this model in later requests, and to no other."""
        extra: dict[str, Any] = {key: text for key, text in self._reasoning.items() if text}
        if self._details:
            extra[REASONING_DETAILS] = self._details
        if self._thought:
            extra[THINK] = self._thought
        if extra or any(call.signed for call in self._calls):
            extra[MODEL] = self.model
        return extra

    def _add_delta(self, delta: Any) -> str:
        """Add a delta or a message; some send a last one that is null."""
        for position, piece in enumerate(getattr(delta, "tool_calls", None) or ()):
            self._add_call(piece, position)
        for key in REASONING:
            self._reasoning[key] = self._reasoning.get(key, "") + _text(getattr(delta, key, None))
        for part in getattr(delta, REASONING_DETAILS, None) or ():
            self._add_detail(part)
        return self._add_content(_text(getattr(delta, "content", None)))

    def _add_content(self, text: str) -> str:
        """Add content and return the part of it to show: all but a leading <think> block."""
        if not self._may_think:
            return self.say(text)
        self._thought += text
        head = self._thought.lstrip()
        if not head.startswith(THINK_BEGINS):
            if THINK_BEGINS.startswith(head):  # nothing yet, or half a mark
                return ""
            shown, self._thought = self._thought, ""
        elif THINK_ENDS in head:
            before, mark, after = self._thought.partition(THINK_ENDS)
            shown = after.lstrip()
            if not shown:  # more blank lines may follow the block
                return ""
            self._thought = before + mark + after[: -len(shown)]
        else:
            return ""
        self._may_think = False
        return self.say(shown)

    def _add_detail(self, part: Any) -> None:
        """Add a part of OpenRouter's details; parts of the same type and index belong together."""
        if not isinstance(part, dict) or not is_writable_json(part):
            return
        last = self._details[-1] if self._details else {}
        if not last or any(last.get(key) != part.get(key) for key in ("type", "index")):
            self._details.append(dict(part))
            return
        for key, value in part.items():
            if key in ("text", "summary") and isinstance(value, str):
                last[key] = (last.get(key) or "") + value
            elif value is not None:
                last[key] = value

    def _add_call(self, piece: Any, position: int) -> None:
        """Add a piece of a call. The index may be missing or always 0, and so may the id."""
        index = getattr(piece, "index", None)
        index = position if index is None else index
        name = _text(getattr(piece.function, "name", None))
        arguments = _text(getattr(piece.function, "arguments", None))
        call = self._open.get(index)
        if call is None or _is_another(call, piece.id, name, arguments):
            call = self._open[index] = _CallBuilder(piece.id)
            self._calls.append(call)
        if name and call.name != name:
            call.name += name
        call.arguments += arguments
        signed = getattr(piece, SIGNED, None)
        if isinstance(signed, dict) and is_writable_json(signed):
            call.signed = {**(call.signed or {}), **signed}


def _is_another(call: _CallBuilder, piece_id: str | None, name: str, arguments: str) -> bool:
    """Whether a piece begins a new call, although its index is that of an open one.

    Two calls of the same tool without ids and arguments look like a repeated name: they count as one.
    """
    if not name:
        return False  # some send a new id with every piece
    if piece_id and call.id and piece_id != call.id:
        return True
    if call.is_whole() and arguments.lstrip().startswith("{"):
        return True  # ids may repeat, but no call goes on after its arguments have ended
    return bool(call.name and name != call.name and not piece_id and not call.arguments)


def _text(value: Any) -> str:
    """Return a text, which may come as parts (Mistral) or as an object (Ollama and others)."""
    match value:
        case None:
            text = ""
        case str():
            text = value
        case list():
            text = "".join(_text(part.get("text")) for part in value if isinstance(part, dict))
        case _:
            text = json.dumps(value, ensure_ascii=False)
    return text.encode(errors="replace").decode()  # JSON can hold lone surrogates: they become "?"
