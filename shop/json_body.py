"""Reads requests more strictly than FastAPI does: each parameter once, JSON to the letter and bounded."""

from codecs import BOM_UTF8
from collections.abc import Callable, Container, Coroutine
from typing import Any, get_origin

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

    async def read(self, *, required: bool) -> None:
        """Read the body. Raises `RequestValidationError`, or `CodedError` for one that is too large."""
        self._read = b""
        async for chunk in self.stream():
            self._read += chunk
            if len(self._read) > MAX_BODY:
                raise CodedError("too_large")
        if not self._read and not required:
            return
        # A web page can send any other type to this machine without the browser asking first (CORS).
        content_type = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if content_type != "application/json":
            raise _invalid("content_type", ("header", "Content-Type"), "must be application/json")
        if self.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise _invalid("content_encoding", ("header", "Content-Encoding"), "must not be compressed")
        try:
            # A name that stands twice in an object is refused: which of the two is meant nobody knows.
            # Windows' programs write a mark before UTF-8, which may be ignored (RFC 8259, section 8.1).
            read = self._read.removeprefix(BOM_UTF8)
            self._parsed = from_json(read, allow_inf_nan=False, catch_duplicate_keys=True)
        except ValueError as error:
            reason = str(error) if _is_utf8(self._read) else "must be UTF-8"
            raise _invalid("json_invalid", ("body",), f"Invalid JSON: {reason}") from error

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
        """Look at the parameters, and read the body, before FastAPI validates them."""
        handle, body = super().get_route_handler(), self.body_field
        repeatable = {
            name
            for query in self.dependant.query_params
            for name, field in getattr(query.field_info.annotation, "model_fields", {}).items()
            if get_origin(field.annotation) is list
        }

        async def handle_strictly(request: Request) -> Response:
            if request.scope["query_string"]:
                _refuse_repeated(request, repeatable)
            if body is None:
                return await handle(request)
            json_request = _JsonRequest(request.scope, request.receive)
            await json_request.read(required=body.field_info.is_required())
            return await handle(json_request)

        return handle_strictly


def _refuse_repeated(request: Request, repeatable: Container[str]) -> None:
    """Refuse a parameter that stands twice where one is meant: FastAPI would take the last."""
    names: set[str] = set()
    for name, _ in request.query_params.multi_items():
        if name in names and name not in repeatable:
            raise _invalid("repeated", ("query", name), "must be given once")
        names.add(name)


def _is_utf8(body: bytes) -> bool:
    try:
        return "\0" not in body.decode()  # as UTF-16 has
    except UnicodeDecodeError:
        return False


def _head_as_get(scope: Scope) -> Scope:
    return {**scope, "method": "GET"} if scope["type"] == "http" and scope["method"] == "HEAD" else scope


def _invalid(kind: str, loc: tuple[str, ...], message: str) -> RequestValidationError:
    return RequestValidationError([{"type": kind, "loc": loc, "msg": message}])
