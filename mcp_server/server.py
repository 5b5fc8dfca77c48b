"""The MCP server: the SDK's, whose failures carry codes, and the HTTP application that serves it."""

import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any
from urllib.parse import quote

from mcp import types
from mcp.server._otel import OpenTelemetryMiddleware
from mcp.server.apps import Apps
from mcp.server.caching import CacheHint
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from mcp.types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import AnyUrl
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Scope

from mcp_server import apps, sentences
from mcp_server.arguments import MAX_PROBLEMS, StrictTool, none_if_blank
from mcp_server.asking import ToolContext, question_security, worded
from mcp_server.failures import protocol_failure, shown_name, tool_failure
from mcp_server.messages import BUY, OWN, READ, READING, Messages
from mcp_server.prompts import Prompts
from mcp_server.requests import LISTEN, LISTS, Requests
from mcp_server.resources import Resources
from mcp_server.sessions import Sessions, event_store
from mcp_server.watching import Watching
from serving import tracing
from serving.access import Refusal
from serving.errors import CodedError, sentence
from serving.metrics import OTHER, Histogram, refused

MAX_MESSAGE_BYTES = 256 * 1024  # the largest order has about 10 KB, and parsing blocks the event loop
MAX_HOSTS_LOGGED = 100  # refused hosts that are logged, each once; a client can make up any number
RETRY_MILLISECONDS = 1000  # after which a client that was cut off reconnects
# The page's icon in fewer strokes: since 2026-07-28 it goes along with every answer but a call's.
ICON = "data:image/svg+xml," + quote(
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0,0,32,32'>"
    "<rect width='32' height='32' rx='9' fill='#0b7261'/>"
    "<path d='M9,12h14l-1.5,13h-11zm3.5,0a3.5,3.5,0,0,1,7,0' fill='none' stroke='#fff' stroke-width='2'/>"
    "</svg>",
    safe="/:=,'",
)
# A list changes with the settings alone, by a restart.
SAME_FOR_ALL = CacheHint(ttl_ms=300_000, scope="public")

CALLS = Histogram("mcp_tool_call_duration_seconds", "Tool calls that were served.", ("tool", "is_error"))

log = logging.getLogger(__name__)


class ShopServer(MCPServer[ToolContext]):
    """The SDK's server with strict tools, whose failures read as the tutorial's sentences."""

    def __init__(
        self,
        tools: Sequence[StrictTool],
        context: ToolContext,
        *,
        token: str = "",
        owner: bool = False,
        stateless: bool = False,
        **described: Any,
    ) -> None:
        """Make a server that opens `context` in its lifespan.

        Replicas with the same `token` accept the answers to each other's questions. The `owner` has more
        resources; a `stateless` server cannot tell handshake clients what changes. The SDK gets `described`.
        """

        @asynccontextmanager
        async def lifespan(_: MCPServer[ToolContext]) -> AsyncIterator[ToolContext]:
            async with context.rest.opened():
                yield context

        self.requests = Requests()
        super().__init__(
            middleware=[self.requests, context.clock.tell],
            tools=[strict.tool for strict in tools],
            icons=[types.Icon(src=ICON, mime_type="image/svg+xml", sizes=["any"])],
            cache_hints=dict.fromkeys(LISTS, SAME_FOR_ALL),
            extensions=[Apps()],  # which says that there are some; tools and documents are served here
            lifespan=lifespan,
            request_state_security=question_security(token),
            log_level="WARNING",  # else the SDK turns on logging, at a level that names customers
            **described,
        )
        if not tracing.is_on():  # nobody collects spans: the SDK says to take what makes them out of the list
            self.middleware[:] = [m for m in self.middleware if type(m) is not OpenTelemetryMiddleware]
        self.is_owners = owner
        self._strict = {strict.tool.name: strict for strict in tools}
        self._resources = Resources(context.rest, owner=owner)
        Prompts(context.rest, self._resources).add_to(self)
        watching = Watching(context.rest, self._resources)
        serve = self._lowlevel_server.add_request_handler
        serve(LISTEN, types.SubscriptionsListenRequestParams, watching.listen)
        if not stateless:
            serve("resources/subscribe", types.SubscribeRequestParams, watching.subscribe)
            serve("resources/unsubscribe", types.UnsubscribeRequestParams, watching.unsubscribe)

    def scope_needed(self, method: str, params: Mapping[str, Any]) -> str | None:
        """Return the scope that a token must have for a request, or None if any token will do."""
        if method == "tools/call":
            strict = self._strict.get(str(params.get("name")))
            if strict is None or strict.reads:
                return READ
            return BUY if strict.tool.name == "create_purchase" else OWN
        is_owners = method.startswith("resources/") and self._resources.is_owners(params.get("uri"))
        return OWN if is_owners else READ if method in READING else None

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[ToolContext, Any] | None = None
    ) -> types.CallToolResult | types.InputRequiredResult:
        """Call a tool. A failure is a result with its code; a crash is the SDK's UnexpectedToolError."""
        begun = perf_counter()
        result = await self._called(name, arguments, context)
        worded(result)
        modern = context is not None and context.protocol_version in MODERN_PROTOCOL_VERSIONS
        if modern and isinstance(result, types.CallToolResult):  # the SDK would copy all icons into it
            me = {"name": self.name, "version": self.version}
            result.meta = {types.SERVER_INFO_META_KEY: me, **(result.meta or {})}
        is_error = isinstance(result, types.CallToolResult) and result.is_error
        tool = name if name in self._strict else OTHER
        CALLS.observe(perf_counter() - begun, tool, "true" if is_error else "false")
        return result

    async def _called(
        self, name: str, arguments: dict[str, Any], context: Context[ToolContext, Any] | None
    ) -> types.CallToolResult | types.InputRequiredResult:
        if name not in self._strict:
            known = "、".join(self._strict)
            return tool_failure(CodedError("unknown_tool", tool=shown_name(name), known=known))
        try:
            return await super().call_tool(name, self._strict[name].checked(arguments), context)
        except CodedError as error:
            return tool_failure(error)
        except (MCPError, ToolError) as error:  # what a tool raises arrives as the cause of a ToolError
            cause = error.__cause__ if isinstance(error, ToolError) else error
            if isinstance(cause, CodedError):
                return tool_failure(cause)
            if isinstance(cause, MCPError | ToolError):  # the client's answer to the question is none
                return tool_failure(CodedError("question_failed", reason=shown_name(cause)))
            raise

    async def list_resources(self) -> list[types.Resource]:
        """Return the resources with a fixed address."""
        return self._resources.listed()

    async def list_resource_templates(self) -> list[types.ResourceTemplate]:
        """Return the templates of the others."""
        return self._resources.templates()

    async def read_resource(
        self, uri: AnyUrl | str, context: Context[ToolContext, Any] | None = None
    ) -> Iterable[ReadResourceContents]:
        """Read a resource. Raises MCPError."""
        if html := apps.document(str(uri)):
            return [ReadResourceContents(html, apps.MIME_TYPE, apps.META)]
        version = context.protocol_version if context else None
        return [ReadResourceContents(*await self._resources.read(str(uri), version))]

    async def get_prompt(
        self,
        name: str,
        arguments: dict[str, Any] | None = None,
        context: Context[ToolContext, Any] | None = None,
    ) -> types.GetPromptResult | types.InputRequiredResult:
        """Fill in a prompt. Raises MCPError for one that does not exist or whose arguments are wrong."""
        given = arguments or {}
        offered = {prompt.name: prompt for prompt in await self.list_prompts()}
        if name not in offered:
            error = CodedError("unknown_prompt", prompt=shown_name(name), known="、".join(offered))
            raise protocol_failure(error)
        known = offered[name].arguments or []
        filled = {name: text for name, value in given.items() if (text := none_if_blank(value))}
        missing = [each.name for each in known if each.required and each.name not in filled]
        unknown = sorted(set(given) - {each.name for each in known})[:MAX_PROBLEMS]
        if missing or unknown:
            wrong = {"missing": missing, "unknown": [shown_name(field) for field in unknown]}
            raise protocol_failure(CodedError("invalid_prompt_arguments", prompt=name, **wrong))
        return await super().get_prompt(name, filled, context)


