"""The changes of the shop as they are told: by whichever process, on both engines."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from models import OrderItem, PurchaseRequest
from shop import writing
from shop.catalog import TUTORIAL
from shop.changes import COUNTS, Changes
from shop.engines import open_store
from shop.errors import StoreUnavailableError
from shop.queries import Row, Statement
from tests.support.engines import ENGINES, ask, new_url
from tests.support.processes import Spawn, free_port

pytestmark = pytest.mark.anyio
ONE = PurchaseRequest(customerName="A", items=[OrderItem(productId=1, quantity=1)])
ALL = {"products", "stock", "orders"}


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return new_url(request.param, tmp_path)


@asynccontextmanager
async def listening(address: str) -> AsyncIterator[AsyncIterator[set[str]]]:
    """Open the stream of a service, and give the kinds of each event."""

    async def kinds() -> AsyncGenerator[set[str], None]:
        async for line in answer.aiter_lines():
            if line.startswith("data:"):
                yield set(json.loads(line.removeprefix("data:"))["kinds"])

    async with (
        httpx.AsyncClient(timeout=60) as http,
        http.stream("GET", f"{address}/api/changes") as answer,
        aclosing(kinds()) as events,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert await anext(events) == ALL
        yield events


async def test_a_purchase_at_one_process_is_told_by_another(url: str, spawn: Spawn) -> None:
    here, there = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    for address in (here, there):
        service = spawn("api.py", "--port", address.rpartition(":")[2], env={"DATABASE_URL": url})
        service.wait_until_up(f"{address}/healthz")
    async with listening(here) as events, httpx.AsyncClient(timeout=60) as http:
        bought = await http.post(f"{there}/api/purchase", json=ONE.model_dump())
        assert (bought.status_code, await anext(events)) == (200, {"stock", "orders"})


async def test_each_kind_of_change_is_told_as_such_and_a_refusal_as_none(url: str) -> None:
    shop = await open_store(url)
    async with aclosing(Changes(shop.fetch, look_seconds=0.01).listen()) as events:
        assert set(await anext(events)) == ALL
        with pytest.raises(Exception, match="out_of_stock"):
            await shop.purchase(ONE.model_copy(update={"items": [OrderItem(productId=1, quantity=101)]}))
        await shop.purchase(ONE)
        assert set(await anext(events)) == {"stock", "orders"}
        ask(url, "UPDATE products SET price_cents = 1 WHERE id = 1")
        assert await anext(events) == ["products"]
        await shop.write(lambda: writing.change_product(1, {"price": Decimal(2)}, None))
        assert await anext(events) == ["products"]
        await shop.write(lambda: writing.save_product(TUTORIAL[1]))
        assert await anext(events) == ["products"]
        ask(url, "UPDATE orders SET status = 'cancelled'")
        assert await anext(events) == ["orders"]
        ask(url, "DELETE FROM order_items")
        ask(url, "DELETE FROM orders")  # as an archive does
        assert await anext(events) == ["orders"]
        await (await open_store(url, TUTORIAL)).close()
        assert "products" in await anext(events)
    await shop.close()


async def test_many_at_once_wait_for_no_counter_and_are_all_told(url: str) -> None:
    shop = await open_store(url)

    async def counts() -> dict[str, int]:
        return {row[0]: row[1] for row in await shop.fetch(COUNTS)}

    before = await counts()
    await asyncio.gather(*(shop.purchase(ONE) for _ in range(30)))
    after = await counts()
    assert {kind: after[kind] - before[kind] for kind in ALL} == {"products": 0, "stock": 30, "orders": 30}
    await shop.close()


class Counters:
    """Counters of a database that can be out of reach; `looks` counts the looks."""

    def __init__(self) -> None:
        self.rows = [("orders", 1), ("products", 1), ("stock", 1)]
        self.looks = 0
        self.is_gone = False

    async def fetch(self, _: Statement) -> list[Row]:
        self.looks += 1
        if self.is_gone:
            raise StoreUnavailableError("database_closed")
        return list(self.rows)

    async def until_looked(self, times: int = 2) -> None:
        wanted = self.looks + times
        while self.looks < wanted:  # noqa: ASYNC110  the looker tells nobody
            await asyncio.sleep(0)


async def test_what_changes_while_the_database_is_away_is_told_when_it_is_back() -> None:
    counters = Counters()
    async with aclosing(Changes(counters.fetch, look_seconds=0).listen()) as events:
        assert set(await anext(events)) == ALL
        counters.is_gone, counters.rows[0] = True, ("orders", 2)
        await counters.until_looked()
        counters.is_gone = False
        assert await anext(events) == ["orders"]


async def test_five_hundred_listeners_cost_one_look_and_nobody_costs_none() -> None:
    counters, tasks = Counters(), asyncio.all_tasks()
    changes = Changes(counters.fetch, look_seconds=0)
    listeners = [changes.listen() for _ in range(500)]
    assert [set(await anext(each)) for each in listeners] == [ALL] * 500
    waiting = [asyncio.ensure_future(anext(each)) for each in listeners]
    before = counters.looks
    await counters.until_looked(1)
    counters.rows[2] = ("stock", 2)
    assert await asyncio.gather(*waiting) == [["stock"]] * 500
    assert counters.looks - before < 500
    for each in listeners:
        await each.aclose()
    while asyncio.all_tasks() - tasks:  # noqa: ASYNC110  the one that looks ends by itself
        await asyncio.sleep(0)
