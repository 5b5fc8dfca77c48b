"""The MCP server's tools, in process and in both eras, against a REST service made by hand."""

import json
import re
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import anyio
import httpx
import pytest
from mcp.types import TextContent

from main import Settings, create_server
from mcp_server.arguments import UnparsedMetadata
from mcp_server.rest_client import RestLimits
from mcp_server.results import MAX_RESULT_BYTES
from tests.mcp_server.stand_ins import (
    BUDS,
    NAMES,
    SUMMARY,
    TWO_BUDS,
    WATCH,
    Person,
    RestService,
    call,
    connect,
    error_of,
    text_of,
)

pytestmark = pytest.mark.anyio

ERAS = ["legacy", "auto"]  # the handshake, and 2026-07-28


@pytest.fixture
def api() -> RestService:
    return RestService()


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_exactly_the_four_tools_are_listed_with_titles_and_true_annotations(
    api: RestService, era: str
) -> None:
    async with connect(api, era) as client:
        listed = (await client.list_tools()).tools
        assert "今天是 2026-11-27" in (client.instructions or "")
    assert [tool.name for tool in listed] == NAMES
    assert all(tool.title and tool.description and tool.output_schema and tool.annotations for tool in listed)
    reads = [bool(tool.annotations and tool.annotations.read_only_hint) for tool in listed]
    assert reads == [True, True, True, False]


async def test_hosts_are_told_its_face_and_how_long_lists_may_be_kept(api: RestService, era: str) -> None:
    async with connect(api, era, mcp_website_url="https://shop.example.com") as client:
        assert client.server_info is not None
        (icon,) = client.server_info.icons or []
        assert client.server_info.website_url == "https://shop.example.com"
        tools, resources = await client.list_tools(), await client.list_resources()
        read = await client.read_resource("shop://inventory")
    assert ElementTree.fromstring(unquote(icon.src.removeprefix("data:image/svg+xml,"))).tag.endswith("svg")
    assert re.fullmatch(r"data:([\w.~!$&'()*+,;=:@/?-]|%[0-9A-F]{2})+", icon.src, re.ASCII)  # RFC 3986
    assert len(icon.src) < 350  # it goes along with every answer
    kept = [(each.ttl_ms, each.cache_scope) for each in (tools, resources, read)]
    assert era == "legacy" or kept == [(300_000, "public"), (300_000, "public"), (0, "private")]


async def test_a_shop_that_does_not_say_what_day_it_is_keeps_nobody_out(api: RestService, era: str) -> None:
    api.fail("/api/today", httpx.Response(404, json={}), httpx.Response(200, json={"timezone": "Mars"}))
    for _ in range(2):
        async with connect(api, era) as client:
            assert "今天" not in (client.instructions or "")


