"""What others answer has bounds, packed or not, and reading it holds nobody up."""

import asyncio
import gzip
import json
import zlib
from typing import Any

import httpx2
import pytest
from starlette.responses import Response

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
