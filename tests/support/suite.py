"""The three services as real processes, and what a page does with them."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx

from tests.support.processes import Service, Spawn, free_port


@dataclass
class Suite:
    """The three services on free ports, their files in one folder."""

    folder: Path
    api: int = field(default_factory=free_port)
    mcp: int = field(default_factory=free_port)
    web: int = field(default_factory=free_port)
    running: dict[str, Service] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.configure({"product-mcp": {"type": "http", "url": f"http://localhost:{self.mcp}/mcp"}})

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.web}"

    def configure(self, servers: dict[str, Any]) -> None:
        """Write `mcp.json`."""
        (self.folder / "mcp.json").write_text(json.dumps({"mcpServers": servers}))

    def start(self, *names: str, **settings: str) -> None:
        """Start these services in this order, then wait until all of them answer."""
        ports = {"API_PORT": str(self.api), "MCP_PORT": str(self.mcp), "WEB_PORT": str(self.web)}
        address = {"API_URL": f"http://127.0.0.1:{self.api}/api"}
        spawn = Spawn(self.folder)
        for name in names:
            self.running[name] = spawn(f"{name}.py", env=ports | address | settings)
        at = {"api": self.api, "main": self.mcp, "web": self.web}
        for name in names:
            self.running[name].wait_until_up(f"http://127.0.0.1:{at[name]}/healthz")

    def stop(self, *names: str) -> None:
        """Stop these services, or all, each after those that ask it something."""
        for name in names or tuple(reversed(self.running)):
            self.running.pop(name).stop()

    def kill(self, name: str) -> None:
        """End a service with SIGKILL."""
        process = self.running.pop(name).process
        process.kill()
        process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def logs(self) -> str:
        """What all services have written so far."""
        return "".join(path.read_text() for path in self.folder.glob("*.log"))

    def buy(self, customer: str, product: int, quantity: int) -> None:
        """Buy behind the page's back."""
        order = {"customerName": customer, "items": [{"productId": product, "quantity": quantity}]}
        httpx.post(f"http://127.0.0.1:{self.api}/api/purchase", json=order, timeout=60).raise_for_status()

    def orders(self) -> list[dict[str, Any]]:
        """Read all orders from the REST service."""
        found: list[dict[str, Any]] = httpx.get(
            f"http://127.0.0.1:{self.api}/api/orders?limit=500", timeout=60
        ).json()
        return found

    @asynccontextmanager
    async def browser(self, port: int = 0, *, may_fail: bool = False) -> AsyncIterator["Browser"]:
        async with httpx.AsyncClient(base_url=f"http://localhost:{port or self.web}", timeout=60) as http:
            yield Browser(http, may_fail)


@dataclass
class Browser:
    """What the page does: keep the history, send it, approve."""

    http: httpx.AsyncClient
    may_fail: bool = False  # whether a turn may end with an error, whose code then is in `failure`
    failure: str = ""
    history: list[dict[str, Any]] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    seen: str = ""  # everything that the last turn brought
    names: list[str] = field(default_factory=list)  # of its events

    async def ask(self, question: str) -> str:
        self.history.append({"role": "user", "content": question})
        return await self._turn({})

    async def confirm(self) -> str:
        return await self._turn(dict.fromkeys(self.waiting, True))

    async def edit(self, args: dict[str, Any]) -> str:
        """Change the first call that waits."""
        return await self._turn({}, {self.waiting[0]: args})

    async def _turn(self, approvals: dict[str, bool], edits: dict[str, Any] | None = None) -> str:
        body = {"messages": self.history, "approvals": approvals, "edits": edits or {}}
        answer, self.waiting, self.seen, self.failure, self.names = "", [], "", "", []
        async with aclosing(await self._sent(body)) as response:
            assert response.status_code == 200, await response.aread()
            name = ""
            async for line in response.aiter_lines():
                key, _, value = line.partition(": ")
                if key == "event":
                    name = value
                    self.names.append(name)
                data = json.loads(value) if key == "data" else {}
                self.seen += json.dumps(data, ensure_ascii=False)  # as read, not as escaped on the wire
                answer += data.get("delta", "")
                if name == "approval" and data:
                    self.waiting.append(data["id"])
                if name == "message" and data:
                    self.history.append(data["message"])
                if name == "error" and data:
                    assert self.may_fail, data
                    self.failure = data["code"]
        return answer

    async def _sent(self, body: dict[str, Any]) -> httpx.Response:
        # As a browser does, it is sent anew where a kept connection was just closed, and nothing came back.
        request = self.http.build_request("POST", "/api/chat/stream", json=body)
        with suppress(httpx.RemoteProtocolError, httpx.NetworkError):  # it was ended, or was reset
            return await self.http.send(request, stream=True)
        assert self.may_fail
        return await self.http.send(request, stream=True)

    async def server(self) -> dict[str, Any]:
        status: dict[str, Any] = (await self.http.get("/api/status")).json()["servers"][0]
        return status

    async def until(self, status: str) -> None:
        await until(lambda: self._is(status))

    async def _is(self, status: str) -> bool:
        # As a browser does, what is only read is asked for again where a kept connection was just closed.
        with suppress(httpx.TransportError):
            return bool((await self.server())["status"] == status)
        return False


async def until(true: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not await true():  # noqa: ASYNC110  as the page polls
            await asyncio.sleep(0.05)
