"""The back end of the chat: its routes, who is let in, its settings and its start."""

import asyncio
import base64
import gc
import json
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp.server.mcpserver import Image, MCPServer

from assistant.chat.interfaces import ModelError
from assistant.llm.model import OpenAIModel
from assistant.toolbox.limits import Limits
from tests.support.asgi import Flood, ScriptedProvider, Silence, chunk, serve
from tests.support.chat_service import client, settings, stream
from tests.support.processes import free_port
from tests.support.scripted import ScriptedModel, calls, says
from web import MAX_BODY, create_app

pytestmark = pytest.mark.anyio
ASK = {"messages": [{"role": "user", "content": "hi"}]}


async def test_tools_are_listed_with_the_tutorials_fields(tmp_path: Path) -> None:
    async with client(tmp_path) as http:
        look = (await http.get("/api/tools")).json()["tools"][0]
    assert {"server": "shop", "name": "look", "description": "无描述"}.items() <= look.items()
    assert look["input_schema"]["type"] == "object"
    assert look["readOnly"] is True


async def test_a_tool_called_by_hand_brings_its_pictures(tmp_path: Path) -> None:
    server: MCPServer = MCPServer("shop")

    @server.tool()
    def draw() -> list[str | Image]:
        return ["a dot", Image(data=b"dot", format="png")]

    async with client(tmp_path, server=server) as http:
        answer = await http.post("/api/call-tool", json={"server": "shop", "name": "draw", "args": {}})
    picture = {"mime_type": "image/png", "data": base64.b64encode(b"dot").decode(), "uri": "", "name": ""}
    assert answer.json()["media"] == [picture]


async def test_a_tool_is_called_by_hand(tmp_path: Path) -> None:
    async with client(tmp_path) as http:
        answer = await http.post("/api/call-tool", json={"server": "shop", "name": "buy", "args": {"n": 2}})
        assert answer.json() == {"result": "bought 2", "isError": False}
        wrong = await http.post("/api/call-tool", json={"server": "shop", "name": "buy", "args": {"n": "x"}})
        assert wrong.json()["isError"] is True
        missing = await http.post("/api/call-tool", json={"server": "x", "name": "buy"})
        unknown = {"detail": "服务器 x 不存在", "code": "unknown_server", "params": {"server": "x"}}
        assert (missing.status_code, missing.json()) == (404, unknown)


async def test_a_call_by_hand_carries_its_key_and_what_was_confirmed(tmp_path: Path) -> None:
    body = {"server": "shop", "name": "pay"}
    async with client(tmp_path) as http:
        for key, status in (("k-1", 200), ("x" * 201, 422), ("a b", 422), ("\xe9", 422), ("", 422)):
            headers = {b"Idempotency-Key": key.encode("latin-1")}
            answer = await http.post("/api/call-tool", json=body, headers=headers)
            assert answer.status_code == status
            assert status != 200 or json.loads(answer.json()["result"]) == [key, None]
        own = [json.loads((await http.post("/api/call-tool", json=body)).json()["result"])[0] for _ in "ab"]
        for agreed in ({}, {"total": 1798.5}):
            answer = await http.post("/api/call-tool", json=body | {"confirmed": agreed})
            assert json.loads(answer.json()["result"])[1] == agreed
    assert own[0] != own[1]


async def test_an_approved_call_carries_its_id_and_the_total_that_was_shown(tmp_path: Path) -> None:
    async with client(tmp_path, calls(("shop_pay", "{}")), says("paid")) as http:
        events = await stream(http, ASK)
        call = next(data for name, data in events if name == "tool_call")
        assert (call["raw"], call["mended"], call["honoursKey"], len(call["id"])) == ("{}", False, True, 40)
        history = ASK["messages"] + [data["message"] for name, data in events if name == "message"]
        agreed = {"approvals": {call["id"]: True}, "confirmed": {call["id"]: {"total": 1798.5}}}
        told = dict(await stream(http, {"messages": history} | agreed))
    assert json.loads(told["tool_result"]["result"]) == [call["id"], {"total": 1798.5}]
    assert told["tool_result"]["replayed"] is False


