"""Ten minutes of mixed load through the whole chain, by hand: `python -m benchmarks.soak [MINUTES]`.

No error but the deliberate ones, memory that stays, and a shop whose books are true at the end.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.mcp_wire import HandshakeClient, ModernClient, SseClient
from benchmarks.services import PLENTY, Service, Stage, stage
from benchmarks.tool_call import ours
from benchmarks.wire import BadAnswerError, Connection

MINUTES = 10.0
WORKERS = 8
LOOK_SECONDS = 15.0
SHARES = {"chat": 4, "purchase": 3, "tool": 4, "mcp": 3, "leave": 2, "too many": 1}
QUESTIONS = ("有哪些商品？", "还有多少库存？", "我预算 1000 元，想要降噪耳机", "按商品汇总一下订单", "谢谢")
BUYER = "客户甲"
PAGE = 500
CENT = 0.01
SHOWN = 1_000  # characters of a log before a traceback


@dataclass
class Soak:
    """What was done, what went wrong, and what was bought."""

    api: Service
    mcp: Service
    web: Service
    done: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    orders: set[int] = field(default_factory=set)
    dice: random.Random = field(default_factory=lambda: random.Random(8))

    async def chat(self) -> None:
        """Ask one question, to the end of the answer."""
        messages = [{"role": "user", "content": self.dice.choice(QUESTIONS)}]
        async with Connection.opened(self.web.address) as connection:
            answer = await connection.ask("POST", "/api/chat/stream", {"messages": messages})
        if b'"reason": "stop"' not in answer.body:
            raise BadAnswerError(answer.body[-300:].decode(errors="replace"))

    async def purchase(self) -> None:
        """Buy through the whole chain, as a program that uses the web service's tools by hand."""
        items = [{"productId": self.dice.randint(1, 4), "quantity": self.dice.randint(1, 3)}]
        answer = await self._call("create_purchase", {"input_data": {"customerName": BUYER, "items": items}})
        if answer["isError"]:
            raise BadAnswerError(answer["result"])
        self.orders.add(json.loads(answer["result"])["id"])

    async def too_many(self) -> None:
        """Ask for more than there is: the deliberate error."""
        items = [{"productId": 1, "quantity": 1_000_000} for _ in range(20)]
        answer = await self._call("create_purchase", {"input_data": {"customerName": BUYER, "items": items}})
        if not answer["isError"] or "库存不足" not in answer["result"]:
            raise BadAnswerError(answer["result"])

    async def tool(self) -> None:
        """Call a reading tool by hand."""
        answer = await self._call(self.dice.choice(("get_products", "get_inventory", "get_orders")), {})
        if answer["isError"]:
            raise BadAnswerError(answer["result"])

    async def mcp_client(self) -> None:
        """Connect as another host does, call, and go."""
        kind = self.dice.choice((ModernClient, HandshakeClient, SseClient))
        client = await kind.open(self.mcp.address, "get_products")
        for _ in range(3):
            await client.call()
        await client.close()

    async def leave(self) -> None:
        """Go away in the middle: of an answer, or of a purchase that must then be whole or not at all."""
        async with Connection.opened(self.web.address) as connection:
            if self.dice.random() < 0.5:
                messages = [{"role": "user", "content": QUESTIONS[0]}]
                await connection.start("POST", "/api/chat/stream", {"messages": messages})
                return
            items = [{"productId": 2, "quantity": 1}]
            args = {"input_data": {"customerName": "客户乙", "items": items}}
            call = {"server": "product-mcp", "name": "create_purchase", "args": args}
            asked = asyncio.ensure_future(connection.start("POST", "/api/call-tool", call))
            await asyncio.wait([asked], timeout=self.dice.random() / 100)
            connection.close()
            await asyncio.gather(asked, return_exceptions=True)

    async def _call(self, name: str, args: dict[str, Any]) -> dict[str, Any]:
        async with Connection.opened(self.web.address) as connection:
            body = {"server": "product-mcp", "name": name, "args": args}
            answer: dict[str, Any] = (await connection.ask("POST", "/api/call-tool", body)).json()
            return answer

    async def work(self, until: float) -> None:
        """Do one thing after another, mixed by the shares."""
        things: dict[str, Callable[[], Awaitable[None]]] = {
            "chat": self.chat,
            "purchase": self.purchase,
            "tool": self.tool,
            "mcp": self.mcp_client,
            "leave": self.leave,
            "too many": self.too_many,
        }
        while time.monotonic() < until:
            (what,) = self.dice.choices(list(SHARES), list(SHARES.values()))
            try:
                await things[what]()
            except (BadAnswerError, OSError, EOFError, TimeoutError) as error:
                self.errors.append(f"{what}: {type(error).__name__} {error}")
            self.done[what] += 1

    async def watch(self, until: float) -> None:
        """Print now and then how much memory and how many files each service holds."""
        while time.monotonic() < until:
            held = "  ".join(
                f"{service.name} {service.memory():.0f} MiB {service.sockets()} files"
                for service in (self.api, self.mcp, self.web)
            )
            left = max(0.0, until - time.monotonic())
            print(
                f"{left:4.0f} s left  {self.done.total():7,} done  {len(self.errors)} errors  {held}",
                flush=True,
            )
            await asyncio.sleep(min(LOOK_SECONDS, left))

    async def books(self) -> list[str]:
        """Return what is wrong with the shop's books: stock, totals, and orders that were acknowledged."""
        async with Connection.opened(self.api.address) as connection:
            stock = (await connection.ask("GET", "/api/inventory")).json()
            orders: list[dict[str, Any]] = []
            while page := (
                await connection.ask("GET", f"/api/orders?limit={PAGE}&offset={len(orders)}")
            ).json():
                orders += page
        print(f"{len(orders):,} orders, {len(self.orders):,} of them acknowledged to a buyer who stayed")
        bought = Counter(order["id"] for order in orders)
        missing = [f"order {id_} was acknowledged and is missing" for id_ in self.orders - set(bought)]
        doubled = [f"order {id_} is there {count} times" for id_, count in bought.items() if count > 1]
        return missing + doubled + wrong_sums(stock, orders)


