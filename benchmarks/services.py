"""The services under measurement: each a process on a free port, ended with its part."""

import asyncio
import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.wire import Address, Connection
from shop.catalog import TUTORIAL

ROOT = Path(__file__).parent.parent
OURS = ("API_", "SHOP_", "MCP_", "WEB_", "OPENAI_", "LLM_", "DATABASE_", "CATALOG", "CORS_", "FASTMCP_")
PLENTY = 10_000_000  # pieces of each product: no purchase of a measurement is refused
START_SECONDS = 120.0  # a catalogue of 100,000 products is indexed first
STOP_SECONDS = 15.0  # as in deploy/systemd
LOOK_SECONDS = 0.05


class NotUpError(Exception):
    """A service ended or did not answer in time; the message holds its log."""


def free_port() -> int:
    """Return a TCP port on 127.0.0.1 that the system picks."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@dataclass(frozen=True)
class Service:
    """A process that serves HTTP on 127.0.0.1."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def address(self) -> Address:
        """Return where it listens."""
        return Address("127.0.0.1", self.port)

    @property
    def url(self) -> str:
        """Return its root, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def memory(self) -> float:
        """Return its resident memory in MiB."""
        if sys.platform != "linux":
            raise NotImplementedError
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def cpu(self) -> float:
        """Return the CPU time that it has spent, in seconds."""
        if sys.platform != "linux":
            raise NotImplementedError
        after_name = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")

    def sockets(self) -> int:
        """Return how many files and sockets it holds open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    async def until_up(self, path: str = "/healthz") -> None:
        """Wait until a GET is answered at all. Raises NotUpError."""
        async with asyncio.timeout(START_SECONDS):
            while self.process.poll() is None:
                with suppress(OSError, EOFError):
                    async with Connection.opened(self.address) as connection:
                        await connection.start("GET", path)
                        return
                await asyncio.sleep(LOOK_SECONDS)  # a process that starts tells nobody
        raise NotUpError(f"{self.name}: {self.log.read_text()}")

    def stop(self) -> None:
        """End it as Ctrl+C does, by force where that does not help."""
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Stage:
    """Starts services in one folder; `with stage(folder) as it` ends all that it started."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self._stack = stack

    def environment(self) -> dict[str, str]:
        """Return this process' environment without any setting of the suite, which finds our modules."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(OURS)}
        compiled = {"PYTHONDONTWRITEBYTECODE": ""}  # kept, as for a person; or each start compiles all anew
        return kept | compiled | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}

    def start(
        self,
        *command: str,
        name: str,
        port: int,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
        python: str = sys.executable,
    ) -> Service:
        """Start a Python program, where `cwd` is not given in the folder, which has no `.env`.

        One that is started on its port again goes on with its log.
        """
        log = self.folder / f"{name}-{port}.log"
        with log.open("ab") as out:
            process = subprocess.Popen(
                [python, *command],
                env=self.environment() | (env or {}),
                cwd=cwd or self.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        service = Service(name, process, port, log)
        self._stack.callback(service.stop)
        return service

    async def contender(
        self, module: str, *args: str, env: dict[str, str] | None = None, path: str = "/"
    ) -> Service:
        """Start a module of `benchmarks.contenders` and wait until it answers."""
        port = free_port()
        service = self.start(
            "-m", f"benchmarks.contenders.{module}", str(port), *args, name=module, port=port, env=env
        )
        await service.until_up(path)
        return service

    async def api(self, database: str = "", catalogue: str | None = None, *, keeps: bool = True) -> Service:
        """Start our REST service on a database file of its own, with stock that no measurement ends.

        Where it `keeps` no list, each is read anew, as of requests that are not alike.
        """
        file = self.folder / (database or f"shop-{secrets.token_hex(4)}.db")
        env = {"DATABASE_URL": f"sqlite:///{file}", "CATALOG": catalogue or self.catalogue(4)}
        anew = () if keeps else ("-m", "benchmarks.contenders.api_anew")
        return await self._ours("api.py", env, *anew)

    async def mcp(self, api: Service) -> Service:
        """Start our MCP server."""
        return await self._ours("main.py", {"API_URL": f"{api.url}/api"})

    async def web(self, mcp: Service) -> Service:
        """Start our browser's back end, with the demo model."""
        service = await self._ours("web.py", self.web_settings(mcp))
        await until_tools(service)
        return service

    def web_settings(self, mcp: Service) -> dict[str, str]:
        """Return the environment for a back end that uses this MCP server."""
        config = self.folder / f"mcp-{mcp.port}.json"
        config.write_text(json.dumps({"mcpServers": {"product-mcp": {"url": f"{mcp.url}/mcp"}}}))
        return {"MCP_CONFIG_PATH": str(config), "WEB_SECRET": secrets.token_hex(16)}

    def catalogue(self, products: int) -> str:
        """Write a catalogue of so many products, the tutorial's four first, and return its file."""
        file = self.folder / f"catalogue-{products}.json"
        known = [(entry.name, float(entry.price), entry.description) for entry in TUTORIAL]
        known += [(f"商品 {number}", 100 + number % 900, "轻薄设计") for number in range(5, products + 1)]
        entries = [
            {"id": number, "name": name, "price": price, "description": about, "quantity": PLENTY}
            for number, (name, price, about) in enumerate(known, 1)
        ]
        file.write_text(json.dumps(entries, ensure_ascii=False))
        return str(file)

    async def _ours(self, file: str, env: dict[str, str], *instead: str) -> Service:
        port, name = free_port(), file.removesuffix(".py")
        command = instead or (str(ROOT / file),)
        service = self.start(*command, "--port", str(port), name=name, port=port, env=env)
        await service.until_up()
        return service


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """Give a stage, and end all that was started on it, the last first."""
    with ExitStack() as stack:
        yield Stage(folder, stack)


async def until_tools(web: Service, tools: int = 4) -> None:
    """Wait until a browser's back end lists the tools of its MCP server."""
    async with asyncio.timeout(START_SECONDS), Connection.opened(web.address) as connection:
        while len((await connection.ask("GET", "/api/tools")).json()["tools"]) < tools:  # noqa: ASYNC110  not our process
            await asyncio.sleep(LOOK_SECONDS)
