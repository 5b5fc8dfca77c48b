"""What one may ask the shop, and the SQL that answers it: one text for both engines.

Arguments are numbered `?1`, `?2`, … as SQLite reads them; PostgreSQL gets `$1`, `$2`, … from the same text.
"""
# ruff: noqa: S608  the texts are put together of constants; every value is an argument

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema, field_validator
from pydantic.json_schema import SkipJsonSchema
from pydantic_core.core_schema import ValidationInfo

from models import (
    DEFAULT_LIMIT,
    MAX_ID,
    MAX_LIMIT,
    MAX_NAME,
    MAX_PRICE,
    GroupBy,
    InventoryItem,
    Order,
    OrderItem,
    Product,
    SalesSummary,
    StorableText,
)

T = TypeVar("T")
Row = Sequence[Any]


def iso(moment: datetime) -> str:
    """Return a moment as it is stored: ISO 8601 in UTC, always the same width, so that text sorts as time."""
    return moment.isoformat(timespec="microseconds")


def _utc(text: str, rest_of_day: time) -> str:
    """Return a date or date-time (ISO 8601; UTC where no offset is given) as it is stored."""
    if len(text) == len("2026-01-31"):
        return iso(datetime.combine(date.fromisoformat(text), rest_of_day, UTC))
    # A plus that nobody escaped has become a space on its way through a URL.
    moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    try:
        return iso(moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC))
    except OverflowError:  # an offset that leads out of the years 1 to 9999
        return iso(moment.replace(tzinfo=UTC))


