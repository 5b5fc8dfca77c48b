"""Streams and subscriptions that one client holds open push out none of another's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from tests.mcp_server.stand_ins import BOTH, ENVELOPE, MODERN, RestService, app_for, serving

pytestmark = pytest.mark.anyio
LISTEN: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 9,
    "method": "subscriptions/listen",
    "params": {"_meta": ENVELOPE, "notifications": {"toolsListChanged": True}},
}


def from_its_own_address(app: ASGIApp) -> ASGIApp:
    """Let a header stand for the address that a client comes from."""

    async def named(scope: Any, receive: Any, send: Any) -> None:
        name = dict(scope.get("headers", ())).get(b"x-client", b"").decode()
        await app({**scope, "client": (name, 1)} if name else scope, receive, send)

    return named


class Watchers:
    """What clients hold open, by their names, and what has been ended of it."""

    def __init__(self, http: httpx.AsyncClient, tasks: asyncio.TaskGroup) -> None:
        self._http, self._tasks = http, tasks
        self.open: list[str] = []
        self.ended: list[str] = []

    async def watch(self, client: str, kind: str) -> None:
        """Open one, and wait until it is open."""
        opened = asyncio.Event()
        self._tasks.create_task(self._watch(client, kind, opened))
        async with asyncio.timeout(60):
            await opened.wait()

    async def has_ended(self, count: int) -> None:
        async with asyncio.timeout(60):
            while len(self.ended) < count:  # noqa: ASYNC110  the streams are the test's clock
                await asyncio.sleep(0.01)

    async def _watch(self, client: str, kind: str, opened: asyncio.Event) -> None:
        method, path, body = ("GET", "/sse", None) if kind == "sse" else ("POST", "/mcp", LISTEN)
        headers = MODERN | {"X-Client": client, "Mcp-Method": LISTEN["method"]}
        async with self._http.stream(method, path, json=body, headers=headers) as stream:
            async for _ in stream.aiter_lines():
                if not opened.is_set():
                    self.open.append(client)
                opened.set()
        self.open.remove(client)
        self.ended.append(client)


@asynccontextmanager
async def watchers(most: int) -> AsyncIterator[Watchers]:
    app = from_its_own_address(app_for(RestService(), max_sessions=most))
    limits = httpx.Limits(max_connections=100)
    async with serving(app) as url, httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as http:
        http.headers["Accept"] = BOTH
        async with asyncio.TaskGroup() as tasks:
            yield Watchers(http, tasks)
            for task in tasks._tasks:
                task.cancel()


@pytest.mark.parametrize("kinds", [("sse",), ("subscription",), ("sse", "subscription")])
async def test_who_watches_most_loses_his_own_streams(kinds: tuple[str, ...]) -> None:
    async with watchers(4) as watching:
        for kind in ("sse", "subscription"):
            await watching.watch("neighbour", kind)
        for number in range(12):
            await watching.watch("flood", kinds[number % len(kinds)])
        await watching.has_ended(10)
        assert watching.ended == ["flood"] * 10
        assert sorted(watching.open) == ["flood", "flood", "neighbour", "neighbour"]
