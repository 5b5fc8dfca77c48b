"""Cost against the number of products in the catalogue."""

from functools import partial

from benchmarks.growth.table import Table
from benchmarks.mcp_wire import ModernClient
from benchmarks.measure import MILLISECOND, Contender, Show, in_turns, one_by_one
from benchmarks.rest import PURCHASE, requests
from benchmarks.services import Stage

SIZES = (4, 100, 1_000, 10_000, 100_000)
ROUNDS = 3
REQUESTS = 200  # a round
READS = {
    "first 100": "/api/products",
    "search": "/api/products?query=galaxy",
    "search for what all share": "/api/products?query=%E8%BD%BB%E8%96%84",  # 轻薄
    "search for one of all": "/api/products?query=%E5%95%86%E5%93%81+88",  # 商品 88
    "stock of one": "/api/inventory?productId=3",
}


async def measure(stage: Stage, show: Show) -> Table:
    """Measure medians in ms of CPU, one after another; each size is a chain of services of its own."""
    contenders: dict[tuple[int, str], Contender] = {}
    services = {}
    for size in SIZES:
        show(f"starting with {size:,} products")
        services[size] = api = await stage.api(catalogue=stage.catalogue(size), keeps=False)
        for name, path in READS.items():
            contenders[size, name] = await requests(api, "GET", path, count=REQUESTS, connections=1)
        buying = await requests(api, "POST", "/api/purchase", PURCHASE, count=REQUESTS, connections=1)
        contenders[size, "purchase"] = buying
        mcp = await stage.mcp(api)
        client = await ModernClient.open(mcp.address, "get_products")
        contenders[size, "first 100 by MCP"] = Contender(
            partial(one_by_one, client.call, REQUESTS), [mcp], [client]
        )
    measured = await in_turns(
        {f"{n:,} products, {what}": c for (n, what), c in contenders.items()}, ROUNDS, show
    )
    medians = {
        key: sorted(sample.cpu / len(sample.each) / MILLISECOND for sample in samples)[ROUNDS // 2]
        for key, samples in zip(contenders, measured.values(), strict=True)
    }
    columns = list(dict.fromkeys(name for _, name in contenders))
    rows = [(size, [*(medians[size, name] for name in columns), services[size].memory()]) for size in SIZES]
    names = [f"{name}, ms of CPU" for name in columns]
    memory = "memory of api.py, MiB"
    return Table("products", "Products in the catalogue", "products", [*names, memory], rows, names)
