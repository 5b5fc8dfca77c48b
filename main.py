"""The MCP server: the shop's four tools over Streamable HTTP, SSE and stdio."""

import serving.late_mcp  # noqa: F401
from serving.importing import all_imported

import json
import signal
import sys
from contextlib import suppress
from typing import Annotated, Any, Literal, Self

import anyio
import httpx
from mcp.types import CallToolResult
from pydantic import ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict
from sse_starlette.sse import AppStatus
from starlette.applications import Starlette

from mcp_server import apps, asking, filters, sentences
from mcp_server.arguments import hints, strict_tool
from mcp_server.clock import ShopClock
from mcp_server.owner import owner_tools
from mcp_server.requests import Requests
from mcp_server.rest_client import RestAnswer, RestClient
from mcp_server.results import HONOURS_KEY, Inventory, Orders, Products, found_order, list_result, once_result
from mcp_server.server import MAX_MESSAGE_BYTES, Refusals, ShopServer, http_app, restarting
from mcp_server.sessions import MAX_SESSIONS
from models import DEFAULT_LIMIT, MAX_PRICE, Order, PurchaseRequest
from serving import VERSION, gate
from serving.access import BearerToken
from serving.addresses import EVERYWHERE, ListenHost, address_shown, can_be_called
from serving.http_protocol import Bounds
from serving.server import Ending, Service
from serving.server import run as serve
from serving.settings import (
    ANY_CASE,
    Hosts,
    IssuerUrl,
    Origins,
    PublicUrl,
    Rate,
    ServiceSettings,
    Token,
    load,
)

all_imported()

OWNERS_TOOLS = (
    "本服务是店主的：到货和更正库存用 restock，新增和修改商品用 change_product，取消订单用 cancel_order。"
)
SHORT_FLAGS = ("host", "port", "transport", "path", "stateless", "json-response", "log-level", "confirm")
LAST_STEP_SECONDS = 1.0  # that a client has to take the news of an order before the order itself
TAKEN_PATHS = frozenset({"/sse", "/messages", "/messages/", "/healthz", "/metrics"})
BANNER = """🌤️ 启动产品 MCP 服务器...
📍 支持的功能:
  - 获取产品列表 (get_products)
  - 获取库存列表 (get_inventory)
  - 获取订单列表 (get_orders)
  - 创建采购订单 (create_purchase)
"""
OWNERS_BANNER = """  - 到货或更正库存 (restock)
  - 新增或修改商品 (change_product)
  - 取消订单 (cancel_order)
"""
INSTRUCTIONS = (
    "这是一家商店：查商品和价格用 get_products，查库存用 get_inventory，"
    "查订单或销售汇总用 get_orders，下单用 create_purchase。"
    "价格和金额的单位是人民币元，orderDate 是 UTC。下单不能撤销：先核对商品 ID、库存和用户说定的数量。"
    "下单的结果不明时，只用失败信息里的 idempotencyKey 重试，不要另下一单。"
    "只根据工具返回的数据回答，不要编造商品、库存或订单。"
)


