"""The request to a provider: messages and tools in a form that all of them accept."""

import base64
import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from assistant.chat import schemas
from assistant.chat.history import Message, calls_of
from assistant.llm.calls import SIGNED, list_of
from assistant.llm.sentences import CALLED, NO_ANSWER, PICTURES_OF_TOOLS

ID_LENGTH = 9  # of a call: Mistral, and vLLM with its tokenizer, demand exactly nine letters and digits
MAX_DESCRIPTION = 1_024  # characters of a tool's: OpenAI refuses the whole request for one that is longer

# The key that names the model of an answer in the history, and keys for that model alone: others refuse them.
MODEL, THINK = "model", "think"
REASONING = ("reasoning_content", "reasoning")  # DeepSeek's and Kimi's; Groq's, OpenRouter's and Ollama's
REASONING_DETAILS = "reasoning_details"  # OpenRouter's, in parts, some of them signed

# What a refusal says of a model: it takes no tools; no temperature; no pictures; it wants the bound of an
# answer under OpenAI's newer name; it wants reasoning in every assistant message, even an empty one
# (DeepSeek, Kimi); it wants the assistant to speak between a tool's result and the user (Mistral).
Lesson = Literal["no_tools", "no_temperature", "no_pictures", "completion_tokens", "reasoning", "bridge"]

PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
MAX_PICTURES = 8  # of a request, the last ones


@dataclass(frozen=True)
class Options:
    """How a model is asked: see `OpenAIModel`."""

    temperature: float | None = None
    max_tokens: int | None = None
    vision: bool | None = None
    lessons: Collection[Lesson] = ()


def chat_request(
    model: str, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], options: Options
) -> dict[str, Any]:
    """Return the body of a request for this model, without `stream`."""
    lessons = options.lessons
    offered = [_acceptable(tool) for tool in tools]
    sees = options.vision is not False and (options.vision or "no_pictures" not in lessons)
    sent = _for_model(model, _with_pictures(messages, sees), bool(offered), lessons)
    request: dict[str, Any] = {"model": model, "messages": sent}
    if offered:
        request |= {"tools": offered, "tool_choice": "auto"}
    if options.temperature is not None and "no_temperature" not in lessons:
        request["temperature"] = options.temperature
    if options.max_tokens:
        name = "max_completion_tokens" if "completion_tokens" in lessons else "max_tokens"
        request[name] = options.max_tokens
    return request


def has_pictures(request: Mapping[str, Any]) -> bool:
    """Whether a request holds pictures."""
    return any(isinstance(message.get("content"), list) for message in request["messages"])


def _with_pictures(messages: Sequence[Message], sees: bool) -> list[Message]:
    """Put the pictures of tool results behind them, as the user's: few providers take any in a tool's."""
    sent: list[Message] = []
    pictures: list[dict[str, Any]] = []
    for message in [*messages, {"role": ""}]:
        if pictures and message["role"] != "tool":
            text = {"type": "text", "text": PICTURES_OF_TOOLS}
            sent.append({"role": "user", "content": [text, *pictures[-MAX_PICTURES:]]})
            pictures = []
        shown = [one for one in list_of(message.get("media")) if isinstance(one, dict)] if sees else []
        for kind, data in ((one.get("mime_type"), one.get("data")) for one in shown):
            if kind in PICTURES and isinstance(data, str):
                pictures.append({"type": "image_url", "image_url": {"url": f"data:{kind};base64,{data}"}})
        sent.append({key: value for key, value in message.items() if key != "media"})
    return sent[:-1]


def _for_model(
    model: str, messages: Sequence[Message], with_tools: bool, lessons: Collection[Lesson]
) -> list[Message]:
    """Return the messages as this model takes them.

    Where no tools go out, earlier calls and results become text: Bedrock, Anthropic behind LiteLLM and
    others refuse calls without tools, and not all know `tool_choice: "none"`, which would let tools stay.
    """
    sent = [_of_model(model, message) for message in messages]
    sent = _in_turns(_with_short_ids(sent) if with_tools else _as_text(sent), bridged="bridge" in lessons)
    if "reasoning" in lessons:
        sent = [{REASONING[0]: "", **m} if m["role"] == "assistant" else m for m in sent]
    return sent


def _acceptable(tool: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool without what makes providers refuse the whole request."""
    function = dict(tool["function"])
    if len(function["description"]) > MAX_DESCRIPTION:
        function["description"] = f"{function['description'][: MAX_DESCRIPTION - 1]}…"
    function["parameters"] = _plain(json.dumps(function["parameters"]))
    return {**tool, "function": function}


@lru_cache(maxsize=512)  # the same in every request, and a millisecond each
def _plain(schema: str) -> dict[str, Any]:
    return schemas.plain(json.loads(schema))


def _of_model(model: str, message: Message) -> Message:
    """Return a message with what its model wrote for itself, or without, if that was another model."""
    kept = dict(message)
    for key in ("error", "notes"):  # only our own programs read these
        kept.pop(key, None)
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


def _in_turns(messages: Sequence[Message], *, bridged: bool) -> list[Message]:
    """Join messages of the user that follow each other: the templates of Mistral and Gemma refuse them.

    `bridged`: the assistant speaks between a tool's result and the user.
    """
    sent: list[Message] = []
    for message in messages:
        last = sent[-1] if sent else {"role": ""}
        if message["role"] == last["role"] == "user":
            sent[-1] = {**last, "content": _joined_content(last["content"], message["content"])}
            continue
        if bridged and (last["role"], message["role"]) == ("tool", "user"):
            sent.append({"role": "assistant", "content": NO_ANSWER})
        sent.append(message)
    return sent


def _joined_content(first: Any, second: Any) -> Any:
    if isinstance(first, str) and isinstance(second, str):
        return f"{first}\n\n{second}"
    both = ([{"type": "text", "text": each}] if isinstance(each, str) else each for each in (first, second))
    return [part for parts in both for part in parts]


def _with_short_ids(messages: Sequence[Message]) -> list[Message]:
    """Replace each id by a hash: the same in every request, so that the provider's prompt cache is hit."""
    ids = dict.fromkeys(call["id"] for message in messages for call in message.get("tool_calls") or ())
    short: dict[str, str] = {}  # ids by their hashes
    for id in ids:
        text = id
        while (hashed := _hashed(text)) in short:  # another id has the same one
            text += "'"
        short[hashed] = id
        ids[id] = hashed
    sent: list[Message] = []
    for message in messages:
        changed = dict(message)
        if message.get("tool_calls"):
            changed["tool_calls"] = [{**call, "id": ids[call["id"]]} for call in message["tool_calls"]]
        if message["role"] == "tool":
            changed["tool_call_id"] = ids[message["tool_call_id"]]
        sent.append(changed)
    return sent


def _hashed(text: str) -> str:
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode()[:ID_LENGTH]
