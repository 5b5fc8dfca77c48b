"""Half an hour of mixed load through the whole chain, by hand: `python -m benchmarks.soak [MINUTES]`.

Two of each service behind nginx, or HAProxy, as `deploy/` has them, of which one after another is stopped and
started again. It ends with a verdict, and with status 1 unless no answer was other than it had to be; each
service ended only when asked to, and in time; the logs hold no warning and no traceback; the shop's books are
true, with every acknowledged order once and no other; and memory and open files stay (`held.py`).
"""

import argparse
import asyncio
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.held import Held
from benchmarks.pairs import PROXIES, Pairs, pairs
from benchmarks.services import PLENTY, ROOT, Stage, stage
from benchmarks.visits import BUYER, LEAVER, PRICES, Visits
from benchmarks.wire import Connection

MINUTES = 30.0
WORKERS = 8
RESTART_SECONDS = 20.0  # between two
LOOK_SECONDS = 15.0
QUIET_SECONDS = 30.0  # after which what was open is closed
PAGE = 500
CENT = 0.01
MINUTE = 60.0
SHOWN = 20  # faults of a kind that are printed
WRONG_IN_LOGS = re.compile(
    r"Traceback|^\S+ \S+ (?:WARNING|ERROR|CRITICAL) .*|.*\[(?:error|crit|alert|emerg|ALERT)\].*", re.MULTILINE
)
OF_RESTARTS = (  # what nginx says of one, and the SDK of a session that ended with its replica
    "connect() failed (111: Connection refused) while connecting to upstream",
    "WARNING mcp.server.sse: Could not find session for ID",
)


async def look_on(at: Pairs, visits: Visits, held: Held, began: float, until: float) -> None:
    """Print now and then what was done, and what each service holds."""
    while (now := time.monotonic()) < until:
        held_now = held.look((now - began) / MINUTE, at.there())
        done = f"{visits.done.total():7,} done  {len(visits.errors)} errors"
        print(f"{until - now:4.0f} s left  {done}  {held_now}", flush=True)
        await asyncio.sleep(min(LOOK_SECONDS, until - now))


async def wrong_books(at: Pairs, visits: Visits) -> list[str]:
    """Return what is wrong with the shop's books: stock, totals, and whose orders are there how often."""
    async with Connection.opened(at.shop) as connection:
        stock = (await connection.ask("GET", "/api/inventory")).json()
        orders: list[dict[str, Any]] = []
        while page := (await connection.ask("GET", f"/api/orders?limit={PAGE}&offset={len(orders)}")).json():
            orders += page
    print(f"{len(orders):,} orders, {len(visits.orders):,} of them acknowledged to a buyer who stayed")
    there = Counter(order["id"] for order in orders)
    bought = {order["id"] for order in orders if order["customerName"] == BUYER}
    left = sum(order["customerName"] == LEAVER for order in orders)
    wrong = [f"order {id_} was acknowledged and is missing" for id_ in visits.orders - bought]
    wrong += [f"order {id_} is there {count} times" for id_, count in there.items() if count > 1]
    wrong += [f"order {id_} was never acknowledged" for id_ in bought - visits.orders]
    if left > visits.left or len(bought) + left != len(there):
        wrong.append(f"{len(there) - len(bought)} orders of {visits.left} who left")
    return wrong + wrong_sums(stock, orders)


def wrong_sums(stock: list[dict[str, Any]], orders: list[dict[str, Any]]) -> list[str]:
    """Return the orders whose total is wrong, and the products whose stock and sales do not add up."""
    sold: Counter[int] = Counter()
    wrong = []
    for order in orders:
        total = sum(PRICES[line["productId"]] * line["quantity"] for line in order["items"])
        if abs(total - order["totalAmount"]) > CENT / 2:
            wrong.append(f"order {order['id']}: {order['totalAmount']} in place of {total}")
        for line in order["items"]:
            sold[line["productId"]] += line["quantity"]
    left = {item["productId"]: PLENTY - item["quantity"] for item in stock}
    return wrong + [
        f"product {id_}: {left[id_]} gone, {sold[id_]} sold" for id_ in left if left[id_] != sold[id_]
    ]


async def wrong_rules(services: Stage, at: Pairs) -> list[str]:
    """Return what `api.py check`, which knows the shop's rules and its ledger, finds wrong."""
    checking = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "api.py"), "check"),
        env=services.environment() | at.database,
        cwd=services.folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await checking.communicate()
    return [said.decode()] if checking.returncode else []


def wrong_in_logs(folder: Path) -> list[str]:
    """Return the warnings, errors and tracebacks of all logs, each with how often it is there."""
    found = Counter(
        f"{file.name}: {match[0]}"
        for file in sorted(folder.glob("*.log"))
        for match in WRONG_IN_LOGS.finditer(file.read_text())
        if not any(said in match[0] for said in OF_RESTARTS)
    )
    return [f"{said} ({count} times)" for said, count in found.items()]


async def soak(services: Stage, minutes: float, proxy: str) -> bool:
    """Run, and return whether all was as it has to be."""
    at = await pairs(services, proxy)
    visits, held, began = Visits(at), Held(), time.monotonic()
    until = began + minutes * MINUTE
    async with asyncio.TaskGroup() as group:
        group.create_task(look_on(at, visits, held, began, until))
        group.create_task(at.restart_in_turn(until, RESTART_SECONDS))
        for _ in range(WORKERS):
            group.create_task(visits.go_on(until))
    await asyncio.sleep(QUIET_SECONDS)
    held.look((time.monotonic() - began) / MINUTE, at.there())
    print(f"done: {dict(visits.done)}; {await at.tokens()} tokens given\nrestarts: {dict(at.restarts)}")
    print(f"ended with their replica, as they have to: {dict(visits.cut_off)}")
    faults = {
        "answers": visits.errors,
        "services": at.faults,
        "logs": wrong_in_logs(services.folder),
        "books": await wrong_books(at, visits) + await wrong_rules(services, at),
        "memory and files": held.faults(at.services),
    }
    for kind, wrong in faults.items():
        print(f"{kind}: {f'{len(wrong)} WRONG' if wrong else 'right'}", *wrong[:SHOWN], sep="\n  ")
    is_right = not any(faults.values())
    but = "" if held.is_judged(at.services) else ", memory not judged: too short"
    print(
        f"VERDICT after {minutes:g} minutes behind {proxy}: {'right' if is_right else 'WRONG'}{but}",
        flush=True,
    )
    return is_right


async def _run(minutes: float, proxy: str) -> bool:
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder, stage(Path(folder)) as services:
        return await soak(services, minutes, proxy)


def main() -> None:
    """Read the command line and run; the status says whether anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("minutes", nargs="?", type=float, default=MINUTES)
    parser.add_argument("--proxy", choices=list(PROXIES), default="nginx")
    given = parser.parse_args()
    sys.exit(0 if uvloop.run(_run(given.minutes, given.proxy)) else 1)


if __name__ == "__main__":
    main()