async def test_what_is_always_allowed_is_the_tool_as_it_is_listed(tmp_path: Path) -> None:
    buys = calls(("shop_buy", '{"n": 2}'))
    async with client(tmp_path, buys, says("done"), *[buys] * 3) as http:
        listed = (await http.get("/api/tools")).json()["tools"]
        buy = next(tool for tool in listed if tool["name"] == "buy")
        allowed = {"server": "shop", "tool": "buy", "fingerprint": buy["fingerprint"]}
        ends = []
        for change in ({}, {"fingerprint": "f"}, {"tool": f"buy@{buy['fingerprint']}"}, {"server": "s"}):
            told = await stream(http, ASK | {"autoApprove": [allowed | change]})
            ends.append(told[-1][1]["reason"])
    assert ends == ["stop", "approval", "approval", "approval"]


async def test_a_server_that_cannot_be_reached_is_a_bad_gateway(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/mcp"
    (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": {"dead": {"url": url}}}))
    async with (
        serve(create_app(settings(tmp_path), ScriptedModel(), Limits(ready_seconds=0.1))) as base,
        httpx.AsyncClient(base_url=base, timeout=60) as http,
    ):
        answer = await http.post("/api/call-tool", json={"server": "dead", "name": "look"}, timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (502, "server_down")
    assert "dead" in answer.json()["detail"]
    assert answer.json()["unknown"] is False  # it was not sent


async def test_the_tutorials_chat_answers_in_one_piece_and_runs_tools_without_asking(tmp_path: Path) -> None:
    steps = (calls(("shop_buy", '{"n": 2}'), ("shop_fly", "{}")), says("two bought"))
    async with client(tmp_path, *steps) as http:
        body = {"message": "buy 2", "history": [{"role": "user", "content": "hello"}]}
        answer = (await http.post("/api/chat", json=body)).json()
    assert answer["response"] == "two bought"
    by_name = {call["name"]: call for call in answer["toolCalls"]}
    assert by_name["buy"]["result"] == "bought 2"
    assert "shop_fly" in by_name["shop_fly"]["error"]
    assert all(call["tool_call_id"] for call in answer["toolCalls"])


async def test_a_question_without_a_history_or_without_words_is_answered(tmp_path: Path) -> None:
    model = ScriptedModel(says("hello"), says("yes?"))
    async with client(tmp_path, model=model) as http:
        for body in ({"message": "hi", "history": None}, {"message": ""}):
            assert (await http.post("/api/chat", json=body)).json()["toolCalls"] == []
    assert [asked[1:] for asked in model.requests] == [
        [{"role": "user", "content": "hi"}],
        [{"role": "user", "content": ""}],
    ]


async def test_a_model_that_fails_is_no_answer_of_the_chat(tmp_path: Path) -> None:
    async with client(tmp_path, ModelError("no key")) as http:
        answer = await http.post("/api/chat", json={"message": "hi"})
    assert answer.status_code == 502
    failure = {"detail": "LLM/对话处理失败: no key", "code": "no key", "params": {}}
    assert answer.json() == failure | {"response": "", "toolCalls": []}


async def test_what_a_model_said_before_it_failed_is_told(tmp_path: Path) -> None:
    steps = ["half ", ModelError("no key")]
    async with client(tmp_path, steps, steps) as http:
        answer = (await http.post("/api/chat", json={"message": "hi"})).json()
        assert (answer["response"], answer["code"]) == ("half ", "no key")
        events = await stream(http, ASK)
    part = {"role": "assistant", "content": "half ", "error": {"code": "no key", "params": {}}}
    assert ("message", {"message": part}) in events


async def test_a_stream_brings_text_html_and_the_message_to_remember(tmp_path: Path) -> None:
    async with client(tmp_path, says("**good** day")) as http:
        events = await stream(http, ASK)
    names = [name for name, _ in events]
    assert names[-3:] == ["html", "message", "done"]
    assert "".join(data["delta"] for name, data in events if name == "text") == "**good**day"
    assert events[-3][1] == {"html": "<p><strong>good</strong>day</p>\n", "keep": 0}
    assert events[-1][1] == {"reason": "stop"}


async def test_no_character_of_an_event_ends_a_line_for_any_client(tmp_path: Path) -> None:
    words = "a\u2028b\u0085c\x0bd，e"
    async with client(tmp_path, says(words)) as http:
        assert ("text", {"delta": words, "restart": False}) in await stream(http, ASK)
        assert (await http.post("/api/chat/stream", json=ASK)).text.isascii()


async def test_a_purchase_in_the_stream_waits_for_a_click_and_is_then_settings(tmp_path: Path) -> None:
    async with client(tmp_path, calls(("shop_buy", '{"n": 2}')), says("done")) as http:
        events = await stream(http, ASK)
        assert [name for name, _ in events][-4:] == ["message", "tool_call", "approval", "done"]
        history = ASK["messages"] + [data["message"] for name, data in events if name == "message"]
        approved = {"messages": history, "approvals": {events[-2][1]["id"]: True}}
        resumed = await stream(http, approved)
    results = [data for name, data in resumed if name == "tool_result"]
    assert [result["result"] for result in results] == ["bought 2"]
    assert resumed[-1] == ("done", {"reason": "stop"})


def looked_up(number: int, result: str) -> list[dict[str, Any]]:
    """A question, a call and its result."""
    call = {"id": f"c{number}", "type": "function", "function": {"name": "shop_look", "arguments": "{}"}}
    asked = {"role": "assistant", "content": "", "tool_calls": [call]}
    told = {"role": "tool", "tool_call_id": f"c{number}", "content": result}
    return [{"role": "user", "content": f"q{number}"}, asked, told, {"role": "assistant", "content": "good"}]


async def test_a_very_long_conversation_reaches_the_model_as_a_summary_and_goes_on(tmp_path: Path) -> None:
    model = ScriptedModel(says("summary"), calls(("shop_buy", '{"n": 2}')), says("done"))
    long = [message for number in range(60) for message in looked_up(number, "库" * 20_000)]  # 3.6 MB
    async with client(tmp_path, model=model) as http:
        events = await stream(http, {"messages": long + ASK["messages"]})
        compacted = dict(events)["compacted"]
        staying = [compacted["message"], *long[4 - 4 * compacted["questions"] :], *ASK["messages"]]
        history = staying + [data["message"] for name, data in events if name == "message"]
        resumed = await stream(http, {"messages": history, "approvals": {events[-2][1]["id"]: True}})
    assert [data["result"] for name, data in resumed if name == "tool_result"] == ["bought 2"]
    assert model.requests[1][1:] == staying
    assert model.requests[2][1:-2] == staying
    assert max(sum(len(message["content"]) for message in sent) for sent in model.requests) < 600_000


async def test_a_conversation_that_is_not_summed_up_reaches_the_model_without_its_oldest_questions(
    tmp_path: Path,
) -> None:
    model = ScriptedModel(ModelError("model_late"), says("good"))
    long = [{"role": "user", "content": f"{number}" + "问" * 20_000} for number in range(100)]
    async with client(tmp_path, model=model) as http:
        await stream(http, {"messages": long + looked_up(1, "x" * 19_000)[:3]})
    said = [message["content"] for message in model.requests[1]]
    assert said[1].startswith("76问")
    assert [len(text) for text in said[-3:]] == [2, 0, 19_000]


async def test_a_model_that_fails_is_an_error_event(tmp_path: Path) -> None:
    async with client(tmp_path, ModelError("no key")) as http:
        failure = {"code": "no key", "params": {}, "detail": "no key"}
        assert await stream(http, ASK) == [("error", failure), ("done", {"reason": "error"})]


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Keep the garbage collector from ending what nobody has ended."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("answer", [Silence, Flood])
async def test_stop_reaches_the_model_within_the_same_breath(tmp_path: Path, answer: type[Silence]) -> None:
    begun = answer(chunk(content="so "))
    async with (
        serve(ScriptedProvider(begun).app) as url,
        aclosing(OpenAIModel("m", "key", f"{url}/v1")) as model,
        client(tmp_path, model=model) as http,
    ):
        async with http.stream("POST", "/api/chat/stream", json=ASK) as response:
            async for line in response.aiter_lines():
                if "so " in line:
                    break  # the page's Stop: the connection is closed
        async with asyncio.timeout(60):
            await begun.left.wait()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", "body"),
        (b"[]", "body"),
        (b'{"messages": 1}', "messages"),
        (b'{"messages": [{"role": "robot"}]}', "role"),
        (b'{"messages": [{"role": "user", "content": "\\ud800"}]}', "body"),
        (b'{"messages": [{"role": "user", "content": "x", "more": NaN}]}', "body"),
        (b'{"messages": [{"role": "user", "content": "x", "more": %s}]}' % (b"[" * 100 + b"]" * 100), "body"),
        (b'{"messages": [{"role": "assistant", "tool_calls": [{"id": "x"}]}]}', "function"),
        (b'{"messages": [], "approvals": {"x": "perhaps"}}', "approvals"),
        (b'{"messages": [%s]}' % b",".join([b'{"role": "user", "content": "x"}'] * 20_001), "messages"),
    ],
)
async def test_a_bad_request_names_what_is_wrong(tmp_path: Path, body: bytes, field: str) -> None:
    async with client(tmp_path) as http:
        headers = {"content-type": "application/json"}
        answer = await http.post("/api/chat/stream", content=body, headers=headers)
    assert answer.status_code == 422
    assert field in json.dumps(answer.json()["detail"][0]["loc"])


async def test_a_body_over_the_limit_is_refused(tmp_path: Path) -> None:
    async with client(tmp_path) as http:
        body = {"messages": [{"role": "user", "content": "x" * MAX_BODY}]}
        assert (await http.post("/api/chat/stream", json=body)).status_code == 413


async def test_only_json_is_accepted(tmp_path: Path) -> None:
    async with client(tmp_path) as http:
        for headers in ({"content-type": "text/plain"}, {}):
            answer = await http.post("/api/call-tool", content=b'{"server": "shop"}', headers=headers)
            assert answer.status_code == 422


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://localhost:9999"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example"}, 421),
        ({"Origin": "https://friend.example"}, 200),
        ({"Host": "localhost"}, 200),
        ({"Host": "["}, 421),
        ({"Origin": "http://["}, 403),
    ],
)
async def test_a_page_from_elsewhere_can_buy_nothing(
    tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    async with client(tmp_path, cors_origins="https://friend.example") as http:
        body = {"server": "shop", "name": "look"}
        assert (await http.post("/api/call-tool", json=body, headers=headers)).status_code == status


async def test_with_a_password_everything_but_the_health_check_wants_it(tmp_path: Path) -> None:
    async with client(tmp_path, web_password="open sesame：芝麻") as http:
        for path in ("/", "/api/status", "/static/base.css"):
            refused = await http.get(path)
            assert (refused.status_code, refused.headers["www-authenticate"][:5]) == (401, "Basic")
        assert (await http.get("/healthz")).status_code == 200
        right = base64.b64encode("any:open sesame：芝麻".encode()).decode()
        for credentials, status in (
            (f"Basic {right}", 200),
            ("Basic !", 401),
            ("Basic \xe9", 401),
            (f"Bearer {right}", 401),
        ):
            answer = await http.get("/api/status", headers={b"Authorization": credentials.encode("latin-1")})
            assert answer.status_code == status


async def test_an_accepted_origin_may_ask_before_it_sends_the_password(tmp_path: Path) -> None:
    async with client(tmp_path, web_password="x", cors_origins="https://friend.example/") as http:
        preflight = {"Origin": "https://friend.example", "Access-Control-Request-Method": "POST"}
        answer = await http.options("/api/call-tool", headers=preflight)
        assert answer.headers["access-control-allow-origin"] == "https://friend.example"
        assert (await http.post("/api/call-tool", json={"server": "shop", "name": "look"})).status_code == 401


async def test_what_was_done_before_a_model_failed_is_told(tmp_path: Path) -> None:
    async with client(tmp_path, calls(("shop_buy", '{"n": 2}')), ModelError("overloaded")) as http:
        answer = await http.post("/api/chat", json={"message": "buy 2"})
    assert answer.status_code == 502
    assert answer.json()["toolCalls"][0]["result"] == "bought 2"


async def test_the_page_may_load_nothing_from_elsewhere(tmp_path: Path) -> None:
    async with client(tmp_path) as http:
        page = await http.get("/")
    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    ("hosts", "sources"),
    [
        ("", "'self' data:"),
        ("B.example:8443, a.example,", "'self' data: https://a.example https://b.example:8443"),
    ],
)
async def test_pictures_may_come_from_the_hosts_of_the_setting_and_from_no_other(
    tmp_path: Path, hosts: str, sources: str
) -> None:
    async with client(tmp_path, web_image_hosts=hosts) as http:
        policy = (await http.get("/")).headers["content-security-policy"]
    named = dict(part.split(" ", 1) for part in policy.split("; "))
    assert named["img-src"] == sources
    assert "https://" not in policy.replace(f"img-src {sources}", "")


