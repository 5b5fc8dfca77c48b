"""The shop's REST service: `python api.py` serves it on port 8000, with its documentation at /docs."""

import serving.late_fastapi  # noqa: F401
from serving.importing import all_imported

import argparse
import asyncio
import hashlib
import itertools
import logging
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Annotated, Any, NoReturn
from zoneinfo import available_timezones

from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import AfterValidator, Field
from pydantic_settings import SettingsConfigDict
from starlette.datastructures import Headers
from starlette.types import Scope

from models import ConfirmedPurchase, InventoryItem, Order, Product, SalesSummary, Today
from serving import VERSION, gate, server
from serving.access import BearerToken
from serving.addresses import ListenHost, address_shown, is_loopback
from serving.http_protocol import Bounds
from serving.logs import set_encodings
from serving.metrics import Counter, Gauge
from serving.settings import Hosts, Origins, Rate, ServiceSettings, Token, load
from serving.telemetry import FASTAPIS_OWN
from shop import catalog, csv_routes, desk, problems
from shop.answers import (
    PICTURE,
    REPLAYED,
    TOTAL_COUNT,
    IdempotencyKey,
    answer,
    list_answer,
    once_answer,
    opened_store,
    picture_answer,
)
from shop.archive import archive
from shop.changes import Changes
from shop.engines import open_store
from shop.errors import CatalogError, CommandError, StoreUnavailableError
from shop.filters import InventoryQuery, OrderQuery, ProductQuery, SummaryQuery
from shop.json_body import JsonRoute
from shop.keeping import kept
from shop.kept_lists import KeptLists, ListRoute
from shop.sentences import BACKED_UP, RESTORED, failure_sentence, rule_sentence, shared_sentence
from shop.sqlite import BUSY_SECONDS
from shop.sqlite_files import file_of

all_imported()

NO_ZONES = {"Factory", "localtime", "posixrules"}  # files among those of the zones, each machine's own


def _is_a_timezone(name: str) -> str:
    if name in NO_ZONES or name not in available_timezones():
        raise ValueError(f"没有叫 {name} 的时区，应为 IANA 名称，如 Asia/Shanghai")
    return name


Timezone = Annotated[str, AfterValidator(_is_a_timezone)]


class Settings(ServiceSettings):
    """商店服务的设置：命令行参数优先于环境变量，其次是 .env，最后是默认值。

    另有命令 python api.py timezone 时区名：改变商店的时区，已有订单的日期随之改变；
    python api.py archive --before 2025-01-01：把那天以前的订单移到 CSV 文件；
    python api.py backup 文件、restore 文件、check：备份、恢复、检查，服务可以照常运行。
    """

    model_config = SettingsConfigDict(cli_shortcuts={"api-host": "host", "api-port": "port"})
    host_field = "api_host"
    secret_field = "api_token"  # noqa: S105  the name of a setting
    hosts_field, origins_field = "api_allowed_hosts", "api_allowed_origins"
    rate_field = "api_rate_limit"

    api_host: ListenHost = Field("127.0.0.1", description="监听地址；不是本机地址时必须设置 API_TOKEN")
    api_port: int = Field(8000, ge=1, le=65535, description="监听端口")
    database_url: str = Field(
        "sqlite:///shop.db", description="sqlite:///文件名 或 postgresql://用户:密码@主机/数据库"
    )
    database_pool: int = Field(10, ge=1, le=1000, description="最多同时打开多少个 PostgreSQL 连接")
    database_wait: float = Field(10, ge=0, le=3600, description="启动时最多等 PostgreSQL 多少秒")
    database_listen_url: str | None = Field(
        None, description="不经过 PgBouncer 的 PostgreSQL 地址：变更立即通知 (LISTEN)，不必等下一次查看"
    )
    catalog: Path | None = Field(None, description="自己的商品目录，一个 JSON 或 CSV 文件")
    shop_timezone: Timezone | None = Field(
        None, description="商店所在时区，如 Asia/Shanghai；新数据库默认取这台机器的，以后只能用命令更改"
    )
    api_allowed_hosts: Hosts = Field("", description="代理或容器网络里的主机名，用逗号分隔")
    api_allowed_origins: Origins = Field("", description="可以使用本服务的其他网页来源，用逗号分隔")
    api_rate_limit: Rate = Field(0, description="每个客户端每分钟最多几次请求；0 为不限")
    api_token: Token | None = Field(None, description="请求必须携带的令牌 (Bearer)")
    owner_token: Token | None = Field(
        None, description="店主的令牌：改商品和库存、取消订单；没有时只有直接从本机来的请求可以"
    )


