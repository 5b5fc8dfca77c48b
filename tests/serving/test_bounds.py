"""Heads and bodies have bounds and clocks, before any application is asked."""

import asyncio
import json
import re
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from serving import http_protocol as protocol
from serving.http_protocol import Bounds, http_protocol
from tests.support.asgi import serve
from tests.support.processes import Spawn, free_port

pytestmark = pytest.mark.anyio
KIB = 1024
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
USUAL = Bounds(max_body=100 * KIB)
QUICK = Bounds(max_body=100 * KIB, seconds=0.2)


class App:
    """Says how long a body is, and keeps what it was asked."""

    def __init__(self) -> None:
        self.bodies: list[int] = []
        routes = [
            Route("/", self.read, methods=["GET", "POST"]),
            Route("/unread", self.unread, methods=["POST"]),
            Route("/slow", self.slow, methods=["POST"]),
        ]
        self.app = Starlette(routes=routes)
        self.go_on = asyncio.Event()

    async def read(self, request: Request) -> Response:
        self.bodies.append(len(await request.body()))
        return PlainTextResponse(str(self.bodies[-1]))

    async def unread(self, _: Request) -> Response:
        return PlainTextResponse("no", 401)

    async def slow(self, request: Request) -> Response:
        await self.go_on.wait()
        return await self.read(request)


