"""Answers as models and providers give them, through the real web.py: what the page is told of each."""

import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.responses import Response

from assistant.llm.model import OpenAIModel
from tests.support.asgi import ScriptedProvider, chunk, piece, refusal, serve, text_stream
from tests.support.chat_service import client, settings, stream
from tests.support.raw_server import RawServer, listing, tool
from tests.support.schemas import faults
from web import create_app

pytestmark = pytest.mark.anyio
ASK = {"messages": [{"role": "user", "content": "hi"}]}
KEY = "sk-live/0123+456789abcdef"
LOOK = '{"name": "shop_look", "arguments": {}}'


@asynccontextmanager
async def asked(
    folder: Path, *steps: str | Response
) -> AsyncIterator[tuple[httpx.AsyncClient, ScriptedProvider]]:
    """The back end of a model that answers so."""
    provider = ScriptedProvider(*steps)
    async with (
        serve(provider.app) as url,
        aclosing(OpenAIModel("m", KEY, f"{url}/v1", retries=0)) as model,
        client(folder, model=model) as http,
    ):
        yield http, provider


async def told(folder: Path, *steps: str | Response) -> list[tuple[str, Any]]:
    async with asked(folder, *steps) as (http, _):
        return await stream(http, ASK)


def stands(events: list[tuple[str, Any]]) -> str:
    """The text that stands at the end."""
    text = ""
    for name, data in events:
        if name == "text":
            text = data["delta"] if data["restart"] else text + data["delta"]
    return text


CALLS = [
    f"<tool_call>\n{LOOK}\n</tool_call>",
    f"[TOOL_CALLS][{LOOK}]",
    LOOK,
    "<function=shop_look>{}</function>",
    '<minimax:tool_call><invoke name="shop_look"></invoke></minimax:tool_call>',
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>shop_look<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    '<｜DSML｜function_calls><｜DSML｜invoke name="shop_look"></｜DSML｜invoke></｜DSML｜function_calls>',
    "<|channel|>commentary to=functions.shop_look <|constrain|>json<|message|>{}<|call|>",
    f"I shall look.\n</think>\n\n<tool_call>{LOOK}</tool_call>",
    "```tool_code\nprint(shop_look())\n```",
    ">>>shop_look\n{}",
    "Action: shop_look\nAction Input: {}",
    f"<tools>{LOOK}</tools>",
    "commentary to=functions.shop_look json{}",
    "[shop_look()]",
    "<shop_look></shop_look>",
    '[{"shop_look": {}}]',
    "Tool: shop_look\nInput: {}",
    "**Action:** `shop_look`\n**Action Input:** {}\nObservation: [2]\nFinal Answer: 2",
    "functions.shop_look({})",
    "<tool_call>{'name': 'shop_look', 'arguments': {},}</tool_call>",
]


async def test_a_call_within_a_text_is_none_and_is_noted(tmp_path: Path) -> None:
    events = await told(tmp_path, text_stream(*f"Write <tool_call>{LOOK}</tool_call> for it."))
    assert [name for name, _ in events if name in ("tool_call", "error")] == []
    assert stands(events) == "Write for it."
    [message] = [data["message"] for name, data in events if name == "message"]
    assert [note["code"] for note in message["notes"]] == ["call_left_out"]


async def test_what_is_to_be_known_of_an_answer_goes_to_programs_in_words(tmp_path: Path) -> None:
    no_tools, cut = refusal(400, "m does not support tools"), chunk(content="so") + chunk(finish="length")
    async with asked(tmp_path, no_tools, cut) as (http, _):
        answer = (await http.post("/api/chat", json={"message": "hi"})).json()
    assert answer["response"] == "so"
    assert [note["code"] for note in answer["notes"]] == ["model_toolless", "answer_cut"]
    assert all(note["detail"] for note in answer["notes"])


async def test_a_stream_that_does_not_say_that_it_has_ended_is_a_part(tmp_path: Path) -> None:
    events = await told(tmp_path, chunk(content="half"))
    [part] = [data["message"] for name, data in events if name == "message"]
    assert (part["content"], part["error"]["code"]) == ("half", "model_broke_off")


