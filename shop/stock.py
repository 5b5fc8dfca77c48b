"""What changes a stock: its rules, and what is written in one transaction, once for both engines."""
# ruff: noqa: S608  the texts are put together from constants; every value is an argument

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from models import Move, Order, PurchaseRequest
from shop import days, queries
from shop.errors import StoreError
from shop.queries import Many, Row, Script, Statement

HALF_A_CENT = 0.005  # yuan; whoever adds up prices in binary is off by less

_ORDERED = f"""INSERT INTO orders (customer, total_cents, units, ordered_at, day, idempotency_key)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (idempotency_key) DO NOTHING RETURNING id, ({days.TIMEZONE})"""
_LINE = """INSERT INTO order_items (order_id, line, product_id, quantity, unit_cents)
    VALUES (?1, ?2, ?3, ?4, ?5)"""
# A line of the ledger, by which the stock changes.
_SOLD = """INSERT INTO moves (product_id, change, kind, order_id, moved_at)
    VALUES (?1, ?2, 'purchase', ?3, ?4)"""
_RETURNED = """INSERT INTO moves (product_id, change, kind, order_id, reason, moved_at)
    SELECT product_id, CAST(sum(quantity) AS BIGINT), 'cancellation', order_id, ?2, ?3
    FROM order_items WHERE order_id = ?1 GROUP BY product_id, order_id"""
_MOVED = f"""INSERT INTO moves (product_id, change, kind, reason, moved_at, idempotency_key)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING RETURNING {queries.MOVE}"""


class Purchase(NamedTuple):
    """The order of a purchase; `replayed` when the order was found by its idempotency key."""

    order: Order
    replayed: bool = False


def _checked_total(expected: float | None, wanted: Counter[int], products: Sequence[Row]) -> int:
    """Return the total in cents. Raises `StoreError` for a line that cannot be served, or another total."""
    at_hand = {id_: (name, stock) for id_, name, _, stock, _ in products}
    for product_id in wanted:  # in the order of the lines
        if product_id not in at_hand:
            raise StoreError("unknown_product", productId=product_id)
        name, available = at_hand[product_id]
        if available < wanted[product_id]:
            raise StoreError("out_of_stock", productId=product_id, name=name, available=available)
    total: int = sum(cents * wanted[id_] for id_, _, cents, _, _ in products)
    if expected is not None and abs(expected - total / 100) >= HALF_A_CENT:
        raise StoreError("price_changed", expected=expected, now=total / 100)
    return total


def place(request: PurchaseRequest, key: str | None, expected_total: float | None) -> Script[Purchase]:
    """Take the stock and write the order. Every refusal comes before the first write.

    What is bought under a key is told by customer and lines alone. The total that the buyer was told (yuan)
    is a condition of buying and no part of that: after the order was placed, at whatever price, a repeat
    finds it.
    """
    wanted: Counter[int] = Counter()
    for line in request.items:  # those of the same product are added up
        wanted[line.productId] += line.quantity
    rows = yield Statement(  # locked by id: two purchases in opposite orders would deadlock
        f"""SELECT id, name, price_cents, stock, ({days.TIMEZONE}) FROM products
            WHERE id IN ({queries.marks(wanted)}) ORDER BY id""",
        list(wanted),
        locks=True,
    )
    # After locking: a purchase with the same key may have held these products, and its order is visible now.
    if key is not None and (earlier := queries.to_order((yield queries.order_of_key(key)))):
        if (earlier.customerName, earlier.items) != (request.customerName, request.items):
            raise StoreError("key_reused")
        return Purchase(earlier, replayed=True)
    total = _checked_total(expected_total, wanted, rows)
    zone, moment = rows[0][4], datetime.now(UTC)
    now, day = days.stored_time(moment), days.day_of(moment, days.zone_named(zone))
    written = yield Statement(_ORDERED, [request.customerName, total, wanted.total(), now, day, key])
    if not written:  # the key was used for other products meanwhile
        raise StoreError("key_reused")
    id_, zone_of_now = written[0]
    if zone_of_now != zone:  # since `api.py timezone` has ended, which waits for orders but not for readers
        other_day = days.day_of(moment, days.zone_named(zone_of_now))
        yield Statement("UPDATE orders SET day = ?2 WHERE id = ?1", [id_, other_day])
    cents = {row[0]: row[2] for row in rows}
    lines = ((line.productId, line.quantity, cents[line.productId]) for line in request.items)
    yield Many(_LINE, [(id_, number, *line) for number, line in enumerate(lines)])
    yield Many(_SOLD, [(product_id, -n, id_, now) for product_id, n in wanted.items()])
    bought = {"customerName": request.customerName, "items": request.items}
    return Purchase(Order(id=id_, totalAmount=total / 100, orderDate=now, **bought))


def move(product_id: int, change: int, reason: str, key: str | None) -> Script[tuple[Move, bool]]:
    """Write a delivery or a correction; tell whether an earlier one with this key was found."""
    held = yield Statement("SELECT name, stock FROM products WHERE id = ?1", [product_id], locks=True)
    if key is not None:
        sql = f"SELECT {queries.MOVE} FROM moves WHERE idempotency_key = ?1"
        if earlier := queries.to_moves((yield Statement(sql, [key]))):
            found = earlier[0]
            if (found.productId, found.change, found.reason) != (product_id, change, reason):
                raise StoreError("key_reused", of="change")
            return found, True
    if not held:
        raise StoreError("unknown_product", productId=product_id)
    name, available = held[0]
    if available + change < 0:
        raise StoreError("out_of_stock", productId=product_id, name=name, available=available)
    kind = "delivery" if change > 0 else "correction"
    written = yield Statement(_MOVED, [product_id, change, kind, reason, days.stored_now(), key])
    if not written:  # the key was used for another product meanwhile
        raise StoreError("key_reused", of="change")
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
