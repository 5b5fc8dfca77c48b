"""Looks things up with the shop's tools, and answers about products."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, TypeVar, cast

from pydantic import AliasPath, BaseModel, Field, ValidationError

from assistant.chat.history import Call, Message, objects_in, result_text
from assistant.chat.interfaces import ToolRequest
from assistant.demo.meaning import Scene, squeezed, understand
from assistant.demo.words import DATA, MAX_TEXT, Sentence, fold, found, pattern, pieces, sentence, tongue
from models import DEFAULT_LIMIT, InventoryItem, Order, Product

MAX_ROWS = 20  # of a table
OFFERED = re.compile(rf"(?P<server>^|.*[_-])(?P<kind>{'|'.join(DATA['tools'])})(?:_[0-9a-f]{{8}})?$")
M = TypeVar("M", bound=BaseModel)
Decision = str | list[ToolRequest]  # an answer, or the calls that have to come first


def valid(model: type[M], values: Iterable[object]) -> list[M]:
    """Return those of the values that have the shape of a model."""
    found: list[M] = []
    for value in values:
        with suppress(ValidationError):
            found.append(model.model_validate(value))
    return found


class PastCall:
    """A call of one of the shop's tools: its `kind`, and the objects of its result or a failure's code."""

    def __init__(self, call: Call, result: Message | None) -> None:
        offered, text = OFFERED.match(call.name), result_text(result) if result else ""
        error: dict[str, Any] = (result.get("error") or {}) if result else {"code": "interrupted"}
        self.kind = offered["kind"] if offered else ""
        self.arguments: dict[str, Any] = next(iter(objects_in(call.arguments)[0]), {})
        self.objects, self.whole = objects_in(text)
        is_shown = self.kind != "create_purchase" and (self.objects or re.search(r"\[\s*\]", text))
        unreadable = not (error or is_shown or valid(Order, self.objects))
        self.code: str = "unreadable" if unreadable else error.get("code", "")
        self.params: dict[str, Any] = error.get("params", {}) | {"reason": text.strip()[:MAX_TEXT] or None}
        self.outcome: str = self.code and DATA["outcomes"].get(self.code, "failed")  # of one that writes


class Tool(BaseModel):
    """A tool that is offered, with the arguments that it takes and needs."""

    name: str = Field(validation_alias=AliasPath("function", "name"))
    takes: dict[str, Any] = Field({}, validation_alias=AliasPath("function", "parameters", "properties"))
    needs: set[str] = Field(set(), validation_alias=AliasPath("function", "parameters", "required"))

    def call(self, arguments: Mapping[str, Any]) -> tuple[ToolRequest, dict[str, Any]]:
        """Return a call of the tool and its arguments: those that the schema has and that are not None."""
        known = {"input_data": arguments} if "input_data" in self.takes else arguments
        given = {key: value for key, value in known.items() if key in self.takes and value is not None}
        return ToolRequest(self.name, json.dumps(given, ensure_ascii=False)), given


def shop_tools(offered: Iterable[Mapping[str, Any]]) -> dict[str, Tool]:
    """Return the shop's tools by kind: those of the one server that offers most of them."""
    servers: dict[str, dict[str, Tool]] = defaultdict(dict)
    for one in offered:
        if known := OFFERED.match(one["function"]["name"]):  # first, since there may be thousands of others
            for tool in valid(Tool, [one]):
                if any(tool.needs <= {*shape} <= tool.takes.keys() for shape in DATA["tools"][known["kind"]]):
                    servers[known["server"]][known["kind"]] = tool
    return max(servers.values(), key=len, default={})


class Decided(Exception):  # noqa: N818  no error: it ends a look-up from within
    """The decision has been made, and is its argument: calls that have to come first, or the whole answer."""


