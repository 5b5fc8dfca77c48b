"""Answers in the asker's language: sentences of the data file, and tables."""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from assistant.demo.past import Shelf
from assistant.demo.words import DATA, Tongue, fold, traditional
from models import Order, Product, SalesSummary

MAX_ROWS = 20  # of a table; more is counted, not shown
MAX_CELL = 60  # characters of a description in a table

Say = Callable[..., str]


def voice(tongue: Tongue) -> Say:
    """Return what says a sentence of the data file in a language."""
    return partial(_say, tongue)


def _say(tongue: Tongue, key: str, **parts: object) -> str:
    sentence = DATA["say"][key][tongue == "en"]
    return (traditional(sentence) if tongue == "tw" else sentence).format(**parts)


def escaped(text: str, limit: int = 0) -> str:
    """Escape a text from outside for a table cell: one line, no markdown, cut at `limit` characters."""
    text = " ".join(text.encode("utf-8", "replace").decode().split())  # JSON can hold lone surrogates
    if limit and len(text) > limit:
        text = text[: limit - 1] + "…"
    return re.sub(r"([\\`*_\[\]<>|~])", r"\\\1", text)


def bold(product: Product) -> str:
    """Return the name of the product that an answer is about."""
    return f"**{escaped(product.name)}**"


def price(yuan: float) -> str:
    """Format a unit price: ¥899, ¥9.90."""
    if not math.isfinite(yuan):
        return "—"
    return f"¥{yuan:.0f}" if yuan == int(yuan) else f"¥{yuan:.2f}"


def total(yuan: float) -> str:
    """Format a sum: ¥1798.00."""
    return f"¥{yuan:.2f}" if math.isfinite(yuan) else "—"


def table(head: str, rows: Iterable[Sequence[str]]) -> str:
    """Return a markdown table; columns whose name in `head` ends with a colon are aligned right."""
    names = head.split("|")
    rule = [" ---: " if name.endswith(":") else " --- " for name in names]
    lines = [f"| {' | '.join(name.rstrip(':') for name in names)} |", f"|{'|'.join(rule)}|"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def left(shelf: Shelf, product: Product) -> str:
    """Return how many are left, as it is shown."""
    pieces = shelf.left(product)
    return "—" if pieces is None else str(pieces)


def product_table(
    say: Say, products: Sequence[Product], shelf: Shelf, more: bool = False, stock: bool = False
) -> str:
    """List products with price, stock (if it is known) and description, or the stock first."""
    shown = products[:MAX_ROWS]
    if stock:
        rows = [[str(p.id), escaped(p.name), left(shelf, p), price(p.price)] for p in shown]
        return table(say("stock_head"), rows) + _rest(say, len(products), more)
    rows = [
        [str(p.id), escaped(p.name), price(p.price), left(shelf, p), escaped(p.description, MAX_CELL)]
        for p in shown
    ]
    head = say("product_head")
    if all(shelf.left(product) is None for product in products):
        columns = head.split("|")
        head, rows = "|".join(columns[:3] + columns[4:]), [row[:3] + row[4:] for row in rows]
    return table(head, rows) + _rest(say, len(products), more)


def _rest(say: Say, count: int, more: bool) -> str:
    if not more and count <= MAX_ROWS:
        return ""
    return "\n\n" + say("rest", shown=min(count, MAX_ROWS), known=f"{count}+" if more else count)


def one_price(say: Say, product: Product, which: str = "") -> str:
    """Say what one product costs; `which` is cheapest or dearest."""
    about = f"\n\n{escaped(product.description, 200)}" if product.description.strip() else ""
    parts = {"bold": bold(product), "id": product.id, "price": price(product.price)}
    return (say("extreme", which=say(which), **parts) if which else say("one_price", **parts)) + about


def recommendation(say: Say, best: Product, others: Sequence[Product], shelf: Shelf) -> str:
    """Recommend one product, with its price and stock, and list what else would do."""
    text = say("recommend", bold=bold(best), price=price(best.price), left=left(shelf, best))
    if best.description.strip():
        text += f"\n\n> {escaped(best.description, 200)}"
    if others:
        text += f"\n\n{say('also')}\n\n{product_table(say, others[:4], shelf)}"
    return f"{text}\n\n{say('to_order')}"


def bought(say: Say, order: Order, shelf: Shelf) -> str:
    """Confirm an order: its number, its total, its lines, and the stock now."""
    text = say("bought", customer=escaped(order.customerName), id=order.id, total=total(order.totalAmount))
    lines = []
    for item in order.items[:MAX_ROWS]:
        product = shelf.products.get(item.productId)
        name = bold(product) if product else say("product_id", id=item.productId)
        pieces = shelf.stock.get(item.productId)
        now = "" if pieces is None else say("left_now", left=pieces)
        lines.append(f"\n- {item.quantity} × {name}{now}")
    return f"{text}\n{''.join(lines)}"


def order_table(say: Say, orders: Sequence[Order], names: dict[int, str]) -> str:
    """List orders in the given order."""

    def items(order: Order) -> str:
        named = (
            f"{item.quantity} × {escaped(names.get(item.productId) or say('product_id', id=item.productId))}"
            for item in order.items[:5]
        )
        return say("comma").join(named)

    rows = [
        [
            *(str(order.id), escaped(order.customerName), items(order), total(order.totalAmount)),
            escaped(order.orderDate[:16].replace("T", " ")),
        ]
        for order in orders[:MAX_ROWS]
    ]
    return table(say("order_head"), rows)


def summary(say: Say, group: str, rows: Sequence[SalesSummary], by: str, least: bool) -> str:
    """Say how much was sold by group, ranked by pieces or amount, and in all."""
    start = ""
    if group != "day" or least or by:
        measure = by or ("pieces" if group == "product" else "amount")

        def size(row: SalesSummary) -> float:
            return row.quantity if measure == "pieces" else row.amount

        rows = sorted(rows, key=lambda row: (size(row) if least else -size(row), -row.amount, row.key))
        top, which = rows[0], say("little" if least else "much")
        parts = {"name": escaped(top.label), "quantity": top.quantity, "total": total(top.amount)}
        start = say(f"first_{measure}", which=which, **parts) + "\n\n" if len(rows) > 1 else ""
    shown = [
        [escaped(row.label), str(row.orders), str(row.quantity), total(row.amount)] for row in rows[:MAX_ROWS]
    ]
    quantity, amount = sum(row.quantity for row in rows), sum(row.amount for row in rows)
    head = f"{say(group)}|{say('sum_head')}"
    end = say("in_all", quantity=quantity, total=total(amount))
    return f"{start}{table(head, shown)}\n\n{end}"


def examples(tongue: Tongue, said: str = "", count: int = 8) -> list[str]:
    """Return what can be asked, first what is nearest to what was said."""
    known = [
        traditional(one) if tongue == "tw" else one
        for one in DATA["examples"]["en" if tongue == "en" else "zh"]
    ]
    pairs = {said[at : at + 2].lower() for at in range(len(said) - 1)}
    return sorted(known, key=lambda one: -sum(pair in fold(one).lower() for pair in pairs))[:count]
