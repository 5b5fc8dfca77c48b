"""The model for a machine without a key: it answers with the shop's tools, by rules.

It has no state: what was said before it works out again from the calls and results in the messages, so any
replica can go on. Names, prices and stock come from tool results; nothing in one is taken for a request.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from assistant.chat.history import Message, attached, calls_made, text_of
from assistant.chat.interfaces import Piece, Reply
from assistant.demo.desk import Decision, PastCall, Tool, shop_tools
from assistant.demo.meaning import Scene
from assistant.demo.orders import Orders
from assistant.demo.words import DATA, clean, pattern, sentence
from serving.errors import CodedError

MAX_TURNS = 30  # of a conversation that are looked back at
MAX_CORRECTIONS = 5  # in one sentence

known_zones = cache(available_timezones)


class DemoModel:
    """The model behind the page when no key is set; `now` is the time, with its zone."""

    name = "demo"
    demo = True
    window: int | None = None

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now

    async def reply(self, messages: list[Message], tools: list[dict[str, Any]]) -> AsyncGenerator[Piece]:
        """Yield the answer, then one Reply; it never raises, whatever was said."""
        question = next((m for m in reversed(messages) if m.get("role") == "user"), {})
        # in a thread: at the first question in Traditional Chinese, its phrases are read for 65 ms
        decision = await asyncio.to_thread(decide, messages, shop_tools(tools), self._now())
        if not isinstance(decision, str):
            yield Reply("", decision, "tool_calls")
            return
        yield decision
        yield Reply(decision, notes=[CodedError("demo_reads_no_files")] if attached(question) else ())


def decide(messages: Sequence[Message], tools: dict[str, Tool], now: datetime) -> Decision:
    """Return the next calls, or the answer; a sentence that corrects itself is several, the last counts."""
    system = " ".join(text_of(message) for message in messages if message.get("role") == "system")
    zones = [name for name in re.findall(r"[A-Z]\w+/[\w/+-]+", system) if name in known_zones()]
    today = now.astimezone(ZoneInfo(zones[0]) if zones else UTC)
    begins = [at for at, message in enumerate(messages) if message.get("role") == "user"][-MAX_TURNS:]
    scene = Scene()
    decision: Decision = ""
    for start, end in zip(begins, [*begins[1:], None], strict=False):
        calls = [PastCall(*made) for made in calls_made(messages[start + 1 : end])]
        said = clean(text_of(messages[start]))
        whole = pattern("|".join(DATA["signs"]["correction"])).split(said)[-MAX_CORRECTIONS:]
        parts = [part for part in whole if part.strip()] or [""]
        for n, part in enumerate(parts, 1):
            corrects, taken_back = n > 1 or len(whole) > len(parts), n < len(parts)
            clerk = Orders(part, calls, scene, tools, today, corrects, taken_back)
            decision, scene = clerk.decide(), clerk.scene
            if taken_back and decision and not isinstance(decision, str):
                break
    return decision or sentence("zh", "hello")