log = logging.getLogger(__name__)

REFUSED = problems.documented(401, 403, 421, 422, 503)
buying = APIRouter(prefix="/api", route_class=JsonRoute, responses=REFUSED)
lists = APIRouter(prefix="/api", route_class=ListRoute, responses=REFUSED)
router = APIRouter(prefix="/api", route_class=JsonRoute, responses=REFUSED)
# Not by `JsonRoute`, which answers HEAD as GET: this GET does not end.
changes = APIRouter(prefix="/api", responses=problems.documented(401, 403, 421))
health = APIRouter(responses=problems.documented(503))


ORDERS = Counter("shop_orders_total", "Purchases, and those that were found by their key.", ("outcome",))
QUEUE = Gauge("shop_store", "Writes that wait (SQLite), connections of the pool (PostgreSQL).", ("kind",))


@buying.post(
    "/purchase",
    summary="下单",
    response_model=Order,
    responses=problems.documented(400, 404, 409, 410, 413) | REPLAYED,
)
async def create_purchase(
    request: Request, purchase: ConfirmedPurchase, idempotency_key: IdempotencyKey = None
) -> Response:
    """Buy. Sent again with the same `Idempotency-Key`, the same request answers with the same order.

    So it is sent again after an answer that did not come, or says `outcome_unknown`.
    """
    store, total = opened_store(request), purchase.expectedTotal
    order, is_replayed = await store.purchase(purchase, idempotency_key, total)
    ORDERS.add("replayed" if is_replayed else "placed")
    if not is_replayed:
        log.info(
            "订单 %d：客户 %s，合计 %s 元，键 %s",
            order.id,
            hashlib.sha256(order.customerName.encode()).hexdigest()[:12],  # no name stands in a log
            order.totalAmount,
            idempotency_key or "无",
        )
    return once_answer(order, is_replayed)


@lists.get("/products", summary="商品列表", response_model=list[Product], responses=TOTAL_COUNT)
async def list_products(request: Request, query: Annotated[ProductQuery, Query()]) -> Response:
    """Products by id; with `query` those that share words with it, the best match first."""
    return list_answer(await opened_store(request).products(query))


@router.get("/products/{id}", summary="一个商品", response_model=Product, responses=problems.documented(404))
async def get_product(request: Request, id_: desk.Id) -> Response:
    """One product."""
    return answer(await opened_store(request).product(id_))


@router.get(
    "/products/{id}/image",
    summary="商品图片",
    response_class=Response,
    responses=PICTURE | problems.documented(404),
)
async def get_picture(request: Request, id_: desk.Id) -> Response:
    """The picture that the catalogue has of a product."""
    return picture_answer(request, *await opened_store(request).picture(id_))


@lists.get("/inventory", summary="库存列表", response_model=list[InventoryItem], responses=TOTAL_COUNT)
async def list_inventory(request: Request, query: Annotated[InventoryQuery, Query()]) -> Response:
    """What is left of each product."""
    return list_answer(await opened_store(request).inventory(query))


@lists.get("/orders", summary="订单列表", response_model=list[Order], responses=TOTAL_COUNT)
async def list_orders(request: Request, query: Annotated[OrderQuery, Query()]) -> Response:
    """Orders, newest first; cancelled ones, too."""
    return list_answer(await opened_store(request).orders(query))


@lists.get("/orders/summary", summary="订单汇总", response_model=list[SalesSummary], responses=TOTAL_COUNT)
async def summarise_orders(request: Request, query: Annotated[SummaryQuery, Query()]) -> Response:
    """What was sold, by product, customer or day, or in all; cancelled orders do not count."""
    return list_answer(await opened_store(request).summary(query))


