"""Ends the responses that are still open when a service stops."""

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CALL_GRACE_SECONDS = 0.5  # that calls get to finish when the service stops


class Streams:
    """ASGI middleware that keeps track of open responses, and ends them on `close`.

    Without it, uvicorn waits for endless streams until its timeout, then logs errors and tracebacks.
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
        """Cancel the streams (GET) at once, and the calls after CALL_GRACE_SECONDS."""
        if not self._open:
            return
        self._all_done = anyio.Event()
        for cancel, is_stream in self._open.items():
            if is_stream:
                cancel.cancel()
        with anyio.move_on_after(CALL_GRACE_SECONDS):
            await self._all_done.wait()
        for cancel in list(self._open):
            cancel.cancel()


class _Response:
    """Passes one response on, and completes it if its application was cancelled."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._started = self._complete = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if self._started:  # the SDK's SSE route sends a second response after its stream has ended
                return
            self._started = True
        elif self._complete:
            return
        else:
            self._complete = not message.get("more_body")
        await self._send(message)

    async def finish(self, was_cancelled: bool) -> None:
        if was_cancelled and not self._started:
            await self.send(
                {"type": "http.response.start", "status": 503, "headers": [(b"retry-after", b"1")]}
            )
        if self._started:  # a cancelled event stream has not sent its last message
            await self.send({"type": "http.response.body", "body": b""})
