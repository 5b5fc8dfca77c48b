"""What clients hold open: a bound on it, and events kept for handshake clients that reconnect.

Written for mcp 2.3, on whose inside the store of events stands: everything that a session sends is stored in
the context of the request that opened it, and the stream outside of any request is called `GET_STREAM_KEY`.
Under another version of the SDK no events are kept, since one session might read those of another: a client
that was cut off then has to ask again.
"""

import logging
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from importlib.metadata import version
from time import monotonic

import anyio
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp.types import INVALID_REQUEST, JSONRPCError, JSONRPCMessage, JSONRPCResponse, jsonrpc_message_adapter
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_server import sentences
from serving.addresses import client_of

WRITTEN_FOR = "2.3."  # of mcp
GET_STREAM_KEY = "_GET_stream"  # as mcp 2.3 calls it
MAX_SESSIONS = 1_000  # each costs about 40 KB
MAX_EVENTS = 5_000
MAX_EVENT_BYTES = 32 * 1024 * 1024
MAX_EVENT_AGE_SECONDS = 15 * 60.0
_SSE_ID = re.compile(rb"session_id=([0-9a-f]{32})")  # as mcp 2.3 writes it
_EVENT_ID = re.compile(r"[0-9]{1,18}")  # the form of our ids; a client may send anything

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Session:
    """What one client holds open: a handshake session, an SSE stream, or a subscription."""

    table: "Sessions"
    client: str  # as `client_of` has it
    id: str | None = None  # unknown before the first answer names it
    requests: int = 0  # under way, without the streams that wait for news
    streams: int = 0
    refused: Scope | None = None  # the request that opened it, if it was: nobody knows of the session
    end: Callable[[], object] | None = None  # ends a stream that is all there is of it

    def is_busy(self) -> bool:
        """Whether somebody waits for an answer."""
        return self.requests > 0

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Count a request that is under way."""
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1

    @asynccontextmanager
    async def listening(self, end: Callable[[], object]) -> AsyncIterator[None]:
        """Hold a subscription open, as a stream that `end` ends."""
        subscription = Session(self.table, self.client, streams=1, end=end)
        try:
            await self.table.open(subscription)
            yield
        finally:
            self.table.close(subscription)


_session: ContextVar[Session] = ContextVar("session")


def current_session() -> Session | None:
    """Return the session that the request under way belongs to; over stdio there is none."""
    return _session.get(None)


class Sessions:
    """Middleware that records which session a request belongs to, and bounds how much is open.

    `SessionEvents` needs the record: the SDK passes it only the request's id. Beyond the bound the client
    that holds most open loses what has been idle for longest, and may open it anew (MCP specification
    2025-11-25, Session Management); the SDK's own bound would turn new clients away until old sessions
    expire. A session with an open stream is in use; there may be as many streams as sessions.
    """

    def __init__(self, app: ASGIApp, max_sessions: int = MAX_SESSIONS) -> None:
        self._app = app
        self._max_sessions = max_sessions
        self._open: dict[Session, None] = {}  # the one idle for longest first
        self._by_id: dict[str, Session] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        known = _given_id(scope)
        session = (self._by_id.get(known) if known else None) or Session(self, client_of(scope), known)
        _session.set(session)
        watches = scope["method"] == "GET"
        if watches:
            scope["is_busy"] = session.is_busy  # see serving.streams
            session.streams += 1
            if session in self._open:
                await self._make_room(scope)
        leaving = _Leaving(receive)
        try:
            with nullcontext() if watches else session.asking():
                sending: Send = send if known else _Naming(session, {**scope}, send, leaving.end)
                if known and known not in self._by_id:
                    sending = _Elsewhere(scope, receive, send)
                await self._app(scope, leaving.receive if watches else receive, sending)
            if session.refused is not None:
                await self._end(session, session.refused)
        finally:
            session.streams -= watches
            if scope["method"] == "DELETE" or (watches and session.end is not None):
                self.close(session)
            elif session in self._open:
                del self._open[session]
                self._open[session] = None  # it is now the last in the order

    async def open(self, session: Session, asked: Scope | None = None) -> None:
        """Add what the request `asked` has opened, and make room for it."""
        self._open[session] = None
        if session.id is not None:
            self._by_id[session.id] = session
        await self._make_room(asked)

    async def _make_room(self, asked: Scope | None) -> None:
        """End sessions, as their clients would, until no more is open than may be."""
        while (old := self._one_too_many()) is not None:
            await self._end(old, asked)

    async def _end(self, old: Session, asked: Scope | None) -> None:
        self.close(old)
        if old.end is not None:
            old.end()
        elif asked is not None and old.id is not None:
            headers = [(b"mcp-session-id", old.id.encode("latin-1"))]
            await self._app({**asked, "method": "DELETE", "headers": headers}, _empty_body, _drop)

    def close(self, session: Session) -> None:
        """Forget a session that has ended."""
        self._open.pop(session, None)
        self._by_id.pop(session.id or "", None)

    def _one_too_many(self) -> Session | None:
        """Return what is to end: of the client that holds most, what has been idle for longest."""
        held: Counter[str] = Counter()
        for session in self._open:
            held[session.client] += max(1, session.streams)
        too_many_streams = sum(session.streams for session in self._open) > self._max_sessions
        if not too_many_streams and len(self._open) <= self._max_sessions:
            return None
        most = max(held.values())
        for session in self._open:
            can_end = not session.is_busy() and (too_many_streams or not session.streams)
            if can_end and held[session.client] == most:
                return session
        return None


class _Leaving:
    """Ends a stream as if its client had left, upon which the SDK closes all that belongs to it."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._is_over = False
        self._waiting: anyio.CancelScope | None = None

    async def receive(self) -> Message:
        """Pass on what the client sends, until the end."""
        with anyio.CancelScope() as self._waiting:
            if self._is_over:
                self.end()
            return await self._receive()
        return {"type": "http.disconnect"}

    def end(self) -> None:
        """End the stream."""
        self._is_over = True
        if self._waiting is not None:
            self._waiting.cancel()


