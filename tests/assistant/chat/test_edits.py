"""A call that waits can be changed: it then never runs, and what stands for it waits for its own approval."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from assistant.chat import Chat, events
from assistant.chat.approvals import AllowedTool, SwitchedOff
from assistant.chat.events import Event
from assistant.chat.history import Message
from assistant.chat.interfaces import Progress, ToolResult
from tests.support.scripted import (
    BUY,
    HELLO,
    SECRET,
    FakeTools,
    ScriptedModel,
    after,
    answering,
    calls,
    only,
    roles,
    says,
    take,
    tool,
)

pytestmark = pytest.mark.anyio

LINE = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "count": {"type": "integer", "minimum": 1}},
    "required": ["id", "count"],
    "additionalProperties": False,
}
SCHEMA = {
    "type": "object",
    "properties": {
        "n": {"type": "integer", "minimum": 1, "maximum": 9},
        "who": {"anyOf": [{"type": "string", "maxLength": 3}, {"type": "null"}]},
        "lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}, "minItems": 1},
        "any": {},
    },
    "required": ["n"],
    "additionalProperties": False,
    "$defs": {"Line": LINE},
}
BUYING = AllowedTool("shop", "buy", "shop buy False")


def shop() -> FakeTools:
    buy = replace(tool("buy", read_only=False, honours_key=True), input_schema=SCHEMA)
    return FakeTools((buy, answering("bought")), (tool("look", read_only=True), answering("[1]")))


async def waiting(*requests: tuple[str, str], tools: FakeTools) -> tuple[Chat, list[Message], list[str]]:
    """A chat, a history whose calls wait, and their ids."""
    talk = Chat(ScriptedModel(calls(*requests), *[says("done")] * 4), tools, SECRET)
    told = await take(talk, [HELLO])
    return talk, after(told, [HELLO]), ids(told)


def ids(told: list[Event]) -> list[str]:
    return [event.id for event in only(told, events.ApprovalEvent)]


def codes(told: list[Event]) -> list[str | None]:
    return [event.code for event in only(told, events.ToolResultEvent)]


def refusal(told: list[Event]) -> tuple[str, Mapping[str, Any]]:
    (error,) = only(told, events.ErrorEvent)
    assert told[-1] == events.DoneEvent("error")
    return error.code, error.params


async def test_an_edited_call_is_replaced_and_runs_as_edited_once_it_is_approved() -> None:
    tools = shop()
    talk, history, (old,) = await waiting(BUY, tools=tools)
    told = await take(talk, history, edits={old: {"n": 3}})
    assert codes(told) == ["replaced"]
    (new,) = ids(told)
    assert told[-1] == events.DoneEvent("approval")
    call = only(told, events.ToolCallEvent)[-1]
    assert (call.id, call.args, call.mended, tools.called) == (new, {"n": 3}, False, [])
    assert new != old
    history = after(told, history)
    await take(talk, history, approvals={new: True})
    assert tools.called == [("buy", {"n": 3}, new)]
    assert roles(history) == ["user", "assistant", "tool", "assistant"]


@pytest.mark.parametrize("decision", [True, False])
async def test_of_an_edit_and_a_decision_on_one_call_the_edit_counts(decision: bool) -> None:
    tools = shop()
    talk, history, (old,) = await waiting(BUY, tools=tools)
    told = await take(talk, history, edits={old: {"n": 3}}, approvals={old: decision})
    assert (codes(told), len(ids(told)), tools.called) == (["replaced"], 1, [])


async def test_an_edited_call_asks_even_where_its_tool_is_always_allowed() -> None:
    tools = shop()
    talk, history, (old,) = await waiting(BUY, tools=tools)
    told = await take(talk, history, edits={old: {"n": 3}}, auto_approve=[BUYING])
    again = await take(talk, after(told, history), auto_approve=[BUYING])
    assert (ids(told) == ids(again), tools.called) == (True, [])


async def test_another_replica_takes_an_edit_and_knows_its_approval() -> None:
    tools = shop()
    _, history, (old,) = await waiting(BUY, tools=tools)
    others = [Chat(ScriptedModel(says("done")), tools, SECRET) for _ in range(2)]
    told = await take(others[0], history, edits={old: {"n": 3}})
    await take(others[1], after(told, history), approvals={ids(told)[0]: True})
    assert tools.called == [("buy", {"n": 3}, ids(told)[0])]


async def test_a_call_that_was_replaced_never_runs_whoever_approves_it_later() -> None:
    tools = shop()
    talk, history, (old,) = await waiting(BUY, tools=tools)
    await take(talk, history, edits={old: {"n": 3}})
    assert codes(await take(talk, history, approvals={old: True})) == ["replaced"]
    again = await take(talk, history, edits={old: {"n": 4}})  # the answer to the first was lost
    assert (codes(again), tools.called) == (["replaced"], [])


async def test_an_edit_while_the_call_runs_is_too_late_and_its_result_is_told() -> None:
    begun, end = asyncio.Event(), asyncio.Event()

    async def buy(args: dict[str, Any], on_progress: Progress | None) -> ToolResult:
        begun.set()
        await end.wait()
        return ToolResult("bought")

    tools = FakeTools((tool("buy", read_only=False, honours_key=True), buy))
    talk, history, (old,) = await waiting(BUY, tools=tools)
    running = asyncio.create_task(take(talk, history, approvals={old: True}))
    await begun.wait()
    editing = asyncio.create_task(take(talk, history, edits={old: {"n": 3}}))
    end.set()
    told = await editing
    assert refusal(told) == ("edit_too_late", {})
    assert only(told, events.ToolResultEvent)[0].result == "bought"
    await running
    assert [args for _, args, _ in tools.called] == [{"n": 2}]


async def test_of_three_that_wait_one_is_edited_one_approved_and_one_goes_along() -> None:
    tools = shop()
    wanted = [("shop_buy", f'{{"n": {n}}}') for n in (1, 2, 3)]
    talk, history, (left, approved, edited) = await waiting(*wanted, tools=tools)
    told = await take(talk, history, edits={edited: {"n": 5}}, approvals={approved: True})
    assert {event.id: event.code for event in only(told, events.ToolResultEvent)} == {
        left: "replaced",
        approved: None,
        edited: "replaced",
    }
    history, new = after(told, history), ids(told)
    await take(talk, history, approvals=dict.fromkeys(new, True))
    assert [args for _, args, _ in tools.called] == [{"n": 2}, {"n": 1}, {"n": 5}]


@pytest.mark.parametrize(
    ("args", "field"),
    [
        ({}, "n"),
        ({"n": "2"}, "n"),
        ({"n": True}, "n"),
        ({"n": 1.5}, "n"),
        ({"n": 0}, "n"),
        ({"n": 10}, "n"),
        ({"n": None}, "n"),
        ({"n": 2, "colour": "red"}, "colour"),
        ({"n": 2, "who": "long"}, "who"),
        ({"n": 2, "lines": []}, "lines"),
        ({"n": 2, "lines": {}}, "lines"),
        ({"n": 2, "lines": [{"id": 1, "count": 1}, {"id": 2}]}, "lines[1].count"),
        ({"n": 2, "lines": [{"id": 1, "count": 1, "price": 0}]}, "lines[0].price"),
        ({"n": 2, "any": float("nan")}, ""),
    ],
)
async def test_arguments_that_miss_the_schema_are_refused_by_their_place(
    args: dict[str, Any], field: str
) -> None:
    tools = shop()
    talk, history, (old,) = await waiting(BUY, tools=tools)
    told = await take(talk, history, edits={old: args})
    assert refusal(told) == ("edit_invalid", {"field": field})
    assert (codes(told), tools.called) == ([], [])
    assert len(ids(await take(talk, history))) == 1  # it waits as before


@pytest.mark.parametrize(
    "args", [{"n": 2.0}, {"n": 9, "who": None, "any": [[1]]}, {"n": 1, "lines": [{"id": 1, "count": 2}]}]
)
async def test_arguments_of_the_schema_are_taken(args: dict[str, Any]) -> None:
    talk, history, (old,) = await waiting(BUY, tools=shop())
    assert codes(await take(talk, history, edits={old: args})) == ["replaced"]


async def test_what_does_not_wait_cannot_be_edited() -> None:
    tools = shop()
    talk, history, (old,) = await waiting(BUY, tools=tools)
    edit = {"edits": {old: {"n": 3}}}
    assert refusal(await take(talk, history, edits={"call_of_nobody": {"n": 3}}))[0] == "edit_unknown"
    assert refusal(await take(talk, [HELLO], **edit))[0] == "edit_unknown"
    gone_on = [*history, {"role": "user", "content": "no"}]
    assert refusal(await take(talk, gone_on, **edit))[0] == "edit_too_late"
    bought = after(await take(talk, history, approvals={old: True}), history)
    assert refusal(await take(talk, bought, **edit))[0] == "edit_too_late"
    forged = [
        HELLO,
        {**history[1], "tool_calls": [{**history[1]["tool_calls"][0], "id": "call_" + "A" * 35}]},
    ]
    assert refusal(await take(talk, forged, edits={"call_" + "A" * 35: {"n": 3}}))[0] == "edit_too_late"
    assert len(tools.called) == 1


async def test_a_tool_that_was_switched_off_is_not_asked_about_again() -> None:
    tools = shop()
    talk, history, (old,) = await waiting(BUY, tools=tools)
    told = await take(talk, history, edits={old: {"n": 3}}, off=[SwitchedOff("shop", "buy")])
    assert (codes(told), ids(told), tools.called) == (["tool_off"], [], [])
