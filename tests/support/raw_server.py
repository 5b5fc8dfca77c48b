"""An MCP server by hand, so that nothing of the SDK stands on its side and it may answer anything."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Answer = Any  # a result, bytes of a body, a Response, or a function of the request's message that returns one

HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "s", "version": "1"},
}
DISCOVERED = {
    "supportedVersions": ["2026-07-28"],
    "capabilities": {"tools": {}},
    "resultType": "complete",
    "ttlMs": 0,
    "cacheScope": "private",
}
NONE = {"error": {"code": -32601, "message": "Method not found"}}
READS = {"name": "t", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}
WRITES = {"name": "w", "inputSchema": {"type": "object"}}


class RawServer:
    """Speaks over Streamable HTTP at any path; `answers` has an answer by method.

    The handshake protocol, or with `modern` that of 2026-07-28.
    """

    def __init__(
        self,
        answers: Mapping[str, Answer] | None = None,
        *,
        session: bool = False,
        stream: bool = False,
        modern: bool = False,
    ) -> None:
        self.modern = modern
        self.asked: list[dict[str, Any]] = []
        self._session, self._stream = session, stream
        self.answer(answers)
        route = Route("/{path:path}", self._handle, methods=["GET", "POST", "DELETE"])
        self.app = Starlette(routes=[route])

    def answer(
        self, answers: Mapping[str, Answer] | None = None, hello: Mapping[str, Any] | None = None
    ) -> None:
        """Answer as a new server does, but for these methods; `hello` is added to the answer of the first."""
        first = DISCOVERED if self.modern else HELLO
        greeting = {"server/discover" if self.modern else "initialize": {**first, **(hello or {})}}
        self.answers = {**greeting, "tools/list": {"tools": [READS, WRITES]}, **(answers or {})}
        self.asked.clear()

    def times(self, method: str) -> int:
        """How often this was asked."""
        return sum(message.get("method") == method for message in self.asked)

    async def _handle(self, request: Request) -> Response:
        message = await request.json() if request.method == "POST" else {}
        self.asked.append(message)
        if "id" not in message or "method" not in message:
            return Response(status_code=202 if message else 405)
        answer = self.answers.get(message["method"], NONE)
        answer = answer(message) if callable(answer) and not isinstance(answer, Response) else answer
        if isinstance(answer, Response):
            return answer
        if isinstance(answer, bytes):
            body = answer.replace(b'"ID"', str(message["id"]).encode())
        else:
            content = answer if "error" in answer else {"result": answer}
            body = json.dumps({"jsonrpc": "2.0", "id": message["id"], **content}).encode()
        headers = {"mcp-session-id": "1"} if self._session else None
        if self._stream:
            return Response(b"data: " + body + b"\n\n", media_type="text/event-stream", headers=headers)
        return Response(body, media_type="application/json", headers=headers)


def error(number: int, message: str, data: Any = None) -> dict[str, Any]:
    """An error for an answer."""
    return {"error": {"code": number, "message": message, **({"data": data} if data is not None else {})}}


def says(text: str) -> dict[str, Any]:
    """A result of one text block."""
    return {"content": [{"type": "text", "text": text}]}


def tool(name: Any = "t", **listed: Any) -> dict[str, Any]:
    """A tool as it is listed."""
    return {"name": name, "inputSchema": {"type": "object"}, **listed}


def listing(*tools: Any) -> Callable[[Any], Any]:
    """An answer to `tools/list`."""
    return lambda _: {"tools": list(tools)}
