"""What comes in over REST: pydantic parses it and describes it, FastAPI shows the description."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from starlette.routing import BaseRoute, Route

from models import PurchaseRequest
from shop.queries import InventoryQuery, PageQuery
from shop.refusals import MEANING

MAX_BODY = 64 * 1024  # bytes

T = TypeVar("T")
Q = TypeVar("Q", bound=PageQuery)
B = TypeVar("B", bound=BaseModel)
IdempotencyKey = Annotated[
    str, Field(pattern=r"^[!-~]{1,255}$", description="同一个键只下一笔订单：可见字符，最多 255 个")
]
_KEY: TypeAdapter[str] = TypeAdapter(IdempotencyKey)


def plain_routes(router: APIRouter) -> list[BaseRoute]:
    """Return the endpoints of a router as Starlette's routes, to be put before FastAPI's own.

    FastAPI's routes then only document: what they do with a request costs more than all the rest. The
    endpoints take the request and make the response themselves, with pydantic on both sides.
    """
    documented = [route for route in router.routes if isinstance(route, APIRoute)]
    return [Route(route.path, route.endpoint, methods=route.methods) for route in documented]


def query_parameters(model: type[PageQuery]) -> dict[str, Any]:
    """Return the fields of a query model for the OpenAPI document."""
    fields = model.model_json_schema()["properties"].items()
    return {"parameters": [_parameter(name, "query", schema) for name, schema in fields]}


def order_and_key() -> dict[str, Any]:
    """Return the body and the header of a purchase for the OpenAPI document."""
    schema = PurchaseRequest.model_json_schema(ref_template="#/components/schemas/{model}")
    del schema["$defs"]  # the answer, an order, has brought its lines into the document
    return {
        "parameters": [_parameter("Idempotency-Key", "header", _KEY.json_schema())],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
    }


def _parameter(name: str, where: str, schema: dict[str, Any]) -> dict[str, Any]:
    # A default of null says that the parameter may be left out: in a URL there is no null.
    return {"name": name, "in": where, "schema": {k: v for k, v in schema.items() if v is not None}}


def query(request: Request, model: type[Q]) -> Q:
    """Read the query of the URL. Raise `RequestValidationError` naming the parameter."""
    if not request.scope["query_string"]:
        return model()
    given: dict[str, Any] = dict(request.query_params)
    if model is InventoryQuery and "productId" in given:
        given["productId"] = request.query_params.getlist("productId")
    return _checked(("query",), model.model_validate, given)


def idempotency_key(request: Request) -> str | None:
    """Read the header. Raise `RequestValidationError`."""
    given = request.headers.get("Idempotency-Key")
    if given is None:
        return None
    given = given.strip(" \t")  # blanks around a value are no part of it (RFC 9110 section 5.5)
    return _checked(("header", "Idempotency-Key"), _KEY.validate_python, given)


async def body(request: Request, model: type[B]) -> B:
    """Read a bounded JSON body. Raise `RequestValidationError` naming the field, or 413."""
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind != "application/json":  # any web page may send other kinds to a service on this machine
        wrong = {"type": "content_type", "loc": ("header", "Content-Type"), "msg": "must be application/json"}
        raise RequestValidationError([wrong])
    given = b""
    async for chunk in request.stream():
        given += chunk
        if len(given) > MAX_BODY:
            raise HTTPException(413, MEANING[413])
    return _checked(("body",), model.model_validate_json, given)


def _checked(where: tuple[str, ...], parse: Callable[[Any], T], given: Any) -> T:
    try:
        return parse(given)
    except ValidationError as error:
        raise RequestValidationError([e | {"loc": (*where, *e["loc"])} for e in error.errors()]) from error
