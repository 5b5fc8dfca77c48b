"""Answers about products: what there is, what it costs, how much is left, what to take; and talk."""

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from assistant.chat.interfaces import ToolRequest
from assistant.demo import meaning as sense
from assistant.demo import words as data
from assistant.demo.meaning import Scene
from assistant.demo.past import PastCall, Shelf, ShopTools, is_partial, rows
from assistant.demo.words import DATA, bold, escaped, fold, pattern, price, product_table, says, words
from models import DEFAULT_LIMIT, InventoryItem, Product

LOW_STOCK = 20  # pieces up to which a product is "running low", if the question names no number
MAX_FOUND = 50  # products whose stock is looked up at once
MAX_ALSO = 4  # products that are recommended beside the best
MAX_SAID = 40  # characters of what was said that are said back
MAX_LOWEST = 5  # products that are shown if none runs low

Decision = str | list[ToolRequest]  # an answer, or the calls that have to come first
RANKS = ("cheapest", "dearest")


class Decided(Exception):  # noqa: N818  no error: it ends a look-up from within
    """The decision has been made: calls that have to come first, or the whole answer."""

    def __init__(self, decision: Decision) -> None:
        super().__init__()
        self.decision = decision


class Desk:
    """Makes one decision, from the message, what is known by now, and the tools that are offered.

    `scene` is what it has come to; `buying`: the decision is about the purchase itself.
    """

    def __init__(
        self,
        message: str,
        calls: list[PastCall],
        before: Scene,
        tools: ShopTools,
        now: datetime,
        *,
        corrects: bool = False,
    ) -> None:
        self.calls, self.tools, self.today, self.buying = calls, tools, now.date(), False
        self.zone = now.tzinfo
        # a name that was asked for does not change the language
        tongue = (before.asked and before.tongue) or data.tongue(message, before.tongue)
        self.say, self.tongue, self.nearly = data.voice(tongue), tongue, ""
        self.shelf = Shelf(dict(before.shelf.products))  # the stock is that of now
        for call in calls:
            if call.kind in ("get_products", "get_inventory"):
                self.shelf.add(call.content)
        self.before = replace(before, shelf=self.shelf)
        self.meaning = sense.understand(message, self.before, corrects)
        self.text = self.meaning.text
        self.bounds = {"minPrice": self.meaning.low, "maxPrice": self.meaning.high}
        self.scene = replace(self.before, tongue=tongue, asked="", meaning=self.meaning)

    def shops_time(self, moment: str) -> str:
        """Return a moment on the shop's clock; other text as it is."""
        with suppress(ValueError, OverflowError):
            if (at := datetime.fromisoformat(moment)).tzinfo:
                return at.astimezone(self.zone).isoformat()
        return moment

    def decide(self) -> Decision:
        """Return the next calls, or the answer: that of the goal's method, or else its sentence."""
        known = getattr(self, f"_{self.meaning.goal}", None)
        try:
            said = known() if known else self.say(self.meaning.goal, id=self.before.placed_id)
            return self.nearly + said
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
        """Return what the shop finds; for 椅子 also what ends with 椅."""
        if query := filters.get("query"):
            filters["query"] = pattern("([<CJK>])子(?![<CJK>])").sub(r"\g<0> \1", query)
        return rows(self.ask("get_products", **filters), Product)

    def stocked(self, products: Sequence[Product] | None, **filters: Any) -> list[Product]:
        """Look up the stock of these products, or of all; return those of which it is known."""
        ids = [product.id for product in (products or ())[:MAX_FOUND]] or None
        if not ids and products is not None:
            return []
        found = rows(self.ask("get_inventory", productIds=ids, **filters), InventoryItem)
        return self.known([item.productId for item in found])

    def left(self, product: Product) -> int:
        """Return how much is left of a product; one of unknown stock has some."""
        return self.shelf.stock.get(product.id, 1)

    def find(self, text: str, **filters: Any) -> list[Product] | None:
        """Return the products that a sentence names (id, name, words, "it"); None if it names none."""
        marked = sense.mark(sense.pointed(text, self.before), self.shelf.products.values())
        if named := sense.ids(marked):
            if any(one not in self.shelf.products for one in named):
                self.products()
            return [self.shelf.products[one] for one in named if one in self.shelf.products]
        if query := question(text):
            found = pick(words(text), self.products(query=query, **filters))
            if found and pattern("[<CJK>]{4}").fullmatch(query):
                self.look_up([query])
                self.nearly = "" if self.certain(query) else self.say("nearly", words=query)
            return found or ([] if words(text) else None)
        return self.known(self.before.focus) or None if says("it", text) else None

    def look_up(self, said: Iterable[str]) -> None:
        """Have what `certain` asks about all of these looked up at once."""
        missing: list[ToolRequest] = []
        for query in dict.fromkeys(query for one in said if one for query in terms(one)):
            try:
                self.products(query=query)
            except Decided as decided:
                if isinstance(decided.decision, str):
                    raise
                missing += decided.decision
        if missing:
            raise Decided(missing)

    def certain(self, said: str) -> list[Product]:
        """Return the products that words name for sure: the search finds their first and last word, too."""
        named = pick(said, self.products(query=said))
        if any(fold(p.name).lower() in said.lower() or squeezed(said) in squeezed(p.name) for p in named):
            return named
        for part in terms(said)[1:] if named else ():
            fitting = {product.id for product in self.products(query=part)}
            named = [product for product in named if product.id in fitting]
        return named

    def known(self, ids: Sequence[int | None]) -> list[Product]:
        """Return products that results have named."""
        return [self.shelf.product(one or 0) for one in ids]

    def ranked(self, among: Sequence[Product] = ()) -> list[Product]:
        """Return the cheapest or the dearest, the second of them, or three of them, if that is asked for."""
        which = data.first_of(RANKS, self.text)
        if not which:
            return []
        found = list(among) or (self.find(self.text) if words(self.text) else None)
        if not found:
            shown = self.before.shown if says("among", self.text) else ()
            found = self.known(shown) if len(shown) > 1 else self.products()
        found = sorted(found, key=lambda p: (p.price if which == "cheapest" else -p.price, p.id))
        if all(says(sign, self.text) for sign in RANKS) and len(found) > 1:
            return [found[0], found[-1]]
        start = max(data.place(self.text) - 1, 0)
        return found[start : start + (data.count_of("top", self.text) or 1)]

    def show(self, products: Sequence[Product], focus: Sequence[Product] = ()) -> None:
        """Remember which products the answer is about."""
        about = tuple(product.id for product in focus or products)
        self.scene = replace(self.scene, focus=about, shown=tuple(product.id for product in products))

    def listed(self, start: str, products: Sequence[Product], **how: Any) -> str:
        """Return a sentence and the products below it."""
        self.show(products)
        return f"{start}\n\n{product_table(self.say, products, self.shelf, **how)}"

    def offer(self, found: Sequence[Product], one: Callable[[Product], str]) -> str:
        """Answer about what was found: that it is nothing, one product, or several."""
        if not found:
            return self.unlike()
        if len(found) > 1:
            return self.listed(self.say("found", count=len(found)), found)
        self.show(found)
        return one(found[0])

    def unlike(self) -> str:
        """Say that nothing fits the words, and list the products that there are, within the budget."""
        there = self.products(**self.bounds) or self.products()
        if not there:
            return self.say("empty")
        said = escaped(words(self.text), MAX_SAID)
        text = self.say("unlike", words=said) if said else self.say("unlike_any")
        return self.listed(text + self.say("there_is"), there)

    # --- talk ----------------------------------------------------------------------------------------------

    def _hello(self) -> str:
        lines = "\n".join(f"- {one}" for one in data.examples(self.tongue))
        return f"{self.say('hello')}\n\n{self.say('examples')}\n\n{lines}"

    _help = _hello

    # --- products and stock --------------------------------------------------------------------------------

    def _products(self) -> str:
        found = self.ranked() or self.find(self.text)
        browses = says("open", self.text) and says("catalogue", self.text)
        if found or (found is not None and not browses):
            return self.offer(found, self.priced)
        if not (everything := self.products()):
            return self.say("empty")
        more = is_partial(self.ask("get_products"), DEFAULT_LIMIT)
        count = f"{len(everything)}+" if more else len(everything)
        return self.listed(self.say("count", count=count), everything, more=more)

    def of(self, key: str, product: Product, **more: Any) -> str:
        """Return a sentence about a product."""
        left = self.shelf.stock.get(product.id, "—")
        parts = {"bold": bold(product), "id": product.id, "price": price(product.price), "left": left}
        return self.say(key, **parts | more)

    def priced(self, product: Product) -> str:
        """Say what a product costs, and whether it is the cheapest."""
        if not (which := data.first_of(RANKS, self.text)):
            return self.of("one_price", product) + data.about(product)
        nth = data.place(self.text)
        start = self.say(which, nth=self.say("nth", n=nth) if nth > 1 else "")
        return start + self.of("costs", product) + data.about(product)

    def _fact(self) -> str:
        asked, told = data.fact(self.text) or (pattern("$"), pattern("$"))
        rest = asked.sub(" ", self.text)
        found = (self.find(rest) if words(rest) else None) or self.known(self.before.focus[:1])

        def fact(product: Product) -> str:
            about = escaped(product.description, data.MAX_ABOUT) or self.say("no_about")
            key = "fact" if told.search(product.description) else "no_fact"
            return self.of(key, product, about=about)

        return self.offer(found or self.find(self.text) or [], fact)

    def _compare(self) -> str:
        parts = pattern(DATA["lines"]["compared"]).split(self.text)
        self.look_up(question(part) for part in parts if not sense.ids(part))
        firsts = [(self.find(part) or [])[:1] for part in parts if words(part) or sense.ids(part)]
        found = list({one.id: one for first in firsts for one in first}.values())
        if len(found) < 2:
            found = self.known(self.before.shown) if len(self.before.shown) > 1 else self.products()
        if len(found) < 2:
            return self._products()
        low, *_, high = sorted(found, key=lambda product: product.price)
        key = "same_price" if low.price == high.price else "compared"
        verdict = self.say(key, cheap=bold(low), dear=bold(high), gap=price(high.price - low.price))
        self.stocked(found)
        return self.listed(verdict, found)

    def _stock(self) -> str:
        if says("low", self.text):
            return self.low_stock()
        found = self.find(self.text)
        stocked = self.stocked(found)
        products = stocked if found is None else found
        if says("most", self.text) or says("least", self.text):
            products.sort(key=self.left, reverse=says("most", self.text))
        if len(products) < 2:
            there = any(map(self.left, stocked))
            return self.offer(products, lambda one: self.of("in_stock" if there else "no_stock", one))
        return self.listed(self.say("stock_list"), products, columns=data.STOCK)

    def low_stock(self) -> str:
        """List what is running low, or else what comes nearest to it."""
        few = data.count_of("few", self.text)
        limit = (0 if says("sold_out", self.text) else LOW_STOCK) if few is None else max(few - 1, 0)
        low = [product for product in self.stocked(None, maxQuantity=limit) if self.left(product) <= limit]
        start = self.say("low" if low else "none_low", limit=limit) + ("" if low else self.say("lowest"))
        products = sorted(low or self.stocked(None), key=lambda one: (self.left(one), one.id))
        return self.listed(start, products if low else products[:MAX_LOWEST], columns=data.STOCK)

    def _recommend(self) -> str:
        low, high = self.meaning.low or 0, self.meaning.high or float("inf")
        named = self.find(self.text, **self.bounds)
        found = self.products(**self.bounds) if named is None else named
        self.stocked(found)
        fits = [one for one in found if low <= one.price <= high and self.left(one)]
        if not fits:
            return self.nearest(self.find(self.text) if named is not None else self.products(), low, high)
        if named is None and len(fits) > 1:
            return self.listed(self.say("choice"), fits)
        best, *others = fits
        self.show(fits, [best])
        text = self.of("recommend", best) + data.about(best, "> ")
        if others:
            text += f"\n\n{self.say('also')}\n\n{product_table(self.say, others[:MAX_ALSO], self.shelf)}"
        return f"{text}\n\n{self.say('to_order')}"

    def nearest(self, found: Sequence[Product] | None, low: float, high: float) -> str:
        """Say why nothing fits, and which product is the nearest."""
        if not found:
            return self.unlike()
        self.stocked(found)
        near = [product for product in found if self.left(product)] or found
        best = min(near, key=lambda p: (max(low - p.price, p.price - high, 0), p.id))
        self.show([best])
        return self.say("lacks_budget" if self.left(best) else "lacks_stock") + self.of("nearest", best)


def squeezed(text: str) -> str:
    """Return a text without blanks and case, to compare."""
    return re.sub(r"\s", "", fold(text).lower())


def question(text: str) -> str:
    """Return what the shop is asked for by a sentence."""
    return f"{words(text)} {data.uses(text)}".strip()


def terms(said: str) -> list[str]:
    """Return words, and the last and the first of several; of 平板电脑 these are 电脑 and 平板."""
    parts = pattern(r"(?<=[<CJK>]{2})(?=[<CJK>]{2}(?:\s|$))").sub(" ", said).split()
    return [said, parts[-1], parts[0]] if len(parts) > 1 else [said]


def pick(said: str, found: list[Product]) -> list[Product]:
    """Keep the products whose name is said in full, or else those in whose name the words are."""
    named = [product for product in found if squeezed(product.name) in squeezed(said)]
    names = [squeezed(product.name) for product in named]
    whole = [p for p in named if not any(squeezed(p.name) != n and squeezed(p.name) in n for n in names)]
    return whole or [product for product in found if squeezed(said) in squeezed(product.name)] or found
