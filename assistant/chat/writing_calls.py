"""The calls that write: each runs once, outlives its turn, and gives a repetition the same outcome."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any, Literal

from assistant.chat.history import truncated
from assistant.chat.interfaces import ToolResult
from serving.errors import CodedError

MAX_REMEMBERED = 2_000  # calls of a process that are known to it
MAX_KEPT = 4_000  # characters of a kept outcome; who waits for it gets all of it

# What this process knows of a call: that it has never run, that it runs or has run, or nothing, so that it
# may have run elsewhere or long ago.
Memory = Literal["fresh", "begun", "nothing"]


class WritingCalls:
    """The writing calls of this process, by id."""

    def __init__(self, max_remembered: int) -> None:
        self._max_remembered = max_remembered
        self._outcomes: OrderedDict[str, asyncio.Future[ToolResult] | None] = OrderedDict()
        self._is_finishing = False

    def issued(self, id: str) -> None:
        """Take note of a new call."""
        self._remember(id, None)

    def memory(self, id: str) -> Memory:
        """Say what is known of a call."""
        if id not in self._outcomes:
            return "nothing"
        return "fresh" if self._outcomes[id] is None else "begun"

    async def run(
        self, id: str, call: Callable[[], Coroutine[Any, Any, ToolResult]], *, honours_key: bool
    ) -> ToolResult:
        """Run a call, or wait for the one that runs under this id already, or return its outcome.

        Raises CodedError: the service stops, and the call has not begun.
        """
        outcome = self._outcomes.get(id)
        if outcome is None:
            if self._is_finishing:
                raise CodedError("restarting")
            outcome = asyncio.create_task(call())
            outcome.add_done_callback(partial(self._keep, id, honours_key))
            self._remember(id, outcome)
        return await asyncio.shield(outcome)

    async def finish(self, seconds: float) -> None:
        """Wait until the calls in flight are done, at most so long; none begins any more."""
        self._is_finishing = True
        running = [outcome for outcome in self._outcomes.values() if outcome and not outcome.done()]
        if running:
            await asyncio.wait(running, timeout=seconds)

    def _remember(self, id: str, outcome: asyncio.Future[ToolResult] | None) -> None:
        self._outcomes[id] = outcome
        self._outcomes.move_to_end(id)
        oldest = next(iter(self._outcomes.values()))
        if len(self._outcomes) > self._max_remembered and (oldest is None or oldest.done()):
            self._outcomes.popitem(last=False)

    def _keep(self, id: str, honours_key: bool, outcome: asyncio.Future[ToolResult]) -> None:
        """Keep an outcome, its text cut, unless the call may be sent again.

        One that never reached its server has not run. One under a key runs once however often it is sent:
        after an answer that says no it counts as not run, and after none nothing is known of it.
        """
        if outcome.cancelled() or (honours_key and outcome.exception()):
            self._outcomes.pop(id, None)
        elif outcome.exception() is None:
            result = outcome.result()
            if result.unknown and honours_key:
                self._outcomes.pop(id, None)
            elif result.unreachable or (result.is_error and honours_key):
                self._outcomes[id] = None
            elif id in self._outcomes:
                self._outcomes[id] = kept = outcome.get_loop().create_future()
                kept.set_result(replace(result, text=truncated(result.text, MAX_KEPT), media=()))
