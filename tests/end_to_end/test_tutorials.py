"""The two tutorials to the letter: each command, URL, snippet and message, run as written, on free ports."""

import importlib
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import Client, StdioServerParameters, stdio_client
from mcp.client.sse import sse_client
from mcp_types import CallToolResult, LoggingMessageNotificationParams, TextContent

from tests.support.asgi import ScriptedProvider, call_stream, in_a_thread, refusal, text_stream
from tests.support.processes import ROOT, Spawn, require
from tests.support.reader import (
    API,
    API_APP,
    MAIN,
    MAIN_APP,
    MODULE,
    PACKAGE,
    WEATHER,
    WEB,
    WEB_APP,
    Reader,
)
from weather.tests.conftest import local_seniverse

PRODUCTS = [
    (1, "智能手表Galaxy", 1299.0, "健康监测，运动追踪，支持多种应用"),
    (2, "无线蓝牙耳机Pro", 899.0, "主动降噪，30小时续航，IPX7防水"),
    (3, "便携式移动电源", 299.0, "20000mAh大容量，支持快充，轻薄设计"),
    (4, "华为MateBook X Pro", 1599.0, "14.2英寸全面屏，3:2比例，100% sRGB色域"),
]
CATALOGUE = [dict(zip(("id", "name", "price", "description"), row, strict=True)) for row in PRODUCTS]
TOOLS = ["get_products", "get_inventory", "get_orders", "create_purchase"]
STOCK = [
    {"productId": product["id"], "quantity": quantity, "product": product}
    for product, quantity in zip(CATALOGUE, (100, 50, 200, 150), strict=True)
]


PROVIDER = ScriptedProvider()


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    require("uv")
    with (
        in_a_thread(PROVIDER.app) as provider,
        local_seniverse() as seniverse,
        Spawn(tmp_path_factory.mktemp("tutorials")) as spawn,
    ):
        yield Reader(spawn, f"{provider}/v1", seniverse.url)


def purchase(product: int, quantity: int, customer: str = "张三") -> dict[str, Any]:
    return {"customerName": customer, "items": [{"productId": product, "quantity": quantity}]}


# --- commands and addresses


@pytest.mark.parametrize(
    ("command", "path", "shown"),
    [
        (API, "/docs", "swagger-ui"),
        (API, "/redoc", "redoc"),
        (API, "/api/products", "智能手表Galaxy"),
        (API_APP, "/api/inventory", "无线蓝牙耳机Pro"),
        (MAIN, "/healthz", "ok"),
        (MAIN_APP, "/healthz", "ok"),
        (WEB, "/", "<html"),
        (WEB, "/docs", "swagger-ui"),
        (WEB, "/api/tools", "tools"),
        (WEB_APP, "/", "<html"),
        (WEATHER, "/healthz", "ok"),
        (PACKAGE, "/healthz", "ok"),
        (MODULE, "/healthz", "ok"),
    ],
)
def test_a_command_starts_its_service(reader: Reader, command: str, path: str, shown: str) -> None:
    answer = httpx.get(reader.url(command, path), timeout=60)
    assert answer.status_code == 200
    assert shown in answer.text


@pytest.mark.parametrize(
    ("command", "lines"),
    [
        (
            MAIN,
            [
                "🌤️ 启动产品 MCP 服务器...",
                "📍 支持的功能:",
                "  - 获取产品列表 (get_products)",
                "  - 获取库存列表 (get_inventory)",
                "  - 获取订单列表 (get_orders)",
                "  - 创建采购订单 (create_purchase)",
                "",
            ],
        ),
        (WEATHER, ["Weather MCP server started! 🚀"]),
    ],
)
def test_a_start_is_announced_as_shown(reader: Reader, command: str, lines: list[str]) -> None:
    reader.url(command)
    assert "\n".join(lines) in reader.shown(command)


@pytest.mark.parametrize(("command", "path"), [(API, "/docs"), (MAIN, "/sse"), (MAIN, "/mcp"), (WEB, "")])
def test_a_start_names_the_address(reader: Reader, command: str, path: str) -> None:
    address, deadline = reader.url(command, path), time.monotonic() + 150
    while address not in reader.shown(command):  # web.py names it when its servers are connected
        assert time.monotonic() < deadline, reader.shown(command)
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("models", "OrderItem"),
        ("mcp_weather_http", "main"),
        ("mcp_weather_http.server", "main"),
        ("mcp_weather_http.__main__", "main"),
        ("mcp.server.mcpserver", "MCPServer"),  # as docs/differences.md translates FastMCP
    ],
)
def test_an_import_works(module: str, name: str) -> None:
    assert callable(getattr(importlib.import_module(module), name))


