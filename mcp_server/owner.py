"""The owner's tools: stock, products, cancellations. Each is asked about first, with the shop's numbers."""

# ruff: noqa: ARG001  arguments of a tool that its resolvers take by name

from decimal import Decimal
from typing import Annotated, Any

from mcp.server.mcpserver import Elicit, ElicitationResult, Resolve
from mcp.types import CallToolResult, ToolAnnotations
from pydantic import AfterValidator, Field, TypeAdapter, WithJsonSchema
from pydantic_core import to_json

from mcp_server import sentences
from mcp_server.arguments import StrictTool, optional, strict_tool
from mcp_server.asking import (
    Agreement,
    KeyOfModel,
    ToolCall,
    ask_owner,
    call_key,
    check_agreed,
    key_of_caller,
    lines_shown,
    rest_of,
    stocked,
    wanted_stock,
)
from mcp_server.rest_client import (
    AN_ORDER,
    RestAnswer,
    RestError,
    ShopRefusedError,
    UnknownOutcomeError,
)
from mcp_server.results import HONOURS_KEY, once_result
from models import (
    MAX_ID,
    MAX_PRICE,
    MAX_QUANTITY,
    MAX_STOCK,
    ExactPrice,
    InventoryItem,
    Keywords,
    Move,
    Order,
    Product,
    ProductDescription,
    ProductName,
    Reason,
)
from serving.errors import CodedError

A_MOVE, A_PRODUCT = TypeAdapter(Move), TypeAdapter(Product)


def _not_zero(change: int) -> int:
    if change == 0:
        raise ValueError("must not be 0")
    return change


ProductId = Annotated[int, Field(ge=1, le=MAX_ID, description="商品 ID，见 get_products")]
OrderId = Annotated[int, Field(ge=1, le=MAX_ID, description="订单号，见 get_orders")]
Change = Annotated[
    int,
    Field(ge=-MAX_QUANTITY, le=MAX_QUANTITY, description="库存变化，件；正数为到货，负数为更正，不能是 0"),
    AfterValidator(_not_zero),
]
Why = Annotated[Reason | None, optional("可选。原因，记在库存流水里")]
KnownId = Annotated[
    Annotated[int, Field(ge=1, le=MAX_ID)] | None,
    optional("要修改的商品 ID，见 get_products；新增商品时不填"),
]
Name = Annotated[ProductName | None, optional("商品名称；新增时必填")]
# Without `multipleOf`, which hosts compute in binary, where 19.99 is no multiple of 0.01.
_YUAN = {"type": "number", "minimum": 0, "maximum": MAX_PRICE}
Price = Annotated[
    ExactPrice | None, WithJsonSchema(_YUAN), optional("单价，人民币元，最多两位小数；新增时必填")
]
Description = Annotated[ProductDescription | None, optional("商品描述")]
Words = Annotated[Keywords | None, optional("顾客会用来找它的其他说法，不显示；填了就替换原来的")]
Opening = Annotated[
    Annotated[int, Field(ge=0, le=MAX_STOCK)] | None,
    optional("新商品的初始库存，件；已有商品的库存用 restock 改变"),
]


def _why(reason: str | None) -> str:
    return sentences.WHY.format(reason=reason) if reason else ""


async def ask_restock(
    productId: int, change: int, reason: str | None, idempotencyKey: str | None, ctx: ToolCall
) -> Elicit[Agreement] | None:
    """Ask before a stock changes, from what to what."""

    async def question() -> str | None:
        item = (await stocked(rest_of(ctx), "restock", [productId])).get(productId)
        if item is None:
            raise ShopRefusedError(
                "restock",
                404,
                sentences.UNKNOWN_PRODUCT.format(productId=productId),
                "unknown_product",
                productId=productId,
            )
        name, now = item["product"]["name"], item["quantity"]
        if now + change < 0:
            if key_of_caller(ctx, idempotencyKey):
                return None  # it may be done already: the shop knows
            detail = sentences.OUT_OF_STOCK.format(name=name, available=now)
            at_hand = {"productId": productId, "name": name, "available": now}
            raise ShopRefusedError("restock", 400, detail, "out_of_stock", **at_hand)
        what = sentences.DELIVERY if change > 0 else sentences.CORRECTION
        return sentences.RESTOCK_QUESTION.format(
            what=what, name=name, id=productId, change=change, now=now, after=now + change, why=_why(reason)
        )

    return await ask_owner(ctx, question)


async def restock(
    productId: ProductId,
    change: Change,
    ctx: ToolCall,
    agreed: Annotated[ElicitationResult[Agreement], Resolve(ask_restock)],
    *,
    reason: Why = None,
    idempotencyKey: KeyOfModel = None,
) -> Annotated[CallToolResult, InventoryItem]:
    """记录到货，或更正库存。

    change 为正数是到货，为负数是更正（盘亏、损坏）；每次变化都记在库存流水里。返回现在的库存。
    结果不明时，只能用失败信息里的 idempotencyKey、同样的内容再试，这样不会记两次。
    """
    check_agreed(agreed)
    key, rest = call_key(ctx, idempotencyKey), rest_of(ctx)
    move = {"change": change, "reason": reason or ""}
    moved = await rest.write("restock", ("POST", f"/inventory/{productId}/moves", move), key, A_MOVE)
    try:
        item = (await stocked(rest, "restock", [productId]))[productId]
    except RestError as error:  # it is done, and the key finds it
        raise UnknownOutcomeError(error, key) from error
    return once_result(RestAnswer(to_json(item), item, moved.replayed), sentences.MOVED_BEFORE)


