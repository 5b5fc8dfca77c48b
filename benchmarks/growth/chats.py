"""Cost against the number of conversations that go on at once."""

import asyncio
import time

from benchmarks.growth.table import Table
from benchmarks.measure import MILLISECOND, Sample, Show, percentile
from benchmarks.services import Service, Stage
from benchmarks.tool_call import ours
from benchmarks.wire import Address, BadAnswerError, Connection

SIZES = (1, 10, 50, 100, 200)
TURNS = 3  # of each conversation
QUESTION = {"messages": [{"role": "user", "content": "有哪些商品？"}]}
SETTLE_SECONDS = 1.0


async def converse(address: Address, turns: int) -> list[float]:
    """Ask so many times over one connection, each time to the end; return the seconds of each."""
    took = []
    async with Connection.opened(address) as connection:
        for _ in range(turns):
            began = time.perf_counter()
            answer = await connection.ask("POST", "/api/chat/stream", QUESTION)
            if b'"reason": "stop"' not in answer.body or "智能手表".encode() not in answer.body:
                raise BadAnswerError(answer.body[-300:].decode(errors="replace"))
            took.append(time.perf_counter() - began)
    return took


async def _at_once(web: Service, conversations: int) -> Sample:
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(converse(web.address, TURNS)) for _ in range(conversations)]
    each = [seconds for task in tasks for seconds in task.result()]
    return Sample(each, time.perf_counter() - began)


async def measure(stage: Stage, show: Show) -> Table:
    """Measure turns with the demo model: a question, a tool call, a streamed answer."""
    api, mcp, web = await ours(stage)
    await _at_once(web, SIZES[-1])  # so that the first row, too, finds everything warm
    rows = []
    for size in SIZES:
        show(f"{size} conversations")
        sample = await _at_once(web, size)
        await asyncio.sleep(SETTLE_SECONDS)  # closed connections are noticed in a moment, not at once
        memory = sum(service.memory() for service in (api, mcp, web))
        sockets = sum(service.sockets() for service in (api, mcp, web))
        p95 = percentile(sample.each, 95) / MILLISECOND
        rows.append((size, [sample.median, p95, sample.median / size, sample.rate, memory, sockets]))
    columns = ["median, ms", "p95, ms", "median of one's share, ms", "turns a second"]
    return Table(
        "chats",
        "Conversations at once",
        "conversations",
        [*columns, "memory after, MiB", "open files after"],
        rows,
        columns,
    )
