"""What is always true of the shop's records, asked of the database itself; nothing is written."""
# ruff: noqa: S608  the texts are put together from constants

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from shop.queries import Row

MAX_SHOWN = 10  # of what is wrong

Fetch = Callable[[str], Awaitable[Sequence[Row]]]

_LEDGER = """SELECT product_id, sum(change) AS moved, count(*) AS lines FROM moves GROUP BY product_id"""
_SOLD = """SELECT i.order_id, i.product_id,
        CASE o.status WHEN 'cancelled' THEN 0 ELSE -sum(i.quantity) END AS due
    FROM order_items i JOIN orders o ON o.id = i.order_id GROUP BY i.order_id, i.product_id, o.status"""
_MOVED = "SELECT order_id, product_id, sum(change) AS moved FROM moves GROUP BY order_id, product_id"
_LINES = """SELECT order_id, sum(quantity * unit_cents) AS cents, sum(quantity) AS units
    FROM order_items GROUP BY order_id"""
_KEYS = """SELECT id, idempotency_key FROM orders
    UNION ALL SELECT order_id, idempotency_key FROM archived_orders"""

# By code, a statement that finds the numbers of what breaks the rule. Each sees one moment by itself.
RULES = {
    "stock_not_negative": "SELECT id FROM products WHERE stock < 0",
    "stock_is_ledger": f"""SELECT p.id FROM products p LEFT JOIN ({_LEDGER}) m ON m.product_id = p.id
        WHERE p.stock <> COALESCE(m.moved, 0) OR p.moves <> COALESCE(m.lines, 0)""",
    "order_is_in_ledger": f"""SELECT DISTINCT s.order_id FROM ({_SOLD}) s
        LEFT JOIN ({_MOVED}) m ON m.order_id = s.order_id AND m.product_id = s.product_id
        WHERE COALESCE(m.moved, 0) <> s.due""",
    "ledger_is_of_orders": """SELECT DISTINCT order_id FROM moves m WHERE order_id IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.id = m.order_id)
        AND NOT EXISTS (SELECT 1 FROM archived_orders a WHERE a.order_id = m.order_id)""",
    "total_is_sum": f"""SELECT o.id FROM orders o LEFT JOIN ({_LINES}) i ON i.order_id = o.id
        WHERE i.order_id IS NULL OR o.total_cents <> i.cents OR o.units <> i.units""",
    "key_is_of_one_order": f"""SELECT max(id) FROM ({_KEYS}) k WHERE idempotency_key IS NOT NULL
        GROUP BY idempotency_key HAVING count(*) > 1""",
    "line_is_of_order": """SELECT DISTINCT order_id FROM order_items i
        WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.id = i.order_id)
        OR NOT EXISTS (SELECT 1 FROM products p WHERE p.id = i.product_id)""",
    "orders_are_counted": """SELECT count(*) FROM orders
        HAVING count(*) <> (SELECT COALESCE(sum(n), 0) FROM order_counts)""",
}


@dataclass(frozen=True)
class Checked:
    """A rule by its code, and the numbers of what breaks it."""

    code: str
    wrong: Sequence[Any] = ()


async def check(fetch: Fetch) -> list[Checked]:
    """Look at every rule."""
    return [Checked(code, [row[0] for row in await fetch(sql)]) for code, sql in RULES.items()]
