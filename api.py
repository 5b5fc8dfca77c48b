"""The shop's REST service: `python api.py` serves it on port 8000, with its documentation at /docs."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.security import HTTPBearer
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails, to_json
from pydantic_settings import BaseSettings, SettingsConfigDict

from models import InventoryItem, Order, Product, PurchaseRequest, SalesSummary
from serving.addresses import ListenHost, is_loopback
from serving.http_protocol import http_protocol
from shop import catalog, intake, refusals
from shop.catalog import CatalogError
from shop.queries import InventoryQuery, OrderQuery, Page, ProductQuery, SummaryQuery
from shop.store import Store, StoreUnavailableError, open_store


class Settings(BaseSettings):
    """Where the service listens and what it keeps its records in."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        cli_kebab_case=True,
        cli_shortcuts={"api-host": "host", "api-port": "port"},
    )

    api_host: ListenHost = "127.0.0.1"
    api_port: int = Field(default=8000, ge=0, le=65535)
    database_url: str = "sqlite:///shop.db"
    catalog: Path | None = None
    api_token: SecretStr | None = None

    @field_validator("api_token")
    @classmethod
    def _fits_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not re.fullmatch(r"[!-~]*", value.get_secret_value()):  # RFC 6750 section 2.1
            raise ValueError("令牌要放进请求头，只能用可见的 ASCII 字符，不能有空格和中文")
        return value

    @model_validator(mode="after")
    def _guard_the_network(self) -> "Settings":
        if self.api_token is None and not is_loopback(self.api_host):
            raise ValueError(f"API_HOST={self.api_host} 不是本机地址：必须设置 API_TOKEN")
        return self


def _with_header(name: str, description: str, kind: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"headers": {name: {"description": description, "schema": {"type": kind}}}}}


reading = APIRouter(
    prefix="/api",
    responses=refusals.documented(401, 421, 422, 503)
    | _with_header("X-Total-Count", "整个列表的长度", "integer"),
)
buying = APIRouter(
    prefix="/api",
    responses=refusals.documented(400, 401, 404, 413, 421, 422, 503)
    | _with_header("Idempotent-Replayed", "true：此键已下过单", "string"),
)
health = APIRouter(responses=refusals.documented(421, 503))


def _shop(request: Request) -> Store:
    opened: Store = request.app.state.store
    return opened


def _answer(content: Any, headers: dict[str, str] | None = None) -> Response:
    return Response(to_json(content), media_type="application/json", headers=headers)


def _list(page: Page[Any]) -> Response:
    return _answer(page.items, {"X-Total-Count": str(page.total)})


@reading.get(
    "/products",
    summary="商品列表",
    response_model=list[Product],
    openapi_extra=intake.query_parameters(ProductQuery),
)
async def list_products(request: Request) -> Response:
    """Products by id. `X-Total-Count` says how many there are in all."""
    return _list(await _shop(request).products(intake.query(request, ProductQuery)))


@reading.get(
    "/inventory",
    summary="库存列表",
    response_model=list[InventoryItem],
    openapi_extra=intake.query_parameters(InventoryQuery),
)
async def list_inventory(request: Request) -> Response:
    """What is left of each product."""
    return _list(await _shop(request).inventory(intake.query(request, InventoryQuery)))


@reading.get(
    "/orders",
    summary="订单列表，最新的在前",
    response_model=list[Order],
    openapi_extra=intake.query_parameters(OrderQuery),
)
async def list_orders(request: Request) -> Response:
    """Orders, newest first."""
    return _list(await _shop(request).orders(intake.query(request, OrderQuery)))


@reading.get(
    "/orders/summary",
    summary="订单汇总",
    response_model=list[SalesSummary],
    openapi_extra=intake.query_parameters(SummaryQuery),
)
async def summarise_orders(request: Request) -> Response:
    """What was sold, by product, customer or day."""
    return _list(await _shop(request).summary(intake.query(request, SummaryQuery)))


@buying.post("/purchase", summary="下单", response_model=Order, openapi_extra=intake.order_and_key())
async def create_purchase(request: Request) -> Response:
    """Buy. Sent again with the same `Idempotency-Key`, the same request answers with the same order."""
    key = intake.idempotency_key(request)
    purchase = await _shop(request).purchase(await intake.body(request, PurchaseRequest), key)
    return _answer(purchase.order, {"Idempotent-Replayed": "true"} if purchase.replayed else None)


@health.get("/healthz", summary="服务与数据库是否正常")
async def healthz(request: Request) -> dict[str, str]:
    """Answer 200 when the database answers."""
    await _shop(request).ping()
    return {"status": "ok"}


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
    app.router.routes[:0] = [*intake.plain_routes(reading), *intake.plain_routes(buying)]
    if settings.api_token:
        app.add_middleware(refusals.TokenGate, token=settings.api_token.get_secret_value())
    else:
        app.add_middleware(refusals.HostGate)
    refusals.install(app)
    return app


async def _open(settings: Settings) -> Store:
    entries = catalog.load(settings.catalog) if settings.catalog else None
    return await open_store(settings.database_url, entries)


async def _check(settings: Settings) -> None:
    await (await _open(settings)).close()


def run() -> None:
    """Serve until Ctrl+C. A wrong setting, catalogue or database ends with a sentence and status 1.

    For that sentence the database is opened once before uvicorn opens it: uvicorn would log a traceback.
    """
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
        http=http_protocol(),
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=2,
    )


def _setting(error: ErrorDetails) -> str:
    name = "_".join(map(str, error["loc"])).upper()
    return f"设置有误 {name}：{error['msg']}" if name else error["msg"].removeprefix("Value error, ")


if __name__ == "__main__":
    run()
