"""A shop in memory behind the four tools, and a conversation of the demo model with it."""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any

import pytest

from assistant.chat.history import Call, Message, tool_message
from assistant.chat.interfaces import Piece, Reply, ToolResult
from assistant.chat.sentences import ERROR
from assistant.demo.model import DemoModel
from shop.catalog import TUTORIAL
from shop.search import index_rows

WATCH, BUDS, POWER, LAPTOP = "智能手表Galaxy", "无线蓝牙耳机Pro", "便携式移动电源", "华为MateBook X Pro"
CATALOGUE = [
    (1, WATCH, 1299.0, "健康监测，运动追踪，支持多种应用", 100),
    (2, BUDS, 899.0, "主动降噪，30小时续航，IPX7防水", 50),
    (3, POWER, 299.0, "20000mAh大容量，支持快充，轻薄设计", 200),
    (4, LAPTOP, 1599.0, "14.2英寸全面屏，3:2比例，100% sRGB色域", 150),
]
ARGUMENTS = {
    "get_products": ("query", "minPrice", "maxPrice", "limit", "offset"),
    "get_inventory": ("productIds", "maxQuantity", "limit", "offset"),
    "get_orders": (
        *("customerName", "productId", "minAmount", "maxAmount"),
        *("since", "until", "limit", "offset", "groupBy"),
    ),
    "create_purchase": ("input_data",),
}
OWNERS = ("restock", "change_product", "cancel_order")
MODEL = DemoModel(now=lambda: datetime(2026, 11, 21, 12, tzinfo=UTC))  # making one answers its examples


def offer(name: str, arguments: tuple[str, ...], required: tuple[str, ...] = ()) -> dict[str, Any]:
    schema = {"type": "object", "properties": {name: {} for name in arguments}, "required": list(required)}
    return {"type": "function", "function": {"name": name, "description": "", "parameters": schema}}


def offered(server: str = "product-mcp", without: str = "") -> list[dict[str, Any]]:
    return [
        offer(f"{server}_{tool}", arguments, ("input_data",) if tool == "create_purchase" else ())
        for tool, arguments in ARGUMENTS.items()
        if tool != without
    ]


def terms(name: str, keywords: str = "", description: str = "", *, written: bool = False) -> set[str]:
    """Return what a product is found by, or only what is `written` there: a question has no synonyms."""
    found = index_rows(0, name, keywords, description)
    stop_words = {"a", "the", "of", "for", "to", "in", "and"}
    return {term for term, place, _ in found if len(term) > 1 and not (written and place > 3)} - stop_words


