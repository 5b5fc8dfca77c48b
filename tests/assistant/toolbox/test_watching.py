"""Resources that are watched: subscribed to once a server, in both eras, and told to every page."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

import api
import main
from assistant.page.state import WATCHED
from serving.streams import Streams
from tests.support import world
from tests.support.asgi import serve
from tests.support.mcp_servers import HandshakeOnly
from tests.support.processes import ROOT, free_port

pytestmark = pytest.mark.anyio
ORDER = {"customerName": "客户A", "items": [{"productId": 2, "quantity": 1}]}
CHANGED = {"shop://inventory", "shop://orders/latest"}


@asynccontextmanager
async def a_shop(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    app = Streams(api.create_app(api.Settings(database_url=f"sqlite:///{folder}/shop.db")))
    async with serve(app, lifespan="on") as url, httpx.AsyncClient(base_url=url, timeout=60) as http:
        yield http


@asynccontextmanager
async def an_entry(shop: str, wire: str, port: int = 0) -> AsyncIterator[dict[str, Any]]:
    """Run main.py, and give an entry of `mcp.json` that reaches it so."""
    if wire == "stdio":
        command = {"command": sys.executable, "args": [str(ROOT / "main.py"), "--transport", "stdio"]}
        yield {**command, "env": {"API_URL": f"{shop}/api"}}
        return
    app: ASGIApp = main.create_app(main.Settings(api_url=f"{shop}/api"))
    app = HandshakeOnly(app) if wire == "handshake" else app
    async with serve(Streams(app), port, lifespan="on") as url:
        yield {"url": f"{url}/sse" if wire == "sse" else f"{url}/mcp"}


async def events(
    web: world.Web, path: str = "/api/watch", **params: str
) -> AsyncGenerator[tuple[str, dict[str, Any]]]:
    """What a page hears."""
    async with asyncio.timeout(60), web.http.stream("GET", path, params=params) as response:
        name = ""
        async for line in response.aiter_lines():
            kind, _, text = line.partition(": ")
            if kind == "data":
                yield name, json.loads(text)
            name = text if kind == "event" else name


async def watched(heard: AsyncGenerator[tuple[str, dict[str, Any]]], count: int) -> list[str]:
    """Wait until so many addresses are watched."""
    while True:
        name, data = await anext(heard)
        if name == "state" and len(uris := data["servers"][0]["watched"]) == count:
            return list(uris)


async def changed(heard: AsyncGenerator[tuple[str, dict[str, Any]]], *uris: str) -> None:
    """Wait until these have been told as changed, if need be in several events."""
    left = set(uris)
    while left:
        name, data = await anext(heard)
        left -= set(data["uris"] if name == "changed" else ())


@pytest.mark.parametrize("wire", ["2026-07-28", "handshake", "sse", "stdio"])
async def test_a_purchase_from_anywhere_is_told_to_every_page(tmp_path: Path, wire: str) -> None:
    async with (
        a_shop(tmp_path) as shop,
        an_entry(str(shop.base_url).rstrip("/"), wire) as entry,
        world.entry(tmp_path, entry, web_trust_commands=True) as web,
        aclosing(events(web)) as page,
        aclosing(events(web)) as other,
    ):
        for heard in (page, other):
            assert await watched(heard, 3) == list(WATCHED)
        assert (await shop.post("/api/purchase", json=ORDER)).status_code == 200
        for heard in (page, other):
            await changed(heard, *CHANGED)


@pytest.mark.parametrize("wire", ["2026-07-28", "handshake"])
async def test_after_a_reconnection_it_is_watched_anew(tmp_path: Path, wire: str) -> None:
    port = free_port()
    async with (
        a_shop(tmp_path) as shop,
        world.entry(tmp_path, {"url": f"http://127.0.0.1:{port}/mcp"}) as web,
        aclosing(events(web)) as page,
    ):
        for _ in range(2):
            async with an_entry(str(shop.base_url).rstrip("/"), wire, port):
                await watched(page, 3)
                await changed(page, *WATCHED)  # perhaps, in the meantime
            await web.http.post("/api/servers/s/reconnect")
            await watched(page, 0)


@pytest.mark.parametrize("wire", ["2026-07-28", "handshake", "sse"])
async def test_a_resource_that_is_open_is_followed_and_no_longer(tmp_path: Path, wire: str) -> None:
    uri = "shop://products/2"
    async with (
        a_shop(tmp_path) as shop,
        an_entry(str(shop.base_url).rstrip("/"), wire) as entry,
        world.entry(tmp_path, entry) as web,
    ):
        await web.becomes("ready")
        async with aclosing(events(web, "/api/follow", server="s", uri=uri)) as heard:
            await anext(heard)
            _, before = await web.read(uri)
            assert (await shop.post("/api/purchase", json=ORDER)).status_code == 200
            assert (await anext(heard))[0] == "changed"
        async with aclosing(events(web, "/api/follow", server="s", uri=uri)) as heard:
            await anext(heard)
            await web.http.post("/api/servers/s/reconnect")
            # Nothing but what was under way is told, and it ends: the page asks again.
            assert {name async for name, _ in heard} <= {"changed"}
    assert before["uri"] == uri
