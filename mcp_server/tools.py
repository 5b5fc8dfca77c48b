"""The four tools: their arguments, strict and bounded, and the shop's JSON passed through as it came."""

import hashlib
import uuid
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from mcp.server.mcpserver import (
    AcceptedElicitation,
    AESGCMRequestStateCodec,
    Context,
    Elicit,
    ElicitationResult,
    Resolve,
)
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult, TextContent, ToolAnnotations
from mcp.types.version import is_version_at_least
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from mcp_server.arguments import strict_tool
from mcp_server.rest_client import (
    INVENTORY,
    LOOK_SECONDS,
    ORDERS,
    PRODUCTS,
    PURCHASE,
    Answer,
    Shop,
    ShopError,
)
from models import (
    DEFAULT_LIMIT,
    MAX_ID,
    MAX_LIMIT,
    MAX_NAME,
    MAX_PRICE,
    GroupBy,
    InventoryItem,
    Order,
    Product,
    PurchaseRequest,
    SalesSummary,
    StorableText,
)

LARGEST_RESULT = 200_000  # bytes; more than a model can read, and hosts cut it blindly
LONGEST_KEY = 200
CANNOT_ASK = (
    "没有下单：服务器要求每笔采购都经用户确认（--confirm always），"
    "但这个客户端不能向用户提问（没有 elicitation，或用了 --stateless、--json-response）"
)

Confirm = Literal["never", "auto", "always"]


@dataclass(frozen=True)
class ToolContext:
    """What the tools work with, opened in the server's lifespan."""

    shop: Shop
    confirm: Confirm


Ctx = Context[ToolContext, Any]

_answered: ContextVar[str] = ContextVar("answered")  # the seal of the question that the call answers


class Seals(AESGCMRequestStateCodec):
    """Seals what the SDK notes of a question, for its way to the client and back (2026-07-28).

    There the answer comes as a second call that carries the question. What is sealed is the same for every
    equal question, but a seal is unique: it names the one question that the person has answered. (Before
    2026-07-28 an answer ends the call that waits for it, and cannot come twice.)
    """

    def unseal(self, token: str) -> bytes:
        """Open a seal, and note it for this call."""
        payload = super().unseal(token)
        _answered.set(token)
        return payload


def _one_type(schema: dict[str, Any]) -> None:
    # null is accepted, since models send it, but not advertised: Inspector and some models want one type.
    schema |= schema.pop("anyOf")[0]
    if schema["default"] is None:
        del schema["default"]


def _about(description: str, **bounds: Any) -> Any:
    return Field(description=description, json_schema_extra=_one_type, **bounds)


_Id = Annotated[int, Field(ge=1, le=MAX_ID)]

Query = Annotated[
    StorableText | None, _about("只要名称或描述中含有这段文字的商品；不填则返回全部", max_length=MAX_NAME)
]
MinPrice = Annotated[float | None, _about("最低单价，人民币元，含", ge=0, allow_inf_nan=False)]
MaxPrice = Annotated[
    float | None, _about("最高单价，人民币元，含；用户说了预算时使用", ge=0, allow_inf_nan=False)
]
ProductIds = Annotated[
    list[_Id] | None,
    _about("只要这些商品 ID 的库存，见 get_products；不填则返回全部", max_length=MAX_LIMIT),
]
MaxQuantity = Annotated[
    int | None, _about("只要库存不超过这个件数的商品，用于找出需要补货的", ge=0, le=MAX_ID)
]
CustomerName = Annotated[
    StorableText | None, _about("只要这位客户的订单，姓名须完全一致", max_length=MAX_NAME)
]
ProductId = Annotated[
    int | None,
    _about("只要含有这个商品 ID 的订单；与 groupBy 同用时只汇总这个商品", ge=1, le=MAX_ID),
]
_MOMENT = "ISO 8601 日期或时间，如 2026-11-01 或 2026-11-01T08:00:00+08:00，不带时区按 UTC"
Since = Annotated[StorableText | None, _about(f"不早于此时，{_MOMENT}", max_length=40)]
Until = Annotated[StorableText | None, _about(f"不晚于此时，{_MOMENT}；只有日期则含当天", max_length=40)]
Grouping = Annotated[
    GroupBy | None,
    _about("不列订单，而按商品、客户或日期（UTC）汇总订单数、件数和金额；分析销售时使用"),
]
Limit = Annotated[
    int | None,
    _about(f"最多返回多少条，1 到 {MAX_LIMIT}；恰好返回这么多条时，可能还有更多", ge=1, le=MAX_LIMIT),
]
Offset = Annotated[int | None, _about("跳过前面多少条，与 limit 一起翻页", ge=0, le=MAX_ID)]


