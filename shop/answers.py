"""What the routes of the shop share: the store, the key of a request, answers with models."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Header, Request, Response
from pydantic_core import to_json

from shop.pictures import KINDS
from shop.queries import Script
from shop.store import Listing, Store

PICTURE_SECONDS = 300  # that a browser shows a picture without asking whether it is another by now

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
    return listed(to_json(listing.items), str(listing.total))


def listed(json: bytes, total: str) -> Response:
    """Answer with a list's JSON."""
    return Response(json, media_type="application/json", headers={"X-Total-Count": total})


def answer_header(name: str, description: str, kind: str) -> dict[int | str, dict[str, Any]]:
    """Return what a route says of a header of its answer in the OpenAPI document."""
    return {200: {"headers": {name: {"description": description, "schema": {"type": kind}}}}}


def picture_answer(request: Request, kind: str, content: bytes, digest: str) -> Response:
    """Answer with a picture, or that the client has it."""
    headers = {
        "ETag": f'"{digest}"',
        "Cache-Control": f"private, max-age={PICTURE_SECONDS}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",  # opened by itself it can do nothing
    }
    held = request.headers.get("If-None-Match", "").replace("W/", "").split(",")
    if {headers["ETag"], "*"} & {tag.strip() for tag in held}:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=kind, headers=headers)


PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in KINDS}},
    304: {"description": "客户端已有这张图片"},
}
TOTAL_COUNT = answer_header("X-Total-Count", "整个列表的长度", "integer")
REPLAYED = answer_header("Idempotent-Replayed", "true：以前用此键做过", "string")
