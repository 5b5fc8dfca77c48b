"""The routes of the page beyond the chat: its files, what it watches, prompts, connections, `/docs`."""

import asyncio
import mimetypes
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, FastAPI, Request, Response
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field, model_validator
from starlette.types import Scope

from assistant.chat import Chat, events
from assistant.chat.arguments import is_writable_json
from assistant.chat.history import Message
from assistant.llm.registry import Choice, Models
from assistant.llm.settings import ModelSettings
from assistant.page import app_frames
from assistant.page.event_stream import EVENTS, EventStream
from assistant.page.page_files import PUBLIC, PageFiles, inline_source
from assistant.page.sentences import explain
from assistant.page.shares import Clients, Shares
from assistant.page.state import Overview
from assistant.toolbox import Toolbox
from assistant.toolbox.config_edit import ConfigFile
from assistant.toolbox.sentences import CONFIG, EDIT
from serving.access import Allowed, printable
from serving.error_answers import ErrorAnswers, problem
from serving.errors import CodedError

LOCKED = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

# The documents' scripts come from a CDN: each page may load its own package from there and nothing else.
CDN = "https://cdn.jsdelivr.net/npm"
DOCS_POLICY = (
    "default-src 'none'; script-src {package} {inline}; style-src {package} 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; worker-src blob:; " + LOCKED
)
ICON = "static/icon.svg"  # addresses are relative, so that a path may stand in front of all of them


def page_headers(
    image_hosts: frozenset[str],
    frames: str = "'none'",
    scripts: Sequence[str] = (),
    styles: Sequence[str] = (),
) -> dict[str, str]:
    """Return the page's headers: text of a model or a tool can neither run, fetch nor send anything.

    All of the page is served from here, but for pictures of these hosts, and `frames`, of MCP Apps.
    `scripts` and `styles` are the sources of what stands in the document itself.
    """
    images = "".join(f" https://{host}" for host in sorted(image_hosts))
    script, style = " ".join(["'self'", *scripts]), " ".join(["'self'", *styles])
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; script-src {script}; style-src {style}; img-src 'self' data:{images}; "
            f"media-src data:; connect-src 'self'; manifest-src 'self'; "
            f"frame-src {frames}; {LOCKED}"
        ),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }


@dataclass(frozen=True)
class Services:
    """What lives as long as the application."""

    toolbox: Toolbox
    chat: Chat
    models: Models
    overview: Overview
    clients: Clients
    config: ConfigFile
    image_hosts: frozenset[str]  # whose pictures an answer may show
    apps_origin: str  # of the frames of MCP Apps, where it is set
    settings: ModelSettings
    is_local: bool  # nobody but this machine is answered, and nothing stands in front
    shares: Shares = field(default_factory=Shares)

    async def turn(
        self, messages: Sequence[Message], wanted: Choice | None, place: Awaitable[None], **options: Any
    ) -> AsyncGenerator[events.Event]:
        """Carry a conversation on by the model that is wanted, once it is its turn: see `Chat.turn`."""
        await place
        async with AsyncExitStack() as stack:
            try:
                model = await stack.enter_async_context(self.models.opened(wanted))
            except CodedError as error:
                yield events.ErrorEvent(error.code, error.params)
                yield events.DoneEvent("error")
                return
            turn = await stack.enter_async_context(aclosing(self.chat.turn(messages, model=model, **options)))
            async for event in turn:
                yield event

    async def end(self, seconds: float) -> None:
        """End streams, turns and calls made by hand, while their outcome can still be told.

        Writing calls get so many seconds to finish.
        """
        self.overview.end()
        self.shares.release()
        await self.chat.finish(seconds)
        await self.toolbox.close()


async def _services(request: Request) -> Services:  # async: a sync dependency would run in a thread
    services: Services = request.app.state.services
    return services


AppServices = Annotated[Services, Depends(_services)]


async def _place(request: Request, services: AppServices) -> AsyncIterator[asyncio.Future[None]]:
    with services.shares.place(services.clients.name(request)) as place:
        yield place


# Done when it is the client's turn, which ends with the answer.
Place = Annotated[asyncio.Future[None], Depends(_place)]


class JsonBody(BaseModel):
    """A JSON body without values that JSON encoders refuse: see `is_writable_json`."""

    @model_validator(mode="before")
    @classmethod
    def _is_writable(cls, data: Any) -> Any:
        if not is_writable_json(data):
            raise ValueError("half characters, numbers beyond 64 bits and very deep nesting are not accepted")
        return data


class CallToolRequest(JsonBody):
    """A tool to call by hand."""

    server: str = Field(examples=["product-mcp"])
    name: str = Field(examples=["get_products"])
    args: dict[str, Any] = Field({}, examples=[{"limit": 2}])
    app: bool = Field(False, description="an MCP App asks: the answer has what it is shown")
    fingerprint: str | None = Field(None, description="the tool's, as it was listed: another is not called")
    confirmed: dict[str, Any] | None = Field(
        None, description="say it where a person agreed: of a purchase `{total}` as it was shown, else `{}`"
    )


class GetPromptRequest(JsonBody):
    """A prompt to fill in."""

    server: str
    name: str
    args: dict[str, str] = {}


