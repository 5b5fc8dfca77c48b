"""The client of the shop over real connections: codes of what failed, and how long idle ones are kept."""

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import httpx
import pytest
from anyio.abc import SocketAttribute, SocketStream

from mcp_server.rest_client import (
    RestClient,
    RestLimits,
    ShopRefusedError,
    ShopUnansweredError,
    UnknownOutcomeError,
)
from serving.redaction import remember
from serving.server import Service
from tests.support.processes import free_port

pytestmark = pytest.mark.anyio

EMPTY_LIST = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"
ONCE = RestLimits(max_attempts=1, attempt_seconds=60, read_seconds=60)


@asynccontextmanager
async def listening(serve: Callable[[SocketStream], Awaitable[None]]) -> AsyncIterator[str]:
    """Serve each connection with a function, and give the address."""
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as group,
    ):
        group.start_soon(listener.serve, serve)
        yield f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}/api"
        group.cancel_scope.cancel()


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[str]:
    """Answer every request with these bytes, then close."""

    async def serve(stream: SocketStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(answer)

    async with listening(serve) as url:
        yield url


async def failure(url: str) -> ShopUnansweredError:
    async with RestClient(url, limits=ONCE).opened() as rest:
        with pytest.raises(ShopUnansweredError) as failed:
            await rest.get("products", "/products", {})
    return failed.value


async def test_a_port_where_nothing_listens_is_unreachable() -> None:
    url = f"http://127.0.0.1:{free_port()}/api"
    error = await failure(url)
    assert (error.code, error.params) == ("shop_unreachable", {"url": url})


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"hello\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[]",
    ],
)
async def test_an_answer_that_is_cut_off_is_a_broken_connection(answer: bytes) -> None:
    async with answering(answer) as url:
        assert (await failure(url)).code == "shop_disconnected"


MIB = 1024 * 1024
NO_SHOPS = {
    "without end": b"HTTP/1.1 200 OK\r\n\r\n[" + b"1," * 12 * MIB,
    "packed": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n[]",
    "nested": b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * MIB,
    "a refusal without end": b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"x" * 24 * MIB,
}


@pytest.mark.parametrize("answer", NO_SHOPS.values(), ids=NO_SHOPS)
async def test_an_answer_that_no_shop_gives_is_not_taken_in_and_a_write_with_it_is_unknown(
    answer: bytes,
) -> None:
    async def serve(stream: SocketStream) -> None:
        async with stream:
            await stream.receive()
            with suppress(anyio.BrokenResourceError):
                await stream.send(answer)

    tracemalloc.start()
    async with listening(serve) as url, RestClient(url, limits=ONCE).opened() as rest:
        assert (await failure(url)).code == "not_a_shop"
        with pytest.raises(UnknownOutcomeError):
            await rest.write("purchase", ("POST", "/purchase", {}), "a-key")
    assert tracemalloc.get_traced_memory()[1] < 80 * MIB  # and not ten times what is sent
    tracemalloc.stop()


