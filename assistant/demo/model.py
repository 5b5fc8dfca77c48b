"""The model for a machine without a key: it answers with the shop's tools, by rules.

It has no state: all it knows is in the messages, so any replica can continue a conversation. What was said
before it works out again from the calls and results of each turn, never from its own data. It knows no
product: names, prices and stock come from tool results. Nothing in a result is taken for a request.
"""

import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, tzinfo
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from assistant.chat.history import Message, attached, text_of
from assistant.chat.interfaces import Piece, Reply
from assistant.demo.desk import Decision
from assistant.demo.meaning import Scene
from assistant.demo.orders import Orders
from assistant.demo.past import ShopTools, calls_in, past_calls
from assistant.demo.words import DATA, clean, pattern, voice
from serving.errors import CodedError

MAX_ROUNDS = 6  # of calls for one question
MAX_TURNS = 30  # of a conversation that are looked back at
MAX_CORRECTIONS = 5  # in one sentence
MAX_DELTA = 12  # characters that are streamed at once


class DemoModel:
    """The model behind the page when no key is set; `now` is the time, with its zone."""

    name = "demo"
    demo = True
    window: int | None = None

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now

    async def reply(self, messages: list[Message], tools: list[dict[str, Any]]) -> AsyncGenerator[Piece]:
        """Yield the answer in small pieces, then one Reply; it never raises, whatever the messages hold."""
        decision = decide(messages, ShopTools(tools), self._now())
        if not isinstance(decision, str):
            yield Reply("", decision, "tool_calls")
            return
        for at in range(0, len(decision), MAX_DELTA):
            yield decision[at : at + MAX_DELTA]
        question = next((m for m in reversed(messages) if m.get("role") == "user"), {})
        yield Reply(decision, notes=[CodedError("demo_reads_no_files")] if attached(question) else ())


def decide(messages: Sequence[Message], tools: ShopTools, now: datetime) -> Decision:
    """Return the next calls, or the answer: each turn is gone through again, and the last one answered."""
    begins = [at for at, message in enumerate(messages) if message.get("role") == "user"][-MAX_TURNS:]
    system = " ".join(text_of(m)[-20_000:] for m in messages if m.get("role") == "system")
    today = now.astimezone(_zone(system))
    scene = Scene()
    decision: Decision = ""
    for start, end in zip(begins, [*begins[1:], None], strict=False):
        calls = past_calls(messages[start + 1 : end])
        parts = corrected(text_of(messages[start]))
        for n, (part, corrects) in enumerate(parts, 1):
            clerk = Orders(part, calls, scene, tools, today, corrects=corrects)
            decision, scene = clerk.decide(), clerk.scene
            if not isinstance(decision, str) and n < len(parts) and not clerk.buying:
                break
        if end is None and not isinstance(decision, str):
            rounds = sum(1 for message in messages[start:] if calls_in(message))
            return decision if rounds < MAX_ROUNDS else clerk.say("stuck")
    return decision or voice("zh")("hello")


def corrected(text: str) -> list[tuple[str, bool]]:
    """Split "2 headphones, no wait, 3": each part, and whether it takes back what stood before it."""
    parts = pattern("|".join(DATA["signs"]["correction"])).split(clean(text))[-MAX_CORRECTIONS:]
    said = [(part, n > 0) for n, part in enumerate(parts) if part.strip()]
    return [(said[0][0], len(parts) > 1)] if len(said) == 1 else said or [("", False)]


def _zone(system: str) -> tzinfo:
    """Return the shop's zone, which its server names in its instructions."""
    for name in islice(re.findall(r"[A-Z][A-Za-z]+/[A-Za-z_/+-]+", system), 5):
        with suppress(KeyError, ValueError, OSError):  # no such zone
            return ZoneInfo(name)
    return UTC
