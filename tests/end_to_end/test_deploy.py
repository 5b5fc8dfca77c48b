"""What `deploy/` holds, with the real nginx and HAProxy: two of each service, TLS, restarts in turn."""

import asyncio
import itertools
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
from mcp.client import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

from tests.mcp_server.stand_ins import NAMES
from tests.support.balancer import Replicas
from tests.support.buyers import STOCK, by_hand, by_mcp, by_rest
from tests.support.processes import Spawn, free_port
from tests.support.proxies import as_shipped, certificate, haproxy, nginx, up_in_haproxy
from tests.support.suite import Suite

pytestmark = [pytest.mark.anyio, pytest.mark.heavy]
BUYERS: dict[str, Any] = {"api": by_rest, "main": by_mcp, "web": by_hand}
each_proxy = pytest.mark.parametrize("proxy", ["nginx", "haproxy"])


@dataclass
class Site:
    """Two of each service behind a proxy."""

    replicas: dict[str, Replicas]
    public: str
    internal: dict[str, str]
    trusted: ssl.SSLContext
    statistics: str

    async def restart(self, name: str, number: int) -> None:
        """Restart one replica, and wait until it is back, for the proxy too."""
        replicas, port = self.replicas[name], self.replicas[name].ports[number]
        replicas.terminate(port)
        await replicas.ended(port)
        replicas.start(port)
        await asyncio.to_thread(replicas.processes[port].wait_until_up, f"http://127.0.0.1:{port}/healthz")
        if self.statistics:
            await up_in_haproxy(self.statistics, f"{name}{number + 1}")


def shipped_nginx(spawn: Spawn, ports: dict[str, int], at: dict[str, tuple[int, ...]]) -> str:
    names = {"api": 8000, "main": 8083, "web": 8002}
    servers = {f"{name}{n + 1}:{names[name]}": f"127.0.0.1:{at[name][n]}" for name in names for n in (0, 1)}
    listens = {f"listen {old};": f"listen 127.0.0.1:{ports[name]};" for name, old in LISTENS.items()}
    tls = {"listen 443 ssl;": f"listen 127.0.0.1:{ports['public']} ssl;", " tls/": f" {spawn.folder}/"}
    text = as_shipped("nginx.conf", servers | listens | tls)
    nginx(spawn, text.split("http {", 1)[1].rstrip().removesuffix("}"))
    return ""


def shipped_haproxy(spawn: Spawn, ports: dict[str, int], at: dict[str, tuple[int, ...]]) -> str:
    first = {"api": "8{}00", "main": "8{}83", "web": "8{}02"}
    servers = {
        f"server {name}{n} 127.0.0.1:{first[name].format(n)}": f"server {name}{n} 127.0.0.1:{at[name][n - 1]}"
        for name in first
        for n in (1, 2)
    }
    listens = {f"127.0.0.1:{LISTENS[name]}\n": f"127.0.0.1:{ports[name]}\n" for name in ("api", "main")}
    tls = {"bind :443": f"bind 127.0.0.1:{ports['public']}", "/etc/haproxy/tls": str(spawn.folder)}
    shown = f"\nlisten seen\n bind 127.0.0.1:{ports['seen']}\n stats enable\n stats uri /seen\n"
    haproxy(spawn, as_shipped("haproxy.cfg", servers | listens | tls) + shown)
    return f"http://127.0.0.1:{ports['seen']}/seen;csv"


LISTENS = {"plain": 80, "main": 8083, "api": 8000}
PROXIES: dict[str, Callable[..., str]] = {"nginx": shipped_nginx, "haproxy": shipped_haproxy}


