"""A conversation as OpenAI chat messages: validated, mended, and cut to what a model can read."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from assistant.chat.arguments import ArgumentsError, canonical, parse
from assistant.chat.sentences import ERROR, OMITTED, TRUNCATED

MAX_MESSAGES = 20_000
MAX_RESULT = 20_000  # characters of a tool result that a model is sent; the page gets all of it
MAX_SENT = 500_000  # characters of a history that a model is sent: about what the largest models read
# Characters of a tool result, or an attached file, that are kept when the history is too long for the model.
MAX_OLD_RESULT, MAX_NEW_RESULT = 200, 4_000
PICTURE_LENGTH = 4_000  # characters that a picture counts for
MAX_PARTS = 100  # of a message
PICTURE_URL = r"^data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+={0,2}$"

_RESULT_MARKS = re.compile(r"\A<tool_result[^\n]*>\n|\n</tool_result>\Z")  # as `tool_message` writes them
_DECODER = json.JSONDecoder()

Message = dict[str, Any]  # an OpenAI chat message


class Function(BaseModel):
    """The function of a tool call in a history."""

    name: str
    arguments: str


class HistoryError(BaseModel):
    """Why a call failed or an answer broke off, as the loop noted it beside the text."""

    code: str
    params: dict[str, Any] = {}


class HistoryCall(BaseModel):
    """A tool call in a history."""

    id: str
    type: Literal["function"] = "function"
    function: Function
    extra_content: dict[str, Any] | None = None  # Gemini's signature, which it wants back


class TextPart(BaseModel):
    """A text of a question; one with a name is a file's."""

    type: Literal["text"]
    text: str
    name: str | None = None


class Picture(BaseModel):
    """A picture in its own data: no provider is made to fetch anything."""

    url: str = Field(pattern=PICTURE_URL)


class PicturePart(BaseModel):
    """A picture of a question."""

    type: Literal["image_url"]
    image_url: Picture
    name: str | None = None


Part = Annotated[TextPart | PicturePart, Field(discriminator="type")]
Content = str | Annotated[list[Part], Field(max_length=MAX_PARTS)]


class HistoryMessage(BaseModel):
    """An OpenAI chat message; other fields that a provider added go back to it."""

    model_config = ConfigDict(extra="allow")

    role: Literal["system", "user", "assistant", "tool"]
    content: Content | None = None
    tool_calls: list[HistoryCall] | None = None
    tool_call_id: str | None = None
    error: HistoryError | None = None  # of a failed call, or of a part of an answer; it goes to no provider


History = Annotated[list[HistoryMessage], Field(max_length=MAX_MESSAGES)]


def as_messages(messages: Sequence[HistoryMessage]) -> list[Message]:
    """Return validated messages as they came."""
    return [message.model_dump(exclude_unset=True) for message in messages]


@dataclass(frozen=True)
class Call:
    """A tool call in the history; `signed` goes back to its provider unchanged."""

    id: str
    name: str
    arguments: str
    signed: Mapping[str, Any] | None = None

    def args(self) -> dict[str, Any] | None:
        """Return the arguments, or None if they are no usable JSON object; no text is an empty object."""
        try:
            return parse(self.arguments)
        except ArgumentsError:
            return None

    def to_dict(self) -> dict[str, Any]:
        """Return the call as it stands in an assistant message."""
        made = {
            "id": self.id,
            "type": "function",
            "function": {"name": self.name, "arguments": self.arguments},
        }
        return made | {"extra_content": self.signed} if self.signed else made


def tool_message(call: Call, result: str, error: Mapping[str, Any] | None = None) -> Message:
    """Return a call's result as a message: marked as data, and cut where it is too long to read.

    `error` is a failure's `{"code", "params"}`, for programs.
    """
    if len(result) > MAX_RESULT:
        note = TRUNCATED.format(total=len(result), shown=MAX_RESULT)
        result = f"{result[:MAX_RESULT]}\n{note}"
    text = result.replace("</tool_result", "<\\/tool_result")
    content = f'<tool_result tool="{call.name}">\n{text}\n</tool_result>'
    message: Message = {"role": "tool", "tool_call_id": call.id, "content": content}
    return message if error is None else message | {"error": dict(error)}


def result_text(message: Message) -> str:
    """Return what a tool said, or why its call failed: the text of its message, without the marks."""
    text = _RESULT_MARKS.sub("", text_of(message))
    return text[len(ERROR.format("")) :] if message.get("error") else text


def objects_in(text: str) -> tuple[list[Any], bool]:
    """Return the objects of the JSON in a result, or of its list `result`, and whether none was cut off."""
    found, end = list[Any](), 0
    while (at := text.find("{", end)) >= 0:
        try:
            value, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            return found, False
        found += value["result"] if isinstance(value.get("result"), list) else [value]
    return found, True


def mend(messages: Sequence[Message]) -> list[Message]:
    """Put each tool result right behind its call, once, and drop what no provider accepts.

    Results are out of place where a turn was stopped, reloaded or approved late. A call without a result is
    kept; of a repeated call the first is. Empty messages are dropped, but for a question at the end.
    """
    answers = [
        message | {"content": text_of(message)} for message in messages if message.get("role") == "tool"
    ]
    results = {message.get("tool_call_id"): message for message in reversed(answers)}  # the first one counts
    seen: set[str] = set()
    mended: list[Message] = []
    for message in messages:
        if message.get("role") not in ("user", "assistant"):
            continue
        calls = list({call.id: call for call in calls_of(message) if call.id not in seen}.values())
        seen |= {call.id for call in calls}
        kept = {key: value for key, value in message.items() if key != "tool_calls"}
        if isinstance(kept.get("content"), list) and (message["role"] != "user" or not attached(message)):
            kept["content"] = text_of(message)
        if calls:
            kept["tool_calls"] = [call.to_dict() for call in calls]
        is_question = message is messages[-1] and message["role"] == "user"
        if kept.get("content") or calls or is_question:
            mended.append(kept)
            mended += [results[call.id] for call in calls if call.id in results]
    return mended


