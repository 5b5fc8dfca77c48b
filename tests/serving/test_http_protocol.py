"""Head and body of an answer in one write, on the inside of uvicorn; without it, uvicorn's own protocol."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from types import ModuleType
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from serving.http_protocol import Gathering, http_protocol
from tests.support.asgi import serve

pytestmark = pytest.mark.anyio


class Wire:
    """Keeps each write, as a transport would send it."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.writes.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def gathering() -> tuple[Wire, Any]:
    wire: Any = Wire()
    return wire, Gathering(wire)


async def test_head_and_body_leave_in_one_write() -> None:
    wire, transport = gathering()
    transport.write(b"head")
    transport.write(b"body")
    await asyncio.sleep(0)
    transport.write(b"more")
    await asyncio.sleep(0)
    assert wire.writes == [b"headbody", b"more"]


async def test_closing_writes_what_was_gathered_and_nothing_after() -> None:
    wire, transport = gathering()
    transport.write(b"last words")
    transport.close()
    transport.write(b"too late")
    await asyncio.sleep(0)
    assert (wire.writes, wire.closed) == ([b"last words"], True)


async def echo(request: Request) -> Response:
    return PlainTextResponse(await request.body())


async def stream(_: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b"x" * 10_000

    return StreamingResponse(pieces())


async def test_answers_are_whole_on_a_kept_connection_streamed_large_or_asked_side_by_side() -> None:
    app = Starlette(routes=[Route("/echo", echo, methods=["POST"]), Route("/stream", stream)])
    async with serve(app, http=http_protocol()) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        assert len((await client.get("/stream")).content) == 2_000_000
        bodies = [bytes([n]) * n * 1_000 for n in range(1, 40)]
        answers = await asyncio.gather(*(client.post("/echo", content=body) for body in bodies))
        assert [answer.content for answer in answers] == bodies
        assert (await client.get("/nowhere")).status_code == 404


async def test_where_uvicorns_inside_has_moved_its_own_protocol_serves(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for module in ("uvicorn.protocols.http.httptools_impl", "uvicorn.protocols.http.h11_impl"):
        monkeypatch.setitem(sys.modules, module, ModuleType(module))
    with caplog.at_level(logging.WARNING):
        protocol = http_protocol()
    monkeypatch.undo()
    assert (protocol, len(caplog.records)) == ("auto", 1)
    app = Starlette(routes=[Route("/echo", echo, methods=["POST"])])
    async with serve(app, http=protocol) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        assert (await client.post("/echo", content=b"x")).content == b"x"
