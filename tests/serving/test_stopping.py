"""How a service stops: it drains, what watches ends, what works is waited for, and the rest says so."""

import asyncio
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from serving import server
from serving.http_protocol import Bounds
from serving.server import Ending, Service
from tests.support.processes import free_port

pytestmark = pytest.mark.anyio


class Shop:
    """Answers at once, when it may, or never; a stream that watches, and one that answers calls."""

    def __init__(self) -> None:
        self.undone = asyncio.Event()
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()
        self.is_busy = False
        self.app = Starlette(
            routes=[
                Route("/healthz", self.quick),
                Route("/quick", self.quick),
                Route("/slow", self.slow, methods=["GET", "POST"]),
                Route("/undoes", self.undoes, methods=["POST"]),
                Route("/watch", self.watch, methods=["GET", "POST"]),
            ]
        )

    async def quick(self, _: Request) -> Response:
        return PlainTextResponse("ok")

    async def slow(self, _: Request) -> Response:
        self.reached.set()
        await self.go_on.wait()
        return PlainTextResponse("done")

    async def undoes(self, _: Request) -> Response:
        """Take long over its end, as a transaction that is rolled back by a busy server."""
        self.reached.set()
        try:
            return await asyncio.Future()
        finally:
            await self.undone.wait()

    async def watch(self, request: Request) -> Response:
        request.scope["is_busy"] = lambda: self.is_busy

        async def news() -> AsyncIterator[str]:
            yield "data: 1\n\n"
            await self.go_on.wait()
            yield "data: 2\n\n"

        return StreamingResponse(news(), media_type="text/event-stream")


@asynccontextmanager
async def running(
    shop: Shop, bounds: Bounds | None = None, **how: Any
) -> AsyncIterator[tuple[Service, httpx.AsyncClient]]:
    port = free_port()
    refuse: Callable[[Any], Response] = lambda _: JSONResponse({"code": "restarting"}, 503)  # noqa: E731
    ending = Ending(given_up=refuse, **how)
    service = Service(shop.app, host="127.0.0.1", port=port, bounds=bounds, ending=ending)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(service.serve())
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
            await until(lambda: ready(http))
            yield service, http
        service.should_exit = True
        shop.go_on.set()
        await serving


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await true():  # noqa: ASYNC110  no service tells when it has come so far
            await asyncio.sleep(0.02)


