"""How the REST service says no: one map from what went wrong to a status, and the body that goes with it."""

import logging
import secrets
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from models import MAX_NAME
from serving.addresses import is_own_name
from shop import store
from shop.store import StoreError, StoreUnavailableError

MAX_ERRORS = 20  # of one request, named in its 422
RETRY_SECONDS = 1

log = logging.getLogger("uvicorn.error")


class FieldError(BaseModel):
    """What is wrong with one field of a request."""

    type: str
    loc: list[str | int]
    msg: str


class Problem(BaseModel):
    """Why a request was refused: a sentence, or the fields that are wrong."""

    detail: str | list[FieldError]


MEANING = {
    400: "缺少客户名称或商品，或库存不足",
    401: "缺少或错误的 API_TOKEN",
    404: "商品不存在",
    413: "请求体超过 64 KiB",
    421: "没有 API_TOKEN 时，只接受以本机的名字访问；要用别的名字，请设置 API_TOKEN",
    422: "参数有误，或 Idempotency-Key 已用于另一笔订单",
    503: "数据库暂时不可用，请稍后重试",
}
_STATUS: dict[type[StoreError], int] = {
    store.EmptyPurchaseError: 400,
    store.UnknownProductError: 404,
    store.OutOfStockError: 400,
    store.KeyReusedError: 422,
}


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what a route says in the OpenAPI document about these refusals."""
    return {status: {"model": Problem, "description": MEANING[status]} for status in statuses}


def install(app: FastAPI) -> None:
    """Translate what the store and the parser raise."""
    app.add_exception_handler(StoreError, _on_refusal)
    app.add_exception_handler(StoreUnavailableError, _on_unavailable)
    app.add_exception_handler(RequestValidationError, _on_bad_request)
    app.add_exception_handler(ClientDisconnect, _on_nobody)


def _problem(status: int, detail: str | list[dict[str, Any]], **headers: str) -> JSONResponse:
    return JSONResponse({"detail": detail}, status, headers)


async def _on_refusal(_: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, StoreError)
    return _problem(_STATUS[type(refusal)], str(refusal))


async def _on_unavailable(_: Request, error: Exception) -> Response:
    log.error("数据库不可用：%s", error)
    return _problem(503, MEANING[503], **{"Retry-After": str(RETRY_SECONDS)})


async def _on_nobody(_: Request, __: Exception) -> Response:
    return Response(status_code=400)  # to a client that left in the middle of its body: nobody reads it


async def _on_bad_request(_: Request, invalid: Exception) -> Response:
    """Name the fields, and echo nothing of what was sent."""
    assert isinstance(invalid, RequestValidationError)
    errors = invalid.errors()[:MAX_ERRORS]
    return _problem(
        422,
        [
            {"type": e["type"], "loc": [_printable(part) for part in e["loc"]], "msg": e["msg"]}
            for e in errors
        ],
    )


def _printable(part: str | int) -> str | int:
    # The name of an unknown field comes from the request: it may be long, and hold what UTF-8 cannot.
    return part.encode(errors="backslashreplace").decode()[:MAX_NAME] if isinstance(part, str) else part


class HostGate:
    """Takes in requests to this machine's own names only.

    Else a web page whose name is made to point at this machine could read and buy (DNS rebinding).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 421, or pass on."""
        if scope["type"] == "http":
            host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
            if not is_own_name(host):
                return await _problem(421, MEANING[421])(scope, receive, send)
        return await self._app(scope, receive, send)


class TokenGate:
    """Asks for `Authorization: Bearer …` (RFC 6750) on all under /api, before anything is read or parsed."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401, or pass on."""
        if scope["type"] == "http" and scope["path"].startswith("/api/"):
            scheme, _, given = dict(scope["headers"]).get(b"authorization", b"").partition(b" ")
            if scheme.lower() != b"bearer" or not secrets.compare_digest(given.strip(), self._expected):
                refusal = _problem(401, MEANING[401], **{"WWW-Authenticate": "Bearer"})
                return await refusal(scope, receive, send)
        return await self._app(scope, receive, send)
