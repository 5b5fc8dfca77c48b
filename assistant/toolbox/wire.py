"""What a server's bytes are as messages for the SDK's client, within bounds, whatever transport brought them.

Written for mcp 2.3: its transports parse on the event loop, whole and to the letter, and fill in errors of
their own that look like the server's.
"""

import json
import re
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, NamedTuple, NoReturn, Self

import anyio
import httpx2
from mcp.shared._context_streams import ContextReceiveStream, ContextSendStream
from mcp.shared.message import SessionMessage
from mcp_types import (
    INTERNAL_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
    jsonrpc_message_adapter,
)

from assistant.toolbox.questions import declared
from assistant.toolbox.raw_results import Large, Note, acceptable, asked, in_words, respelt
from assistant.toolbox.recording import Recording
from serving.answer_bounds import LARGE, MAX_BODY, MIB, TooDeepError, read_json
from serving.errors import CodedError

MAX_CONTAINERS = 1_000_000  # objects and lists in one message: small ones take 100 times their bytes

# The client's own words, where it fills in an error response: for an HTTP status, and for a body that is no
# MCP. By these alone such an error differs from one that the server sent with a status of 400 or above.
CLIENTS_WORDS = {
    **dict.fromkeys(("Server returned an error response", "Not Found", "Session terminated"), "status"),
    "Unexpected content type": "garbled",
}

_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


class StreamEnded(Exception):  # noqa: N818  the SDK hands exceptions on to whoever follows a connection
    """A server's own messages come no more; its answers do."""


class HttpAnswer(NamedTuple):
    """The HTTP status of a request's last response, the body of one that refuses it, and how long to wait."""

    status: int = 0
    refusal: str = ""
    wait: int = 0  # seconds
    response: httpx2.Response | None = None


HTTP: ContextVar[HttpAnswer] = ContextVar("http", default=HttpAnswer())  # noqa: B039  a tuple


class Sent(dict[str, Any]):
    """The `data` of an error that came over the wire, and its HTTP status."""

    status = wait = 0


class FilledInError(CodedError):
    """The `data` of an error that our side fills in, as `Sent`: `lost`, `status`, `garbled` …

    `refusal` is what came in the place of an answer; `never_sent`: no connection was opened for the request.
    """

    status = wait = 0
    refusal = ""
    never_sent = False


def beyond_bounds(code: str, **params: Any) -> FilledInError:
    """Say that a server's answer is beyond a bound of ours: `answer_too_large`, `answer_encoded`."""
    return FilledInError(f"server_{code}", **params)


