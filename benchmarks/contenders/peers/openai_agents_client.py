"""The MCP server of the OpenAI Agents SDK, as an agent uses it."""

import asyncio
import sys

from agents.mcp import MCPServerStreamableHttp
from pace import pace


async def main() -> None:
    """Call through one connection."""
    params = {"url": sys.argv[1], "timeout": 30}
    async with MCPServerStreamableHttp(params=params, client_session_timeout_seconds=30) as server:

        async def call() -> str:
            return (await server.call_tool("get_products", {})).content[0].text

        await pace(call)


asyncio.run(main())