class Settings(ServiceSettings):
    """产品 MCP 服务器的设置：命令行参数优先于环境变量，其次是 .env，最后是默认值。"""

    model_config = SettingsConfigDict(
        cli_prog_name="main.py", cli_shortcuts={f"mcp-{flag}": flag for flag in SHORT_FLAGS}
    )
    host_field = "mcp_host"
    secret_field = "mcp_token"  # noqa: S105  the name of a setting
    hosts_field, origins_field = "mcp_allowed_hosts", "mcp_allowed_origins"
    rate_field = "mcp_rate_limit"

    mcp_host: ListenHost = Field("127.0.0.1", description="监听地址；不是本机地址时必须设置 MCP_TOKEN")
    mcp_port: int = Field(8083, ge=1, le=65535, description="监听端口")
    mcp_transport: Annotated[Literal["all", "streamable-http", "sse", "stdio"], ANY_CASE] = Field(
        "all", description="传输方式；all 为同时提供 streamable-http 和 sse"
    )
    mcp_path: str = Field("/mcp", pattern=r"^/[\w./-]*$", description="Streamable HTTP 的路径")
    mcp_stateless: bool = Field(False, description="不为握手式客户端保留会话，用于多个副本")
    mcp_json_response: bool = Field(False, description="用 JSON 而不是事件流回答")
    mcp_log_level: Annotated[Literal["debug", "info", "warning", "error"], ANY_CASE] = Field(
        "info", description="日志级别"
    )
    mcp_confirm: asking.Confirm = Field("auto", description="下单前请用户确认；auto 为客户端支持时才问")
    mcp_allowed_hosts: Hosts = Field("", description="代理或容器网络里的主机名，用逗号分隔")
    mcp_allowed_origins: Origins = Field("", description="可以使用本服务的其他网页来源，用逗号分隔")
    mcp_rate_limit: Rate = Field(0, description="每个客户端每分钟最多几次请求；0 为不限")
    mcp_token: Token = Field(SecretStr(""), description="客户端必须携带的令牌 (Bearer)")
    mcp_auth_issuer: IssuerUrl = Field(
        "", description="登录服务器 (OAuth 2.1 issuer)，它发的令牌也可以使用本服务"
    )
    mcp_public_url: PublicUrl = Field("", description="客户端看到的完整地址，令牌要写明是给它的")
    mcp_website_url: PublicUrl = Field("", description="客户端里显示的商店网址")
    api_url: str = Field("http://127.0.0.1:8000/api", description="REST 服务的地址")
    api_token: Token = Field(SecretStr(""), description="REST 服务的令牌 (Bearer)")
    owner: bool = Field(False, description="提供店主的工具：restock、change_product、cancel_order")
    owner_token: Token = Field(SecretStr(""), description="REST 服务的店主令牌，OWNER 时代替 API_TOKEN")

    @field_validator("mcp_path")
    @classmethod
    def _is_a_path_of_its_own(cls, value: str) -> str:
        if value in TAKEN_PATHS:
            raise ValueError(f"{value} 已有别的用途，请换一个路径，例如 /mcp")
        return value

    @field_validator("api_url")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        with suppress(httpx.InvalidURL):  # whose reason may repeat a password
            url = httpx.URL(value)
            if url.scheme in {"http", "https"} and not (url.query or url.fragment) and can_be_called(value):
                return value
        raise ValueError("应为 http:// 或 https:// 开头的地址，例如 http://127.0.0.1:8000/api")

    @model_validator(mode="after")
    def _has_one_credential(self) -> Self:
        if self.shop_token and httpx.URL(self.api_url).userinfo:
            raise ValueError("API_URL 里的用户名和 API_TOKEN 只能用一个：两者用的是同一个请求头")
        return self

    @model_validator(mode="after")
    def _owner_is_not_everybody(self) -> Self:
        in_front = self.root_path or self.trusted_proxies or self.mcp_allowed_hosts
        if self.owner and self.listens and in_front and not self.admits:
            raise ValueError("OWNER 让连上本服务的人都能做店主的事：前面有代理时，必须同时设置 MCP_TOKEN")
        return self

    @property
    def shop_token(self) -> str:
        """What is sent to the shop: the owner's token does what the other does, too."""
        of_owner = self.owner_token.get_secret_value() if self.owner else ""
        return of_owner or self.api_token.get_secret_value()

    @property
    def listens(self) -> bool:
        """Whether the service listens on a network at all."""
        return self.mcp_transport != "stdio"

    @property
    def admits(self) -> bool:
        """Whether a client must have a token."""
        return super().admits or bool(self.mcp_auth_issuer)

    @property
    def paths(self) -> dict[str, str]:
        """Where the service speaks MCP; SSE is all session, so a stateless service has it only by name."""
        is_one = self.mcp_transport == "all" and self.mcp_stateless
        wanted = "streamable-http" if is_one else self.mcp_transport
        served = {"streamable-http": self.mcp_path, "sse": "/sse"}
        return {transport: path for transport, path in served.items() if wanted in ("all", transport)}

    @property
    def log_level(self) -> str:
        """How much to log."""
        return self.mcp_log_level


# Some clients show a model no fields of an object, only its description.
PURCHASE = (
    '一笔采购：{"customerName": 客户名称, "items": [{"productId": 商品 ID, "quantity": 件数}, …]}，'
    '重试时再加 "idempotencyKey"'
)


class PurchaseInput(PurchaseRequest):
    """A purchase as the model asks for it."""

    model_config = ConfigDict(
        json_schema_extra={"required": ["customerName", "items"], "description": PURCHASE}
    )

    idempotencyKey: asking.KeyOfModel = None


async def get_products(
    ctx: asking.ToolCall,
    *,
    query: filters.Query = None,
    minPrice: filters.MinPrice = None,
    maxPrice: filters.MaxPrice = None,
    limit: filters.Limit = DEFAULT_LIMIT,
    offset: filters.Offset = 0,
) -> Annotated[CallToolResult, Products]:
    """获取所有产品列表。

    每个产品有 id、name、price（人民币元）和 description，按 id 排列；填了 query 时，最符合的在最前面。
    可按文字和价格筛选；推荐商品、查价格或需要商品 ID 时先用它。库存另见 get_inventory。
    """
    if minPrice is not None and minPrice > MAX_PRICE:
        return list_result(RestAnswer(b"[]", []), offset)
    # Models write 99999999 where they mean no limit.
    highest = None if maxPrice is not None and maxPrice > MAX_PRICE else maxPrice
    wanted = {"query": query, "minPrice": minPrice, "maxPrice": highest, "limit": limit, "offset": offset}
    answer = await asking.rest_of(ctx).get("products", "/products", wanted)
    return list_result(answer, offset, sentences.NOT_FOUND if query and not offset else None)


