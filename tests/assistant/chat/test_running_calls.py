"""A call outlives its turn: it can be joined, stopped, and its outcome asked for again."""

import asyncio
import gc
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from assistant.chat import Chat, events
from assistant.chat.events import Event
from assistant.chat.history import Message
from assistant.chat.interfaces import Media, Progress, ToolResult
from assistant.chat.running_calls import Bounds, RunningCall
from serving.errors import CodedError
from tests.support.scripted import (
    HELLO,
    SECRET,
    FakeTools,
    ScriptedModel,
    after,
    calls,
    only,
    says,
    take,
    tool,
)

pytestmark = pytest.mark.anyio
WORK = ("shop_work", "{}")


class Work:
    """A tool whose calls run until the test lets them end; `ended` counts how they did."""

    def __init__(
        self, *, read_only: bool = True, result: str = "done", media: tuple[Media, ...] = ()
    ) -> None:
        self.may_end = asyncio.Event()
        self.progress: list[Progress] = []
        self.began = asyncio.Semaphore(0)
        self.cancelled = asyncio.Semaphore(0)
        self._result = ToolResult(result, media=media)
        self.tools = FakeTools((tool("work", read_only=read_only), self._run))

    async def _run(self, args: dict[str, Any], on_progress: Progress | None) -> ToolResult:
        assert on_progress
        self.progress.append(on_progress)
        self.began.release()
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.cancelled.release()
            raise
        return self._result

    @property
    def runs(self) -> int:
        return len(self.tools.called)

    def chat(self, *steps: Any, **more: Any) -> Chat:
        return Chat(ScriptedModel(*steps), self.tools, SECRET, **more)


async def leave(work: Work, talk: Chat, begun: int = 1) -> list[Message]:
    """Ask, leave when so many calls have begun, and return the history that the page has by then."""
    told: list[Event] = []
    turn: AsyncGenerator[Event] = talk.turn([HELLO], ask=False)

    async def read() -> None:
        async for event in turn:
            told.append(event)  # noqa: PERF401  one by one: it is cancelled in the middle

    reading = asyncio.create_task(read())
    for _ in range(begun):
        await work.began.acquire()
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await turn.aclose()
    return after(told, [HELLO])


async def join(work: Work, talk: Chat, history: list[Message]) -> list[Event]:
    """Ask for a call that runs, and let it end when the turn has heard of its progress."""
    work.progress[-1](1, None, None)
    turn = talk.turn(history, ask=False)
    told = [await anext(turn) for _ in range(2)]
    assert only(told, events.ToolProgressEvent)
    work.may_end.set()
    return told + [event async for event in turn]


@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.parametrize("is_over", [True, False])
async def test_a_hundred_who_ask_again_join_the_one_call(read_only: bool, is_over: bool) -> None:
    work = Work(read_only=read_only, result="x" * 100_000, media=(Media("image/png", "AAAA"),))
    talk = work.chat(calls(WORK), *[says("done")] * 100)
    history = await leave(work, talk)
    joined = [asyncio.create_task(take(talk, history, ask=False)) for _ in range(1 if is_over else 100)]
    work.may_end.set()
    all_told = await asyncio.gather(*joined)
    all_told += await asyncio.gather(*(take(talk, history, ask=False) for _ in range(100 - len(joined))))
    results = [only(told, events.ToolResultEvent)[0] for told in all_told]
    assert {(each.result, len(each.media)) for each in results} == {("x" * 100_000, 1)}
    assert {told[-1] for told in all_told} == {events.DoneEvent("stop")}
    assert work.runs == 1


async def test_another_process_reads_again_and_asks_before_it_writes_again() -> None:
    for read_only in (True, False):
        work = Work(read_only=read_only)
        history = await leave(work, work.chat(calls(WORK)))
        work.may_end.set()
        approvals = {work.tools.called[0][2]: True}
        told = await take(work.chat(says("done")), history, approvals=approvals)
        codes = [each.code for each in only(told, events.ToolResultEvent)]
        assert (codes, work.runs) == (([None], 2) if read_only else (["approval_expired"], 1))


def kept() -> list[type]:
    gc.collect()
    tasks = [each for each in gc.get_objects() if type(each) is asyncio.Task]
    running = [asyncio.Task for each in tasks if "RunningCall" in str(each.get_coro())]
    return running + [RunningCall for each in gc.get_objects() if type(each) is RunningCall]


async def test_of_the_calls_that_ran_no_more_is_kept_than_the_outcomes_of_the_last() -> None:
    before = kept()
    work = Work()
    steps = *[calls(WORK)] * 4, *[says("done")] * 4, calls(WORK), says("done")
    talk = work.chat(*steps, bounds=Bounds(calls=2))
    histories = [await leave(work, talk) for _ in range(4)]
    work.may_end.set()
    for history in histories:
        await take(talk, history, ask=False)
    await take(talk, [HELLO], ask=False)
    work.progress.clear()
    assert (kept(), work.runs) == (before + [RunningCall] * 2, 5)


