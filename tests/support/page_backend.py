"""A scripted back end that serves the real page, for answers that are slow, broken or hostile."""

import asyncio
import json
import mimetypes
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from assistant.page.page_files import PageFiles
from tests.support.asgi import in_a_thread
from tests.support.processes import ROOT

# Written out instead of imported, so that a mistake in web.py's policy fails a test.
POLICY = (
    "default-src 'none'; script-src 'self' {scripts}; style-src 'self' {styles}; "
    "img-src 'self' data:; media-src data:; connect-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
FILES = PageFiles(directory=ROOT / "public")

PING_SECONDS = 15.0  # as web.py pings: a stream that is silent for longer counts as broken off
HELD_SECONDS = 150.0  # how long an answer waits at most for a test to set its event
Step = tuple[str, dict[str, Any]] | threading.Event | bytes
PRODUCTS = [
    {"id": 1, "name": "智能手表Galaxy", "price": 1299.0, "description": "健康监测"},
    {"id": 2, "name": "无线蓝牙耳机Pro", "price": 899.0, "description": "主动降噪"},
]
STOCK = [
    {"productId": 1, "quantity": 100, "product": PRODUCTS[0]},
    {"productId": 2, "quantity": 50, "product": PRODUCTS[1]},
]
FILTERS: dict[str, Any] = {
    "get_products": {"query": {"type": "string"}},
    "get_inventory": {},
    "get_orders": {"since": {"type": "string"}},
}
CHANGED = {"server": "shop", "uris": ["shop://inventory", "shop://orders/latest"]}
PURCHASE_ARGS = {"input_data": {"customerName": "客户A", "items": [{"productId": 2, "quantity": 2}]}}
ORDER = {
    **PURCHASE_ARGS["input_data"],
    "id": 7,
    "totalAmount": 1798.0,
    "orderDate": "2026-11-21T08:00:00+00:00",
}


def tool(name: str, *, server: str = "shop", read_only: bool = True, **more: Any) -> dict[str, Any]:
    """Return one entry of `/api/tools`."""
    schema = {"type": "object", "properties": more.pop("properties", {})}
    return {"server": server, "name": name, "title": name, "description": "", "input_schema": schema} | {
        "output_schema": None,
        "annotations": {},
        "readOnly": read_only,
        "fingerprint": "f1",
        "honoursKey": name == "create_purchase",
        "tokens": 50,
        **more,
    }


def prompt(title: str, *required: str, **properties: str) -> dict[str, Any]:
    """Return a prompt as `/api/tools` lists it."""
    described = {name: {"type": "string", "description": about} for name, about in properties.items()}
    schema = {"type": "object", "properties": described, "required": list(required)}
    return {"server": "shop", "name": "p", "title": title, "description": "", "input_schema": schema}


def call(call_id: str, name: str, args: dict[str, Any], *, read_only: bool = True, **more: Any) -> list[Step]:
    """Return the events of a model that asks for one tool; what is not said otherwise is the shop's."""
    raw = more.setdefault("raw", json.dumps(args))
    function = {"name": f"shop_{name}", "arguments": raw}
    asked = {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": call_id, "type": "function", "function": function}],
    }
    shown = {
        "id": call_id,
        "server": "shop",
        "tool": name,
        "title": name,
        "args": args,
        "readOnly": read_only,
        "fingerprint": "f1",
        "mended": False,
        "honoursKey": name == "create_purchase",
        **more,
    }
    return [("message", {"message": asked}), ("tool_call", shown)]


def result(call_id: str, value: Any, *, failed: bool = False, **more: Any) -> list[Step]:
    """Return the events of a call that came back."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    answer = {"id": call_id, "result": text, "isError": failed, "ms": 3, "unknown": False, **more}
    return [
        ("tool_result", answer),
        ("message", {"message": {"role": "tool", "tool_call_id": call_id, "content": text}}),
    ]


def says(text: str, html: str | None = None) -> list[Step]:
    """Return the events of an answer in prose."""
    return [
        ("text", {"delta": text}),
        ("html", {"html": html or f"<p>{text}</p>"}),
        ("message", {"message": {"role": "assistant", "content": text}}),
    ]


def done(reason: str = "stop") -> list[Step]:
    """Return the event that ends a turn."""
    return [("done", {"reason": reason})]


def buys(call_id: str = "c1") -> list[Step]:
    """Return the events of a purchase that waits for the user."""
    waits: list[Step] = [("approval", {"id": call_id})]
    return call(call_id, "create_purchase", PURCHASE_ARGS, read_only=False) + waits + done("approval")


@dataclass
class Backend:
    """The back end's state: what a test has it say, and what the page asked."""

    url: str = ""
    turns: list[list[Step]] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    failure: tuple[int, str] | None = None
    model: dict[str, Any] = field(default_factory=lambda: {"name": "scripted", "demo": False})
    servers: list[dict[str, Any]] = field(default_factory=list)
    tools: list[dict[str, Any]] = field(default_factory=list)
    prompts: list[dict[str, Any]] = field(default_factory=list)
    config: dict[str, Any] | None = None  # why mcp.json cannot be read
    tool_tokens: dict[str, float] | None = field(
        default_factory=lambda: {"max": 400, "share": 0.2, "each": 2}
    )
    media: list[dict[str, str]] = field(default_factory=list)  # of the tools run by hand
    keys: list[str] = field(default_factory=list)  # of the tools run by hand
    confirmed: list[Any] = field(default_factory=list)  # of the tools run by hand
    trusted: list[tuple[str, str]] = field(
        default_factory=list
    )  # servers with the fingerprint of their command
    run: dict[str, Callable[[dict[str, Any]], Any]] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)  # names of the tools run by the page, reading ones too
    resources: dict[str, Any] = field(default_factory=dict)
    lists: dict[str, dict[str, Any]] = field(default_factory=dict)  # of resources, by server
    completions: list[str] = field(default_factory=list)
    completed: list[dict[str, str]] = field(default_factory=list)  # arguments
    followed: list[str] = field(default_factory=list)
    puts: int = 0  # of resources that are followed
    changes: int = 0  # that the page is told of
    canary_hits: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)  # ids of the calls that the page stopped
    ended: bool = False
    READ: ClassVar = ("get_products", "get_inventory", "get_orders")
    _held: list[threading.Event] = field(default_factory=list)

    @property
    def canary(self) -> str:
        """Another origin on this machine, which the page must never request anything from."""
        return self.url.replace("127.0.0.1", "localhost") + "/canary"

    def reset(self) -> None:
        """Start anew, with a shop that answers."""
        self.release()
        self.turns, self.asked, self.failure, self.canary_hits = [], [], None, []
        self.model = {"name": "scripted", "demo": False}
        self.servers, self.prompts, self.config = [server("shop")], [], None
        self.keys, self.confirmed, self.trusted, self.media, self.ran = [], [], [], [], []
        self.stopped = []
        self.lists, self.completions, self.completed, self.followed = {}, [], [], []
        self.resources = {}
        self.tools = [tool(name, properties=FILTERS[name]) for name in self.READ]
        self.tools.append(tool("create_purchase", read_only=False))
        self.run = {
            "get_products": lambda _: PRODUCTS,
            "get_inventory": lambda _: STOCK,
            "get_orders": lambda args: [] if "groupBy" in args else [ORDER],
        }

    def say(self, *parts: Sequence[Step]) -> None:
        """Answer the next request with these events; a `threading.Event` among them is waited for."""
        self.turns.append([step for part in parts for step in part])

    def release(self) -> None:
        """Set the events that no test has set: each one waited for holds a thread."""
        for step in self._held:
            step.set()
        self._held.clear()

    async def stream(self, request: Request) -> Response:
        """Answer `POST /api/chat/stream`."""
        self.asked.append(await request.json())
        if self.failure:
            status, detail = self.failure
            return JSONResponse({"detail": detail}, status)
        steps = self.turns.pop(0) if self.turns else done()
        self._held += [step for step in steps if isinstance(step, threading.Event)]
        return StreamingResponse(_events(steps), media_type="text/event-stream")

    async def watch(self, _: Request) -> Response:
        """Answer `GET /api/watch`: send the state whenever a test has changed it."""
        return StreamingResponse(self._states(), media_type="text/event-stream")

    async def _states(self) -> AsyncIterator[bytes]:
        seen, told = "", self.changes
        while not self.ended:
            state: dict[str, Any] = {
                "model": self.model,
                "config": self.config,
                "servers": self.servers,
                "tools": self.tools,
            }
            now = _json(state | {"prompts": self.prompts, "toolTokens": self.tool_tokens})
            yield f"event: state\ndata: {now}\n\n".encode() if now != seen else b": idle\n\n"
            seen = now
            if told != self.changes:
                told = self.changes
                yield f"event: changed\ndata: {_json(CHANGED)}\n\n".encode()
            await asyncio.sleep(0.02)

    def reconnect(self, request: Request) -> Response:
        """Answer `POST /api/servers/{name}/reconnect`: the server is ready at once."""
        for entry in self.servers:
            if entry["name"] == request.path_params["name"]:
                entry.update(status="ready", error=None)
        return Response(status_code=204)

    def record_canary(self, request: Request) -> Response:
        """Record that something was fetched from the other origin."""
        self.canary_hits.append(str(request.url))
        return Response("", headers={"Access-Control-Allow-Origin": "*"})

    async def get_prompt(self, request: Request) -> JSONResponse:
        """Answer `POST /api/get-prompt`."""
        return JSONResponse(
            {"text": " ".join(["filled in", *(await request.json()).get("args", {}).values()])}
        )

    async def trust(self, request: Request) -> Response:
        """Answer `POST /api/servers/{name}/trust`: the command is started."""
        self.trusted.append((request.path_params["name"], (await request.json())["fingerprint"]))
        return self.reconnect(request)

    def stop_call(self, request: Request) -> Response:
        """Answer `POST /api/calls/{id}/stop`."""
        self.stopped.append(request.path_params["id"])
        return Response(status_code=204)

    async def call_tool(self, request: Request) -> Response:
        """Answer `POST /api/call-tool`; a tool may answer with a response of its own."""
        body = await request.json()
        self.ran.append(body["name"])
        value = await asyncio.to_thread(self.run[body["name"]], body["args"])
        if body["name"] not in self.READ:
            self.keys.append(request.headers["idempotency-key"])
            self.confirmed.append(body["confirmed"])
        if isinstance(value, Response):
            return value
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        answer = {"result": text, "isError": False, "media": self.media}
        return Response(_json(answer), media_type="application/json")

    async def read_resource(self, request: Request) -> Response:
        """Answer `POST /api/read-resource`."""
        asked = await request.json()
        uri = asked["uri"].format_map(asked.get("args") or {})
        if uri not in self.resources:
            return JSONResponse({"code": "mcp_error", "params": {"message": uri}, "detail": uri}, 502)
        found = self.resources[uri]
        is_content = isinstance(found, dict) and "mimeType" in found
        content = found if is_content else {"mimeType": "application/json", "text": json.dumps(found)}
        return JSONResponse({"uri": uri, "contents": [{"uri": uri, **content}]})

    async def list_resources(self, request: Request) -> Response:
        """Answer `GET /api/resources`."""
        return JSONResponse(self.lists[request.query_params["server"]])

    async def complete(self, request: Request) -> Response:
        """Answer `POST /api/complete` with what begins so."""
        asked = await request.json()
        self.completed.append(asked["argument"])
        found = [text for text in self.completions if text.startswith(asked["argument"]["value"])]
        return JSONResponse({"values": found})

    async def follow(self, request: Request) -> Response:
        """Answer `GET /api/follow`: tell of what tests `put` until the page leaves."""
        self.followed.append(request.query_params["uri"])
        return StreamingResponse(self._puts(), media_type="text/event-stream")

    async def _puts(self) -> AsyncIterator[bytes]:
        told = -1
        while not self.ended:
            now = self.puts
            yield b": idle\n\n" if told == now else b"event: changed\ndata: {}\n\n"
            told = now
            await asyncio.sleep(0.02)

    def put(self, uri: str, content: Any) -> None:
        """Change a resource, and tell whoever follows it."""
        self.resources[uri] = content
        self.puts += 1

    def app(self) -> Starlette:
        """Build the application: the page, and the routes that it uses."""
        routes = [
            Route("/", document),
            Route("/api/watch", self.watch),
            Route("/api/get-prompt", self.get_prompt, methods=["POST"]),
            Route("/api/call-tool", self.call_tool, methods=["POST"]),
            Route("/api/read-resource", self.read_resource, methods=["POST"]),
            Route("/api/resources", self.list_resources),
            Route("/api/complete", self.complete, methods=["POST"]),
            Route("/api/follow", self.follow),
            Route("/api/chat/stream", self.stream, methods=["POST"]),
            Route("/api/calls/{id}/stop", self.stop_call, methods=["POST"]),
            Route("/api/servers/{name}/reconnect", self.reconnect, methods=["POST"]),
            Route("/api/servers/{name}/trust", self.trust, methods=["POST"]),
            Route("/canary/{rest:path}", self.record_canary, methods=["GET", "POST"]),
            Route("/static/{name}", file),
        ]
        return Starlette(routes=routes)


