"""The two HTTP transports of MCP, as the SDK's but within bounds: Streamable HTTP, and HTTP+SSE of 2024."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urljoin, urlsplit

import aiohttp
import anyio
import httpx2
from mcp.client._transport import TransportStreams
from mcp.client.streamable_http import RequestContext, StreamableHTTPTransport, StreamWriter
from mcp.shared._httpx_utils import redirect_location, request_within_origin, sse_within_origin
from mcp.shared.message import SessionMessage
from mcp_types import (
    CONNECTION_CLOSED,
    JSONRPCError,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
)

from assistant.toolbox.raw_results import Note
from assistant.toolbox.recording import Recording
from assistant.toolbox.wire import (
    HTTP,
    Channel,
    FilledInError,
    HttpAnswer,
    StreamEnded,
    decoded,
    filled_in,
    parse,
    too_large,
)
from serving.answer_bounds import MAX_BODY, read_json
from serving.logs import printable
from serving.redaction import redacted

MARK = b"\xef\xbb\xbf"  # a byte order mark
ALIVE = re.compile(r"\W*(keep-?alive|ping|pong|heartbeat)?\W*", re.IGNORECASE)
MAX_ALIVE = 40  # characters
MAX_SHOWN = 300  # characters of an address
SHORTEST_SECONDS = 1.0  # of a stream of a server's own messages
# Of connections that were not opened; httpx-aiohttp 0.2 raises ConnectTimeout also for one that broke.
UNOPENED = (
    *(httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError),
    *(aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError),
)
UNTYPED = ("", "text/plain", "text/json", "application/octet-stream", "application/x-ndjson")


class _StreamableHttp(StreamableHTTPTransport):
    """The SDK's, with its readers of answers replaced by ours."""

    def __init__(self, url: str, note: Note, recording: Recording) -> None:
        super().__init__(url, max_sse_event_size=MAX_BODY)
        self.url = cast("str", httpx2.URL(url))  # httpx2 takes both, and would parse a text with each call
        self._note, self._recording = note, recording
        self._strays: dict[RequestId, SessionMessage] = {}  # by request: answers under another's id
        self._is_met = False  # it has answered something

    async def _handle_post_request(self, ctx: RequestContext) -> None:
        """Send a message. What comes out of here ends the connection, and with it all that is under way."""
        message = ctx.session_message.message
        try:
            await super()._handle_post_request(ctx)
        except (FilledInError, httpx2.TransportError) as error:
            if not isinstance(error, FilledInError) and not self._is_met:
                raise  # the link tells why it could not be opened
            if isinstance(message, JSONRPCRequest):
                await ctx.read_stream_writer.send(filled_in(message.id, _outcome(error)))

    async def _handle_json_response(
        self, response: httpx2.Response, read_stream_writer: StreamWriter, *, request_id: RequestId
    ) -> None:
        answer = await self._message(decoded(await _read(response), self._note), request_id)
        is_answer = isinstance(answer.message, JSONRPCResponse | JSONRPCError)
        await read_stream_writer.send(
            _addressed(answer, request_id) if is_answer else filled_in(request_id, FilledInError("garbled"))
        )

    async def _handle_sse_event(
        self,
        sse: httpx2.ServerSentEvent,
        read_stream_writer: StreamWriter,
        original_request_id: RequestId | None = None,
        *_: Any,
        **__: Any,
    ) -> bool:
        if not _is_message(sse):
            return False
        told = await self._message(sse.data, original_request_id)
        if not isinstance(told.message, JSONRPCError):
            HTTP.set(HttpAnswer(HTTPStatus.OK))  # it has begun to answer, whatever its status says
        is_answer = isinstance(told.message, JSONRPCResponse | JSONRPCError)
        if is_answer and original_request_id is not None:
            own = getattr(told.message, "id", None)
            if own is not None and str(own) != str(original_request_id):
                self._strays[original_request_id] = told
                return False
            self._strays.pop(original_request_id, None)
            told = _addressed(told, original_request_id)
        await read_stream_writer.send(told)
        return is_answer

    async def _handle_reconnection(self, ctx: RequestContext, *args: Any, **more: Any) -> None:
        """Go on with a stream that has ended, unless an answer has come, if only under another's id."""
        message = ctx.session_message.message
        if isinstance(message, JSONRPCRequest) and message.id in self._strays:
            await self._resolve_abandoned_request(ctx.read_stream_writer, message.id, "")
        else:
            await super()._handle_reconnection(ctx, *args, **more)

    async def _resolve_abandoned_request(
        self,
        read_stream_writer: StreamWriter,
        request_id: RequestId,
        message: str,
        *,
        code: int = CONNECTION_CLOSED,
    ) -> None:
        failure = FilledInError("lost" if code == CONNECTION_CLOSED else "garbled")
        if message.startswith("SSE stream failed: Server-sent event exceeded"):
            failure = too_large()
        elif (answer := HTTP.get().response) and (elsewhere := redirect_location(answer)):
            failure = _redirected(str(elsewhere))
        elif HTTP.get().status >= HTTPStatus.BAD_REQUEST:
            failure = FilledInError("status")
        stray = self._strays.pop(request_id, None)  # the only answer, so it is to this request
        await read_stream_writer.send(
            _addressed(stray, request_id) if stray else filled_in(request_id, failure)
        )

    async def _message(self, text: str, id: RequestId | None) -> SessionMessage:
        """Return the message that a text is; one that cannot be read is the outcome of this request."""
        self._is_met = True
        message, failure = None, FilledInError("garbled")
        try:
            message = await parse(text)
        except FilledInError as error:
            failure = error
        except ValueError:
            failure.refusal = text  # a gateway may say in it why there is no answer
        self._recording.heard(text, message)
        return SessionMessage(message) if message else filled_in(id, failure)


