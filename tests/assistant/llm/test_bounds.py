"""What a provider answers has bounds, its refusals hold no key, and it sends nobody elsewhere."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse

from assistant.chat.interfaces import ModelError, Piece, Reply
from assistant.llm.answer import ReplyBuilder
from assistant.llm.stream import DOCUMENT, events
from tests.support.asgi import ScriptedProvider, chunk, piece, refusal, serve, text_stream
from tests.support.provider import TOOL, ask, failure, says

pytestmark = pytest.mark.anyio
KEY = "sk-live/0123+456789abcdef"
MIB = 1024 * 1024


def packed(body: bytes, media_type: str = "text/event-stream", status: int = 200) -> Response:
    return Response(gzip.compress(body), status, {"Content-Encoding": "gzip"}, media_type)


def endless(beginning: str, then: str) -> Response:
    async def body() -> AsyncIterator[str]:
        yield beginning
        while True:
            yield then
            await asyncio.sleep(0)  # a client that left is noticed in between

    return StreamingResponse(body(), media_type="text/event-stream")


ENDLESS: dict[str, tuple[Response | Callable[[], Response], str]] = {
    "a line": (endless("data: ", "x" * 100_000), "answer_too_large"),
    "an event": (endless("", "data: " + "x" * 100_000 + "\n"), "answer_too_large"),
    "text": (endless("", chunk(content="x" * 100_000)), "answer_too_long"),
    "a thought": (endless("", chunk(reasoning_content="x" * 100_000)), "answer_too_long"),
    "calls": (
        endless("", chunk(tool_calls=[{"function": {"name": "look", "arguments": "{}"}}])),
        "too_many_calls",
    ),
    "arguments": (
        endless(
            "", chunk(tool_calls=[{"index": 0, "function": {"name": "look", "arguments": "x" * 100_000}}])
        ),
        "answer_too_long",
    ),
    "a bomb in a stream": (lambda: packed(b"data: " + bytes(100 * MIB)), "answer_too_large"),
    "a bomb in a document": (
        lambda: packed(b"{" + b" " * 100 * MIB, "application/json"),
        "answer_too_large",
    ),
    "a bomb in a refusal": (lambda: packed(bytes(100 * MIB), "application/json", 400), "answer_too_large"),
    "a long refusal": (Response(b" " * 2 * MIB, 401, media_type="application/json"), "answer_too_large"),
    "another encoding": (Response(b"x", headers={"Content-Encoding": "br"}), "answer_encoded"),
}


@pytest.mark.parametrize("what", ENDLESS)
async def test_an_answer_without_end_is_ended_and_told(what: str) -> None:
    step, code = ENDLESS[what]
    error = await failure(step if isinstance(step, Response) else step())
    assert error.code == code
    assert says(error)


async def test_a_packed_answer_is_read() -> None:
    assert (await ask(ScriptedProvider(packed(text_stream("good ", "day").encode()))))[1].text == "good day"


async def test_one_large_chunk_is_read_whole() -> None:
    assert (await ask(ScriptedProvider(text_stream("x" * 1_500_000))))[1].text == "x" * 1_500_000


async def test_the_cost_of_an_answer_grows_with_its_length_only() -> None:
    builder = ReplyBuilder("m", max_characters=12_000_000)
    delta = {"content": "ab " * 100, "reasoning_content": "cd " * 100}
    for _ in range(20_000):  # a copy of all that came before at each would take minutes
        list(builder.add({"choices": [{"delta": delta}]}))
    (*_, reply) = [*builder.add({"done": True}), *builder.end()]
    assert isinstance(reply, Reply)
    assert len(reply.text) == 6_000_000


async def pieces_of(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for each in pieces:
        yield each


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize("size", [1, 2, 3, 1_000])
async def test_events_are_the_same_in_any_split(end: str, size: int) -> None:
    text = ":ping\n\nevent: a\ndata: 1\ndata:2\n\nid: 7\n\n\ndata: \u2028\x85\n\ndata: last"
    body = text.replace("\n", end).encode()

    pieces = pieces_of([body[begin : begin + size] for begin in range(0, len(body), size)])
    told = [event async for event in events(pieces, 100)]
    assert told == [("a", b"1\n2"), ("", "\u2028\x85".encode()), ("", b"last")]


WHOLE = (
    ": ping\n\n"
    + chunk(content="<think>so", reasoning_content="hm")
    + chunk(content="</think>价格 **5**\n```\n<tool_call>{}\n```\n")
    + chunk(tool_calls=[piece(0, "x", "look", '{"a": "价')])
    + chunk(tool_calls=[piece(0, args='"}'), piece(1, "y", "look", "{}")])
    + chunk(finish="tool_calls")
    + "data: [DONE]\n\n"
).encode()


@settings(deadline=2_000, max_examples=60)
@given(st.integers(0, len(WHOLE)), st.lists(st.integers(0, len(WHOLE)), max_size=5), st.binary(max_size=9))
async def test_a_stream_that_is_cut_anywhere_is_whole_or_told_as_a_part(
    end: int, cuts: list[int], noise: bytes
) -> None:
    """However it is split, and whatever else stands behind the cut."""
    body = WHOLE[:end] + noise * (end < len(WHOLE))
    places = sorted({0, *(cut for cut in cuts if cut < len(body)), len(body)})
    builder = ReplyBuilder("m", [TOOL])
    told: list[Piece | ModelError] = []
    try:
        async for name, data in events(pieces_of([body[a:b] for a, b in pairwise(places)]), MIB):
            read = {"done": True} if data.startswith(b"[DONE]") else json.loads(data)
            told += builder.add(read if isinstance(read, dict) and name != DOCUMENT else {})
        told += builder.end()
    except ValueError:
        return  # half a chunk, which is told by the client
    except ModelError as error:
        told.append(error)
    if isinstance(told[-1], ModelError):
        assert told[-1].code == "model_broke_off"
        return
    assert isinstance(told[-1], Reply)
    assert [call.arguments for call in told[-1].calls] == ['{"a": "价"}', "{}"]


ECHOES: dict[str, Response | str] = {
    str(status): refusal(status, f"wrong: {KEY} and {json.dumps(KEY)} and {KEY[:20]}…")
    for status in (400, 401, 402, 403, 404, 422, 429, 500)
}
ECHOES |= {
    "far behind": refusal(400, "x" * 290 + KEY),
    "under success": JSONResponse({"error": {"message": f"wrong: {KEY}"}}),
    "under success, with a code": JSONResponse({"error": {"message": f"wrong: {KEY}", "code": 401}}),
    "inside a stream": chunk(content="a") + f'data: {{"error": {{"message": "wrong: {KEY}"}}}}\n\n',
    "as an event": f"event: error\ndata: {json.dumps(KEY)}\n\n",
    "as an object": f'data: {{"error": {{"key": "{KEY}"}}}}\n\n',
    "as too long": refusal(400, f"context length exceeded by {KEY}"),
    "as no JSON": f"data: {KEY}\n\n",
}


@pytest.mark.parametrize("way", ECHOES)
async def test_no_refusal_repeats_the_key(way: str, caplog: pytest.LogCaptureFixture) -> None:
    step = ECHOES[way]
    with pytest.raises(ModelError) as caught:
        await ask(ScriptedProvider(step), api_key=KEY, retries=0)
    for text in (says(caught.value), str(caught.value), json.dumps(caught.value.params), caplog.text):
        assert KEY[:12] not in text


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_carries_the_conversation_to_another_host(status: int) -> None:
    elsewhere = ScriptedProvider(text_stream("stolen"))
    async with serve(elsewhere.app) as url:
        error = await failure(RedirectResponse(f"{url}/v1/chat/completions", status))
    assert (error.code, error.params) == ("model_redirected", {"host": "127.0.0.1"})
    assert elsewhere.requests == []


async def test_a_redirect_within_the_host_is_followed() -> None:
    scripted = ScriptedProvider(RedirectResponse("/v1/chat/completions", 307), text_stream("ok"))
    assert (await ask(scripted))[1].text == "ok"
    assert scripted.requests[0] == scripted.requests[1]


@pytest.mark.parametrize("location", ["http://[", "//", "http://\x00", "javascript:x"])
async def test_a_redirect_to_nowhere_is_an_error(location: str) -> None:
    await failure(Response(status_code=307, headers={"Location": location}))
