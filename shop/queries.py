"""The SQL of the reading routes, the same text for both engines, and what is made of its rows.

Arguments are numbered `?1`, `?2`, … as SQLite reads them; PostgreSQL gets `$1`, `$2`, … from the same text.
"""
# ruff: noqa: S608  the texts are put together from constants; every value is an argument

import itertools
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

import models
from shop.errors import StoreError
from shop.filters import InventoryQuery, ListQuery, OrderFilter, OrderQuery, ProductQuery, SummaryQuery

T = TypeVar("T")

Row = Sequence[Any]
Period = tuple[str | None, str | None]  # the first and the last stored time


class Statement(NamedTuple):
    """SQL with its arguments.

    `quick` ones take microseconds however large the shop is; one that `locks` holds its rows to the end of
    the transaction, where several transactions write at a time.
    """

    sql: str
    args: list[Any]
    quick: bool = False
    locks: bool = False


class Many(NamedTuple):
    """SQL that writes, once for each row of arguments; `table` names the one that all the rows fill."""

    sql: str
    rows: Iterable[Sequence[Any]]
    table: str | None = None


class Table(NamedTuple):
    """Rows of any number for a CSV file, and how each becomes cells."""

    columns: Sequence[str]
    statement: Statement
    cells: Callable[[Row], Sequence[Any]]


Script = Generator[Statement | Many, Sequence[Row], T]  # what runs in one transaction, on either engine


class Conditions:
    """A WHERE clause under construction; `{}` in a condition becomes the number of its argument.

    A condition on `None` is left out.
    """

    def __init__(self) -> None:
        self.args: list[Any] = []
        self.conditions: list[str] = []

    def numbered(self, value: Any) -> str:
        """Add an argument and return its number as SQL."""
        self.args.append(value)
        return f"?{len(self.args)}"

    def add(self, condition: str, *values: Any) -> None:
        """Add a condition with its arguments."""
        if None not in values:
            self.conditions.append(condition.format(*map(self.numbered, values)))

    def prices(self, query: ProductQuery) -> None:
        """Add the bounds of the price, where there are any."""
        if query.minPrice > 0:
            self.add("price_cents >= {}", _cents(query.minPrice, ROUND_CEILING))
        if query.maxPrice < models.MAX_PRICE:
            self.add("price_cents <= {}", _cents(query.maxPrice, ROUND_FLOOR))

    def limit(self, query: ListQuery) -> str:
        """Return the clause for the part of the list that is wanted."""
        return f"LIMIT {self.numbered(query.limit)} OFFSET {self.numbered(query.offset)}"

    def __str__(self) -> str:
        return f"WHERE {' AND '.join(self.conditions)}" if self.conditions else ""


def marks(values: Collection[object]) -> str:
    """Return as many argument marks as there are values."""
    return ", ".join(f"?{number}" for number in range(1, len(values) + 1))


def _cents(yuan: float | None, rounding: str) -> int | None:
    if yuan is None:
        return None
    # By way of text: 19.99 * 100 is 1998.9999999999998 in binary.
    return int((Decimal(str(yuan)) * 100).to_integral_value(rounding))


def _orders_of(query: OrderFilter, period: Period) -> Conditions:
    where = Conditions()
    where.add("o.customer = {}", query.customerName)
    where.add("o.total_cents >= {}", _cents(query.minAmount, ROUND_CEILING))
    where.add("o.total_cents <= {}", _cents(query.maxAmount, ROUND_FLOOR))
    where.add("o.ordered_at >= {}", period[0])
    where.add("o.ordered_at <= {}", period[1])
    return where


GROUPS: dict[models.GroupBy, str] = {
    "product": "i.product_id",
    "customer": "o.customer",
    "day": "o.day",
    "total": "CAST('total' AS TEXT)",
}
# Exact up to 2^53, as the JSON number that it becomes; a sum of integers fails above 2^63.
_CENTS = "sum(CAST({} AS DOUBLE PRECISION))"
IN_TOTAL = "合计"
LABELS = {
    "product": "(SELECT name FROM products WHERE id = i.product_id)",
    "total": f"CAST('{IN_TOTAL}' AS TEXT)",
}
PRODUCT = "id, name, price_cents, description, image IS NOT NULL"
_ORDER_LINES = """
SELECT o.id, o.customer, o.total_cents, o.ordered_at, o.status, i.product_id, i.quantity
FROM {orders} o LEFT JOIN order_items i ON i.order_id = o.id
ORDER BY o.ordered_at DESC, o.id DESC, i.line"""
ARCHIVED = "archived"  # the status of an order of which only its number and its key are left
# One statement, since an archive that ends between two could hide an order from both.
_ONE_ORDER = """(SELECT id, customer, total_cents, ordered_at, status FROM orders WHERE {0} = ?1 UNION ALL
    SELECT order_id, '', 0, '', 'archived' FROM archived_orders WHERE {1} = ?1)"""


