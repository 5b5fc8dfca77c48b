"""Looks products up: which of the shop's tools are offered, which calls are still needed, what they found."""

import json
from collections.abc import Sequence
from typing import Any

from assistant.chat.interfaces import ToolRequest
from assistant.demo import answers
from assistant.demo.conversation import Conversation
from assistant.demo.finder import Shelf, best, mark, matches, searches, terms
from assistant.demo.ordering import ids
from assistant.demo.past_calls import kind_of
from assistant.demo.phrases import says
from models import Product

MAX_FOUND = 50  # products of one search in a large catalogue

Decision = str | list[ToolRequest]  # an answer, or the calls that have to come first


class ShopTools:
    """The shop's tools among those that are offered: those of the one server that has most of them."""

    def __init__(self, tools: Sequence[dict[str, Any]]) -> None:
        servers: dict[str, dict[str, tuple[str, set[str]]]] = {}
        for tool in tools:
            name, properties, required = _signature(tool)
            kind = kind_of(name)
            if kind and _fits(kind, properties, required):
                servers.setdefault(name.partition(kind)[0], {})[kind] = name, properties
        self._tools = max(servers.values(), key=len, default={})

    def has(self, kind: str) -> bool:
        """Whether the tool is offered."""
        return kind in self._tools

    def takes(self, kind: str, argument: str) -> bool:
        """Whether the tool is offered and has this argument."""
        return kind in self._tools and argument in self._tools[kind][1]

    def call(self, kind: str, **arguments: Any) -> ToolRequest:
        """Return a call with the arguments that the tool's schema has and that are not None."""
        name, properties = self._tools[kind]
        kept = {key: value for key, value in arguments.items() if key in properties and value is not None}
        return ToolRequest(name, json.dumps(kept, ensure_ascii=False))

    def purchase(self, customer: str, items: list[dict[str, int]]) -> ToolRequest:
        """Return the call that orders, in the shape of the tool's schema."""
        order = {"customerName": customer, "items": items}
        wrapped = "input_data" in self._tools["create_purchase"][1]
        return self.call("create_purchase", **({"input_data": order} if wrapped else order))


_ARGUMENTS = {
    "get_products": {"query", "minPrice", "maxPrice", "limit", "offset"},
    "get_inventory": {"productIds", "maxQuantity", "limit", "offset"},
    "get_orders": {"customerName", "productId", "since", "until", "limit", "offset", "groupBy"},
    "create_purchase": {"input_data", "customerName", "items"},
}


def _signature(tool: dict[str, Any]) -> tuple[str, set[str], set[str]]:
    function = tool.get("function")
    function = function if isinstance(function, dict) else {}
    schema = function.get("parameters")
    schema = schema if isinstance(schema, dict) else {}
    properties, required = schema.get("properties"), schema.get("required")
    return (
        str(function.get("name")),
        set(properties) if isinstance(properties, dict) else set(),
        {str(name) for name in required} if isinstance(required, list) else set(),
    )


def _fits(kind: str, properties: set[str], required: set[str]) -> bool:
    if kind == "create_purchase":
        fits = "input_data" in properties or {"customerName", "items"} <= properties
        return fits and required <= _ARGUMENTS[kind]
    return not required


class Decided(Exception):  # noqa: N818  no error: it ends a look-up from within
    """The decision has been made: calls that have to come first, or the whole answer."""

    def __init__(self, decision: Decision) -> None:
        super().__init__()
        self.decision = decision


class Lookup:
    """What a turn knows by now; the calls for what it does not know yet are raised as `Decided`."""

    def __init__(self, talk: Conversation, shop: ShopTools) -> None:
        self.talk, self.shop = talk, shop
        self.wish, self.tongue = talk.wish, talk.language

    def ask(self, kind: str, **arguments: Any) -> list[str]:
        """Return the tool's results in this turn.

        Raises:
            Decided: The tool has to be called first; or it is not offered, or has failed: that is the answer.
        """
        calls = self.talk.calls_to(kind)
        if not calls:
            raise Decided([self.call(kind, **arguments)])
        if failed := next((call for call in calls if call.code), None):
            raise Decided(answers.failed(self.tongue, failed.reason or "—"))
        return [call.content for call in calls]

    def call(self, kind: str, **arguments: Any) -> ToolRequest:
        """Return a call; raise `Decided` if the tool is not offered."""
        if not self.shop.has(kind):
            raise Decided(answers.not_connected(self.tongue))
        return self.shop.call(kind, **arguments)

    def look(self, kind: str, texts: Sequence[str]) -> Shelf:
        """Return the products that may be meant: the first page, and of a larger catalogue what is found."""
        shelf = Shelf()
        for content in self.ask(kind):
            shelf.add(content)
        if not shelf.more or not self.shop.takes("get_products", "query"):
            return shelf
        wish = self.wish
        queries: list[str | None] = [*searches(texts)] or ([None] if wish.low or wish.high else [])
        asked = [
            {"query": query, "minPrice": wish.low, "maxPrice": wish.high, "limit": MAX_FOUND}
            for query in queries
        ]
        searched = [call for call in self.talk.calls_to("get_products") if "limit" in call.arguments]
        if asked and not searched:
            raise Decided([self.call("get_products", **arguments) for arguments in asked])
        for call in searched:
            shelf.add(call.content)
        if kind == "get_inventory":
            self.count(shelf, texts)
        return shelf

    def count(self, shelf: Shelf, texts: Sequence[str]) -> None:
        """Add the stock of the products that a search found."""
        wanted = [term for text in texts for term in terms(text)]
        found = [match.product for match in matches(shelf.products.values(), wanted)]
        unknown = [product.id for product in found or shelf.products.values() if shelf.left(product) is None]
        if unknown and not any("productIds" in call.arguments for call in self.talk.calls):
            raise Decided([self.call("get_inventory", productIds=unknown[:MAX_FOUND])])

    def meant(self, shelf: Shelf) -> list[Product] | None:
        """Return the products that the sentence names (id, name, words, "it"); None if it names none."""
        marked = mark(self.wish.text, shelf.products.values())
        if named := ids(marked):
            return [shelf.products[product_id] for product_id in named if product_id in shelf.products]
        if wanted := terms(marked):
            found = matches(shelf.products.values(), wanted)
            return best(found)
        if says("it", self.wish.text):
            bold, shown = self.talk.shown()
            return [shelf.products.get(product.id, product) for product in bold or shown] or None
        return None
