import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from pydantic import TypeAdapter
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from assistant.chat import events
from assistant.chat.history import History, Message, as_messages
from assistant.chat.interfaces import ContextOverflowError, ModelError, Reply, ToolRequest, ToolResult
from assistant.chat.loop import Chat
from assistant.llm import model as provider
from assistant.llm.model import OpenAIModel
from tests.support.asgi import ScriptedProvider, Silence, chunk, piece, refusal, serve, text_stream, whole
from tests.support.scripted import FakeTools, roles, tool

pytestmark = pytest.mark.anyio
ASK: list[Message] = [{"role": "user", "content": "hi"}]
TOOL = {"type": "function", "function": {"name": "look", "description": "", "parameters": {"type": "object"}}}
DONE = "data: [DONE]\n\n"
LOOK, BUY = ToolRequest("look", '{"a": 1}'), ToolRequest("buy", '{"b": 2}')


async def ask(
    scripted: ScriptedProvider, messages: list[Message] = ASK, tools: list[dict[str, Any]] | None = None
) -> tuple[list[str], Reply]:
    async with serve(scripted.app) as url, aclosing(OpenAIModel("m", "key", f"{url}/v1")) as model:
        parts = [part async for part in model.reply(messages, tools or [])]
    reply = parts.pop()
    assert isinstance(reply, Reply)
    return [str(part) for part in parts], reply


async def sent(messages: list[Message], *tools: dict[str, Any]) -> dict[str, Any]:
    """What a provider is asked."""
    scripted = ScriptedProvider(text_stream("ok"))
    await ask(scripted, messages, list(tools))
    return scripted.requests[0]


def called(*ids: str, **extra: Any) -> list[Message]:
    """A history in which the model `m` looked something up."""
    function = {"name": "look", "arguments": '{"a": 1}'}
    asked = [{"id": id, "type": "function", "function": function} for id in ids]
    results = [{"role": "tool", "tool_call_id": id, "content": f"result {id}"} for id in ids]
    return [*ASK, {"role": "assistant", "content": "let me see", "tool_calls": asked, **extra}, *results]


def through_the_browser(history: list[Message]) -> list[Message]:
    adapter = TypeAdapter[list[Any]](History)
    return as_messages(
        adapter.validate_json(adapter.dump_json(adapter.validate_python(history), exclude_unset=True))
    )


async def test_an_answer_comes_piece_by_piece_and_then_whole() -> None:
    assert await ask(ScriptedProvider(text_stream("good ", "day"))) == (["good ", "day"], Reply("good day"))


async def test_tools_are_offered_only_when_there_are_some() -> None:
    scripted = ScriptedProvider(text_stream("ok"))
    await ask(scripted)
    assert "tools" not in scripted.requests[0]


TWO_CALLS = {
    "well made": chunk(tool_calls=[piece(0, "x", "look", '{"a"'), piece(1, "y", "buy", '{"b"')])
    + chunk(tool_calls=[piece(0, args=": 1}"), piece(1, args=": 2}")]),
    "without ids": chunk(tool_calls=[piece(0, None, "look", '{"a": 1}')])
    + chunk(tool_calls=[piece(1, None, "buy", '{"b": 2}')]),
    "without an index": chunk(
        tool_calls=[piece(None, "x", "look", '{"a": 1}'), piece(None, "y", "buy", '{"b": 2}')]
    ),
    "all with index 0": chunk(tool_calls=[piece(0, "x", "look", '{"a": 1}')])
    + chunk(tool_calls=[piece(0, "y", "buy", '{"b": 2}')]),
    "all with index 0 and no ids": chunk(tool_calls=[piece(0, None, "look", '{"a": 1}')])
    + chunk(tool_calls=[piece(0, None, "buy", '{"b": 2}')]),
    "with the name and id repeated": chunk(tool_calls=[piece(0, "x", "look", '{"a"')])
    + chunk(tool_calls=[piece(0, "x", "look", ": 1}")])
    + chunk(tool_calls=[piece(1, "y", "buy", '{"b": 2}')]),
    "with the same id and index twice": chunk(tool_calls=[piece(0, "x", "look", '{"a": 1}')])
    + chunk(tool_calls=[piece(0, "x", "buy", '{"b": 2}')]),
    "with arguments as an object": chunk(tool_calls=[piece(0, "x", "look", {"a": 1})])
    + chunk(tool_calls=[piece(1, "y", "buy", {"b": 2})]),
    "with a new id in every chunk": chunk(tool_calls=[piece(0, "x", "look", '{"a"')])
    + chunk(tool_calls=[piece(0, "z", None, ": 1}")])
    + chunk(tool_calls=[piece(1, "y", "buy", '{"b": 2}')]),
    "with empty ids later": chunk(tool_calls=[piece(0, "x", "look", '{"a"')])
    + chunk(tool_calls=[piece(0, "", None, ": 1}"), piece(1, "y", "buy", '{"b": 2}')]),
}


