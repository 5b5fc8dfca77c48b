"""A service stops while a purchase waits for a row: its buyer learns the outcome, or the key to ask with."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import httpx
import pytest
from mcp import Client
from mcp.client.sse import sse_client

from tests.support.engines import ENGINES, new_url
from tests.support.suite import Suite, until

pytestmark = pytest.mark.anyio
ORDER = {"customerName": "客户A", "items": [{"productId": 2, "quantity": 1}]}
STOPPING = {"DRAIN_SECONDS": "1", "STOP_TIMEOUT": "0.5"}  # the drain: so that what was sent has arrived


@contextmanager
def locked(suite: Suite) -> Iterator[None]:
    """Hold the shop's rows, as another process might."""
    connection = sqlite3.connect(suite.folder / "shop.db", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.close()


@asynccontextmanager
async def held(suite: Suite, url: str) -> AsyncIterator[None]:
    """Hold the rows of either engine."""
    if url.startswith("sqlite"):
        with locked(suite):
            yield
        return
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("BEGIN; SELECT FROM products FOR UPDATE")
        yield
    finally:
        await connection.close()


async def stopped(suite: Suite, name: str) -> None:
    """Wait for the end of a service."""
    assert await asyncio.to_thread(suite.running.pop(name).process.wait, 60) == -15


async def bought(http: httpx.AsyncClient, **more: Any) -> asyncio.Task[httpx.Response]:
    """Buy, and return what will be answered as soon as the purchase is on its way."""
    sent = asyncio.Event()

    async def trace(event: str, _: Any) -> None:
        if event == "http11.send_request_body.complete":
            sent.set()

    extensions = {"trace": trace}
    buying = asyncio.create_task(http.post("/api/purchase", json=ORDER, extensions=extensions, **more))
    async with asyncio.timeout(60):
        await sent.wait()
    return buying


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("key", ["k-1", None])
async def test_the_shop_invites_nobody_to_buy_again_without_a_key(
    suite: Suite, engine: str, key: str | None
) -> None:
    url = new_url(engine, suite.folder)
    suite.start("api", DATABASE_URL=url, **STOPPING)
    headers = {"Idempotency-Key": key} if key else {}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{suite.api}", timeout=60) as http:
        async with held(suite, url):
            buying = await bought(http, headers=headers)
            suite.running["api"].process.terminate()
            answer = await buying
            await stopped(suite, "api")
        assert (answer.status_code, answer.json()["code"]) == (503, "outcome_unknown")
        assert answer.json()["params"] == ({"idempotencyKey": key} if key else {})
        assert "retry-after" not in answer.headers
        suite.start("api", DATABASE_URL=url)
        for _ in range(2 if key else 0):
            again = await http.post("/api/purchase", json=ORDER, headers=headers)
            assert again.status_code == 200, again.text
        assert len(suite.orders()) <= 1
        assert not key or suite.orders()
    assert "Traceback" not in suite.logs()


async def test_the_shop_waits_for_a_purchase_that_is_done_in_time(suite: Suite) -> None:
    suite.start("api", DRAIN_SECONDS="1")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{suite.api}", timeout=60) as http:
        with locked(suite):
            buying = await bought(http)
            suite.running["api"].process.terminate()
            await until(lambda: is_draining(suite.api))
        assert (await buying).json()["id"] == 1
    await stopped(suite, "api")


async def is_draining(port: int) -> bool:
    async with httpx.AsyncClient(timeout=60) as http:
        return (await http.get(f"http://127.0.0.1:{port}/healthz")).status_code == 503


@asynccontextmanager
async def buyer(suite: Suite, transport: str) -> AsyncIterator[Client]:
    url = f"http://localhost:{suite.mcp}"
    mode: Any = {"mode": "legacy"} if transport == "handshake" else {}
    connection: Any = sse_client(f"{url}/sse") if transport == "sse" else f"{url}/mcp"
    async with Client(connection, read_timeout_seconds=60, **mode) as client:
        yield client


@pytest.mark.parametrize("transport", ["2026-07-28", "handshake", "sse"])
async def test_the_mcp_server_gives_a_purchase_up_with_its_key(suite: Suite, transport: str) -> None:
    suite.start("api")
    suite.start("main", **STOPPING)
    asked = {"input_data": ORDER | {"idempotencyKey": "k-1"}}
    sent = asyncio.Event()

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        sent.set()

    async with buyer(suite, transport) as client:
        with locked(suite):
            call = client.call_tool("create_purchase", asked, progress_callback=on_progress)
            buying = asyncio.create_task(call)
            async with asyncio.timeout(60):
                await sent.wait()
            suite.running["main"].process.terminate()
            result = await buying
        assert result.is_error
        error = (result.meta or {})["product-mcp/error"]
        assert error["params"]["idempotencyKey"] == "k-1", json.dumps(error)
        assert error["code"] == "outcome_unknown"
    await stopped(suite, "main")
    assert "Traceback" not in suite.logs()
