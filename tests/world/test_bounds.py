"""What servers answer beyond our bounds: told where it strikes, not taken in, and the others are served."""

import asyncio
import gzip
import sys
import threading
import tracemalloc
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response, StreamingResponse

from tests.support import world
from tests.support.raw_server import RawServer, says

pytestmark = pytest.mark.anyio
MIB = 1024 * 1024
MOST = 100 * MIB  # taken in memory on both sides, for answers of 300 MB


@contextmanager
def little_memory() -> Iterator[None]:
    """Fail if what runs within takes more than MOST at once."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < MOST
    finally:
        tracemalloc.stop()


def long(head: bytes, media_type: str, headers: dict[str, str] | None = None) -> Response:
    """An answer of 300 MB that begins so."""

    async def body() -> Any:
        yield head
        for _ in range(300):
            yield b"a" * MIB

    return StreamingResponse(body(), media_type=media_type, headers=headers)


@cache  # two seconds of CPU
def packed(media_type: str, head: bytes, wbits: int, encoding: str) -> Response:
    """300 MB in 300 KB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    body = packer.compress(head) + b"".join(packer.compress(b"a" * MIB) for _ in range(300)) + packer.flush()
    return Response(body, media_type=media_type, headers={"Content-Encoding": encoding})


TEXT = b'{"jsonrpc": "2.0", "id": 3, "result": {"content": [{"type": "text", "text": "'
JSON, EVENTS = "application/json", "text/event-stream"


LARGE, ENCODED, DEEP = (f"server_answer_{word}" for word in ("too_large", "encoded", "too_deep"))


def encoded(name: str) -> Response:
    return Response(b"\x1b\x00", media_type=JSON, headers={"Content-Encoding": name})


def lists(count: int) -> bytes:
    return b'{"jsonrpc": "2.0", "id": "ID", "result": {"a": [' + b"[]," * count + b"0]}}"


def deep(levels: int) -> bytes:
    return b'{"jsonrpc": "2.0", "id": "ID", "result": ' + b'{"a":' * levels + b"0" + b"}" * (levels + 1)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (lambda _: long(TEXT, JSON), LARGE),
        (lambda _: long(b"data: " + TEXT, EVENTS), LARGE),
        (lambda _: long(b": ", EVENTS), LARGE),
        (lambda _: packed(JSON, TEXT, 31, "gzip"), LARGE),
        (lambda _: packed(JSON, TEXT, 15, "deflate"), LARGE),
        (lambda _: packed(EVENTS, b"data: " + TEXT, 31, "gzip"), LARGE),
        (lambda _: encoded("br"), ENCODED),
        (lambda _: encoded("gzip, gzip"), ENCODED),
        (lambda _: lists(2_000_000), LARGE),
        (lambda _: deep(5_000), DEEP),
        (lambda _: deep(100_000), DEEP),
    ],
)
@pytest.mark.parametrize("name", ["t", "w"])
async def test_an_answer_beyond_the_bounds_is_told_and_asked_for_once(
    tmp_path: Path, answer: Any, code: str, name: str
) -> None:
    server = RawServer({"tools/call": answer})
    async with world.raw(tmp_path, server) as web:
        with little_memory():
            told = await web.call(name)
        assert (told["code"], told.get("unknown", False)) == (code, name == "w"), told
        server.answers["tools/call"] = says("fine")
        assert (await web.call())["result"] == "fine"
    assert server.times("tools/call") - 1 == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_up_to_the_bounds_is_taken_whole(tmp_path: Path, stream: bool) -> None:
    text = "汉" * (2 * MIB)
    async with world.raw(tmp_path, RawServer({"tools/call": says(text)}, stream=stream)) as web:
        assert (await web.call())["result"] == text


async def test_a_packed_answer_is_unpacked(tmp_path: Path) -> None:
    body = gzip.compress(TEXT + b'hello"}]}}')
    answer = Response(body, media_type=JSON, headers={"Content-Encoding": "gzip"})
    async with world.raw(tmp_path, RawServer({"tools/call": answer})) as web:
        assert (await web.call())["result"] == "hello"


class HeldThreads(ThreadPoolExecutor):
    """Threads that begin nothing until they are let; `is_asked` is set once there is something to do."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asked, self.are_let = asyncio.Event(), threading.Event()

    def submit(self, work: Any, /, *given: Any, **named: Any) -> Any:
        self.is_asked.set()
        return super().submit(self._when_let, partial(work, *given, **named))

    def _when_let(self, work: Any) -> Any:
        self.are_let.wait()
        return work()


async def test_reading_what_is_large_does_not_hold_up_the_others(tmp_path: Path) -> None:
    rows = [{"id": number, "name": "n", "price": 1.5} for number in range(50_000)]
    server = RawServer({"tools/call": {"content": [], "structuredContent": {"rows": rows}}})
    async with world.raw(tmp_path, server) as web:
        threads = HeldThreads()
        asyncio.get_running_loop().set_default_executor(threads)
        large, asked = asyncio.create_task(web.call()), asyncio.create_task(threads.is_asked.wait())
        try:
            await asyncio.wait([large, asked], return_when=asyncio.FIRST_COMPLETED)
            assert (await web.http.get("/healthz")).status_code == 200
            assert not large.done()
        finally:
            asked.cancel()
            threads.are_let.set()
        assert '"id": 49999' in (await large)["result"]


ENDLESS = """
import sys
while line := sys.stdin.readline():
    if "tools/call" in line:
        while True:
            sys.stdout.write("a" * 1000000)
    import json
    asked = json.loads(line)
    if "id" in asked:
        tools = [{"name": "t", "inputSchema": {"type": "object"}}]
        hello = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}}
        result = {"tools": tools} if asked["method"] == "tools/list" else hello
        print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}), flush=True)
"""


async def test_a_line_without_an_end_is_told(tmp_path: Path) -> None:
    command = {"command": sys.executable, "args": ["-c", ENDLESS]}
    async with world.entry(tmp_path, command, web_trust_commands=True) as web:
        await web.becomes("ready")
        with little_memory():
            told = await web.call()
        assert (told["code"], told["unknown"]) == ("server_answer_too_large", True)
        assert (await web.becomes("down", "connecting", "ready"))["status"]
