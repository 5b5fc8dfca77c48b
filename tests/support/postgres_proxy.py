"""A TCP proxy before PostgreSQL that cuts connections at a given statement, or answers it no more."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit


class PostgresProxy:
    """Passes on what is said; where it is told to, it ends the connection instead."""

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._text, self._passed_on, self._times = b"", False, 0
        self.gone = False  # whether nobody gets through at all
        self.seen = 0  # how many connections were cut, or are held
        self.on_held: Callable[[], None] | None = None  # called where one is held in the place of its end

    def cut(self, text: str, *, passed_on: bool, times: int = 1) -> None:
        """End connections that say `text`; with `passed_on` only the server's answer to it is lost."""
        self._text, self._passed_on, self._times = text.encode(), passed_on, times

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until it ends."""
        if self.gone:
            writer.transport.abort()
            return
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self._server_port)
        muted = asyncio.Event()
        answers = asyncio.create_task(_pass_on(from_server, writer, muted))
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                if self._times and self._text in data:
                    self._times -= 1
                    self.seen += 1
                    if self.on_held:
                        self.on_held()
                        await reader.read()
                        break
                    if self._passed_on:
                        muted.set()
                        to_server.write(data)
                        await answers
                    break
                to_server.write(data)
        answers.cancel()
        for end in (writer, to_server):
            end.transport.abort()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, muted: asyncio.Event) -> None:
    with suppress(ConnectionError):
        while (data := await reader.read(65536)) and not muted.is_set():
            writer.write(data)
    writer.close()


@asynccontextmanager
async def cutting(url: str) -> AsyncIterator[tuple[PostgresProxy, str]]:
    """Give a proxy before the database at `url`, and the URL by way of it."""
    port = urlsplit(url).port
    assert port is not None
    proxy = PostgresProxy(port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    own = server.sockets[0].getsockname()[1]
    try:
        yield proxy, url.replace(f":{port}/", f":{own}/")
    finally:
        server.close()
