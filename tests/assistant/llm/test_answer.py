"""What the model replies, in whatever dialect the provider answers."""

import json
from typing import Any

import pytest
from starlette.responses import JSONResponse

from assistant.chat.interfaces import Reply, ToolRequest
from tests.support.asgi import ScriptedProvider, chunk, piece, text_stream, whole
from tests.support.provider import TOOL, ask, called, failure, sent, through_the_browser

pytestmark = pytest.mark.anyio
DONE = "data: [DONE]\n\n"


def event(chunk: Any) -> str:
    return f"data: {json.dumps(chunk)}\n\n"


LOOK, BUY = ToolRequest("look", '{"a": 1}'), ToolRequest("buy", '{"b": 2}')


async def test_an_answer_comes_piece_by_piece_and_then_whole() -> None:
    assert await ask(ScriptedProvider(text_stream("good ", "day"))) == (["good ", "day"], Reply("good day"))


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


DAY = {"role": "assistant", "content": "good day"}
IN_PARTS: dict[str, Any] = {
    "parts": chunk(content=[{"type": "text", "text": "good "}, {"type": "output_text", "text": "day"}]),
    "texts": chunk(content=["good ", "day"]),
    "one part": chunk(content={"type": "text", "text": "good day"}),
    "no delta around it": event({"choices": [{"index": 0, "delta": "good day"}]}),
    "whole behind its pieces": chunk(content="good day")
    + event({"choices": [{"delta": {}, "message": DAY, "finish_reason": "stop"}]}),
    "whole without a delta behind them": chunk(content="good day")
    + event({"object": "chat.completion", "choices": [{"message": DAY, "finish_reason": "stop"}]}),
    "whole behind its thoughts": chunk(reasoning_content="hm") + event({"choices": [{"message": DAY}]}),
    "whole beside each piece": event({"choices": [{"delta": {"content": "good "}, "message": DAY}]})
    + event({"choices": [{"delta": {"content": "day"}, "message": DAY}]}),
}


@pytest.mark.parametrize("way", IN_PARTS)
async def test_content_is_put_together_however_it_comes(way: str) -> None:
    assert (await ask(ScriptedProvider(IN_PARTS[way] + DONE)))[1].text == "good day"


async def test_pieces_with_the_whole_beside_them_are_a_part_until_the_end_is_said() -> None:
    said = event({"choices": [{"delta": {"content": "good "}, "message": DAY}]})
    assert (await failure(said)).code == "model_broke_off"


async def test_calls_that_are_no_list_are_one() -> None:
    stream = chunk(tool_calls=piece(0, "x", "look", '{"a": 1}')) + chunk(finish="tool_calls") + DONE
    assert (await ask(ScriptedProvider(stream), tools=[TOOL]))[1].calls == (LOOK,)


GOOD, DAY_TOO, END = chunk(content="good "), chunk(content="day"), chunk(finish="stop")
FRAMES = {
    "no blank lines": (GOOD + DAY_TOO + END + DONE).replace("\n\n", "\n"),
    "JSON, one a line": (GOOD + DAY_TOO + END).replace("data: ", "").replace("\n\n", "\n"),
    "JSON, one a line, and the count": (GOOD + DAY_TOO + END + chunk(usage=True)).replace("data: ", ""),
    "a mark before each event": "".join("\ufeff" + each for each in (GOOD, DAY_TOO, END)),
    "blanks before each field": "".join("  " + each for each in (GOOD, DAY_TOO, END)),
    "fields in capitals": (GOOD + DAY_TOO + END).replace("data:", "Data:"),
    "said by two gateways": (GOOD + DAY_TOO + END + DONE).replace("data: ", "data: data: "),
    "an event for the end": f"{GOOD}{DAY_TOO}event: done\ndata: {{}}\n\n",
    "an end without data": f"{GOOD}{DAY_TOO}event: end\ndata:\n\n",
    "words of life": f"data: keep-alive\n\n{GOOD}data: : OPENROUTER PROCESSING\n\n{DAY_TOO}{END}",
    "an event of life": f"event: ping\ndata: {{}}\n\n{GOOD}{DAY_TOO}{END}",
    "lone returns": (GOOD + DAY_TOO + END + DONE).replace("\n", "\r"),
    "a document behind the end": f"{GOOD}{DAY_TOO}{END}{DONE}{chunk(content='ghost')}",
}


