"""A fake Seniverse, our server in front of it, and clients of both protocol eras."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import uvicorn
from mcp.client import Client
from mcp_weather_http.application import create_app
from mcp_weather_http.seniverse import Seniverse

KEY = "SBh-3xample_Key"
SECONDS = 60  # bounds every wait; none takes that long
Answer = tuple[int, str | bytes]  # HTTP status and body; an empty body drops the connection


def weather_of(name: str, text: str = "多云", temperature: str = "14") -> Answer:
    """Return Seniverse's answer for a known city."""
    location = {"id": "WX4FBXXFKE4F", "name": name, "country": "CN", "path": f"{name},{name},中国"}
    now = {"text": text, "code": "4", "temperature": temperature}
    result = {"location": location, "now": now, "last_update": "2026-11-21T16:45:00+08:00"}
    return 200, json.dumps({"results": [result]}, ensure_ascii=False)


def refused(status: int, code: str) -> Answer:
    """Return Seniverse's answer for a refusal."""
    return status, json.dumps({"status": "The reason, in English.", "status_code": code})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = SECONDS

    def do_GET(self) -> None:
        fake = cast("_Listener", self.server).seniverse
        status, body = fake.answer(self.path)
        data = body.encode() if isinstance(body, str) else body
        if not data:
            self.close_connection = True
            return
        with suppress(ConnectionError):  # the client may have disconnected
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            while fake.drips and not fake.may_answer.wait(0.02):
                self.wfile.write(b" ")
            self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a held answer must not delay the end of its test
    seniverse: "FakeSeniverse"


@dataclass
class FakeSeniverse:
    """A fake of Seniverse's v3 API that records its requests."""

    url: str
    cities: dict[str, Answer] = field(
        default_factory=lambda: {"北京": weather_of("北京"), "beijing": weather_of("北京")}
    )
    first: deque[Answer] = field(default_factory=deque)  # sent before any other answer
    asked: list[str] = field(default_factory=list)  # the requested cities, in order
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    may_answer: threading.Event = field(default_factory=threading.Event)
    drips: bool = False  # a held answer is sent space by space, instead of not at all

    def __post_init__(self) -> None:
        self.may_answer.set()

    def answer(self, target: str) -> Answer:
        url = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path != "/v3/weather/now.json":
            return refused(404, "AP010005")
        if query.get("key") != KEY:
            return refused(403, "AP010003")
        if (query.get("language"), query.get("unit")) != ("zh-Hans", "c") or "location" not in query:
            return refused(403, "AP010001")
        self.asked.append(query["location"])
        self.arrived.release()
        if not self.drips:
            self.may_answer.wait(SECONDS)
        if self.first:
            return self.first.popleft()
        return self.cities.get(query["location"], refused(404, "AP010010"))

    def wait_for(self, requests: int) -> None:
        """Block until so many more requests have arrived."""
        for _ in range(requests):
            assert self.arrived.acquire(timeout=SECONDS), f"only {len(self.asked)} requests arrived"


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio, as the server does."""
    return "asyncio"


@contextmanager
def local_seniverse() -> Iterator[FakeSeniverse]:
    """Run a fake Seniverse on a free port; it accepts KEY."""
    listener = _Listener(("127.0.0.1", 0), _Handler)
    listener.seniverse = FakeSeniverse(f"http://127.0.0.1:{listener.server_port}")
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield listener.seniverse
    finally:
        listener.seniverse.may_answer.set()
        listener.shutdown()
        listener.server_close()
        thread.join(SECONDS)


@pytest.fixture
def fake() -> Iterator[FakeSeniverse]:
    """Run the fake Seniverse of the test's server."""
    with local_seniverse() as seniverse:
        yield seniverse


Serve = Callable[..., str]


class _Server(uvicorn.Server):
    """Uvicorn's server, which sees in 10 ms that it is to stop, and not in 100."""

    async def main_loop(self) -> None:
        await self.on_tick(0)
        while not self.should_exit:  # noqa: ASYNC110  set from another thread
            await asyncio.sleep(0.01)


@pytest.fixture
def serve(fake: FakeSeniverse) -> Iterator[Serve]:
    """Return a function that serves our app, by default in front of the fake, and returns its URL."""
    running: list[tuple[uvicorn.Server, threading.Thread]] = []

    def start(seniverse: Seniverse | None = None, **options: Any) -> str:
        app = create_app(seniverse or Seniverse(KEY, base_url=fake.url), **options)
        listener = socket.socket(
            proto=socket.IPPROTO_TCP
        )  # by this asyncio knows that it may set TCP_NODELAY
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = _Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        running.append((server, thread))
        return f"http://localhost:{listener.getsockname()[1]}/mcp"

    yield start
    fake.may_answer.set()
    for server, thread in running:
        server.should_exit = True
        thread.join(SECONDS)


Connect = Callable[..., Client]


@pytest.fixture(params=["legacy", "auto"], ids=["handshake", "2026-07-28"])
def connect(request: pytest.FixtureRequest) -> Connect:
    """Return a function that makes a client of one protocol era."""

    def client(url: str, **options: Any) -> Client:
        return Client(url, mode=request.param, read_timeout_seconds=SECONDS, **options)

    return client


@dataclass
class Program:
    """Our server as a process of its own."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def wait_until_up(self) -> None:
        """Block until it answers, or fail with its log."""
        health = self.url.removesuffix("/mcp") + "/healthz"
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            with suppress(httpx.TransportError):
                if httpx.get(health, timeout=2).status_code == 200:
                    return
            time.sleep(0.05)
        pytest.fail(f"{health} did not answer:\n{self.log.read_text()}")

    def interrupt(self) -> None:
        """Press Ctrl+C."""
        self.process.send_signal(signal.SIGINT)


Start = Callable[..., Program]


@pytest.fixture
def start(fake: FakeSeniverse, tmp_path: Path) -> Iterator[Start]:
    """Return a function that runs a command with the fake behind it; the test's end stops all of them."""
    programs: list[Program] = []

    def run(*command: str | Path) -> Program:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        log = tmp_path / f"{len(programs)}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*command, "--port", str(port), "--base-url", fake.url],
                env={"PATH": os.environ["PATH"], "SENIVERSE_API_KEY": KEY, "PYTHONUTF8": "1"},
                cwd=tmp_path,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        programs.append(Program(process, f"http://localhost:{port}/mcp", log))
        programs[-1].wait_until_up()
        return programs[-1]

    yield run
    for program in programs:
        program.process.kill()
        program.process.wait(SECONDS)
