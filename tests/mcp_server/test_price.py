"""The total that a person has confirmed is the one that is booked, whoever asked them."""

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from mcp.client import Client, ClientRequestContext
from mcp.types import CallToolResult, ElicitRequestParams, ElicitResult, ErrorData, RequestParamsMeta

import main
from mcp_server.rest_client import RestClient
from tests.mcp_server.stand_ins import (
    TWO_BUDS,
    Person,
    RestService,
    a_real_shop,
    connect,
    error_of,
    keyed,
    real_shop_transport,
    text_of,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["legacy", "auto"])
def era(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def confirmed(total: Any, **more: Any) -> RequestParamsMeta:
    return cast(RequestParamsMeta, {"product-mcp/confirmed": total} | more)


def reprice(folder: Path, cents: int) -> None:
    with closing(sqlite3.connect(folder / "shop.db")) as database, database:
        database.execute("UPDATE products SET price_cents = ? WHERE id = 2", [cents])


class SlowPerson(Person):
    """Someone who agrees, while the price of what they buy changes the first time they think."""

    def __init__(self, folder: Path) -> None:
        super().__init__("accept")
        self.folder = folder

    async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        reprice(self.folder, 99_900)
        return await super().__call__(context, params)


@asynccontextmanager
async def shopping(
    folder: Path, era: str, person: Person | None = None, **settings: Any
) -> AsyncIterator[Client]:
    async with a_real_shop(folder) as rest:
        server = main.create_server(main.Settings(**settings), rest)
        async with Client(server, mode=era, elicitation_callback=person) as client:
            yield client


async def orders(client: Client) -> list[dict[str, Any]]:
    listed = (await client.call_tool("get_orders", {})).structured_content
    found: list[dict[str, Any]] = (listed or {})["result"]
    return found


def total_of(result: CallToolResult) -> float:
    assert result.structured_content is not None
    return float(result.structured_content["totalAmount"])


async def test_the_total_that_the_person_was_asked_with_goes_to_the_shop(era: str) -> None:
    api = RestService()
    async with connect(api, era, Person("accept")) as client:
        await client.call_tool("create_purchase", TWO_BUDS)
    assert json.loads(api.purchases()[0].content) == TWO_BUDS["input_data"] | {"expectedTotal": 1798.0}


async def test_before_2026_a_price_that_changes_while_the_person_thinks_buys_nothing(tmp_path: Path) -> None:
    async with shopping(tmp_path, "legacy", SlowPerson(tmp_path)) as client:
        refused = await client.call_tool("create_purchase", TWO_BUDS)
        assert await orders(client) == []
    assert error_of(refused) == {"code": "price_changed", "params": {"expected": 1798.0, "now": 1998.0}}
    assert "1798" in text_of(refused)
    assert "1998" in text_of(refused)


async def test_since_2026_a_price_that_changes_while_the_person_thinks_is_asked_about_again(
    tmp_path: Path,
) -> None:
    person = SlowPerson(tmp_path)
    async with shopping(tmp_path, "auto", person) as client:
        bought = await client.call_tool("create_purchase", TWO_BUDS)
    assert [message[-12:] for message in person.asked] == ["合计 ¥1798.00？", "合计 ¥1998.00？"]
    assert total_of(bought) == 1998


@pytest.mark.parametrize("confirm", ["never", "auto", "always"])
async def test_a_purchase_confirmed_by_the_host_is_not_asked_about_again(
    tmp_path: Path, era: str, confirm: str
) -> None:
    person = Person("decline")
    async with shopping(tmp_path, era, person, mcp_confirm=confirm) as client:
        bought = await client.call_tool("create_purchase", TWO_BUDS, meta=confirmed({"total": 1798}))
    assert total_of(bought) == 1798
    assert not person.asked


async def test_a_host_that_cannot_be_asked_may_confirm_where_every_purchase_must_be(
    tmp_path: Path, era: str
) -> None:
    async with shopping(tmp_path, era, mcp_confirm="always") as client:
        assert error_of(await client.call_tool("create_purchase", TWO_BUDS))["code"] == "cannot_ask"
        bought = await client.call_tool("create_purchase", TWO_BUDS, meta=confirmed({"total": 1798.0}))
    assert total_of(bought) == 1798


@pytest.mark.parametrize("confirm", ["never", "auto", "always"])
async def test_what_was_confirmed_at_another_price_is_not_booked(
    tmp_path: Path, era: str, confirm: str
) -> None:
    async with shopping(tmp_path, era, mcp_confirm=confirm) as client:
        refused = await client.call_tool("create_purchase", TWO_BUDS, meta=confirmed({"total": 1797.99}))
        assert await orders(client) == []
    assert error_of(refused) == {"code": "price_changed", "params": {"expected": 1797.99, "now": 1798.0}}
    assert text_of(refused).startswith("创建采购订单失败 (409): ")
    assert "1797.99" in text_of(refused)
    assert "1798" in text_of(refused)


@pytest.mark.parametrize(
    "given",
    [
        *(True, 1798, "1798", [], {}, {"total": None}, {"total": "1798"}, {"total": True}, {"total": -1}),
        *({"total": 1798, "currency": "USD"}, {"amount": 1798}, {"total": 1e400}),
    ],
)
async def test_a_confirmation_of_another_shape_buys_nothing(era: str, given: Any) -> None:
    api = RestService()
    async with connect(api, era, Person("accept")) as client:
        refused = await client.call_tool("create_purchase", TWO_BUDS, meta=confirmed(given))
    assert error_of(refused) == {"code": "invalid_confirmation", "params": {}}
    assert 'product-mcp/confirmed"] 应为 {"total": ' in text_of(refused)
    assert not api.asked


async def test_nothing_confirmed_is_asked_about(era: str) -> None:
    api, person = RestService(), Person("accept")
    async with connect(api, era, person) as client:
        assert not (await client.call_tool("create_purchase", TWO_BUDS, meta=confirmed(None))).is_error
    assert len(person.asked) == 1


async def test_a_repeat_by_key_finds_the_order_whatever_it_costs_now(tmp_path: Path, era: str) -> None:
    async with shopping(tmp_path, era) as client:
        one = await client.call_tool(
            "create_purchase", TWO_BUDS, meta=confirmed({"total": 1798}) | keyed("k")
        )
        reprice(tmp_path, 1)
        again = await client.call_tool(
            "create_purchase", TWO_BUDS, meta=confirmed({"total": 0.02}) | keyed("k")
        )
        assert len(await orders(client)) == 1
    assert total_of(one) == total_of(again) == 1798


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([{"productId": 2, "quantity": 51}], "out_of_stock"),
        ([{"productId": 2, "quantity": 30}, {"productId": 2, "quantity": 30}], "out_of_stock"),
        ([{"productId": 1, "quantity": 1}, {"productId": 99, "quantity": 1}], "unknown_product"),
    ],
)
async def test_what_the_shop_cannot_fill_is_refused_by_it_and_nobody_is_asked(
    tmp_path: Path, era: str, lines: list[dict[str, int]], code: str
) -> None:
    person = Person("accept")
    async with shopping(tmp_path, era, person) as client:
        order = {"input_data": {"customerName": "A", "items": lines}}
        refused = await client.call_tool("create_purchase", order)
        assert await orders(client) == []
    assert error_of(refused)["code"] == code
    assert text_of(refused).startswith("创建采购订单失败 (40")
    assert not person.asked


