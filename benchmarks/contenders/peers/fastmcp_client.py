"""FastMCP's client, as its documentation shows it."""

import asyncio
import sys

from fastmcp import Client
from pace import pace


async def main() -> None:
    """Call through one connection."""
    async with Client(sys.argv[1]) as client:

        async def call() -> str:
            return (await client.call_tool("get_products", {})).content[0].text

        await pace(call)


asyncio.run(main())
