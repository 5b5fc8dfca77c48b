"""Reads a JSON body more strictly than FastAPI does: bounded, of one content type, and JSON to the letter."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from jiter import from_json
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from serving.errors import CodedError

MAX_BODY = 64 * 1024  # bytes


class _JsonRequest(Request):
    """A request whose body is read and parsed before FastAPI asks for it."""

    async def read(self) -> None:
        """Read the body. Raises `RequestValidationError`, or `CodedError` for one that is too large."""
        # A web page can send any other type to this machine without the browser asking first (CORS).
        content_type = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if content_type != "application/json":
            raise _invalid("content_type", ("header", "Content-Type"), "must be application/json")
        self._read = b""
        async for chunk in self.stream():
            self._read += chunk
            if len(self._read) > MAX_BODY:
                raise CodedError("too_large")
        try:
            # A name that stands twice in an object is refused: which of the two is meant nobody knows.
            self._parsed = from_json(self._read, allow_inf_nan=False, catch_duplicate_keys=True)
        except ValueError as error:
            raise _invalid("json_invalid", ("body",), f"Invalid JSON: {error}") from error

    async def body(self) -> bytes:
        return self._read

    async def json(self) -> Any:
        return self._parsed


class JsonRoute(APIRoute):
    """A route that takes a body of up to `MAX_BODY` bytes of `application/json`.

    FastAPI reads bodies of any size, also takes `application/…+json`, and answers some broken JSON with 422
    and some with 400. It also refuses HEAD where it takes GET: here both have one answer, and uvicorn sends
    no body to HEAD.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match HEAD as GET."""
        return super().matches(_head_as_get(scope))

    def handle(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
        """Answer HEAD as GET."""
        return super().handle(_head_as_get(scope), receive, send)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Read the body before FastAPI validates it."""
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def handle_body(request: Request) -> Response:
            json_request = _JsonRequest(request.scope, request.receive)
            await json_request.read()
            return await handle(json_request)

        return handle_body


def _head_as_get(scope: Scope) -> Scope:
    return {**scope, "method": "GET"} if scope["type"] == "http" and scope["method"] == "HEAD" else scope


def _invalid(kind: str, loc: tuple[str, ...], message: str) -> RequestValidationError:
    return RequestValidationError([{"type": kind, "loc": loc, "msg": message}])
