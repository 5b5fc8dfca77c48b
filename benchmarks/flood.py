"""A neighbour's streamed turn alone, and beside 64 that one client asks for at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.measure import Contender, Sample, Show, in_turns, one_by_one
from benchmarks.results import Figure, Result
from benchmarks.services import Stage
from benchmarks.tool_call import ALL_THREE, ours
from benchmarks.wire import Connection, request

ROUNDS = 5
TURNS = 20  # of the neighbour, a round
AT_ONCE = 64
MARK = 3.0
TURN = {"messages": [{"role": "user", "content": "有哪些商品？"}]}


async def take(connection: Connection, data: bytes) -> None:
    """Take one turn."""
    answer = await connection.send(data)
    assert answer.status == 200, answer.body


@asynccontextmanager
async def flood(connections: list[Connection], data: bytes) -> AsyncIterator[None]:
    """Ask for a turn over each connection, again and again."""
    is_over = asyncio.Event()

    async def ask(connection: Connection) -> None:
        await connection.keep()
        while not is_over.is_set():
            await take(connection, data)

    async with asyncio.TaskGroup() as group:
        for connection in connections:
            group.create_task(ask(connection))
        yield
        is_over.set()


async def measure(stage: Stage, show: Show) -> Result:
    """Measure the median of the neighbour's turns, one after another."""
    services = await ours(stage)
    address = services[-1].address
    neighbour = await Connection.open(address)
    cookie = (await neighbour.ask("GET", "/")).headers["set-cookie"].partition(";")[0]
    of_flood = request(address, "POST", "/api/chat/stream", TURN, {"Cookie": cookie})
    of_neighbour = request(address, "POST", "/api/chat/stream", TURN)
    connections = [await Connection.open(address) for _ in range(AT_ONCE)]

    async def alone() -> Sample:
        return await one_by_one(lambda: take(neighbour, of_neighbour), TURNS)

    async def beside() -> Sample:
        async with flood(connections, of_flood):
            return await alone()

    bursts = {"alone": alone, "beside 64 of one client": beside}
    contenders = {name: Contender(burst, services, [neighbour]) for name, burst in bursts.items()}
    measured = await in_turns(contenders, ROUNDS, show)
    times = [b.median / a.median for a, b in zip(*measured.values(), strict=True)]
    figure = Figure("a streamed turn beside 64 of another client: times of one alone", [times], MARK)
    return Result("a neighbour's streamed turn", [figure], "ms", measured, ALL_THREE)
