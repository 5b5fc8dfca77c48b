"""What the page is told of its back end: model, servers, tools and prompts, and every change of them."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import Any

from assistant.chat.interfaces import Tool
from assistant.chat.tool_search import MAX_SHARE, MAX_TOOL_TOKENS, MIN_TOOL_TOKENS
from assistant.llm.registry import STAND_IN, Models
from assistant.page.sentences import GREETING, explain
from assistant.toolbox import Toolbox
from assistant.toolbox.link import Link
from assistant.toolbox.resources import follow, read_resource
from serving.errors import CodedError
from serving.logs import printable

WATCHED = ("shop://products", "shop://inventory", "shop://orders/latest")
PAUSE_SECONDS = 0.2  # after telling of a change: many, as of 20 servers that connect, are told as one
GREETING_SECONDS = 1.0  # until the page's address is named although some servers are not connected
SHOP_SECONDS = 4.0  # between two looks at the shop behind a server of ours, while a page watches
LOAD_SECONDS = 1.0  # until a page that watches has all that it asks for while it opens
RETRY_SECONDS = 0.2  # between two tries of a server that is down, while a page watches


class Overview:
    """The state of a toolbox and of the models."""

    def __init__(self, models: Models, toolbox: Toolbox, apps: str = "") -> None:
        self._apps = apps  # the origin of their frames, where it is set
        self._models = models
        self._toolbox = toolbox
        self._is_stopping = False
        self._watchers = 0
        self._tasks: list[asyncio.Task[None]] = []
        # Of the shop behind a server of ours: the zone that it said last, and whether it does not answer now.
        self._shops: dict[str, tuple[str, bool]] = {}

    def status(self) -> dict[str, Any]:
        """Return which model answers, which others can be chosen, and how each server is."""
        model = self._models.configured
        return {
            "model": {"name": model.name if model else STAND_IN, "demo": model is None or model.demo},
            "models": [asdict(choice) for choice in self._models.choices()],
            "servers": [described(link) | self._shop(name) for name, link in self._toolbox.links.items()],
            "config": said(self._toolbox.fault) if self._toolbox.fault else None,
            "apps": self._apps,
        }

    def _shop(self, server: str) -> dict[str, Any]:
        zone, is_away = self._shops.get(server, ("", False))
        return {"shopAway": is_away, "timezone": zone}

    def tools(self) -> dict[str, Any]:
        """Return the tools of every server, the tutorial's fields first, and the servers' prompts."""
        model = self._models.configured
        return {
            "tools": [_listed(tool) for tool in self._toolbox.tools()],
            "appTools": [_listed(tool) for tool in self._toolbox.app_tools()],
            "prompts": self._toolbox.prompts(),
            # What they may take, also of a window, before they are searched; what each counts for at least.
            "toolTokens": None
            if model is None or model.demo
            else {"max": MAX_TOOL_TOKENS, "share": MAX_SHARE, "each": MIN_TOOL_TOKENS},
        }

    async def greetings(self, address: str, seconds: float = GREETING_SECONDS) -> AsyncGenerator[str]:
        """Yield the start message once all servers are connected; after so many seconds also before."""
        connected = asyncio.gather(*(link.settled("down") for link in self._toolbox.links.values()))
        try:
            done, _ = await asyncio.wait([connected], timeout=seconds)
            yield self._greeting(address)
            if not done:
                await connected
                yield self._greeting(address)
        finally:
            connected.cancel()

    def _greeting(self, address: str) -> str:
        down = "".join(
            printable(f"，{link.server.name}：{explain(error.code, error.params)}")
            for link in self._toolbox.links.values()
            if (error := link.error or CodedError("not_connected")) and link.status != "ready"
        )
        return GREETING.format(address=address, tools=len(self._toolbox.tools()), down=down)

    async def changes(self) -> AsyncGenerator[tuple[str, dict[str, Any]]]:
        """Yield `state`, status and tools, now and whenever something of them has changed; and `changed`.

        The latter says which watched resources of a server are other ones now.
        """
        seen, news = None, self._toolbox.news
        number = news.number
        with self._watching():
            while not self._is_stopping:
                bell = news.bell  # before all is looked at
                links = [*map(_compared, self._toolbox.links.values())]
                now = (links, self._models.choices(), self._shops, self._toolbox.fault)
                is_new = now != seen
                if is_new:
                    seen = now
                    yield "state", self._state()
                touched, number = news.since(number), news.number
                for server, uris in touched.items():
                    yield "changed", {"server": server, "uris": uris}
                await (asyncio.sleep(PAUSE_SECONDS) if touched or is_new else bell.wait())

    async def following(self, link: Link, uri: str) -> AsyncGenerator[tuple[str, dict[str, Any]]]:
        """Have a resource followed while this is open; yield `changed` once it is, and at every change."""
        news, server = self._toolbox.news, link.server.name
        number = news.number
        task = asyncio.create_task(follow(link, uri))
        task.add_done_callback(lambda _: news.ring())
        try:
            while not (task.done() or self._is_stopping):
                bell, touched = news.bell, news.since(number).get(server, [])
                number = news.number
                if uri in touched:
                    yield "changed", {}
                await (asyncio.sleep(PAUSE_SECONDS) if uri in touched else bell.wait())
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def end(self) -> None:
        """End all who watch."""
        self._is_stopping = True
        self._toolbox.news.ring()

    def _state(self) -> dict[str, Any]:
        state = self.status() | self.tools()
        for server in state["servers"]:
            del server["retryIn"]  # a countdown is no change
        return state

    @contextmanager
    def _watching(self) -> Iterator[None]:
        """While anybody watches, look for local servers that come up, and whether the shop answers.

        And have the model ready: whoever watches is about to ask.
        """
        self._watchers += 1
        if not self._tasks:
            works = self._retry_local_servers(), self._look_at_shops(), self._load_model()
            self._tasks = [asyncio.create_task(work) for work in works]
        try:
            yield
        finally:
            self._watchers -= 1
            if not self._watchers:
                for task in self._tasks:
                    task.cancel()
                self._tasks = []

    async def _load_model(self) -> None:
        await asyncio.sleep(LOAD_SECONDS)
        await self._models.load()

    async def _look_at_shops(self) -> None:
        """Ask the shop behind each server of ours for its clock: MCP may be well while the shop is not."""
        while True:
            shops = {
                name: await self._look_at_shop(name, link)
                for name, link in [*self._toolbox.links.items()]
                if link.versions
            }
            if shops != self._shops:
                self._shops = shops
                self._toolbox.news.ring()
            await asyncio.sleep(SHOP_SECONDS)

    async def _look_at_shop(self, server: str, link: Link) -> tuple[str, bool]:
        zone = await _zone(link) if link.status == "ready" else ""
        before, _ = self._shops.get(server, ("", False))  # which is right still when a server has restarted
        return zone or before, zone is None

    async def _retry_local_servers(self) -> None:
        """Reconnect to local servers that refused the connection: a person watches and waits for them."""
        while True:
            bell = self._toolbox.news.bell
            refused = [link for link in self._toolbox.links.values() if _is_refused(link)]
            for link in refused:
                if link.retry_in is not None:
                    link.reconnect()
            await (asyncio.sleep(RETRY_SECONDS) if refused else bell.wait())


async def _zone(link: Link) -> str | None:
    """Return where the shop behind a server of ours counts its days, "" if it does not say so.

    None: it does not answer.
    """
    try:
        contents = await read_resource(link, "shop://clock")
    except CodedError:
        return None
    with suppress(ValueError, LookupError, TypeError):
        return str(json.loads(contents[0]["text"])["timezone"])
    return ""


def _is_refused(link: Link) -> bool:
    return link.error is not None and link.error.code == "connect_refused" and link.server.is_local


def _listed(tool: Tool) -> dict[str, Any]:
    return {
        "server": tool.server,
        "name": tool.name,
        "description": tool.description,
        "input_schema": tool.input_schema,
        "title": tool.title,
        "output_schema": tool.output_schema,
        "annotations": tool.annotations,
        "readOnly": tool.read_only,
        "fingerprint": tool.fingerprint,
        "honoursKey": tool.honours_key,
        "tokens": tool.tokens,
        "app": tool.app,
        "appsMay": tool.apps_may,
    }


def _compared(link: Link) -> tuple[Any, ...]:
    return (link.server, link.status, link.error, link.listing, tuple(link.notes), link.watched, link.sign_in)


def described(link: Link) -> dict[str, Any]:
    """Return how a server is."""
    server, error = link.server, link.error
    return {
        "name": server.name,
        "transport": server.transport,
        "url": server.address,
        "status": link.status,
        "signIn": link.sign_in,
        "fingerprint": server.fingerprint,
        "error": explain(error.code, error.params) if error else None,
        "code": error.code if error else None,
        "params": error.params if error else {},
        "tools": len(link.listing.tools),
        "notes": [said(note) for note in link.notes],
        "skipped": [said(each) for each in link.listing.skipped],
        "watched": link.watched,
        "protocolVersion": link.protocol_version,
        "retryIn": link.retry_in,
    }


def said(what: CodedError) -> dict[str, Any]:
    """Return a note with the sentence of its code."""
    return {"code": what.code, "params": what.params, "text": explain(what.code, what.params)}
