"""Other people's clients and bridges, run from their packages: each reads, buys, and follows the advice."""

import json
import re
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp import Client, StdioServerParameters
from mcp.client import ClientRequestContext
from mcp.types import ElicitRequestParams, ElicitResult, TextContent

from tests.support.cutting_proxy import CuttingProxy, Point
from tests.support.processes import Spawn, free_port, require
from tests.support.suite import Suite
from tests.world.clients.installed import npm_package, python_environment
from tests.world.clients.scripts import PRELUDE, SCRIPTS

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(900), pytest.mark.anyio]

TOOLS = ["get_products", "get_inventory", "get_orders", "create_purchase"]
ONE, TWO = (
    {"customerName": customer, "items": [{"productId": 2, "quantity": count}]}
    for customer, count in (("客户A", 1), ("客户B", 2))
)
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("get_products", {"maxPrice": 500}),
    ("create_purchase", {"input_data": ONE}),
    ("create_purchase", {"input_data": TWO}),  # its answer is lost
    ("create_purchase", {"input_data": TWO | {"idempotencyKey": "$KEY"}}),  # as it was told
]
LOST: Point = "kept, without an answer"
CUTS = [None, LOST, LOST, LOST, LOST]  # main.py tries four times


@asynccontextmanager
async def shop(folder: Path, **settings: str) -> AsyncIterator[tuple[Suite, CuttingProxy]]:
    """Run api.py and main.py, with a proxy between them that can lose answers."""
    (folder / "shop").mkdir()
    with Suite(folder / "shop") as suite:
        proxy = CuttingProxy(suite.api)
        async with proxy.listening() as url:
            suite.start("api", "main", API_URL=f"{url}/api", **settings)
            yield suite, proxy
            suite.stop()
        assert "Traceback" not in suite.logs()


def check(results: list[str], suite: Suite) -> None:
    """See that all came through: a list, an order, an unknown outcome with its key, its one order."""
    listed, bought, lost, found = results
    assert "便携式移动电源" in listed
    assert "智能手表" not in listed
    assert "totalAmount" in bought
    assert "不会重复购买" in lost or r"\u4e0d\u4f1a\u91cd\u590d\u8d2d\u4e70" in lost
    assert "totalAmount" in found
    assert sorted(order["customerName"] for order in suite.orders()) == ["客户A", "客户B"]


@pytest.mark.parametrize("client", SCRIPTS)
async def test_a_framework_reads_buys_and_after_a_lost_answer_buys_once(tmp_path: Path, client: str) -> None:
    programs = await anyio.to_thread.run_sync(python_environment, client)
    script = tmp_path / "script.py"
    script.write_text(PRELUDE + SCRIPTS[client], encoding="utf-8")
    async with shop(tmp_path) as (suite, proxy):
        proxy.cuts = list(CUTS)
        command = [str(programs / "python"), "-P", str(script), f"http://127.0.0.1:{suite.mcp}/mcp"]
        ran = await anyio.run_process([*command, json.dumps(CALLS)], check=False, stderr=subprocess.PIPE)
        assert ran.returncode == 0, ran.stderr.decode()
        seen = json.loads(ran.stdout)
        assert seen["tools"] == TOOLS
        for field in ("customerName", "items", "productId", "quantity", "idempotencyKey"):
            assert field in seen["schema"]
        check(seen["results"], suite)


async def followed(call: Callable[[str, dict[str, Any]], Awaitable[str]]) -> list[str]:
    """Make the calls, each with the key that the failure before it has told."""
    results = [""]
    for name, arguments in CALLS:
        told = re.search("idempotencyKey：([0-9a-f]+)", results[-1])
        filled = json.dumps(arguments).replace("$KEY", told[1] if told else "")
        results.append(await call(name, json.loads(filled)))
    return results[1:]


async def test_mcpo_makes_an_http_service_of_it(tmp_path: Path, spawn: Spawn) -> None:
    programs = await anyio.to_thread.run_sync(python_environment, "mcpo")
    async with shop(tmp_path) as (suite, proxy):
        proxy.cuts = list(CUTS)
        port = free_port()
        options = ["--host", "127.0.0.1", "--port", str(port), "--server-type", "streamable-http", "--"]
        mcpo = spawn.program(str(programs / "mcpo"), *options, f"http://127.0.0.1:{suite.mcp}/mcp")
        url = f"http://127.0.0.1:{port}"
        await anyio.to_thread.run_sync(mcpo.wait_until_up, f"{url}/openapi.json")
        async with httpx.AsyncClient(base_url=url, timeout=60) as http:

            async def call(name: str, arguments: dict[str, Any]) -> str:
                return (await http.post(f"/{name}", json=arguments)).text

            check(await followed(call), suite)


@asynccontextmanager
async def through_supergateway(*options: str, ask: bool = False) -> AsyncIterator[Client]:
    package = await anyio.to_thread.run_sync(npm_package, "supergateway")
    arguments = [
        str(package / "dist" / "index.js"),
        "--logLevel",
        "none",
        *options,
        "--outputTransport",
        "stdio",
    ]
    command = StdioServerParameters(command=require("node"), args=arguments)
    agree = agreed if ask else None
    async with Client(command, mode="legacy", elicitation_callback=agree, read_timeout_seconds=60) as client:
        yield client


async def agreed(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
    return ElicitResult(action="accept", content={})


def said(client: Client) -> Callable[[str, dict[str, Any]], Awaitable[str]]:
    async def call(name: str, arguments: dict[str, Any]) -> str:
        block = (await client.call_tool(name, arguments)).content[0]
        assert isinstance(block, TextContent)
        return block.text

    return call


@pytest.mark.parametrize(("option", "path"), [("--streamableHttp", "/mcp"), ("--sse", "/sse")])
async def test_supergateway_carries_a_client_that_nobody_asks(tmp_path: Path, option: str, path: str) -> None:
    async with shop(tmp_path) as (suite, proxy):
        proxy.cuts = list(CUTS)
        async with through_supergateway(option, f"http://127.0.0.1:{suite.mcp}{path}") as client:
            check(await followed(said(client)), suite)


@pytest.mark.parametrize("confirm", ["auto", "never"])
async def test_supergateway_promises_to_ask_and_cannot_and_is_told_what_to_set(
    tmp_path: Path, confirm: str
) -> None:
    async with shop(tmp_path, MCP_CONFIRM=confirm) as (suite, _):
        url = f"http://127.0.0.1:{suite.mcp}/mcp"
        async with through_supergateway("--streamableHttp", url, ask=True) as client:
            told = await said(client)("create_purchase", {"input_data": ONE})
        assert len(suite.orders()) == (confirm == "never")
    assert ("MCP_CONFIRM=never" in told) == (confirm == "auto")
