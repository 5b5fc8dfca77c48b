"""Bounds on what others answer over HTTP: a body is unpacked piece by piece, counted, JSON read aside."""

import asyncio
import json
import json.scanner
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiohttp
import httpx2
from aiohttp.client_proto import ResponseHandler

from serving.errors import CodedError

MIB = 1024 * 1024
MAX_BODY = 16 * MIB  # bytes of an answer, unpacked
LARGE = MIB  # bytes of JSON above which reading it would hold up the others
MAX_LISTS = 50_000  # in large JSON that the scanner in C reads
PIECE = 64 * 1024  # bytes that are unpacked at once
LENIENT = json.JSONDecoder(strict=False)
ACCEPTED = "gzip"  # as Accept-Encoding: what is unpacked here
MAX_AHEAD = 64  # answers that come at once; before the one that was asked for there may be 100 and 103


def bounded(
    error: Callable[..., CodedError], max_body: int = MAX_BODY
) -> Callable[[httpx2.Response], Awaitable[None]]:
    """Return a hook for a client's responses, which raises `error` out of the reading.

    Codes: `answer_too_large` for a body above `max_body` (of a refusal: above LARGE, since whoever explains
    it reads it at once), `answer_encoded` for an encoding other than gzip.
    An event stream has no end, so it is unpacked, but not counted: whoever reads it bounds its lines.
    """

    async def bind(response: httpx2.Response) -> None:
        encoding = response.headers.pop("Content-Encoding", "identity").strip().lower()
        if encoding not in ("identity", "gzip", "x-gzip", "deflate"):
            raise error("answer_encoded", encoding=encoding)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        pieces = aiter(response.stream) if encoding == "identity" else _unpacked(response.stream)
        if not response.headers.get("Content-Type", "").startswith("text/event-stream"):
            pieces = _counted(pieces, max_body if response.is_success else min(max_body, LARGE), error)
        response.stream = _Body(response.stream, pieces)

    return bind


@dataclass
class _Body(httpx2.AsyncByteStream):
    packed: httpx2.AsyncByteStream
    pieces: AsyncIterator[bytes]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.pieces

    async def aclose(self) -> None:
        await self.packed.aclose()


async def _unpacked(stream: httpx2.AsyncByteStream) -> AsyncIterator[bytes]:
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)  # gzip or zlib, by its head
    async for packed in stream:
        piece = _unpack(unpacker, packed)
        while piece:
            yield piece
            await asyncio.sleep(0)  # one packet may hold a thousand pieces
            piece = _unpack(unpacker, unpacker.unconsumed_tail)


def _unpack(unpacker: Any, packed: bytes) -> bytes:
    try:
        piece: bytes = unpacker.decompress(packed, PIECE)
    except zlib.error as error:
        raise httpx2.DecodingError(str(error)) from error
    return piece


async def _counted(
    pieces: AsyncIterator[bytes], max_body: int, error: Callable[..., CodedError]
) -> AsyncIterator[bytes]:
    size = 0
    async for piece in pieces:
        size += len(piece)
        if size > max_body:
            raise error("answer_too_large", mib=max_body // MIB)
        yield piece


class _Connection(ResponseHandler):
    """Ends where answers come without end: reading them would hold up everybody for seconds."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if len(self) > MAX_AHEAD:
            self.abort()


def connector(**settings: Any) -> aiohttp.TCPConnector:
    """Return aiohttp's connector, with such connections.

    Written for aiohttp 3.14, which has no public way to name their class.
    """
    made = aiohttp.TCPConnector(**settings)
    vars(made)["_factory"] = partial(_Connection, loop=asyncio.get_running_loop())
    return made


class TooDeepError(ValueError):
    """JSON is nested deeper than it can be read."""


async def read_json(data: bytes | str) -> Any:
    """Read JSON, with raw control characters in its texts; what is large in a thread.

    Raises ValueError: it is no JSON; TooDeepError.
    """
    text = (data.decode(errors="replace") if isinstance(data, bytes) else data).lstrip("\ufeff")
    try:
        return LENIENT.decode(text) if len(text) <= LARGE else await asyncio.to_thread(_read_aside, text)
    except RecursionError:
        raise TooDeepError("nested too deep") from None


def _object(value: dict[str, Any]) -> dict[str, Any]:
    return value


def _integer(digits: str) -> int:
    return int(digits)


def _read_aside(text: str) -> Any:
    """Read JSON so that other threads can run meanwhile: the scanner in C lets them only where it calls us.

    It does not for lists; where there are many, Python's own scanner reads, at a sixth of the speed.
    """
    if text.count("[") <= MAX_LISTS:
        return json.loads(text, object_hook=_object, parse_int=_integer, strict=False)
    scanner: Any = json.scanner
    decoder: Any = json.JSONDecoder(strict=False)
    decoder.scan_once = scanner.py_make_scanner(decoder)
    return decoder.decode(text)