@pytest.mark.parametrize("quirk", TWO_CALLS)
async def test_two_calls_are_understood_however_they_come(quirk: str) -> None:
    _, reply = await ask(ScriptedProvider(TWO_CALLS[quirk] + chunk(finish="tool_calls") + DONE))
    assert reply.calls == (LOOK, BUY)
    assert reply.finish == "tool_calls"


async def test_chunks_without_choices_and_keep_alive_comments_are_passed_over() -> None:
    stream = ": keep-alive\n\n" + chunk(usage=True) + text_stream("ok")
    assert (await ask(ScriptedProvider(stream)))[1].text == "ok"


@pytest.mark.parametrize("stray", ["null", '"text"', "7", "[]", '{"choices": [{"delta": null, "index": 0}]}'])
async def test_a_stray_chunk_is_passed_over(stray: str) -> None:
    assert (await ask(ScriptedProvider(f"data: {stray}\n\n" + text_stream("ok"))))[1].text == "ok"


async def test_content_in_parts_is_put_together() -> None:
    stream = chunk(content=[{"type": "text", "text": "good "}, {"type": "text", "text": "day"}]) + DONE
    assert (await ask(ScriptedProvider(stream)))[1].text == "good day"


@pytest.mark.parametrize("message", ["model overloaded"])
async def test_an_error_that_comes_as_a_success_is_told(message: str) -> None:
    wrong = JSONResponse({"error": {"message": message}})
    with pytest.raises(ModelError, match=message):
        await ask(ScriptedProvider(wrong, wrong))


async def test_a_filtered_answer_is_said_to_be_filtered() -> None:
    with pytest.raises(ModelError, match="审查"):
        await ask(ScriptedProvider(chunk(content="so") + chunk(finish="content_filter") + DONE))


async def test_a_wait_that_is_too_long_is_told_at_once() -> None:
    scripted = ScriptedProvider(refusal(429, **{"Retry-After": "600"}))
    with pytest.raises(ModelError, match="请 600 秒后再试"):
        await ask(scripted)


async def test_a_quota_that_is_used_up_is_not_asked_for_again() -> None:
    used_up = {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}
    scripted = ScriptedProvider(JSONResponse(used_up, 429))
    with pytest.raises(ModelError, match="额度用完"):
        await ask(scripted)


@pytest.mark.parametrize(
    "message",
    [
        "does not support parallel tool calls",
        "Rate limit: too many tokens per minute",
        "string too long. Expected a string with maximum length 1024",
    ],
)
async def test_refusals_that_sound_alike_are_told_apart(message: str) -> None:
    status = 429 if "Rate" in message else 400
    busy = refusal(status, message, **{"Retry-After": "0.01"})
    scripted = ScriptedProvider(busy, busy, busy)
    with pytest.raises(ModelError) as told:
        async with serve(scripted.app) as url, aclosing(OpenAIModel("m", "key", f"{url}/v1")) as model:
            _ = [part async for part in model.reply(ASK, [TOOL])]
    assert not isinstance(told.value, ContextOverflowError)
    assert all("tools" in request for request in scripted.requests)


