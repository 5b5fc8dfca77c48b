"""The tool `get-weather`, its MCP server, and the stateless Streamable HTTP application."""

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
LOOPBACK = [host + port for host in ("localhost", "127.0.0.1", "[::1]") for port in ("", ":*")]
LOOPBACK_ONLY = TransportSecuritySettings(
    allowed_hosts=LOOPBACK, allowed_origins=[f"http://{host}" for host in LOOPBACK]
)
BAD_ARGUMENTS = "请求无效：需要参数 city，城市名称，1 到 100 个字符的文本，且没有其他参数"

logger = logging.getLogger("weather-server")

Context = ServerRequestContext[Seniverse]


def _normalised(city: str) -> str:
    """Make spellings of one city equal: full-width letters become narrow, runs of white space one space."""
    city = " ".join(unicodedata.normalize("NFKC", city).split())
    if not city or not city.isprintable():
        raise ValueError("must be readable text")
    return city


class GetWeatherArguments(BaseModel):
    """The arguments of `get-weather`."""

    model_config = ConfigDict(strict=True, extra="forbid")

    city: Annotated[str, AfterValidator(_normalised)] = Field(
        min_length=1, max_length=100, description="城市名称：中文名、拼音或英文名，如 北京、beijing"
    )


GET_WEATHER = types.Tool(
    name="get-weather",
    title="实时天气",
    description="查询指定城市的实时天气（心知天气数据）",
    input_schema=GetWeatherArguments.model_json_schema(),
    output_schema=Weather.model_json_schema(mode="serialization"),
    annotations=types.ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=True),
)


async def list_tools(_: Context, __: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    """Answer `tools/list`."""
    return types.ListToolsResult(tools=[GET_WEATHER])


async def call_tool(ctx: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
    """Answer `tools/call`. A failure is a result with `isError`, whose sentence the model reads.

    Raises:
        MCPError: The tool is unknown (MCP specification, server/tools, "Error Handling").
    """
    if params.name != GET_WEATHER.name:
        raise MCPError(code=types.INVALID_PARAMS, message=f"Unknown tool: {params.name}")
    try:
        city = GetWeatherArguments.model_validate(params.arguments or {}).city
    except ValidationError:
        return _failure(BAD_ARGUMENTS)
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

    A 2026-07-28 client gets it if its call asks for a log level. An older client always gets it, as in the
    tutorial: without sessions the server cannot remember a level that was set.
    """
    with warnings.catch_warnings():
        # Deprecated since 2026-07-28, but part of the tutorial, and clients still show it.
        warnings.simplefilter("ignore", MCPDeprecationWarning)
        sending = ctx.session.send_log_message(
            level, text, logger="weather", related_request_id=ctx.request_id
        )
    await sending


async def _set_level(_: Context, __: types.SetLevelRequestParams) -> types.EmptyResult:
    # Required of a server that declares logging; without sessions the level cannot be kept (see _notify).
    return types.EmptyResult()


def create_server(seniverse: Seniverse) -> Server[Seniverse]:
    """Return the MCP server, which opens and closes `seniverse`."""

    @asynccontextmanager
    async def lifespan(_: Server[Seniverse]) -> AsyncIterator[Seniverse]:
        async with seniverse:
            logger.info("Weather MCP server started! 🚀")
            yield seniverse
            logger.info("Weather MCP server shutting down…")

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
    """The session manager as an ASGI application that checks the bearer token, if one is set."""

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
            # httptools keeps white space around a value, which is not part of it (RFC 9110, section 5.5).
            headers = [(name, value.strip(b" \t")) for name, value in scope["headers"]]
            await self._manager.handle_request({**scope, "headers": headers}, receive, send)


def create_app(
    seniverse: Seniverse, *, loopback: bool = True, token: str = "", json_response: bool = False
) -> Starlette:
    """Return the web application.

    Args:
        seniverse: The client of the weather API.
        loopback: Reject requests whose Host or Origin is not a loopback name, against DNS rebinding (MCP
            specification, basic/transports, "Security Warning"). On other addresses the token protects.
        token: The bearer token that a client must send; empty for none.
        json_response: Answer with JSON instead of an event stream, without log notifications.
    """
    manager = StreamableHTTPSessionManager(
        create_server(seniverse),
        json_response=json_response,
        stateless=True,
        security_settings=LOOPBACK_ONLY if loopback else None,
    )

    async def health(_: Request) -> Response:
        return PlainTextResponse("ok")

    # GET and DELETE belong to sessions, which this server does not have: they get 405.
    mcp = Route(PATH, Endpoint(manager, token), methods=["POST"])
    return Starlette(routes=[mcp, Route("/healthz", health)], lifespan=lambda _: manager.run())
