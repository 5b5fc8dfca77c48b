"""What goes out to a provider."""

import re
from contextlib import aclosing
from typing import Any

import pytest

from assistant.chat import events
from assistant.chat.interfaces import ToolResult
from assistant.chat.loop import Chat
from assistant.llm.model import OpenAIModel
from tests.support.asgi import ScriptedProvider, chunk, piece, serve, text_stream
from tests.support.provider import ASK, TOOL, ask, called, sent, through_the_browser
from tests.support.schemas import faults
from tests.support.scripted import FakeTools, roles, tool

pytestmark = pytest.mark.anyio
DONE = "data: [DONE]\n\n"


async def test_tools_are_offered_only_when_there_are_some() -> None:
    scripted = ScriptedProvider(text_stream("ok"))
    await ask(scripted)
    assert "tools" not in scripted.requests[0]


async def test_the_signature_of_a_call_goes_back_unchanged_also_after_an_approval() -> None:
    signature = {"google": {"thought_signature": "SIG"}}
    buys = chunk(tool_calls=[piece(0, "f1", "shop_buy", "{}") | {"extra_content": signature}])
    scripted = ScriptedProvider(buys + chunk(finish="tool_calls") + DONE, text_stream("bought"))

    async def buy(*_: Any) -> ToolResult:
        return ToolResult("ok")

    async with serve(scripted.app) as url, aclosing(OpenAIModel("m", "key", f"{url}/v1")) as model:
        talk = Chat(model, FakeTools((tool("buy", read_only=False), buy)), b"secret")
        told = [event async for event in talk.turn(ASK)]
        history = [*ASK, *(event.message for event in told if isinstance(event, events.MessageEvent))]
        word = {event.id: True for event in told if isinstance(event, events.ApprovalEvent)}
        _ = [event async for event in talk.turn(through_the_browser(history), approvals=word)]
    assert scripted.requests[1]["messages"][2]["tool_calls"][0]["extra_content"] == signature
    assert roles(scripted.requests[1]["messages"])[-2:] == ["assistant", "tool"]


async def test_a_signature_is_not_shown_to_another_model() -> None:
    history = called("x", model="another")
    history[1]["tool_calls"][0]["extra_content"] = {"google": {}}
    assert "extra_content" not in (await sent(history, TOOL))["messages"][1]["tool_calls"][0]


async def test_the_provider_gets_ids_of_nine_letters_and_digits_always_the_same() -> None:
    first, second = "call_5268021", "call_8487614"  # their hashes begin with the same nine
    requests = [await sent(called(*ids), TOOL) for ids in ((first, second), (first, second), (second,))]
    both = [call["id"] for call in requests[0]["messages"][1]["tool_calls"]]
    assert all(re.fullmatch("[a-zA-Z0-9]{9}", id) for id in both)
    assert both == [message["tool_call_id"] for message in requests[0]["messages"][2:]]
    assert len(set(both)) == 2
    assert requests[0] == requests[1]
    assert requests[2]["messages"][1]["tool_calls"][0]["id"] == both[0]  # it is the two together that collide


async def test_without_tools_earlier_calls_and_results_are_told_as_text() -> None:
    messages = (await sent([*called("x", "y"), {"role": "user", "content": "and now?"}]))["messages"]
    assert roles(messages) == ["user", "assistant", "user"]
    assert messages[1]["content"].count('调用了 look({"a": 1})') == 2
    assert messages[2]["content"] == "result x\n\nresult y\n\nand now?"
    assert all(set(message) == {"role", "content"} for message in messages)


async def test_messages_of_the_user_in_a_row_go_out_as_one() -> None:
    messages = (await sent([*ASK, {"role": "user", "content": "are you there?"}], TOOL))["messages"]
    assert messages == [{"role": "user", "content": "hi\n\nare you there?"}]


async def test_an_odd_schema_does_not_spoil_the_request() -> None:
    schema = {
        "anyOf": [{"properties": {"a": {"type": ["string", "null"]}}}],
        "properties": {"b": {"$ref": "#/x"}},
    }
    offered = {"type": "function", "function": {"name": "t", "description": "d", "parameters": schema}}
    sent_one = (await sent(ASK, offered))["tools"][0]["function"]["parameters"]
    assert faults(sent_one) == []
    assert sorted(sent_one["properties"]) == ["a", "b"]


async def test_a_long_description_is_cut_to_what_providers_take() -> None:
    function = {"name": "t", "description": "d" * 3_000, "parameters": {}}
    request = await sent(ASK, {"type": "function", "function": function})
    assert len(request["tools"][0]["function"]["description"]) == 1_024


@pytest.mark.parametrize("tools", [[TOOL], []], ids=["as a tool message", "as text"])
async def test_the_error_of_a_call_goes_to_no_provider(
    tools: list[dict[str, Any]],
) -> None:
    history = called("x")
    history[2]["error"] = {"code": "out_of_stock", "params": {"productId": 2}}
    for message in (await sent(history, *tools))["messages"]:
        assert "error" not in message


@pytest.mark.parametrize(("temperature", "expected"), [(0.0, 0.0), (0.7, 0.7), (None, None)])
async def test_the_temperature_is_sent_as_it_is_set(
    temperature: float | None, expected: float | None
) -> None:
    assert (await sent(ASK, temperature=temperature)).get("temperature") == expected


async def test_without_a_word_the_temperature_is_the_tutorials() -> None:
    assert (await sent(ASK))["temperature"] == 0.7
