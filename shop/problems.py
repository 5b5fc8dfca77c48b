"""How the REST service answers errors: the status of each code, and the body that goes with it."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from models import MAX_NAME
from serving.access import Refusal
from serving.errors import CodedError, sentence
from shop.errors import StoreUnavailableError
from shop.sentences import REFUSALS, STATUS_DESCRIPTIONS, failure_sentence

MAX_ERRORS = 20  # of one request, named in its 422
RETRY_AFTER_SECONDS = 1

STATUS = {
    "empty_purchase": 400,
    "unknown_product": 404,
    "out_of_stock": 400,
    "key_reused": 422,
    "too_large": 413,
    "database_unavailable": 503,
}

log = logging.getLogger(__name__)


class FieldError(BaseModel):
    """What is wrong with one field of a request."""

    type: str
    loc: list[str | int]
    msg: str


class Problem(BaseModel):
    """Why a request was refused."""

    detail: str | list[FieldError] = Field(description="原因：一句话，或有误的各个字段")
    code: str = Field(description="原因的代码，供程序使用")
    params: dict[str, Any] = Field(description="代码的参数")


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what a route says of these statuses in the OpenAPI document."""
    return {status: {"model": Problem, "description": STATUS_DESCRIPTIONS[status]} for status in statuses}


def install(app: FastAPI) -> None:
    """Answer what the routes, the store and FastAPI raise."""
    app.add_exception_handler(CodedError, _on_coded_error)
    app.add_exception_handler(StoreUnavailableError, _on_unavailable)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)


def refuse(refusal: Refusal) -> Response:
    """Answer a request that was not let in."""
    return _answer(refusal.status, refusal.code, refusal.params, refusal.headers)


def _answer(
    status: int,
    code: str,
    params: Mapping[str, Any],
    headers: Mapping[str, str] | None = None,
    detail: str | list[dict[str, Any]] | None = None,
) -> Response:
    said = sentence(REFUSALS, code, params) if detail is None else detail
    return JSONResponse({"detail": said, "code": code, "params": params}, status, headers)


async def _on_coded_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, CodedError)
    return _answer(STATUS[error.code], error.code, error.params)


async def _on_unavailable(_: Request, error: Exception) -> Response:
    assert isinstance(error, StoreUnavailableError)
    log.error("数据库不可用：%s", failure_sentence(error))
    return _answer(503, "database_unavailable", {}, {"Retry-After": str(RETRY_AFTER_SECONDS)})


async def _on_invalid(_: Request, invalid: Exception) -> Response:
    """Name the fields; repeat no value that was sent."""
    assert isinstance(invalid, RequestValidationError)
    errors = [
        {"type": e["type"], "loc": [_printable(part) for part in e["loc"]], "msg": e["msg"]}
        for e in invalid.errors()[:MAX_ERRORS]
    ]
    return _answer(422, "invalid_request", {}, detail=errors)


def _printable(part: str | int) -> str | int:
    # An unknown field's name is the client's: it may be long, or hold what UTF-8 cannot encode.
    return part.encode(errors="backslashreplace").decode()[:MAX_NAME] if isinstance(part, str) else part


async def _on_http_exception(_: Request, error: Exception) -> Response:
    """Answer what the router raises: an unknown path, or a method that a path does not have."""
    assert isinstance(error, HTTPException)
    code = HTTPStatus(error.status_code).name.lower()
    return _answer(error.status_code, code, {}, error.headers, error.detail)


async def _on_disconnect(_: Request, __: Exception) -> Response:
    return Response(status_code=400)  # the client left in the middle of its body; nobody reads this
