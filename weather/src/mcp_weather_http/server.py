"""An MCP server with one tool, `get-weather`, over stateless Streamable HTTP."""

import hmac
import logging
import unicodedata
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Annotated

from mcp import types
from mcp.server import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from mcp_weather_http.seniverse import Seniverse, Weather, WeatherError

PATH = "/mcp"
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
BAD_QUESTION = "请求无效：需要参数 city，城市名称，1 到 100 个字符的文本，且没有其他参数"

logger = logging.getLogger("weather-server")

Context = ServerRequestContext[Seniverse]


def _plain(city: str) -> str:
    """Write one city one way: full-width letters as narrow ones, white space as one space."""
    city = " ".join(unicodedata.normalize("NFKC", city).split())
    if not city or not city.isprintable():
        raise ValueError("must be readable text")
    return city


class Question(BaseModel):
    """The arguments of `get-weather`."""

    model_config = ConfigDict(strict=True, extra="forbid")

    city: Annotated[str, AfterValidator(_plain)] = Field(
        min_length=1, max_length=100, description="城市名称：中文名、拼音或英文名，如 北京、beijing"
    )


GET_WEATHER = types.Tool(
    name="get-weather",
    title="实时天气",
    description="查询指定城市的实时天气（心知天气数据）",
    input_schema=Question.model_json_schema(),
    output_schema=Weather.model_json_schema(),
    annotations=types.ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=True),
)


async def list_tools(_: Context, __: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    """Answer `tools/list`."""
    return types.ListToolsResult(tools=[GET_WEATHER])


async def call_tool(ctx: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
    """Answer `tools/call`; a failure is a result with `isError`, so that the model reads its sentence.

    Raises:
        MCPError: there is no such tool (MCP specification, server/tools, "Error Handling").
    """
    if params.name != GET_WEATHER.name:
        raise MCPError(code=types.INVALID_PARAMS, message=f"Unknown tool: {params.name}")
    try:
        city = Question.model_validate(params.arguments or {}).city
    except ValidationError:
        return _failure(BAD_QUESTION)
    await _notify(ctx, "info", f"Fetching weather for {city}…")
    try:
        weather = await ctx.lifespan_context.now(city)
    except WeatherError as error:
        logger.warning("get-weather %s: %s", city, error)
        await _notify(ctx, "error", str(error))
        return _failure(str(error))
    await _notify(ctx, "info", "Weather data fetched successfully!")
    return types.CallToolResult(
        content=[types.TextContent(text=weather.model_dump_json())],
        structured_content=weather.model_dump(),
    )


def _failure(sentence: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=sentence)], is_error=True)


async def _notify(ctx: Context, level: types.LoggingLevel, text: str) -> None:
    """Send a log notification on the stream of this call.

    Since 2026-07-28 only to a client that asked in the call; before, to every client, as in the tutorial:
    without sessions nobody could remember who asked.
    """
    with warnings.catch_warnings():
        # Deprecated since 2026-07-28, but part of the tutorial, and the clients of both eras still show it.
        warnings.simplefilter("ignore", MCPDeprecationWarning)
        sending = ctx.session.send_log_message(
            level, text, logger="weather", related_request_id=ctx.request_id
        )
    await sending


async def _set_level(_: Context, __: types.SetLevelRequestParams) -> types.EmptyResult:
    # A server that logs has to declare it, and then to take this request; see _notify for what it means here.
    return types.EmptyResult()


def create_server(seniverse: Seniverse) -> Server[Seniverse]:
    """Return the MCP server; `seniverse` is opened and closed with it."""

    @asynccontextmanager
    async def lifespan(_: Server[Seniverse]) -> AsyncIterator[Seniverse]:
        async with seniverse:
            yield seniverse

    server = Server(
        "mcp-streamable-http-weather",
        version=version("mcp-streamable-weather"),
        lifespan=lifespan,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )
    server.add_request_handler("logging/setLevel", types.SetLevelRequestParams, _set_level)
    return server


class Endpoint:
    """The session manager as a web application, behind a bearer token where there is one."""

    def __init__(self, manager: StreamableHTTPSessionManager, token: str) -> None:
        self._manager = manager
        self._expected = f"Bearer {token}".encode() if token else b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or answer 401."""
        given = Headers(scope=scope).get("authorization", "").encode()
        if self._expected and not hmac.compare_digest(given, self._expected):
            refusal = PlainTextResponse("Unauthorized", 401, {"WWW-Authenticate": "Bearer"})
            await refusal(scope, receive, send)
        else:
            # White space around a value is no part of it (RFC 9110, section 5.5); httptools leaves it there.
            headers = [(name, value.strip(b" \t")) for name, value in scope["headers"]]
            await self._manager.handle_request({**scope, "headers": headers}, receive, send)


def create_app(
    seniverse: Seniverse, *, loopback: bool = True, token: str = "", json_response: bool = False
) -> Starlette:
    """Return the web application.

    Args:
        seniverse: who is asked.
        loopback: answer only to the names of this machine, so that no web page can reach in by DNS rebinding
            (MCP specification, basic/transports, "Security Warning"). On other addresses the token does that.
        token: what a client has to send as its bearer token; empty for none.
        json_response: answer with JSON instead of an event stream; there are no log notifications then.
    """
    manager = StreamableHTTPSessionManager(
        create_server(seniverse),
        json_response=json_response,
        stateless=True,
        security_settings=_loopback_only() if loopback else None,
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with manager.run():
            logger.info("Weather MCP server started! 🚀")
            yield
            logger.info("Weather MCP server shutting down…")

    async def health(_: Request) -> Response:
        return PlainTextResponse("ok")

    # Without sessions there is no stream to GET and nothing to DELETE: 405 says so.
    mcp = Route(PATH, Endpoint(manager, token), methods=["POST"])
    return Starlette(routes=[mcp, Route("/healthz", health)], lifespan=lifespan)


def _loopback_only() -> TransportSecuritySettings:
    hosts = [host + port for host in LOOPBACK for port in ("", ":*")]
    return TransportSecuritySettings(
        allowed_hosts=hosts, allowed_origins=[f"http://{host}" for host in hosts]
    )
