"""Open streams, and how all of them end when the server stops."""

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

GRACE = 0.5  # seconds that calls get to finish when the server stops


class Streams:
    """Knows the responses that are under way, and ends them when the server stops.

    Without this uvicorn waits for streams that have no end, gives up, and logs errors and tracebacks.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._open: dict[anyio.CancelScope, bool] = {}
        self._all_done = anyio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        response = _Response(send)
        with anyio.CancelScope() as cancel:
            self._open[cancel] = scope["method"] == "GET"
            try:
                await self.app(scope, receive, response.send)
            finally:
                del self._open[cancel]
                if not self._open:
                    self._all_done.set()
        await response.finish(cancel.cancel_called)

    async def close(self) -> None:
        """End the streams, and after a moment's grace the calls too."""
        if not self._open:
            return
        self._all_done = anyio.Event()
        for cancel, is_stream in self._open.items():
            if is_stream:
                cancel.cancel()
        with anyio.move_on_after(GRACE):
            await self._all_done.wait()
        for cancel in list(self._open):
            cancel.cancel()


class _Response:
    """One response, which begins once and can be brought to an end by someone else."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._started = self._complete = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if self._started:  # the SDK's SSE route answers once more after its stream has ended
                return
            self._started = True
        elif self._complete:
            return
        else:
            self._complete = not message.get("more_body")
        await self._send(message)

    async def finish(self, unanswered: bool) -> None:
        if unanswered and not self._started:
            await self.send(
                {"type": "http.response.start", "status": 503, "headers": [(b"retry-after", b"1")]}
            )
        if self._started:  # event streams end without a last word when they see the server stopping
            await self.send({"type": "http.response.body", "body": b""})
