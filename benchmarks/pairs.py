"""Two of each service behind nginx or HAProxy, of which one can be stopped and started again.

The proxies are as `deploy/` configures them, but for TLS.
"""

import asyncio
import itertools
import json
import math
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks.contenders.guarded_server import CLIENT
from benchmarks.services import ROOT, Service, Stage, free_port, until_tools
from benchmarks.wire import Address, Connection
from tests.support.site import shipped

TOKEN = "token-of-the-soak"
NAMES = ("api", "main", "web")
TOOLS = 5  # of the shop and of the board
ENDING = {"DRAIN_SECONDS": "3", "STOP_TIMEOUT": "8"}  # as in deploy/systemd
ENDS = (0, -signal.SIGTERM)  # what a service ends with that was asked to
SETTLED_SECONDS = 5.0  # after which both proxies know that a replica is back
PIECES = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@dataclass
class Pairs:
    """Where the proxy is, and what stands behind it."""

    ports: dict[str, int]
    database: dict[str, str]  # as settings
    board: Service  # which wants tokens
    services: list[Service]  # the first and the second of each
    starts: Sequence[Callable[[], Service]]  # anew
    restarts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    _away: int | None = None
    _disturbed_until: dict[str, float] = field(default_factory=dict)

    def public(self, source: str) -> Address:
        """Return where the page and the MCP endpoints are, for a client of this address."""
        return Address("127.0.0.1", self.ports["web"], source)

    @property
    def shop(self) -> Address:
        """Return where the REST services are."""
        return Address("127.0.0.1", self.ports["api"])

    def there(self) -> Iterator[Service]:
        """Return the services but for the one that is stopped or started just now."""
        return (service for at, service in enumerate(self.services) if at != self._away)

    def is_disturbed(self, name: str) -> bool:
        """Say whether one of these services is stopped, or was until just now."""
        return time.monotonic() < self._disturbed_until.get(name, 0)

    async def tokens(self) -> int:
        """Return how many tokens were given."""
        async with Connection.opened(self.board.address) as connection:
            given: int = (await connection.ask("GET", "/token")).json()["given"]
            return given

    async def restart_in_turn(self, until: float, seconds: float) -> None:
        """Stop one service after another and start it anew, every so many seconds.

        The first of each only once: then it grows old, which is when one sees what it keeps.
        """
        every = range(len(self.services))
        for at in itertools.chain(every[::2], itertools.cycle(every[1::2])):
            if time.monotonic() + seconds >= until:
                return
            await asyncio.sleep(seconds)
            await self._restart(at)

    async def _restart(self, at: int) -> None:
        old, self._away = self.services[at], at
        if (status := old.process.poll()) is not None:
            self.faults.append(f"{old.name} {old.port} had ended by itself: {status}")
        self._disturbed_until[old.name] = math.inf
        await asyncio.to_thread(old.stop)
        if (status := old.process.returncode) not in ENDS:
            self.faults.append(f"{old.name} {old.port} ended with {status}")
        self.services[at] = self.starts[at]()
        await self.services[at].until_up()
        if old.name == "web":
            await until_tools(self.services[at], TOOLS)
        self._away = None
        self._disturbed_until[old.name] = time.monotonic() + SETTLED_SECONDS
        self.restarts[f"{old.name} {at % 2 + 1}"] += 1


Both = dict[str, list[Service]]


