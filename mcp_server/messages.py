"""Refuses what is no single JSON-RPC message, in one sentence, or one that its sender's token does not allow.

The SDK says what each of its models lacks, lets the last of two equal names count, and takes a request whose
`id` is null or a fraction for a notification, which nobody answers.
"""

import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from jiter import from_json
from mcp.types import INVALID_REQUEST, PARSE_ERROR, ErrorData, JSONRPCError
from starlette._utils import get_route_path  # the router's own reading
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_server.failures import protocol_failure, shown_name
from serving.errors import CodedError

# The scopes of an authorization server's tokens, and what wants the first of them.
READ, BUY, OWN = "shop:read", "shop:buy", "shop:own"
READING = frozenset(
    {"resources/read", "resources/subscribe", "subscriptions/listen", "completion/complete", "prompts/get"}
)
NO_JSON = ErrorData(code=PARSE_ERROR, message="Parse error")


@dataclass
class Messages:
    """Middleware that reads what is posted below `paths`, up to `max_bytes`: more is the SDK's to refuse.

    `needed` tells the scope that a method with its parameters wants. Raises CodedError where it is missing.
    A request without a user has come without an issuer, or with the server's own token.
    """

    app: ASGIApp
    paths: tuple[str, ...]
    max_bytes: int
    needed: Callable[[str, Mapping[str, Any]], str | None]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        is_posted = scope["type"] == "http" and scope["method"] == "POST"
        if not is_posted or not get_route_path(scope).startswith(self.paths):
            return await self.app(scope, receive, send)
        parts, size, more = list[Message](), 0, True
        while more and size <= self.max_bytes:
            parts.append(await receive())
            size, more = size + len(parts[-1].get("body", b"")), parts[-1].get("more_body", False)
        if parts[-1]["type"] == "http.disconnect":
            return None  # the client left within its body: nobody reads an answer
        body = b"".join(part.get("body", b"") for part in parts)
        if not more and (refused := self._refused(body, scope.get("user"))):
            return await refused(scope, receive, send)

        async def again() -> Message:
            return parts.pop(0) if parts else await receive()

        await self.app(scope, again, send)

    def _refused(self, body: bytes, user: Any) -> Response | None:
        """Return the answer to a body that is no message."""
        try:
            message = _read(body)
        except CodedError as error:
            return _answer(error)
        except (ValueError, RecursionError):
            return _answered(NO_JSON)
        if code := _what_is_wrong(message):
            return _answer(CodedError(code))
        params = message.get("params")
        scope = self.needed(message.get("method", ""), params if isinstance(params, dict) else {})
        if scope and user is not None:
            check_granted(scope, user.scopes)
        return None


def check_granted(scope: str, granted: Collection[str]) -> None:
    """Raise CodedError unless a token has a scope."""
    if scope not in granted:
        raise CodedError("insufficient_scope", scope=scope)


def _read(body: bytes) -> Any:
    """Read JSON in which no name stands twice; jiter takes no lone surrogates, which the SDK does."""
    try:
        return from_json(body, catch_duplicate_keys=True)
    except ValueError:
        return json.loads(body, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):  # counted only then: there may be a hundred thousand objects
        [(name, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise CodedError("message_twice", reason=shown_name(name))
    return read


def _what_is_wrong(message: Any) -> str | None:
    if isinstance(message, list):
        return "message_batch"
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        return "message_kind"
    if "method" not in message:  # an answer to the server; one to what could not be read has null for an id
        return None if message.keys() & {"result", "error"} else "message_kind"
    if not isinstance(message["method"], str):
        return "message_kind"
    id_ = message.get("id", "")
    return None if isinstance(id_, str | int) and not isinstance(id_, bool) else "message_id"


def _answer(error: CodedError) -> Response:
    return _answered(protocol_failure(error).error.model_copy(update={"code": INVALID_REQUEST}))


def _answered(error: ErrorData) -> Response:
    text = JSONRPCError(jsonrpc="2.0", id=None, error=error).model_dump_json(by_alias=True)
    return Response(text, 400, media_type="application/json")
