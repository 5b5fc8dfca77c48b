"""What the errors of the SDK's client, and of the transports below it, mean."""

import ssl
from collections.abc import Sequence
from typing import Literal

import httpx2
from mcp.shared.exceptions import MCPError
from mcp_types import CONNECTION_CLOSED, PARSE_ERROR, REQUEST_TIMEOUT

from assistant.toolbox.config import Server
from serving.errors import CodedError

# The client's own words, where it fills in an error response: for an HTTP status, and for a body that is no
# MCP. These texts are the only sign by which such an error differs from one that the server sent.
FOR_A_STATUS = ("Server returned an error response", "Not Found", "Session terminated")
FOR_A_BODY = ("Unexpected content type", "server answered a request with 202")

# Of an open connection; any other OSError means that none was opened.
BROKEN = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)


class NoAnswerError(CodedError):
    """A request was sent and its answer did not come: `lost`, `refused` (5xx), `late` or `garbled`.

    `never_ran` says that the server refused it before any work, `repeated` that it was sent again in vain.
    """

    never_ran = False
    repeated = False


def filled_in(error: MCPError) -> Literal["closed", "late", "status", "body"] | None:
    """Tell an error response that the SDK's client filled in itself from one that the server sent.

    Written for mcp 2.3, which marks the difference by two codes and some English texts only.
    """
    if error.code == CONNECTION_CLOSED:
        return "closed"
    if error.code == REQUEST_TIMEOUT:
        return "late"
    if error.message in FOR_A_STATUS:
        return "status"
    if error.code == PARSE_ERROR or error.message.startswith(FOR_A_BODY):
        return "body"
    return None


def request_failure(
    error: Exception, statuses: Sequence[int], server: Server, *, handshake: bool
) -> CodedError:
    """Say why a request on an open link has no result: a `NoAnswerError`, or the error that was the answer.

    `statuses` are those of the request's HTTP responses; where none is known (see `noted_statuses`) it may
    have run.
    """
    first = statuses[0] if statuses else 0
    unseen = not first and server.transport == "streamable-http"
    restarted = handshake and first == 404 and isinstance(error, MCPError)  # it does not know the session
    sign = filled_in(error) if isinstance(error, MCPError) and not restarted else "closed"
    match sign:
        case "closed":
            code = "lost"
        case "late":
            code = "late"
        case "status" if first >= 500:
            code = "refused"
        case "status" | "body" if unseen or (sign == "body" and 200 <= first < 300):
            code = "garbled"
        case _:
            return link_failure(error, server, first)
    failure = NoAnswerError(code, server=server.name)
    failure.never_ran = restarted
    return failure


def link_failure(error: BaseException, server: Server, status: int) -> CodedError:
    """Say why a link broke or could not be opened; `status` is that of its last HTTP response, or 0."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    refusal = CodedError("http_status", status=status) if status >= 400 else None
    if isinstance(error, MCPError):
        match filled_in(error):
            case "closed":
                return refusal or CodedError("closed_by_server", address=server.address)
            case "late":
                return CodedError("timeout", address=server.address)
            case "status" if refusal:
                return refusal
            case "body":
                return CodedError("not_mcp", address=server.address)
        return CodedError("mcp_error", number=error.code, message=error.message)
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
            return CodedError("command_failed", command=server.command, reason=cause.strerror)
        case OSError() if is_http and not isinstance(cause, BROKEN):
            return CodedError("connect_refused", address=server.address)
    return CodedError("broken", address=server.address) if is_http else None