async def test_a_password_in_the_address_is_not_told() -> None:
    async with aclosing(OpenAIModel("m", "key", "http://me:SECRET@127.0.0.1:9/v1?key=SECRET")) as model:
        with pytest.raises(ModelError) as told:
            _ = [part async for part in model.reply(ASK, [])]
    assert "SECRET" not in str(told.value)


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
async def test_reasoning_goes_back_to_the_model_that_reasoned_and_to_no_other(key: str) -> None:
    delta: dict[str, Any] = {key: "so "}
    extra = (await ask(ScriptedProvider(chunk(**delta) * 2 + text_stream("ok"))))[1].extra
    for model, expected in (("m", "so so "), ("another", None)):
        request = await sent(through_the_browser([{**called("x")[1], **extra, "model": model}]), TOOL)
        assert request["messages"][0].get(key) == expected
        assert "model" not in request["messages"][0]


async def test_reasoning_in_signed_parts_goes_back_put_together() -> None:
    part = {"type": "reasoning.text", "index": 0}
    stream = "".join(
        chunk(reasoning_details=[{**part, **more}])
        for more in ({"text": "so "}, {"text": "then"}, {"signature": "SIG"}, {"index": 1, "data": "X"})
    )
    extra = (await ask(ScriptedProvider(stream + text_stream("ok"))))[1].extra
    request = await sent([{**called("x")[1], **extra}], TOOL)
    assert request["messages"][0]["reasoning_details"] == [
        {**part, "text": "so then", "signature": "SIG"},
        {**part, "index": 1, "data": "X"},
    ]


@pytest.mark.parametrize("pieces", [["<think>hm</think>\n\nok"], [*"<think>hm</think>\n\nok"]])
async def test_thoughts_at_the_beginning_are_not_shown_but_go_back(pieces: list[str]) -> None:
    shown, reply = await ask(ScriptedProvider(text_stream(*pieces)))
    assert ("".join(shown), reply.text) == ("ok", "ok")
    said = {"role": "assistant", "content": reply.text}
    assert (await sent([{**said, **reply.extra}]))["messages"] == [{**said, "content": "".join(pieces)}]
    assert (await sent([{**said, **reply.extra, "model": "another"}]))["messages"] == [said]


@pytest.mark.parametrize("text", ["<", "<thin", "<thing>", "a <think>b</think>"])
async def test_what_only_looks_like_thoughts_is_shown(text: str) -> None:
    shown, reply = await ask(ScriptedProvider(text_stream(*text)))
    assert "".join(shown) == reply.text == text


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


@pytest.mark.parametrize(
    "message",
    [
        "Missing `reasoning_content` field in the assistant message at message index 2",
        "thinking is enabled but reasoning_content is missing in assistant tool call message at index 2",
        "The `reasoning_content` in the thinking mode must be passed back to the API.",
    ],
)
async def test_a_model_that_wants_reasoning_in_every_message_gets_an_empty_one(message: str) -> None:
    scripted = ScriptedProvider(refusal(400, message), text_stream("ok"))
    assert (await ask(scripted, called("x"), [TOOL]))[1].text == "ok"
    assert scripted.requests[1]["messages"][1]["reasoning_content"] == ""


async def test_a_model_that_wants_to_speak_after_a_tool_does() -> None:
    no = refusal(400, "Unexpected role 'user' after role 'tool'")
    scripted = ScriptedProvider(no, text_stream("ok"))
    await ask(scripted, [*called("x"), *ASK], [TOOL])
    assert roles(scripted.requests[1]["messages"]) == ["user", "assistant", "tool", "assistant", "user"]


async def test_a_refusal_that_is_repeated_is_told() -> None:
    no = refusal(400, "Unexpected role 'user' after role 'tool'")
    scripted = ScriptedProvider(no, no)
    with pytest.raises(ModelError, match="不接受"):
        await ask(scripted, [*called("x"), *ASK], [TOOL])


SCHEMAS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "no properties": ({"type": "object"}, {"type": "object", "properties": {}}),
    "nothing": ({}, {"type": "object", "properties": {}}),
    "a union at the top": (
        {"anyOf": [{"properties": {"a": {"type": "string"}}}, {"required": ["b"]}], "properties": {"b": {}}},
        {"type": "object", "properties": {"a": {"type": "string"}, "b": {}}},
    ),
    "an array of anything": (
        {"type": "object", "properties": {"a": {"type": "array"}}},
        {"type": "object", "properties": {"a": {"type": "array", "items": {}}}},
    ),
    "nonsense": ({"properties": None, "oneOf": 7}, {"type": "object", "properties": {}}),
}