async def test_a_line_of_the_changes_has_an_end() -> None:
    async def serve(stream: SocketStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(b'HTTP/1.1 200 OK\r\n\r\ndata: {"kinds": ["stock"]}\n\n')
            with suppress(anyio.BrokenResourceError):
                await stream.send(b"x" * 24 * MIB)

    async with listening(serve) as url, RestClient(url, limits=ONCE).opened() as rest:
        changes = rest.changes()
        assert await anext(changes) == ["stock"]
        with pytest.raises(ShopUnansweredError) as failed:
            await anext(changes)
    assert failed.value.code == "not_a_shop"


@pytest.mark.parametrize("told", ["token s3cret-of-the-shop is old", "x" * 100_000])
async def test_a_refusal_is_told_without_secrets_and_only_if_it_is_short(told: str) -> None:
    remember("s3cret-of-the-shop")
    body = json.dumps({"detail": told, "code": "unauthorized", "params": {"given": told}}).encode()
    async with (
        answering(b"HTTP/1.1 401 s3cret-of-the-shop\r\n\r\n" + body) as url,
        RestClient(url, limits=ONCE).opened() as rest,
    ):
        with pytest.raises(ShopRefusedError) as refused:
            await rest.get("products", "/products", {})
    said = f"{refused.value.detail} {refused.value.params}"
    assert "***" in said
    assert "s3cret" not in said
    assert len(said) < 1000


async def test_a_service_that_says_nothing_is_late() -> None:
    async def answer_once(stream: SocketStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(EMPTY_LIST)
            await anyio.sleep_forever()

    limits = RestLimits(max_attempts=1, attempt_seconds=0.2)  # which a busy machine may need to connect, too
    async with listening(answer_once) as url, RestClient(url, limits=limits).opened() as rest:
        codes = [await outcome(rest)]
        while "" not in codes[:-1]:
            codes.append(await outcome(rest))
    assert codes[-1] == "shop_late"


async def outcome(rest: RestClient) -> str:
    """Read, and return the code of the failure; it is empty where there is none."""
    try:
        await rest.get("products", "/products", {})
    except ShopUnansweredError as error:
        return error.code
    return ""


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_a_write_that_was_sent_is_unknown_however_unreachable_the_shop_is_then(method: Any) -> None:
    """And it is sent as often as this client says: aiohttp repeats what it takes for safe."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(EMPTY_LIST)
        heard.append(await reader.read(65536))
        server.close()
        writer.close()  # and nobody listens any more

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = "http://{}:{}/api".format(*server.sockets[0].getsockname())
    limits = RestLimits(max_attempts=2, attempt_seconds=60, write_seconds=60)
    async with RestClient(url, limits=limits).opened() as rest:
        await rest.get("products", "/products", {})
        with pytest.raises(UnknownOutcomeError) as lost:
            await rest.write("purchase", (method, "/purchase", {}), "k")
    assert (lost.value.reason.code, len(heard)) == ("shop_unreachable", 1)


async def test_a_page_in_place_of_json_is_no_shop() -> None:
    async with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>") as url:
        assert (await failure(url)).code == "not_a_shop"


async def test_a_refusal_carries_the_services_status_sentence_code_and_params() -> None:
    params = {"productId": 2, "name": "无线蓝牙耳机Pro", "available": 1}
    body = {"detail": "商品 无线蓝牙耳机Pro 库存不足. 可用: 1", "code": "out_of_stock", "params": params}
    transport = httpx.MockTransport(lambda _: httpx.Response(400, json=body))
    async with RestClient("http://shop/api", transport=transport).opened() as rest:
        with pytest.raises(ShopRefusedError) as refused:
            await rest.write("purchase", ("POST", "/purchase", {}), "k")
    error = refused.value
    assert (error.status, error.detail, error.code, error.params) == (
        400,
        body["detail"],
        "out_of_stock",
        params,
    )


@pytest.mark.parametrize("body", [{"detail": "no"}, {"code": 5, "params": []}, [], "no"])
async def test_a_refusal_of_someone_who_knows_no_codes_has_one_too(body: object) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(404, json=body))
    async with RestClient("http://shop/api", transport=transport).opened() as rest:
        with pytest.raises(ShopRefusedError) as refused:
            await rest.get("orders", "/orders", {})
    assert (refused.value.code, refused.value.params) == ("shop_refused", {})


@pytest.mark.parametrize(
    ("body", "told"),
    [({"detail": "Not Found", "code": "not_found"}, 1), ("<html>", 1), ({"code": "unknown_product"}, 0)],
)
async def test_who_runs_it_is_told_once_that_the_address_is_no_shops(
    body: object, told: int, caplog: pytest.LogCaptureFixture
) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(404, json=body))
    async with RestClient("http://mei:geheim@shop", transport=transport).opened() as rest:
        for write in (
            rest.get("orders", "/orders", {}),
            rest.write("purchase", ("POST", "/purchase", {}), "k"),
        ):
            with pytest.raises(ShopRefusedError):
                await write
    lines = [line for line in caplog.messages if "API_URL" in line]
    assert len(lines) == told
    assert "geheim" not in "".join(lines)


async def test_a_user_and_password_in_the_address_go_into_the_header_and_not_into_failures() -> None:
    heard: list[bytes] = []

    async def serve(stream: SocketStream) -> None:
        async with stream:
            heard.append(await stream.receive())

    async with listening(serve) as url:
        error = await failure(url.replace("http://", "http://somebody:ge%40heim@"))
    assert error.params == {"url": url}
    assert b"\r\nauthorization: basic c29tzwjvzhk6z2vaagvpbq==\r\n" in heard[0].lower()


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    async with answering(EMPTY_LIST) as url, RestClient(url, limits=ONCE).opened() as rest:
        assert (await rest.get("products", "/products", {})).data == []


async def test_who_debugs_reads_what_each_attempt_asked_and_got_and_of_no_customer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answers: list[httpx.Response | Exception] = [httpx.ReadError("cut"), httpx.Response(200, json=[])]

    def answer(_: httpx.Request) -> httpx.Response:
        if isinstance(given := answers.pop(0), Exception):
            raise given
        return given

    caplog.set_level("DEBUG", "mcp_server")
    async with RestClient("http://shop/api", transport=httpx.MockTransport(answer)).opened() as rest:
        await rest.get("orders", "/orders", {"customerName": "Zoe"})
    told = [record.getMessage() for record in caplog.records if record.name == "mcp_server.rest_client"]
    assert told == ["GET /api/orders: shop_disconnected", "GET /api/orders: 200"]


async def test_a_redirect_is_no_answer_and_is_not_followed() -> None:
    asked: list[str] = []

    def move(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(302, headers={"Location": "http://shop/elsewhere"})

    async with RestClient("http://shop/api", transport=httpx.MockTransport(move)).opened() as rest:
        with pytest.raises(ShopRefusedError) as refused:
            await rest.get("products", "/products", {})
    assert (refused.value.status, asked) == (302, ["/api/products"])


async def test_a_cookie_by_which_a_balancer_knows_its_client_comes_back() -> None:
    heard: list[bytes] = []

    async def serve(stream: SocketStream) -> None:
        async with stream:
            async for request in stream:
                heard.append(request)
                await stream.send(EMPTY_LIST.replace(b"\r\n", b"\r\nSet-Cookie: replica=2\r\n", 1))

    async with listening(serve) as url, RestClient(url).opened() as rest:
        for _ in range(2):
            await rest.get("products", "/products", {})
    assert [b"replica=2" in request for request in heard] == [False, True]


async def test_an_idle_connection_is_closed_by_the_client_after_its_keepalive() -> None:
    closed = anyio.Event()

    async def serve(stream: SocketStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(EMPTY_LIST)
            with pytest.raises(anyio.EndOfStream):
                await stream.receive()
            closed.set()

    limits = RestLimits(keep_alive_seconds=0.05)
    async with listening(serve) as url, RestClient(url, limits=limits).opened() as rest:
        await rest.get("products", "/products", {})
        with anyio.fail_after(60):
            await closed.wait()


async def test_the_client_closes_idle_connections_before_the_server_does() -> None:
    async def app(scope: object, receive: object, send: object) -> None: ...

    kept = Service(app, host="127.0.0.1", port=0).config.timeout_keep_alive
    of_aiohttp = 15  # by its documentation
    assert max(RestLimits().keep_alive_seconds, httpx.Limits().keepalive_expiry or 0, of_aiohttp) < kept


async def test_a_connection_is_kept_for_the_next_call() -> None:
    connections = 0

    async def serve(stream: SocketStream) -> None:
        nonlocal connections
        connections += 1
        async with stream:
            async for _ in stream:
                await stream.send(EMPTY_LIST)

    async with listening(serve) as url, RestClient(url).opened() as rest:
        for _ in range(3):
            await rest.get("products", "/products", {})
    assert connections == 1


async def test_a_client_that_is_opened_twice_stays_open_until_both_are_done() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=[]))
    async with RestClient("http://shop/api", transport=transport).opened() as rest:
        async with rest.opened():
            await rest.get("products", "/products", {})
        assert (await rest.get("products", "/products", {})).data == []


async def test_purchases_under_way_are_given_up_as_unknown() -> None:
    asked = anyio.Event()

    async def hang(stream: SocketStream) -> None:
        async with stream:
            await stream.receive()
            asked.set()
            await anyio.sleep_forever()

    async with listening(hang) as url, RestClient(url).opened() as rest:

        async def buy() -> None:
            with pytest.raises(UnknownOutcomeError) as given_up:
                await rest.write("purchase", ("POST", "/purchase", {}), "k")
            assert given_up.value.params["idempotencyKey"] == "k"

        async with anyio.create_task_group() as group:
            group.start_soon(buy)
            await asked.wait()
            rest.give_up_writes()
