"""One request on a link: sent, repeated where that is safe, and its outcome as the loop takes it."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any, TypedDict, TypeVar, cast

import anyio
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, RequestParamsMeta, Result
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from assistant.chat.interfaces import Answers, Asked, Progress, ToolChangedError, ToolResult
from assistant.toolbox.link import Link, ServerDownError
from assistant.toolbox.questions import (
    MAX_ASKED,
    CallUnderWay,
    QuestionGoneError,
    asked_of,
    continuation,
    refused_with_url,
    state_only,
)
from assistant.toolbox.raw_results import is_empty, raw_of
from assistant.toolbox.results import read_blocks, read_result, wording_of
from assistant.toolbox.sdk_signals import Effect, NoAnswerError, request_failure
from assistant.toolbox.sentences import MAY_HAVE_RUN, REPEATED_IN_VAIN, sentence_of
from serving.errors import CodedError
from serving.redaction import redacted

log = logging.getLogger(__name__)

CONFIRMED_KEY = "product-mcp/confirmed"  # in a call's `_meta`: what a person was shown and agreed to
AGAIN_SECONDS = 0.05  # before a server is asked again that wants to be; doubled after each time

# Sent again, it would come out the same.
FINAL = ("late", "not_mcp_said", "server_answer_too_large", "server_answer_encoded", "server_answer_too_deep")

R = TypeVar("R")


class How(TypedDict, total=False):
    """How a tool is called."""

    fingerprint: str | None  # of the tool that is meant
    key: str | None  # travels as `_meta["idempotency-key"]`
    confirmed: Mapping[str, Any] | None  # by a person; goes along to a tool that honours keys
    on_progress: Progress | None


async def call_tool(
    link: Link, name: str, args: dict[str, Any], *, asker: str | None, answers: Answers | None, how: How
) -> ToolResult | Asked:
    """Call a tool. A failure of any kind is a result.

    But for ToolChangedError: at the moment of sending the tool is another than that of the fingerprint.
    """
    if name in link.listing.only_as_tasks:
        return _failed(CodedError("only_as_task"))
    key = how.get("key")
    effect = partial(_effect, link, name, key, how.get("fingerprint"))
    call, id = CallUnderWay(asker, how.get("on_progress")), key or secrets.token_hex()

    def send(given: Answers | None) -> Coroutine[Any, Any, ToolResult | Asked]:
        async def request(client: Client) -> CallToolResult:
            meta = cast("RequestParamsMeta", _meta(link, name, key, how.get("confirmed"))) or None
            return await _call(link, call, partial(client.call_tool, name, args, meta=meta), given)

        return _result(link, call, request, effect, given)

    try:
        return await link.questions.run(id, call, partial(send, answers), answers)
    except QuestionGoneError as error:
        if effect() == "writes":
            return _failed(error, MAY_HAVE_RUN, unknown=True)
        return await link.questions.run(id, call, partial(send, None), None)


async def _result(
    link: Link,
    call: CallUnderWay,
    request: Callable[[Client], Awaitable[CallToolResult]],
    effect: Callable[[], Effect],
    answers: Answers | None,
) -> ToolResult | Asked:
    """Return what comes of a call, or what its server asks in the place of a result."""
    try:
        answer = await exchange(link, request, effect)
        raw = raw_of(answer.meta, {})
        if raw.get("resultType") == "task" or ("task" in raw and "content" not in raw):
            writes = effect() == "writes"
            return _failed(CodedError("only_as_task"), MAY_HAVE_RUN if writes else "", unknown=writes)
        if asked := asked_of(raw, call, answers):
            return asked
        if is_empty(raw) and raw.get("resultType", "complete") != "complete":
            return _failed(CodedError("off_protocol"), unknown=effect() == "writes")
        return await read_result(raw, for_app=link.listing.has_apps)
    except NoAnswerError as error:
        if error.effect == "reads":
            return _failed(error, REPEATED_IN_VAIN if error.repeated else "")
        outcome = REPEATED_IN_VAIN if error.repeated else MAY_HAVE_RUN
        return _failed(error, outcome, unknown=not error.never_ran)
    except ToolChangedError:
        raise
    except CodedError as error:  # it was not sent, or the server's answer
        return _failed(error, unreachable=isinstance(error, ServerDownError))
    except (ValueError, RuntimeError) as error:  # it ran, and what it answered breaks the protocol
        log.info("%s: %s", link.server.name, error)
        return _failed(CodedError("off_protocol"), unknown=effect() == "writes")


async def _call(
    link: Link, call: CallUnderWay, send: Callable[..., Awaitable[CallToolResult]], answers: Answers | None
) -> CallToolResult:
    """Send a call, or go on with one; again where a server asks nothing but to be asked a moment later."""
    more = continuation(answers)
    for again in range(MAX_ASKED):
        try:
            answer = await _in_time(link, partial(send, **more), call)
        except MCPError as error:
            return refused_with_url(error)
        state = state_only(raw_of(answer.meta, {}))
        if state is None:
            return answer
        more = {"request_state": state}
        await asyncio.sleep(min(AGAIN_SECONDS * 2**again, 1))
    raise CodedError("asks_too_much")


async def _in_time(
    link: Link, send: Callable[..., Awaitable[CallToolResult]], call: CallUnderWay
) -> CallToolResult:
    """Wait for an answer for as long as the server is given; each word of progress gives it as long again.

    Raises TimeoutError: it is late.
    """
    loop = asyncio.get_running_loop()
    call.seconds = seconds = link.server.timeout or link.limits.call_seconds
    longest = max(seconds, link.limits.longest_call_seconds)
    last = loop.time() + longest
    try:
        async with asyncio.timeout(seconds) as call.clock:

            async def report(progress: float, total: float | None, message: str | None) -> None:
                if call.clock is not None and not call.waiting:
                    call.clock.reschedule(min(loop.time() + seconds, last))
                if call.on_progress is not None:
                    call.on_progress(progress, total, message and redacted(message))

            return await send(read_timeout_seconds=2 * longest, progress_callback=report)
    finally:
        call.clock = None


async def fill_prompt(link: Link, name: str, args: dict[str, str]) -> tuple[str, dict[str, Any] | None]:
    """Return a prompt's text, and what it is known by. Raises CodedError: the server is down, or refuses."""
    raw = await fetch(link, lambda client: client.get_prompt(name, args))
    messages = raw.get("messages") or []
    contents = [each.get("content") for each in messages if isinstance(each, dict)]
    texts = [text for content in contents for text in read_blocks(content)[0]]
    known = [wording_of(each.get("_meta")) for each in contents if isinstance(each, dict)]
    return redacted("\n\n".join(filter(None, texts))), known[0] if len(known) == 1 else None


