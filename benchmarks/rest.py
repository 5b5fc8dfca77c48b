"""The REST service: reading products, buying, and reading orders when there are many."""

from typing import Any

from benchmarks.filling import fill
from benchmarks.measure import Contender, Show, in_turns, side_by_side
from benchmarks.results import Goal, Result, better, result
from benchmarks.services import Service, Stage
from benchmarks.wire import Connection, request

ROUNDS = 5
CONNECTIONS = 16
READS = 2_000  # a round
PURCHASES = 1_500
OLD_ORDERS = {"100 orders": 100, "100,000 orders": 100_000}
ORDER_READS = 300
READ_GOAL, PURCHASE_GOAL, ORDERS_GOAL = 1.5, 1.2, 1.3
PURCHASE = {"customerName": "张三", "items": [{"productId": 1, "quantity": 1}]}


async def requests(
    service: Service, method: str, path: str, body: Any = None, *, count: int, connections: int = CONNECTIONS
) -> Contender:
    """Make a burst of the same request over several connections."""
    opened = [await Connection.open(service.address) for _ in range(connections)]
    data = request(service.address, method, path, body)

    async def call(connection: Connection) -> None:
        answer = await connection.send(data)
        assert answer.status == 200, answer.body

    def bound(connection: Connection) -> Any:
        return lambda: call(connection)

    calls = [bound(connection) for connection in opened]
    return Contender(lambda: side_by_side(calls, count), [service], opened)


async def _both(stage: Stage) -> dict[str, Service]:
    return {
        "tutorial, in memory": await stage.contender("tutorial_api"),
        "the same, no access log": await stage.contender("tutorial_api", env={"ACCESS_LOG": "off"}),
        "ours, on disk": await stage.api(),
    }


async def measure_products(stage: Stage, show: Show) -> Result:
    """Measure `GET /api/products`."""
    services = await _both(stage)
    env = {"DATABASE_URL": f"sqlite:///{stage.folder / 'own.db'}"}
    services["ours, uvicorn's own protocol"] = await stage.contender("our_api", env=env)
    contenders = {
        name: await requests(service, "GET", "/api/products", count=READS)
        for name, service in services.items()
    }
    measured = await in_turns(contenders, ROUNDS, show)
    ratio = better(measured["ours, on disk"], measured["tutorial, in memory"], "/s")
    return result("GET /api/products", "/s", measured, [Goal("GET /api/products", ratio, READ_GOAL)])


async def measure_purchase(stage: Stage, show: Show) -> Result:
    """Measure `POST /api/purchase`: ours on disk and synced, theirs in memory."""
    contenders = {
        name: await requests(service, "POST", "/api/purchase", PURCHASE, count=PURCHASES)
        for name, service in (await _both(stage)).items()
    }
    measured = await in_turns(contenders, ROUNDS, show)
    ratio = better(measured["ours, on disk"], measured["tutorial, in memory"], "/s")
    return result("POST /api/purchase", "/s", measured, [Goal("POST /api/purchase", ratio, PURCHASE_GOAL)])


async def measure_orders(stage: Stage, show: Show) -> Result:
    """Measure `GET /api/orders` against the number of orders that there are."""
    contenders = {}
    for name, orders in OLD_ORDERS.items():
        service = await stage.api(f"orders-{orders}.db")
        show(f"writing {name}")
        await fill(stage.folder / f"orders-{orders}.db", orders)
        contenders[name] = await requests(service, "GET", "/api/orders", count=ORDER_READS, connections=1)
    measured = await in_turns(contenders, ROUNDS, show)
    few, many = measured.values()
    goal = Goal(
        "GET /api/orders, 100,000 orders against 100", better(few, many, "ms"), ORDERS_GOAL, at_most=True
    )
    return result("GET /api/orders, one by one", "ms", measured, [goal])
