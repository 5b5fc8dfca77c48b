"""Pages that are open and idle: the CPU time that web.py spends on them."""

import asyncio
import time
from contextlib import AsyncExitStack

from benchmarks.measure import Ratio, Sample, Show
from benchmarks.results import Goal, Result, result
from benchmarks.services import Service, Stage
from benchmarks.wire import Connection

PAGES = 200
ROUNDS = 3
SECONDS = 20.0  # a round; the pages are sent a comment every 15
SETTLE_SECONDS = 2.0  # until all have been told the state
GOAL_PERCENT = 1.0  # of a core


async def spent(web: Service) -> Sample:
    """Wait for a round, and return the CPU time of the service in it, a second."""
    begun, before = time.monotonic(), web.cpu()
    await asyncio.sleep(SECONDS)
    elapsed = time.monotonic() - begun
    return Sample([1.0] * round(elapsed), elapsed, web.cpu() - before)


async def measure(stage: Stage, show: Show) -> Result:
    """Measure the CPU time of web.py without pages, and with so many."""
    web = await stage.web(await stage.mcp(await stage.api()))
    measured: dict[str, list[Sample]] = {"no page": [], f"{PAGES} pages": []}
    async with AsyncExitStack() as stack:
        for name, samples in measured.items():
            if samples is measured[f"{PAGES} pages"]:
                for _ in range(PAGES):
                    page = await stack.enter_async_context(Connection.opened(web.address))
                    await page.start("GET", "/api/watch")
            await asyncio.sleep(SETTLE_SECONDS)
            for number in range(ROUNDS):
                show(f"{name}, round {number + 1}")
                samples.append(await spent(web))
    percents = [sample.cpu / sample.elapsed * 100 for sample in measured[f"{PAGES} pages"]]
    goal = Goal(f"{PAGES} idle pages, of a core", Ratio.of(percents), GOAL_PERCENT, at_most=True, unit="%")
    return result("idle pages: CPU of web.py a second", "ms", measured, [goal])
