"""The owner's desk: products, deliveries and corrections, cancellations; and who may use it."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path, Query, Request, Response
from pydantic import AfterValidator, Field

import models
from serving.access import BearerToken, is_forwarded
from serving.errors import CodedError
from shop import stock, writing
from shop.answers import REPLAYED, TOTAL_COUNT, IdempotencyKey, answer, list_answer, opened_store, written
from shop.catalog import CatalogEntry, ProductInput
from shop.filters import ListQuery
from shop.json_body import JsonRoute
from shop.problems import documented

Id = Annotated[int, Path(alias="id", ge=1, le=models.MAX_ID), models.IN_DIGITS]


def _not_zero(change: int) -> int:
    if not change:
        raise ValueError("must not be 0")
    return change


Change = Annotated[
    int, Field(ge=-models.MAX_QUANTITY, le=models.MAX_QUANTITY, json_schema_extra={"not": {"const": 0}})
]


@dataclass(frozen=True)
class Owner:
    """Who may use the desk: whoever has the token; without one, whoever reaches this machine directly."""

    token: BearerToken | None
    is_local: bool


def owner_only(request: Request) -> None:
    """Let in the owner. Raises `CodedError` for anybody else."""
    owner: Owner = request.app.state.owner
    if owner.token:
        allowed = owner.token.is_given(request.headers.get("Authorization", ""))
    else:
        allowed = owner.is_local and not is_forwarded(request.scope)
    if not allowed:
        raise CodedError("owner_only")


class NewProduct(ProductInput):
    """A product that gets its id from the shop."""

    description: models.ProductDescription = ""


class ProductChange(models.Strict):
    """What is changed of a product; what is not given stays."""

    name: models.ProductName | None = None
    price: models.ExactPrice | None = None
    description: models.ProductDescription | None = None
    keywords: models.Keywords | None = None


class MoveInput(models.Strict):
    """A delivery, or a correction."""

    change: Annotated[Change, AfterValidator(_not_zero)] = Field(
        description="库存变化，件；正数为到货，负数为更正"
    )
    reason: models.Reason = ""


class CancelInput(models.Strict):
    """Why an order is cancelled."""

    reason: models.Reason = ""


router = APIRouter(
    prefix="/api",
    route_class=JsonRoute,
    responses=documented(401, 403, 421, 422, 503),
    dependencies=[Depends(owner_only)],
)


@router.put(
    "/products/{id}", summary="新增或修改商品", response_model=models.Product, responses=documented(413)
)
async def put_product(request: Request, id_: Id, product: ProductInput) -> Response:
    """Create a product, or change all of it but its stock."""
    entry = CatalogEntry(id=id_, **product.model_dump())
    return answer(await opened_store(request).write(lambda: writing.save_product(entry)))


@router.post(
    "/products", summary="新增商品", response_model=models.Product, responses=documented(413) | REPLAYED
)
async def create_product(
    request: Request, product: NewProduct, idempotency_key: IdempotencyKey = None
) -> Response:
    """Create a product under an id of the shop's; once, however often it is sent with the same key."""
    given, key = product.model_dump(), idempotency_key
    return await written(request, lambda: writing.change_product(None, given, key), once=key is None)


@router.patch(
    "/products/{id}",
    summary="修改商品的几项",
    response_model=models.Product,
    responses=documented(404, 413) | REPLAYED,
)
async def change_product(
    request: Request, id_: Id, change: ProductChange, idempotency_key: IdempotencyKey = None
) -> Response:
    """Change what is given of a product; once, however often it is sent with the same key."""
    given, key = change.model_dump(exclude_none=True), idempotency_key
    return await written(request, lambda: writing.change_product(id_, given, key), once=key is None)


@router.post(
    "/inventory/{id}/moves",
    summary="到货或更正库存",
    response_model=models.Move,
    responses=documented(400, 404, 413) | REPLAYED,
)
async def move_stock(
    request: Request, id_: Id, move: MoveInput, idempotency_key: IdempotencyKey = None
) -> Response:
    """Change a stock by a line of the ledger; once, however often it is sent with the same key."""
    key = idempotency_key
    return await written(request, lambda: stock.move(id_, move.change, move.reason, key), once=key is None)


@router.get(
    "/inventory/{id}/moves",
    summary="库存流水",
    response_model=list[models.Move],
    responses=documented(404) | TOTAL_COUNT,
)
async def list_moves(request: Request, id_: Id, query: Annotated[ListQuery, Query()]) -> Response:
    """Every change of a stock, newest first."""
    return list_answer(await opened_store(request).moves(id_, query))


@router.post(
    "/orders/{id}/cancel",
    summary="取消订单",
    response_model=models.Order,
    responses=documented(404, 410, 413) | REPLAYED,
)
async def cancel_order(
    request: Request,
    id_: Id,
    cancel: Annotated[CancelInput, Body()] = CancelInput(),  # noqa: B008  nobody changes it
) -> Response:
    """Take an order back: its stock returns, once."""
    return await written(request, lambda: stock.cancel(id_, cancel.reason))
