"""What the refusals of a model have taught, each for as long as it holds."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assistant.llm.refusals import RefusedError, tools_named
from assistant.llm.request import REASONING, REASONING_DETAILS, Lesson, holds

# The part of a request that a lesson changes; without one it is the messages.
_CONCERNS = {"no_tools": "tools", "no_temperature": "temperature", "completion_tokens": "max_tokens"}
_CONCERNS |= {"no_usage": "stream_options", "no_effort": "tools", "no_choice": "tool_choice"}
_MEDIA: dict[Lesson, str] = {"no_pictures": "image_url", "no_sounds": "input_audio"}  # parts of messages
_OF_REQUEST = (400, 413, 415, 422)  # the statuses that may be due to one part of it, whatever is said


@dataclass
class Lessons:
    """The lessons of one model; times are those of time.monotonic()."""

    has_counted: bool = False  # it has said what an answer took, so it takes that question
    _learnt: dict[Lesson, float] = field(default_factory=dict)  # until when
    _refused: dict[str, float] = field(default_factory=dict)  # tools, by their offered names

    def current(self) -> frozenset[Lesson]:
        """Return what holds now."""
        now = time.monotonic()
        return frozenset(lesson for lesson, until in self._learnt.items() if now < until)

    def left_out(self, tools: Sequence[Mapping[str, Any]]) -> list[str]:
        """Return the names of those tools that the provider refuses."""
        now, names = time.monotonic(), [tool["function"]["name"] for tool in tools]
        return [name for name in names if now < self._refused.get(name, 0)]

    def learn(self, refusal: RefusedError, request: Mapping[str, Any], toolless_seconds: float) -> bool:
        """Keep what a refusal says, and return whether it changes the next request."""
        until = time.monotonic() + toolless_seconds
        new = {lesson for lesson in refusal.lessons if _concerns(lesson, request)} - self.current()
        for lesson in new:
            self._learnt[lesson] = until if lesson in ("no_tools", *_MEDIA) else math.inf
        if new:
            return True
        refused = tools_named(refusal, [tool["function"]["name"] for tool in request.get("tools", [])])
        self._refused |= dict.fromkeys(refused, until)
        if refused or refusal.params.get("status") not in _OF_REQUEST:
            return bool(refused)
        if (
            refusal.is_vague
            and not refusal.lessons
            and not self.has_counted
            and _concerns("no_usage", request)
        ):
            self._learnt["no_usage"] = until
            return True
        unwanted = [lesson for lesson in _MEDIA if _concerns(lesson, request)]
        self._learnt |= dict.fromkeys(unwanted, until)
        return bool(unwanted)


def _concerns(lesson: Lesson, request: Mapping[str, Any]) -> bool:
    if lesson in _MEDIA:
        return holds(request, _MEDIA[lesson])
    if lesson == "no_reasoning":
        return any(
            key in message for message in request["messages"] for key in (*REASONING, REASONING_DETAILS)
        )
    if lesson == "no_system":
        return any(message["role"] == "system" for message in request["messages"])
    if lesson == "null":
        return any(message["content"] == "" for message in request["messages"])
    return _CONCERNS.get(lesson, "messages") in request