async def get_inventory(
    ctx: asking.ToolCall,
    *,
    productIds: filters.ProductIds = None,
    maxQuantity: filters.MaxQuantity = None,
    limit: filters.Limit = DEFAULT_LIMIT,
    offset: filters.Offset = 0,
) -> Annotated[CallToolResult, Inventory]:
    """获取库存列表，包含产品详细信息。

    quantity 是现在可卖的件数。问“还有多少”“有没有货”或下单之前用它；maxQuantity 可找出快卖完的商品。
    """
    wanted = {"productId": productIds, "maxQuantity": maxQuantity, "limit": limit, "offset": offset}
    return list_result(await asking.rest_of(ctx).get("inventory", "/inventory", wanted), offset)


async def get_orders(
    ctx: asking.ToolCall,
    *,
    customerName: filters.CustomerName = None,
    productId: filters.ProductId = None,
    minAmount: filters.MinAmount = None,
    maxAmount: filters.MaxAmount = None,
    since: filters.Since = None,
    until: filters.Until = None,
    limit: filters.Limit = DEFAULT_LIMIT,
    offset: filters.Offset = 0,
    groupBy: filters.Grouping = None,
) -> Annotated[CallToolResult, Orders]:
    """获取订单列表，按日期降序排序。

    每个订单有 id、customerName、items、totalAmount（人民币元）、orderDate（UTC）和 status：
    cancelled 是已取消的，不计入汇总。
    要合计、排名或趋势时填 groupBy，由数据库汇总为 key、label、
    orders（订单数）、quantity（件数）、amount（人民币元）、average（平均每单），不要自己逐单相加。
    """
    whose = {"customerName": customerName, "productId": productId}
    amounts = {"minAmount": minAmount, "maxAmount": maxAmount}
    part = {"since": since, "until": until, "limit": limit, "offset": offset, "groupBy": groupBy}
    path = "/orders/summary" if groupBy else "/orders"
    return list_result(await asking.rest_of(ctx).get("orders", path, whose | amounts | part), offset)


async def create_purchase(
    input_data: PurchaseInput, ctx: asking.ToolCall, quoted: asking.BuyersQuote, agreed: asking.BuyersAnswer
) -> Annotated[CallToolResult, Order]:
    """创建新的采购订单。

    会立即占用库存，不能撤销，所以先用 get_products 或 get_inventory 核对商品 ID 和库存，
    再按用户说定的数量购买。
    返回订单号 id、totalAmount（人民币元，由服务器计算）和 orderDate（UTC）。客户端支持时，会先请用户确认。
    结果不明时，只能用失败信息里的 idempotencyKey、同样的客户和商品再试，这样不会重复购买。
    """
    asking.check_agreed(agreed)
    key = asking.call_key(ctx, input_data.idempotencyKey)
    await ctx.report_progress(2, 3, sentences.ORDERING)
    order: dict[str, Any] = {"customerName": input_data.customerName, "items": input_data.items}
    if quoted.total is not None:
        order["expectedTotal"] = quoted.total
    answer = await asking.rest_of(ctx).write("purchase", ("POST", "/purchase", order), key)
    zone = ctx.request_context.lifespan_context.clock.zone
    with anyio.move_on_after(LAST_STEP_SECONDS, shield=True):  # it is placed: nothing keeps its answer back
        await ctx.report_progress(3, 3, sentences.ORDERED_BEFORE if answer.replayed else sentences.ORDERED)
    return once_result(answer, found_order(answer.data, zone))


READS = hints(reads=True, destroys=False, repeatable=True)
BUYS = hints(destroys=True, repeatable=False)  # who has bought cannot undo it


