"""Two API processes on one database, under load and under SIGKILL: no order is lost, doubled or oversold."""

import csv
import itertools
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from tests.support.engines import ENGINES, ask, audit, new_url
from tests.support.processes import LONG_RUNS, Service, Spawn, free_port

pytestmark = pytest.mark.anyio

STOCK = {1: 3000, 2: 3000, 3: 200, 4: 3000}
BUYERS = 16
LOAD_SECONDS = 30.0 if LONG_RUNS else 0.5
KILLS = {"sqlite": 100, "postgres": 40} if LONG_RUNS else {"sqlite": 8, "postgres": 6}
CONVERGE_SECONDS = 120.0  # on a busy machine each start takes seconds, and is killed again


@dataclass
class Shop:
    """A database and its two API processes."""

    url: str
    spawn: Callable[[int], Service]
    ports: list[int] = field(default_factory=lambda: [free_port(), free_port()])

    def start(self, slot: int) -> Service:
        return self.spawn(self.ports[slot])

    def address(self, slot: int) -> str:
        return f"http://127.0.0.1:{self.ports[slot]}"


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def shop(engine: str, spawn: Spawn, tmp_path: Path) -> Shop:
    catalogue = [
        {"id": i, "name": f"商品{i}", "price": i + 0.01, "description": "", "quantity": n}
        for i, n in STOCK.items()
    ]
    (tmp_path / "catalog.json").write_text(json.dumps(catalogue))
    url = new_url(engine, tmp_path)
    options = ("--database-url", url, "--catalog", "catalog.json")
    return Shop(url, lambda port: spawn("api.py", "--port", str(port), *options))


def some_order(rng: random.Random) -> dict[str, Any]:
    lines = [
        {"productId": rng.choice(list(STOCK)), "quantity": rng.randint(1, 3)}
        for _ in range(rng.randint(1, 3))
    ]
    return {"customerName": f"客户{rng.randint(1, 9)}", "items": lines}


async def test_sixteen_buyers_at_two_processes_cannot_oversell(shop: Shop) -> None:
    for slot, service in enumerate([shop.start(0), shop.start(1)]):
        service.wait_until_up(f"{shop.address(slot)}/healthz")
    answers: list[tuple[int, dict[str, Any]]] = []
    deadline = time.monotonic() + LOAD_SECONDS

    def sold_out() -> bool:
        return any(status != 200 for status, _ in answers)

    async def buy(number: int) -> None:
        rng = random.Random(number)
        async with httpx.AsyncClient(base_url=shop.address(number % 2), timeout=60) as client:
            while time.monotonic() < deadline or not sold_out():
                answer = await client.post("/api/purchase", json=some_order(rng))
                answers.append((answer.status_code, answer.json()))

    async with anyio.create_task_group() as buyers:
        for number in range(BUYERS):
            buyers.start_soon(buy, number)
    assert {status for status, _ in answers} == {200, 400}  # product 3 is sold out first
    assert all("库存不足" in answer["detail"] for status, answer in answers if status == 400)
    audit(shop.url, STOCK)
    acknowledged = sorted(answer["id"] for status, answer in answers if status == 200)
    assert acknowledged == [row[0] for row in ask(shop.url, "SELECT id FROM orders ORDER BY id")]


@dataclass
class Intent:
    """One purchase that somebody wants, and its order once it was acknowledged."""

    key: str
    body: dict[str, Any]
    order: dict[str, Any] | None = None

    async def try_once(self, client: httpx.AsyncClient, address: str) -> bool:
        """Return whether the shop has given its final answer."""
        try:
            answer = await client.post(
                f"{address}/api/purchase", json=self.body, headers={"Idempotency-Key": self.key}
            )
        except httpx.TransportError:
            return False
        assert answer.status_code in {200, 400, 503}, answer.text
        if answer.status_code == 200:
            assert self.order in (None, answer.json())  # whoever has it keeps it
            self.order = answer.json()
        return answer.status_code != 503


