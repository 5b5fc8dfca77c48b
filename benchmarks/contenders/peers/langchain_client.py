"""LangChain's adapters as their README uses them: a session for every call."""

import asyncio
import json
import sys

from langchain_mcp_adapters.client import MultiServerMCPClient
from pace import pace


async def main() -> None:
    """Call a tool of the list that an agent is given."""
    client = MultiServerMCPClient({"shop": {"url": sys.argv[1], "transport": "streamable_http"}})
    tools = {tool.name: tool for tool in await client.get_tools()}

    async def call() -> str:
        return json.dumps(await tools["get_products"].ainvoke({}), ensure_ascii=False)

    await pace(call)


asyncio.run(main())