@pytest.mark.parametrize("answer", CALLS)
async def test_a_reading_call_in_prose_runs_and_is_never_shown(tmp_path: Path, answer: str) -> None:
    events = await told(tmp_path, text_stream(*answer), text_stream("done"))
    [result] = [data for name, data in events if name == "tool_result"]
    assert result["result"].startswith("[1]")
    assert stands(events) == "done"
    assert "tool_call" not in "".join(data["html"] for name, data in events if name == "html")


async def test_thoughts_are_told_as_such(tmp_path: Path) -> None:
    events = await told(tmp_path, text_stream(*"so it is\n</think>\n\n<b>ok", " <thinking>hm</thinking>!"))
    assert stands(events) == "<b>ok !"
    assert "".join(data["delta"] for name, data in events if name == "thinking") == "so it is\nhm"


ENDINGS = {
    "content_filter": "content_filtered",
    "content-filter": "content_filtered",
    "abort": "model_broke_off",
    "sensitive": "content_filtered",
    "refusal": "model_declined",
    "insufficient_system_resource": "model_exhausted",
}


@pytest.mark.parametrize("finish", ENDINGS)
async def test_what_was_said_before_an_answer_ended_badly_is_kept_and_marked(
    tmp_path: Path, finish: str
) -> None:
    events = await told(tmp_path, chunk(content="half") + chunk(finish=finish))
    assert [data["code"] for name, data in events if name == "error"] == [ENDINGS[finish]]
    [part] = [data["message"] for name, data in events if name == "message"]
    assert (part["content"], part["error"]["code"]) == ("half", ENDINGS[finish])


async def test_an_error_event_in_a_stream_is_told(tmp_path: Path) -> None:
    events = await told(tmp_path, chunk(content="half") + 'event: error\ndata: {"message": "overloaded"}\n\n')
    [error] = [data for name, data in events if name == "error"]
    assert "overloaded" in error["detail"]


async def test_a_call_said_twice_runs_once(tmp_path: Path) -> None:
    call = piece(0, "x", "shop_look", "{}")
    twice = chunk(tool_calls=[call]) + chunk(tool_calls=[call | {"index": 1}]) + chunk(finish="tool_calls")
    events = await told(tmp_path, twice, text_stream("done"))
    assert [name for name, _ in events].count("tool_result") == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, "stream"])
async def test_the_key_reaches_nobody(tmp_path: Path, status: Any, caplog: pytest.LogCaptureFixture) -> None:
    said = f"wrong key {KEY} {json.dumps(KEY)}\x1b[31m\n2026-01-01 INFO forged"
    broken = f"data: {json.dumps({'error': {'message': said}})}\n\n"
    step = broken if status == "stream" else refusal(status, said)
    async with asked(tmp_path, step, step) as (http, _):
        events = await stream(http, ASK)
        whole = await http.post("/api/chat", json={"message": "hi"})
        state = await http.get("/api/status")
    for text in (json.dumps(events), whole.text, state.text, caplog.text):
        assert KEY[:12] not in text


async def test_odd_schemas_go_out_plain(tmp_path: Path) -> None:
    odd = [
        {
            "type": "object",
            "properties": {"a": {"$ref": "#/properties/b"}, "b": {"type": ["string", "null"]}},
        },
        {"type": "object", "properties": {"a": {"items": True}, "b": True}, "required": ["a", "c"]},
        {"type": "object", "properties": {"a": {"enum": [True, None, "x"]}}, "$defs": {}},
    ]
    tools = [tool(f"t{number}", inputSchema=schema) for number, schema in enumerate(odd)]
    server = RawServer({"tools/list": listing(*tools)})
    provider = ScriptedProvider(text_stream("ok"))
    async with serve(provider.app) as url, serve(server.app) as mcp:
        (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": {"s": {"url": f"{mcp}/mcp"}}}))
        app = create_app(settings(tmp_path, openai_api_key=KEY, openai_api_base=f"{url}/v1"))
        async with serve(app) as base, httpx.AsyncClient(base_url=base, timeout=60) as http:
            await stream(http, ASK)
    sent = [each["function"]["parameters"] for each in provider.requests[0]["tools"]]
    assert len(sent) == len(odd)
    assert [fault for schema in sent for fault in faults(schema)] == []
