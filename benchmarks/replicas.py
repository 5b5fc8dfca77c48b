"""What 1, 2 and 3 replicas cost on PostgreSQL: CPU time of each service a turn, a call and a purchase.

`uv run python -m benchmarks.replicas` prints a table for docs/deploy.md. Only CPU time and
memory are told: one machine cannot show by the clock what several do.
"""

import asyncio
import itertools
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import side_by_side
from benchmarks.services import ROOT, Service, Stage, free_port, stage, until_tools
from benchmarks.wire import Connection, request
from tests.support.engines import PostgresServer

REPLICAS = (1, 2, 3)
AT_ONCE = 8  # requests, at each replica
WARM, COUNT = 20, 150  # requests, at each replica
TURN = {"messages": [{"role": "user", "content": "有哪些商品？"}]}
CALL = {"server": "product-mcp", "name": "get_products", "args": {"limit": 10}}
TICKS = 100  # a second, of /proc (USER_HZ)


def order(product: int) -> dict[str, object]:
    """Return what orders one piece."""
    return {"customerName": "Mei", "items": [{"productId": product, "quantity": 1}]}


def purchase(product: int) -> dict[str, object]:
    """Return a call of the tool that orders one piece."""
    return {"server": "product-mcp", "name": "create_purchase", "args": {"input_data": order(product)}}


def database_cpu(folder: str) -> float:
    """Return the CPU time of PostgreSQL's processes, in seconds: those whose folder is its data."""
    spent = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str((process / "cwd").readlink()).startswith(folder):
                after_name = (process / "stat").read_text().rpartition(")")[2].split()
                spent += int(after_name[11]) + int(after_name[12])
        except OSError:
            continue  # it has ended
    return spent / TICKS


async def started(stage: Stage, count: int, database: str) -> dict[str, list[Service]]:
    """Start so many of each service, one behind another, on one database."""
    services: dict[str, list[Service]] = {"api": [], "main": [], "web": []}
    shared = {"CATALOG": stage.catalogue(1000)}
    for _ in range(count):
        env = {"DATABASE_URL": database}
        for name, found in services.items():
            port = free_port()
            if name == "main":
                env = {"API_URL": f"{services['api'][-1].url}/api"}
            if name == "web":
                env = stage.web_settings(services["main"][-1]) | {"WEB_SECRET": "w" * 32}
            command = (str(ROOT / f"{name}.py"), "--port", str(port))
            found.append(stage.start(*command, name=name, port=port, env=shared | env))
            await found[-1].until_up()
        await until_tools(services["web"][-1])
    return services


async def spent(
    services: dict[str, list[Service]], folder: str, name: str, path: str, bodies: Sequence[object]
) -> list[float]:
    """Return CPU milliseconds of web, main, api and database for a request to each replica of a service."""
    connections = [await Connection.open(one.address) for one in services[name] for _ in range(AT_ONCE)]
    turns = itertools.cycle(bodies)

    async def ask(connection: Connection) -> None:
        answer = await connection.send(request(connection.address, "POST", path, next(turns)))
        assert answer.status == 200, answer.body
        assert b'"isError":true' not in answer.body, answer.body

    def used() -> list[float]:
        ours = [sum(one.cpu() for one in services[kind]) for kind in ("web", "main", "api")]
        return [*ours, database_cpu(folder)]

    calls = [lambda one=connection: ask(one) for connection in connections]
    count = COUNT * len(services[name])
    await side_by_side(calls, WARM * len(services[name]))
    before = used()
    await side_by_side(calls, count)
    for connection in connections:
        connection.close()
    return [(after - begun) / count * 1000 for begun, after in zip(before, used(), strict=True)]


async def main() -> None:
    """Print the table."""
    server = PostgresServer()
    try:
        print("| of each | what | web.py | main.py | api.py | PostgreSQL | MiB web, main, api |")
        for count in REPLICAS:
            with tempfile.TemporaryDirectory() as folder, stage(Path(folder)) as it:
                services = await started(it, count, server.whole_database())
                data = server.folder
                every = range(1, 1001)
                hot, spread = [purchase(1)], [purchase(n) for n in every]
                kinds: dict[str, tuple[str, str, list[object]]] = {
                    "turn with one call": ("web", "/api/chat/stream", [TURN]),
                    "call": ("web", "/api/call-tool", [CALL]),
                    "purchase, 1,000 products": ("web", "/api/call-tool", [*spread]),
                    "purchase, one product": ("web", "/api/call-tool", [*hot]),
                    "REST purchase, 1,000 products": (
                        "api",
                        "/api/purchase",
                        [order(n) for n in every],
                    ),
                    "REST purchase, one product": ("api", "/api/purchase", [order(1)]),
                }
                for kind, (name, path, bodies) in kinds.items():
                    costs = await spent(services, str(data), name, path, bodies)
                    sizes = ", ".join(f"{services[one][0].memory():.0f}" for one in ("web", "main", "api"))
                    row = " | ".join(f"{cost:.2f}" for cost in costs)
                    print(f"| {count} | {kind} | {row} | {sizes} |", flush=True)
    finally:
        server.remove()


if __name__ == "__main__":
    asyncio.run(main())
