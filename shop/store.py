"""The shop: what may be asked of it, what it refuses, and the rules that every purchase obeys.

The records are kept by an engine: `sqlite.py` or `postgres.py`. On both, an order, its stock and its
idempotency key are one transaction.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from models import InventoryItem, Order, Product, PurchaseRequest, SalesSummary
from shop import queries
from shop.catalog import CatalogEntry
from shop.queries import (
    InventoryQuery,
    OrderQuery,
    Page,
    PageQuery,
    ProductQuery,
    Row,
    Statement,
    SummaryQuery,
)


class StoreError(Exception):
    """What the shop refuses; the message is a sentence for the buyer."""


class EmptyPurchaseError(StoreError):
    """Nobody buys, or nothing is bought."""

    def __init__(self) -> None:
        super().__init__("请求无效：缺少客户名称或商品")


class UnknownProductError(StoreError):
    """A line names a product that the shop does not have."""

    def __init__(self, product_id: int) -> None:
        super().__init__(f"商品ID {product_id} 不存在")


class OutOfStockError(StoreError):
    """The lines of one product want more than there is."""

    def __init__(self, name: str, available: int) -> None:
        super().__init__(f"商品 {name} 库存不足. 可用: {available}")


class KeyReusedError(StoreError):
    """The idempotency key belongs to another request."""

    def __init__(self) -> None:
        super().__init__("Idempotency-Key 已用于另一笔不同的订单")


class StoreUnavailableError(Exception):
    """The database is locked, full, read-only, damaged, gone or too new; the message is for the operator."""


@dataclass(frozen=True)
class Purchase:
    """The order of a purchase; replayed when its key had bought it before."""

    order: Order
    replayed: bool = False


@dataclass(frozen=True)
class Stocked:
    """What a purchase must know of one product."""

    name: str
    cents: int
    stock: int


def check_lines(request: PurchaseRequest, found: dict[int, Stocked]) -> int:
    """Return the total in cents, or refuse for the first line whose product is unknown or too few."""
    wanted = wanted_stock(request)
    for line in request.items:
        product = found.get(line.productId)
        if product is None:
            raise UnknownProductError(line.productId)
        if product.stock < wanted[line.productId]:
            raise OutOfStockError(product.name, product.stock)
    return sum(found[line.productId].cents * line.quantity for line in request.items)


def wanted_stock(request: PurchaseRequest) -> Counter[int]:
    """Return how much of each product the request wants: two lines of one product count together."""
    wanted: Counter[int] = Counter()
    for line in request.items:
        wanted[line.productId] += line.quantity
    return wanted


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
    """Answer a key that was used before. The order keeps what was asked, so the two compare by meaning."""
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
        """Take the stock and write the order, or raise a `StoreError` and change nothing."""

    @abstractmethod
    async def close(self) -> None:
        """Finish what is under way and let the database go."""

    async def purchase(self, request: PurchaseRequest, key: str | None = None) -> Purchase:
        """Buy. With a key the same request buys once, however often it comes; see `StoreError`."""
        if not request.customerName.strip() or not request.items:
            raise EmptyPurchaseError
        return await self.place(request, key)

    async def products(self, query: ProductQuery) -> Page[Product]:
        """Return products by id."""
        rows, total = await self._page(query, *queries.products(query))
        return Page([queries.to_product(row) for row in rows], total)

    async def inventory(self, query: InventoryQuery) -> Page[InventoryItem]:
        """Return stock by product id."""
        rows, total = await self._page(query, *queries.inventory(query))
        return Page([queries.to_inventory_item(row) for row in rows], total)

    async def orders(self, query: OrderQuery) -> Page[Order]:
        """Return orders, newest first."""
        page, count = queries.orders(query)
        found = queries.to_orders(await self.fetch(page))
        return Page(found, await self._total(query, len(found), count))

    async def summary(self, query: SummaryQuery) -> Page[SalesSummary]:
        """Return sums, the largest amount first, days newest first."""
        page, count = queries.summary(query)
        rows, total = await self._page(query, page, count)
        return Page([queries.to_summary(row) for row in rows], total)

    async def ping(self) -> None:
        """Return when the database answers."""
        await self.fetch(Statement("SELECT 1 FROM products LIMIT 1", [], quick=True))

    async def _page(self, query: PageQuery, page: Statement, count: Statement) -> tuple[Sequence[Row], int]:
        rows = await self.fetch(page)
        return rows, await self._total(query, len(rows), count)

    async def _total(self, query: PageQuery, found: int, count: Statement) -> int:
        if found < query.limit and (found or not query.offset):
            return query.offset + found  # the page is the last one: no need to count
        total: int = (await self.fetch(count))[0][0]
        return total


async def open_store(url: str, catalogue: list[CatalogEntry] | None = None) -> Store:
    """Open the shop at `sqlite:///file` or `postgresql://…`; create, migrate and fill it where needed.

    A catalogue brings in new products and renames known ones; without one an empty shop gets the
    tutorial's. Raise `StoreUnavailableError` with a sentence for the operator.
    """
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite" and rest.startswith("/") and len(rest) > 1:
        from shop.sqlite import SqliteStore  # noqa: PLC0415  the engines know this module

        return await SqliteStore.open(Path(unquote(rest[1:])), catalogue)
    if scheme in {"postgresql", "postgres"}:
        try:
            from shop.postgres import PostgresStore  # noqa: PLC0415  needs asyncpg, which is an extra
        except ModuleNotFoundError as error:
            raise StoreUnavailableError(
                "PostgreSQL 需要 asyncpg，请先运行：uv sync --extra postgres"
            ) from error
        return await PostgresStore.open(url, catalogue)
    raise StoreUnavailableError("DATABASE_URL 应为 sqlite:///文件名 或 postgresql://用户@主机/数据库")
