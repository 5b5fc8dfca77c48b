"""A conversation that nears the end of its model's window: summed up, with what was done beside."""

import json
from dataclasses import replace
from typing import Any

import pytest

from assistant.chat import Chat, events
from assistant.chat.history import MAX_SENT, Message
from assistant.chat.interfaces import ContextOverflowError, ModelError, Reply, ToolResult, Usage
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
    roles,
    says,
    take,
    tool,
)

pytestmark = pytest.mark.anyio

WINDOW = 10_000
LONG = "长" * 3_000  # about as many tokens
ORDER = {"customerName": "A", "items": [{"productId": 2}], "id": 17, "totalAmount": 1798.0}
OVERFLOW = ContextOverflowError("context_overflow", reason="too long")


def said(*texts: str) -> list[Message]:
    """Questions with answers of one letter."""
    return [each for text in texts for each in ({"role": "user", "content": text}, answer("a"))]


def answer(text: str) -> Message:
    return {"role": "assistant", "content": text}


def model_of(*steps: Any, window: int | None = WINDOW) -> ScriptedModel:
    model = ScriptedModel(*steps)
    model.window = window
    return model


def kept(told: list[Any], before: list[Message]) -> list[Message]:
    """The history as the page goes on with it."""
    [event] = only(told, events.CompactedEvent)
    asked = [i for i, each in enumerate(before) if each["role"] == "user" and "compacted" not in each]
    return after(told, [event.message, *before[asked[-event.questions] :]])


async def test_older_turns_are_summed_up_before_the_window_is_full() -> None:
    model = model_of(replace(says("about old things"), usage=Usage(9, 3)), says("ok"), says("fine"))
    talk, before = Chat(model, look_and_buy(), SECRET), [*said(LONG, LONG, LONG, "recent"), HELLO]
    told = await take(talk, before)
    assert (model.tools[0], len(model.tools[1])) == ([], 2)
    [event] = only(told, events.CompactedEvent)
    assert (event.questions, event.message["compacted"]) == (2, [])
    assert "about old things" in event.message["content"]
    assert model.requests[1][1:] == [event.message, *before[6:]]
    assert only(told, events.UsageEvent) == [events.UsageEvent(9, 3, 0, None, WINDOW)]
    assert told[-1] == events.DoneEvent("stop")
    await take(talk, [*kept(told, before), HELLO])
    assert len(model.requests) == 3


@pytest.mark.parametrize(
    ("history", "window"),
    [
        ([*said("a", "b"), HELLO], WINDOW),
        ([*said(LONG, LONG), HELLO], None),
        ([{"role": "user", "content": LONG}], 3_000),
    ],
    ids=["there is room", "nobody knows how much", "nothing older"],
)
async def test_else_nothing_is_compacted(history: list[Message], window: int | None) -> None:
    model = model_of(says("ok"), window=window)
    told = await take(Chat(model, look_and_buy(), SECRET), history)
    assert (only(told, events.CompactedEvent), len(model.requests)) == ([], 1)


