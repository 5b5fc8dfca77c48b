"""What the page is told of its back end: model, servers, tools and prompts, and every change of them."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

from assistant.chat.interfaces import Model
from assistant.page.sentences import GREETING, explain
from assistant.toolbox import Toolbox
from assistant.toolbox.link import Link
from serving.errors import CodedError
from serving.logs import printable

POLL_SECONDS = 0.05  # between two comparisons of the state; one takes microseconds
GREETING_SECONDS = 15.0  # until the start message is printed although some servers are not connected
RETRY_SECONDS = 0.2  # between two tries of a server that is down, while a page watches


class Overview:
    """The state of a toolbox and its model; `stopping` ends all who watch it."""

    def __init__(self, model: Model, toolbox: Toolbox) -> None:
        self._model = model
        self._toolbox = toolbox
        self.stopping = asyncio.Event()
        self._retried_at = 0.0  # time.monotonic()

    def status(self) -> dict[str, Any]:
        """Return which model answers and how each server is."""
        return {
            "model": {"name": self._model.name, "demo": self._model.demo},
            "servers": [_server(link) for link in self._toolbox.links.values()],
        }

    def tools(self) -> dict[str, Any]:
        """Return the tools of every server, the tutorial's fields first, and the servers' prompts."""
        return {
            "tools": [
                {
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
                }
                for tool in self._toolbox.tools()
            ],
            "prompts": self._toolbox.prompts(),
        }

    async def greeting(self, address: str, seconds: float = GREETING_SECONDS) -> str:
        """Return the start message once all servers are connected, or after so many seconds."""
        idle = ("disabled", "untrusted")
        enabled = [link for link in self._toolbox.links.values() if link.status not in idle]
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.gather(*(link.until_ready() for link in enabled))
        down = "".join(
            printable(f"，{link.server.name}：{explain(error.code, error.params)}")
            for link in self._toolbox.links.values()
            if (error := link.error or CodedError("not_connected")) and link.status != "ready"
        )
        return GREETING.format(address=address, tools=len(self._toolbox.tools()), down=down)

    async def changes(self) -> AsyncGenerator[dict[str, Any]]:
        """Yield status and tools now, and again whenever something of them has changed.

        Polling also finds what is not announced: an edited `mcp.json`, a new list of tools.
        """
        seen = None
        while not self.stopping.is_set():
            now = [_compared(link) for link in self._toolbox.links.values()]
            if now != seen:
                seen = now
                state = self.status() | self.tools()
                for server in state["servers"]:
                    del server["retryIn"]  # a countdown is no change
                yield state
            self._retry_local_servers()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), POLL_SECONDS)

    def _retry_local_servers(self) -> None:
        """Reconnect to local servers that refused the connection: a person watches and waits for them."""
        if time.monotonic() < self._retried_at + RETRY_SECONDS:
            return
        self._retried_at = time.monotonic()
        for link in self._toolbox.links.values():
            is_refused = link.error is not None and link.error.code == "connect_refused"
            if link.retry_in is not None and is_refused and link.server.is_local:
                link.reconnect()


def _compared(link: Link) -> tuple[Any, ...]:
    return (link.server, link.status, link.error, link.listing, tuple(link.notes))


def _server(link: Link) -> dict[str, Any]:
    server, error = link.server, link.error
    return {
        "name": server.name,
        "transport": server.transport,
        "url": server.address,
        "status": link.status,
        "fingerprint": server.fingerprint,
        "error": explain(error.code, error.params) if error else None,
        "code": error.code if error else None,
        "params": error.params if error else {},
        "tools": len(link.listing.tools),
        "notes": [_said(note) for note in link.notes],
        "skipped": [_said(each) for each in link.listing.skipped],
        "protocolVersion": link.protocol_version,
        "retryIn": link.retry_in,
    }


def _said(what: CodedError) -> dict[str, Any]:
    return {"code": what.code, "params": what.params, "text": explain(what.code, what.params)}
