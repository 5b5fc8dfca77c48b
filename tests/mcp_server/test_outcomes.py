"""A purchase whose answer breaks: what is told of its outcome, and that the same key never buys twice."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import httpx
import pytest
from mcp.client import Client
from mcp.types import CallToolResult, TextContent

import main
from mcp_server.rest_client import RestClient, RestLimits
from tests.mcp_server.stand_ins import TWO_BUDS, error_of, keyed, real_shop_transport
from tests.support.clock import put_forward

pytestmark = pytest.mark.anyio

LIMITS = RestLimits(write_seconds=60, max_attempts=2)
JSON = {"Content-Type": "application/json"}

# What becomes of one attempt, in place of the answer: another one, an error, or nothing at all.
Answer = httpx.Response | Exception | None


@pytest.fixture(params=["legacy", "auto"])
def era(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def committed(answer: Answer) -> tuple[bool, Answer]:
    return True, answer


def unsent(error: Exception) -> tuple[bool, Answer]:
    return False, error


class BreakingNetwork(httpx.AsyncBaseTransport):
    """Between the MCP server and a real shop: breaks the first attempts of purchases as it is told."""

    def __init__(self, shop: httpx.AsyncBaseTransport) -> None:
        self.shop = shop
        self.breaks: list[tuple[bool, Answer]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET" or not self.breaks:
            return await self.shop.handle_async_request(request)
        reaches_shop, answer = self.breaks.pop(0)
        if reaches_shop:
            await (await self.shop.handle_async_request(request)).aread()
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            put_forward(LIMITS.write_seconds)
            await anyio.sleep_forever()
        assert answer is not None
        return answer


@asynccontextmanager
async def shop_behind(folder: Path, era: str = "auto") -> AsyncIterator[tuple[BreakingNetwork, Client]]:
    async with real_shop_transport(folder) as shop:
        network = BreakingNetwork(shop)
        rest = RestClient("http://localhost/api", limits=LIMITS, transport=network)
        async with Client(main.create_server(main.Settings(), rest), mode=era) as client:
            yield network, client


async def bought(client: Client) -> list[int]:
    """The numbers of the orders that exist."""
    listed = (await client.call_tool("get_orders", {})).structured_content
    return [order["id"] for order in (listed or {})["result"]]


def said(result: CallToolResult) -> list[str]:
    return [block.text for block in result.content if isinstance(block, TextContent)]


def order_with(key: str) -> dict[str, Any]:
    return {"input_data": TWO_BUDS["input_data"] | {"idempotencyKey": key}}


CUT = httpx.ReadError("cut")
NO_DATABASE = httpx.Response(
    503, headers={"Retry-After": "0"}, json={"detail": "数据库暂时不可用", "code": "database_unavailable"}
)
LOST: dict[
    str, list[tuple[bool, Answer]]
] = {  # one for each way to lose the answer of a purchase that the shop has placed
    "cut after the commit": [committed(CUT)] * 2,
    "cut while sending": [committed(httpx.WriteError("cut"))] * 2,
    "the server closed": [committed(httpx.RemoteProtocolError("closed"))] * 2,
    "an error of the system": [committed(ConnectionResetError("reset"))] * 2,
    "an error of aiohttp": [committed(aiohttp.ClientPayloadError("short"))] * 2,
    "late": [committed(httpx.ReadTimeout("late"))] * 2,
    "no answer at all": [committed(None)],
    "an error of the shop": [committed(httpx.Response(500, json={"detail": "x", "code": "bug"}))],
    "not implemented by a proxy": [committed(httpx.Response(501, text="<html>"))],
    "a bad gateway": [committed(httpx.Response(502, text="<html>"))] * 2,
    "busy": [committed(httpx.Response(503, headers={"Retry-After": "0"}))] * 2,
    "busy for long": [committed(httpx.Response(503, headers={"Retry-After": "60"}))],
    "a gateway's timeout": [committed(httpx.Response(504))] * 2,
    "a page": [committed(httpx.Response(200, text="<html>"))],
    "nothing": [committed(httpx.Response(204))],
    "half an order": [committed(httpx.Response(200, text='{"id": 1, "custo'))],
    "no order": [committed(httpx.Response(200, json={}))],
    "an order of somebody else": [committed(httpx.Response(200, json={"id": "a-7", "status": "ok"}))],
    "a list": [committed(httpx.Response(200, json=[]))],
    "sent elsewhere": [committed(httpx.Response(303, headers={"Location": "/"}))],
    "lost, then gone": [committed(CUT), unsent(httpx.ConnectError("refused"))],
    "gone, then lost": [unsent(httpx.ConnectError("refused")), committed(CUT)],
    "lost, then no database": [committed(CUT), (False, NO_DATABASE)],
    "not written, then lost": [(False, NO_DATABASE), committed(CUT)],
    "lost, then not let in": [committed(CUT), committed(httpx.Response(401, json={"code": "unauthorized"}))],
    "lost, then too many": [committed(CUT), committed(httpx.Response(429))],
    "lost, then a proxy's page": [committed(CUT), committed(httpx.Response(404, text="<html>"))],
}


@pytest.mark.parametrize("how", LOST)
@pytest.mark.parametrize("by", ["model", "host", "both"])
async def test_following_the_advice_after_a_lost_answer_finds_the_one_order(
    tmp_path: Path, how: str, by: str
) -> None:
    async with shop_behind(tmp_path) as (network, client):
        network.breaks = list(LOST[how])
        lost = await client.call_tool("create_purchase", TWO_BUDS, meta=keyed("host"))
        error = error_of(lost)
        key = error["params"]["idempotencyKey"]
        network.breaks = []
        arguments = TWO_BUDS if by == "host" else order_with(key)
        again = await client.call_tool(
            "create_purchase", arguments, meta=keyed({"model": "another", "host": key, "both": key}[by])
        )
        assert await bought(client) == [1]
    assert error["code"] == "outcome_unknown"
    assert set(error["params"]["reason"]) == {"code", "params"}
    assert said(lost)[0].startswith(("请求创建采购订单时出错: ", "创建采购订单失败 ("))
    assert said(lost)[0].endswith("再试时请用同一个 idempotencyKey：host，不会重复购买")
    assert (again.meta or {})["product-mcp/replayed"] is True
    assert again.structured_content is not None
    assert again.structured_content["id"] == 1
    # With its day, where the order was the last before midnight.
    assert re.fullmatch(r"这是 ([0-9-]{10} )?[0-9]{2}:[0-9]{2} 的订单 1，没有新下单", said(again)[1])


async def test_the_key_that_is_told_is_found_again_whoever_made_it(tmp_path: Path, era: str) -> None:
    async with shop_behind(tmp_path, era) as (network, client):
        for meta in (None, keyed("客户A 的耳机"), keyed("two words")):
            network.breaks = [committed(CUT)] * 2
            lost = await client.call_tool("create_purchase", TWO_BUDS, meta=meta)
            key = error_of(lost)["params"]["idempotencyKey"]
            before = await bought(client)
            again = await client.call_tool("create_purchase", order_with(key))
            assert (again.meta or {})["product-mcp/replayed"] is True
            assert await bought(client) == before
    assert before == [3, 2, 1]


NEVER_SENT = [httpx.ConnectError("refused"), httpx.ConnectTimeout("late"), httpx.PoolTimeout("full")]


@pytest.mark.parametrize("error", NEVER_SENT)
async def test_a_purchase_that_never_reached_the_shop_is_not_unknown(
    tmp_path: Path, error: Exception
) -> None:
    async with shop_behind(tmp_path) as (network, client):
        network.breaks = [unsent(error)] * 2
        failed = error_of(await client.call_tool("create_purchase", TWO_BUDS, meta=keyed("k")))
        assert await bought(client) == []
    params = {"url": "http://localhost/api", "idempotencyKey": "k"}
    assert failed == {"code": "shop_unreachable", "params": params}


async def test_what_the_shop_says_that_it_did_not_write_is_not_unknown(tmp_path: Path) -> None:
    async with shop_behind(tmp_path) as (network, client):
        network.breaks = [(False, NO_DATABASE)] * 2
        refused = await client.call_tool("create_purchase", TWO_BUDS, meta=keyed("k"))
        assert await bought(client) == []
    assert error_of(refused) == {"code": "database_unavailable", "params": {"idempotencyKey": "k"}}
    assert said(refused)[0].startswith("创建采购订单失败 (503): 数据库暂时不可用。再试时请用同一个")


async def test_an_order_that_a_second_attempt_finds_is_this_calls_own(tmp_path: Path) -> None:
    async with shop_behind(tmp_path) as (network, client):
        network.breaks = [committed(CUT)]
        placed = await client.call_tool("create_purchase", TWO_BUDS)
        assert await bought(client) == [1]
    assert len(placed.content) == 1
    assert placed.meta is None or "product-mcp/replayed" not in placed.meta


async def test_the_shops_own_word_settles_what_an_attempt_before_left_open(tmp_path: Path) -> None:
    order = {"input_data": {"customerName": "A", "items": [{"productId": 2, "quantity": 51}]}}
    async with shop_behind(tmp_path) as (network, client):
        network.breaks = [(False, CUT)]
        refused = await client.call_tool("create_purchase", order)
    assert error_of(refused)["code"] == "out_of_stock"


async def test_the_key_of_an_archived_order_is_settled_too(tmp_path: Path) -> None:
    gone = {"detail": "订单 7 已归档", "code": "archived", "params": {"orderId": 7}}
    async with shop_behind(tmp_path) as (network, client):
        network.breaks = [(False, CUT), (False, httpx.Response(410, json=gone))]
        refused = await client.call_tool("create_purchase", order_with("k"))
        assert await bought(client) == []
    assert error_of(refused) == {"code": "archived", "params": {"orderId": 7}}


async def test_a_key_that_comes_with_another_request_is_refused_and_told_what_to_do(tmp_path: Path) -> None:
    other = {"customerName": "客户B", "items": [{"productId": 1, "quantity": 1}], "idempotencyKey": "k"}
    async with shop_behind(tmp_path) as (_, client):
        await client.call_tool("create_purchase", order_with("k"))
        refused = await client.call_tool("create_purchase", {"input_data": other})
        assert await bought(client) == [1]
    assert error_of(refused)["code"] == "key_reused"
    assert "新的操作请不要填旧的 idempotencyKey" in said(refused)[0]


async def test_an_order_of_another_day_is_told_with_its_day(tmp_path: Path) -> None:
    yesterday = (
        '{"customerName":"A","items":[],"id":7,"totalAmount":1.0,"orderDate":"2020-02-03T12:00:00+00:00"}'
    )
    found = httpx.Response(200, text=yesterday, headers={"Idempotent-Replayed": "true"})
    async with shop_behind(tmp_path) as (network, client):
        network.breaks = [(False, found)]
        steps: list[str | None] = []

        async def note(progress: float, total: float | None, message: str | None) -> None:
            steps.append(message)

        result = await client.call_tool("create_purchase", order_with("k"), progress_callback=note)
    assert re.fullmatch(r"这是 2020-02-0[34] [0-9]{2}:[0-9]{2} 的订单 7，没有新下单", said(result)[1])
    assert steps[-1] == "订单以前已经创建"  # which the page words in its reader's language
