"""A rolling restart of each service behind a balancer fails no purchase and no new request."""

import asyncio
import itertools
from typing import Any

import httpx
import pytest

from tests.support.balancer import replicated
from tests.support.buyers import STOCK, by_hand, by_mcp, by_rest
from tests.support.suite import Suite

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("name", "buy"), [("api", by_rest), ("main", by_mcp), ("web", by_hand)])
async def test_a_rolling_restart_fails_no_purchase_and_no_new_request(
    suite: Suite, name: str, buy: Any
) -> None:
    behind = {"api": [], "main": ["api"], "web": ["api", "main"]}[name]
    (suite.folder / "catalogue.json").write_text(STOCK)
    suite.start(*behind, CATALOG="catalogue.json")
    api = f"http://127.0.0.1:{suite.api}/api"
    settings = {"API_URL": api, "MCP_CONFIRM": "never", "CATALOG": "catalogue.json"}
    patient = {"DRAIN_SECONDS": "1", "STOP_TIMEOUT": "20"}  # the first turn takes a busy machine long
    async with replicated(suite, name, **patient, **settings) as (replicas, balancer):
        bought: list[str] = []
        failed: list[str] = []
        is_over = asyncio.Event()

        async def buyer(who: str) -> None:
            async with httpx.AsyncClient(base_url=f"http://localhost:{balancer.port}", timeout=60) as http:
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
        async with httpx.AsyncClient(timeout=60) as http:
            orders = await http.get(f"http://127.0.0.1:{suite.api}/api/orders?limit=1")
        assert int(orders.headers["X-Total-Count"]) == len(bought)
