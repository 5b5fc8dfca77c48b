"""The ledger: every change of stock is a line, and the stock is the sum of its lines."""

import sqlite3
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import pytest

from models import OrderItem, PurchaseRequest
from shop.engines import open_store
from tests.support.engines import ENGINES, ask, audit, new_url, write_old_shop

pytestmark = pytest.mark.anyio
LINES = "SELECT product_id, change, kind, order_id FROM moves ORDER BY id"


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return new_url(request.param, tmp_path)


def wants(*lines: tuple[int, int]) -> PurchaseRequest:
    return PurchaseRequest(customerName="A", items=[OrderItem(productId=i, quantity=n) for i, n in lines])


async def test_a_new_shop_begins_with_an_opening_and_each_purchase_adds_its_lines(url: str) -> None:
    shop = await open_store(url)
    await shop.purchase(wants((2, 1), (2, 2), (3, 4)), "k")
    await shop.purchase(wants((2, 1), (2, 2), (3, 4)), "k")
    await shop.close()
    await (await open_store(url)).close()  # a restart opens nothing twice
    openings = [(1, 100, "opening", None), (2, 50, "opening", None), (3, 200, "opening", None)]
    sold = [(2, -3, "purchase", 1), (3, -4, "purchase", 1)]
    assert ask(url, LINES) == [*openings, (4, 150, "opening", None), *sold]


@pytest.mark.parametrize("version", [1, 2, 3, 4])
async def test_the_orders_of_an_older_shop_are_in_the_ledger_too(url: str, version: int) -> None:
    write_old_shop(url, version)
    await (await open_store(url)).close()
    assert ask(url, LINES) == [(7, 5, "opening", None), (7, -2, "purchase", 1)]
    assert ask(url, "SELECT DISTINCT moved_at FROM moves") == ask(url, "SELECT ordered_at FROM orders")
    audit(url, {7: 5})


async def test_an_older_program_that_still_runs_cannot_change_a_stock_past_the_ledger(url: str) -> None:
    await (await open_store(url)).close()
    with pytest.raises((sqlite3.IntegrityError, asyncpg.RaiseError), match="by lines of moves only"):
        ask(url, "UPDATE products SET stock = stock - 1 WHERE id = 1")
    ask(url, "UPDATE products SET name = 'x', stock = stock WHERE id = 1")
    audit(url, {1: 100, 2: 50, 3: 200, 4: 150})