@pytest.mark.parametrize("kind", SCHEMAS)
async def test_one_tool_with_an_odd_schema_does_not_spoil_the_request(kind: str) -> None:
    schema, expected = SCHEMAS[kind]
    offered = {"type": "function", "function": {"name": "t", "description": "d", "parameters": schema}}
    assert (await sent(ASK, offered))["tools"][0]["function"]["parameters"] == expected


async def test_a_long_description_is_cut_to_what_providers_take() -> None:
    function = {"name": "t", "description": "d" * 3_000, "parameters": {}}
    request = await sent(ASK, {"type": "function", "function": function})
    assert len(request["tools"][0]["function"]["description"]) == 1_024


async def test_a_stream_without_a_finish_reason_ends_well() -> None:
    _, reply = await ask(ScriptedProvider(chunk(content="ok")))
    assert (reply.text, reply.finish) == ("ok", "stop")


@pytest.mark.parametrize("finish", ["length", None])
async def test_arguments_that_break_off_are_known_as_cut(finish: str | None) -> None:
    stream = chunk(tool_calls=[piece(0, "x", "look", '{"a": ')]) + chunk(finish=finish) + DONE
    assert (await ask(ScriptedProvider(stream)))[1].finish == "length"


async def test_a_provider_that_does_not_stream_is_asked_for_a_whole_answer() -> None:
    assert await ask(ScriptedProvider(whole("ok"), whole("ok"))) == (["ok"], Reply("ok"))


async def test_a_busy_provider_is_asked_again_after_the_time_it_names() -> None:
    scripted = ScriptedProvider(refusal(429, **{"Retry-After": "2"}), refusal(503), text_stream("ok"))
    assert (await ask(scripted))[1].text == "ok"
    assert scripted.times[1] - scripted.times[0] >= 2  # what it would wait by itself is less


@pytest.mark.parametrize(
    ("status", "advice"), [(401, "OPENAI_API_KEY"), (402, "余额"), (404, "LLM_MODEL"), (400, "不接受")]
)
async def test_a_refusal_that_no_retry_mends_says_what_to_do(status: int, advice: str) -> None:
    scripted = ScriptedProvider(refusal(status))
    with pytest.raises(ModelError, match=advice):
        await ask(scripted)
    assert len(scripted.requests) == 1


@pytest.mark.parametrize(
    "stream",
    [
        chunk(content="a") + 'data: {"error": {"message": "overloaded"}}\n\n',
        chunk(content="a") + "data: {broken\n\n",
    ],
)
async def test_an_error_in_the_middle_of_a_stream_is_an_error(stream: str) -> None:
    with pytest.raises(ModelError, match="中断"):
        await ask(ScriptedProvider(stream))


async def test_an_answer_that_is_no_json_is_an_error() -> None:
    with pytest.raises(ModelError):
        await ask(
            ScriptedProvider(
                Response("<html>", media_type="text/html"), Response("<html>", media_type="text/html")
            )
        )


async def test_a_provider_that_is_not_there_is_named() -> None:
    async with aclosing(OpenAIModel("m", "key", "http://127.0.0.1:9/v1")) as model:
        with pytest.raises(ModelError, match="OPENAI_API_BASE"):
            _ = [part async for part in model.reply(ASK, [])]


@pytest.mark.parametrize(
    "message",
    [
        "Tool calling is not supported with this model",
        "`tools` are not supported",
        "Function calling is not enabled for models/gemma",
        '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
        "No endpoints found that support tool use.",
    ],
)
async def test_a_model_that_refused_tools_is_offered_some_again_after_a_while(
    monkeypatch: pytest.MonkeyPatch, message: str
) -> None:
    monkeypatch.setattr(provider, "TOOLLESS_TIME", 0.0)
    scripted = ScriptedProvider(refusal(404, message), text_stream("hello"), text_stream("again"))
    async with serve(scripted.app) as url, aclosing(OpenAIModel("m", "key", f"{url}/v1")) as model:
        for _ in range(2):
            _ = [part async for part in model.reply(ASK, [TOOL])]
    assert "tools" in scripted.requests[2]