_MOMENT = WithJsonSchema(
    {"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]}
)
Since = Annotated[str, AfterValidator(lambda text: _utc(text, time.min)), _MOMENT]
Until = Annotated[str, AfterValidator(lambda text: _utc(text, time.max)), _MOMENT]
ProductId = Annotated[int, Field(ge=1, le=MAX_ID)]
Quantity = Annotated[int, Field(ge=0, le=MAX_ID)]
Price = Annotated[float, Field(ge=0, le=MAX_PRICE, allow_inf_nan=False)]


class PageQuery(BaseModel):
    """Which part of a list."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="最多返回多少条")
    offset: int = Field(default=0, ge=0, le=MAX_ID, description="跳过多少条")


class ProductQuery(PageQuery):
    """Which products."""

    query: StorableText = Field(
        default="", max_length=MAX_NAME, description="名称或描述包含的词，空格分隔，不分大小写"
    )
    minPrice: Price | SkipJsonSchema[None] = Field(default=None, description="最低价格，元")
    maxPrice: Price | SkipJsonSchema[None] = Field(default=None, description="最高价格，元")


class InventoryQuery(PageQuery):
    """Whose stock."""

    productId: list[ProductId] = Field(default=[], max_length=MAX_LIMIT, description="商品 ID，可重复")
    maxQuantity: Quantity | SkipJsonSchema[None] = Field(default=None, description="库存不多于此数，件")


class PeriodQuery(PageQuery):
    """Whose orders, and from when: both ends belong to the period, a date means the whole day in UTC."""

    customerName: StorableText | SkipJsonSchema[None] = Field(
        default=None, max_length=MAX_NAME, description="客户名称，完全一致"
    )
    productId: ProductId | SkipJsonSchema[None] = Field(default=None, description="含此商品 ID 的订单")
    since: Since | SkipJsonSchema[None] = Field(
        default=None, description="不早于，ISO 8601 日期或时间，默认 UTC"
    )
    until: Until | SkipJsonSchema[None] = Field(
        default=None, description="不晚于，ISO 8601 日期或时间，默认 UTC"
    )

    @field_validator("until")
    @classmethod
    def _after_since(cls, until: str | None, info: ValidationInfo) -> str | None:
        since = info.data.get("since")
        if since is not None and until is not None and until < since:
            raise ValueError("must not be before since")
        return until


class OrderQuery(PeriodQuery):
    """Which orders."""


class SummaryQuery(PeriodQuery):
    """Of which orders the sums, and by what; with a product, only its lines count."""

    groupBy: GroupBy = Field(default="product", description="按商品、客户或日期（UTC）汇总")


@dataclass(frozen=True)
class Page(Generic[T]):
    """A part of a list, and how long the whole list is."""

    items: list[T]
    total: int


@dataclass(frozen=True)
class Statement:
    """SQL with its arguments; `quick` says that it costs microseconds however large the shop is."""

    sql: str
    args: list[Any]
    quick: bool = False


class _Where:
    """Collects conditions and their arguments; `{}` in a condition becomes the argument's number."""

    def __init__(self) -> None:
        self.args: list[Any] = []
        self.conditions: list[str] = []

    def mark(self, value: Any) -> str:
        self.args.append(value)
        return f"?{len(self.args)}"

    def add(self, condition: str, *values: Any) -> None:
        self.conditions.append(condition.format(*map(self.mark, values)))

    def page(self, query: PageQuery) -> str:
        return f"LIMIT {self.mark(query.limit)} OFFSET {self.mark(query.offset)}"

    def __str__(self) -> str:
        return f"WHERE {' AND '.join(self.conditions)}" if self.conditions else ""


def _cents(yuan: float, rounding: str) -> int:
    # Through the shortest text, so that 19.99 is 1999 and not 1998.9999999999998.
    return int((Decimal(str(yuan)) * 100).to_integral_value(rounding))


def search_text(name: str, description: str) -> str:
    """Return what the search looks through: both engines then agree on upper and lower case."""
    return f"{name}\n{description}".casefold()


def _like(word: str) -> str:
    return "%" + re.sub(r"([\\%_])", r"\\\1", word.casefold()) + "%"


def _product_conditions(query: ProductQuery) -> _Where:
    where = _Where()
    for word in query.query.split():
        where.add("search LIKE {} ESCAPE '\\'", _like(word))
    if query.minPrice is not None:
        where.add("price_cents >= {}", _cents(query.minPrice, ROUND_CEILING))
    if query.maxPrice is not None:
        where.add("price_cents <= {}", _cents(query.maxPrice, ROUND_FLOOR))
    return where


def _inventory_conditions(query: InventoryQuery) -> _Where:
    where = _Where()
    if query.productId:
        where.add(f"id IN ({', '.join(['{}'] * len(query.productId))})", *query.productId)
    if query.maxQuantity is not None:
        where.add("stock <= {}", query.maxQuantity)
    return where


def _period_conditions(query: PeriodQuery) -> _Where:
    where = _Where()
    if query.customerName is not None:
        where.add("o.customer = {}", query.customerName)
    if query.since is not None:
        where.add("o.ordered_at >= {}", query.since)
    if query.until is not None:
        where.add("o.ordered_at <= {}", query.until)
    return where


def _order_conditions(query: OrderQuery) -> _Where:
    where = _period_conditions(query)
    if query.productId is not None:
        where.add("o.id IN (SELECT order_id FROM order_items WHERE product_id = {})", query.productId)
    return where


_PRODUCT = "id, name, price_cents, description"
_ORDER_LINES = """
SELECT o.id, o.customer, o.total_cents, o.ordered_at, i.product_id, i.quantity
FROM {orders} o JOIN order_items i ON i.order_id = o.id
ORDER BY o.ordered_at DESC, o.id DESC, i.line"""


def _is_quick(where: _Where, query: PageQuery) -> bool:
    return not where.conditions and query.offset == 0 and query.limit <= DEFAULT_LIMIT


def _catalogue(columns: str, where: _Where, query: PageQuery) -> tuple[Statement, Statement]:
    quick = _is_quick(where, query)
    count = Statement(f"SELECT count(*) FROM products {where}", where.args.copy())
    page = f"SELECT {columns} FROM products {where} ORDER BY id {where.page(query)}"
    return Statement(page, where.args, quick), count


def products(query: ProductQuery) -> tuple[Statement, Statement]:
    """Return the statements for one page of products and for the length of the whole list."""
    return _catalogue(_PRODUCT, _product_conditions(query), query)


def inventory(query: InventoryQuery) -> tuple[Statement, Statement]:
    """Return the statements for one page of the inventory and for the length of the whole list."""
    return _catalogue(f"{_PRODUCT}, stock", _inventory_conditions(query), query)


def orders(query: OrderQuery) -> tuple[Statement, Statement]:
    """Return the statements for one page of orders, newest first, and for the length of the whole list."""
    where = _order_conditions(query)
    quick = _is_quick(where, query)
    if where.conditions:
        count = Statement(f"SELECT count(*) FROM orders o {where}", where.args.copy())
    else:  # kept by a trigger: counting the table would take longer with every order
        count = Statement("SELECT CAST(sum(n) AS BIGINT) FROM order_counts", [], quick=True)
    newest = f"SELECT * FROM orders o {where} ORDER BY o.ordered_at DESC, o.id DESC {where.page(query)}"
    return Statement(_ORDER_LINES.format(orders=f"({newest})"), where.args, quick), count


def order_by(column: str, value: int | str) -> Statement:
    """Return the statement for the one order that has this `id` or `idempotency_key`."""
    return Statement(_ORDER_LINES.format(orders=f"(SELECT * FROM orders WHERE {column} = ?1)"), [value])


def summary(query: SummaryQuery) -> tuple[Statement, Statement]:
    """Return the statements for one page of sums, largest or newest first, and for the number of all."""
    where = _period_conditions(query)
    key = {"product": "i.product_id", "customer": "o.customer", "day": "substr(o.ordered_at, 1, 10)"}[
        query.groupBy
    ]
    if query.groupBy == "product" or query.productId is not None:
        sold, sums = _sold_lines(query, where)
    else:  # an order's own sums: there are fewer orders than lines
        sold, sums = (
            "FROM orders o",
            "count(*), CAST(sum(o.units) AS BIGINT), CAST(sum(o.total_cents) AS BIGINT)",
        )
    label = "(SELECT name FROM products WHERE id = i.product_id)" if query.groupBy == "product" else key
    order = "1 DESC" if query.groupBy == "day" else "5 DESC, 1"
    count = Statement(f"SELECT count(DISTINCT {key}) {sold} {where}", where.args.copy())
    page = f"""SELECT CAST({key} AS TEXT), {label}, {sums} {sold} {where}
        GROUP BY {key} ORDER BY {order} {where.page(query)}"""
    return Statement(page, where.args), count


def _sold_lines(query: SummaryQuery, where: _Where) -> tuple[str, str]:
    needs_orders = bool(where.conditions) or query.groupBy != "product"
    if query.productId is not None:
        where.add("i.product_id = {}", query.productId)
    sold = "FROM order_items i" + (" JOIN orders o ON o.id = i.order_id" if needs_orders else "")
    amount = "CAST(sum(i.quantity * i.unit_cents) AS BIGINT)"
    return sold, f"count(DISTINCT i.order_id), CAST(sum(i.quantity) AS BIGINT), {amount}"


def to_product(row: Row) -> Product:
    """Make a product of a row of the catalogue."""
    return Product(id=row[0], name=row[1], price=row[2] / 100, description=row[3])


def to_inventory_item(row: Row) -> InventoryItem:
    """Make an inventory item of a row of the catalogue with its stock."""
    return InventoryItem(productId=row[0], quantity=row[4], product=to_product(row))


def to_orders(rows: Sequence[Row]) -> list[Order]:
    """Make orders of their lines, which stand together."""
    return [
        Order(
            id=head[0],
            customerName=head[1],
            totalAmount=head[2] / 100,
            orderDate=head[3],
            items=[OrderItem(productId=line[4], quantity=line[5]) for line in lines],
        )
        for head, lines in (
            (tuple(key), list(group)) for key, group in itertools.groupby(rows, lambda r: r[:4])
        )
    ]


def to_summary(row: Row) -> SalesSummary:
    """Make a sum of its row."""
    return SalesSummary(key=row[0], label=row[1], orders=row[2], quantity=row[3], amount=row[4] / 100)
