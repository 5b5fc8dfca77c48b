"""A call that writes runs once, whoever asks for it again, and outlives its turn."""

import asyncio
from typing import Any

import pytest

from assistant.chat import Chat, events
from assistant.chat.interfaces import (
    Media,
    Progress,
    ToolResult,
)
from tests.support.scripted import (
    BUY,
    HELLO,
    SECRET,
    FakeTools,
    ScriptedModel,
    after,
    answering,
    calls,
    look_and_buy,
    only,
    says,
    take,
    tool,
)

pytestmark = pytest.mark.anyio


async def test_the_same_call_twice_in_a_history_runs_once() -> None:
    tools, model = look_and_buy(), ScriptedModel(calls(BUY), says("done"))
    talk = Chat(model, tools, SECRET)
    told = await take(talk, [HELLO])
    history, call_id = after(told, [HELLO]), only(told, events.ApprovalEvent)[0].id
    history[-1]["tool_calls"] *= 3
    resumed = await take(talk, [*history, history[-1]], approvals={call_id: True})
    assert len(only(resumed, events.ToolResultEvent)) == len(tools.called) == 1


async def test_two_answers_to_the_same_approval_at_the_same_moment_buy_once() -> None:
    tools, model = look_and_buy(), ScriptedModel(calls(BUY), says("done"), says("done"))
    talk = Chat(model, tools, SECRET)
    told = await take(talk, [HELLO])
    history, call_id = after(told, [HELLO]), only(told, events.ApprovalEvent)[0].id
    both = await asyncio.gather(*(take(talk, history, approvals={call_id: True}) for _ in range(2)))
    assert [only(resumed, events.ToolResultEvent)[0].result for resumed in both] == ["bought", "bought"]
    assert len(tools.called) == 1


async def test_an_approved_call_that_never_reached_its_server_runs_when_it_is_sent_again() -> None:
    outcomes = [ToolResult("down", is_error=True, unreachable=True), ToolResult("bought")]

    async def buy(args: dict[str, Any], on_progress: Progress | None) -> ToolResult:
        return outcomes.pop(0)

    talk = Chat(
        ScriptedModel(calls(BUY), says("no"), says("yes")),
        FakeTools((tool("buy", read_only=False), buy)),
        SECRET,
    )
    told = await take(talk, [HELLO])
    history, call_id = after(told, [HELLO]), only(told, events.ApprovalEvent)[0].id
    results = [
        only(await take(talk, history, approvals={call_id: True}), events.ToolResultEvent)[0].result
        for _ in range(2)
    ]
    assert results == ["down", "bought"]


async def test_an_outcome_is_told_whole_once_and_kept_in_short() -> None:
    bulky = answering("x" * 100_000, media=(Media("image/png", "AAAA"),))
    model = ScriptedModel(calls(BUY), says("done"), says("done"))
    talk = Chat(model, FakeTools((tool("buy", read_only=False), bulky)), SECRET)
    told = await take(talk, [HELLO])
    history, call_id = after(told, [HELLO]), only(told, events.ApprovalEvent)[0].id
    first, again = [
        only(await take(talk, history, approvals={call_id: True}), events.ToolResultEvent)[0]
        for _ in range(2)
    ]
    assert (len(first.result), len(first.media)) == (100_000, 1)
    assert len(again.result) < 5_000
    assert not again.media


@pytest.mark.parametrize("read_only", [True, False])
async def test_leaving_cancels_a_reading_call_and_lets_a_writing_one_finish(read_only: bool) -> None:
    began, may_end, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work(args: dict[str, Any], on_progress: Progress | None) -> ToolResult:
        began.set()
        await may_end.wait()
        ended.set()
        return ToolResult("done")

    tools = FakeTools((tool("work", read_only=read_only), work))
    talk = Chat(ScriptedModel(calls(("shop_work", "{}"))), tools, SECRET)
    turn = talk.turn([HELLO], ask=False)
    while not began.is_set():
        reading = asyncio.ensure_future(anext(turn))
        await asyncio.wait({reading, asyncio.ensure_future(began.wait())}, return_when="FIRST_COMPLETED")
    reading.cancel()  # the browser leaves
    await asyncio.gather(reading, return_exceptions=True)
    await turn.aclose()
    may_end.set()
    await talk.finish(5)
    assert ended.is_set() is not read_only


async def test_a_turn_that_begins_while_the_service_stops_ends_at_once() -> None:
    talk = Chat(ScriptedModel(says("hello")), look_and_buy(), SECRET)
    await talk.finish(0)
    assert await take(talk, [HELLO]) == [events.ErrorEvent("restarting"), events.DoneEvent("error")]
