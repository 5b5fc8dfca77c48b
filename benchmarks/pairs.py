"""Two of each service behind nginx, of which one can be stopped and started again while the other serves."""

import asyncio
import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from benchmarks.contenders.guarded_server import CLIENT
from benchmarks.services import ROOT, Service, Stage, free_port, until_tools
from benchmarks.wire import Address

TOKEN = "token-of-the-soak"
PIECES = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
SETTINGS = (  # as in deploy/nginx.conf
    "proxy_http_version 1.1;",
    "proxy_set_header Connection close;",
    "proxy_set_header Host $http_host;",
    "proxy_set_header X-Forwarded-For $remote_addr;",
    f'proxy_set_header Authorization "Bearer {TOKEN}";',
    "proxy_buffering off;",
    "proxy_connect_timeout 2s;",
    "proxy_read_timeout 1h;",
    "proxy_next_upstream error timeout;",
)


@dataclass
class Pairs:
    """Where the proxy is, and what stands behind it."""

    ports: dict[str, int]
    services: list[Service]
    starts: Sequence[Callable[[], Service]]  # of the second of each: anew
    restarts: Counter[str] = field(default_factory=Counter)
    stopped: tuple[str, float] = ("nothing", 0.0)

    @property
    def api(self) -> Address:
        """Return where the REST services are."""
        return Address("127.0.0.1", self.ports["api"])

    @property
    def mcp(self) -> Address:
        """Return where the MCP servers are, for clients that stay with one of them."""
        return Address("127.0.0.1", self.ports["mcp"])

    @property
    def web(self) -> Address:
        """Return where the page is."""
        return Address("127.0.0.1", self.ports["web"])

    def last_stop(self) -> tuple[str, float]:
        """Return what was stopped last, and how many seconds ago."""
        return self.stopped[0], time.monotonic() - self.stopped[1]

    async def restart_in_turn(self, until: float, seconds: float) -> None:
        """Stop the second of each service and start it anew, one after another, every so many seconds."""
        turn = 0
        while time.monotonic() + seconds < until:
            await asyncio.sleep(seconds)
            at = 2 * (turn % len(self.starts)) + 1
            self.stopped = self.services[at].name, time.monotonic()
            await asyncio.to_thread(self.services[at].stop)
            self.services[at] = self.starts[turn % len(self.starts)]()
            await self.services[at].until_up()
            if self.services[at].name == "web":
                await until_tools(self.services[at], 5)
            self.restarts[self.services[at].name] += 1
            turn += 1


def _proxy(stage: Stage, ports: dict[str, int], upstreams: dict[str, tuple[str, list[Service]]]) -> None:
    """Start nginx with a port for each name; what is hashed stays with one of the two."""
    folder = stage.folder
    lines = [*SETTINGS, "access_log off;", *(f"{piece}_temp_path {folder}/{piece};" for piece in PIECES)]
    for name, (how, services) in upstreams.items():
        servers = "".join(f"server 127.0.0.1:{one.port} max_fails=1 fail_timeout=1s;" for one in services)
        lines.append(f"upstream {name} {{ {how} {servers} }}")
        lines.append(
            f"server {{ listen 127.0.0.1:{ports[name]}; location / {{ proxy_pass http://{name}; }} }}"
        )
    config = folder / "nginx.conf"
    about = f"daemon off; pid {folder}/nginx.pid; error_log stderr; events {{}}"
    config.write_text(f"{about}\nhttp {{\n" + "\n".join(lines) + "\n}\n")
    command = shutil.which("nginx") or "/usr/sbin/nginx"
    stage.start("-e", "stderr", "-c", str(config), name="nginx", port=ports["web"], python=command)


async def pairs(stage: Stage) -> Pairs:
    """Start the proxy, a server that wants tokens, and two of each service behind it."""
    ports = {name: free_port() for name in ("api", "main", "mcp", "web")}
    board = await stage.contender("guarded_server", path="/token")
    config = stage.folder / "mcp.json"
    servers = {
        "product-mcp": {"url": f"http://127.0.0.1:{ports['main']}/mcp"},
        "board": {"url": f"{board.url}/mcp", "oauth": CLIENT},
    }
    config.write_text(json.dumps({"mcpServers": servers}))
    env = {
        "api": {"DATABASE_URL": f"sqlite:///{stage.folder / 'shop.db'}", "CATALOG": stage.catalogue(4)},
        "main": {
            "API_URL": f"http://127.0.0.1:{ports['api']}/api",
            "MCP_CONFIRM": "always",
            "MCP_TOKEN": TOKEN,
        },
        "web": {"MCP_CONFIG_PATH": str(config), "WEB_SECRET": "w" * 32},
    }

    def start(name: str, port: int) -> Service:
        settings = env[name] | {"TRUSTED_PROXIES": "127.0.0.1"}
        return stage.start(str(ROOT / f"{name}.py"), "--port", str(port), name=name, port=port, env=settings)

    both = {name: [start(name, free_port()) for _ in range(2)] for name in env}
    hashed = "hash $remote_addr consistent;"
    upstreams = {name: ("least_conn;", both[name]) for name in env} | {"mcp": (hashed, both["main"])}
    _proxy(stage, ports, upstreams)
    for service in [one for two in both.values() for one in two]:
        await service.until_up()
    for web in both["web"]:
        await until_tools(web, 5)
    starts = [partial(start, name, two[1].port) for name, two in both.items()]
    return Pairs(ports, [one for two in both.values() for one in two], starts)
