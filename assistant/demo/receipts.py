"""The demo model's sentences and tables about orders: before one, after one, and all of them."""

import math
from collections.abc import Sequence

from assistant.demo.answers import MAX_ROWS, bold, escaped, price, product_table, say, table, total
from assistant.demo.finder import Shelf
from assistant.demo.past_calls import UNREADABLE, PastCall
from assistant.demo.phrases import Language
from models import Order, Product, SalesSummary

# Codes of the loop, the toolbox and the MCP server.
_REFUSED_BY_USER = {"declined", "unconfirmed", "cancelled"}
_MAY_HAVE_BOUGHT = {
    *("interrupted", "outcome_unknown", "call_broke"),
    *("lost", "late", "refused", "garbled", "off_protocol", UNREADABLE),
    *("shop_late", "shop_disconnected", "not_a_shop", "restarting"),
}

QUESTIONS: dict[str, dict[Language, str]] = {
    "customer": {"zh": "客户叫什么名字？", "en": "What is the customer's name?"},
    "quantity": {"zh": "要买几件？", "en": "How many would you like?"},
    "product": {
        "zh": "要买哪一种？请说名称或编号。",
        "en": "Which product would you like? Please give its name or id.",
    },
}


# --- before an order --------------------------------------------------------------------------------------


def ask_product(language: Language, wanted: str, candidates: Sequence[Product], shelf: Shelf) -> str:
    """Ask which product is meant."""
    text = ""
    if wanted and candidates:
        text = say(language, f"“{wanted}”可能是：", f"“{wanted}” could be:")
    elif wanted:
        text = say(language, f"没有找到“{wanted}”。", f"I found no “{wanted}”. ")
    if candidates:
        text += f"\n\n{product_table(language, candidates, shelf)}\n\n"
    return text + QUESTIONS["product"][language]


def one_customer(language: Language) -> str:
    """Say that an order is for one customer."""
    return say(
        language,
        "一笔订单只能给一个客户，请一个一个地说。",
        "An order is for one customer; please name one at a time.",
    )


def ask_quantity(language: Language, product: Product, wrong: bool) -> str:
    """Ask how many are wanted."""
    rule = say(
        language,
        "数量要是 1 到 1000000 的整数。",
        "The quantity has to be a whole number from 1 to 1000000. ",
    )
    name = (
        f"{bold(product)}，{price(product.price)}。"
        if language == "zh"
        else f"{bold(product)}, {price(product.price)}. "
    )
    return (rule if wrong else "") + name + QUESTIONS["quantity"][language]


def ask_customer(language: Language, lines: Sequence[tuple[Product, int]]) -> str:
    """Repeat the order and ask for the customer."""
    items = say(language, "、", ", ").join(f"{quantity} × {bold(product)}" for product, quantity in lines)
    amount = sum(product.price * quantity for product, quantity in lines)
    if math.isfinite(amount):
        items += say(language, f"，合计 {total(amount)}", f", {total(amount)} in total")
    return say(language, f"{items}。", f"{items}. ") + QUESTIONS["customer"][language]


# --- after an order ---------------------------------------------------------------------------------------


def bought(language: Language, order: Order, shelf: Shelf) -> str:
    """Confirm an order: its number, its total, its lines, and the stock now."""
    text = say(
        language,
        f"已为{escaped(order.customerName)}下单成功：订单号 {order.id}，合计 {total(order.totalAmount)}。",
        f"Done! Order number {order.id} for {escaped(order.customerName)}, total {total(order.totalAmount)}.",
    )
    lines = [
        (shelf.products.get(item.productId), item.productId, item.quantity) for item in order.items[:MAX_ROWS]
    ]
    for product, product_id, quantity in lines:
        name = bold(product) if product else say(language, f"商品 {product_id}", f"product {product_id}")
        left = shelf.stock.get(product_id)
        text += f"\n- {quantity} × {name}" if text.count("\n") else f"\n\n- {quantity} × {name}"
        if left is not None:
            text += say(language, f"，现在还剩 {left} 件", f": {left} left now")
    return text


def not_bought(language: Language, call: PastCall) -> str:
    """Say why there is no order, or that nobody knows whether there is one."""
    if call.code in _REFUSED_BY_USER:
        return say(language, "好的，已取消，没有下单。", "All right, cancelled: nothing was ordered.")
    if call.code in _MAY_HAVE_BOUGHT:
        quoted = f"\n\n> {escaped(call.reason)}" if call.reason else ""
        return outcome_unknown(language) + quoted
    match call.code, call.params:
        case "out_of_stock", {"name": str(name), "available": int(left)}:
            return say(
                language,
                f"没有下单：**{escaped(name)}** 库存不足，只剩 {left} 件。可以减少数量再试。",
                f"Nothing was ordered: only {left} of **{escaped(name)}** are left. Try fewer.",
            )
    reason = escaped(call.reason) or "—"
    return say(language, f"没有下单：{reason}", f"Nothing was ordered: {reason}")


