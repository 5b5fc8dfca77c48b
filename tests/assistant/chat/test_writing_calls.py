"""A call that writes runs once, whoever asks for it again, and outlives its turn."""

import asyncio
from typing import Any

import pytest

from assistant.chat import Chat, events
from assistant.chat.interfaces import Progress, ToolResult
from tests.support.scripted import (
    BUY,
    HELLO,
    SECRET,
    FakeTools,
    ScriptedModel,
    after,
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


async def test_a_turn_that_begins_while_the_service_stops_ends_at_once() -> None:
    talk = Chat(ScriptedModel(says("hello")), look_and_buy(), SECRET)
    await talk.finish(0)
    assert await take(talk, [HELLO]) == [events.ErrorEvent("restarting"), events.DoneEvent("error")]
