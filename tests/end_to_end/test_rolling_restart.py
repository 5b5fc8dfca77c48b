"""A rolling restart of each service behind a balancer fails no purchase and no new request."""

import asyncio
import itertools
from typing import Any

import httpx
import pytest

from tests.support.balancer import replicated
from tests.support.suite import Suite

pytestmark = pytest.mark.anyio
STOCK = '[{"id": 1, "name": "Tea", "price": 1, "description": "", "quantity": 1000000}]'
MODERN = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2026-07-28"}


def order(key: str) -> dict[str, Any]:
    return {"customerName": key, "items": [{"productId": 1, "quantity": 1}]}


async def by_rest(http: httpx.AsyncClient, key: str) -> bool:
    answer = await http.post("/api/purchase", json=order(key), headers={"Idempotency-Key": key})
    return answer.status_code == 200


async def by_mcp(http: httpx.AsyncClient, key: str) -> bool:
    params = {"name": "create_purchase", "arguments": {"input_data": order(key) | {"idempotencyKey": key}}}
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params | {"_meta": meta}}
    names = {"Mcp-Method": "tools/call", "Mcp-Name": "create_purchase"}
    answer = await http.post("/mcp", json=call, headers=MODERN | names)
    return answer.status_code == 200 and '"isError":true' not in answer.text and key in answer.text


async def by_hand(http: httpx.AsyncClient, key: str) -> bool:
    call = {"server": "product-mcp", "name": "create_purchase", "args": {"input_data": order(key)}}
    answer = await http.post("/api/call-tool", json=call, headers={"Idempotency-Key": key})
    asked = {"messages": [{"role": "user", "content": "你好"}]}
    turn = await http.post("/api/chat/stream", json=asked)
    return answer.status_code == 200 and not answer.json()["isError"] and '"reason": "stop"' in turn.text


@pytest.mark.parametrize(("name", "buy"), [("api", by_rest), ("main", by_mcp), ("web", by_hand)])
async def test_a_rolling_restart_fails_no_purchase_and_no_new_request(
    suite: Suite, name: str, buy: Any
) -> None:
    behind = {"api": [], "main": ["api"], "web": ["api", "main"]}[name]
    (suite.folder / "catalogue.json").write_text(STOCK)
    suite.start(*behind, CATALOG="catalogue.json")
    api = f"http://127.0.0.1:{suite.api}/api"
    settings = {"API_URL": api, "MCP_CONFIRM": "never", "CATALOG": "catalogue.json"}
    async with replicated(suite, name, DRAIN_SECONDS="1", **settings) as (replicas, balancer):
        bought: list[str] = []
        failed: list[str] = []
        is_over = asyncio.Event()

        async def buyer(who: str) -> None:
            async with httpx.AsyncClient(base_url=f"http://localhost:{balancer.port}", timeout=30) as http:
                for number in itertools.count():
                    key = f"{who}-{number}"
                    (bought if await buy(http, key) else failed).append(key)
                    if is_over.is_set():
                        return

        async with asyncio.TaskGroup() as tasks:
            for who in "abc":
                tasks.create_task(buyer(who))
            for port in replicas.ports:
                await replicas.restart(balancer, port)
            is_over.set()
        assert failed == []
        if name == "api":
            suite.api = replicas.ports[0]
        async with httpx.AsyncClient() as http:
            orders = await http.get(f"http://127.0.0.1:{suite.api}/api/orders?limit=1")
        assert int(orders.headers["X-Total-Count"]) == len(bought)
