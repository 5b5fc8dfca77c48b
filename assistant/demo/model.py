"""The model for a machine without a key: by rules, with the shop's tools; no state but the messages."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise
from typing import Any, cast
from zoneinfo import ZoneInfo, available_timezones

from assistant.chat.history import Message, attached, calls_made, text_of
from assistant.chat.interfaces import Piece, Reply
from assistant.demo.desk import MAX_ROWS, Decided, Decision, Desk, PastCall, Tool, shop_tools, valid
from assistant.demo.meaning import Line, Scene, apart, as_written
from assistant.demo.words import DATA, Sentence, clean, found, pattern, pieces, sentence
from models import MAX_LIMIT, MAX_QUANTITY, Order, Product, SalesSummary
from serving.errors import CodedError

MAX_TURNS = 30  # of a conversation that are looked back at
MAX_CORRECTIONS = 5  # in one sentence
known_zones = cache(available_timezones)


class Clerk(Desk):
    """Makes one decision: about orders and sums of them, too; takes orders and cancels them."""

    def _told(self, key: str, orders: Sequence[Order], seen: int = 0) -> str:
        start = self.say("among", count=seen) if seen >= MAX_LIMIT or (seen and not self.whole) else ""
        if not orders:
            return start + self.say("no_orders")
        self._ask("get_products", {}, anyway=True)  # the names
        return start + self._several(key, orders, "orders")

    def _order(self) -> str:
        found, wanted = self._rows(Order, limit=MAX_LIMIT), self.text.numbers("order_number")
        told = [order for order in found if order.id in wanted]
        return self._told("one_order" if len(wanted) == 1 else "orders_all", told, len(found))

    def _orders(self) -> str:
        """Tell orders, or sums of them: of a period, of a customer, of a product, between two amounts."""
        text, like, name = self.text, self.like, self.scene.lines[0].customer
        since, until = max((one.period(self.now.date()) for one in (text, like)), key=any)
        low, high = like.budget()
        filters: dict[str, Any] = {"since": since, "until": until, "minAmount": low, "maxAmount": high}
        filters["customerName"] = name.title() if name and name.islower() else name
        if way := like.first_of("largest", "smallest"):
            found, nth = self._rows(Order, limit=MAX_LIMIT, **filters), max(like.place(), 1)
            placed = (order for order in found if order.status == "placed")
            ranked = sorted(placed, key=lambda order: order.totalAmount, reverse=way == "largest")
            return self._told(way, ranked[nth - 1 : nth], len(found))
        group = "" if like.says("last_order") else like.first_of(*DATA["measures"], prefix="by_")
        rest = text if text.words() else like
        rest = rest.without(f"by_{group}").without("orders") if group else rest
        names_one = group != "product" and (len(rest.words()) > 1 or rest.says("id"))
        goods = (self._find(rest) if names_one else None) or []
        filters["productId"] = goods[0].id if len(goods) == 1 else None
        if group:
            return self._sums(group, filters | ({"customerName": None} if group == "customer" else {}))
        if like.first_of(*(("sold", "by_quantity") if goods else ("total", "average", "sold"))):
            return self._sums("product" if goods else "total", filters, goods)
        wanted = 1 if like.says("last_order") else pieces(like.says("newest")) or MAX_ROWS
        found = self._rows(Order, limit=min(wanted, MAX_LIMIT), **filters)
        return self._told("orders_some" if len(found) == wanted else "orders_all", found)

    def _sums(self, group: str, filters: dict[str, Any], only: Sequence[Product] = ()) -> str:
        """Tell the sum of all, or rank products by pieces and others by amount; the worst may be unsold."""
        found = self._rows(SalesSummary, limit=MAX_LIMIT, groupBy=group, **filters)
        wanted = [str(one.id) for one in only] or [row.key for row in found]
        if not (found := [row for row in found if row.orders and row.key in wanted]):
            return self.say("no_orders")
        like, who = self.like, filters["customerName"]
        if group == "total" or len(only) == 1:
            who = self.say("who", name=who or found[0].label) if who or only else ""
            return self._of("mean" if like.says("average") else "sum", found[0], who=who)
        names = [rf"(?i)(?<![a-z]){re.escape(row.label)}(?![a-z])" for row in found]  # of Bob and Alice, who?
        named = [row for row, name in zip(found, names, strict=True) if re.search(name, self.message)]
        found = named if group == "customer" and len(named) > 1 else found
        by = like.first_of("quantity", "amount", "orders", prefix="by_") or DATA["measures"][group]
        way = like.first_of("least", "most") or ("" if group == "day" else "most")
        for one in self._rows(Product) if group == "product" and way == "least" else ():
            unsold = SalesSummary(key=str(one.id), label=one.name, orders=0, quantity=0, amount=0)
            found += [unsold] if unsold.key not in wanted else []
        if way:
            found.sort(key=lambda row: ((1, -1)[way == "most"] * getattr(row, by), -row.amount, row.key))
        key = f"{way}_{by}" if way and not like.place() else "listed"
        shown = found[: pieces(like.says("top")) or len(found)]
        told = self._several(key, shown, "sums", group=self.say(f"column_{group}"))
        quantity, amount = sum(row.quantity for row in found), sum(row.amount for row in found)
        return told + self.say("in_all", quantity=quantity, amount=amount, mean=amount / len(found))

    def _unknown(self) -> str:
        lines = self._resolved(self.scene.lines)
        counted = all(line.quantity for line in self.scene.lines) and not self.text.says("question")
        if counted and all(line.product_id for line in lines):
            return self._take(lines)
        return self._products() if self._find(self.text) else self.say("unsure")

    def _buy(self) -> str:
        """Order what the message names, or do to the order before it what the message says."""
        act, asked, draft = self.scene.act, self.before.asked, list(self.before.draft)
        if act in DATA["kinds"]["told"]:
            self.scene.asked = asked
            return self._basket(act, draft)
        given = self._resolved(draft if act == "keep" else self.scene.lines)
        order = self._changed(list(draft), given) if act not in ("", "keep") else given
        twice = act == "add" and len({(line.customer, line.product_id) for line in order}) < len(order)
        said = act == "keep" or {line.quantity for line in given} <= {line.quantity for line in draft}
        if act and not asked and (twice or (order == draft and (act in DATA["kinds"]["taking"] or not said))):
            return self._basket("which", draft)
        self.scene.draft = tuple(order)
        return self._take(order) if order else self.say("cancelled")

    def _changed(self, draft: list[Line], given: list[Line]) -> list[Line]:
        """Return the lines of an order after what a message says of them; if it is unclear of which, ask."""
        act = self.scene.act
        if act == "again":
            new = dict.fromkeys(Line(line.customer, line.quantity) for line in given)
            return draft + [one.changed(line) for line in new for one in draft or self.before.placed]
        if act == "apart":
            return apart(draft, given, self.text)
        if act in ("remove", "only"):
            named = [self._about(draft, one) for one in given]
            kept = [line for line in draft if any(line in some for some in named) == (act == "only")]
            return kept if all(named) else draft
        if act == "fewer":
            about, gone = self._about(draft, given[0]), given[0].quantity or 0
            left = [replace(line, quantity=(line.quantity or 0) - gone * (line in about)) for line in draft]
            return [line for line in left if (line.quantity or 0) > 0]
        added = [line for line in given if "add" in act and not line.bare and line != Line(words=line.words)]
        added = given[1:] if act == "fill" and self.before.asked == "product_id" else added
        about = []
        for change in (line for line in given if line not in added and ("add" not in act or line.bare)):
            about = self._about(draft, change) or about
            if not (about or self.before.asked):
                raise Decided(self._basket("which", draft))
            draft = list(dict.fromkeys(line.changed(change) if line in about else line for line in draft))
        who = Line(given[-1].customer if act == "rename" else None)
        return [one.changed(who) for one in draft] + [Line(draft[-1].customer).changed(one) for one in added]

    def _about(self, draft: Sequence[Line], given: Line) -> list[Line]:
        """Return the lines that have the product or the customer that another one names; none if unclear."""
        act, asked, says = self.scene.act, self.before.asked, self.text.says
        known = {line.customer for line in self.before.draft if line.customer}
        people = known & {given.customer} or {name for name in known if name in self.message}
        theirs = [line for line in draft if not people or line.customer in people]
        same = [line for line in theirs if given.bare or line.product_id == given.product_id]
        if lacking := [line for line in same or theirs if act == "fill" and not getattr(line, asked)]:
            first = replace(lacking[0], customer=None)
            return [line for line in lacking if asked == "customer" or replace(line, customer=None) == first]
        about = same or (theirs if len(theirs) == 1 and act not in ("remove", "restate") else [])
        sure = len(draft) == 1 or says("each") or says("both") or given == Line(given.customer or "")
        all_gone = given.product_id or says("cancel")
        return about if (all_gone if act == "remove" else sure) or len(about) < len(draft) else []

    def _resolved(self, lines: Sequence[Line]) -> list[Line]:
        """Return lines with the product that each names for sure: by id, in words, as "it", the cheapest."""
        asked = [query for line in lines if line.product_id is None for query in self._queries(line.words)]
        self._ask("get_products", *asked, anyway=True)
        return [one for line in lines for one in self._with_product(line)]

    def _with_product(self, line: Line) -> list[Line]:
        """Return a line with its product, one for each product if that is said, or as it was if unclear."""
        act, says, asked, draft = self.scene.act, self.text.says, self.before.asked, self.before.draft
        is_new, answers = act in ("", "keep"), asked == "product_id" and line != Line(line.customer or "")
        line = next((one for one in draft if act == "fill" and not one.product_id), Line()).changed(line)
        near, sure = self._search(line.words) if line.words else (None, False)
        each = bool(says("all_of_them")) and (line.bare or (len(near or ()) > 1 and bool(says("of_each"))))
        quantity = 1 if line.quantity is None and is_new and (each or says("single")) else line.quantity
        if line.product_id is not None:
            return [replace(line, quantity=quantity)]
        points = line.bare and not says("ordinal") and (is_new or (answers and not each))
        it = self._known(self.before.focus if points else ())
        is_all = each and is_new and says("buy") and not (it or says("both") or says("shown"))
        named = self._ranked(near) or (near if sure else it) or (self._rows(Product) if is_all else [])
        if (len(named) > 1) != each or not named:
            if not named and (self.scene.goal == "cancel" or (act == "fill" and asked != "product_id")):
                return [replace(line, words="")]  # 2 please
            if not named and act == "change" and (alone := found(DATA["customers"]["alone"], line.words)):
                return [Line(as_written(alone["name"], self.message), line.quantity)]
            return [line]
        told = f"{line.words} {named[0].name} {named[0].description}"
        if line.pair and (found(DATA["packs"], told) or not found(DATA["in_pairs"], told)):
            quantity = None if found(DATA["perhaps_pairs"], told) else (quantity or 0) * 2
        return [Line(line.customer, quantity, one.id) for one in named]

    def _take(self, lines: Sequence[Line]) -> str:
        """Order lines, or ask for what one lacks; words of nothing are a remark, but not beside an "and"."""
        has = {(one.customer, one.product_id) for one in lines if one.quantity is not None}
        new = [one for one in lines if one.quantity is not None or (one.customer, one.product_id) not in has]
        said = [line for line in new if line.product_id or line.quantity is not None]
        listed = self._ranked() or self._known(self.before.focus)
        halves = [Sentence(part).words() for part in pattern(DATA["lines"]["joined"]).split(self.text)]
        for line in (line for line in lines if line.product_id is None):
            joined = any(a.endswith(line.words) or b.startswith(line.words) for a, b in pairwise(halves))
            near = self._search(line.words)[0] if line.words else listed
            if near or line in said or not said or joined:
                self.scene.asked = "product_id"
                self.scene.draft = tuple(replace(one, words="") if one is line else one for one in lines)
                key = ("could_be" if near else "no_product") if line.words else "any_product"
                told = self._several(key, near, words=line.words) if near else self.say(key, words=line.words)
                return (told + self.say("ask_product")).strip()
        self.scene.draft = tuple(said)
        goods = self._stocked(self._known(line.product_id for line in said), anyway=True)
        self.scene.focus = tuple(one.id for one in goods)
        bought = any(call.kind == "create_purchase" for call in self.calls)
        for line, one in zip(said, goods, strict=True):
            if self.left.get(one.id, MAX_QUANTITY) < (line.quantity or 1) and not bought:
                return self._of("out_of_stock_purchase", one, available=self.left[one.id])
            if not line.quantity:
                self.scene.asked = "quantity"
                who = [one.customer for one in said if line.changed(Line(one.customer)) == one]
                key = "ask_quantity" if line.quantity is None else "bad_quantity"
                key = "ask_share" if len({other.customer for other in said}) > 1 else key
                return self._answer(key, [one], people=self.say("comma").join(filter(None, who)))
        if nameless := [line for line in said if not line.customer]:
            self.scene.asked = "customer"
            return self._basket("ask_customer", nameless)
        costs = [one.price * (line.quantity or 0) for line, one in zip(said, goods, strict=True)]
        if {*self.text.numbers("named_price")} - {sum(costs), *costs, *(one.price for one in goods)}:
            return self._basket("other_price", said)
        return self._purchase(said)

    def _basket(self, key: str, lines: Sequence[Line], budget: float = 0) -> str:
        items = [(self._known([line.product_id])[0], line.quantity or 0) for line in lines]
        named = self.say("comma").join(self._of("item", *item) for item in items)
        total = sum(one.price * count for one, count in items)
        key = key if not budget else "affordable" if total <= budget else "too_dear"
        return self.say(key, items=named, total=total, rest=abs(total - budget), id=self.before.placed_id)

    def _quote(self) -> str:
        one = 1 if self.text.first_of("together", "enough") else 0
        lines = [replace(line, quantity=line.quantity or one) for line in self.scene.lines if not line.bare]
        named = self._resolved([line for line in lines if line.quantity])
        if not named or not all(line.product_id for line in named):
            return self._products()
        self.scene.draft, self.scene.focus = tuple(named), tuple(line.product_id or 0 for line in named)
        return self._basket("quote", named, (self.text.says("enough") and self.text.budget()[1]) or 0)

    def _purchase(self, lines: Sequence[Line]) -> str:
        """Order for each customer, and say how that ended; what was not bought goes on waiting."""
        orders, told = {line.customer: Counter[int | None]() for line in lines}, []
        for line in lines:
            orders[line.customer][line.product_id] += line.quantity or 0
        items = [[{"productId": one, "quantity": goods[one]} for one in goods] for goods in orders.values()]
        requests = [{"customerName": n, "items": bought} for n, bought in zip(orders, items, strict=True)]
        for name, call in zip(orders, self._perform("create_purchase", *requests), strict=False):
            mine = tuple(line for line in lines if line.customer == name)
            if call.outcome not in DATA["kinds"]["waiting"]:
                self.scene.draft = tuple(line for line in self.scene.draft if line not in mine)
            for order in valid(Order, call.objects):
                self.scene.placed, self.scene.placed_id = mine, order.id
                self._stocked(self._known(item.productId for item in order.items), anyway=True)
                told.append(self._of("bought", order))
            told += [self.say(f"{call.outcome}_purchase", **call.params)] if call.outcome else []
        return "\n\n".join(told)

    def _cancel(self) -> str:
        orders = [*map(int, self.text.numbers("order_number"))] or [self.before.placed_id]
        if not any(orders) or "cancel_order" not in self.tools:
            return self.say("no_cancel_order" if any(orders) else "nothing_waits", orderId=orders[0])
        calls = self._perform("cancel_order", *({"orderId": one} for one in orders))
        told = [self.say(f"{one.outcome or 'done'}_change", **one.arguments, **one.params) for one in calls]
        return "\n\n".join(told)

    def _perform(self, kind: str, *requests: dict[str, Any]) -> list[PastCall]:
        """Return the calls of a tool that writes, made once in a turn; what was read before them is old."""
        self._ask(kind)  # nothing: it only says so if the tool is not there
        done = [n for n, call in enumerate(self.calls) if call.kind == kind]
        if not done:
            raise Decided([] if self.taken_back else [self.tools[kind].call(one)[0] for one in requests])
        made, self.calls = [self.calls[n] for n in done[: len(requests)]], self.calls[done[-1] :]
        self._read()
        return made


def decide(messages: Sequence[Message], tools: dict[str, Tool], now: datetime) -> Decision:
    """Return the next calls, or the answer; a sentence that corrects itself is several, the last counts."""
    system = " ".join(text_of(message) for message in messages if message.get("role") == "system")
    zones = [name for name in re.findall(r"[A-Z]\w+/[\w/+-]+", system) if name in known_zones()]
    today = now.astimezone(ZoneInfo(zones[0]) if zones else UTC)
    begins = [at for at, message in enumerate(messages) if message.get("role") == "user"][-MAX_TURNS:]
    scene, decision = Scene(), cast(Decision, "")
    for start, end in zip(begins, [*begins[1:], None], strict=False):
        calls = [PastCall(*made) for made in calls_made(messages[start + 1 : end])]
        said = clean(text_of(messages[start]))
        whole = pattern("|".join(DATA["signs"]["correction"])).split(said)[-MAX_CORRECTIONS:]
        parts = [part for part in whole if part.strip()] or [""]
        for n, part in enumerate(parts, 1):
            clerk = Clerk(part, calls, scene, tools, today, n > 1 or len(whole) > len(parts), n < len(parts))
            decision, scene = clerk.decide(), clerk.scene
            if clerk.taken_back and decision and not isinstance(decision, str):
                break
    return decision or sentence("zh", "hello")


@dataclass
class DemoModel:
    """The model behind the page when no key is set; `now` is the time, with its zone."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    name: str = "demo"
    demo: bool = True
    window: int | None = None

    def __post_init__(self) -> None:
        for example in "\n- ".join(DATA["say"]["hello"]).split("\n- "):  # compiles the patterns
            decide([{"role": "user", "content": example}], {}, self.now())

    async def reply(self, messages: list[Message], tools: list[dict[str, Any]]) -> AsyncGenerator[Piece]:
        """Yield the answer, then one Reply; it never raises, whatever was said."""
        question = next((m for m in reversed(messages) if m.get("role") == "user"), {})
        decision = await asyncio.to_thread(decide, messages, shop_tools(tools), self.now())  # some ms
        if not isinstance(decision, str):
            yield Reply("", decision, "tool_calls")
            return
        yield decision
        yield Reply(decision, notes=[CodedError("demo_reads_no_files")] if attached(question) else ())
