"""Looks things up with the shop's tools, and answers about products and about what was sold."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from operator import attrgetter
from typing import Any

from pydantic import BaseModel

from assistant.chat.interfaces import ToolRequest
from assistant.demo.meaning import RANKS, Scene, squeezed, understand
from assistant.demo.past import M, PastCall, Tool, valid
from assistant.demo.words import DATA, Sentence, Voice, pattern, pieces, tongue
from models import DEFAULT_LIMIT, MAX_LIMIT, InventoryItem, Order, Product, SalesSummary

LOW_STOCK = 20  # pieces up to which a product is "running low", if the question names no number
MAX_ROWS = 20  # of a table
MAX_FEW = 3  # products that are "something cheap"
MAX_NEAR = 5  # products that are shown beside what was asked for, or instead

Decision = str | list[ToolRequest]  # an answer, or the calls that have to come first


class Decided(Exception):  # noqa: N818  no error: it ends a look-up from within
    """The decision has been made, and is its argument: calls that have to come first, or the whole answer."""


def queries(words: str, more: str = "") -> list[dict[str, Any]]:
    """Return what the shop is asked for words: all of them with some more, the first and the last."""
    parts = pattern(r"(?<=<CJK><CJK>)(?=<CJK>{2}(?:\s|$))").sub(" ", words).split()  # 平板 电脑
    asked = [f"{words} {more}".strip(), *([parts[0], parts[-1]] if len(parts) > 1 else [])]
    spelt = (pattern("(<CJK>)子(?!<CJK>)").sub(r"\g<0> \1", one) for one in asked if one)  # 椅子 椅
    return [{"query": one} for one in spelt]


@dataclass
class Desk:
    """Makes one decision, from the message, what is known by now, and the tools that are offered."""

    message: str
    calls: list[PastCall]
    before: Scene
    tools: dict[str, Tool]
    now: datetime
    corrects: bool
    taken_back: bool  # in the same sentence: a call that writes is not made, the decision is no calls then

    def __post_init__(self) -> None:
        # a name that was asked for does not change the language
        spoken = (self.before.asked and self.before.tongue) or tongue(self.message, self.before.tongue)
        self.say, self.nearly, self.shelf = Voice(spoken), "", self.before.shelf
        self._read()
        self.scene = replace(understand(self.message, self.before, self.corrects), tongue=spoken, asked="")
        self.text, self.like = self.scene.text, self.scene.like

    def decide(self) -> Decision:
        """Return the next calls, or the answer: that of the goal's method, or else its sentence."""
        goal = "buy" if self.scene.act else self.scene.goal
        try:
            said: str = getattr(self, f"_{goal}", lambda: self.say(goal))()
            return self.nearly + said
        except Decided as decided:
            decision: Decision = decided.args[0]
            return decision

    def _read(self) -> None:
        """Take over what the results name, and how much is left now."""
        stocked = [row for call in self.calls for row in valid(InventoryItem, call.objects)]
        self.left = Counter({row.productId: row.quantity for row in stocked})
        found = [one for call in self.calls for one in valid(Product, call.objects)]
        self.shelf |= {one.id: one for one in (*(row.product for row in stocked), *found) if one}

    def _item(self, product_id: int | None) -> Product:
        nameless = Product(id=product_id or 0, name=f"#{product_id}", price=float("nan"), description="")
        return self.shelf.get(nameless.id, nameless)

    def _known(self, ids: Iterable[int | None]) -> list[Product]:
        return [self._item(one) for one in ids]

    def _ask(self, kind: str, *asked: dict[str, Any], anyway: bool = False) -> list[PastCall]:
        """Return what a tool answered to each; Decided to call it first, or (not `anyway`) that it fails."""
        if kind not in self.tools and not anyway:
            raise Decided(self.say("not_connected"))
        made = [(call.kind, call.arguments) for call in self.calls]
        wanted = [self.tools[kind].call(arguments) for arguments in asked if kind in self.tools]
        if missing := [request for request, given in wanted if (kind, given) not in made]:
            raise Decided(list(dict.fromkeys(missing)))
        found = [self.calls[made.index((kind, given))] for _, given in wanted]
        if reasons := [call.reason for call in found if call.code and not anyway]:
            raise Decided(self.say("failed", reason=reasons[0] or None))
        return found

    def _catalogue(self, **filters: Any) -> list[Product]:
        return self._known(row.id for row in valid(Product, self._ask("get_products", filters)[0].objects))

    def _look_up(self, products: list[Product] | None, anyway: bool = False, **filters: Any) -> list[Product]:
        if products == []:
            return products
        ids = sorted({one.id for one in products[:DEFAULT_LIMIT]}) if products else None
        calls = self._ask("get_inventory", {"productIds": ids, **filters}, anyway=anyway)
        rows = (row for call in calls for row in valid(InventoryItem, call.objects))
        return products or self._known(row.productId for row in rows)

    def _matches(self, words: str, more: str = "") -> tuple[list[Product], bool]:
        """Return what the shop finds for words; if it is sure: by its name, or by the first and last word."""
        calls = self._ask("get_products", *queries(words, more))
        found, *others = (self._known(row.id for row in valid(Product, call.objects)) for call in calls)
        named = [one for one in found if squeezed(words) in squeezed(one.name)]
        sure = named or [one for one in found if all(one in other for other in others)]
        return sure or found, bool(sure)

    def _find(self, text: Sentence) -> list[Product] | None:
        """Return the products that a sentence names (id, name, words, "it"); None if it names none."""
        if named := self.before.marked(text).numbers("id"):
            if not self.shelf.keys() >= set(named):
                self._catalogue()
            return self._known(one for one in named if one in self.shelf)
        words, uses = text.words(), " ".join(wanted for _, wanted in text.rows("uses"))
        if not words and not uses:
            return self._known(self.before.focus) or None if text.says("it") else None
        found, sure = self._matches(words, uses)
        if found and not uses and (text.says("colour") or pattern("<CJK>{4}").fullmatch(words)):
            self.nearly = "" if sure else self.say("nearly", words=words)
        return found or ([] if words else None)

    def _ranked(self, found: list[Product] | None = None) -> list[Product]:
        """Return the cheapest or the dearest, the second of them, or three of them, if that is asked for."""
        if not (which := self.text.first_of(RANKS)):
            return []
        found = self._find(self.text) if found is None and self.text.words() else found
        if found is None:
            found = self._listed() if self.text.says("among") else self._catalogue()
        found = sorted(found, key=lambda one: (one.price if which == "cheapest" else -one.price, one.id))
        if all(map(self.text.says, RANKS)):
            return [*found[:1], *found[1:][-1:]]
        start = max(self.text.place() - 1, 0)
        few = MAX_FEW if self.text.says("some_cheap") else 1
        return found[start : start + (pieces(self.text.says("top")) or few)]

    def _listed(self) -> list[Product]:
        return self._known(self.before.shown) if len(self.before.shown) > 1 else self._catalogue()

    def _of(self, key: str, row: BaseModel, **more: object) -> str:
        known: dict[str, Any] = row.model_dump()
        if isinstance(row, Product):
            known["left"] = self.left.get(row.id)
        if isinstance(row, Order):
            goods = [self._of("goods", self._item(one.productId), count=one.quantity) for one in row.items]
            known |= {"goods": " + ".join(goods[:MAX_ROWS]), "mark": "" if row.status == "placed" else " ✗"}
            with suppress(ValueError, OverflowError):
                placed = datetime.fromisoformat(row.orderDate).astimezone(self.now.tzinfo)  # the shop's clock
                known["orderDate"] = f"{placed:%Y-%m-%d %H:%M}"
        return self.say(key, **known | more)

    def _table(self, kind: str, rows: Sequence[BaseModel], **parts: str) -> str:
        lines = (self._of(f"{kind}_row", row) for row in rows[:MAX_ROWS])
        return "\n".join([self.say(f"{kind}_head", **parts), *lines])

    def _show(self, products: Iterable[Product]) -> None:
        self.scene.shown = self.scene.focus = tuple(one.id for one in products)

    def _several(self, key: str, found: Sequence[Product], more: str = "", **parts: object) -> str:
        """Return a sentence and the products below it, with their stock where it is known."""
        self._show(found)
        count, kind = f"{len(found)}{more}", "stocked" if self.left else "products"
        text = self.say(key, count=count, **parts) + self._table(kind, found)
        return text + (self.say("rest", shown=MAX_ROWS, count=count) if more or len(found) > MAX_ROWS else "")

    def _answer(self, key: str, found: Sequence[Product], **parts: object) -> str:
        """Answer about what was found: one product, several, or nothing, but what there is in the budget."""
        if len(found) == 1:
            self._show(found)
            return self._of(key, found[0], **parts)
        if found:
            return self._several(f"{key}s" if f"{key}s" in DATA["say"] else "found", found)
        low, high = self.text.budget()
        if not (there := self._catalogue(minPrice=low, maxPrice=high) or self._catalogue()):
            return self.say("empty")
        words = self.text.words()
        return self._several("unlike" if words else "unlike_any", there, words=words)

    def _products(self) -> str:
        found, nth = self._ranked() or self._find(self.text), self.text.place()
        if found is None or not (found or not self.text.says("open") or not self.text.says("catalogue")):
            there, (call,) = self._catalogue(), self._ask("get_products", {})
            more = "+" if len(there) >= DEFAULT_LIMIT or not call.whole else ""
            return self._several("count", there, more) if there else self.say("empty")
        which = "one_price" if all(map(self.text.says, RANKS)) else self.text.first_of(RANKS) or "one_price"
        return self._answer(which, found, nth=self.say("nth", n=nth) if nth > 1 else "")

    def _fact(self) -> str:
        asked, told = (self.like.rows("facts") or [["$", "$"]])[0]
        rest = Sentence(pattern(asked).sub(" ", self.text)).counted()
        found = (self._find(rest) if rest.words() else None) or self._known(self.before.focus[:1])
        found = found or self._find(self.text) or []
        known = any(pattern(told).search(one.description) for one in found)
        return self._answer("fact" if known else "no_fact", found)

    def _compare(self) -> str:
        parts = [Sentence(part) for part in pattern(DATA["lines"]["compared"]).split(self.text)]
        firsts = [(self._find(part) or [])[:1] for part in parts if part.words() or part.says("id")]
        found = self._known(dict.fromkeys(one.id for first in firsts for one in first))
        if len(found) < 2 and len(found := self._listed()) < 2:
            return self._products()
        low, *_, high = sorted(self._look_up(found), key=attrgetter("price"))
        key, gap = "same_price" if low.price == high.price else "compared", high.price - low.price
        return self._several(key, found, low=low.name, high=high.name, gap=gap)

    def _stock(self) -> str:
        if not self.text.says("low"):
            found, way = self._look_up(self._find(self.text)), self.text.first_of(("most", "least"))
            found = sorted(found, key=lambda one: self.left[one.id], reverse=way == "most") if way else found
            return self._answer("in_stock" if any(self.left[one.id] for one in found) else "no_stock", found)
        few = pieces(self.text.says("few"))
        limit = few - 1 if few else 0 if self.text.says("sold_out") else LOW_STOCK
        low = [one for one in self._look_up(None, maxQuantity=limit) if self.left[one.id] <= limit]
        found = sorted(low or self._look_up(None), key=lambda one: self.left[one.id])
        return self._several("low" if low else "none_low", found if low else found[:MAX_NEAR], limit=limit)

    def _recommend(self) -> str:
        (low, high), named = self.text.budget(), self._find(self.text)

        def lacks(one: Product) -> tuple[bool, float]:
            beyond = max((low or 0) - one.price, one.price - (high or float("inf")), 0)
            return self.left.get(one.id) == 0, beyond

        there = self._catalogue(minPrice=low, maxPrice=high) or self._catalogue() if named is None else named
        found = sorted(self._look_up(there), key=lacks)
        if not (fits := [one for one in found if not any(lacks(one))]):
            return self._answer("sold_out" if found and lacks(found[0])[0] else "nearest", found[:1])
        if named is None and len(fits) > 1:
            return self._several("choice", fits)
        text = self._of("recommend", fits[0])
        text += self._several("also", fits[1 : 1 + MAX_NEAR]) if len(fits) > 1 else ""
        self._show(fits)
        self.scene.focus = self.scene.focus[:1]
        return text + self.say("to_order")

    def _booked(self, model: type[M], limit: int = MAX_LIMIT, **filters: Any) -> tuple[list[M], bool]:
        """Return orders, or the shop's sums of them, and whether there are more."""
        (call,) = self._ask("get_orders", {"limit": limit, **filters})
        return valid(model, call.objects), len(call.objects) >= limit or not call.whole

    def _told(self, key: str, orders: Sequence[Order]) -> str:
        if not orders:
            return self.say("no_orders")
        self._ask("get_products", {}, anyway=True)  # the names
        return self._of(key, orders[0], count=len(orders)) + self._table("orders", orders)

    def _order(self) -> str:
        wanted = self.text.numbers("order_number")
        found, more = self._booked(Order)
        if more and found and min(wanted) < found[-1].id:
            found += self._booked(Order, offset=max(found[0].id - min(wanted) - MAX_LIMIT // 2, MAX_LIMIT))[0]
        told = list({one.id: one for one in found if one.id in wanted}.values())
        return self._told("one_order" if len(wanted) == 1 else "orders_all", told)

    def _orders(self) -> str:
        text, like, name = self.text, self.like, self.scene.lines[0].customer
        since, until = max((one.period(self.now.date()) for one in (text, like)), key=any)
        if name and name.islower():
            known = [row.label for row in self._booked(SalesSummary, groupBy="customer")[0]]
            name = next((one for one in known if one.lower() == name), name)
        low, high = like.budget()
        filters: dict[str, Any] = {"since": since, "until": until, "minAmount": low, "maxAmount": high}
        filters["customerName"] = name
        if way := like.first_of(("largest", "smallest")):
            found, more = self._booked(Order, **filters)
            placed = [order for order in found if order.status == "placed"]
            placed.sort(key=attrgetter("totalAmount"), reverse=way == "largest")
            start = self.say("among", count=len(found)) if more else ""
            return start + self._told(way, placed[max(like.place() - 1, 0) :][:1])
        group = like.first_of(("day", "customer", "product"), "by_")
        rest = text if text.words() else like
        rest = rest.without(f"by_{group}").without("orders") if group else rest
        names_one = group != "product" and (len(rest.words()) > 1 or rest.says("id"))
        goods = self._find(rest) if names_one else None
        filters["productId"] = goods[0].id if goods and len(goods) == 1 else None
        if goods and not group and like.first_of(("sold", "by_quantity")):
            self._show(goods)
            return self._sums("product", filters, {str(one.id) for one in goods})
        if group or (not goods and like.first_of(("total", "average", "sold"))):
            return self._sums(group or "total", filters)
        wanted = 1 if like.says("last_order") else min(pieces(like.says("newest")), MAX_LIMIT)
        found, more = self._booked(Order, wanted or MAX_ROWS, **filters)
        start = self._sums("total", filters) if more and not wanted and low is high is None else ""
        return start + self._told("orders_some" if more else "orders_all", found)

    def _sums(self, group: str, filters: dict[str, Any], only: Collection[str] = ()) -> str:
        """Tell the sum of all, or rank products by pieces and others by amount; the worst may be unsold."""
        found, more = self._booked(SalesSummary, groupBy=group, **filters)
        found = [row for row in found if row.orders and (not only or row.key in only)]
        if not found:
            return self.say("no_orders")
        like, who = self.like, filters["customerName"]
        if group == "total":
            who = self.say("who", name=who) if who else ""
            return self._of("mean" if like.says("average") else "sum", found[0], who=who)
        quantity, amount = sum(row.quantity for row in found), sum(row.amount for row in found)
        end = self.say("in_all", quantity=quantity, amount=amount)
        end = "\n\n" + self._sums("total", filters) if more else end
        start, least, sold = "", like.says("least"), {row.key for row in found}
        for one in self._catalogue() if group == "product" and least else ():
            nothing = SalesSummary(key=str(one.id), label=one.name, orders=0, quantity=0, amount=0)
            found += [nothing] if nothing.key not in sold else []
        by = like.first_of(("quantity", "amount"), "by_")
        by = by or ("quantity" if group == "product" else "amount")
        if group != "day" or least or like.first_of(("most", f"by_{by}")):
            found.sort(key=lambda row: (getattr(row, by) * (1 if least else -1), -row.amount, row.key))
            nth = min(max(like.place(), 1), len(found))
            place, which = self.say("nth", n=nth) if nth > 1 else "", self.say("little" if least else "much")
            start = self._of(f"first_{by}", found[nth - 1], nth=place, which=which)
        shown = found[: pieces(like.says("top")) or len(found)]
        return start + self._table("sums", shown, group=self.say(f"column_{group}")) + end
