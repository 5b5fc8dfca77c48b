"""The MCP requests under way, on whatever transport: each ends in its own protocol when the service stops."""

from typing import Any

import anyio
from mcp.server.caching import CacheableMethod
from mcp.server.context import CallNext, HandlerResult, ServerMiddleware, ServerRequestContext
from mcp.server.subscriptions import SUBSCRIPTION_ID_META_KEY
from mcp.types import SubscriptionsListenResult
from pydantic import ValidationError

from mcp_server.arguments import invalid_arguments
from mcp_server.failures import protocol_failure, shown_name, tool_failure
from mcp_server.sessions import current_session
from serving.errors import CodedError
from serving.streams import LOOK_SECONDS

RESTARTING = CodedError("restarting")
LISTEN = "subscriptions/listen"
# Each is one page, so no cursor is ours; the SDK would answer with the first page, for ever.
LISTS: tuple[CacheableMethod, ...] = (
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
)


class Requests(ServerMiddleware[Any]):
    """Middleware of the SDK's server that knows what is under way, and can end it."""

    def __init__(self) -> None:
        self._open: dict[anyio.CancelScope, str] = {}

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Handle one request or notification."""
        with anyio.CancelScope() as scope:
            self._open[scope] = ctx.method
            try:
                if ctx.method in LISTS and (cursor := (ctx.params or {}).get("cursor")):
                    raise protocol_failure(CodedError("unknown_cursor", cursor=shown_name(cursor)))
                session = current_session()
                if session is None or ctx.request_id is None:
                    return await call_next(ctx)
                if ctx.method == LISTEN:
                    async with session.listening(scope.cancel):
                        return await call_next(ctx)
                with session.asking():
                    return await call_next(ctx)
            except ValidationError as error:  # params that are none of this method's
                raise protocol_failure(invalid_arguments(error)) from error
            finally:
                del self._open[scope]
        if ctx.method == LISTEN:
            return SubscriptionsListenResult(_meta={SUBSCRIPTION_ID_META_KEY: ctx.request_id})
        if ctx.method == "tools/call":
            return tool_failure(RESTARTING)
        raise protocol_failure(RESTARTING)

    def end_listening(self) -> None:
        """End the subscriptions."""
        for scope, method in self._open.items():
            if method == LISTEN:
                scope.cancel()

    async def done(self, seconds: float) -> None:
        """Wait until nothing is under way, at most so long; a purchase is, also after its client has left."""
        with anyio.move_on_after(seconds):
            while self._open:  # noqa: ASYNC110  looked at while the service stops
                await anyio.sleep(LOOK_SECONDS)

    def give_up(self) -> None:
        """End everything; a purchase that was sent to the shop is shielded, and given up by its client."""
        for scope in self._open:
            scope.cancel()
