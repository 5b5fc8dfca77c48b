"""The page's files, which a browser asks for all at once: ours against Starlette's `StaticFiles`."""

from functools import partial

from assistant.page.page_files import PUBLIC
from benchmarks.measure import Contender, Show, in_turns, side_by_side
from benchmarks.results import Result, against_each
from benchmarks.services import Service, Stage
from benchmarks.wire import Connection, request

ROUNDS = 5
LOADS = 30  # of the whole page, a round
CONNECTIONS = 6  # as a browser opens


async def loads(service: Service) -> Contender:
    """Make a burst of loads of all files over as many connections as a browser has."""
    connections = [await Connection.open(service.address) for _ in range(CONNECTIONS)]
    names = [f"/static/{path.name}" for path in PUBLIC.iterdir()]
    asked = [request(service.address, "GET", name) for name in names]

    async def load(connection: Connection) -> None:
        for data in asked:
            assert (await connection.send(data)).status == 200

    calls = [partial(load, connection) for connection in connections]
    return Contender(lambda: side_by_side(calls, LOADS), [service], connections)


async def measure(stage: Stage, show: Show) -> Result:
    """Measure one load of all files."""
    contenders = {
        "StaticFiles": await loads(await stage.contender("page_files", "plain", path="/static/app.js")),
        "ours": await loads(await stage.contender("page_files", "ours", path="/static/app.js")),
    }
    measured = await in_turns(contenders, ROUNDS, show)
    return against_each("all files of the page", "ms", measured, {}, "the one service")
