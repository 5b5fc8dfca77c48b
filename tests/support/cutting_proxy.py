"""A proxy in front of the shop that loses the answers of purchases, at whatever point it is told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import anyio
from anyio.abc import SocketAttribute, SocketStream

# Where the connection of a purchase ends; what is told after "kept" has reached the shop and is carried out.
Point = Literal[
    "at once", "within the body", "after the request",
    "kept, without an answer", "kept, within the answer's head", "kept, within the answer's body",
    "kept, with a page for an answer", "kept, with silence",
]  # fmt: skip
PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"


class CuttingProxy:
    """Passes requests on to a port; a purchase meets `cuts`, one for each time that it is sent."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.cuts: list[Point | None] = []  # None passes one on
        self.sent = 0  # purchases that have come, or have begun to

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Serve, and give the address."""
        async with (
            await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
            anyio.create_task_group() as group,
        ):
            group.start_soon(listener.serve, self._serve)
            yield f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}"
            group.cancel_scope.cancel()

    async def _serve(self, client: SocketStream) -> None:
        async with client:
            try:
                while await self._pass_on(client):
                    pass
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return

    async def _pass_on(self, client: SocketStream) -> bool:
        """Pass on one request and its answer; whether the connection may carry another."""
        request = await client.receive()
        cut = None
        if request.startswith(b"POST"):
            self.sent += 1
            cut = self.cuts.pop(0) if self.cuts else None
        if cut == "at once":
            return False
        head, _, body = request.partition(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line[:15] == b"content-length:"), 0
        )
        while cut != "within the body" and len(body) < length:
            body += await client.receive()
        if cut in {"within the body", "after the request"}:
            return False
        answer = await self._asked(head + b"\r\nConnection: close\r\n\r\n" + body)
        if cut == "kept, with silence":
            await anyio.sleep_forever()
        await client.send(PAGE if cut == "kept, with a page for an answer" else _shortened(answer, cut))
        return cut is None

    async def _asked(self, request: bytes) -> bytes:
        answer = b""
        async with await anyio.connect_tcp("127.0.0.1", self._port) as shop:
            await shop.send(request)
            try:
                while True:
                    answer += await shop.receive()
            except anyio.EndOfStream:
                return answer.replace(b"connection: close\r\n", b"")


def _shortened(answer: bytes, cut: Point | None) -> bytes:
    match cut:
        case "kept, without an answer":
            return b""
        case "kept, within the answer's head":
            return answer[:20]
        case "kept, within the answer's body":
            return answer[:-20]
    return answer
