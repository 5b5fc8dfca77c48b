"""A purchase that the person was asked about: one answer is one order, however often it is sent."""

import contextvars
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError

import main
from mcp_server.asking import QuestionCodec
from tests.mcp_server.stand_ins import (
    BOTH,
    CALL,
    HELLO,
    MODERN,
    TWO_BUDS,
    Person,
    RestService,
    a_real_shop,
    app_for,
    connect,
    events_of,
    modern_call,
    talking,
)

pytestmark = pytest.mark.anyio

ASKABLE: dict[str, Any] = {"io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}}}
ROUTED = MODERN | {"Mcp-Method": "tools/call", "Mcp-Name": "create_purchase"}


async def buy(http: httpx.AsyncClient, arguments: dict[str, Any], **answered: Any) -> dict[str, Any]:
    """Send one leg of a purchase on the 2026-07-28 wire, and return its result or its error."""
    call = modern_call("create_purchase", arguments, **ASKABLE)
    call["params"] |= answered
    answer = (await http.post("/mcp", json=call, headers=ROUTED)).json()
    result: dict[str, Any] = answer.get("result") or answer["error"]
    return result


async def asked(http: httpx.AsyncClient, arguments: dict[str, Any]) -> dict[str, Any]:
    """Begin a purchase, and return what a host sends along once its user has agreed."""
    question = await buy(http, arguments)
    (key,) = question["inputRequests"]
    agreed = {"action": "accept", "content": {}}
    return {"inputResponses": {key: agreed}, "requestState": question["requestState"]}


@asynccontextmanager
async def talking_to_a_real_shop(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with a_real_shop(folder) as rest, talking(main.create_app(main.Settings(), rest)) as http:
        yield http


async def test_an_answer_that_is_sent_twice_buys_once(tmp_path: Path) -> None:
    async with talking_to_a_real_shop(tmp_path) as http:
        answered = await asked(http, TWO_BUDS)
        first = await buy(http, TWO_BUDS, **answered)
        again = await buy(http, TWO_BUDS, **answered)
    assert first["structuredContent"] == again["structuredContent"]
    assert again["_meta"]["product-mcp/replayed"]


async def test_an_order_that_is_found_and_was_cancelled_since_says_so(tmp_path: Path) -> None:
    buy_once = {"input_data": TWO_BUDS["input_data"] | {"idempotencyKey": "once"}}
    settings = main.Settings(owner=True, mcp_confirm="never")
    async with a_real_shop(tmp_path) as rest, Client(main.create_server(settings, rest)) as client:
        order = (await client.call_tool("create_purchase", buy_once)).structured_content or {}
        await client.call_tool("cancel_order", {"orderId": order["id"]})
        again = await client.call_tool("create_purchase", buy_once)
    assert "已经取消" in str(again.content[1])


async def test_an_answer_that_the_sdk_refuses_is_told_without_its_prefix(tmp_path: Path) -> None:
    async with talking_to_a_real_shop(tmp_path) as http:
        answered = await asked(http, TWO_BUDS)
        (answer,) = answered["inputResponses"].values()
        del answer["content"]
        refused = await buy(http, TWO_BUDS, **answered)
    assert refused["_meta"]["product-mcp/error"]["code"] == "question_failed"
    assert "Error executing tool" not in refused["content"][0]["text"]


async def test_two_questions_about_the_same_are_two_purchases(tmp_path: Path) -> None:
    async with talking_to_a_real_shop(tmp_path) as http:
        one = await buy(http, TWO_BUDS, **await asked(http, TWO_BUDS))
        two = await buy(http, TWO_BUDS, **await asked(http, TWO_BUDS))
    assert {one["structuredContent"]["id"], two["structuredContent"]["id"]} == {1, 2}


async def test_two_questions_under_one_key_of_the_model_are_one_purchase(tmp_path: Path) -> None:
    order = {"input_data": TWO_BUDS["input_data"] | {"idempotencyKey": "model"}}
    async with talking_to_a_real_shop(tmp_path) as http:
        one = await buy(http, order, **await asked(http, order))
        two = await buy(http, order, **await asked(http, order))
    assert one["structuredContent"] == two["structuredContent"]


async def test_a_purchase_that_nobody_was_asked_about_does_not_take_the_key_of_the_one_before() -> None:
    api = RestService()
    async with connect(api, person=Person("accept")) as client:  # both in one context, as HTTP never has them
        await client.call_tool("create_purchase", TWO_BUDS)
        await client.call_tool("create_purchase", {"input_data": {"customerName": " ", "items": []}})
    asked, unasked = (request.headers["idempotency-key"] for request in api.purchases())
    assert asked != unasked


async def test_replicas_with_one_token_know_the_same_answer() -> None:
    api = RestService()
    token = {"Authorization": "Bearer shared"}
    async with (
        talking(app_for(api, mcp_token="shared"), **token) as one,
        talking(app_for(api, mcp_token="shared"), **token) as two,
    ):
        answered = await asked(one, TWO_BUDS)
        await buy(one, TWO_BUDS, **answered)
        await buy(two, TWO_BUDS, **answered)
    first, again = (request.headers["idempotency-key"] for request in api.purchases())
    assert first == again


async def test_where_the_sdk_does_not_say_which_question_was_answered_nothing_is_bought(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened = QuestionCodec.unseal

    def out_of_sight(codec: QuestionCodec, token: str) -> bytes:
        return contextvars.Context().run(opened, codec, token)

    monkeypatch.setattr(QuestionCodec, "unseal", out_of_sight)
    service = RestService()
    async with talking(app_for(service)) as http:
        refused = await buy(http, TWO_BUDS, **await asked(http, TWO_BUDS))
    assert refused["_meta"]["product-mcp/error"]["code"] == "unknown_question"
    assert not service.purchases()


async def test_without_a_token_an_answer_from_before_a_restart_buys_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    api = RestService()
    async with talking(app_for(api)) as http:
        answered = await asked(http, TWO_BUDS)
    async with talking(app_for(api)) as http:
        refused = await buy(http, TWO_BUDS, **answered)
        await buy(http, TWO_BUDS, **answered)
    assert "requestState" in refused["message"]
    assert caplog.text.count("请给它们设置同一个 MCP_TOKEN") == 1
    assert not api.purchases()


async def test_before_2026_too_an_answer_that_is_sent_twice_buys_once() -> None:
    api = RestService()
    hello = {**HELLO, "params": {**HELLO["params"], "capabilities": {"elicitation": {}}}}
    async with talking(app_for(api), Accept=BOTH) as http:
        session = {"Mcp-Session-Id": (await http.post("/mcp", json=hello)).headers["mcp-session-id"]}
        ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        await http.post("/mcp", json=ready, headers=session)
        with anyio.fail_after(60):
            async with http.stream("POST", "/mcp", json=CALL, headers=session) as response:
                async for _, message in events_of(response):
                    if message and message.get("method") == "elicitation/create":
                        agreed = {"action": "accept", "content": {}}
                        answer = {"jsonrpc": "2.0", "id": message["id"], "result": agreed}
                        for _ in range(2):
                            await http.post("/mcp", json=answer, headers=session)
    assert message["id"] == CALL["id"]
    assert len(api.purchases()) == 1


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_an_order_that_is_placed_while_the_service_gives_up_is_answered(era: str) -> None:
    service = RestService()
    server = main.create_server(main.Settings(), service.client(main.Settings()))
    place = service.answers["/api/purchase"]

    def place_at_the_end(request: httpx.Request) -> httpx.Response:
        server.requests.give_up()
        return place(request)

    service.answers["/api/purchase"] = place_at_the_end
    async with Client(server, mode=era, read_timeout_seconds=60) as client:
        bought = await client.call_tool("create_purchase", TWO_BUDS, progress_callback=ignore)
    assert not bought.is_error


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_what_is_read_while_the_service_gives_up_is_no_wrong_parameter(era: str) -> None:
    service = RestService()
    server = main.create_server(main.Settings(), service.client(main.Settings()))

    def busy_at_the_end(_: httpx.Request) -> httpx.Response:
        server.requests.give_up()
        return httpx.Response(503)

    service.answers["/api/products"] = busy_at_the_end
    async with Client(server, mode=era, read_timeout_seconds=60) as client:
        with pytest.raises(MCPError) as ended:
            await client.read_resource("shop://products")
    assert ended.value.error.code == -32603
    assert ended.value.error.data["product-mcp/error"]["code"] == "restarting"


async def ignore(progress: float, total: float | None, message: str | None) -> None:
    """Take a step, so that the server waits for it to be sent."""
