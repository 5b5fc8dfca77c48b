"""The demo model's sentences and tables, in Chinese and English."""

import math
import re
from collections.abc import Iterable, Sequence
from typing import Literal

from assistant.demo.finder import Shelf
from assistant.demo.phrases import Language
from models import Product

MAX_ROWS = 20  # of a table; more is counted, not shown
MAX_CELL = 60  # characters of a description in a table

_EXAMPLES: dict[Language, tuple[str, ...]] = {
    "zh": (
        "有哪些商品？",
        "库存还有多少？",
        "我预算 1000 元，想要降噪耳机，有货吗？",
        "帮客户A买 2 个商品 1",
        "按商品汇总一下订单",
    ),
    "en": (
        "What do you sell?",
        "How much stock is left?",
        "Something for sports under 1500 yuan?",
        "Buy 2 of product 1 for customer A",
        "Summarise the orders by product",
    ),
}


def say(language: Language, chinese: str, english: str) -> str:
    """Return the sentence in the user's language."""
    return chinese if language == "zh" else english


# --- pieces ------------------------------------------------------------------------------------------------


def escaped(text: str, limit: int = 0) -> str:
    """Escape a text from outside for a table cell: one line, no markdown, cut at `limit` characters."""
    text = " ".join(text.encode("utf-8", "replace").decode().split())  # JSON can hold lone surrogates
    if limit and len(text) > limit:
        text = text[: limit - 1] + "…"
    return re.sub(r"([\\`*_\[\]<>|~])", r"\\\1", text)


def bold(product: Product) -> str:
    """Return the name of the product that an answer is about; a later "buy 2" means the one in bold."""
    return f"**{escaped(product.name)}**"


def price(yuan: float) -> str:
    """Format a unit price: ¥899, ¥9.90."""
    if not math.isfinite(yuan):
        return "—"
    return f"¥{yuan:.0f}" if yuan == int(yuan) else f"¥{yuan:.2f}"


