"""Answers about products: what there is, what it costs, how much is left, what to take; and talk."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from assistant.chat.interfaces import ToolRequest
from assistant.demo import meaning as sense
from assistant.demo import say as sentences
from assistant.demo import words as data
from assistant.demo.meaning import Scene
from assistant.demo.past import PastCall, Shelf, ShopTools, is_partial, rows, unnamed
from assistant.demo.say import bold, escaped, price, product_table
from assistant.demo.words import fold, says, words
from models import DEFAULT_LIMIT, Product

LOW_STOCK = 20  # pieces up to which a product is "running low", if the question names no number
MAX_FOUND = 50  # products whose stock is looked up at once

Decision = str | list[ToolRequest]  # an answer, or the calls that have to come first


class Decided(Exception):  # noqa: N818  no error: it ends a look-up from within
    """The decision has been made: calls that have to come first, or the whole answer."""

    def __init__(self, decision: Decision) -> None:
        super().__init__()
        self.decision = decision


class Desk:
    """Makes one decision, from the message, what is known by now, and the tools that are offered."""

    def __init__(
        self, message: str, calls: list[PastCall], scene: Scene, tools: ShopTools, now: datetime
    ) -> None:
        self.calls, self.tools, self.today = calls, tools, now.date()
        tongue = sense.language_of(message, scene)
        if tongue is None:
            tongue = (
                "en" if re.search("[a-zA-Z]", message) and not re.search(f"[{data.CJK}]", message) else "zh"
            )
        self.say, self.tongue = sentences.voice(tongue), tongue
        shelf = Shelf(dict(scene.shelf.products), dict(scene.shelf.stock))
        for call in calls:
            if call.kind in ("get_products", "get_inventory"):
                shelf.add(call.content)
        self.before = replace(scene, shelf=shelf)
        self.meaning = sense.understand(message, self.before)
        self.text = self.meaning.text
        self.scene = replace(self.before, tongue=tongue, asked="", meaning=self.meaning)
        self.buying = False

    def decide(self) -> Decision:
        """Return the next calls, or the answer."""
        known = getattr(self, f"_{self.meaning.goal}", None)
        try:
            return known() if known else self.say(self.meaning.goal)
        except Decided as decided:
            return decided.decision

    # --- looking up ----------------------------------------------------------------------------------------

    def ask(self, kind: str, **arguments: Any) -> str:
        """Return what a tool answered in this turn.

        Raises:
            Decided: It has to be called first; or it is not offered, or has failed: that is the answer.
        """
        if not self.tools.has(kind):
            raise Decided(self.say("not_connected"))
        arguments = self.tools.arguments(kind, **arguments)
        call = next((one for one in self.calls if (one.kind, one.arguments) == (kind, arguments)), None)
        if call is None:
            raise Decided([self.tools.call(kind, arguments)])
        if call.code:
            raise Decided(self.say("failed", reason=escaped(call.reason) or "—"))
        return call.content

    def products(self, **filters: Any) -> list[Product]:
        """Return what the shop finds."""
        return rows(self.ask("get_products", **filters), Product)

    def stocked(self, products: Sequence[Product]) -> Shelf:
        """Return these products with their stock."""
        shelf = Shelf()
        if products:
            shelf.add(self.ask("get_inventory", productIds=[product.id for product in products[:MAX_FOUND]]))
        return shelf

    def find(self, text: str, **filters: Any) -> list[Product] | None:
        """Return the products that a sentence names (id, name, words, "it"); None if it names none."""
        marked = sense.mark(sense._pointed(text, self.before), self.before.shelf.products.values())
        if named := sense.ids(marked):
            unknown = [one for one in named if one not in self.before.shelf.products]
            known = {product.id: product for product in self.products()} if unknown else {}
            known |= self.before.shelf.products
            return [known[one] for one in named if one in known]
        query = f"{words(text)} {data.uses(text)}".strip()
        if query:
            return pick(words(text), self.products(query=query, **filters))
        if says("it", text) and self.before.focus:
            return [self.product(one) for one in self.before.focus]
        return None

    def product(self, product_id: int) -> Product:
        """Return a product that a result has named."""
        return self.before.shelf.products.get(product_id) or unnamed(product_id)

    def show(self, products: Sequence[Product], focus: Sequence[Product] = ()) -> None:
        """Remember which products the answer is about."""
        about = tuple(product.id for product in focus or products)
        self.scene = replace(self.scene, focus=about, shown=tuple(product.id for product in products))

    # --- talk ----------------------------------------------------------------------------------------------

    def _hello(self) -> str:
        lines = "\n".join(f"- {one}" for one in sentences.examples(self.tongue))
        return f"{self.say('hello')}\n\n{self.say('examples')}\n\n{lines}"

    _help = _hello

    def _unknown(self) -> str:
        found = self.find(self.text) if words(self.text) or self.before.focus else None
        if found:
            return self._products()
        first, second = sentences.examples(self.tongue, self.text, 2)
        return self.say("unsure", first=first, second=second)

    def _cancel(self) -> str:
        pending, placed = self.before.pending, self.before.placed_id
        self.scene = replace(self.scene, pending=(), key=None)
        if pending:
            return self.say("cancelled")
        return (
            self.say("cannot_cancel", id=placed)
            if placed
            else self.say("cancelled") + self.say("nothing_waits")
        )

    # --- products and stock --------------------------------------------------------------------------------

    def _products(self) -> str:
        found = self.extreme() or self.find(self.text)
        if not found:
            everything = self.products()
            if not everything:
                return self.say("empty")
            open_question = says("open", self.text) and says("catalogue", self.text)
            if found is not None and not open_question:
                return self.unlike(everything)
            self.show(everything)
            more = len(everything) >= DEFAULT_LIMIT or is_partial(self.ask("get_products"))
            count = f"{len(everything)}+" if more else len(everything)
            return f"{self.say('count', count=count)}\n\n{product_table(self.say, everything, Shelf(), more)}"
        self.show(found)
        if len(found) == 1:
            which = next((sign for sign in ("cheapest", "dearest") if says(sign, self.text)), "")
            return sentences.one_price(self.say, found[0], which)
        return f"{self.say('found', count=len(found))}\n\n{product_table(self.say, found, Shelf())}"

    def extreme(self, among: Sequence[Product] | None = None) -> list[Product]:
        """Return the cheapest or the dearest product, if that is asked for."""
        which = next((sign for sign in ("cheapest", "dearest") if says(sign, self.text)), None)
        if not which:
            return []
        shown = (
            self.before.shown
            if re.search(r"(?i)cheaper|dearer|more exp|[更的]|那个|them|those", self.text)
            else ()
        )
        found = [*(among or ())] or (self.find(self.text) if words(self.text) else None)
        if not found:
            found = [self.product(one) for one in shown] if len(shown) > 1 else self.products()
        key: Callable[[Product], float] = (lambda p: p.price) if which == "cheapest" else (lambda p: -p.price)
        return [min(found, key=lambda product: (key(product), product.id))] if found else []

    def unlike(self, there: Sequence[Product]) -> str:
        """Say that nothing fits the words, and list the products that there are."""
        said = words(self.text)
        text = self.say("unlike", words=escaped(said, 40)) if said else self.say("unlike_any")
        self.show(there)
        return f"{text}{self.say('there_is')}\n\n{product_table(self.say, there, Shelf())}" if there else text

    def _fact(self) -> str:
        asked, told = data.fact(self.text) or (re.compile("$"), re.compile("$"))
        found = self.find(asked.sub(" ", self.text)) if words(asked.sub(" ", self.text)) else None
        found = found or [self.product(one) for one in self.before.focus[:1]] or self.find(self.text)
        if not found:
            return self._unknown() if found is None else self.unlike(self.products())
        self.show(found)
        if len(found) > 1:
            return f"{self.say('found', count=len(found))}\n\n{product_table(self.say, found, Shelf())}"
        about = escaped(found[0].description, 200) or self.say("no_about")
        key = "fact" if told.search(found[0].description) else "no_fact"
        return self.say(key, bold=bold(found[0]), about=about)

    def _compare(self) -> str:
        parts = re.split(
            r"和|跟|与|还是|比(?!较|一比)|(?<![a-z])(?:and|or|vs\.?|versus|with|to|than)(?![a-z])|,|、",
            self.text,
        )
        found = [
            one for part in parts if words(part) or sense.ids(part) for one in (self.find(part) or [])[:1]
        ]
        found = list({product.id: product for product in found}.values())
        if len(found) < 2:
            found = (
                [self.product(one) for one in self.before.shown]
                if len(self.before.shown) > 1
                else self.products()
            )
        if len(found) < 2:
            return self._products()
        self.show(found)
        low, *_, high = sorted(found, key=lambda product: product.price)
        verdict = self.say("compared", cheap=bold(low), dear=bold(high), gap=price(high.price - low.price))
        verdict = self.say("same_price") if low.price == high.price else verdict
        return f"{verdict}\n\n{product_table(self.say, found, self.stocked(found))}"

    def _stock(self) -> str:
        if says("low", self.text):
            return self.low_stock()
        found = self.find(self.text)
        if found == []:
            return self.unlike(self.products())
        if found and len(found) == 1:
            self.show(found)
            pieces = self.stocked(found).left(found[0])
            parts = {"bold": bold(found[0]), "left": pieces, "price": price(found[0].price)}
            return self.say("in_stock" if pieces else "no_stock", **parts)
        shelf = self.stocked(found) if found else Shelf()
        if not found:
            shelf.add(self.ask("get_inventory"))
        listed = list(shelf.products.values())
        if says("most", self.text) or says("least", self.text):
            listed.sort(key=lambda product: shelf.left(product) or 0, reverse=says("most", self.text))
        self.show(listed)
        if not listed:
            return self.say("no_stock_list")
        return f"{self.say('stock_list')}\n\n{product_table(self.say, listed, shelf, stock=True)}"

    def low_stock(self) -> str:
        """List what is running low, or else what comes nearest to it."""
        limit = data.pieces_below(self.text)
        limit = (0 if says("sold_out", self.text) else LOW_STOCK) if limit is None else limit
        shelf = Shelf()
        shelf.add(self.ask("get_inventory", maxQuantity=limit))
        low = [p for p in shelf.products.values() if (shelf.left(p) or 0) <= limit]
        start = self.say("low" if low else "none_low", limit=limit)
        if not low:
            shelf.add(self.ask("get_inventory"))
            start += self.say("lowest")
        listed = sorted(low or shelf.products.values(), key=lambda p: (shelf.left(p) or 0, p.id))
        self.show(listed if low else listed[:5])
        return f"{start}\n\n{product_table(self.say, listed if low else listed[:5], shelf, stock=True)}"

    def _recommend(self) -> str:
        low, high = self.meaning.low, self.meaning.high
        bounds = {"minPrice": low, "maxPrice": high}
        named = self.find(self.text, **bounds)
        found = self.products(**bounds) if named is None else named
        shelf = self.stocked(found)
        buyable = [p for p in found if (low or 0) <= p.price <= (high or float("inf")) and shelf.left(p) != 0]
        if not buyable:
            return self.nearest(named is not None)
        if named is None and len(buyable) > 1:
            self.show(buyable)
            return f"{self.say('choice')}\n\n{product_table(self.say, buyable, shelf)}"
        self.show(buyable, buyable[:1])
        return sentences.recommendation(self.say, buyable[0], buyable[1:], shelf)

    def nearest(self, named: bool) -> str:
        """Say why nothing fits, and which product is the nearest."""
        found = self.find(self.text) if named else self.products()
        if not found:
            everything = self.products()
            return self.unlike(everything) if everything else self.say("empty")
        shelf, low, high = self.stocked(found), self.meaning.low or 0, self.meaning.high or float("inf")
        near = [product for product in found if shelf.left(product) != 0] or found
        best = min(near, key=lambda p: (max(low - p.price, p.price - high, 0), p.id))
        self.show([best])
        why = self.say("lacks_budget" if shelf.left(best) != 0 else "lacks_stock")
        return why + self.say(
            "nearest", bold=bold(best), price=price(best.price), left=sentences.left(shelf, best)
        )


def squeezed(text: str) -> str:
    """Return a text without blanks and case, to compare."""
    return re.sub(r"\s", "", fold(text).lower())


def pick(said: str, found: list[Product]) -> list[Product]:
    """Keep the products whose name is said in full, or else those in whose name the words are."""
    named = [product for product in found if squeezed(product.name) in squeezed(said)]
    if named:
        names = [squeezed(product.name) for product in named]
        return [p for p in named if not any(squeezed(p.name) != n and squeezed(p.name) in n for n in names)]
    return [product for product in found if squeezed(said) in squeezed(product.name)] or found
