"""Replicas of a service, and a balancer that passes connections on to those whose `/healthz` answers 200."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx

from tests.support.processes import Service, Spawn, free_port
from tests.support.suite import Suite

LOOK_SECONDS = 0.1  # between two looks at a replica


class Balancer:
    """Replicas by port; those that are well are tried in turn, as a real balancer tries them."""

    def __init__(self, *ports: int) -> None:
        self.ports = ports
        self.well: list[int] = []
        self.port = 0

    def last(self) -> int:
        """Return the replica that was given the newest connection."""
        return self.well[-1]

    async def watch(self) -> None:
        async with httpx.AsyncClient(timeout=60) as http:  # a busy machine is slow, and no replica hangs
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
        # At the test's end it is cancelled, which Python 3.11's streams take for a fault.
        with suppress(asyncio.CancelledError):
            await self.pass_on(reader, writer)
        writer.close()

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Join a client to a replica that is well."""
        while not reader.at_eof():
            for port in list(self.well):
                with suppress(OSError):
                    to_reader, to_writer = await asyncio.open_connection("127.0.0.1", port)
                    self.well.append(self.well.pop(self.well.index(port))) if port in self.well else None
                    await asyncio.gather(pipe(reader, to_writer), pipe(to_reader, writer))
                    return
            await asyncio.sleep(LOOK_SECONDS)  # a busy machine makes a probe fail: who asks waits


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


class Replicas:
    """Two processes of one service, started with these settings."""

    def __init__(self, spawn: Spawn, name: str, **settings: str) -> None:
        self.name, self.settings = name, settings
        self.ports = (free_port(), free_port())
        self.processes: dict[int, Service] = {}
        self._spawn = spawn
        for port in self.ports:
            self.start(port)

    def start(self, port: int) -> None:
        self.processes[port] = self._spawn(f"{self.name}.py", "--port", str(port), env=self.settings)

    def terminate(self, port: int) -> None:
        self.processes[port].process.terminate()

    async def ended(self, port: int) -> None:
        """Wait until a replica has ended as it should."""
        assert await asyncio.to_thread(self.processes[port].process.wait, 30) == -15

    async def restart(self, balancer: Balancer, port: int) -> None:
        self.terminate(port)
        await balancer.until(port, False)
        await self.ended(port)
        self.start(port)
        await balancer.until(port, True)


@asynccontextmanager
async def replicated(suite: Suite, name: str, **settings: str) -> AsyncIterator[tuple[Replicas, Balancer]]:
    """Run two replicas behind a balancer."""
    with Spawn(suite.folder) as spawn:
        replicas = Replicas(spawn, name, **settings)
        async with balanced(*replicas.ports) as balancer:
            yield replicas, balancer