@pytest.mark.parametrize("path", ["/", "/api/status", "/static/app.js"])
async def test_every_answer_has_the_headers_of_the_page(tmp_path: Path, path: str) -> None:
    async with client(tmp_path) as http:
        headers = (await http.get(path)).headers
    assert headers["cache-control"] == "no-cache"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")


async def test_with_a_password_the_service_answers_to_any_host(tmp_path: Path) -> None:
    async with client(tmp_path, web_host="0.0.0.0", web_password="x") as http:
        for host, status in (("shop.example", 200), ("192.168.1.5:8002", 200)):
            headers = {"Host": host, "Origin": f"http://{host}"}
            assert (await http.get("/api/status", headers=headers, auth=("", "x"))).status_code == status
        assert (await http.get("/api/status", headers={"Host": "shop.example"})).status_code == 401


async def test_a_file_of_the_page_that_the_browser_has_is_not_sent_again(tmp_path: Path) -> None:
    async with client(tmp_path) as http:
        first = await http.get("/static/app.js")
        assert first.headers["content-type"].startswith("text/javascript")
        again = await http.get("/static/app.js", headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["", "x.js", "%2e%2e%2fweb.py", "..%5cweb.py", "%00.js", "web.py"])
async def test_nothing_but_the_pages_files_is_served(tmp_path: Path, path: str) -> None:
    async with client(tmp_path) as http:
        assert (await http.get(f"/static/{path}")).status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"autoApprove": ["shop/buy@f1"]},
        {"autoApprove": [{"server": "shop", "tool": "buy"}]},
        {"askFirst": ["shop/look"]},
        {"confirmed": {"x": {"total": "5"}}},
        {"confirmed": {"x": 5}},
    ],
)
async def test_what_the_user_allowed_is_sent_as_objects(tmp_path: Path, wrong: dict[str, Any]) -> None:
    async with client(tmp_path) as http:
        answer = await http.post("/api/chat/stream", json=ASK | wrong)
    assert answer.status_code == 422
    assert next(iter(wrong)) in answer.json()["detail"][0]["loc"]
