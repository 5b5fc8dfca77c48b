"""The owner's tools: stock, products, cancellations. Each is asked about first, with the shop's numbers."""
# ruff: noqa: ARG001  arguments of a tool that its resolvers take by name

from decimal import Decimal
from typing import Annotated, Any

from mcp.server.mcpserver import Elicit, ElicitationResult, Resolve
from mcp.types import CallToolResult
from pydantic import AfterValidator, Field, WithJsonSchema
from pydantic_core import to_json

import models
from mcp_server import asking, rest_client, sentences
from mcp_server.arguments import StrictTool, hints, optional, strict_tool
from mcp_server.asking import Agreement, KeyOfModel, ToolCall, rest_of
from mcp_server.results import HONOURS_KEY, once_result
from mcp_server.sentences import Wording, wording
from models import InventoryItem, Order, Product
from serving.errors import CodedError


def _not_zero(change: int) -> int:
    if change == 0:
        raise ValueError("must not be 0")
    return change


Id = Annotated[int, Field(ge=1, le=models.MAX_ID)]
ProductId = Annotated[Id, Field(description="商品 ID，见 get_products")]
OrderId = Annotated[Id, Field(description="订单号，见 get_orders")]
Change = Annotated[
    int,
    Field(ge=-models.MAX_QUANTITY, le=models.MAX_QUANTITY),
    Field(description="库存变化，件；正数为到货，负数为更正，不能是 0"),
    AfterValidator(_not_zero),
]
Why = Annotated[models.Reason | None, optional("可选。原因，记在库存流水里")]
KnownId = Annotated[Id | None, optional("要修改的商品 ID，见 get_products；新增商品时不填")]
Name = Annotated[models.ProductName | None, optional("商品名称；新增时必填")]
# Without `multipleOf`, which hosts compute in binary, where 19.99 is no multiple of 0.01.
_YUAN = WithJsonSchema({"type": "number", "minimum": 0, "maximum": models.MAX_PRICE})
Price = Annotated[models.ExactPrice | None, _YUAN, optional("单价，人民币元，最多两位小数；新增时必填")]
About = Annotated[models.ProductDescription | None, optional("商品描述")]
NoAbout = Annotated[bool | None, optional("填 true 就清空描述")]  # a blank text is one that is not given
Words = Annotated[models.Keywords | None, optional("顾客会用来找它的其他说法，不显示；填了就替换原来的")]
Stock = Annotated[int, Field(ge=0, le=models.MAX_STOCK)]
Opening = Annotated[Stock | None, optional("新商品的初始库存，件；已有商品的库存用 restock 改变")]


def _quotable(text: str) -> str:
    """Return others' words so that, within quotation marks, they cannot pass for the question's own."""
    seen = "".join(char if char.isprintable() else "�" for char in " ".join(text.split()))
    return seen.translate({ord("“"): '"', ord("”"): '"'})


def _why(reason: str | None) -> Wording | str:
    return wording("why", reason=_quotable(reason)) if reason else ""


def _refused(status: int, sentence: str, code: str, **params: Any) -> rest_client.ShopRefusedError:
    """Return the refusal that the shop would answer with: what it cannot do is not asked about."""
    return rest_client.ShopRefusedError("restock", status, sentence.format_map(params), code, **params)


async def _item(rest: rest_client.RestClient, product_id: int) -> dict[str, Any]:
    items = await rest.look("restock", "/inventory", productId=product_id)
    if not items:
        raise _refused(404, sentences.UNKNOWN_PRODUCT, "unknown_product", productId=product_id)
    item: dict[str, Any] = items[0]
    return item


async def ask_restock(
    productId: int, change: int, reason: str | None, idempotencyKey: str | None, ctx: ToolCall
) -> Elicit[Agreement] | None:
    """Ask before a stock changes, from what to what."""

    async def question() -> Wording | None:
        item = await _item(rest_of(ctx), productId)
        now, name = item["quantity"], item["product"]["name"]
        if now + change < 0:
            if asking.key_of_caller(ctx, idempotencyKey):
                return None  # it may be done already: the shop knows
            known = {"productId": productId, "name": name, "available": now}
            raise _refused(400, sentences.OUT_OF_STOCK, "out_of_stock", **known)
        numbers = {"change": change, "before": now, "after": now + change}
        kind = "deliver" if change > 0 else "correct"
        return wording(kind, name=name, id=productId, why=_why(reason), **numbers)

    return await asking.ask_owner(ctx, question)


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
    asking.check_agreed(agreed)
    key, rest = asking.call_key(ctx, idempotencyKey), rest_of(ctx)
    move = {"change": change, "reason": reason or ""}
    moved = await rest.write(
        "restock", ("POST", f"/inventory/{productId}/moves", move), key, rest_client.A_MOVE
    )
    try:
        item = await _item(rest, productId)
    except rest_client.RestError as error:  # it is done, and the key finds it
        raise rest_client.UnknownOutcomeError(error, key) from error
    return once_result(rest_client.RestAnswer(to_json(item), item, moved.replayed), sentences.MOVED_BEFORE)