def total(yuan: float) -> str:
    """Format a sum: ¥1798.00."""
    return f"¥{yuan:.2f}" if math.isfinite(yuan) else "—"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a markdown table; columns whose name in `head` ends with a colon are aligned right."""
    rule = [" ---: " if name.endswith(":") else " --- " for name in head]
    lines = [f"| {' | '.join(name.rstrip(':') for name in head)} |", f"|{'|'.join(rule)}|"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def _rest(language: Language, count: int, more: bool) -> str:
    if not more and count <= MAX_ROWS:
        return ""
    shown, known = min(count, MAX_ROWS), f"{count}+" if more else str(count)
    return "\n\n" + say(
        language,
        f"这里是前 {shown} 种，共 {known} 种；说出想要的种类或预算可以缩小范围。",
        f"These are the first {shown} of {known}; name a kind or a budget to narrow them down.",
    )


# --- products and stock ------------------------------------------------------------------------------------


def product_table(language: Language, products: Sequence[Product], shelf: Shelf) -> str:
    """List products with price, stock (if it is known) and description."""
    stocked = any(shelf.left(product) is not None for product in products)
    head = say(language, "编号:|商品|价格:|库存:|描述", "ID:|Product|Price:|Stock:|Description").split("|")
    rows = [
        [str(p.id), escaped(p.name), price(p.price), _left(shelf.left(p)), escaped(p.description, MAX_CELL)]
        for p in products[:MAX_ROWS]
    ]
    if not stocked:
        head, rows = head[:3] + head[4:], [row[:3] + row[4:] for row in rows]
    return table(head, rows) + _rest(language, len(products), shelf.more and len(products) >= MAX_ROWS)


def stock_table(language: Language, products: Sequence[Product], shelf: Shelf) -> str:
    """List how many are left of each product."""
    head = say(language, "编号:|商品|库存:|价格:", "ID:|Product|Stock:|Price:").split("|")
    rows = [[str(p.id), escaped(p.name), _left(shelf.left(p)), price(p.price)] for p in products[:MAX_ROWS]]
    return table(head, rows) + _rest(language, len(products), shelf.more and len(products) >= MAX_ROWS)


def _left(pieces: int | None) -> str:
    return "—" if pieces is None else str(pieces)


def one_price(language: Language, product: Product) -> str:
    """Say what one product costs."""
    about = f"\n\n{escaped(product.description, 200)}" if product.description.strip() else ""
    start = say(
        language,
        f"{bold(product)}（编号 {product.id}）的价格是 {price(product.price)}。",
        f"{bold(product)} (id {product.id}) costs {price(product.price)}.",
    )
    return start + about


def one_stock(language: Language, product: Product, left: int | None) -> str:
    """Say how many of one product are left."""
    if not left:
        return say(
            language,
            f"{bold(product)} 现在没有货。",
            f"{bold(product)} is out of stock.",
        )
    return say(
        language,
        f"有货：{bold(product)} 还有 {left} 件，价格 {price(product.price)}。",
        f"In stock: {left} of {bold(product)} left, at {price(product.price)}.",
    )


def recommendation(language: Language, best: Product, others: Sequence[Product], shelf: Shelf) -> str:
    """Recommend one product, with its price and stock, and list what else would do."""
    left = shelf.left(best)
    text = say(
        language,
        f"推荐 {bold(best)}：{price(best.price)}，库存 {_left(left)} 件。",
        f"I recommend {bold(best)}: {price(best.price)}, {_left(left)} in stock.",
    )
    if best.description.strip():
        text += f"\n\n> {escaped(best.description, 200)}"
    if others:
        also = say(language, "也可以考虑：", "These would do as well:")
        text += f"\n\n{also}\n\n{product_table(language, others[:4], Shelf(stock=shelf.stock))}"
    offer = say(
        language, "要下单的话，请告诉我数量和客户名称。", "To order, tell me how many and for which customer."
    )
    return f"{text}\n\n{offer}"


def nearest(language: Language, lacks: Literal["stock", "budget"], product: Product, shelf: Shelf) -> str:
    """Say why nothing fits, and which product is the nearest."""
    why = {
        "stock": ("合适的商品现在没有货。", "What would fit is out of stock."),
        "budget": (
            "没有既合适、又在预算内并且有货的商品。",
            "Nothing that fits is within the budget and in stock.",
        ),
    }
    left = _left(shelf.left(product))
    near = say(
        language,
        f"最接近的是 {bold(product)}：{price(product.price)}，库存 {left} 件。",
        f" The nearest is {bold(product)}: {price(product.price)}, {left} in stock.",
    )
    return say(language, *why[lacks]) + near


# --- talk --------------------------------------------------------------------------------------------------


def examples(language: Language) -> str:
    """Show what can be asked."""
    start = say(language, "可以这样问：", "You can ask for example:")
    return f"{start}\n\n" + "\n".join(f"- {example}" for example in _EXAMPLES[language])


def hello(language: Language) -> str:
    """Greet, and say what can be asked."""
    start = say(
        language,
        "你好！我是商店的演示助手，可以查商品、价格和库存，推荐商品，下单，也可以分析订单。",
        "Hello! I am the shop's demo assistant: I look up products, prices and stock, recommend, "
        "place orders and analyse them.",
    )
    return f"{start}\n\n{examples(language)}"


def not_understood(language: Language) -> str:
    """Say that the question was not understood, and what can be asked."""
    start = say(
        language,
        "抱歉，我没有听懂。我是演示模型，只懂商店里的事。",
        "Sorry, I did not understand that. I am a demo model and only know about the shop.",
    )
    return f"{start}\n\n{examples(language)}"


def not_connected(language: Language) -> str:
    """Say that the tool that is needed is not offered."""
    return say(
        language,
        "商店的工具现在没有连接上，所以我查不到，也不能下单。请检查 MCP 服务器是否在运行，然后再试。",
        "The shop's tools are not connected right now, so I can neither look this up nor place an order. "
        "Please check that the MCP server is running, then try again.",
    )


def failed(language: Language, reason: str) -> str:
    """Say that a look-up failed, and why."""
    reason = escaped(reason)
    return say(
        language, f"查询没有成功：{reason}", f"I could not look that up, the shop's tool failed: {reason}"
    )


def welcome(language: Language) -> str:
    """Answer thanks."""
    return say(
        language, "不客气！还需要什么，请告诉我。", "You are welcome! Tell me if you need anything else."
    )


def cancelled(language: Language) -> str:
    """Acknowledge that nothing is to be bought."""
    return say(
        language,
        "好的，没有下单。已经成功的订单我不能取消。",
        "All right, nothing was ordered. An order that was already placed I cannot cancel.",
    )


def stuck(language: Language) -> str:
    """Say that the results were not enough for an answer."""
    return say(
        language,
        "抱歉，工具的回答不够我给出结果，请换个说法再问一次。",
        "Sorry, what the tools answered is not enough for me. Please ask in another way.",
    )


def empty(language: Language) -> str:
    """Say that the shop has nothing."""
    return say(language, "商店里现在没有商品。", "The shop has no products right now.")


def unlike(language: Language, wanted: str, products: Sequence[Product], shelf: Shelf) -> str:
    """Say that nothing fits the words, and list the products that there are."""
    said = say(language, "没有找到这个商品。", "I found no such product.")
    if wanted:
        said = say(
            language, f"没有找到“{escaped(wanted, 40)}”。", f"I found nothing for “{escaped(wanted, 40)}”."
        )
    if not products:
        return said
    there = say(language, "现有的商品：", "This is what there is:")
    return f"{said}{there if language == 'zh' else ' ' + there}\n\n{product_table(language, products, shelf)}"


def product_list(language: Language, products: Sequence[Product], shelf: Shelf) -> str:
    """List products and their number."""
    count = f"{len(products)}+" if shelf.more else str(len(products))
    start = say(language, f"共有 {count} 种商品：", f"There are {count} products:")
    return f"{start}\n\n{product_table(language, products, shelf)}"


def stock_list(language: Language, products: Sequence[Product], shelf: Shelf) -> str:
    """List the stock."""
    if not products:
        return say(language, "没有查到库存。", "I found no stock.")
    start = say(language, "目前的库存：", "In stock right now:")
    return f"{start}\n\n{stock_table(language, products, shelf)}"


def low_stock(
    language: Language, limit: int, low: Sequence[Product], lowest: Sequence[Product], shelf: Shelf
) -> str:
    """List the products that are running low, or say that none is, and list the lowest."""
    if low:
        start = say(language, f"库存不多于 {limit} 件的商品：", f"Products with {limit} or fewer left:")
        return f"{start}\n\n{stock_table(language, low, shelf)}"
    start = say(language, f"没有库存不多于 {limit} 件的商品。", f"No product has {limit} or fewer left.")
    if not lowest:
        return start
    least = say(language, "库存最少的是：", "The lowest are:")
    return f"{start}{least}\n\n{stock_table(language, lowest, shelf)}"


def choice(language: Language, products: Sequence[Product], shelf: Shelf) -> str:
    """List the products within the budget and in stock."""
    start = say(language, "符合条件并且有货的商品：", "These fit and are in stock:")
    return f"{start}\n\n{product_table(language, products, shelf)}"
