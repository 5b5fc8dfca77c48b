"""One call said twice in an answer is one call."""

from typing import Any

import pytest

from assistant.chat import Chat, events
from assistant.chat.approvals import AllowedTool
from tests.support.scripted import HELLO, SECRET, ScriptedModel, after, calls, look_and_buy, only, says, take

pytestmark = pytest.mark.anyio

ALLOWED = [AllowedTool("shop", "buy", "shop buy False")]


@pytest.mark.parametrize(
    ("arguments", "runs"),
    [
        (['{"n": 2}'] * 2, 1),
        (['{"n": 2}'] * 5, 1),
        (['{"n": 2, "who": "A"}', '{ "who":"\\u0041", "n": 2 }'], 1),
        (['{"n": 2}', '{"n": 2.0}'], 1),
        (["", "{}"], 1),
        (['{"n": 2}', ""], 1),
        (["", '{"n": 2}'], 1),
        (['{"n": 2}', " "], 1),
        (['{"n": 2}', '{"n": 3}'], 2),
        (['{"n": 1}', '{"n": true}'], 2),
        (['{"n": "1"}', '{"n": 1}'], 2),
        (['{"n": 9007199254740992}', '{"n": 9007199254740993}'], 2),
        (['{"n": [1, 2]}', '{"n": [2, 1]}'], 2),
    ],
)
@pytest.mark.parametrize("options", [{"ask": False}, {"auto_approve": ALLOWED}, {}])
async def test_equal_calls_that_write_run_once(
    arguments: list[str], runs: int, options: dict[str, Any]
) -> None:
    tools = look_and_buy()
    talk = Chat(ScriptedModel(calls(*[("shop_buy", text) for text in arguments]), says("ok")), tools, SECRET)
    told = await take(talk, [HELLO], **options)
    if not options:
        yes = {event.id: True for event in only(told, events.ToolCallEvent)}
        told += await take(talk, after(told, [HELLO]), approvals=yes)
    results = only(told, events.ToolResultEvent)
    assert len({result.id for result in results}) == len(results)  # each call has exactly one
    assert len(tools.called) == runs
    assert {result.code for result in results} <= {None, "same_as_another"}


async def test_equal_calls_are_one_after_a_reload_too() -> None:
    tools = look_and_buy()
    told = await take(Chat(ScriptedModel(calls(*[("shop_buy", '{"n": 2}')] * 2)), tools, SECRET), [HELLO])
    history = after(told, [HELLO])[:2]  # the connection was lost before the second's result came
    yes = {event.id: True for event in only(told, events.ToolCallEvent)}
    told = await take(Chat(ScriptedModel(), tools, SECRET), history, approvals=yes)
    assert [result.code for result in only(told, events.ToolResultEvent)] == [
        "same_as_another",
        "approval_expired",
    ]


async def test_it_is_done_twice_when_the_model_says_so_in_two_answers() -> None:
    tools, buy = look_and_buy(), calls(("shop_buy", '{"n": 2}'))
    await take(Chat(ScriptedModel(buy, buy, says("ok")), tools, SECRET), [HELLO], ask=False)
    assert len(tools.called) == 2


async def test_calls_that_read_are_all_made() -> None:
    tools = look_and_buy()
    model = ScriptedModel(calls(*[("shop_look", "{}")] * 3), says("ok"))
    await take(Chat(model, tools, SECRET), [HELLO])
    assert len(tools.called) == 3
