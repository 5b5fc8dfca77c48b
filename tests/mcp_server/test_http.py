"""The MCP server over real HTTP: transports, who is let in, and clients that go away."""

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp.client import Client
from mcp.client.sse import sse_client

import main
from serving import VERSION, logs
from tests.mcp_server.stand_ins import (
    BOTH,
    ENVELOPE,
    HELLO,
    MODERN,
    NAMES,
    TWO_BUDS,
    Person,
    RestService,
    SlowRestService,
    a_real_shop,
    app_for,
    keyed,
    modern_call,
    open_session,
    serving,
    talking,
    text_of,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def api() -> RestService:
    return RestService()


@asynccontextmanager
async def over(transport: str, url: str) -> AsyncIterator[Client]:
    """Connect the SDK's client over one of the transports and eras."""
    client = {
        "2026-07-28": lambda: Client(f"{url}/mcp"),
        "handshake": lambda: Client(f"{url}/mcp", mode="legacy"),
        "sse": lambda: Client(sse_client(f"{url}/sse")),
        "sse handshake": lambda: Client(sse_client(f"{url}/sse"), mode="legacy"),
    }[transport]()
    async with client as opened:
        yield opened


@pytest.mark.parametrize("transport", ["2026-07-28", "handshake", "sse", "sse handshake"])
async def test_both_transports_serve_both_eras_from_one_port(api: RestService, transport: str) -> None:
    async with serving(app_for(api)) as url, over(transport, url) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == NAMES
        bought = await client.call_tool("create_purchase", TWO_BUDS, meta=keyed("k"))
    assert not bought.is_error
    assert api.purchases()[0].headers["idempotency-key"] == "k"


@pytest.mark.parametrize(
    ("settings", "there", "gone"),
    [
        ({"mcp_transport": "sse"}, "/sse", "/mcp"),
        ({"mcp_transport": "streamable-http", "mcp_path": "/shop"}, "/shop", "/sse"),
    ],
)
async def test_a_narrowed_server_serves_only_that_transport(
    api: RestService, settings: dict[str, Any], there: str, gone: str
) -> None:
    async with talking(app_for(api, **settings)) as http:
        assert (await http.get(gone)).status_code == 404
        async with http.stream("GET", there, headers={"Accept": "text/event-stream"}) as answer:
            assert answer.status_code in {200, 400}
        assert (await http.get("/healthz")).status_code == 200


async def test_with_json_response_an_answer_is_no_stream(api: RestService) -> None:
    async with talking(app_for(api, mcp_json_response=True), Accept=BOTH) as http:
        answer = await http.post("/mcp", json=HELLO)
        assert answer.headers["content-type"] == "application/json"
        assert answer.json()["result"]["protocolVersion"] == "2025-11-25"


async def test_stateless_handshake_clients_get_no_session(api: RestService) -> None:
    async with talking(app_for(api, mcp_stateless=True), Accept=BOTH) as http:
        assert "mcp-session-id" not in (await http.post("/mcp", json=HELLO)).headers


async def test_a_session_from_before_a_restart_gets_404_and_a_sessionless_client_goes_on(
    api: RestService,
) -> None:
    async with talking(app_for(api), Accept=BOTH) as http:
        session = (await http.post("/mcp", json=HELLO)).headers["mcp-session-id"]
    ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
    async with talking(app_for(api), Accept=BOTH) as http:
        gone = await http.post("/mcp", json=ping, headers={"Mcp-Session-Id": session})
        call = modern_call("get_products", {})
        routed = MODERN | {"Mcp-Method": "tools/call", "Mcp-Name": "get_products"}
        goes_on = await http.post("/mcp", json=call, headers=routed)
    assert (gone.status_code, gone.json()["error"]["message"]) == (404, "Session not found")
    assert "另一个副本" in gone.json()["error"]["data"]
    assert goes_on.status_code == 200
    assert not goes_on.json()["result"].get("isError")


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
@pytest.mark.parametrize(
    ("path", "headers"),
    [("/mcp", {"Mcp-Session-Id": "a" * 32}), (f"/messages/?session_id={'a' * 32}", {})],
)
async def test_whatever_is_asked_of_a_session_that_lives_elsewhere_is_told_so_at_once(
    api: RestService, method: str, path: str, headers: dict[str, str]
) -> None:
    ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"} if method == "POST" else None
    async with talking(app_for(api), Accept=BOTH) as http:
        answer = await http.request(method, path, json=ping, headers=headers)
    if answer.status_code != 405:
        assert (answer.status_code, "按会话固定副本" in answer.text) == (404, True)


async def test_a_stateless_server_has_no_sse_unless_it_is_asked_for(api: RestService) -> None:
    async with talking(app_for(api, mcp_stateless=True), Accept=BOTH) as http:
        assert (await http.get("/sse")).status_code == 404
        assert (await http.post("/mcp", json=HELLO)).is_success
    assert "/sse" not in main.addresses(main.Settings(mcp_stateless=True))
    assert "/sse" in main.addresses(main.Settings())
    assert "/sse" in main.addresses(main.Settings(mcp_stateless=True, mcp_transport="sse"))


async def test_blanks_around_a_header_are_no_part_of_it(api: RestService) -> None:
    routed = MODERN | {"Mcp-Method": " tools/call ", "Mcp-Name": "\tget_products "}
    app = main.create_app(main.Settings(), api.client(main.Settings()))
    in_process = httpx.ASGITransport(app)  # httpx refuses to send such headers over a real connection
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=in_process, base_url="http://localhost") as http,
    ):
        answer = await http.post("/mcp", json=modern_call("get_products", {}), headers=routed)
    assert answer.status_code == 200


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8083", "LOCALHOST:1", "[::1]:8083"])
async def test_loopback_is_let_in_by_any_of_its_names(api: RestService, host: str) -> None:
    async with talking(app_for(api), Host=host, Accept=BOTH) as http:
        assert (await http.post("/mcp", json=HELLO)).status_code == 200


