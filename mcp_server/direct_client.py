"""httpx's client, which does less for each call of the shop, and takes no answer without end."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import lru_cache
from typing import Any

import httpx

MAX_ANSWER = 16 * 1024 * 1024  # bytes of an answer, or of a line of a stream; a list has 4 MiB at most


class TooLargeError(Exception):
    """An answer is larger than any of a shop, or packed although that was not asked for."""


class _Counted(httpx.AsyncByteStream):
    def __init__(self, response: httpx.Response, *, by_lines: bool) -> None:
        assert isinstance(response.stream, httpx.AsyncByteStream)
        self._body, self._by_lines = response.stream, by_lines
        self._is_packed = response.headers.get("Content-Encoding", "identity") != "identity"

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._body:
            size = 0 if self._by_lines and b"\n" in piece else size + len(piece)
            if size > MAX_ANSWER or self._is_packed:
                raise TooLargeError
            yield piece

    async def aclose(self) -> None:
        await self._body.aclose()


class DirectClient(httpx.AsyncClient):
    """Sends straight through its transport, and parses an address once.

    What it leaves out is redirects that are followed, sign-in in several steps, and hooks.
    `httpx.AsyncClient` can stand in its place.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport, **settings: Any) -> None:
        super().__init__(transport=transport, **settings)
        self._network = transport

    def build_request(self, method: str, url: httpx.URL | str, **more: Any) -> httpx.Request:
        """Make a request."""
        return super().build_request(method, _parsed(url), **more)

    async def send(self, request: httpx.Request, *, stream: bool = False, **_: Any) -> httpx.Response:
        """Send a request; the answer is read unless it is a `stream`, which the caller closes."""
        response = await self._network.handle_async_request(request)
        response.request = request
        response.stream = _Counted(response, by_lines=stream)
        if "Set-Cookie" in response.headers:
            self.cookies.extract_cookies(response)
        if not stream:
            async with aclosing(response):
                await response.aread()
        return response


@lru_cache  # most calls ask for the same, and httpx reads an address character by character
def _parsed(url: httpx.URL | str) -> httpx.URL:
    return httpx.URL(url)
