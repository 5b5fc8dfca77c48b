"""One request on a link: sent, repeated where that is safe, and its outcome as the loop takes it."""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Literal, TypeVar, cast

import anyio
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, ContentBlock, RequestParamsMeta, TextResourceContents, ToolAnnotations
from mcp_types import Tool as McpTool
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from assistant.chat.interfaces import Media, Progress, ToolResult
from assistant.toolbox.link import Link, ServerDownError
from assistant.toolbox.listing import honours_key
from assistant.toolbox.sdk_signals import NoAnswerError, request_failure
from assistant.toolbox.sentences import MAY_HAVE_RUN, NO_TEXT, REPEATED_IN_VAIN, sentence_of
from assistant.toolbox.transports import noted_statuses
from serving.errors import CodedError

log = logging.getLogger(__name__)

# In a result's `_meta`: {"code": text, "params": object}; True for a call that had run before under its key.
ERROR_KEY, REPLAYED_KEY = "product-mcp/error", "product-mcp/replayed"
CONFIRMED_KEY = "product-mcp/confirmed"  # in a call's `_meta`: what a person was shown and agreed to

R = TypeVar("R")


# What a request may do: nothing at all, or the same however often it is sent, or more each time.
Effect = Literal["reads", "idempotent", "writes"]


async def call_tool(
    link: Link,
    name: str,
    args: dict[str, Any],
    *,
    key: str | None,
    confirmed: Mapping[str, Any] | None,
    on_progress: Progress | None,
) -> ToolResult:
    """Call a tool; `key` travels as `_meta["idempotency-key"]`. A failure of any kind is a result."""

    async def report(progress: float, total: float | None, message: str | None) -> None:
        if on_progress is not None:
            on_progress(progress, total, message)

    def request(client: Client) -> Awaitable[CallToolResult]:
        return client.call_tool(
            name,
            args,
            read_timeout_seconds=link.limits.call_seconds,
            progress_callback=report if on_progress is not None else None,
            meta=cast("RequestParamsMeta", _meta(link, name, key, confirmed)) or None,
        )

    effect = partial(_effect, link, name, key)
    try:
        return _tool_result(await _send(link, request, effect))
    except NoAnswerError as error:
        outcome = REPEATED_IN_VAIN if error.repeated else MAY_HAVE_RUN
        return _failed(error, outcome, unknown=not error.never_ran)
    except ServerDownError as error:
        reason = {"code": error.code, "params": error.params}
        down = CodedError("server_down", server=link.server.name, reason=reason)
        return _failed(down, unreachable=True)
    except CodedError as error:  # the server's answer
        return _failed(error)
    except (ValueError, RuntimeError) as error:  # it ran, and what it answered breaks the protocol
        log.info("%s: %s: %s", link.server.name, name, error)
        return _failed(CodedError("off_protocol"), unknown=effect() == "writes")


async def fill_prompt(link: Link, name: str, args: dict[str, str]) -> str:
    """Return a prompt's text. Raises CodedError: the server is down, does not answer, or refuses."""
    try:
        prompt = await _send(link, lambda client: client.get_prompt(name, args), lambda: "reads")
    except ValueError as error:
        log.info("%s: %s: %s", link.server.name, name, error)
        raise CodedError("garbled", server=link.server.name) from error
    return "\n\n".join(m.content.text for m in prompt.messages if m.content.type == "text")


async def _send(link: Link, request: Callable[[Client], Awaitable[R]], effect_now: Callable[[], Effect]) -> R:
    """Send a request, again after an answer that did not come, where that is safe.

    Raises:
        ServerDownError: It was not sent, or changes nothing.
        NoAnswerError: It was sent; of several attempts, the first that may have run.
        CodedError: The server answered with an error.
    """
    unanswered: NoAnswerError | None = None
    effect: Effect = "reads"
    for attempt in range(1, link.limits.max_sends + 1):
        try:
            client = await link.ready()
        except ServerDownError:
            if unanswered is not None and effect != "reads" and not unanswered.never_ran:
                raise unanswered from None
            raise
        effect = effect_now()
        try:
            return await _ask(link, client, request)
        except NoAnswerError as error:
            if error.code == "lost":
                link.lost(client)
            error.repeated = error.never_ran or (effect != "writes" and error.code != "late")
            if unanswered is None or unanswered.never_ran:
                unanswered = error
            if not error.repeated or attempt == link.limits.max_sends:
                raise unanswered from error.__cause__
    raise AssertionError("the last attempt returns or raises")


async def _ask(link: Link, client: Client, request: Callable[[Client], Awaitable[R]]) -> R:
    with link.request(), noted_statuses() as statuses:
        try:
            return await request(client)
        except (MCPError, anyio.ClosedResourceError, anyio.BrokenResourceError) as error:
            handshake = client.protocol_version not in MODERN_PROTOCOL_VERSIONS
            raise request_failure(error, statuses, link.server, handshake=handshake) from error


def _listed(link: Link, name: str) -> McpTool | None:
    return next((tool for tool in link.listed_tools if tool.name == name), None)


def _meta(link: Link, name: str, key: str | None, confirmed: Mapping[str, Any] | None) -> dict[str, Any]:
    tool = _listed(link, name)
    meta: dict[str, Any] = {"idempotency-key": key} if key else {}
    return meta | {CONFIRMED_KEY: dict(confirmed)} if confirmed and tool and honours_key(tool) else meta


def _effect(link: Link, name: str, key: str | None) -> Effect:
    """Say what a call may do: nothing is known but what its server says of the tool."""
    tool = _listed(link, name)
    hints = (tool and tool.annotations) or ToolAnnotations()
    if hints.read_only_hint:
        return "reads"
    is_keyed = key is not None and tool is not None and honours_key(tool)
    return "idempotent" if hints.idempotent_hint or is_keyed else "writes"


def _failed(
    error: CodedError, outcome: str = "", *, unknown: bool = False, unreachable: bool = False
) -> ToolResult:
    text = sentence_of(error.code, error.params) + outcome
    return ToolResult(text, True, unknown, unreachable, code=error.code, params=error.params)


def _tool_result(answer: CallToolResult) -> ToolResult:
    """Return a call's outcome: what the model reads, images and sounds, and the code of a failure."""
    text = "\n".join(_text(block) for block in answer.content)
    if not text and answer.structured_content is not None:
        text = json.dumps(answer.structured_content, ensure_ascii=False)
    media = tuple(Media(b.mime_type, b.data) for b in answer.content if b.type in ("image", "audio"))
    if not answer.is_error:
        replayed = (answer.meta or {}).get(REPLAYED_KEY) is True
        return ToolResult(text or NO_TEXT, replayed=replayed, media=media)
    match (answer.meta or {}).get(ERROR_KEY):
        case {"code": str(code), "params": dict(params)}:
            pass
        case _:
            code, params = "tool_failed", {}
    unknown = code == "outcome_unknown"
    return ToolResult(text or NO_TEXT, True, unknown, media=media, code=code, params=params)


def _text(block: ContentBlock) -> str:
    match block.type:
        case "text":
            return block.text
        case "image" | "audio":
            return f"[{block.mime_type}，{len(block.data) * 3 // 4} 字节]"
        case "resource_link":
            return f"[{block.name} {block.uri}]"
        case "resource":
            inner = block.resource
            return (
                inner.text if isinstance(inner, TextResourceContents) else f"[{inner.uri}，{inner.mime_type}]"
            )