class Buyers:
    """Buy without pause; some intents are given up at the first failure, others tried until settled."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.intents: list[Intent] = []
        self.over = False

    async def buy(self, number: int) -> None:
        rng = random.Random(number)
        async with httpx.AsyncClient(timeout=10) as client:
            while not self.over:
                intent = Intent(f"{number}-{len(self.intents)}", some_order(rng))
                self.intents.append(intent)
                await self.settle(intent, client, patient=rng.random() < 0.7)

    async def settle(self, intent: Intent, client: httpx.AsyncClient, patient: bool = True) -> None:
        deadline = time.monotonic() + CONVERGE_SECONDS
        for slot in itertools.cycle([0, 1]):
            if await intent.try_once(client, self.shop.address(slot)):
                return
            if not patient or self.over:
                return
            assert time.monotonic() < deadline, "the shop did not come back"
            await anyio.sleep(0.02)


async def kill_again_and_again(shop: Shop, slot: int, times: int) -> None:
    """Start the process and kill it at a random moment: mostly at work, now and then while it is starting."""
    rng = random.Random(slot)
    for _ in range(times):
        service = shop.start(slot)
        if rng.random() < 0.85:
            await anyio.to_thread.run_sync(service.wait_until_up, f"{shop.address(slot)}/healthz")
        await anyio.sleep(rng.uniform(0, 0.4))
        service.process.kill()
        await anyio.to_thread.run_sync(service.process.wait)


async def test_no_order_is_lost_or_doubled_however_often_the_processes_are_killed(
    engine: str, shop: Shop
) -> None:
    buyers = Buyers(shop)
    async with anyio.create_task_group() as load:
        for number in range(BUYERS // 2):
            load.start_soon(buyers.buy, number)
        async with anyio.create_task_group() as killers:
            for slot in (0, 1):
                killers.start_soon(kill_again_and_again, shop, slot, KILLS[engine] // 2)
        buyers.over = True
    audit(shop.url, STOCK)  # whatever was cut off is whole or absent
    shop.start(0).wait_until_up(f"{shop.address(0)}/healthz")
    async with httpx.AsyncClient(timeout=10) as client:
        for intent in buyers.intents:  # acknowledged or not: the key settles it, and the same way as before
            assert await intent.try_once(client, shop.address(0))
    audit(shop.url, STOCK)
    bought = {intent.key: intent.order["id"] for intent in buyers.intents if intent.order}
    assert dict(ask(shop.url, "SELECT idempotency_key, id FROM orders")) == bought
    assert len(bought) > KILLS[engine]


async def archive_again_and_again(shop: Shop, spawn: Spawn, folder: Path, times: int) -> None:
    """Let half of the orders grow old, and kill the command that archives them at a random moment."""
    rng = random.Random(7)
    args = ("archive", "--before", "2025-01-01", "--to", str(folder), "--database-url", shop.url)
    for number in range(times):
        aged = "UPDATE orders SET ordered_at = '2024-06-01T00:00:00.000000+00:00' WHERE id % 2 = 0"
        await anyio.to_thread.run_sync(ask, shop.url, aged)
        process = spawn("api.py", *args).process
        if number < times - 1:
            with anyio.move_on_after(rng.uniform(0.8, 3)):
                await anyio.to_thread.run_sync(process.wait, abandon_on_cancel=True)
            process.kill()
        assert await anyio.to_thread.run_sync(process.wait) in {0, -9}


def orders_in_files(folder: Path) -> list[int]:
    """Return the orders of each file, one that is in two of them twice."""
    found: list[int] = []
    for file in folder.glob("orders-*.csv"):
        with file.open(encoding="utf-8-sig", newline="") as lines:
            found += {int(row["id"]) for row in csv.DictReader(lines)}
    return found


@pytest.mark.heavy
async def test_no_order_is_lost_or_doubled_however_often_the_archive_is_killed(
    shop: Shop, spawn: Spawn, tmp_path: Path
) -> None:
    for slot in (0, 1):
        shop.start(slot).wait_until_up(f"{shop.address(slot)}/healthz")
    buyers = Buyers(shop)
    async with anyio.create_task_group() as load:
        for number in range(4):
            load.start_soon(buyers.buy, number)
        await archive_again_and_again(shop, spawn, tmp_path, 12)
        buyers.over = True
    audit(shop.url, STOCK)
    kept = [row[0] for row in ask(shop.url, "SELECT id FROM orders")]
    filed = orders_in_files(tmp_path)
    assert len(filed) > 100
    found = Counter([*kept, *filed])
    assert set(found.values()) == {1}
    acknowledged = {intent.order["id"] for intent in buyers.intents if intent.order}
    assert acknowledged <= set(found)
    async with httpx.AsyncClient(timeout=10) as client:
        for intent in buyers.intents:
            again = await client.post(
                f"{shop.address(0)}/api/purchase", json=intent.body, headers={"Idempotency-Key": intent.key}
            )
            assert again.status_code in {200, 400, 410}
            if intent.order and again.status_code == 410:
                assert again.json()["params"] == {"orderId": intent.order["id"]}
            elif intent.order:
                assert again.json()["id"] == intent.order["id"]
