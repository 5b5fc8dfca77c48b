"""How the MCP server starts and ends: settings, addresses, stdio, the SDK's command, signals."""

import json
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp import StdioServerParameters
from mcp.client import Client

import main
from serving.settings import load
from tests.mcp_server.stand_ins import (
    BOTH,
    ENVELOPE,
    HELLO,
    MODERN,
    NAMES,
    TWO_BUDS,
    RestService,
    ShopOfChanges,
    modern_call,
    talking,
    text_of,
)
from tests.support.asgi import serve
from tests.support.processes import ROOT, Spawn, free_port

pytestmark = pytest.mark.anyio


@pytest.fixture
def api() -> RestService:
    return RestService()


@pytest.mark.parametrize(
    ("settings", "printed"),
    [
        ({}, '{"mcpServers": {"product-mcp": {"url": "http://localhost:8083/mcp"}}}'),
        ({"mcp_transport": "sse", "mcp_port": 9000}, '"url": "http://localhost:9000/sse"'),
        (
            {"mcp_host": "0.0.0.0", "mcp_token": "s3cret"},
            '"headers": {"Authorization": "Bearer <MCP_TOKEN>"}',
        ),
        (
            {"mcp_host": "shop.lan", "mcp_token": "s3cret", "mcp_path": "/x"},
            '"url": "http://shop.lan:8083/x"',
        ),
    ],
)
def test_the_addresses_can_be_pasted_as_they_are(settings: dict[str, Any], printed: str) -> None:
    said = main.addresses(main.Settings(**settings))
    assert printed in said
    assert "s3cret" not in said


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
async def test_it_prints_its_addresses_and_ends_at_once_with_streams_open(
    spawn: Spawn, signal_number: int
) -> None:
    port, shop = free_port(), ShopOfChanges()
    base = f"http://127.0.0.1:{port}"
    async with (
        serve(shop.app) as shop_url,
        httpx.AsyncClient(base_url=base, headers={"Accept": BOTH}, timeout=60) as http,
    ):
        service = spawn.afresh("main.py", "--port", str(port), "--owner", env={"API_URL": f"{shop_url}/api"})
        await anyio.to_thread.run_sync(service.wait_until_up, f"{base}/healthz")
        session = (await http.post("/mcp", json=HELLO)).headers["mcp-session-id"]
        watch = {"jsonrpc": "2.0", "id": 2, "method": "resources/subscribe"}
        named = {"Mcp-Session-Id": session}
        uri = "shop://products"
        assert (await http.post("/mcp", json=watch | {"params": {"uri": uri}}, headers=named)).is_success
        listen = {"jsonrpc": "2.0", "id": 9, "method": "subscriptions/listen"}
        wanted = {"_meta": ENVELOPE, "notifications": {"resourceSubscriptions": [uri]}}
        async with (
            http.stream("GET", "/sse") as sse,
            http.stream(
                "POST",
                "/mcp",
                json=listen | {"params": wanted},
                headers=MODERN | {"Mcp-Method": "subscriptions/listen"},
            ) as changes,
            http.stream("GET", "/mcp", headers=named) as events,
        ):
            assert sse.status_code == events.status_code == changes.status_code == 200
            assert changes.headers["content-type"].startswith("text/event-stream")
            await shop.is_heard_by(1)
            service.process.send_signal(signal_number)
            assert await anyio.to_thread.run_sync(service.process.wait, 20) in {0, -signal_number}
    log = service.log.read_text()
    assert "🌤️ 启动产品 MCP 服务器...\n📍 支持的功能:\n  - 获取产品列表 (get_products)\n" in log
    assert f"http://localhost:{port}/mcp" in log
    assert f"http://localhost:{port}/sse" in log
    assert "  - 取消订单 (cancel_order)\n\n" in log
    assert "请给它们设置同一个 MCP_TOKEN；2025-11-25 及更早的会话" in log
    assert "ERROR" not in log
    assert "Traceback" not in log


async def test_it_ends_at_once_in_the_middle_of_a_purchase_that_hangs(spawn: Spawn) -> None:
    async def hang(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            asked.set()
            await anyio.sleep_forever()

    asked = anyio.Event()
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as silent,
        anyio.create_task_group() as group,
    ):
        group.start_soon(silent.serve, hang)
        env = {"API_URL": f"http://127.0.0.1:{silent.extra(anyio.abc.SocketAttribute.local_port)}/api"}
        port = free_port()
        service = spawn("main.py", "--port", str(port), env=env | {"STOP_TIMEOUT": "1"})
        await anyio.to_thread.run_sync(service.wait_until_up, f"http://127.0.0.1:{port}/healthz")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            routed = MODERN | {"Mcp-Method": "tools/call", "Mcp-Name": "create_purchase"}
            group.start_soon(
                lambda: http.post("/mcp", json=modern_call("create_purchase", TWO_BUDS), headers=routed)
            )
            with anyio.fail_after(60):
                await asked.wait()
            service.process.terminate()
            await anyio.to_thread.run_sync(service.process.wait, 20)
            group.cancel_scope.cancel()
    assert "ERROR" not in service.log.read_text()
    assert "Traceback" not in service.log.read_text()


async def test_a_call_without_the_service_says_so_and_the_log_holds_no_error(spawn: Spawn) -> None:
    port = free_port()
    service = spawn("main.py", "--port", str(port), env={"API_URL": f"http://127.0.0.1:{free_port()}/api"})
    service.wait_until_up(f"http://127.0.0.1:{port}/healthz")
    async with Client(f"http://127.0.0.1:{port}/mcp") as client:
        result = await client.call_tool("get_products", {})
    assert text_of(result).startswith("请求产品服务时出错: 连接不上")
    service.stop()
    assert "ERROR" not in service.log.read_text()


