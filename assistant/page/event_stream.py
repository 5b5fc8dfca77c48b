"""Server-sent events of a generator, which ends with its answer."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from starlette.types import Send

from serving.closed_stream import ClosedStream

PING_SECONDS = 15  # a proxy takes a connection that is silent for a minute for dead
EVENTS: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {}}}}
PING = b": ping\n\n"
STRICT = json.JSONEncoder(allow_nan=False)
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}  # nginx would keep the events to the end


class EventStream(ClosedStream):
    """Sends events, each its name and data, and a ping where none comes for a while."""

    def __init__(
        self,
        events: AsyncGenerator[tuple[str, Any]],
        ping_seconds: float = PING_SECONDS,
        status_code: int = 200,
    ) -> None:
        super().__init__(self._lines(events), "text/event-stream", HEADERS, status_code)
        self._ping_seconds = ping_seconds
        self._is_quiet = False
        self._pings: asyncio.Task[None] | None = None

    async def stream_response(self, send: Send) -> None:
        """Send all events, and pings between them."""
        self._pings = asyncio.create_task(self._ping(send))
        try:
            await super().stream_response(send)
        finally:
            self._pings.cancel()

    async def _ping(self, send: Send) -> None:
        while True:
            self._is_quiet = True
            await asyncio.sleep(self._ping_seconds)
            if self._is_quiet:
                await send({"type": "http.response.body", "body": PING, "more_body": True})

    async def _lines(self, events: AsyncGenerator[tuple[str, Any]]) -> AsyncGenerator[bytes]:
        async with aclosing(events):
            async for name, data in events:
                self._is_quiet = False
                yield _encoded(name, data)
        if self._pings:
            self._pings.cancel()  # nothing may follow the end


def _encoded(name: str, data: Any) -> bytes:
    """Return an event; in ASCII, so that no character of the data ends a line for any client.

    A number that JSON does not know (a server's 1e999) is null, as in every other answer.
    """
    try:
        text = STRICT.encode(data)
    except ValueError:
        text = json.dumps(json.loads(json.dumps(data), parse_constant=lambda _: None))
    return f"event: {name}\ndata: {text}\n\n".encode("ascii")
