"""Behind a proxy: each service under a path prefix, stripped or kept, and whose headers are believed."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp.client import Client
from mcp.client.sse import sse_client
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

import api
import main
import web
from serving.forwarding import Forwarding, networks
from serving.server import Ending, Service
from serving.settings import load
from tests.mcp_server.stand_ins import NAMES, TWO_BUDS, RestService, a_real_shop, app_for
from tests.support.asgi import serve
from tests.support.chat_service import settings, shop_server, stream
from tests.support.processes import free_port
from tests.support.scripted import ScriptedModel, calls, says

pytestmark = pytest.mark.anyio

HERE = "127.0.0.1"
PREFIXED = {"root_path": "/shop"}
TRUSTED = {"trusted_proxies": HERE}
each_way = pytest.mark.parametrize("how", ["strip", "keep"])
each_setting = pytest.mark.parametrize("front", [PREFIXED, TRUSTED], ids=["setting", "header"])
WEIRD = (
    "shop", "/shop/", "/", "//evil", "/a//b", "/..", "/a/../b", "/.", "/a b", "/a\tb", "/a\n", "/a\x7f",
    "/a%2f", "/店", "/a?b", "/a#b", "/a\\b", "/a:b", "http://evil", "/a, /b",
)  # fmt: skip


@asynccontextmanager
async def proxy(app: ASGIApp, how: str, *, prefix: str = "/shop") -> AsyncIterator[str]:
    """Serve an application, and give the address of a prefix before it that a proxy strips or keeps."""
    names = {"host", "content-length", "transfer-encoding", "connection"}

    async def forward(request: Request) -> Response:
        path = request.url.path if how == "keep" else request.url.path.removeprefix(prefix)
        headers = {name: value for name, value in request.headers.items() if name not in names}
        onward = http.build_request(
            request.method,
            f"{path}?{request.url.query}",
            headers=headers | {"x-forwarded-prefix": prefix},
            content=await request.body(),
        )
        answer = await http.send(onward, stream=True)
        kept = {name: value for name, value in answer.headers.items() if name not in names}
        return StreamingResponse(answer.aiter_raw(), answer.status_code, kept)

    methods = ["GET", "POST", "DELETE"]
    front = Starlette(
        routes=[Route(prefix + path, forward, methods=methods) for path in ("", "/{rest:path}")]
    )
    async with serve(app) as url, httpx.AsyncClient(base_url=url, timeout=60) as http, serve(front) as base:
        yield base + prefix


@each_way
@each_setting
@pytest.mark.parametrize("transport", ["sse", "mcp", "legacy"])
async def test_a_client_buys_through_a_prefix(
    tmp_path: Path, how: str, front: dict[str, str], transport: str
) -> None:
    async with a_real_shop(tmp_path) as rest:
        app = main.create_app(main.Settings.model_validate(front), rest)
        async with proxy(app, how) as url:
            client = {
                "sse": lambda: Client(sse_client(f"{url}/sse")),
                "mcp": lambda: Client(f"{url}/mcp"),
                "legacy": lambda: Client(f"{url}/mcp", mode="legacy"),
            }[transport]()
            async with client:
                assert [tool.name for tool in (await client.list_tools()).tools] == NAMES
                result = await client.call_tool("create_purchase", TWO_BUDS)
    assert not result.is_error


@each_way
@each_setting
async def test_the_endpoint_of_sse_names_the_prefix(how: str, front: dict[str, Any]) -> None:
    app = app_for(RestService(), **front)
    async with (
        proxy(app, how) as url,
        httpx.AsyncClient(timeout=60) as http,
        http.stream("GET", f"{url}/sse") as events,
    ):
        lines = events.aiter_lines()
        assert await anext(lines) == "event: endpoint"
        assert (await anext(lines)).startswith("data: /shop/messages/?session_id=")


@asynccontextmanager
async def page(folder: Path, how: str, *steps: Any, **given: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the chat behind the prefix, whose server is connected."""
    async with serve(shop_server().streamable_http_app()) as url:
        (folder / "mcp.json").write_text(json.dumps({"mcpServers": {"shop": {"url": f"{url}/mcp"}}}))
        app = web.create_app(settings(folder, **given), ScriptedModel(*steps))
        async with proxy(app, how) as base, httpx.AsyncClient(base_url=base, timeout=60) as http:
            while (await http.get("/api/status")).json()["servers"][0]["status"] != "ready":
                pass
            yield http


@each_way
@each_setting
async def test_the_page_works_under_a_prefix(tmp_path: Path, how: str, front: dict[str, str]) -> None:
    async with page(tmp_path, how, calls(("shop__look", "{}")), says("one"), **front) as http:
        index = await http.get("/")
        assert "static/" in index.text
        assert '"/static' not in index.text
        assert "Path=/shop/" in index.headers["set-cookie"]
        for path in ("static/zh.json", "api/tools", "healthz", "openapi.json"):
            assert (await http.get(path)).status_code == 200
        assert (await http.get("/openapi.json")).json()["servers"] == [{"url": "/shop"}]
        assert "url: 'openapi.json'" in (await http.get("/docs")).text
        assert (await http.get("/static/nothing")).status_code == 404
        events = await stream(http, {"messages": [{"role": "user", "content": "hi"}]})
    assert events[-1] == ("done", {"reason": "stop"})