async def fetch(link: Link, request: Callable[[Client], Awaitable[Result]]) -> dict[str, Any]:
    """Return what a server sent in answer to a request that only reads."""
    try:
        answer = await exchange(link, request, lambda: "reads")
    except (ValueError, RuntimeError) as error:
        log.info("%s: %s", link.server.name, error)
        raise CodedError("garbled", server=link.server.name) from error
    raw: dict[str, Any] = raw_of(answer.meta, {})
    return raw


async def exchange(
    link: Link, request: Callable[[Client], Awaitable[R]], effect_now: Callable[[], Effect]
) -> R:
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
            effect = effect_now()
        except (ServerDownError, ToolChangedError):
            if unanswered is not None and effect != "reads" and not unanswered.never_ran:
                raise unanswered from None
            raise
        try:
            return await _ask(link, client, request)
        except NoAnswerError as error:
            if error.code == "lost":
                link.lost(client, is_session=error.session_lost)
            error.effect = effect
            error.repeated = error.never_ran or (effect != "writes" and error.code not in FINAL)
            if unanswered is None or unanswered.never_ran:
                unanswered = error
            if not error.repeated or attempt == link.limits.max_sends:
                raise unanswered from error.__cause__
    raise AssertionError("the last attempt returns or raises")


async def _ask(link: Link, client: Client, request: Callable[[Client], Awaitable[R]]) -> R:
    with link.request():
        try:
            return await request(client)
        except TimeoutError as error:
            raise NoAnswerError("late", server=link.server.name) from error
        except (MCPError, anyio.ClosedResourceError, anyio.BrokenResourceError) as error:
            handshake = client.protocol_version not in MODERN_PROTOCOL_VERSIONS
            raise request_failure(error, link.server, handshake=handshake) from error


def _meta(link: Link, name: str, key: str | None, confirmed: Mapping[str, Any] | None) -> dict[str, Any]:
    tool = link.tool(name)
    meta: dict[str, Any] = {"idempotency-key": key} if key else {}
    if confirmed is None or not tool or not tool.honours_key:
        return meta
    return meta | {CONFIRMED_KEY: dict(confirmed)}


def _effect(link: Link, name: str, key: str | None, fingerprint: str | None) -> Effect:
    """Say what a call may do: nothing is known but what its server says of the tool.

    Raises ToolChangedError: it is another tool than that of the fingerprint.
    """
    tool = link.tool(name)
    if fingerprint is not None and (tool is None or tool.fingerprint != fingerprint):
        raise ToolChangedError(link.server.name, name)
    if tool is None:
        return "writes"
    if tool.read_only:
        return "reads"
    is_keyed = key is not None and tool.honours_key
    return "idempotent" if tool.annotations.get("idempotentHint") is True or is_keyed else "writes"


def _failed(
    error: CodedError, outcome: str = "", *, unknown: bool = False, unreachable: bool = False
) -> ToolResult:
    text = sentence_of(error.code, error.params) + outcome
    return ToolResult(text, True, unknown, unreachable, code=error.code, params=error.params)
