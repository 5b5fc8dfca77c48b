"""The MCP server: the shop's four tools over Streamable HTTP, SSE and stdio."""

import contextlib
import hashlib
import io
import json
import logging
import re
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator
from typing import Any, Literal, Self

import anyio
import uvicorn
from mcp.server.mcpserver import Context, MCPServer, RequestStateSecurity
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, CallToolResult, GetPromptResult, InputRequiredResult
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Route
from yarl import URL

from mcp_server.arguments import MOST_PROBLEMS, MOST_VALUES, complaint, printable, too_many
from mcp_server.prompts import Prompts
from mcp_server.rest_client import Send, Shop
from mcp_server.sessions import Events, Sessions
from mcp_server.tools import Confirm, Seals, ToolContext, all_tools
from serving.addresses import EVERYWHERE, ListenHost, address_shown, is_loopback
from serving.guard import Allowed, Guard
from serving.http_protocol import http_protocol
from serving.streams import Streams

VERSION = "1.0.0"
TAKEN_PATHS = frozenset({"/sse", "/messages", "/messages/", "/healthz"})
RETRY_MILLISECONDS = 1000  # after which a cut-off client should come back
LARGEST_MESSAGE = 256 * 1024  # bytes; the largest order has some 10 KB, and parsing holds up everybody
BANNER = """🌤️ 启动产品 MCP 服务器...
📍 支持的功能:
  - 获取产品列表 (get_products)
  - 获取库存列表 (get_inventory)
  - 获取订单列表 (get_orders)
  - 创建采购订单 (create_purchase)

"""
INSTRUCTIONS = (
    "这是一家商店：查商品和价格用 get_products，查库存用 get_inventory，"
    "查订单或销售汇总用 get_orders，下单用 create_purchase。"
    "价格和金额的单位是人民币元，时间是 UTC。下单不能撤销：先核对商品 ID、库存和用户说定的数量。"
    "只根据工具返回的数据回答，不要编造商品、库存或订单。"
)
Transport = Literal["all", "streamable-http", "sse", "stdio"]


