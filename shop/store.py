"""The shop's rules: what a purchase must fulfil, whatever engine keeps the records.

The engines are `sqlite.py` and `postgres.py`. On both, an order, its stock and its idempotency key are
written in one transaction.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

from models import InventoryItem, Order, Product, PurchaseRequest, SalesSummary
from shop import queries
from shop.errors import EmptyPurchaseError, KeyReusedError, OutOfStockError, UnknownProductError
from shop.filters import InventoryQuery, ListQuery, OrderQuery, ProductQuery, SummaryQuery, stored_time
from shop.queries import Row, Statement

T = TypeVar("T")


@dataclass(frozen=True)
class Listing(Generic[T]):
    """Part of a list, and how long the whole list is."""

    items: list[T]
    total: int


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


def checked_total(request: PurchaseRequest, products: Mapping[int, StockedProduct]) -> int:
    """Return the total in cents.

    Raises:
        UnknownProductError: For the first line whose product is not among `products`.
        OutOfStockError: For the first line whose product is too few.
    """
    wanted = wanted_stock(request)
    for line in request.items:
        product = products.get(line.productId)
        if product is None:
            raise UnknownProductError(line.productId)
        if product.stock < wanted[line.productId]:
            raise OutOfStockError(line.productId, product.name, product.stock)
    return sum(products[line.productId].cents * line.quantity for line in request.items)


def order_time() -> str:
    """Return now as it is stored with an order."""
    return stored_time(datetime.now(UTC))


def new_order(order_id: int, request: PurchaseRequest, total_cents: int, ordered_at: str) -> Order:
    """Return the order that was just written."""
    return Order(
        id=order_id,
        customerName=request.customerName,
        items=request.items,
        totalAmount=total_cents / 100,
        orderDate=ordered_at,
    )


def replay(order: Order, request: PurchaseRequest) -> Purchase:
    """Return the order that a key has bought before. Raises `KeyReusedError` where the request differs."""
    if (order.customerName, order.items) != (request.customerName, request.items):
        raise KeyReusedError
    return Purchase(order, replayed=True)


class Store(ABC):
    """The shop. Every method may raise `StoreUnavailableError`."""

    @abstractmethod
    async def fetch(self, statement: Statement) -> Sequence[Row]:
        """Run a reading statement."""

    @abstractmethod
    async def place(self, request: PurchaseRequest, key: str | None) -> Purchase:
        """Take the stock and write the order in one transaction. After a `StoreError` nothing was written."""

    @abstractmethod
    async def close(self) -> None:
        """Finish what is under way, then close the database."""

    async def purchase(self, request: PurchaseRequest, key: str | None = None) -> Purchase:
        """Buy. With a key the same request buys once, however often it is sent. Raises `StoreError`."""
        if not request.customerName.strip() or not request.items:
            raise EmptyPurchaseError
        return await self.place(request, key)

    async def products(self, query: ProductQuery) -> Listing[Product]:
        """Return products by id."""
        rows, total = await self._list(query, *queries.products(query))
        return Listing([queries.to_product(row) for row in rows], total)

    async def inventory(self, query: InventoryQuery) -> Listing[InventoryItem]:
        """Return stock by product id."""
        rows, total = await self._list(query, *queries.inventory(query))
        return Listing([queries.to_inventory_item(row) for row in rows], total)

    async def orders(self, query: OrderQuery) -> Listing[Order]:
        """Return orders, newest first."""
        lines, count = queries.orders(query)
        orders = queries.to_orders(await self.fetch(lines))
        return Listing(orders, await self._total(query, len(orders), count))

    async def summary(self, query: SummaryQuery) -> Listing[SalesSummary]:
        """Return sums, the largest amount first, days newest first."""
        rows, total = await self._list(query, *queries.summary(query))
        return Listing([queries.to_summary(row) for row in rows], total)

    async def ping(self) -> None:
        """Return when the database answers."""
        await self.fetch(Statement("SELECT 1 FROM products LIMIT 1", [], quick=True))

    async def _list(self, query: ListQuery, select: Statement, count: Statement) -> tuple[Sequence[Row], int]:
        rows = await self.fetch(select)
        return rows, await self._total(query, len(rows), count)

    async def _total(self, query: ListQuery, fetched: int, count: Statement) -> int:
        if fetched < query.limit and (fetched or not query.offset):
            return query.offset + fetched  # this part reaches the end of the list: no need to count
        total: int = (await self.fetch(count))[0][0]
        return total
