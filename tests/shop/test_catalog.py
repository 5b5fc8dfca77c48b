"""The catalogue of one's own, and the schema's versions, on both engines."""

import asyncio
import json
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import pytest

from models import OrderItem, PurchaseRequest
from shop import schema
from shop.catalog import load
from shop.engines import open_store
from shop.errors import CatalogError, StoreUnavailableError
from shop.filters import InventoryQuery, OrderQuery, ProductQuery, SummaryQuery
from shop.sentences import failure_sentence
from shop.store import Store
from tests.support.engines import ENGINES, ask, new_url, write_old_shop
from tests.support.suite import until

pytestmark = pytest.mark.anyio
TEA: dict[str, Any] = {"id": 7, "name": "茶", "price": 19.99, "description": "绿茶", "quantity": 5}


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return new_url(request.param, tmp_path)


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "catalog.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


async def shop_with(url: str, folder: Path, *entries: dict[str, Any]) -> Store:
    return await open_store(url, load(written(folder, json.dumps(entries))))


async def catalogue(shop: Store) -> list[tuple[int, str, float, str, int]]:
    page = await shop.inventory(InventoryQuery())
    return [(p.id, p.name, p.price, p.description, i.quantity) for i in page.items if (p := i.product)]


def buy(product: int, quantity: int) -> PurchaseRequest:
    return PurchaseRequest(customerName="A", items=[OrderItem(productId=product, quantity=quantity)])


async def test_an_empty_shop_has_exactly_the_files_products(url: str, tmp_path: Path) -> None:
    shop = await shop_with(url, tmp_path, TEA)
    assert await catalogue(shop) == [(7, "茶", 19.99, "绿茶", 5)]
    await shop.close()


async def test_a_changed_catalogue_renames_and_reprices_but_leaves_stock_and_old_orders(
    url: str, tmp_path: Path
) -> None:
    shop = await shop_with(url, tmp_path, TEA)
    await shop.purchase(buy(7, 2))
    await shop.close()
    shop = await shop_with(
        url, tmp_path, TEA | {"name": "红茶", "price": 30, "quantity": 99}, TEA | {"id": 8}
    )
    assert await catalogue(shop) == [(7, "红茶", 30.0, "绿茶", 3), (8, "茶", 19.99, "绿茶", 5)]
    assert [product.id for product in (await shop.products(ProductQuery(query="红茶"))).items] == [7]
    assert (await shop.orders(OrderQuery())).items[0].totalAmount == 39.98
    assert (await shop.summary(SummaryQuery())).items[0].amount == 39.98
    await shop.close()


async def test_a_product_that_left_the_file_stays_in_the_shop(url: str, tmp_path: Path) -> None:
    await (await shop_with(url, tmp_path, TEA)).close()
    shop = await shop_with(url, tmp_path, TEA | {"id": 8})
    assert [row[0] for row in await catalogue(shop)] == [7, 8]
    await shop.close()


