"""Small MCP servers, and toolboxes on them."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp_types import ToolAnnotations
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from assistant.toolbox import Toolbox, Trust
from assistant.toolbox.limits import Limits
from assistant.toolbox.sentences import sentence_of
from assistant.toolbox.server import Server
from tests.support.processes import ROOT

READ_ONLY = ToolAnnotations(read_only_hint=True)


def calculator() -> MCPServer:
    server: MCPServer = MCPServer("calculator")

    @server.tool(title="Add", annotations=READ_ONLY)
    def add(a: int, b: int) -> int:
        return a + b

    @server.tool()
    async def key(ctx: Context[Any, Any]) -> str:
        return str((ctx.request_context.meta or {}).get("idempotency-key"))

    @server.tool()
    async def count(ctx: Context[Any, Any]) -> str:
        await ctx.report_progress(1, 2, "half")
        return "counted"

    @server.tool()
    def fail() -> str:
        raise ValueError("private")

    return server


def both(server: MCPServer) -> ASGIApp:
    """Streamable HTTP at /mcp and SSE at /sse, as main.py has them."""
    app = server.streamable_http_app()
    app.routes.extend(server.sse_app().routes)
    return app


class HandshakeOnly:
    """A server of before 2026: it does not know `server/discover`, and says so, or answers otherwise."""

    def __init__(self, app: ASGIApp, to_new: Response | None = None) -> None:
        self.app = app
        self.to_new = to_new or JSONResponse({"detail": "Bad Request"}, 400)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        message = await receive()
        is_new = Headers(scope=scope).get("mcp-protocol-version") == "2026-07-28"
        if is_new or b'"server/discover"' in message.get("body", b""):  # HTTP+SSE says it there alone
            return await self.to_new(scope, receive, send)
        begun = [message]
        await self.app(scope, lambda: asyncio.sleep(0, begun.pop()) if begun else receive(), send)


class Torn(Response):
    """Ends in the middle of an event stream."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        raise ConnectionResetError


class Silent(Response):
    """Never begins."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass


def trusting(servers: Iterable[Server], limits: Limits | None = None) -> Toolbox:
    """A toolbox that starts commands unasked."""
    return Toolbox(servers, limits, Trust(everything=True))


@asynccontextmanager
async def boxed(*servers: Server, limits: Limits | None = None) -> AsyncIterator[Toolbox]:
    async with trusting(servers, limits) as box:
        for server in servers:
            await becomes(box, server.name, "ready")
        yield box


async def becomes(box: Toolbox, name: str, *statuses: str) -> None:
    async with asyncio.timeout(60):
        while box.link(name).status not in statuses:  # noqa: ASYNC110  as the page polls
            await asyncio.sleep(0.01)


def why(box: Toolbox, name: str) -> str:
    error = box.link(name).error
    return sentence_of(error.code, error.params) if error else ""


def code_of(box: Toolbox, name: str) -> str | None:
    error = box.link(name).error
    return error.code if error else None


def at(url: str, name: str = "s", path: str = "/mcp") -> Server:
    return Server(name, "sse" if path == "/sse" else "streamable-http", url=f"{url}{path}")


STDIO = Server(
    "s", "stdio", command=sys.executable, args=(str(ROOT / "tests" / "support" / "stdio_server.py"),)
)
