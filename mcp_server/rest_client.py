"""The client of the shop's REST service: it calls, tries again, and says with a code what failed."""

import asyncio
import base64
import logging
import random
import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode

import aiohttp
import anyio
import httpx
from httpx_aiohttp import AiohttpTransport
from opentelemetry.trace import SpanKind
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from mcp_server import sentences
from mcp_server.direct_client import DirectClient, TooLargeError
from models import Move, Order, Product, Today
from serving import tracing
from serving.answer_bounds import connector
from serving.errors import CodedError
from serving.logs import Seldom
from serving.redaction import redacted

CONNECTION_ERRORS = (httpx.RequestError, aiohttp.ClientError, OSError)  # not all are made httpx's
NEVER_SENT = (
    *(httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout),
    *(aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError),
)
UNREACHABLE = "shop_unreachable"  # the code of all of these, and of nothing else
REPLAYED = "Idempotent-Replayed"  # header of what was found by its key
BUSY_STATUSES = frozenset({502, 503, 504})  # a gateway or the service asks to be tried again
REFUSED_WRITE = {400, 404, 409, 410, 422}  # with a code: the shop's own word on what was to be written
MAX_REFUSAL = 64 * 1024  # bytes of a refusal that is told: a model reads it
NOT_WRITTEN = "database_unavailable"  # the shop's own word that this attempt has written nothing
REFUSED = "shop_refused"  # the code of a refusal that carries none
NO_PATH = {"not_found", REFUSED}  # codes of a 404 by which nothing of the shop is missing but the path itself
A_LIST, A_PRODUCT = TypeAdapter(list[Any]), TypeAdapter(Product)
A_MOVE, AN_ORDER, TODAY = TypeAdapter(Move), TypeAdapter(Order), TypeAdapter(Today)

Operation = Literal[
    "products", "inventory", "orders", "purchase", "restock", "change_product", "cancel_order"
]
# Method, path and body. By no method that aiohttp sends again by itself: we would not know of it.
Write = tuple[Literal["POST", "PATCH"], str, Any]
QueryParams = Mapping[str, Any]  # None means: not asked for

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RestLimits:
    """How long and how often the service is called. Clients give a tool call up after 15 seconds."""

    read_seconds: float = 14.0  # one read, with all its attempts
    look_seconds: float = 4.0  # a read before a write, or for a completion
    write_seconds: float = 10.0  # a purchase, or what the owner writes, with all its attempts
    attempt_seconds: float = 5.0  # to connect, and between two pieces of an answer
    silence_seconds: float = 40.0  # of the changes, which are silent for 15 at most
    max_attempts: int = 4
    retry_after_seconds: float = 5.0  # a service that asks for a longer pause is not tried again
    max_connections: int = 64
    keep_alive_seconds: float = 4.0  # less than the 5 after which uvicorn, by itself, closes an idle one


class RestError(CodedError):
    """A call of the REST service that failed; `operation` says what was asked."""

    def __init__(self, operation: Operation, code: str, /, **params: Any) -> None:
        super().__init__(code, **params)
        self.operation = operation


class ShopRefusedError(RestError):
    """The service answered with an error: its status, its own sentence, its code and params."""

    def __init__(self, operation: Operation, status: int, detail: str, code: str, /, **params: Any) -> None:
        super().__init__(operation, code, **params)
        self.status, self.detail = status, detail


class ShopUnansweredError(RestError):
    """The service gave no usable answer. Of a write, `params` hold the key to try again with."""


class UnknownOutcomeError(RestError):
    """A write that may have been done: it was sent, and `reason` is why its outcome is not known."""

    def __init__(self, reason: RestError, key: str) -> None:
        told = {"code": reason.code, "params": reason.params}
        super().__init__(reason.operation, "outcome_unknown", idempotencyKey=key, reason=told)
        self.reason = reason


@dataclass(frozen=True)
class RestAnswer:
    """An answer of the service: its bytes, and the same parsed."""

    body: bytes
    data: Any
    replayed: bool = False  # found by its key: done by an earlier call, not by this one


@dataclass
class _Call:
    """A call under way, and whether an attempt may have been carried out whose answer is not known."""

    operation: Operation
    request: httpx.Request
    kind: TypeAdapter[Any]  # what an answer is
    unsettled: bool = False

    def __str__(self) -> str:
        return f"{self.request.method} {self.request.url.path}"  # not the query, which may name a customer


