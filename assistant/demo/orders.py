"""Takes orders and says how they ended; cancels one where the owner's tools are there."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NoReturn

from assistant.demo.desk import MAX_ROWS, Decided, Desk, queries
from assistant.demo.meaning import Line, apart
from assistant.demo.past import PastCall, valid
from assistant.demo.words import DATA, found, pattern
from models import Order, Product


class Orders(Desk):
    """Makes one decision, about orders too."""

    def _unknown(self) -> str:
        lines, found = self.scene.lines, self._find(self.text)
        meant = len(self.before.focus) == 1 if all(line.bare for line in lines) else found
        counts = all(line.quantity for line in lines) or (lines[0].customer and self.text.says("single"))
        named = not found and self.text.says("count_and_name")
        if named or (meant and counts and not self.text.says("question")):
            return self._take(lines)
        if found:
            return self._products()
        first, second = self.say.examples(self.text, 2)
        return self.say("unsure", first=first, second=second)

    def _buy(self) -> str:
        """Order what the message names, or do to the order before it what the message says."""
        given, draft = self.scene.lines, list(self.before.draft)
        known = [None, *(line.customer for line in draft)]
        match self.scene.act:
            case "closed":
                return self.say("closed", id=self.before.placed_id)
            case "cheaper":
                return self._cheaper()
            case "quote" | "still_waits" as act:
                self.scene.asked = self.before.asked
                return self._basket(act, draft)
            case "which":
                return self._several("which", self._known(line.product_id for line in draft))
            case "remove":
                gone: set[int | None] = {product.id for line in given for product in self._named(line)}
                people = {name for name in known if str(name) in self.message} or {*known}
                if gone or people < {*known} or self.text.says("cancel"):
                    goods = gone or {line.product_id for line in draft}
                    draft = [
                        one for one in draft if one.customer not in people or one.product_id not in goods
                    ]
                if not draft:
                    self.scene.draft = ()
                    return self.say("cancelled")
            case "again":
                new = [Line(line.customer, line.quantity) for line in given]
                draft += [one.changed(line) for line in new for one in draft or self.before.placed]
            case "fill" | "change" if given[1:] and all(
                one.bare and one.customer not in known for one in given
            ):
                draft = apart(draft, [*given], self.text)
            case "fill" | "change" as act:
                asked = self.before.asked if act == "fill" else ""
                lacking = (n for n, line in enumerate(draft) if asked and not getattr(line, asked))
                at = next(lacking, len(draft) - 1)
                for line in given:
                    at = self._change(draft, line, at, asked)
            case "":
                draft = list(given)
        return self._take(draft)

    def _change(self, draft: list[Line], given: Line, at: int, asked: str) -> int:
        """Add a line, or change the one of the same product, else that `at`; return which."""
        if self.text.says("add") and not (given.bare or asked):
            draft.append(Line(draft[-1].customer).changed(given))
            return len(draft) - 1
        if given.bare and given.quantity and (sign := self.text.first_of(("more", "fewer"))):
            more = given.quantity if sign == "more" else -given.quantity
            given = replace(given, quantity=max((draft[at].quantity or 0) + more, 0))
        ids = [product.id for product in self._named(given)] if asked != "product_id" else []
        if asked in ("quantity", "customer") and not ids:
            given = replace(given, words="")
        elif not asked and not ids and pattern(DATA["customers"]["alone"]).fullmatch(given.words):
            given = Line(given.words, given.quantity)
        given = replace(given, product_id=ids[0]) if len(ids) == 1 else given
        who = (given.bare and given.customer) or ""
        at = next((n for n, one in enumerate(draft) if [one.product_id] == ids or one.customer == who), at)
        for_all = given == Line(given.customer) and all(line.customer for line in draft)
        for_all |= given.bare and bool(self.text.says("each"))
        meant = [n for n, line in enumerate(draft) if for_all and str(line.customer) in self.message]
        if asked == "quantity" and not given.customer and len({line.customer for line in draft}) > 1:
            meant = [n for n, line in enumerate(draft) if line == replace(draft[at], customer=line.customer)]
        for n, line in enumerate(draft):
            is_meant = n in meant if meant else for_all or n == at
            draft[n] = line.changed(given if is_meant else Line(line.customer or given.customer))
        return at

    def _named(self, line: Line) -> list[Product]:
        """Return the products that a line names for sure: by id, in words, or as the cheapest."""
        if line.product_id is not None:
            return self._known([line.product_id])
        if not line.words:
            return self._ranked()
        found, sure = self._matches(line.words)
        return self._ranked(found) or (found if sure else [])

    def _take(self, lines: Sequence[Line]) -> str:
        """Order lines, or ask for the first product, quantity or customer that is missing."""
        if len(lines) == 1 and lines[0].bare and self.text.says("all_of_them"):
            there = self.before.shown or [product.id for product in self._catalogue()]
            lines = [replace(lines[0], quantity=lines[0].quantity or 1, product_id=one) for one in there]
        self._ask("get_products", *(one for line in lines for one in queries(line.words)), anyway=True)
        ready = [one for at in range(len(lines)) for one in self._goods(lines, at)]
        goods = self._known(line.product_id for line in ready)
        self._show(goods)
        self.scene.draft = tuple(ready)
        if any(one.id not in self.shelf for one in goods):
            self._look_up(goods, anyway=True)  # for their names
        for line in ready:
            if not line.quantity:
                self.scene.asked = "quantity"
                alike = [str(one.customer) for one in ready if replace(one, customer=line.customer) == line]
                key = "ask_share" if len({one.customer for one in ready}) > 1 else "ask_quantity"
                wrong = self.say("bad_quantity") if line.quantity == 0 and key == "ask_quantity" else ""
                people = self.say("comma").join(alike)
                return wrong + self._answer(key, self._known([line.product_id]), people=people)
        if nameless := [line for line in ready if not line.customer]:
            self.scene.asked = "customer"
            return self._basket("ask_customer", nameless)
        costs = [self._item(line.product_id).price * (line.quantity or 0) for line in ready]
        if self.text.prices() - {sum(costs), *costs, *(one.price for one in goods)}:
            return self._basket("other_price", ready)
        return self._too_few(ready) or self._purchase(ready)

    def _goods(self, lines: Sequence[Line], at: int) -> list[Line]:
        """Return a line with its product and in pieces, none for a remark; or ask which product it is."""
        line, others = lines[at], [*lines[:at], *lines[at + 1 :]]
        found = self._named(line) or ([] if line.words else self._known(self.before.focus))
        if line.bare and (prices := self.text.prices()) and not self.before.asked:  # the 299 one
            found = [one for one in self._catalogue() if one.price in prices]
        if not found and self.text.says("count_and_name"):
            line, found = Line(line.words, line.quantity), self._known(self.before.focus)
        if len(found) == 1:
            return [self._sized(line, found[0])]
        if line.quantity is None and not found and any(one.quantity or one.product_id for one in others):
            return []
        near = found or (self._matches(line.words)[0] if line.words else [])
        key = ("could_be" if near else "no_product") if line.words else "any_product"
        said = self._several(key, near, words=line.words) if near else self.say(key, words=line.words)
        return self._choose(lines, at, replace(line, words=""), said)

    def _choose(self, lines: Sequence[Line], at: int, line: Line, said: str) -> NoReturn:
        """Ask which product a line means."""
        self.scene.asked, self.scene.draft = "product_id", (*lines[:at], line, *lines[at + 1 :])
        raise Decided((said + self.say("ask_product")).strip())

    def _cheaper(self) -> str:
        """List what costs less than what is named; or ask which to take instead of the dearest that waits."""
        waiting = [line.product_id for line in self.before.draft if self.scene.act]
        if not (named := self._known(waiting) or self._find(self.text)):
            return self._products()
        dear = max(named, key=lambda one: one.price)
        kind, every = self._matches(dear.name)[0], self._catalogue(maxPrice=dear.price)
        less = [[one for one in there if one.price < dear.price] for there in (kind, every)]
        if not any(less):
            return self._of("no_cheaper", dear)
        said = self._several("cheaper", less[0] or less[1], name=dear.name, price=dear.price)
        if not waiting:
            return said
        at = waiting.index(dear.id)
        return self._choose(self.before.draft, at, replace(self.before.draft[at], product_id=None), said)

    def _sized(self, line: Line, product: Product) -> Line:
        """Return a line in pieces: one of "it" or "the cheapest", and of what is sold in pairs one a pair."""
        quantity = line.quantity
        if quantity is None and not line.words and self.text.says("single"):
            quantity = 1
        if line.pair and not found(DATA["in_pairs"], f"{line.words} {product.name}"):
            unclear = found(DATA["perhaps_pairs"], f"{product.name} {product.description}")
            quantity = None if unclear else (quantity or 0) * 2
        return Line(line.customer, quantity, product.id)

    def _basket(self, key: str, lines: Sequence[Line], most: float | None = None) -> str:
        """Return a sentence about what some lines are and cost, and whether that is within a budget."""
        goods = [(self._item(line.product_id), line.quantity or 0) for line in lines]
        items = self.say("comma").join(self._of("item", one, count=count) for one, count in goods)
        cost = sum(one.price * count for one, count in goods)
        verdict = "no_budget" if most is None else "within" if cost <= most else "beyond"
        return self.say(key, items=items, total=cost) + self.say(verdict, limit=most, gap=cost - (most or 0))

    def _quote(self) -> str:
        one = 1 if self.text.says("together") else 0
        lines = [replace(line, quantity=line.quantity or one) for line in self.scene.lines if not line.bare]
        named = [(line, self._named(line)) for line in lines if line.quantity]
        if not named or any(len(products) != 1 for _, products in named):
            return self._products()
        lines = [self._sized(line, products[0]) for line, products in named]
        self._show(self._known(line.product_id for line in lines))
        self.scene.draft = tuple(lines)
        return self._basket("quote", lines, self.text.budget()[1])

    def _too_few(self, lines: Sequence[Line]) -> str:
        """Say of which product the shop has too little, and offer what is left; empty if it has enough."""
        if any(call.kind == "create_purchase" for call in self.calls):
            return ""
        self._look_up(self._known(line.product_id for line in lines), anyway=True)
        for at, line in enumerate(lines):
            left = self.left.get(line.product_id or 0)
            if left is not None and left < (line.quantity or 0):
                kept = [replace(line, quantity=left)] if left else []
                self.scene.draft = (*lines[:at], *kept, *lines[at + 1 :])
                text = self._of("out_of_stock_purchase", self._item(line.product_id), available=left)
                return text + (self._basket("offer_left", self.scene.draft) if self.scene.draft else "")
        return ""

    def _purchase(self, lines: Sequence[Line]) -> str:
        """Order for each customer, and say how that ended; what was not bought goes on waiting."""
        orders: dict[str | None, Counter[int | None]] = {}
        for line in lines:
            orders.setdefault(line.customer, Counter())[line.product_id] += line.quantity or 0
        requests = []
        for customer, goods in orders.items():
            items = [{"productId": product, "quantity": count} for product, count in goods.items()]
            requests.append({"customerName": customer, "items": items})
        calls = self._perform("create_purchase", *requests)
        return "\n\n".join(map(self._outcome, orders, calls))

    def _perform(self, kind: str, *requests: dict[str, Any]) -> list[PastCall]:
        """Return the calls of a tool that writes, made once in a turn; what was read before them is old."""
        if kind not in self.tools:
            raise Decided(self.say("not_connected"))
        done = [n for n, call in enumerate(self.calls) if call.kind == kind]
        if not done:
            raise Decided([] if self.taken_back else [self.tools[kind].call(one)[0] for one in requests])
        made = [self.calls[n] for n in done[: len(requests)]]
        self.calls = self.calls[done[-1] :]
        self._read()
        return made

    def _refusal(self, call: PastCall) -> str:
        """Say why a call that writes did not do it, or that nobody knows; empty if it did."""
        key = f"{call.outcome}_{'purchase' if call.kind == 'create_purchase' else 'change'}"
        return self.say(key, **call.params | {"reason": call.reason or None}) if call.outcome else ""

    def _outcome(self, customer: str | None, call: PastCall) -> str:
        """Say how a purchase ended: with an order and what is left, with a refusal, or nobody knows."""
        orders = valid(Order, call.objects)
        call.outcome = call.outcome or ("" if orders else "unknown")
        lines = tuple(line for line in self.scene.draft if line.customer == customer)
        if call.outcome not in DATA["kinds"]["waiting"]:
            self.scene.draft = tuple(line for line in self.scene.draft if line not in lines)
        if call.outcome:
            return self._refusal(call)
        self.scene.placed, self.scene.placed_id = lines, orders[0].id
        items = orders[0].items[:MAX_ROWS]
        goods = self._look_up(self._known(item.productId for item in items), anyway=True)
        told = self._of("bought", orders[0])
        for item, one in zip(items, goods, strict=True):
            told += self._of("bought_item" if one.id in self.left else "some_item", one, count=item.quantity)
        return told

    def _cancel(self) -> str:
        orders = self.text.numbers("order_number") or [self.before.placed_id]
        if not any(orders) or "cancel_order" not in self.tools:
            return self.say("no_cancel_order" if any(orders) else "nothing_waits", orderId=orders[0])
        calls = self._perform("cancel_order", *({"orderId": one} for one in orders))
        told = zip(orders, calls, strict=False)
        return "\n\n".join(self._refusal(call) or self.say("cancel_order", orderId=one) for one, call in told)