async def test_what_was_done_survives_word_for_word_whatever_the_model_writes() -> None:
    unknown = ToolResult("lost", True, unknown=True)
    outcomes = [
        ToolResult(json.dumps(ORDER)),
        unknown,
        ToolResult("no such product", True, code="unknown_product"),
    ]

    async def buy(*_: Any) -> ToolResult:
        return outcomes.pop(0)

    tools = FakeTools(
        (tool("look", read_only=True), answering("secret list")),
        (tool("buy", read_only=False, honours_key=True), buy),
    )
    bought = [calls(("shop_look", "{}"), ("shop_buy", f'{{"n": {n}}}')) for n in range(3)]
    steps = [each for call in bought for each in (call, says("ok"))]
    model = model_of(
        *steps, calls(BUY), says("as you like"), says("nothing happened"), says("done"), window=None
    )
    talk, history = Chat(model, tools, SECRET), list[Message]()
    for _ in bought:
        history = [*history, {"role": "user", "content": "buy"}]
        history = after(await take(talk, history, ask=False), history)
    asking = [*history, HELLO]
    told = await take(talk, asking)
    declined = only(told, events.ApprovalEvent)[0].id
    history = after(told, asking)
    history = after(await take(talk, history, approvals={declined: False}), history)
    model.window = 1_000
    told = await take(talk, [*history, {"role": "user", "content": LONG}])
    [event] = only(told, events.CompactedEvent)
    lines = [json.loads(line) for line in event.message["compacted"]]
    assert [line["arguments"] for line in lines] == ['{"n": 0}', '{"n": 1}', '{"n": 2}', '{"n": 2}']
    assert lines[0]["result"] == {"customerName": "A", "id": 17, "totalAmount": 1798.0}
    assert [line.get("error", {}).get("code") for line in lines] == [
        None, "outcome_unknown", "unknown_product", "declined",
    ]  # fmt: skip
    assert lines[1]["error"]["params"]["idempotencyKey"] == lines[1]["id"]
    assert all(line.replace("</", "<\\/") in event.message["content"] for line in event.message["compacted"])
    assert ("secret list" in event.message["content"], event.message["content"].count("</tool_result>")) == (
        False,
        1,
    )


@pytest.mark.parametrize("behind", ["", "\n\nThank you for your order."])
async def test_a_result_on_several_lines_is_told_by_its_plain_fields(behind: str) -> None:
    result = json.dumps({"items": ["x" * 500], "id": 4711}, indent=2) + behind
    tools = FakeTools((tool("buy", read_only=False), answering(result)))
    model = model_of(calls(BUY), says("ok"), says("nothing happened"), says("done"), window=None)
    talk = Chat(model, tools, SECRET)
    history = after(await take(talk, [HELLO], ask=False), [HELLO])
    model.window = 1_000
    [event] = only(await take(talk, [*history, {"role": "user", "content": LONG}]), events.CompactedEvent)
    assert [json.loads(line)["result"] for line in event.message["compacted"]] == [{"id": 4711}]


@pytest.mark.parametrize(
    "result", [{"order": {"id": 4711}}, {"id": 4711, **{f"field{i}": "x" * 200 for i in range(100)}}]
)
async def test_a_result_of_any_shape_keeps_its_beginning_in_the_list(result: dict[str, Any]) -> None:
    tools = FakeTools((tool("buy", read_only=False), answering(json.dumps(result))))
    model = model_of(calls(BUY), says("ok"), says("nothing happened"), says("done"), window=None)
    talk = Chat(model, tools, SECRET)
    history = after(await take(talk, [HELLO], ask=False), [HELLO])
    model.window = 1_000
    [event] = only(await take(talk, [*history, {"role": "user", "content": LONG}]), events.CompactedEvent)
    assert "4711" in event.message["content"]


async def test_a_conversation_is_compacted_again_and_what_was_done_is_carried_on() -> None:
    first: Message = {"role": "user", "content": "summary one", "compacted": ['{"call": "x"}', 7]}
    model = model_of(says("summary two"), says("ok"))
    told = await take(Chat(model, look_and_buy(), SECRET), [first, *said(LONG, LONG, LONG), HELLO])
    [event] = only(told, events.CompactedEvent)
    assert event.message["compacted"] == ['{"call": "x"}']
    assert "summary one" in model.requests[0][1]["content"]
    assert "summary two" in event.message["content"]


async def test_a_refusal_as_too_long_compacts_and_after_that_cuts_and_says_so() -> None:
    model = model_of(OVERFLOW, says("summary"), says("ok"), window=None)
    told = await take(Chat(model, look_and_buy(), SECRET), [*said(LONG, LONG, "b"), HELLO])
    assert roles(model.requests[2]) == ["system", "user", "user", "assistant", "user"]
    assert told[-1] == events.DoneEvent("stop")
    model = model_of(OVERFLOW, says("summary"), OVERFLOW, says("ok"), window=None)
    told = await take(Chat(model, look_and_buy(), SECRET), [*said(LONG, "b"), HELLO])
    assert only(told, events.MessageEvent)[-1].message["notes"] == [{"code": "history_cut", "params": {}}]