@dataclass
class Desk:
    """Makes one decision, from the message, what is known and the tools; no result is taken for a request."""

    message: str
    calls: list[PastCall]
    before: Scene
    tools: dict[str, Tool]
    now: datetime
    corrects: bool
    taken_back: bool  # in the same sentence: a call that writes is not made, the decision is no calls then

    def __post_init__(self) -> None:
        lacking = [line.product_id for line in self.before.draft if not (line.customer or self.before.asked)]
        if lacking == [*self.before.focus] != [] and found(DATA["customers"]["alone"], fold(self.message)):
            self.before = replace(self.before, asked="customer")  # as it was before a question in between
        # a name that was asked for does not change the language
        spoken = (self.before.asked and self.before.tongue) or tongue(self.message, self.before.tongue)
        self.say, self.nearly, self.shelf = partial(sentence, spoken), "", self.before.shelf
        self._read()
        self.scene = replace(understand(self.message, self.before, self.corrects), tongue=spoken, asked="")
        self.text, self.like = self.scene.text, self.scene.like

    def decide(self) -> Decision:
        """Return the next calls, or the answer: that of the goal's method, or else its sentence."""
        goal = "buy" if self.scene.act else self.scene.goal
        try:
            said = str(getattr(self, f"_{goal}", lambda: self.say(goal))())
            return self.nearly + said
        except Decided as decided:
            return cast(Decision, decided.args[0])

    def _read(self) -> None:
        """Take over what the results name, and how much is left now."""
        stocked = [row for call in self.calls for row in valid(InventoryItem, call.objects)]
        self.left = Counter({row.productId: row.quantity for row in stocked})
        self.whole = all(call.whole for call in self.calls)
        found = [one for call in self.calls for one in valid(Product, call.objects)]
        self.shelf |= {one.id: one for one in (*(row.product for row in stocked), *found) if one}

    def _known(self, ids: Iterable[int | None]) -> list[Product]:
        blanks = [Product(id=one or 0, name=f"#{one}", price=float("nan"), description="") for one in ids]
        return [self.shelf.get(blank.id, blank) for blank in blanks]

    def _ask(self, kind: str, *asked: dict[str, Any], anyway: bool = False) -> list[PastCall]:
        """Return what a tool answered to each; Decided to call it first, or (not `anyway`) that it fails."""
        if kind not in self.tools and not anyway:
            raise Decided(self.say("not_connected"))
        made = [(call.kind, call.arguments) for call in self.calls]
        wanted = [self.tools[kind].call(arguments) for arguments in asked if kind in self.tools]
        if missing := [request for request, given in wanted if (kind, given) not in made]:
            raise Decided(list(dict.fromkeys(missing)))
        answers = [self.calls[made.index((kind, given))] for _, given in wanted]
        if failed := [call for call in answers if call.code and not anyway]:
            raise Decided(self.say("failed", **failed[0].params))
        return answers

    def _rows(self, model: type[M], anyway: bool = False, **filters: Any) -> list[M]:
        answers = self._ask(DATA["rows"][model.__name__], filters, anyway=anyway)
        return [row for call in answers for row in valid(model, call.objects)]

    def _stocked(self, products: list[Product] | None, anyway: bool = False, **filters: Any) -> list[Product]:
        """Return products, of which it is known then how many are left; of None, those that the shop has."""
        ids = sorted({one.id for one in products[:DEFAULT_LIMIT]}) if products else None
        rows = [] if products == [] else self._rows(InventoryItem, anyway, productIds=ids, **filters)
        return self._known([one.id for one in products or ()] or [row.productId for row in rows])

    def _queries(self, words: str, more: str = "") -> list[dict[str, Any]]:
        """Return what the shop is asked for words: all of them with some more, the first and the last."""
        parts = pattern(r"(?<=<CJK><CJK>)(?=<CJK>{2}(?:\s|$))").sub(" ", words).split()  # 平板 电脑
        asked = [f"{words} {more}".strip(), *([parts[0], parts[-1]] if len(parts) > 1 else [])]
        return [{"query": pattern(DATA["lines"]["suffix"]).sub(r"\g<0> \1", one)} for one in asked if one]

    def _search(self, words: str, more: str = "") -> tuple[list[Product], bool]:
        """Return what the shop finds for words; if it is sure: by its name, or by the first and last word."""
        calls = self._ask("get_products", *self._queries(words, more))
        found, *others = (valid(Product, call.objects) for call in calls)
        named = [one for one in found if squeezed(words) in squeezed(one.name)]
        sure = named or [one for one in found if all(one in other for other in others)]
        return sure or found, bool(sure)

    def _find(self, text: Sentence) -> list[Product] | None:
        """Return the products that a sentence names (id, name, words, "it"); None if it names none."""
        if named := self.before.marked(text).numbers("id"):
            if not self.shelf.keys() >= set(named):
                self._rows(Product)
            return [self.shelf[int(one)] for one in named if one in self.shelf]
        words, uses = text.words(), " ".join(wanted for _, wanted in text.rows("uses"))
        if words or uses:
            found, sure = self._search(words, uses)
            if found and not (sure or uses) and pattern(DATA["lines"]["precise"]).search(words):
                self.nearly = self.say("nearly", words=words)
            return found or ([] if words else None)
        return self._known(self.before.focus) or None if text.says("it") else None

    def _each(self, text: Sentence, joint: str = "joined") -> list[Product]:
        """Return the best of what is found for each part of a sentence, if there are several."""
        parts = map(Sentence, pattern(DATA["lines"][joint]).split(text))
        named = [part for part in parts if part.words() or part.says("id")]
        firsts = [(self._find(part) or [])[:1] for part in named] if len(named) > 1 else []
        found = self._known(dict.fromkeys(one.id for first in firsts for one in first))
        return found if all(firsts) or joint == "compared" else []

    def _ranked(self, near: list[Product] | None = None) -> list[Product]:
        """Return the cheapest or the dearest, the second of them, or some of them, if that is asked for."""
        if not (which := self.text.first_of(*DATA["ranks"])):
            return []
        near = self._find(self.text) if near is None and self.text.words() else near
        found = (self._listed() if self.text.says("among") else self._rows(Product)) if near is None else near
        found = sorted(found, key=lambda one: one.price if which == "cheapest" else -one.price)
        if all(map(self.text.says, DATA["ranks"])):
            return [*found[:1], *found[1:][-1:]]
        start, some = max(self.text.place() - 1, 0), 3 if self.text.says("some_cheap") else 1
        return found[start : start + (pieces(self.text.says("top")) or some)]

    def _listed(self) -> list[Product]:
        return self._known(self.before.focus if len(self.before.focus) > 1 else ()) or self._rows(Product)

    def _of(self, key: str, row: BaseModel, count: object = "", **more: object) -> str:
        known = row.model_dump() | {"count": count, "left": self.left.get(getattr(row, "id", 0))}
        if isinstance(row, Order):
            items = [(self._known([item.productId])[0], item.quantity) for item in row.items[:MAX_ROWS]]
            goods, bought = ([self._of(one, *item) for item in items] for one in ("goods", "bought_item"))
            known |= {"goods": " + ".join(goods), "bought": "".join(bought)}
            known["mark"] = "" if row.status == "placed" else " ✗"
            with suppress(ValueError, OverflowError):
                placed = datetime.fromisoformat(row.orderDate).astimezone(self.now.tzinfo)  # the shop's clock
                known["orderDate"] = f"{placed:%Y-%m-%d %H:%M}"
        return self.say(key, **known | more)

    def _several(self, key: str, rows: Sequence[BaseModel], kind: str = "", **parts: Any) -> str:
        """Return a sentence, of the first row where it names one, and a table of products or of a kind."""
        if not kind:
            self.scene.focus = tuple(one.id for one in rows if isinstance(one, Product))
            kind = "stocked" if self.left else "products"
        is_all = len(rows) < DEFAULT_LIMIT and self.whole
        count, lines = f"{len(rows)}{'' if is_all else '+'}", [self._of(f"{kind}_row", row) for row in rows]
        head = self._of(key, rows[0], count, **parts) + self.say(f"{kind}_head", **parts)
        rest = "" if is_all and len(rows) <= MAX_ROWS else self.say("rest", shown=MAX_ROWS, count=count)
        return "\n".join([head, *lines[:MAX_ROWS]]) + rest

    def _answer(self, key: str, found: Sequence[Product] | None, **parts: Any) -> str:
        """Answer about what was found: one product, several, or nothing, but what there is in the budget."""
        if found and len(found) == 1:
            self.scene.focus = (found[0].id,)
            return self._of(key, found[0], **parts)
        if found:
            return self._several(f"{key}s" if f"{key}s" in DATA["say"] else "found", found, **parts)
        low, high = self.text.budget()
        if not (there := self._rows(Product, minPrice=low, maxPrice=high) or self._rows(Product)):
            return self.say("empty")
        asks_all = found is None or (self.text.says("open") and self.text.says("catalogue"))
        key = "unlike" if not asks_all else "count" if low is high is None else "found"
        return self._several(key, there, words=self.text.words() or self.message)

    def _products(self) -> str:
        found, nth = self._ranked() or self._each(self.text) or self._find(self.text), self.text.place()
        which = self.text.first_of(*DATA["ranks"]) or "one_price"
        return self._answer(which, found, nth=self.say("nth", n=nth) if nth > 1 else "")

    def _fact(self) -> str:
        asked, told = (self.like.rows("facts") or [["$", "$"]])[0]
        rest = Sentence(pattern(asked).sub(" ", self.text)).counted()
        named = self._find(rest) if rest.words() and not (self.before.focus and rest.says("of_it")) else None
        found = named or self._known(self.before.focus) or self._find(self.text) or []
        known = [one for one in found if pattern(told).search(one.description)]
        return self._answer("fact" if known else "no_fact", known or found)

    def _compare(self) -> str:
        found = self._each(self.text, "compared")
        if len(found) < 2 and len(found := self._find(self.text) or self._listed()) < 2:
            return self._products()
        low, *_, high = sorted(self._stocked(found), key=lambda one: one.price)
        key, gap = "same_price" if low.price == high.price else "compared", high.price - low.price
        return self._several(key, found, low=low.name, high=high.name, gap=gap)

    def _stock(self) -> str:
        few, way = pieces(self.text.says("few")), self.text.first_of("low", "most", "least")
        if way == "low":
            limit = few - 1 if few else 0 if self.text.says("sold_out") else DATA["lines"]["low_stock"]
            low = [one for one in self._stocked(None, maxQuantity=limit) if self.left[one.id] <= limit]
            key, rows = ("low", low) if low else ("none_low", self._stocked(None))
            rows.sort(key=lambda one: self.left[one.id])
            return self._several(key, rows, limit=limit) if rows else self.say("empty")
        found = self._stocked(self._each(self.text) or self._find(self.text))
        found = sorted(found, key=lambda one: self.left[one.id], reverse=way == "most") if way else found
        return self._answer("in_stock" if any(self.left[one.id] for one in found) else "no_stock", found)

    def _recommend(self) -> str:
        (low, high), named = self.text.budget(), self._find(self.text)
        if named and (than := self.text.first_of("cheaper_than", "dearer_than")):
            prices, named = [one.price for one in named], None
            low, high = (low, max(prices) - 0.01) if than == "cheaper_than" else (min(prices) + 0.01, high)
        there = named or self._rows(Product, minPrice=low, maxPrice=high) or self._rows(Product)
        there = self._stocked(there if named is None else named)
        fits = [one for one in there if (low or 0) <= one.price <= (high or one.price) and self.left[one.id]]
        if not fits:
            near = sorted(there, key=lambda one: abs(one.price - (high or low or one.price)))
            return self._answer("nearest", near[:1])
        said = self._answer("choice" if named is None else "recommend", fits, name=fits[0].name)
        return said + self.say("to_order")