class Connection:
    """A client that sends any bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    async def answer(self) -> tuple[int, bytes]:
        async with asyncio.timeout(60):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            return int(head.split()[1]), await self.reader.readexactly(length)

    async def is_closed(self) -> bool:
        async with asyncio.timeout(60):
            with suppress(ConnectionError):
                while await self.reader.read(KIB):
                    pass
        return True


@asynccontextmanager
async def connected(bounds: Bounds = USUAL, app: App | None = None) -> AsyncIterator[Connection]:
    async with serve((app or App()).app, http=http_protocol(bounds)) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        try:
            yield Connection(reader, writer)
        finally:
            writer.close()


async def refused(connection: Connection, *pieces: bytes) -> tuple[int, str]:
    """Send, whether or not it is still read, and return the status and the code of the answer."""

    async def all_of_it() -> None:
        with suppress(ConnectionError):
            await connection.send(*pieces)

    sending = asyncio.create_task(all_of_it())
    status, body = await connection.answer()
    assert await connection.is_closed()
    await sending
    return status, json.loads(body)["code"]


LINE = b"a: " + b"x" * (1024 - 5) + b"\r\n"
TOO_LARGE_HEADS = {
    "one long line": [HEAD + b"a: ", *[b"x" * KIB] * 70],
    "one long line at once": [HEAD + b"a: " + b"x" * 70 * KIB + b"\r\n\r\n"],
    "many lines": [HEAD, *[LINE] * 70, b"\r\n"],
    "thousands of small ones": [HEAD, *[b"a:\r\n" * KIB] * 20],
    "a long path": [b"GET /", *[b"x" * KIB] * 70],
    "a name without an end": [HEAD, b"x" * 70 * KIB],
    "lines after a body": [CHUNKED, b"1\r\nx\r\n0\r\n", *[LINE] * 140],
    "one line after a body": [CHUNKED, b"1\r\nx\r\n0\r\na: ", *[b"x" * KIB] * 140],
    "a chunk's extension": [CHUNKED, b"1;", *[b"x" * KIB] * 140],
}


@pytest.mark.parametrize("pieces", TOO_LARGE_HEADS.values(), ids=TOO_LARGE_HEADS.keys())
async def test_a_head_beyond_its_bound_is_refused(pieces: list[bytes]) -> None:
    app = App()
    async with connected(app=app) as connection:
        assert await refused(connection, *pieces) == (431, "head_too_large")
    assert app.bodies == []


async def test_a_head_within_its_bound_is_taken_piece_by_piece_or_at_once() -> None:
    head = b"GET / HTTP/1.1\r\nHost: x\r\n" + LINE * 63 + b"\r\n"
    async with connected() as connection:
        await connection.send(head)
        assert await connection.answer() == (200, b"0")
        await connection.send(*(head[at : at + 999] for at in range(0, len(head), 999)))
        assert await connection.answer() == (200, b"0")


async def test_who_sends_thousands_of_requests_at_once_is_cut_off() -> None:
    app = App()
    async with connected(app=app) as connection:
        await connection.send(HEAD + b"\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 5_000)
        assert await connection.is_closed()
    assert len(app.bodies) < 2_000


TOO_LARGE_BODIES = {
    "as declared": [HEAD + b"Content-Length: 102401\r\n\r\n"],
    "as declared, and sent": [HEAD + b"Content-Length: 102401\r\n\r\n", *[b"x" * KIB] * 101],
    "declared beyond all": [HEAD + b"Content-Length: 99999999999999999\r\n\r\nx"],
    "in chunks": [CHUNKED, *[b"400\r\n" + b"x" * KIB + b"\r\n"] * 101],
    "in one chunk": [CHUNKED + b"7fffffff\r\n", *[b"x" * KIB] * 101],
}


@pytest.mark.parametrize("pieces", TOO_LARGE_BODIES.values(), ids=TOO_LARGE_BODIES.keys())
async def test_a_body_beyond_its_bound_is_refused(pieces: list[bytes]) -> None:
    app = App()
    async with connected(app=app) as connection:
        assert await refused(connection, *pieces) == (413, "too_large")
    assert app.bodies == []


@pytest.mark.parametrize(("path", "kib"), [("/slow", 2), ("/prefix/slow", 2), ("/unread", 1), ("/x", 1)])
@pytest.mark.parametrize("length", [3 * KIB, 10**12])
async def test_what_is_too_large_is_told_the_bound_of_its_own_route(path: str, kib: int, length: int) -> None:
    bounds = Bounds(max_body=KIB, larger={"/slow": 2 * KIB})
    async with connected(bounds) as connection:
        await connection.send(f"POST {path} HTTP/1.1\r\nContent-Length: {length}\r\n\r\n".encode())
        status, body = await connection.answer()
        assert (status, json.loads(body)["detail"]) == (413, f"请求体超过 {kib} KiB")


@pytest.mark.parametrize("parser", protocol.PROTOCOLS)
@pytest.mark.parametrize("awaited", [True, False])
async def test_who_has_asked_and_ends_its_half_gets_its_answer_where_that_is_no_leaving(
    monkeypatch: pytest.MonkeyPatch, awaited: bool, parser: str
) -> None:
    monkeypatch.setattr(protocol, "PROTOCOLS", (parser,))
    app = App()
    async with connected(Bounds(awaits_half_closed=awaited), app) as connection:
        await connection.send(b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx")
        connection.writer.write_eof()
        if awaited:
            app.go_on.set()
            assert await connection.answer() == (200, b"1")
        assert await connection.reader.read() == b""
    assert app.bodies == [1] if awaited else True


async def test_a_body_within_its_bound_is_taken_however_it_comes() -> None:
    async with connected() as connection:
        await connection.send(HEAD + b"Content-Length: 102400\r\n\r\n", b"x" * 100 * KIB)
        assert await connection.answer() == (200, b"102400")
        await connection.send(CHUNKED, *[b"1\r\nx\r\n"] * 20_000, b"0\r\n\r\n")
        assert await connection.answer() == (200, b"20000")
        await connection.send(
            HEAD + b"Content-Length: 5\r\n\r\nhello" + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 20
        )
        answers = [await connection.answer() for _ in range(21)]
        assert answers == [(200, b"5"), *[(200, b"0")] * 20]


NO_HTTP = {
    "characters in the address": ["GET /api/products?query=耳机 HTTP/1.1\r\nHost: x\r\n\r\n".encode()],
    "a blank in the address": [b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n"],
    "TLS": [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 9],
    "a method of its own": [b"BUY / HTTP/1.1\r\nHost: x\r\n\r\n"],
    "a line without a name": [HEAD + b"nonsense\r\n\r\n"],
    "no number as a length": [HEAD + b"Content-Length: -1\r\n\r\n"],
    "two ends of a body": [HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"],
    "a broken chunk": [CHUNKED, b"zz\r\n"],
    "a broken chunk at once": [CHUNKED + b"zz\r\n"],
    "a broken chunk after others": [CHUNKED, b"1\r\nx\r\n", b"zz\r\n"],
}


@pytest.mark.parametrize("pieces", NO_HTTP.values(), ids=NO_HTTP.keys())
async def test_what_is_no_http_is_told_so_and_serves_nothing(pieces: list[bytes]) -> None:
    app = App()
    async with connected(app=app) as connection:
        assert await refused(connection, *pieces) == (400, "not_http")
    assert app.bodies == []


@pytest.mark.parametrize("at_once", [True, False])
async def test_no_http_after_a_whole_request_takes_nothing_from_its_answer(at_once: bool) -> None:
    app = App()
    slow, nonsense = b"POST /slow HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", b"\x00\x01 nonsense\r\n\r\n"
    async with connected(app=app) as connection:
        await connection.send(*([slow + nonsense] if at_once else [slow, nonsense]))
        app.go_on.set()
        assert await connection.answer() == (200, b"1")
        assert await connection.is_closed()


LATE = {
    "half a head": ([HEAD], 408),
    "a head that trickles": ([HEAD, *[b"a: 1\r\n"] * 1000], 408),
    "no body": ([HEAD + b"Content-Length: 5\r\n\r\n"], 408),
    "a body that trickles": ([HEAD + b"Content-Length: 5000\r\n\r\n", *[b"x"] * 4000], 408),
    "chunks that trickle": ([CHUNKED, *[b"1\r\nx\r\n"] * 4000], 408),
    "half a head behind another request": ([b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"GET"], 200),
    "the rest of a body that nobody reads": ([b"POST /unread HTTP/1.1\r\nContent-Length: 9\r\n\r\n1"], 401),
}


@pytest.mark.parametrize(("pieces", "status"), LATE.values(), ids=LATE.keys())
async def test_a_request_that_does_not_come_in_time_ends(pieces: list[bytes], status: int) -> None:
    async with connected(QUICK) as connection:

        async def trickle() -> None:
            with suppress(ConnectionError):
                for piece in pieces:
                    await connection.send(piece)
                    await asyncio.sleep(0.005)

        sending = asyncio.create_task(trickle())
        assert (await connection.answer())[0] == status
        assert await connection.is_closed()
        await sending


async def test_a_connection_that_sends_nothing_is_closed() -> None:
    async with connected(QUICK) as connection:
        assert await connection.is_closed()


async def test_the_clock_runs_for_the_client_and_not_for_the_answer() -> None:
    app = App()
    async with connected(QUICK, app) as connection:
        await connection.send(b"POST /slow HTTP/1.1\r\nContent-Length: 1\r\n\r\nx\r\n")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(connection.reader.read(1)), 3 * QUICK.seconds)
        app.go_on.set()


async def test_what_is_refused_is_not_kept() -> None:
    async with connected() as connection:
        tracemalloc.start()
        try:
            assert (await refused(connection, HEAD + b"a: ", *[b"x" * 64 * KIB] * 1600))[0] == 431
            assert tracemalloc.get_traced_memory()[1] < 5 * KIB * KIB
        finally:
            tracemalloc.stop()


async def test_uvicorns_slower_parser_is_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "PROTOCOLS", protocol.PROTOCOLS[1:])
    no_http = [NO_HTTP["TLS"], NO_HTTP["a broken chunk"]]
    for pieces in ([HEAD + b"Content-Length: 102401\r\n\r\n"], [HEAD], *no_http):
        async with connected(QUICK) as connection:
            assert (await refused(connection, *pieces))[0] in {413, 408, 400}
    async with connected() as connection:
        await connection.send(HEAD + b"Content-Length: 102400\r\n\r\n", b"x" * 100 * KIB)
        assert await connection.answer() == (200, b"102400")


async def test_a_body_that_nobody_reads_is_not_read_for_ever() -> None:
    async with connected() as connection:
        chunks = [b"400\r\n" + b"x" * KIB + b"\r\n"] * 300
        await connection.send(b"POST /unread HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", *chunks[:1])
        assert await connection.answer() == (401, b"no")
        with suppress(ConnectionError):
            await connection.send(*chunks)
        assert await asyncio.wait_for(connection.reader.read(), 20) == b""


ASKED = {"api": "/api/purchase", "main": "/mcp", "web": "/api/chat/stream"}


@pytest.mark.parametrize("service", ASKED)
@pytest.mark.parametrize("secret", ["", "t0ken"])
async def test_each_service_refuses_what_is_too_large_before_it_looks_who_asks(
    spawn: Spawn, service: str, secret: str
) -> None:
    port = free_port()
    (spawn.folder / "mcp.json").write_text('{"mcpServers": {}}')
    env = dict.fromkeys(("API_TOKEN", "MCP_TOKEN", "WEB_PASSWORD"), secret)
    started = spawn(f"{service}.py", "--port", str(port), env=env)
    await asyncio.to_thread(started.wait_until_up, f"http://127.0.0.1:{port}/healthz")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
        assert (await http.get(ASKED[service], headers={"X": "x" * 70 * KIB})).status_code == 431
        large = b"x" * (16 * KIB * KIB + 1)
        assert (await http.post(ASKED[service], content=large)).status_code == 413


CUT_OFF = [b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{", b"GET / HTTP/1.1\r\nHost"]
PASSED_OVER = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: %s\r\n\r\n"
ODD = [
    *CUT_OFF,
    *(PASSED_OVER % to for to in (b"websocket", b"h2c")),
    *map(b"".join, NO_HTTP.values()),
]


@pytest.mark.parametrize("service", ASKED)
async def test_odd_requests_make_one_line_a_kind_and_no_traceback(spawn: Spawn, service: str) -> None:
    port = free_port()
    (spawn.folder / "mcp.json").write_text('{"mcpServers": {}}')
    started = spawn(f"{service}.py", "--port", str(port))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
        await asyncio.to_thread(started.wait_until_up, f"{http.base_url}/healthz")
        for request in ODD * 3:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            await writer.drain()
            writer.close()
        counted = f'refusals_total{{code="not_http"}} {3 * len(NO_HTTP)}\n'
        async with asyncio.timeout(30):
            while counted not in (await http.get("/metrics")).text:
                pass
    log = started.log.read_text()
    assert log.count("not_http") == 1
    assert not {"Traceback", "ERROR", "uvicorn", "ClientDisconnect"} & set(re.findall(r"[A-Za-z]+", log))


async def test_whoever_asks_whether_to_send_what_is_too_large_is_told_no_and_nothing_else() -> None:
    asks = f"Expect: 100-continue\r\nContent-Length: {KIB**3}\r\n\r\n".encode()
    async with connected() as connection:
        await connection.send(HEAD + asks)
        assert (await connection.answer())[0] == 413
        assert await connection.reader.read() == b""
