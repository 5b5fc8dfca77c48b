"""Builds a reply from what a provider sends: chunks of a stream, or a whole answer, in any dialect."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any, Literal

from assistant.chat.arguments import is_writable_json
from assistant.chat.interfaces import ModelError, Piece, Reply, Restart, Thought, ToolRequest
from assistant.llm.calls import CallsBuilder, is_json, list_of, text_of
from assistant.llm.prose import Part, ProseReader
from assistant.llm.prose_calls import calls_in
from assistant.llm.refusals import reason_of
from assistant.llm.request import MODEL, REASONING, REASONING_DETAILS, THINK

MAX_CHARACTERS = 2_000_000  # of an answer: text, thoughts and arguments


ENDINGS = {  # why a provider ended an answer that is none, or no whole one
    "content_filter": "content_filtered",
    "sensitive": "content_filtered",  # Zhipu
    "safety": "content_filtered",  # Gemini, with those below
    "recitation": "content_filtered",
    "blocklist": "content_filtered",
    "prohibited_content": "content_filtered",
    "refusal": "model_declined",  # Anthropic
    "insufficient_system_resource": "model_exhausted",  # DeepSeek
    "network_error": "model_broke_off",  # Zhipu
    "error": "model_broke_off",  # OpenRouter
    "abort": "model_broke_off",  # vLLM, SGLang
    "malformed_function_call": "call_malformed",  # Gemini
}
CUT_SHORT = ("length", "max_tokens", "max_output_tokens")


class ReplyBuilder:
    """Builds the reply of the model of this name."""

    def __init__(
        self, model: str, tools: Sequence[Mapping[str, Any]] = (), *, max_characters: int = MAX_CHARACTERS
    ) -> None:
        """Make a builder; `tools` are those that the model was offered."""
        self.has_begun = False
        self._model = model
        self._tools = {tool["function"]["name"]: tool["function"]["parameters"] for tool in tools}
        self._max_characters = max_characters
        self._characters = 0
        self._notes: list[str] = []
        self._prose = ProseReader(self._tools)
        self._refusal: list[str] = []
        self._reasoning: dict[str, list[str]] = {key: [] for key in REASONING}
        self._details: list[dict[str, Any]] = []
        self._calls = CallsBuilder()
        self._finish = ""

    def say(self, note: str) -> str:
        """Add a note of ours before the answer, and return it."""
        self._notes.append(note)
        return note

    def add(self, piece: dict[str, Any]) -> Iterator[Piece]:
        """Add a chunk of a stream, or a whole answer, and yield what is to be shown for it.

        Keep-alive chunks have no choices. Raises ModelError: the answer has no end.
        """
        self.has_begun = True
        choice = next(iter(list_of(piece.get("choices"))), None)
        if not isinstance(choice, dict):
            return
        self._finish = text_of(choice.get("finish_reason")).lower().replace("-", "_") or self._finish
        delta = choice.get("delta") or choice.get("message")  # some send a last one that is null
        if isinstance(delta, dict):
            yield from self._add_delta(delta)

    def end(self) -> Iterator[Piece]:
        """Yield, at the end, what was held back, then the whole reply.

        One that ended in the middle of arguments counts as cut off. Raises ModelError: it ended otherwise
        than well, or holds calls in prose that cannot be run.
        """
        yield from self._noted(self._prose.end())
        code = ENDINGS.get(self._finish)
        if code or any(self._refusal):
            raise _ended(code or "model_declined", reason_of("".join(self._refusal)) or self._finish)
        calls = self._calls.calls()
        if self._prose.markup and not calls:
            calls = yield from self._calls_in_prose()
        torn = any(call.arguments and not is_json(call.arguments) for call in self._calls.calls())
        finish: Literal["stop", "tool_calls", "length"] = "tool_calls" if calls else "stop"
        if self._finish in CUT_SHORT or (not self._finish and torn):
            finish = "length"
        yield Reply("".join([*self._notes, self._prose.text]), calls, finish, self._extra(calls))

    def _calls_in_prose(self) -> Generator[Piece, None, tuple[ToolRequest, ...]]:
        """Return the calls that are the whole answer; what only looked like one is shown after all."""
        calls = () if self._prose.text else tuple(calls_in(self._prose.markup, self._tools))
        is_bare = self._prose.markup.lstrip()[:1] in ("{", "[") and "[TOOL_CALLS]" not in self._prose.markup
        if not calls and (is_bare or (self._prose.text and not self._tools)):
            yield from self._noted(self._prose.show_markup())
        elif not calls or not self._tools:
            raise ModelError("call_in_prose")
        return calls

    def _noted(self, parts: Iterator[Part]) -> Iterator[Part]:
        """Yield parts; where all is taken back, our notes are said again."""
        for part in parts:
            yield part
            if isinstance(part, Restart):
                yield from self._notes

    def _extra(self, calls: Sequence[ToolRequest]) -> dict[str, Any]:
        """Return what goes back to this model in later requests, and to no other."""
        extra: dict[str, Any] = {key: "".join(parts) for key, parts in self._reasoning.items() if any(parts)}
        if self._details:
            extra[REASONING_DETAILS] = self._details
        if thought := self._prose.thought:
            extra[THINK] = thought
        if extra or any(call.signed for call in calls):
            extra[MODEL] = self._model
        return extra

    def _add_delta(self, delta: dict[str, Any]) -> Iterator[Part]:
        for position, piece in enumerate(list_of(delta.get("tool_calls"))):
            self._count(self._calls.add(piece, position))
        self._refusal.append(self._count(text_of(delta.get("refusal"))))
        thoughts = [self._count(text_of(delta.get(key))) for key in REASONING]
        for key, thought in zip(REASONING, thoughts, strict=True):
            self._reasoning[key].append(thought)
        if thought := next(filter(None, thoughts), ""):  # some send the same under both names
            yield Thought(thought)
        for part in list_of(delta.get(REASONING_DETAILS)):
            self._count(str(part))
            self._add_detail(part)
        if text := self._count(text_of(delta.get("content"))):
            yield from self._noted(self._prose.feed(text))

    def _count(self, text: str) -> str:
        self._characters += len(text)
        if self._characters > self._max_characters:
            raise ModelError("answer_too_long", characters=self._max_characters)
        return text

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


def _ended(code: str, reason: str) -> ModelError:
    return ModelError(code, reason=reason) if code == "model_declined" else ModelError(code)
