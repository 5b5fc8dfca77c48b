"""Two of each service behind the real nginx or HAProxy, as `deploy/` configures them, with TLS."""

import asyncio
import itertools
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support.balancer import Replicas
from tests.support.buyers import STOCK
from tests.support.processes import Spawn, free_port
from tests.support.proxies import as_shipped, certificate, haproxy, nginx, up_in_haproxy
from tests.support.suite import Suite


@dataclass
class Site:
    """Two of each service behind a proxy."""

    replicas: dict[str, Replicas]
    public: str
    internal: dict[str, str]
    trusted: ssl.SSLContext
    statistics: str

    def client(self, name: str) -> httpx.AsyncClient:
        """Return a client of a service through the proxy: a new connection, as of many people."""
        return httpx.AsyncClient(base_url=self.internal[name], verify=self.trusted, timeout=60)

    async def restart(self, name: str, number: int) -> None:
        """Restart one replica, and wait until it is back, for the proxy too."""
        replicas, port = self.replicas[name], self.replicas[name].ports[number]
        replicas.terminate(port)
        await replicas.ended(port)
        await self.start(name, number)

    async def kill(self, name: str, number: int) -> None:
        """End one replica with SIGKILL, and wait until it is back."""
        process = self.replicas[name].processes[self.replicas[name].ports[number]].process
        process.kill()
        await asyncio.to_thread(process.wait)
        await self.start(name, number)

    async def start(self, name: str, number: int) -> None:
        replicas, port = self.replicas[name], self.replicas[name].ports[number]
        replicas.start(port)
        await asyncio.to_thread(replicas.processes[port].wait_until_up, f"http://127.0.0.1:{port}/healthz")
        if self.statistics:
            await up_in_haproxy(self.statistics, f"{name}{number + 1}")


FIRST = {"api": "8{}00", "main": "8{}83", "web": "8{}02"}
INNER = {"api": 8000, "main": 8083}


def shipped(name: str, at: dict[str, tuple[int, ...]], changes: dict[str, str]) -> str:
    """Return a file of `deploy/` with a test's replicas."""
    servers = {
        f"127.0.0.1:{port.format(n)}": f"127.0.0.1:{at[service][n - 1]}"
        for service, port in FIRST.items()
        for n in (1, 2)
    }
    return as_shipped(name, servers | changes)


def shipped_nginx(spawn: Spawn, ports: dict[str, int], at: dict[str, tuple[int, ...]]) -> str:
    listens = {f"listen 127.0.0.1:{old};": f"listen 127.0.0.1:{ports[name]};" for name, old in INNER.items()}
    tls = {"listen 443 ssl;": f"listen 127.0.0.1:{ports['public']} ssl;", " tls/": f" {spawn.folder}/"}
    plain = {"listen 80;": f"listen 127.0.0.1:{ports['plain']};"}
    text = shipped("nginx.conf", at, listens | tls | plain)
    head, http = text.split("http {", 1)
    [level] = re.findall(r"^error_log \S+ (\w+);", head, re.MULTILINE)
    nginx(spawn, http.rstrip().removesuffix("}"), level)
    return ""


def shipped_haproxy(spawn: Spawn, ports: dict[str, int], at: dict[str, tuple[int, ...]]) -> str:
    listens = {f"bind 127.0.0.1:{old}\n": f"bind 127.0.0.1:{ports[name]}\n" for name, old in INNER.items()}
    tls = {"bind :443": f"bind 127.0.0.1:{ports['public']}", "/etc/haproxy/tls": str(spawn.folder)}
    plain = {"bind :80\n": f"bind 127.0.0.1:{ports['plain']}\n"}
    user = {"    user haproxy\n    group haproxy\n": ""}  # the tests' own
    shown = f"\nlisten seen\n bind 127.0.0.1:{ports['seen']}\n stats enable\n stats uri /seen\n"
    haproxy(spawn, shipped("haproxy.cfg", at, listens | tls | plain | user) + shown)
    return f"http://127.0.0.1:{ports['seen']}/seen;csv"


PROXIES: dict[str, Callable[..., str]] = {"nginx": shipped_nginx, "haproxy": shipped_haproxy}


@asynccontextmanager
async def site(folder: Path, proxy: str, **more: str) -> AsyncIterator[Site]:
    (folder / "catalogue.json").write_text(STOCK)
    trusted = ssl.create_default_context(cafile=await asyncio.to_thread(certificate, folder))
    ports = {name: free_port() for name in ("plain", "public", "main", "api", "seen")}
    suite = Suite(folder, mcp=ports["main"])  # whose mcp.json names the proxy
    settings = {
        "DRAIN_SECONDS": "3",
        "API_URL": f"http://127.0.0.1:{ports['api']}/api",
        "MCP_CONFIRM": "never",
        "CATALOG": "catalogue.json",
    } | more
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
            httpx.AsyncClient(base_url=public, verify=trusted, timeout=60) as http,
            asyncio.timeout(60),
        ):
            while (await http.get("/api/status")).json()["servers"][0]["status"] != "ready":  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        yield made