async def ready(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/healthz")).is_success
    except httpx.TransportError:
        return False


async def test_while_it_drains_the_probe_says_so_and_every_answer_closes_its_connection() -> None:
    async with running(Shop(), drain_seconds=600) as (service, http):
        assert "connection" not in (await http.get("/quick")).headers
        service.should_exit = True
        probe = await draining(http)
        assert (probe.json(), probe.headers["connection"]) == ({"code": "restarting"}, "close")
        answer = await http.get("/quick")
        assert (answer.text, answer.headers["connection"]) == ("ok", "close")
        service.drained_at = 0


async def draining(http: httpx.AsyncClient) -> httpx.Response:
    await until(lambda: refused(http))
    return await http.get("/healthz")


async def refused(http: httpx.AsyncClient) -> bool:
    return (await http.get("/healthz")).status_code == 503


async def test_what_was_asked_before_the_drain_and_is_answered_in_it_closes_its_connection() -> None:
    shop = Shop()
    async with running(shop, drain_seconds=600) as (service, http):
        asked = asyncio.create_task(http.post("/slow"))
        await shop.reached.wait()
        service.should_exit = True
        await draining(http)
        shop.go_on.set()
        assert (await asked).headers["connection"] == "close"
        service.drained_at = 0


async def test_a_stream_that_watches_ends_whole_and_a_call_is_waited_for() -> None:
    shop = Shop()
    async with running(shop, stop_seconds=600) as (service, http):
        call = asyncio.create_task(http.post("/slow"))
        await shop.reached.wait()
        async with http.stream("GET", "/watch") as watching:
            lines = watching.aiter_lines()
            assert await anext(lines) == "data: 1"
            service.should_exit = True
            assert [line async for line in lines] == [""]
        assert not call.done()
        shop.go_on.set()
        assert (await call).text == "done"


@pytest.mark.parametrize("busy", [True, False], ids=["answers calls", "is a turn"])
async def test_a_stream_on_which_somebody_waits_for_an_answer_gets_it(busy: bool) -> None:
    shop = Shop()
    shop.is_busy = busy
    method = "GET" if busy else "POST"
    async with (
        running(shop, stop_seconds=600) as (service, http),
        http.stream(method, "/watch") as watching,
    ):
        lines = watching.aiter_lines()
        assert await anext(lines) == "data: 1"
        service.should_exit = True
        await until(lambda: is_closed(http))
        shop.go_on.set()
        assert "data: 2" in [line async for line in lines]


async def is_closed(http: httpx.AsyncClient) -> bool:
    async with httpx.AsyncClient(base_url=http.base_url, timeout=60) as other:
        return not await ready(other)


async def test_what_outlasts_the_time_is_given_up_in_the_services_own_words() -> None:
    shop, said = Shop(), []

    async def finish(seconds: float) -> None:
        said.append(seconds)

    async with running(shop, stop_seconds=0.2, finish=finish) as (service, http):
        call = asyncio.create_task(http.post("/slow"))
        await shop.reached.wait()
        service.should_exit = True
        answer = await call
        assert (answer.status_code, answer.json()) == (503, {"code": "restarting"})
        assert "retry-after" not in answer.headers
        assert said == [0]


async def test_what_gives_up_by_itself_has_time_for_its_last_words() -> None:
    shop = Shop()

    async def finish(_: float) -> None:
        shop.go_on.set()

    async with running(shop, stop_seconds=0.1, finish=finish) as (service, http):
        call = asyncio.create_task(http.post("/slow"))
        await shop.reached.wait()
        service.should_exit = True
        assert (await call).text == "done"


async def test_a_half_request_and_an_idle_connection_hold_up_nothing() -> None:
    async with running(Shop(), stop_seconds=3600) as (service, http):
        await http.get("/quick")  # its connection stays open
        reader, writer = await asyncio.open_connection("127.0.0.1", http.base_url.port)
        writer.write(b"POST /slow HTTP/1.1\r\nHost: x\r\n")
        await writer.drain()
        service.should_exit = True
        assert await reader.read() == b""
        writer.close()


async def closed(service: Service) -> None:
    """Wait until nobody can connect any more."""
    async with asyncio.timeout(60):
        while service.servers[0].is_serving():  # noqa: ASYNC110  no service tells
            await asyncio.sleep(0.01)


async def test_who_has_just_connected_is_answered_once_more() -> None:
    async with running(Shop(), stop_seconds=60, first_request_seconds=60) as (service, http):
        reader, writer = await asyncio.open_connection(http.base_url.host, http.base_url.port)
        async with asyncio.timeout(60):
            while len(service.server_state.connections) < 2:  # noqa: ASYNC110  http has one, too
                await asyncio.sleep(0.01)
            service.should_exit = True
            await closed(service)
            writer.write(b"GET /quick HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = (await reader.read()).decode().lower()
        writer.close()
    assert answer.startswith("http/1.1 200")
    assert "connection: close" in answer


ASKED = b"GET /quick HTTP/1.1\r\nHost: localhost\r\n\r\n"


def connected(http: httpx.AsyncClient) -> socket.socket:
    """Connect as a client that is another process."""
    return socket.create_connection((http.base_url.host, http.base_url.port or 0), 30)


async def heard(client: socket.socket, end: bytes = b"ok") -> bytes:
    """Read up to the end of an answer."""
    answer = b""
    while not answer.endswith(end) and (piece := await asyncio.to_thread(client.recv, 65536)):
        answer += piece
    return answer


async def test_a_request_that_lies_in_the_buffer_of_an_idle_connection_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(Shop()) as (service, http):
        with connected(http) as client:

            def asks(_: Any) -> bool:
                client.sendall(ASKED)  # in the very turn in which the service closes what is idle
                return False

            monkeypatch.setattr(server, "refuses_newcomers", asks)
            client.sendall(ASKED)
            assert (await heard(client)).startswith(b"HTTP/1.1 200")
            service.should_exit = True
            assert b"connection: close" in await heard(client)


@pytest.mark.parametrize("ends", ["in the drain", "after it"])
async def test_a_request_after_a_stream_that_could_not_say_that_its_connection_closes_is_answered(
    ends: str,
) -> None:
    shop, bounds = Shop(), Bounds(linger_seconds=60)
    async with running(shop, bounds, drain_seconds=600, stop_seconds=60) as (service, http):
        with connected(http) as client:
            client.sendall(ASKED.replace(b"GET /quick", b"POST /watch"))
            assert b"connection: close" not in await heard(client, b"data: 1\n\n\r\n")
            service.should_exit = True
            await draining(http)
            for step in ("end", "close") if ends == "in the drain" else ("close", "end"):
                if step == "end":
                    shop.go_on.set()
                    await heard(client, b"0\r\n\r\n")
                else:
                    service.drained_at = 0
                    await closed(service)
            client.sendall(ASKED)
            assert b"connection: close" in await heard(client)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems reset who is in a listener's queue")
@pytest.mark.parametrize("anyio_backend", [("asyncio", {"use_uvloop": True})], ids=["uvloop"])
async def test_all_who_wait_to_be_let_in_are_answered_however_busy_the_service_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refuses_newcomers = server.refuses_newcomers
    async with running(Shop(), first_request_seconds=60) as (service, http):
        clients: list[socket.socket] = []

        def come(listener: socket.socket) -> bool:
            clients.extend(connected(http) for _ in range(5))
            for client in clients:
                client.sendall(ASKED)
            asyncio.get_running_loop().call_soon(time.sleep, server.HANDSHAKE_SECONDS * 1.5)
            return refuses_newcomers(listener)

        monkeypatch.setattr(server, "refuses_newcomers", come)
        service.should_exit = True
        await closed(service)
        answers = [await heard(client) for client in clients]
        for client in clients:
            client.close()
    assert [answer[:12] for answer in answers] == [b"HTTP/1.1 200"] * 5


async def test_what_takes_long_to_undo_is_answered_before_that() -> None:
    shop = Shop()
    async with running(shop, stop_seconds=0) as (service, http):
        asked = asyncio.create_task(http.post("/undoes"))
        await shop.reached.wait()
        service.should_exit = True
        assert (await asked).json() == {"code": "restarting"}
        shop.undone.set()