async def test_a_repeat_by_key_is_found_though_nothing_is_left(tmp_path: Path, era: str) -> None:
    order = {"customerName": "A", "items": [{"productId": 2, "quantity": 50}], "idempotencyKey": "k"}
    async with shopping(tmp_path, era, Person("accept")) as client:
        await client.call_tool("create_purchase", {"input_data": order})
        again = await client.call_tool("create_purchase", {"input_data": order})
    assert (again.meta or {})["product-mcp/replayed"] is True


async def test_stock_that_returns_after_the_look_is_not_sold_unasked(tmp_path: Path, era: str) -> None:
    async with real_shop_transport(tmp_path) as shop:
        empty = httpx.Response(
            200, json=[{"productId": 2, "quantity": 0, "product": {"name": "x", "price": 1}}]
        )

        async def answer(request: httpx.Request) -> httpx.Response:
            is_look = request.url.path == "/api/inventory"
            return empty if is_look else await shop.handle_async_request(request)

        rest = RestClient("http://localhost/api", transport=httpx.MockTransport(answer))
        server = main.create_server(main.Settings(), rest)
        async with Client(server, mode=era, elicitation_callback=Person("accept")) as client:
            refused = await client.call_tool("create_purchase", TWO_BUDS)
            assert await orders(client) == []
    assert error_of(refused)["code"] == "price_changed"


@pytest.mark.parametrize("number", [-32601, -32603, -32600, 0])
async def test_a_bridge_that_promises_to_ask_and_cannot_is_told_what_to_set(number: int) -> None:
    api = RestService()

    async def cannot(context: ClientRequestContext, params: ElicitRequestParams) -> ErrorData:
        return ErrorData(code=number, message="Method not found")

    server = main.create_server(main.Settings(), api.client(main.Settings()))
    async with Client(server, mode="legacy", elicitation_callback=cannot) as client:
        refused = await client.call_tool("create_purchase", TWO_BUDS)
    assert error_of(refused) == {"code": "question_failed", "params": {"reason": "Method not found"}}
    assert "MCP_CONFIRM=never" in text_of(refused)
    assert not api.purchases()
