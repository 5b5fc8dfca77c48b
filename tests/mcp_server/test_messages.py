"""What is posted and is no single JSON-RPC message is refused in one sentence, with nothing done."""

import json
from typing import Any

import httpx
import pytest

from mcp_server import messages
from tests.mcp_server.stand_ins import (
    BOTH,
    ENVELOPE,
    MODERN,
    TWO_BUDS,
    RestService,
    app_for,
    modern_call,
    open_session,
    talking,
)

pytestmark = pytest.mark.anyio

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
BUY = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "create_purchase", "arguments": TWO_BUDS},
}
TEXT = json.dumps(BUY)


def with_id(id_: Any) -> str:
    return json.dumps(BUY | {"id": id_})


NONE = {
    "a batch of 2025-03-26": (json.dumps([BUY]), "message_batch"),
    "an empty batch": ("[]", "message_batch"),
    "a text": ('"x"', "message_kind"),
    "null": ("null", "message_kind"),
    "an empty object": ("{}", "message_kind"),
    "no version": (json.dumps({"id": 1, "method": "ping"}), "message_kind"),
    "another version": (json.dumps(BUY | {"jsonrpc": "1.0"}), "message_kind"),
    "a version that is a number": (json.dumps(BUY | {"jsonrpc": 2.0}), "message_kind"),
    "no method": (json.dumps({"jsonrpc": "2.0", "id": 1}), "message_kind"),
    "a method that is no text": (json.dumps(PING | {"method": 5}), "message_kind"),
    "id null": (with_id(None), "message_id"),
    "id 1.5": (with_id(1.5), "message_id"),
    "id true": (with_id(True), "message_id"),
    "id a list": (with_id([1]), "message_id"),
    "id infinite": (TEXT.replace('"id": 1', '"id": 1e400'), "message_id"),
    "a name twice": (TEXT.replace('"id": 1', '"id": 1, "id": 2'), "message_twice"),
    "a quantity twice": (
        TEXT.replace('"quantity": 2', '"quantity": 2, "quantity": 3'),
        "message_twice",
    ),
}


async def post(http: httpx.AsyncClient, body: str, headers: dict[str, str]) -> httpx.Response:
    return await http.post("/mcp", content=body, headers=headers | {"Content-Type": "application/json"})


@pytest.mark.parametrize("what", NONE)
async def test_what_is_no_message_is_refused_in_one_sentence(what: str) -> None:
    body, code = NONE[what]
    api = RestService()
    async with talking(app_for(api, mcp_confirm="never"), Accept=BOTH) as http:
        for headers in (await open_session(http), MODERN | {"Mcp-Method": "tools/call"}, {}):
            answer = await post(http, body, headers)
            said = answer.json()
            assert (answer.status_code, said["id"], said["error"]["code"]) == (400, None, -32600)
            assert said["error"]["data"]["product-mcp/error"]["code"] == code
            assert len(said["error"]["message"]) < 120
    assert not api.asked


async def test_over_sse_too() -> None:
    async with talking(app_for(RestService())) as http:
        answer = await http.post("/messages/", json=[PING], params={"session_id": "0" * 32})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32600)


LISTS = ["tools/list", "prompts/list", "resources/list", "resources/templates/list"]


@pytest.mark.parametrize("method", LISTS)
async def test_a_page_that_a_list_does_not_have_is_refused(method: str) -> None:
    async with talking(app_for(RestService()), Accept=BOTH) as http:
        for cursor, is_known in (("x", False), ("0", False), (" ", False), ("", True), (None, True)):
            asked = PING | {"method": method, "params": {"cursor": cursor, "_meta": ENVELOPE}}
            answer = (await post(http, json.dumps(asked), MODERN | {"Mcp-Method": method})).json()
            old = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"cursor": cursor}})
            said = (await post(http, old, await open_session(http))).text
            assert ("-32602" in said, answer.get("error", {}).get("code", 0)) == (
                not is_known,
                -32602 * (not is_known),
            )


@pytest.mark.parametrize("body", ["hello", "", "[" * 50_000, TEXT.replace('"id": 1', f'"id": {"1" * 5000}')])
async def test_what_is_no_json_is_told_by_the_sdk(body: str) -> None:
    async with talking(app_for(RestService()), Accept=BOTH) as http:
        for headers in (await open_session(http), MODERN):
            said = (await post(http, body, headers)).json()["error"]
            assert (said["code"], said["message"][:11]) == (-32700, "Parse error")


async def test_of_many_objects_none_is_counted_through_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "Counter", None)  # of 256 KiB it would hold up all others for 0.4 s
    odd = PING | {"method": "tools/list", "params": {"_meta": ENVELOPE}, "more": [{"a": "\ud800"}] * 9}
    async with talking(app_for(RestService()), Accept=BOTH) as http:
        answer = await post(http, json.dumps(odd), MODERN | {"Mcp-Method": "tools/list"})
        assert answer.json()["result"]["tools"]


@pytest.mark.parametrize("id_", [0, -1, 2**60, "", "x"])
async def test_an_id_is_a_text_or_a_whole_number(id_: Any) -> None:
    async with talking(app_for(RestService()), Accept=BOTH) as http:
        answer = await post(http, json.dumps(PING | {"id": id_}), await open_session(http))
        assert answer.status_code == 200


@pytest.mark.parametrize(
    "message",
    [
        {"jsonrpc": "2.0", "method": "notifications/x"},
        {"jsonrpc": "2.0", "id": 7, "result": {}},
        {"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "x"}},
    ],
)
async def test_notifications_and_answers_of_a_client_are_messages(message: dict[str, Any]) -> None:
    async with talking(app_for(RestService()), Accept=BOTH) as http:
        answer = await post(http, json.dumps(message), await open_session(http))
        assert (answer.status_code, answer.content) == (202, b"")


async def test_an_object_that_is_written_as_text_has_no_name_twice_either() -> None:
    order = json.dumps(TWO_BUDS["input_data"]).replace('"quantity": 2', '"quantity": 2, "quantity": 3')
    api = RestService()
    async with talking(app_for(api, mcp_confirm="never"), Accept=BOTH) as http:
        routed = MODERN | {"Mcp-Method": "tools/call", "Mcp-Name": "create_purchase"}
        call = json.dumps(modern_call("create_purchase", {"input_data": order}))
        assert (await post(http, call, routed)).json()["result"]["isError"]
    assert not api.asked