@asynccontextmanager
async def site(folder: Path, proxy: str, drain: str = "3") -> AsyncIterator[Site]:
    (folder / "catalogue.json").write_text(STOCK)
    trusted = ssl.create_default_context(cafile=await asyncio.to_thread(certificate, folder))
    ports = {name: free_port() for name in ("plain", "public", "main", "api", "seen")}
    suite = Suite(folder, mcp=ports["main"])  # whose mcp.json names the proxy
    settings = {
        "DRAIN_SECONDS": drain,
        "API_URL": f"http://127.0.0.1:{ports['api']}/api",
        "MCP_CONFIRM": "never",
        "CATALOG": "catalogue.json",
    }
    with suite, Spawn(folder) as spawn:
        replicas = {name: Replicas(spawn, name, **settings) for name in ("api", "main", "web")}
        statistics = PROXIES[proxy](spawn, ports, {name: each.ports for name, each in replicas.items()})
        for each in replicas.values():
            for port, process in each.processes.items():
                await asyncio.to_thread(process.wait_until_up, f"http://127.0.0.1:{port}/healthz")
        if statistics:
            for name, number in itertools.product(replicas, (1, 2)):
                await up_in_haproxy(statistics, f"{name}{number}")
        public = f"https://localhost:{ports['public']}"
        internal = {name: f"http://localhost:{ports[name]}" for name in ("api", "main")} | {"web": public}
        made = Site(replicas, public, internal, trusted, statistics)
        async with (
            httpx.AsyncClient(base_url=public, verify=trusted, timeout=30) as http,
            asyncio.timeout(60),
        ):
            while (await http.get("/api/status")).json()["servers"][0]["status"] != "ready":  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        yield made


@each_proxy
async def test_the_page_and_every_client_work_over_tls(tmp_path: Path, proxy: str) -> None:
    async with site(tmp_path, proxy) as made:
        async with httpx.AsyncClient(base_url=made.public, verify=made.trusted, timeout=30) as http:
            assert "text/html" in (await http.get("/")).headers["content-type"]
            asked = {"messages": [{"role": "user", "content": "你好"}]}
            own = await http.post("/api/chat/stream", json=asked, headers={"Origin": made.public})
            assert '"reason": "stop"' in own.text
            foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
            assert (await http.post("/api/chat/stream", json=asked, headers=foreign)).status_code == 403
            made_up = {"Forwarded": "for=1.2.3.4", "X-Forwarded-Host": "evil.example"}
            assert (await http.get("/api/tools", headers=made_up)).is_success
            async with http.stream("GET", "/api/watch") as watching:
                assert await anext(watching.aiter_lines()) == "event: state"
        for number in range(4):  # more clients than replicas: their sessions stay where they were opened
            async with httpx2.AsyncClient(verify=made.trusted, timeout=30) as http2:
                transport = streamable_http_client(f"{made.public}/mcp", http_client=http2)
                async with Client(transport, mode="legacy" if number % 2 else "auto") as client:
                    for _ in range(3):
                        assert [tool.name for tool in (await client.list_tools()).tools] == NAMES
        async with Client(sse_client(f"{made.internal['main']}/sse")) as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == NAMES


@each_proxy
@pytest.mark.parametrize("name", BUYERS)
async def test_restarts_one_after_another_fail_no_request_and_lose_no_order(
    tmp_path: Path, proxy: str, name: str
) -> None:
    bought: list[str] = []
    failed: list[str] = []
    is_over = asyncio.Event()
    async with site(tmp_path, proxy) as made:

        async def buyer(who: str) -> None:
            base = made.internal[name]
            for (
                number
            ) in itertools.count():  # a client of its own: a new connection each time, as of many people
                key = f"{who}-{number}"
                said: list[str] = []

                async def note(answer: httpx.Response, said: list[str] = said) -> None:
                    said.append(f"{answer.status_code} {(await answer.aread()).decode()[-300:]}")

                hooks = {"response": [note]}
                async with httpx.AsyncClient(
                    base_url=base, verify=made.trusted, timeout=60, event_hooks=hooks
                ) as http:
                    is_bought = await BUYERS[name](http, key)
                (bought if is_bought else failed).append(key if is_bought else f"{key}: {said}")
                if is_over.is_set():
                    return

        async with asyncio.TaskGroup() as tasks:
            for who in "abcd":
                tasks.create_task(buyer(who))
            for number in (0, 1):
                await made.restart(name, number)
            is_over.set()
        async with httpx.AsyncClient(base_url=made.internal["api"]) as http:
            orders = await http.get("/api/orders?limit=1")
    assert failed == []
    assert int(orders.headers["X-Total-Count"]) == len(bought) > 4
