"""The calls that write: each runs once, outlives its turn, and gives a repetition the same outcome."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any

from assistant.chat.history import truncated
from assistant.chat.interfaces import ToolResult

MAX_REMEMBERED = 1_000  # calls of a process whose outcome is kept
MAX_KEPT = 4_000  # characters of a kept outcome; who waits for it gets all of it


class WritingCalls:
    """The writing calls of this process, by id."""

    def __init__(self, max_remembered: int) -> None:
        self._max_remembered = max_remembered
        self._outcomes: OrderedDict[str, asyncio.Future[ToolResult]] = OrderedDict()

    def __contains__(self, id: str) -> bool:
        """Whether this call has begun here, and may have changed something."""
        return id in self._outcomes

    async def run(self, id: str, call: Callable[[], Coroutine[Any, Any, ToolResult]]) -> ToolResult:
        """Run a call, or wait for the one that runs under this id already, or return its outcome."""
        outcome = self._outcomes.get(id)
        if outcome is None:
            outcome = self._outcomes[id] = asyncio.create_task(call())
            outcome.add_done_callback(partial(self._keep, id))
            if len(self._outcomes) > self._max_remembered and next(iter(self._outcomes.values())).done():
                self._outcomes.popitem(last=False)
        return await asyncio.shield(outcome)

    async def finish(self, seconds: float) -> None:
        """Wait until the calls in flight are done, at most so long."""
        running = [outcome for outcome in self._outcomes.values() if not outcome.done()]
        if running:
            await asyncio.wait(running, timeout=seconds)

    def _keep(self, id: str, outcome: asyncio.Future[ToolResult]) -> None:
        """Keep an outcome, its text cut; forget one that never reached its server: it may be sent again."""
        if outcome.cancelled():
            self._outcomes.pop(id, None)
        elif outcome.exception() is None:
            result = outcome.result()
            if result.unreachable:
                self._outcomes.pop(id, None)
            elif id in self._outcomes:
                self._outcomes[id] = kept = outcome.get_loop().create_future()
                kept.set_result(replace(result, text=truncated(result.text, MAX_KEPT), media=()))
