"""The three real processes, a real model provider over HTTP, real MCP clients."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import Client
from mcp.client.sse import sse_client
from mcp_types import TextContent

from tests.support.asgi import ScriptedProvider, call_stream, serve, text_stream
from tests.support.processes import ROOT, Spawn, free_port, require
from tests.support.suite import Browser, Suite, until
from weather.tests.conftest import KEY, local_seniverse

pytestmark = pytest.mark.anyio
BUY = {"input_data": {"customerName": "客户A", "items": [{"productId": 2, "quantity": 2}]}}


async def stock(suite: Suite, product: int = 2) -> int:
    async with httpx.AsyncClient(timeout=60) as http:
        items = (await http.get(f"http://127.0.0.1:{suite.api}/api/inventory")).json()
    return int(next(item["quantity"] for item in items if item["productId"] == product))


async def test_a_newcomers_first_conversation_survives_a_restart_of_everything(suite: Suite) -> None:
    suite.start("web", "main", "api")  # the last one first: no order of readiness matters
    async with suite.browser() as browser:
        await browser.until("ready")
        products = await browser.ask("有哪些商品？")
        for name in ("智能手表Galaxy", "无线蓝牙耳机Pro", "便携式移动电源", "华为MateBook X Pro"):
            assert name in products
        advice = await browser.ask("我预算 1000 元，想要降噪耳机，有货吗？")
        assert all(part in advice for part in ("无线蓝牙耳机Pro", "899", "50"))
        await browser.ask("帮客户A买 2 个")
        assert await stock(suite) == 50, "nothing is bought before the click"
        bought = await browser.confirm()
        assert all(part in bought for part in ("1798", "48"))
        await browser.ask("帮客户A买 99 个无线蓝牙耳机Pro")
        assert "只剩 48 件" in await browser.confirm(), "the shop's code comes through all three services"
        assert "无线蓝牙耳机Pro" in await browser.ask("按商品汇总一下订单")
        suite.stop("web", "main", "api")
        suite.start("api", "main", "web")
        await browser.until("ready")
        assert "48" in await browser.ask("无线蓝牙耳机Pro 还有多少库存？")
    suite.stop()
    assert "Traceback" not in suite.logs()
    assert "ERROR" not in suite.logs()


async def test_of_two_purchases_that_wait_one_is_changed_and_both_are_made_once(suite: Suite) -> None:
    suite.start("api", "main", "web")
    changed = {"customerName": "客户C", "items": [{"productId": 2, "quantity": 3}]}
    async with suite.browser() as browser:
        await browser.until("ready")
        await browser.ask("帮客户A买 2 个无线蓝牙耳机Pro，帮客户B买 1 个智能手表Galaxy")
        assert len(browser.waiting) == 2
        await browser.edit({"input_data": changed})
        assert (len(browser.waiting), suite.orders()) == (2, [])
        told = await browser.confirm()
    bought = {order["customerName"]: order["items"] for order in suite.orders()}
    assert bought == {"客户C": changed["items"], "客户B": [{"productId": 1, "quantity": 1}]}
    assert len(suite.orders()) == 2
    assert all(part in told for part in ("2697", "1299"))


async def test_the_mcp_server_may_die_and_come_back_in_the_middle_of_a_conversation(suite: Suite) -> None:
    suite.start("api", "main", "web")
    async with suite.browser() as browser:
        await browser.until("ready")
        suite.kill("main")
        await browser.until("down")
        answer = await browser.ask("有哪些商品？")
        assert "product-mcp" in answer
        assert "智能手表" not in answer
        suite.start("main")
        assert "智能手表Galaxy" in await _until_answered(browser, "有哪些商品？")


async def _until_answered(browser: Browser, question: str) -> str:
    await browser.until("ready")
    return await browser.ask(question)


async def test_the_mcp_server_waits_for_the_api(suite: Suite) -> None:
    suite.start("main")
    async with Client(f"http://localhost:{suite.mcp}/mcp", read_timeout_seconds=60) as client:
        failed = await client.call_tool("get_products", {})
        assert failed.is_error
        assert "请求产品服务时出错" in _text(failed)
        suite.start("api")
        assert "智能手表Galaxy" in _text(await client.call_tool("get_products", {}))


@pytest.mark.parametrize("path", ["mcp", "sse"])
async def test_a_real_client_lists_and_calls_all_four_tools(suite: Suite, path: str) -> None:
    suite.start("api", "main")
    url = f"http://localhost:{suite.mcp}/{path}"
    async with Client(sse_client(url) if path == "sse" else url, read_timeout_seconds=60) as client:
        listed = await client.list_tools()
        assert [tool.name for tool in listed.tools] == [
            "get_products",
            "get_inventory",
            "get_orders",
            "create_purchase",
        ]
        order = json.loads(_text(await client.call_tool("create_purchase", BUY)))
        assert (order["id"], order["totalAmount"]) == (1, 1798.0)
        orders = json.loads(_text(await client.call_tool("get_orders", {})))
        assert orders == [order]
        inventory = json.loads(_text(await client.call_tool("get_inventory", {"productIds": [2]})))
        assert inventory[0]["quantity"] == 48


def _text(result: Any) -> str:
    block = result.content[0]
    assert isinstance(block, TextContent)
    return block.text


async def test_a_real_provider_buys_once_however_often_the_approved_history_is_sent(suite: Suite) -> None:
    tool = "product-mcp_create_purchase"
    provider = ScriptedProvider(call_stream(tool, BUY), text_stream("已", "下单"), text_stream("已下单"))
    async with serve(provider.app) as url:
        suite.start("api", "main", "web", OPENAI_API_KEY="key", OPENAI_API_BASE=f"{url}/v1", LLM_MODEL="m")
        async with suite.browser() as browser:
            await browser.until("ready")
            assert (await browser.http.get("/api/status")).json()["model"] == {"name": "m", "demo": False}
            await browser.ask("买两个耳机")
            history, waiting = list(browser.history), list(browser.waiting)
            assert await browser.confirm() == "已下单"
            browser.history, browser.waiting = history, waiting  # the answer was lost: sent again
            assert await browser.confirm() == "已下单"
    assert await stock(suite) == 48
    assert {tool["function"]["name"] for tool in provider.requests[0]["tools"]} == {
        f"product-mcp_{name}" for name in ("get_products", "get_inventory", "get_orders", "create_purchase")
    }


async def test_one_question_that_needs_the_shop_and_the_weather(suite: Suite, spawn: Spawn) -> None:
    port = free_port()
    suite.configure(
        {
            "product-mcp": {"url": f"http://localhost:{suite.mcp}/mcp"},
            "weather": {"url": f"http://localhost:{port}/mcp"},
        }
    )
    provider = ScriptedProvider(
        call_stream("weather_get-weather", {"city": "北京"}),
        call_stream("product-mcp_get_products", {"query": "手表"}),
        text_stream("done"),
    )
    command = [sys.executable, "-m", "mcp_weather_http", "--port", str(port)]
    with local_seniverse() as seniverse:
        spawn.program(*command, "--base-url", seniverse.url, env={"SENIVERSE_API_KEY": KEY})
        async with serve(provider.app) as url:
            suite.start("api", "main", "web", OPENAI_API_KEY="key", OPENAI_API_BASE=f"{url}/v1")
            async with suite.browser() as browser:
                await until(lambda: _both_ready(browser))
                await browser.ask("北京今天适合戴手表跑步吗？")
                assert browser.waiting == []  # both tools say that they only read
    results = [m["content"] for m in provider.requests[-1]["messages"] if m["role"] == "tool"]
    assert "北京" in results[0]
    assert "智能手表Galaxy" in results[1]


async def _both_ready(browser: Browser) -> bool:
    servers = (await browser.http.get("/api/status")).json()["servers"]
    return all(server["status"] == "ready" for server in servers)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What git would check out, so that nothing that lies about is needed."""
    listed = subprocess.run(
        [require("git"), "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for name in listed.splitlines():
        source = ROOT / name
        if source.is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(source.read_bytes())
    return tmp_path


async def test_one_command_starts_all_says_where_to_go_and_ends_on_ctrl_c(clone: Path) -> None:
    api, mcp, web = free_port(), free_port(), free_port()
    (clone / "mcp.json").write_text(
        json.dumps({"mcpServers": {"product-mcp": {"url": f"http://localhost:{mcp}/mcp"}}})
    )
    ports = {"API_PORT": str(api), "MCP_PORT": str(mcp), "WEB_PORT": str(web)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = ports | {"API_URL": f"http://127.0.0.1:{api}/api", "PATH": path}
    with Spawn(clone) as spawn:
        honcho = spawn.program(sys.executable, "-m", "honcho", "start", env=env)

        async def is_greeted() -> bool:
            return f"http://localhost:{web}（4 个工具）" in honcho.log.read_text()

        await until(is_greeted, 60)
        honcho.process.send_signal(signal.SIGINT)
        assert honcho.process.wait(150) == 130
    printed = honcho.log.read_text()
    assert "SIGKILL" not in printed
    assert "Traceback" not in printed
    assert "ERROR" not in printed
