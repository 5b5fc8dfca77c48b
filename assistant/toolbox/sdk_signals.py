"""What the errors of the SDK's client, and of the transports below it, mean."""

import json
import os
import re
import ssl
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Literal

import httpx2
from mcp.shared.exceptions import MCPError
from mcp_types import CONNECTION_CLOSED, HEADER_MISMATCH, REQUEST_TIMEOUT, UNSUPPORTED_PROTOCOL_VERSION

from assistant.toolbox.raw_results import in_words
from assistant.toolbox.sentences import ADVICE
from assistant.toolbox.server import Server
from assistant.toolbox.wire import FilledInError, Sent
from serving import network
from serving.errors import CodedError
from serving.logs import printable
from serving.redaction import redacted

MAX_MESSAGE = 2_000  # characters of a server's reason that are shown
# Where a refusal in JSON says why: JSON-RPC, FastAPI; APIs of China; OAuth; ASP.NET and Spring.
_WORDS = ("message", "detail", "msg", "errmsg", "error_msg", "error_description", "errors", "error", "title")

# What our side says of a request, as it is said of a link.
AS_LINK = {"lost": "closed_by_server", "late": "timeout", "status": "not_mcp", "garbled": "not_mcp"}

# How servers say that they do not know the session, where the specification wants a bare 404: the whole of
# what they say, for a tool's own words may be of other sessions.
_LOST = r"(invalid|missing|unknown|expired|unrecognized)"
SESSION_LOST = re.compile(
    r"((bad request|invalid request|not found|unauthorized|unprocessable entity|gone|error): )?"
    r"((the )?(mcp[- ])?session([- _]?id)?( header| with id)?:?( [\"'\w-]+)?( has| is| was)?( been)? "
    rf"(not found|{_LOST} or {_LOST}|expired|unknown|invalid|terminated|closed|required|missing"
    r"|does not exist|no longer valid|timed out|ended|not active)( or( has)? expired)?"
    r"([:,] .*| in (the )?([\w-]+ )?(headers?|request|endpoint|store|memory|cache|manager|registry))?"
    rf"|(no valid|no active|no such|no|{_LOST}( or {_LOST})?) "
    r"(mcp[- ])?session([- _]?id)?( header)?( (provided|found))?(:| with id)?((?<=:|d) [\w-]+)?"
    r"|no (active )?transport( found)? for (the )?session([- _]?id)?(: [\w-]+)?"
    r"|会话(id)?(不存在|已过期|已失效|无效|已关闭)|(无效的|找不到)会话"
    r"|could not find session|(server|session) not initialized"
    r"|unexpected message, expect(ed)? initialize request|a new session can only .*)[.!]?",
    re.IGNORECASE,
)

# How servers refuse a request of another era than theirs, which they had changed when they came back.
OTHER_ERA = re.compile(
    r"((bad request|invalid request): )?"
    r"((unsupported|invalid|unknown) (mcp[- ])?protocol[- ]version( header)?\b.*"
    r"|server not initialized|(no valid|missing|invalid or missing) session[- ]id( provided)?"
    r"|mcp-session-id header is required|unexpected message, expect(ed)? initialize request)[.!]?",
    re.IGNORECASE | re.DOTALL,
)

# Of an open connection; any other OSError means that none was opened.
BROKEN = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)


# What a request may do: nothing at all, or the same however often it is sent, or more each time.
Effect = Literal["reads", "idempotent", "writes"]


class NoAnswerError(CodedError):
    """A request was sent and its answer did not come: `lost`, `refused` (5xx), `late`, `garbled` …

    `never_ran` says that it was not sent, or that the server refused it before any work (since it does not
    know the session: `session_lost`), `repeated` that it was sent again in vain.
    """

    never_ran = session_lost = False
    repeated = False
    effect: Effect = "writes"


def filled_in(error: MCPError) -> FilledInError | None:
    """Return what our side says in the server's place: `lost`, `late`, `status`, `garbled` or a bound.

    None for an error that the server sent, whatever its number: see `wire`, which marks what came.
    """
    if isinstance(error.data, FilledInError):
        return error.data
    own = {CONNECTION_CLOSED: "lost", REQUEST_TIMEOUT: "late"}
    return FilledInError(own[error.code]) if error.code in own and not isinstance(error.data, Sent) else None


def request_failure(error: Exception, server: Server, *, handshake: bool) -> CodedError:
    """Say why a request on an open link has no result: a `NoAnswerError`, or the error that was the answer.

    Where the HTTP status of an answer is not known the request may have run.
    """
    if not isinstance(error, MCPError):
        return NoAnswerError("lost", server=server.name)
    status = getattr(error.data, "status", 0)
    said = filled_in(error) or FilledInError("answered")
    words = _sentence(said.refusal if said.code == "status" else error.message)
    is_session_lost = 400 <= status < 500 and SESSION_LOST.fullmatch(words)
    has_session = handshake or server.transport == "sse"
    is_lost = has_session and (is_session_lost or (status in (404, 410) and said.code != "answered"))
    if is_lost or (400 <= status < 500 and _is_of_other_era(error.code, words, handshake=handshake)):
        failure = NoAnswerError("lost", server=server.name)
        failure.never_ran = failure.session_lost = True
        return failure
    if said.code == "status" and status >= 500:
        told = _told(said) or next((each.phrase for each in HTTPStatus if each == status), "—")
        return NoAnswerError("refused", server=server.name, status=status, said=told)
    is_unseen = not status and server.transport == "streamable-http"
    if said.code in ("status", "garbled") and (is_unseen or (said.code == "garbled" and status < 300)):
        if told := _told(said):
            return NoAnswerError("not_mcp_said", address=server.address, said=told)
        return NoAnswerError("garbled", server=server.name)
    if said.code in ("answered", "status", "garbled", "redirected") or said.code.startswith("sign_in"):
        return link_failure(error, server)
    failure = NoAnswerError(said.code, **{"server": server.name, **said.params})
    failure.never_ran = said.never_sent
    return failure


