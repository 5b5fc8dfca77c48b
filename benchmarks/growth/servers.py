"""Cost against the number of MCP servers that the browser's back end has, and of the tools of one."""

import asyncio
import json
from contextlib import AsyncExitStack

from benchmarks.growth.table import Table
from benchmarks.measure import MILLISECOND, Show
from benchmarks.services import ROOT, START_SECONDS, Service, Stage, free_port
from benchmarks.wire import Connection

SERVERS = (1, 5, 20, 50)
TOOLS_EACH = 10
TOOLS = (4, 50, 500, 2_000)
TURNS = 20
TURN = {"messages": [{"role": "user", "content": "有哪些商品？"}]}
LOOK_SECONDS = 0.2
COLUMNS = [
    "until all are ready, ms of CPU",
    "list of tools, ms of CPU",
    "turn, ms of CPU",
    "memory, MiB",
    "without the others",
    "with them again",
]


async def _ready(web: Service, servers: int) -> None:
    async with asyncio.timeout(START_SECONDS), Connection.opened(web.address) as connection:
        statuses: list[str] = []
        while statuses != ["ready"] * servers:
            await asyncio.sleep(LOOK_SECONDS)
            told = (await connection.ask("GET", "/api/status")).json()
            statuses = [one["status"] for one in told["servers"]]


async def _row(stage: Stage, shop: Service, others: int, tools: int) -> list[float]:
    """Return what a back end costs with the shop and so many others, each with so many tools."""
    many = await stage.contender("many_tools", str(tools), path="/mcp")
    urls = {"product-mcp": f"{shop.url}/mcp"} | {f"many-{n}": f"{many.url}/mcp" for n in range(others)}
    port = free_port()
    config = stage.folder / f"mcp-{port}.json"
    whole = json.dumps({"mcpServers": {name: {"url": url} for name, url in urls.items()}})
    config.write_text(whole)
    env = {"MCP_CONFIG_PATH": str(config), "WEB_SECRET": "w" * 32}
    web = stage.start(str(ROOT / "web.py"), "--port", str(port), name="web", port=port, env=env)
    await web.until_up()
    async with AsyncExitStack() as stack:
        stack.callback(many.stop)
        stack.callback(web.stop)
        await _ready(web, len(urls))
        costs = [web.cpu() / MILLISECOND]
        connection = await stack.enter_async_context(Connection.opened(web.address))
        for method, path, body in (("GET", "/api/tools", None), ("POST", "/api/chat/stream", TURN)):
            await connection.ask(method, path, body)
            before = web.cpu()
            for _ in range(TURNS):
                await connection.ask(method, path, body)
            costs.append((web.cpu() - before) / TURNS / MILLISECOND)
        costs.append(web.memory())
        for text, count in (
            (json.dumps({"mcpServers": {"product-mcp": {"url": urls["product-mcp"]}}}), 1),
            (whole, len(urls)),
        ):
            config.write_text(text)
            await _ready(web, count)
            await connection.ask("GET", "/api/tools")
            await connection.ask("POST", "/api/chat/stream", TURN)
            costs.append(web.memory())
        return costs


async def measure(stage: Stage, show: Show) -> list[Table]:
    """Measure CPU of web.py; the demo model answers by a tool of the shop, whatever else is offered."""
    shop = await stage.mcp(await stage.api())
    servers, tools = [], []
    for size in SERVERS:
        show(f"{size} servers")
        servers.append((size, await _row(stage, shop, size - 1, TOOLS_EACH)))
    for size in TOOLS:
        show(f"{size} tools")
        tools.append((size, await _row(stage, shop, int(size > 4), size - 4)))
    about = f"Servers of {TOOLS_EACH} tools each"
    return [
        Table("servers", about, "servers", COLUMNS, servers, COLUMNS[1:3]),
        Table("tools", "Tools offered", "tools", COLUMNS, tools, COLUMNS[1:3]),
    ]
