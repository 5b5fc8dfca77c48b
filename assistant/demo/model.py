"""The model for a machine without a key: it answers with the shop's tools, by rules.

It has no state: all it knows is in the messages, so any replica can continue a conversation. It knows no
product: names, prices and stock come from tool results. Nothing in a result is taken for a request.
"""

import json
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any

from assistant.chat.history import Message
from assistant.chat.interfaces import Piece, Reply
from assistant.demo import answers, receipts
from assistant.demo.conversation import Conversation
from assistant.demo.finder import (
    FAIR,
    SURE,
    Shelf,
    about_products,
    best,
    is_partial,
    mark,
    matches,
    rows,
    terms,
    unnamed,
)
from assistant.demo.lookup import Decided, Decision, Lookup, ShopTools
from assistant.demo.ordering import OrderLine, ids, names_another, order_lines, words
from assistant.demo.past_calls import PastCall, kind_of
from assistant.demo.phrases import orders_wanted, period, pieces_below, says
from models import MAX_LIMIT, GroupBy, Order, Product, SalesSummary

MAX_ROUNDS = 6  # of calls for one question; no conversation here needs more than five
LOW_STOCK = 20  # pieces up to which a product is "running low", if the question names no number
RECENT = 20  # orders that are shown if the question names no number
MAX_DELTA = 12  # characters that are streamed at once


class DemoModel:
    """The model behind the page when no key is set; `today` gives the date in UTC."""

    name = "demo"
    demo = True

    def __init__(self, today: Callable[[], date] = lambda: datetime.now(UTC).date()) -> None:
        self._today = today

    async def reply(self, messages: list[Message], tools: list[dict[str, Any]]) -> AsyncGenerator[Piece]:
        """Yield the answer in small pieces, then one Reply; it never raises, whatever the messages hold."""
        decision = decide(Conversation.of(messages), ShopTools(tools), self._today())
        if not isinstance(decision, str):
            yield Reply("", decision, "tool_calls")
            return
        for at in range(0, len(decision), MAX_DELTA):
            yield decision[at : at + MAX_DELTA]
        yield Reply(decision)


def decide(talk: Conversation, shop: ShopTools, today: date) -> Decision:
    """Return the next calls, or the answer; no call is made twice in one turn."""
    try:
        return _Clerk(talk, shop, today).answer()
    except Decided as decided:
        decision = decided.decision
    if isinstance(decision, str):
        return decision
    done = {(call.kind, json.dumps(call.arguments, sort_keys=True)) for call in talk.calls}
    new = [call for call in decision if (kind_of(call.name), _sorted(call.arguments)) not in done]
    return new if new and talk.rounds < MAX_ROUNDS else answers.stuck(talk.language)


def _sorted(arguments: str) -> str:
    return json.dumps(json.loads(arguments), sort_keys=True)


def group_of(text: str) -> GroupBy | None:
    """Return by what orders are to be summed up."""
    groups: tuple[GroupBy, ...] = ("day", "customer", "product")
    return next((group for group in groups if says(group, text)), None)


