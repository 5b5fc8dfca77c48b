"""What changes a stock: its rules, and what is written in one transaction, once for both engines."""
# ruff: noqa: S608  the texts are put together from constants; every value is an argument

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from models import Move, Order, PurchaseRequest
from shop import days, queries
from shop.errors import StoreError
from shop.queries import Many, Script, Statement

HALF_A_CENT = 0.005  # yuan; whoever adds up prices in binary is off by less

_ORDERED = f"""INSERT INTO orders (customer, total_cents, units, ordered_at, day, idempotency_key)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (idempotency_key) DO NOTHING RETURNING id, ({days.TIMEZONE})"""
# A line of the ledger, by which the stock changes.
_SOLD = """INSERT INTO moves (product_id, change, kind, order_id, moved_at)
    VALUES (?1, ?2, 'purchase', ?3, ?4)"""
_RETURNED = """INSERT INTO moves (product_id, change, kind, order_id, reason, moved_at)
    SELECT product_id, CAST(sum(quantity) AS BIGINT), 'cancellation', order_id, ?2, ?3
    FROM order_items WHERE order_id = ?1 GROUP BY product_id, order_id"""
_MOVED = f"""INSERT INTO moves (product_id, change, kind, reason, moved_at, idempotency_key)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING RETURNING {queries.MOVE}"""


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


class StockedProduct(NamedTuple):
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


def checked_total(intent: Intent, wanted: Mapping[int, int], products: Mapping[int, StockedProduct]) -> int:
    """Return the total in cents. Raises `StoreError` for a line that cannot be served, or another total."""
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
    return now.isoformat(timespec="microseconds"), days.day_of(now, days.zone_named(timezone))


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


def place(intent: Intent) -> Script[Purchase]:
    """Take the stock and write the order. Every refusal comes before the first write."""
    request, wanted = intent.request, wanted_stock(intent.request)
    marks = ", ".join(f"?{number}" for number in range(1, len(wanted) + 1))
    rows = yield Statement(  # locked by id: two purchases in opposite orders would deadlock
        f"""SELECT id, name, price_cents, stock, ({days.TIMEZONE}) FROM products
            WHERE id IN ({marks}) ORDER BY id""",
        list(wanted),
        locks=True,
    )
    # After locking: a purchase with the same key may have held these products, and its order is visible now.
    if intent.key is not None and (earlier := queries.to_order((yield queries.order_of_key(intent.key)))):
        return replay(earlier, intent)
    products = {row[0]: StockedProduct(row[1], row[2], row[3]) for row in rows}
    total = checked_total(intent, wanted, products)
    zone = rows[0][4]
    now, day = order_time(zone)
    written = yield Statement(_ORDERED, [request.customerName, total, wanted.total(), now, day, intent.key])
    if not written:  # the key was used for other products meanwhile
        raise StoreError("key_reused")
    order_id, zone_of_now = written[0]
    if zone_of_now != zone:  # since `api.py timezone` has ended, which waits for orders but not for readers
        other_day = days.day_of(datetime.fromisoformat(now), days.zone_named(zone_of_now))
        yield Statement("UPDATE orders SET day = ?2 WHERE id = ?1", [order_id, other_day])
    yield Many(
        """INSERT INTO order_items (order_id, line, product_id, quantity, unit_cents)
            VALUES (?1, ?2, ?3, ?4, ?5)""",
        [
            (order_id, number, line.productId, line.quantity, products[line.productId].cents)
            for number, line in enumerate(request.items)
        ],
    )
    yield Many(_SOLD, [(id_, -n, order_id, now) for id_, n in wanted.items()])
    return Purchase(new_order(order_id, request, total, now))


def move(product_id: int, change: int, reason: str, key: str | None) -> Script[tuple[Move, bool]]:
    """Write a delivery or a correction; tell whether an earlier one with this key was found."""
    held = yield Statement("SELECT name, stock FROM products WHERE id = ?1", [product_id], locks=True)
    if key is not None:
        sql = f"SELECT {queries.MOVE} FROM moves WHERE idempotency_key = ?1"
        if earlier := queries.to_moves((yield Statement(sql, [key]))):
            found = earlier[0]
            if (found.productId, found.change, found.reason) != (product_id, change, reason):
                raise StoreError("key_reused")
            return found, True
    if not held:
        raise StoreError("unknown_product", productId=product_id)
    name, available = held[0]
    if available + change < 0:
        raise StoreError("out_of_stock", productId=product_id, name=name, available=available)
    kind = "delivery" if change > 0 else "correction"
    written = yield Statement(_MOVED, [product_id, change, kind, reason, days.stored_now(), key])
    if not written:  # the key was used for another product meanwhile
        raise StoreError("key_reused")
    return queries.to_moves(written)[0], False


def cancel(order_id: int, reason: str) -> Script[tuple[Order, bool]]:
    """Cancel an order and return its stock, unless that was done before; tell whether it was."""
    ordered = "SELECT id FROM products WHERE id IN (SELECT product_id FROM order_items WHERE order_id = ?1)"
    yield Statement(f"{ordered} ORDER BY id", [order_id], locks=True)
    order = queries.to_order((yield queries.order(order_id)))
    if order is None:
        raise StoreError("unknown_order", orderId=order_id)
    was_placed = order.status == "placed"
    if was_placed:
        cancelled = "UPDATE orders SET status = 'cancelled' WHERE id = ?1 RETURNING id"
        if not (yield Statement(cancelled, [order_id])):
            raise StoreError(queries.ARCHIVED, orderId=order_id)  # since it was read
        yield Statement(_RETURNED, [order_id, reason, days.stored_now()])
    return order.model_copy(update={"status": "cancelled"}), not was_placed