def test_a_configuration_that_is_missing_is_said(reader: Reader) -> None:
    environment = os.environ | reader.environment(WEB) | {"MCP_CONFIG_PATH": "missing.json"}
    done = subprocess.run(
        ["python", "web.py"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode != 0
    assert "加载 MCP 配置失败: " in done.stderr


# --- the shop


@pytest.mark.parametrize(
    ("path", "answer"),
    [("/api/products", CATALOGUE), ("/api/inventory", STOCK), ("/api/orders", [])],
)
def test_a_list_is_answered_as_shown(reader: Reader, path: str, answer: list[Any]) -> None:
    assert httpx.get(reader.url(API_APP, path), timeout=60).json() == answer


def test_a_purchase_is_an_order_and_takes_its_stock(reader: Reader) -> None:
    with httpx.Client(base_url=reader.url(API), timeout=60) as http:
        before = http.get("/api/inventory").json()[0]["quantity"]
        order = http.post("/api/purchase", json=purchase(1, 2)).json()
        assert list(order)[:5] == ["customerName", "items", "id", "totalAmount", "orderDate"]
        assert order["totalAmount"] == 2598
        assert order["orderDate"].endswith("+00:00")
        assert http.get("/api/orders").json()[0] == order
        assert http.get("/api/inventory").json()[0]["quantity"] == before - 2


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (
            {"customerName": "", "items": [{"productId": 1, "quantity": 1}]},
            400,
            "请求无效：缺少客户名称或商品",
        ),
        ({"customerName": "张三", "items": []}, 400, "请求无效：缺少客户名称或商品"),
        (purchase(99, 1), 404, "商品ID 99 不存在"),
        (purchase(3, 1000), 400, "商品 便携式移动电源 库存不足. 可用: 200"),
    ],
)
def test_a_refused_purchase_is_told_in_the_tutorials_sentence(
    reader: Reader, body: dict[str, Any], status: int, sentence: str
) -> None:
    answer = httpx.post(reader.url(API_APP, "/api/purchase"), json=body, timeout=60)
    assert (answer.status_code, answer.json()["detail"]) == (status, sentence)


# --- the MCP server


def text_of(result: CallToolResult) -> str:
    [block] = result.content
    assert isinstance(block, TextContent)
    return block.text


def client(url: str, **options: Any) -> Client:
    return Client(sse_client(url) if url.endswith("/sse") else url, read_timeout_seconds=60, **options)


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/sse", "/mcp"])
async def test_the_four_tools_are_there_with_their_descriptions(reader: Reader, path: str) -> None:
    async with client(reader.url(MAIN, path)) as session:
        described = {tool.name: tool.description or "" for tool in (await session.list_tools()).tools}
        products = json.loads(text_of(await session.call_tool("get_products", {})))
    assert {name: text.splitlines()[0] for name, text in described.items()} == {
        "get_products": "获取所有产品列表。",
        "get_inventory": "获取库存列表，包含产品详细信息。",
        "get_orders": "获取订单列表，按日期降序排序。",
        "create_purchase": "创建新的采购订单。",
    }
    assert products == CATALOGUE


@pytest.mark.anyio
async def test_mcp_run_serves_the_tools_and_says_what_the_shop_refuses(reader: Reader) -> None:
    environment = reader.environment(MAIN) | {"API_URL": reader.url(API, "/elsewhere")}
    typed = StdioServerParameters(command="mcp", args=["run", "main.py"], cwd=ROOT, env=environment)
    async with Client(stdio_client(typed), read_timeout_seconds=60) as session:
        assert [tool.name for tool in (await session.list_tools()).tools] == TOOLS
        shown = [text_of(await session.call_tool(tool, {})) for tool in TOOLS[:3]]
    assert shown == [f"调用{kind}服务失败 (404): Not Found" for kind in ("产品", "库存", "订单")]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("tool", "sentence"),
    [
        ("get_products", "请求产品服务时出错: "),
        ("get_inventory", "请求库存服务时出错: "),
        ("get_orders", "请求订单服务时出错: "),
        ("create_purchase", "请求创建采购订单时出错: "),
    ],
)
async def test_a_shop_that_is_not_started_is_told_in_the_tutorials_words(
    reader: Reader, tool: str, sentence: str
) -> None:
    arguments = {"input_data": purchase(1, 1)} if tool == "create_purchase" else {}
    async with client(reader.url(MAIN_APP, "/mcp")) as session:
        result = await session.call_tool(tool, arguments)
    assert result.is_error
    assert text_of(result).startswith(sentence)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (purchase(99, 1), "创建采购订单失败 (404): 商品ID 99 不存在"),
        (purchase(3, 1000), "创建采购订单失败 (400): 商品 便携式移动电源 库存不足. 可用: 200"),
        (purchase(3, 1, customer=""), "创建采购订单失败 (400): 请求无效：缺少客户名称或商品"),
    ],
)
async def test_a_refused_purchase_reaches_the_model_in_the_tutorials_words(
    reader: Reader, body: dict[str, Any], sentence: str
) -> None:
    async with client(reader.url(MAIN, "/sse")) as session:
        result = await session.call_tool("create_purchase", {"input_data": body})
    assert result.is_error
    assert text_of(result) == sentence


