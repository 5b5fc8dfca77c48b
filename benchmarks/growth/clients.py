"""Cost against the number of MCP clients that are connected at once, of each kind."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from benchmarks.growth.table import Table
from benchmarks.mcp_wire import HandshakeClient, McpClient, ModernClient, SseClient
from benchmarks.measure import MILLISECOND, Show, side_by_side
from benchmarks.services import Service, Stage

SIZES = (1, 10, 50, 100, 250, 500, 500)  # twice the last: what is kept is used again
AT_ONCE = 8
CALLS = 800
TOOL = "get_products"
SETTLE_SECONDS = 1.5
KINDS: dict[str, Callable[..., Coroutine[Any, Any, McpClient]]] = {
    "2026-07-28": ModernClient.open,
    "2025-11-25": HandshakeClient.open,
    "SSE": SseClient.open,
}


async def _one_size(mcp: Service, kind: str, size: int) -> list[float]:
    """Return ms to connect one, ms of a call, memory and open files with all there and after they left."""
    began = time.perf_counter()
    clients = [await KINDS[kind](mcp.address, TOOL) for _ in range(size)]
    connect = (time.perf_counter() - began) / size / MILLISECOND
    waiting = asyncio.Queue[McpClient]()
    for client in clients:
        waiting.put_nowait(client)

    async def call() -> None:  # whose turn it is goes round, so that every client calls
        client = await waiting.get()
        await client.keep()
        await client.call()
        waiting.put_nowait(client)

    sample = await side_by_side([call] * min(AT_ONCE, size), max(CALLS, size))
    there = [mcp.memory(), float(mcp.sockets())]
    for client in clients:
        await client.close()
    await asyncio.sleep(SETTLE_SECONDS)  # closed connections are noticed in a moment, not at once
    return [connect, sample.median / min(AT_ONCE, size), *there, mcp.memory(), float(mcp.sockets())]


async def measure(stage: Stage, show: Show) -> list[Table]:
    """Measure each kind on a server of its own; at most eight calls go on at once."""
    tables = []
    api = await stage.api()
    for kind in KINDS:
        mcp = await stage.mcp(api)
        await _one_size(mcp, kind, SIZES[2])  # so that the first row, too, finds everything warm
        rows = []
        for size in SIZES:
            show(f"{size} clients of {kind}")
            rows.append((size, await _one_size(mcp, kind, size)))
        columns = ["connect, ms", "call, ms", "memory, MiB", "open files", "memory after", "open files after"]
        drawn = [column for column in columns if column != "memory after"]  # lies upon the memory before
        name = f"clients-{kind.lower()}"
        tables.append(Table(name, f"Clients of {kind} connected", "clients", columns, rows, drawn))
    return tables
