"""A shop in memory behind the four tools, and a loop that lets the demo model talk with it."""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest

from assistant.chat.history import Message
from assistant.chat.interfaces import Reply
from assistant.demo.model import DemoModel

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
    "get_orders": ("customerName", "productId", "since", "until", "limit", "offset", "groupBy"),
    "create_purchase": ("input_data",),
}


def offer(name: str, arguments: tuple[str, ...], required: tuple[str, ...] = ()) -> dict[str, Any]:
    schema = {"type": "object", "properties": {name: {} for name in arguments}, "required": list(required)}
    return {"type": "function", "function": {"name": name, "description": "", "parameters": schema}}


def offered(server: str = "product-mcp", without: str = "") -> list[dict[str, Any]]:
    return [
        offer(f"{server}_{tool}", arguments, ("input_data",) if tool == "create_purchase" else ())
        for tool, arguments in ARGUMENTS.items()
        if tool != without
    ]


@dataclass
class FakeShop:
    """The shop behind the tools: rows in dicts, and a conversation with the model."""

    rows: list[tuple[int, str, float, str, int]] = field(default_factory=lambda: list(CATALOGUE))
    tools: list[dict[str, Any]] = field(default_factory=offered)
    override: dict[str, str] = field(default_factory=dict)
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
        call_id = f"call_{len(self.history)}_{len(tool_calls)}"
        function = {"name": name, "arguments": arguments}
        tool_calls.append({"id": call_id, "type": "function", "function": function})
        tool = next(tool for tool in ARGUMENTS if name.endswith(tool))
        self.calls.append((tool, json.loads(arguments)))
        text = self.override.get(tool) or getattr(self, tool)(**json.loads(arguments))
        content = f'<tool_result tool="{name}">\n{text}\n</tool_result>'
        self.history.append({"role": "tool", "tool_call_id": call_id, "content": content})

    def get_products(
        self, query: str = "", minPrice: float = 0, maxPrice: float = 1e9, limit: int = 100, offset: int = 0
    ) -> str:
        found = [
            p
            for p in self.products
            if query.lower() in f"{p['name']} {p['description']}".lower()
            and minPrice <= p["price"] <= maxPrice
        ]
        return dump(found[offset : offset + limit])

    def get_inventory(
        self, productIds: list[int] | None = None, maxQuantity: int = 10**9, limit: int = 100, offset: int = 0
    ) -> str:
        found = [
            {"productId": p["id"], "quantity": self.stock[p["id"]], "product": p}
            for p in self.products
            if (not productIds or p["id"] in productIds) and self.stock[p["id"]] <= maxQuantity
        ]
        return dump(found[offset : offset + limit])

    def create_purchase(self, input_data: dict[str, Any]) -> str:
        prices = {p["id"]: p for p in self.products}
        for item in input_data["items"]:
            if item["productId"] not in prices:
                return f"错误: 创建采购订单失败 (404): 商品ID {item['productId']} 不存在"
            if self.stock[item["productId"]] < item["quantity"]:
                name, left = prices[item["productId"]]["name"], self.stock[item["productId"]]
                return f"错误: 创建采购订单失败 (400): 商品 {name} 库存不足. 可用: {left}"
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

    def get_orders(self, groupBy: str = "", customerName: str = "", productId: int = 0, **_: Any) -> str:
        kept = [
            order
            for order in self.orders
            if (not customerName or order["customerName"] == customerName)
            and (not productId or productId in [item["productId"] for item in order["items"]])
        ]
        if not groupBy:
            return dump(kept)
        rows: dict[str, dict[str, Any]] = {}
        for order in kept:
            for item in order["items"]:
                product = next(p for p in self.products if p["id"] == item["productId"])
                key, label = {
                    "product": (str(product["id"]), product["name"]),
                    "customer": (order["customerName"],) * 2,
                    "day": (order["orderDate"][:10],) * 2,
                }[groupBy]
                row = rows.setdefault(
                    key,
                    {"key": key, "label": label, "orders": 0, "quantity": 0, "amount": 0.0, "seen": set()},
                )
                row["quantity"] += item["quantity"]
                row["amount"] += item["quantity"] * product["price"]
                row["seen"].add(order["id"])
        return dump([row | {"orders": len(row.pop("seen"))} for row in rows.values()])


def dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def answer(history: list[Message], tools: list[dict[str, Any]]) -> Reply:
    """Let the model speak once; what it streams is what it replies, and the reply comes last, once."""

    async def collect() -> list[str | Reply]:
        model = DemoModel(today=lambda: date(2026, 11, 21))
        return [part async for part in model.reply(history, tools)]

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
