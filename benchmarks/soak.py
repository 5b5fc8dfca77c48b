"""Half an hour of mixed load through the whole chain, by hand: `python -m benchmarks.soak [MINUTES]`.

Two of each service behind nginx, of which one after another is stopped and started again. No error but the
deliberate ones, memory that stays, and a shop whose books are true at the end.
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

from benchmarks.contenders.guarded_server import APP
from benchmarks.mcp_wire import HandshakeClient, ModernClient, SseClient
from benchmarks.pairs import Pairs, pairs
from benchmarks.services import PLENTY, Stage, stage
from benchmarks.wire import BadAnswerError, Connection
from shop.catalog import TUTORIAL

MINUTES = 30.0
WORKERS = 8
PAUSE_SECONDS = 0.3  # of a worker between two things, on average
RESTART_SECONDS = 20.0
CUT_OFF_SECONDS = 30.0  # after a stop in which clients of before 2026 meet a replica that does not know them
LOOK_SECONDS = 15.0
SHARES = {"chat": 4, "purchase": 3, "asked": 2, "app": 3, "tool": 4, "mcp": 3, "leave": 2, "too many": 1}
QUESTIONS = ("有哪些商品？", "还有多少库存？", "我预算 1000 元，想要降噪耳机", "按商品汇总一下订单", "谢谢")
BUYER = "客户甲"
PRICES = {product.id: float(product.price) for product in TUTORIAL}
PAGE = 500
CENT = 0.01
SHOWN = 1_000  # characters of a log before a traceback


@dataclass
class Soak:
    """What was done, what went wrong, and what was bought."""

    at: Pairs
    done: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    cut_off: int = 0  # sessions of before 2026 that ended with their replica
    orders: set[int] = field(default_factory=set)
    dice: random.Random = field(default_factory=lambda: random.Random(8))

    async def chat(self) -> None:
        """Ask one question, to the end of the answer."""
        await self._turn([{"role": "user", "content": self.dice.choice(QUESTIONS)}], "stop")

    async def asked(self) -> None:
        """Buy in a chat: approve the call, then say yes or no to the shop's own question."""
        messages = [{"role": "user", "content": f"帮{BUYER}买 1 个无线蓝牙耳机Pro"}]
        told = await self._turn(messages, "approval")
        messages += [data["message"] for name, data in told if name == "message"]
        approvals = {data["id"]: True for name, data in told if name == "approval"}
        told = await self._turn(messages, "question", approvals=approvals)
        action = self.dice.choice(("accept", "decline"))
        answers = {
            data["id"]: {"action": action, "content": {}, "state": data["state"]}
            for name, data in told
            if name == "question"
        }
        told = await self._turn(messages, "stop", approvals=approvals, answers=answers)
        results = [data for name, data in told if name == "tool_result"]
        if action == "accept":
            self.orders.add(json.loads(results[0]["result"])["id"])

    async def _turn(
        self, messages: list[dict[str, Any]], reason: str, **more: Any
    ) -> list[tuple[str, dict[str, Any]]]:
        """Send a conversation as the page does, and return the events. Raises BadAnswerError."""
        body = {"messages": messages, "answers": {}, **more}
        async with Connection.opened(self.at.web) as connection:
            answer = await connection.ask("POST", "/api/chat/stream", body)
        events = answer.body.decode().replace("\r\n", "\n").split("\n\n")
        lines = [dict(line.split(": ", 1) for line in event.split("\n") if ": " in line) for event in events]
        told = [(event["event"], json.loads(event["data"])) for event in lines if "event" in event]
        if told[-1:] != [("done", {"reason": reason})]:
            raise BadAnswerError(f"not {reason}: {answer.body[-600:].decode(errors='replace')}")
        return told

    async def app(self) -> None:
        """Be the app of a server that wants a token, which is soon over: be read, and call a tool."""
        async with Connection.opened(self.at.web) as connection:
            read = await connection.ask("POST", "/api/read-resource", {"server": "board", "uri": APP})
            body = {"server": "board", "name": "show_board", "args": {}, "app": True}
            called = (await connection.ask("POST", "/api/call-tool", body)).json()
        if b"Board" not in read.body or called["isError"]:
            raise BadAnswerError(f"{read.body!r} {called}")

    async def purchase(self) -> None:
        """Buy through the whole chain, as the page's form does, with the total that a person has seen."""
        product, quantity = self.dice.randint(1, 4), self.dice.randint(1, 3)
        purchase = {"customerName": BUYER, "items": [{"productId": product, "quantity": quantity}]}
        confirmed = {"total": PRICES[product] * quantity}
        answer = await self._call("create_purchase", {"input_data": purchase}, confirmed=confirmed)
        if answer["isError"]:
            raise BadAnswerError(answer["result"])
        self.orders.add(json.loads(answer["result"])["id"])

    async def too_many(self) -> None:
        """Ask for more than there is: the deliberate error."""
        items = [{"productId": 1, "quantity": 1_000_000} for _ in range(20)]
        args = {"input_data": {"customerName": BUYER, "items": items}}
        answer = await self._call("create_purchase", args, confirmed={"total": PRICES[1] * 20_000_000})
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
        client = await kind.open(self.at.mcp, "get_products")
        for _ in range(3):
            await client.call()
        await client.close()

    async def leave(self) -> None:
        """Go away in the middle: of an answer, or of a purchase that must then be whole or not at all."""
        async with Connection.opened(self.at.web) as connection:
            if self.dice.random() < 0.5:
                messages = [{"role": "user", "content": QUESTIONS[0]}]
                await connection.start("POST", "/api/chat/stream", {"messages": messages})
                return
            items = [{"productId": 2, "quantity": 1}]
            args = {"input_data": {"customerName": "客户乙", "items": items}}
            confirmed = {"total": PRICES[2]}
            call = {"server": "product-mcp", "name": "create_purchase", "args": args, "confirmed": confirmed}
            asked = asyncio.ensure_future(connection.start("POST", "/api/call-tool", call))
            await asyncio.wait([asked], timeout=self.dice.random() / 100)
            connection.close()
            await asyncio.gather(asked, return_exceptions=True)

    async def _call(self, name: str, args: dict[str, Any], **more: Any) -> dict[str, Any]:
        async with Connection.opened(self.at.web) as connection:
            body = {"server": "product-mcp", "name": name, "args": args, **more}
            answer: dict[str, Any] = (await connection.ask("POST", "/api/call-tool", body)).json()
            return answer

    async def work(self, until: float) -> None:
        """Do one thing after another, mixed by the shares."""
        things: dict[str, Callable[[], Awaitable[None]]] = {
            "chat": self.chat,
            "purchase": self.purchase,
            "asked": self.asked,
            "app": self.app,
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
                stopped, ago = self.at.last_stop()
                if (what, stopped) == (
                    "mcp",
                    "main",
                ) and ago < CUT_OFF_SECONDS:  # a session lives in one process
                    self.cut_off += 1
                    continue
                self.errors.append(
                    f"{what}, {stopped} stopped {ago:.1f} s ago: {type(error).__name__} {error}"
                )
            self.done[what] += 1
            await asyncio.sleep(self.dice.random() * 2 * PAUSE_SECONDS)

    async def watch(self, until: float) -> None:
        """Print now and then how much memory and how many files each service holds."""
        while time.monotonic() < until:
            held = "  ".join(
                f"{service.name} {service.memory():.0f} MiB {service.sockets()} files"
                for service in self.at.services
            )
            left = max(0.0, until - time.monotonic())
            print(
                f"{left:4.0f} s left  {self.done.total():7,} done  {len(self.errors)} errors  {held}",
                flush=True,
            )
            await asyncio.sleep(min(LOOK_SECONDS, left))

    async def books(self) -> list[str]:
        """Return what is wrong with the shop's books: stock, totals, and orders that were acknowledged."""
        async with Connection.opened(self.at.api) as connection:
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
    it = Soak(await pairs(services))
    until = time.monotonic() + minutes * 60
    async with asyncio.TaskGroup() as group:
        group.create_task(it.watch(until))
        group.create_task(it.at.restart_in_turn(until, RESTART_SECONDS))
        for _ in range(WORKERS):
            group.create_task(it.work(until))
    await it.watch(time.monotonic() + 2 * LOOK_SECONDS)
    wrong = await it.books()
    print(f"done: {dict(it.done)}\nrestarts: {dict(it.at.restarts)}, sessions that ended so: {it.cut_off}")
    print(f"errors: {len(it.errors)} {it.errors[:20]}\nbooks: {wrong or 'true'}")
    for file in sorted(services.folder.glob("*.log")):
        log = file.read_text()
        before, traceback, after = log.partition("Traceback")
        print(f"{file.name}: {log.count('Traceback')} tracebacks")
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
