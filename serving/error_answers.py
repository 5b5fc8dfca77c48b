"""Failures as HTTP answers: a sentence or the wrong fields for people, code and parameters for programs."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from serving import tracing
from serving.access import Refusal
from serving.errors import CodedError
from serving.metrics import refused

MAX_ERRORS = 20  # of one request, named in its 422
MAX_FIELD_NAME = 100  # characters


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


SCHEMAS = "#/components/schemas/"


def problem(description: str) -> dict[str, Any]:
    """Return what a route says of a status in the OpenAPI document: the answer is a `Problem`.

    By reference: of a `model` FastAPI would build a validator for each route and status, while it starts.
    """
    schema = {"$ref": f"{SCHEMAS}{Problem.__name__}"}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _openapi(of_routes: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the OpenAPI document with the schema that `problem` refers to."""
    document = of_routes()
    _, schemas = models_json_schema([(Problem, "serialization")], ref_template=SCHEMAS + "{model}")
    document.setdefault("components", {}).setdefault("schemas", {}).update(schemas["$defs"])
    return document


@dataclass(frozen=True)
class ErrorAnswers:
    """A service's: `explain` makes the sentence of a code, `statuses` has its status (502 without one)."""

    explain: Callable[[str, Mapping[str, Any]], str]
    statuses: Mapping[str, int]

    def answer(
        self,
        status: int,
        code: str,
        params: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
        *,
        detail: Any = None,
        **more: Any,
    ) -> Response:
        """Return a failure; `detail` stands in for the sentence of the code, `more` is added to the body."""
        refused(code)
        said = detail or self.explain(code, params)
        traced = {"traceId": id} if (id := tracing.trace_id()) else {}
        body = {"detail": said, "code": code, "params": params, **more, **traced}
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        # What is repeated of a request may hold a lone surrogate, which is written as JSON's \u escape.
        content = text.encode(errors="backslashreplace")
        return Response(content, status, headers, media_type="application/json")

    def refuse(self, refusal: Refusal) -> Response:
        """Say why a request is not let in."""
        return self.answer(refusal.status, refusal.code, refusal.params, refusal.headers)

    def install(self, app: FastAPI) -> None:
        """Answer what the routes and FastAPI raise, and say in the OpenAPI document how."""
        app.openapi = partial(_openapi, app.openapi)  # type: ignore[method-assign]  # FastAPI's way
        app.add_exception_handler(CodedError, self._on_coded_error)
        app.add_exception_handler(RequestValidationError, self._on_invalid)
        app.add_exception_handler(HTTPException, self._on_http_exception)
        app.add_exception_handler(ClientDisconnect, _on_disconnect)

    async def _on_coded_error(self, _: Request, error: Exception) -> Response:
        assert isinstance(error, CodedError)
        return self.answer(self.statuses.get(error.code, 502), error.code, error.params)

    async def _on_invalid(self, _: Request, invalid: Exception) -> Response:
        """Name the fields; repeat no value that was sent."""
        assert isinstance(invalid, RequestValidationError)
        errors = [
            {"type": e["type"], "loc": [_printable(part) for part in e["loc"]], "msg": e["msg"]}
            for e in invalid.errors()[:MAX_ERRORS]
        ]
        return self.answer(422, "invalid_request", {}, detail=errors)

    async def _on_http_exception(self, _: Request, error: Exception) -> Response:
        """Answer what the router raises: an unknown path, or a method that a path does not have."""
        assert isinstance(error, HTTPException)
        status = HTTPStatus(error.status_code)  # Python 3.13 has another name for 413
        code = "too_large" if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE else status.name.lower()
        return self.answer(error.status_code, code, {}, error.headers, detail=error.detail)


async def _on_disconnect(_: Request, __: Exception) -> Response:
    return Response(status_code=400)  # the client left in the middle of its body; nobody reads this


def _printable(part: str | int) -> str | int:
    # An unknown field's name is the client's: it may be long, or hold what UTF-8 cannot encode.
    return part.encode(errors="backslashreplace").decode()[:MAX_FIELD_NAME] if isinstance(part, str) else part
