"""Answers whose content has parts that are no text."""

from typing import Any

import pytest
from starlette.responses import JSONResponse

from assistant.chat.interfaces import ToolRequest
from tests.support.asgi import ScriptedProvider, chunk, piece
from tests.support.provider import TOOL, ask, failure

pytestmark = pytest.mark.anyio
END = chunk(finish="stop") + "data: [DONE]\n\n"
PNG = "data:image/png;base64,AAAA"
USE = {"type": "tool_use", "id": "x", "name": "look", "input": {"a": 1}}


def whole(**message: Any) -> JSONResponse:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
    return JSONResponse({"choices": [choice]})


CALLS: dict[str, Any] = {
    "Anthropic's": whole(content=[{"type": "text", "text": ""}, USE]),
    "Anthropic's in a stream": chunk(content=[USE]) + END,
    "Anthropic's beside the same as OpenAI's": whole(
        content=[USE], tool_calls=[piece(None, "x", "look", '{"a": 1}')]
    ),
    "of OpenAI's Responses": whole(
        content=[{"type": "function_call", "call_id": "x", "name": "look", "arguments": '{"a": 1}'}]
    ),
    "Vercel's": whole(
        content=[{"type": "tool-call", "toolCallId": "x", "toolName": "look", "args": {"a": 1}}]
    ),
    "Gemini's": whole(content=[{"functionCall": {"name": "look", "args": {"a": 1}}}]),
    "OpenAI's of old": whole(content=None, function_call={"name": "look", "arguments": '{"a": 1}'}),
    "with args": whole(
        content=None, tool_calls=[{"id": "x", "function": {"name": "look", "args": {"a": 1}}}]
    ),
    "with a new id and the name in every piece": "".join(
        chunk(tool_calls=[piece(0, id, "look", text)])
        for id, text in (("x", ""), ("y", '{"a"'), ("z", ": 1}"))
    )
    + END,
}


@pytest.mark.parametrize("whose", CALLS)
async def test_a_call_is_one_in_whatever_part_it_comes(whose: str) -> None:
    _, reply = await ask(ScriptedProvider(CALLS[whose]), tools=[TOOL])
    assert (reply.text, reply.calls, reply.finish) == ("", (ToolRequest("look", '{"a": 1}'),), "tool_calls")


@pytest.mark.parametrize(
    "nothing",
    [
        {"tool_calls": [{}]},
        {"tool_calls": [None]},
        {"tool_calls": [{"index": 0, "id": "x", "function": {"name": None, "arguments": ""}}]},
        {"function_call": {"name": "", "arguments": ""}},
        {"function_call": {}},
    ],
)
async def test_a_call_of_nothing_is_none(nothing: dict[str, Any]) -> None:
    assert (await ask(ScriptedProvider(chunk(content="ok", **nothing) + END), tools=[TOOL]))[1].calls == ()


PICTURES = [
    {"content": [{"type": "image_url", "image_url": {"url": PNG}}]},
    {"content": [{"type": "output_image", "image_url": PNG}]},
    {"content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}]},
    {"content": [{"type": "video_url", "video_url": {"url": "file:///x"}}]},
    {"content": [{"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA"}}]},
    {"content": "", "images": [{"type": "image_url", "image_url": {"url": PNG}}]},
]


@pytest.mark.parametrize("message", PICTURES)
async def test_that_there_was_a_picture_is_said(message: dict[str, Any]) -> None:
    assert (await failure(whole(**message))).code == "answer_unreadable"  # and nothing else was
    beside = chunk(content="look") + chunk(**message) + END
    _, reply = await ask(ScriptedProvider(beside))
    assert (reply.text, [note.code for note in reply.notes]) == ("look", ["answer_unreadable"])


async def test_a_picture_at_an_address_is_one_in_the_text() -> None:
    part = {"type": "image_url", "image_url": {"url": "https://shop.example/a(1).png"}}
    _, reply = await ask(ScriptedProvider(whole(content=[{"type": "text", "text": "this:"}, part])))
    assert reply.text.split() == ["this:", "![](<https://shop.example/a(1).png>)"]
    assert not reply.notes


async def test_what_is_said_in_a_sound_is_the_text() -> None:
    audio = {"id": "a", "data": "AAAA", "transcript": "good day"}
    assert (await ask(ScriptedProvider(whole(content=None, audio=audio))))[1].text == "good day"


async def test_a_refusal_in_a_part_is_one() -> None:
    error = await failure(whole(content=[{"type": "refusal", "refusal": "I cannot."}]))
    assert (error.code, error.params["reason"]) == ("model_declined", "I cannot.")


async def test_of_two_choices_the_first_by_its_index_is_read() -> None:
    choices = [{"index": n, "message": {"content": said}} for n, said in ((1, "second"), (0, "first"))]
    assert (await ask(ScriptedProvider(JSONResponse({"choices": choices}))))[1].text == "first"


async def test_a_choice_that_is_in_no_list_is_one() -> None:
    choice = {"message": {"content": "ok"}, "finish_reason": "stop"}
    assert (await ask(ScriptedProvider(JSONResponse({"choices": choice}))))[1].text == "ok"


async def test_an_error_that_says_success_is_none() -> None:
    said = chunk(content="ok").replace('"choices"', '"error": {"code": 0, "message": "success"}, "choices"')
    assert (await ask(ScriptedProvider(said + END)))[1].text == "ok"
