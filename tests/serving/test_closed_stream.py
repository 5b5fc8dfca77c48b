"""What an answer reads from ends with it."""

import asyncio
import gc
from collections.abc import AsyncGenerator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from serving.closed_stream import ClosedStream
from tests.support.asgi import serve

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("waits_for", ["its source", "its client"])
async def test_a_client_that_leaves_ends_what_is_read(waits_for: str) -> None:
    closed = asyncio.Event()

    async def parts() -> AsyncGenerator[bytes]:
        try:
            while True:
                yield b"part"
                await (asyncio.Event().wait() if waits_for == "its source" else asyncio.sleep(0))
        finally:
            closed.set()

    app = Starlette(routes=[Route("/", lambda _: ClosedStream(parts()))])
    gc.disable()  # it would end what nobody ends
    try:
        async with serve(app) as url, httpx.AsyncClient(timeout=60) as http:
            async with http.stream("GET", url) as answer:
                await anext(answer.aiter_raw())
            async with asyncio.timeout(60):
                await closed.wait()
    finally:
        gc.enable()