@pytest.mark.parametrize("path", ["/mcp", "/sse", "/messages/"])
async def test_another_host_is_refused_and_told_what_to_set(
    api: RestService, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with talking(app_for(api), Host="shop.example.com:8443") as http:
        answer = await http.get(path)
        again = await http.get(path)
        assert (await http.get("/healthz")).status_code == 200
    assert answer.status_code == again.status_code == 421
    assert "MCP_ALLOWED_HOSTS=shop.example.com" in answer.text
    assert caplog.text.count("MCP_ALLOWED_HOSTS=shop.example.com") == 1


async def test_a_host_that_was_named_is_let_in_and_its_pages_too(api: RestService) -> None:
    app = app_for(api, mcp_allowed_hosts="mcp, https://shop.example.com")
    async with talking(app, Accept=BOTH) as http:
        for headers in (
            {"Host": "mcp:8083"},
            {"Host": "shop.example.com"},
            {"Origin": "https://shop.example.com"},
            {"Host": "mcp:8083", "Origin": "http://mcp:8083"},
        ):
            assert (await http.post("/mcp", json=HELLO, headers=headers)).status_code == 200
        for origin in ("http://shop.example.com", "http://mcp:3000"):
            foreign = await http.post("/mcp", json=HELLO, headers={"Origin": origin})
            assert foreign.status_code == 403


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example:80"])
async def test_the_page_of_another_site_is_refused(api: RestService, origin: str) -> None:
    async with talking(app_for(api), Accept=BOTH, Origin=origin) as http:
        answer = await http.post("/mcp", json=HELLO)
    assert answer.status_code == 403
    assert f"MCP_ALLOWED_ORIGINS={origin}" in answer.text


async def test_inspectors_page_may_call_with_the_protocols_headers(api: RestService) -> None:
    page = {"Origin": "http://localhost:6274"}
    asks = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,mcp-protocol-version,mcp-param-x",
    }
    async with talking(
        app_for(api, mcp_token="t0ken", mcp_allowed_origins="http://localhost:6274"), Accept=BOTH
    ) as http:
        preflight = await http.options("/mcp", headers=page | asks)
        refused = await http.post("/mcp", json=HELLO, headers=page)
        answer = await http.post("/mcp", json=HELLO, headers=page | {"Authorization": "Bearer t0ken"})
    assert preflight.status_code == 200
    assert "mcp-param-x" in preflight.headers["access-control-allow-headers"]
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == page["Origin"]
    assert "Mcp-Session-Id" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", "Basic t0ken", "Bearer t0ken2"])
