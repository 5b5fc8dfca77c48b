"""Our own toolbox, as the chat uses it."""

import asyncio
import sys
from pathlib import Path

from assistant.toolbox import Toolbox, read_config
from benchmarks.contenders.pace import pace


async def main() -> None:
    """Call through one connection; the argument is an `mcp.json`."""
    servers = read_config(Path(sys.argv[1]))
    name = servers[0].name
    async with Toolbox(servers) as toolbox:
        await toolbox.link(name).until_ready()

        async def call() -> str:
            return (await toolbox.call(name, "get_products", {})).text

        await pace(call)


asyncio.run(main())
