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
        answer = _Answer(self, scope, receive, send)
        is_probe = scope["path"].endswith(OPEN_PATH)  # with or without the prefix of a proxy
        app = self._given_up(scope) if self.is_draining and is_probe else self.app
        self._open.add(answer)
        try:
            await app(scope, receive, answer.send)
        except asyncio.CancelledError:
            if not answer.end_was_seen():
                raise
            await answer.complete(self._given_up(scope))
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
        """End every answer. One that has not begun is given at once: to undo what was done takes its time."""
        for answer in self._open:
            answer.end()
            if answer.start is None:
                answer.giving_up = asyncio.create_task(answer.complete(self._given_up(answer.scope)))


class _Answer:
    """Passes one answer on, and completes it if it is ended."""

    def __init__(self, streams: Streams, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.is_ended = self.watched_before = False
        self.giving_up: asyncio.Task[None] | None = None
        self._streams = streams
        self._receive = receive
        self._send = send
        self._task = asyncio.current_task()
        self.start: Message | None = None  # its head, once that is sent
        self._is_complete = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if self.start is not None:  # the SDK's SSE route sends a second answer at its end
                return
            self.start = message
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
        if self.scope["method"] != "GET" or self.start is None:
            return False
        kind = dict(self.start["headers"]).get(b"content-type", b"")
        is_busy: Callable[[], bool] = self.scope.get("is_busy", bool)
        return kind.startswith(b"text/event-stream") and not is_busy()

    def end(self) -> None:
        if not self.is_ended and self._task is not None:
            self.is_ended = True
            self._task.cancel()

    def end_was_seen(self) -> bool:
        """Whether this cancellation is the end that was asked for, which then is over."""
        if self.is_ended and self._task is not None:
            self._task.uncancel()
        return self.is_ended

    async def complete(self, otherwise: ASGIApp) -> None:
        """Send what is missing: the end of a stream, or a whole answer."""
        if self.start is not None:
            await self.send({"type": "http.response.body", "body": b""})
        else:
            await otherwise(self.scope, self._receive, self.send)
