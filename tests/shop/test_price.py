"""A purchase confirmed at one total is not booked at another, and its key still finds the one order."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

import api
from shop.catalog import CatalogEntry
from shop.engines import open_store
from tests.support.engines import ENGINES, ask, new_url

pytestmark = pytest.mark.anyio
TWO = [{"productId": 1, "quantity": 1}, {"productId": 1, "quantity": 2}]  # at 0.10: 0.30000000000000004


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return new_url(request.param, tmp_path)


async def priced(url: str, yuan: str) -> None:
    entry = CatalogEntry(id=1, name="茶", price=Decimal(yuan), description="", quantity=9_000_000)
    await (await open_store(url, [entry])).close()


@asynccontextmanager
async def client(url: str) -> AsyncIterator[httpx.AsyncClient]:
    app = api.create_app(api.Settings(database_url=url))
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")
    async with app.router.lifespan_context(app), http:
        yield http


async def buy(url: str, expected: Any = None, items: list[dict[str, int]] = TWO) -> httpx.Response:
    body = {"customerName": "A", "items": items} | ({} if expected is None else {"expectedTotal": expected})
    async with client(url) as http:
        return await http.post("/api/purchase", json=body, headers={"Idempotency-Key": "k"})


def orders(url: str) -> list[tuple[Any, ...]]:
    return ask(url, "SELECT total_cents, 9000000 - stock FROM products LEFT JOIN orders ON true")


@pytest.mark.parametrize("expected", [None, 0.3, 0.1 + 0.2, 0.30000000001])
async def test_the_total_that_was_confirmed_is_booked(url: str, expected: float | None) -> None:
    await priced(url, "0.10")
    assert (await buy(url, expected)).json()["totalAmount"] == 0.3
    assert orders(url) == [(30, 3)]


async def test_a_total_of_many_digits_is_compared_exactly(url: str) -> None:
    await priced(url, "9999999.99")
    many = [{"productId": 1, "quantity": 1_000_000}] * 9
    assert (await buy(url, 89_999_999_910_000.02, many)).status_code == 409
    assert (await buy(url, 89_999_999_910_000.0, many)).status_code == 200


@pytest.mark.parametrize("expected", [0, 0.29, 0.31, 3, 1e300])
async def test_another_total_is_refused_and_nothing_is_written(url: str, expected: float) -> None:
    await priced(url, "0.10")
    answer = await buy(url, expected)
    assert (answer.status_code, answer.json()["code"]) == (409, "price_changed")
    assert answer.json()["params"] == {"expected": expected, "now": 0.3}
    assert answer.json()["detail"].startswith("价格有变：现在合计 0.30 元")
    assert orders(url) == [(None, 0)]


async def test_after_a_refusal_the_key_is_free_for_the_total_of_now(url: str) -> None:
    await priced(url, "0.20")
    assert (await buy(url, 0.3)).status_code == 409
    assert (await buy(url, 0.6)).status_code == 200


@pytest.mark.parametrize("again", [0.3, 0.6, None, 7.0])
async def test_after_a_change_of_price_a_repeat_by_key_finds_the_one_order(
    url: str, again: float | None
) -> None:
    await priced(url, "0.10")
    first = await buy(url, 0.3)
    await priced(url, "0.20")
    answer = await buy(url, again)
    assert (answer.json(), answer.headers["Idempotent-Replayed"]) == (first.json(), "true")
    assert orders(url) == [(30, 3)]


async def test_what_could_not_be_bought_at_any_price_says_so_first(url: str) -> None:
    await priced(url, "0.10")
    assert (await buy(url, 7, [{"productId": 2, "quantity": 1}])).json()["code"] == "unknown_product"
    too_much = [{"productId": 1, "quantity": 1_000_000}] * 10
    assert (await buy(url, 7, too_much)).json()["code"] == "out_of_stock"


@pytest.mark.parametrize("expected", ["0.3", True, -0.01, [], {}])
async def test_a_total_is_a_number_of_yuan(url: str, expected: object) -> None:
    await priced(url, "0.10")
    answer = await buy(url, expected)
    assert (answer.status_code, answer.json()["detail"][0]["loc"][:2]) == (422, ["body", "expectedTotal"])
