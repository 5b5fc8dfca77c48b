"""The routes of servers' resources: listed, read, completed, followed while somebody has one open."""

import asyncio
import base64
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from mcp_types import CompletionArgument, PromptReference, ResourceTemplateReference
from pydantic import Field

from assistant.page.event_stream import EVENTS, EventStream
from assistant.page.routes import AppServices, JsonBody, own_page_only, refusals
from assistant.page.state import said
from assistant.toolbox.link import Link
from assistant.toolbox.resources import complete, filled, list_resources, read_resource
from serving.access import printable
from serving.errors import CodedError

PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/avif")
PICTURE_HEADERS = {
    "Cache-Control": "private, max-age=300",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
}
MAX_MARKDOWN = 200_000  # characters of a resource that is rendered


async def _link(server: str, services: AppServices) -> Link:
    return services.toolbox.link(server)


NamedLink = Annotated[Link, Depends(_link)]  # found before an answer begins, or a 404

router = APIRouter(tags=["page"], responses=refusals(422))


class ReadResourceRequest(JsonBody):
    """A resource to read."""

    server: str = Field(examples=["product-mcp"])
    uri: str = Field(examples=["shop://products"])
    args: dict[str, str] | None = Field(None, description="what a template is filled in with")


class CompleteRequest(JsonBody):
    """An argument to complete; `context` are the other arguments."""

    server: str
    ref: ResourceTemplateReference | PromptReference
    argument: CompletionArgument
    context: dict[str, str] = Field({})


@router.get("/api/resources", responses=refusals(404, 502))
async def resources(link: NamedLink) -> dict[str, Any]:
    """List a server's resources and templates, and say what of its lists cannot be used."""
    listed, templates, skipped = await list_resources(link)
    return {"resources": listed, "templates": templates, "skipped": [said(each) for each in skipped]}


@router.post("/api/read-resource", responses=refusals(404, 502))
async def read(request: ReadResourceRequest, services: AppServices) -> dict[str, Any]:
    """Return a resource: `{"uri", "contents": [{"uri", "mimeType", "text" or "blob", "html", "ui"}]}`.

    `html` is that of markdown, and safe to show; `ui` is what an MCP App asks of its host.
    """
    from assistant.page.markdown import to_html  # noqa: PLC0415  25 ms, with the first of them

    uri = request.uri if request.args is None else filled(request.uri, request.args)
    contents = await read_resource(services.toolbox.link(request.server), uri)
    for content in contents:
        if _is_markdown(content):
            content["html"] = await asyncio.to_thread(to_html, content["text"], services.image_hosts)
    return {"uri": uri, "contents": contents}


def _is_markdown(content: dict[str, str]) -> bool:
    kind = content["mimeType"].partition(";")[0]
    is_named = kind in ("", "text/plain") and content["uri"].lower().endswith((".md", ".markdown"))
    return (kind == "text/markdown" or is_named) and len(
        content.get("text", "x" * MAX_MARKDOWN)
    ) < MAX_MARKDOWN


@router.get(
    "/api/picture",
    response_class=Response,
    responses=refusals(404, 502),
    dependencies=[Depends(own_page_only)],
)
async def picture(link: NamedLink, uri: str) -> Response:
    """Return a resource that is a picture, in a format of pixels: nothing of it runs."""
    for content in await read_resource(link, uri):
        if content["mimeType"] in PICTURES and "blob" in content:
            with suppress(ValueError):  # no base64
                return Response(
                    base64.b64decode(content["blob"], validate=True),
                    headers=PICTURE_HEADERS,
                    media_type=content["mimeType"],
                )
    raise CodedError("not_a_picture", uri=printable(uri))


@router.post("/api/complete", responses=refusals(404, 502))
async def complete_argument(request: CompleteRequest, services: AppServices) -> dict[str, list[str]]:
    """Return what a server suggests for an argument: `{"values": [...]}`."""
    link = services.toolbox.link(request.server)
    ref, argument = request.ref.model_dump(), request.argument.model_dump()
    return {"values": await complete(link, ref, argument, request.context)}


@router.get("/api/follow", response_class=EventStream, responses=EVENTS | refusals(404))
async def follow(link: NamedLink, uri: str, services: AppServices) -> EventStream:
    """Send a `changed` event once a resource is followed, and whenever it has changed.

    The stream ends when its server tells no more, at once where it cannot be followed.
    """
    return EventStream(services.overview.following(link, uri))