def text_of(message: Message) -> str:
    """Return what a message says, also in parts; what is attached to it is no part of that."""
    content = message.get("content")
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict) and not part.get("name")]
        return "\n".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def attached(message: Message) -> list[dict[str, Any]]:
    """Return the pictures and files of a message."""
    content = message.get("content")
    parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    return [part for part in parts if part.get("type") != "text" or part.get("name")]


def sendable(history: Sequence[Message]) -> list[Message]:
    """Return the history as providers take it: not too long, and every call's arguments valid JSON."""
    return [
        {**message, "tool_calls": [_with_valid_arguments(call).to_dict() for call in calls_of(message)]}
        if message.get("tool_calls")
        else message
        for message in _fit(history)
    ]


def _fit(history: Sequence[Message]) -> Sequence[Message]:
    """Cut a very long history to `MAX_SENT` characters: old results and files, then the oldest questions.

    The last question is kept whole, with all that came after it.
    """
    excess = sum(map(length_of, history)) - MAX_SENT
    if excess <= 0:
        return history
    questions = [i for i, message in enumerate(history) if message["role"] == "user"] or [0]
    fitted: list[Message] = []
    for i, message in enumerate(history):
        can_go = i < questions[-1]
        fitted.append(_truncate(message, MAX_OLD_RESULT) if can_go and excess > 0 else message)
        excess -= length_of(message) - length_of(fitted[-1])
    if excess <= 0:
        return fitted
    before = list(accumulate(map(length_of, fitted), initial=0))
    at = next((i for i in questions if before[i] >= excess), questions[-1])
    return [*(message for message in fitted[:at] if message.get("compacted")), *fitted[at:]]


def length_of(message: Message) -> int:
    """Return how many characters a message is."""
    calls = message.get("tool_calls")
    written = sum(len(call["function"]["arguments"]) for call in calls) if calls else 0
    content = message.get("content")
    if isinstance(content, str):  # as of almost every one
        return len(content) + written
    parts = attached(message)
    beside = sum(len(part["text"]) if part.get("type") == "text" else PICTURE_LENGTH for part in parts)
    return len(text_of(message)) + beside + written


def _with_valid_arguments(call: Call) -> Call:
    return call if call.arguments and call.args() is not None else replace(call, arguments="{}")


def calls_made(history: Sequence[Message]) -> list[tuple[Call, Message | None]]:
    """Return the calls with their results, None for none; one that was changed stands in its first place."""
    results = {message.get("tool_call_id"): message for message in history if message.get("role") == "tool"}
    made: list[tuple[Call, Message | None]] = []
    for message in history:
        errors = [(result or {}).get("error") or {} for _, result in made]
        replaced = [at for at, error in enumerate(errors) if error.get("code") == "replaced"]
        for call in calls_of(message):
            at = replaced.pop(0) if replaced else len(made)
            made[at : at + 1] = [(call, results.get(call.id))]
    return made


def open_calls(history: Sequence[Message]) -> list[tuple[Call, bool]]:
    """Return the calls without a result, each with whether it is current: only results came after it."""
    answered = {message.get("tool_call_id") for message in history}
    last = max((i for i, message in enumerate(history) if message.get("role") != "tool"), default=-1)
    return [
        (call, i == last)
        for i, message in enumerate(history)
        for call in calls_of(message)
        if call.id not in answered
    ]


def repeated_calls(history: Sequence[Message], ids: Collection[str]) -> set[str]:
    """Return which of these calls equal an earlier one of the same answer."""
    repeated: set[str] = set()
    for calls in map(calls_of, history):
        seen: set[tuple[str, str]] = set()
        for call in calls if len(calls) > 1 and any(call.id in ids for call in calls) else ():
            if call.args() is None:
                continue
            same = call.name, canonical(call.arguments)
            if same in seen:
                repeated.add(call.id)
            seen.add(same)
    return repeated


def shorten_results(history: Sequence[Message]) -> list[Message]:
    """Cut the tool results, those of older rounds the most, for a model whose context overflows.

    So are older questions' files; those of the last one stay whole.
    """
    last = max((i for i, message in enumerate(history) if message.get("tool_calls")), default=0)
    question = max((i for i, message in enumerate(history) if message["role"] == "user"), default=0)
    return [
        message if i == question else _truncate(message, MAX_OLD_RESULT if i < last else MAX_NEW_RESULT)
        for i, message in enumerate(history)
    ]


def _truncate(message: Message, length: int) -> Message:
    """Cut a tool's result, and a question's files; its pictures go."""
    if message["role"] == "tool":
        return {**message, "content": truncated(message.get("content") or "", length)}
    if not attached(message):
        return message
    return {**message, "content": [_truncate_part(part, length) for part in message["content"]]}


def _truncate_part(part: dict[str, Any], length: int) -> dict[str, Any]:
    if part["type"] != "text":
        return {"type": "text", "text": OMITTED, "name": part.get("name") or "-"}
    return {**part, "text": truncated(part["text"], length)} if part.get("name") else part


def truncated(text: str, length: int) -> str:
    """Return a text, or its beginning with a mark."""
    return text if len(text) <= length else text[:length] + OMITTED


def calls_of(message: Message) -> list[Call]:
    """Return the tool calls of a message, in order."""
    return [
        Call(
            id=str(call.get("id")),
            name=str(call["function"]["name"]),
            arguments=str(call["function"]["arguments"]),
            signed=call.get("extra_content"),
        )
        for call in message.get("tool_calls") or ()
    ]
