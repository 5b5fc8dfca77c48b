"""Builds a reply from what a provider sends: chunks of a stream, or a whole answer, in any dialect."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from assistant.chat.arguments import is_writable_json
from assistant.chat.interfaces import ModelError, Piece, Reply, Thought, ToolRequest
from assistant.llm.calls import CallsBuilder, is_json, list_of, text_of
from assistant.llm.cumulative import CumulativeText
from assistant.llm.parts import THOUGHTS, parts_of
from assistant.llm.prose import Part, ProseReader
from assistant.llm.refusals import reason_of
from assistant.llm.request import MODEL, REASONING, REASONING_DETAILS, THINK
from assistant.llm.usage import UsageReader
from serving.errors import CodedError

MAX_CHARACTERS = 2_000_000  # of an answer: text, thoughts and arguments
MAX_TOLD = 300  # characters of a call that was left out

_FILTERS = [
    *("content_filter", "sensitive", "safety", "recitation", "blocklist", "prohibited_content", "spii"),
    *("image_safety", "content_filtered", "guardrail_intervened", "error_toxic", "moderation"),
]
_BREAKS = ("network_error", "error", "abort", "cancelled", "timeout")  # Zhipu; OpenRouter; vLLM and SGLang
_MALFORMED = ("malformed_function_call", "malformed_tool_use", "unexpected_tool_call", "too_many_tool_calls")
ENDINGS = {  # why a provider ended an answer that is none, or no whole one
    **dict.fromkeys(_FILTERS, "content_filtered"),  # OpenAI, Zhipu, Gemini; Bedrock; Cohere
    **dict.fromkeys(_BREAKS, "model_broke_off"),
    "refusal": "model_declined",  # Anthropic
    "insufficient_system_resource": "model_exhausted",  # DeepSeek
    **dict.fromkeys(_MALFORMED, "call_malformed"),  # Gemini, Bedrock
}
CUT_SHORT = {
    *("length", "max_tokens", "max_output_tokens", "model_length", "model_context_window_exceeded"),
    *("context_length_exceeded", "out_of_tokens", "max_length"),
}
WHOLE = {  # whatever else is said may be why an answer is no whole one
    *("stop", "stop_sequence", "stop_token", "end_turn", "end_of_turn", "end_of_message", "end", "eos"),
    *("eos_token", "complete", "completed", "done", "finish", "finished", "normal", "success", "1"),
    *("tool_calls", "tool_call", "tool_use", "function_call", "function_calls"),
}
# Thoughts that no provider wants back, LiteLLM's among them.
SHOWN = ("reasoning_text", "thinking", "thought", "thinking_blocks")


class ReplyBuilder:
    """Builds the reply of the model of this name."""

    def __init__(
        self, model: str, tools: Sequence[Mapping[str, Any]] = (), *, max_characters: int = MAX_CHARACTERS
    ) -> None:
        """Make a builder; `tools` are those that the model was offered."""
        self._model = model
        self._tools = {tool["function"]["name"]: tool["function"]["parameters"] for tool in tools}
        self._max_characters = max_characters
        self._characters = 0
        self._prose = ProseReader(self._tools)
        self._once = {name: CumulativeText() for name in ("content", "thought", *REASONING)}
        self._refusal: list[str] = []
        self._reasoning: dict[str, list[str]] = {key: [] for key in REASONING}
        self._details: list[dict[str, Any]] = []
        self._calls = CallsBuilder(self._tools)
        self._usage = UsageReader()
        self._finish = self._finish_said = ""
        self._is_whole = False  # the provider has said so
        self._has_said = False  # text, or a call
        self._unreadable = 0  # pictures and the like

    def add(self, piece: dict[str, Any]) -> Iterator[Piece]:
        """Add a chunk of a stream, or a whole answer, and yield what is to be shown for it.

        Keep-alive chunks have no choices. Raises ModelError: the answer has no end.
        """
        self._usage.add(piece)
        choice = _choice_of(piece.get("choices"))
        delta, message = choice.get("delta"), choice.get("message")
        self._is_whole = self._is_whole or bool(piece.get("done") or (message and not delta))
        said = text_of(choice.get("finish_reason", choice.get("stop_reason")))
        # A name of Google's library, or what its endpoint puts a reason of its own behind.
        finish = re.split(r"finishreason\.|: ", said.lower().replace("-", "_"))[-1]
        if finish not in ("", "null", "none"):
            self._finish, self._finish_said = finish, said
        if not delta and not self._has_said:  # behind the pieces, some send the whole message once more
            delta = message
        if not isinstance(delta, dict):
            delta = {"content": delta or choice.get("text")}  # of a plain completion
        yield from self._add_delta(delta)

    def end(self) -> Iterator[Piece]:
        """Yield, at the end, what was held back, then the whole reply.

        One that ended in the middle of arguments counts as cut off. Raises ModelError: it ended otherwise
        than well, or is a call in prose that cannot be run.
        """
        if thought := self._once["thought"].end():
            yield Thought(thought)
        yield from self._prose.feed(self._count(self._once["content"].end()))
        yield from self._prose.end()
        code = ENDINGS.get(self._finish) or ("model_declined" if any(self._refusal) else "")
        if code == "model_declined":
            raise ModelError(code, reason=reason_of("".join(self._refusal) or self._finish_said))
        if code:
            raise ModelError(code)
        if not self._finish and not self._is_whole:  # the connection ended well, and the answer did not
            raise ModelError("model_broke_off")
        calls, left_out, notes = self._calls.calls(), self._prose.left_out, tuple[CodedError, ...]()
        torn = any(call.arguments and not is_json(call.arguments) for call in calls)
        if not calls and self._tools and self._prose.calls:
            calls = tuple(self._prose.calls)
        elif not calls and left_out:
            if not self._prose.text.strip():
                raise ModelError("call_in_prose")
            notes = (CodedError("call_left_out", call=left_out.strip()[:MAX_TOLD]),)
        if self._unreadable:
            notes += (CodedError("answer_unreadable"),)
            if not calls and not self._prose.text.strip():
                raise ModelError("answer_unreadable")
        finish: Literal["stop", "tool_calls", "length"] = "tool_calls" if calls else "stop"
        if self._finish in CUT_SHORT or (self._finish not in WHOLE and torn):
            finish = "length"
        elif self._finish and self._finish not in WHOLE and not calls:
            raise ModelError("answer_ended", reason=reason_of(self._finish_said))
        yield Reply(self._prose.text, calls, finish, self._extra(calls), notes, self._usage.usage())

    def _extra(self, calls: Sequence[ToolRequest]) -> dict[str, Any]:
        """Return what goes back to this model in later requests, and to no other."""
        reasoning = {key: "".join(parts) + self._once[key].end() for key, parts in self._reasoning.items()}
        extra: dict[str, Any] = {key: text for key, text in reasoning.items() if text}
        if self._details:
            extra[REASONING_DETAILS] = self._details
        if thought := self._prose.thought:
            extra[THINK] = thought
        if extra or any(call.signed for call in calls):
            extra[MODEL] = self._model
        return extra

    def _add_delta(self, delta: dict[str, Any]) -> Iterator[Part]:
        parts = parts_of(delta)
        pieces = [*self._call_pieces(delta), *parts.calls]
        for position, piece in enumerate(pieces):
            self._count(self._calls.add(piece, position))
        for refusal in (text_of(delta.get("refusal")), parts.refusal):
            self._refusal.append(self._count(refusal))
        self._unreadable += parts.unreadable
        if thought := self._once["thought"].feed(self._thought_of(delta, parts.thoughts)):
            is_counted = any(key in delta for key in REASONING)
            yield Thought(thought if is_counted else self._count(thought))
        self._has_said = self._has_said or bool(parts.text or pieces)
        if parts.text:
            if thought := self._once["thought"].end():
                yield Thought(thought)
            yield from self._prose.feed(self._count(self._once["content"].feed(parts.text)))

    def _call_pieces(self, delta: dict[str, Any]) -> list[Any]:
        old = delta.get("function_call")  # OpenAI's, before there were several
        called = delta.get("tool_calls")
        pieces = [called] if isinstance(called, dict) else list_of(called)
        return pieces or ([{"index": 0, "function": old}] if old else [])

    def _thought_of(self, delta: dict[str, Any], parts: Sequence[Mapping[str, Any]]) -> str:
        """Return what a piece of an answer says of thoughts: some say the same under several names."""
        for key in filter(delta.__contains__, REASONING):
            self._reasoning[key].append(self._count(self._once[key].feed(_thought(delta[key]))))
        thoughts = [_thought(delta[key]) for key in (*REASONING, *SHOWN) if key in delta]
        thoughts.append(_thought([*parts]))  # Mistral's
        for part in list_of(delta.get(REASONING_DETAILS)):
            self._count(str(part))
            self._add_detail(part)
        thoughts.append(_thought(delta.get(REASONING_DETAILS)))
        return next(filter(None, thoughts), "")

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


def _choice_of(choices: Any) -> dict[str, Any]:
    """Return the choice that is read: that of index 0, or the first. Nobody asked for more than one."""
    listed = [
        each for each in (choices if isinstance(choices, list) else [choices]) if isinstance(each, dict)
    ]
    return next((each for each in listed if each.get("index") == 0), next(iter(listed), {}))


def _thought(value: Any, depth: int = 4) -> str:
    """Return what a field of thoughts says: a text, an object or a list; Gemini's `thought: true` is none."""
    if isinstance(value, list) and depth:
        return "".join(_thought(each, depth - 1) for each in value)
    if isinstance(value, dict) and depth:
        told = (value.get(key) for key in ("text", "summary", *THOUGHTS, "content"))
        return next(filter(None, (_thought(each, depth - 1) for each in told)), "")
    return text_of(value) if isinstance(value, str) else ""
