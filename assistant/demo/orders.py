"""Orders: takes them, says how they ended, and counts them."""

import re
from dataclasses import replace
from typing import Any

from assistant.demo import meaning as sense
from assistant.demo import say as sentences
from assistant.demo import words as data
from assistant.demo.meaning import Line
from assistant.demo.past import PastCall, Shelf, is_partial, rows
from assistant.demo.products import Decided, Desk, pick, squeezed
from assistant.demo.say import bold, escaped, price, product_table, total
from assistant.demo.words import fold, says, words
from models import MAX_LIMIT, Order, Product, SalesSummary

RECENT = 20  # orders that are shown if the question names no number

# Codes of the loop, the toolbox and the MCP server.
_REFUSED_BY_USER = {"declined", "unconfirmed", "cancelled"}
_MAY_HAVE_BOUGHT = {"interrupted", "outcome_unknown", "call_broke", "lost", "late", "refused", "garbled"}
_MAY_HAVE_BOUGHT |= {"off_protocol", "unreadable", "shop_late", "shop_disconnected", "restarting"}


class Orders(Desk):
    """Makes one decision, about orders too."""

    # --- buying --------------------------------------------------------------------------------------------

    def _buy(self) -> str:
        orders = [
            replace(one, lines=one.lines or (Line(),)) for one in self.meaning.orders or (sense.Order(),)
        ]
        unclear = [
            line.words for one in orders for line in one.lines if line.product_id is None and line.words
        ]
        if unclear and not any(call.kind == "create_purchase" for call in self.calls):
            self.products(query=" ".join(dict.fromkeys(unclear)))
        for at, order in enumerate(orders):
            lines: list[Line] = []
            for line in order.lines:
                rest = order.lines[len(lines) :]
                orders[at] = replace(order, lines=(*lines, *rest))
                lines += self.chosen(line, orders, (at, len(lines)))
            orders[at] = replace(order, lines=tuple(lines))
        for at, order in enumerate(orders):
            for n, line in enumerate(order.lines):
                if not line.quantity:
                    self.wait(orders, "quantity", (at, n))
                    product = self.product(line.product_id or 0)
                    self.show([product])
                    wrong = self.say("bad_quantity") if line.quantity == 0 else ""
                    priced = self.say("priced", bold=bold(product), price=price(product.price))
                    return wrong + priced + self.say("ask_quantity")
        self.show([self.product(line.product_id or 0) for one in orders for line in one.lines])
        nameless = next((at for at, order in enumerate(orders) if not order.customer), None)
        if nameless is not None:
            self.wait(orders, "customer", (nameless, 0))
            return self.ask_customer(orders[nameless])
        self.wait(orders, "", (0, 0))
        return self.purchase(orders)

    def wait(self, orders: list[sense.Order], asked: str, at: tuple[int, int]) -> None:
        """Remember what is not bought yet, and what is asked about it."""
        self.scene = replace(self.scene, pending=tuple(orders), asked=asked, at=at)

    def ask_customer(self, order: sense.Order) -> str:
        """Repeat an order and ask for its customer."""
        named = [(self.product(line.product_id or 0), line.quantity or 0) for line in order.lines]
        items = self.say("comma").join(f"{quantity} × {bold(product)}" for product, quantity in named)
        amount = sum(product.price * quantity for product, quantity in named)
        amounts = self.say("amounts", total=total(amount)) if total(amount) != "—" else ""
        return items + amounts + self.say("stop") + self.say("ask_customer")

    def chosen(self, line: Line, orders: list[sense.Order], at: tuple[int, int]) -> list[Line]:
        """Return the line with its product, none for a remark, or ask for it."""
        if line.product_id is not None:
            return [self.single(line)]
        known = self.before.shelf.products
        if line.words:
            found = self.extreme(self.products(query=line.words)) or self.certain(line.words)
        elif says("all_of_them", self.text):
            return [Line(1, one) for one in self.before.shown or [product.id for product in self.products()]]
        else:
            found = self.extreme() or [self.product(one) for one in self.before.focus]
        if len(found) == 1:
            self.before.shelf.products.setdefault(found[0].id, found[0])
            return [self.single(replace(line, product_id=found[0].id, words=""))]
        others = [
            one for one in orders[at[0]].lines if one.quantity is not None or one.product_id is not None
        ]
        if line.quantity is None and others and line not in others and not found:
            return []
        near = found or (self.products(query=line.words) if line.words else [])
        self.wait(orders, "product", at)
        self.show(near)
        text = (
            self.say("could_be" if near else "no_product", words=escaped(line.words, 40))
            if line.words
            else ""
        )
        shown = f"\n\n{product_table(self.say, near, Shelf(known, {}))}\n\n" if near else ""
        raise Decided(text + shown + self.say("ask_product"))

    def single(self, line: Line) -> Line:
        """Return a line as one piece, where "it" or "the cheapest" is ordered without a number."""
        one = line.quantity is None and says("single", self.text) and not line.words
        return replace(line, quantity=1) if one else line

    def certain(self, said: str) -> list[Product]:
        """Return the products that words name for sure: the search finds their last word, too."""
        found = self.products(query=said)
        named = pick(said, found)
        if any(fold(p.name).lower() in said.lower() or squeezed(said) in squeezed(p.name) for p in named):
            return named
        tail = said.rsplit(maxsplit=1)[-1]
        tail = tail[-2:] if re.fullmatch(f"[{data.CJK}]{{4,}}", tail) else tail
        if tail == said or not found:
            return named
        fitting = {product.id for product in self.products(query=tail)}
        return [product for product in named if product.id in fitting]

    def purchase(self, orders: list[sense.Order]) -> str:
        """Order for each customer, and say how that ended."""
        self.buying = True
        if not self.tools.has("create_purchase"):
            raise Decided(self.say("not_connected"))
        done = [call for call in self.calls if call.kind == "create_purchase"]
        if not done:
            raise Decided([self.tools.call("create_purchase", self.request(order)) for order in orders])
        return "\n\n".join(self.outcome(order, call) for order, call in zip(orders, done, strict=False))

    def request(self, order: sense.Order) -> dict[str, Any]:
        """Return the arguments of a purchase."""
        items: dict[int, int] = {}
        for line in order.lines:
            items[line.product_id or 0] = items.get(line.product_id or 0, 0) + (line.quantity or 0)
        asked: dict[str, Any] = {"customerName": order.customer}
        asked["items"] = [{"productId": product, "quantity": pieces} for product, pieces in items.items()]
        if self.meaning.key:
            asked["idempotencyKey"] = self.meaning.key
        return self.tools.purchase(asked)

    def outcome(self, order: sense.Order, call: PastCall) -> str:
        """Say how a purchase ended: with an order and what is left, with a refusal, or nobody knows."""
        found = rows(call.content, Order)
        if call.code in _MAY_HAVE_BOUGHT or (not call.code and not found):
            self.scene = replace(self.scene, key=str(call.params.get("idempotencyKey") or "") or None)
            return self.say("unknown_outcome") + (f"\n\n> {escaped(call.reason)}" if call.reason else "")
        if call.code in _REFUSED_BY_USER:
            pending = self.scene.pending if call.code == "unconfirmed" else ()
            self.scene = replace(self.scene, pending=pending)
            return self.say("declined")
        match call.code, call.params:
            case "out_of_stock", {"name": str(name), "available": int(left)}:
                return self.say("out_of_stock", name=escaped(name), left=left)
        if call.code:
            return self.say("not_bought", reason=escaped(call.reason) or "—")
        self.scene = replace(self.scene, pending=(), key=None, placed=(order,), placed_id=found[0].id)
        shelf = Shelf(dict(self.before.shelf.products))
        ids = sorted({item.productId for item in found[0].items})
        try:
            shelf.add(self.ask("get_inventory", productIds=ids))
        except Decided as decided:
            if not isinstance(decided.decision, str):
                raise
        return sentences.bought(self.say, found[0], shelf)

    def _change(self) -> str:
        return self.say("cannot_change", id=self.before.placed_id)

    # --- orders --------------------------------------------------------------------------------------------

    def orders(self, **filters: Any) -> tuple[list[Order], bool]:
        """Return orders, and whether there are more of them."""
        content = self.ask("get_orders", **filters)
        return rows(content, Order), is_partial(content, filters["limit"])

    def named(self) -> dict[int, str]:
        """Return the products' names: orders carry ids, people read names."""
        if self.tools.has("get_products"):
            self.products()
        return {product.id: product.name for product in self.before.shelf.products.values()}

    def _order(self) -> str:
        wanted = sense.order_number(self.text)
        found, more = self.orders(limit=MAX_LIMIT)
        if more and found and wanted < found[-1].id:
            found, _ = self.orders(limit=MAX_LIMIT, offset=max(found[0].id - wanted - MAX_LIMIT // 2, 0))
        order = next((one for one in found if one.id == wanted), None)
        if not order:
            return self.say("no_order", id=wanted)
        start = self.say("one_order", id=order.id, total=total(order.totalAmount))
        return f"{start}\n\n{sentences.order_table(self.say, [order], self.named())}"

    def _orders(self) -> str:
        since, until = data.period(self.meaning.dated or self.text, self.today)
        filters: dict[str, Any] = {"customerName": self.meaning.customer, "since": since, "until": until}
        filters |= {"minAmount": self.meaning.low, "maxAmount": self.meaning.high}
        least = says("smallest", self.text)
        if least or says("largest", self.text):
            return self.outstanding(least, filters)
        groups = ("day", "customer", "product")
        group = next((one for one in groups if says(f"by_{one}", self.text)), None)
        rest = data.without("orders", data.without(f"by_{group}", self.text)) if group else self.text
        named = len(words(rest)) > 1 or sense.ids(rest)
        found = self.find(rest) if group != "product" and named else None
        if group:
            one = found[0].id if found and len(found) == 1 else None
            return self.summary(group, filters | {"productId": one})
        if found and says("sold", self.text):
            return self.sold(found, filters)
        if not found and (says("total", self.text) or says("average", self.text) or says("sold", self.text)):
            return self.total(filters)
        limit = data.orders_wanted(self.text) or RECENT
        product = found[0].id if found and len(found) == 1 else None
        orders, more = self.orders(productId=product, limit=limit, **filters)
        if not orders:
            return self.say("no_orders")
        start = self.say("orders_some" if more else "orders_all", count=len(orders))
        return f"{start}\n\n{sentences.order_table(self.say, orders, self.named())}"

    def outstanding(self, least: bool, filters: dict[str, Any]) -> str:
        """Show the order with the highest or the lowest amount."""

        def best(found: list[Order]) -> Order:
            return min(found, key=lambda o: (o.totalAmount if least else -o.totalAmount, o.id))

        found, more = self.orders(limit=MAX_LIMIT, **filters)
        if found and more:  # those that reach the best so far are few
            bound = {"maxAmount" if least else "minAmount": best(found).totalAmount}
            found, more = self.orders(limit=MAX_LIMIT, **filters | bound)
        if not found:
            return self.say("no_orders")
        top = best(found)
        parts = {"id": top.id, "total": total(top.totalAmount), "customer": escaped(top.customerName)}
        start = self.say("among", count=len(found)) if more else ""
        start += self.say("smallest" if least else "largest", **parts)
        return f"{start}\n\n{sentences.order_table(self.say, [top], self.named())}"

    def sums(self, group: str, filters: dict[str, Any]) -> list[SalesSummary]:
        """Have the shop sum the orders up."""
        return rows(self.ask("get_orders", groupBy=group, limit=MAX_LIMIT, **filters), SalesSummary)

    def summary(self, group: str, filters: dict[str, Any]) -> str:
        """Sum up by product, customer or day; the worst product may be one that was never sold."""
        found, least = self.sums(group, filters), says("least", self.text)
        if not found:
            return self.say("no_orders")
        if group == "product" and least:
            sold = {row.key for row in found}
            unsold = [product for product in self.products() if str(product.id) not in sold]
            found += [
                SalesSummary(key=str(p.id), label=p.name, orders=0, quantity=0, amount=0) for p in unsold
            ]
        by = next((one for one in ("pieces", "amount") if says(f"by_{one}", self.text)), "")
        ranked = group != "day" or least or says("most", self.text)
        by = by or ("amount" if group == "day" and ranked else "")
        return sentences.summary(self.say, group, found, by if ranked else "", least)

    def sold(self, products: list[Product], filters: dict[str, Any]) -> str:
        """Say how much of some products was sold."""
        self.show(products)
        found = {row.key: row for row in self.sums("product", filters)}
        nothing = SalesSummary(key="", label="", orders=0, quantity=0, amount=0)
        lines = []
        for product in products:
            row = found.get(str(product.id), nothing)
            parts = {"quantity": row.quantity, "orders": row.orders, "total": total(row.amount)}
            lines.append(self.say("sold", bold=bold(product), **parts))
        return "\n\n".join(lines)

    def total(self, filters: dict[str, Any]) -> str:
        """Say how much was sold in all, or on average."""
        found = self.sums("total", filters)
        if not found or not found[0].orders:
            return self.say("no_orders")
        row, name = found[0], self.meaning.customer
        parts = {"orders": row.orders, "quantity": row.quantity, "total": total(row.amount)}
        who = self.say("who", name=escaped(name)) if name else ""
        key = "mean" if says("average", self.text) else "sum"
        return self.say(key, who=who, average=total(row.average), **parts)
