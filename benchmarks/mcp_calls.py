"""`get_products` through MCP, 300 calls at once: FastMCP 4, the SDK with an empty tool, and ours.

The SDK's own client makes the calls, as a host does. It costs as much as the servers do, so the same is
measured with a bare client too, where the differences between the servers show more. No two calls to ours are
alike, so that no answer that the REST service keeps serves two of them.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import Any

from mcp import Client

from benchmarks.mcp_wire import HandshakeClient, McpClient, ModernClient
from benchmarks.measure import Contender, Sample, Show, in_turns, side_by_side
from benchmarks.peers import Installed, installed
from benchmarks.results import Result, against_each
from benchmarks.services import Service, Stage, free_port

ROUNDS = 7
BARE_ROUNDS = 5
AT_ONCE = 300
BARE_CALLS = 600  # a round
TOOL = "get_products"
SMALLEST = 4  # products: all of them are in every answer
FASTMCP, OURS = "FastMCP 4", "ours"
MARKS = {FASTMCP: 1.7}
TITLE = "`get_products` by MCP, 300 at once"
CPU_OF = "the MCP server"

Open = Callable[..., Coroutine[Any, Any, McpClient]]


async def _services(stage: Stage, fastmcp: Installed) -> dict[str, Service]:
    api = await stage.api()
    port = free_port()
    command = ["-m", "benchmarks.contenders.fastmcp_server", str(port), f"{api.url}/api"]
    theirs = stage.start(*command, name="fastmcp", port=port, python=fastmcp.program("python"))
    await theirs.until_up("/")
    return {
        FASTMCP: theirs,
        "an SDK server, empty tool": await stage.contender("empty_server"),
        OURS: await stage.mcp(api),
    }


def _arguments(name: str, number: int) -> dict[str, Any]:
    """Return the arguments of a call; all of them are answered with the same products."""
    return {"limit": SMALLEST + number} if name == OURS else {}


async def _at_once(client: Client, name: str) -> Sample:
    each: list[float] = []

    async def call(number: int) -> None:
        began = time.perf_counter()
        answer = await client.call_tool(TOOL, _arguments(name, number))
        assert not answer.is_error, answer
        each.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(call(number) for number in range(AT_ONCE)))
    return Sample(each, time.perf_counter() - began)


async def measure(stage: Stage, show: Show) -> Result:
    """Measure calls a second of the SDK's client, which speaks 2026-07-28."""
    fastmcp = await installed("fastmcp", stage, show)
    async with AsyncExitStack() as stack:
        contenders = {}
        for name, service in (await _services(stage, fastmcp)).items():
            client = await stack.enter_async_context(Client(f"{service.url}/mcp"))
            contenders[name] = Contender(partial(_at_once, client, name), [service], [])
        measured = await in_turns(contenders, ROUNDS, show)
    found = against_each(TITLE, "/s", measured, MARKS, CPU_OF)
    return replace(found, versions={FASTMCP: fastmcp.versions})


async def _bare(service: Service, open_client: Open, name: str) -> Contender:
    clients = [
        await open_client(service.address, TOOL, _arguments(name, number)) for number in range(AT_ONCE)
    ]
    return Contender(
        partial(side_by_side, [client.call for client in clients], BARE_CALLS), [service], clients
    )


async def _measure_bare(stage: Stage, show: Show, open_client: Open, title: str) -> Result:
    contenders = {}
    fastmcp = await installed("fastmcp", stage, show)
    for name, service in (await _services(stage, fastmcp)).items():
        contenders[name] = await _bare(service, open_client, name)
    measured = await in_turns(contenders, BARE_ROUNDS, show)
    return against_each(title, "/s", measured, {}, CPU_OF)


async def measure_bare(stage: Stage, show: Show) -> Result:
    """Measure calls a second on the 2026-07-28 wire, with a client that costs next to nothing."""
    return await _measure_bare(stage, show, ModernClient.open, "the same, bare client, 2026-07-28")


async def measure_handshake(stage: Stage, show: Show) -> Result:
    """Measure the same in handshake sessions."""
    return await _measure_bare(stage, show, HandshakeClient.open, "the same, bare client, 2025-11-25")
