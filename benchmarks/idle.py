"""Pages that are open and idle: the CPU time that web.py spends on them."""

import asyncio
import time
from contextlib import AsyncExitStack

from benchmarks.measure import Show
from benchmarks.results import Figure, Result
from benchmarks.services import Service, Stage
from benchmarks.wire import Connection

PAGES = 200
ROUNDS = 3
SECONDS = 20.0  # a round; the pages are sent a comment every 15
SETTLE_SECONDS = 2.0  # until all have been told the state
MARK_PERCENT = 1.0  # of a core


async def spent(web: Service) -> float:
    """Wait for a round, and return the CPU time of the service in it, in percent of a core."""
    begun, before = time.monotonic(), web.cpu()
    await asyncio.sleep(SECONDS)
    return (web.cpu() - before) / (time.monotonic() - begun) * 100


async def measure(stage: Stage, show: Show) -> Result:
    """Measure the CPU time of web.py without pages, and with so many."""
    web = await stage.web(await stage.mcp(await stage.api()))
    percents: dict[int, list[float]] = {0: [], PAGES: []}
    async with AsyncExitStack() as stack:
        for pages, found in percents.items():
            for _ in range(pages):
                page = await stack.enter_async_context(Connection.opened(web.address))
                await page.start("GET", "/api/watch")
            await asyncio.sleep(SETTLE_SECONDS)
            for number in range(ROUNDS):
                show(f"{pages} pages, round {number + 1}/{ROUNDS}")
                found.append(await spent(web))
    figures = [
        Figure("`web.py` while no page is open, of a core", [percents[0]], unit="%"),
        Figure(f"`web.py` while {PAGES} pages are open and idle", [percents[PAGES]], MARK_PERCENT, "%"),
    ]
    return Result("idle pages", figures)
