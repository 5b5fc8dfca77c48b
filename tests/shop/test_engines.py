"""What only one of the engines has: SQLite's shared transactions, PostgreSQL's locks."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from decimal import Decimal
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import pytest

from models import OrderItem, PurchaseRequest
from shop.catalog import CatalogEntry
from shop.engines import open_store
from shop.errors import StoreError
from shop.stock import Purchase
from tests.support.engines import ask, audit, new_url, postgres

pytestmark = pytest.mark.anyio
POWER_BANK = PurchaseRequest(customerName="A", items=[OrderItem(productId=3, quantity=1)])
HALF_UNKNOWN = PurchaseRequest(
    customerName="A", items=[OrderItem(productId=3, quantity=1), OrderItem(productId=99, quantity=1)]
)


@asynccontextmanager
async def bought_at_once(folder: Path, *requests: PurchaseRequest) -> AsyncIterator[list[object]]:
    """Send purchases while another connection holds the lock, and give their results once it has let go."""
    shop = await open_store(new_url("sqlite", folder))
    with closing(sqlite3.connect(folder / "shop.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.gather(*(shop.purchase(one) for one in requests), return_exceptions=True)
        await asyncio.sleep(0)  # each has run as far as it can: to the writer's queue
        other.execute("ROLLBACK")
    yield list(await waiting)
    await shop.close()


def commits(wal: Path) -> int:
    """Count the commit frames of a write-ahead log: https://sqlite.org/fileformat2.html, section 4.1."""
    log = wal.read_bytes()
    frame = 24 + int.from_bytes(log[8:12])
    return sum(log[at + 4 : at + 8] != bytes(4) for at in range(32, len(log), frame))


async def test_purchases_that_wait_on_sqlite_share_a_transaction(tmp_path: Path) -> None:
    async with bought_at_once(tmp_path, *[POWER_BANK] * 40) as results:
        assert all(isinstance(result, Purchase) for result in results)
        assert commits(tmp_path / "shop.db-wal") <= 2  # whoever came first may be alone


async def test_a_refusal_in_a_shared_transaction_has_written_nothing(tmp_path: Path) -> None:
    async with bought_at_once(tmp_path, *[POWER_BANK, HALF_UNKNOWN] * 3) as results:
        told = [result.code if isinstance(result, StoreError) else type(result) for result in results]
    assert told == [Purchase, "unknown_product"] * 3
    audit(url := new_url("sqlite", tmp_path), {1: 100, 2: 50, 3: 200, 4: 150})
    assert ask(url, "SELECT count(*) FROM orders") == [(3,)]


def entry(number: int) -> CatalogEntry:
    return CatalogEntry(id=number, name="n", price=Decimal(1), description="", quantity=1)


async def test_a_catalogue_on_postgresql_is_imported_in_the_order_in_which_purchases_lock() -> None:
    url = postgres().new_database()
    await (await open_store(url)).close()
    async with (
        asyncpg.create_pool(url, min_size=1) as pool,
        pool.acquire() as buyer,
        buyer.transaction(),
        asyncio.timeout(60),
    ):
        await buyer.execute("SELECT 1 FROM products WHERE id = 1 FOR NO KEY UPDATE")
        importing = asyncio.create_task(open_store(url, [entry(2), entry(1)]))
        blocked = (
            "SELECT 1 FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
        )
        while not await buyer.fetchval(blocked):  # noqa: ASYNC110  PostgreSQL tells nobody
            await asyncio.sleep(0.01)
        await buyer.execute("SELECT 1 FROM products WHERE id = 2 FOR NO KEY UPDATE NOWAIT")  # else a deadlock
    await (await importing).close()
