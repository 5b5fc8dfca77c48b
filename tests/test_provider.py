import asyncio
from contextlib import aclosing

import pytest
from starlette.responses import JSONResponse, Response

import provider
from chat import ContextOverflowError, ModelError, Reply, ToolRequest
from provider import OpenAIModel
from tests.serving import ScriptedProvider, Silence, chunk, piece, refusal, serve, text_stream, whole

pytestmark = pytest.mark.anyio
ASK = [{"role": "user", "content": "hi"}]
TOOL = {"type": "function", "function": {"name": "look", "description": "", "parameters": {"type": "object"}}}
DONE = "data: [DONE]\n\n"
LOOK, BUY = ToolRequest("look", '{"a": 1}'), ToolRequest("buy", '{"b": 2}')


async def ask(scripted: ScriptedProvider) -> tuple[list[str], Reply]:
    async with serve(scripted.app) as url:
        model = OpenAIModel("m", "key", f"{url}/v1")
        async with aclosing(model):
            parts = [part async for part in model.reply(ASK, [])]
    reply = parts.pop()
    assert isinstance(reply, Reply)
    return [str(part) for part in parts], reply


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


@pytest.mark.parametrize(
    "message", ["does not support parallel tool calls", "Rate limit: too many tokens per minute"]
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


async def test_reasoning_is_kept_to_be_sent_back() -> None:
    stream = chunk(reasoning_content="so ") + chunk(reasoning_content="then") + text_stream("ok")
    assert (await ask(ScriptedProvider(stream)))[1].extra == {"reasoning_content": "so then"}


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


async def test_a_context_that_is_too_long_is_told_apart() -> None:
    scripted = ScriptedProvider(refusal(400, "This model's maximum context length is 8192 tokens."))
    with pytest.raises(ContextOverflowError):
        await ask(scripted)


async def test_half_a_character_becomes_a_mark() -> None:
    assert (await ask(ScriptedProvider(text_stream("a\ud800b"))))[1].text == "a?b"


async def test_a_provider_that_goes_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider, "SILENCE_TIMEOUT", 0.2)
    monkeypatch.setattr(provider, "RETRIES", 0)
    with pytest.raises(ModelError, match=r"中断|没有及时"):
        await ask(ScriptedProvider(Silence(chunk(content="so "))))


async def test_leaving_ends_the_request_to_the_provider() -> None:
    silence = Silence(chunk(content="so "))
    async with serve(ScriptedProvider(silence).app) as url:
        model = OpenAIModel("m", "key", f"{url}/v1")
        async with aclosing(model), aclosing(model.reply(ASK, [])) as parts:
            assert await anext(parts) == "so "
        async with asyncio.timeout(5):
            await silence.left.wait()
