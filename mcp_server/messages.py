"""Refuses in one sentence what is no single JSON-RPC message, before the SDK reads it.

The SDK says what each of its models lacks, lets the last of two equal names count, and takes a request whose
`id` is null or a fraction for a notification, which nobody answers.
"""

from collections.abc import Collection
from typing import Any

from jiter import from_json
from mcp.types import INVALID_REQUEST, JSONRPCError
from starlette._utils import get_route_path  # the router's own reading
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_server.failures import protocol_failure
from serving.errors import CodedError


class Messages:
    """Middleware that reads what is posted to `paths`, up to `max_bytes`: more is the SDK's to refuse."""

    def __init__(self, app: ASGIApp, paths: Collection[str], max_bytes: int) -> None:
        self._app = app
        self._paths = paths
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        is_posted = scope["type"] == "http" and scope["method"] == "POST"
        if not is_posted or get_route_path(scope) not in self._paths:
            return await self._app(scope, receive, send)
        parts, size, more = list[Message](), 0, True
        while more and size <= self._max_bytes:
            parts.append(await receive())
            size, more = size + len(parts[-1].get("body", b"")), parts[-1].get("more_body", False)
        if parts[-1]["type"] == "http.disconnect":
            return None  # the client left within its body: nobody reads an answer
        if not more and (refused := _refused(b"".join(part.get("body", b"") for part in parts))):
            return await refused(scope, receive, send)

        async def again() -> Message:
            return parts.pop(0) if parts else await receive()

        await self._app(scope, again, send)


def _refused(body: bytes) -> Response | None:
    """Return the answer to a body that is no message; to what is not even JSON, the SDK's is good."""
    try:
        code = _what_is_wrong(from_json(body, catch_duplicate_keys=True))
    except ValueError as error:
        if not _is_json(body):
            return None
        return _answer(CodedError("message_twice", reason=str(error)))
    return _answer(CodedError(code)) if code else None


def _is_json(body: bytes) -> bool:
    try:
        from_json(body)
    except ValueError:
        return False
    return True


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
    said = protocol_failure(error).error.model_copy(update={"code": INVALID_REQUEST})
    json = JSONRPCError(jsonrpc="2.0", id=None, error=said).model_dump_json(by_alias=True)
    return Response(json, 400, media_type="application/json")
