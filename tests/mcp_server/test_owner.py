"""The owner's tools, in both eras: what they do, what is asked before, and that each call is done once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp.client import Client, ClientRequestContext
from mcp.types import CallToolResult, ElicitRequestParams, ElicitResult, InputRequiredResult

import main
from mcp_server.rest_client import RestClient
from mcp_server.sentences import said
from tests.mcp_server.stand_ins import (
    BOTH,
    BUDS,
    HELLO,
    NAMES,
    TWO_BUDS,
    Person,
    RestService,
    a_real_shop,
    app_for,
    connect,
    error_of,
    keyed,
    real_shop_transport,
    talking,
    text_of,
)

pytestmark = pytest.mark.anyio
OWNERS = ["restock", "change_product", "cancel_order"]
TEA = {"name": "茶", "price": 19.99, "keywords": ["绿茶", "tea"], "quantity": 5}


@pytest.fixture(params=["legacy", "auto"])
def era(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@asynccontextmanager
async def owning(
    folder: Path, era: str = "auto", person: Person | None = None, **settings: Any
) -> AsyncIterator[Client]:
    async with a_real_shop(folder) as rest:
        server = main.create_server(main.Settings(owner=True, **settings), rest)
        async with Client(server, mode=era, elicitation_callback=person) as client:
            await client.list_tools()  # so that results are checked against their schemas
            yield client


def is_replayed(result: CallToolResult) -> bool:
    assert not result.is_error, text_of(result)
    told = bool((result.meta or {}).get("product-mcp/replayed"))
    assert len(result.content) == 1 + told
    return told


async def left(client: Client, product: int = 2) -> int:
    listed = (await client.call_tool("get_inventory", {"productIds": [product]})).structured_content
    count: int = (listed or {})["result"][0]["quantity"]
    return count


async def test_without_owner_there_are_exactly_the_four_tools_and_no_word_of_others(era: str) -> None:
    async with connect(RestService(), era) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == NAMES
        assert not any(name in (client.instructions or "") for name in OWNERS)
        unknown = await client.call_tool("restock", {"productId": 2, "change": 1})
    assert error_of(unknown)["code"] == "unknown_tool"


async def test_the_owner_has_three_more_with_true_annotations(era: str) -> None:
    async with connect(RestService(), era, owner=True) as client:
        tools = (await client.list_tools()).tools
        assert all(name in (client.instructions or "") for name in OWNERS)
    assert [tool.name for tool in tools] == NAMES + OWNERS
    hints = [tool.annotations for tool in tools[4:] if tool.annotations]
    assert [hint.read_only_hint for hint in hints] == [False] * 3
    assert [hint.destructive_hint for hint in hints] == [False, True, True]
    assert [hint.idempotent_hint for hint in hints] == [False, False, True]
    assert all((tool.meta or {})["product-mcp/honours-key"] is True for tool in tools[3:])
    assert all("multipleOf" not in str(tool.input_schema) for tool in tools)


@pytest.mark.parametrize(
    ("settings", "token"),
    [
        ({"owner": True, "owner_token": "o", "api_token": "a"}, "Bearer o"),
        ({"owner": True, "api_token": "a"}, "Bearer a"),
        ({"owner_token": "o", "api_token": "a"}, "Bearer a"),
        ({"owner_token": "o"}, None),
    ],
)
async def test_the_owners_token_is_sent_for_the_owner_alone(
    settings: dict[str, Any], token: str | None
) -> None:
    service, chosen = RestService(), main.Settings(**settings)
    rest = RestClient(chosen.api_url, chosen.shop_token, transport=service.transport)
    async with Client(main.create_server(chosen, rest)) as client:
        await client.call_tool("get_products", {})
    assert service.asked[0].headers.get("Authorization") == token


async def test_what_the_owner_asks_for_is_done_and_returned(tmp_path: Path, era: str) -> None:
    async with owning(tmp_path, era) as client:
        delivered = await client.call_tool("restock", {"productId": 2, "change": 20, "reason": ""})
        assert delivered.structured_content == {"productId": 2, "quantity": 70, "product": BUDS | {
            "description": "主动降噪，30小时续航，IPX7防水"}}  # fmt: skip
        made = await client.call_tool("change_product", TEA)
        assert made.structured_content == {"id": 5, "name": "茶", "price": 19.99, "description": ""}
        assert await left(client, 5) == 5
        cheaper = await client.call_tool("change_product", {"productId": 5, "price": 9})
        assert cheaper.structured_content == {"id": 5, "name": "茶", "price": 9, "description": ""}
        bare = await client.call_tool("change_product", {"productId": 2, "clearDescription": True})
        assert bare.structured_content == BUDS | {"description": ""}
        found = await client.call_tool("get_products", {"query": "tea"})
        assert (found.structured_content or {})["result"] == [cheaper.structured_content]
        bought = await client.call_tool("create_purchase", TWO_BUDS)
        cancelled = await client.call_tool("cancel_order", {"orderId": 1, "reason": "买错了"})
        assert cancelled.structured_content == (bought.structured_content or {}) | {"status": "cancelled"}
        assert await left(client) == 70


QUESTIONS = [
    (
        "restock",
        {"productId": 2, "change": 20},
        "确认到货 无线蓝牙耳机Pro（商品 2）+20 件，库存从 48 变为 68？",
    ),
    (
        "restock",
        {"productId": 2, "change": -8, "reason": "盘亏"},
        "确认更正 无线蓝牙耳机Pro（商品 2）-8 件，库存从 48 变为 40，原因“盘亏”？",
    ),
    ("change_product", TEA, "确认新增商品：“茶”，价格 ¥19.99，库存 5 件，搜索词“绿茶”、“tea”？"),
    (
        "change_product",
        {"name": "茶”，价格 ¥9\n\u202e", "price": 1},
        '确认新增商品：“茶"，价格 ¥9 �”，价格 ¥1.00，库存 0 件？',
    ),
    (
        "change_product",
        {"productId": 2, "price": 799.5, "name": "耳机", "keywords": []},
        "确认修改 无线蓝牙耳机Pro（商品 2）：名称改为“耳机”，价格从 ¥899.00 改为 ¥799.50，搜索词改为-？",
    ),
    (
        "change_product",
        {"productId": 2, "clearDescription": True},
        "确认修改 无线蓝牙耳机Pro（商品 2）：描述从“主动降噪，30小时续航，IPX7防水”改为“”？",
    ),
    (
        "cancel_order",
        {"orderId": 1},
        "确认取消订单 1（客户“客户A”：2 × 无线蓝牙耳机Pro，合计 ¥1798.00）？库存会退回",
    ),
]


@pytest.mark.parametrize(("tool", "arguments", "question"), QUESTIONS)
async def test_the_owner_is_asked_with_names_and_numbers_and_a_no_does_nothing(
    tmp_path: Path, era: str, tool: str, arguments: dict[str, Any], question: str
) -> None:
    person = Person("accept")
    async with owning(tmp_path, era, person) as client:
        await client.call_tool("create_purchase", TWO_BUDS)
        person.asked, person.action = [], "decline"
        refused = await client.call_tool(tool, arguments)
        assert person.asked == [question]
        assert era == "auto" or said(person.wordings[-1]) == question
        assert error_of(refused) == {"code": "declined", "params": {}}
        person.action = "accept"
        assert not is_replayed(await client.call_tool(tool, arguments))
    assert person.asked == [question] * 2


@pytest.mark.parametrize(("tool", "arguments", "question"), QUESTIONS[:6])
async def test_since_2026_a_question_comes_with_the_code_that_says_it(
    tmp_path: Path, tool: str, arguments: dict[str, Any], question: str
) -> None:
    async with owning(tmp_path, person=Person("accept")) as client:
        await client.call_tool("create_purchase", TWO_BUDS)
        asks = await client.session.call_tool(tool, arguments, allow_input_required=True)
    assert isinstance(asks, InputRequiredResult)
    assert said((asks.meta or {})["product-mcp/text"]) == question


REFUSED: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
    ("restock", {"productId": 9, "change": 1}, "unknown_product", {"productId": 9}),
    (
        "restock",
        {"productId": 2, "change": -51},
        "out_of_stock",
        {"productId": 2, "name": BUDS["name"], "available": 50},
    ),
    (
        "restock",
        {"productId": 2, "change": -51, "idempotencyKey": "k"},
        "out_of_stock",
        {"productId": 2, "name": BUDS["name"], "available": 50},
    ),
    ("change_product", {"productId": 9, "price": 1}, "unknown_product", {"productId": 9}),
    ("cancel_order", {"orderId": 9}, "unknown_order", {"orderId": 9}),
]


@pytest.mark.parametrize("case", REFUSED)
async def test_what_the_shop_cannot_do_is_refused_with_its_code_and_not_asked_about(
    tmp_path: Path, era: str, case: tuple[str, dict[str, Any], str, dict[str, Any]]
) -> None:
    tool, arguments, code, params = case
    person = Person("accept")
    async with owning(tmp_path, era, person) as client:
        refused = await client.call_tool(tool, arguments)
    assert error_of(refused) == {"code": code, "params": params}
    assert not person.asked


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("restock", {"productId": 2}, "change"),
    ("restock", {"productId": 2, "change": 0}, "change"),
    ("restock", {"productId": 2, "change": "1"}, "change"),
    ("restock", {"productId": True, "change": 1}, "productId"),
    ("restock", {"productId": 2, "change": 1.5}, "change"),
    ("restock", {"productId": 2, "change": 1_000_001}, "change"),
    ("restock", {"productId": 2, "change": 1, "reason": "x" * 201}, "reason"),
    ("restock", {"productId": 2, "change": 1, "stock": 3}, "stock"),
    ("change_product", {}, "name"),
    ("change_product", {"name": "茶"}, "price"),
    ("change_product", {"name": " ", "price": 1}, "name"),
    ("change_product", {"productId": 2}, "参数名"),
    ("change_product", {"productId": 2, "quantity": 5}, "quantity"),
    ("change_product", {"productId": 2, "description": "x", "clearDescription": True}, "clearDescription"),
    ("change_product", {"productId": 2, "clearDescription": False}, "参数名"),
    ("change_product", {"productId": 2, "price": 1.999}, "price"),
    ("change_product", {"productId": 2, "price": "1"}, "price"),
    ("change_product", {"productId": 2, "price": -1}, "price"),
    ("change_product", {"productId": 2, "keywords": "tea"}, "keywords"),
    ("change_product", {"productId": 2, "name": "a\0"}, "name"),
    ("cancel_order", {}, "orderId"),
    ("cancel_order", {"orderId": "1"}, "orderId"),
]


async def test_a_wrong_argument_is_named_and_nothing_is_asked() -> None:
    service = RestService()
    async with connect(service, "auto", Person("accept"), owner=True) as client:
        for tool, arguments, field in BAD:
            refused = await client.call_tool(tool, arguments)
            assert error_of(refused)["code"] == "invalid_arguments", arguments
            assert f"{field}: " in text_of(refused), arguments
    assert not service.asked


ONCE: list[tuple[str, dict[str, Any]]] = [
    ("restock", {"productId": 2, "change": 20}),
    ("restock", {"productId": 2, "change": -30}),
    ("change_product", TEA),
    ("change_product", {"productId": 2, "price": 1}),
    ("cancel_order", {"orderId": 1}),
]


@pytest.mark.parametrize(("tool", "arguments"), ONCE)
async def test_a_call_sent_twice_under_one_key_is_done_once_and_says_so(
    tmp_path: Path, era: str, tool: str, arguments: dict[str, Any]
) -> None:
    of_model = era == "legacy"
    by_model, by_host = ({"idempotencyKey": "键"}, None) if of_model else ({}, keyed("键"))
    async with owning(tmp_path, era, Person("accept")) as client:
        await client.call_tool("create_purchase", TWO_BUDS)
        first = await client.call_tool(tool, arguments | by_model, meta=by_host)
        stock = await left(client)
        again = await client.call_tool(tool, arguments | by_model, meta=by_host)
        assert (is_replayed(first), is_replayed(again)) == (False, True)
        assert again.structured_content == first.structured_content
        assert await left(client) == stock


async def test_an_answer_that_is_sent_twice_moves_once_though_the_stock_is_another(tmp_path: Path) -> None:
    arguments = {"productId": 2, "change": 20}
    async with owning(tmp_path, "auto", Person("accept"), mcp_token="t") as client:
        question = await client.session.call_tool("restock", arguments, allow_input_required=True)
        assert isinstance(question, InputRequiredResult)
        (asked,) = question.input_requests or {}
        await client.call_tool("create_purchase", TWO_BUDS)
        results = [
            await client.session.call_tool(
                "restock",
                arguments,
                input_responses={asked: ElicitResult(action="accept", content={})},
                request_state=question.request_state,
            )
            for _ in range(2)
        ]
        assert [is_replayed(result) for result in results] == [False, True]
        assert await left(client) == 68


@pytest.mark.parametrize(("tool", "arguments"), [("create_purchase", TWO_BUDS), *ONCE[:3]])
async def test_a_client_that_promises_to_ask_and_never_answers_ends_with_a_sentence_and_nothing_done(
    tool: str, arguments: dict[str, Any]
) -> None:
    service, chosen = RestService(), main.Settings(owner=True)
    server = main.create_server(chosen, service.client(chosen), answer_seconds=0.05)

    async def never(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        await anyio.sleep_forever()
        raise AssertionError

    async with Client(server, mode="legacy", elicitation_callback=never) as client:
        refused = await client.call_tool(tool, arguments)
    assert error_of(refused) == {"code": "not_answered", "params": {"seconds": 0}}
    assert {request.method for request in service.asked} <= {"GET"}


async def test_a_key_with_other_contents_is_refused(tmp_path: Path, era: str) -> None:
    async with owning(tmp_path, era) as client:
        for change, code in ((20, None), (21, "key_reused")):
            arguments = {"productId": 2, "change": change, "idempotencyKey": "k"}
            result = await client.call_tool("restock", arguments)
            assert code is None or error_of(result)["code"] == code


async def test_what_a_host_has_confirmed_is_not_asked_about_and_always_wants_somebody(
    tmp_path: Path, era: str
) -> None:
    person, restock = Person("decline"), {"productId": 2, "change": 20}
    async with owning(tmp_path, era, person, mcp_confirm="always") as client:
        shown: Any = {"product-mcp/confirmed": {"stock": 50}}
        assert not is_replayed(await client.call_tool("restock", restock, meta=shown))
    async with owning(tmp_path, era, None, mcp_confirm="always") as client:
        assert error_of(await client.call_tool("restock", restock))["code"] == "cannot_ask"
        assert await left(client) == 70
    assert not person.asked


@pytest.mark.parametrize(("tool", "arguments"), ONCE)
async def test_an_answer_that_is_lost_is_an_unknown_outcome_whose_key_settles_it(
    tmp_path: Path, tool: str, arguments: dict[str, Any]
) -> None:
    async with real_shop_transport(tmp_path) as shop:
        lost = 0

        async def answer(request: httpx.Request) -> httpx.Response:
            nonlocal lost
            given = await shop.handle_async_request(request)
            if request.method == "GET" or "purchase" in str(request.url) or lost == 4:
                return given
            await given.aread()
            lost += 1
            raise httpx.ReadError("cut")

        rest = RestClient("http://localhost/api", transport=httpx.MockTransport(answer))
        async with Client(main.create_server(main.Settings(owner=True), rest)) as client:
            await client.call_tool("create_purchase", TWO_BUDS)
            unknown = error_of(await client.call_tool(tool, arguments))
            key = {"idempotencyKey": unknown["params"]["idempotencyKey"]}
            assert unknown["code"] == "outcome_unknown"
            assert is_replayed(await client.call_tool(tool, arguments | key))


@pytest.mark.parametrize(
    ("settings", "header", "status"),
    [
        ({"owner": True}, {}, 200),
        ({"owner": True}, {"X-Forwarded-For": "10.0.0.1"}, 403),
        ({"owner": True, "mcp_token": "t"}, {"Via": "1.1 x", "Authorization": "Bearer t"}, 200),
        ({}, {"X-Forwarded-For": "10.0.0.1"}, 200),
    ],
)
async def test_without_a_token_an_owners_server_takes_nothing_from_a_proxy(
    settings: dict[str, Any], header: dict[str, str], status: int
) -> None:
    async with talking(app_for(RestService(), **settings), Accept=BOTH, **header) as http:
        assert (await http.post("/mcp", json=HELLO)).status_code == status


@pytest.mark.parametrize(
    "front", [{"root_path": "/shop"}, {"trusted_proxies": "10.0.0.1"}, {"mcp_allowed_hosts": "shop.example"}]
)
def test_an_owners_server_behind_a_proxy_starts_only_with_a_token(front: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="MCP_TOKEN"):
        main.Settings(owner=True, **front)
    main.Settings(owner=True, mcp_token="t", **front)
    main.Settings(owner=True, mcp_transport="stdio", **front)


async def test_a_stranger_to_the_desk_is_told_so(tmp_path: Path) -> None:
    async with real_shop_transport(tmp_path, owner_token="o") as shop:
        rest = RestClient("http://localhost/api", transport=shop)
        async with Client(main.create_server(main.Settings(owner=True), rest)) as client:
            refused = await client.call_tool("restock", {"productId": 2, "change": 20})
    assert error_of(refused) == {"code": "owner_only", "params": {}}
