"""The command line."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from anyio.to_thread import run_sync
from click.testing import CliRunner, Result
from mcp.client import Client
from mcp.types import TextContent
from mcp_weather_http import server
from mcp_weather_http.seniverse import Seniverse, WeatherError
from mcp_weather_http.server import RedactingFormatter, main

if TYPE_CHECKING:
    from weather.tests.conftest import FakeSeniverse, Start

KEY = "SBh-3xample_Key"
SCRIPT = Path(sys.executable).with_name("mcp-streamable-weather")
NOT_SET = {"SENIVERSE_API_KEY": None, "MCP_TOKEN": None}


def invoke(*args: str, **env: str | None) -> Result:
    return CliRunner().invoke(main, args, env=NOT_SET | env)


@pytest.mark.parametrize("args", [(), ("--api-key", ""), ("--api-key", " ")])
def test_without_a_key_it_says_so_and_exits_with_status_2(args: tuple[str, ...]) -> None:
    result = invoke(*args)
    assert result.exit_code == 2
    assert "缺少心知天气的 API 密钥" in result.output
    assert "SENIVERSE_API_KEY" in result.output


@pytest.mark.parametrize(("args", "said"), [(("--help",), "心知天气"), ((), "缺少心知天气的 API 密钥")])
def test_a_console_without_chinese_gets_utf_8(args: tuple[str, ...], said: str) -> None:
    command = [sys.executable, "-m", "mcp_weather_http", *args]
    environment = {"PATH": os.environ["PATH"], "PYTHONIOENCODING": "cp437"}
    done = subprocess.run(command, env=environment, capture_output=True, timeout=150, check=False)
    assert said in (done.stdout + done.stderr).decode()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "127.0.0.2", "weather.example"])
def test_other_addresses_need_a_token(host: str) -> None:
    result = invoke("--api-key", KEY, "--host", host)
    assert result.exit_code == 2
    assert "MCP_TOKEN" in result.output
    assert KEY not in result.output


@pytest.mark.parametrize("token", ["口令", "two words", "a\nb"])
def test_a_token_that_no_header_can_carry_is_refused(token: str) -> None:
    result = invoke("--api-key", KEY, "--token", token)
    assert (result.exit_code, "ASCII" in result.output) == (2, True)


@pytest.mark.parametrize(
    "variable",
    [
        {"HTTPS_PROXY": "ftp://a"},
        {"HTTP_PROXY": "socks5://[::1"},
        {"ALL_PROXY": "socks4://127.0.0.1:1"},
        {"SSL_CERT_FILE": "nowhere.pem"},
    ],
)
def test_a_proxy_or_certificate_that_cannot_be_used_is_one_sentence(variable: dict[str, str]) -> None:
    result = invoke("--api-key", KEY, **variable)
    assert (result.exit_code, "HTTPS_PROXY" in result.output) == (2, True)


@pytest.mark.anyio
async def test_a_socks_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    async with Seniverse(KEY, base_url="http://weather.example") as seniverse:
        with pytest.raises(WeatherError, match="连不上"):
            await seniverse.now("北京")


@pytest.mark.parametrize(
    "url", ["api.seniverse.com", "ftp://api.seniverse.com", "https://", "http://a:99999", "http://a\n/"]
)
def test_an_invalid_base_url_is_rejected(url: str) -> None:
    result = invoke("--api-key", KEY, "--base-url", url)
    assert result.exit_code == 2
    assert "--base-url" in result.output


def test_a_port_in_use_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = invoke("--api-key", KEY, "--port", str(taken.getsockname()[1]))
    assert result.exit_code not in (0, None)


def test_the_defaults_are_those_of_the_tutorial() -> None:
    defaults = {option.name: option.default for option in main.params}
    expected = {"port": 3000, "host": "127.0.0.1", "log_level": "INFO"}
    assert {name: defaults[name] for name in expected} == expected


def test_the_readme_knows_every_option() -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    missing = [option.opts[0] for option in main.params if f"`{option.opts[0]}" not in readme]
    assert missing == []


def test_a_secret_is_redacted_in_every_spelling() -> None:
    record = logging.LogRecord("x", logging.INFO, "x", 1, "GET ?key=a+b%%2F &key=%s", ("a b/",), None)
    assert RedactingFormatter("a b/", "").format(record).endswith("GET ?key=*** &key=***")


@pytest.mark.anyio
@pytest.mark.parametrize(
    "command",
    [[SCRIPT], [sys.executable, "-m", "mcp_weather_http"], [sys.executable, server.__file__]],
    ids=["script", "module", "file"],
)
async def test_it_serves_stops_at_once_on_ctrl_c_and_never_logs_the_key(
    fake: FakeSeniverse, start: Start, command: list[str | Path]
) -> None:
    program = await run_sync(lambda: start(*command, "--log-level", "debug"))
    async with Client(program.url, read_timeout_seconds=60) as client:
        assert not (await client.call_tool("get-weather", {"city": "北京"})).is_error
        fake.may_answer.clear()
        call = asyncio.create_task(client.call_tool("get-weather", {"city": "beijing"}))
        await run_sync(fake.wait_for, 2)
        program.interrupt()
        [block] = (await call).content
    assert isinstance(block, TextContent)
    assert "正在停止" in block.text
    assert await run_sync(program.process.wait, 20) == 0
    log = program.log.read_text(encoding="utf-8")
    assert "Weather MCP server started! 🚀" in log
    assert f"MCP: {program.url}" in log
    assert "Traceback" not in log
    assert KEY not in log
