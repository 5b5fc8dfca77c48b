"""What the messages and tools hold: past calls, their results with products, and the shop's tools."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from assistant.chat.history import HistoryCall, Message, text_of
from assistant.chat.interfaces import ToolRequest
from assistant.chat.sentences import ERROR
from models import InventoryItem, Product

M = TypeVar("M", bound=BaseModel)

MAX_REASON = 300  # characters of a failure that are shown
MAX_STARTS = 50  # brackets that are tried as the beginning of the JSON
UNREADABLE = "unreadable"  # the code of a result without JSON

_JSON = json.JSONDecoder()
_NEXT = re.compile(r"[\s,]*(?={)")
INTERRUPTED: Message = {"error": {"code": "interrupted"}}
_NEEDED = {  # the arguments without which a tool is another one, for each shape that it may have
    "get_products": [set[str]()],
    "get_inventory": [set[str]()],
    "get_orders": [set[str]()],
    "create_purchase": [{"input_data"}, {"customerName", "items"}],
    "restock": [{"productId", "change"}],
    "cancel_order": [{"orderId"}],
}


@dataclass(frozen=True)
class PastCall:
    """A tool call of the history with its result: JSON in `content`, or the code of a failure.

    `kind` is the tool's own name; `reason` is the text of a failure, to be shown; `id` is the call's key.
    """

    id: str
    kind: str
    arguments: dict[str, Any]
    content: str = ""
    code: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""


def kind_of(offered: str) -> str:
    """Return which of the shop's tools an offered name stands for; empty for any other."""
    kinds = (kind for kind in _NEEDED if re.search(rf"(?:^|[_-]){kind}(?:_[0-9a-f]{{8}})?$", offered))
    return next(kinds, "")


def valid(model: type[M], values: object) -> list[M]:
    """Return those of the values that have the shape of a model."""
    found: list[M] = []
    for value in values if isinstance(values, list) else ():
        with suppress(ValidationError):
            found.append(model.model_validate(value))
    return found


def past_calls(messages: Sequence[Message]) -> list[PastCall]:
    """Return the calls of the shop's tools with their results; a call without one was interrupted."""
    results = {str(m.get("tool_call_id")): m for m in messages if m.get("role") == "tool"}
    made = (call for m in messages if m.get("role") == "assistant" for call in calls_in(m))
    return [_past_call(call, results.get(call.id, INTERRUPTED)) for call in made]


def calls_in(message: Message) -> list[HistoryCall]:
    """Return the calls of a message."""
    return valid(HistoryCall, message.get("tool_calls"))


def _past_call(call: HistoryCall, result: Message) -> PastCall:
    arguments = (elements(call.function.arguments) or [[]])[0]
    text, error = text_of(result), result.get("error")
    reason = re.sub(r"</?tool_result[^>]*>", "", text).strip()
    if isinstance(error, dict):
        reason = reason[len(ERROR.format("")) :]
    else:
        error = {"code": None if elements(text) else UNREADABLE}
    code, params = error.get("code"), error.get("params")
    return PastCall(
        *(call.id, kind_of(call.function.name), arguments[0] if arguments else {}, text),
        code=code and str(code),
        params=params if isinstance(params, dict) else {},
        reason=reason[:MAX_REASON],
    )


# --- results -----------------------------------------------------------------------------------------------


def elements(content: str) -> tuple[list[dict[str, Any]], bool] | None:
    """Return the objects of the JSON in a tool's text, and whether it is complete; None if there is no JSON.

    A host may put a line before it, or cut it: the elements before the cut are kept. Servers that answer a
    list with one block for each element give objects one after the other.
    """
    for start in islice(re.finditer(r"[\[{]", content), MAX_STARTS):
        values = [*_in_sequence(content, start.start())]
        lists = [value.get("result", value) if isinstance(value, dict) else value for value in values]
        found = [one for value in lists for one in (value if isinstance(value, list) else [value])]
        if values and all(isinstance(one, dict) for one in found):
            return found, isinstance(values[0], list) or "[" not in content[: start.start()]
    return None


def _in_sequence(content: str, at: int) -> Iterator[Any]:
    with suppress(ValueError, RecursionError):
        while True:
            value, at = _JSON.raw_decode(content, at)
            yield value
            follows = _NEXT.match(content, at)
            if not follows:
                return
            at = follows.end()


def rows(content: str, model: type[M]) -> list[M]:
    """Return the elements that have the wire type's shape; others are left out."""
    return valid(model, (elements(content) or [[]])[0])


def is_partial(content: str, limit: int) -> bool:
    """Whether a list is only the first page, or was cut."""
    found, whole = elements(content) or ([], True)
    return len(found) >= limit or not whole


@dataclass
class Shelf:
    """The products that tool results name, in their order, with the stock where it is known."""

    products: dict[int, Product] = field(default_factory=dict)
    stock: dict[int, int] = field(default_factory=dict)

    def add(self, content: str) -> None:
        """Add the products of a `get_products` or `get_inventory` result."""
        for item in rows(content, InventoryItem):
            self.stock[item.productId] = item.quantity
            self.products[item.productId] = item.product or self.product(item.productId)
        self.products |= {product.id: product for product in rows(content, Product)}

    def product(self, product_id: int) -> Product:
        """Return a product, or a placeholder for one of which only the id is known."""
        nameless = Product(id=product_id, name=f"#{product_id}", price=float("nan"), description="")
        return self.products.get(product_id, nameless)


# --- the tools ---------------------------------------------------------------------------------------------


class _Schema(BaseModel):
    properties: dict[str, Any] = {}
    required: list[str] = []


class _Function(BaseModel):
    name: str
    parameters: _Schema = _Schema()


class _Tool(BaseModel):
    function: _Function


class ShopTools:
    """The shop's tools among those that are offered: those of the one server that has most of them."""

    def __init__(self, tools: Sequence[dict[str, Any]]) -> None:
        servers: dict[str, dict[str, tuple[str, set[str]]]] = {}
        for function in (tool.function for tool in valid(_Tool, list(tools))):
            kind, takes = kind_of(function.name), set(function.parameters.properties)
            needs = set(function.parameters.required)
            if kind and any(one <= takes and needs <= one for one in _NEEDED[kind]):
                server = function.name.rpartition(kind)[0]
                servers.setdefault(server, {})[kind] = function.name, takes
        self._tools = max(servers.values(), key=len, default={})

    def has(self, kind: str) -> bool:
        """Whether the tool is offered."""
        return kind in self._tools

    def arguments(self, kind: str, **arguments: Any) -> dict[str, Any]:
        """Return the arguments that the tool's schema has and that are not None."""
        properties = self._tools[kind][1]
        if "input_data" in properties:
            arguments = {"input_data": {key: value for key, value in arguments.items() if value is not None}}
        return {key: value for key, value in arguments.items() if key in properties and value is not None}

    def call(self, kind: str, arguments: dict[str, Any]) -> ToolRequest:
        """Return a call of the tool."""
        return ToolRequest(self._tools[kind][0], json.dumps(arguments, ensure_ascii=False))
