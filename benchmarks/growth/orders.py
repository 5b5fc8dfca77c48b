"""Cost against the number of orders in the database."""

from urllib.parse import quote

from benchmarks.filling import fill
from benchmarks.growth.table import Table
from benchmarks.measure import MILLISECOND, Contender, Show, in_turns
from benchmarks.rest import PURCHASE, requests
from benchmarks.services import Service, Stage

SIZES = (100, 1_000, 10_000, 100_000, 1_000_000)
ROUNDS = 3
REQUESTS = 200  # a round
SUMMARIES, LAST_PAGES = 1, 10
CUSTOMER = "客户 3"  # has twenty orders, however many there are
MIB = 2**20


async def _contenders(service: Service, size: int) -> dict[str, Contender]:
    one_customer = f"/api/orders?customerName={quote(CUSTOMER)}"
    reads = {
        "newest 100": ("/api/orders", REQUESTS),
        "one customer's 20": (one_customer, REQUESTS),
        "fifth page of 20": ("/api/orders?limit=20&offset=80", REQUESTS),
        "last page of 20": (f"/api/orders?limit=20&offset={size - 20}", LAST_PAGES),
        "summary of all": ("/api/orders/summary", SUMMARIES),
        "summary by day": ("/api/orders/summary?groupBy=day", SUMMARIES),
        "newest 100 of a ledger": ("/api/inventory/3/moves", REQUESTS),
    }
    found = {
        name: await requests(service, "GET", path, count=count, connections=1)
        for name, (path, count) in reads.items()
    }
    for name, path, body in (
        ("purchase", "/api/purchase", PURCHASE),
        ("delivery", "/api/inventory/3/moves", {"change": 1}),
    ):
        found[name] = await requests(service, "POST", path, body, count=REQUESTS, connections=1)
    return found


async def measure(stage: Stage, show: Show) -> Table:
    """Measure medians in ms of CPU, one after another; each size is a service and a file of its own."""
    contenders: dict[tuple[int, str], Contender] = {}
    services = {}
    for size in SIZES:
        show(f"writing {size:,} orders")
        services[size] = await stage.api(f"orders-{size}.db", keeps=False)
        await fill(stage.folder / f"orders-{size}.db", size)
        for name, contender in (await _contenders(services[size], size)).items():
            contenders[size, name] = contender
    measured = await in_turns(
        {f"{n:,} orders, {what}": c for (n, what), c in contenders.items()}, ROUNDS, show
    )
    medians = {
        key: sorted(sample.cpu / len(sample.each) / MILLISECOND for sample in samples)[ROUNDS // 2]
        for key, samples in zip(contenders, measured.values(), strict=True)
    }
    columns = list(dict.fromkeys(name for _, name in contenders))
    rows = [
        (
            size,
            [medians[size, name] for name in columns]
            + [services[size].memory(), (stage.folder / f"orders-{size}.db").stat().st_size / MIB],
        )
        for size in SIZES
    ]
    names = [f"{name}, ms of CPU" for name in columns]
    return Table(
        "orders", "Orders in the database", "orders", [*names, "memory, MiB", "file, MiB"], rows, names
    )
