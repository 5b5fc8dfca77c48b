"""What careless or hostile clients, and odd settings, cannot do to the MCP server."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import MCPError
from mcp.client import Client

import main
from mcp_server import arguments as strict
from mcp_server.rest_client import RestLimits
from mcp_server.server import MAX_MESSAGE_BYTES
from serving.settings import load
from tests.mcp_server import stand_ins
from tests.mcp_server.stand_ins import (
    BOTH,
    HELLO,
    MODERN,
    TWO_BUDS,
    RestService,
    app_for,
    call,
    connect,
    modern_call,
    open_session,
    talking,
    text_of,
)

pytestmark = pytest.mark.anyio

LONE = "\ud800"  # half of a surrogate pair, which JSON can name and UTF-8 cannot carry
ORDER = TWO_BUDS["input_data"]


@pytest.fixture
def api() -> RestService:
    return RestService()


@asynccontextmanager
async def a_real_shop(folder: Path, **settings: Any) -> AsyncIterator[Client]:
    async with (
        stand_ins.a_real_shop(folder, **settings) as rest,
        Client(main.create_server(main.Settings(), rest)) as client,
    ):
        yield client


async def said(http: httpx.AsyncClient, name: str, arguments: dict[str, Any]) -> str:
    """Call a tool with JSON as no well-behaved client writes it, and return how it is refused."""
    routed = MODERN | {"Mcp-Method": "tools/call", "Mcp-Name": name, "Content-Type": "application/json"}
    body = json.dumps(modern_call(name, arguments))  # httpx by itself refuses lone surrogates
    result = (await http.post("/mcp", content=body, headers=routed)).json()["result"]
    assert result["isError"]
    return str(result["content"][0]["text"])


@pytest.mark.parametrize(
    ("name", "arguments", "field"),
    [
        ("get_products", {"query": LONE}, "query"),
        ("get_orders", {"customerName": LONE}, "customerName"),
        ("get_orders", {"since": LONE}, "since"),
        ("create_purchase", {"input_data": ORDER | {"customerName": LONE}}, "input_data.customerName"),
        ("create_purchase", {"input_data": ORDER | {"idempotencyKey": LONE}}, "input_data.idempotencyKey"),
        ("get_products", {LONE: 1}, "参数名"),
    ],
)
async def test_a_lone_surrogate_is_refused_by_the_name_of_its_field(
    api: RestService, caplog: pytest.LogCaptureFixture, name: str, arguments: dict[str, Any], field: str
) -> None:
    async with talking(app_for(api)) as http:
        assert (await said(http, name, arguments)).startswith(f"参数错误：{field}: ")
    assert not api.asked
    assert not caplog.text


async def test_a_prompt_refuses_a_name_that_no_customer_has(api: RestService) -> None:
    async with connect(api) as client:
        for name in ("长" * 101, "\x00", LONE):
            with pytest.raises(MCPError, match="customerName 应为不超过 100 个字符"):
                await client.get_prompt("analyse_orders", {"customerName": name})
        await client.get_prompt("analyse_orders", {"customerName": "长" * 100})
    assert len(api.asked) == 1


async def test_only_the_first_of_many_problems_are_told_and_names_are_cut(api: RestService) -> None:
    arguments = {f"k{number}" + "长" * 200: 1 for number in range(1000)}
    told = text_of(await call(api, "get_products", arguments))
    assert told.count("Extra inputs") == strict.MAX_PROBLEMS
    assert told.endswith(f"还有 {1000 - strict.MAX_PROBLEMS} 处")
    assert len(told) < strict.MAX_PROBLEMS * 200


MANY = {str(number): 1 for number in range(strict.MAX_VALUES + 1)}


@pytest.mark.parametrize(
    "arguments",
    [MANY, {"input_data": MANY}, {"input_data": {"items": [MANY]}}, {"input_data": {"items": [{}] * 3000}}],
)
async def test_more_values_than_any_call_needs_are_not_looked_at_one_by_one(
    api: RestService, arguments: dict[str, Any]
) -> None:
    assert (
        text_of(await call(api, "create_purchase", arguments)) == f"参数错误：多于 {strict.MAX_VALUES} 个值"
    )
    written = await call(api, "create_purchase", {"input_data": json.dumps(arguments)})
    assert text_of(written).startswith("参数错误：input_data: ")


async def test_the_largest_order_is_not_too_many_values(api: RestService) -> None:
    lines = [{"productId": 1, "quantity": 1}] * 100
    arguments = {"input_data": {"customerName": "A", "items": lines, "idempotencyKey": "k"}}
    assert not (await call(api, "create_purchase", arguments)).is_error
    assert not (await call(api, "get_inventory", {"productIds": list(range(1, 501))})).is_error


async def test_a_prompt_does_not_repeat_all_that_it_was_sent(api: RestService) -> None:
    async with connect(api) as client:
        with pytest.raises(MCPError) as refused:
            await client.get_prompt("recommend", {f"k{number}" + "长" * 200: "" for number in range(1000)})
        with pytest.raises(MCPError) as unknown:
            await client.get_prompt("长" * 10_000)
    assert len(str(refused.value)) < strict.MAX_PROBLEMS * 200
    assert len(str(unknown.value)) < 300


@pytest.mark.parametrize("path", ["/mcp", "/messages/"])
async def test_a_message_far_larger_than_any_order_is_refused_unread(api: RestService, path: str) -> None:
    routed = MODERN | {"Mcp-Method": "tools/call", "Mcp-Name": "get_products"}
    body = modern_call("get_products", {"query": "长" * MAX_MESSAGE_BYTES})
    async with talking(app_for(api), Accept=BOTH) as http:
        answer = await http.post(path, json=body, headers=routed, params={"session_id": "0" * 32})
    assert answer.status_code == 413


async def test_a_price_above_all_prices_is_no_limit_and_finds_nothing(tmp_path: Path) -> None:
    dearest = {"id": 1, "name": "D", "price": 10_000_000, "description": "", "quantity": 1}
    (tmp_path / "catalog.json").write_text(json.dumps([dearest, dearest | {"id": 2, "price": 5}]))
    async with a_real_shop(tmp_path, catalog=tmp_path / "catalog.json") as client:

        async def found(**prices: float) -> list[int]:
            products = json.loads(text_of(await client.call_tool("get_products", prices)))
            return [product["id"] for product in products]

        assert await found(maxPrice=99_999_999) == await found(maxPrice=10_000_000) == [1, 2]
        assert await found(minPrice=10_000_000) == [1]
        assert await found(minPrice=20_000_000) == []


@pytest.mark.parametrize("argument", ["since", "until"])
async def test_the_services_complaint_names_a_field_once_and_no_type_of_pydantic(
    tmp_path: Path, argument: str
) -> None:
    async with a_real_shop(tmp_path) as client:
        told = text_of(await client.call_tool("get_orders", {argument: "gestern"}))
    assert told.startswith(f"调用订单服务失败 (422): {argument}: ")
    assert told.count(f"{argument}") == 1
    assert "None" not in told


FAILURES = [
    httpx.ConnectError("refused"), httpx.ReadError("cut"), httpx.Response(200, text="<html>")
]  # fmt: skip


@pytest.mark.parametrize("failure", FAILURES)
async def test_the_user_and_password_of_the_service_are_never_shown(
    api: RestService, caplog: pytest.LogCaptureFixture, failure: Exception | httpx.Response
) -> None:
    api.limits = RestLimits(max_attempts=1)
    api.fail("/api/products", failure)
    told = await call(api, "get_products", {}, api_url="http://somebody:geheim@shop.lan/api")
    assert "http://shop.lan/api" in text_of(told)
    for secret in ("somebody", "geheim"):
        assert secret not in text_of(told) + caplog.text


@pytest.mark.parametrize("last", ["9" * 5000, "9" * 18, "1.0", "１"])
async def test_an_event_id_that_cannot_be_ours_is_answered_with_an_empty_stream(
    api: RestService, last: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with talking(app_for(api), Accept=BOTH) as http:
        resume = httpx.Headers({**await open_session(http), "Last-Event-ID": last}, encoding="utf-8")
        answer = await http.get("/mcp", headers=resume)
    assert answer.status_code == 200
    assert "data:" not in answer.text
    assert not caplog.text


async def test_who_asks_without_a_session_ends_none(api: RestService) -> None:
    message = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
    others: list[object] = [message, [], {}, {"id": 1}]
    async with talking(app_for(api, max_sessions=1), Accept=BOTH) as http:
        session = await open_session(http)
        refused = [await http.request(method, "/mcp") for method in ("GET", "DELETE", "PUT")]
        refused += [await http.post("/mcp", json=each) for each in others]
        assert {answer.status_code for answer in refused} == {400, 405}
        gone = refused[0].headers["Mcp-Session-Id"]
        assert (await http.post("/mcp", json=message, headers=session)).status_code == 200
        assert (
            await http.post("/mcp", json=message, headers=session | {"Mcp-Session-Id": gone})
        ).status_code == 404


async def test_of_too_many_sessions_the_one_idle_for_longest_ends(api: RestService) -> None:
    async with talking(app_for(api, max_sessions=2), Accept=BOTH) as http:

        async def ping(session: dict[str, str]) -> int:
            message = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
            return (await http.post("/mcp", json=message, headers=session)).status_code

        listening = await open_session(http)
        async with http.stream("GET", "/mcp", headers=listening) as stream:
            assert stream.status_code == 200
            idle = await open_session(http)
            used = await open_session(http)
            assert (await ping(idle), await ping(used)) == (404, 200)
        assert await ping(listening) == 200
        await open_session(http)  # idle for longest is now `used`
        assert (await ping(used), await ping(listening)) == (404, 200)


async def test_a_newcomer_is_served_where_all_sessions_are_in_use(api: RestService) -> None:
    async with talking(app_for(api, max_sessions=1), Accept=BOTH) as http:
        listening = await open_session(http)
        async with http.stream("GET", "/mcp", headers=listening) as stream:
            assert stream.status_code == 200
            newcomer = await open_session(http)
            ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
            for session in (newcomer, listening):
                assert (await http.post("/mcp", json=ping, headers=session)).status_code == 200


async def test_sessions_that_their_clients_have_ended_leave_their_place(api: RestService) -> None:
    async with talking(app_for(api, max_sessions=2), Accept=BOTH) as http:
        kept = await open_session(http)
        for _ in range(3):
            assert (await http.delete("/mcp", headers=await open_session(http))).status_code == 200
        ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
        assert (await http.post("/mcp", json=ping, headers=kept)).status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "::1", "[::1]"])
def test_any_address_of_this_machine_alone_needs_no_token(host: str) -> None:
    settings = main.Settings(mcp_host=host)
    assert settings.mcp_host == host.strip("[]")  # an address that one can listen on
    shown = host if host == "127.0.0.2" else "localhost"
    assert f'"http://{shown}:8083/mcp"' in main.addresses(settings)


async def test_the_address_that_it_listens_on_is_its_name(api: RestService) -> None:
    async with talking(app_for(api, mcp_host="127.0.0.2"), Host="127.0.0.2:8083", Accept=BOTH) as http:
        assert (await http.post("/mcp", json=HELLO)).status_code == 200


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"API_TOKEN": "口令"}, "设置有误 API_TOKEN：令牌要放进请求头，只能用可见的 ASCII 字符"),
        ({"API_TOKEN": "two words"}, "设置有误 API_TOKEN：令牌要放进请求头"),
        ({"API_TOKEN": "t0ken", "API_URL": "http://user:geheim@shop/api"}, "只能用一个"),
        ({"MCP_HOST": "10.0.0.1"}, "必须同时设置 MCP_TOKEN"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_at_start_without_repeating_it(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], sentence: str
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        load(main.Settings, [])
    assert sentence in str(ended.value.code)
    for secret in ("口令", "two words", "t0ken", "geheim"):
        assert secret not in str(ended.value.code)
