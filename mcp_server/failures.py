"""Failures where they leave the server: the sentence, and beside it the code with its parameters."""

from collections.abc import Mapping
from typing import Any

from mcp.shared.exceptions import MCPError
from mcp.types import INTERNAL_ERROR, INVALID_PARAMS, CallToolResult, TextContent

from mcp_server import sentences
from mcp_server.rest_client import RestError, ShopRefusedError
from serving.errors import CodedError, sentence

ERROR_KEY = "product-mcp/error"  # in `_meta` of a tool's result, in `data` of a prompt's error
MAX_NAME_SHOWN = 100  # characters of a name made up by a client that are repeated


class ToolFailedError(CodedError):
    """A tool call that cannot be done, for a reason of this server's own."""


class InvalidArgumentsError(CodedError):
    """A tool's arguments are wrong: `problems` names the fields and the rules, not the values."""

    def __init__(self, problems: list[dict[str, str]], omitted: int) -> None:
        super().__init__("invalid_arguments", problems=problems, omitted=omitted)


class PromptFailedError(CodedError):
    """A prompt that does not exist, or an argument of one that is wrong."""


class InvalidPromptError(CodedError):
    """A prompt's arguments are missing or unknown."""

    def __init__(self, prompt: str, missing: list[str], unknown: list[str]) -> None:
        super().__init__("invalid_prompt_arguments", prompt=prompt, missing=missing, unknown=unknown)


def tool_failure(error: CodedError) -> CallToolResult:
    """Return the result of a tool call that failed."""
    text = TextContent(type="text", text=_sentence(error))
    return CallToolResult(content=[text], is_error=True, meta=_coded(error))


def prompt_failure(error: CodedError) -> MCPError:
    """Return the protocol error of a prompt that failed."""
    kind = INTERNAL_ERROR if isinstance(error, RestError) else INVALID_PARAMS
    return MCPError(kind, _sentence(error), _coded(error))


def shown_name(name: object) -> str:
    """Return a name that a client sent: cut, and with lone surrogates escaped (UTF-8 cannot encode them)."""
    return str(name)[:MAX_NAME_SHOWN].encode(errors="backslashreplace").decode()


def _coded(error: CodedError) -> dict[str, Any]:
    return {ERROR_KEY: {"code": error.code, "params": error.params}}


def _sentence(error: CodedError) -> str:
    match error:
        case ShopRefusedError():
            return f"{sentences.REFUSED[error.operation]} ({error.status}): {error.detail}"
        case RestError():
            again = sentences.TRY_AGAIN.format_map(error.params) if "idempotencyKey" in error.params else ""
            reason = sentence(sentences.SHOP, error.code, error.params)
            return f"{sentences.UNANSWERED[error.operation]}: {reason}{again}"
        case InvalidArgumentsError():
            return sentences.INVALID_ARGUMENTS + "；".join(_problems(error.params))
        case InvalidPromptError():
            start = sentences.INVALID_PROMPT.format_map(error.params)
            return start + "；".join(_prompt_problems(error.params))
        case _:
            return sentence(sentences.TOOLS | sentences.PROMPTS, error.code, error.params)


def _problems(params: Mapping[str, Any]) -> list[str]:
    said = [f"{each['field'] or sentences.ARGUMENT_NAME}: {each['message']}" for each in params["problems"]]
    return [*said, sentences.MORE_PROBLEMS.format_map(params)] if params["omitted"] else said


def _prompt_problems(params: Mapping[str, Any]) -> list[str]:
    missing = [sentences.MISSING_ARGUMENT.format(field=field) for field in params["missing"]]
    return missing + [sentences.UNKNOWN_ARGUMENT.format(field=field) for field in params["unknown"]]