@dataclass
class FakeShop:
    """The shop behind the tools: rows in dicts, and a conversation with the model."""

    rows: list[tuple[int, str, float, str, int]] = field(default_factory=lambda: list(CATALOGUE))
    tools: list[dict[str, Any]] = field(default_factory=offered)
    override: dict[str, ToolResult] = field(default_factory=dict)  # by tool, instead of the shop's
    history: list[Message] = field(default_factory=list)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    orders: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stock = {row[0]: row[4] for row in self.rows}
        self.products: list[dict[str, Any]] = [
            {"id": row[0], "name": row[1], "price": row[2], "description": row[3]} for row in self.rows
        ]

    def ask(self, text: str) -> str:
        """Say something, run whatever the model calls, and return its answer."""
        self.history.append({"role": "user", "content": text})
        self.calls.clear()
        for _ in range(10):
            reply = answer(self.history, self.tools)
            message: Message = {"role": "assistant", "content": reply.text}
            self.history.append(message)
            if not reply.calls:
                return reply.text
            message["tool_calls"] = []
            for call in reply.calls:
                self._run(message["tool_calls"], call.name, call.arguments)
        pytest.fail("ten rounds and no answer")

    def _run(self, tool_calls: list[dict[str, Any]], name: str, arguments: str) -> None:
        call = Call(f"call_{len(self.history)}_{len(tool_calls)}", name, arguments)
        tool_calls.append(call.to_dict())
        tool = next(tool for tool in (*ARGUMENTS, *OWNERS) if name.endswith(tool))
        self.calls.append((tool, json.loads(arguments)))
        result = self.override.get(tool) or getattr(self, tool)(**json.loads(arguments))
        self.history.append(message_of(call, result))

    def get_products(
        self, query: str = "", minPrice: float = 0, maxPrice: float = 1e9, limit: int = 100, offset: int = 0
    ) -> ToolResult:
        found = [p for p in self.products if minPrice <= p["price"] <= maxPrice]
        if query:
            asked = terms(query, written=True)
            known = {p["id"]: self.terms(p) for p in found}
            every = sorted(set().union(*known.values()))
            asked |= {
                near
                for term in asked
                if len(term) > 3 and term.isalpha() and term.isascii() and term not in every
                for near in get_close_matches(term, every, cutoff=0.8)
            }
            found = [p for p in found if asked & known[p["id"]]]
            found.sort(key=lambda p: -len(asked & known[p["id"]]))
        return dump(found[offset : offset + limit])

    def terms(self, product: dict[str, Any]) -> set[str]:
        keywords = next((e.keywords for e in TUTORIAL if e.name == product["name"]), [])
        return terms(product["name"], " ".join(keywords), product["description"])

    def get_inventory(
        self, productIds: list[int] | None = None, maxQuantity: int = 10**9, limit: int = 100, offset: int = 0
    ) -> ToolResult:
        found = [
            {"productId": p["id"], "quantity": self.stock[p["id"]], "product": p}
            for p in self.products
            if (not productIds or p["id"] in productIds) and self.stock[p["id"]] <= maxQuantity
        ]
        return dump(found[offset : offset + limit])

    def create_purchase(self, input_data: dict[str, Any]) -> ToolResult:
        prices = {p["id"]: p for p in self.products}
        for item in input_data["items"]:
            product_id = item["productId"]
            if product_id not in prices:
                text = f"创建采购订单失败 (404): 商品ID {product_id} 不存在"
                return failed("unknown_product", text, productId=product_id)
            if self.stock[product_id] < item["quantity"]:
                name, left = prices[product_id]["name"], self.stock[product_id]
                text = f"创建采购订单失败 (400): 商品 {name} 库存不足. 可用: {left}"
                return failed("out_of_stock", text, productId=product_id, name=name, available=left)
        for item in input_data["items"]:
            self.stock[item["productId"]] -= item["quantity"]
        total = sum(prices[item["productId"]]["price"] * item["quantity"] for item in input_data["items"])
        order = input_data | {
            "id": len(self.orders) + 1,
            "totalAmount": total,
            "orderDate": f"2026-11-{20 + len(self.orders) % 2}T10:00:00+00:00",
        }
        self.orders.insert(0, order)
        return dump(order)

    def cancel_order(self, orderId: int) -> ToolResult:
        order = next(order for order in self.orders if order["id"] == orderId)
        return dump(order | {"status": "cancelled"})

    def restock(self, productId: int, change: int) -> ToolResult:
        self.stock[productId] += change
        return dump({"productId": productId, "quantity": self.stock[productId]})

    def change_product(self, productId: int, **given: Any) -> ToolResult:
        product = next(product for product in self.products if product["id"] == productId)
        product |= given
        return dump(product)

    def get_orders(
        self,
        groupBy: str = "",
        customerName: str = "",
        productId: int = 0,
        minAmount: float = 0,
        maxAmount: float = 1e18,
        *,
        limit: int = 100,
        **_: Any,
    ) -> ToolResult:
        kept = [
            order
            for order in self.orders
            if (not customerName or order["customerName"] == customerName)
            and minAmount <= order["totalAmount"] <= maxAmount
            and (not productId or productId in [item["productId"] for item in order["items"]])
        ]
        if not groupBy:
            return dump(kept[:limit])
        rows: dict[str, dict[str, Any]] = {}
        for order in kept:
            for item in order["items"]:
                product = next(p for p in self.products if p["id"] == item["productId"])
                key, label = {
                    "product": (str(product["id"]), product["name"]),
                    "customer": (order["customerName"],) * 2,
                    "day": (order["orderDate"][:10],) * 2,
                    "total": ("total",) * 2,
                }[groupBy]
                row = rows.setdefault(
                    key,
                    {"key": key, "label": label, "orders": 0, "quantity": 0, "amount": 0.0, "seen": set()},
                )
                row["quantity"] += item["quantity"]
                row["amount"] += item["quantity"] * product["price"]
                row["seen"].add(order["id"])
        return dump([row | {"orders": len(row.pop("seen"))} for row in rows.values()])


def dump(value: Any) -> ToolResult:
    return ToolResult(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def failed(code: str, text: str = "", **params: Any) -> ToolResult:
    """Return a failure as the toolbox returns it."""
    return ToolResult(text, is_error=True, code=code, params=params)


def message_of(call: Call, result: ToolResult) -> Message:
    """Return a result as the loop puts it into the history."""
    if not result.is_error:
        return tool_message(call, result.text)
    return tool_message(call, ERROR.format(result.text), {"code": result.code, "params": result.params})


def answer(history: list[Message], tools: list[dict[str, Any]]) -> Reply:
    """Let the model speak once; what it streams is what it replies, and the reply comes last, once."""

    async def collect() -> list[Piece]:
        return [part async for part in MODEL.reply(history, tools)]

    *pieces, last = asyncio.run(collect())
    assert isinstance(last, Reply)
    assert "".join(piece for piece in pieces if isinstance(piece, str)) == last.text
    assert len(pieces) == len([piece for piece in pieces if isinstance(piece, str)])
    assert last.finish == ("tool_calls" if last.calls else "stop")
    return last


def bought(shop: FakeShop) -> tuple[str, list[tuple[int, int]]]:
    """Return for whom and what the only order is."""
    assert len(shop.orders) == 1
    order = shop.orders[0]
    return order["customerName"], sorted((item["productId"], item["quantity"]) for item in order["items"])
