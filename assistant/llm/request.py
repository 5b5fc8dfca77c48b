"""The request to a provider: messages and tools in a form that all of them accept."""

import base64
import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, repeat
from typing import Any, Literal

from assistant.chat import schemas
from assistant.chat.history import Message, attached, calls_of
from assistant.llm.calls import SIGNED, list_of
from assistant.llm.sentences import CALLED, MEDIA_OF_TOOLS, NO_ANSWER, NOT_SENT, UNSEEN

ID_LENGTH = 9  # of a call: Mistral, and vLLM with its tokenizer, demand exactly nine letters and digits
MAX_DESCRIPTION = 1_024  # characters of a tool's: OpenAI refuses the whole request for one that is longer

# The key that names the model of an answer in the history, and keys for that model alone: others refuse them.
MODEL, THINK = "model", "think"
REASONING = ("reasoning_content", "reasoning")  # DeepSeek's and Kimi's; Groq's, OpenRouter's and Ollama's
REASONING_DETAILS = "reasoning_details"  # OpenRouter's, in parts, some of them signed

# What a refusal says of a model: it takes no tools; no temperature; no pictures; no sounds; no question what
# an answer takes; no tools while it thinks (OpenAI); it wants the bound of an answer under OpenAI's newer
# name; it wants reasoning in every assistant message, even an empty one (DeepSeek, Kimi); it wants the
# assistant to speak between a tool's result and the user (Mistral); it wants each call to be signed, also
# those of another model (Gemini); it takes no `tool_choice`; no streaming; no system message; no reasoning
# back; wants null where a call is all that the assistant said; wants the tool's name with its result.
Limit = Literal["no_tools", "no_temperature", "no_pictures", "no_sounds", "no_usage", "no_effort"]
Less = Literal["no_choice", "no_stream", "no_system", "no_reasoning"]
Lesson = Literal[Limit, Less, "completion_tokens", "reasoning", "bridge", "signature", "null", "names"]

# What Google documents in the place of a signature that there is not.
UNSIGNED = {"google": {"thought_signature": "skip_thought_signature_validator"}}

PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
SOUNDS = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}
HEARS = re.compile(r"audio|omni|gemini|voxtral", re.IGNORECASE)  # in the names of models that take sounds
MAX_MEDIA = 8  # pictures and sounds of a request, the last ones


@dataclass(frozen=True)
class Options:
    """How a model is asked: see `OpenAIModel`."""

    temperature: float | None = None
    max_tokens: int | None = None
    vision: bool | None = None
    lessons: Collection[Lesson] = ()
    mark: str = ""  # names the model in the history, where that is not its name

    def senses(self, model: str) -> Collection[str]:
        """Return the types of the parts that a model takes beside text."""
        sees = self.vision is not False and (self.vision or "no_pictures" not in self.lessons)
        hears = HEARS.search(model) is not None and "no_sounds" not in self.lessons
        return {kind for kind, takes in {"image_url": sees, "input_audio": hears}.items() if takes}


def chat_request(
    model: str, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], options: Options
) -> dict[str, Any]:
    """Return the body of a request for this model, without `stream`, but for one that is streamed."""
    lessons = options.lessons
    offered = [_acceptable(tool) for tool in tools]
    media = _with_media(messages, options.senses(model))
    sent = _for_model(options.mark or model, media, bool(offered), lessons)
    request: dict[str, Any] = {"model": model, "messages": sent}
    if offered:
        request |= {"tools": offered}
        request |= {"tool_choice": "auto"} if "no_choice" not in lessons else {}
        request |= {"reasoning_effort": "none"} if "no_effort" in lessons else {}
    if options.temperature is not None and "no_temperature" not in lessons:
        request["temperature"] = options.temperature
    if "no_stream" in lessons:
        request["stream"] = False
    elif "no_usage" not in lessons:
        request["stream_options"] = {"include_usage": True}
    if options.max_tokens:
        name = "max_completion_tokens" if "completion_tokens" in lessons else "max_tokens"
        request[name] = options.max_tokens
    return request


def unsensed(messages: Sequence[Message], senses: Collection[str]) -> set[str]:
    """Return the types of what came with the last question, or of its tools, and is not sent."""
    question = max((i for i, message in enumerate(messages) if message["role"] == "user"), default=0)
    return {part["type"] for message in messages[question:] for part in _media_of(message)} - set(senses)