def given_fields(
    *,
    productId: int | None,
    name: str | None,
    price: Decimal | None,
    description: str | None,
    keywords: list[str] | None,
    quantity: int | None,
) -> dict[str, Any]:
    """Return what is given of a product. Raises CodedError where that makes no product, or no change."""
    fields: dict[str, Any] = {"name": name, "description": description, "keywords": keywords}
    fields |= {"price": None if price is None else float(price), "quantity": quantity}
    given = {field: value for field, value in fields.items() if value is not None}
    problem = None
    if productId is None and not {"name", "price"} <= given.keys():
        problem = ("price" if name else "name", sentences.NEEDS_NAME_AND_PRICE)
    elif productId is not None and quantity is not None:
        problem = ("quantity", sentences.ONLY_BY_RESTOCK)
    elif not given:
        problem = ("", sentences.NOTHING_GIVEN)
    if problem:
        problems = [{"field": problem[0], "message": problem[1]}]
        raise CodedError("invalid_arguments", problems=problems, omitted=0)
    return given


Given = Annotated[dict[str, Any], Resolve(given_fields)]


def _told(given: dict[str, Any], words: dict[str, str], known: dict[str, Any]) -> str:
    """Say what a product becomes: the fields of `words` that are given, and not so already."""
    shown = given | ({"keywords": "、".join(given["keywords"]) or "-"} if "keywords" in given else {})
    return "，".join(
        text.format(old=known.get(field), new=shown[field])
        for field, text in words.items()
        if field in shown and shown[field] != known.get(field)
    )


async def ask_change(ctx: ToolCall, productId: int | None, given: Given) -> Elicit[Agreement] | None:
    """Ask before a product is created, or changed from what to what."""

    async def question() -> str | None:
        if productId is None:
            return sentences.CREATE_QUESTION.format(told=_told({"quantity": 0} | given, sentences.NEW, {}))
        path, rest = f"/products/{productId}", rest_of(ctx)
        known = (await rest.get("change_product", path, {}, rest.limits.look_seconds, A_PRODUCT)).data
        told = _told(given, sentences.CHANGES, known)
        about = {"name": known["name"], "id": productId, "told": told}
        return sentences.CHANGE_QUESTION.format_map(about) if told else None

    return await ask_owner(ctx, question)


async def change_product(
    ctx: ToolCall,
    given: Given,
    agreed: Annotated[ElicitationResult[Agreement], Resolve(ask_change)],
    *,
    productId: KnownId = None,
    name: Name = None,
    price: Price = None,
    description: Description = None,
    keywords: Words = None,
    quantity: Opening = None,
    idempotencyKey: KeyOfModel = None,
) -> Annotated[CallToolResult, Product]:
    """修改商品，或新增商品。

    有 productId 时只修改填了的几项，没有填的不变；没有 productId 时新增，商品 ID 由商店给出。
    返回商品现在的样子。
    结果不明时，只能用失败信息里的 idempotencyKey、同样的内容再试，这样不会做两次。
    """
    check_agreed(agreed)
    key = call_key(ctx, idempotencyKey)
    request = (
        ("POST", "/products", given) if productId is None else ("PATCH", f"/products/{productId}", given)
    )
    return once_result(
        await rest_of(ctx).write("change_product", request, key, A_PRODUCT), sentences.CHANGED_BEFORE
    )


async def ask_cancel(orderId: int, reason: str | None, ctx: ToolCall) -> Elicit[Agreement] | None:
    """Ask before an order is cancelled, unless it is already."""

    async def question() -> str | None:
        rest = rest_of(ctx)
        look = rest.limits.look_seconds
        order = Order.model_validate(
            (await rest.get("cancel_order", f"/orders/{orderId}", {}, look, AN_ORDER)).data
        )
        if order.status == "cancelled":
            return None
        wanted = wanted_stock(order.items)
        lines = lines_shown(wanted, await stocked(rest, "cancel_order", wanted))
        return sentences.CANCEL_QUESTION.format(
            id=orderId, customer=order.customerName, lines=lines, total=order.totalAmount, why=_why(reason)
        )

    return await ask_owner(ctx, question)


async def cancel_order(
    orderId: OrderId,
    ctx: ToolCall,
    agreed: Annotated[ElicitationResult[Agreement], Resolve(ask_cancel)],
    *,
    reason: Why = None,
    idempotencyKey: KeyOfModel = None,
) -> Annotated[CallToolResult, Order]:
    """取消订单。

    库存会退回；取消后的订单仍在列表里，status 为 cancelled，不再计入销售汇总。取消不能撤销。返回这笔订单。
    """
    check_agreed(agreed)
    request = ("POST", f"/orders/{orderId}/cancel", {"reason": reason or ""})
    cancelled = await rest_of(ctx).write("cancel_order", request, call_key(ctx, idempotencyKey))
    return once_result(cancelled, sentences.CANCELLED_BEFORE)


def _writes(*, destructive: bool, idempotent: bool) -> ToolAnnotations:
    return ToolAnnotations(
        read_only_hint=False, destructive_hint=destructive, idempotent_hint=idempotent, open_world_hint=False
    )


def owner_tools() -> list[StrictTool]:
    """Make the tools that only the owner's server has."""
    adds, changes = _writes(destructive=False, idempotent=False), _writes(destructive=True, idempotent=False)
    cancels = _writes(destructive=True, idempotent=True)
    return [
        strict_tool(restock, "到货或更正库存", adds, HONOURS_KEY),
        strict_tool(change_product, "新增或修改商品", changes, HONOURS_KEY),
        strict_tool(cancel_order, "取消订单", cancels, HONOURS_KEY),
    ]
