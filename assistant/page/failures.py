"""Failures as HTTP answers: a sentence for people, a code with parameters for programs."""

import json
from collections.abc import Mapping
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel

from assistant.page.sentences import explain
from serving.access import Refusal
from serving.errors import CodedError

STATUS = {"unknown_server": 404}  # any other failure is a server's: 502


class Failure(BaseModel):
    """The body of an answer that is no success."""

    detail: str
    code: str
    params: dict[str, Any]


def failure(
    status: int,
    code: str,
    params: Mapping[str, Any],
    *,
    detail: Any = None,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Response:
    """Return a failure; `detail` stands in for the sentence of the code, `more` is added to the body."""
    body = {"detail": detail or explain(code, params), "code": code, "params": dict(params), **more}
    text = json.dumps(body, ensure_ascii=False)
    # what is repeated of a request may hold a lone surrogate, which is written as JSON's \u escape
    content = text.encode(errors="backslashreplace")
    return Response(content, status, headers, media_type="application/json")


def refuse(refusal: Refusal) -> Response:
    """Say why a request is not let in."""
    return failure(refusal.status, refusal.code, refusal.params, headers=refusal.headers)


async def on_coded_error(_: Request, error: Exception) -> Response:
    """Answer with the status and the sentence of an error's code."""
    if not isinstance(error, CodedError):
        raise error
    return failure(STATUS.get(error.code, 502), error.code, error.params)


async def on_invalid_request(_: Request, error: Exception) -> Response:
    """Answer 422 with field and reason, but without the input, which may be long."""
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    detail = [{"loc": fault["loc"], "msg": fault["msg"], "type": fault["type"]} for fault in faults]
    return failure(422, "invalid_request", {}, detail=detail)
