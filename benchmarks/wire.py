"""The cheapest HTTP/1.1 client: it shares two cores with what it measures, so it must cost little of them."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import httptools

Headers = dict[str, str]
ANSWER_SECONDS = 120.0
IDLE_SECONDS = 3.0  # after which a lost connection says nothing against the server


class Address(NamedTuple):
    """Where a service listens, and the address of this machine that it is asked from, if not any."""

    host: str
    port: int
    source: str = ""


class BadAnswerError(Exception):
    """A service answered with what the measurement did not ask for."""


@dataclass(frozen=True)
class Answer:
    """A whole answer."""

    status: int
    headers: Headers  # names in lower case
    body: bytes

    def json(self) -> Any:
        """Return the body parsed."""
        return json.loads(self.body)


def request(
    address: Address, method: str, path: str, body: Any = None, headers: Headers | None = None
) -> bytes:
    """Return a request's bytes; made once, they are sent as often as one likes."""
    content = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
    lines = {"Host": f"{address.host}:{address.port}", "Content-Length": str(len(content))}
    if body is not None:
        lines["Content-Type"] = "application/json"
    head = "".join(f"{name}: {value}\r\n" for name, value in (lines | (headers or {})).items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + content


class Connection(asyncio.Protocol):
    """One connection that is kept alive; one request at a time."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.piece = asyncio.Event()  # set when a part of the body has come, or the end
        self.body = b""
        self.complete = False
        self._used = time.monotonic()
        self._headers: Headers = {}
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._begun: asyncio.Future[int] | None = None
        self._ended: asyncio.Future[None] | None = None

    @classmethod
    async def open(cls, address: Address) -> "Connection":
        """Connect."""
        connection = cls(address)
        await connection._connect()
        return connection

    @classmethod
    @asynccontextmanager
    async def opened(cls, address: Address) -> AsyncIterator["Connection"]:
        """Connect, and close at the end."""
        connection = await cls.open(address)
        try:
            yield connection
        finally:
            connection.close()

    def close(self) -> None:
        """Close the connection, whatever is under way."""
        if self._transport is not None:
            self._transport.abort()

    async def ask(self, method: str, path: str, body: Any = None, headers: Headers | None = None) -> Answer:
        """Send a request and return the whole answer; raises BadAnswerError for a status of 400 and more."""
        answer = await self.send(request(self.address, method, path, body, headers))
        if answer.status >= 400:
            raise BadAnswerError(f"{method} {path}: {answer.status} {answer.body[:300]!r}")
        return answer

    async def keep(self) -> None:
        """Connect again where the server has closed the idle connection, which it does after some seconds."""
        if self._transport is None or self._transport.is_closing():
            self._parser = httptools.HttpResponseParser(self)
            await self._connect()

    async def send(self, data: bytes) -> Answer:
        """Send a request's bytes and return the whole answer. Raises EOFError when the connection ends."""
        await self.keep()
        try:
            status = await self._send(data)
        except EOFError:  # the server closed an idle connection just while we wrote
            if time.monotonic() - self._used < IDLE_SECONDS:
                raise
            await self.keep()
            status = await self._send(data)
        self._used = time.monotonic()
        assert self._ended is not None
        await self._ended
        return Answer(status, self._headers, self.body)

    async def start(self, method: str, path: str, body: Any = None, headers: Headers | None = None) -> Answer:
        """Send a request and return status and headers; what comes of the body grows in `body`."""
        status = await self._send(request(self.address, method, path, body, headers))
        return Answer(status, self._headers, b"")

    async def until(self, end: bytes, start: int = 0) -> bytes:
        """Wait until the body has these bytes at `start` or later. Raises EOFError when it ends without."""
        async with asyncio.timeout(ANSWER_SECONDS):
            while end not in self.body[start:]:
                if self.complete:
                    raise EOFError("the stream has ended")
                self.piece.clear()
                await self.piece.wait()
        return self.body

    async def _connect(self) -> None:
        host, port, source = self.address
        local = (source, 0) if source else None
        await asyncio.get_running_loop().create_connection(lambda: self, host, port, local_addr=local)

    def _send(self, data: bytes) -> "asyncio.Future[int]":
        assert self._transport is not None
        if self._transport.is_closing():
            raise EOFError("the connection was closed")
        loop = asyncio.get_running_loop()
        self._begun, self._ended = loop.create_future(), loop.create_future()
        self._ended.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        self._headers, self.body, self.complete = {}, b"", False
        self._transport.write(data)
        return self._begun

    # --- what the event loop calls -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class is no subclass of it

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        self._parser.feed_data(data)

    def connection_lost(self, _: Exception | None) -> None:
        """Tell whoever waits."""
        self.complete = True
        self.piece.set()
        for waiting in (self._begun, self._ended):
            if waiting is not None and not waiting.done():
                waiting.set_exception(EOFError("the connection was closed"))

    # --- what the parser calls -----------------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self._headers[name.decode().lower()] = value.decode()

    def on_headers_complete(self) -> None:
        """Tell that an answer has begun."""
        if self._begun is not None and not self._begun.done():
            self._begun.set_result(self._parser.get_status_code())

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body."""
        self.body += body
        self.piece.set()

    def on_message_complete(self) -> None:
        """Tell that an answer is whole."""
        self.complete = True
        self.piece.set()
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)
