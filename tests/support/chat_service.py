"""The whole back end of the chat over real HTTP: its model scripted, one real MCP server behind it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import ToolAnnotations

from assistant.chat.interfaces import Model
from tests.support.asgi import serve
from tests.support.processes import state_of
from tests.support.scripted import ScriptedModel
from web import Settings, create_app


def shop_server() -> MCPServer:
    """A server with a tool that reads, one that writes, one that honours keys, and two prompts."""
    server: MCPServer = MCPServer("shop")

    @server.tool(annotations=ToolAnnotations(read_only_hint=True))
    def look() -> str:
        return "[1]"

    @server.tool()
    def buy(n: int) -> str:
        return f"bought {n}"

    @server.tool(meta={"product-mcp/honours-key": True})
    def pay(ctx: Context[Any, Any]) -> str:
        """Tell under which key and for which total."""
        meta: Any = ctx.request_context.meta or {}
        return json.dumps([meta.get("idempotency-key"), meta.get("product-mcp/confirmed")])

    @server.prompt()
    def wish(whom: str) -> str:
        return f"wish {whom} well"

    @server.prompt(title="Greet", description="greets")
    def greet(name: str = "you") -> str:
        return f"greet {name}"

    return server


def settings(folder: Path, **given: Any) -> Settings:
    """Settings of which a test gives some, whatever the environment says."""
    usual = {
        "mcp_config_path": folder / "mcp.json",
        "web_secret": "the secret of tests",
        "web_state_dir": state_of(folder),
    }
    return Settings(_env_file=None, **{**usual, **given})


@asynccontextmanager
async def client(
    folder: Path, *steps: Any, model: Model | None = None, server: MCPServer | None = None, **given: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of a back end whose server is connected."""
    async with serve((server or shop_server()).streamable_http_app()) as url:
        (folder / "mcp.json").write_text(json.dumps({"mcpServers": {"shop": {"url": f"{url}/mcp"}}}))
        app = create_app(settings(folder, **given), model or ScriptedModel(*steps))
        async with serve(app) as base, httpx.AsyncClient(base_url=base, timeout=60) as http:
            auth = ("", given["web_password"]) if "web_password" in given else None
            while (await http.get("/api/status", auth=auth)).json()["servers"][0]["status"] != "ready":  # noqa: ASYNC110
                await asyncio.sleep(0.01)  # else the question takes the time of its answer
            yield http


async def stream(http: httpx.AsyncClient, body: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The events as a page reads them."""
    response = await http.post("/api/chat/stream", json=body)
    assert response.headers["content-type"].startswith("text/event-stream")
    events = []
    for block in response.text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            events.append((fields["event"], json.loads(fields["data"])))
    return events