# --- clients as the tutorials and docs/differences.md show them

DIFFERENCES = (ROOT / "docs" / "differences.md").read_text(encoding="utf-8")
OLD_COMMAND = next(line for line in DIFFERENCES.splitlines() if line.startswith("uv run --isolated"))
OLD_CLIENT = """
import asyncio

from mcp import ClientSession
from mcp.client.{module} import {connect}


async def main():
    async with {connect}("{url}") as {streams}, ClientSession(read, write) as session:
        await session.initialize()
        print([tool.name for tool in (await session.list_tools()).tools])
        print(await session.call_tool("{tool}", {arguments}))


asyncio.run(main())
"""
OLD_SSE = {"module": "sse", "connect": "sse_client", "streams": "(read, write)"}
OLD_HTTP = {"module": "streamable_http", "connect": "streamablehttp_client", "streams": "(read, write, _)"}


def run_client(command: str, code: str, folder: Path) -> str:
    (folder / "old_client.py").write_text(code, encoding="utf-8")
    environment = os.environ | {"PYTHONUTF8": "1", "PYTHONWARNINGS": ""}
    if command.startswith("python"):
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        shlex.split(command),
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=150,
        check=False,
    )
    unreachable = re.search(r"Request failed|Failed to fetch|network was disabled", done.stderr)
    if unreachable and os.environ.get("CI") != "true":
        pytest.skip("mcp<2 cannot be installed: the package index cannot be reached")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("command", "form", "path"),
    [
        (OLD_COMMAND, OLD_HTTP, "/mcp"),
        (OLD_COMMAND, OLD_SSE, "/sse"),
        ("python old_client.py", OLD_SSE, "/sse"),  # unchanged in version 2
    ],
)
def test_the_tutorials_client_runs(
    reader: Reader, tmp_path: Path, command: str, form: dict[str, str], path: str
) -> None:
    code = OLD_CLIENT.format(**form, url=reader.url(MAIN, path), tool="get_products", arguments="{}")
    shown = run_client(command, code, tmp_path)
    assert all(name in shown for name in [*TOOLS, "无线蓝牙耳机Pro"])


def test_an_old_client_is_answered_by_the_weather_server(reader: Reader, tmp_path: Path) -> None:
    url = reader.url(WEATHER, "/mcp")
    code = OLD_CLIENT.format(**OLD_HTTP, url=url, tool="get-weather", arguments={"city": "北京"})
    assert "多云" in run_client(OLD_COMMAND, code, tmp_path)


@pytest.mark.parametrize("code", re.findall(r"^```python\n(.*?)^```", DIFFERENCES, re.MULTILINE | re.DOTALL))
def test_todays_form_of_the_client_runs(reader: Reader, tmp_path: Path, code: str) -> None:
    code = code.replace("http://localhost:8083", reader.url(MAIN))
    assert "无线蓝牙耳机Pro" in run_client("python -W error old_client.py", code, tmp_path)


# --- the chat


@pytest.mark.parametrize("command", [WEB, WEB_APP])  # over SSE and over Streamable HTTP, see `mcp_json`
def test_the_tools_of_the_configuration_are_listed(reader: Reader, command: str) -> None:
    tools = reader.chat("/api/tools", command=command).json()["tools"]
    shop = [tool for tool in tools if tool["server"] == "product-mcp"]
    assert [tool["name"] for tool in shop] == TOOLS
    assert list(shop[0])[:4] == ["server", "name", "description", "input_schema"]
    assert all(tool["description"] == "无描述" for tool in tools if tool["server"] == "silent")


@pytest.mark.parametrize(
    ("server", "tool", "text"),
    [
        ("product-mcp", "get_products", json.dumps(CATALOGUE[0], ensure_ascii=False, separators=(",", ":"))),
        ("silent", "nothing", "✅ 操作完成，但没有返回文本内容"),
    ],
)
def test_a_tool_is_called_by_hand(reader: Reader, server: str, tool: str, text: str) -> None:
    body = {"server": server, "name": tool, "args": {}}
    assert text in reader.chat("/api/call-tool", body).json()["result"]


def test_a_tool_of_an_unknown_server_is_a_404(reader: Reader) -> None:
    answer = reader.chat("/api/call-tool", {"server": "nobody", "name": "nothing", "args": {}})
    assert (answer.status_code, answer.json()["detail"]) == (404, "服务器 nobody 不存在")