async def test_a_shop_that_is_reached_by_a_second_try_of_tcp_still_says_what_day_it_is(
    api: RestService,
) -> None:
    async def reached_late(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/today":
            await anyio.sleep(1.05)  # a SYN that was dropped is sent again after one second
        return await api.answer(request)

    api.transport = httpx.MockTransport(reached_late)
    async with connect(api, "auto") as client:
        assert "今天是 2026-11-27" in (client.instructions or "")


async def test_a_list_is_one_compact_text_and_the_same_as_structured_content(
    api: RestService, era: str
) -> None:
    async with connect(api, era) as client:
        await client.list_tools()  # so that the client checks the result against the output schema
        result = await client.call_tool("get_products", {})
    assert text_of(result) == json.dumps([WATCH, BUDS], ensure_ascii=False, separators=(",", ":"))
    assert result.structured_content == {"result": [WATCH, BUDS]}


async def test_filters_and_pages_reach_the_service(api: RestService) -> None:
    async with connect(api) as client:
        await client.call_tool(
            "get_products", {"query": "耳机 & 50%", "maxPrice": 1000, "limit": 5, "offset": 10}
        )
        await client.call_tool("get_inventory", {"productIds": [2, 1], "maxQuantity": 9})
        await client.call_tool(
            "get_orders",
            {
                "customerName": "客户A",
                "since": "2026-11-01",
                "productId": 2,
                "minAmount": 5,
                "maxAmount": 9.5,
            },
        )
    products, inventory, orders = (list(request.url.params.multi_items()) for request in api.asked)
    assert products == [("query", "耳机 & 50%"), ("maxPrice", "1000.0"), ("limit", "5"), ("offset", "10")]
    assert inventory == [
        ("productId", "2"), ("productId", "1"), ("maxQuantity", "9"), ("limit", "100"), ("offset", "0"),
    ]  # fmt: skip
    assert ("customerName", "客户A") in orders
    assert {("since", "2026-11-01"), ("minAmount", "5.0"), ("maxAmount", "9.5")} <= set(orders)


async def test_orders_with_group_by_are_the_sales_summary(api: RestService) -> None:
    result = await call(api, "get_orders", {"groupBy": "product", "customerName": "客户A"})
    assert result.structured_content == {"result": SUMMARY}
    asked = dict(api.asked[0].url.params)
    assert asked == {"customerName": "客户A", "groupBy": "product", "limit": "100", "offset": "0"}


async def test_a_search_that_finds_nothing_says_how_to_look_at_everything(api: RestService) -> None:
    api.answers["/api/products"] = lambda _: httpx.Response(200, json=[])
    result = await call(api, "get_products", {"query": "钢琴"})
    said = [block.text for block in result.content if isinstance(block, TextContent)]
    assert (said[0], "不填 query" in said[1]) == ("[]", True)
    assert result.structured_content == {"result": [], "note": said[1]}
    assert (await call(api, "get_products", {"maxPrice": 1})).structured_content == {"result": []}


async def test_a_large_result_is_cut_at_an_element_with_a_note_how_to_go_on(
    api: RestService, era: str
) -> None:
    long = [WATCH | {"id": number, "description": "长" * 300} for number in range(1, 501)]
    api.answers["/api/products"] = lambda _: httpx.Response(200, json=long)
    async with connect(api, era) as client:
        result = await client.call_tool("get_products", {"limit": 500})
    first, second = result.content
    assert isinstance(first, TextContent)
    assert isinstance(second, TextContent)
    assert len(first.text.encode()) <= MAX_RESULT_BYTES
    kept = len(json.loads(first.text))
    assert 0 < kept < 500
    assert f"offset={kept}" in second.text
    assert result.structured_content == {"result": long[:kept], "note": second.text}


@pytest.mark.parametrize(
    ("name", "arguments", "field"),
    [
        ("get_products", {"limit": True}, "limit"),
        ("get_products", {"limit": "2.5"}, "limit"),
        ("get_products", {"limit": "two"}, "limit"),
        ("get_products", {"limit": 1.5}, "limit"),
        ("get_products", {"limit": 0}, "limit"),
        ("get_products", {"limit": 501}, "limit"),
        ("get_products", {"offset": -1}, "offset"),
        ("get_products", {"maxPrice": "1000元"}, "maxPrice"),
        ("get_products", {"maxPrice": True}, "maxPrice"),
        ("get_products", {"maxprice": ""}, "maxprice"),
        ("get_products", {"minPrice": -1}, "minPrice"),
        ("get_products", {"maxprice": 1000}, "maxprice"),
        ("get_products", {"query": "\x00"}, "query"),
        ("get_products", {"query": "长" * 101}, "query"),
        ("get_inventory", {"productIds": [True]}, "productIds.0"),
        ("get_inventory", {"productIds": "1,x"}, "productIds"),
        ("get_inventory", {"productIds": True}, "productIds.0"),
        ("get_inventory", {"productIds": {"1": 2}}, "productIds"),
        ("get_orders", {"groupBy": "week"}, "groupBy"),
        ("get_orders", {"customerName": 5}, "customerName"),
        ("create_purchase", {}, "input_data"),
        ("create_purchase", {"input_data": {"customerName": "A", "items": [{"productId": 1}]}}, "0.quantity"),
        ("create_purchase", {"input_data": {"customerName": "A", "note": "x"}}, "input_data.note"),
    ],
)  # fmt: skip
async def test_a_wrong_argument_is_refused_by_name(
    api: RestService, name: str, arguments: dict[str, Any], field: str
) -> None:
    result = await call(api, name, arguments)
    error = error_of(result)
    assert error["code"] == "invalid_arguments"
    assert any(problem["field"].endswith(field) for problem in error["params"]["problems"])
    assert f"{field}: " in text_of(result)
    assert "pydantic" not in text_of(result)
    assert not api.asked


@pytest.mark.parametrize("quantity", [True, "2", 1.5, 0, -1, 1_000_001, None])
async def test_a_quantity_is_a_positive_whole_number(api: RestService, quantity: object) -> None:
    order = {"customerName": "A", "items": [{"productId": 1, "quantity": quantity}]}
    result = await call(api, "create_purchase", {"input_data": order})
    assert result.is_error
    assert "input_data.items.0.quantity: " in text_of(result)
    assert not api.asked


async def test_null_and_whole_or_fractional_prices_are_fine(api: RestService) -> None:
    result = await call(api, "get_products", {"query": None, "minPrice": 10, "maxPrice": 99.5, "limit": None})
    assert not result.is_error
    asked = {"minPrice": "10.0", "maxPrice": "99.5", "limit": "100", "offset": "0"}
    assert dict(api.asked[0].url.params) == asked


async def test_objects_written_as_json_text_are_read_and_names_that_look_like_json_are_kept(
    api: RestService,
) -> None:
    async with connect(api) as client:
        bought = await client.call_tool("create_purchase", {"input_data": json.dumps(TWO_BUDS["input_data"])})
        await client.call_tool("get_orders", {"customerName": "null"})
    assert not bought.is_error
    assert api.asked[-1].url.params["customerName"] == "null"


@pytest.mark.parametrize(
    ("name", "path", "sentence"),
    [
        ("get_products", "/api/products", "调用产品服务失败 (404): 没有"),
        ("get_inventory", "/api/inventory", "调用库存服务失败 (404): 没有"),
        ("get_orders", "/api/orders", "调用订单服务失败 (404): 没有"),
    ],
)
async def test_a_refusal_reads_as_the_tutorial_says(
    api: RestService, name: str, path: str, sentence: str
) -> None:
    api.fail(path, httpx.Response(404, json={"detail": "没有"}))
    result = await call(api, name, {})
    assert result.is_error
    assert text_of(result) == sentence


async def test_an_order_without_name_or_items_reaches_the_service_and_its_sentence_comes_back(
    api: RestService, era: str
) -> None:
    orders: list[dict[str, Any]] = [
        {"customerName": " ", "items": [{"productId": 1, "quantity": 1}]}, {"customerName": "A"}, {}
    ]  # fmt: skip
    for order in orders:
        async with connect(api, era, Person("accept")) as client:
            result = await client.call_tool("create_purchase", {"input_data": order})
        assert text_of(result) == "创建采购订单失败 (400): 请求无效：缺少客户名称或商品"
        assert error_of(result) == {"code": "empty_purchase", "params": {}}


async def test_a_service_that_is_gone_is_said_plainly(api: RestService) -> None:
    api.limits = RestLimits(max_attempts=2)
    api.fail("/api/products", *[httpx.ConnectError("refused")] * 2)
    result = await call(api, "get_products", {})
    assert result.is_error
    assert text_of(result).startswith("请求产品服务时出错: 连接不上 http://127.0.0.1:8000/api")
    assert error_of(result) == {"code": "shop_unreachable", "params": {"url": "http://127.0.0.1:8000/api"}}


@pytest.mark.parametrize(
    "page",
    [httpx.Response(200, text="<html>"), httpx.Response(500, text="<html>"), httpx.Response(200, json={})],
)
async def test_an_answer_that_is_no_list_is_a_sentence_too(api: RestService, page: httpx.Response) -> None:
    api.fail("/api/products", page)
    result = await call(api, "get_products", {})
    assert result.is_error
    assert "产品服务" in text_of(result)
    assert "<html>" not in text_of(result)


async def test_a_validation_error_of_the_service_names_fields_not_values(api: RestService) -> None:
    problem = {"loc": ["query", "since"], "msg": "Invalid datetime", "input": "secret", "type": "x"}
    api.fail("/api/orders", httpx.Response(422, json={"detail": [problem]}))
    result = await call(api, "get_orders", {"since": "secret"})
    assert text_of(result) == "调用订单服务失败 (422): since: Invalid datetime"


async def test_reads_and_purchases_are_tried_again_with_one_key(api: RestService) -> None:
    api.fail("/api/purchase", httpx.ReadError("cut"), httpx.Response(503, headers={"Retry-After": "0"}))
    result = await call(api, "create_purchase", TWO_BUDS)
    assert not result.is_error
    assert len(api.asked) == 3
    assert len({request.headers["idempotency-key"] for request in api.asked}) == 1


async def test_a_service_that_stays_busy_is_asked_four_times(api: RestService) -> None:
    api.fail("/api/products", *[httpx.Response(503, headers={"Retry-After": "0"})] * 4)
    result = await call(api, "get_products", {})
    assert text_of(result).startswith("调用产品服务失败 (503)")
    assert len(api.asked) == 4


@pytest.mark.parametrize("pause", [{}, {"Retry-After": "Sat, 28 Nov 2026 12:00:00 GMT"}])
async def test_a_service_that_names_no_seconds_is_asked_again_soon(
    api: RestService, pause: dict[str, str]
) -> None:
    api.fail("/api/products", httpx.Response(503, headers=pause))
    assert not (await call(api, "get_products", {})).is_error
    assert len(api.asked) == 2


async def test_a_refusal_is_not_tried_again(api: RestService) -> None:
    api.fail("/api/purchase", httpx.Response(400, json={"detail": "商品 X 库存不足. 可用: 1"}))
    result = await call(api, "create_purchase", TWO_BUDS)
    assert text_of(result) == "创建采购订单失败 (400): 商品 X 库存不足. 可用: 1"
    assert len(api.asked) == 1


async def test_a_service_busy_for_longer_than_a_client_waits_is_not_waited_for(api: RestService) -> None:
    busy = httpx.Response(503, headers={"Retry-After": "60"}, json={"detail": "数据库忙"})
    api.fail("/api/orders", busy)
    result = await call(api, "get_orders", {})
    assert text_of(result) == "调用订单服务失败 (503): 数据库忙"
    assert len(api.asked) == 1


async def test_a_service_that_hangs_is_given_up(api: RestService) -> None:
    async def hang(_: httpx.Request) -> httpx.Response:
        await anyio.sleep_forever()
        raise AssertionError

    api.limits = RestLimits(write_seconds=0.1)
    api.transport = httpx.MockTransport(hang)
    result = await call(
        api, "create_purchase", {"input_data": TWO_BUDS["input_data"] | {"idempotencyKey": "k-1"}}
    )
    assert text_of(result).startswith("请求创建采购订单时出错: http://127.0.0.1:8000/api 没有及时回答")
    assert "idempotencyKey：k-1" in text_of(result)
    reason = {"code": "shop_late", "params": {"url": "http://127.0.0.1:8000/api"}}
    params = {"idempotencyKey": "k-1", "reason": reason}
    assert error_of(result) == {"code": "outcome_unknown", "params": params}


def test_no_call_lasts_longer_than_fifteen_seconds() -> None:
    limits = RestLimits()
    assert limits.read_seconds < 15
    assert limits.look_seconds + limits.write_seconds < 15


async def test_the_api_token_is_sent_to_the_service(api: RestService) -> None:
    await call(api, "get_products", {}, api_token="s3cret")
    assert api.asked[0].headers["authorization"] == "Bearer s3cret"


async def test_the_person_is_asked_with_names_and_total_from_the_shop(api: RestService, era: str) -> None:
    person = Person("accept")
    async with connect(api, era, person) as client:
        result = await client.call_tool("create_purchase", TWO_BUDS)
    assert person.asked == ["确认购买 2 × 无线蓝牙耳机Pro，合计 ¥1798.00？"]
    assert not result.is_error
    assert len(api.purchases()) == 1


async def test_several_lines_of_one_product_are_asked_about_together(api: RestService) -> None:
    person = Person("accept")
    lines = [
        {"productId": 2, "quantity": 1},
        {"productId": 1, "quantity": 1},
        {"productId": 2, "quantity": 2},
    ]
    async with connect(api, person=person) as client:
        await client.call_tool("create_purchase", {"input_data": {"customerName": "A", "items": lines}})
    assert person.asked == ["确认购买 3 × 无线蓝牙耳机Pro、1 × 智能手表Galaxy，合计 ¥3996.00？"]


@pytest.mark.parametrize(("action", "word"), [("decline", "拒绝"), ("cancel", "取消")])
async def test_what_the_person_does_not_want_is_not_bought(
    api: RestService, era: str, action: str, word: str
) -> None:
    async with connect(api, era, Person(action)) as client:
        result = await client.call_tool("create_purchase", TWO_BUDS)
    assert error_of(result)["code"] == {"decline": "declined", "cancel": "cancelled"}[action]
    assert f"用户{word}" in text_of(result)
    assert not api.purchases()


async def test_with_never_nobody_is_asked_and_with_always_who_cannot_be_asked_is_refused(
    api: RestService, era: str
) -> None:
    person = Person("decline")
    async with connect(api, era, person, mcp_confirm="never") as client:
        assert not (await client.call_tool("create_purchase", TWO_BUDS)).is_error
    async with connect(api, era, mcp_confirm="always") as client:
        refused = await client.call_tool("create_purchase", TWO_BUDS)
    assert not person.asked
    assert error_of(refused)["code"] == "cannot_ask"
    assert "不能向用户提问" in text_of(refused)
    assert len(api.purchases()) == 1


async def test_a_purchase_reports_its_steps(api: RestService, era: str) -> None:
    steps: list[tuple[float, float | None, str | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        steps.append((progress, total, message))

    async with connect(api, era) as client:
        await client.call_tool("create_purchase", TWO_BUDS, progress_callback=note)
    assert steps == [(2, 3, "提交订单"), (3, 3, "订单已创建")]


async def test_a_tool_that_is_not_offered_is_a_failure_that_names_those_that_are(
    api: RestService, era: str
) -> None:
    async with connect(api, era) as client:
        result = await client.call_tool("delete_everything", {})
    assert error_of(result)["code"] == "unknown_tool"
    assert "get_products" in text_of(result)


async def test_arguments_are_as_strict_where_the_sdk_reads_them_in_another_place(
    api: RestService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(UnparsedMetadata, "pre_parse_json")  # as in a version that no longer calls it
    for arguments in ({"limit": "two"}, {"limit": True}, {"maxprice": 1}):
        assert error_of(await call(api, "get_products", arguments))["code"] == "invalid_arguments"


def test_without_a_collector_the_sdk_makes_no_spans() -> None:
    assert not [each for each in create_server(Settings()).middleware if "Telemetry" in type(each).__name__]


async def test_a_crash_does_not_show_its_inside(api: RestService) -> None:
    api.fail("/api/products", RuntimeError("password=1234"))
    result = await call(api, "get_products", {})
    assert result.is_error
    assert "1234" not in text_of(result)
