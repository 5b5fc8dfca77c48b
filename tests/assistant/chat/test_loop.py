"""What a turn tells, and what the model is asked in it."""

import asyncio
import subprocess
import sys
from dataclasses import asdict
from typing import Any

import pytest

from assistant.chat import Chat, events
from assistant.chat.calls import MAX_AT_ONCE
from assistant.chat.events import Event
from assistant.chat.interfaces import (
    Media,
    ModelError,
    Progress,
    Reply,
    ToolResult,
    UnknownServerError,
)
from assistant.chat.sentences import NO_MORE_ROUNDS
from assistant.chat.turn import MAX_ROUNDS
from serving.errors import CodedError
from tests.support.processes import ROOT
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


async def test_an_answer_without_tools_streams_and_is_remembered() -> None:
    told = await take(Chat(ScriptedModel(says("good day")), look_and_buy(), SECRET), [HELLO])
    assert [event.delta for event in only(told, events.TextEvent)] == ["good", "day"]
    assert after(told, []) == [{"role": "assistant", "content": "good day"}]
    assert told[-1] == events.DoneEvent("stop")


async def test_a_reading_call_runs_and_its_result_goes_back_to_the_model_marked_as_data() -> None:
    model = ScriptedModel(calls(("shop_look", "{}")), says("one"))
    told = await take(Chat(model, look_and_buy(), SECRET), [HELLO])
    assert only(told, events.ToolResultEvent)[0].result == "[1]"
    assert roles(model.requests[1]) == ["system", "user", "assistant", "tool"]
    content = model.requests[1][-1]["content"]
    assert content == '<tool_result tool="shop_look">\n[1]\n</tool_result>'


@pytest.mark.parametrize(
    "arguments",
    [
        '{"a": ' * 10_000 + "1" + "}" * 10_000,
        '{"a": ' * 100 + "1" + "}" * 100,
        '{"n": "\\ud800"}',
        '{"n": NaN}',
        '{"n": 1e999}',
        "[1]",
    ],
    ids=["bottomless", "deep", "half a character", "NaN", "infinite", "a list"],
)
async def test_arguments_that_no_server_could_take_are_refused(arguments: str) -> None:
    model = ScriptedModel(calls(("shop_look", arguments)), says("sorry"))
    tools = look_and_buy()
    told = await take(Chat(model, tools, SECRET), [HELLO])
    assert only(told, events.ToolResultEvent)[0].isError
    assert told[-1] == events.DoneEvent("stop")
    assert not tools.called


async def test_a_turn_that_breaks_still_ends() -> None:
    told = await take(Chat(ScriptedModel(ZeroDivisionError()), look_and_buy(), SECRET), [HELLO])
    assert isinstance(told[-2], events.ErrorEvent)
    assert told[-1] == events.DoneEvent("error")


async def test_a_call_that_breaks_leaves_the_others_of_its_round_their_results() -> None:
    async def broken(args: dict[str, Any], on_progress: Progress | None) -> ToolResult:
        raise KeyError("of a bug")

    tools = FakeTools(
        (tool("look", read_only=True), answering("[1]")),
        (tool("find", read_only=True), broken),
        (tool("buy", read_only=False), broken),
    )
    model = ScriptedModel(calls(("shop_find", "{}"), BUY, ("shop_look", "{}")), says("sorry"))
    told = await take(Chat(model, tools, SECRET), [HELLO], ask=False)
    outcomes = {result.code: result.unknown for result in only(told, events.ToolResultEvent)}
    assert outcomes == {"call_broke": True, None: False}  # of the two that broke, the second may have bought
    assert [result.isError for result in only(told, events.ToolResultEvent)].count(True) == 2
    assert told[-1] == events.DoneEvent("stop")


async def test_a_server_that_leaves_the_configuration_in_a_turn_is_a_result() -> None:
    async def gone(args: dict[str, Any], on_progress: Progress | None) -> ToolResult:
        raise UnknownServerError("shop")

    model = ScriptedModel(calls(("shop_look", "{}")), says("gone"))
    told = await take(Chat(model, FakeTools((tool("look", read_only=True), gone)), SECRET), [HELLO])
    assert "shop" in only(told, events.ToolResultEvent)[0].result
    assert told[-1] == events.DoneEvent("stop")


