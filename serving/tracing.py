"""One trace from the browser's question to the database, where the settings name a collector (extra `otel`).

The MCP SDK carries it over the protocol; here are the services' own spans and what carries it over HTTP. Of
an address only the route is told: its parameters name customers. Without a collector nothing of this runs.
"""

import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from starlette._utils import get_route_path  # without the prefix of a proxy
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MISSING = "OTEL_EXPORTER_OTLP_ENDPOINT 需要 otel 扩展，请运行 uv sync --extra otel"
UNTRACED = ("/healthz", "/metrics", "/static/")

END_SECONDS = 0.3  # in which a collector takes the last spans; honcho's 5 suffice for all

_tracer: trace.Tracer | None = None
_send_rest: Callable[[], object] = bool


def begin(endpoint: str, service: str) -> None:
    """Send the spans of this process to a collector (OTLP over HTTP). Ends the process without the extra."""
    global _tracer, _send_rest  # as the tracer provider is the process's
    try:
        from serving import collector  # noqa: PLC0415  90 ms of imports, for who has one
    except ImportError:
        sys.exit(MISSING)
    provider = collector.sends(endpoint, f"product-mcp-{service}")
    trace.set_tracer_provider(provider)
    _tracer, _send_rest = trace.get_tracer("product-mcp"), provider.shutdown


def is_on() -> bool:
    """Whether spans are sent to a collector."""
    return _tracer is not None


def end() -> None:
    """Send the last spans: after SIGTERM the SDK has no time to. A collector that is slow loses them."""
    if _tracer is not None:
        sending = threading.Thread(target=_send_rest, daemon=True)
        sending.start()
        sending.join(END_SECONDS)


def trace_id() -> str:
    """Return the id of the trace under way, or nothing."""
    context = trace.get_current_span().get_span_context() if _tracer else None
    return trace.format_trace_id(context.trace_id) if context and context.is_valid else ""


def span(name: str, kind: SpanKind = SpanKind.INTERNAL) -> AbstractContextManager[dict[str, str]]:
    """Make a span of what happens in the context, and give the headers that carry the trace on."""
    return _span(_tracer, name, kind) if _tracer else nullcontext({})


@contextmanager
def _made(tracer: trace.Tracer, name: str, kind: SpanKind, within: Context | None = None) -> Iterator[Span]:
    """Make a span that tells only the kind of a failure: its text, in the log alone, may name customers."""
    with tracer.start_as_current_span(
        name, within, kind, record_exception=False, set_status_on_exception=False
    ) as own:
        try:
            yield own
        except Exception as error:
            own.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


@contextmanager
def _span(tracer: trace.Tracer, name: str, kind: SpanKind) -> Iterator[dict[str, str]]:
    carried: dict[str, str] = {}
    with _made(tracer, name, kind):
        if kind is SpanKind.CLIENT:
            propagate.inject(carried)
        yield carried


@contextmanager
def aside(name: str) -> Iterator[None]:
    """Make a span of a call to others that is no parent of what happens meanwhile, as of a stream's."""
    if _tracer is None:
        yield
        return
    own = _tracer.start_span(name, kind=SpanKind.CLIENT)
    try:
        yield
    finally:
        own.end()


class Traced:
    """Middleware that makes a span of each request, in the trace that its headers name."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request."""
        if _tracer is None or scope["type"] != "http" or get_route_path(scope).startswith(UNTRACED):
            return self._app(scope, receive, send)
        return self._traced(_tracer, scope, receive, send)

    async def _traced(self, tracer: trace.Tracer, scope: Scope, receive: Receive, send: Send) -> None:
        within = propagate.extract(Headers(scope=scope))
        with _made(tracer, scope["method"], SpanKind.SERVER, within) as own:

            async def told(message: Message) -> None:
                if message["type"] == "http.response.start":
                    route = getattr(scope.get("route"), "path", "")
                    own.update_name(f"{scope['method']} {route}".strip())
                    own.set_attribute("http.request.method", scope["method"])
                    own.set_attribute("http.route", route)
                    own.set_attribute("http.response.status_code", message["status"])
                    if message["status"] >= 500:
                        own.set_status(Status(StatusCode.ERROR))
                await send(message)

            await self._app(scope, receive, told)
