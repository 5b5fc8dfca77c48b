import asyncio
import base64
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp.server.mcpserver import MCPServer
from mcp_types import ToolAnnotations
from pydantic import ValidationError

from assistant.chat.interfaces import Model, ModelError
from assistant.demo.model import DemoModel
from assistant.llm.model import OpenAIModel
from assistant.page.markdown import to_html
from assistant.page.state import Overview
from assistant.toolbox import Toolbox
from assistant.toolbox.config import Server
from assistant.toolbox.limits import Limits
from serving.server import StartError
from tests.support.asgi import ScriptedProvider, Silence, chunk, serve
from tests.support.processes import Spawn, free_port
from tests.support.scripted import ScriptedModel, calls, says
from web import MAX_BODY, Settings, create_app

pytestmark = pytest.mark.anyio
ASK = {"messages": [{"role": "user", "content": "hi"}]}


def shop() -> MCPServer:
    server: MCPServer = MCPServer("shop")

    @server.tool(annotations=ToolAnnotations(read_only_hint=True))
    def look() -> str:
        return "[1]"

    @server.tool()
    def buy(n: int) -> str:
        return f"bought {n}"

    @server.prompt()
    def wish(whom: str) -> str:
        return f"wish {whom} well"

    @server.prompt(title="Greet", description="greets")
    def greet(name: str = "you") -> str:
        return f"greet {name}"

    return server


def made(folder: Path, **settings: Any) -> Settings:
    return Settings(_env_file=None, **{"mcp_config_path": folder / "mcp.json", "web_secret": "s", **settings})