async def test_an_empty_answer_is_an_error_and_a_cut_one_says_so() -> None:
    told = await take(Chat(ScriptedModel(says("")), look_and_buy(), SECRET), [HELLO])
    assert isinstance(only(told, events.ErrorEvent)[0], events.ErrorEvent)
    told = await take(Chat(ScriptedModel(Reply("so", finish="length")), look_and_buy(), SECRET), [HELLO])
    mark = {"code": "answer_cut", "params": {}}
    assert after(told, []) == [{"role": "assistant", "content": "so", "error": mark}]
    assert told[-1] == events.DoneEvent("stop")


async def test_what_is_to_be_known_of_an_answer_stands_beside_it() -> None:
    notes = [CodedError("model_toolless", model="m")]
    told = await take(Chat(ScriptedModel(Reply("so", notes=notes)), look_and_buy(), SECRET), [HELLO])
    assert after(told, [])[0]["notes"] == [{"code": "model_toolless", "params": {"model": "m"}}]


async def test_media_of_a_result_reach_the_page_and_the_model() -> None:
    picture = Media("image/png", "AAAA")
    sound = Media("audio/wav", "AAAA")
    tools = FakeTools((tool("look", read_only=True), answering("a cat", media=(picture, sound))))
    model = ScriptedModel(calls(("shop_look", "{}")), says("a cat"))
    told = await take(Chat(model, tools, SECRET), [HELLO])
    assert only(told, events.ToolResultEvent)[0].media == (picture, sound)
    sent = [asdict(picture), asdict(sound)]
    assert model.requests[1][-1]["media"] == sent  # to the model; the page keeps it with the result
    assert not any("media" in message for message in after(told, []))


async def test_calls_of_one_round_run_side_by_side_and_their_results_keep_their_order() -> None:
    first_began = asyncio.Event()

    async def slow(args: dict[str, Any], on_progress: Progress | None) -> ToolResult:
        if args["n"] == 1:
            await first_began.wait()  # only the second call sets it: alone, the first would wait for ever
        first_began.set()
        return ToolResult(str(args["n"]))

    model = ScriptedModel(calls(("shop_look", '{"n": 1}'), ("shop_look", '{"n": 2}')), says("both"))
    talk = Chat(model, FakeTools((tool("look", read_only=True), slow)), SECRET)
    async with asyncio.timeout(60):
        await take(talk, [HELLO])
    contents = [message["content"] for message in model.requests[1] if message["role"] == "tool"]
    assert ["\n1\n" in contents[0], "\n2\n" in contents[1]] == [True, True]


async def test_no_more_than_eight_calls_run_at_once() -> None:
    running, most = 0, 0

    async def count(args: dict[str, Any], on_progress: Progress | None) -> ToolResult:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return ToolResult("")

    model = ScriptedModel(calls(*[("shop_look", "{}")] * 20), says("done"))
    await take(Chat(model, FakeTools((tool("look", read_only=True), count)), SECRET), [HELLO])
    assert most == MAX_AT_ONCE


async def test_rounds_end_at_ten_with_an_answer_without_tools() -> None:
    model = ScriptedModel(*[calls(("shop_look", "{}"))] * MAX_ROUNDS, says("that is all I know"))
    told = await take(Chat(model, look_and_buy(), SECRET), [HELLO])
    assert told[-1] == events.DoneEvent("rounds")
    assert model.tools[-1] == []
    assert after(told, [])[-1]["content"] == "that is all I know"


@pytest.mark.parametrize("last", [says(""), calls(("shop_look", "{}"))], ids=["silence", "another call"])
async def test_a_model_without_a_last_word_has_one_said_for_it(last: Reply) -> None:
    model = ScriptedModel(*[calls(("shop_look", "{}"))] * 2, last)
    told = await take(Chat(model, look_and_buy(), SECRET, max_rounds=2), [HELLO])
    assert told[-1] == events.DoneEvent("rounds")
    word = NO_MORE_ROUNDS.format(rounds=2)
    assert after(told, [])[-1] == {"role": "assistant", "content": word}
    assert only(told, events.TextEvent)[-1].delta == word


