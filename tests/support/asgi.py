"""Small servers over real HTTP: any ASGI app on a free port, and a model provider that follows a script."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import FrameType
from typing import Any

import uvicorn
from anyio.from_thread import start_blocking_portal
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send


class Server(uvicorn.Server):
    """Uvicorn's server without its waits, which make up 0.2 s of each end."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up, self.is_over = asyncio.Event(), asyncio.Event()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        self.is_up.set()
        await self.is_over.wait()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self.is_over.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=0.1)
        for task in self.server_state.tasks:
            task.cancel()
        await self.lifespan.shutdown()


@asynccontextmanager
async def serve(app: ASGIApp, port: int = 0, **options: Any) -> AsyncIterator[str]:
    """Serve an ASGI app on 127.0.0.1, on a port that the system picks, and give its address."""
    sock = socket.socket(proto=socket.IPPROTO_TCP)  # by this asyncio knows that it may set TCP_NODELAY
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    # No log settings: they are the whole process's, and other tests read the log.
    server = Server(uvicorn.Config(app, log_config=None, ws="none", **options))
    task = asyncio.create_task(server.serve(sockets=[sock]))
    await server.is_up.wait()
    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        server.is_over.set()
        await task
        sock.close()


@contextmanager
def in_a_thread(app: ASGIApp, port: int = 0) -> Iterator[str]:
    """Serve an app beside synchronous tests."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serve(app, port)) as url:
        yield url


def chunk(*, finish: str | None = None, usage: bool = False, **delta: Any) -> str:
    """One `chat.completion.chunk` of a stream, as server-sent event."""
    choices = [] if usage else [{"index": 0, "delta": delta, "finish_reason": finish}]
    body = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices}
    return f"data: {json.dumps(body)}\n\n"


def piece(
    index: int | None = 0, id: str | None = None, name: str | None = None, args: Any = ""
) -> dict[str, Any]:
    """One piece of a tool call in a chunk's delta; what is None is missing."""
    function = {"arguments": args} | ({"name": name} if name else {})
    made: dict[str, Any] = {"type": "function", "function": function}
    if index is not None:
        made["index"] = index
    if id is not None:
        made["id"] = id
    return made


def text_stream(*words: str) -> str:
    """A whole, well-made answer."""
    body = "".join(chunk(content=word) for word in words)
    return f"{body}{chunk(finish='stop')}data: [DONE]\n\n"


def call_stream(name: str, args: dict[str, Any]) -> str:
    """A whole, well-made request for one tool call."""
    called = chunk(tool_calls=[piece(0, "call_1", name, json.dumps(args))])
    return f"{called}{chunk(finish='tool_calls')}data: [DONE]\n\n"


class ScriptedProvider:
    """An OpenAI-compatible provider: plays one step a request and keeps what it was asked.

    A step is the text of an event stream, or a response.
    """

    def __init__(self, *steps: str | Response) -> None:
        self.steps = list(steps)
        self.requests: list[dict[str, Any]] = []
        self.times: list[float] = []  # time.monotonic() of each request
        self.app = Starlette(routes=[Route("/v1/chat/completions", self._answer, methods=["POST"])])

    async def _answer(self, request: Request) -> Response:
        self.requests.append(await request.json())
        self.times.append(time.monotonic())
        if not self.steps:
            return JSONResponse({"error": {"message": "the script is over"}}, 400)
        step = self.steps.pop(0)
        return (
            step
            if isinstance(step, Response)
            else StreamingResponse(iter([step]), media_type="text/event-stream")
        )


class Silence(StreamingResponse):
    """A stream that begins and then says nothing more; `left` is set when the client goes away."""

    def __init__(self, beginning: str) -> None:
        self.left = asyncio.Event()
        super().__init__(self.words(beginning), media_type="text/event-stream")

    async def words(self, beginning: str) -> AsyncIterator[str]:
        yield beginning
        await asyncio.Event().wait()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.left.set()


class Flood(Silence):
    """A stream that says the same for ever, as fast as it is read."""

    async def words(self, beginning: str) -> AsyncIterator[str]:
        while True:
            yield beginning
            await asyncio.sleep(0)


def whole(content: str) -> Response:
    """An answer in one piece, from a provider that does not stream."""
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return JSONResponse(
        {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    )


def refusal(status: int, message: str = "no", **headers: str) -> Response:
    """An error as providers send it."""
    return JSONResponse({"error": {"message": message}}, status, headers)