class RestClient:
    """Calls the REST service at `url`; use it within `async with client.opened()`.

    `transport` replaces the network in tests. A user and password in `url` are sent as a header, and appear
    in no failure and no log line.
    """

    def __init__(
        self,
        url: str,
        token: str = "",
        *,
        limits: RestLimits | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        address = httpx.URL(url.rstrip("/"))
        self.limits = limits or RestLimits()
        self._url = str(address.copy_with(userinfo=b""))
        self._headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if address.userinfo:  # (RFC 7617)
            credentials = f"{address.username}:{address.password}".encode()
            self._headers["Authorization"] = f"Basic {base64.b64encode(credentials).decode()}"
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._transport = transport
        self._seldom = Seldom()
        self._users = 0
        self._writes: set[anyio.CancelScope] = set()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["RestClient"]:
        """Hold the connections open. Users are counted: every SSE connection enters the server's lifespan."""
        if self._users == 0:
            self._http = self._client()
        self._users += 1
        try:
            yield self
        finally:
            self._users -= 1
            if self._users == 0:
                with anyio.CancelScope(shield=True):
                    await self._http.aclose()

    async def get(
        self,
        operation: Operation,
        path: str,
        query: QueryParams,
        seconds: float | None = None,
        kind: TypeAdapter[Any] = A_LIST,
    ) -> RestAnswer:
        """Read a list, or what else `kind` is, within `seconds` in total. Raises RestError."""
        asked = urlencode({name: value for name, value in query.items() if value is not None}, doseq=True)
        request = self._http.build_request("GET", f"{self._url}{path}?{asked}")
        return await self._answered(_Call(operation, request, kind), seconds or self.limits.read_seconds)

    async def picture(self, path: str) -> tuple[bytes, str]:
        """Read a picture, and its type. Raises RestError."""
        request = self._http.build_request("GET", f"{self._url}{path}", headers={"Accept": "image/*"})
        call = _Call("products", request, A_LIST)
        response = await self._response(call, self.limits.read_seconds)
        if not (kind := response.headers.get("Content-Type", "")).startswith("image/"):
            raise self._unanswered(call.operation, "not_a_shop")
        return response.content, kind

    async def look(
        self, operation: Operation, path: str, kind: TypeAdapter[Any] = A_LIST, **query: Any
    ) -> Any:
        """Read what is needed before a write, or for a completion, where nobody waits as long."""
        return (await self.get(operation, path, query, self.limits.look_seconds, kind)).data

    async def write(
        self,
        operation: Operation,
        request: Write,
        key: str,
        kind: TypeAdapter[Any] = AN_ORDER,
    ) -> RestAnswer:
        """Have the shop do a `request` once per `key`, however often it is tried.

        Raises RestError; that is an UnknownOutcomeError unless the shop has answered or was certainly not
        reached. Shielded: a client that goes away does not cancel what was sent.
        """
        method, path, body = request
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        sent = self._http.build_request(method, f"{self._url}{path}", headers=headers, content=to_json(body))
        call = _Call(operation, sent, kind)
        with anyio.CancelScope(shield=True) as write:
            self._writes.add(write)
            try:
                return await self._answered(call, self.limits.write_seconds)
            except RestError as error:
                raise _write_failure(error, key, call.unsettled) from error
            finally:
                self._writes.discard(write)
        raise _write_failure(ShopUnansweredError(operation, "restarting"), key, call.unsettled)

    async def changes(self) -> AsyncGenerator[list[str], None]:
        """Yield every kind of thing at once, then the kinds that change. Raises RestError when that ends."""
        times = httpx.Timeout(self.limits.attempt_seconds, read=self.limits.silence_seconds)
        try:
            events, url = {"Accept": "text/event-stream"}, f"{self._url}/changes"
            async with self._http.stream("GET", url, headers=events, timeout=times) as answer:
                answer.raise_for_status()
                async for line in answer.aiter_lines():
                    if line.startswith("data:"):
                        yield [str(kind) for kind in from_json(line[5:])["kinds"]]
        except (httpx.HTTPStatusError, TooLargeError, ValueError, LookupError, TypeError) as error:
            raise ShopUnansweredError("products", "not_a_shop", url=self._url) from error
        except CONNECTION_ERRORS as error:
            raise ShopUnansweredError("products", _code(error), url=self._url) from error

    def give_up_writes(self) -> None:
        """Stop waiting for the writes under way; the service completes each, or does none of it."""
        for write in self._writes:
            write.cancel()

    def _client(self) -> httpx.AsyncClient:
        limits = self.limits

        def session() -> aiohttp.ClientSession:
            # The system's certificates take 20 ms to load: not for plain HTTP.
            authorities = ssl.create_default_context() if self._url.startswith("https:") else False
            times = {"limit": limits.max_connections, "keepalive_timeout": limits.keep_alive_seconds}
            return aiohttp.ClientSession(connector=connector(ssl=authorities, **times))

        return DirectClient(
            self._transport or AiohttpTransport(verify=False, client=session),
            headers=self._headers,
            timeout=httpx.Timeout(limits.attempt_seconds, pool=limits.read_seconds),
            trust_env=False,  # no proxy and no .netrc between the services of one shop
        )

    async def _answered(self, call: _Call, seconds: float) -> RestAnswer:
        response = await self._response(call, seconds)
        data = _read(response.content)
        try:
            call.kind.validate_python(data)
        except ValidationError as error:
            call.unsettled = True
            raise self._unanswered(call.operation, "not_a_shop") from error
        return RestAnswer(response.content, data, REPLAYED in response.headers and not call.unsettled)

    async def _response(self, call: _Call, seconds: float) -> httpx.Response:
        try:
            async with asyncio.timeout(seconds):
                response = await self._tried(call)
        except httpx.HTTPStatusError as error:
            response = error.response
        except TooLargeError as error:
            raise self._unanswered(call.operation, "not_a_shop") from error
        except CONNECTION_ERRORS as error:  # TimeoutError among them
            raise self._unanswered(call.operation, _code(error)) from error
        if response.is_success:
            return response
        refused = _refusal(call.operation, response)
        if refused.status == 404 and refused.code in NO_PATH and self._seldom.is_due("not_found"):
            log.warning("%s 下面没有商店：请检查 API_URL，它通常以 /api 结尾", self._url)
        raise refused

    def _unanswered(self, operation: Operation, code: str) -> ShopUnansweredError:
        if self._seldom.is_due(code):
            more = self._seldom.silent(code)
            told = (operation, self._url, code, f"（上一行之后还有 {more} 次）" if more else "")
            log.warning("商店没有回答（%s，%s）：%s%s", *told)
        return ShopUnansweredError(operation, code, url=self._url)

    async def _tried(self, call: _Call) -> httpx.Response:
        """Try until the shop has answered, after a pause each time; the last attempt ends as it ends."""
        for attempt in range(1, self.limits.max_attempts):
            try:
                return await self._attempt(call)
            except (httpx.HTTPStatusError, *CONNECTION_ERRORS) as error:
                if (pause := _pause(error, attempt)) > self.limits.retry_after_seconds:
                    raise
            await asyncio.sleep(pause)
        return await self._attempt(call)

    async def _attempt(self, call: _Call) -> httpx.Response:
        before, call.unsettled = call.unsettled, True
        try:
            with tracing.span(f"{call.request.method} shop", SpanKind.CLIENT) as carried:
                if carried:  # httpx goes through all headers, also for none
                    call.request.headers.update(carried)
                response = await self._http.send(call.request)
        except CONNECTION_ERRORS as error:
            code = _code(error)
            log.debug("%s: %s", call, code)
            call.unsettled = before or code != UNREACHABLE
            raise
        log.debug("%s: %d", call, response.status_code)
        if response.status_code in BUSY_STATUSES:
            call.unsettled = before or _refusal(call.operation, response).code != NOT_WRITTEN
            raise httpx.HTTPStatusError("busy", request=call.request, response=response)
        call.unsettled = before or not (response.is_success or response.is_client_error)
        return response


def _pause(error: Exception, attempt: int) -> float:
    """Return for how many seconds the service asks to be left alone; else a pause that doubles each time."""
    asked = error.response.headers.get("Retry-After", "") if isinstance(error, httpx.HTTPStatusError) else ""
    if re.fullmatch("[0-9]+", asked):  # not a date (RFC 9110 10.2.3)
        return float(asked)
    return min(0.1 * 2.0 ** (attempt - 1), 1.0) + random.uniform(0, 0.1)  # noqa: S311  no secret


def _code(error: Exception) -> str:
    # httpx-aiohttp 0.2 raises ConnectTimeout for every broken connection; aiohttp's own error is its cause.
    cause = error.__cause__ if isinstance(error.__cause__, aiohttp.ClientError) else error
    if isinstance(cause, NEVER_SENT):
        return UNREACHABLE
    if isinstance(cause, TimeoutError | httpx.TimeoutException):
        return "shop_late"
    return "shop_disconnected"


def _write_failure(error: RestError, key: str, unsettled: bool) -> RestError:
    """Say of a failed write whether it may have been done after all, and under which key."""
    if isinstance(error, ShopRefusedError) and error.status in REFUSED_WRITE and error.code != REFUSED:
        return error
    if unsettled:
        return UnknownOutcomeError(error, key)
    if isinstance(error, ShopUnansweredError) or error.code == NOT_WRITTEN:
        error.params["idempotencyKey"] = key
    return error


def _read(content: bytes) -> Any:
    try:
        return from_json(content)
    except ValueError:  # a page, or the service of someone else
        return None


def _refusal(operation: Operation, response: httpx.Response) -> ShopRefusedError:
    """Return a refusal in the shop's words, if they are as short as its own; no secret is echoed."""
    is_short = len(response.content) <= MAX_REFUSAL
    body = _read(redacted(response.text).encode()) if is_short else None
    said: dict[str, Any] = body if isinstance(body, dict) else {}
    code, params = said.get("code"), said.get("params")
    return ShopRefusedError(
        operation,
        response.status_code,
        _detail(said.get("detail")) or redacted(response.reason_phrase) or sentences.NO_DETAIL,
        code if isinstance(code, str) else REFUSED,
        **(params if isinstance(params, dict) else {}),
    )


def _detail(detail: Any) -> str:
    """Return the service's own words. A validation error names fields, never what was in them."""
    if isinstance(detail, str):
        return detail
    problems: dict[str, str] = {}
    try:
        for problem in detail:
            where, *path = problem["loc"]
            # After the name of a query's field, `loc` only says which of its types did not fit.
            field = ".".join(map(str, path[:1] if where == "query" else path))
            problems.setdefault(field, problem["msg"])
    except (TypeError, KeyError, ValueError):  # not the service's JSON
        return ""
    return "；".join(f"{field}: {message}" for field, message in problems.items())
