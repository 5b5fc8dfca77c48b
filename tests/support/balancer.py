"""A balancer: passes connections on to the replicas whose `/healthz` answers 200."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx

LOOK_SECONDS = 0.1  # between two looks at a replica


class Balancer:
    """Replicas by port; those that are well are tried in turn, as a real balancer tries them."""

    def __init__(self, *ports: int) -> None:
        self.ports = ports
        self.well: list[int] = []
        self.port = 0

    async def watch(self) -> None:
        async with httpx.AsyncClient(timeout=1) as http:
            while True:
                for port in self.ports:
                    is_well = False
                    with suppress(httpx.TransportError):
                        is_well = (await http.get(f"http://127.0.0.1:{port}/healthz")).status_code == 200
                    if is_well != (port in self.well):
                        self.well = [*self.well, port] if is_well else [p for p in self.well if p != port]
                await asyncio.sleep(LOOK_SECONDS)

    async def until(self, port: int, well: bool) -> None:
        async with asyncio.timeout(60):
            while (port in self.well) != well:  # noqa: ASYNC110  it looks by itself
                await asyncio.sleep(LOOK_SECONDS)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for port in list(self.well):
            with suppress(OSError):
                to_reader, to_writer = await asyncio.open_connection("127.0.0.1", port)
                self.well.append(self.well.pop(self.well.index(port))) if port in self.well else None
                await asyncio.gather(pipe(reader, to_writer), pipe(to_reader, writer))
                return
        writer.close()


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until one side ends, then end the other."""
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def balanced(*ports: int) -> AsyncIterator[Balancer]:
    """Run a balancer; its `port` is where clients connect."""
    balancer = Balancer(*ports)
    server = await asyncio.start_server(balancer.serve, "127.0.0.1", 0)
    balancer.port = server.sockets[0].getsockname()[1]
    watching = asyncio.create_task(balancer.watch())
    try:
        for port in ports:
            await balancer.until(port, True)
        yield balancer
    finally:
        watching.cancel()
        server.close()