def _nginx(stage: Stage, ports: dict[str, int], both: Both) -> None:
    folder = stage.folder
    temporary = "".join(f"\n    {piece}_temp_path {folder}/{piece};" for piece in PIECES)
    changes = {
        "error_log /var/log/nginx/error.log crit;": "error_log stderr;",  # errors, too, are the soak's to see
        "http {": f"http {{{temporary}",
        "listen 80;": f"listen 127.0.0.1:{ports['plain']};",
        "listen 443 ssl;": f"listen 127.0.0.1:{ports['web']};",
        "ssl_certificate tls/cert.pem;": "",
        "ssl_certificate_key tls/key.pem;": "",
        "listen 127.0.0.1:8083;": f"listen 127.0.0.1:{ports['main']};",
        "listen 127.0.0.1:8000;": f"listen 127.0.0.1:{ports['api']};",
    }
    config = _configured(folder, "nginx.conf", both, changes)
    own = f"daemon off; pid {folder}/nginx.pid;"
    _start(stage, "nginx", ports["web"], "-e", "stderr", "-g", own, "-c", config)


def _haproxy(stage: Stage, ports: dict[str, int], both: Both) -> None:
    changes = {
        "    user haproxy\n    group haproxy\n": "",
        "bind :80\n": f"bind 127.0.0.1:{ports['plain']}\n",
        "bind :443 ssl crt /etc/haproxy/tls/product-mcp.pem": f"bind 127.0.0.1:{ports['web']}",
        "bind 127.0.0.1:8083\n": f"bind 127.0.0.1:{ports['main']}\n",
        "bind 127.0.0.1:8000\n": f"bind 127.0.0.1:{ports['api']}\n",
    }
    _start(
        stage, "haproxy", ports["web"], "-db", "-f", _configured(stage.folder, "haproxy.cfg", both, changes)
    )


def _configured(folder: Path, name: str, both: Both, changes: dict[str, str]) -> str:
    file = folder / name
    at = {service: tuple(one.port for one in two) for service, two in both.items()}
    file.write_text(shipped(name, at, changes))
    return str(file)


def _start(stage: Stage, name: str, port: int, *command: str) -> None:
    stage.start(*command, name=name, port=port, python=shutil.which(name) or f"/usr/sbin/{name}")


PROXIES: dict[str, Callable[[Stage, dict[str, int], Both], None]] = {"nginx": _nginx, "haproxy": _haproxy}


async def pairs(stage: Stage, proxy: str) -> Pairs:
    """Start the proxy, a server that wants tokens, and two of each service behind it."""
    ports = {name: free_port() for name in (*NAMES, "plain")}
    board = await stage.contender("guarded_server", path="/token")
    work = stage.folder / "work"  # where the page's state may not be
    work.mkdir()
    config = work / "mcp.json"
    shop = {"url": f"http://127.0.0.1:{ports['main']}/mcp", "headers": {"Authorization": f"Bearer {TOKEN}"}}
    servers = {"product-mcp": shop, "board": {"url": f"{board.url}/mcp", "oauth": CLIENT}}
    config.write_text(json.dumps({"mcpServers": servers}))
    database = {"DATABASE_URL": f"sqlite:///{stage.folder / 'shop.db'}", "CATALOG": stage.catalogue(4)}
    main = {
        "API_URL": f"http://127.0.0.1:{ports['api']}/api",
        "MCP_CONFIRM": "always",
        "MCP_TOKEN": TOKEN,
    }
    web = {
        "MCP_CONFIG_PATH": str(config),
        "WEB_SECRET": "w" * 32,
        "WEB_STATE_DIR": str(stage.folder / "state"),
    }
    env = {"api": database, "main": main, "web": web}

    def start(name: str, port: int) -> Service:
        settings = env[name] | ENDING | {"TRUSTED_PROXIES": "127.0.0.1"}
        command = (str(ROOT / f"{name}.py"), "--port", str(port))
        return stage.start(*command, name=name, port=port, env=settings, cwd=work)

    both = {name: [start(name, free_port()) for _ in range(2)] for name in NAMES}
    services = [one for two in both.values() for one in two]
    for service in services:
        await service.until_up()
    PROXIES[proxy](stage, ports, both)  # whose log tells of each replica that is not there
    for page in both["web"]:
        await until_tools(page, TOOLS)
    return Pairs(ports, database, board, services, [partial(start, one.name, one.port) for one in services])