ANSWERS = ErrorAnswers(
    explain,
    dict.fromkeys(CONFIG | EDIT, 422)  # an entry, or what is pasted
    | dict.fromkeys(("base_unusable", "key_unusable", "template_wrong", "template_unfilled"), 422)
    | dict.fromkeys(("origin_not_allowed", "command_not_local", "variable_not_local", "models_locked"), 403)
    | dict.fromkeys(("unknown_server", "call_not_running", "not_a_picture"), 404)
    | dict.fromkeys(("file_broken", "file_without_servers", "config_not_editable", "config_changed"), 409)
    | dict.fromkeys(("entry_changed", "server_exists", "too_many_servers", "command_changed"), 409)
    | dict.fromkeys(("sign_in_unwanted", "public_url_needed", "key_needed", "model_gone"), 409)
    | dict.fromkeys(("file_unreadable", "config_unwritable", "state_unwritable"), 503)
    | {"too_busy": 429, "tool_changed": 409},
)
_REFUSALS = {
    403: "Another page asks, or only who is at this machine may",
    404: "No such server, or no such call in this process",
    409: "It is not as it was shown any more, or something has to be done first",
    422: "Invalid request; the fields are named",
    429: "Too many questions of this client wait",
    502: "The server cannot be reached, or refuses",
    503: "It cannot be remembered",
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what a route says of these statuses in the OpenAPI document."""
    return {status: problem(_REFUSALS[status]) for status in statuses}


router = APIRouter(tags=["page"], responses=refusals(422))


def restarting(_: Scope) -> Response:
    """Return the answer to a request that is given up before its own has begun."""
    return ANSWERS.answer(503, "restarting", {})


@router.get("/api/status")
async def status(services: AppServices) -> dict[str, Any]:
    """Return which model answers and how each server is."""
    return services.overview.status()


@router.get("/api/watch", response_class=EventStream, responses=EVENTS)
async def watch(services: AppServices) -> EventStream:
    """Send what `/api/status` and `/api/tools` return as `state` events: at once, and at every change.

    A `changed` event, `{server, uris}`, says which of a server's resources that are `watched` there have
    changed; after a reconnection all of them may have.
    """
    return EventStream(services.overview.changes())


@router.post("/api/get-prompt", responses=refusals(404, 502))
async def get_prompt(request: GetPromptRequest, services: AppServices) -> dict[str, Any]:
    """Return a prompt's text, filled in by its server; a `wording`, `{code, params}`, says the same."""
    text, wording = await services.toolbox.prompt(request.server, request.name, request.args)
    return {"text": text, "wording": wording}


@router.post("/api/calls/{id}/stop", status_code=204, responses=refusals(404))
async def stop_call(id: str, services: AppServices) -> None:
    """Stop a running call; its turn goes on with `stopped`, or, if it writes, with an unknown outcome."""
    services.chat.stop(id)


# A name may hold a slash.
@router.post("/api/servers/{name:path}/reconnect", status_code=204, responses=refusals(404))
async def reconnect(name: str, services: AppServices) -> None:
    """Connect to a server anew, without waiting for its next try."""
    services.toolbox.link(name).reconnect()


async def own_page_only(request: Request) -> None:
    """Let this page in only: other origins are let in by a setting, which a clone's `.env` may bring.

    Over plain HTTP, but for this machine's own names, a browser does not say the site, yet the origin.
    """
    # Not as parameters: FastAPI would build what checks them for each of these routes, at the start.
    site = request.headers.get("sec-fetch-site", "")  # of a browser; programs send none
    origin = "" if site else request.headers.get("origin", "")
    if site not in ("", "same-origin", "none") or (
        origin and not Allowed().origin(origin, request.headers.get("host", ""))
    ):
        raise CodedError("origin_not_allowed", origin=printable(site or origin))


@router.post(
    "/api/servers/{name:path}/trust",
    status_code=204,
    responses=refusals(403, 404, 409, 503),
    dependencies=[Depends(own_page_only)],
)
async def trust(name: str, fingerprint: Annotated[str, Body(embed=True)], services: AppServices) -> None:
    """Allow a command of `mcp.json`, now and at later starts, and start it.

    The fingerprint of its entry in `/api/status` says that it is still as it was shown.
    """
    try:
        services.toolbox.link(name).allow(fingerprint)
    except OSError as error:
        raise CodedError("state_unwritable", reason=error.strerror) from error


@router.get("/", include_in_schema=False)
async def page(request: Request, services: AppServices) -> Response:
    """Serve the page."""
    static: PageFiles = request.app.state.static
    response, scripts, styles = static.document(request.scope)
    frames = app_frames.origin_for(request.headers.get("host", ""), services.apps_origin)
    response.headers.update(page_headers(services.image_hosts, frames or "'none'", scripts, styles))
    services.clients.welcome(request, response)
    return response


@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> Response:
    """Serve Swagger UI."""
    page = get_swagger_ui_html(openapi_url="openapi.json", title=request.app.title, swagger_favicon_url=ICON)
    return _with_policy(page, f"{CDN}/swagger-ui-dist@5/")


@router.get("/redoc", include_in_schema=False)
async def redoc(request: Request) -> Response:
    """Serve ReDoc."""
    page = get_redoc_html(
        openapi_url="openapi.json", title=request.app.title, redoc_favicon_url=ICON, with_google_fonts=False
    )
    return _with_policy(page, f"{CDN}/redoc@2/")


def _with_policy(page: HTMLResponse, package: str) -> HTMLResponse:
    scripts = re.findall(rb"<script>(.*?)</script>", bytes(page.body), re.DOTALL)
    inline = " ".join(map(inline_source, scripts))
    page.headers["Content-Security-Policy"] = DOCS_POLICY.format(package=package, inline=inline)
    return page


def install(app: FastAPI) -> None:
    """Add the page's files, and what answers when a route fails."""
    mimetypes.add_type("text/javascript", ".js")  # on Windows the registry may name another
    app.state.static = PageFiles(directory=PUBLIC)
    app.mount("/static", app.state.static)
    ANSWERS.install(app)
