import io
import shlex
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from mcp.server.mcpserver import MCPServer
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp

import main
from assistant.chat.interfaces import Model, ModelError
from assistant.demo.model import DemoModel
from assistant.page.doctor import Finding, examine, report
from assistant.toolbox import Toolbox
from assistant.toolbox.server import ConfigError, Server
from serving import VERSION
from tests.mcp_server.stand_ins import TODAY, RestService, app_for
from tests.support.asgi import serve
from tests.support.mcp_servers import HandshakeOnly, trusting
from tests.support.processes import Spawn, free_port
from tests.support.scripted import ScriptedModel, calls, says

pytestmark = pytest.mark.anyio


async def look(server: Server, model: Model | None = None) -> list[Finding]:
    async with trusting([server]) as box:
        return await examine(box, model or DemoModel())


def table(findings: list[Finding]) -> str:
    out = io.StringIO()
    assert report(findings, out) == any(finding.advice for finding in findings)
    return out.getvalue()


async def test_what_works_is_said_to_work() -> None:
    async with serve(MCPServer("s").streamable_http_app()) as url:
        findings = await look(Server("s", url=f"{url}/mcp"), ScriptedModel(calls(("check", "{}"))))
    assert [finding.code for finding in findings] == ["model_ready", "ready"]
    assert table(findings).count("✅") == 2


@pytest.mark.parametrize(
    ("status", "advice"), [(421, "MCP_ALLOWED_HOSTS=127.0.0.1"), (401, "Authorization"), (500, "日志")]
)
async def test_a_refusal_comes_with_what_to_do(status: int, advice: str) -> None:
    async with serve(JSONResponse({}, status)) as url:
        findings = await look(Server("s", url=f"{url}/mcp"))
    assert advice in table(findings)


async def test_a_server_that_is_not_running_comes_with_the_command_that_starts_it() -> None:
    findings = await look(Server("s", url=f"http://127.0.0.1:{free_port()}/mcp"))
    assert "uv run python main.py" in table(findings)


async def test_a_missing_command_and_a_wrong_entry_are_named() -> None:
    assert "能否单独运行：nonesuch" in table(await look(Server("s", "stdio", command="nonesuch")))
    assert "url" in table(await look(Server("s", error=ConfigError("address_missing"))))


async def test_a_command_that_waits_is_shown_whole_and_not_started(tmp_path: Path) -> None:
    mark = tmp_path / "started"
    server = Server("s", "stdio", command=sys.executable, args=("-c", f"open({str(mark)!r}, 'w')"))
    async with Toolbox([server]) as box:
        said = table(await examine(box, DemoModel()))
    assert "trust s" in said
    assert shlex.quote(server.args[1]) in said
    assert not mark.exists()


async def test_a_server_that_was_switched_off_is_no_fault() -> None:
    assert "✅ 服务器 s：在配置里被停用" in table(await look(Server("s", error=ConfigError("switched_off"))))


async def test_a_model_that_does_not_answer_is_a_finding() -> None:
    findings = await look(
        Server("s", error=ConfigError("address_missing")), ScriptedModel(ModelError("余额不足"))
    )
    assert "❌ 模型 scripted：余额不足" in table(findings)


async def test_a_model_that_does_not_call_tools_is_a_finding() -> None:
    model = ScriptedModel(says("好"))
    findings = await look(Server("s", error=ConfigError("address_missing")), model)
    assert model.tools[0]
    assert findings[0].advice == "choose_model"
    assert "❌ 模型 scripted：有回答，但没有调用工具" in table(findings)


@asynccontextmanager
async def our_own(rest: RestService) -> AsyncIterator[Server]:
    async with serve(app_for(rest)) as url:
        yield Server("s", url=f"{url}/mcp")


@pytest.mark.parametrize(
    ("shop", "said"),
    [
        (VERSION, [f"✅ 版本：web.py {VERSION}，main.py {VERSION}，api.py {VERSION}"]),
        ("0.9", [f"❌ 版本：web.py {VERSION}，main.py {VERSION}，api.py 0.9", "同一个版本"]),
        ("", [f"✅ 版本：web.py {VERSION}，main.py {VERSION}，api.py ?"]),
    ],
)
async def test_the_shop_answers_and_the_three_versions_stand_beside_each_other(
    shop: str, said: list[str]
) -> None:
    rest = RestService()
    rest.answers["/api/today"] = lambda _: httpx.Response(200, json=TODAY | {"version": shop})
    async with our_own(rest) as server:
        shown = table(await look(server))
    assert "✅ 商店：经 s 有回答" in shown
    assert [each for each in said if each not in shown] == []


