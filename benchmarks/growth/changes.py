"""Cost of telling what has changed, against the number of those who listen."""

import asyncio
import time
from contextlib import AsyncExitStack

from benchmarks.growth.table import Table
from benchmarks.measure import MILLISECOND, Show
from benchmarks.rest import PURCHASE
from benchmarks.services import Service, Stage
from benchmarks.wire import Connection

SIZES = (1, 10, 100, 500)
PURCHASES = 10
IDLE_SECONDS = 5.0


async def _listeners(service: Service, number: int, stack: AsyncExitStack) -> list[Connection]:
    opened = []
    for _ in range(number):
        connection = await stack.enter_async_context(Connection.opened(service.address))
        await connection.start("GET", "/api/changes")
        await connection.until(b"kinds")
        opened.append(connection)
    return opened


async def _row(service: Service, number: int) -> list[float]:
    """Return ms until the last has heard of a purchase, the CPU ms of that, and % of a core while idle."""
    async with AsyncExitStack() as stack:
        buyer = await stack.enter_async_context(Connection.opened(service.address))
        listeners = await _listeners(service, number, stack)
        before = service.cpu()
        await asyncio.sleep(IDLE_SECONDS)
        idle = service.cpu() - before
        took, before = [], service.cpu()
        for _ in range(PURCHASES):
            heard = [listener.until(b"kinds", len(listener.body)) for listener in listeners]
            began = time.perf_counter()
            await buyer.ask("POST", "/api/purchase", PURCHASE)
            await asyncio.gather(*heard)
            took.append(time.perf_counter() - began)
        cpu = (service.cpu() - before) / PURCHASES
    return [sorted(took)[PURCHASES // 2] / MILLISECOND, cpu / MILLISECOND, 100 * idle / IDLE_SECONDS]


async def measure(stage: Stage, show: Show) -> Table:
    """Measure a purchase until all have heard of it, which a look each 0.2 s bounds from below."""
    rows = []
    for size in SIZES:
        show(f"{size} listeners")
        rows.append((size, await _row(await stage.api(), size)))
    columns = ["purchase until all have heard, ms", "CPU of that, ms", "idle, % of a core"]
    return Table("changes", "Listeners to changes", "listeners", columns, rows)
