"""One request on a link: sent, its outcome classified, and repeated where that is safe."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, cast

import anyio
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, RequestParamsMeta, ToolAnnotations
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from assistant.chat.interfaces import Progress, ToolResult
from assistant.toolbox.link import Link, ServerDownError
from assistant.toolbox.results import tool_result
from assistant.toolbox.sdk_signals import NoAnswerError, RefusedError, request_failure
from assistant.toolbox.sentences import MAY_HAVE_RUN, REPEATED_IN_VAIN, sentence_of
from assistant.toolbox.transports import noted_statuses
from serving.errors import CodedError

log = logging.getLogger(__name__)

R = TypeVar("R")


@dataclass(frozen=True)
class Effect:
    """What a request may do: nothing at all, or the same however often it is sent, or more each time."""

    changes: bool
    may_repeat: bool


READS = Effect(changes=False, may_repeat=True)


async def call_tool(
    link: Link, name: str, args: dict[str, Any], key: str | None, on_progress: Progress | None
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
            meta=cast("RequestParamsMeta", {"idempotency-key": key}) if key else None,
        )

    effect = partial(_effect, link, name, key)
    try:
        return tool_result(await _send(link, request, effect))
    except NoAnswerError as error:
        outcome = REPEATED_IN_VAIN if error.repeated else MAY_HAVE_RUN
        return _failed(error, outcome, unknown=not error.never_ran)
    except RefusedError as error:
        return _failed(error)
    except ServerDownError as error:
        reason = {"code": error.code, "params": error.params}
        down = CodedError("server_down", server=link.server.name, reason=reason)
        return _failed(down, unreachable=True)
    except (ValueError, RuntimeError) as error:  # it ran, and what it answered breaks the protocol
        log.info("%s: %s: %s", link.server.name, name, error)
        return _failed(CodedError("off_protocol"), unknown=not effect().may_repeat)


async def fill_prompt(link: Link, name: str, args: dict[str, str]) -> str:
    """Return a prompt's text.

    Raises:
        CodedError: The server is down, does not answer, or refuses.
    """
    try:
        prompt = await _send(link, lambda client: client.get_prompt(name, args), lambda: READS)
    except ValueError as error:
        log.info("%s: %s: %s", link.server.name, name, error)
        raise CodedError("garbled", server=link.server.name) from error
    return "\n\n".join(m.content.text for m in prompt.messages if m.content.type == "text")


async def _send(link: Link, request: Callable[[Client], Awaitable[R]], effect_now: Callable[[], Effect]) -> R:
    """Send a request, again after an answer that did not come, where that is safe.

    Raises:
        ServerDownError: It was not sent, or changes nothing.
        NoAnswerError: It was sent; of several attempts, the first that may have run.
        RefusedError: The server answered with an error.
    """
    unanswered: NoAnswerError | None = None
    effect = READS
    for attempt in range(1, link.limits.max_sends + 1):
        try:
            client = await link.ready()
        except ServerDownError:
            if unanswered is not None and effect.changes and not unanswered.never_ran:
                raise unanswered from None
            raise
        effect = effect_now()
        try:
            return await _ask(link, client, request)
        except NoAnswerError as error:
            if error.code == "lost":
                link.lost(client)
            error.repeated = error.never_ran or (effect.may_repeat and error.code != "late")
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


def _effect(link: Link, name: str, key: str | None) -> Effect:
    """Say what a call may do: nothing is known but what its server says of the tool."""
    tool = next((tool for tool in link.listed_tools if tool.name == name), None)
    hints = (tool and tool.annotations) or ToolAnnotations()
    honours_key = key is not None and tool is not None and bool((tool.meta or {}).get("idempotency-key"))
    may_repeat = bool(hints.read_only_hint or hints.idempotent_hint or honours_key)
    return Effect(changes=not hints.read_only_hint, may_repeat=may_repeat)


def _failed(
    error: CodedError, outcome: str = "", *, unknown: bool = False, unreachable: bool = False
) -> ToolResult:
    text = sentence_of(error.code, error.params) + outcome
    return ToolResult(text, True, unknown, unreachable, code=error.code, params=error.params)
