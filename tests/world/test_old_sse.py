"""Servers of HTTP+SSE, the transport of 2024, that frame events in their own way, or never say where to."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from assistant.toolbox.limits import Limits
from tests.support import world
from tests.support.asgi import serve
from tests.support.raw_server import HELLO, NONE, READS, WRITES, says

pytestmark = pytest.mark.anyio
ENDPOINT = "event: endpoint\ndata: /messages\n\n"
ANSWERS: dict[str, Any] = {"initialize": HELLO, "tools/list": {"tools": [READS, WRITES]}}
ANSWERS["tools/call"] = says("done")


def one_event(answer: str) -> str:
    return f"event: message\ndata: {answer}\n\n"


def old_server(frame: Callable[[str], str] = one_event, first: str = ENDPOINT) -> Starlette:
    """A server whose stream begins so, and whose answers come in this frame."""
    answers: asyncio.Queue[str] = asyncio.Queue()

    async def events() -> AsyncIterator[str]:
        yield first
        while True:
            yield frame(await answers.get())

    async def follow(_: Request) -> Response:
        return StreamingResponse(events(), media_type="text/event-stream")

    async def take(request: Request) -> Response:
        message = await request.json()
        if "id" in message:
            answer = ANSWERS.get(message["method"])
            said = {"result": answer} if answer else NONE
            answers.put_nowait(json.dumps({"jsonrpc": "2.0", "id": message["id"], **said}))
        return Response(status_code=202)

    return Starlette(routes=[Route("/sse", follow), Route("/messages", take, methods=["POST"])])


FRAMES: dict[str, Starlette] = {
    "as it should be": old_server(),
    "lone returns": old_server(
        lambda answer: one_event(answer).replace("\n", "\r"), ENDPOINT.replace("\n", "\r")
    ),
    "returns and line feeds": old_server(
        lambda answer: one_event(answer).replace("\n", "\r\n"), ENDPOINT.replace("\n", "\r\n")
    ),
    "a mark at the beginning": old_server(first=f"\ufeff{ENDPOINT}"),
    "signs of life": old_server(
        lambda answer: f"data: ping\n\n{one_event(answer)}", f"data: hello\n\n{ENDPOINT}"
    ),
    "events of another name": old_server(lambda answer: f"event: response\ndata: {answer}\n\n"),
    "batches": old_server(lambda answer: f"data: [{answer}]\n\n"),
    "each twice": old_server(lambda answer: one_event(answer) * 2),
}


@pytest.mark.parametrize("way", FRAMES)
async def test_an_old_server_is_used_however_it_frames_its_events(tmp_path: Path, way: str) -> None:
    async with serve(FRAMES[way]) as url, world.entry(tmp_path, {"type": "sse", "url": f"{url}/sse"}) as web:
        await web.becomes("ready")
        assert (await web.call("w")).get("result") == "done"


@pytest.mark.parametrize(
    ("app", "code"),
    [
        (old_server(first=": hello\n\n"), "timeout"),
        (old_server(first="event: endpoint\ndata: http://example.invalid/messages\n\n"), "not_mcp"),
        (HTMLResponse("<title>Sign in</title>"), "not_mcp"),
        (RedirectResponse("https://b.example/sse"), "redirected"),
    ],
)
async def test_an_address_that_never_says_where_to_is_not_waited_for(
    tmp_path: Path, app: Any, code: str
) -> None:
    limits = Limits(connect_seconds=3)
    async with (
        serve(app) as url,
        world.entry(tmp_path, {"type": "sse", "url": f"{url}/sse"}, limits) as web,
    ):
        assert (await web.becomes("ready", "down"))["code"] == code
