"""The three services as processes, a relay on each way between them, and a model that does as it is told."""

import asyncio
import json
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, Self

import httpx

from tests.support.processes import free_port
from tests.support.suite import Suite

PRODUCT, STOCK = 1, 1_000_000  # the only one in this shop

Moment = Literal["before", "after"]
TOLD_KEY = re.compile(r"idempotencyKey：([\w-]+)")


@dataclass
class Relay:
    """Passes bytes on, and cuts the connection at a request or at its answer, once one is armed.

    `request` and `answer` are found in what passes when a purchase goes by.
    """

    to: int
    request: bytes
    answer: bytes
    port: int = field(default_factory=free_port)
    armed: Moment | None = None
    act: Callable[[], None] | None = None  # what happens besides, such as a kill
    cut_off: bool = False  # nothing passes at all

    def arm(self, moment: Moment, act: Callable[[], None] | None = None) -> None:
        """Cut the next purchase before it arrives, or after it was answered, and every later one."""
        self.armed, self.act = moment, act

    def heal(self) -> None:
        """Let everything pass again."""
        self.armed, self.act, self.cut_off = None, None, False

    async def serve(self) -> asyncio.Server:
        """Listen; the caller closes what is returned."""
        return await asyncio.start_server(self._connect, "127.0.0.1", self.port)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = [writer]
        with suppress(OSError):
            if not self.cut_off:
                upstream, down = await asyncio.open_connection("127.0.0.1", self.to)
                ends.append(down)
                await self._pass_both(reader, down, upstream, writer)
        for each in ends:
            each.transport.abort()

    async def _pass_both(
        self,
        reader: asyncio.StreamReader,
        down: asyncio.StreamWriter,
        upstream: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        there = asyncio.create_task(self._pass(reader, down, "before", self.request))
        back = asyncio.create_task(self._pass(upstream, writer, "after", self.answer))
        _, left = await asyncio.wait([there, back], return_when=asyncio.FIRST_COMPLETED)
        for task in left:
            task.cancel()
        await asyncio.gather(there, back, return_exceptions=True)

    async def _pass(
        self, source: asyncio.StreamReader, to: asyncio.StreamWriter, moment: Moment, mark: bytes
    ) -> None:
        while chunk := await source.read(65536):
            if self.armed == moment and mark in chunk:
                self.cut_off = True
                act, self.act = self.act, None
                if act is not None:
                    await asyncio.to_thread(act)
                return
            to.write(chunk)
            await to.drain()


class Obedient(BaseHTTPRequestHandler):
    """A provider whose model calls `create_purchase` as the last question says in JSON.

    `repeat` is that call again, under the key that it was told last.
    """

    def do_POST(self) -> None:
        """Answer one chat completion, streamed."""
        messages = json.loads(self.rfile.read(int(self.headers["content-length"])))["messages"]
        delta: dict[str, Any] = {"role": "assistant", "content": "ok"}
        if messages[-1]["role"] == "user":
            call = {"name": "product-mcp_create_purchase", "arguments": json.dumps(_wanted(messages))}
            delta = {
                "role": "assistant",
                "tool_calls": [{"index": 0, "id": "x", "type": "function", "function": call}],
            }
        finish = "tool_calls" if "tool_calls" in delta else "stop"
        chunk = {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        body = f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(OSError):  # whoever asked has gone
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def _wanted(messages: list[dict[str, Any]]) -> dict[str, Any]:
    if messages[-1]["content"] != "repeat":
        return {"input_data": json.loads(messages[-1]["content"])}
    asked = next(m["content"] for m in messages if m["role"] == "user")
    told = [key for m in messages if m["role"] == "tool" for key in TOLD_KEY.findall(m["content"])]
    return {"input_data": json.loads(asked) | ({"idempotencyKey": told[-1]} if told else {})}


class Chain:
    """browser → web.py → relay → main.py → relay → api.py."""

    def __init__(self, folder: Path) -> None:
        self.suite = Suite(folder)
        self.to_main = Relay(self.suite.mcp, b"create_purchase", b"structuredContent")
        self.to_api = Relay(self.suite.api, b"POST /api/purchase", b"orderDate")
        url = f"http://127.0.0.1:{self.to_main.port}/mcp"
        self.suite.configure({"product-mcp": {"type": "http", "url": url}})
        self._catalogue = folder / "catalogue.json"
        product = {"id": PRODUCT, "name": "电源", "price": 299, "description": "", "quantity": STOCK}
        self._catalogue.write_text(json.dumps([product]))
        self._provider = ThreadingHTTPServer(("127.0.0.1", 0), Obedient)
        self._loop = asyncio.new_event_loop()

    def __enter__(self) -> Self:
        threading.Thread(target=self._provider.serve_forever, daemon=True).start()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._listening = [
            asyncio.run_coroutine_threadsafe(relay.serve(), self._loop).result()
            for relay in (self.to_main, self.to_api)
        ]
        self.start("api", "main", "web")
        return self

    def __exit__(self, *_: object) -> None:
        self.suite.stop()
        self._provider.shutdown()
        self._provider.server_close()
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _end(self) -> None:
        for server in self._listening:
            server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def start(self, *names: str) -> None:
        """Start services, or start them again."""
        base = f"http://127.0.0.1:{self._provider.server_address[1]}/v1"
        settings = {"OPENAI_API_BASE": base, "LLM_MODEL": "m", "WEB_SECRET": "of these attacks alone, long"}
        settings |= {
            "STOP_TIMEOUT": "1",
            "CATALOG": str(self._catalogue),
            "API_URL": f"http://127.0.0.1:{self.to_api.port}/api",
        }
        self.suite.start(*names, **settings)

    def heal(self) -> None:
        """Start what is down, let everything pass, and wait until the page could buy."""
        self.to_main.heal()
        self.to_api.heal()
        self.start(*(name for name in ("api", "main", "web") if not self.is_up(name)))
        with httpx.Client(base_url=self.suite.url, timeout=60) as http:
            while http.get("/api/status").json()["servers"][0]["status"] != "ready":
                time.sleep(0.02)  # else the questions take the time of what starts

    def is_up(self, name: str) -> bool:
        """Whether a service runs."""
        service = self.suite.running.get(name)
        return service is not None and service.process.poll() is None

    def orders_of(self, customer: str) -> list[dict[str, Any]]:
        """Read the orders of a customer from the shop itself."""
        query = {"customerName": customer, "limit": "500"}
        found: list[dict[str, Any]] = httpx.get(
            f"http://127.0.0.1:{self.suite.api}/api/orders", params=query, timeout=60
        ).json()
        return found

    def stock(self) -> int:
        """Read the stock from the shop itself."""
        (item,) = httpx.get(f"http://127.0.0.1:{self.suite.api}/api/inventory", timeout=60).json()
        return int(item["quantity"])