@pytest.mark.parametrize("way", FRAMES)
async def test_an_answer_is_read_however_its_events_are_framed(way: str) -> None:
    assert await ask(ScriptedProvider(FRAMES[way])) == (["good ", "day"], Reply("good day"))


@pytest.mark.parametrize("torn", ['data: {"choices": [{"del', 'data: {"choices": [{"del\n\n', "data: "])
async def test_an_event_that_breaks_off_is_not_told_as_a_reason(torn: str) -> None:
    assert (await failure(GOOD + torn)).code == "model_broke_off"


async def test_a_filtered_answer_is_said_to_be_filtered() -> None:
    error = await failure(chunk(content="so") + chunk(finish="content_filter") + DONE)
    assert (error.code, error.params) == ("content_filtered", {})


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


@pytest.mark.parametrize("text", ["<", "<thin", "<thing>", "a `<think>b</think>`", "a <think>b"])
async def test_what_only_looks_like_thoughts_is_shown(text: str) -> None:
    shown, reply = await ask(ScriptedProvider(text_stream(*text)))
    assert "".join(shown) == reply.text == text


ENDS = [DONE, "data:[DONE]\n\n", 'data: "[DONE]"', chunk(finish="stop"), chunk(finish="eos")]


@pytest.mark.parametrize("end", ENDS)
async def test_a_stream_that_says_that_it_has_ended_is_whole(end: str) -> None:
    _, reply = await ask(ScriptedProvider(chunk(content="ok", finish="null") + end))
    assert (reply.text, reply.finish) == ("ok", "stop")


@pytest.mark.parametrize("last", ["", chunk(usage=True), chunk(content=" so", finish="null"), ": ping\n\n"])
@pytest.mark.parametrize("said", [{"content": "half"}, {"tool_calls": [piece(0, "x", "look", "{}")]}])
async def test_a_stream_that_does_not_is_a_part(said: dict[str, Any], last: str) -> None:
    assert (await failure(chunk(**said) + last, tools=[TOOL])).code == "model_broke_off"


async def test_a_call_in_the_form_of_old_is_one() -> None:
    pieces = [{"name": "look", "arguments": '{"a"'}, {"arguments": ": 1}"}]
    stream = "".join(chunk(function_call=each) for each in pieces) + chunk(finish="function_call")
    assert (await ask(ScriptedProvider(stream), tools=[TOOL]))[1].calls == (LOOK,)


@pytest.mark.parametrize("mark", ["\ufeff", "\n\n", "\ufeff\r\n"])
async def test_a_stream_may_begin_with_a_mark_or_blank_lines(mark: str) -> None:
    assert (await ask(ScriptedProvider(mark + text_stream("good ", "day"))))[1].text == "good day"


async def test_a_plain_completion_is_an_answer() -> None:
    body = JSONResponse({"choices": [{"text": "ok", "finish_reason": "stop"}]})
    assert (await ask(ScriptedProvider(body)))[1].text == "ok"


@pytest.mark.parametrize("finish", ["length", None])
async def test_arguments_that_break_off_are_known_as_cut(finish: str | None) -> None:
    stream = chunk(tool_calls=[piece(0, "x", "look", '{"a": ')]) + chunk(finish=finish) + DONE
    assert (await ask(ScriptedProvider(stream)))[1].finish == "length"


async def test_a_provider_that_does_not_stream_is_asked_for_a_whole_answer() -> None:
    assert await ask(ScriptedProvider(whole("ok"), whole("ok"))) == (["ok"], Reply("ok"))


async def test_half_a_character_becomes_a_mark() -> None:
    assert (await ask(ScriptedProvider(text_stream("a\ud800b"))))[1].text == "a?b"
