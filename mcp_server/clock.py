"""The shop's clock: where it counts its days and which one it is there, told to each client that connects.

Told with it, for `web.py --check`: the versions of this service and of the shop.
"""

from datetime import tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext

from mcp_server import sentences
from mcp_server.rest_client import TODAY, RestClient, RestError
from serving import VERSION

VERSIONS = "product-mcp/versions"  # in the `_meta` of those answers
# A client that connects waits no longer for a shop that does not answer. To reach another replica takes 1 s
# where one that ends lets nobody begin to connect.
MAX_SECONDS = 2.0
GREETINGS = frozenset({"initialize", "server/discover"})  # requests whose answers carry instructions


class ShopClock:
    """Asks the shop for its zone and day. Until it has answered, `zone` is None: this machine's."""

    def __init__(self, rest: RestClient) -> None:
        self._rest = rest
        self.zone: tzinfo | None = None
        self._shop = ""  # its version

    async def tell(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Add zone and day to the instructions in an answer: a middleware of the SDK's server."""
        result = await call_next(ctx)
        if ctx.method in GREETINGS and isinstance(result, dict):
            result["instructions"] += await self._sentence()
            result["_meta"] = (result.get("_meta") or {}) | {
                VERSIONS: {"main.py": VERSION, "api.py": self._shop}
            }
        return result

    async def _sentence(self) -> str:
        try:
            answer = await self._rest.get("orders", "/today", {}, MAX_SECONDS, TODAY)
            self._shop = answer.data.get("version", "")
            self.zone = ZoneInfo(answer.data["timezone"])
        except (RestError, LookupError, ValueError, OSError):  # no such zone is a LookupError
            return ""
        return sentences.TODAY.format_map(answer.data)
