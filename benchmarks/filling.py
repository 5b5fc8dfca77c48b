"""Old orders, written into the file of a service as it would have: a million purchases take long."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from shop import days

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
BETWEEN = timedelta(seconds=20)
ORDERS_OF_A_CUSTOMER = 20
PRODUCTS = 4
BUSY_SECONDS = 30.0


async def fill(file: Path, orders: int) -> None:
    """Write so many orders of two pieces each, with their lines of the ledger, which take the stock."""
    await asyncio.to_thread(_fill, file, orders)


def _fill(file: Path, orders: int) -> None:
    with closing(sqlite3.connect(file, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        first = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM orders").fetchone()[0]
        zone = days.zone_named(connection.execute(days.TIMEZONE).fetchone()[0])
        cents = dict(connection.execute("SELECT id, price_cents FROM products"))
        for number in range(first, first + orders):
            moment = SINCE + BETWEEN * number
            lines = [(number, line, (number + line) % PRODUCTS + 1) for line in range(2)]
            total = sum(cents[product] for _, _, product in lines)
            ordered_at, day = days.stored_time(moment), days.day_of(moment, zone)
            connection.execute(
                """INSERT INTO orders (id, customer, total_cents, units, ordered_at, day, idempotency_key)
                    VALUES (?, ?, ?, 2, ?, ?, ?)""",
                (
                    number,
                    f"客户 {number // ORDERS_OF_A_CUSTOMER}",
                    total,
                    ordered_at,
                    day,
                    f"old-{number:032}",
                ),
            )
            connection.executemany(
                """INSERT INTO order_items (order_id, line, product_id, quantity, unit_cents)
                    VALUES (?, ?, ?, 1, ?)""",
                ((*line, cents[line[2]]) for line in lines),
            )
            connection.executemany(
                """INSERT INTO moves (product_id, change, kind, order_id, moved_at)
                    VALUES (?, -1, 'purchase', ?, ?)""",
                ((product, number, ordered_at) for _, _, product in lines),
            )
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