def _media_of(message: Message) -> list[dict[str, Any]]:
    """Return pictures and sounds of a message, of a tool's as parts of a question."""
    parts = [part for part in attached(message) if part["type"] != "text"]
    for one in list_of(message.get("media")):
        kind, data = (one.get("mime_type"), one.get("data")) if isinstance(one, dict) else (None, None)
        if not isinstance(data, str) or not isinstance(kind, str):
            continue
        if kind in PICTURES:
            parts.append({"type": "image_url", "image_url": {"url": f"data:{kind};base64,{data}"}})
        elif kind in SOUNDS:
            parts.append({"type": "input_audio", "input_audio": {"data": data, "format": SOUNDS[kind]}})
    return parts


def _with_media(messages: Sequence[Message], senses: Collection[str]) -> list[Message]:
    """Put the media of tool results behind them, as the user's: few providers take any in a tool's.

    Of a question's parts, files become text, and what is not sent becomes a word of it.
    """
    media = [part for message in messages for part in _media_of(message) if part["type"] in senses]
    is_late = chain(repeat(False, max(0, len(media) - MAX_MEDIA)), repeat(True))
    sent: list[Message] = []
    of_tools: list[dict[str, Any]] = []
    for message in [*messages, {"role": ""}]:
        if of_tools and message["role"] != "tool":
            sent.append({"role": "user", "content": [{"type": "text", "text": MEDIA_OF_TOOLS}, *of_tools]})
            of_tools = []
        if message["role"] == "tool":
            of_tools += [part for part in _media_of(message) if part["type"] in senses and next(is_late)]
        kept = {key: value for key, value in message.items() if key != "media"}
        if attached(message):
            parts = [part for each in message["content"] for part in _as_sent(each, senses, is_late)]
            kept["content"] = parts if any(part["type"] != "text" for part in parts) else _joined(parts)
        sent.append(kept)
    return sent[:-1]


def _as_sent(
    part: dict[str, Any], senses: Collection[str], is_late: Iterator[bool]
) -> Iterator[dict[str, Any]]:
    name = part.get("name") or ""
    if part["type"] == "text":
        text = part["text"].replace("</file", "<\\/file")
        named = json.dumps(name, ensure_ascii=False)
        yield _text(f"<file name={named}>\n{text}\n</file>" if name else part["text"])
    elif part["type"] not in senses:
        yield _text(UNSEEN.format(name=name))
    elif not next(is_late):
        yield _text(NOT_SENT.format(name=name))
    else:
        if name:
            yield _text(f"[{name}]")
        yield {key: value for key, value in part.items() if key != "name"}


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _joined(parts: Sequence[Mapping[str, Any]]) -> str:
    return "\n\n".join(part["text"] for part in parts)


def _for_model(
    model: str, messages: Sequence[Message], with_tools: bool, lessons: Collection[Lesson]
) -> list[Message]:
    """Return the messages as this model takes them.

    Where no tools go out, earlier calls and results become text: Bedrock, Anthropic behind LiteLLM and
    others refuse calls without tools, and not all know `tool_choice: "none"`, which would let tools stay.
    """
    sent = [_of_model("" if "no_reasoning" in lessons else model, message) for message in messages]
    for message in sent:
        if message["role"] == "system" and "no_system" in lessons:
            message["role"] = "user"
        if message.get("tool_calls") and not message.get("content"):
            message["content"] = None if "null" in lessons else ""  # Ollama takes no null
    if "names" in lessons:
        names = {call.id: call.name for message in messages for call in calls_of(message)}
        sent = [{**m, "name": names.get(m["tool_call_id"], "")} if m["role"] == "tool" else m for m in sent]
    sent = _in_turns(_with_short_ids(sent) if with_tools else _as_text(sent), bridged="bridge" in lessons)
    if "signature" in lessons:
        sent = [*map(_signed, sent)]
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
    for key in ("error", "notes", "compacted"):  # only our own programs read these
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


def _signed(message: Message) -> Message:
    """Return a message whose first call has a signature; of calls side by side no other needs one."""
    calls = message.get("tool_calls")
    if not calls or any(SIGNED in call for call in calls):
        return message
    return {**message, "tool_calls": [{**calls[0], SIGNED: UNSIGNED}, *calls[1:]]}


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