class PurchaseInput(PurchaseRequest):
    """A purchase as the model asks for it."""

    model_config = ConfigDict(
        json_schema_extra={"required": ["customerName", "items"], "description": "一笔采购"}
    )

    idempotencyKey: Annotated[
        StorableText | None,
        _about(
            "可选。重试同一笔购买时填与上次相同的值，就不会重复下单；新的购买不要沿用旧值",
            min_length=1,
            max_length=LONGEST_KEY,
        ),
    ] = None


class _Listed(BaseModel):
    note: Annotated[str | None, _about("只在结果被截断时有：如何取得其余部分")] = None


class Products(_Listed):
    """Products, by id."""

    result: list[Product]


class Inventory(_Listed):
    """Stock, by product id."""

    result: list[InventoryItem]


class Orders(_Listed):
    """Orders, newest first, or with groupBy what they sum up to."""

    result: list[Order] | list[SalesSummary]


class Agreement(BaseModel):
    """An empty form: accepting it is the answer."""


async def get_products(
    ctx: Ctx,
    *,
    query: Query = None,
    minPrice: MinPrice = None,
    maxPrice: MaxPrice = None,
    limit: Limit = DEFAULT_LIMIT,
    offset: Offset = 0,
) -> Annotated[CallToolResult, Products]:
    """获取所有产品列表。

    每个产品有 id、name、price（人民币元）和 description，按 id 排列。可按文字和价格筛选；
    推荐商品、查价格或需要商品 ID 时先用它。库存另见 get_inventory。
    """
    if minPrice is not None and minPrice > MAX_PRICE:
        return listed(Answer(b"[]", [], {}), offset)
    # Models write 99999999 where they mean no limit.
    highest = None if maxPrice is not None and maxPrice > MAX_PRICE else maxPrice
    wanted = {"query": query, "minPrice": minPrice, "maxPrice": highest, "limit": limit, "offset": offset}
    return listed(await _shop(ctx).get(PRODUCTS, "/products", wanted), offset)


async def get_inventory(
    ctx: Ctx,
    *,
    productIds: ProductIds = None,
    maxQuantity: MaxQuantity = None,
    limit: Limit = DEFAULT_LIMIT,
    offset: Offset = 0,
) -> Annotated[CallToolResult, Inventory]:
    """获取库存列表，包含产品详细信息。

    quantity 是现在可卖的件数。问“还有多少”“有没有货”或下单之前用它；maxQuantity 可找出快卖完的商品。
    """
    wanted = {"productId": productIds, "maxQuantity": maxQuantity, "limit": limit, "offset": offset}
    return listed(await _shop(ctx).get(INVENTORY, "/inventory", wanted), offset)


async def get_orders(
    ctx: Ctx,
    *,
    customerName: CustomerName = None,
    productId: ProductId = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = DEFAULT_LIMIT,
    offset: Offset = 0,
    groupBy: Grouping = None,
) -> Annotated[CallToolResult, Orders]:
    """获取订单列表，按日期降序排序。

    每个订单有 id、customerName、items、totalAmount（人民币元）和 orderDate（UTC）。
    要合计、排名或趋势时填 groupBy，由数据库汇总为 key、label、
    orders（订单数）、quantity（件数）、amount（人民币元），不要自己逐单相加。
    """
    wanted = {
        "customerName": customerName,
        "productId": productId,
        "since": since,
        "until": until,
        "limit": limit,
        "offset": offset,
        "groupBy": groupBy,
    }
    path = "/orders/summary" if groupBy else "/orders"
    return listed(await _shop(ctx).get(ORDERS, path, wanted), offset)


async def ask_buyer(input_data: PurchaseInput, ctx: Ctx) -> Elicit[Agreement] | None:
    """Ask the person before buying, where the client can be asked; names and prices come from the shop.

    An order that the service refuses anyway, for want of a name or of lines, is not asked about.
    """
    confirm = ctx.request_context.lifespan_context.confirm
    if confirm == "never" or not input_data.customerName.strip() or not input_data.items:
        return None
    if not _can_be_asked(ctx):
        if confirm == "always":
            raise ToolError(CANNOT_ASK)
        return None
    await ctx.report_progress(1, 3, "核对商品和价格")
    return Elicit(await _question(_shop(ctx), input_data), Agreement)