def _is_quick(where: Conditions, query: ListQuery) -> bool:
    return not where.conditions and query.offset == 0 and query.limit <= models.DEFAULT_LIMIT


def _catalogue(columns: str, where: Conditions, query: ListQuery) -> tuple[Statement, Statement]:
    quick = _is_quick(where, query)
    count = Statement(f"SELECT count(*) FROM products {where}", where.args.copy())
    rows = f"SELECT {columns} FROM products {where} ORDER BY id {where.limit(query)}"
    return Statement(rows, where.args, quick), count


def product(id_: int) -> Statement:
    """Return the statement for one product."""
    return Statement(f"SELECT {PRODUCT} FROM products WHERE id = ?1", [id_], quick=True)


def picture(product_id: int) -> Statement:
    """Return the statement for a product's picture: type, content and digest, or none of them."""
    sql = (
        "SELECT kind, content, image FROM products LEFT JOIN product_images ON product_id = id WHERE id = ?1"
    )
    return Statement(sql, [product_id])


def products(query: ProductQuery) -> tuple[Statement, Statement]:
    """Return the statements for part of the products by id and for their number; searches: `search.py`."""
    where = Conditions()
    where.prices(query)
    return _catalogue(PRODUCT, where, query)


def inventory(query: InventoryQuery) -> tuple[Statement, Statement]:
    """Return the statements for part of the inventory and for its length."""
    where = Conditions()
    if query.productId:
        where.add(f"id IN ({', '.join(['{}'] * len(query.productId))})", *query.productId)
    where.add("stock <= {}", query.maxQuantity)
    return _catalogue(f"{PRODUCT}, stock", where, query)


def texts(ids: Sequence[int]) -> Statement:
    """Return the statement for what products are found by, which holds them."""
    sql = f"SELECT id, name, keywords, description FROM products WHERE id IN ({marks(ids)}) ORDER BY id"
    return Statement(sql, list(ids), locks=True)


def orders(query: OrderQuery, period: Period = (None, None)) -> tuple[Statement, Statement]:
    """Return the statements for part of the orders, newest first, and for their number."""
    where = orders_with(query, period)
    quick = _is_quick(where, query)
    if where.conditions:
        count = Statement(f"SELECT count(*) FROM orders o {where}", where.args.copy())
    else:  # kept by a trigger: counting the table takes longer with every order
        count = Statement("SELECT CAST(sum(n) AS BIGINT) FROM order_counts", [], quick=True)
    newest = f"SELECT * FROM orders o {where} ORDER BY o.ordered_at DESC, o.id DESC {where.limit(query)}"
    return Statement(_ORDER_LINES.format(orders=f"({newest})"), where.args, quick), count


def orders_with(query: OrderFilter, period: Period) -> Conditions:
    """Return which orders are wanted; to sum them up, `_orders_of` leaves the product to the lines."""
    where = _orders_of(query, period)
    where.add("o.id IN (SELECT order_id FROM order_items WHERE product_id = {})", query.productId)
    return where


def order_of_key(key: str) -> Statement:
    """Return the statement for the order with this idempotency key, read by `to_order`."""
    one = _ONE_ORDER.format("idempotency_key", "idempotency_key")
    return Statement(_ORDER_LINES.format(orders=one), [key])


def order(id_: int) -> Statement:
    """Return the statement for one order, read by `to_order`."""
    return Statement(_ORDER_LINES.format(orders=_ONE_ORDER.format("id", "order_id")), [id_])


MOVE = "id, product_id, change, kind, order_id, reason, moved_at"


def moves(product_id: int, query: ListQuery) -> tuple[Statement, Statement]:
    """Return the statements for part of a product's ledger, newest first, and for its length."""
    where = Conditions()
    where.add("product_id = {}", product_id)
    kept = "SELECT COALESCE((SELECT moves FROM products WHERE id = ?1), 0)"
    count = Statement(kept, where.args.copy(), quick=True)
    rows = f"SELECT {MOVE} FROM moves {where} ORDER BY id DESC {where.limit(query)}"
    return Statement(rows, where.args), count


def to_moves(rows: Sequence[Row]) -> list[models.Move]:
    """Make lines of the ledger of rows."""
    fields = list(models.Move.model_fields)
    return [models.Move(**dict(zip(fields, row, strict=True))) for row in rows]


