"""The shop's rules: what a purchase must fulfil, whatever engine keeps the records.

The engines are `sqlite.py` and `postgres.py`. On both, an order, its stock and its idempotency key are
written in one transaction.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar
from zoneinfo import ZoneInfo

from models import InventoryItem, Order, Product, PurchaseRequest, SalesSummary, Today
from shop import days, queries, search
from shop.catalog import CatalogEntry
from shop.errors import StoreError
from shop.filters import InventoryQuery, ListQuery, OrderQuery, ProductQuery, SummaryQuery
from shop.queries import Period, Row, Statement

T = TypeVar("T")

HALF_A_CENT = 0.005  # yuan; whoever adds up prices in binary is off by less


@dataclass(frozen=True)
class Listing(Generic[T]):
    """Part of a list, and how long the whole list is."""

    items: list[T]
    total: int


@dataclass(frozen=True)
class Preparation:
    """What a database is made ready with when it is opened; see `engines.open_store`."""

    catalogue: list[CatalogEntry] | None = None
    timezone: str | None = None
    move_days: bool = False


@dataclass(frozen=True)
class Intent:
    """One purchase that somebody wants, however often it is sent.

    What is bought under a key is told by customer and lines alone. The total that the buyer was told is a
    condition of buying and no part of that: after the order was placed, at whatever price, a repeat finds it.
    """

    request: PurchaseRequest
    key: str | None = None
    expected_total: float | None = None  # yuan


@dataclass(frozen=True)
class Purchase:
    """The order of a purchase; `replayed` when the order was found by its idempotency key."""

    order: Order
    replayed: bool = False


@dataclass(frozen=True)
class StockedProduct:
    """What a purchase must know of one product."""

    name: str
    cents: int
    stock: int


def wanted_stock(request: PurchaseRequest) -> Counter[int]:
    """Return how much of each product is wanted: lines of the same product are added up."""
    wanted: Counter[int] = Counter()
    for line in request.items:
        wanted[line.productId] += line.quantity
    return wanted


def checked_total(intent: Intent, products: Mapping[int, StockedProduct]) -> int:
    """Return the total in cents. Raises `StoreError` for a line that cannot be served, or another total."""
    wanted = wanted_stock(intent.request)
    for line in intent.request.items:
        product = products.get(line.productId)
        if product is None:
            raise StoreError("unknown_product", productId=line.productId)
        if product.stock < wanted[line.productId]:
            at_hand = {"name": product.name, "available": product.stock}
            raise StoreError("out_of_stock", productId=line.productId, **at_hand)
    total = sum(products[line.productId].cents * line.quantity for line in intent.request.items)
    expected = intent.expected_total
    if expected is not None and abs(expected - total / 100) >= HALF_A_CENT:
        raise StoreError("price_changed", expected=expected, now=total / 100)
    return total


def order_time(timezone: str) -> tuple[str, str]:
    """Return now and its day as they are stored with an order."""
    now = datetime.now(UTC)
    return days.stored_time(now), days.day_of(now, days.zone_named(timezone))


def new_order(order_id: int, request: PurchaseRequest, total_cents: int, ordered_at: str) -> Order:
    """Return the order that was just written."""
    return Order(
        id=order_id,
        customerName=request.customerName,
        items=request.items,
        totalAmount=total_cents / 100,
        orderDate=ordered_at,
    )


def replay(order: Order, intent: Intent) -> Purchase:
    """Return the order that a key has bought before. Raises `StoreError` where the request differs."""
    if (order.customerName, order.items) != (intent.request.customerName, intent.request.items):
        raise StoreError("key_reused")
    return Purchase(order, replayed=True)


class Store(ABC):
    """The shop. Every method may raise `StoreUnavailableError`."""

    @abstractmethod
    async def fetch(self, statement: Statement) -> Sequence[Row]:
        """Run a reading statement."""

    @abstractmethod
    async def place(self, intent: Intent) -> Purchase:
        """Take the stock and write the order in one transaction. After a `StoreError` nothing was written."""

    @abstractmethod
    async def ping(self) -> None:
        """Return when the database answers and can be written."""

    @abstractmethod
    async def close(self) -> None:
        """Finish what is under way, then close the database."""

    async def purchase(
        self, request: PurchaseRequest, key: str | None = None, expected_total: float | None = None
    ) -> Purchase:
        """Buy. With a key the same request buys once, however often it is sent. Raises `StoreError`."""
        if not request.customerName.strip() or not request.items:
            raise StoreError("empty_purchase")
        return await self.place(Intent(request, key, expected_total))

    async def products(self, query: ProductQuery) -> Listing[Product]:
        """Return products by id or, where something is searched, the best match first."""
        if not query.query.strip():
            return await self._list(query, queries.products(query), queries.to_products)
        rows, total = await search.find(self.fetch, query)
        return Listing(queries.to_products(rows), total)

    async def inventory(self, query: InventoryQuery) -> Listing[InventoryItem]:
        """Return stock by product id."""
        return await self._list(query, queries.inventory(query), queries.to_inventory)

    async def orders(self, query: OrderQuery) -> Listing[Order]:
        """Return orders, newest first."""
        return await self._list(query, queries.orders(query, await self._period(query)), queries.to_orders)

    async def summary(self, query: SummaryQuery) -> Listing[SalesSummary]:
        """Return sums, the largest amount first, days newest first."""
        sums = queries.summary(query, await self._period(query))
        return await self._list(query, sums, queries.to_summaries)

    async def today(self) -> Today:
        """Return the zone in which this shop counts its days, and its day of now."""
        zone = await self._zone()
        return Today(timezone=zone.key, today=days.day_of(datetime.now(UTC), zone))

    async def _zone(self) -> ZoneInfo:
        # Read each time, which is quick: a command may change it while this service runs.
        return days.zone_named((await self.fetch(Statement(days.TIMEZONE, [], quick=True)))[0][0])

    async def _period(self, query: OrderQuery) -> Period:
        if query.since is None and query.until is None:
            return None, None
        zone = await self._zone()
        return (
            days.first_moment(query.since, zone) if query.since else None,
            days.last_moment(query.until, zone) if query.until else None,
        )

    async def _list(
        self, query: ListQuery, sql: tuple[Statement, Statement], made: Callable[[Sequence[Row]], list[T]]
    ) -> Listing[T]:
        select, count = sql
        items = made(await self.fetch(select))
        if len(items) < query.limit and (items or not query.offset):
            return Listing(items, query.offset + len(items))  # it reaches the end: no need to count
        return Listing(items, (await self.fetch(count))[0][0])
