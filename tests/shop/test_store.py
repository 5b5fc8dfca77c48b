"""The shop's rules and records, on both engines."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from models import OrderItem, PurchaseRequest
from shop import postgres
from shop.catalog import CatalogEntry
from shop.engines import open_store
from shop.errors import StoreError
from shop.filters import InventoryQuery, OrderQuery, ProductQuery, SummaryQuery
from shop.store import Store
from tests.support.engines import ENGINES, ask, new_url

pytestmark = pytest.mark.anyio


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return new_url(request.param, tmp_path)


@pytest.fixture
async def shop(url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    for waits in ("POOL_SECONDS", "WRITE_SECONDS"):  # which 50 buyers at once reach on a busy machine
        monkeypatch.setattr(postgres, waits, 60.0)
    store = await open_store(url)
    yield store
    await store.close()


def wants(*lines: tuple[int, int], name: str = "客户A") -> PurchaseRequest:
    return PurchaseRequest(customerName=name, items=[OrderItem(productId=i, quantity=n) for i, n in lines])


async def stock(shop: Store) -> dict[int, int]:
    page = await shop.inventory(InventoryQuery())
    return {item.productId: item.quantity for item in page.items}


async def test_an_empty_shop_gets_the_tutorials_catalogue(shop: Store) -> None:
    page = await shop.products(ProductQuery())
    assert [(p.id, p.name, p.price) for p in page.items] == [
        (1, "智能手表Galaxy", 1299.0),
        (2, "无线蓝牙耳机Pro", 899.0),
        (3, "便携式移动电源", 299.0),
        (4, "华为MateBook X Pro", 1599.0),
    ]
    assert await stock(shop) == {1: 100, 2: 50, 3: 200, 4: 150}


async def test_a_purchase_takes_its_stock_and_is_listed(shop: Store) -> None:
    bought = await shop.purchase(wants((2, 2), (1, 1), name="张三 🎧"))
    assert (bought.order.totalAmount, bought.replayed) == (3097.0, False)
    assert (await shop.orders(OrderQuery())).items == [bought.order]
    assert await stock(shop) == {1: 99, 2: 48, 3: 200, 4: 150}


async def test_orders_and_stock_survive_a_restart(url: str) -> None:
    shop = await open_store(url)
    first = (await shop.purchase(wants((2, 2)))).order
    await shop.close()
    shop = await open_store(url)
    second = (await shop.purchase(wants((2, 1)))).order
    assert (await shop.orders(OrderQuery())).items == [second, first]
    assert (await stock(shop))[2] == 47
    await shop.close()


async def test_two_lines_of_one_product_count_together(shop: Store) -> None:
    with pytest.raises(StoreError, match="out_of_stock") as refused:
        await shop.purchase(wants((2, 40), (2, 40)))
    assert refused.value.params == {"productId": 2, "name": "无线蓝牙耳机Pro", "available": 50}
    assert (await stock(shop))[2] == 50


async def test_a_refused_order_changes_nothing_even_where_an_earlier_line_could_be_served(
    shop: Store,
) -> None:
    with pytest.raises(StoreError, match="unknown_product") as refused:
        await shop.purchase(wants((1, 1), (99, 1)), "key")
    assert refused.value.params == {"productId": 99}
    assert await stock(shop) == {1: 100, 2: 50, 3: 200, 4: 150}
    assert (await shop.orders(OrderQuery())).total == 0


@pytest.mark.parametrize("name", ["", "  ", "\u3000"])
async def test_a_blank_customer_is_refused(shop: Store, name: str) -> None:
    with pytest.raises(StoreError, match="empty_purchase"):
        await shop.purchase(wants((1, 1), name=name))


async def test_an_order_without_lines_is_refused(shop: Store) -> None:
    with pytest.raises(StoreError, match="empty_purchase"):
        await shop.purchase(wants())


async def test_the_same_key_buys_once(shop: Store) -> None:
    first = await shop.purchase(wants((2, 2)), "k")
    again = await shop.purchase(wants((2, 2)), "k")
    assert (again.order, again.replayed) == (first.order, True)
    assert (await stock(shop))[2] == 48


async def test_a_key_survives_a_restart(url: str) -> None:
    shop = await open_store(url)
    first = await shop.purchase(wants((2, 2)), "k")
    await shop.close()
    shop = await open_store(url)
    assert (await shop.purchase(wants((2, 2)), "k")).order == first.order
    await shop.close()


@pytest.mark.parametrize(
    "other",
    [wants((2, 3)), wants((1, 2)), wants((2, 2), name="客户B"), wants((2, 1), (2, 1)), wants((99, 1))],
)
async def test_a_key_does_not_buy_something_else(shop: Store, other: PurchaseRequest) -> None:
    await shop.purchase(wants((2, 2)), "k")
    with pytest.raises(StoreError, match="key_reused"):
        await shop.purchase(other, "k")
    assert (await shop.orders(OrderQuery())).total == 1
    assert (await stock(shop))[2] == 48


async def test_a_refused_purchase_leaves_its_key_free(shop: Store) -> None:
    with pytest.raises(StoreError, match="out_of_stock"):
        await shop.purchase(wants((2, 51)), "k")
    assert not (await shop.purchase(wants((2, 50)), "k")).replayed


async def test_a_key_is_replayed_although_the_stock_is_gone(shop: Store) -> None:
    first = await shop.purchase(wants((2, 50)), "k")
    assert (await shop.purchase(wants((2, 50)), "k")).order == first.order


async def test_two_at_the_same_moment_with_one_key_get_one_order(shop: Store) -> None:
    answers = await asyncio.gather(*(shop.purchase(wants((2, 50)), "k") for _ in range(8)))
    assert len({answer.order.id for answer in answers}) == 1
    assert [answer.replayed for answer in answers].count(False) == 1


async def test_one_key_for_two_orders_at_the_same_moment_is_one_order(shop: Store) -> None:
    answers = await asyncio.gather(
        *(shop.purchase(wants((product, 1)), "k") for product in (1, 2, 3, 4)), return_exceptions=True
    )
    assert answers.count(StoreError("key_reused")) == 3
    assert (await shop.orders(OrderQuery())).total == 1


async def test_fifty_buyers_cannot_share_the_last_item(shop: Store) -> None:
    await shop.purchase(wants((2, 49)))
    answers = await asyncio.gather(*(shop.purchase(wants((2, 1))) for _ in range(50)), return_exceptions=True)
    refused = StoreError("out_of_stock", productId=2, name="无线蓝牙耳机Pro", available=0)
    assert answers.count(refused) == 49
    assert (await stock(shop))[2] == 0


async def test_buyers_of_the_same_things_in_opposite_order_do_not_block_each_other(shop: Store) -> None:
    orders = [wants((1, 1), (2, 1)), wants((2, 1), (1, 1))] * 20
    await asyncio.gather(*(shop.purchase(order) for order in orders))
    assert await stock(shop) == {1: 60, 2: 10, 3: 200, 4: 150}


async def test_an_order_number_is_never_used_twice(shop: Store) -> None:
    numbers = [(await shop.purchase(wants((3, 1)))).order.id for _ in range(3)]
    assert numbers == sorted(set(numbers))


async def ids(shop: Store, **query: object) -> list[int]:
    return [product.id for product in (await shop.products(ProductQuery.model_validate(query))).items]


async def test_products_are_searched_in_name_and_description(shop: Store) -> None:
    assert await ids(shop, query="耳机") == [2]
    assert await ids(shop, query="快充") == [3]
    assert await ids(shop, query="MATEBOOK pro") == [4, 2]
    assert await ids(shop, query="PRO") == [2, 4]
    assert await ids(shop, query="100%") == [4]
    assert await ids(shop, query="_") == []
    assert await ids(shop, query="\\") == []


async def test_products_are_filtered_by_price_to_the_cent(url: str) -> None:
    entries = [
        CatalogEntry(id=i, name="n", price=Decimal(p), description="", quantity=1)
        for i, p in enumerate(("19.98", "19.99", "20"), 1)
    ]
    shop = await open_store(url, entries)
    assert await ids(shop, maxPrice=19.99) == [1, 2]
    assert await ids(shop, minPrice=19.99) == [2, 3]
    assert await ids(shop, minPrice=19.981, maxPrice=19.999) == [2]
    await shop.close()


async def test_pages_know_how_long_the_whole_list_is(shop: Store) -> None:
    page = await shop.products(ProductQuery(limit=2, offset=1))
    assert ([product.id for product in page.items], page.total) == ([2, 3], 4)
    assert (await shop.products(ProductQuery(offset=9))).total == 4


async def test_inventory_is_filtered_by_product_and_by_what_is_left(shop: Store) -> None:
    some = await shop.inventory(InventoryQuery(productId=[1, 3, 99]))
    assert [item.productId for item in some.items] == [1, 3]
    few = await shop.inventory(InventoryQuery(maxQuantity=100))
    assert [(item.productId, item.product and item.product.name) for item in few.items] == [
        (1, "智能手表Galaxy"),
        (2, "无线蓝牙耳机Pro"),
    ]


async def test_orders_are_filtered_and_paged(shop: Store) -> None:
    for name, product in (("甲", 1), ("乙", 1), ("甲", 2)):
        await shop.purchase(wants((product, 1), (3, 1), name=name))

    async def found(**query: object) -> list[int]:
        page = await shop.orders(OrderQuery.model_validate(query))
        assert all(order.items[1].productId == 3 for order in page.items)
        return [order.id for order in page.items]

    newest, middle, oldest = await found()
    assert await found(customerName="甲") == [newest, oldest]
    assert await found(productId=1) == [middle, oldest]
    assert await found(customerName="甲", productId=1) == [oldest]
    assert await found(limit=1, offset=1) == [middle]
    assert (await shop.orders(OrderQuery(limit=1, offset=1))).total == 3


async def test_orders_are_filtered_by_a_period_that_includes_both_its_ends(shop: Store) -> None:
    order = (await shop.purchase(wants((1, 1)))).order
    day, moment = order.orderDate[:10], order.orderDate
    for period in ({"since": day, "until": day}, {"since": moment, "until": moment}):
        assert (await shop.orders(OrderQuery(**period))).total == 1
    assert (await shop.orders(OrderQuery(since="2999-01-01"))).total == 0
    assert (await shop.orders(OrderQuery(until="2000-01-01T00:00:00+08:00"))).total == 0


async def test_orders_are_filtered_by_their_amount_to_the_cent_with_both_ends(url: str) -> None:
    shop = await open_store(
        url, [CatalogEntry(id=1, name="n", price=Decimal("0.1"), description="", quantity=99)]
    )
    for quantity in (1, 3, 7):  # 0.10, 0.30, 0.70: none of them is a binary fraction
        await shop.purchase(wants((1, quantity)))

    async def amounts(**query: float) -> list[float]:
        return [order.totalAmount for order in (await shop.orders(OrderQuery.model_validate(query))).items]

    assert await amounts(minAmount=0.3) == [0.7, 0.3]
    assert await amounts(maxAmount=0.3) == [0.3, 0.1]
    assert await amounts(minAmount=0.3, maxAmount=0.3) == [0.3]
    assert await amounts(minAmount=0.301, maxAmount=0.699) == []
    (row,) = (await shop.summary(SummaryQuery(groupBy="total", minAmount=0.2))).items
    assert (row.orders, row.amount) == (2, 1.0)
    await shop.close()


async def test_sales_of_a_period_are_one_row_with_their_average(shop: Store, url: str) -> None:
    assert (await shop.summary(SummaryQuery(groupBy="total"))).items == []
    await shop.purchase(wants((2, 2), (2, 1), name="甲"))
    await shop.purchase(wants((1, 1), name="乙"))

    async def sums(**query: object) -> list[dict[str, object]]:
        page = await shop.summary(SummaryQuery.model_validate({"groupBy": "total"} | query))
        return [row.model_dump() for row in page.items]

    everything = {"key": "total", "label": "合计", "orders": 2, "quantity": 4, "amount": 3996.0}
    assert await sums() == [everything | {"average": 1998.0}]
    assert [(row["amount"], row["average"]) for row in await sums(productId=2)] == [(2697.0, 2697.0)]
    assert [row["average"] for row in await sums(customerName="乙")] == [1299.0]
    ask(url, "UPDATE orders SET total_cents = total_cents + 25 WHERE customer = '乙'")
    assert [row["average"] for row in await sums()] == [1998.13]  # of 1998.125
    assert await sums(since="2999-01-01") == []


async def test_sales_are_summed_by_product_customer_and_day(shop: Store) -> None:
    await shop.purchase(wants((2, 2), (2, 1), name="甲"))
    day = (await shop.purchase(wants((2, 1), (1, 1), name="乙"))).order.orderDate[:10]

    async def sums(**query: object) -> list[tuple[str, str, int, int, float]]:
        page = await shop.summary(SummaryQuery.model_validate(query))
        assert page.total == len(page.items)
        return [(s.key, s.label, s.orders, s.quantity, s.amount) for s in page.items]

    watch, phones = ("1", "智能手表Galaxy", 1, 1, 1299.0), ("2", "无线蓝牙耳机Pro", 2, 4, 3596.0)
    assert await sums() == [phones, watch]
    assert await sums(groupBy="customer") == [("甲", "甲", 1, 3, 2697.0), ("乙", "乙", 1, 2, 2198.0)]
    assert await sums(groupBy="day") == [(day, day, 2, 5, 4895.0)]
    assert await sums(customerName="乙") == [watch, ("2", "无线蓝牙耳机Pro", 1, 1, 899.0)]
    assert await sums(groupBy="customer", productId=1) == [("乙", "乙", 1, 1, 1299.0)]
    assert await sums(since="2999-01-01") == []


async def test_a_page_of_sums_knows_how_many_there_are(shop: Store) -> None:
    for product in (1, 2, 3):
        await shop.purchase(wants((product, 1)))
    page = await shop.summary(SummaryQuery(limit=2))
    assert ([item.key for item in page.items], page.total) == (["1", "2"], 3)


async def test_sums_above_what_64_bits_of_cents_hold_are_sums(shop: Store, url: str) -> None:
    order = (await shop.purchase(wants((1, 1)))).order
    ask(url, f"UPDATE orders SET total_cents = {10**17}")  # the highest price and quantity, 100 times
    ask(url, f"UPDATE order_items SET quantity = 1000000, unit_cents = {10**11}")
    copied = "SELECT customer, total_cents, units, ordered_at, day FROM orders"
    for _ in range(7):
        ask(url, f"INSERT INTO orders (customer, total_cents, units, ordered_at, day) {copied}")
    line = "0, product_id, quantity, unit_cents FROM order_items"
    ask(url, f"INSERT INTO order_items SELECT o.id, {line}, orders o WHERE o.id <> {order.id}")
    for group in ("total", "product", "customer", "day"):
        (row,) = (await shop.summary(SummaryQuery.model_validate({"groupBy": group}))).items
        assert row.orders == 128
        assert row.amount == pytest.approx(128 * 10**15)
