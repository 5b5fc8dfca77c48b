"""A SOCKS5 proxy that takes whatever host it is asked for to one port of this machine."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def socks_proxy(port: int) -> AsyncIterator[tuple[int, list[str]]]:
    """Yield the proxy's port, and the hosts that it is asked for (RFC 1928)."""
    hosts: list[str] = []

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        methods = await reader.readexactly(2)
        await reader.readexactly(methods[1])
        writer.write(b"\x05\x00")
        head = await reader.readexactly(5)
        hosts.append((await reader.readexactly(head[4])).decode())
        await reader.readexactly(2)
        there, back = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x05\x00\x00\x01" + bytes(6))
        await asyncio.gather(copy(reader, back), copy(there, writer))

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], hosts
