"""Turns a failure into what leaves the server: a sentence, a code and its parameters."""

from collections.abc import Iterator, Mapping
from typing import Any

from mcp.shared.exceptions import MCPError
from mcp.types import INTERNAL_ERROR, INVALID_PARAMS, CallToolResult, TextContent
from mcp.types.version import is_version_at_least

from mcp_server import sentences
from mcp_server.rest_client import RestError, ShopRefusedError, UnknownOutcomeError
from serving.errors import CodedError, sentence
from serving.metrics import refused

RESOURCE_NOT_FOUND = -32002  # before 2026-07-28
ERROR_KEY = "product-mcp/error"  # in `_meta` of a tool's result, in `data` of a prompt's error
MAX_NAME_SHOWN = 100  # characters of a name made up by a client that are repeated


def tool_failure(error: CodedError) -> CallToolResult:
    """Return the result of a tool call that failed."""
    text = TextContent(type="text", text=_sentence(error))
    return CallToolResult(content=[text], is_error=True, meta=_coded(error))


def protocol_failure(error: CodedError) -> MCPError:
    """Return the protocol error of a prompt, or of what else is no tool, that failed."""
    is_ours = isinstance(error, RestError) or error.code == "restarting"
    kind = INTERNAL_ERROR if is_ours else INVALID_PARAMS
    return MCPError(kind, _sentence(error), _coded(error))


def not_found(error: CodedError, uri: str, version: str | None) -> MCPError:
    """Return the protocol error of a resource that does not exist, as a protocol version has it."""
    is_modern = is_version_at_least(version or "", "2026-07-28")
    kind = INVALID_PARAMS if is_modern else RESOURCE_NOT_FOUND
    return MCPError(kind, _sentence(error), _coded(error) | {"uri": uri})


def shown_name(name: object) -> str:
    """Return a name that a client sent: cut, and with lone surrogates escaped (UTF-8 cannot encode them)."""
    return str(name)[:MAX_NAME_SHOWN].encode(errors="backslashreplace").decode()


def _coded(error: CodedError) -> dict[str, Any]:
    refused(error.code)
    return {ERROR_KEY: {"code": error.code, "params": error.params}}


def _sentence(error: CodedError) -> str:
    is_purchase = isinstance(error, RestError) and error.operation == "purchase"
    again = ""
    if "idempotencyKey" in error.params:
        once = sentences.BOUGHT_ONCE if is_purchase else sentences.DONE_ONCE
        again = sentences.TRY_AGAIN.format_map(error.params) + once
    if isinstance(error, UnknownOutcomeError):
        unknown = sentences.ORDER_UNKNOWN if is_purchase else sentences.OUTCOME_UNKNOWN
        return _sentence(error.reason) + unknown + again
    if isinstance(error, ShopRefusedError):
        what_now = sentences.WHAT_NOW.get(error.code, "")
        return f"{sentences.FAILED[error.operation][0]} ({error.status}): {error.detail}{what_now}{again}"
    known = sentences.SENTENCES | sentences.PROMPTS | sentences.MESSAGES | sentences.WRONG_ARGUMENTS
    said = sentence(known, error.code, error.params)
    said += "；".join(_problems(error.params))
    if not isinstance(error, RestError):
        return said
    return f"{sentences.FAILED[error.operation][1]}: {said}{again}"


def _problems(params: Mapping[str, Any]) -> Iterator[str]:
    """Say what is wrong with which argument, if `params` list such problems."""
    for problem in params.get("problems", ()):
        yield f"{problem['field'] or sentences.ARGUMENT_NAME}: {problem['message']}"
    for field in params.get("missing", ()):
        yield sentences.MISSING_ARGUMENT.format(field=field)
    for field in params.get("unknown", ()):
        yield sentences.UNKNOWN_ARGUMENT.format(field=field)
    if params.get("omitted"):
        yield sentences.MORE_PROBLEMS.format_map(params)
