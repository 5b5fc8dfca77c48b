"""What a newcomer writes for the real nginx and HAProxy works, or the answer says what to add."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from mcp.client import Client
from mcp.client.sse import sse_client

from tests.mcp_server.stand_ins import TWO_BUDS
from tests.support.processes import Spawn, free_port
from tests.support.proxies import haproxy, nginx
from tests.support.suite import Suite

pytestmark = [pytest.mark.anyio, pytest.mark.heavy]

NGINX = "server {{ listen 127.0.0.1:{front}; location / {{ proxy_pass http://127.0.0.1:{back}; }} }}\n"
DEFAULTS = """defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    option forwardfor
"""
HAPROXY = """listen p{front}
    bind 127.0.0.1:{front}
    option httpchk GET /healthz
    server a 127.0.0.1:{back} check
"""
HELLO = {"messages": [{"role": "user", "content": "你好"}]}


@pytest.fixture(scope="module")
def fronts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], int]]:
    """Run the three services behind both proxies, and return each one's port there."""
    folder = tmp_path_factory.mktemp("proxies")
    with Suite(folder) as suite, Spawn(folder) as spawn:
        suite.start("api", "main", "web")
        backs = {"api": suite.api, "main": suite.mcp, "web": suite.web}
        ports = {(proxy, name): free_port() for proxy in ("nginx", "haproxy") for name in backs}
        of = {
            proxy: [{"front": ports[proxy, name], "back": back} for name, back in backs.items()]
            for proxy in ("nginx", "haproxy")
        }
        started = {
            "nginx": nginx(spawn, "".join(NGINX.format(**each) for each in of["nginx"])),
            "haproxy": haproxy(spawn, DEFAULTS + "".join(HAPROXY.format(**each) for each in of["haproxy"])),
        }
        for (proxy, _), port in ports.items():
            started[proxy].wait_until_up(f"http://127.0.0.1:{port}/healthz")
        yield ports


each_proxy = pytest.mark.parametrize("proxy", ["nginx", "haproxy"])


@each_proxy
@pytest.mark.parametrize("how", ["mcp", "legacy", "sse"])
async def test_a_client_buys_through_it(fronts: Any, proxy: str, how: str) -> None:
    base = f"http://localhost:{fronts[proxy, 'main']}"
    client = {
        "mcp": lambda: Client(f"{base}/mcp"),
        "legacy": lambda: Client(f"{base}/mcp", mode="legacy"),
        "sse": lambda: Client(sse_client(f"{base}/sse")),
    }[how]()
    async with asyncio.timeout(60), client:
        assert not (await client.call_tool("create_purchase", TWO_BUDS)).is_error


@each_proxy
async def test_events_come_through_it_one_by_one(fronts: Any, proxy: str) -> None:
    for name, path, method, body in (
        ("api", "/api/changes", "GET", None),
        ("web", "/api/watch", "GET", None),  # neither ever ends, so a first piece is one that was not held
        ("web", "/api/chat/stream", "POST", HELLO),
    ):
        url = f"http://localhost:{fronts[proxy, name]}{path}"
        async with (
            asyncio.timeout(60),
            httpx.AsyncClient(timeout=60) as http,
            http.stream(method, url, json=body) as answer,
        ):
            assert (await anext(answer.aiter_lines())).startswith("event: ")


@each_proxy
async def test_the_page_posts_through_it_or_is_told_what_to_set(fronts: Any, proxy: str) -> None:
    base = f"http://localhost:{fronts[proxy, 'web']}"
    async with httpx.AsyncClient(base_url=base, timeout=60) as http:
        over_tls = {"Origin": base.replace("http", "https"), "Sec-Fetch-Site": "same-origin"}
        assert (await http.post("/api/chat/stream", json=HELLO, headers=over_tls)).is_success
        plain = await http.post("/api/chat/stream", json=HELLO, headers={"Origin": base})
    if proxy == "haproxy":  # it passes the Host on, and with it the port
        assert plain.is_success
    else:
        assert (plain.status_code, f"CORS_ORIGINS={base}" in plain.text) == (403, True)


async def test_another_name_is_told_with_its_setting(fronts: Any) -> None:
    for name, setting in (("api", "API"), ("main", "MCP"), ("web", "WEB")):
        url = f"http://127.0.0.1:{fronts['haproxy', name]}"
        async with httpx.AsyncClient(headers={"Host": "shop.lan"}, timeout=60) as http:
            assert f"{setting}_ALLOWED_HOSTS=shop.lan" in (await http.get(f"{url}/nothing")).text
            assert (await http.get(f"{url}/healthz")).is_success


@each_proxy
async def test_nobody_becomes_the_owner_through_it(fronts: Any, proxy: str) -> None:
    async with httpx.AsyncClient(timeout=60) as http:
        url = f"http://127.0.0.1:{fronts[proxy, 'api']}/api/inventory/1/moves"
        assert (await http.get(url)).status_code == 403