@dataclass
class _Naming:
    """Learns from an answer which session it has opened."""

    session: Session
    scope: Scope  # as it was: routing writes into the request's own
    send: Send
    end: Callable[[], object]

    async def __call__(self, message: Message) -> None:
        session = self.session
        if session.id is None and message["type"] == "http.response.start":
            session.id = Headers(raw=message["headers"]).get("mcp-session-id")
            if session.id is not None and message["status"] >= 400:
                session.refused = self.scope
            elif session.id is not None:
                await session.table.open(session, self.scope)
        elif session.id is None and self.scope["method"] == "GET":
            named = _SSE_ID.search(message.get("body", b""))
            if named:
                session.id, session.end = named[1].decode(), self.end
                await session.table.open(session, self.scope)
        await self.send(message)


@dataclass
class _Elsewhere:
    """Says in the SDK's 404 for a session that is not here what may be the matter; clients know its words."""

    scope: Scope
    receive: Receive
    send: Send
    has_said: bool = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 404:
            self.has_said = True
            error = {"code": INVALID_REQUEST, "message": "Session not found", "data": sentences.ELSEWHERE}
            answer = JSONResponse({"jsonrpc": "2.0", "id": None, "error": error}, 404)
            await answer(self.scope, self.receive, self.send)
        elif not self.has_said:
            await self.send(message)


def _given_id(scope: Scope) -> str | None:
    """Return the session that a request names: in a header, or in the address of a message over SSE."""
    header = Headers(scope=scope).get("mcp-session-id")
    named = None if header else _SSE_ID.search(scope["query_string"])
    return named[1].decode() if named else header


async def _empty_body() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _drop(_: Message) -> None: ...


def event_store(sdk_version: str = "") -> EventStore | None:
    """Return where sent events are kept, or None under a version of the SDK that this was not written for."""
    found = sdk_version or version("mcp")
    if found.startswith(WRITTEN_FOR):
        return SessionEvents()
    log.warning("mcp %s 的内部结构可能已变，断线的客户端不能续传", found)
    return None


@dataclass
class _Event:
    session: Session
    stream: str
    message: bytes  # JSON, or nothing for the event that opens a stream
    last: bool  # the answer, after which the stream ends
    stored_at: float  # on the clock of the store


@dataclass
class SessionEvents(EventStore):
    """Keeps what was sent to handshake clients, so that one that reconnects gets what it missed.

    Bounded in number, size and age; a session sees its own events only. (MCP specification 2025-11-25,
    Transports, Resumability and Redelivery.)
    """

    max_events: int = MAX_EVENTS
    max_bytes: int = MAX_EVENT_BYTES
    max_age_seconds: float = MAX_EVENT_AGE_SECONDS
    clock: Callable[[], float] = monotonic
    _events: dict[int, _Event] = field(default_factory=dict)
    _size: int = 0
    _count: int = 0
    _stored: anyio.Event = field(default_factory=anyio.Event)

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        """Keep a message and return the id under which its event goes out."""
        json = message.model_dump_json(by_alias=True, exclude_unset=True).encode() if message else b""
        last = isinstance(message, JSONRPCResponse | JSONRPCError)
        self._count += 1
        self._size += len(json)
        self._events[self._count] = _Event(_session.get(), stream_id, json, last, self.clock())
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
            for number, event in list(self._events.items()):
                is_same = event.session.id == origin.session.id and event.stream == origin.stream
                if number <= seen or not is_same or not event.message:
                    continue
                seen = number
                message = jsonrpc_message_adapter.validate_json(event.message, by_name=False)
                await send_callback(EventMessage(message, str(number)))
                if event.last and origin.stream != GET_STREAM_KEY:
                    return None
            if origin.stream == GET_STREAM_KEY:
                return origin.stream
            if stored is self._stored:
                await stored.wait()

    def _drop_old(self) -> None:
        oldest = self.clock() - self.max_age_seconds
        while self._events:
            number, event = next(iter(self._events.items()))
            small = len(self._events) <= self.max_events and self._size <= self.max_bytes
            if small and event.stored_at >= oldest:
                return
            del self._events[number]
            self._size -= len(event.message)
