"""What others answer has bounds, packed or not, and reading it holds nobody up."""

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import httpx2
import pytest
from starlette.responses import Response

from assistant.toolbox.limits import Limits
from assistant.toolbox.transports import http_client
from mcp_server.rest_client import RestClient, RestLimits, ShopUnansweredError
from serving.answer_bounds import MIB, bounded, read_json
from serving.errors import CodedError
from tests.support.asgi import serve

pytestmark = pytest.mark.anyio


async def fetch(body: bytes, media_type: str = "application/json", **headers: str) -> bytes:
    answer = Response(body, headers=headers, media_type=media_type)
    hooks: dict[str, Any] = {"response": [bounded(CodedError, MIB)]}
    async with (
        serve(answer) as url,
        httpx2.AsyncClient(event_hooks=hooks, trust_env=False, timeout=60) as client,
    ):
        return (await client.get(url)).content


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("identity", bytes)]
)
async def test_an_answer_within_bounds_comes_whole(encoding: str, pack: Any) -> None:
    body = bytes(range(256)) * 2_000
    assert await fetch(pack(body), **{"Content-Encoding": encoding}) == body


@pytest.mark.parametrize("pack", [gzip.compress, bytes])
async def test_an_answer_beyond_is_refused_packed_or_not(pack: Any) -> None:
    encoding = "gzip" if pack is gzip.compress else "identity"
    with pytest.raises(CodedError) as caught:
        await fetch(
            pack(bytes(64 * MIB if pack is gzip.compress else 2 * MIB)), **{"Content-Encoding": encoding}
        )
    assert (caught.value.code, caught.value.params) == ("answer_too_large", {"mib": 1})


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "nonesuch"])
async def test_an_encoding_that_was_not_asked_for_is_named(encoding: str) -> None:
    with pytest.raises(CodedError) as caught:
        await fetch(b"x", **{"Content-Encoding": encoding})
    assert (caught.value.code, caught.value.params) == ("answer_encoded", {"encoding": encoding})


async def test_what_is_not_packed_as_it_says_is_a_broken_answer() -> None:
    with pytest.raises(httpx2.DecodingError):
        await fetch(b"no gzip", **{"Content-Encoding": "gzip"})


async def test_an_event_stream_may_be_longer() -> None:
    assert len(
        await fetch(gzip.compress(bytes(3 * MIB)), "text/event-stream", **{"Content-Encoding": "gzip"})
    )


@pytest.mark.parametrize("size", [10, 300_000])
async def test_json_is_read_alike_small_or_large(size: int) -> None:
    value = {"a": [{"b": 1.5, "c": None, "d": "é\u2028"}] * size, "e": {"f": True}}
    assert await read_json(json.dumps(value).encode()) == value


async def test_while_large_json_is_read_others_go_on() -> None:
    reading = asyncio.create_task(read_json(json.dumps([{"a": [1, 2, 3]}] * 70_000).encode()))
    turns = 0
    while not reading.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 10


@pytest.mark.parametrize(
    "text", ["{", "[" * 5_000, "[" * (2 * MIB), '"\\u12'], ids=["half", "deep", "deep and large", "cut"]
)
async def test_what_is_no_json_is_an_error_of_one_kind(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        await read_json(text.encode())


@asynccontextmanager
async def saying(*answers: bytes, again: bool = False) -> AsyncIterator[str]:
    """Serve what answers a request with these, or with the last one without end."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.writelines(answers)
            while again:
                await writer.drain()
                writer.write(answers[-1] * 1000)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1")
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def of_the_shop(url: str) -> str:
    limits = RestLimits(max_attempts=1, read_seconds=60, attempt_seconds=60)
    async with RestClient(url, limits=limits).opened() as rest:
        return (await rest.get("products", "", {})).body.decode()


async def of_a_server(url: str) -> str:
    async with http_client(url, Limits(call_seconds=60)) as http:
        return (await http.get(url)).text


INTERIM = [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"]
FINAL = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]"


@pytest.mark.parametrize("ask", [of_the_shop, of_a_server])
@pytest.mark.parametrize("answer", [*INTERIM, b"HTTP/1.1 204 No Content\r\n\r\n"])
async def test_answers_without_end_end_their_connection(
    ask: Callable[[str], Awaitable[str]], answer: bytes
) -> None:
    """For as long as they came, nothing else was read: seconds at a time, up to the time of the call."""
    async with saying(answer, again=True) as url, asyncio.timeout(50):
        with suppress(ShopUnansweredError, httpx2.TransportError, aiohttp.ClientError):
            await ask(url)


@pytest.mark.parametrize("ask", [of_the_shop, of_a_server])
async def test_what_comes_before_an_answer_is_passed_over(ask: Callable[[str], Awaitable[str]]) -> None:
    async with saying(*INTERIM, *INTERIM, FINAL) as url:
        assert await ask(url) == "[]"
