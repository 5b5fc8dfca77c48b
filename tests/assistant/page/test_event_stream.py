"""What goes over the wire for an event, and while there is none."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from assistant.page.event_stream import EventStream
from tests.support.asgi import serve

pytestmark = pytest.mark.anyio


def app(answer: EventStream) -> Starlette:
    return Starlette(routes=[Route("/", lambda _: answer)])


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ({}, b"{}"),
        ({"text": "a\nb\r\u2028"}, rb'{"text": "a\nb\r\u2028"}'),
        ({"text": "好"}, rb'{"text": "\u597d"}'),
        ({"n": [float("inf"), float("nan"), 1]}, b'{"n": [null, null, 1]}'),
    ],
)
async def test_an_event_is_one_line_of_json(data: dict[str, Any], line: bytes) -> None:
    async def events() -> AsyncGenerator[tuple[str, Any]]:
        yield "told", data

    async with serve(app(EventStream(events()))) as url, httpx.AsyncClient(timeout=60) as http:
        answer = await http.get(url)
    assert answer.content == b"event: told\ndata: " + line + b"\n\n"
    assert answer.headers["content-type"].startswith("text/event-stream")


async def test_a_silent_stream_pings_so_that_no_proxy_takes_it_for_dead() -> None:
    go_on = asyncio.Event()

    async def events() -> AsyncGenerator[tuple[str, Any]]:
        await go_on.wait()
        yield "told", {}

    async with (
        serve(app(EventStream(events(), ping_seconds=0.01))) as url,
        httpx.AsyncClient(timeout=60) as http,
        http.stream("GET", url) as answer,
    ):
        lines = answer.aiter_lines()
        while await anext(lines) != ": ping":
            pass
        go_on.set()
        while await anext(lines) != "event: told":
            pass
