"""An MCP server whose calls take as long as a test wants."""

import asyncio
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp_types import ToolAnnotations


class Mill:
    """A server whose calls say that they began, and end when the test lets them."""

    def __init__(self) -> None:
        self._may_end = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop
        self.runs: list[str] = []
        self.cancelled = asyncio.Semaphore(0)
        self.server: MCPServer = MCPServer("mill")
        only_reads = ToolAnnotations(read_only_hint=True)
        self.server.tool(name="read", annotations=only_reads)(self._grind)
        self.server.tool(name="write")(self._grind)
        shown: dict[str, Any] = {"ui": {"resourceUri": "ui://mill/app"}}
        self.server.tool(name="show", annotations=only_reads, meta=shown)(self._grind)
        self.server.tool(name="sell", meta={"product-mcp/honours-key": True})(self._grind)
        self.server.tool(name="flood", annotations=only_reads)(self._flood)

    def end(self) -> None:
        """Let the calls end; from any thread."""
        self._loop.call_soon_threadsafe(self._may_end.set)

    async def _grind(self, ctx: Context[Any, Any]) -> str:
        self._loop = asyncio.get_running_loop()
        meta: Any = ctx.request_context.meta or {}
        self.runs.append(meta["idempotency-key"])
        await ctx.report_progress(1, 2, "half")
        try:
            await self._may_end.wait()
        except asyncio.CancelledError:
            self.cancelled.release()
            raise
        return "ground"

    async def _flood(self, ctx: Context[Any, Any]) -> str:
        for n in range(2_000):
            await ctx.report_progress(n, None, f"grain {n}")
        return "ground"
