"""Orders and products as CSV files, and products from one."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from tempfile import SpooledTemporaryFile, gettempdir
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from serving.closed_stream import ClosedStream
from serving.errors import CodedError
from shop import catalog
from shop.answers import answer, opened_store
from shop.desk import owner_only
from shop.filters import OrderFilter
from shop.json_body import JsonRoute
from shop.problems import documented
from shop.queries import PRODUCTS_TABLE, Table
from shop.sheets import Sheet
from shop.store import Store

MIB = 1024 * 1024
MAX_FILE = 4 * MIB  # bytes: some 20,000 products
MAX_IN_MEMORY = MIB  # bytes of a table, before it goes to the disk

_CSV: dict[str, Any] = {"text/csv": {"schema": {"type": "string"}}}
FILE: dict[int | str, dict[str, Any]] = {200: {"content": _CSV, "description": "UTF-8，带 BOM"}}

router = APIRouter(
    prefix="/api", route_class=JsonRoute, responses=documented(401, 403, 421, 422, 503), tags=["csv"]
)


async def _file(store: Store, name: str, table: Table) -> Response:
    sheet = Sheet(Path(gettempdir()), SpooledTemporaryFile(MAX_IN_MEMORY))  # noqa: SIM115  `parts` closes it
    parts = sheet.parts(store.export(table, sheet))
    first = await anext(parts)  # what fails before anything is sent has an answer of its own

    async def file() -> AsyncGenerator[bytes]:
        async with aclosing(parts):
            yield first
            async for part in parts:
                yield part

    headers = {"Content-Disposition": f'attachment; filename="{name}-{(await store.today()).today}.csv"'}
    return ClosedStream(file(), "text/csv", headers)


@router.get("/orders.csv", summary="订单，CSV", response_class=ClosedStream, responses=FILE)
async def orders_file(request: Request, query: Annotated[OrderFilter, Query()]) -> Response:
    """Orders for a spreadsheet, newest first, a row for each line of an order; times are the shop's.

    A text that a spreadsheet would take for a formula has an apostrophe before it.
    """
    store = opened_store(request)
    return await _file(store, "orders", await store.order_lines(query))


@router.get("/products.csv", summary="商品，CSV", response_class=ClosedStream, responses=FILE)
async def products_file(request: Request) -> Response:
    """Products as `CATALOG` takes them, with the stock of now."""
    return await _file(opened_store(request), "products", PRODUCTS_TABLE)


@router.put(
    "/products.csv",
    summary="导入商品，CSV",
    response_model=catalog.Imported,
    responses=documented(413),
    dependencies=[Depends(owner_only)],
    openapi_extra={"requestBody": {"content": _CSV, "required": True}},
)
async def import_products(request: Request) -> Response:
    """Create the products of a file, and change the known ones but for their stock: all of them, or none.

    By what many of them are found is written after that, in parts, so that nobody waits long to buy.
    """
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > MAX_FILE:
            raise CodedError("csv_too_large", mib=MAX_FILE // MIB)
    entries = await asyncio.to_thread(catalog.from_csv, content)
    return answer(await opened_store(request).import_products(entries))
