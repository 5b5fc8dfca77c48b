"""What the refusals of a model have taught, each for as long as it holds."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assistant.llm.refusals import RefusedError, tools_named
from assistant.llm.request import Lesson

_OF_MEDIA: tuple[Lesson, ...] = ("no_pictures", "no_sounds")
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

    def learn(
        self, refusal: RefusedError, request_with: Callable[..., Mapping[str, Any]], toolless_seconds: float
    ) -> bool:
        """Keep what a refusal says, and return whether it changes the next request.

        `request_with` makes the request that was refused anew, with the lessons that it is given.
        """
        until, request = time.monotonic() + toolless_seconds, request_with()
        new = [lesson for lesson in refusal.lessons if request_with(lesson) != request]
        for lesson in new:
            self._learnt[lesson] = until if lesson in ("no_tools", *_OF_MEDIA) else math.inf
        if new:
            return True
        refused = tools_named(refusal, [tool["function"]["name"] for tool in request.get("tools", [])])
        self._refused |= dict.fromkeys(refused, until)
        if refused or refusal.params.get("status") not in _OF_REQUEST:
            return bool(refused)
        is_of_usage = refusal.is_vague and not refusal.lessons and not self.has_counted
        for suspects in (("no_usage",) if is_of_usage else (), _OF_MEDIA):
            if unwanted := [lesson for lesson in suspects if request_with(lesson) != request]:
                self._learnt |= dict.fromkeys(unwanted, until)
                return True
        return False