def given_fields(
    *,
    productId: int | None,
    name: str | None,
    price: Decimal | None,
    description: str | None,
    clearDescription: bool | None,
    keywords: list[str] | None,
    quantity: int | None,
) -> dict[str, Any]:
    """Return what is given of a product. Raises CodedError where that makes no product, or no change."""
    about = "" if clearDescription and description is None else description
    fields: dict[str, Any] = {"name": name, "description": about, "keywords": keywords}
    fields |= {"price": None if price is None else float(price), "quantity": quantity}
    given = {field: value for field, value in fields.items() if value is not None}
    wrong = None
    if productId is None and not {"name", "price"} <= given.keys():
        wrong = ("price" if name else "name", sentences.NEEDS_NAME_AND_PRICE)
    elif productId is not None and quantity is not None:
        wrong = ("quantity", sentences.ONLY_BY_RESTOCK)
    elif clearDescription and description is not None:
        wrong = ("clearDescription", sentences.CLEARED_OR_GIVEN)
    elif not given:
        wrong = ("", sentences.NOTHING_GIVEN)
    if wrong:
        problem = {"field": wrong[0], "message": wrong[1]}
        raise CodedError("invalid_arguments", problems=[problem], omitted=0)
    return given


Given = Annotated[dict[str, Any], Resolve(given_fields)]


NEW = {field: f"new_{field}" for field in ("name", "price", "quantity", "description", "keywords")}
CHANGES = {field: field for field in ("name", "price", "description", "keywords")}


def _told(given: dict[str, Any], codes: dict[str, str], known: dict[str, Any]) -> list[Wording]:
    """Say what a product becomes: the fields of `codes` that are given, and not so already."""
    changes = {field: value for field, value in given.items() if value != known.get(field)}

    def shown(value: Any) -> Any:
        if isinstance(value, list):
            return [wording("word", word=_quotable(word)) for word in value] or "-"
        return _quotable(value) if isinstance(value, str) else value

    unit = {"price": "Yuan"}
    return [
        wording(
            code,
            **{
                f"{when}{unit.get(field, '')}": shown(of.get(field))
                for when, of in (("old", known), ("new", changes))
            },
        )
        for field, code in codes.items()
        if field in changes
    ]


async def ask_change(ctx: ToolCall, productId: int | None, given: Given) -> Elicit[Agreement] | None:
    """Ask before a product is created, or changed from what to what."""

    async def question() -> Wording | None:
        if productId is None:
            return wording("create", told=_told({"quantity": 0} | given, NEW, {}))
        path = f"/products/{productId}"
        known = await rest_of(ctx).look("change_product", path, rest_client.A_PRODUCT)
        told = _told(given, CHANGES, known)
        return wording("change", name=known["name"], id=productId, told=told) if told else None

    return await asking.ask_owner(ctx, question)


async def change_product(
    ctx: ToolCall,
    given: Given,
    agreed: Annotated[ElicitationResult[Agreement], Resolve(ask_change)],
    *,
    productId: KnownId = None,
    name: Name = None,
    price: Price = None,
    description: About = None,
    clearDescription: NoAbout = None,
    keywords: Words = None,
    quantity: Opening = None,
    idempotencyKey: KeyOfModel = None,
) -> Annotated[CallToolResult, Product]:
    """修改商品，或新增商品。

    有 productId 时只修改填了的几项，没有填的不变；没有 productId 时新增，商品 ID 由商店给出。
    返回商品现在的样子。
    结果不明时，只能用失败信息里的 idempotencyKey、同样的内容再试，这样不会做两次。
    """
    asking.check_agreed(agreed)
    request: rest_client.Write = ("POST", "/products", given)
    if productId:
        request = ("PATCH", f"/products/{productId}", given)
    key = asking.call_key(ctx, idempotencyKey)
    changed = await rest_of(ctx).write("change_product", request, key, rest_client.A_PRODUCT)
    return once_result(changed, sentences.CHANGED_BEFORE)


async def ask_cancel(orderId: int, reason: str | None, ctx: ToolCall) -> Elicit[Agreement] | None:
    """Ask before an order is cancelled, unless it is already."""

    async def question() -> Wording | None:
        rest, path = rest_of(ctx), f"/orders/{orderId}"
        order = Order.model_validate(await rest.look("cancel_order", path, rest_client.AN_ORDER))
        if order.status == "cancelled":
            return None
        lines = (await asking.looked_up(rest, "cancel_order", order.items))[2]
        about = {"customer": _quotable(order.customerName), "lines": lines, "yuan": order.totalAmount}
        return wording("cancel", id=orderId, why=_why(reason), **about)

    return await asking.ask_owner(ctx, question)


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
    asking.check_agreed(agreed)
    request: rest_client.Write = ("POST", f"/orders/{orderId}/cancel", {"reason": reason or ""})
    cancelled = await rest_of(ctx).write("cancel_order", request, asking.call_key(ctx, idempotencyKey))
    return once_result(cancelled, sentences.CANCELLED_BEFORE)


def owner_tools() -> list[StrictTool]:
    """Make the tools that only the owner's server has."""
    adds, changes = hints(destroys=False, repeatable=False), hints(destroys=True, repeatable=False)
    cancels = hints(destroys=True, repeatable=True)
    return [
        strict_tool(restock, "到货或更正库存", adds, HONOURS_KEY),
        strict_tool(change_product, "新增或修改商品", changes, HONOURS_KEY),
        strict_tool(cancel_order, "取消订单", cancels, HONOURS_KEY),
    ]