async def test_over_stdio_nothing_but_the_protocol_is_written(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "main.py"), "--transport", "stdio"]
    lines = [HELLO, {"jsonrpc": "2.0", "method": "notifications/initialized"}]
    lines.append({"jsonrpc": "2.0", "id": 2, "method": "tools/list"})
    sent = "".join(json.dumps(line) + "\n" for line in lines).encode()
    process = await anyio.run_process(command, input=sent, cwd=tmp_path, stderr=subprocess.PIPE)
    answers = [json.loads(line) for line in process.stdout.splitlines()]
    assert {answer["id"] for answer in answers} >= {1}
    assert all(answer["jsonrpc"] == "2.0" for answer in answers)


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
async def test_over_stdio_too_it_ends_at_once(tmp_path: Path, signal_number: signal.Signals) -> None:
    command = [sys.executable, str(ROOT / "main.py"), "--transport", "stdio"]
    async with await anyio.open_process(command, cwd=tmp_path) as process:
        assert process.stdin
        assert process.stdout
        await process.stdin.send(json.dumps(HELLO).encode() + b"\n")
        with anyio.fail_after(60):
            await process.stdout.receive()
            process.send_signal(signal_number)
            assert await process.wait() == -signal_number


async def test_a_client_over_stdio_is_served(tmp_path: Path) -> None:
    args = [str(ROOT / "main.py"), "--transport", "stdio"]
    with anyio.fail_after(60):
        async with Client(StdioServerParameters(command=sys.executable, args=args, cwd=tmp_path)) as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == NAMES


async def test_the_sdks_command_finds_and_runs_it(tmp_path: Path) -> None:
    program = str(Path(sys.executable).with_name("mcp"))
    command = StdioServerParameters(command=program, args=["run", str(ROOT / "main.py")], cwd=tmp_path)
    with anyio.fail_after(60):
        async with Client(command) as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == NAMES


async def test_uvicorn_finds_the_application(api: RestService) -> None:
    async with talking(main.app, Accept=BOTH) as http:
        assert (await http.post("/mcp", json=HELLO)).status_code == 200


def test_only_what_a_start_asks_for_is_made() -> None:
    assert not {"mcp", "app"} & vars(main).keys()
    with pytest.raises(AttributeError):
        main.server  # noqa: B018  the look-up is the test


def test_settings_for_stdio_make_no_application_that_listens() -> None:
    with pytest.raises(ValueError, match="stdio"):
        main.create_app(main.Settings(mcp_transport="stdio", mcp_host="0.0.0.0"))


@pytest.mark.parametrize(
    ("args", "env", "said"),
    [
        (["--port", "http"], {}, "MCP_PORT"),
        ([], {"MCP_PORT": "99999"}, "MCP_PORT"),
        (["--transport", "carrier-pigeon"], {}, "MCP_TRANSPORT"),
        (["--unknown"], {}, "--unknown"),
        (["--path", "/sse"], {}, "MCP_PATH"),
        (["--path", "mcp"], {}, "MCP_PATH"),
        ([], {"API_URL": "localhost:8000/api"}, "API_URL"),
        ([], {"API_URL": "http://localhost:port/api"}, "API_URL"),
        ([], {"API_URL": "http://localhost:80000/api"}, "API_URL"),
        ([], {"API_URL": f"http://{'a' * 64}.example/api"}, "API_URL"),
        ([], {"API_URL": "http://shop..example/api"}, "API_URL"),
        ([], {"API_URL": "http://localhost:8000/api?x=1"}, "API_URL"),
        ([], {"API_URL": "http://localhost:8000/api#x"}, "API_URL"),
        ([], {"MCP_AUTH_ISSUER": "https://login.example:80000"}, "MCP_AUTH_ISSUER"),
        ([], {"MCP_AUTH_ISSUER": "https://login..example"}, "MCP_AUTH_ISSUER"),
    ],
)
def test_a_wrong_setting_ends_it_with_a_message(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    args: list[str],
    env: dict[str, str],
    said: str,
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        load(main.Settings, args)
    assert ended.value.code != 0
    assert said in f"{ended.value.code}{capsys.readouterr().err}"


def test_an_address_that_others_reach_needs_the_token(spawn: Spawn) -> None:
    service = spawn("main.py", "--host", "0.0.0.0")
    assert service.process.wait(150) == 1
    assert "MCP_TOKEN" in service.log.read_text()
    assert "Traceback" not in service.log.read_text()


def test_a_flag_beats_the_environment_and_the_environment_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text("MCP_PORT=1\nMCP_HOST=localhost\nAPI_URL=http://from-file/api\nMCP_PATH=\n")
    monkeypatch.setenv("MCP_PORT", "2")
    monkeypatch.setenv("MCP_HOST", "::1")
    monkeypatch.setenv("API_URL", "")
    settings = load(main.Settings, ["--port", "3", "--stateless"])
    assert (settings.mcp_port, settings.mcp_host, settings.api_url) == (3, "::1", "http://from-file/api")
    assert settings.mcp_path == "/mcp"
    assert settings.mcp_stateless


def test_settings_of_a_test_do_not_read_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["main.py", "--port", "3"])
    with suppress(KeyError):
        monkeypatch.delenv("MCP_PORT")
    assert main.Settings().mcp_port == 8083
