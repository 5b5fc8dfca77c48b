"""What the demo model can look up: the shop's tools among those that are offered, and what they answered."""

import json
from collections.abc import Sequence
from typing import Any

from assistant.chat.interfaces import ToolRequest
from assistant.demo import answers
from assistant.demo.conversation import Conversation, kind_of
from assistant.demo.finder import Shelf, best, failure, mark, matches, searches, terms
from assistant.demo.ordering import ids
from assistant.demo.phrases import says
from models import Product

SEARCH_LIMIT = 50  # products that a search in a large catalogue brings

Answer = str | list[ToolRequest]


class Shop:
    """The shop's tools among those that are offered: all of one server, the one that has most of them."""

    def __init__(self, tools: Sequence[dict[str, Any]]) -> None:
        servers: dict[str, dict[str, tuple[str, set[str]]]] = {}
        for tool in tools:
            name, properties, required = _signature(tool)
            kind = kind_of(name)
            if kind and _fits(kind, properties, required):
                servers.setdefault(name.partition(kind)[0], {})[kind] = name, properties
        self._tools = max(servers.values(), key=len, default={})

    def has(self, kind: str) -> bool:
        """Tell whether the tool is there."""
        return kind in self._tools

    def takes(self, kind: str, argument: str) -> bool:
        """Tell whether the tool is there and has such an argument."""
        return kind in self._tools and argument in self._tools[kind][1]

    def call(self, kind: str, **arguments: Any) -> ToolRequest:
        """Write a call with those arguments that the tool's schema has and that say something."""
        name, properties = self._tools[kind]
        kept = {key: value for key, value in arguments.items() if key in properties and value is not None}
        return ToolRequest(name, json.dumps(kept, ensure_ascii=False))

    def purchase(self, customer: str, items: list[dict[str, int]]) -> ToolRequest:
        """Write the order, in the shape that the tool's schema wants."""
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


class Decided(Exception):  # noqa: N818 -- no error: it ends the deciding from within a look-up
    """What to do now is settled: these calls have to come first, or this sentence is all there is to say."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


class Lookup:
    """The products that a turn knows by now; what it does not know yet has to be called for first."""

    def __init__(self, talk: Conversation, shop: Shop) -> None:
        self.talk, self.shop = talk, shop
        self.wish, self.tongue = talk.wish, talk.language

    def ask(self, kind: str, **arguments: Any) -> list[str]:
        """Return what the tool answered in this turn, after calling it if it has not been called.

        Raises:
            Decided: The call has to come first; or the tool is not there or failed, which is said.
        """
        contents = self.talk.of(kind)
        if not contents:
            raise Decided([self.call(kind, **arguments)])
        reason = next((why for content in contents if (why := failure(content))), None)
        if reason:
            raise Decided(answers.failed(self.tongue, reason))
        return contents

    def call(self, kind: str, **arguments: Any) -> ToolRequest:
        """Write a call; decide to say that the tools are not connected where it is not there."""
        if not self.shop.has(kind):
            raise Decided(answers.not_connected(self.tongue))
        return self.shop.call(kind, **arguments)

    def look(self, kind: str, texts: Sequence[str]) -> Shelf:
        """Look up what may be meant: the first page, and in a larger catalogue what the words find."""
        shelf = Shelf()
        for content in self.ask(kind):
            shelf.add(content)
        if not shelf.more or not self.shop.takes("get_products", "query"):
            return shelf
        wish = self.wish
        queries: list[str | None] = [*searches(texts)] or ([None] if wish.low or wish.high else [])
        asked = [
            {"query": query, "minPrice": wish.low, "maxPrice": wish.high, "limit": SEARCH_LIMIT}
            for query in queries
        ]
        searched = [r for r in self.talk.results if r.kind == "get_products" and "limit" in r.arguments]
        if asked and not searched:
            raise Decided([self.call("get_products", **arguments) for arguments in asked])
        for result in searched:
            shelf.add(result.content)
        if kind == "get_inventory":
            self.count(shelf, texts)
        return shelf

    def count(self, shelf: Shelf, texts: Sequence[str]) -> None:
        """Look up how many are left of what a search found."""
        wanted = [term for text in texts for term in terms(text)]
        found = [match.product for match in matches(shelf.products.values(), wanted)]
        unknown = [product.id for product in found or shelf.products.values() if shelf.left(product) is None]
        if unknown and not any("productIds" in result.arguments for result in self.talk.results):
            raise Decided([self.call("get_inventory", productIds=unknown[:SEARCH_LIMIT])])

    def meant(self, shelf: Shelf) -> list[Product] | None:
        """Find the products that the sentence names: by id, in full, in words, as "it"; None without any."""
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
