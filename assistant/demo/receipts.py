"""The demo model's sentences and tables about orders: before one, after one, and all of them."""

import math
import re
from collections.abc import Sequence

from assistant.chat.loop import DECLINED, INTERRUPTED, UNCONFIRMED
from assistant.demo.answers import MAX_ROWS, bold, plain, price, product_table, say, table, total
from assistant.demo.finder import Shelf
from assistant.demo.phrases import Language
from models import Order, Product, SalesSummary

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
    """Repeat what is ordered and ask for whom."""
    items = say(language, "、", ", ").join(f"{quantity} × {bold(product)}" for product, quantity in lines)
    amount = sum(product.price * quantity for product, quantity in lines)
    if math.isfinite(amount):
        items += say(language, f"，合计 {total(amount)}", f", {total(amount)} in total")
    return say(language, f"{items}。", f"{items}. ") + QUESTIONS["customer"][language]


# --- after an order ---------------------------------------------------------------------------------------


def bought(language: Language, order: Order, shelf: Shelf) -> str:
    """Confirm an order: its number, its lines, its total, and what is left now."""
    text = say(
        language,
        f"已为{plain(order.customerName)}下单成功：订单号 {order.id}，合计 {total(order.totalAmount)}。",
        f"Done! Order number {order.id} for {plain(order.customerName)}, total {total(order.totalAmount)}.",
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


def not_bought(language: Language, reason: str) -> str:
    """Say why there is no order, or that nobody knows whether there is one."""
    if any(sign in reason for sign in (DECLINED, UNCONFIRMED, "用户拒绝", "用户取消")):
        return say(language, "好的，已取消，没有下单。", "All right, cancelled: nothing was ordered.")
    if any(sign in reason for sign in (INTERRUPTED, "可能已经执行")):
        return f"{outcome_unknown(language)}\n\n> {plain(reason)}"
    short = re.search(r"商品 (.+) 库存不足\. 可用: ([0-9]+)", reason)
    if short:
        return say(
            language,
            f"没有下单：**{plain(short[1])}** 库存不足，只剩 {short[2]} 件。可以减少数量再试。",
            f"Nothing was ordered: only {short[2]} of **{plain(short[1])}** are left. Try fewer.",
        )
    return say(language, f"没有下单：{plain(reason)}", f"Nothing was ordered: {plain(reason)}")


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
    """List orders as they came."""
    head = say(
        language,
        "订单号:|客户|商品|金额:|时间（UTC）",
        "Order:|Customer|Products|Amount:|Time (UTC)",
    ).split("|")
    rows = [
        [
            str(order.id),
            plain(order.customerName),
            _items(language, order, names),
            total(order.totalAmount),
            plain(order.orderDate[:16].replace("T", " ")),
        ]
        for order in orders[:MAX_ROWS]
    ]
    return table(head, rows)


def _items(language: Language, order: Order, names: dict[int, str]) -> str:
    def name(product_id: int) -> str:
        return plain(names.get(product_id) or say(language, f"商品 {product_id}", f"product {product_id}"))

    return say(language, "、", ", ").join(
        f"{item.quantity} × {name(item.productId)}" for item in order.items[:5]
    )


def summary(language: Language, group: str | None, rows: Sequence[SalesSummary]) -> str:
    """Say what was sold, in all and by group."""
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
        top, most = plain(rows[0].label), total(rows[0].amount)
        start = say(language, f"金额最高的是 {top}，{most}：", f"{top} comes first with {most}:") + "\n\n"
    end = say(
        language,
        f"合计 {quantity} 件，{total(amount)}。",
        f"In all {quantity} pieces, {total(amount)}.",
    )
    return f"{start}{summary_table(language, group, rows)}\n\n{end}"


def summary_table(language: Language, group: str, rows: Sequence[SalesSummary]) -> str:
    """List what was sold of each product, to each customer or on each day."""
    kinds = {"product": ("商品", "Product"), "customer": ("客户", "Customer"), "day": ("日期", "Day")}
    first = say(language, *kinds[group])
    rest = say(language, "订单数:|件数:|金额:", "Orders:|Pieces:|Amount:").split("|")
    shown = [
        [plain(row.label), str(row.orders), str(row.quantity), total(row.amount)] for row in rows[:MAX_ROWS]
    ]
    return table([first, *rest], shown)


def no_orders(language: Language) -> str:
    """Say that there are none."""
    return say(language, "没有这样的订单。", "There are no such orders.")
