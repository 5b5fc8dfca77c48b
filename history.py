"""A conversation as OpenAI chat messages: mended, and asked which of its tool calls lack a result."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

MAX_MESSAGES = 2_000
MAX_OLD_RESULT = 200  # characters that stay of an older tool result when the context overflows

Message = dict[str, Any]  # an OpenAI chat message


class Function(BaseModel):
    """The function of a tool call in a history."""

    name: str
    arguments: str


class HistoryCall(BaseModel):
    """A tool call in a history."""

    id: str
    type: Literal["function"] = "function"
    function: Function


class HistoryMessage(BaseModel):
    """An OpenAI chat message; what else a provider put into it goes back to the provider."""

    model_config = ConfigDict(extra="allow")

    role: Literal["system", "user", "assistant", "tool"]
    content: str | None = None
    tool_calls: list[HistoryCall] | None = None
    tool_call_id: str | None = None


History = Annotated[list[HistoryMessage], Field(max_length=MAX_MESSAGES)]


def plain(messages: Sequence[HistoryMessage]) -> list[Message]:
    """Return validated messages as they came."""
    return [message.model_dump(exclude_unset=True) for message in messages]


@dataclass(frozen=True)
class Call:
    """A tool call in the history, under its id of ours."""

    id: str
    name: str
    arguments: str

    def args(self) -> dict[str, Any] | None:
        """Return the arguments, or None when they are no JSON object; an empty text is an empty object."""
        try:
            args = json.loads(self.arguments or "{}")
        except ValueError:
            return None
        return args if isinstance(args, dict) else None

    def wire(self) -> dict[str, Any]:
        """Return the call as an assistant message carries it."""
        return {
            "id": self.id,
            "type": "function",
            "function": {"name": self.name, "arguments": self.arguments},
        }


def mend(messages: Sequence[Message]) -> list[Message]:
    """Put each tool result right behind its call, once, and drop what no provider accepts.

    A history that was stopped, reloaded or answered late has results out of place; an unanswered call stays.
    """
    results = {
        message.get("tool_call_id"): message
        for message in reversed(messages)
        if message.get("role") == "tool"
    }
    mended: list[Message] = []
    for message in messages:
        role = message.get("role")
        if role == "user" or (role == "assistant" and (message.get("content") or message.get("tool_calls"))):
            mended.append(message)
            mended += [results[call.id] for call in calls_of(message) if call.id in results]
    return mended


def unanswered(history: Sequence[Message]) -> list[tuple[Call, bool]]:
    """Return the calls without a result, each with whether nothing but results came after it."""
    answered = {message.get("tool_call_id") for message in history}
    last = max((i for i, message in enumerate(history) if message.get("role") != "tool"), default=-1)
    return [
        (call, i == last)
        for i, message in enumerate(history)
        for call in calls_of(message)
        if call.id not in answered
    ]


def shorten(history: Sequence[Message]) -> list[Message]:
    """Cut the tool results before the newest question, which a model that overflows can best do without."""
    newest = max((i for i, message in enumerate(history) if message["role"] == "user"), default=0)
    return [
        {**message, "content": _cut(message["content"])}
        if message["role"] == "tool" and i < newest
        else message
        for i, message in enumerate(history)
    ]


def _cut(text: str) -> str:
    return text if len(text) <= MAX_OLD_RESULT else f"{text[:MAX_OLD_RESULT]}…（已省略）"


def calls_of(message: Message) -> list[Call]:
    """Return the tool calls of a message, in order."""
    return [
        Call(str(call.get("id")), str(call["function"]["name"]), str(call["function"]["arguments"]))
        for call in message.get("tool_calls") or ()
    ]