async def test_an_unknown_tool_is_a_result_for_the_model() -> None:
    model = ScriptedModel(calls(("shop_fly", "{}")), says("sorry"))
    told = await take(Chat(model, look_and_buy(), SECRET), [HELLO])
    assert "shop_fly" in only(told, events.ToolResultEvent)[0].result
    assert told[-1] == events.DoneEvent("stop")


async def test_arguments_that_are_no_json_go_back_to_the_model_which_keeps_its_tools() -> None:
    model = ScriptedModel(*[calls(("shop_look", '{"n": '))] * 4, says("I give up"))
    tools = look_and_buy()
    told = await take(Chat(model, tools, SECRET), [HELLO])
    assert all(model.tools)
    assert [result.code for result in only(told, events.ToolResultEvent)] == ["arguments_not_json"] * 4
    assert not tools.called


async def test_calls_cut_off_by_length_are_not_run() -> None:
    model = ScriptedModel(calls(("shop_look", "{}"), finish="length"), says("shorter"))
    tools = look_and_buy()
    told = await take(Chat(model, tools, SECRET), [HELLO])
    assert only(told, events.ToolResultEvent)[0].code == "cut_off"
    assert not tools.called


async def test_a_failure_has_a_code_for_the_page_and_in_the_history() -> None:
    told: list[Event] = []
    for more in ({}, {"code": "out_of_stock", "params": {"available": 1}}):
        tools = FakeTools((tool("look", read_only=True), answering("no", is_error=True, **more)))
        model = ScriptedModel(calls(("shop_look", "{}")), says("sorry"))
        told += await take(Chat(model, tools, SECRET), [HELLO])
    failures = [("tool_failed", {}), ("out_of_stock", {"available": 1})]
    assert [(event.code, event.params) for event in only(told, events.ToolResultEvent)] == failures
    errors = [message["error"] for message in after(told, []) if message["role"] == "tool"]
    assert [(error["code"], error["params"]) for error in errors] == failures


async def test_an_unknown_outcome_is_told_to_the_page() -> None:
    tools = FakeTools((tool("buy", read_only=False), answering("who knows", is_error=True, unknown=True)))
    model = ScriptedModel(calls(BUY), says("look at the orders"))
    told = await take(Chat(model, tools, SECRET), [HELLO], ask=False)
    assert only(told, events.ToolResultEvent)[0].unknown


async def test_a_model_that_fails_is_an_error_event_not_prose() -> None:
    told = await take(Chat(ScriptedModel(ModelError("no key")), look_and_buy(), SECRET), [HELLO])
    assert told == [events.ErrorEvent("no key"), events.DoneEvent("error")]


async def test_progress_of_a_call_is_passed_on() -> None:
    async def report(args: dict[str, Any], on_progress: Progress | None) -> ToolResult:
        assert on_progress is not None
        on_progress(1, 3, "one of three")
        return ToolResult("ok")

    model = ScriptedModel(calls(("shop_look", "{}")), says("ok"))
    told = await take(Chat(model, FakeTools((tool("look", read_only=True), report)), SECRET), [HELLO])
    call_id = only(told, events.ToolCallEvent)[0].id
    assert only(told, events.ToolProgressEvent) == [events.ToolProgressEvent(call_id, 1, 3, "one of three")]


@pytest.mark.parametrize(
    ("rooms", "unwanted"),
    [
        ("assistant.chat", {"mcp", "mcp_types", "fastapi", "starlette", "uvicorn", "httpx", "openai"}),
        ("assistant.demo.model, assistant.llm.model", {"mcp", "mcp_types", "httpx2", "openai"}),
        ("assistant.chat, assistant.llm.model, assistant.toolbox.toolbox", {"fastapi", "pydantic_settings"}),
    ],
)
def test_the_loop_and_the_toolbox_bring_nothing_that_they_do_not_need(rooms: str, unwanted: set[str]) -> None:
    code = f"import sys, {rooms}; print({unwanted} & set(sys.modules))"
    printed = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert printed.stdout == "set()\n"


async def test_a_question_right_after_the_start_waits_for_the_tools() -> None:
    class Starting(FakeTools):
        async def settled(self) -> None:
            self.relist((tool("look", read_only=True), answering("[1]")))

    model = ScriptedModel(calls(("shop_look", "{}")), says("one"))
    told = await take(Chat(model, Starting(), SECRET), [HELLO])
    assert only(told, events.ToolResultEvent)[0].result == "[1]"
