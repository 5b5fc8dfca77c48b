"""Cost against the number of pages that are open."""

import asyncio
from contextlib import AsyncExitStack

from benchmarks.growth.table import Table
from benchmarks.measure import MILLISECOND, Show
from benchmarks.rest import PURCHASE
from benchmarks.services import Stage
from benchmarks.tool_call import ours
from benchmarks.wire import Connection

SIZES = (1, 10, 50, 200, 500)
PURCHASES = 5
APART_SECONDS = 1.0  # so that each is told by itself
IDLE_SECONDS = 10.0
SETTLE_SECONDS = 1.5


async def measure(stage: Stage, show: Show) -> Table:
    """Measure CPU of web.py: to open a page's stream, while nothing happens, to tell all of a purchase."""
    api, _, web = await ours(stage)
    async with Connection.opened(web.address) as first:  # so that the first row, too, finds everything warm
        await first.start("GET", "/api/watch")
    rows = []
    for size in SIZES:
        show(f"{size} pages")
        async with AsyncExitStack() as stack:
            buyer = await stack.enter_async_context(Connection.opened(api.address))
            before = web.cpu()
            for _ in range(size):
                page = await stack.enter_async_context(Connection.opened(web.address))
                await page.start("GET", "/api/watch")
            await asyncio.sleep(SETTLE_SECONDS)
            opened, before = (web.cpu() - before) / size, web.cpu()
            await asyncio.sleep(IDLE_SECONDS)
            idle, before = (web.cpu() - before) / IDLE_SECONDS, web.cpu()
            for _ in range(PURCHASES):
                await buyer.ask("POST", "/api/purchase", PURCHASE)
                await asyncio.sleep(APART_SECONDS)
            told, memory, sockets = (web.cpu() - before) / PURCHASES, web.memory(), web.sockets()
        await asyncio.sleep(SETTLE_SECONDS)  # closed connections are noticed in a moment, not at once
        costs = [opened / MILLISECOND, 100 * idle, told / MILLISECOND]
        rows.append((size, [*costs, memory, float(sockets), web.memory(), float(web.sockets())]))
    columns = ["open one, ms of CPU", "idle, % of a core", "a purchase, ms of CPU"]
    kept = ["memory, MiB", "open files", "memory after", "open files after"]
    return Table("pages", "Pages open", "pages", [*columns, *kept], rows, columns)
