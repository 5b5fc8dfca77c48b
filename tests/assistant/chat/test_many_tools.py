"""The real web.py with 20 servers and 500 tools, over a provider that is asked over HTTP."""

import asyncio
import json
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Any

import httpx
import pytest

from assistant.llm.model import OpenAIModel
from tests.support.asgi import ScriptedProvider, chunk, piece, serve, text_stream
from tests.support.chat_service import settings, shop_server, stream
from tests.support.raw_server import READS, RawServer
from web import create_app

pytestmark = pytest.mark.anyio
HELLO = {"role": "user", "content": "买两个"}


def called(name: str, arguments: dict[str, Any]) -> str:
    """A streamed answer that is one call."""
    said = piece(0, "c", name, json.dumps(arguments))
    return f"{chunk(tool_calls=[said])}{chunk(finish='tool_calls')}data: [DONE]\n\n"


async def test_a_purchase_is_found_asked_about_and_made_by_another_replica(tmp_path: Path) -> None:
    provider = ScriptedProvider(
        called("searchTools", {"query": "buy 购买"}),
        called("callTool", {"name": "shop_buy", "arguments": {"n": 2}}),
        called("callTool", {"name": "shop_pay", "arguments": {}}),
        text_stream("好了"),
    )
    others = RawServer({"tools/list": {"tools": [{**READS, "name": f"t{n}"} for n in range(27)]}})
    async with AsyncExitStack() as stack:
        urls = [await stack.enter_async_context(serve(each)) for each in (provider.app, others.app)]
        shop = await stack.enter_async_context(serve(shop_server().streamable_http_app()))
        named = {"shop": {"url": f"{shop}/mcp"}} | {f"s{n}": {"url": f"{urls[1]}/mcp"} for n in range(19)}
        (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": named}))
        replicas: list[httpx.AsyncClient] = []
        for _ in range(2):
            model = await stack.enter_async_context(aclosing(OpenAIModel("m", "key", f"{urls[0]}/v1")))
            base = await stack.enter_async_context(serve(create_app(settings(tmp_path), model)))
            replicas.append(await stack.enter_async_context(httpx.AsyncClient(base_url=base, timeout=60)))
            while len((await replicas[-1].get("/api/tools")).json()["tools"]) < 500:  # noqa: ASYNC110
                await asyncio.sleep(0.01)  # as a page polls

        told = await stream(replicas[0], {"messages": [HELLO]})
        events, history = dict(told), [HELLO, *(data["message"] for name, data in told if name == "message")]
        call = events["tool_call"]
        assert (call["server"], call["tool"], call["args"]) == ("shop", "buy", {"n": 2})
        assert events["approval"]["id"] == call["id"]
        told = await stream(replicas[0], {"messages": history, "approvals": {call["id"]: True}})
        assert [data["result"] for name, data in told if name == "tool_result"] == ["bought 2"]

        history += [data["message"] for name, data in told if name == "message"]
        waiting = dict(told)["approval"]["id"]
        told = await stream(replicas[1], {"messages": history, "approvals": {waiting: True}})
    assert json.loads(dict(told)["tool_result"]["result"])[0] == waiting
    assert told[-1] == ("done", {"reason": "stop"})
    assert len({json.dumps(each["tools"]) for each in provider.requests}) == 1
    messages = provider.requests[-1]["messages"]
    sent = [call["function"]["name"] for message in messages for call in message.get("tool_calls", ())]
    assert sent == ["searchTools", "callTool", "callTool"]