async def create_purchase(
    input_data: PurchaseInput, ctx: Ctx, agreed: Annotated[ElicitationResult[Agreement], Resolve(ask_buyer)]
) -> Annotated[CallToolResult, Order]:
    """创建新的采购订单。

    会立即占用库存，不能撤销，所以先用 get_products 或 get_inventory 核对商品 ID 和库存，
    再按用户说定的数量购买。
    返回订单号 id、totalAmount（人民币元，由服务器计算）和 orderDate（UTC）。客户端支持时，会先请用户确认。
    """
    if not isinstance(agreed, AcceptedElicitation):
        said = "拒绝" if agreed.action == "decline" else "取消"
        raise ToolError(f"没有下单：用户{said}了这笔采购。请不要自行重试，先问清用户的意思")
    question = _answered.get() if ctx.request_state is not None else None
    key = purchase_key(ctx.request_context.meta, input_data, question)
    await ctx.report_progress(2, 3, "提交订单")
    body = to_json({"customerName": input_data.customerName, "items": input_data.items})
    answer = await _shop(ctx).buy(body, key)
    await ctx.report_progress(3, 3, f"订单 {answer.data.get('id')} 已创建")
    replayed = {"idempotent-replayed": True} if "idempotent-replayed" in answer.headers else None
    text = TextContent(type="text", text=answer.body.decode())
    return CallToolResult(content=[text], structured_content=answer.data, meta=replayed)


def _shop(ctx: Ctx) -> Shop:
    return ctx.request_context.lifespan_context.shop


def _can_be_asked(ctx: Ctx) -> bool:
    able = ctx.client_capabilities and ctx.client_capabilities.elicitation
    if not able or (able.form is None and able.url is not None):
        return False
    # 2026-07-28 asks in its answer; before that there must be a way back to the client within the call.
    modern = is_version_at_least(ctx.protocol_version or "", "2026-07-28")
    return modern or ctx.session.can_send_request


async def _question(shop: Shop, purchase: PurchaseInput) -> str:
    """Return what the person is asked, with names and total as the shop knows them. Raises ShopError."""
    wanted: dict[int, int] = {}
    for line in purchase.items:
        wanted[line.productId] = wanted.get(line.productId, 0) + line.quantity
    answer = await shop.get(
        PURCHASE, "/inventory", {"productId": list(wanted), "limit": MAX_LIMIT}, LOOK_SECONDS
    )
    known = {item["productId"]: item["product"] for item in answer.data if item.get("product")}
    for product_id in wanted:
        if product_id not in known:
            raise ShopError(f"{PURCHASE.refused} (404): 商品ID {product_id} 不存在")
    lines = "、".join(f"{count} × {known[product_id]['name']}" for product_id, count in wanted.items())
    cents = sum(round(known[product_id]["price"] * 100) * count for product_id, count in wanted.items())
    return f"确认购买 {lines}，合计 ¥{cents // 100}.{cents % 100:02}？"


def purchase_key(meta: Any, purchase: PurchaseInput, question: str | None) -> str:
    """Return the key under which this purchase happens at most once.

    The host's `_meta["idempotency-key"]`, else the model's, else one for the question that the person has
    answered, which a host sends again when it missed the result, else one for this call alone. Raises
    ToolError when the host's is no usable text: to drop it silently would allow the purchase twice.
    """
    key = (meta or {}).get("idempotency-key")
    if key is None:
        key = purchase.idempotencyKey or (_digest(question) if question else uuid.uuid4().hex)
    if not isinstance(key, str) or not 0 < len(key) <= LONGEST_KEY:
        raise ToolError(f'参数错误：_meta["idempotency-key"] 应为 1 到 {LONGEST_KEY} 个字符的文字')
    if key.isascii() and key.isprintable() and " " not in key:
        return key
    # A header carries visible ASCII only, and a model may well write its key in Chinese.
    return _digest(key)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def listed(answer: Answer, offset: int | None) -> CallToolResult:
    """Pass a list on as it came; above `LARGEST_RESULT` it is cut at an element, with a note."""
    items = answer.data
    if len(answer.body) <= LARGEST_RESULT:
        text = TextContent(type="text", text=answer.body.decode())
        return CallToolResult(content=[text], structured_content={"result": items})
    shown = _fitting(items)
    start, end = (offset or 0) + 1, (offset or 0) + len(shown)
    note = f"结果太大，只返回了第 {start} 到 {end} 条，其余的请用 offset={end} 再取"
    texts = (to_json(shown).decode(), note)
    return CallToolResult(
        content=[TextContent(type="text", text=text) for text in texts],
        structured_content={"result": shown, "note": note},
    )


def _fitting(items: list[Any]) -> list[Any]:
    """Return as many of the first elements as fit into `LARGEST_RESULT`, and at least one."""
    size = 0
    for count, item in enumerate(items):
        size += len(to_json(item)) + 1
        if size > LARGEST_RESULT and count:
            return items[:count]
    return items


_READS = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
# An order cannot be undone, which is what a host wants to know before it runs a tool unasked.
_WRITES = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=False
)


def all_tools() -> list[Tool]:
    """Return the four tools."""
    return [
        strict_tool(get_products, "获取产品列表", _READS),
        strict_tool(get_inventory, "获取库存列表", _READS),
        strict_tool(get_orders, "获取订单列表", _READS),
        # Tells a client that the call may be sent again under the same `_meta["idempotency-key"]`.
        strict_tool(create_purchase, "创建采购订单", _WRITES, {"idempotency-key": True}),
    ]
