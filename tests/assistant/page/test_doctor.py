import io
from pathlib import Path

import pytest
from mcp.server.mcpserver import MCPServer
from starlette.responses import JSONResponse

from assistant.chat.interfaces import Model, ModelError
from assistant.chat.turn import MAX_TOOLS
from assistant.demo.model import DemoModel
from assistant.page.doctor import Finding, examine, report
from assistant.toolbox import Toolbox
from assistant.toolbox.config import ConfigError, Server
from tests.support.asgi import serve
from tests.support.processes import Spawn, free_port
from tests.support.scripted import ScriptedModel, calls, says

pytestmark = pytest.mark.anyio


async def look(server: Server, model: Model | None = None) -> list[Finding]:
    async with Toolbox([server]) as box:
        return await examine(box, model or DemoModel())


async def test_what_works_is_said_to_work() -> None:
    async with serve(MCPServer("s").streamable_http_app()) as url:
        findings = await look(Server("s", url=f"{url}/mcp"), ScriptedModel(calls(("check", "{}"))))
    out = io.StringIO()
    assert report(findings, out) == 0
    assert out.getvalue().count("✅") == 2


@pytest.mark.parametrize(
    ("status", "advice"), [(421, "MCP_ALLOWED_HOSTS=127.0.0.1"), (401, "Authorization"), (500, "日志")]
)
async def test_a_refusal_comes_with_what_to_do(status: int, advice: str) -> None:
    async with serve(JSONResponse({}, status)) as url:
        findings = await look(Server("s", url=f"{url}/mcp"))
    out = io.StringIO()
    assert report(findings, out) == 1
    assert advice in out.getvalue()


async def test_a_server_that_is_not_running_comes_with_the_command_that_starts_it() -> None:
    findings = await look(Server("s", url=f"http://127.0.0.1:{free_port()}/mcp"))
    assert "uv run python main.py" in findings[1].advice


async def test_a_missing_command_and_a_wrong_entry_are_named() -> None:
    assert "nonesuch" in (await look(Server("s", "stdio", command="nonesuch")))[1].advice
    assert "url" in (await look(Server("s", error=ConfigError("address_missing"))))[1].says


async def test_a_server_that_was_switched_off_is_no_fault() -> None:
    assert (await look(Server("s", error=ConfigError("switched_off"))))[1].ok


async def test_a_model_that_does_not_answer_is_a_finding() -> None:
    findings = await look(
        Server("s", error=ConfigError("address_missing")), ScriptedModel(ModelError("余额不足"))
    )
    assert (findings[0].ok, findings[0].says) == (False, "余额不足")


async def test_a_model_that_does_not_call_tools_is_a_finding() -> None:
    model = ScriptedModel(says("好"))
    findings = await look(Server("s", error=ConfigError("address_missing")), model)
    assert model.tools[0]
    assert not findings[0].ok
    assert "工具" in findings[0].says


async def test_more_tools_than_a_model_is_offered_are_a_finding() -> None:
    many = MCPServer("s")
    for number in range(MAX_TOOLS + 1):
        many.add_tool(lambda: None, name=f"t{number}")
    async with serve(many.streamable_http_app()) as url:
        findings = await look(Server("s", url=f"{url}/mcp"))
    assert "129" in findings[-1].says
    assert not findings[-1].ok


def test_the_command_ends_with_status_1_where_anything_is_down(tmp_path: Path, spawn: Spawn) -> None:
    (tmp_path / "mcp.json").write_text('{"mcpServers": {"s": {"url": "http://127.0.0.1:9/mcp"}}}')
    service = spawn("web.py", "--check")
    assert service.process.wait(30) == 1
    assert "❌ 服务器 s" in service.log.read_text()
