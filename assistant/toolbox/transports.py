"""How a server is reached: a command's pipes, HTTP+SSE, or Streamable HTTP, with the SDK's client on top."""

import math
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from email.utils import parsedate_to_datetime
from functools import cache
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import urlsplit

import aiohttp
import httpx2
from httpx_aiohttp.httpx2 import AiohttpTransport
from mcp import Client
from mcp.client.extension import advertise
from mcp.client.session import ElicitationFnT, MessageHandlerFnT
from mcp_types import Implementation, LoggingLevel

from assistant.toolbox.limits import Limits
from assistant.toolbox.over_http import framed, http_sse, streamable_http
from assistant.toolbox.over_pipes import pipes
from assistant.toolbox.raw_results import Note
from assistant.toolbox.recording import Recording
from assistant.toolbox.server import Server
from assistant.toolbox.wire import HTTP, HttpAnswer, beyond_bounds, decoded, is_result
from serving import VERSION, network
from serving.answer_bounds import ACCEPTED, bounded, connector

MAX_HEAD = 64 * 1024  # bytes of a line of an answer's head; aiohttp's own bound is 8,190
MAX_WAIT = 86_400  # seconds that a server may ask to wait
APPS = advertise("io.modelcontextprotocol/ui", {"mimeTypes": ["text/html;profile=mcp-app"]})
CLIENT_INFO = Implementation(name="product-mcp-web", version=VERSION)


@asynccontextmanager
async def open_client(
    server: Server,
    limits: Limits,
    hears: tuple[MessageHandlerFnT, ElicitationFnT],
    note: Note,
    mode: Literal["auto", "legacy"],
    *,
    recording: Recording,
    log_level: LoggingLevel | None = None,
    auth: httpx2.Auth | None = None,
) -> AsyncIterator[Client]:
    """Connect to a server; `hears` takes what it says, and what it asks.

    `mode` is legacy for one that does not bear `server/discover`.
    """
    async with AsyncExitStack() as stack:
        if server.transport == "stdio":
            transport = pipes(server, note, recording)
        else:
            # Taken out of the URL, since aiohttp refuses a user there beside an Authorization header.
            address = httpx2.URL(server.url)
            auth = httpx2.BasicAuth(address.username, address.password) if address.userinfo else auth
            made = http_client(
                server.url,
                limits,
                event_hooks={"response": [bounded(beyond_bounds), _note_answer, framed]},
                headers={"Accept-Encoding": ACCEPTED} | dict(server.headers),
                auth=auth,
            )
            http = await stack.enter_async_context(made)
            speak = http_sse if server.transport == "sse" else streamable_http
            transport = speak(str(address.copy_with(userinfo=b"")), http, note, recording)
        start = limits.start_seconds if server.transport == "stdio" else limits.connect_seconds
        client = Client(
            transport,
            read_timeout_seconds=start,
            cache=None,
            log_level=log_level,
            mode=mode,
            client_info=CLIENT_INFO,
            message_handler=hears[0],
            elicitation_callback=hears[1],
            extensions=[APPS],
        )
        yield await stack.enter_async_context(client)


async def _note_answer(response: httpx2.Response) -> None:
    """Keep the status and what a refusal says; after `bounded`, which counts what is read here.

    What is a result is no refusal, whatever its status: the call was made, and is not to be made again. An
    event stream may hold one. Of several answers, after a redirection or a renewed token, the last counts.
    """
    if response.request.method != "POST":
        return
    HTTP.set(HttpAnswer(response.status_code, wait=_wait(response), response=response))
    if not response.is_error:
        return
    if response.headers.get("Content-Type", "").startswith("text/event-stream"):
        response.status_code = HTTPStatus.OK
        return
    with suppress(httpx2.TransportError):
        HTTP.set(HTTP.get()._replace(refusal=decoded(await response.aread(), lambda _: None)))
    if await is_result(HTTP.get().refusal):
        response.status_code = HTTPStatus.OK
        response.headers["Content-Type"] = "application/json"


def _wait(response: httpx2.Response) -> int:
    """Return after how many seconds a server that refuses wants to be asked again; 0 if it does not say."""
    said, seconds = response.headers.get("Retry-After", ""), 0.0
    with suppress(ValueError):
        is_number = said.strip().isdecimal()
        seconds = float(said) if is_number else parsedate_to_datetime(said).timestamp() - time.time()
    return math.ceil(min(max(seconds, 0), MAX_WAIT))


def http_client(url: str, limits: Limits, read: float | None = None, **more: Any) -> httpx2.AsyncClient:
    """Make the client for an address. Raises CodedError: the environment names a proxy that is none."""
    proxy = network.proxy_for(url)
    authorities = _authorities(secure=urlsplit(url).scheme != "http")

    def session() -> aiohttp.ClientSession:
        bounded = connector(
            limit=limits.max_connections, keepalive_timeout=limits.keep_alive_seconds, ssl=authorities
        )
        return aiohttp.ClientSession(connector=bounded, max_line_size=MAX_HEAD, max_field_size=MAX_HEAD)

    return httpx2.AsyncClient(
        # aiohttp's connections take half the CPU, but know no SOCKS.
        transport=None if proxy else AiohttpTransport(verify=authorities, client=session),
        proxy=proxy.url if proxy else None,
        limits=httpx2.Limits(
            max_connections=limits.max_connections, keepalive_expiry=limits.keep_alive_seconds
        ),
        trust_env=False,
        verify=authorities,
        timeout=httpx2.Timeout(limits.call_seconds, connect=limits.connect_seconds, read=read),
        **more,
    )


@cache
def _authorities(*, secure: bool) -> ssl.SSLContext:
    # Kept, and empty for plain HTTP, which meets no certificate: to read the system's takes about 20 ms.
    return network.trusted() if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
