"""The shop's REST service: `python api.py` serves it on port 8000, with its documentation at /docs."""

import asyncio
import ipaddress
import json
import logging
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from pydantic import BaseModel, Field, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails, from_json, to_json
from pydantic_settings import BaseSettings, SettingsConfigDict
from starlette.types import ASGIApp, Receive, Scope, Send

import catalog
import store
from catalog import CatalogError
from models import MAX_NAME, InventoryItem, Order, Product, PurchaseRequest, SalesSummary
from queries import InventoryQuery, OrderQuery, Page, PageQuery, ProductQuery, SummaryQuery
from store import Store, StoreError, StoreUnavailableError

MAX_BODY = 64 * 1024  # bytes
MAX_ERRORS = 20  # of one request, named in its 422
RETRY_SECONDS = 1

log = logging.getLogger("uvicorn.error")


class Settings(BaseSettings):
    """Where the service listens and what it keeps its records in."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        cli_kebab_case=True,
        cli_shortcuts={"api-host": "host", "api-port": "port"},
    )

    api_host: str = "127.0.0.1"
    api_port: int = Field(default=8000, ge=0, le=65535)
    database_url: str = "sqlite:///shop.db"
    catalog: Path | None = None
    api_token: SecretStr | None = None

    @model_validator(mode="after")
    def _guard_the_network(self) -> "Settings":
        if self.api_token is None and not _is_loopback(self.api_host):
            raise ValueError(f"API_HOST={self.api_host} 不是本机地址：必须设置 API_TOKEN")
        return self


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class FieldError(BaseModel):
    """What is wrong with one field of a request."""

    type: str
    loc: list[str | int]
    msg: str


class Problem(BaseModel):
    """Why a request was refused: a sentence, or the fields that are wrong."""

    detail: str | list[FieldError]


_STATUS: dict[type[StoreError], int] = {
    store.EmptyPurchaseError: 400,
    store.UnknownProductError: 404,
    store.OutOfStockError: 400,
    store.KeyReusedError: 422,
}
_REFUSED = {400: "缺少客户名称或商品，或库存不足", 404: "商品不存在", 413: "请求体超过 64 KiB"}
_ALWAYS = {401: "缺少或错误的 API_TOKEN", 422: "参数有误", 503: "数据库暂时不可用"}


def _documented(descriptions: dict[int, str]) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": Problem, "description": text} for status, text in descriptions.items()}


def _with_header(name: str, description: str, kind: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"headers": {name: {"description": description, "schema": {"type": kind}}}}}


class _PlainRoute(APIRoute):
    """A route that FastAPI documents and Starlette runs, in about half the time.

    The endpoint takes the request and makes the response itself, with pydantic on both sides.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return endpoint


class _JsonRequest(Request):
    async def body(self) -> bytes:
        """Read a bounded body, whatever its Content-Length says."""
        body = b""
        async for chunk in self.stream():
            body += chunk
            if len(body) > MAX_BODY:
                raise HTTPException(413, _REFUSED[413])
        self._body = body
        return body

    async def json(self) -> Any:
        """Parse what json.loads would crash on or wave through: deep nesting, NaN, lone surrogates."""
        try:
            return from_json(self._body, allow_inf_nan=False)
        except ValueError as error:
            raise json.JSONDecodeError(str(error), "", 0) from error


class _JsonRoute(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            return await handler(_JsonRequest(request.scope, request.receive))

        return handle


reading = APIRouter(
    prefix="/api",
    responses=_documented(_ALWAYS) | _with_header("X-Total-Count", "整个列表的长度", "integer"),
    route_class=_PlainRoute,
)
buying = APIRouter(
    prefix="/api",
    responses=_documented(_ALWAYS | _REFUSED)
    | _with_header("Idempotent-Replayed", "true：此键已下过单", "string"),
    route_class=_JsonRoute,
)
health = APIRouter(responses=_documented({503: _ALWAYS[503]}))


Q = TypeVar("Q", bound=PageQuery)
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[!-~]{1,255}$",
        description="同一个键只下一笔订单：可见字符，最多 255 个",
    ),
]


def _shop(request: Request) -> Store:
    opened: Store = request.app.state.store
    return opened


def _asks(model: type[PageQuery]) -> dict[str, Any]:
    """Document the fields of a query model as parameters."""
    fields = model.model_json_schema()["properties"].items()
    return {
        "parameters": [
            {"name": name, "in": "query", "schema": {k: v for k, v in schema.items() if v is not None}}
            for name, schema in fields
        ]
    }


def _asked(request: Request, model: type[Q]) -> Q:
    given: dict[str, Any] = dict(request.query_params)
    if model is InventoryQuery and "productId" in given:
        given["productId"] = request.query_params.getlist("productId")
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise RequestValidationError([e | {"loc": ("query", *e["loc"])} for e in error.errors()]) from error


def _list(page: Page[Any]) -> Response:
    headers = {"X-Total-Count": str(page.total)}
    return Response(to_json(page.items), media_type="application/json", headers=headers)


@reading.get("/products", summary="商品列表", response_model=list[Product], openapi_extra=_asks(ProductQuery))
async def list_products(request: Request) -> Response:
    """Products by id. `X-Total-Count` says how many there are in all."""
    return _list(await _shop(request).products(_asked(request, ProductQuery)))


