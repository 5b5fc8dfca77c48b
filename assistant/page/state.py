"""What the page is told of its back end: model, servers, tools and prompts, and every change of them."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

from assistant.chat.interfaces import Model
from assistant.page.sentences import explain
from assistant.toolbox import Toolbox
from assistant.toolbox.link import Link

LOOK_INTERVAL = 0.05  # seconds between two looks at the links; one takes microseconds
HURRY_INTERVAL = 0.2  # seconds between two tries of a server that is down, while a page is looking


class Overview:
    """The state of a toolbox and its model; `stopping` ends all who follow it."""

    def __init__(self, model: Model, toolbox: Toolbox, stopping: asyncio.Event) -> None:
        self._model = model
        self._toolbox = toolbox
        self._stopping = stopping
        self._hurried = 0.0  # time.monotonic() of the last try

    def status(self) -> dict[str, Any]:
        """Say which model answers and how each server is."""
        return {
            "model": {"name": self._model.name, "demo": self._model.demo},
            "servers": [_describe(link) for link in self._toolbox.links.values()],
        }

    def tools(self) -> dict[str, Any]:
        """List the tools of every server, the tutorial's fields first, and prompts to begin with."""
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
                }
                for tool in self._toolbox.tools()
            ],
            "prompts": self._toolbox.prompts(),
        }

    def _hurry(self) -> None:
        """Have this machine's servers that are not started tried again at once: somebody waits for them."""
        if time.monotonic() < self._hurried + HURRY_INTERVAL:
            return
        self._hurried = time.monotonic()
        for link in self._toolbox.links.values():
            refused = link.error is not None and link.error.code == "connect_refused"
            if link.retry_in is not None and refused and link.server.is_local:
                link.reconnect()

    def _told(self) -> dict[str, Any]:
        state = self.status() | self.tools()
        for server in state["servers"]:
            del server["retryIn"]  # it only counts down
        return state

    async def changes(self) -> AsyncGenerator[dict[str, Any]]:
        """Tell everything now, and again whenever some of it has changed.

        A look at short intervals also sees what nobody announces: an edited `mcp.json`, a new list of tools.
        """
        seen = None
        while not self._stopping.is_set():
            now = [_state(link) for link in self._toolbox.links.values()]
            if now != seen:
                seen = now
                yield self._told()
            self._hurry()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), LOOK_INTERVAL)


def _state(link: Link) -> tuple[Any, ...]:
    """Return what is compared; lists are replaced, never changed, so that equal ones are the same."""
    return (link.server, link.status, link.error, link.listed_tools, link.listed_prompts)


def _describe(link: Link) -> dict[str, Any]:
    server = link.server
    return {
        "name": server.name,
        "transport": server.transport,
        "url": server.address,
        "status": link.status,
        "error": explain(link.error.code, link.error.params) if link.error else None,
        "code": link.error.code if link.error else None,
        "params": link.error.params if link.error else {},
        "tools": len(link.listed_tools),
        "protocolVersion": link.protocol_version,
        "retryIn": link.retry_in,
    }
