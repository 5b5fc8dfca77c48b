"""Server-sent events of a generator, which ends with its answer.

Not FastAPI's `EventSourceResponse`: there, when a client leaves, a generator that waits at its `yield` is
left to the garbage collector, and what it reads from, such as a model paid by the word, goes on unheard.
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

from anyio import CancelScope
from starlette.responses import StreamingResponse
from starlette.types import Send

PING_SECONDS = 15  # a proxy takes a connection that is silent for a minute for dead
PING = b": ping\n\n"
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}  # nginx would keep the events to the end


class EventStream(StreamingResponse):
    """Sends events, each its name and data, and a ping where none comes for a while."""

    media_type = "text/event-stream"

    def __init__(
        self,
        events: AsyncGenerator[tuple[str, Any]],
        status_code: int = 200,  # FastAPI reads it from here for its documents
        ping_seconds: float = PING_SECONDS,
    ) -> None:
        super().__init__((), status_code, HEADERS)
        self._events = events
        self._ping_seconds = ping_seconds
        self._is_quiet = False

    async def stream_response(self, send: Send) -> None:
        """Send all there is, and close the generator whatever happens."""
        pings = asyncio.create_task(self._ping(send))
        try:
            status, headers = self.status_code, self.raw_headers
            await send({"type": "http.response.start", "status": status, "headers": headers})
            async for name, data in self._events:
                self._is_quiet = False
                await _send(send, _encoded(name, data))
        finally:
            pings.cancel()
            with CancelScope(shield=True):
                await self._events.aclose()
        await send({"type": "http.response.body", "body": b""})

    async def _ping(self, send: Send) -> None:
        while True:
            self._is_quiet = True
            await asyncio.sleep(self._ping_seconds)
            if self._is_quiet:
                await _send(send, PING)


async def _send(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


def _encoded(name: str, data: Any) -> bytes:
    """Return an event; in ASCII, so that no character of the data ends a line for any client.

    A number that JSON does not know (a server's 1e999) is null, as in every other answer.
    """
    try:
        text = json.dumps(data, allow_nan=False)
    except ValueError:
        text = json.dumps(json.loads(json.dumps(data), parse_constant=lambda _: None))
    return f"event: {name}\ndata: {text}\n\n".encode("ascii")
