"""What the errors of the SDK's client, and of the transports below it, mean."""

import re
import ssl
from collections.abc import Sequence
from typing import Literal

import httpx2
from mcp.shared.exceptions import MCPError
from mcp_types import CONNECTION_CLOSED, REQUEST_TIMEOUT

from assistant.toolbox.config import Server
from assistant.toolbox.wire import Sent
from serving.errors import CodedError
from serving.logs import printable
from serving.redaction import redacted

# Of an open connection; any other OSError means that none was opened.
MAX_MESSAGE = 2_000  # characters of a server's reason that are shown

# How servers say with 400 that they do not know the session, where the specification wants 404.
SESSION_LOST = re.compile(
    r"(no|in)\s?valid session|(missing|unknown|expired) session|session[\w -]*? "
    r"(not found|expired|unknown|invalid|terminated|required|missing|does not exist)|not initialized",
    re.IGNORECASE,
)

BROKEN = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)


# What a request may do: nothing at all, or the same however often it is sent, or more each time.
Effect = Literal["reads", "idempotent", "writes"]


class NoAnswerError(CodedError):
    """A request was sent and its answer did not come: `lost`, `refused` (5xx), `late` or `garbled`.

    `never_ran` says that the server refused it before any work, `repeated` that it was sent again in vain.
    """

    never_ran = False
    repeated = False
    effect: Effect = "writes"


def filled_in(error: MCPError) -> CodedError | None:
    """Return what our side says in the server's place: `lost`, `late`, `status`, `garbled` or a bound.

    None for an error that the server sent, whatever its number: see `wire`, which marks what came.
    """
    if isinstance(error.data, CodedError):
        return error.data
    own = {CONNECTION_CLOSED: "lost", REQUEST_TIMEOUT: "late"}
    return CodedError(own[error.code]) if error.code in own and not isinstance(error.data, Sent) else None


def request_failure(
    error: Exception, statuses: Sequence[int], server: Server, *, handshake: bool
) -> CodedError:
    """Say why a request on an open link has no result: a `NoAnswerError`, or the error that was the answer.

    `statuses` are those of the request's HTTP responses; where none is known (see `noted_statuses`) it may
    have run.
    """
    first = statuses[0] if statuses else 0
    unseen = not first and server.transport == "streamable-http"
    is_unknown_session = first == 404 or (first == 400 and bool(SESSION_LOST.search(str(error))))
    restarted = handshake and is_unknown_session and isinstance(error, MCPError)
    sign = filled_in(error) if isinstance(error, MCPError) and not restarted else CodedError("lost")
    code = sign.code if sign else "answered"
    if code == "status" and first >= 500:
        code = "refused"
    elif (code in ("status", "garbled") and unseen) or (code == "garbled" and 200 <= first < 300):
        code = "garbled"
    elif code in ("answered", "status", "garbled"):
        return link_failure(error, server, first)
    failure = NoAnswerError(code, server=server.name, **(sign.params if sign else {}))
    failure.never_ran = restarted
    return failure


def link_failure(error: BaseException, server: Server, status: int) -> CodedError:
    """Say why a link broke or could not be opened; `status` is that of its last HTTP response, or 0."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    refusal = CodedError("http_status", status=status) if status >= 400 else None
    if isinstance(error, MCPError):
        sign = filled_in(error)
        if sign is None:
            message = printable(redacted(error.message))[:MAX_MESSAGE]
            return CodedError("mcp_error", number=error.code, message=message)
        error = sign
    if isinstance(error, CodedError):
        known = {
            "lost": refusal or CodedError("closed_by_server", address=server.address),
            "late": CodedError("timeout", address=server.address),
            "status": refusal or CodedError("not_mcp", address=server.address),
            "garbled": CodedError("not_mcp", address=server.address),
        }
        return known.get(error.code) or CodedError(error.code, **{"server": server.name, **error.params})
    return _transport_failure(error, server) or (
        # Not the error's text, which may hold a URL with a password.
        refusal or CodedError("connect_failed", address=server.address, kind=type(error).__name__)
    )


def _transport_failure(error: BaseException, server: Server) -> CodedError | None:
    """Say what went wrong below MCP, by the innermost cause.

    httpx-aiohttp 0.2 raises `ConnectTimeout` for refused and for broken connections alike.
    """
    cause = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    is_http = isinstance(error, httpx2.TransportError)
    match cause:
        case ssl.SSLError():
            return CodedError("tls_failed", address=server.address, reason=cause.reason)
        case TimeoutError():
            return CodedError("timeout", address=server.address)
        case FileNotFoundError() | PermissionError() | NotADirectoryError() if not is_http:
            return CodedError("command_failed", command=server.address, reason=cause.strerror)
        case OSError() if is_http and not isinstance(cause, BROKEN):
            return CodedError("connect_refused", address=server.address)
    return CodedError("broken", address=server.address) if is_http else None