@each_setting
async def test_the_prefix_alone_leads_to_the_page(tmp_path: Path, front: dict[str, str]) -> None:
    async with page(tmp_path, "keep", **front) as http:
        answer = await http.get(str(http.base_url).rstrip("/"))
        assert (answer.status_code, answer.headers["location"]) == (307, "/shop/")


@each_way
@each_setting
async def test_the_shops_documentation_works_under_a_prefix(
    tmp_path: Path, how: str, front: dict[str, str]
) -> None:
    app = api.create_app(
        api.Settings.model_validate({"database_url": f"sqlite:///{tmp_path}/shop.db", **front})
    )
    async with proxy(app, how) as url, httpx.AsyncClient(base_url=url, timeout=60) as http:
        assert "url: '/shop/openapi.json'" in (await http.get("/docs")).text
        assert (await http.get("/openapi.json")).json()["servers"] == [{"url": "/shop"}]
        assert len((await http.get("/api/products")).json()) == 4


async def ask(app: ASGIApp, path: str, peer: str = HERE, **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(app, client=(peer, 1))
    wire = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        return await http.get(path, headers=wire)


@pytest.mark.parametrize(
    "path", ["/api/products", "/shop/api/products", "/api/api/products", "/shop/shop/api/products"]
)
@pytest.mark.parametrize("prefix", ["/shop", "/api", "/shop/api", ""])
async def test_no_spelling_of_a_path_leads_around_the_token(tmp_path: Path, path: str, prefix: str) -> None:
    given = {"database_url": f"sqlite:///{tmp_path}/shop.db", "api_token": "t", "root_path": prefix}
    app = api.create_app(api.Settings.model_validate(given))
    async with app.router.lifespan_context(app):
        assert (await ask(app, path)).status_code in {401, 404}
        assert (await ask(app, path, authorization="Bearer t")).status_code in {200, 404}
        under = httpx.ASGITransport(app, root_path="/front")  # as `uvicorn --root-path /front` does
        async with httpx.AsyncClient(transport=under, base_url="http://localhost") as http:
            assert (await http.get(f"/front{path}")).status_code in {401, 404}


@pytest.mark.parametrize(
    ("prefix", "path"),
    [
        ("/api", "/api/products"),  # stripped: the service has no /products
        ("/api", "/api/api/products"),
        ("/api", "/api/docs"),
        ("/shop/api", "/shop/api/api/products"),
        ("/shop", "/shop/docs/"),  # on to /shop/docs
        ("/docs", "/docs"),
    ],
)
async def test_a_prefix_that_is_called_like_a_route_hides_none(
    tmp_path: Path, prefix: str, path: str
) -> None:
    given = {"database_url": f"sqlite:///{tmp_path}/shop.db", "root_path": prefix}
    app = api.create_app(api.Settings.model_validate(given))
    async with app.router.lifespan_context(app):
        assert (await ask(app, path)).status_code == (307 if path.endswith("/") else 200)


async def test_a_prefix_called_like_the_path_of_mcp_hides_neither_transport() -> None:
    app = app_for(RestService(), root_path="/mcp")
    async with serve(app) as url:
        for path in ("/mcp", "/mcp/mcp"):
            async with Client(f"{url}{path}") as client:
                assert [tool.name for tool in (await client.list_tools()).tools] == NAMES
        async with Client(sse_client(f"{url}/mcp/sse")) as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == NAMES


def echo(root_path: str = "", trusted: str = "10.0.0.0/8,fd00::1") -> Starlette:
    """Tells what a route sees of the request."""

    async def tell(request: Request) -> Response:
        seen = {"prefix": request.scope.get("root_path", ""), "scheme": request.url.scheme}
        return JSONResponse({**seen, "client": request.client.host if request.client else ""})

    app = Starlette(routes=[Route("/tell", tell)])
    app.add_middleware(Forwarding, root_path=root_path, trusted=networks(trusted))
    return app


async def told(peer: str, *, root_path: str = "", **headers: str) -> dict[str, str]:
    answer = await ask(echo(root_path), "/tell", peer, **headers)
    return dict(answer.json())


@pytest.mark.parametrize("peer", ["10.1.2.3", "::ffff:10.1.2.3", "fd00::1"])
async def test_a_trusted_proxy_is_believed(peer: str) -> None:
    headers = {"x_forwarded_for": "192.0.2.7", "x_forwarded_proto": "https", "x_forwarded_prefix": "/shop"}
    assert await told(peer, **headers) == {"prefix": "/shop", "scheme": "https", "client": "192.0.2.7"}


@pytest.mark.parametrize("peer", ["192.0.2.1", "127.0.0.1", "::1", "11.0.0.1", "fd00::2", "", "unix"])
async def test_anybody_elses_headers_are_ignored(peer: str) -> None:
    headers = {"x_forwarded_for": "192.0.2.7", "x_forwarded_proto": "https", "x_forwarded_prefix": "/shop"}
    assert await told(peer, **headers) == {"prefix": "", "scheme": "http", "client": peer}


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("198.51.100.9, 192.0.2.7", "192.0.2.7"),  # the left one is what the client made up
        ("192.0.2.7, 10.9.9.9", "192.0.2.7"),  # two proxies
        ("10.0.0.9", "10.0.0.9"),  # a client of the proxies' own network
        ("192.0.2.7:4711", "192.0.2.7"),
        ("[2001:DB8::7]:4711", "2001:db8::7"),
        ("2001:db8:0::7", "2001:db8::7"),
        ("192.0.2.7, unknown", "10.1.2.3"),
        ("", "10.1.2.3"),
        ("x" * 500, "10.1.2.3"),
    ],
)
async def test_the_client_is_the_last_address_that_is_no_proxys(forwarded: str, client: str) -> None:
    assert (await told("10.1.2.3", x_forwarded_for=forwarded))["client"] == client