@reading.get(
    "/inventory", summary="库存列表", response_model=list[InventoryItem], openapi_extra=_asks(InventoryQuery)
)
async def list_inventory(request: Request) -> Response:
    """What is left of each product."""
    return _list(await _shop(request).inventory(_asked(request, InventoryQuery)))


@reading.get(
    "/orders", summary="订单列表，最新的在前", response_model=list[Order], openapi_extra=_asks(OrderQuery)
)
async def list_orders(request: Request) -> Response:
    """Orders, newest first."""
    return _list(await _shop(request).orders(_asked(request, OrderQuery)))


@reading.get(
    "/orders/summary",
    summary="订单汇总",
    response_model=list[SalesSummary],
    openapi_extra=_asks(SummaryQuery),
)
async def summarise_orders(request: Request) -> Response:
    """What was sold, by product, customer or day."""
    return _list(await _shop(request).summary(_asked(request, SummaryQuery)))


@buying.post("/purchase", summary="下单")
async def create_purchase(
    body: PurchaseRequest, request: Request, response: Response, idempotency_key: IdempotencyKey = None
) -> Order:
    """Buy. Sent again with the same `Idempotency-Key`, the same request answers with the same order."""
    purchase = await _shop(request).purchase(body, idempotency_key)
    if purchase.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return purchase.order


@health.get("/healthz", summary="服务与数据库是否正常")
async def healthz(request: Request) -> dict[str, str]:
    """Answer 200 when the database answers."""
    await _shop(request).ping()
    return {"status": "ok"}


def _problem(status: int, detail: str | list[dict[str, Any]], **headers: str) -> JSONResponse:
    return JSONResponse({"detail": detail}, status, headers)


async def _on_refusal(_: Request, refusal: Exception) -> Response:
    return (
        _problem(_STATUS[type(refusal)], str(refusal))
        if isinstance(refusal, StoreError)
        else _problem(500, "")
    )


async def _on_unavailable(_: Request, error: Exception) -> Response:
    log.error("数据库不可用：%s", error)
    return _problem(503, "数据库暂时不可用，请稍后重试", **{"Retry-After": str(RETRY_SECONDS)})


def _printable(part: str | int) -> str | int:
    # The name of an unknown field comes from the request, and may hold what UTF-8 cannot.
    return part.encode(errors="backslashreplace").decode()[:MAX_NAME] if isinstance(part, str) else part


async def _on_bad_request(_: Request, invalid: Exception) -> Response:
    """Name the fields, and echo nothing of what was sent."""
    assert isinstance(invalid, RequestValidationError)
    errors = invalid.errors()[:MAX_ERRORS]
    return _problem(
        422,
        [
            {"type": e["type"], "loc": [_printable(part) for part in e["loc"]], "msg": e["msg"]}
            for e in errors
        ],
    )


class _TokenGate:
    """Asks for `Authorization: Bearer …` on everything under /api, before anything is read or parsed."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = b"Bearer " + token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/api/"):
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not secrets.compare_digest(given, self._expected):
                refusal = _problem(401, "缺少或错误的 API_TOKEN", **{"WWW-Authenticate": "Bearer"})
                return await refusal(scope, receive, send)
        return await self._app(scope, receive, send)


def create_app(settings: Settings) -> FastAPI:
    """Make the service; its lifespan opens the shop and closes it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.store = await _open(settings)
        yield
        await app.state.store.close()

    app = FastAPI(title="Product API", version="1.0.0", lifespan=lifespan)
    guards = [Depends(HTTPBearer(auto_error=False))] if settings.api_token else []  # for the documentation
    app.include_router(reading, dependencies=guards)
    app.include_router(buying, dependencies=guards)
    app.include_router(health)
    if settings.api_token:
        app.add_middleware(_TokenGate, token=settings.api_token.get_secret_value())
    app.add_exception_handler(StoreError, _on_refusal)
    app.add_exception_handler(StoreUnavailableError, _on_unavailable)
    app.add_exception_handler(RequestValidationError, _on_bad_request)
    return app


async def _open(settings: Settings) -> Store:
    entries = catalog.load(settings.catalog) if settings.catalog else None
    return await store.open_store(settings.database_url, entries)


async def _check(settings: Settings) -> None:
    await (await _open(settings)).close()


def run() -> None:
    """Serve until Ctrl+C. A wrong setting, catalogue or database ends with a sentence and status 1."""
    try:
        settings = Settings(_cli_parse_args=True)
        asyncio.run(_check(settings))
    except ValidationError as error:
        sys.exit("\n".join(_setting(e) for e in error.errors()))
    except (CatalogError, StoreUnavailableError) as error:
        sys.exit(f"无法启动：{error}")
    uvicorn.run(
        create_app(settings),
        host=settings.api_host,
        port=settings.api_port,
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=2,
    )


def _setting(error: ErrorDetails) -> str:
    name = "_".join(map(str, error["loc"])).upper()
    return f"设置有误 {name}：{error['msg']}" if name else error["msg"].removeprefix("Value error, ")


if __name__ == "__main__":
    run()
