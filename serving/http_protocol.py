"""Uvicorn's HTTP protocol, with bounds and clocks for what comes in, and short answers in one write.

Relies on details of uvicorn 0.54: `connection_made` keeps the transport that it is given, `cycle` is the
request whose head has come, `scope` the one that has begun, `timeout_keep_alive_handler` ends an idle
connection. If both of its protocols have moved, its own choice serves: at 0.75 times the rate of short
responses (benchmarks/README.md), and without these bounds.
"""

import asyncio
import importlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Literal

from serving.metrics import refused

PROTOCOLS = ("httptools_impl.HttpToolsProtocol", "h11_impl.H11Protocol")  # uvicorn's, the faster one first
MAX_PIPELINED = 100  # requests that wait behind one: each takes up to eighty times its bytes
HEAD = "head"  # of a request, which is still to come; what else is, is the body of the cycle
CODES = {
    400: ("not_http", "不是有效的 HTTP 请求。网址里的中文和空格要写成 %E4%B8%AD 这样的编码"),
    408: ("request_late", "请求没有在 {seconds:g} 秒内发完"),
    413: ("too_large", "请求体超过 {body_kib} KiB"),
    431: ("head_too_large", "请求头超过 {head_kib} KiB"),
}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Bounds:
    """How much of a request is taken, and how long it may come."""

    max_head: int = 64 * 1024  # bytes
    max_body: int = 64 * 1024
    larger: Mapping[str, int] = field(default_factory=dict)  # bodies, by how the path ends
    seconds: float = 15.0  # for a head, and for a body, however steadily they come
    # In which a refused client may go on sending, so that it reads why; and one that does not know that the
    # service ends may ask once more.
    linger_seconds: float = 1.0
    awaits_half_closed: bool = False  # whether who has sent a request and ends its half still gets the answer

    def of(self, path: str) -> "Bounds":
        """Return the bounds of a request to a path."""
        sizes = [size for end, size in self.larger.items() if path.endswith(end)]
        return replace(self, max_body=sizes[0]) if sizes else self

    def refusal(self, status: int) -> bytes:
        """Return a whole answer."""
        code, detail = CODES[status]
        refused(code)
        kib = {"head_kib": self.max_head // 1024, "body_kib": self.max_body // 1024}
        problem = {"detail": detail.format(seconds=self.seconds, **kib), "code": code, "params": {}}
        body = json.dumps(problem, ensure_ascii=False, separators=(",", ":")).encode()
        head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: application/json\r\n"
        return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


class Gathering:
    """A transport that joins all writes of one iteration of the event loop."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._gathered: list[bytes] = []
        self.is_closing = transport.is_closing  # asked for with each request

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write at the end of this iteration, together with what else is written in it."""
        if not self._gathered:
            asyncio.get_running_loop().call_soon(self._flush)
        self._gathered.append(data)

    def close(self) -> None:
        """Write what is pending, then close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._gathered and not self._transport.is_closing():
            self._transport.write(b"".join(self._gathered))
        self._gathered.clear()


class Bounded:
    """What one of uvicorn's protocols is given on top: see `http_protocol`.

    The parsers keep what they cannot yet pass on, and copy it with every piece: so much that is not passed
    on, be it one line or many, is never fed to them.
    """

    bounds: Bounds
    # uvicorn's
    cycle: Any
    scope: Any
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    flow: Any
    timeout_keep_alive: float
    timeout_keep_alive_task: asyncio.TimerHandle | None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Wait for the first head."""
        self._refused = False
        self._request = self.bounds  # of the request that has come last
        self._kept = 0  # bytes since the parser last passed something on
        self._body = 0  # bytes of the body so far
        self._missing: Any = None  # `HEAD`, the cycle whose body is incomplete, or nothing
        self._clock: asyncio.TimerHandle | None = None
        super().connection_made(Gathering(transport))  # type: ignore[misc]  # uvicorn's
        self._wait_for(HEAD)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._wait_for(None)
        super().connection_lost(exc)  # type: ignore[misc]

    def eof_received(self) -> bool:
        """Answer what was asked, then close: a client that has sent all it wants to may say so.

        One that is gone altogether looks the same until it is written to: a service that gives up what is
        asked when its client leaves does not wait (asyncio, Streaming Protocols).
        """
        cycle = self.cycle
        is_asked = cycle is not None and not cycle.more_body and not cycle.response_complete
        if is_asked and self.bounds.awaits_half_closed:
            cycle.keep_alive = False
            return True
        self.transport.close()  # after what is still gathered
        return False

    def shutdown(self) -> None:
        """End the connection by an answer that says so, or when its client asks for nothing more.

        An answer whose head has gone already did not say it: its client may send one more request at once.
        """
        cycle, clock, linger = self.cycle, self.timeout_keep_alive_task, self.bounds.linger_seconds
        if cycle is not None and not cycle.response_complete:
            if cycle.response_started:
                self.timeout_keep_alive = linger
            else:
                cycle.keep_alive = False
        elif clock is not None and getattr(cycle, "chunked_encoding", False):  # it may just have ended
            clock.cancel()
            ends = clock.when() - self.timeout_keep_alive + linger
            self.timeout_keep_alive = linger
            self.timeout_keep_alive_task = self.loop.call_at(ends, self.timeout_keep_alive_handler)
        else:
            self.timeout_keep_alive_handler()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, unless a request lies in its buffer.

        A loop runs what is due before it reads what has come meanwhile: so it reads once more, in two turns.
        """
        self.loop.call_soon(self.loop.call_soon, self._close_if, self.cycle, self._kept)

    def _close_if(self, cycle: Any, kept: int) -> None:
        """Close the connection, if nothing has come since."""
        if (self.cycle, self._kept) == (cycle, kept):
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Feed the parser as much as it may keep."""
        while data and not self._refused:
            cycle = self.cycle
            is_unread = cycle is not None and cycle is self._missing and cycle.response_complete
            limit = self._request.max_body if is_unread else self.bounds.max_head
            piece, data = data[: limit - self._kept], data[limit - self._kept :]
            before = len(cycle.body) if cycle is self._missing else 0
            super().data_received(piece)  # type: ignore[misc]
            if self._refused or self.transport.is_closing():
                return
            self._look(cycle, len(piece), before, limit)
            if len(getattr(self, "pipeline", ())) > MAX_PIPELINED:
                return self.transport.close()

    def _look(self, previous: Any, fed: int, before: int, limit: int) -> None:
        """Look what is missing after a piece; refuse what is too much, or begin to wait for it."""
        cycle = self.cycle
        is_new = cycle is not previous
        if is_new and self.bounds.larger:
            self._request = self.bounds.of(cycle.scope["path"])
        missing: Any = cycle
        if cycle is None or cycle.scope is not self.scope or not (is_new or cycle is self._missing):
            missing = HEAD
        elif not cycle.more_body:
            self._wait_for(None)
            return
        grown = len(cycle.body) - before if missing is cycle else 0
        self._body = grown if is_new else self._body + grown
        self._kept = 0 if grown or is_new else self._kept + fed
        declared = int(dict(cycle.scope["headers"]).get(b"content-length", b"0")) if is_new else 0
        if self._kept >= limit:
            self._refuse(431, missing)
        elif missing is cycle and max(declared, self._body) > self._request.max_body:
            self._refuse(413, missing)
        else:
            self._wait_for(missing)

    def _wait_for(self, missing: Any) -> None:
        if missing is None:
            self._kept = 0
        if missing is self._missing:
            return
        self._missing = missing
        if self._clock is not None:
            self._clock.cancel()
        self._clock = self.loop.call_later(self.bounds.seconds, self._expired) if missing else None

    def _expired(self) -> None:
        cycle = self.cycle
        is_answered = cycle is None or cycle.response_complete
        if not is_answered and (self._missing is HEAD or self.flow.read_paused):
            self._clock = self.loop.call_later(
                self.bounds.seconds, self._expired
            )  # our turn, not the client's
        elif is_answered and self._missing is not HEAD:
            self.transport.close()  # the rest of a body that nobody reads
        elif is_answered and not self._kept:
            self.timeout_keep_alive_handler()
        else:
            self._refuse(408, self._missing)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  uvicorn's
        """Refuse what is no HTTP, after the answer to a whole request that came before it."""
        cycle = self.cycle
        if cycle is None or cycle.more_body or cycle.response_complete:
            self._refuse(400, cycle if cycle is not None and cycle.more_body else HEAD)
        else:
            self._refused, cycle.keep_alive = True, False
            self._wait_for(None)

    def _refuse(self, status: int, missing: Any) -> None:
        """Say why where no answer has begun, then end the connection."""
        self._refused = True
        self._wait_for(None)
        cycle = self.cycle
        if cycle is None or (cycle.response_complete if missing is HEAD else not cycle.response_started):
            self.transport.write(self._request.refusal(status))
        if cycle is not None:
            cycle.disconnected, cycle.waiting_for_100_continue = True, False
            cycle.message_event.set()
        self.flow.resume_reading()
        self.loop.call_later(self.bounds.linger_seconds, self.transport.close)


def http_protocol(bounds: Bounds | None = None) -> type[asyncio.Protocol] | Literal["auto"]:
    """Return the value for `uvicorn.Config(http=…)`: one of its protocols with bounds, or its own choice."""
    for module, _, name in (path.partition(".") for path in PROTOCOLS):
        try:
            protocol = getattr(importlib.import_module(f"uvicorn.protocols.http.{module}"), name)
        except (ImportError, AttributeError):  # not installed, or moved
            continue
        return type("BoundedProtocol", (Bounded, protocol), {"bounds": bounds or Bounds()})
    log.warning("uvicorn 的内部结构已变，改用它自己的 HTTP 协议")
    return "auto"
