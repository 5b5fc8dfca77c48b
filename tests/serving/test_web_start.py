"""How the back end of the browser starts: its settings, model and secret, and what it says."""

import asyncio
import re
import socket
import sys
from contextlib import aclosing
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from assistant.chat.interfaces import Model
from assistant.demo.model import DemoModel
from assistant.llm.model import OpenAIModel
from assistant.page.state import Overview
from assistant.toolbox import Toolbox
from assistant.toolbox.server import Server
from serving.server import StartError
from tests.support.asgi import ScriptedProvider, serve, text_stream
from tests.support.chat_service import settings
from tests.support.mcp_servers import at, both, calculator
from tests.support.processes import ROOT, Spawn, free_port, state_of
from tests.support.scripted import ScriptedModel, models_of
from web import Settings, create_app

pytestmark = pytest.mark.anyio

PAGE = "http://localhost:8002"


def test_an_open_address_without_a_password_is_refused() -> None:
    with pytest.raises(ValidationError, match="WEB_PASSWORD"):
        Settings(_env_file=None, web_host="0.0.0.0")


def test_uvicorn_finds_the_app_and_an_import_starts_nothing(tmp_path: Path, spawn: Spawn) -> None:
    (tmp_path / "mcp.json").write_text('{"mcpServers": {}}')
    port = free_port()
    code = "import web, pathlib; assert not list(pathlib.Path().glob('*secret*')); web.nothing"
    imported = spawn.program(sys.executable, "-c", code, env={"PYTHONPATH": str(ROOT)})
    assert imported.process.wait(150) == 1
    assert "AttributeError: nothing" in imported.log.read_text()
    command = (sys.executable, "-m", "uvicorn", "web:app", "--port", str(port), "--app-dir", str(ROOT))
    service = spawn.program(*command)
    service.wait_until_up(f"http://127.0.0.1:{port}/healthz")
    assert httpx.get(f"http://127.0.0.1:{port}/api/status", timeout=60).json()["model"]["demo"]
    assert (state_of(tmp_path) / "web-secret").exists()


async def test_the_page_is_named_at_once_and_again_when_the_last_server_is_connected() -> None:
    port = free_port()
    late = Server("late", url=f"http://127.0.0.1:{port}/mcp")
    async with (
        asyncio.timeout(60),
        Toolbox([late]) as toolbox,
        aclosing(Overview(models_of(ScriptedModel()), toolbox).greetings(PAGE, seconds=0.01)) as said,
    ):
        assert f"请打开 {PAGE}（0 个工具，late：" in await anext(said)
        async with serve(both(calculator()), port):
            last = await anext(said)
    assert re.search(f"请打开 {PAGE}（[1-9][0-9]* 个工具）$", last)


async def test_the_page_is_named_once_where_all_servers_connect_at_once() -> None:
    async with asyncio.timeout(60), serve(both(calculator())) as url, Toolbox([at(url)]) as toolbox:
        overview = Overview(models_of(ScriptedModel()), toolbox)
        assert len([each async for each in overview.greetings(PAGE, seconds=60)]) == 1


def test_nobody_is_sent_to_an_address_that_another_program_has(tmp_path: Path, spawn: Spawn) -> None:
    (tmp_path / "mcp.json").write_text('{"mcpServers": {}}')
    with socket.create_server(("127.0.0.1", 0)) as other:
        service = spawn("web.py", "--port", str(other.getsockname()[1]))
        assert service.process.wait(150) == 1
    assert "不能监听" in (log := service.log.read_text())
    assert "请打开" not in log


async def test_a_config_that_cannot_be_read_is_said_at_the_start(tmp_path: Path) -> None:
    app = create_app(settings(tmp_path, mcp_config_path=tmp_path / "nowhere.json"))
    with pytest.raises(StartError, match="nowhere"):
        async with app.router.lifespan_context(app):
            pass


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({}, DemoModel),
        ({"openai_api_key": "sk-x"}, OpenAIModel),
        ({"openai_api_base": "http://localhost:11434/v1"}, OpenAIModel),
    ],
)
async def test_the_demo_model_stands_in_until_a_model_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], kind: type[Model]
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_API_BASE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "mcp.json").write_text('{"mcpServers": {}}')
    app = create_app(settings(tmp_path, **given))
    async with serve(app) as base, httpx.AsyncClient(base_url=base, timeout=60) as http:
        assert (await http.get("/api/status")).json()["model"]["demo"] is (kind is DemoModel)


async def test_the_temperature_of_the_settings_is_sent(tmp_path: Path) -> None:
    provider = ScriptedProvider(text_stream("hello"))
    async with serve(provider.app) as url:
        (tmp_path / "mcp.json").write_text('{"mcpServers": {}}')
        app = create_app(settings(tmp_path, openai_api_base=f"{url}/v1", llm_temperature=0.2))
        async with serve(app) as base, httpx.AsyncClient(base_url=base, timeout=60) as http:
            assert (await http.post("/api/chat", json={"message": "hi"})).json()["response"] == "hello"
    assert provider.requests[0]["temperature"] == 0.2


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


@pytest.mark.parametrize("args", [(), ("--check",)])
def test_a_broken_config_is_shown_where_it_breaks(
    tmp_path: Path, spawn: Spawn, args: tuple[str, ...]
) -> None:
    (tmp_path / "mcp.json").write_text('{"mcpServers": {\n  "手表": {"url": "SECRET"\n}}}}')
    service = spawn("web.py", *args)
    assert service.process.wait(150) == 1
    log = service.log.read_text()
    assert "mcp.json 第 3 行第 4 列：内容到这里已经结束" in log
    assert log.endswith("\n3 | }}}}\n       ^\n")
    assert "SECRET" not in log


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
    assert service.process.wait(150) != 0
    log = service.log.read_text()
    assert message in log
    assert "Traceback" not in log


def test_the_secret_of_approvals_is_kept_between_starts(tmp_path: Path, spawn: Spawn) -> None:
    (tmp_path / "mcp.json").write_text('{"mcpServers": {}}')
    secrets = []
    for _ in range(2):
        port = free_port()
        service = spawn.afresh("web.py", "--port", str(port))
        service.wait_until_up(f"http://127.0.0.1:{port}/healthz")
        service.stop()
        secrets.append((state_of(tmp_path) / "web-secret").read_bytes())
    assert secrets[0] == secrets[1]
    assert (state_of(tmp_path) / "web-secret").stat().st_mode & 0o777 == 0o600
