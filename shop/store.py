"""The shop, whatever engine keeps the records: `sqlite.py` or `postgres.py`."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar
from zoneinfo import ZoneInfo

from models import InventoryItem, Move, Order, Product, PurchaseRequest, SalesSummary, Today
from serving import tracing
from shop import days, queries, search, stock, writing
from shop.catalog import CatalogEntry, Imported
from shop.errors import StoreError, StoreUnavailableError
from shop.filters import InventoryQuery, ListQuery, OrderFilter, OrderQuery, ProductQuery, SummaryQuery
from shop.queries import Period, Row, Script, Statement, Table
from shop.sheets import Sheet
from shop.stock import Purchase

PART_ROWS = 500  # of an export, read at a time
INDEX_PAUSE_SECONDS = 0.05  # between two parts of the index, so that buyers of other processes come in, too

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Listing(Generic[T]):
    """Part of a list, and how long the whole list is."""

    items: list[T]
    total: int


class Store(ABC):
    """The shop. Every method may raise `StoreUnavailableError`."""

    @abstractmethod
    async def fetch(self, statement: Statement) -> Sequence[Row]:
        """Run a reading statement."""

    @abstractmethod
    async def export(self, table: Table, sheet: Sheet) -> None:
        """Write a table of any length, as it is at one moment, in a thread; after a failure anew."""

    @abstractmethod
    async def write(self, make: Callable[[], Script[T]], *, once: bool = False, much: bool = False) -> T:
        """Run the script that `make` makes in one transaction. After a `StoreError` nothing was written.

        What can be done `once` only is not repeated where it may have been done; else `make` may be called
        again. What then finds its own work counts as having done it: of a script that returns a pair, the
        second says whether an earlier request has done it. Writing `much`, as an import does, may take its
        time.
        """

    def waiting(self) -> dict[tuple[str, ...], float]:
        """Return what there is of connections and of jobs that wait, by name."""
        return {}

    def version(self) -> object:
        """Return what is another one after each commit, of whatever process, or None: it is not known."""
        return None

    async def pause(self, seconds: float) -> None:
        """Return after so long, or as soon as there is news of a commit."""
        await asyncio.sleep(seconds)

    @abstractmethod
    async def ping(self) -> None:
        """Return when the database answers and can be written."""

    @abstractmethod
    async def close(self) -> None:
        """Finish what is under way, then close the database."""

    async def import_products(self, entries: list[CatalogEntry]) -> Imported:
        """Write the products that are new or changed, all of them or none, then index them."""
        done = await self.write(lambda: writing.import_products(entries), much=True)
        try:
            await self.index()
        except StoreUnavailableError as error:  # the products are written; the next start indexes the rest
            log.warning("商品已导入，还没有全部编入搜索：%s", error.code)
        return done

    async def index(self) -> None:
        """Index the products that are due, in parts, between which others can buy."""
        while await self.fetch(writing.INDEX_DUE):
            await self.write(writing.index_next, much=True)
            await asyncio.sleep(INDEX_PAUSE_SECONDS)

    async def purchase(
        self, request: PurchaseRequest, key: str | None = None, expected_total: float | None = None
    ) -> Purchase:
        """Buy. With a key the same request buys once, however often it is sent. Raises `StoreError`."""
        if not request.customerName.strip() or not request.items:
            raise StoreError("empty_purchase")
        with tracing.span("shop purchase"):
            return await self.write(lambda: stock.place(request, key, expected_total), once=key is None)

    async def product(self, product_id: int) -> Product:
        """Return one product. Raises `StoreError`."""
        rows = await self.fetch(queries.product(product_id))
        if not rows:
            raise StoreError("unknown_product", productId=product_id)
        return queries.to_products(rows)[0]

    async def picture(self, product_id: int) -> tuple[str, bytes, str]:
        """Return a product's picture: type, content, digest. Raises `StoreError`."""
        rows = await self.fetch(queries.picture(product_id))
        if not rows or rows[0][0] is None:
            raise StoreError("no_picture" if rows else "unknown_product", productId=product_id)
        kind, content, digest = rows[0]
        return kind, content, digest

    async def order(self, order_id: int) -> Order:
        """Return one order. Raises `StoreError`."""
        order = queries.to_order(await self.fetch(queries.order(order_id)))
        if order is None:
            raise StoreError("unknown_order", orderId=order_id)
        return order

    async def moves(self, product_id: int, query: ListQuery) -> Listing[Move]:
        """Return a product's ledger, newest first. Raises `StoreError`."""
        listing = await self._list(query, queries.moves(product_id, query), queries.to_moves)
        if not listing.total:  # every product has its opening
            raise StoreError("unknown_product", productId=product_id)
        return listing

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

    async def order_lines(self, query: OrderFilter) -> Table:
        """Return the lines of orders as a table, for `export`."""
        return queries.order_lines(query, await self._period(query), await self._zone())

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

    async def _period(self, query: OrderFilter) -> Period:
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
        with tracing.span("shop list"):
            items = made(await self.fetch(select))
        if len(items) < query.limit and (items or not query.offset):
            return Listing(items, query.offset + len(items))  # it reaches the end: no need to count
        return Listing(items, (await self.fetch(count))[0][0])
