"""The request to a provider: messages and tools in a form that all of them accept."""

import base64
import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal

from assistant.chat.history import Message, calls_of
from assistant.llm import schemas
from assistant.llm.calls import SIGNED
from assistant.llm.sentences import CALLED, NO_ANSWER

ID_LENGTH = 9  # of a call: Mistral, and vLLM with its tokenizer, demand exactly nine letters and digits
MAX_DESCRIPTION = 1_024  # characters of a tool's: OpenAI refuses the whole request for one that is longer

# The key that names the model of an answer in the history, and keys for that model alone: others refuse them.
MODEL, THINK = "model", "think"
REASONING = ("reasoning_content", "reasoning")  # DeepSeek's and Kimi's; Groq's, OpenRouter's and Ollama's
REASONING_DETAILS = "reasoning_details"  # OpenRouter's, in parts, some of them signed

# What a refusal says of a model: it takes no tools; it takes no temperature; it wants reasoning in every
# assistant message, even an empty one (DeepSeek, Kimi); it wants the assistant to speak between a tool's
# result and the user (Mistral).
Lesson = Literal["no_tools", "no_temperature", "reasoning", "bridge"]


def chat_request(
    model: str,
    messages: Sequence[Message],
    tools: Sequence[Mapping[str, Any]],
    temperature: float | None,
    lessons: Collection[Lesson],
) -> dict[str, Any]:
    """Return the body of a request for this model, without `stream`."""
    offered = [] if "no_tools" in lessons else [_acceptable(tool) for tool in tools]
    sent = _for_model(model, messages, bool(offered), lessons)
    request: dict[str, Any] = {"model": model, "messages": sent}
    if offered:
        request |= {"tools": offered, "tool_choice": "auto"}
    if temperature is not None and "no_temperature" not in lessons:
        request["temperature"] = temperature
    return request


def _for_model(
    model: str, messages: Sequence[Message], with_tools: bool, lessons: Collection[Lesson]
) -> list[Message]:
    """Return the messages as this model takes them.

    Where no tools go out, earlier calls and results become text: Bedrock, Anthropic behind LiteLLM and
    others refuse calls without tools, and not all know `tool_choice: "none"`, which would let tools stay.
    """
    sent = [_of_model(model, message) for message in messages]
    sent = _joined(_with_short_ids(sent) if with_tools else _as_text(sent))
    if "bridge" in lessons:
        sent = _bridged(sent)
    if "reasoning" in lessons:
        sent = [{REASONING[0]: "", **m} if m["role"] == "assistant" else m for m in sent]
    return sent


def _acceptable(tool: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool without what makes providers refuse the whole request."""
    function = dict(tool["function"])
    if len(function["description"]) > MAX_DESCRIPTION:
        function["description"] = f"{function['description'][: MAX_DESCRIPTION - 1]}…"
    function["parameters"] = schemas.plain(function["parameters"])
    return {**tool, "function": function}


def _of_model(model: str, message: Message) -> Message:
    """Return a message with what its model wrote for itself, or without, if that was another model."""
    kept = dict(message)
    kept.pop("media", None)  # of a tool's result
    kept.pop("error", None)  # of a tool message: only our own programs read it
    is_own = kept.pop(MODEL, None) == model
    thought = kept.pop(THINK, "")
    if is_own and isinstance(thought, str):
        kept["content"] = thought + (kept.get("content") or "")
    if is_own:
        return kept
    for key in (*REASONING, REASONING_DETAILS):
        kept.pop(key, None)
    if kept.get("tool_calls"):
        kept["tool_calls"] = [
            {key: value for key, value in call.items() if key != SIGNED} for call in kept["tool_calls"]
        ]
    return kept


def _as_text(messages: Sequence[Message]) -> list[Message]:
    sent: list[Message] = []
    for message in messages:
        if message["role"] == "tool":
            sent.append({"role": "user", "content": message["content"]})
        elif calls := calls_of(message):
            called = [CALLED.format(name=call.name, arguments=call.arguments) for call in calls]
            content = "\n".join(filter(None, [message.get("content"), *called]))
            sent.append({"role": "assistant", "content": content})
        else:
            sent.append(message)
    return sent


def _joined(messages: Sequence[Message]) -> list[Message]:
    """Join messages of the user that follow each other: the templates of Mistral and Gemma refuse them."""
    joined: list[Message] = []
    for message in messages:
        if joined and message["role"] == joined[-1]["role"] == "user":
            joined[-1] = {**joined[-1], "content": f"{joined[-1]['content']}\n\n{message['content']}"}
        else:
            joined.append(message)
    return joined


def _bridged(messages: Sequence[Message]) -> list[Message]:
    bridged: list[Message] = []
    for message in messages:
        if bridged and (bridged[-1]["role"], message["role"]) == ("tool", "user"):
            bridged.append({"role": "assistant", "content": NO_ANSWER})
        bridged.append(message)
    return bridged


def _with_short_ids(messages: Sequence[Message]) -> list[Message]:
    short = _short_ids(call["id"] for message in messages for call in message.get("tool_calls") or ())
    sent: list[Message] = []
    for message in messages:
        changed = dict(message)
        if message.get("tool_calls"):
            changed["tool_calls"] = [{**call, "id": short[call["id"]]} for call in message["tool_calls"]]
        if message["role"] == "tool":
            changed["tool_call_id"] = short[message["tool_call_id"]]
        sent.append(changed)
    return sent


def _short_ids(ids: Iterable[str]) -> dict[str, str]:
    """Replace each id by a hash: the same in every request, so that the provider's prompt cache is hit."""
    short: dict[str, str] = {}
    owners: dict[str, str] = {}
    for id in ids:
        text = id
        while owners.setdefault(_hashed(text), id) != id:  # another id has the same hash
            text += "'"
        short[id] = _hashed(text)
    return short


def _hashed(text: str) -> str:
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode()[:ID_LENGTH]
