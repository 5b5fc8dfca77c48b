"""What the MCP server's tests share: a REST service made by hand, a person who is asked, the wire's words."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import anyio
import httpx
from mcp.client import Client, ClientRequestContext
from mcp.types import (
    CallToolResult,
    ElicitRequestFormParams,
    ElicitRequestParams,
    ElicitResult,
    RequestParamsMeta,
    TextContent,
)
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

import api
import main
from mcp_server.rest_client import RestClient, RestLimits
from mcp_server.sentences import TEXT_KEY
from serving.streams import Streams
from tests.support.asgi import serve

WATCH = {"id": 1, "name": "智能手表Galaxy", "price": 1299.0, "description": "健康监测，运动追踪"}
BUDS = {"id": 2, "name": "无线蓝牙耳机Pro", "price": 899.0, "description": "主动降噪，30小时续航"}
STOCK = [
    {"productId": 1, "quantity": 100, "product": WATCH},
    {"productId": 2, "quantity": 50, "product": BUDS},
]
TODAY = {"timezone": "Asia/Shanghai", "today": "2026-11-27"}
SUMMARY = [{"key": "2", "label": "无线蓝牙耳机Pro", "orders": 1, "quantity": 2, "amount": 1798.0}]
TWO_BUDS = {"input_data": {"customerName": "客户A", "items": [{"productId": 2, "quantity": 2}]}}
NAMES = ["get_products", "get_inventory", "get_orders", "create_purchase"]

BOTH = "application/json, text/event-stream"
MODERN = {"Accept": BOTH, "MCP-Protocol-Version": "2026-07-28"}
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
HELLO: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
CALL = {
    "jsonrpc": "2.0",
    "id": 2,
    "method": "tools/call",
    "params": {"name": "create_purchase", "arguments": TWO_BUDS, "_meta": {"progressToken": "p"}},
}


class RestService:
    """A REST service that answers what it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[httpx.Request] = []
        self.limits = RestLimits()
        self.answers: dict[str, Callable[[httpx.Request], httpx.Response]] = {
            "/api/today": lambda _: httpx.Response(200, json=TODAY),
            "/api/products": lambda _: httpx.Response(200, json=[WATCH, BUDS]),
            "/api/inventory": lambda _: httpx.Response(200, json=STOCK),
            "/api/orders": lambda _: httpx.Response(200, json=[]),
            "/api/orders/summary": lambda _: httpx.Response(200, json=SUMMARY),
            "/api/purchase": self._buy,
        }
        self.transport: httpx.AsyncBaseTransport = httpx.MockTransport(self.answer)

    async def answer(self, request: httpx.Request) -> httpx.Response:
        await anyio.lowlevel.checkpoint()
        if request.url.path != "/api/today":  # asked for each client that connects
            self.asked.append(request)
        return self.answers[request.url.path](request)

    def _buy(self, request: httpx.Request) -> httpx.Response:
        order = json.loads(request.content)
        if not order["customerName"].strip() or not order["items"]:
            refusal = {"detail": "请求无效：缺少客户名称或商品", "code": "empty_purchase", "params": {}}
            return httpx.Response(400, json=refusal)
        order |= {"id": 7, "totalAmount": 1798.0, "orderDate": "2026-11-21T08:00:00+00:00"}
        return httpx.Response(200, json=order)

    def fail(self, path: str, *failures: httpx.Response | Exception) -> None:
        """Fail as told, one call after the other, then answer again."""
        left, healthy = list(failures), self.answers[path]

        def answer(request: httpx.Request) -> httpx.Response:
            if not left:
                return healthy(request)
            failure = left.pop(0)
            if isinstance(failure, Exception):
                raise failure
            return failure

        self.answers[path] = answer

    def purchases(self) -> list[httpx.Request]:
        return [request for request in self.asked if request.method == "POST"]

    def client(self, settings: main.Settings) -> RestClient:
        """The client of this service, as the settings would have it."""
        token = settings.api_token.get_secret_value()
        return RestClient(settings.api_url, token, limits=self.limits, transport=self.transport)


