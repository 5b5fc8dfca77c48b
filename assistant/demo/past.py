"""What the messages and tools hold: past calls, their results with products, and the shop's tools."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from assistant.chat.history import Message
from assistant.chat.interfaces import ToolRequest
from assistant.chat.sentences import ERROR
from models import DEFAULT_LIMIT, InventoryItem, Product

M = TypeVar("M", bound=BaseModel)

MAX_REASON = 300  # characters of a failure that are shown
MAX_STARTS = 50  # brackets that are tried as the beginning of the JSON
UNREADABLE = "unreadable"  # the code of a result without JSON

_JSON = json.JSONDecoder()
_ARGUMENTS = {
    "get_products": {"query", "minPrice", "maxPrice", "limit", "offset"},
    "get_inventory": {"productIds", "maxQuantity", "limit", "offset"},
    "get_orders": {
        *("customerName", "productId", "minAmount", "maxAmount"),
        *("since", "until", "limit", "offset", "groupBy"),
    },
    "create_purchase": {"input_data", "customerName", "items"},
}


@dataclass(frozen=True)
class PastCall:
    """A tool call of the history with its result: JSON in `content`, or the code of a failure.

    `kind` is the tool's own name; `reason` is the text of a failure, to be shown.
    """

    kind: str
    arguments: dict[str, Any]
    content: str = ""
    code: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""


def kind_of(offered: str) -> str:
    """Return which of the shop's tools an offered name stands for; empty for any other."""
    kinds = (kind for kind in _ARGUMENTS if re.search(rf"(?:^|[_-]){kind}(?:_[0-9a-f]{{8}})?$", offered))
    return next(kinds, "")


def text_of(message: Message) -> str:
    """Return the text of a message, also when its content comes in parts."""
    content = message.get("content")
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        return "\n".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def past_calls(messages: Sequence[Message]) -> list[PastCall]:
    """Return the calls of the shop's tools with their results; a call without one was interrupted."""
    results = {str(m.get("tool_call_id")): m for m in messages if m.get("role") == "tool"}
    return [
        _past_call(kind_of(name), arguments, results.get(call_id))
        for message in messages
        if message.get("role") == "assistant"
        for call_id, name, arguments in calls_in(message)
    ]


def _past_call(kind: str, arguments: dict[str, Any], result: Message | None) -> PastCall:
    if result is None:
        return PastCall(kind, arguments, code="interrupted")
    content, error = text_of(result), result.get("error")
    text = re.sub(r"</?tool_result[^>]*>", "", content).strip()
    if isinstance(error, dict):
        code, params = str(error.get("code")), error.get("params")
        reason = text[len(ERROR.format("")) :][:MAX_REASON]
        return PastCall(kind, arguments, "", code, params if isinstance(params, dict) else {}, reason)
    if elements(content) is None:
        return PastCall(kind, arguments, code=UNREADABLE, reason=text[:MAX_REASON])
    return PastCall(kind, arguments, content)


def calls_in(message: Message) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield id, offered name and arguments of each call of a message."""
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            yield str(call.get("id")), str(function.get("name")), _arguments(function.get("arguments"))


def _arguments(text: Any) -> dict[str, Any]:
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


# --- results -----------------------------------------------------------------------------------------------


def elements(content: str) -> tuple[list[Any], bool] | None:
    """Return the elements of the JSON in a tool's text, and whether it is complete; None if there is no JSON.

    A host may put a line before it, or cut it: the elements before the cut are kept. Servers that answer a
    list with one block for each element give objects one after the other.
    """
    for start in islice(re.finditer(r"[\[{]", content), MAX_STARTS):
        try:
            value, end = _JSON.raw_decode(content, start.start())
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and isinstance(value.get("result"), list):
            value = value["result"]
        if isinstance(value, dict):
            return _in_sequence(content, value, end), "[" not in content[: start.start()]
        if all(isinstance(element, dict) for element in value):
            return value, True
    return None


def _in_sequence(content: str, first: dict[str, Any], end: int) -> list[Any]:
    found = [first]
    while follows := re.compile(r"[\s,]*(?={)").match(content, end):
        try:
            value, end = _JSON.raw_decode(content, follows.end())
        except (ValueError, RecursionError):
            break
        found.append(value)
    return found


def rows(content: str, model: type[M]) -> list[M]:
    """Return the elements that have the wire type's shape; others are left out."""
    found = elements(content)
    valid: list[M] = []
    for element in found[0] if found else ():
        try:
            valid.append(model.model_validate(element))
        except ValidationError:
            continue
    return valid


def is_partial(content: str, limit: int = DEFAULT_LIMIT) -> bool:
    """Whether a list is only the first page, or was cut."""
    found = elements(content)
    return found is not None and (len(found[0]) >= limit or not found[1])


@dataclass
class Shelf:
    """The products that tool results name, in their order, with the stock where it is known."""

    products: dict[int, Product] = field(default_factory=dict)
    stock: dict[int, int] = field(default_factory=dict)

    def add(self, content: str) -> None:
        """Add the products of a `get_products` or `get_inventory` result."""
        for item in rows(content, InventoryItem):
            self.stock[item.productId] = item.quantity
            product = item.product or self.products.get(item.productId) or unnamed(item.productId)
            self.products[item.productId] = product
        self.products |= {product.id: product for product in rows(content, Product)}

    def left(self, product: Product) -> int | None:
        """Return how many pieces are left; None if no result says it."""
        return self.stock.get(product.id)


def unnamed(product_id: int) -> Product:
    """Return a placeholder for a product of which only the id is known."""
    return Product(id=product_id, name=f"#{product_id}", price=float("nan"), description="")


# --- the tools ---------------------------------------------------------------------------------------------


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

    def arguments(self, kind: str, **arguments: Any) -> dict[str, Any]:
        """Return the arguments that the tool's schema has and that are not None."""
        properties = self._tools[kind][1]
        return {key: value for key, value in arguments.items() if key in properties and value is not None}

    def call(self, kind: str, arguments: dict[str, Any]) -> ToolRequest:
        """Return a call of the tool."""
        return ToolRequest(self._tools[kind][0], json.dumps(arguments, ensure_ascii=False))

    def purchase(self, order: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments that order, in the shape of the tool's schema."""
        wrapped = "input_data" in self._tools["create_purchase"][1]
        return self.arguments("create_purchase", **({"input_data": order} if wrapped else order))


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
