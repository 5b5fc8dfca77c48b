"""PostgreSQL behind PgBouncer, and news by LISTEN on a connection beside it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import pytest

from models import OrderItem, PurchaseRequest
from shop import stock
from shop.archive import archive
from shop.engines import open_store
from shop.filters import OrderQuery, ProductQuery
from shop.news import CHANNEL, News
from shop.postgres import DRIVER_ERRORS
from tests.support.engines import ask, audit, new_url, postgres
from tests.support.pooler import pooled
from tests.support.processes import Spawn

pytestmark = pytest.mark.anyio
ONE = PurchaseRequest(customerName="A", items=[OrderItem(productId=1, quantity=1)])


@pytest.fixture
def url(tmp_path: Path) -> str:
    return new_url("postgres", tmp_path)


async def until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110  it tells nobody
        await asyncio.sleep(0)


@asynccontextmanager
async def news(url: str, again_seconds: float = 0) -> AsyncIterator[News]:
    listening = News(url, DRIVER_ERRORS, look_seconds=1000, again_seconds=again_seconds)
    await until(lambda: listening.listens)
    yield listening
    await listening.close()


def listeners(url: str) -> set[int]:
    return {row[0] for row in ask(url, "SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")}


def cut_off(url: str) -> None:
    ask(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")


async def test_what_is_told_here_is_heard_there_without_a_look(url: str) -> None:
    async with news(url) as here, news(url) as there:
        waiting = [asyncio.create_task(each.pause(1000)) for each in (here, there)]
        here.tell()
        await asyncio.gather(*waiting)
        here.tell()  # what comes while nobody waits is not lost
        await there.pause(1000)


async def test_while_a_connection_is_broken_looks_go_on(url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with news(url, again_seconds=1000) as listening:
        cut_off(url)
        await until(lambda: not listening.listens)
        await listening.pause(0)
    assert caplog.text.count("DATABASE_LISTEN_URL") == 1


async def test_a_connection_that_broke_is_opened_again(url: str) -> None:
    async with news(url) as here, news(url) as there:
        before = listeners(url)
        cut_off(url)
        await until(lambda: len(listeners(url) - before) == 2 and here.listens and there.listens)
        here.tell()
        await there.pause(1000)


async def test_a_wrong_address_is_logged_and_the_shop_works(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    shop = await open_store(url, listen_url="postgresql://nobody@127.0.0.1:1/shop")
    await until(lambda: "DATABASE_LISTEN_URL" in caplog.text)
    await shop.purchase(ONE)
    await shop.pause(0)
    await shop.close()


async def test_a_purchase_is_told_to_who_listens(url: str) -> None:
    shop, heard = await open_store(url, listen_url=url), asyncio.Event()
    listener = await asyncpg.connect(url)
    await listener.add_listener(CHANNEL, lambda *_: heard.set())
    await shop.purchase(ONE)
    await heard.wait()
    await listener.close()
    await shop.close()


@pytest.fixture
def bouncer(spawn: Spawn, tmp_path: Path) -> str:
    return pooled(postgres().whole_database(), spawn)


@pytest.mark.heavy
async def test_behind_pgbouncer_in_transaction_mode_all_is_as_without(bouncer: str, tmp_path: Path) -> None:
    direct = f"postgresql://shop@127.0.0.1:{postgres().port}/{bouncer.rpartition('/')[2]}"
    first = await open_store(bouncer)
    shops = [first, *[await open_store(bouncer) for _ in range(3)]]

    async def buy(buyer: int) -> set[int]:
        shop, orders = shops[buyer % 4], set()
        for number in range(10):
            order = (await shop.purchase(ONE, f"key {buyer // 2} {number}")).order.id
            assert (await shop.order(order)).customerName == "A"
            assert (await shop.products(ProductQuery(query="耳机"))).items[0].id == 2
            orders.add(order)
        return orders

    orders = set().union(*await asyncio.gather(*map(buy, range(16))))
    assert len(orders) == 80
    await first.write(lambda: stock.cancel(min(orders), ""))
    ask(direct, "UPDATE orders SET ordered_at = '2024-12-31T00:00:00.000000+00:00' WHERE id % 2 = 0")
    (run,) = await archive(shops[1], date(2025, 1, 1), tmp_path)
    assert run.number + (await shops[2].orders(OrderQuery())).total == 80
    for shop in shops:
        await shop.close()
    await (await open_store(bouncer, timezone="Asia/Tokyo", move_days=True)).close()
    audit(direct, {1: 100, 2: 50, 3: 200, 4: 150})
