"""What is shown of a call's arguments is what runs."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.chat import Chat, events
from assistant.chat.approvals import AllowedTool
from assistant.chat.arguments import is_writable_json, read
from tests.support.scripted import (
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

ORDER = '{"n": 2, "who": "张三"}'


def shaped() -> FakeTools:
    """A tool that writes, with a schema."""
    properties = {"items": {"type": "array"}, "input": {"type": "object"}, "text": {"type": "string"}}
    schema = {"type": "object", "properties": properties}
    return FakeTools((replace(tool("buy", read_only=False), input_schema=schema), answering("bought")))


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
        ("{'n': 1, 'n': 2}", "arguments_not_json"),
        ("{'who': 'O'Brien'}", "arguments_not_json"),
        ("{'who': 'a\\x41'}", "arguments_not_json"),
        ('[{"n": 1}, {"n": 2}]', "arguments_not_json"),
        ('{"n": 2', "arguments_not_json"),
        ("{'n': 2", "arguments_not_json"),
        ('{"n": f(2)}', "arguments_not_json"),
        (ORDER + " no, make it 3", "arguments_not_json"),
        ("I want 3: " + ORDER, "arguments_not_json"),
        (f"Not this: {ORDER} but this: {{}}", "arguments_not_json"),
        ('<think>{"n": 3}</think>{"n": 2}', "arguments_not_json"),
        ('{"n": 2 // }', "arguments_not_json"),
        ('{"n": 2 /* }', "arguments_not_json"),
        ("{" + "/*" * 200_000, "arguments_not_json"),  # as the next
        ("{" + '\\"' * 200_000, "arguments_not_json"),  # within the time of this test
    ],
)
async def test_what_could_be_read_in_two_ways_or_not_kept_is_not_run(text: str, code: str) -> None:
    tools = look_and_buy()
    model = ScriptedModel(calls(("shop_buy", text)), says("ok"))
    told = await take(Chat(model, tools, SECRET), [HELLO], ask=False)
    assert only(told, events.ToolResultEvent)[0].code == code
    assert not tools.called


@pytest.mark.parametrize(
    ("text", "raw"),
    [
        ("{}" + ORDER, ORDER),
        ("{}\n{}\n" + ORDER, ORDER),
        ("null" + ORDER, ORDER),
        (json.dumps(ORDER), ORDER),
        (json.dumps(json.dumps(ORDER)), ORDER),
        (f"```json\n{ORDER}\n```", ORDER),
        (f"```\r\n{ORDER}\r\n```\n", ORDER),
        (json.dumps(f"```json\n{ORDER}\n```"), ORDER),
        (f"```{ORDER}{ORDER}```", ORDER),
        (f"`{ORDER}`", ORDER),
        (f'"{ORDER}"', ORDER),
        (json.dumps(ORDER)[1:-1], ORDER),
        ('{"n": 2, "who": "张\n三"}', '{"n": 2, "who": "张\\n三"}'),
        ('{"n": 2, "who": "张\t三"}', '{"n": 2, "who": "张\\t三"}'),
        (ORDER + "</tool_call>", ORDER),
        (ORDER + "\n</arguments>\n</invoke>", ORDER),
        (ORDER + "<|tool_call_end|>", ORDER),
        (ORDER + "<｜tool▁call▁end｜>", ORDER),
        ("<arguments>" + ORDER + "</arguments>", ORDER),
        (ORDER + "}", ORDER),
        ("\ufeff" + ORDER, ORDER),
        ("null", "{}"),
        ('""', "{}"),
        (f"~~~json\n{ORDER}\n~~~", ORDER),
        ("{'n': 2, 'who': '张三'}", ORDER),
        ("{'n': 2, \"who\": '张三',}", ORDER),
        ("{n: 2, who: “张三”}", ORDER),
        ('{"n"：2，"who"：“张三”}', ORDER),
        (ORDER + ";", ORDER),
        (f"[{ORDER}]", ORDER),
        (f"[{ORDER},]", ORDER),
        (json.dumps([ORDER]), ORDER),
        ("None", "{}"),
        ("[]", "{}"),
        ("{'text': 'a \"b\" \\\\ it\\'s, True: 1,}'}", '{"text": "a \\"b\\" \\\\ it\'s, True: 1,}"}'),
        ("{'n': [True, False, None,],}", '{"n": [true, false, null]}'),
        ('{"items": "[1, 2]"}', '{"items": [1, 2]}'),
        ("{'items': \"['a',]\"}", '{"items": ["a"]}'),
        ('{"input": "{\\"n\\": 2}"}', '{"input": {"n": 2}}'),
        ('{"n": 2, /* "n": 3 } */ "who": "张三" // it\'s him\n}', ORDER),
        (ORDER + " // as asked", ORDER),
        ("{'text': 'a // b /* c */',}", '{"text": "a // b /* c */"}'),
        ('{"n":\xa02,\u3000"who": "张三"}', ORDER),
        (ORDER + "\x00", ORDER),
        ("Here are the arguments: " + ORDER, ORDER),
        (ORDER + "\n\nI've called the tool.", ORDER),
        ("<think>Two of them.</think>\n" + ORDER, ORDER),
        ('{"arguments": {"text": "a"}}', '{"text": "a"}'),
        ('{"name": "shop_buy", "arguments": {"text": "a"}}', '{"text": "a"}'),
        ('{"type": "function", "name": "buy", "parameters": "{\\"text\\": \\"a\\"}"}', '{"text": "a"}'),
        ('{"kwargs": {}}', "{}"),
    ],
)
async def test_what_can_be_read_in_one_way_only_is_read_and_asks(text: str, raw: str) -> None:
    tools = shaped()
    talk = Chat(ScriptedModel(calls(("shop_buy", text)), says("ok")), tools, SECRET)
    allowed = [AllowedTool("shop", "buy", tools.tools()[0].fingerprint)]
    told = await take(talk, [HELLO], auto_approve=allowed)
    call = only(told, events.ToolCallEvent)[0]
    assert (call.raw, call.mended, call.args) == (raw, True, json.loads(raw))
    assert (told[-1], tools.called) == (events.DoneEvent("approval"), [])
    told = await take(talk, after(told, [HELLO]), approvals={call.id: True})
    assert only(told, events.ToolCallEvent)[0].mended
    assert tools.called == [("buy", json.loads(raw), call.id)]


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "cancel", "arguments": {"text": "a"}}',  # another tool's
        '{"arguments": {"text": "a"}, "n": 3}',
        '{"arguments": {"text": "a"}, "text": "b"}',
        '{"arguments": {"other": "a"}}',
        '{"input": {"text": "a"}}',  # the tool has such an argument
        '{"arguments": [{"text": "a"}]}',
    ],
)
async def test_what_only_looks_like_a_call_within_the_arguments_stays(text: str) -> None:
    told = await take(Chat(ScriptedModel(calls(("shop_buy", text))), shaped(), SECRET), [HELLO])
    call = only(told, events.ToolCallEvent)[0]
    assert (call.raw, call.mended) == (text, False)


@pytest.mark.parametrize(
    ("text", "raw"),
    [
        (ORDER * 2, ORDER),
        (f"{ORDER}\n{ORDER}\n{ORDER}", ORDER),
        (f" {ORDER}\n", ORDER),
        ("{}{}", "{}"),
        ("", "{}"),
        ('{"text": "[1, 2]"}', '{"text": "[1, 2]"}'),
        ('{"items": "two"}', '{"items": "two"}'),
    ],
)
async def test_the_same_text_twice_is_no_mending(text: str, raw: str) -> None:
    tools = shaped()
    allowed = [AllowedTool("shop", "buy", tools.tools()[0].fingerprint)]
    talk = Chat(ScriptedModel(calls(("shop_buy", text)), says("ok")), tools, SECRET)
    told = await take(talk, [HELLO], auto_approve=allowed)
    call = only(told, events.ToolCallEvent)[0]
    assert (call.raw, call.mended, told[-1]) == (raw, False, events.DoneEvent("stop"))
    assert tools.called == [("buy", json.loads(raw), call.id)]


json_texts = st.recursive(st.none() | st.booleans() | st.text() | st.floats(), st.lists).map(json.dumps)


@given(st.text() | json_texts)
async def test_whatever_a_model_writes_is_answered_once(text: str) -> None:
    model = ScriptedModel(calls(("shop_buy", text)), says("ok"))
    told = await take(Chat(model, shaped(), SECRET), [HELLO], ask=False)
    assert len(only(told, events.ToolResultEvent)) == 1
    assert told[-1] == events.DoneEvent("stop")


@given(st.dictionaries(st.text(), st.recursive(st.integers() | st.text(), st.lists)))
def test_what_is_well_written_is_never_mended(args: dict[str, Any]) -> None:
    text = json.dumps(args)
    if is_writable_json(args):
        assert read(text, {}) == (text, False)