@pytest.mark.parametrize("failure", [ModelError("model_late"), OVERFLOW, Reply(" ")], ids=str)
async def test_without_a_summary_the_answer_comes_all_the_same(failure: Any) -> None:
    model = model_of(failure, says("ok"))
    history = [*said(LONG, LONG, LONG), HELLO]
    told = await take(Chat(model, look_and_buy(), SECRET), history)
    assert (only(told, events.CompactedEvent), told[-1]) == ([], events.DoneEvent("stop"))
    assert model.requests[1][1:] == history


async def test_what_is_longer_than_anything_that_is_sent_is_compacted_too() -> None:
    history = [*said(*["x" * 100_000] * 6), HELLO]
    model = model_of(says("summary"), says("ok"), window=None)
    told = await take(Chat(model, look_and_buy(), SECRET), history)
    assert "notes" not in only(told, events.MessageEvent)[-1].message
    assert sum(len(each["content"]) for each in model.requests[0]) < MAX_SENT
    model = model_of(ModelError("model_late"), says("ok"), window=None)
    told = await take(Chat(model, look_and_buy(), SECRET), history)
    assert only(told, events.MessageEvent)[-1].message["notes"] == [{"code": "history_cut", "params": {}}]


@pytest.mark.parametrize("window", [4_096, 32_768, 128_000])
async def test_the_summary_and_its_request_fit_into_any_window(window: int) -> None:
    wrote = {
        "id": "c",
        "type": "function",
        "function": {"name": "gone_tool", "arguments": "{}" + "长" * 2_000},
    }
    turn = [{"role": "user", "content": LONG}, answer(LONG) | {"tool_calls": [wrote]}]
    ids = [f"call_{n}" for n in range(300)]
    history = [
        each
        for id in ids
        for each in (
            turn[0],
            turn[1] | {"tool_calls": [wrote | {"id": id}]},
            {"role": "tool", "tool_call_id": id, "content": LONG},
        )
    ]
    model = model_of(says("s" * 50_000), says("ok"), window=window)
    told = await take(Chat(model, look_and_buy(), SECRET), [*history, HELLO])
    [event] = only(told, events.CompactedEvent)
    assert len(event.message["compacted"]) == 301 - event.questions
    assert sum(len(each["content"]) for each in model.requests[0]) < window * 0.55
    assert len(event.message["content"]) < window
    assert event.message["compacted"][-1] in event.message["content"]


async def test_a_call_that_waits_is_decided_on_and_run_in_a_conversation_that_is_compacted_then() -> None:
    tools = look_and_buy()
    model = model_of(says("early"), calls(BUY), says("summary"), says("bought it"), window=None)
    talk = Chat(model, tools, SECRET)
    history = [*said(LONG, LONG, LONG), HELLO]
    model.steps.pop(0)
    asked = after(await take(talk, history), history)
    model.window = WINDOW
    id = asked[-1]["tool_calls"][0]["id"]
    told = await take(talk, asked, approvals={id: True})
    assert [key for _, _, key in tools.called] == [id]
    assert roles(kept(told, asked)) == ["user", "user", "assistant", "tool", "assistant"]
    assert only(told, events.CompactedEvent)[0].questions == 1


async def test_the_demo_reads_everything() -> None:
    model = model_of(says("ok"))
    model.demo = True
    told = await take(Chat(model, look_and_buy(), SECRET), [*said(LONG, LONG, LONG, LONG), HELLO])
    assert (only(told, events.CompactedEvent), len(model.requests)) == ([], 1)
