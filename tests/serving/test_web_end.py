"""How the back end of the browser ends: whoever waits is told, before honcho kills, and nothing is logged."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp.server.mcpserver import MCPServer
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.support.asgi import call_stream, serve
from tests.support.processes import Spawn, free_port

pytestmark = pytest.mark.anyio
LONGEST_SECONDS = 60  # until it has ended; honcho kills after 5, but this machine may be busy


class Waiting:
    """A server whose tool, and a model whose answer, never come; `reached` tells that one is waited for."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.tools: MCPServer = MCPServer("shop")
        self.tools.tool()(self.buy)

    async def buy(self) -> str:
        self.reached.set()
        await asyncio.sleep(3600)
        return "bought"

    async def model(self, request: Request) -> Response:
        if (await request.json())["messages"][-1]["content"] == "buy":
            return Response(call_stream("shop_buy", {}), media_type="text/event-stream")
        self.reached.set()
        await asyncio.sleep(3600)
        return Response()


BUY = {"messages": [{"role": "user", "content": "buy"}]}


async def approved(http: httpx.AsyncClient) -> dict[str, Any]:
    """A conversation whose purchase the user has confirmed."""
    told = (await http.post("/api/chat/stream", json=BUY)).text
    wanted = next(json.loads(line[6:])["message"] for line in told.splitlines() if '"message":' in line)
    return {"messages": [*BUY["messages"], wanted], "approvals": {wanted["tool_calls"][0]["id"]: True}}


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("/api/call-tool", {"server": "shop", "name": "buy"}, '"unknown":true'),
        ("/api/chat/stream", None, "outcome_unknown"),
        ("/api/chat/stream", {"messages": [{"role": "user", "content": "hi"}]}, "服务正在重启"),
        ("/api/chat", {"message": "buy"}, "服务正在重启"),
        ("/api/chat", {"message": "hi"}, "服务正在重启"),
    ],
    ids=[
        "a call by hand",
        "a purchase in a chat",
        "a silent model",
        "a purchase in one piece",
        "a silent model in one piece",
    ],
)
async def test_whoever_waits_when_the_service_stops_is_told(
    tmp_path: Path, spawn: Spawn, path: str, body: dict[str, Any] | None, told: str
) -> None:
    waiting, port = Waiting(), free_port()
    url = f"http://127.0.0.1:{port}"
    provider = Starlette(routes=[Route("/chat/completions", waiting.model, methods=["POST"])])
    async with serve(waiting.tools.streamable_http_app()) as shop, serve(provider) as model:
        (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": {"shop": {"url": f"{shop}/mcp"}}}))
        env = {"STOP_TIMEOUT": "1", "WEB_SECRET": "the secret of tests", "OPENAI_API_BASE": model}
        web = spawn("web.py", "--port", str(port), env=env)
        await asyncio.to_thread(web.wait_until_up, f"{url}/healthz")
        async with httpx.AsyncClient(base_url=url, timeout=60) as http:
            while (await http.get("/api/status")).json()["servers"][0]["status"] != "ready":  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            answering = asyncio.create_task(http.post(path, json=body or await approved(http)))
            async with asyncio.timeout(60):
                await waiting.reached.wait()
            web.process.terminate()
            text = (await answering).text
            assert told in text or json.dumps(told)[1:-1] in text  # events are ASCII
        assert await asyncio.to_thread(web.process.wait, LONGEST_SECONDS) in {0, -15}
    assert "Traceback" not in web.log.read_text()
    assert "ERROR" not in web.log.read_text()