async def test_an_outcome_is_kept_whole_for_a_time_and_within_bounds() -> None:
    for bounds in (Bounds(whole_seconds=0), Bounds(whole_characters=1_000)):
        for read_only in (True, False):
            work = Work(read_only=read_only, result="x" * 100_000, media=(Media("image/png", "AAAA"),))
            talk = work.chat(calls(WORK), *[says("done")] * 3, bounds=bounds)
            history = await leave(work, talk)
            told = await join(work, talk, history), await take(talk, history, ask=False)
            first, again = [only(each, events.ToolResultEvent)[0] for each in told]
            assert (len(first.result), len(first.media)) == (100_000, 1)
            assert (work.runs, len(again.result) < 5_000) == ((2, False) if read_only else (1, True))


async def test_of_reading_calls_that_nobody_waits_for_the_oldest_are_given_up() -> None:
    work = Work()
    talk = work.chat(*[calls(WORK)] * 3, bounds=Bounds(left=2))
    for _ in range(3):
        await leave(work, talk)
    await work.cancelled.acquire()
    assert work.cancelled.locked()
    await talk.finish(0)  # the service stops
    for _ in range(2):
        await work.cancelled.acquire()


async def test_what_waits_for_its_turn_does_not_begin_once_nobody_waits_for_it() -> None:
    work = Work(read_only=False)
    requests = [("shop_work", f'{{"n": {n}}}') for n in range(9)]
    talk = work.chat(calls(*requests), says("done"))
    history = await leave(work, talk, begun=8)
    work.may_end.set()
    await talk.finish(5)
    assert work.runs == 8
    assert len(history[-1]["tool_calls"]) == 9


@pytest.mark.parametrize(
    ("read_only", "code", "unknown"), [(True, "stopped", False), (False, "stopped_unknown", True)]
)
async def test_a_person_stops_a_call_and_the_turn_goes_on(read_only: bool, code: str, unknown: bool) -> None:
    work = Work(read_only=read_only)
    talk = work.chat(calls(WORK), says("well then"), says("joined"))
    asking = asyncio.create_task(take(talk, [HELLO], ask=False))
    await work.began.acquire()
    id = work.tools.called[0][2] or ""
    talk.stop(id)
    told = await asking
    result = only(told, events.ToolResultEvent)[0]
    assert (result.code, result.unknown, result.isError, told[-1]) == (
        code,
        unknown,
        True,
        events.DoneEvent("stop"),
    )
    await work.cancelled.acquire()
    with pytest.raises(CodedError, match="call_not_running"):
        talk.stop(id)


async def test_a_call_that_is_stopped_before_its_turn_is_not_sent() -> None:
    work = Work(read_only=False)
    requests = [("shop_work", f'{{"n": {n}}}') for n in range(9)]
    talk = work.chat(calls(*requests), says("done"))
    turn, told = talk.turn([HELLO], ask=False), []
    async for event in turn:
        told.append(event)
        if len(only(told, events.ToolCallEvent)) == 9:
            break
    for _ in range(8):
        await work.began.acquire()
    talk.stop(only(told, events.ToolCallEvent)[8].id)
    work.may_end.set()
    told += [event async for event in turn]
    results = {each.id: each for each in only(told, events.ToolResultEvent)}
    last = results[only(told, events.ToolCallEvent)[8].id]
    assert (last.code, last.unknown, work.runs) == ("stopped_unsent", False, 8)


async def test_a_call_that_was_stopped_reads_again_when_it_is_asked_for_again() -> None:
    work = Work()
    talk = work.chat(calls(WORK), says("stopped"), says("done"))
    history = await leave(work, talk)
    talk.stop(work.tools.called[0][2] or "")
    await work.cancelled.acquire()
    work.may_end.set()
    told = await take(talk, history)
    assert [each.result for each in only(told, events.ToolResultEvent)] == ["done"]


async def test_a_flood_of_progress_is_told_now_and_then_and_its_last_word_to_whoever_joins() -> None:
    work = Work()
    talk = work.chat(calls(WORK), *[says("done")] * 2)
    asking = asyncio.create_task(take(talk, [HELLO]))
    await work.began.acquire()
    for n in reversed(range(10_000)):
        work.progress[0](n, None, "m" * 10_000)
    function = {"name": "shop_work", "arguments": "{}"}
    called = {"id": work.tools.called[0][2], "type": "function", "function": function}
    joined = await join(work, talk, [HELLO, {"role": "assistant", "tool_calls": [called]}])
    told = await asking
    said, heard = (only(each, events.ToolProgressEvent) for each in (told, joined))
    assert 1 <= len(said) <= 3
    assert len(said[0].message) < 1_000
    assert heard[0].progress == 1
    assert work.runs == 1