def outcome_unknown(language: Language) -> str:
    """Say that an order may or may not exist, and what to do."""
    return say(
        language,
        "这次下单的结果不明：可能已经成功，也可能没有。请先看看“最近的订单”，再决定是否重新下单。",
        "It is unknown whether the order went through. "
        "Please look at “recent orders” before you order again.",
    )


# --- all orders -------------------------------------------------------------------------------------------


def order_list(language: Language, orders: Sequence[Order], names: dict[int, str], more: bool) -> str:
    """Show the newest orders; `more` when there may be others."""
    if not orders:
        return no_orders(language)
    start = say(language, f"共 {len(orders)} 笔订单，最新的在前：", f"{len(orders)} orders, newest first:")
    if more:
        start = say(language, f"最新的 {len(orders)} 笔订单：", f"The newest {len(orders)} orders:")
    return f"{start}\n\n{order_table(language, orders, names)}"


def largest_order(language: Language, orders: Sequence[Order], names: dict[int, str], more: bool) -> str:
    """Show the order with the highest amount; `more` when not all orders are known."""
    if not orders:
        return no_orders(language)
    top = min(orders, key=lambda order: (-order.totalAmount, order.id))
    among = (
        say(language, f"在最新的 {len(orders)} 笔订单中，", f"Of the newest {len(orders)} orders: ")
        if more
        else ""
    )
    start = say(
        language,
        f"金额最大的订单是 {top.id} 号，{total(top.totalAmount)}：",
        f"The largest order is number {top.id}, {total(top.totalAmount)}:",
    )
    return f"{among}{start}\n\n{order_table(language, [top], names)}"


def order_table(language: Language, orders: Sequence[Order], names: dict[int, str]) -> str:
    """List orders in the given order."""
    head = say(
        language,
        "订单号:|客户|商品|金额:|时间（UTC）",
        "Order:|Customer|Products|Amount:|Time (UTC)",
    ).split("|")
    rows = [
        [
            str(order.id),
            escaped(order.customerName),
            _items(language, order, names),
            total(order.totalAmount),
            escaped(order.orderDate[:16].replace("T", " ")),
        ]
        for order in orders[:MAX_ROWS]
    ]
    return table(head, rows)


def _items(language: Language, order: Order, names: dict[int, str]) -> str:
    def name(product_id: int) -> str:
        return escaped(names.get(product_id) or say(language, f"商品 {product_id}", f"product {product_id}"))

    return say(language, "、", ", ").join(
        f"{item.quantity} × {name(item.productId)}" for item in order.items[:5]
    )


def summary(language: Language, group: str | None, rows: Sequence[SalesSummary]) -> str:
    """Say how much was sold, in all and by group."""
    if not rows:
        return no_orders(language)
    amount, quantity, count = (
        sum(r.amount for r in rows),
        sum(r.quantity for r in rows),
        sum(r.orders for r in rows),
    )
    if group is None:
        return say(
            language,
            f"一共 {count} 笔订单，{quantity} 件商品，金额 {total(amount)}。",
            f"{count} orders in all, {quantity} pieces, {total(amount)}.",
        )
    rows = rows if group == "day" else sorted(rows, key=lambda row: (-row.amount, row.key))
    start = ""
    if group != "day" and len(rows) > 1:
        top, most = escaped(rows[0].label), total(rows[0].amount)
        start = say(language, f"金额最高的是 {top}，{most}：", f"{top} comes first with {most}:") + "\n\n"
    end = say(
        language,
        f"合计 {quantity} 件，{total(amount)}。",
        f"In all {quantity} pieces, {total(amount)}.",
    )
    return f"{start}{summary_table(language, group, rows)}\n\n{end}"


def summary_table(language: Language, group: str, rows: Sequence[SalesSummary]) -> str:
    """List the sales of each product, to each customer or on each day."""
    kinds = {"product": ("商品", "Product"), "customer": ("客户", "Customer"), "day": ("日期", "Day")}
    first = say(language, *kinds[group])
    rest = say(language, "订单数:|件数:|金额:", "Orders:|Pieces:|Amount:").split("|")
    shown = [
        [escaped(row.label), str(row.orders), str(row.quantity), total(row.amount)] for row in rows[:MAX_ROWS]
    ]
    return table([first, *rest], shown)


def no_orders(language: Language) -> str:
    """Say that there are none."""
    return say(language, "没有这样的订单。", "There are no such orders.")