@router.get("/today", summary="商店的时区和今天", response_model=Today)
async def today(request: Request) -> Response:
    """Where the shop counts its days, and which one it is there."""
    now = await opened_store(request).today()
    return answer(now.model_copy(update={"version": VERSION}))


@router.get("/orders/{id}", summary="一笔订单", response_model=Order, responses=problems.documented(404, 410))
async def get_order(request: Request, id_: desk.Id) -> Response:
    """One order."""
    return answer(await opened_store(request).order(id_))


@changes.get("/changes", summary="变更通知", response_class=EventSourceResponse)
async def watch_changes(request: Request) -> AsyncIterator[ServerSentEvent]:
    """Send a `change` event at once and after each commit, whichever process made it: `{"kinds": [...]}`.

    The kinds are products, stock and orders. What changes within a moment comes as one event.
    """
    async for kinds in request.app.state.changes.listen():
        yield ServerSentEvent(event="change", data={"kinds": kinds})


@health.head("/healthz", include_in_schema=False)
@health.get("/healthz", summary="服务与数据库是否正常", openapi_extra={"security": []})
async def healthz(request: Request) -> dict[str, str]:
    """Answer 200 when the database answers and can be written."""
    await opened_store(request).ping()
    return {"status": "ok"}


def given_up(scope: Scope) -> Response:
    """Answer a request that the service, which stops, no longer waits for; nothing invites to buy again.

    A purchase may yet be placed: sent again with its key it is found.
    """
    if scope["method"] != "POST":
        return problems.ANSWERS.answer(503, "restarting", {})
    return problems.unknown_outcome(Headers(scope=scope).get("Idempotency-Key"))