class SlowRestService(RestService):
    """A service whose purchase waits until the test lets it go on."""

    def __init__(self) -> None:
        super().__init__()
        self.started, self.go_on, self.done = anyio.Event(), anyio.Event(), anyio.Event()
        self.transport = httpx.MockTransport(self._slowly)

    async def _slowly(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            self.started.set()
            await self.go_on.wait()
            self.done.set()
        return await self.answer(request)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110  what other tasks do is the test's clock
            await asyncio.sleep(0.01)


class ShopOfChanges:
    """Tells what the test says has changed, and knows who listens."""

    def __init__(self) -> None:
        self.listeners: set[asyncio.Queue[list[str] | None]] = set()
        self.connections = 0
        self.app: ASGIApp = Starlette(routes=[Route("/api/changes", self._listen)])

    async def _listen(self, _: Request) -> StreamingResponse:
        news: asyncio.Queue[list[str] | None] = asyncio.Queue()
        self.connections += 1
        if self.connections > 1:  # what a shop tells at once; the first time the test waits for what it tells
            news.put_nowait(["products", "stock", "orders"])

        async def events() -> AsyncIterator[str]:
            self.listeners.add(news)
            try:
                while kinds := await news.get():
                    yield f"event: change\ndata: {json.dumps({'kinds': kinds})}\n\n: ping\n\n"
            finally:
                self.listeners.discard(news)

        return StreamingResponse(events(), media_type="text/event-stream")

    def tell(self, *kinds: str) -> None:
        """Tell of kinds; of none: break off."""
        for news in self.listeners:
            news.put_nowait([*kinds] or None)

    async def is_heard_by(self, count: int) -> None:
        await until(lambda: len(self.listeners) == count)


class Person:
    """Someone who is asked before a purchase, and answers what the test says."""

    def __init__(self, action: str) -> None:
        self.action = action
        self.asked: list[str] = []
        self.wordings: list[Any] = []  # of what was asked

    async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        assert isinstance(params, ElicitRequestFormParams)
        self.asked.append(params.message)
        self.wordings.append(dict(params.meta or {}).get(TEXT_KEY))
        content: dict[str, Any] | None = {} if self.action == "accept" else None
        return ElicitResult.model_validate({"action": self.action, "content": content})


def connect(service: RestService, era: str = "auto", person: Person | None = None, **settings: Any) -> Client:
    chosen = main.Settings(**settings)
    server = main.create_server(chosen, service.client(chosen))
    return Client(server, mode=era, elicitation_callback=person, read_timeout_seconds=60)


async def call(service: RestService, name: str, arguments: dict[str, Any], **settings: Any) -> CallToolResult:
    async with connect(service, **settings) as client:
        return await client.call_tool(name, arguments)


def keyed(key: Any) -> RequestParamsMeta:
    return cast(RequestParamsMeta, {"idempotency-key": key})


def text_of(result: CallToolResult) -> str:
    (block,) = result.content
    assert isinstance(block, TextContent)
    return block.text


def error_of(result: CallToolResult) -> dict[str, Any]:
    """The code and the params of a call that failed."""
    assert result.is_error
    error: dict[str, Any] = (result.meta or {})["product-mcp/error"]
    return error


def app_for(service: RestService, max_sessions: int = 1000, **settings: Any) -> ASGIApp:
    chosen = main.Settings(**settings)
    return main.create_app(chosen, service.client(chosen), max_sessions=max_sessions)


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """Serve an application on a free port, in this event loop, and give its URL."""
    async with serve(Streams(app), lifespan="on", timeout_graceful_shutdown=2) as url:
        yield url


@asynccontextmanager
async def talking(app: ASGIApp, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(app) as url, httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
        yield client


@asynccontextmanager
async def a_real_shop(folder: Path, **settings: Any) -> AsyncIterator[RestClient]:
    """The REST service itself, without a network."""
    async with real_shop_transport(folder, **settings) as transport:
        yield RestClient("http://localhost/api", transport=transport)


@asynccontextmanager
async def real_shop_transport(folder: Path, **settings: Any) -> AsyncIterator[httpx.AsyncBaseTransport]:
    """What stands in for the network between a client and the REST service itself."""
    service = api.create_app(api.Settings(database_url=f"sqlite:///{folder}/shop.db", **settings))
    async with service.router.lifespan_context(service):
        yield httpx.ASGITransport(service)


def modern_call(name: str, arguments: dict[str, Any], **meta: Any) -> dict[str, Any]:
    params = {"name": name, "arguments": arguments, "_meta": ENVELOPE | meta}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


async def open_session(http: httpx.AsyncClient) -> dict[str, str]:
    """Begin a handshake session, and return the headers that name it."""
    answer = await http.post("/mcp", json=HELLO)
    headers = {"Mcp-Session-Id": answer.headers["mcp-session-id"], "MCP-Protocol-Version": "2025-11-25"}
    await http.post("/mcp", json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=headers)
    return headers


async def events_of(response: httpx.Response) -> AsyncIterator[tuple[str, Any]]:
    """Give the events of a stream: their id and their data."""
    number = data = ""
    async for line in response.aiter_lines():
        if line.startswith("id: "):
            number = line[4:]
        elif line.startswith("data: "):
            data = line[6:]
        elif not line and number:
            yield number, json.loads(data) if data else None
            number = data = ""