def wrong_sums(stock: list[dict[str, Any]], orders: list[dict[str, Any]]) -> list[str]:
    """Return the orders whose total is wrong, and the products whose stock and sales do not add up."""
    prices = {item["productId"]: item["product"]["price"] for item in stock}
    sold: Counter[int] = Counter()
    wrong = []
    for order in orders:
        total = sum(prices[line["productId"]] * line["quantity"] for line in order["items"])
        if abs(total - order["totalAmount"]) > CENT / 2:
            wrong.append(f"order {order['id']}: {order['totalAmount']} in place of {total}")
        for line in order["items"]:
            sold[line["productId"]] += line["quantity"]
    left = {item["productId"]: PLENTY - item["quantity"] for item in stock}
    return wrong + [
        f"product {id_}: {left[id_]} gone, {sold[id_]} sold" for id_ in left if left[id_] != sold[id_]
    ]


async def soak(services: Stage, minutes: float) -> int:
    """Run, and return how much was wrong."""
    api, mcp, web = await ours(services)
    it = Soak(api, mcp, web)
    until = time.monotonic() + minutes * 60
    async with asyncio.TaskGroup() as group:
        group.create_task(it.watch(until))
        for _ in range(WORKERS):
            group.create_task(it.work(until))
    await it.watch(time.monotonic() + 2 * LOOK_SECONDS)
    wrong = await it.books()
    print(f"done: {dict(it.done)}\nerrors: {it.errors[:20]}\nbooks: {wrong or 'true'}")
    for service in (api, mcp, web):
        log = service.log.read_text()
        before, traceback, after = log.partition("Traceback")
        print(f"{service.name}: {log.count('Traceback')} tracebacks")
        if traceback:
            print(before[-SHOWN:] + traceback + after[: 4 * SHOWN])
    return len(it.errors) + len(wrong)


async def _run(minutes: float) -> int:
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder, stage(Path(folder)) as services:
        return await soak(services, minutes)


def main() -> None:
    """Read the command line and run; the status says whether anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("minutes", nargs="?", type=float, default=MINUTES)
    sys.exit(min(1, uvloop.run(_run(parser.parse_args().minutes))))


if __name__ == "__main__":
    main()
