"""The routes by which a person edits `mcp.json` in the page: add, test, edit, switch, remove."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Request
from mcp_types import LoggingLevel
from pydantic import Field, StringConstraints

from assistant.page.routes import AppServices, JsonBody, Services, own_page_only, refusals
from assistant.page.state import described
from assistant.toolbox.config_edit import MAX_SERVERS
from assistant.toolbox.dialects import pasted
from assistant.toolbox.link import Link
from assistant.toolbox.server import ConfigError, Server
from serving.access import is_forwarded
from serving.errors import CodedError

MAX_PASTED = 250_000  # characters
MAX_TESTED = 20  # servers of one test

router = APIRouter(
    prefix="/api/servers",
    tags=["page"],
    responses=refusals(403, 404, 409, 422, 502, 503),
    dependencies=[Depends(own_page_only)],
)

Text = Annotated[str, StringConstraints(max_length=MAX_PASTED)]


class PasteRequest(JsonBody):
    """What somebody pastes: a file or an entry of any client, an address, a line for a terminal."""

    text: Text = Field(examples=["https://mcp.example.com/mcp", "npx -y @scope/server"])


class AddRequest(PasteRequest):
    """Entries to write, by the names that they get; without `names` all, by their own."""

    names: dict[str, str] | None = Field(
        None, description="of each that is wanted: its name as read, the new one"
    )


class EditRequest(JsonBody):
    """An entry as it is to be; what is masked in it stays what it is."""

    text: Text
    version: str = Field(description="of the entry that was edited")
    name: str


async def _is_local(request: Request, services: AppServices) -> bool:
    """Whether this comes from who sits at this machine, as far as one can tell."""
    return services.is_local and not is_forwarded(request.scope)


Local = Annotated[bool, Depends(_is_local)]


async def _edited(services: Services, edit: Callable[[], Any]) -> None:
    await asyncio.to_thread(edit)
    with suppress(ConfigError):  # of an edit by somebody else; the one that follows the file says so
        await services.toolbox.update(await asyncio.to_thread(services.config.servers))


def _trial(services: Services, name: str, entry: Any, **who: Any) -> Link:
    """Return a link to what an entry says, or to a server whose error says what is wrong with it."""
    try:
        server = services.config.checked(name, entry, **who)
    except CodedError as error:
        server = Server(name, error=ConfigError(error.code, **error.params))
    link = services.toolbox.trial(server)
    link.look()
    return link


async def _tried(link: Link) -> dict[str, Any]:
    """Connect to a server, and return how it is; a command that nobody has allowed is not started."""
    link.start()
    try:
        await link.settled()
        return described(link)
    finally:
        await link.stop()


@router.post("/preview")
async def preview(request: PasteRequest, services: AppServices, local: Local) -> dict[str, Any]:
    """Return how what is pasted is understood: `{"servers": [as in /api/status, and exists]}`."""
    entries = await asyncio.to_thread(pasted, request.text)
    if len(entries) > MAX_SERVERS:
        raise CodedError("too_many_servers", max=MAX_SERVERS)
    links = services.toolbox.links
    trials = [_trial(services, name, entry, local=local) for name, entry in entries.items()]
    return {"servers": [described(link) | {"exists": link.server.name in links} for link in trials]}


@router.post("", status_code=201)
async def add(request: AddRequest, services: AppServices, local: Local) -> dict[str, list[str]]:
    """Write what is pasted into `mcp.json` and connect; return the names. Commands wait to be allowed."""
    entries = await asyncio.to_thread(pasted, request.text)
    names = {name: name for name in entries} if request.names is None else request.names
    wanted = {new.strip(): entries[name] for name, new in names.items() if name in entries}
    if len(wanted) < len(names) or not wanted:
        raise CodedError("names_not_apart")
    await _edited(services, lambda: services.config.add(wanted, local=local))
    return {"names": [*wanted]}


@router.post("/test")
async def test(request: PasteRequest, services: AppServices, local: Local) -> dict[str, Any]:
    """Connect to what is pasted without keeping it: `{"servers": [as in /api/status]}`."""
    entries = [*(await asyncio.to_thread(pasted, request.text)).items()][:MAX_TESTED]
    trials = [_trial(services, name, entry, local=local) for name, entry in entries]
    return {"servers": await asyncio.gather(*map(_tried, trials))}


@router.get("/{name:path}/wire")
async def wire(name: str, services: AppServices, since: int = 0) -> dict[str, Any]:
    """Return what the server says of itself, and the messages after number `since`; none holds a secret."""
    link = services.toolbox.link(name)
    said: dict[str, Any] = {"about": link.about, "versions": link.versions, "instructions": link.instructions}
    said |= {"logLevel": link.log_level}
    return described(link) | said | {"messages": [*link.recording.since(since)]}


@router.post("/{name:path}/refresh")
async def refresh(name: str, services: AppServices) -> dict[str, float]:
    """List a server's tools and prompts anew, and return how long that took: `{"ms"}`."""
    return {"ms": await services.toolbox.link(name).refresh()}


@router.post("/{name:path}/log-level", status_code=204)
async def log_level(
    name: str, level: Annotated[LoggingLevel, Body(embed=True)], services: AppServices
) -> None:
    """Ask a server to tell its log from this level on; its messages are in `wire`."""
    await services.toolbox.link(name).set_level(level)


@router.get("/{name:path}/entry")
async def entry(name: str, services: AppServices) -> dict[str, str]:
    """Return an entry of `mcp.json` as it is written, its secrets masked: `{"text", "version"}`."""
    services.toolbox.link(name)
    return (await asyncio.to_thread(services.config.entry, name))._asdict()


@router.put("/{name:path}/entry", status_code=204)
async def change(name: str, request: EditRequest, services: AppServices, local: Local) -> None:
    """Write an edited entry, perhaps under another name."""

    def edit() -> None:
        services.config.change(name, request.version, request.text, request.name.strip(), local=local)

    await _edited(services, edit)


@router.post("/{name:path}/test")
async def test_edited(
    name: str, request: PasteRequest, services: AppServices, local: Local
) -> dict[str, Any]:
    """Connect to what an edited entry says without keeping it, and return how it is."""
    edited, known = await asyncio.to_thread(services.config.edited, name, request.text)
    return await _tried(_trial(services, name, edited, local=local, known=known))


@router.post("/{name:path}/switch", status_code=204)
async def switch(name: str, on: Annotated[bool, Body(embed=True)], services: AppServices) -> None:
    """Switch a server off in `mcp.json`, or on again."""
    await _edited(services, lambda: services.config.switch(name, on=on))


@router.delete("/{name:path}/entry", status_code=204)
async def remove(name: str, services: AppServices) -> None:
    """Take an entry out of `mcp.json`."""
    await _edited(services, lambda: services.config.remove(name))
