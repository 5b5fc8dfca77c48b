"""The MCP server: the SDK's, whose failures carry codes, and the HTTP application that serves it."""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.transport_security import TransportSecuritySettings
from mcp.types import CallToolResult, GetPromptResult, InputRequiredResult
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from mcp_server import sentences
from mcp_server.arguments import MAX_PROBLEMS, StrictTool
from mcp_server.asking import ToolContext, question_security
from mcp_server.failures import (
    InvalidPromptError,
    PromptFailedError,
    ToolFailedError,
    prompt_failure,
    shown_name,
    tool_failure,
)
from mcp_server.prompts import Prompts
from mcp_server.sessions import MAX_SESSIONS, Sessions, event_store
from serving.access import Access, Allowed, BearerToken, Refusal
from serving.errors import CodedError, sentence

MAX_MESSAGE_BYTES = 256 * 1024  # the largest order has about 10 KB, and parsing blocks the event loop
MAX_HOSTS_LOGGED = 100  # refused hosts that are logged, each once; a client can make up any number
RETRY_MILLISECONDS = 1000  # after which a client that was cut off reconnects

HttpTransport = Literal["all", "streamable-http", "sse"]

log = logging.getLogger(__name__)


class ShopServer(MCPServer[ToolContext]):
    """The SDK's server with strict tools, whose failures read as the tutorial's sentences."""

    def __init__(
        self,
        name: str,
        *,
        title: str,
        version: str,
        instructions: str,
        tools: Sequence[StrictTool],
        context: ToolContext,
        token: str = "",
    ) -> None:
        """Make a server.

        Args:
            name: For programs.
            title: For people.
            version: Of this server.
            instructions: For the model.
            tools: What is offered.
            context: What the tools and prompts work with, opened in the server's lifespan.
            token: Shared by replicas, which know one another's questions by it.
        """

        @asynccontextmanager
        async def lifespan(_: MCPServer[ToolContext]) -> AsyncIterator[ToolContext]:
            async with context.rest.opened():
                yield context

        super().__init__(
            name,
            title=title,
            version=version,
            instructions=instructions,
            tools=[strict.tool for strict in tools],
            lifespan=lifespan,
            request_state_security=question_security(token),
            log_level="WARNING",  # else the SDK turns on logging, at a level that names customers
        )
        self._strict = {strict.tool.name: strict for strict in tools}
        Prompts(context.rest).add_to(self)

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[ToolContext, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool. A failure is a result with its code; a crash is the SDK's UnexpectedToolError."""
        try:
            if name not in self._strict:
                known = "、".join(self._strict)
                raise ToolFailedError("unknown_tool", tool=shown_name(name), known=known)
            return await super().call_tool(name, self._strict[name].checked(arguments), context)
        except CodedError as error:
            return tool_failure(error)
        except ToolError as error:  # what a tool raises arrives as its cause
            if isinstance(error.__cause__, CodedError):
                return tool_failure(error.__cause__)
            raise

    async def get_prompt(
        self,
        name: str,
        arguments: dict[str, Any] | None = None,
        context: Context[ToolContext, Any] | None = None,
    ) -> GetPromptResult | InputRequiredResult:
        """Fill in a prompt. Raises MCPError for one that does not exist or whose arguments are wrong."""
        await self._check_prompt(name, arguments or {})
        return await super().get_prompt(name, arguments, context)

    async def _check_prompt(self, name: str, given: dict[str, Any]) -> None:
        offered = {prompt.name: prompt for prompt in await self.list_prompts()}
        if name not in offered:
            error = PromptFailedError("unknown_prompt", prompt=shown_name(name), known="、".join(offered))
            raise prompt_failure(error)
        known = offered[name].arguments or []
        missing = [each.name for each in known if each.required and not given.get(each.name)]
        unknown = sorted(set(given) - {each.name for each in known})[:MAX_PROBLEMS]
        if missing or unknown:
            raise prompt_failure(InvalidPromptError(name, missing, [shown_name(field) for field in unknown]))


def http_app(
    server: ShopServer,
    transport: HttpTransport,
    *,
    path: str = "/mcp",
    stateless: bool = False,
    json_response: bool = False,
    hosts: Sequence[str] = (),
    token: str = "",
    max_sessions: int = MAX_SESSIONS,
) -> Starlette:
    """Make the HTTP application: Streamable HTTP and SSE on one port, or one of them.

    Args:
        server: The MCP server.
        transport: What is served; `all` is both.
        path: The path of Streamable HTTP.
        stateless: No sessions for handshake clients.
        json_response: Answer with JSON in place of an event stream.
        hosts: Who is let in beside this machine, see `Allowed`.
        token: The bearer token that every request must carry, if any.
        max_sessions: Of handshake clients; beyond it the one idle for longest ends.
    """
    app = _transports(server, transport, path, stateless=stateless, json_response=json_response)
    app.router.routes.append(Route("/healthz", healthz))
    app.add_middleware(Sessions, max_sessions=max_sessions)
    allowed = Allowed(hosts, loopback_pages=True)
    secret = BearerToken(token) if token else None
    app.add_middleware(Access, allowed=allowed, refuse=Refusals(), secret=secret)
    return app


def _transports(
    server: ShopServer, transport: HttpTransport, path: str, *, stateless: bool, json_response: bool
) -> Starlette:
    # The SDK's own check of Host and Origin is off: `Access` checks every route, and says what to set.
    bounds: dict[str, Any] = {
        "transport_security": TransportSecuritySettings(enable_dns_rebinding_protection=False),
        "max_request_body_size": MAX_MESSAGE_BYTES,
    }
    if transport == "sse":
        return server.sse_app(**bounds)
    app = server.streamable_http_app(
        streamable_http_path=path,
        json_response=json_response,
        stateless_http=stateless,
        event_store=None if stateless or json_response else event_store(),
        retry_interval=RETRY_MILLISECONDS,
        **bounds,
    )
    if transport == "all":
        app.router.routes.extend(server.sse_app(**bounds).routes)
    return app


async def healthz(_: Request) -> PlainTextResponse:
    """Say that the server is up; whether the REST service is, its own /healthz says."""
    return PlainTextResponse("ok")


class Refusals:
    """Says why a request is not let in, and logs each refused host once."""

    def __init__(self) -> None:
        self._logged: set[str] = set()

    def __call__(self, refusal: Refusal) -> PlainTextResponse:
        """Return the answer to a refused request."""
        said = sentence(sentences.HTTP, refusal.code, refusal.params)
        host = refusal.params.get("host")
        if host and host not in self._logged and len(self._logged) < MAX_HOSTS_LOGGED:
            self._logged.add(host)
            log.warning("%s", said)
        return PlainTextResponse(f"{said}\n", refusal.status, refusal.headers)
