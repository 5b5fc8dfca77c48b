"""The tool calls of the history, each with its result: JSON, or the code of a failure."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assistant.chat.history import Message
from assistant.chat.sentences import ERROR
from assistant.demo.finder import elements

KINDS = ("get_products", "get_inventory", "get_orders", "create_purchase")
MAX_REASON = 300  # characters of a failure that are shown
UNREADABLE = "unreadable"  # the code of a result without JSON


@dataclass(frozen=True)
class PastCall:
    """A tool call of the history with its result: JSON in `content`, or the code of a failure.

    `kind` is the tool's own name; `reason` is the text of a failure, to be shown.
    """

    kind: str
    arguments: dict[str, Any]
    content: str = ""
    code: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""


def kind_of(offered: str) -> str:
    """Return which of the shop's tools an offered name stands for; empty for any other."""
    return next((kind for kind in KINDS if re.search(rf"(?:^|[_-]){kind}(?:_[0-9a-f]{{8}})?$", offered)), "")


def text_of(message: Message) -> str:
    """Return the text of a message, also when its content comes in parts."""
    content = message.get("content")
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        return "\n".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def past_calls(messages: Sequence[Message]) -> list[PastCall]:
    """Return the calls of the shop's tools with their results; a call without one was interrupted."""
    results = {str(m.get("tool_call_id")): m for m in messages if m.get("role") == "tool"}
    return [
        _past_call(kind_of(name), arguments, results.get(call_id))
        for message in messages
        if message.get("role") == "assistant"
        for call_id, name, arguments in calls_in(message)
    ]


def _past_call(kind: str, arguments: dict[str, Any], result: Message | None) -> PastCall:
    if result is None:
        return PastCall(kind, arguments, code="interrupted")
    content, error = text_of(result), result.get("error")
    text = re.sub(r"</?tool_result[^>]*>", "", content).strip()
    if isinstance(error, dict):
        code, params = str(error.get("code")), error.get("params")
        reason = text[len(ERROR.format("")) :][:MAX_REASON]
        return PastCall(kind, arguments, "", code, params if isinstance(params, dict) else {}, reason)
    if elements(content) is None:
        return PastCall(kind, arguments, code=UNREADABLE, reason=text[:MAX_REASON])
    return PastCall(kind, arguments, content)


def calls_in(message: Message) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield id, offered name and arguments of each call of a message."""
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            yield str(call.get("id")), str(function.get("name")), _arguments(function.get("arguments"))


def _arguments(text: Any) -> dict[str, Any]:
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
