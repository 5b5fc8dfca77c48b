"""Tool results: the shop's JSON unchanged, as one text block and as structured content."""

from datetime import UTC, datetime, tzinfo
from typing import Annotated, Any

from mcp.types import CallToolResult, TextContent
from pydantic import BaseModel
from pydantic_core import to_json

from mcp_server import sentences
from mcp_server.arguments import optional
from mcp_server.rest_client import RestAnswer
from models import InventoryItem, Order, Product, SalesSummary

# In a tool's `_meta`: a call may be sent again under the same `_meta["idempotency-key"]`. The names differ:
# some clients copy what a tool declares into each of its calls.
HONOURS_KEY = {"product-mcp/honours-key": True}
REPLAYED_KEY = "product-mcp/replayed"  # in a result's `_meta`: an earlier call has done it
MAX_RESULT_BYTES = 200_000  # above it hosts cut a result at any character


class _Listed(BaseModel):
    note: Annotated[str | None, optional("只在结果被截断或没有找到时有：如何取得其余或全部")] = None


class Products(_Listed):
    """Products, by id."""

    result: list[Product]


class Inventory(_Listed):
    """Stock, by product id."""

    result: list[InventoryItem]


class Orders(_Listed):
    """Orders, newest first, or with groupBy what they sum up to."""

    result: list[Order] | list[SalesSummary]


def list_result(answer: RestAnswer, offset: int | None, none_found: str | None = None) -> CallToolResult:
    """Pass a list on, an empty one with the note `none_found`; a long one is cut, which its note says."""
    items = answer.data
    if len(answer.body) <= MAX_RESULT_BYTES and (items or not none_found):
        return CallToolResult(content=[_text(answer.body)], structured_content={"result": items})
    shown = fitting(items, MAX_RESULT_BYTES)
    start, end = (offset or 0) + 1, (offset or 0) + len(shown)
    note = sentences.CUT.format(start=start, end=end) if items else none_found
    content = [_text(to_json(shown)), TextContent(type="text", text=note)]
    return CallToolResult(content=[*content], structured_content={"result": shown, "note": note})


def once_result(answer: RestAnswer, found: str) -> CallToolResult:
    """Pass on what was written. Found by its key, it says so in `_meta`, and by `found` in a second block."""
    if not answer.replayed:
        return CallToolResult(content=[_text(answer.body)], structured_content=answer.data)
    content = [_text(answer.body), TextContent(type="text", text=found)]
    return CallToolResult(content=[*content], structured_content=answer.data, meta={REPLAYED_KEY: True})


def found_order(order: dict[str, Any], zone: tzinfo | None) -> str:
    """Return the sentence that an order was found, and placed when."""
    found = sentences.FOUND_CANCELLED if order.get("status") == "cancelled" else sentences.FOUND
    return found.format(id=order["id"], at=_local_time(order["orderDate"], zone))


def _local_time(moment: str, zone: tzinfo | None) -> str:
    """Return a moment on the shop's clock, with its day unless that is today."""
    try:
        at = datetime.fromisoformat(moment).astimezone(zone)
    except ValueError:
        return moment
    return f"{at:%H:%M}" if at.date() == datetime.now(UTC).astimezone(zone).date() else f"{at:%Y-%m-%d %H:%M}"


def _text(json: bytes) -> TextContent:
    return TextContent(type="text", text=json.decode())


def fitting(items: list[Any], max_bytes: int) -> list[Any]:
    """Return as many of the first elements as fit into so many bytes of JSON, and at least one."""
    size = 0
    for count, item in enumerate(items):
        size += len(to_json(item)) + 1
        if size > max_bytes and count:
            return items[:count]
    return items
