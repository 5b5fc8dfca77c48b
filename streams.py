"""Open streams: what a cut-off client may still ask for, and how all of them end when the server stops."""

from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from time import monotonic

import anyio
from mcp.server.streamable_http import GET_STREAM_KEY, EventCallback, EventMessage, EventStore
from mcp.types import JSONRPCError, JSONRPCMessage, JSONRPCResponse, jsonrpc_message_adapter
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_EVENTS = 5_000
MAX_BYTES = 32 * 1024 * 1024
MAX_AGE = 15 * 60.0  # seconds
GRACE = 0.5  # seconds that calls get to finish when the server stops


@dataclass
class _Session:
    """A handshake session; its id is not known before the answer to `initialize` names it."""

    id: str | None


_session: ContextVar[_Session] = ContextVar("session")


class Sessions:
    """Notes which session a request belongs to, since the SDK gives an event store only the request's id.

    Everything that a session sends, it sends from the context of the request that opened it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"mcp-session-id")
        session = _Session(given.decode("latin-1") if given else None)
        _session.set(session)

        async def named(message: Message) -> None:
            if session.id is None and message["type"] == "http.response.start":
                session.id = Headers(raw=message["headers"]).get("mcp-session-id")
            await send(message)

        await self.app(scope, receive, send if given else named)


@dataclass
class _Event:
    session: _Session
    stream: str
    message: str  # JSON, or nothing for the event that opens a stream
    last: bool  # the answer, after which the stream ends
    born: float


class Events(EventStore):
    """Keeps what was sent to handshake clients, so that one that was cut off can catch up.

    Bounded in number, size and age; a session sees its own events only. (MCP specification 2025-11-25,
    Transports, Resumability and Redelivery.)
    """

    def __init__(self, events: int = MAX_EVENTS, size: int = MAX_BYTES, age: float = MAX_AGE) -> None:
        self._limits = (events, size, age)
        self._events: dict[int, _Event] = {}
        self._size = 0
        self._count = 0
        self._stored = anyio.Event()

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        """Keep a message and return the id under which its event goes out."""
        text = message.model_dump_json(by_alias=True, exclude_unset=True) if message else ""
        last = isinstance(message, JSONRPCResponse | JSONRPCError)
        self._count += 1
        self._size += len(text)
        self._events[self._count] = _Event(_session.get(), stream_id, text, last, monotonic())
        self._drop_old()
        self._stored.set()
        self._stored = anyio.Event()
        return str(self._count)

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        """Send what the client missed, and what is still to come, up to the answer.

        Waiting for the rest here, in place of handing the stream back, leaves no moment in which an event
        falls between the two. The stream outside of any request has no end, so that one is handed back.
        """
        self._drop_old()
        seen = int(last_event_id) if last_event_id.isdecimal() else 0
        origin = self._events.get(seen)
        if origin is None or origin.session.id is None or origin.session.id != _session.get().id:
            return None
        while True:
            stored = self._stored
            for number, event in self._after(seen, origin):
                seen = number
                message = jsonrpc_message_adapter.validate_json(event.message, by_name=False)
                await send_callback(EventMessage(message, str(number)))
                if event.last and origin.stream != GET_STREAM_KEY:
                    return None
            if origin.stream == GET_STREAM_KEY:
                return origin.stream
            if stored is self._stored:
                await stored.wait()

    def _after(self, number: int, origin: _Event) -> Iterator[tuple[int, _Event]]:
        for later, event in list(self._events.items()):
            same = event.session.id == origin.session.id and event.stream == origin.stream
            if later > number and same and event.message:
                yield later, event

    def _drop_old(self) -> None:
        events, size, age = self._limits
        while self._events:
            number, event = next(iter(self._events.items()))
            fresh = event.born >= monotonic() - age
            if fresh and len(self._events) <= events and self._size <= size:
                return
            del self._events[number]
            self._size -= len(event.message)


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