def too_large() -> FilledInError:
    """Say that a message is too large."""
    return beyond_bounds("answer_too_large", mib=MAX_BODY // MIB)


async def parse(text: str) -> JSONRPCMessage:
    """Return the message that a text is, lone surrogates in it replaced. Raises ValueError, FilledInError."""
    if len(text) > MAX_BODY or text.count("{") + text.count("[") > MAX_CONTAINERS:
        raise too_large()
    if "\\ud" in text or "\\uD" in text:
        text = _ESCAPE.sub(lambda found: "\\ufffd" if found[1] else found[0], text)
    try:
        data = await read_json(text)
    except TooDeepError:
        raise beyond_bounds("answer_too_deep") from None
    except ValueError:
        data = await read_json(_answer_within(text))
    message = jsonrpc_message_adapter.validate_python(_mended(data), by_name=False)
    if isinstance(message, JSONRPCError):
        _mark(message.error)
    if isinstance(message, JSONRPCResponse) and len(text) > LARGE:
        message.result = Large(message.result)
    return message


async def is_result(text: str) -> bool:
    """Whether a text is the result of a request, and no error."""
    try:
        data = await read_json(_answer_within(text) or text)
    except ValueError:
        return False
    is_answer = isinstance(data, dict) and "jsonrpc" in data and data.get("error") is None
    return is_answer and isinstance(data.get("result"), dict)  # null stands beside many a refusal


def _answer_within(text: str) -> str:
    """Return the last answer in a text of several messages, each on a line, perhaps as an event's data."""
    lines = (line.strip().removeprefix("data:").strip() for line in text.splitlines())
    answers = [line for line in lines if line.startswith("{") and ('"result"' in line or '"error"' in line)]
    return answers[-1] if answers and answers[-1] != text else ""


def _mended(data: Any) -> Any:
    """Return a message with what servers leave out of an answer, or write in their own way."""
    if isinstance(data, list):  # a batch, as before 2025-06-18
        answers = (each for each in data if isinstance(each, dict) and "method" not in each)
        data = next(answers, data[0] if len(data) == 1 else data)
    if not isinstance(data, dict):
        return data
    if "method" in data:
        respelt(data.get("params"))
        return data
    error, result = data.get("error", data.get("jsonRpcError")), data.get("result")  # the second: Java's SDK
    digits = str(data.get("id")).removesuffix(".0")  # some write our number as a text, or as 1.0
    id = int(digits) if digits.isdecimal() else data.get("id")
    if error or (error is not None and result is None):
        said = error if isinstance(error, dict) else {"message": error, "data": data.get("error_description")}
        code = said.get("code") if isinstance(said.get("code"), int) else INTERNAL_ERROR
        more = said.get("data")
        message = in_words(said.get("message")) or ("" if more else in_words(said))
        error = {"code": code, "message": message, "data": more}
        return {"jsonrpc": "2.0", "id": id, "error": error}
    if "result" not in data:
        return data
    result = result if isinstance(result, dict) else {"content": result}
    return {"jsonrpc": "2.0", "id": id, "result": respelt(result)}


def decoded(data: bytes, note: Note) -> str:
    """Return the text that the bytes are, most likely UTF-8; `note` is told of another encoding.

    UTF-16 is what some shells of Windows write, and GB18030 its programs; a line of UTF-16 begins with half
    of the end of the line before.
    """
    data = data.removeprefix(b"\0") if len(data) % 2 else data
    encoding = json.detect_encoding(data)
    if encoding.startswith("utf-16"):
        note(CodedError("line_utf16"))
        return data.decode(encoding, "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
    read_well = sum(character > "\x7f" for character in text) - 2 * text.count("\ufffd")
    if read_well < 0:
        with suppress(UnicodeDecodeError):
            text = data.decode("gb18030")
            note(CodedError("line_gb18030"))
            return text
    note(CodedError("line_not_utf8"))
    return text


def _mark(error: ErrorData) -> None:
    if not isinstance(error.data, Sent | FilledInError):
        error.data = Sent(error.data if isinstance(error.data, dict) else {"data": error.data})


def filled_in(id: RequestId | None, failure: FilledInError) -> SessionMessage:
    """Answer a request in the server's place: its answer cannot come, or cannot be taken."""
    error = ErrorData(code=INTERNAL_ERROR, message=failure.code, data=failure)
    return SessionMessage(JSONRPCError(jsonrpc="2.0", id=id, error=error))


async def _explained(error: ErrorData, http: HttpAnswer) -> ErrorData:
    """Return an error marked as sent or filled in, with what the HTTP response tells of it."""
    code = CLIENTS_WORDS.get(error.message.partition(":")[0])
    if code and error.data is None:
        error.data = FilledInError(code)
    if isinstance(error.data, FilledInError):
        error.data.refusal = http.refusal or error.data.refusal
        if error.data.code == "status" and "jsonrpc" in http.refusal.lower():
            with suppress(ValueError, FilledInError):  # it was sent after all, in a form that the SDK refuses
                message = await parse(http.refusal)
                error = message.error if isinstance(message, JSONRPCError) else error
    _mark(error)
    error.data.status, error.data.wait = http.status, http.wait
    return error


class Incoming(ContextReceiveStream[SessionMessage | Exception]):
    """Messages from a transport; errors are marked as `Sent`, or as what the SDK filled in.

    A `FilledInError` from below is the outcome of every request under way.
    """

    def __init__(self, inner: Any, waiting: dict[RequestId, str], note: Note, recording: Recording) -> None:
        super().__init__(inner)
        self._waiting, self._note, self._recording = waiting, note, recording
        self._failures: deque[SessionMessage] = deque()

    async def receive(self) -> SessionMessage | Exception:
        """Return the next message."""
        if self._failures:
            return self._failures.popleft()
        item = await super().receive()
        if isinstance(item, FilledInError):
            self._failures.extend(filled_in(id, item) for id in self._waiting)
            self._waiting.clear()
            return await self.receive()
        message = item.message if isinstance(item, SessionMessage) else None
        if isinstance(message, JSONRPCError | JSONRPCResponse) and message.id is not None:
            method = self._waiting.pop(message.id, None)
            if isinstance(message, JSONRPCResponse):
                message.result = acceptable(method, message.result, self._note)
        if isinstance(message, JSONRPCRequest):
            message.params = asked(message.method, message.params)
        if isinstance(message, JSONRPCError):
            http = self.last_context.get(HTTP) if self.last_context else None
            message.error = await _explained(message.error, http or HttpAnswer())
            if isinstance(why := message.error.data, FilledInError):
                self._recording.failed(message.id, code=why.code, status=why.status, said=why.refusal)
        return item


class Outgoing(ContextSendStream[SessionMessage]):
    """Messages to a transport; notes which requests are under way."""

    def __init__(self, inner: Any, waiting: dict[RequestId, str], recording: Recording) -> None:
        super().__init__(inner)
        self._waiting, self._recording = waiting, recording

    async def send(self, item: SessionMessage) -> None:
        """Send a message."""
        match item.message:
            case JSONRPCRequest(id=id, method=method):
                self._waiting[id] = method
                if item.message.params is not None:  # what is set to None is sent, and servers refuse null
                    item.message.params = declared(item.message.params)
            case JSONRPCNotification(method="notifications/cancelled", params={"requestId": id}):
                self._waiting.pop(id, None)
        self._recording.said(item.message)
        await super().send(item)


class Channel:
    """A connection's two streams, and the ends of them that a transport holds; `note` is told what is odd."""

    def __init__(self, note: Note, recording: Recording) -> None:
        self.recording = recording
        waiting: dict[RequestId, str] = {}  # the methods of the requests under way
        to_client, incoming = anyio.create_memory_object_stream[Any](0)
        outgoing, from_client = anyio.create_memory_object_stream[Any](0)
        self.to_client = ContextSendStream[SessionMessage | Exception](to_client)
        self.from_client = ContextReceiveStream[SessionMessage](from_client)
        self.incoming = Incoming(incoming, waiting, note, recording)
        self.outgoing = Outgoing(outgoing, waiting, recording)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for end in (self.to_client, self.from_client, self.incoming, self.outgoing):
            await end.aclose()

    @property
    def streams(self) -> Any:
        """The two for the client; mypy does not see that they are the SDK's `TransportStreams`."""
        return self.incoming, self.outgoing

    async def take(self, texts: AsyncIterator[str]) -> None:
        """Pass on the messages that the texts are, and pass over what is none, until they end."""
        async with self.to_client:
            try:
                async for text in texts:
                    message = None
                    with suppress(ValueError):
                        message = await parse(text)
                    self.recording.heard(text, message)
                    if message:
                        await self.to_client.send(SessionMessage(message))
            except FilledInError as error:
                await self._fail(error)

    async def _fail(self, failure: FilledInError) -> NoReturn:
        """Let this be the outcome of every request under way, then end the connection with it."""
        for _ in range(2):  # the second is taken when all has been told that the first one means
            await self.to_client.send(failure)
        raise failure
