"""Orders that are archived: whole in the files first, then gone, wherever the command is cut off."""

import asyncio
import csv
import itertools
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

import api
from models import OrderItem, PurchaseRequest
from shop import stock
from shop.archive import Archived, Pace, archive
from shop.engines import open_store
from shop.errors import CommandError, StoreError, StoreUnavailableError
from shop.filters import ListQuery, OrderQuery
from shop.queries import Script
from shop.sheets import original
from shop.store import Store
from tests.support.engines import ENGINES, ask, audit, new_url
from tests.support.mortal_store import CutOff, MortalStore

pytestmark = pytest.mark.anyio
T = TypeVar("T")
STOCK = {1: 100, 2: 50, 3: 200, 4: 150}
OLD = "2024-12-31T15:59:59.000000+00:00"  # a second before midnight in Shanghai


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return new_url(request.param, tmp_path)


def wants(*lines: tuple[int, int], customer: str = "A") -> PurchaseRequest:
    items = [OrderItem(productId=product, quantity=number) for product, number in lines]
    return PurchaseRequest(customerName=customer, items=items)


async def an_old_shop(url: str) -> Store:
    """Open a shop with an order of now, number 4, and three of 2024: of them 2 is cancelled."""
    shop = await open_store(url, timezone="Asia/Shanghai")
    for number in range(1, 5):
        await shop.purchase(wants((2, 1), (3, number), customer="=乙"), f"key {number}")
    await shop.write(lambda: stock.cancel(2, "改了主意"))
    await shop.write(lambda: stock.move(3, 5, "到货", "delivery"))
    ask(url, f"UPDATE orders SET ordered_at = '{OLD}', day = '2024-12-31' WHERE id < 4")
    return shop


def files(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern))


def rows_of(file: Path) -> list[dict[str, str]]:
    assert file.read_bytes().startswith(b"\xef\xbb\xbf")
    with file.open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.DictReader(lines))


async def test_old_orders_leave_for_the_files_and_the_stock_stays_the_sum_of_its_ledger(
    url: str, tmp_path: Path
) -> None:
    shop = await an_old_shop(url)
    (run,) = await archive(shop, date(2025, 1, 1), tmp_path)
    assert run == Archived(
        tmp_path / "orders-before-2025-01-01.csv", tmp_path / "moves-before-2025-01-01.csv", 3
    )
    orders = rows_of(run.orders)
    assert [(row["id"], row["status"], row["productId"], row["quantity"]) for row in orders] == [
        *(("1", "placed", "2", "1"), ("1", "placed", "3", "1")),
        *(("2", "cancelled", "2", "1"), ("2", "cancelled", "3", "2")),
        *(("3", "placed", "2", "1"), ("3", "placed", "3", "3")),
    ]
    assert {original(rows_of(run.orders)[0]["customerName"])} == {"=乙"}
    assert {(row["day"], row["idempotencyKey"], row["unitPrice"]) for row in orders[:1]} == {
        ("2024-12-31", "key 1", "899.00")
    }
    assert [(row["kind"], row["reason"]) for row in rows_of(run.moves)][-1] == ("cancellation", "改了主意")
    assert [order.id for order in (await shop.orders(OrderQuery())).items] == [4]
    ledger = [(move.kind, move.change, move.orderId) for move in (await shop.moves(3, ListQuery())).items]
    assert ledger == [
        *(("delivery", 5, None), ("purchase", -4, None), ("purchase", -4, 4), ("opening", 200, None))
    ]
    await shop.close()
    audit(url, STOCK | {3: 205})


async def test_an_archived_order_is_known_by_its_key_and_its_number_which_nobody_gets_again(
    url: str, tmp_path: Path
) -> None:
    shop = await an_old_shop(url)
    ask(url, f"UPDATE orders SET ordered_at = '{OLD}'")
    await archive(shop, date(2025, 1, 1), tmp_path)
    gone = StoreError("archived", orderId=4)
    for attempt in (
        lambda: shop.order(4),
        lambda: shop.write(lambda: stock.cancel(4, "")),
        lambda: shop.purchase(wants((2, 1), (3, 4), customer="=乙"), "key 4"),
        lambda: shop.purchase(wants((2, 10_000)), "key 4", 1.0),  # whatever else would be wrong with it
    ):
        with pytest.raises(StoreError) as refused:
            await attempt()
        assert refused.value == gone
    assert (await shop.purchase(wants((1, 1)), "new")).order.id > 4
    await shop.close()


async def test_a_second_run_finds_nothing_and_later_files_overwrite_none(url: str, tmp_path: Path) -> None:
    shop = await an_old_shop(url)
    (first,) = await archive(shop, date(2025, 1, 1), tmp_path)
    assert await archive(shop, date(2025, 1, 1), tmp_path) == []
    ask(url, f"UPDATE orders SET ordered_at = '{OLD}'")
    (second,) = await archive(shop, date(2025, 1, 1), tmp_path)
    assert (second.orders.name, second.number) == ("orders-before-2025-01-01-2.csv", 1)
    assert {row["id"] for row in rows_of(first.orders)} == {"1", "2", "3"}
    kept = [move.change for move in (await shop.moves(3, ListQuery())).items if move.kind == "purchase"]
    assert kept == [-8]  # one line of each product, however often something is archived
    await shop.close()
    audit(url, STOCK | {3: 205})