async def test_a_model_without_tools_answers_without_them_and_says_so() -> None:
    no_tools = refusal(400, "registry/llama2 does not support tools")
    scripted = ScriptedProvider(no_tools, text_stream("hello"), text_stream("again"))
    async with serve(scripted.app) as url, aclosing(OpenAIModel("llama2", "key", f"{url}/v1")) as model:
        answers = []
        for _ in range(2):
            parts = [part async for part in model.reply(ASK, [TOOL])]
            answers.append(str(parts[-1].text) if isinstance(parts[-1], Reply) else "")
    assert ["tools" in request for request in scripted.requests] == [True, False, False]
    assert all("llama2 不支持工具调用" in answer for answer in answers)
    assert answers[0].endswith("hello")


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 8192 tokens.",
        "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 30720]",
        "Input is too long for requested model.",
        "input length and `max_tokens` exceed context limit: 199759 + 8192 > 200000",
        "Input length 203743 exceeds the maximum length 202752",
        "the request exceeds the available context size",
    ],
)
async def test_a_context_that_is_too_long_is_told_apart(message: str) -> None:
    within_a_stream = f'data: {{"error": {{"message": "{message}"}}}}\n\n'
    for step in (refusal(400, message), within_a_stream):
        with pytest.raises(ContextOverflowError):
            await ask(ScriptedProvider(step))


async def test_half_a_character_becomes_a_mark() -> None:
    assert (await ask(ScriptedProvider(text_stream("a\ud800b"))))[1].text == "a?b"


async def test_a_provider_that_goes_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider, "SILENCE_TIMEOUT", 0.2)
    monkeypatch.setattr(provider, "RETRIES", 0)
    with pytest.raises(ModelError, match=r"中断|没有及时"):
        await ask(ScriptedProvider(Silence(chunk(content="so "))))


class Mute(Response):
    """Never answers."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()


@pytest.mark.parametrize("step", [Mute(), refusal(503, **{"Retry-After": "19"})], ids=["mute", "busy"])
async def test_a_provider_that_does_not_begin_is_given_up_in_time(
    monkeypatch: pytest.MonkeyPatch, step: Response
) -> None:
    monkeypatch.setattr(provider, "SILENCE_TIMEOUT", 0.3)  # for all tries together
    scripted = ScriptedProvider(step, text_stream("too late"))
    with pytest.raises(ModelError, match="没有及时"):
        await ask(scripted)
    assert len(scripted.requests) == 1


async def test_a_stream_that_breaks_is_said_to_be_broken() -> None:
    async def body() -> AsyncIterator[str]:
        yield chunk(content="so ")
        raise ConnectionResetError

    with pytest.raises(ModelError, match="中断") as told:
        await ask(ScriptedProvider(StreamingResponse(body(), media_type="text/event-stream")))
    assert "OPENAI_API_BASE" not in str(told.value)


async def test_no_proxy_stands_before_a_model_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert (await ask(ScriptedProvider(text_stream("ok"))))[1].text == "ok"


async def test_an_address_of_the_environment_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider, "RETRIES", 0)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # nothing leaves this machine
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    async with serve(ScriptedProvider(text_stream("wrong")).app) as url:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{url}/v1")
        async with aclosing(OpenAIModel("m", "key")) as model:
            with pytest.raises(ModelError, match=r"api\.openai\.com"):
                _ = [part async for part in model.reply(ASK, [])]


async def test_leaving_ends_the_request_to_the_provider() -> None:
    silence = Silence(chunk(content="so "))
    async with serve(ScriptedProvider(silence).app) as url:
        model = OpenAIModel("m", "key", f"{url}/v1")
        async with aclosing(model), aclosing(model.reply(ASK, [])) as parts:
            assert await anext(parts) == "so "
        async with asyncio.timeout(5):
            await silence.left.wait()
