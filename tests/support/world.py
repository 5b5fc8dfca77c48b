"""The real back end of the chat with one raw MCP server: what the page is told of it."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from assistant.toolbox.limits import Limits
from tests.support.asgi import serve
from tests.support.chat_service import settings
from tests.support.raw_server import RawServer
from tests.support.scripted import ScriptedModel
from web import create_app


@dataclass
class Web:
    """What a page can ask of the back end, about its server `s`."""

    http: httpx.AsyncClient

    async def server(self) -> dict[str, Any]:
        """Return the state of the server."""
        return (await self.servers())[0]

    async def servers(self) -> list[dict[str, Any]]:
        """Return the state of all servers."""
        found: list[dict[str, Any]] = (await self.http.get("/api/status")).json()["servers"]
        return found

    async def becomes(self, *statuses: str) -> dict[str, Any]:
        """Wait until the server is in one of these states, and return it."""
        while (server := await self.server())["status"] not in statuses:  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # as a page polls
        return server

    async def tools(self) -> dict[str, Any]:
        """Return the tools by name."""
        return {tool["name"]: tool for tool in (await self.http.get("/api/tools")).json()["tools"]}

    async def call(self, name: str = "t") -> dict[str, Any]:
        """Call a tool by hand."""
        body = {"server": "s", "name": name, "args": {}}
        answer: dict[str, Any] = (await self.http.post("/api/call-tool", json=body)).json()
        return answer

    async def read(self, uri: str, server: str = "s") -> tuple[int, dict[str, Any]]:
        """Read a resource: the status and the answer."""
        answer = await self.http.post("/api/read-resource", json={"server": server, "uri": uri})
        return answer.status_code, answer.json()


@dataclass
class Started:
    """A raw server, and the back end that is connected to it as `s`."""

    server: RawServer
    web: Web

    async def connect(
        self, answers: Mapping[str, Any], hello: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Let the server answer so from its first answer on, connect anew, and return what is told of it."""
        self.server.answer(answers, hello)
        await self.web.http.post("/api/servers/s/reconnect")
        while not self.server.times("server/discover"):  # noqa: ASYNC110  it has no event for it
            await asyncio.sleep(0.01)
        return await self.web.becomes("ready")


@asynccontextmanager
async def entry(
    folder: Path, entry: dict[str, Any], limits: Limits | None = None, **given: Any
) -> AsyncIterator[Web]:
    """The back end with this entry of `mcp.json`."""
    async with entries(folder, {"s": entry}, limits, **given) as web:
        yield web


@asynccontextmanager
async def entries(
    folder: Path, named: dict[str, Any], limits: Limits | None = None, **given: Any
) -> AsyncIterator[Web]:
    """The back end with these entries of `mcp.json`."""
    (folder / "mcp.json").write_text(json.dumps({"mcpServers": named}))
    app = create_app(settings(folder, **given), ScriptedModel(), limits)
    # Without a limit of its own: what is large takes its time on a busy machine, and pytest has one.
    async with serve(app) as base, httpx.AsyncClient(base_url=base, timeout=None) as http:
        yield Web(http)


@asynccontextmanager
async def raw(
    folder: Path, server: RawServer, limits: Limits | None = None, **more: Any
) -> AsyncIterator[Web]:
    """The back end with a raw server that is connected, or found wanting."""
    async with serve(server.app) as url, entry(folder, {"url": f"{url}/mcp", **more}, limits) as web:
        await web.becomes("ready", "down")
        yield web