def server(name: str, status: str = "ready", error: str | None = None) -> dict[str, Any]:
    """Return one server of `/api/status`."""
    return {
        "name": name,
        "transport": "streamable-http",
        "url": "http://127.0.0.1:8083/mcp",
        "status": status,
        "error": error,
        "tools": 4,
        "protocolVersion": "2026-07-28",
    }


def _json(value: Any) -> str:
    """Every character as it is, but for half ones, which UTF-8 cannot hold."""
    try:
        text = json.dumps(value, ensure_ascii=False)
        text.encode()
    except UnicodeEncodeError:
        halves = {code: f"\\u{code:x}" for code in range(0xD800, 0xE000)}
        return text.translate(halves)
    return text


async def document(request: Request) -> Response:
    """Answer with the page, under a policy as strict as web.py's."""
    response, scripts, styles = FILES.document(request.scope)
    policy = POLICY.format(scripts=" ".join(scripts), styles=" ".join(styles))
    response.headers["Content-Security-Policy"] = policy
    return response


async def file(request: Request) -> Response:
    """Answer with a file of the page as it is written, without Starlette's hops to a thread."""
    path = ROOT / "public" / request.path_params["name"]
    return Response(path.read_bytes(), media_type=mimetypes.guess_type(path)[0])


async def _events(steps: list[Step]) -> AsyncIterator[bytes]:
    for step in steps:
        if isinstance(step, threading.Event):
            for _ in range(int(HELD_SECONDS / PING_SECONDS)):
                if await asyncio.to_thread(step.wait, PING_SECONDS):
                    break
                yield b": ping\n\n"
        elif isinstance(step, bytes):
            yield step
        else:
            name, data = step
            yield f"event: {name}\ndata: {_json(data)}\n\n".encode()


@contextmanager
def running() -> Iterator[Backend]:
    """Serve a back end on a free port from a thread."""
    backend = Backend()
    backend.reset()
    with in_a_thread(backend.app()) as url:
        backend.url = url
        yield backend
        backend.ended = True
        backend.release()
