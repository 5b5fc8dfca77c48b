"""What a token of an authorization server allows, by its scopes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from starlette.requests import Request

from mcp_server.failures import protocol_failure, tool_failure
from serving.errors import CodedError

READ, BUY, OWN = "shop:read", "shop:buy", "shop:own"
READING = frozenset(
    {"resources/read", "resources/subscribe", "subscriptions/listen", "completion/complete", "prompts/get"}
)


@dataclass(frozen=True)
class Scoped:
    """Middleware of the SDK's server: what a token's scopes do not allow is not done.

    A request without a user has come over stdio, without an issuer, or with the server's own token.
    """

    needed: Callable[[str, Mapping[str, Any]], str | None]  # of a method and its parameters: the scope

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Handle one request or notification."""
        user = ctx.request.scope.get("user") if isinstance(ctx.request, Request) else None
        if isinstance(user, AuthenticatedUser):
            scope = self.needed(ctx.method, ctx.params or {})
            if scope and scope not in user.scopes:
                failure = CodedError("insufficient_scope", scope=scope)
                if ctx.method == "tools/call":
                    return tool_failure(failure)
                raise protocol_failure(failure)
        return await call_next(ctx)