def http_app(
    server: ShopServer,
    paths: Mapping[str, str],
    *,
    stateless: bool,
    json_response: bool,
    max_sessions: int,
) -> Starlette:
    """Make the HTTP application: each transport at its path of `paths`, on one port."""
    # The SDK's own check of Host and Origin is off: `Access` checks every route, and says what to set.
    bounds: dict[str, Any] = {
        "transport_security": TransportSecuritySettings(enable_dns_rebinding_protection=False),
        "max_request_body_size": MAX_MESSAGE_BYTES,
    }
    app = server.sse_app(**bounds)
    if path := paths.get("streamable-http"):
        over_sse = app.routes if "sse" in paths else []
        app = server.streamable_http_app(
            streamable_http_path=path,
            json_response=json_response,
            stateless_http=stateless,
            event_store=None if stateless or json_response else event_store(),
            retry_interval=RETRY_MILLISECONDS,
            **bounds,
        )
        app.router.routes.extend(over_sse)
    app.router.routes.append(Route("/healthz", healthz))
    app.add_middleware(
        Messages,
        paths=(*paths.values(), "/messages/"),
        max_bytes=MAX_MESSAGE_BYTES,
        needed=server.scope_needed,
    )
    app.add_middleware(Sessions, max_sessions=max_sessions)
    app.state.server = server
    return app


def restarting(_: Scope) -> PlainTextResponse:
    """Return the answer to a request that is given up before any tool was called, and to a late probe."""
    return PlainTextResponse(sentences.HTTP["restarting"], 503)


async def healthz(_: Request) -> PlainTextResponse:
    """Say that the server is up; whether the REST service is, its own /healthz says."""
    return PlainTextResponse("ok")


class Refusals:
    """Says why a request is not let in, and logs each refused host once."""

    def __init__(self) -> None:
        self._logged: set[str] = set()

    def __call__(self, refusal: Refusal) -> PlainTextResponse:
        """Return the answer to a refused request."""
        refused(refusal.code)
        said = sentence(sentences.HTTP, refusal.code, refusal.params)
        host = refusal.params.get("host")
        if host and host not in self._logged and len(self._logged) < MAX_HOSTS_LOGGED:
            self._logged.add(host)
            log.warning("%s", said)
        return PlainTextResponse(f"{said}\n", refusal.status, refusal.headers)
