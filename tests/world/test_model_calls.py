"""Calls as models write them, through the real web.py: names, arguments, prose, one call said twice."""

import json
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from assistant.llm.model import OpenAIModel
from tests.support.asgi import ScriptedProvider, chunk, piece, serve, text_stream
from tests.support.chat_service import client, stream

pytestmark = pytest.mark.anyio
ASK = {"messages": [{"role": "user", "content": "hi"}]}
BUY = '{"n": 2}'


def called(*pieces: dict[str, Any]) -> str:
    """An answer that consists of pieces of calls."""
    chunks = "".join(chunk(tool_calls=[each]) for each in pieces)
    return f"{chunks}{chunk(finish='tool_calls')}data: [DONE]\n\n"


async def told(
    folder: Path, answer: str, path: str = "/api/chat/stream"
) -> tuple[list[tuple[str, Any]], dict[str, Any]]:
    """What the service makes of one answer: its events; or, over `/api/chat`, its answer."""
    provider = ScriptedProvider(answer, text_stream("done"))
    async with (
        serve(provider.app) as url,
        aclosing(OpenAIModel("m", "key", f"{url}/v1")) as model,
        client(folder, model=model) as http,
    ):
        if path == "/api/chat":
            return [], (await http.post(path, json={"message": "hi"})).json()
        return await stream(http, ASK), {}


def of(events: list[tuple[str, Any]], name: str) -> list[Any]:
    return [data for each, data in events if each == name]


@pytest.mark.parametrize(
    "name", ["shop_buy", "shop-buy", "functions.shop_buy", "buy", " shop_buy ", "Shop.Buy"]
)
@pytest.mark.parametrize(
    ("arguments", "mended"),
    [
        (BUY, False),
        (BUY * 2, False),
        ("{}" + BUY, True),
        (json.dumps(BUY), True),
        (f"```json\n{BUY}\n```", True),
        (f"[{BUY}]", True),
        ("{'n': 2,};", True),
    ],
)
async def test_a_call_is_read_as_it_is_meant_and_waits(
    tmp_path: Path, name: str, arguments: str, mended: bool
) -> None:
    events, _ = await told(tmp_path, called(piece(0, "c", name, arguments)))
    call = of(events, "tool_call")[0]
    assert (call["tool"], call["raw"], call["mended"]) == ("buy", BUY, mended)
    assert events[-1] == ("done", {"reason": "approval"})


@pytest.mark.parametrize("name", ["shop_buys", "", "fly"])
async def test_a_name_that_nothing_fits_is_answered_with_the_tools(tmp_path: Path, name: str) -> None:
    events, _ = await told(tmp_path, called(piece(0, "c", name, BUY)))
    result = of(events, "tool_result")[0]
    assert (result["code"], "shop_buy" in result["result"]) == ("unknown_tool", True)


@pytest.mark.parametrize(
    "pieces",
    [
        [piece(0, "c", "shop_buy", BUY), piece(1, "c", "shop_buy", BUY)],
        [piece(0, "c", "shop_buy", BUY), piece(0, "c", "shop_buy", BUY)],
        [piece(0, "c", "shop_buy", BUY), piece(1, "d", "shop_buy", BUY)],
        [piece(0, "c", "shop_buy", BUY), piece(1, "c", "shop_buy", "")],
        [piece(0, "c", "shop_buy", BUY), piece(1, "d", "shop_buy", "")],
    ],
)
async def test_one_call_said_twice_runs_once(tmp_path: Path, pieces: list[dict[str, Any]]) -> None:
    _, answer = await told(tmp_path, called(*pieces), "/api/chat")
    assert [call.get("result") for call in answer["toolCalls"]].count("bought 2") == 1


PROSE = [
    '<tool_call>{"name": "shop_buy", "arguments": {"n": 2}}</tool_call>',
    '{"name": "shop_buy", "arguments": {"n": 2}}',
    '<think>hm</think><tool_call>\n{"name": "shop_buy", "arguments": {"n": 2}}\n</tool_call>',
]


@pytest.mark.parametrize("prose", PROSE)
async def test_a_writing_call_in_prose_waits_and_is_no_answer(tmp_path: Path, prose: str) -> None:
    events, _ = await told(tmp_path, text_stream(*prose))
    assert (of(events, "tool_call")[0]["raw"], of(events, "approval")[0]["code"]) == (BUY, None)
    assert of(events, "message")[0]["message"]["content"] == ""


@pytest.mark.parametrize("prose", PROSE)
async def test_a_writing_call_in_prose_does_not_run_where_nobody_can_be_asked(
    tmp_path: Path, prose: str
) -> None:
    _, answer = await told(tmp_path, text_stream(*prose), "/api/chat")
    assert [("error" in call, call["name"]) for call in answer["toolCalls"]] == [(True, "buy")]
    assert answer["response"] == "done"