def own_certificate(folder: Path) -> dict[str, Any]:
    """A key and its certificate of yesterday, as uvicorn takes them."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    yesterday = datetime.now(UTC) - timedelta(days=1)
    here = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, yesterday - timedelta(days=1), yesterday)
    cert = made.add_extension(here, critical=True).sign(key, hashes.SHA256())
    (folder / "cert.pem").write_bytes(cert.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return {"ssl_certfile": f"{folder}/cert.pem", "ssl_keyfile": f"{folder}/key.pem"}


async def newer(request: Request) -> JSONResponse:
    """A server of a protocol that does not exist yet."""
    body = await request.json()
    about = {"protocolVersion": "2099-01-01", "capabilities": {}, "serverInfo": {"name": "s", "version": "1"}}
    if body["method"] == "initialize":
        return JSONResponse({"jsonrpc": "2.0", "id": body["id"], "result": about})
    return JSONResponse(
        {"jsonrpc": "2.0", "id": body.get("id"), "error": {"code": -32601, "message": ""}}, 400
    )


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("older", ["✅ 服务器 s", "协议 2025-11-25"]),
        ("newer", ["✅ 服务器 s", "· 它说的协议版本 2099-01-01 这里不认识"]),
        ("its own certificate", ["❌ 服务器 s", "TLS 连接失败（self-signed certificate），请检查证书"]),
        ("no shop", ["✅ 服务器 s", "❌ 商店：", "→ 请启动 api.py"]),
    ],
)
async def test_each_fault_behind_the_page_has_its_sentence(
    kind: str, said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = main.Settings(api_url=f"http://127.0.0.1:{free_port()}/api")
    apps: dict[str, ASGIApp] = {
        "older": HandshakeOnly(MCPServer("s").streamable_http_app()),
        "newer": Starlette(routes=[Route("/mcp", newer, methods=["POST"])]),
        "its own certificate": JSONResponse({}),
        "no shop": main.create_app(away),
    }
    tls = own_certificate(tmp_path) if kind == "its own certificate" else {}
    monkeypatch.setenv("HTTPS_PROXY", "htp://x:1")
    async with serve(apps[kind], **tls) as url:
        shown = table(await look(Server("s", url=f"{url.replace('http:', 'https:') if tls else url}/mcp")))
    assert [each for each in [*said, "❌ 网络：环境变量 HTTPS_PROXY"] if each not in shown] == []


async def test_a_shop_that_does_not_answer_comes_with_what_to_do() -> None:
    rest = RestService()
    rest.answers["/api/products"] = lambda _: httpx.Response(401, json={"detail": "缺少或错误的 API_TOKEN"})
    async with our_own(rest) as server:
        shown = table(await look(server))
    assert "❌ 商店：调用产品服务失败" in shown
    assert "API_URL" in shown


async def examined(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    async with Toolbox([]) as box:
        return table(await examine(box, DemoModel(), ["https://a.example/v1", "https://b.example"]))


async def test_proxies_are_tried_and_named_with_the_hosts_behind_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        port = proxy.getsockname()[1]
        up = await examined(monkeypatch, HTTPS_PROXY=f"http://me:pw@127.0.0.1:{port}", NO_PROXY="b.example")
    down = await examined(monkeypatch, ALL_PROXY=f"socks5://127.0.0.1:{free_port()}")
    wrong = await examined(monkeypatch, HTTPS_PROXY="nonsense://x")
    assert f"✅ 网络：HTTPS_PROXY 的代理 127.0.0.1:{port} 连得上，经过它的有：a.example\n" in up
    assert "pw" not in up
    assert "❌ 网络：ALL_PROXY 的代理" in down
    assert "连不上，经过它的有：a.example、b.example" in down
    assert "写进 NO_PROXY" in down
    assert wrong.count("❌ 网络：环境变量 HTTPS_PROXY 不是可用的代理地址") == 1


async def test_certificates_that_are_not_there_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = await examined(monkeypatch, SSL_CERT_FILE=str(tmp_path / "none.pem"))
    assert "❌ 网络：环境变量 SSL_CERT_FILE 没有指向可用的证书" in said
    assert "❌ 网络" not in await examined(monkeypatch)


async def test_that_there_is_no_server_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in another folder than the project's, where a check of nothing found nothing wrong."""
    monkeypatch.chdir(tmp_path)
    async with trusting([]) as box:
        said = table(await examine(box, DemoModel()))
    assert f"❌ 没有 MCP 服务器：{tmp_path} 里没有 mcp.json" in said


def test_the_command_ends_with_status_1_where_anything_is_down(tmp_path: Path, spawn: Spawn) -> None:
    (tmp_path / "mcp.json").write_text('{"mcpServers": {"s": {"url": "http://127.0.0.1:9/mcp"}}}')
    service = spawn("web.py", "--check", env={"OPENAI_API_BASE": "http://127.0.0.1:9/v1"})
    assert service.process.wait(150) == 1
    said = service.log.read_text()
    assert "❌ 服务器 s" in said
    assert "❌ 模型 deepseek-chat（来自环境变量里的 OPENAI_API_BASE）" in said
