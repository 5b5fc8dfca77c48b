"""`get_products` through MCP, 300 calls at once: FastMCP 4, the SDK with an empty tool, and ours."""

from collections.abc import Callable, Coroutine
from typing import Any

from benchmarks.mcp_wire import HandshakeClient, McpClient, ModernClient
from benchmarks.measure import Contender, Show, in_turns, side_by_side
from benchmarks.results import Goal, Result, better, result
from benchmarks.services import Service, Stage

ROUNDS = 5
AT_ONCE = 300
CALLS = 600  # a round
TOOL = "get_products"
OF_FASTMCP, OF_EMPTY = 1.6, 0.75

Open = Callable[..., Coroutine[Any, Any, McpClient]]


async def calls(service: Service, open_client: Open) -> Contender:
    """Connect so many clients, and make a burst of calls by all of them at once."""
    clients = [await open_client(service.address, TOOL) for _ in range(AT_ONCE)]
    return Contender(lambda: side_by_side([client.call for client in clients], CALLS), [service], clients)


async def _measure(stage: Stage, show: Show, open_client: Open, title: str, goals: bool) -> Result:
    api = await stage.api()
    services = {
        "FastMCP 4": await stage.contender("fastmcp_server", f"{api.url}/api"),
        "empty tool": await stage.contender("empty_server"),
        "ours": await stage.mcp(api),
    }
    contenders = {name: await calls(service, open_client) for name, service in services.items()}
    measured = await in_turns(contenders, ROUNDS, show)
    of_peer = better(measured["ours"], measured["FastMCP 4"], "/s")
    of_floor = better(measured["ours"], measured["empty tool"], "/s")
    reach = [
        Goal("get_products through MCP, against FastMCP 4", of_peer, OF_FASTMCP),
        Goal("get_products through MCP, against an empty tool", of_floor, OF_EMPTY),
    ]
    return result(title, "/s", measured, reach if goals else [])


async def measure(stage: Stage, show: Show) -> Result:
    """Measure calls a second on the 2026-07-28 wire."""
    return await _measure(stage, show, ModernClient.open, "get_products by MCP, 300 at once", goals=True)


async def measure_handshake(stage: Stage, show: Show) -> Result:
    """Measure calls a second in handshake sessions (2025-11-25)."""
    return await _measure(stage, show, HandshakeClient.open, "the same, 300 sessions of 2025-11-25", goals=False)