def create_server(
    settings: Settings, rest: RestClient | None = None, *, answer_seconds: float = asking.ANSWER_SECONDS
) -> ShopServer:
    """Make the MCP server; `rest` is the shop that its tools work on, where not the settings' own."""
    shop = rest or RestClient(settings.api_url, settings.shop_token)
    return ShopServer(
        [
            strict_tool(get_products, "获取产品列表", READS, apps.shown_by("products")),
            strict_tool(get_inventory, "获取库存列表", READS, apps.shown_by("stock")),
            strict_tool(get_orders, "获取订单列表", READS, apps.shown_by("sales")),
            strict_tool(create_purchase, "创建采购订单", BUYS, HONOURS_KEY | apps.shown_by("receipt")),
            *(owner_tools() if settings.owner else ()),
        ],
        asking.ToolContext(shop, settings.mcp_confirm, ShopClock(shop), answer_seconds),
        token=settings.mcp_token.get_secret_value(),
        owner=settings.owner,
        stateless=settings.mcp_stateless,
        name="Product MCP Server",
        title="产品 MCP 服务器",
        version=VERSION,
        website_url=settings.mcp_website_url or None,
        instructions=INSTRUCTIONS + (OWNERS_TOOLS if settings.owner else ""),
    )


def admit(app: Starlette, settings: Settings, secret: BearerToken | None) -> None:
    """Let in who has a token of the settings' issuer, or the service's own."""
    from mcp_server import admission  # noqa: PLC0415  JWT and its cryptography, which few need, take 120 ms

    own = address_shown(settings.mcp_host, settings.mcp_port) + settings.root_path
    place = admission.Place.of(settings.mcp_public_url or own, [*settings.paths.values()])
    admission.install(
        app, settings.mcp_auth_issuer, place, app.state.server, refuse=Refusals(), secret=secret
    )


def create_app(
    settings: Settings, rest: RestClient | None = None, *, max_sessions: int = MAX_SESSIONS
) -> Starlette:
    """Make the HTTP application. Raises ValueError for settings that are for stdio."""
    if settings.mcp_transport == "stdio":
        raise ValueError("MCP_TRANSPORT=stdio 没有 HTTP 服务，请用 python main.py 启动")
    own_name = [] if settings.mcp_host in EVERYWHERE else [settings.mcp_host]
    app = http_app(
        create_server(settings, rest),
        settings.paths,
        stateless=settings.mcp_stateless,
        json_response=settings.mcp_json_response,
        max_sessions=max_sessions,
    )
    token = settings.mcp_token.get_secret_value()
    secret = BearerToken(token) if token else None
    if settings.mcp_auth_issuer:
        admit(app, settings, secret)
        secret = None
    # Without a token, whoever a proxy lets in would be the owner.
    only_direct = "owner_only" if settings.owner and not settings.admits else ""
    gate.install(app, settings, Refusals(), secret, own=own_name, only_direct=only_direct)
    return app


def addresses(settings: Settings) -> str:
    """Return what to paste into a host's mcp.json, and the URLs by themselves."""
    base = address_shown(settings.mcp_host, settings.mcp_port)
    urls = {transport: base + path for transport, path in settings.paths.items()}
    entry: dict[str, Any] = {"url": next(iter(urls.values()))}
    if settings.mcp_token:
        entry["headers"] = {"Authorization": "Bearer <MCP_TOKEN>"}
    lines = [f"  {transport + ':':<16} {url}" for transport, url in urls.items()]
    pasted = json.dumps({"mcpServers": {"product-mcp": entry}})
    return "\n".join(["🔌 连接地址:", *lines, "📋 粘贴到 mcp.json:", f"  {pasted}"])


def run() -> None:
    """Read the settings and serve until stopped."""
    settings = load(Settings)
    rest = RestClient(settings.api_url, settings.shop_token)
    banner = BANNER + (OWNERS_BANNER if settings.owner else "") + "\n"
    if settings.mcp_transport == "stdio":
        sys.stderr.write(banner)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a thread waits for input, and would hold up the end
        anyio.run(create_server(settings, rest).run_stdio_async)
        return
    apart = "" if settings.mcp_stateless else sentences.SESSIONS_APART
    AppStatus.enable_automatic_graceful_drain = False  # which would cut answers off: see serving.server
    app = create_app(settings, rest)
    requests: Requests = app.state.server.requests

    async def finish(seconds: float) -> None:
        await requests.done(seconds)
        rest.give_up_writes()
        requests.give_up()

    serve(
        Service(
            app,
            host=settings.mcp_host,
            port=settings.mcp_port,
            setting="MCP",
            shared=sentences.SHARED[bool(settings.mcp_token.get_secret_value())] + apart,
            greeting=banner + addresses(settings),
            bounds=Bounds(max_body=MAX_MESSAGE_BYTES),
            ending=Ending(
                settings.drain_seconds, settings.stop_timeout, requests.end_listening, finish, restarting
            ),
        )
    )


def __getattr__(name: str) -> Any:
    """Make `mcp` for `mcp run main.py` and `app` for `uvicorn main:app` when one is asked for."""
    if name not in {"mcp", "app"}:
        raise AttributeError(name)
    settings = load(Settings, [])
    return create_server(settings) if name == "mcp" else create_app(settings)


if __name__ == "__main__":
    run()