async def test_a_file_is_imported_once_so_that_an_older_one_takes_nothing_back(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    for price in (19.99, 30, 19.99):  # the last start is a replica's with the older file
        await (await shop_with(url, tmp_path, TEA | {"price": price}, TEA | {"id": 8})).close()
    assert [row[0] for row in ask(url, "SELECT price_cents FROM products ORDER BY id")] == [3000, 1999]
    said = [record.getMessage() for record in caplog.records if "商品目录" in record.getMessage()]
    assert said[0] == "商品目录已导入：新增 2 个商品，更新 0 个"
    assert said[1:] == ["商品目录已导入：新增 0 个商品，更新 2 个", "商品目录以前导入过，没有再导入"]


async def test_without_a_file_a_filled_shop_stays_as_it_is(url: str, tmp_path: Path) -> None:
    await (await shop_with(url, tmp_path, TEA)).close()
    shop = await open_store(url)
    assert [row[0] for row in await catalogue(shop)] == [7]
    await shop.close()


WRONG: dict[str, str | bytes] = {
    "不是有效的 JSON：EOF while parsing an object at line 1": "{",
    "不是有效的 JSON：expected value at line 3": '[\n{"id": 1},\n{"id": }]',
    "应为 JSON 列表": "{}",
    "是空的": "[]",
    "第 1 项的 内容": "[1]",
    "第 1 项的 price": json.dumps([TEA | {"price": 1.999}]),
    "第 1 项的 price：Value error, must be a number": json.dumps([TEA | {"price": "1"}]),
    "第 2 项的 price": json.dumps([TEA, TEA | {"id": 8, "price": -1}]),
    "第 1 项的 price：Input should be less": json.dumps([TEA | {"price": 10**30}]),
    "第 1 项的 name": json.dumps([TEA | {"name": ""}]),
    "第 1 项的 quantity": json.dumps([TEA | {"quantity": 1.5}]),
    "第 1 项的 quantity：Input should be a valid": json.dumps([TEA | {"quantity": True}]),
    "第 1 项的 id": json.dumps([TEA | {"id": 2**63}]),
    "第 1 项的 stock": json.dumps([TEA | {"stock": 1}]),
    "第 1 项的 description": json.dumps([{"id": 1, "name": "x", "price": 1, "quantity": 1}]),
    "第 2 项的 id：7 stands before": json.dumps([TEA, TEA]),
    "不是有效的 JSON：Detected duplicate key": f'{json.dumps([TEA])[:-2]}, "pric\\u0065": 1}}]',
    "不是有效的 JSON": b"\xff\xfe",
    "不是有效的 JSON：number out of range": f"[{'1' * 5000}]",
    "不是有效的 JSON：recursion limit": "[" * 100_000,
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_file_is_named_with_its_entry_and_field(tmp_path: Path, what: str) -> None:
    with pytest.raises(CatalogError) as wrong:
        load(written(tmp_path, WRONG[what]))
    assert what in failure_sentence(wrong.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogError) as wrong:
        load(tmp_path / "nowhere.json")
    assert "nowhere.json：No such file" in failure_sentence(wrong.value)


def test_prices_become_cents_exactly_whatever_the_editor_that_wrote_them(tmp_path: Path) -> None:
    prices = "[1299, 0.29, 19.99, 1.10, 1e2, 4.35, 0]"
    entries = [
        f'{{"id": {i}, "name": "x", "price": {p}, "description": "", "quantity": 1}}'
        for i, p in enumerate(prices.strip("[]").split(","), 1)
    ]
    loaded = load(written(tmp_path, "\ufeff[" + ",".join(entries) + "]"))
    assert [entry.cents for entry in loaded] == [129900, 29, 1999, 110, 10000, 435, 0]


def patch_steps(monkeypatch: pytest.MonkeyPatch, change: Callable[[schema.Steps], schema.Steps]) -> None:
    monkeypatch.setattr(schema, "SQLITE", change(schema.SQLITE))
    monkeypatch.setattr(schema, "POSTGRES", change(schema.POSTGRES))


async def test_the_tutorials_products_of_an_older_shop_are_found_as_in_a_new_one(url: str) -> None:
    write_old_shop(url, 2)
    about = "20000mAh大容量，支持快充，轻薄设计"
    for id_, name in (3, "便携式移动电源"), (4, "我的移动电源"):
        ask(url, f"INSERT INTO products VALUES ({id_}, '{name}', 100, '{about}', '', 1)")
    shop = await open_store(url)
    assert [product.id for product in (await shop.products(ProductQuery(query="battery"))).items] == [3]
    await shop.close()


@pytest.mark.parametrize("version", [1, 2, 3, 4])
async def test_an_older_schema_is_migrated_with_its_orders(url: str, version: int) -> None:
    write_old_shop(url, version)
    shop = await open_store(url)
    await shop.purchase(buy(7, 2))
    page = await shop.orders(OrderQuery(limit=1))
    assert (page.total, await catalogue(shop)) == (2, [(7, "茶", 19.99, "绿茶", 1)])
    assert [product.id for product in (await shop.products(ProductQuery(query="绿茶"))).items] == [7]
    await shop.close()


async def test_a_migration_that_fails_changes_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await (await open_store(url)).close()
    with monkeypatch.context() as broken:
        patch_steps(broken, lambda steps: [*steps, ["CREATE TABLE novelty (x INTEGER)", "CREATE NONSENSE"]])
        with pytest.raises(StoreUnavailableError, match="syntax error"):
            await open_store(url)
    shop = await open_store(url)
    assert len(await catalogue(shop)) == 4
    with pytest.raises((sqlite3.OperationalError, asyncpg.UndefinedTableError)):
        ask(url, "SELECT * FROM novelty")
    await shop.close()


async def test_a_newer_schema_is_refused_and_left_alone(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as newer:
        patch_steps(newer, lambda steps: [*steps, ["CREATE TABLE novelty (x INTEGER)"]])
        await (await open_store(url)).close()
    with pytest.raises(StoreUnavailableError) as refused:
        await open_store(url)
    assert failure_sentence(refused.value) == (
        f"数据库结构版本 {len(schema.SQLITE) + 1} 比本程序所知的 {len(schema.SQLITE)} 新，请升级程序"
    )
    assert ask(url, "SELECT * FROM novelty") == []


async def test_two_processes_may_open_an_empty_shop_at_once(url: str) -> None:
    shops = await asyncio.gather(*(open_store(url) for _ in range(4)))
    await shops[0].purchase(buy(1, 1))
    assert [(await catalogue(shop))[0][4] for shop in shops] == [99] * 4
    for shop in shops:
        await shop.close()


async def test_postgresql_without_its_extra_says_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "shop.postgres", raising=False)
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(StoreUnavailableError) as refused:
        await open_store("postgresql://shop@127.0.0.1/shop")
    assert "uv sync --extra postgres" in failure_sentence(refused.value)


@pytest.mark.parametrize("url", ["mysql://x", "shop.db", "sqlite://", "sqlite:///", "postgresql://[::1"])
async def test_an_unknown_kind_of_database_is_refused(url: str) -> None:
    with pytest.raises(StoreUnavailableError):
        await open_store(url)


MANY = [TEA | {"id": id_, "quantity": 9} for id_ in range(1, 251)]  # more than are indexed at once


async def until_due(url: str, parts: int) -> None:
    async def is_so() -> bool:
        return len(ask(url, "SELECT name FROM facts WHERE name LIKE 'search due%'")) == parts

    await until(is_so)


async def found(shop: Store, query: str) -> int:
    return (await shop.products(ProductQuery(query=query, limit=1))).total


async def test_buyers_come_in_between_the_parts_of_an_import(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await shop_with(url, tmp_path, *MANY)
    monkeypatch.setattr("shop.store.INDEX_PAUSE_SECONDS", 600)
    renamed = load(written(tmp_path, json.dumps([each | {"name": "摄影包"} for each in MANY])))
    importing = asyncio.create_task(shop.import_products(renamed))
    await until_due(url, 2)  # of three parts
    assert {product.name for product in (await shop.products(ProductQuery())).items} == {"摄影包"}
    assert (await shop.purchase(buy(250, 4))).order.items[0].quantity == 4
    importing.cancel()  # as the end of the service does
    await asyncio.wait({importing})
    assert await found(shop, "摄影包") == 100
    await shop.close()
    monkeypatch.undo()
    shop = await open_store(url)  # which ends what was begun
    await until_due(url, 0)
    assert (await found(shop, "摄影包"), await found(shop, "茶叶"), len(MANY)) == (250, 250, 250)
    await shop.close()


async def test_two_imports_at_once_leave_nothing_out_of_the_index(url: str, tmp_path: Path) -> None:
    shops = [await shop_with(url, tmp_path, *MANY), await open_store(url)]
    files = [
        load(written(tmp_path, json.dumps([each | {"description": about} for each in MANY])))
        for about in ("台灯", "键盘")
    ]
    await asyncio.gather(*(shop.import_products(file) for shop, file in zip(shops, files, strict=True)))
    await until_due(url, 0)
    [about] = {row[0] for row in ask(url, "SELECT description FROM products")}
    assert (await found(shops[0], about), await found(shops[0], "键盘" if about == "台灯" else "台灯")) == (
        250,
        0,
    )
    for shop in shops:
        await shop.close()


async def test_products_that_cannot_be_indexed_now_are_imported_all_the_same(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await shop_with(url, tmp_path, *MANY)

    async def fail() -> None:
        raise StoreUnavailableError("database_failed", database="x", reason="y")

    monkeypatch.setattr(shop, "index", fail)
    renamed = load(written(tmp_path, json.dumps([each | {"name": "摄影包"} for each in MANY])))
    assert (await shop.import_products(renamed)).changed == 250
    assert len((await shop.products(ProductQuery(limit=500))).items) == 250
    await shop.close()
