"""A purchase whose answer is lost on the way from the shop: following what is told of it never buys twice."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, get_args

import pytest
from mcp import Client
from mcp_types import CallToolResult

from tests.support.asgi import ScriptedProvider, call_stream, serve, text_stream
from tests.support.cutting_proxy import CuttingProxy, Point
from tests.support.suite import Browser, Suite

pytestmark = pytest.mark.anyio
ORDER = {"customerName": "客户A", "items": [{"productId": 2, "quantity": 2}]}
ATTEMPTS = 4  # of main.py to place one purchase
LOST: Point = "kept, without an answer"
TOOL = "product-mcp_create_purchase"


@asynccontextmanager
async def suite_behind(suite: Suite, *names: str, **settings: str) -> AsyncIterator[CuttingProxy]:
    """Start services whose way to the shop goes through a proxy that cuts."""
    proxy = CuttingProxy(suite.api)
    async with proxy.listening() as url:
        suite.start("api", *names, API_URL=f"{url}/api", **settings)
        yield proxy
        suite.stop()


async def unknown(client: Client) -> str:
    """Buy, see that nobody knows what came of it, and return the key that is told."""
    lost: CallToolResult = await client.call_tool("create_purchase", {"input_data": ORDER})
    error = (lost.meta or {})["product-mcp/error"]
    assert error["code"] == "outcome_unknown"
    return str(error["params"]["idempotencyKey"])


async def test_wherever_the_connection_ends_the_key_that_is_told_buys_once(suite: Suite) -> None:
    async with (
        suite_behind(suite, "main") as proxy,
        Client(f"http://127.0.0.1:{suite.mcp}/mcp") as client,
    ):
        for number, point in enumerate(get_args(Point), 1):
            proxy.cuts = [point] * ATTEMPTS
            key = await unknown(client)
            proxy.cuts = []
            repeated: dict[str, Any] = {"input_data": ORDER | {"idempotencyKey": key}}
            for _ in range(2):
                again = await client.call_tool("create_purchase", repeated)
                assert not again.is_error, point
            assert (again.meta or {})["product-mcp/replayed"] is True
            assert len(suite.orders()) == number, point


@asynccontextmanager
async def chat_behind(
    suite: Suite, provider: ScriptedProvider
) -> AsyncIterator[tuple[CuttingProxy, Browser]]:
    """A chat whose scripted model orders, and whose user has let it: the shop's answer is lost."""
    async with serve(provider.app) as url:
        model = {"OPENAI_API_KEY": "k", "OPENAI_API_BASE": f"{url}/v1", "LLM_MODEL": "m"}
        async with suite_behind(suite, "main", "web", **model) as proxy, suite.browser() as browser:
            await browser.until("ready")
            await browser.ask("帮客户A买 2 个耳机")
            proxy.cuts = [LOST] * ATTEMPTS
            await browser.confirm()
            assert len(suite.orders()) == 1
            yield proxy, browser


async def test_through_the_chat_a_model_that_does_as_it_is_told_buys_once(suite: Suite) -> None:
    provider = ScriptedProvider(call_stream(TOOL, {"input_data": ORDER}), text_stream("不明"))
    async with chat_behind(suite, provider) as (_, browser):
        told = browser.history[-2]["content"]
        assert "不会重复购买" in told
        key = told.partition("idempotencyKey：")[2].partition("，")[0]
        repeated = {"input_data": ORDER | {"idempotencyKey": key}}
        provider.steps = [call_stream(TOOL, repeated), text_stream("好了")]
        await browser.ask("再试一次")
        await browser.confirm()
        assert "没有新下单" in browser.seen
        assert len(suite.orders()) == 1


async def test_on_the_card_the_same_call_again_buys_once_and_is_found(suite: Suite) -> None:
    provider = ScriptedProvider(call_stream(TOOL, {"input_data": ORDER}), text_stream("不明"))
    async with chat_behind(suite, provider) as (proxy, browser):
        (call,) = browser.history[1]["tool_calls"]
        for lost in (True, False):  # "try again" twice: the first time the answer is lost once more
            proxy.cuts = [LOST] * ATTEMPTS if lost else []
            provider.steps = [text_stream("好了")]
            browser.history, browser.waiting = browser.history[:2], [call["id"]]
            await browser.confirm()
            assert ("outcome_unknown" in browser.seen) is lost
        assert '"replayed": true' in browser.seen
        assert len(suite.orders()) == 1


async def test_a_tool_called_by_hand_under_one_key_buys_once(suite: Suite) -> None:
    async with suite_behind(suite, "main", "web") as proxy, suite.browser() as browser:
        await browser.until("ready")
        proxy.cuts = [LOST] * ATTEMPTS
        body = {"server": "product-mcp", "name": "create_purchase", "args": {"input_data": ORDER}}
        headers = {"Idempotency-Key": "by-hand"}
        lost = await browser.http.post("/api/call-tool", json=body, headers=headers)
        again = await browser.http.post("/api/call-tool", json=body, headers=headers)
        assert "outcome_unknown" in lost.text
        assert "没有新下单" in again.text
        assert again.json()["replayed"] is True
        assert len(suite.orders()) == 1