@pytest.mark.parametrize(("before", "number"), [("2024-12-31", 0), ("2025-01-01", 3)])
async def test_the_day_is_the_shops(tmp_path: Path, before: str, number: int) -> None:
    shop = await an_old_shop(new_url("sqlite", tmp_path))
    runs = await archive(shop, date.fromisoformat(before), tmp_path)
    assert sum(run.number for run in runs) == number
    await shop.close()


@pytest.mark.parametrize("commits", [False, True])
async def test_wherever_it_is_cut_off_the_next_run_goes_on_and_each_order_is_in_the_files_once(
    url: str, tmp_path: Path, commits: bool
) -> None:
    shop, bought = await open_store(url), set()
    for lives in itertools.count():
        if lives % 4 == 0:
            bought.add((await shop.purchase(wants((3, 1), (4, 1)))).order.id)
        ask(url, f"UPDATE orders SET ordered_at = '{OLD}'")
        try:
            await archive(MortalStore(shop, lives, commits=commits), date(2025, 1, 1), tmp_path, Pace(2, 0))
        except CutOff:
            audit(url, STOCK)
        else:
            break
    audit(url, STOCK)
    for kind in ("orders", "moves"):
        lines = [row for file in files(tmp_path, f"{kind}-*.csv") for row in rows_of(file)]
        ids = Counter(row["id" if kind == "orders" else "orderId"] for row in lines)
        assert ids == {str(id_): 2 for id_ in bought}  # products
    assert not files(tmp_path, "*.part")
    assert lives > 10
    await shop.close()


async def test_an_order_that_is_cancelled_meanwhile_stays_in_the_shop(url: str, tmp_path: Path) -> None:
    shop = await an_old_shop(url)

    class Cancelling(MortalStore):
        """Cancels order 3 as soon as the files are whole."""

        async def write(self, make: Callable[[], Script[T]], *, once: bool = False, much: bool = False) -> T:
            if files(tmp_path, "orders-*.csv") and (await shop.order(3)).status == "placed":
                await shop.write(lambda: stock.cancel(3, ""))
            return await super().write(make, once=once, much=much)

    (run,) = await archive(Cancelling(shop, 1000, commits=False), date(2025, 1, 1), tmp_path)
    assert (run.number, (await shop.order(3)).status) == (2, "cancelled")
    await shop.close()
    audit(url, STOCK | {3: 205})


async def test_two_at_once_hinder_each_other_and_lose_nothing(url: str, tmp_path: Path) -> None:
    shop = await an_old_shop(url)
    runs = (archive(shop, date(2025, 1, 1), tmp_path, Pace(1, 0)) for _ in range(2))
    found = await asyncio.gather(*runs, return_exceptions=True)
    # One is told that the other is at work, or finds the other's file there.
    assert all(isinstance(each, list | CommandError | StoreUnavailableError) for each in found)
    await archive(shop, date(2025, 1, 1), tmp_path)
    assert [order.id for order in (await shop.orders(OrderQuery())).items] == [4]
    assert {row["id"] for file in files(tmp_path, "orders-*") for row in rows_of(file)} == {"1", "2", "3"}
    await shop.close()
    audit(url, STOCK | {3: 205})


async def test_where_its_file_is_gone_it_does_not_go_on(url: str, tmp_path: Path) -> None:
    shop = await an_old_shop(url)
    with pytest.raises(CutOff):
        await archive(MortalStore(shop, 9, commits=True), date(2025, 1, 1), tmp_path)
    (written,) = files(tmp_path, "orders-*")
    written.rename(tmp_path / "elsewhere")
    with pytest.raises(CommandError) as refused:
        await archive(shop, date(2025, 1, 1), tmp_path)
    assert refused.value == CommandError("archive_missing", path=str(written))
    await shop.close()


async def test_a_folder_that_cannot_be_written_is_named_and_nothing_is_removed(
    url: str, tmp_path: Path
) -> None:
    shop = await an_old_shop(url)
    with pytest.raises(StoreUnavailableError, match="file_unwritable"):
        await archive(shop, date(2025, 1, 1), tmp_path / "none")
    assert (await shop.orders(OrderQuery())).total == 4
    (run,) = await archive(shop, date(2025, 1, 1), tmp_path)
    assert run.number == 3
    await shop.close()


async def test_the_command_tells_what_it_did_and_the_service_answers_410(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app = api.create_app(api.Settings(database_url=url))
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost/api")
    async with app.router.lifespan_context(app), http:
        body, key = wants((1, 1)).model_dump(), {"Idempotency-Key": "k"}
        await http.post("/purchase", json=body, headers=key)
        ask(url, f"UPDATE orders SET ordered_at = '{OLD}'")
        for said in ("已归档 1 笔订单", "没有 2025-01-01 以前的订单"):
            args = ["--before", "2025-01-01", "--to", str(tmp_path), "--database-url", url]
            await asyncio.to_thread(api.command, "archive", args)
            assert said in capsys.readouterr().out
        answers = [
            await http.post("/purchase", json=body, headers=key),
            await http.get("/orders/1"),
            await http.post("/orders/1/cancel", json={}),
        ]
    assert [(each.status_code, each.json()["params"]) for each in answers] == [(410, {"orderId": 1})] * 3


@pytest.mark.parametrize("args", [[], ["--before"], ["--before", "2025"], ["--before", "31.12.2024"]])
def test_a_wrong_day_is_refused(args: list[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        api.command("archive", args)
    assert refused.value.code


def test_the_future_is_not_archived(tmp_path: Path) -> None:
    args = ["--before", "9999-12-31", "--database-url", new_url("sqlite", tmp_path)]
    with pytest.raises(SystemExit, match="只能归档今天以前的订单"):
        api.command("archive", args)
