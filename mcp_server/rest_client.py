"""The shop's REST service as the MCP server sees it: one helper that calls, retries, and says what failed."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

import aiohttp
import anyio
import stamina
from mcp.server.mcpserver.exceptions import ToolError
from pydantic_core import from_json
from yarl import URL

LOOK_SECONDS = 4.0  # a preview and a purchase together ...
BUY_SECONDS = 10.0
READ_SECONDS = 14.0  # ... and one read alone stay under the 15 s after which a client gives up
ATTEMPT_SECONDS = 5.0
TIMEOUTS = aiohttp.ClientTimeout(
    connect=READ_SECONDS, sock_connect=ATTEMPT_SECONDS, sock_read=ATTEMPT_SECONDS
)
CONNECTIONS = 64
KEEPALIVE = 4.0  # seconds; the service closes idle connections after 5, and we must be first
ATTEMPTS = 4
PATIENCE = 0.25  # seconds that a read waits for the same read before it
LONGEST_WAIT = 5.0  # a Retry-After above this is not waited for
BUSY = frozenset({502, 503, 504})  # a gateway's or the service's own "try again"

Query = Mapping[str, Any]  # None means: not asked for


logger = logging.getLogger(__name__)


class ShopError(ToolError):
    """A call that failed, as the tutorial's sentence for the model and the person behind it."""


@dataclass(frozen=True)
class Wording:
    """How the failures of one kind of call are told."""

    refused: str
    unreachable: str
    advice: str = ""


PRODUCTS = Wording("调用产品服务失败", "请求产品服务时出错")
INVENTORY = Wording("调用库存服务失败", "请求库存服务时出错")
ORDERS = Wording("调用订单服务失败", "请求订单服务时出错")
PURCHASE = Wording("创建采购订单失败", "请求创建采购订单时出错")


@dataclass(frozen=True)
class Request:
    """What the service is asked."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None


@dataclass(frozen=True)
class Response:
    """What the service said; the names of `headers` are found in any case."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes


# Raises aiohttp.ClientError, and TimeoutError.
Send = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Answer:
    """What the service said: its bytes, the same parsed, and its headers."""

    body: bytes
    data: Any
    headers: Mapping[str, str]


