"""What the routes of the shop share: the store, the key of a request, answers with models."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Header, Request, Response
from pydantic_core import to_json

from shop.queries import Script
from shop.store import Listing, Store

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[!-~]{1,255}$",
        description="同一个键只做一次：可见字符，最多 255 个",
    ),
]


def opened_store(request: Request) -> Store:
    """Return the store that the lifespan has opened."""
    store: Store = request.app.state.store
    return store


def answer(content: Any, **headers: str) -> Response:
    """Answer with models, serialised once: with a `Response` FastAPI does not validate them again."""
    return Response(to_json(content), media_type="application/json", headers=headers)


def once_answer(content: Any, replayed: bool) -> Response:
    """Answer with what was done, and say so where an earlier request with the same key has done it."""
    return answer(content, **({"Idempotent-Replayed": "true"} if replayed else {}))


async def written(
    request: Request, make: Callable[[], Script[tuple[Any, bool]]], *, once: bool = False
) -> Response:
    """Run a script that returns what was done, and whether an earlier request has done it."""
    return once_answer(*await opened_store(request).write(make, once=once))


def list_answer(listing: Listing[Any]) -> Response:
    """Answer with part of a list, and say how long all of it is."""
    return answer(listing.items, **{"X-Total-Count": str(listing.total)})


def answer_header(name: str, description: str, kind: str) -> dict[int | str, dict[str, Any]]:
    """Return what a route says of a header of its answer in the OpenAPI document."""
    return {200: {"headers": {name: {"description": description, "schema": {"type": kind}}}}}


TOTAL_COUNT = answer_header("X-Total-Count", "整个列表的长度", "integer")
REPLAYED = answer_header("Idempotent-Replayed", "true：以前用此键做过", "string")
