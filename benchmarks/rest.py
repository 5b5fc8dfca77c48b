"""The REST service: reading products, buying, and reading orders when there are many."""

from typing import Any

from benchmarks.filling import fill
from benchmarks.measure import Contender, Show, in_turns, side_by_side
from benchmarks.results import Figure, Result, against_each
from benchmarks.services import Service, Stage
from benchmarks.wire import Connection, request

ROUNDS = 5
CONNECTIONS = 16
READS = 2_000  # a round
PURCHASES = 1_500
OLD_ORDERS = {"100 orders": 100, "100,000 orders": 100_000}
ORDER_READS, SEARCH_READS = 300, 200
TUTORIAL = "tutorial, in memory"
READ_MARKS, PURCHASE_MARKS = {TUTORIAL: 1.5}, {TUTORIAL: 1.2}
ORDERS_MARK = 1.3  # times
PRODUCTS = 10_000
SEARCHES = {
    "search that finds one": "/api/products?query=%E5%95%86%E5%93%81+88",  # 商品 88
    "search that finds all": "/api/products?query=%E8%BD%BB%E8%96%84",  # 轻薄
}
SEARCH_MARK = 5.0  # ms
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
        TUTORIAL: await stage.contender("tutorial_api"),
        "the same without its log": await stage.contender("tutorial_api", env={"ACCESS_LOG": "off"}),
        "ours, on disk": await stage.api(),
    }


async def measure_products(stage: Stage, show: Show) -> Result:
    """Measure `GET /api/products`."""
    env = {"DATABASE_URL": f"sqlite:///{stage.folder / 'own.db'}"}
    services = {"ours with uvicorn's own protocol": await stage.contender("our_api", env=env)}
    services |= {"ours, no list kept": await stage.api(keeps=False)} | await _both(stage)
    contenders = {
        name: await requests(service, "GET", "/api/products", count=READS)
        for name, service in services.items()
    }
    measured = await in_turns(contenders, ROUNDS, show)
    return against_each("`GET /api/products`, ours on disk", "/s", measured, READ_MARKS, "api.py")


async def measure_purchase(stage: Stage, show: Show) -> Result:
    """Measure `POST /api/purchase`: ours on disk and synced, theirs in memory."""
    contenders = {
        name: await requests(service, "POST", "/api/purchase", PURCHASE, count=PURCHASES)
        for name, service in (await _both(stage)).items()
    }
    measured = await in_turns(contenders, ROUNDS, show)
    return against_each("`POST /api/purchase`, ours on disk", "/s", measured, PURCHASE_MARKS, "api.py")


async def measure_orders(stage: Stage, show: Show) -> Result:
    """Measure `GET /api/orders` against the number of orders that there are."""
    contenders = {}
    for name, orders in OLD_ORDERS.items():
        service = await stage.api(f"orders-{orders}.db", keeps=False)
        show(f"writing {name}")
        await fill(stage.folder / f"orders-{orders}.db", orders)
        contenders[name] = await requests(service, "GET", "/api/orders", count=ORDER_READS, connections=1)
    measured = await in_turns(contenders, ROUNDS, show)
    times = [many.median / few.median for few, many in zip(*measured.values(), strict=True)]
    figure = Figure("`GET /api/orders` with 100,000 orders: times of that with 100", [times], ORDERS_MARK)
    return Result("`GET /api/orders`, one by one", [figure], "ms", measured, "api.py")


async def measure_search(stage: Stage, show: Show) -> Result:
    """Measure a search in a large catalogue, by what it finds."""
    service = await stage.api(catalogue=stage.catalogue(PRODUCTS), keeps=False)
    contenders = {
        name: await requests(service, "GET", path, count=SEARCH_READS, connections=1)
        for name, path in SEARCHES.items()
    }
    measured = await in_turns(contenders, ROUNDS, show)
    figures = [
        Figure(f"{name} in 10,000 products", [[each.median for each in samples]], SEARCH_MARK, "ms")
        for name, samples in measured.items()
    ]
    return Result("search in 10,000 products, one by one", figures, "ms", measured, "api.py")
