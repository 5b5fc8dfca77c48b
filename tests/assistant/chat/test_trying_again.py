"""A call whose outcome is unknown, or whose approval comes from elsewhere: never twice by itself."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from assistant.chat import Chat, events
from assistant.chat.approvals import AllowedTool
from assistant.chat.events import Event
from assistant.chat.history import Message
from assistant.chat.interfaces import Progress, ToolChangedError, ToolResult
from assistant.chat.running_calls import Bounds
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
    says,
    take,
    tool,
)

pytestmark = pytest.mark.anyio

LOST = ToolResult("lost", is_error=True, unknown=True, code="lost")
DOWN = ToolResult("down", is_error=True, unreachable=True, code="server_down")
NEVER_SENT = ToolResult("no shop", is_error=True, code="shop_unreachable", params={"idempotencyKey": "k"})
PRICIER = ToolResult("pricier", is_error=True, code="price_changed", params={"expected": 1, "now": 2})
BOUGHT, FOUND = ToolResult("bought"), ToolResult("bought", replayed=True)


def shop(*outcomes: ToolResult | Exception, keyed: bool = True) -> FakeTools:
    """A tool that writes, with the outcomes of its calls."""
    left = list(outcomes)

    async def buy(args: dict[str, Any], on_progress: Progress | None) -> ToolResult:
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return FakeTools((tool("buy", read_only=False, honours_key=keyed), buy))


async def asked(talk: Chat) -> tuple[list[Message], str]:
    """A history whose purchase waits, and its id."""
    told = await take(talk, [HELLO])
    return after(told, [HELLO]), only(told, events.ApprovalEvent)[0].id


def chat(tools: FakeTools, *steps: Any, secret: bytes = SECRET, **options: Any) -> Chat:
    return Chat(ScriptedModel(*steps, *[says("ok")] * 5), tools, secret, **options)


def outcome(told: list[Event]) -> tuple[str | None, bool, bool]:
    result = only(told, events.ToolResultEvent)[0]
    return result.code, result.unknown, result.replayed


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (LOST, FOUND, (None, False, True)),
        (LOST, PRICIER, ("price_changed", False, False)),
        (LOST, LOST, ("outcome_unknown", True, False)),
        (LOST, DOWN, ("outcome_unknown", True, False)),
        (LOST, NEVER_SENT, ("outcome_unknown", True, False)),
        (ZeroDivisionError(), FOUND, (None, False, True)),
        (PRICIER, BOUGHT, (None, False, False)),
        (PRICIER, DOWN, ("server_down", False, False)),
        (DOWN, DOWN, ("server_down", False, False)),
        (NEVER_SENT, NEVER_SENT, ("shop_unreachable", False, False)),
    ],
)
async def test_a_call_under_a_key_can_be_tried_again_as_the_same_call(
    first: ToolResult | Exception, second: ToolResult, told: tuple[str | None, bool, bool]
) -> None:
    tools = shop(first, second)
    talk = chat(tools, calls(BUY))
    history, id = await asked(talk)
    await take(talk, history, approvals={id: True})
    assert outcome(await take(talk, history, approvals={id: True})) == told
    assert [key for _, _, key in tools.called] == [id, id]


TOLD_BY_SERVER = replace(LOST, code="outcome_unknown", params={"idempotencyKey": "k", "reason": {}})


@pytest.mark.parametrize(
    ("written", "result", "key", "reason"),
    [
        ("{}", LOST, None, "lost"),
        ("{}", replace(LOST, code="late"), None, "late"),
        ("{}", ZeroDivisionError(), None, "call_broke"),
        ("{}", TOLD_BY_SERVER, "k", None),
        ('{"idempotencyKey": "the first"}', LOST, "the first", "lost"),
        ('{"input_data": {"idempotencyKey": "the first"}}', LOST, "the first", "lost"),
        ('{"input_data": {"idempotencyKey": ""}}', LOST, None, "lost"),
        ('{"input_data": {"idempotencyKey": 7}}', LOST, None, "lost"),
    ],
)
async def test_every_unknown_outcome_tells_the_key_in_effect(
    written: str, result: ToolResult | Exception, key: str | None, reason: str | None
) -> None:
    talk = chat(shop(result), calls(("shop_buy", written)))
    told = only(await take(talk, [HELLO], ask=False), events.ToolResultEvent)[0]
    assert (told.code, told.unknown) == ("outcome_unknown", True)
    assert told.params["idempotencyKey"] == (key or told.id)
    assert told.params["reason"].get("code") == reason
    assert result is TOLD_BY_SERVER or told.params["idempotencyKey"] in told.result


@pytest.mark.parametrize("first", [LOST, ZeroDivisionError(), PRICIER, BOUGHT])
async def test_what_became_of_a_call_without_a_key_is_told_again(first: ToolResult | Exception) -> None:
    tools = shop(first, keyed=False)
    talk = chat(tools, calls(BUY))
    history, id = await asked(talk)
    results = [await take(talk, history, approvals={id: True}) for _ in range(2)]
    assert outcome(results[0]) == outcome(results[1])
    assert len(tools.called) == 1


async def test_the_total_that_was_agreed_to_goes_along_with_an_approved_call_only() -> None:
    tools = shop(PRICIER, BOUGHT, BOUGHT)
    talk = chat(tools, calls(BUY), says("ok"), says("ok"), calls(BUY))
    history, id = await asked(talk)
    for total in (1.0, 2):
        await take(talk, history, approvals={id: True}, confirmed={id: {"total": total}})
    allowed = [AllowedTool("shop", "buy", tools.tools()[0].fingerprint)]
    await take(talk, [HELLO], auto_approve=allowed, confirmed={id: {"total": 3}})
    assert tools.confirmed == [{"total": 1.0}, {"total": 2}, None]


async def tried_again_keeps_the_others_results(keep: Callable[[Message], bool]) -> list[str]:
    tools = shop(BOUGHT, LOST, FOUND)
    talk = chat(tools, calls(BUY, ("shop_buy", '{"n": 3}')))
    told = await take(talk, [HELLO])
    waiting = [event.id for event in only(told, events.ApprovalEvent)]
    history = after(told, [HELLO])
    yes = dict.fromkeys(waiting, True)
    whole = after(await take(talk, history, approvals=yes), history)
    retried = [*history, *(message for message in whole[2:] if message["role"] == "tool" and keep(message))]
    retried = [message for message in retried if message.get("tool_call_id") != waiting[1]]
    await take(talk, retried, approvals=yes)
    return [str(key) for _, _, key in tools.called]


@pytest.mark.parametrize("kept", [True, False])
async def test_trying_one_call_again_does_not_run_the_others_of_its_answer(kept: bool) -> None:
    first, second, again = await tried_again_keeps_the_others_results(lambda _: kept)
    assert again == second != first


async def replica(history: list[Message], id: str, tools: FakeTools, **options: Any) -> list[Event]:
    """What another process with the same secret makes of an approval."""
    return await take(chat(tools), history, **({"approvals": {id: True}} | options))


async def test_an_approval_from_elsewhere_is_used_under_a_key() -> None:
    history, id = await asked(chat(shop(), calls(BUY)))
    tools = shop(BOUGHT)
    assert outcome(await replica(history, id, tools)) == (None, False, False)
    assert tools.called[0][2] == id


async def test_under_a_key_what_did_not_arrive_from_elsewhere_may_have_run_there() -> None:
    history, id = await asked(chat(shop(), calls(BUY)))
    told = await replica(history, id, shop(DOWN))
    assert outcome(told) == ("outcome_unknown", True, False)
    result = only(told, events.ToolResultEvent)[0]
    assert result.params == {"idempotencyKey": id, "reason": {"code": "server_down", "params": {}}}
    assert id in result.result


async def test_an_approval_from_elsewhere_is_not_used_without_a_key() -> None:
    history, old = await asked(chat(shop(keyed=False), calls(BUY)))
    tools = shop(BOUGHT, keyed=False)
    here = chat(tools)
    told = await take(here, history, approvals={old: True})
    new = only(told, events.ToolCallEvent)[1].id
    assert [(event.id, event.code) for event in only(told, events.ToolResultEvent)] == [
        (old, "approval_expired")
    ]
    assert only(told, events.ApprovalEvent) == [events.ApprovalEvent(new, "approval_expired")]
    assert (told[-1], tools.called, len(new)) == (events.DoneEvent("approval"), [], 40)
    again = await take(here, after(told, history), approvals={old: True, new: True})
    assert outcome(again) == (None, False, False)
    assert [key for _, _, key in tools.called] == [new]


@pytest.mark.parametrize("later", ["auto_approve", "another decision"])
async def test_a_call_that_is_asked_about_again_waits_whatever_is_allowed(later: str) -> None:
    tools = shop(BOUGHT, keyed=False)
    history, old = await asked(chat(tools, calls(BUY)))
    here = chat(tools)
    allowed = {"auto_approve": [AllowedTool("shop", "buy", tools.tools()[0].fingerprint)]}
    told = await take(here, history, approvals={old: True}, **allowed)
    more = allowed if later == "auto_approve" else {"approvals": {old: True}}
    waiting = await take(here, after(told, history), **more)
    assert (waiting[-1], tools.called) == (events.DoneEvent("approval"), [])


async def test_a_call_that_ran_elsewhere_unasked_is_not_run_again_unasked() -> None:
    tools = shop(BOUGHT, keyed=False)
    allowed = {"auto_approve": [AllowedTool("shop", "buy", tools.tools()[0].fingerprint)]}
    told = await take(chat(tools, calls(BUY)), [HELLO], **allowed)
    history = after(told, [HELLO])[:2]  # the connection was lost before the result came
    assert (await take(chat(tools), history, **allowed))[-1] == events.DoneEvent("approval")
    settled = await take(chat(tools), history, ask=False)
    assert outcome(settled) == ("approval_expired", True, False)
    assert len(tools.called) == 1


async def test_what_this_process_has_forgotten_is_asked_about_again() -> None:
    tools = shop(*[BOUGHT] * 4, keyed=False)
    talk = chat(tools, *[calls(BUY)] * 3, bounds=Bounds(calls=2))
    waiting = [await asked(talk) for _ in range(3)]
    ends = []
    for number in (2, 1, 2, 0, 0):
        history, id = waiting[number]
        told = await take(talk, history, approvals={id: True})
        ends.append(told[-1])
    assert ends == [events.DoneEvent("stop")] * 3 + [events.DoneEvent("approval")] * 2
    assert [key for _, _, key in tools.called] == [waiting[2][1], waiting[1][1]]


async def test_while_others_wait_a_call_that_is_asked_about_again_waits_too() -> None:
    buys = calls(BUY, ("shop_buy", '{"n": 3}'))
    told = await take(chat(shop(keyed=False), buys), [HELLO])
    first, second = (event.id for event in only(told, events.ApprovalEvent))
    history, here = after(told, [HELLO]), chat(shop(keyed=False))
    told = await take(here, history, approvals={first: True})
    assert only(told, events.ApprovalEvent) == [
        events.ApprovalEvent(second),
        events.ApprovalEvent(first, "approval_expired"),
    ]
    assert not only(told, events.ToolResultEvent)
    told = await take(here, history, approvals={first: True, second: True})
    assert len(only(told, events.ApprovalEvent)) == len(after(told, history)[-1]["tool_calls"]) == 2


@pytest.mark.parametrize(
    "new",
    [
        {"fingerprint": "another"},
        {"fingerprint": "another", "honours_key": True},
        {"server": "evil", "name": "shop_buy", "fingerprint": "evil's"},
    ],
)
async def test_a_tool_that_changes_before_the_approval_comes_asks_again(new: Mapping[str, Any]) -> None:
    tools = shop()
    talk = chat(tools, calls(BUY))
    history, id = await asked(talk)
    tools.relist((replace(tools.tools()[0], **new), answering("bought")))
    told = await take(talk, history, approvals={id: True})
    assert only(told, events.ApprovalEvent)[0].code == outcome(told)[0] == "tool_changed"
    assert not tools.called


async def test_a_tool_that_changes_on_the_way_is_not_called() -> None:
    tools = shop(ToolChangedError("shop", "buy"), keyed=False)
    talk = chat(tools, calls(BUY), calls(BUY))
    history, id = await asked(talk)
    told = await take(talk, history, approvals={id: True})
    assert outcome(told) == ("tool_changed", False, False)
    assert told[-1] == events.DoneEvent("approval")  # the model called again, and the user is asked


async def test_a_call_whose_tool_is_missing_waits_for_it() -> None:
    history, id = await asked(chat(shop(), calls(BUY)))
    tools, buying = shop(BOUGHT), shop(BOUGHT)
    tools.relist()  # its server is not connected yet
    here = chat(tools)
    told = await take(here, history, approvals={id: True})
    assert told == [events.ErrorEvent("tool_missing", {"tool": "shop_buy"}), events.DoneEvent("error")]
    tools.relist((buying.tools()[0], answering("bought")))
    assert outcome(await take(here, history, approvals={id: True})) == (None, False, False)


async def test_the_talk_goes_on_without_a_tool_that_is_gone_for_good() -> None:
    history, id = await asked(chat(shop(), calls(BUY)))
    tools = shop()
    tools.relist()
    told = await take(chat(tools), [*history, HELLO])
    assert (outcome(told)[0], told[-1]) == ("unknown_tool", events.DoneEvent("stop"))
    told = await take(chat(tools), history, approvals={id: False})
    assert (outcome(told)[0], told[-1]) == ("declined", events.DoneEvent("stop"))


@pytest.mark.parametrize("decision", [{}, {"approvals": False}])
async def test_what_has_run_is_told_whatever_is_decided_afterwards(decision: dict[str, bool]) -> None:
    talk = chat(shop(BOUGHT), calls(BUY))
    history, id = await asked(talk)
    await take(talk, history, approvals={id: True})
    told = await take(talk, history, **{name: {id: value} for name, value in decision.items()})
    assert only(told, events.ToolResultEvent)[0].result == "bought"


@pytest.mark.parametrize(("keyed", "params"), [(True, ["idempotencyKey"]), (False, [])])
async def test_a_call_that_a_stop_gives_up_says_how_to_ask_for_it(keyed: bool, params: list[str]) -> None:
    began = asyncio.Event()

    async def endless(args: dict[str, Any], on_progress: Progress | None) -> ToolResult:
        began.set()
        await asyncio.Event().wait()
        return BOUGHT

    tools = FakeTools((tool("buy", read_only=False, honours_key=keyed), endless))
    talk = chat(tools, calls(BUY))
    history, id = await asked(talk)
    turn = asyncio.create_task(take(talk, history, approvals={id: True}))
    await began.wait()
    await talk.finish(0)
    told = await turn
    result = only(told, events.ToolResultEvent)[0]
    assert (result.code, result.unknown, list(result.params)) == ("outcome_unknown", True, params)
    assert told[-2:] == [events.ErrorEvent("restarting"), events.DoneEvent("error")]