class _Clerk(Lookup):
    """Makes one decision, from the wish, what is known by now, and the tools that are offered."""

    def __init__(self, talk: Conversation, shop: ShopTools, today: date) -> None:
        super().__init__(talk, shop)
        self.today = today

    def answer(self) -> str:
        """Return the answer.

        Raises:
            Decided: The decision has been made further down.
        """
        steps: dict[str, Callable[[], str]] = {
            "products": self.products,
            "stock": self.stock,
            "recommend": self.recommend,
            "buy": self.buy,
            "orders": self.orders,
            "hello": lambda: answers.hello(self.tongue),
            "help": lambda: answers.hello(self.tongue),
            "thanks": lambda: answers.welcome(self.tongue),
            "cancel": lambda: answers.cancelled(self.tongue),
        }
        goal: str = self.wish.goal
        if goal == "unknown" and about_products(self.wish.text):
            goal = "products"
        return steps.get(goal, lambda: answers.not_understood(self.tongue))()

    # --- products and stock --------------------------------------------------------------------------------

    def products(self) -> str:
        shelf = self.look("get_products", [self.wish.text])
        everything = list(shelf.products.values())
        if not everything:
            return answers.empty(self.tongue)
        found = self.meant(shelf)
        if not shelf.more and (extreme := self.extreme(found or everything)):
            found = [extreme]
        if found and len(found) == 1:
            return answers.one_price(self.tongue, found[0])
        if found == []:
            return answers.unlike(self.tongue, words(self.wish.text), everything, shelf)
        return answers.product_list(self.tongue, found or everything, shelf)

    def extreme(self, products: Sequence[Product]) -> Product | None:
        """Return the cheapest or the dearest product, if that is asked for."""
        if says("cheapest", self.wish.text):
            return min(products, key=lambda product: (product.price, product.id))
        if says("dearest", self.wish.text):
            return max(products, key=lambda product: (product.price, -product.id))
        return None

    def stock(self) -> str:
        if says("low", self.wish.text):
            return self.low_stock()
        named = ids(self.wish.text)
        if not named and not words(self.wish.text) and says("it", self.wish.text):
            named = [product.id for product in self.talk.shown()[0]]
        if named:
            shelf = Shelf()
            for content in self.ask("get_inventory", productIds=named):
                shelf.add(content)
            found: list[Product] | None = [shelf.products[i] for i in named if i in shelf.products]
        else:
            shelf = self.look("get_inventory", [self.wish.text])
            found = self.meant(shelf)
        if found and len(found) == 1:
            return answers.one_stock(self.tongue, found[0], shelf.left(found[0]))
        everything = list(shelf.products.values())
        if found == []:
            return answers.unlike(self.tongue, words(self.wish.text), everything, shelf)
        listed = found or everything
        if says("most", self.wish.text) or says("least", self.wish.text):
            listed.sort(key=lambda product: shelf.left(product) or 0, reverse=says("most", self.wish.text))
        return answers.stock_list(self.tongue, listed, shelf)

    def low_stock(self) -> str:
        limit = pieces_below(self.wish.text)
        limit = (0 if says("sold out", self.wish.text) else LOW_STOCK) if limit is None else limit
        shelf = Shelf()
        for content in self.ask("get_inventory", maxQuantity=limit):
            shelf.add(content)
        low = [p for p in shelf.products.values() if (shelf.left(p) or 0) <= limit]
        low.sort(key=lambda product: (shelf.left(product) or 0, product.id))
        if (
            low
            or len(self.talk.calls_to("get_inventory")) > 1
            or not self.shop.takes("get_inventory", "maxQuantity")
        ):
            lowest = sorted(shelf.products.values(), key=lambda p: (shelf.left(p) or 0, p.id))[:5]
            return answers.low_stock(self.tongue, limit, low, lowest, shelf)
        raise Decided([self.call("get_inventory")])

    # --- recommending --------------------------------------------------------------------------------------

    def recommend(self) -> str:
        shelf = self.look("get_inventory", [self.wish.text])
        wanted = terms(self.wish.text)
        marked = ids(mark(self.wish.text, shelf.products.values()))
        ranked = best(matches(shelf.products.values(), wanted), FAIR)
        fitting = [shelf.products[i] for i in marked if i in shelf.products] or ranked
        if not wanted and not marked:
            fitting = list(shelf.products.values())
        if not shelf.products:
            return answers.empty(self.tongue)
        if not fitting:
            near = self.buyable(list(shelf.products.values()), shelf)
            return answers.unlike(self.tongue, words(self.wish.text), near, shelf)
        buyable = self.buyable(fitting, shelf)
        if not buyable:
            return self.nearest(fitting, shelf)
        if not wanted and not marked and len(buyable) > 1:
            return answers.choice(self.tongue, buyable, shelf)
        return answers.recommendation(self.tongue, buyable[0], buyable[1:], shelf)

    def buyable(self, products: Sequence[Product], shelf: Shelf) -> list[Product]:
        """Return the products within the budget and in stock."""
        low, high = self.bounds()
        return [p for p in products if low <= p.price <= high and shelf.left(p) != 0]

    def bounds(self) -> tuple[float, float]:
        return self.wish.low or 0, float("inf") if self.wish.high is None else self.wish.high

    def nearest(self, fitting: Sequence[Product], shelf: Shelf) -> str:
        low, high = self.bounds()
        stocked = [product for product in fitting if shelf.left(product) != 0]
        if not stocked:
            return answers.nearest(self.tongue, "stock", fitting[0], shelf)
        gap = {p.id: max(low - p.price, p.price - high, 0) for p in stocked}
        near = min(stocked, key=lambda product: (gap[product.id], product.id))
        return answers.nearest(self.tongue, "budget", near, shelf)

    # --- buying --------------------------------------------------------------------------------------------

    def buy(self) -> str:
        if done := self.talk.calls_to("create_purchase"):
            return self.after(done[-1])
        if self.wish.customer and names_another(self.wish.text):
            return receipts.one_customer(self.tongue)
        ordered = [(product, self.quantity(product, line)) for line, product in self.choose()]
        if not self.wish.customer:
            return receipts.ask_customer(self.tongue, ordered)
        if not self.shop.has("create_purchase"):
            return answers.not_connected(self.tongue)
        items = [{"productId": product.id, "quantity": pieces} for product, pieces in ordered]
        raise Decided([self.shop.purchase(self.wish.customer, items)])

    def choose(self) -> list[tuple[OrderLine, Product]]:
        """Return the product of each line, or ask for it; remarks that are no line are left out."""
        shelf = self.talk.known()
        lines = self.lines(shelf)
        unclear = [line.words for line in lines if line.product_id is None]
        # A history of texts alone has no results: the product of the last answer is looked up by its name.
        meant = self.talk.bold() if "" in unclear and not any(self.talk.shown()) else []
        if any(unclear) or meant:
            said = [*unclear, *meant, *(answer for _, answer in self.wish.named)]
            shelf = self.look("get_products", said)
            lines = self.lines(shelf)
        counted = [line for line in lines if line.quantity is not None or line.product_id is not None]
        found = []
        for line in lines:
            sure = self.candidates(line, shelf, SURE)
            if len(sure) == 1:
                found.append((line, sure[0]))
            elif line in counted or not counted or sure:
                raise Decided(
                    receipts.ask_product(self.tongue, line.words, sure or self.candidates(line, shelf), shelf)
                )
        return found

    def lines(self, shelf: Shelf) -> list[OrderLine]:
        """Split the order into lines; unclear words are replaced by the answers to "which product?"."""
        lines = order_lines(mark(self.wish.text, shelf.products.values())) or [OrderLine()]
        return [self.cleared(line, shelf) for line in lines]

    def cleared(self, line: OrderLine, shelf: Shelf) -> OrderLine:
        named = dict(self.wish.named)
        while line.product_id is None and line.words in named:
            said = order_lines(mark(named.pop(line.words), shelf.products.values())) or [OrderLine()]
            line = OrderLine(line.quantity or said[0].quantity, said[0].product_id, said[0].words)
        return line

    def candidates(self, line: OrderLine, shelf: Shelf, share: float = 0) -> list[Product]:
        """Return the products that a line may mean: by id, by words, or else those of the last answer."""
        if line.product_id is not None:
            return [shelf.products.get(line.product_id) or unnamed(line.product_id)]
        if not line.words:
            bold, shown = self.talk.shown()
            return bold or shown
        found = matches(shelf.products.values(), terms(line.words))
        return best([match for match in found if match.share >= share])

    def quantity(self, product: Product, line: OrderLine) -> int:
        """Return how many of a product are ordered, or ask for it."""
        pieces = line.quantity or self.wish.quantity
        if pieces:
            return pieces
        wrong = line.quantity == 0 or self.wish.quantity == 0
        raise Decided(receipts.ask_quantity(self.tongue, product, wrong))

    def after(self, call: PastCall) -> str:
        """Say how the purchase ended: with an order and what is left, with a refusal, or nobody knows."""
        if call.code:
            return receipts.not_bought(self.tongue, call)
        orders = rows(call.content, Order)
        if not orders:
            return receipts.outcome_unknown(self.tongue)
        bought = sorted({item.productId for item in orders[0].items})
        shelf = self.talk.known()
        shelf.stock.clear()  # from before the purchase
        if self.shop.has("get_inventory") and not self.talk.calls_to("get_inventory"):
            raise Decided([self.call("get_inventory", productIds=bought)])
        for look in self.talk.calls_to("get_inventory"):
            shelf.add(look.content)
        return receipts.bought(self.tongue, orders[0], shelf)

    # --- analysing -----------------------------------------------------------------------------------------

    def orders(self) -> str:
        group = group_of(self.wish.text)
        sum_up = group or (says("total", self.wish.text) and not says("largest", self.wish.text))
        product_id = self.product_asked(group)
        if sum_up and product_id is None and self.shop.takes("get_orders", "groupBy"):
            return self.summary(group)
        largest = says("largest", self.wish.text)
        limit = MAX_LIMIT if largest else orders_wanted(self.wish.text) or RECENT
        if not self.talk.calls_to("get_orders"):
            calls = [self.call("get_orders", productId=product_id, limit=limit, **self.filters())]
            if self.shop.has("get_products") and not self.talk.calls_to("get_products"):
                calls.append(self.call("get_products"))  # orders carry ids, people read names
            raise Decided(calls)
        contents = self.ask("get_orders")
        found = [order for content in contents for order in rows(content, Order)]
        more = len(found) >= limit or any(is_partial(content) for content in contents)
        names = {product.id: product.name for product in self.talk.known().products.values()}
        if largest:
            return receipts.largest_order(self.tongue, found, names, more)
        return receipts.order_list(self.tongue, found, names, more)

    def filters(self) -> dict[str, str | None]:
        since, until = period(self.wish.text, self.today)
        return {"customerName": self.wish.customer, "since": since, "until": until}

    def product_asked(self, group: GroupBy | None) -> int | None:
        """Return the id of the one product whose orders are asked for."""
        if named := ids(self.wish.text):
            return named[0]
        if group == "product" or not about_products(self.wish.text):
            return None
        found = self.meant(self.look("get_products", [self.wish.text])) or []
        return found[0].id if len(found) == 1 else None

    def summary(self, group: GroupBy | None) -> str:
        """Have the shop sum the orders up: by day if only the total is wanted."""
        contents = self.ask("get_orders", groupBy=group or "day", limit=MAX_LIMIT, **self.filters())
        groups = [row for content in contents for row in rows(content, SalesSummary)]
        return receipts.summary(self.tongue, group, groups)
