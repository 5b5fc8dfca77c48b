"""The calls of this process: each runs once, outlives its turn, can be joined and stopped."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from assistant.chat.history import truncated
from assistant.chat.interfaces import Asked, Outcome, Progress, ToolResult
from assistant.chat.sentences import SENTENCES
from serving.errors import CodedError, sentence

PROGRESS_SECONDS = 0.1  # between two words of progress of a call: of more, the last counts
MAX_PROGRESS = 500  # characters of one

# What this process knows of a call: that it has never run, that it runs or has run, or nothing, so that it
# may have run elsewhere or long ago.
Memory = Literal["fresh", "begun", "nothing"]

# Whatever was decided: it may have run.
UNKNOWN = ("outcome_unknown", "stopped_unknown", "approval_expired", "tool_changed")


def failure(error: CodedError) -> ToolResult:
    """Return the result of a call that was not run, or whose outcome nobody knows."""
    text = sentence(SENTENCES, error.code, error.params)
    return ToolResult(text, True, error.code in UNKNOWN, code=error.code, params=error.params)


class RunningCall:
    """A call that waits for its turn, runs or has run, and who waits for it."""

    def __init__(self, run: "Run", *, writes: bool) -> None:
        self.has_begun, self.may_begin = False, True
        self.ms = 0
        self.listeners: list[Progress] = []
        self._writes = writes
        self._is_stopped = False
        self._began = time.monotonic()
        self._said: tuple[float, float | None, str | None] | None = None
        self._is_told = True
        self._pause: asyncio.TimerHandle | None = None
        self.outcome: asyncio.Future[Outcome] = asyncio.create_task(self._run(run))

    def begin(self) -> None:
        """Take note that it is sent now. Raises CodedError: the service stops."""
        if not self.may_begin:
            raise CodedError("restarting")
        self.has_begun, self._began = True, time.monotonic()

    def stop(self) -> None:
        """End it: a person does not want to wait for it any longer."""
        self._is_stopped = True
        self.outcome.cancel()

    def report(self, progress: float, total: float | None, message: str | None) -> None:
        """Tell its progress to all who wait."""
        self._said, self._is_told = (progress, total, message and truncated(message, MAX_PROGRESS)), False
        if self._pause is None:
            self._tell()

    @contextmanager
    def awaited(self, listener: Progress) -> Iterator[None]:
        """While somebody waits for it."""
        self.listeners.append(listener)
        if self._said:
            listener(*self._said)
        try:
            yield
        finally:
            self.listeners.remove(listener)

    @property
    def has_asked(self) -> bool:
        """Whether it has ended with a question, and so goes on when it is asked for again."""
        is_told = self.outcome.done() and not self.outcome.cancelled() and not self.outcome.exception()
        return is_told and isinstance(self.outcome.result(), Asked)

    def keep(self, result: Outcome) -> None:
        """Keep only what it came to: its task would hold its context, with all of the request."""
        self.outcome = self.outcome.get_loop().create_future()
        self.outcome.set_result(result)

    def shorten(self, length: int) -> None:
        """Let go of most of its outcome."""
        result = None if self.outcome.exception() else self.outcome.result()
        if isinstance(result, ToolResult):
            self.keep(replace(result, text=truncated(result.text, length), media=(), app=None))

    def _tell(self) -> None:
        self._pause = None
        if self._said and not self._is_told:
            self._is_told = True
            for listener in self.listeners:
                listener(*self._said)
            self._pause = asyncio.get_running_loop().call_later(PROGRESS_SECONDS, self._tell)

    async def _run(self, run: "Run") -> Outcome:
        try:
            return await run(self)
        except asyncio.CancelledError:
            if not self._is_stopped:
                raise
            if task := asyncio.current_task():
                task.uncancel()
            sent = "stopped_unknown" if self._writes else "stopped"
            return failure(CodedError(sent if self.has_begun else "stopped_unsent"))
        finally:
            self.ms = round((time.monotonic() - self._began) * 1000)
            if self._pause:
                self._pause.cancel()
                self._pause = None  # it, too, holds a context


Run = Callable[[RunningCall], Coroutine[Any, Any, Outcome]]


@dataclass(frozen=True)
class Bounds:
    """How much of calls is remembered."""

    calls: int = 2_000  # that this process knows
    whole_seconds: float = 600.0  # for which an outcome is kept whole ...
    whole_characters: int = 16 * 1024 * 1024  # ... as are the last ones of all within so many
    short_characters: int = 4_000  # of an outcome of a call that writes, after that
    left: int = 64  # calls that read on although nobody waits for them any more


class RunningCalls:
    """Calls by id: those that write, or those that read."""

    def __init__(self, bounds: Bounds, *, write: bool) -> None:
        self._bounds = bounds
        self._write = write
        self._calls: OrderedDict[str, RunningCall | None] = OrderedDict()
        self._whole: OrderedDict[str, tuple[float, int]] = OrderedDict()  # since when, how much
        self._characters = 0  # of these
        self._is_finishing = False

    def issued(self, id: str) -> None:
        """Take note of a new call."""
        self._remember(id, None)

    def memory(self, id: str) -> Memory:
        """Say what is known of a call."""
        if id not in self._calls:
            return "nothing"
        call = self._calls[id]
        return "begun" if call and call.has_begun else "fresh"

    def has_asked(self, id: str) -> bool:
        """Whether a call has asked somebody something, and waits for the answer."""
        call = self._calls.get(id)
        return call is not None and call.has_asked

    async def run(
        self, id: str, run: Run, on_progress: Progress, *, honours_key: bool = False
    ) -> tuple[Outcome, int]:
        """Run a call, or join the one that runs or has run under this id; return its outcome, and its ms.

        One that has asked something goes on.

        Raises CodedError: the service stops, and the call has not begun.
        """
        self._shorten()
        call = self._calls.get(id)
        if call is None or call.has_asked:
            if self._is_finishing:
                raise CodedError("restarting")
            call = RunningCall(run, writes=self._write)
            call.outcome.add_done_callback(partial(self._keep, id, call, honours_key))
            self._remember(id, call)
        try:
            with call.awaited(on_progress):
                return await asyncio.shield(call.outcome), call.ms
        except asyncio.CancelledError:
            self._leave(call)
            raise

    def stop(self, id: str) -> bool:
        """Stop a call, and say whether there was one to be stopped."""
        call = self._calls.get(id)
        if call is None or call.outcome.done():
            return False
        call.stop()
        return True

    async def finish(self, seconds: float) -> None:
        """Wait until the calls in flight are done, at most so long; none begins any more."""
        self._is_finishing = True
        running = self._running()
        for call in running:
            call.may_begin = False
        if running:
            await asyncio.wait([call.outcome for call in running], timeout=seconds)

    def cancel(self) -> None:
        """Give up the calls in flight."""
        for call in self._running():
            call.outcome.cancel()

    def _running(self) -> list[RunningCall]:
        return [call for call in self._calls.values() if call and not call.outcome.done()]

    def _leave(self, call: RunningCall) -> None:
        """Somebody waits no longer: what has not begun does not, and what was left the longest ago ends."""
        if not call.listeners and not call.has_begun:
            call.outcome.cancel()
        elif not self._write:
            left = [each for each in self._running() if not each.listeners]
            for each in left[: max(0, len(left) - self._bounds.left)]:
                each.outcome.cancel()

    def _remember(self, id: str, call: RunningCall | None) -> None:
        self._calls[id] = call
        self._calls.move_to_end(id)
        while len(self._calls) > self._bounds.calls:
            oldest = next(iter(self._calls.values()))
            if oldest and not oldest.outcome.done():
                return
            forgotten, _ = self._calls.popitem(last=False)
            self._characters -= self._whole.pop(forgotten, (0, 0))[1]

    def _keep(self, id: str, call: RunningCall, honours_key: bool, outcome: asyncio.Future[Outcome]) -> None:
        """Keep an outcome, unless the call may be sent again.

        One that never reached its server has not run. One under a key runs once however often it is sent:
        after an answer that says no it counts as not run, and after none nothing is known of it.
        """
        result = None if outcome.cancelled() or outcome.exception() else outcome.result()
        if result:
            call.keep(result)
        if self._calls.get(id) is not call or isinstance(result, Asked):
            return  # forgotten meanwhile, or not its end
        has_run = call.has_begun and not (result and result.unreachable)
        said_no = result is not None and result.is_error and not result.unknown
        may_repeat = honours_key or not self._write
        is_fresh = not has_run or (honours_key and said_no)
        if is_fresh and self._write:
            self._calls[id] = None
        elif is_fresh or outcome.cancelled() or (may_repeat and not _is_final(result)):
            del self._calls[id]
        elif result:
            size = len(result.text) + sum(len(each.data) for each in result.media)
            size *= 2 if result.app else 1  # an app may be shown the same in other parts
            self._characters += size - self._whole.pop(id, (0, 0))[1]
            self._whole[id] = (time.monotonic(), size)

    def _shorten(self) -> None:
        """Shorten, or forget, what has been kept whole for long enough."""
        while self._whole:
            id, (since, size) = next(iter(self._whole.items()))
            is_new = time.monotonic() - since < self._bounds.whole_seconds
            if is_new and self._characters <= self._bounds.whole_characters:
                return
            del self._whole[id]
            self._characters -= size
            if not self._write:
                self._calls.pop(id, None)
            elif call := self._calls.get(id):
                call.shorten(self._bounds.short_characters)


def _is_final(result: ToolResult | None) -> bool:
    return result is not None and not result.unknown and result.code != "stopped"