def create_app(settings: Settings, *, busy_seconds: float = BUSY_SECONDS) -> FastAPI:
    """Make the service. Its lifespan opens the store, or raises `StartError` with a sentence."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            entries = catalog.load(settings.catalog) if settings.catalog else None
            store = await open_store(
                settings.database_url,
                entries,
                timezone=settings.shop_timezone,
                busy_seconds=busy_seconds,
                connections=settings.database_pool,
                listen_url=settings.database_listen_url,
                wait_seconds=settings.database_wait,
            )
        except (CatalogError, StoreUnavailableError) as error:
            raise server.StartError(failure_sentence(error)) from error
        app.state.store, app.state.changes = store, Changes(store.fetch, store.pause)
        app.state.lists = KeptLists(store.version)
        with QUEUE.told_by(store.waiting):
            yield
        await store.close()

    # Not by `include_router`, which matches every request twice: 20 µs, a tenth of a short one. Routes are
    # tried one by one, so those that are asked for most come first.
    rooms = (buying, lists, router, desk.router, csv_routes.router, changes, health)
    routes = [route for room in rooms for route in room.routes]
    app = FastAPI(
        title="Product API", version=VERSION, lifespan=lifespan, routes=routes, telemetry=FASTAPIS_OWN
    )
    owner = settings.owner_token.get_secret_value() if settings.owner_token else ""
    token = BearerToken(settings.api_token.get_secret_value(), owner) if settings.api_token else None
    in_front = settings.root_path or settings.trusted_proxies or settings.api_allowed_hosts
    is_direct = is_loopback(settings.api_host) and not in_front
    app.state.owner = desk.Owner(BearerToken(owner) if owner else None, is_direct)
    if token or owner:  # FastAPI cannot know that one is wanted: `Access` and the desk check it
        document = app.openapi()
        document["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"bearer": []}] if token else [{}, {"bearer": []}]
    refuse, any_host = problems.ANSWERS.refuse, token is not None
    gate.install(app, settings, refuse, token, any_host=any_host, guarded="/api/")
    problems.install(app)
    return app


def __getattr__(name: str) -> FastAPI:
    """Make `app` for `uvicorn api:app`, with settings from the environment and `.env`."""
    if name == "app":
        return create_app(load(Settings, []))
    raise AttributeError(name)


# What is said of each command's own arguments, and what they are; flags of the service come after them.
COMMANDS: dict[str, tuple[str, dict[str, dict[str, Any]]]] = {
    "timezone": ("时区名，如 Asia/Shanghai", {"timezone": {}}),
    "archive": (
        "--before 2025-01-01 [--to 文件夹]，归档那天以前的订单",
        {
            "--before": {"type": date.fromisoformat, "required": True},
            "--to": {"type": Path, "default": Path()},
        },
    ),
    "backup": ("文件", {"file": {"type": Path}}),
    "restore": ("文件 [--replace]", {"file": {"type": Path}, "--replace": {"action": "store_true"}}),
    "check": ("", {}),
}


class _Arguments(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:  # noqa: ARG002  it is in English
        sys.exit(self.usage)


def command(name: str, args: list[str]) -> int:
    """Do one of `COMMANDS`, and return its status; a failure ends with a sentence and status 1."""
    usage, arguments = COMMANDS[name]
    parser = _Arguments(usage=f"用法：python api.py {name} {usage}", add_help=False, allow_abbrev=False)
    # Of `--flag value FILE` the value would be taken for the file: the parser knows no flag of the service.
    first = next((word for word in args if word not in arguments and not re.match("--.+=", word)), "")
    for argument, options in arguments.items():
        parser.add_argument(argument, **options)
        if first.startswith("-") and not argument.startswith("-"):
            parser.error("a flag of the service stands before it")
    given, others = parser.parse_known_args(args)
    settings = load(Settings, [*others, *(["--shop-timezone", given.timezone] if name == "timezone" else [])])
    try:
        said, status = asyncio.run(_done(name, settings, given))
    except (StoreUnavailableError, CommandError) as error:
        sys.exit(failure_sentence(error))
    print(said)  # noqa: T201  a command's answer
    return status


async def _done(name: str, settings: Settings, given: argparse.Namespace) -> tuple[str, int]:
    """Do it, and return what is said of it, with the exit status."""
    url, timezone = settings.database_url, settings.shop_timezone
    if name == "timezone":
        await (await open_store(url, timezone=timezone, move_days=True)).close()
        return f"商店现在按 {timezone} 计日，已有的订单也是。", 0
    if name == "archive":
        store = await open_store(url, timezone=timezone)
        try:
            runs = await archive(store, given.before, given.to.absolute())
        finally:
            await store.close()
        told = [f"已归档 {run.number} 笔订单：{run.orders}，它们的库存流水：{run.moves}" for run in runs]
        return "\n".join(told) or f"没有 {given.before} 以前的订单，什么也没有做。", 0
    keeping = kept(settings.database_listen_url or url)  # past PgBouncer
    if name == "check":
        checked = await keeping.check()
        return "\n".join(itertools.starmap(rule_sentence, checked.items())), int(any(checked.values()))
    if name == "backup":
        products, orders = await keeping.backup(given.file)
        return BACKED_UP.format(path=given.file, products=products, orders=orders), 0
    await keeping.restore(given.file, replace=given.replace)
    await (await open_store(url)).close()  # an older backup is brought up to this program
    products, orders = await keeping.counts()
    return RESTORED.format(path=given.file, products=products, orders=orders), 0


def run() -> None:
    """Serve until Ctrl+C. A wrong setting, catalogue or database ends with a sentence and status 1."""
    set_encodings()  # the commands' usage is to be read, too
    if sys.argv[1:2] and sys.argv[1] in COMMANDS:
        sys.exit(command(sys.argv[1], sys.argv[2:]))
    settings = load(Settings)
    address = address_shown(settings.api_host, settings.api_port)
    server.run(
        server.Service(
            create_app(settings),
            host=settings.api_host,
            port=settings.api_port,
            setting="API",
            shared=shared_sentence(file_of(settings.database_url)),
            bounds=Bounds(larger={"/products.csv": csv_routes.MAX_FILE}, awaits_half_closed=True),
            ending=server.Ending(settings.drain_seconds, settings.stop_timeout, given_up=given_up),
            greeting=f"商店已启动：{address}/api，接口文档：{address}/docs",
        )
    )


if __name__ == "__main__":
    run()