class Settings(BaseSettings):
    """What can be set: flag, environment, `.env`, default, in this order of strength."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_prog_name="main.py",
        cli_shortcuts={
            "mcp-host": "host",
            "mcp-port": "port",
            "mcp-transport": "transport",
            "mcp-path": "path",
            "mcp-stateless": "stateless",
            "mcp-json-response": "json-response",
            "mcp-log-level": "log-level",
            "mcp-confirm": "confirm",
        },
    )

    mcp_host: ListenHost = Field(
        "127.0.0.1", description="address to listen on; MCP_TOKEN guards any but loopback"
    )
    mcp_port: int = Field(8083, ge=0, le=65535, description="port to listen on")
    mcp_transport: Transport = Field("all", description="all is streamable-http and sse together")
    mcp_path: str = Field("/mcp", pattern=r"^/[\w./-]*$", description="path of Streamable HTTP")
    mcp_stateless: bool = Field(False, description="no sessions for handshake clients, for several replicas")
    mcp_json_response: bool = Field(False, description="answer with JSON in place of an event stream")
    mcp_log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="how much to log")
    mcp_confirm: Confirm = Field(
        "auto", description="ask the user before buying: auto is where the client can"
    )
    mcp_allowed_hosts: str = Field("", description="names of a proxy or container network, by commas")
    mcp_token: SecretStr = Field(SecretStr(""), description="bearer token that clients must send")
    api_url: str = Field("http://127.0.0.1:8000/api", description="the REST service")
    api_token: SecretStr = Field(SecretStr(""), description="bearer token for the REST service")

    @field_validator("mcp_path")
    @classmethod
    def _is_a_path_of_its_own(cls, value: str) -> str:
        if value in TAKEN_PATHS:
            raise ValueError(f"{value} 已有别的用途，请换一个路径，例如 /mcp")
        return value

    @field_validator("api_url")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        try:
            url = URL(value)
        except ValueError as error:
            raise ValueError(f"不是有效的地址: {error}") from error
        if url.scheme not in {"http", "https"} or not url.host:
            raise ValueError("应为 http:// 或 https:// 开头的地址，例如 http://127.0.0.1:8000/api")
        return value

    @field_validator("api_token")
    @classmethod
    def _fits_a_header(cls, value: SecretStr) -> SecretStr:
        if not re.fullmatch(r"[!-~]*", value.get_secret_value()):  # RFC 6750 section 2.1
            raise ValueError("令牌要放进请求头，只能用可见的 ASCII 字符，不能有空格和中文")
        return value

    @model_validator(mode="after")
    def _has_one_credential(self) -> Self:
        if self.api_token and (URL(self.api_url).user or URL(self.api_url).password):
            raise ValueError("API_URL 里的用户名和 API_TOKEN 只能用一个：两者用的是同一个请求头")
        return self

    @model_validator(mode="after")
    def _guard_other_addresses(self) -> Self:
        if self.mcp_transport != "stdio" and not is_loopback(self.mcp_host) and not self.mcp_token:
            raise ValueError(
                f"MCP_HOST={self.mcp_host} 不是本机地址，其他机器也能连接，所以必须同时设置 MCP_TOKEN"
            )
        return self


class ShopServer(MCPServer[ToolContext]):
    """The SDK's server, whose failures read as the tutorial's sentences and nothing else."""

    shop: Shop

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[ToolContext, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool. Raises ToolError with a sentence for the model, without the SDK's English prefix."""
        if too_many(arguments):
            raise ToolError(f"参数错误：多于 {MOST_VALUES} 个值")
        try:
            return await super().call_tool(name, arguments, context)
        except UnexpectedToolError:
            raise
        except ToolError as error:
            if isinstance(error.__cause__, ValidationError):
                raise ToolError(complaint(error.__cause__)) from error.__cause__
            raise error.__cause__ if isinstance(error.__cause__, ToolError) else error from None

    async def get_prompt(
        self,
        name: str,
        arguments: dict[str, Any] | None = None,
        context: Context[ToolContext, Any] | None = None,
    ) -> GetPromptResult | InputRequiredResult:
        """Fill in a prompt. Raises MCPError for one that does not exist or lacks an argument."""
        offered = {prompt.name: prompt for prompt in await self.list_prompts()}
        if name not in offered:
            known_names = "、".join(offered)
            raise MCPError(INVALID_PARAMS, f"没有叫 {printable(name)} 的提示词，可用的有：{known_names}")
        known = offered[name].arguments or []
        missing = [
            argument.name
            for argument in known
            if argument.required and not (arguments or {}).get(argument.name)
        ]
        unknown = set(arguments or {}) - {argument.name for argument in known}
        if missing or unknown:
            wrong = [f"缺少 {field}" for field in missing]
            wrong += [f"没有参数 {printable(field)}" for field in sorted(unknown)[:MOST_PROBLEMS]]
            raise MCPError(INVALID_PARAMS, f"提示词 {name} 的参数错误：{'；'.join(wrong)}")
        return await super().get_prompt(name, arguments, context)


def create_server(settings: Settings, send: Send | None = None) -> ShopServer:
    """Make the server; `send` replaces the network to the REST service, for tests."""
    shop = Shop(settings.api_url, settings.api_token.get_secret_value(), send)
    at_hand = ToolContext(shop, settings.mcp_confirm)

    @contextlib.asynccontextmanager
    async def lifespan(_: MCPServer[ToolContext]) -> AsyncIterator[ToolContext]:
        async with shop.opened():
            yield at_hand

    # Replicas share the token, so that a question asked by one may be answered to another.
    token = settings.mcp_token.get_secret_value()
    shared = hashlib.sha256(b"request state:" + token.encode()).hexdigest()
    seals = Seals([shared if token else secrets.token_bytes(32)])
    server = ShopServer(
        "Product MCP Server",
        title="产品 MCP 服务器",
        version=VERSION,
        log_level="WARNING",  # else the SDK turns on logging, at a level that names customers
        instructions=INSTRUCTIONS,
        tools=all_tools(),
        lifespan=lifespan,
        request_state_security=RequestStateSecurity(codec=seals),
    )
    server.shop = shop
    Prompts(shop).add_to(server)
    return server


async def healthz(_: Request) -> PlainTextResponse:
    """Say that the server is up; whether the REST service is, its own /healthz says."""
    return PlainTextResponse("ok")