@asynccontextmanager
async def client(
    folder: Path, *steps: Any, model: Model | None = None, **settings: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """The whole back end over real HTTP, its model scripted, one real MCP server behind it."""
    async with serve(shop().streamable_http_app()) as url:
        (folder / "mcp.json").write_text(json.dumps({"mcpServers": {"shop": {"url": f"{url}/mcp"}}}))
        app = create_app(made(folder, **settings), model or ScriptedModel(*steps))
        async with serve(app) as base, httpx.AsyncClient(base_url=base, timeout=20) as http:
            auth = ("", settings["web_password"]) if "web_password" in settings else None
            while (await http.get("/api/status", auth=auth)).json()["servers"][0]["status"] != "ready":
                pass
            yield http


async def stream(http: httpx.AsyncClient, body: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The events as a page reads them."""
    response = await http.post("/api/chat/stream", json=body)
    assert response.headers["content-type"].startswith("text/event-stream")
    events = []
    for block in response.text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            events.append((fields["event"], json.loads(fields["data"])))
    return events


async def test_status_names_model_and_servers(tmp_path: Path) -> None:
    async with client(tmp_path) as http:
        status = (await http.get("/api/status")).json()
    assert status["model"] == {"name": "scripted", "demo": False}
    server = status["servers"][0]
    assert (server["name"], server["status"], server["tools"]) == ("shop", "ready", 2)
    assert server["protocolVersion"] == "2026-07-28"


async def test_tools_are_listed_with_the_tutorials_fields(tmp_path: Path) -> None:
    async with client(tmp_path) as http:
        look = (await http.get("/api/tools")).json()["tools"][0]
    assert {"server": "shop", "name": "look", "description": "无描述"}.items() <= look.items()
    assert look["input_schema"]["type"] == "object"
    assert look["readOnly"] is True


async def test_a_tool_is_called_by_hand(tmp_path: Path) -> None:
    async with client(tmp_path) as http:
        answer = await http.post("/api/call-tool", json={"server": "shop", "name": "buy", "args": {"n": 2}})
        assert answer.json() == {"result": "bought 2", "isError": False}
        wrong = await http.post("/api/call-tool", json={"server": "shop", "name": "buy", "args": {"n": "x"}})
        assert wrong.json()["isError"] is True
        missing = await http.post("/api/call-tool", json={"server": "x", "name": "buy"})
        unknown = {"detail": "服务器 x 不存在", "code": "unknown_server", "params": {"server": "x"}}
        assert (missing.status_code, missing.json()) == (404, unknown)


async def test_prompts_are_listed_and_filled_in(tmp_path: Path) -> None:
    async with client(tmp_path) as http:
        listed = (await http.get("/api/tools")).json()["prompts"]
        wish, greet = [prompt.pop("input_schema") for prompt in listed]
        assert (wish["required"], greet["required"]) == (["whom"], [])
        assert greet["properties"] == {"name": {"type": "string", "description": ""}}
        assert listed == [
            {"server": "shop", "name": "wish", "title": "wish", "description": ""},
            {"server": "shop", "name": "greet", "title": "Greet", "description": "greets"},
        ]
        wanted = {"server": "shop", "name": "greet", "args": {"name": "me"}}
        assert (await http.post("/api/get-prompt", json=wanted)).json() == {"text": "greet me"}
        for wrong, status in (({"server": "x"}, 404), ({"name": "x"}, 502)):
            assert (await http.post("/api/get-prompt", json=wanted | wrong)).status_code == status


async def test_a_server_that_cannot_be_reached_is_a_bad_gateway(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/mcp"
    (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": {"dead": {"url": url}}}))
    async with (
        serve(create_app(made(tmp_path), ScriptedModel())) as base,
        httpx.AsyncClient(base_url=base) as http,
    ):
        answer = await http.post("/api/call-tool", json={"server": "dead", "name": "look"}, timeout=20)
    assert answer.status_code == 502
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


async def test_a_model_that_fails_is_no_answer_of_the_chat(tmp_path: Path) -> None:
    async with client(tmp_path, ModelError("no key")) as http:
        answer = await http.post("/api/chat", json={"message": "hi"})
    assert answer.status_code == 502
    failure = {"detail": "LLM/对话处理失败: no key", "code": "no key", "params": {}}
    assert answer.json() == failure | {"toolCalls": []}


async def test_a_stream_brings_text_html_and_the_message_to_remember(tmp_path: Path) -> None:
    async with client(tmp_path, says("**good** day")) as http:
        events = await stream(http, ASK)
    names = [name for name, _ in events]
    assert names[-3:] == ["html", "message", "done"]
    assert "".join(data["delta"] for name, data in events if name == "text") == "**good**day"
    assert events[-3][1] == {"html": "<p><strong>good</strong>day</p>\n"}
    assert events[-1][1] == {"reason": "stop"}


async def test_a_purchase_in_the_stream_waits_for_a_click_and_is_then_made(tmp_path: Path) -> None:
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


async def test_a_very_long_conversation_reaches_the_model_without_its_oldest_results(tmp_path: Path) -> None:
    model = ScriptedModel(calls(("shop_buy", '{"n": 2}')), says("done"))
    long = [message for number in range(60) for message in looked_up(number, "库" * 20_000)]  # 3.6 MB
    async with client(tmp_path, model=model) as http:
        events = await stream(http, {"messages": long + ASK["messages"]})
        history = long + ASK["messages"] + [data["message"] for name, data in events if name == "message"]
        resumed = await stream(http, {"messages": history, "approvals": {events[-2][1]["id"]: True}})
    assert [data["result"] for name, data in resumed if name == "tool_result"] == ["bought 2"]
    for sent in model.requests:
        results = [message["content"] for message in sent if message["role"] == "tool"]
        assert len(results[0]) < 300
        assert len(results[59]) == 20_000
        assert sum(len(message["content"]) for message in sent) < 600_000
        assert sent[1]["content"] == "q0"


async def test_a_conversation_too_long_even_so_reaches_the_model_without_its_oldest_questions(
    tmp_path: Path,
) -> None:
    model = ScriptedModel(says("good"))
    long = [{"role": "user", "content": f"{number}" + "问" * 20_000} for number in range(100)]
    async with client(tmp_path, model=model) as http:
        await stream(http, {"messages": long + looked_up(1, "x" * 19_000)[:3]})
    said = [message["content"] for message in model.requests[0]]
    assert said[1].startswith("76问")
    assert [len(text) for text in said[-3:]] == [2, 0, 19_000]


async def test_a_model_that_fails_is_an_error_event(tmp_path: Path) -> None:
    async with client(tmp_path, ModelError("no key")) as http:
        failure = {"code": "no key", "params": {}, "detail": "no key"}
        assert await stream(http, ASK) == [("error", failure), ("done", {"reason": "error"})]


async def test_stop_reaches_the_model_within_the_same_breath(tmp_path: Path) -> None:
    silence = Silence(chunk(content="so "))
    async with (
        serve(ScriptedProvider(silence).app) as url,
        aclosing(OpenAIModel("m", "key", f"{url}/v1")) as model,
        client(tmp_path, model=model) as http,
    ):
        async with http.stream("POST", "/api/chat/stream", json=ASK) as response:
            async for line in response.aiter_lines():
                if "so " in line:
                    break  # the page's Stop: the connection is closed
        async with asyncio.timeout(5):
            await silence.left.wait()


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
        for path in ("/", "/api/status", "/static/style.css"):
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


async def test_a_connection_can_be_made_anew(tmp_path: Path) -> None:
    async with client(tmp_path) as http:
        assert (await http.post("/api/servers/shop/reconnect")).status_code == 204
        assert (await http.post("/api/servers/x/reconnect")).status_code == 404


async def test_a_config_that_cannot_be_read_is_said_at_the_start(tmp_path: Path) -> None:
    app = create_app(made(tmp_path, mcp_config_path=tmp_path / "nowhere.json"))
    with pytest.raises(StartError, match="nowhere"):
        async with app.router.lifespan_context(app):
            pass


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({}, DemoModel),
        ({"openai_api_key": "sk-x"}, OpenAIModel),
        ({"openai_api_base": "http://localhost:11434/v1"}, OpenAIModel),
    ],
)
async def test_the_demo_model_stands_in_until_a_model_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], kind: type[Model]
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_API_BASE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "mcp.json").write_text('{"mcpServers": {}}')
    app = create_app(made(tmp_path, **settings))
    async with serve(app) as base, httpx.AsyncClient(base_url=base) as http:
        assert (await http.get("/api/status")).json()["model"]["demo"] is (kind is DemoModel)


def test_settings_come_from_the_environment_and_empty_ones_are_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WEB_PORT", "9000")
    monkeypatch.setenv("OPENAI_API_KEY", "")
    settings = Settings(_env_file=None)
    assert (settings.web_port, settings.openai_api_key) == (9000, None)
    monkeypatch.setenv("WEB_PORT", "x")
    with pytest.raises(ValidationError, match="web_port"):
        Settings(_env_file=None)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--host", "0.0.0.0"), "WEB_PASSWORD"),
        (("--port", "x"), "WEB_PORT"),
        (("--mcp-config-path", "nowhere.json"), "nowhere.json"),
    ],
)
def test_a_start_that_cannot_work_says_why_and_ends(
    spawn: Spawn, args: tuple[str, ...], message: str
) -> None:
    service = spawn("web.py", *args)
    assert service.process.wait(30) != 0
    log = service.log.read_text()
    assert message in log
    assert "Traceback" not in log


def test_the_secret_of_approvals_is_kept_between_starts(tmp_path: Path, spawn: Spawn) -> None:
    (tmp_path / "mcp.json").write_text('{"mcpServers": {}}')
    secrets = []
    for _ in range(2):
        port = free_port()
        service = spawn("web.py", "--port", str(port))
        service.wait_until_up(f"http://127.0.0.1:{port}/healthz")
        service.stop()
        secrets.append((tmp_path / ".web-secret").read_bytes())
    assert secrets[0] == secrets[1]
    assert (tmp_path / ".web-secret").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "![x](https://evil.example/pixel.png)",
        '<a href="https://x" onclick="alert(1)">x</a>',
        "<style>*{display:none}</style>",
        "<form action=https://evil.example><input></form>",
    ],
)
def test_hostile_markdown_does_nothing_and_fetches_nothing(hostile: str) -> None:
    html = to_html(hostile)
    for word in ("<script", "<img", 'href="javascript', "<a onclick", "<style", "<form", "<input"):
        assert word not in html


def test_tables_code_and_aligned_columns_are_rendered() -> None:
    html = to_html("| a | b |\n| --- | ---: |\n| x | 1 |\n\n```python\nprint(1 < 2)\n```")
    assert '<th>a</th>\n<th class="num">b</th>' in html
    assert '<td>x</td>\n<td class="num">1</td>' in html
    assert re.match('<div (class="wide"|tabindex="0"| )*><table>', html)
    assert '<code class="language-python">print(1 &lt; 2)' in html


async def watched(http: httpx.AsyncClient) -> AsyncGenerator[dict[str, Any]]:
    """What a page hears that follows the state."""
    async with http.stream("GET", "/api/watch") as response:
        async for line in response.aiter_lines():
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))


async def test_a_page_that_watches_is_told_of_every_change(tmp_path: Path) -> None:
    async with client(tmp_path) as http, aclosing(watched(http)) as states:
        first = await anext(states)
        assert [server["status"] for server in first["servers"]] == ["ready"]
        assert [tool["name"] for tool in first["tools"]] == ["look", "buy"]
        config = json.loads((tmp_path / "mcp.json").read_text())
        config["mcpServers"]["wrong"] = {}
        (tmp_path / "mcp.json").write_text(json.dumps(config))
        changed = await anext(states)
        assert [server["status"] for server in changed["servers"]] == ["ready", "disabled"]


async def test_a_server_of_this_machine_that_comes_up_while_a_page_watches_is_found_at_once() -> None:
    hours = Limits(first_delay_seconds=1000, max_local_delay_seconds=1000)  # by itself it would not be back
    port = free_port()
    here = Server("shop", url=f"http://127.0.0.1:{port}/mcp")
    async with (
        asyncio.timeout(20),
        Toolbox([here], hours) as toolbox,
        aclosing(Overview(ScriptedModel(), toolbox, asyncio.Event()).changes()) as states,
    ):
        while (await anext(states))["servers"][0]["status"] != "down":
            pass
        async with serve(shop().streamable_http_app(), port):
            while (await anext(states))["servers"][0]["status"] != "ready":
                pass


def test_a_page_that_watches_does_not_hold_up_the_end(tmp_path: Path, spawn: Spawn) -> None:
    (tmp_path / "mcp.json").write_text('{"mcpServers": {}}')
    port = free_port()
    service = spawn("web.py", "--port", str(port))
    service.wait_until_up(f"http://127.0.0.1:{port}/healthz")
    with httpx.stream("GET", f"http://127.0.0.1:{port}/api/watch") as response:
        lines = response.iter_lines()
        assert next(lines) == "event: state"
        service.process.terminate()
        assert not [line for line in lines if line.startswith("event")]
    service.stop()
    assert "ERROR" not in service.log.read_text()


async def test_a_file_of_the_page_that_the_browser_has_is_not_sent_again(tmp_path: Path) -> None:
    async with client(tmp_path) as http:
        first = await http.get("/static/app.js")
        assert first.headers["content-type"].startswith("text/javascript")
        again = await http.get("/static/app.js", headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["x.js", "%2e%2e%2fweb.py", "..%5cweb.py", "%00.js", "web.py"])
async def test_nothing_but_the_pages_files_is_served(tmp_path: Path, path: str) -> None:
    async with client(tmp_path) as http:
        assert (await http.get(f"/static/{path}")).status_code == 404
