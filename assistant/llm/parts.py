"""The parts that a content may have beside text: thoughts, calls, a refusal, and what cannot be read.

A picture at an address becomes Markdown, which the page shows as its own rules allow. One that comes as data
is only counted, as are sounds and files: no text can hold them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from assistant.llm.calls import list_of, text_of

THOUGHTS = ("thinking", "reasoning", "reasoning_content", "thought")  # types
_CALLS = ("tool_use", "tool_call", "tool-call", "function_call")  # Anthropic's; gateways'; OpenAI's Responses
_REFUSAL = "refusal"
_MEDIA = ("image", "audio", "video", "file", "document")  # within the types of what is no text
_ADDRESSES = ("url", "image_url", "source")  # where a picture's address stands, perhaps in one another


@dataclass
class Parts:
    """What the parts of one content say."""

    text: str = ""
    thoughts: list[Mapping[str, Any]] = field(default_factory=list)
    calls: list[Mapping[str, Any]] = field(default_factory=list)
    refusal: str = ""
    unreadable: int = 0  # pictures and the like


def parts_of(message: Mapping[str, Any]) -> Parts:
    """Return what the content of a message, or of a piece of one, says."""
    read = Parts()
    for part in _listed(message):
        if not isinstance(part, dict):
            read.text += text_of(part)
            continue
        type_ = part.get("type")
        kind = type_ if isinstance(type_, str) else ""
        if kind in THOUGHTS:
            read.thoughts.append(part)
        elif kind in _CALLS or "functionCall" in part:  # Gemini's
            read.calls.append(part.get("functionCall") or part)
        elif kind == _REFUSAL:
            read.refusal += text_of(part.get(_REFUSAL))
        elif text := text_of(part.get("text") or part.get("content")):
            read.text += text
        elif any(medium in kind for medium in _MEDIA):
            address = _address(part)
            read.text += f"\n\n![](<{address}>)\n\n" if address else ""
            read.unreadable += not address
    return read


def _listed(message: Mapping[str, Any]) -> Iterator[Any]:
    content = message.get("content")
    yield from content if isinstance(content, list) else [content]
    yield from (
        {"type": "image", **each} for each in list_of(message.get("images")) if isinstance(each, dict)
    )
    audio = message.get("audio")
    if isinstance(audio, dict) and not content:
        yield audio.get("transcript")  # what is said in it


def _address(part: Any) -> str:
    """Return where a picture is to be had, or "" where it is not known, or is no address of the web."""
    if isinstance(part, str):
        is_web = part.startswith(("https://", "http://")) and not set("<>\\ \r\n") & set(part)
        return part if is_web else ""
    if isinstance(part, dict):
        return next(filter(None, (_address(part.get(key)) for key in _ADDRESSES)), "")
    return ""