def create_app(settings: Settings, send: Send | None = None) -> Starlette:
    """Make the HTTP application: Streamable HTTP and SSE on one port, or the one that the settings name."""
    server = create_server(settings, send)
    # Off, since the guard checks every route, and says what to set.
    unchecked = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    routes: list[BaseRoute] = [Route("/healthz", healthz)]
    if settings.mcp_transport != "streamable-http":
        sse = server.sse_app(transport_security=unchecked, max_request_body_size=LARGEST_MESSAGE)
        routes += sse.routes
    if settings.mcp_transport == "sse":
        app = Starlette(routes=routes)
    else:
        resumable = not (settings.mcp_stateless or settings.mcp_json_response)
        app = server.streamable_http_app(
            streamable_http_path=settings.mcp_path,
            json_response=settings.mcp_json_response,
            stateless_http=settings.mcp_stateless,
            event_store=Events() if resumable else None,
            retry_interval=RETRY_MILLISECONDS,
            transport_security=unchecked,
            max_request_body_size=LARGEST_MESSAGE,
        )
        app.router.routes.extend(routes)
        app.add_middleware(Sessions)
    app.state.shop = server.shop
    own_name = [] if settings.mcp_host in EVERYWHERE else [settings.mcp_host]
    allowed = Allowed([*settings.mcp_allowed_hosts.split(","), *own_name])
    app.add_middleware(Guard, allowed=allowed, token=settings.mcp_token.get_secret_value())
    return app


def addresses(settings: Settings) -> str:
    """Return what to paste into a host's mcp.json, and the URLs by themselves."""
    base = address_shown(settings.mcp_host, settings.mcp_port)
    urls = {"streamable-http": base + settings.mcp_path, "sse": base + "/sse"}
    if settings.mcp_transport != "all":
        urls = {settings.mcp_transport: urls[settings.mcp_transport]}
    entry: dict[str, Any] = {"url": next(iter(urls.values()))}
    if settings.mcp_token:
        entry["headers"] = {"Authorization": "Bearer <MCP_TOKEN>"}
    lines = [f"  {transport + ':':<16} {url}" for transport, url in urls.items()]
    pasted = json.dumps({"mcpServers": {"product-mcp": entry}})
    return "\n".join(["🔌 连接地址:", *lines, "📋 粘贴到 mcp.json:", f"  {pasted}", "", ""])


def configure_logging(settings: Settings) -> None:
    """Log to standard error, and at INFO nothing that is somebody's business alone."""
    level = settings.mcp_log_level.upper()
    logging.basicConfig(
        level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    if level != "DEBUG":
        # At INFO these name session ids, arguments and URLs with customers in them.
        for name in ("mcp", "sse_starlette"):
            logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))
        logging.getLogger("stamina").setLevel(logging.ERROR)  # "retry_scheduled" tells nobody anything


class _HttpServer(uvicorn.Server):
    """Uvicorn, which ends the open streams before it waits for them."""

    def __init__(self, settings: Settings) -> None:
        app = create_app(settings)
        self._shop: Shop = app.state.shop
        self._streams = Streams(app)
        config = uvicorn.Config(
            self._streams,
            host=settings.mcp_host,
            port=settings.mcp_port,
            http=http_protocol(),
            log_level=settings.mcp_log_level,
            access_log=settings.mcp_log_level == "debug",  # it names session ids
            timeout_graceful_shutdown=2,
            server_header=False,
            proxy_headers=False,  # nothing here asks who the client is
        )
        super().__init__(config)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._streams.close()
        self._shop.give_up()
        await super().shutdown(sockets)


def read_settings() -> Settings:
    """Read flags, environment and `.env`. Exits with status 1 or 2 and a message when one is wrong."""
    try:
        return Settings(_cli_parse_args=True)
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors())
        sys.exit("设置有误：" + "；".join(problems))
    except SettingsError as error:
        sys.exit(f"设置有误：{error}")


def run() -> None:
    """Read the settings and serve until stopped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a console of another encoding must not end the server
            stream.reconfigure(errors="replace")
    settings = read_settings()
    configure_logging(settings)
    with contextlib.suppress(KeyboardInterrupt):
        if settings.mcp_transport == "stdio":
            sys.stderr.write(BANNER)
            # A thread waits for input, and would hold up the end.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            anyio.run(create_server(settings).run_stdio_async)
        else:
            sys.stdout.write(BANNER + addresses(settings))
            sys.stdout.flush()
            _HttpServer(settings).run()


if __name__ == "__main__":
    run()
