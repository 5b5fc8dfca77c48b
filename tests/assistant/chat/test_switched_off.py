"""What the user has switched off is not offered and does not run, whatever the model or the history says."""

import pytest

from assistant.chat import Chat, events
from assistant.chat.approvals import SwitchedOff
from assistant.chat.tool_search import CALL, SEARCH
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

BUYING, SHOP = SwitchedOff("shop", "buy"), SwitchedOff("shop")
LOOK = ("shop_look", "{}")


def names(model: ScriptedModel) -> list[list[str]]:
    return [[each["function"]["name"] for each in offered] for offered in model.tools]


@pytest.mark.parametrize(
    ("off", "offered"),
    [(BUYING, ["shop_look"]), (SHOP, []), (SwitchedOff("shop", "look"), ["shop_buy"])],
    ids=["a tool that writes", "a server", "a tool that reads"],
)
async def test_a_tool_that_is_off_is_not_offered_and_not_run(off: SwitchedOff, offered: list[str]) -> None:
    tools, model = look_and_buy(), ScriptedModel(calls(LOOK, BUY), says("cannot"))
    tools.said = {"shop": "use it well"}
    told = await take(Chat(model, tools, SECRET), [HELLO], off=[off], ask=False)
    assert names(model) == [offered, offered]
    refused = [
        event.params["tool"] for event in only(told, events.ToolResultEvent) if event.code == "tool_off"
    ]
    assert refused == [name for name in ("look", "buy") if f"shop_{name}" not in offered]
    assert [name for name, _, _ in tools.called] == [name.removeprefix("shop_") for name in offered]
    assert ("use it well" in model.requests[0][0]["content"]) is bool(offered)
    assert told[-1] == events.DoneEvent("stop")


async def test_a_tool_that_is_off_is_neither_found_nor_called_through_the_search() -> None:
    model = ScriptedModel(
        calls((SEARCH.name, '{"query": "buy"}')), calls((CALL.name, '{"name": "shop_buy"}')), says("no")
    )
    tools = look_and_buy()
    told = await take(Chat(model, tools, SECRET, max_tool_tokens=1), [HELLO], off=[BUYING])
    found, refused = only(told, events.ToolResultEvent)
    assert ("shop_buy" in found.result, refused.code, tools.called) == (False, "tool_off", [])
    assert "buy" not in model.requests[0][0]["content"]


async def test_tools_that_are_off_make_room_for_the_others() -> None:
    others = [(tool(f"t{n}", read_only=True, server="big"), answering("")) for n in range(200)]
    tools, model = (
        FakeTools(*others, (tool("look", read_only=True), answering("1"))),
        ScriptedModel(says("ok")),
    )
    await take(Chat(model, tools, SECRET), [HELLO], off=[SwitchedOff("big")])
    assert names(model) == [["shop_look"]]


@pytest.mark.parametrize(("decision", "code"), [(True, "tool_off"), (False, "declined"), (None, "tool_off")])
async def test_a_call_that_waits_while_its_tool_is_switched_off_ends_without_running(
    decision: bool | None, code: str
) -> None:
    tools, model = look_and_buy(), ScriptedModel(calls(BUY), says("as you like"))
    talk = Chat(model, tools, SECRET)
    told = await take(talk, [HELLO])
    id = only(told, events.ApprovalEvent)[0].id
    decided = {} if decision is None else {id: decision}
    told = await take(talk, after(told, [HELLO]), approvals=decided, off=[BUYING])
    assert [(event.id, event.code) for event in only(told, events.ToolResultEvent)] == [(id, code)]
    assert (told[-1], tools.called) == (events.DoneEvent("stop"), [])


async def test_a_call_that_may_have_run_elsewhere_is_not_said_to_be_undone() -> None:
    told = await take(Chat(ScriptedModel(calls(BUY)), look_and_buy(), SECRET), [HELLO])
    id, tools = only(told, events.ApprovalEvent)[0].id, look_and_buy()
    other = Chat(ScriptedModel(says("look first")), tools, SECRET)
    told = await take(other, after(told, [HELLO]), approvals={id: True}, off=[BUYING])
    [result] = only(told, events.ToolResultEvent)
    assert (result.code, result.unknown, tools.called) == ("outcome_unknown", True, [])


async def test_a_call_that_has_run_says_so_although_its_tool_is_off_by_now() -> None:
    tools, model = look_and_buy(), ScriptedModel(calls(BUY), says("done"), says("done"))
    talk = Chat(model, tools, SECRET)
    asked = await take(talk, [HELLO])
    id, history = only(asked, events.ApprovalEvent)[0].id, after(asked, [HELLO])
    for off in ([], [BUYING]):
        told = await take(talk, history, approvals={id: True}, off=off)
        assert only(told, events.ToolResultEvent)[0].result == "bought"
    assert len(tools.called) == 1