def _outcome(error: FilledInError | httpx2.TransportError) -> FilledInError:
    """Return what becomes of a request: its answer is beyond our bounds, or its connection is lost."""
    if isinstance(error, FilledInError):
        return error
    lost = FilledInError("lost")
    lost.never_sent = isinstance(
        error.__cause__ if isinstance(error.__cause__, aiohttp.ClientError) else error, UNOPENED
    )
    return lost


def _addressed(answer: SessionMessage, id: RequestId) -> SessionMessage:
    """Return an answer with the id of the request that it answers, whatever it says."""
    cast("JSONRPCResponse", answer.message).id = id
    return answer


async def _read(response: httpx2.Response) -> bytes:
    """Return a body, also one that is whole though its connection did not end as it should.

    Raises httpx2.TransportError: it broke off.
    """
    pieces: list[bytes] = []
    try:
        async for piece in response.aiter_bytes():
            pieces.append(piece)  # noqa: PERF401  what came is needed when it breaks
    except httpx2.TransportError as error:
        try:
            await read_json(b"".join(pieces))
        except ValueError:
            raise error from None
    return b"".join(pieces)


def _redirected(address: str) -> FilledInError:
    """Say that a server sends its clients to another host, where nobody has sent them."""
    return FilledInError("redirected", target=printable(redacted(address))[:MAX_SHOWN])


def _is_message(sse: httpx2.ServerSentEvent) -> bool:
    """Whether an event is a message: some give it a name of their own, and some say that they are alive."""
    if sse.event != "message":
        return "jsonrpc" in sse.data
    return len(sse.data) > MAX_ALIVE or not ALIVE.fullmatch(sse.data)


async def framed(response: httpx2.Response) -> None:
    """A hook: let an answer be read whose body says what it is, and whose head or frame does not."""
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if not response.is_success:
        return
    if response.request.method == "POST":  # the SDK would not look at the body of a 202
        response.status_code = HTTPStatus.OK
    if kind == "text/event-stream":
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _Events(response.stream, SHORTEST_SECONDS * (response.request.method == "GET"))
    elif response.request.method == "POST" and (kind in UNTYPED or kind.endswith("+json")):
        response.headers["Content-Type"] = "application/json"


