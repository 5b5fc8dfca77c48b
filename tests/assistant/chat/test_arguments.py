"""What is shown of a call's arguments is what runs."""

import json
from typing import Any

import pytest

from assistant.chat import Chat, events
from tests.support.scripted import HELLO, SECRET, ScriptedModel, calls, look_and_buy, only, says, take

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("text", "raw", "args"),
    [
        ('{"n": 2}', None, {"n": 2}),
        ('{ "n":2 }', None, {"n": 2}),
        ('{"n": 18446744073709551615}', None, {"n": 18446744073709551615}),
        ('{"n": 9007199254740993}', None, {"n": 9007199254740993}),
        ('{"n": 0.1}', None, {"n": 0.1}),
        ('{"n": 1e2}', None, {"n": 100.0}),
        ('{"n": "\\u202egnp"}', None, {"n": "\u202egnp"}),
        ('{"n": 1.00000000000000000001}', '{"n": 1.0}', {"n": 1.0}),
        ('{"n": 0.12345678901234567890}', '{"n": 0.12345678901234568}', {"n": 0.12345678901234568}),
        ('{"n": 1e-99999999999999999999}', '{"n": 0.0}', {"n": 0.0}),
    ],
)
async def test_raw_is_the_text_that_is_executed(text: str, raw: str | None, args: dict[str, Any]) -> None:
    tools = look_and_buy()
    told = await take(
        Chat(ScriptedModel(calls(("shop_buy", text)), says("ok")), tools, SECRET), [HELLO], ask=False
    )
    call = only(told, events.ToolCallEvent)[0]
    assert (call.raw, call.mended) == (raw or text, raw is not None)
    assert json.loads(call.raw) == call.args == tools.called[0][1] == args


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"n": 1, "n": 2}', "arguments_ambiguous"),
        ('{"a": {"n": 1, "n": 1}}', "arguments_ambiguous"),
        ('{"n": 18446744073709551616}', "arguments_not_json"),
        ('{"n": 1e999}', "arguments_not_json"),
    ],
)
async def test_what_could_be_read_in_two_ways_or_not_kept_is_not_run(text: str, code: str) -> None:
    tools = look_and_buy()
    model = ScriptedModel(calls(("shop_buy", text)), says("ok"))
    told = await take(Chat(model, tools, SECRET), [HELLO], ask=False)
    assert only(told, events.ToolResultEvent)[0].code == code
    assert not tools.called