@pytest.mark.parametrize(
    ("standard", "client"),
    [
        ("for=192.0.2.7", "192.0.2.7"),
        ('proto=http, for="192.0.2.7:4711"', "192.0.2.7"),
        ("for=1.2.3.4, for=192.0.2.7", "192.0.2.7"),
        ("for=198.51.100.9", "10.1.2.3"),  # one of the two is the client's own
        ("for=192.0.2.7, for=198.51.100.9", "10.1.2.3"),
        ("host=a", "192.0.2.7"),
    ],
)
async def test_headers_of_two_kinds_that_differ_are_not_believed(standard: str, client: str) -> None:
    told_so = await told("10.1.2.3", x_forwarded_for="192.0.2.7", forwarded=standard)
    assert told_so["client"] == client


@pytest.mark.parametrize("weird", WEIRD)
async def test_a_weird_prefix_is_ignored_in_the_header_and_refused_in_the_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weird: str
) -> None:
    assert (await told("10.1.2.3", x_forwarded_prefix=weird))["prefix"] == ""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROOT_PATH", weird)
    for service in (api, main, web):
        with pytest.raises(SystemExit, match="设置有误 ROOT_PATH：应像 /shop"):
            load(service.Settings, [])


async def test_the_setting_wins_over_the_header_and_a_proxys_prefix_over_its_clients() -> None:
    assert (await told("10.1.2.3", root_path="/a", x_forwarded_prefix="/b"))["prefix"] == "/a"
    twice = [("X-Forwarded-Prefix", "/evil"), ("X-Forwarded-Prefix", "/shop")]
    transport = httpx.ASGITransport(echo(), client=("10.1.2.3", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=twice) as http:
        assert (await http.get("/tell")).json()["prefix"] == "/shop"


@pytest.mark.parametrize("proxies", ["localhost", "*", "10.0.0.0/40", "10.0.0.1 10.0.0.2", "true"])
def test_a_proxy_is_an_address_or_a_network(
    proxies: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRUSTED_PROXIES", proxies)
    for service in (api, main, web):
        with pytest.raises(SystemExit, match="设置有误 TRUSTED_PROXIES：应为 IP 地址或网段"):
            load(service.Settings, [])


@pytest.mark.parametrize("front", [{}, PREFIXED, TRUSTED])
async def test_without_a_token_the_desk_is_open_only_where_nothing_stands_in_front(
    tmp_path: Path, front: dict[str, str]
) -> None:
    given = {"database_url": f"sqlite:///{tmp_path}/shop.db", **front}
    app = api.create_app(api.Settings.model_validate(given))
    async with app.router.lifespan_context(app):
        assert (await ask(app, "/api/inventory/1/moves")).status_code == (403 if front else 200)
        assert (await ask(app, "/api/inventory/1/moves", x_forwarded_prefix="/shop")).status_code == 403


async def test_a_probe_under_the_prefix_learns_that_the_service_drains() -> None:
    app = Starlette(routes=[Route("/healthz", lambda _: PlainTextResponse("ok"))])
    app.add_middleware(Forwarding, root_path="/shop")
    service = Service(app, host=HERE, port=(port := free_port()), ending=Ending(drain_seconds=600))
    running = asyncio.create_task(service.serve())
    async with httpx.AsyncClient(base_url=f"http://{HERE}:{port}/shop", timeout=60) as http:
        while not service.started:  # noqa: ASYNC110  uvicorn has no event for it
            await asyncio.sleep(0.01)
        assert (await http.get("/healthz")).status_code == 200
        service.should_exit = True
        while (await http.get("/healthz")).status_code != 503:
            pass
    service.drained_at = 0
    await running
