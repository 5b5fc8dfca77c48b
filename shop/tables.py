"""What leaves as CSV: the rows, and the cells that a spreadsheet makes something of."""
# ruff: noqa: S608  the texts are put together from constants; every value is an argument

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from shop.filters import OrderFilter
from shop.queries import Period, Row, Statement, orders_with


@dataclass(frozen=True)
class Table:
    """Rows of any number, and how each becomes cells."""

    columns: Sequence[str]
    statement: Statement
    cells: Callable[[Row], Sequence[Any]]


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


PRODUCTS = Table(
    ("id", "name", "price", "description", "quantity", "keywords"),
    Statement("SELECT id, name, price_cents, description, stock, keywords FROM products ORDER BY id", []),
    lambda row: (row[0], row[1], yuan(row[2]), *row[3:]),
)