class _BusyError(Exception):
    """The service asks to be tried again; carries its answer, in case it stays so."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def _try_again(error: Exception) -> bool | float:
    """Tell stamina whether to try again, and after how many seconds where the service says so."""
    if not isinstance(error, _BusyError):
        return isinstance(error, aiohttp.ClientError | TimeoutError)
    wait = error.response.headers.get("Retry-After", "")
    if not (wait.isascii() and wait.isdigit()):  # a date (RFC 9110 10.2.3) or nothing: our own backoff serves
        return True
    return float(wait) if float(wait) <= LONGEST_WAIT else False


class Shop:
    """Calls the REST service at `url`; open it with `async with shop.opened()` before use.

    `send` replaces the network, for tests. A user and password in `url` are sent, and never shown.
    """

    def __init__(self, url: str, token: str = "", send: Send | None = None) -> None:
        address = URL(url.rstrip("/"))
        self._base = str(address)  # as it goes over the wire
        self._shown = address.with_user(None).human_repr()
        self._headers = {"Accept": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._send = send or self._exchange
        self._session: aiohttp.ClientSession | None = None
        self._users = 0
        self._purchases: set[anyio.CancelScope] = set()
        self._readings: set[asyncio.Task[Response]] = set()
        # By path: a read that begins when the same one before it is done, and that one.
        self._next: dict[str, asyncio.Task[Response]] = {}
        self._under_way: dict[str, asyncio.Task[Response]] = {}

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["Shop"]:
        """Hold the connections open. Users are counted: every SSE connection enters the server's lifespan."""
        if self._users == 0:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=KEEPALIVE),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=TIMEOUTS,
            )
        self._users += 1
        try:
            yield self
        finally:
            self._users -= 1
            if self._users == 0:
                session, self._session = self._session, None
                with anyio.CancelScope(shield=True):
                    for reading in self._readings:
                        reading.cancel()
                    await asyncio.gather(*self._readings, return_exceptions=True)
                    self._next.clear()
                    self._under_way.clear()
                    if session is not None:
                        await session.close()

    async def get(self, words: Wording, path: str, query: Query, seconds: float = READ_SECONDS) -> Answer:
        """Read a list, within `seconds` altogether. Raises ShopError."""
        asked = urlencode({name: value for name, value in query.items() if value is not None}, doseq=True)
        return await self._call(words, seconds, list, self._together(f"{path}?{asked}"))

    async def buy(self, body: bytes, key: str) -> Answer:
        """Place the order that `body` describes, once per `key`, however often it is tried. Raises ShopError.

        A client that goes away cannot stop it half-way: once sent, it is seen through.
        """
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        request = self._request("POST", "/purchase", headers, body)
        words = replace(PURCHASE, advice=f"。再试时请用同一个 idempotencyKey：{key}，不会重复购买")
        with anyio.CancelScope(shield=True) as purchase:
            self._purchases.add(purchase)
            try:
                return await self._call(words, BUY_SECONDS, dict, self._try(request))
            finally:
                self._purchases.discard(purchase)
        raise ShopError(f"{words.unreachable}: 服务器正在停止{words.advice}")

    def give_up(self) -> None:
        """Stop waiting for purchases under way, since the server stops; each happens or not, as a whole."""
        for purchase in self._purchases:
            purchase.cancel()

    def _request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] = MappingProxyType({}),
        body: bytes | None = None,
    ) -> Request:
        return Request(method, self._base + path, {**self._headers, **headers}, body)

    async def _call(
        self, words: Wording, seconds: float, kind: type, answering: Awaitable[Response]
    ) -> Answer:
        try:
            async with asyncio.timeout(seconds):
                response = await answering
        except _BusyError as error:
            response = error.response
        except (TimeoutError, aiohttp.ClientError) as error:
            reason = self._reason(error)
            logger.warning("%s: %s", words.unreachable, reason)
            raise ShopError(f"{words.unreachable}: {reason}{words.advice}") from error
        if response.status // 100 != 2:
            raise ShopError(f"{words.refused} ({response.status}): {_detail(response)}")
        data = _json(response)
        if not isinstance(data, kind):
            raise ShopError(
                f"{words.unreachable}: {self._shown} 的回答不是商店的，请检查 API_URL{words.advice}"
            )
        return Answer(response.body, data, response.headers)

    async def _together(self, path: str) -> Response:
        """Read once for all who ask for the same at the same time.

        Only a read that has not begun is shared. One that is under way may have seen the shop as it was
        before the caller's own purchase, so the caller waits for the next, as do all who come meanwhile.
        """
        reading = self._next.get(path)
        if reading is None:
            reading = self._next[path] = asyncio.create_task(self._read(path))
            self._readings.add(reading)
            reading.add_done_callback(self._forget)
        return await asyncio.shield(reading)  # a caller that goes away takes nothing from the others

    async def _read(self, path: str) -> Response:
        if path in self._under_way:
            await asyncio.wait([self._under_way[path]], timeout=PATIENCE)
        reading = self._under_way[path] = self._next.pop(path)
        try:
            async with asyncio.timeout(READ_SECONDS):
                return await self._try(self._request("GET", path))
        finally:
            if self._under_way.get(path) is reading:
                del self._under_way[path]

    def _forget(self, reading: asyncio.Task[Response]) -> None:
        self._readings.discard(reading)
        if not reading.cancelled():
            reading.exception()  # whoever still waits gets it; without this asyncio logs it when nobody does

    async def _try(self, request: Request) -> Response:
        async for attempt in stamina.retry_context(
            on=_try_again, attempts=ATTEMPTS, timeout=READ_SECONDS, wait_max=1.0, wait_jitter=0.1
        ):
            with attempt:
                response = await self._send(request)
                if response.status in BUSY:
                    raise _BusyError(response)
                return response
        raise AssertionError("stamina ends with a return or an exception")

    async def _exchange(self, request: Request) -> Response:
        assert self._session is not None, "open the shop first"
        url = URL(request.url, encoded=True)
        async with self._session.request(
            request.method, url, headers=request.headers, data=request.body, allow_redirects=False
        ) as answer:
            return Response(answer.status, answer.reason or "", answer.headers, await answer.read())

    def _reason(self, error: Exception) -> str:
        if isinstance(error, aiohttp.ClientConnectorError):
            return f"连接不上 {self._shown}，请确认 api.py 已经启动"
        if isinstance(error, TimeoutError):
            return f"{self._shown} 没有及时回答，请稍后再试"
        return f"与 {self._shown} 的连接中断，请稍后再试"


def _json(response: Response) -> Any:
    try:
        return from_json(response.body)
    except ValueError:  # a page, or the service of someone else
        return None


def _detail(response: Response) -> str:
    """Return the service's own words. A validation error names fields, never what was in them."""
    try:
        detail = _json(response)["detail"]
        if isinstance(detail, str):
            return detail
        problems: dict[str, str] = {}
        for problem in detail:
            problems.setdefault(_field(*problem["loc"]), problem["msg"])
        return "；".join(f"{field}: {message}" for field, message in problems.items())
    except (TypeError, KeyError):  # a proxy's page, not the service's JSON
        return response.reason or "没有说明"


def _field(where: str, *path: str | int) -> str:
    # Below the name of a query's field there is only which of its types did not fit: nobody's business.
    return ".".join(map(str, path[:1] if where == "query" else path))
