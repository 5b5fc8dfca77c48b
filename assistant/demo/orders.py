"""Orders: takes them, says how they ended, and counts them."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from assistant.demo import words as data
from assistant.demo.desk import RANKS, Decided, Desk
from assistant.demo.meaning import Line, ids, order_number
from assistant.demo.past import UNREADABLE, PastCall, is_partial, rows
from assistant.demo.words import DATA, bold, escaped, pattern, price, says, total, without, words
from models import MAX_LIMIT, InventoryItem, Order, Product, SalesSummary

RECENT = 20  # orders that are shown if the question names no number
GROUPS = ("day", "customer", "product")
NOTHING = SalesSummary(key="", label="", orders=0, quantity=0, amount=0)

# Codes of the loop, the toolbox and the MCP server.
_REFUSED_BY_USER = {"declined", "unconfirmed", "cancelled"}
_MAY_HAVE_HAPPENED = {"interrupted", "outcome_unknown", "call_broke", "lost", "late", "refused", "garbled"}
_MAY_HAVE_HAPPENED |= {"off_protocol", "unreadable", "shop_late", "shop_disconnected", "restarting"}


class Orders(Desk):
    """Makes one decision, about orders too."""

    # --- orders that wait ----------------------------------------------------------------------------------

    def _unknown(self) -> str:
        lines, found = list(self.meaning.lines), self.find(self.text)
        counts = bool(lines) and all(line.quantity for line in lines)
        bare = all(line.bare for line in lines)
        if counts and (len(self.before.focus) == 1 if bare else found):
            return self.order(lines)
        if found:
            return self._products()
        if pattern(DATA["lines"]["count_and_name"]).fullmatch(self.text):
            return self.order(lines)  # 4 Tom
        first, second = data.examples(self.tongue, self.text, 2)
        return self.say("unsure", first=first, second=second)

    def _buy(self) -> str:
        """Order the lines of the message, or ask for the first piece that is missing."""
        return self.order(list(self.meaning.lines) or [Line()])

    def order(self, lines: list[Line]) -> str:
        """Order lines, or ask for the first product, quantity or customer that is missing."""
        if not any(call.kind == "create_purchase" for call in self.calls):
            self.look_up(line.words for line in lines)
        at = 0
        while at < len(lines):
            chosen = self.chosen(lines, at)
            lines[at : at + 1] = chosen
            at += len(chosen)
        self.show(self.known([line.product_id for line in lines]))
        for at, line in enumerate(lines):
            if not line.quantity:
                return self.want("quantity", lines, at)
        for at, line in enumerate(lines):
            if not line.customer:
                return self.want("customer", lines, at)
        self.scene = replace(self.scene, pending=tuple(lines))
        return self.purchase(lines)

    def want(self, asked: str, lines: list[Line], at: int) -> str:
        """Ask for a piece of a line, and remember the order until it comes."""
        self.scene = replace(self.scene, pending=tuple(lines), asked=asked, at=at)
        product = self.shelf.product(lines[at].product_id or 0)
        if asked == "quantity":
            self.show([product])
            wrong = self.say("bad_quantity") if lines[at].quantity == 0 else ""
            return wrong + self.of("priced", product) + self.say("ask_quantity")
        items, amount = self.basket([line for line in lines if not line.customer])
        amounts = self.say("amounts", total=total(amount)) if total(amount) != "—" else ""
        return items + amounts + self.say("stop") + self.say("ask_customer")

    def basket(self, lines: Sequence[Line]) -> tuple[str, float]:
        """Return what some lines are, and what they cost."""
        named = [(line.quantity or 0, self.shelf.product(line.product_id or 0)) for line in lines]
        items = self.say("comma").join(f"{count} × {bold(one)} ({price(one.price)})" for count, one in named)
        return items, sum(count * product.price for count, product in named)

    def _quote(self) -> str:
        """Say what so many of some products would cost."""
        lines = [line for line in self.meaning.lines if line.quantity and not line.bare]
        self.look_up(line.words for line in lines)
        found = [self.named(line) for line in lines]
        if not lines or any(len(products) != 1 for products in found):
            return self._products()
        self.show([product for (product,) in found])
        pairs = zip(lines, found, strict=True)
        lines = [self.sized(replace(line, product_id=one.id), one) for line, (one,) in pairs]
        (items, amount), most = self.basket(lines), self.meaning.high
        text = self.say("quote", items=items, total=total(amount))
        verdict = "within" if amount <= (most or 0) else "beyond"
        return text + (self.say(verdict, limit=price(most), gap=price(amount - most)) if most else "")

    def chosen(self, lines: list[Line], at: int) -> list[Line]:
        """Return a line with its product, none for a remark, or ask for it."""
        line = lines[at]
        if line.product_id is not None:
            return [self.sized(line, self.shelf.product(line.product_id))]
        if line.words:
            found = self.ranked(self.products(query=line.words)) or self.certain(line.words)
            if not found and pattern(DATA["lines"]["count_and_name"]).fullmatch(self.text):
                line, found = replace(line, words="", customer=line.words), self.known(self.before.focus)
        elif says("all_of_them", self.text) and len(lines) == 1:
            there = self.before.shown or [product.id for product in self.products()]
            return [replace(line, quantity=line.quantity or 1, product_id=one) for one in there]
        else:
            found = self.ranked() or self.known(self.before.focus)
        if len(found) == 1:
            self.shelf.products.setdefault(found[0].id, found[0])
            return [self.sized(replace(line, product_id=found[0].id), found[0])]
        others = [one for one in lines if one is not line and (one.quantity, one.product_id) != (None, None)]
        if line.quantity is None and others and not found:
            return []
        near = found or (self.products(query=line.words) if line.words else [])
        pending = (*lines[:at], line, *lines[at + 1 :])
        self.scene = replace(self.scene, pending=pending, asked="product", at=at)
        said = self.say("could_be" if near else "no_product", words=escaped(line.words, 40))
        said = said if line.words else ""
        if near:
            said = self.listed(said, near) + "\n\n"
        raise Decided(said + self.say("ask_product"))

    def sized(self, line: Line, product: Product) -> Line:
        """Return a line in pieces: one of "it" or "the cheapest", and of what is sold in pairs one a pair."""
        quantity = line.quantity
        if quantity is None and not line.words and says("single", self.text):
            quantity = 1
        if line.pair and not pattern(DATA["in_pairs"]).search(f"{line.words} {product.name}"):
            unclear = pattern(DATA["perhaps_pairs"]).search(f"{product.name} {product.description}")
            quantity = None if unclear else (quantity or 0) * 2
        return replace(line, quantity=quantity, pair=False, words="")

    def named(self, line: Line) -> list[Product]:
        """Return the products that a line names for sure."""
        if line.product_id is not None:
            return self.known([line.product_id])
        return self.certain(line.words) if line.words else []

    def _change(self) -> str:
        """Add lines, or change those of the products that are named, else the last one."""
        lines = list(self.before.pending)
        for given in self.meaning.lines:
            if says("add", self.text) and not given.bare:
                lines.append(replace(given, customer=given.customer or lines[-1].customer))
                continue
            found = [product.id for product in self.named(given)]
            at = next((n for n, line in enumerate(lines) if [line.product_id] == found), len(lines) - 1)
            base = lines[at] if given.bare and not data.first_of(RANKS, self.text) else given
            counted = lines[at] if given.quantity is None else given
            whose = given.customer or lines[at].customer
            lines[at] = Line(counted.quantity, base.product_id, base.words, whose, counted.pair)
            if given == Line(customer=given.customer):
                lines = [replace(line, customer=whose, key=None) for line in lines]
        return self.order(lines)

    def _remove(self) -> str:
        """Take the products that are named out of what waits; all of it, if none is."""
        self.look_up(line.words for line in self.meaning.lines)
        gone = {product.id for line in self.meaning.lines for product in self.named(line)}
        kept = [line for line in self.before.pending if line.product_id not in gone]
        if kept and (len(kept) < len(self.before.pending) or not says("cancel", self.text)):
            return self.order(kept)
        return self._cancel()

    # --- what changes the shop -----------------------------------------------------------------------------

    def purchase(self, lines: Sequence[Line]) -> str:
        """Order for each customer, and say how that ended; what was not bought goes on waiting."""
        orders: dict[tuple[str | None, str | None], dict[int, int]] = {}
        for line in lines:
            items = orders.setdefault((line.customer, line.key), {})
            items[line.product_id or 0] = items.get(line.product_id or 0, 0) + (line.quantity or 0)
        requests = [
            {
                "customerName": customer,
                "items": [{"productId": product, "quantity": count} for product, count in items.items()],
                "idempotencyKey": key,
            }
            for (customer, key), items in orders.items()
        ]
        calls = self.perform("create_purchase", requests)
        ended = [self.outcome(list(orders)[n], call) for n, call in enumerate(calls)]
        return "\n\n".join(ended)

    def perform(self, kind: str, requests: Sequence[dict[str, Any]]) -> list[PastCall]:
        """Return the calls of a tool that writes, which are made once in a turn."""
        self.buying = True
        if not self.tools.has(kind):
            raise Decided(self.say("not_connected"))
        done = [call for call in self.calls if call.kind == kind]
        if not done:
            raise Decided([self.tools.call(kind, self.tools.arguments(kind, **one)) for one in requests])
        return done[: len(requests)]

    def refusal(self, call: PastCall) -> str:
        """Say why a call that writes did not do it, or that nobody knows; empty if it did."""
        what = "purchase" if call.kind == "create_purchase" else "change"
        if call.code in _MAY_HAVE_HAPPENED:
            return self.say(f"unknown_{what}") + (f"\n\n> {escaped(call.reason)}" if call.reason else "")
        if call.code in _REFUSED_BY_USER:
            return self.say(f"declined_{what}")
        match call.code, call.params:
            case "out_of_stock", {"name": str(name), "available": int(left)}:
                return self.say("out_of_stock", name=escaped(name), left=left)
        return self.say(f"failed_{what}", reason=escaped(call.reason) or "—") if call.code else ""

    def outcome(self, whose: tuple[str | None, str | None], call: PastCall) -> str:
        """Say how a purchase ended: with an order and what is left, with a refusal, or nobody knows."""
        lines = tuple(line for line in self.scene.pending if (line.customer, line.key) == whose)
        others = tuple(line for line in self.scene.pending if line not in lines)
        found = rows(call.content, Order)
        call = call if call.code or found else replace(call, code=UNREADABLE)
        if refused := self.refusal(call):
            if call.code in _MAY_HAVE_HAPPENED:
                key = whose[1] or str(call.params.get("idempotencyKey") or call.id)
                others += tuple(replace(line, key=key) for line in lines)
            elif call.code not in ("declined", "cancelled"):
                others += lines
            self.scene = replace(self.scene, pending=others)
            return refused
        self.scene = replace(self.scene, pending=others, placed=lines, placed_id=found[0].id)
        try:
            self.stocked(self.known(sorted({item.productId for item in found[0].items})))
        except Decided as decided:
            if not isinstance(decided.decision, str):
                raise
        return data.bought(self.say, found[0], self.shelf)

    def _cancel(self) -> str:
        """Give up what waits; or cancel an order, if the owner's tool is there."""
        if self.before.pending and not order_number(self.text):
            self.scene = replace(self.scene, pending=())
            return self.say("cancelled")
        order = order_number(self.text) or self.before.placed_id
        if not order or not self.tools.has("cancel_order"):
            return self.say("cannot_cancel", id=order) if order else self.say("nothing_waits")
        (call,) = self.perform("cancel_order", [{"orderId": order}])
        return self.refusal(call) or self.say("order_cancelled", id=order)

    def _restock(self) -> str:
        """Book what was delivered, if the owner's tool is there."""
        line = next((line for line in self.meaning.lines if line.quantity and not line.bare), None)
        if not line or not self.tools.has("restock"):
            return self.say("ask_restock" if self.tools.has("restock") else "cannot_restock")
        (line,) = self.chosen([line], 0)
        (call,) = self.perform("restock", [{"productId": line.product_id, "change": line.quantity}])
        left = next((item.quantity for item in rows(call.content, InventoryItem)), "—")
        product = self.shelf.product(line.product_id or 0)
        return self.refusal(call) or self.say("restocked", bold=bold(product), count=line.quantity, left=left)

    # --- what was sold -------------------------------------------------------------------------------------

    def _order(self) -> str:
        wanted = order_number(self.text)
        found, more = self.orders(limit=MAX_LIMIT)
        if more and found and wanted < found[-1].id:
            found, _ = self.orders(limit=MAX_LIMIT, offset=max(found[0].id - wanted - MAX_LIMIT // 2, 0))
        order = next((one for one in found if one.id == wanted), None)
        if not order:
            return self.say("no_order", id=wanted)
        return self.order_list(self.say("one_order", id=order.id, total=total(order.totalAmount)), [order])

    def orders(self, limit: int, **filters: Any) -> tuple[list[Order], bool]:
        """Return orders, and whether there are more of them."""
        content = self.ask("get_orders", limit=limit, **filters)
        return rows(content, Order), is_partial(content, limit)

    def order_list(self, start: str, orders: Sequence[Order]) -> str:
        """Return a sentence and the orders below it, with the names of what was ordered."""
        if self.tools.has("get_products"):
            self.products()
        told = [order.model_copy(update={"orderDate": self.shops_time(order.orderDate)}) for order in orders]
        return f"{start}\n\n{data.table(self.say, data.ORDER, told, self.shelf)}"

    def _orders(self) -> str:
        since, until = data.period(self.meaning.dated or self.text, self.today)
        filters: dict[str, Any] = {"customerName": self.meaning.customer, "since": since, "until": until}
        if name := self.meaning.customer:
            known = (row.label for row in self.sums("customer", {})[0]) if name.islower() else ()
            filters["customerName"] = next((one for one in known if one.lower() == name), name)
        filters |= {"minAmount": self.meaning.low, "maxAmount": self.meaning.high}
        if says("largest", self.text) or says("smallest", self.text):
            return self.outstanding(filters)
        group = data.first_of(GROUPS, self.text, "by_")
        rest = without("orders", without(f"by_{group}", self.text)) if group else self.text
        named = group != "product" and (len(words(rest)) > 1 or ids(rest))
        found = self.find(rest) if named else None
        filters["productId"] = found[0].id if found and len(found) == 1 else None
        if group:
            return self.ranking(group, filters)
        if found and (says("sold", self.text) or says("by_pieces", self.text)):
            self.show(found)
            return self.ranking("product", filters, {str(product.id) for product in found})
        if not found and data.first_of(("total", "average", "sold"), self.text):
            return self.total(filters)
        wanted = 1 if says("last_order", self.text) else data.count_of("newest", self.text)
        orders, more = self.orders(wanted or RECENT, **filters)
        if not orders:
            return self.say("no_orders")
        start = self.say("orders_some" if more else "orders_all", count=len(orders))
        if more and not wanted and (self.meaning.low, self.meaning.high) == (None, None):
            start = self.total(filters) + start
        return self.order_list(start, orders)

    def outstanding(self, filters: dict[str, Any]) -> str:
        """Show the order with the highest or the lowest amount."""
        sign, bound = (1, "maxAmount") if says("smallest", self.text) else (-1, "minAmount")
        nth = max(data.place(self.text), 1)
        for _ in range(2):  # those that reach the best so far are few
            found, more = self.orders(MAX_LIMIT, **filters)
            placed = (order for order in found if order.status == "placed")
            first = sorted(placed, key=lambda order: (sign * order.totalAmount, order.id))[:nth]
            filters |= {bound: first[-1].totalAmount} if more and first else {}
            if not more:
                break
        best = first[-1] if first else None
        if not best:
            return self.say("no_orders")
        parts = {"id": best.id, "total": total(best.totalAmount), "customer": escaped(best.customerName)}
        start = self.say("among", count=len(found)) if more else ""
        return self.order_list(start + self.say("smallest" if sign == 1 else "largest", **parts), [best])

    def sums(self, group: str, filters: dict[str, Any]) -> tuple[list[SalesSummary], bool]:
        """Have the shop sum the orders up; whether there are more groups."""
        content = self.ask("get_orders", groupBy=group, limit=MAX_LIMIT, **filters)
        return rows(content, SalesSummary), is_partial(content, MAX_LIMIT)

    def ranking(self, group: str, filters: dict[str, Any], only: Collection[str] = ()) -> str:
        """Rank products by pieces, customers and days by amount; the worst product may be an unsold one."""
        (found, more), least = self.sums(group, filters), says("least", self.text)
        found = [row for row in found if not only or row.key in only]
        if not found:
            return self.say("no_orders")
        end = self.total(filters) if more else self.in_all(found)
        if group == "product" and least:
            sold = {row.key for row in found}
            unsold = (product for product in self.products() if str(product.id) not in sold)
            found += [NOTHING.model_copy(update={"key": str(p.id), "label": p.name}) for p in unsold]
        by = data.first_of(("pieces", "amount"), self.text, "by_")
        by = by or ("pieces" if group == "product" else "amount")

        def size(row: SalesSummary) -> float:
            return row.quantity if by == "pieces" else row.amount

        start = ""
        if group != "day" or least or says("most", self.text) or says(f"by_{by}", self.text):
            found.sort(key=lambda row: (size(row) * (1 if least else -1), -row.amount, row.key))
            which = self.say("little" if least else "much")
            start = self.summed(f"first_{by}", found[0], which=which) + "\n\n"
        shown = found[: data.count_of("top", self.text) or len(found)]
        return f"{start}{data.table(self.say, (group, *data.SUMS), shown, self.shelf)}\n\n{end}"

    def in_all(self, sums: Sequence[SalesSummary]) -> str:
        """Return the sum of the groups, if these are all."""
        pieces, amount = sum(row.quantity for row in sums), sum(row.amount for row in sums)
        return self.summed("in_all", NOTHING.model_copy(update={"quantity": pieces, "amount": amount}))

    def summed(self, key: str, row: SalesSummary, **more: str) -> str:
        """Return a sentence about what was sold."""
        parts = {"orders": row.orders, "quantity": row.quantity, "average": total(row.average)}
        return self.say(key, name=escaped(row.label), total=total(row.amount), **parts, **more)

    def total(self, filters: dict[str, Any]) -> str:
        """Say how much was sold in all, or on average."""
        row = next(iter(self.sums("total", filters)[0]), NOTHING)
        if not row.orders:
            return self.say("no_orders")
        name = self.meaning.customer
        who = self.say("who", name=escaped(name)) if name else ""
        return self.summed("mean" if says("average", self.text) else "sum", row, who=who)
