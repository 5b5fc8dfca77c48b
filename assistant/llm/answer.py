"""Builds a reply from what a provider sends: chunks of a stream, or a whole answer, in any dialect."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from assistant.chat.arguments import is_writable_json
from assistant.chat.interfaces import ModelError, Reply, ToolRequest
from assistant.llm.calls import CallsBuilder, is_json, list_of, text_of
from assistant.llm.request import MODEL, REASONING, REASONING_DETAILS, THINK

THINK_BEGINS, THINK_ENDS = "<think>", "</think>"  # MiniMax's thoughts, or any model's behind a bare vLLM
MAX_CHARACTERS = 2_000_000  # of an answer: text, thoughts and arguments


@dataclass
class ReplyBuilder:
    """Builds the reply of the model of this name."""

    model: str
    max_characters: int = MAX_CHARACTERS
    has_begun: bool = False
    _shown: list[str] = field(default_factory=list)  # what the user sees of it
    _thought: str = ""  # a leading <think> block, or what may become one
    _may_think: bool = True
    _reasoning: dict[str, list[str]] = field(default_factory=lambda: {key: [] for key in REASONING})
    _details: list[dict[str, Any]] = field(default_factory=list)
    _calls: CallsBuilder = field(default_factory=CallsBuilder)
    _finish: Any = None
    _characters: int = 0

    def add(self, piece: dict[str, Any]) -> str:
        """Add a chunk of a stream, or a whole answer, and return the text to show for it.

        Keep-alive chunks have no choices. Raises ModelError: the answer has no end.
        """
        self.has_begun = True
        choices = piece.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict):
            return ""
        self._finish = choice.get("finish_reason") or self._finish
        delta = choice.get("delta") or choice.get("message")  # some send a last one that is null
        return self._add_delta(delta) if isinstance(delta, dict) else ""

    def say(self, text: str) -> str:
        """Add text that the user is to see, and return it."""
        self._shown.append(text)
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
        calls = self._calls.calls()
        torn = any(call.arguments and not is_json(call.arguments) for call in calls)
        finish: Literal["stop", "tool_calls", "length"] = "tool_calls" if calls else "stop"
        if self._finish == "length" or (self._finish is None and torn):
            finish = "length"
        return Reply("".join(self._shown), calls, finish, self._extra(calls))

    def _extra(self, calls: Sequence[ToolRequest]) -> dict[str, Any]:
        """Return what goes back to this model in later requests, and to no other."""
        extra: dict[str, Any] = {key: "".join(parts) for key, parts in self._reasoning.items() if any(parts)}
        if self._details:
            extra[REASONING_DETAILS] = self._details
        if self._thought:
            extra[THINK] = self._thought
        if extra or any(call.signed for call in calls):
            extra[MODEL] = self.model
        return extra

    def _add_delta(self, delta: dict[str, Any]) -> str:
        for position, piece in enumerate(list_of(delta.get("tool_calls"))):
            self._count(self._calls.add(piece, position))
        for key in REASONING:
            self._reasoning[key].append(self._count(text_of(delta.get(key))))
        for part in list_of(delta.get(REASONING_DETAILS)):
            self._count(str(part))
            self._add_detail(part)
        return self._add_content(self._count(text_of(delta.get("content"))))

    def _count(self, text: str) -> str:
        self._characters += len(text)
        if self._characters > self.max_characters:
            raise ModelError("answer_too_long", characters=self.max_characters)
        return text

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