def _is_of_other_era(number: int, words: str, *, handshake: bool) -> bool:
    """Whether a refusal says that the server speaks no such version: what its own error is, or says."""
    of_version = {UNSUPPORTED_PROTOCOL_VERSION} | ({HEADER_MISMATCH} if handshake else set())
    return number in of_version or OTHER_ERA.fullmatch(words) is not None


def _sentence(refusal: str) -> str:
    """Return what a refusal says, as a text or in JSON of whatever form."""
    said = _value(refusal)
    while isinstance(said, dict) and (known := [said[key] for key in _WORDS if said.get(key)]):
        said = known[0]
    return in_words(said).strip()


def _value(text: str) -> Any:
    with suppress(ValueError, RecursionError):
        return json.loads(text)
    return text


def _told(failure: FilledInError) -> str:
    """Return the words of a refusal; of what is none by its status those of a gateway, in JSON of its own."""
    value = _value(failure.refusal) if failure.code == "garbled" else {}
    if not isinstance(value, dict) or "jsonrpc" in value:
        return ""
    words = printable(redacted(_sentence(failure.refusal)))[:MAX_MESSAGE]
    return "" if words.startswith("<") else words  # a page


def _with_data(error: MCPError) -> str:
    """Return what an error says, with the `data` in which many servers say what is wrong."""
    given = error.data or {}
    data = in_words(given["data"] if given.keys() == {"data"} else given)
    more = "" if data in error.message else data
    said = f"{error.message}（{more}）" if more and error.message else more or error.message
    return said or f"JSON-RPC {error.code}"


def link_failure(error: BaseException, server: Server) -> CodedError:
    """Say why a link broke or could not be opened."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    status = getattr(getattr(error, "data", getattr(error, "response", None)), "status", 0)
    if isinstance(error, httpx2.HTTPStatusError):
        status = error.response.status_code
    refusal = CodedError("http_status", status=status) if status >= 400 else None
    refusal = network.refusal(status, server.url) or refusal
    if status == HTTPStatus.TOO_MANY_REQUESTS and (wait := getattr(getattr(error, "data", None), "wait", 0)):
        refusal = CodedError("http_busy", status=status, seconds=wait)
    if isinstance(error, MCPError):
        said = filled_in(error)
        if said is None:
            message = printable(redacted(_with_data(error)))[:MAX_MESSAGE]
            return CodedError("mcp_error", number=error.code, message=message)
        if said.code in AS_LINK:
            words = _told(said)
            if said.code == "garbled" and words:
                return CodedError("not_mcp_said", address=server.address, said=words)
            is_told = refusal is not None and said.code in ("lost", "status")
            if is_told and words and status not in ADVICE:
                refusal = CodedError("http_said", status=status, said=words)
            return refusal if is_told and refusal else CodedError(AS_LINK[said.code], address=server.address)
        error = said
    if isinstance(error, CodedError):
        return CodedError(error.code, **{"server": server.name, "address": server.address, **error.params})
    unopened = httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.ProxyError | httpx2.RemoteProtocolError
    blamed = network.failure(error, server.url) if isinstance(error, unopened) else None
    if blamed is not None and blamed.code != "tls_untrusted":
        return blamed
    return _transport_failure(error, server) or (
        # Not the error's text, which may hold a URL with a password.
        refusal or CodedError("connect_failed", address=server.address, kind=type(error).__name__)
    )


def _transport_failure(error: BaseException, server: Server) -> CodedError | None:
    """Say what went wrong below MCP, by the innermost cause.

    httpx-aiohttp 0.2 raises `ConnectTimeout` for refused and for broken connections alike.
    """
    cause = error
    while cause.__cause__ is not None and not isinstance(cause, TimeoutError):  # whose own is what ended it
        cause = cause.__cause__
    is_http = isinstance(error, httpx2.TransportError)
    match cause:
        case ssl.SSLError():
            reason = getattr(cause, "verify_message", "") or cause.reason
            return CodedError("tls_failed", address=server.address, reason=reason)
        case TimeoutError():
            return CodedError("timeout", address=server.address)
        case FileNotFoundError() | NotADirectoryError() if server.cwd and not os.path.isdir(server.cwd):
            return CodedError("folder_missing", cwd=redacted(server.cwd))
        case OSError() if server.transport == "stdio" and not isinstance(cause, BROKEN):
            return CodedError("command_failed", command=server.address, reason=cause.strerror)
        case OSError() if is_http and not isinstance(cause, BROKEN):
            return CodedError("connect_refused", address=server.address)
    return CodedError("broken", address=server.address) if is_http else None