@pytest.mark.parametrize("path", ["/mcp", "/sse", "/messages/", "/nowhere"])
async def test_without_the_token_nothing_but_healthz_is_open(api: RestService, path: str, given: str) -> None:
    async with talking(app_for(api, mcp_token="t0ken")) as http:
        answer = await http.get(path, headers={"Authorization": given})
        assert (await http.get("/healthz")).status_code == 200
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_with_the_token_a_client_is_served(api: RestService) -> None:
    async with talking(app_for(api, mcp_token="t0~ken!"), Accept=BOTH) as http:
        token = {"Authorization": "Bearer t0~ken!"}
        assert (await http.post("/mcp", json=HELLO, headers=token)).status_code == 200


async def test_the_log_at_info_holds_no_token_key_session_or_customer(
    api: RestService, caplog: pytest.LogCaptureFixture
) -> None:
    logs.configure("info")
    app = app_for(api, mcp_token="t0ken-of-mcp", api_token="t0ken-of-api")
    authorized = {"Authorization": "Bearer t0ken-of-mcp"}
    with caplog.at_level(logging.INFO):
        async with talking(app, Accept=BOTH, **authorized) as http:
            session = (await http.post("/mcp", json=HELLO)).headers["mcp-session-id"]
            headers = {"Mcp-Session-Id": session}
            api.fail("/api/purchase", httpx.Response(400, json={"detail": "商品 X 库存不足. 可用: 1"}))
            for name, arguments in (("get_orders", {"customerName": "客户A"}), ("create_purchase", TWO_BUDS)):
                params = {"name": name, "arguments": arguments, "_meta": {"idempotency-key": "key-1"}}
                call = {"jsonrpc": "2.0", "id": name, "method": "tools/call", "params": params}
                await http.post("/mcp", json=call, headers=headers)
    assert len(api.asked) == 2
    for secret in ("t0ken-of-mcp", "t0ken-of-api", "key-1", "客户A", "%E5%AE%A2", session):
        assert secret not in caplog.text


async def test_a_result_says_who_answers_without_the_icons(api: RestService) -> None:
    headers = MODERN | {"Mcp-Method": "tools/call", "Mcp-Name": "get_products"}
    async with talking(app_for(api), Accept=BOTH) as http:
        for call in (modern_call("get_products", {}), modern_call("get_products", {"limit": 0})):
            result = (await http.post("/mcp", json=call, headers=headers)).json()["result"]
            me = result["_meta"]["io.modelcontextprotocol/serverInfo"]
            assert me == {"name": "Product MCP Server", "version": VERSION}
        session = await open_session(http)
        call = {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "get_products"}}
        assert "serverInfo" not in (await http.post("/mcp", json=call, headers=session)).text


@pytest.mark.parametrize("era", ["2026-07-28", "handshake"])
async def test_a_client_that_goes_away_in_the_middle_does_not_stop_its_purchase(era: str) -> None:
    shop = SlowRestService()
    call = modern_call("create_purchase", TWO_BUDS)
    headers = MODERN | {"Mcp-Method": "tools/call", "Mcp-Name": "create_purchase"}
    async with talking(app_for(shop), Accept=BOTH) as http:
        if era == "handshake":
            headers = {"Mcp-Session-Id": (await http.post("/mcp", json=HELLO)).headers["mcp-session-id"]}
            call["params"].pop("_meta")
        with anyio.fail_after(60):
            async with anyio.create_task_group() as group:
                group.start_soon(lambda: http.post("/mcp", json=call | {"id": 2}, headers=headers))
                await shop.started.wait()
                group.cancel_scope.cancel()  # closes the connection
            assert (await http.get("/healthz")).status_code == 200  # the server has seen it close
            shop.go_on.set()
            await shop.done.wait()


@pytest.mark.parametrize("setting", ["mcp_json_response", "mcp_stateless"])
@pytest.mark.parametrize(("mode", "confirm", "asked_and_bought"), [
    ("legacy", "auto", (0, 1)),
    ("legacy", "always", (0, 0)),
    ("auto", "always", (1, 1)),
])  # fmt: skip
async def test_where_there_is_no_way_back_only_2026_clients_are_asked(
    api: RestService, setting: str, mode: str, confirm: str, asked_and_bought: tuple[int, int]
) -> None:
    person = Person("accept")
    app = app_for(api, mcp_confirm=confirm, **{setting: True})
    async with serving(app) as url, Client(f"{url}/mcp", mode=mode, elicitation_callback=person) as client:
        result = await client.call_tool("create_purchase", TWO_BUDS)
    assert (len(person.asked), len(api.purchases())) == asked_and_bought
    assert bool(result.is_error) is not bool(api.purchases())


