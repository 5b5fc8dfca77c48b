"""The answers under way, and how each ends when the service stops."""

import asyncio
from collections.abc import Callable

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.access import OPEN_PATH

LOOK_SECONDS = 0.02  # between two looks at what is still open, while the service stops
CLOSE = (b"connection", b"close")


def restarting(_: Scope) -> Response:
    """Answer a request that is given up before its answer has begun."""
    return Response(status_code=503)


class Streams:
    """ASGI middleware that knows the answers under way, and can end them.

    While the service drains, each answer asks the client to connect anew, and the probe learns that no more
    requests should come. `given_up` makes the answer to the probe, and to a request that is given up.
    """

    def __init__(self, app: ASGIApp, given_up: Callable[[Scope], Response] = restarting) -> None:
        self.app = app
        self.is_draining = False
        self._given_up = given_up
        self._open: set[_Answer] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = _Answer(self, scope, send)
        is_probe = scope["path"].endswith(OPEN_PATH)  # with or without the prefix of a proxy
        app = self._given_up(scope) if self.is_draining and is_probe else self.app
        self._open.add(answer)
        try:
            await app(scope, receive, answer.send)
        except asyncio.CancelledError:
            if not answer.is_ended:
                raise
            await answer.complete(self._given_up(scope), receive)
        finally:
            self._open.discard(answer)

    def end_watching(self) -> bool:
        """End the streams that only watch, and return whether other answers are under way.

        Looked at twice: the answer to a call that has just ended may still be on its way into its stream.
        """
        for answer in self._open:
            if answer.watches():
                if answer.watched_before:
                    answer.end()
                answer.watched_before = True
        return bool(self._open)

    def end_all(self) -> None:
        """End every answer."""
        for answer in self._open:
            answer.end()


class _Answer:
    """Passes one answer on, and completes it if it is ended."""

    def __init__(self, streams: Streams, scope: Scope, send: Send) -> None:
        self.is_ended = self.watched_before = False
        self._streams = streams
        self._scope = scope
        self._send = send
        self._task = asyncio.current_task()
        self._start: Message | None = None
        self._is_complete = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if self._start is not None:  # the SDK's SSE route sends a second answer at its end
                return
            self._start = message
            if self._streams.is_draining:
                headers = [header for header in message["headers"] if header[0] != CLOSE[0]]
                message = {**message, "headers": [*headers, CLOSE]}
        elif self._is_complete:
            return
        else:
            self._is_complete = not message.get("more_body")
        await self._send(message)

    def watches(self) -> bool:
        """Whether this is an event stream that no call of its client answers on.

        Where calls are answered on the stream of another request (MCP over SSE), that one's scope has
        `is_busy`, which says whether there are any.
        """
        if self._scope["method"] != "GET" or self._start is None:
            return False
        kind = dict(self._start["headers"]).get(b"content-type", b"")
        is_busy: Callable[[], bool] = self._scope.get("is_busy", bool)
        return kind.startswith(b"text/event-stream") and not is_busy()

    def end(self) -> None:
        if not self.is_ended and self._task is not None:
            self.is_ended = True
            self._task.cancel()

    async def complete(self, otherwise: ASGIApp, receive: Receive) -> None:
        """Send what is missing: the end of a stream, or a whole answer."""
        if self._task is not None:
            self._task.uncancel()
        if self._start is None:
            await otherwise(self._scope, receive, self.send)
        else:
            await self.send({"type": "http.response.body", "body": b""})