class _Events(httpx2.AsyncByteStream):
    """Ends lines in one way, and the last event, and makes one of JSON that came in the place of events.

    It does not end before so many seconds: with `retry: 0` the SDK asks for the next one at once.
    """

    def __init__(self, body: httpx2.AsyncByteStream, shortest: float) -> None:
        self._body, self._until = body, anyio.current_time() + shortest

    async def __aiter__(self) -> AsyncIterator[bytes]:
        last, size = list[bytes](), 0  # since a piece with a blank line
        before = MARK  # what may stand before a piece and says nothing
        async for piece in self._body:
            data = piece.removeprefix(before)
            before = b"\n" if data.endswith(b"\r") else b""
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            if b"\n\n" in data or size > MAX_BODY:
                last, size = [], 0
            last.append(data)
            size += len(data)
            yield data
        rest = b"".join(last).rpartition(b"\n\n")[2].strip()
        if rest.endswith(b"}"):
            yield b"\n\ndata: " + rest.replace(b"\n", b"\ndata: ") + b"\n\n" if rest[:1] == b"{" else b"\n\n"
        await anyio.sleep_until(self._until)

    async def aclose(self) -> None:
        await self._body.aclose()


@asynccontextmanager
async def streamable_http(
    url: str, client: httpx2.AsyncClient, note: Note, recording: Recording
) -> AsyncIterator[TransportStreams]:
    """Speak Streamable HTTP. No DELETE at the end: a server might never answer it, and sessions expire."""
    transport = _StreamableHttp(url, note, recording)
    async with Channel(note, recording) as ends, anyio.create_task_group() as group:

        async def follow() -> None:
            await transport.handle_get_stream(client, ends.to_client)
            await ends.to_client.send(StreamEnded())  # it gives up where a server has no such stream

        def listen() -> None:
            group.start_soon(follow)

        group.start_soon(
            transport.post_writer, client, ends.from_client, ends.to_client, ends.outgoing, listen, group
        )
        yield ends.streams
        group.cancel_scope.cancel()


@asynccontextmanager
async def http_sse(
    url: str, client: httpx2.AsyncClient, note: Note, recording: Recording
) -> AsyncIterator[TransportStreams]:
    """Speak HTTP+SSE: answers come over one stream, whose first event says where requests go."""
    async with (
        sse_within_origin(client, url, max_event_size=MAX_BODY) as source,
        Channel(note, recording) as ends,
        anyio.create_task_group() as group,
    ):
        if elsewhere := redirect_location(source.response):
            raise _redirected(str(elsewhere))
        source.response.raise_for_status()
        events = aiter(source)
        target = urljoin(url, await _endpoint(events, client.timeout.connect))
        if urlsplit(target)[:2] != urlsplit(url)[:2]:
            raise FilledInError("not_mcp")
        group.start_soon(ends.take, _data(events))
        group.start_soon(_post_messages, client, target, ends)
        yield ends.streams
        group.cancel_scope.cancel()


async def _endpoint(events: AsyncIterator[httpx2.ServerSentEvent], seconds: float | None) -> str:
    """Return where requests go. Raises FilledInError: this is no MCP; TimeoutError."""
    with anyio.fail_after(seconds), suppress(httpx2.SSEError):
        async for sse in events:
            if sse.event == "endpoint":
                return sse.data
    raise FilledInError("not_mcp")


async def _data(events: AsyncIterator[httpx2.ServerSentEvent]) -> AsyncIterator[str]:
    try:
        async for sse in events:
            if _is_message(sse):
                yield sse.data
    except httpx2.SSEError:
        raise too_large() from None


async def _post_messages(client: httpx2.AsyncClient, target: str, ends: Channel) -> None:
    async def post(message: SessionMessage) -> None:
        body = message.message.model_dump(by_alias=True, mode="json", exclude_unset=True)
        failure = FilledInError("status")
        try:
            response = await request_within_origin(client, "POST", target, json=body)
        except (FilledInError, httpx2.TransportError) as error:  # nobody is signed in
            failure = _outcome(error)
        else:
            if elsewhere := redirect_location(response):
                failure = _redirected(str(elsewhere))
            elif not response.is_error:
                return
        if isinstance(message.message, JSONRPCRequest):
            await ends.to_client.send(filled_in(message.message.id, failure))

    async for message in ends.from_client:
        async with anyio.create_task_group() as group:
            context = ends.from_client.last_context
            if context is not None:
                context.run(group.start_soon, post, message)
