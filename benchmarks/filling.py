"""Old orders: written into the file of a service that runs, past it, since a million purchases take long."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
BETWEEN = timedelta(seconds=20)
ORDERS_OF_A_CUSTOMER = 20
PRODUCTS = 4
UNIT_CENTS = 10_100
BUSY_SECONDS = 30.0


async def fill(file: Path, orders: int) -> None:
    """Write so many orders of two lines each; nothing in them was ever in stock."""
    await asyncio.to_thread(_fill, file, orders)


def _fill(file: Path, orders: int) -> None:
    with closing(sqlite3.connect(file, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        first = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM orders").fetchone()[0]
        connection.executemany(
            """INSERT INTO orders (id, customer, total_cents, units, ordered_at, day)
                VALUES (?, ?, ?, 2, ?, ?)""",
            (
                (number, f"客户 {number // ORDERS_OF_A_CUSTOMER}", 2 * UNIT_CENTS, *_moment(number))
                for number in range(first, first + orders)
            ),
        )
        connection.executemany(
            """INSERT INTO order_items (order_id, line, product_id, quantity, unit_cents)
                VALUES (?, ?, ?, 1, ?)""",
            (
                (number, line, (number + line) % PRODUCTS + 1, UNIT_CENTS)
                for number in range(first, first + orders)
                for line in range(2)
            ),
        )
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _moment(number: int) -> tuple[str, str]:
    moment = (SINCE + BETWEEN * number).isoformat(timespec="microseconds")
    return moment, moment[:10]
