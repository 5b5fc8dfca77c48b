"""Sessions of handshake clients: how many are held, and what one that was cut off has missed."""

import re
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from time import monotonic
from typing import Any

import anyio
from mcp.server.streamable_http import GET_STREAM_KEY, EventCallback, EventMessage, EventStore
from mcp.types import JSONRPCError, JSONRPCMessage, JSONRPCResponse, jsonrpc_message_adapter
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_SESSIONS = 1_000  # each costs some 40 KB
MAX_EVENTS = 5_000
MAX_BYTES = 32 * 1024 * 1024
MAX_AGE = 15 * 60.0  # seconds
_EVENT_ID = re.compile(r"[0-9]{1,18}")  # ours; a client may send anything


@dataclass
class _Session:
    """A handshake session; its id is not known before the answer to `initialize` names it."""

    id: str | None


_session: ContextVar[_Session] = ContextVar("session")


class Sessions:
    """Notes which session a request belongs to, and ends the one idle for longest when too many are open.

    Which one: the SDK gives an event store only the request's id, and everything that a session sends, it
    sends from the context of the request that opened it. How many: the SDK's own bound turns new clients away
    until old sessions expire, while a client whose session has ended just opens another (MCP specification
    2025-11-25, Session Management).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._busy: dict[str, int] = {}  # requests under way, by session; the one idle for longest first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"mcp-session-id")
        session = _Session(given.decode("latin-1") if given else None)
        _session.set(session)
        asked = {**scope}  # as it is now: routing writes into it

        async def named(message: Message) -> None:
            if session.id is None and message["type"] == "http.response.start":
                session.id = Headers(raw=message["headers"]).get("mcp-session-id")
                if session.id is not None:
                    self._busy[session.id] = 1
                    await self._make_room(asked)
            await send(message)

        if session.id in self._busy:
            self._busy[session.id] += 1
        try:
            await self._app(scope, receive, send if given else named)
        finally:
            self._leave(session.id, ended=scope["method"] == "DELETE")

    def _leave(self, session: str | None, ended: bool) -> None:
        busy = self._busy.pop(session, None) if session else None
        if session and busy and not ended:
            self._busy[session] = busy - 1  # and it is now the last in the order

    async def _make_room(self, asked: dict[str, Any]) -> None:
        """End sessions, as their client would, until no more are open than may be."""
        idle = [session for session, busy in self._busy.items() if not busy]
        for session in idle[: max(0, len(self._busy) - MAX_SESSIONS)]:
            del self._busy[session]
            headers = [(b"mcp-session-id", session.encode("latin-1"))]
            await self._app(asked | {"method": "DELETE", "headers": headers}, _nothing, _nobody)


async def _nothing() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _nobody(_: Message) -> None: ...


@dataclass
class _Event:
    session: _Session
    stream: str
    message: bytes  # JSON, or nothing for the event that opens a stream
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
        json = message.model_dump_json(by_alias=True, exclude_unset=True).encode() if message else b""
        last = isinstance(message, JSONRPCResponse | JSONRPCError)
        self._count += 1
        self._size += len(json)
        self._events[self._count] = _Event(_session.get(), stream_id, json, last, monotonic())
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
        seen = int(last_event_id) if _EVENT_ID.fullmatch(last_event_id) else 0
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