async def test_a_repeated_purchase_finds_the_first_one(tmp_path: Path) -> None:
    async with a_real_shop(tmp_path) as rest, Client(main.create_server(main.Settings(), rest)) as client:
        first = await client.call_tool("create_purchase", TWO_BUDS, meta=keyed("k"))
        again = await client.call_tool("create_purchase", TWO_BUDS, meta=keyed("k"))
        stock = await client.call_tool("get_inventory", {"productIds": [2]})
        sold = await client.call_tool("get_orders", {"groupBy": "product"})
        await client.list_tools()  # so that the client checks what follows against the output schemas
        for name in NAMES[:3]:
            assert not (await client.call_tool(name, {})).is_error
    assert again.content[0] == first.content[0]
    assert "product-mcp/replayed" not in (first.meta or {})
    assert (again.meta or {})["product-mcp/replayed"] is True
    assert json.loads(text_of(stock))[0]["quantity"] == 48
    assert json.loads(text_of(sold))[0]["quantity"] == 2


@pytest.mark.parametrize(
    ("order", "sentence"),
    [
        ({"customerName": "", "items": []}, "创建采购订单失败 (400): 请求无效：缺少客户名称或商品"),
        ({"customerName": "A", "items": [{"productId": 9, "quantity": 1}]}, "(404): 商品ID 9 不存在"),
        (
            {"customerName": "A", "items": [{"productId": 2, "quantity": 51}]},
            "创建采购订单失败 (400): 商品 无线蓝牙耳机Pro 库存不足. 可用: 50",
        ),
    ],
)
async def test_the_services_refusals_come_through(
    tmp_path: Path, order: dict[str, Any], sentence: str
) -> None:
    async with a_real_shop(tmp_path) as rest, Client(main.create_server(main.Settings(), rest)) as client:
        result = await client.call_tool("create_purchase", {"input_data": order})
    assert result.is_error
    assert text_of(result).endswith(sentence)


MALFORMED: dict[str, tuple[str, dict[str, Any], str]] = {  # what is asked, and the field that is named
    "arguments as text": ("tools/call", {"name": "get_products", "arguments": "{}"}, "arguments"),
    "arguments in a list": ("tools/call", {"name": "get_products", "arguments": []}, "arguments"),
    "a tool without a name": ("tools/call", {"arguments": {}}, "name"),
    "a tool's number": ("tools/call", {"name": 7}, "name"),
    "no address": ("resources/read", {}, "uri"),
    "an address that is none": ("resources/read", {"uri": 1}, "uri"),
    "a prompt's number": ("prompts/get", {"name": "recommend", "arguments": {"preference": 3}}, "preference"),
    "nothing to complete": (
        "completion/complete",
        {"ref": {"type": "ref/prompt", "name": "recommend"}},
        "argument",
    ),
}


NAMED_BY_NUMBER = {"a tool's number", "an address that is none"}  # which no header of 2026-07-28 can repeat


@pytest.mark.parametrize(
    ("what", "modern"),
    [
        *((what, False) for what in MALFORMED),
        *((what, True) for what in sorted(MALFORMED.keys() - NAMED_BY_NUMBER)),
    ],
)
async def test_params_that_are_none_are_told_by_their_field(
    api: RestService, what: str, modern: bool
) -> None:
    method, params, field = MALFORMED[what]
    async with talking(app_for(api, mcp_json_response=True), Accept=BOTH) as http:
        named = str(params.get("name", params.get("uri", "")))
        headers = MODERN | {"Mcp-Method": method, "Mcp-Name": named} if modern else await open_session(http)
        asked = params | ({"_meta": ENVELOPE} if modern else {})
        message = {"jsonrpc": "2.0", "id": 2, "method": method, "params": asked}
        error = (await http.post("/mcp", json=message, headers=headers)).json()["error"]
    assert (error["code"], error["message"].startswith("参数错误：")) == (-32602, True)
    problems = error["data"]["product-mcp/error"]["params"]["problems"]
    assert any(field in problem["field"].split(".") for problem in problems)