def summary(query: SummaryQuery, period: Period = (None, None)) -> tuple[Statement, Statement]:
    """Return the statements for part of the sums, largest or newest first, and for their number."""
    where = _orders_of(query, period)
    key = GROUPS[query.groupBy]
    if query.groupBy == "product" or query.productId is not None:
        sold, sums = _sold_lines(query, where)
    else:  # from the orders' own sums: there are fewer orders than lines
        sold = "FROM orders o"
        where.add("o.status = 'placed'")
        sums = f"count(*), CAST(sum(o.units) AS BIGINT), {_CENTS.format('o.total_cents')}"
    label = LABELS.get(query.groupBy, key)
    order = "1 DESC" if query.groupBy == "day" else "5 DESC, 1"
    count = Statement(f"SELECT count(DISTINCT {key}) {sold} {where}", where.args.copy())
    rows = f"""SELECT CAST({key} AS TEXT), {label}, {sums} {sold} {where}
        GROUP BY {key} ORDER BY {order} {where.limit(query)}"""
    return Statement(rows, where.args), count


def _sold_lines(query: SummaryQuery, where: Conditions) -> tuple[str, str]:
    needs_orders = bool(where.conditions) or query.groupBy != "product"
    cancelled = "i.order_id NOT IN (SELECT id FROM orders WHERE status = 'cancelled')"
    where.add("o.status = 'placed'" if needs_orders else cancelled)
    where.add("i.product_id = {}", query.productId)
    sold = "FROM order_items i" + (" JOIN orders o ON o.id = i.order_id" if needs_orders else "")
    amount = _CENTS.format("i.quantity * i.unit_cents")
    return sold, f"count(DISTINCT i.order_id), CAST(sum(i.quantity) AS BIGINT), {amount}"


def _product(row: Row) -> models.Product:
    image = f"shop://products/{row[0]}/image" if row[4] else None
    return models.Product(id=row[0], name=row[1], price=row[2] / 100, description=row[3], image=image)


def to_products(rows: Sequence[Row]) -> list[models.Product]:
    """Make products of rows."""
    return [_product(row) for row in rows]


def to_inventory(rows: Sequence[Row]) -> list[models.InventoryItem]:
    """Make inventory items of products' rows with their stock."""
    return [models.InventoryItem(productId=row[0], quantity=row[5], product=_product(row)) for row in rows]


def to_orders(rows: Sequence[Row]) -> list[models.Order]:
    """Make orders of rows of lines; the lines of an order follow one another."""
    return [
        models.Order(
            id=id_,
            customerName=customer,
            totalAmount=cents / 100,
            orderDate=ordered_at,
            status=status,
            items=[models.OrderItem(productId=line[5], quantity=line[6]) for line in lines],
        )
        for (id_, customer, cents, ordered_at, status), lines in itertools.groupby(rows, lambda row: row[:5])
    ]


def to_order(rows: Sequence[Row]) -> models.Order | None:
    """Make one order of rows, or none of none. Raises `StoreError` for one that was archived."""
    if rows and rows[0][4] == ARCHIVED:
        raise StoreError("archived", orderId=rows[0][0])
    return to_orders(rows)[0] if rows else None


def to_summaries(rows: Sequence[Row]) -> list[models.SalesSummary]:
    """Make sums of rows."""
    return [
        models.SalesSummary(key=row[0], label=row[1], orders=row[2], quantity=row[3], amount=row[4] / 100)
        for row in rows
    ]


def yuan(cents: int) -> str:
    """Return an amount as a number with two decimals."""
    return f"{cents // 100}.{cents % 100:02}"


def order_lines(query: OrderFilter, period: Period, zone: ZoneInfo) -> Table:
    """Return all lines of orders, newest first; times are the shop's, without offset, as Excel reads them.

    The amounts of an order's lines add up to its total.
    """
    where = orders_with(query, period)
    sql = f"""SELECT o.id, o.ordered_at, o.customer, o.status, i.product_id, p.name, i.quantity, i.unit_cents
        FROM orders o JOIN order_items i ON i.order_id = o.id JOIN products p ON p.id = i.product_id
        {where} ORDER BY o.ordered_at DESC, o.id DESC, i.line"""

    @lru_cache(1)  # the lines of an order follow one another
    def local(moment: str) -> str:
        return datetime.fromisoformat(moment).astimezone(zone).replace(tzinfo=None).isoformat(" ", "seconds")

    def cells(row: Row) -> Sequence[Any]:
        return row[0], local(row[1]), *row[2:7], yuan(row[7]), yuan(row[6] * row[7])

    head = ("id", "orderDate", "customerName", "status", "productId", "productName", "quantity")
    return Table((*head, "unitPrice", "amount"), Statement(sql, where.args), cells)


PRODUCTS_TABLE = Table(
    ("id", "name", "price", "description", "quantity", "keywords"),
    Statement("SELECT id, name, price_cents, description, stock, keywords FROM products ORDER BY id", []),
    lambda row: (row[0], row[1], yuan(row[2]), *row[3:]),
)
