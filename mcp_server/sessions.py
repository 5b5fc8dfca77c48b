"""Sessions of handshake clients: a bound on their number, and events kept for clients that reconnect.

Written for mcp 2.3, on whose inside the store of events stands: everything that a session sends is stored in
the context of the request that opened it, and the stream outside of any request is called `GET_STREAM_KEY`.
Under another version of the SDK no events are kept, since one session might read those of another: a client
that was cut off then has to ask again.
"""

import logging
import re
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from importlib.metadata import version
from time import monotonic
from typing import Any

import anyio
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp.types import JSONRPCError, JSONRPCMessage, JSONRPCResponse, jsonrpc_message_adapter
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

WRITTEN_FOR = "2.3."  # of mcp
GET_STREAM_KEY = "_GET_stream"  # as mcp 2.3 calls it
MAX_SESSIONS = 1_000  # each costs about 40 KB
MAX_EVENTS = 5_000
MAX_EVENT_BYTES = 32 * 1024 * 1024
MAX_EVENT_AGE_SECONDS = 15 * 60.0
_EVENT_ID = re.compile(r"[0-9]{1,18}")  # the form of our ids; a client may send anything

log = logging.getLogger(__name__)


@dataclass
class _Session:
    """A handshake session; its id is not known before the answer to `initialize` names it."""

    id: str | None


_session: ContextVar[_Session] = ContextVar("session")


class Sessions:
    """Middleware that records which session a request belongs to, and bounds how many are open.

    `SessionEvents` needs the record: the SDK passes it only the request's id. Beyond the bound the session
    idle for longest ends, and its client opens another (MCP specification 2025-11-25, Session Management);
    the SDK's own bound would turn new clients away until old sessions expire.
    """

    def __init__(self, app: ASGIApp, max_sessions: int = MAX_SESSIONS) -> None:
        self._app = app
        self._max_sessions = max_sessions
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
            self._busy[session] = busy - 1  # it is now the last in the order

    async def _make_room(self, asked: dict[str, Any]) -> None:
        """End sessions, as their client would, until no more are open than may be."""
        idle = [session for session, busy in self._busy.items() if not busy]
        for session in idle[: max(0, len(self._busy) - self._max_sessions)]:
            del self._busy[session]
            headers = [(b"mcp-session-id", session.encode("latin-1"))]
            await self._app(asked | {"method": "DELETE", "headers": headers}, _empty_body, _drop)


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
    session: _Session
    stream: str
    message: bytes  # JSON, or nothing for the event that opens a stream
    last: bool  # the answer, after which the stream ends
    stored_at: float  # on the clock of the store


class SessionEvents(EventStore):
    """Keeps what was sent to handshake clients, so that one that reconnects gets what it missed.

    Bounded in number, size and age; a session sees its own events only. (MCP specification 2025-11-25,
    Transports, Resumability and Redelivery.)
    """

    def __init__(
        self,
        max_events: int = MAX_EVENTS,
        max_bytes: int = MAX_EVENT_BYTES,
        max_age_seconds: float = MAX_EVENT_AGE_SECONDS,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._max_age_seconds = max_age_seconds
        self._clock = clock
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
        self._events[self._count] = _Event(_session.get(), stream_id, json, last, self._clock())
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
        oldest = self._clock() - self._max_age_seconds
        while self._events:
            number, event = next(iter(self._events.items()))
            small = len(self._events) <= self._max_events and self._size <= self._max_bytes
            if small and event.stored_at >= oldest:
                return
            del self._events[number]
            self._size -= len(event.message)
