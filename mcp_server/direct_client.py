"""httpx's client, which does less for each call of the shop."""

from contextlib import aclosing
from functools import lru_cache
from typing import Any

import httpx


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
        if "Set-Cookie" in response.headers:
            self.cookies.extract_cookies(response)
        if not stream:
            async with aclosing(response):
                await response.aread()
        return response


@lru_cache  # most calls ask for the same, and httpx reads an address character by character
def _parsed(url: httpx.URL | str) -> httpx.URL:
    return httpx.URL(url)