def ask(reader: Reader, body: dict[str, Any], *steps: Any) -> httpx.Response:
    """Send a question of the tutorial's form, to a model that follows these steps."""
    PROVIDER.steps[:] = steps
    PROVIDER.requests.clear()
    return reader.chat("/api/chat", body)


@pytest.mark.parametrize(
    "body",
    [
        {"message": "你好"},
        {"message": "你好", "history": []},
        {"message": "你好", "history": None},
        {"message": ""},
        {"message": "", "history": [{"role": "user", "content": "你好"}]},
        {
            "message": "？",
            "history": [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "您好"}],
        },
        {"message": "？", "history": [{"role": "user", "content": "查"}, {"role": "tool", "content": "[]"}]},
    ],
)
def test_a_question_is_answered_in_the_tutorials_form(reader: Reader, body: dict[str, Any]) -> None:
    answer = ask(reader, body, text_stream("你好", "！"))
    assert (answer.status_code, answer.json()) == (200, {"response": "你好！", "toolCalls": []})


@pytest.mark.parametrize(
    ("key", "value"), [("model", "deepseek-chat"), ("temperature", 0.7), ("tool_choice", "auto")]
)
def test_the_provider_is_asked_as_in_the_tutorial(reader: Reader, key: str, value: object) -> None:
    ask(reader, {"message": "你好"}, text_stream("好"))
    assert PROVIDER.requests[0].get(key) == value


def test_prompt_and_tools_are_offered_as_in_the_tutorial(reader: Reader) -> None:
    ask(reader, {"message": "你好"}, text_stream("好"))
    [request] = PROVIDER.requests
    assert request["messages"][0]["content"].startswith(
        "你是一个智能助手，可以使用各种 MCP 工具来帮助用户完成任务。如果不需要使用工具，直接返回回答。"
    )
    offered = {tool["function"]["name"]: tool["function"]["description"] for tool in request["tools"]}
    assert offered["product-mcp_get_products"].startswith("[product-mcp] 获取所有产品列表。")


def test_a_call_is_told_with_its_result(reader: Reader) -> None:
    steps = call_stream("product-mcp_get_products", {}), text_stream("四种")
    answer = ask(reader, {"message": "有哪些商品？", "history": []}, *steps).json()
    assert answer["response"] == "四种"
    [call] = answer["toolCalls"]
    assert list(call) == ["name", "result", "tool_call_id"]
    assert (call["name"], json.loads(call["result"])) == ("get_products", CATALOGUE)


def test_a_call_that_fails_is_told_with_its_error(reader: Reader) -> None:
    steps = call_stream("product-mcp_create_purchase", {"input_data": purchase(99, 1)}), text_stream("没有")
    [call] = ask(reader, {"message": "买", "history": []}, *steps).json()["toolCalls"]
    assert call["error"] == "创建采购订单失败 (404): 商品ID 99 不存在"
    assert f"错误: {call['error']}" in PROVIDER.requests[1]["messages"][-1]["content"]


def test_a_model_that_fails_is_told_in_the_tutorials_words(reader: Reader) -> None:
    answer = ask(reader, {"message": "你好"}, refusal(401))
    assert answer.status_code == 502
    assert answer.json()["detail"].startswith("LLM/对话处理失败: ")


# --- the weather server


@pytest.mark.anyio
@pytest.mark.parametrize("command", [WEATHER, PACKAGE, MODULE])
async def test_the_weather_is_answered_with_what_the_tutorial_shows(reader: Reader, command: str) -> None:
    async with client(reader.url(command, "/mcp")) as session:
        [tool] = (await session.list_tools()).tools
        weather = json.loads(text_of(await session.call_tool("get-weather", {"city": "北京"})))
    assert (tool.name, tool.description) == ("get-weather", "查询指定城市的实时天气（心知天气数据）")
    assert tool.input_schema["required"] == ["city"]
    assert (weather["text"], weather["code"], weather["temperature"]) == ("多云", "4", 14)


@pytest.mark.anyio
async def test_the_weather_server_notifies_as_the_tutorial_shows(reader: Reader) -> None:
    told: list[tuple[str, str | None, str]] = []

    async def note(params: LoggingMessageNotificationParams) -> None:
        told.append((params.level, params.logger, params.data))

    url = reader.url(WEATHER, "/mcp")
    async with client(url, mode="legacy", logging_callback=note) as session:
        await session.call_tool("get-weather", {"city": "北京"})
    assert told == [
        ("info", "weather", "Fetching weather for 北京…"),
        ("info", "weather", "Weather data fetched successfully!"),
    ]
