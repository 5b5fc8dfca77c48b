"""The calls of an answer: decided on, run side by side or asked about, each with exactly one result."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any, Literal

from assistant.chat import events
from assistant.chat.approvals import Approvals, AskAgainError, Verdict
from assistant.chat.arguments import ArgumentsError, parse, read
from assistant.chat.call_ids import CallIds, is_mended
from assistant.chat.events import Transcript
from assistant.chat.forms import Edits, checked
from assistant.chat.history import Call, repeated_calls, tool_message
from assistant.chat.interfaces import (
    Asked,
    ModelError,
    Outcome,
    Tool,
    ToolChangedError,
    ToolRequest,
    ToolResult,
    Tools,
    UnknownServerError,
)
from assistant.chat.names import find_tool
from assistant.chat.questions import GivenAnswer, Questions, Reply
from assistant.chat.running_calls import RunningCall, RunningCalls, failure
from assistant.chat.sentences import AGAIN_WITH_KEY, ERROR, SENTENCES
from assistant.chat.tool_search import CALL, OWN, Offer, unwrapped
from serving.errors import CodedError

log = logging.getLogger(__name__)

REPLACED = AskAgainError("replaced")  # by a call that asks anew: it was edited, or waited beside one that was
ASKED_IN_VAIN = frozenset({"cannot_ask", "question_failed"})  # by a server that did nothing without an answer
MAX_AT_ONCE = 8  # calls of one round that run side by side
KEY = "idempotencyKey"  # of an unknown outcome's parameters, and of a purchase's arguments


@dataclass
class Calls:
    """The calls of a turn."""

    tools: Tools
    offer: Offer
    ids: CallIds
    writing: RunningCalls
    reading: RunningCalls
    approvals: Approvals
    questions: Questions
    answers: Mapping[str, GivenAnswer] | None  # None where nobody can be asked
    edits: Edits  # which come before an approval of the same call
    told: Transcript
    replies: Mapping[str, Reply] = field(default_factory=dict, init=False)  # to what calls have asked, by id
    _asker: str = field(default_factory=secrets.token_hex, init=False)
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_AT_ONCE), init=False)
    _edited: Mapping[str, str] = field(default_factory=dict, init=False)  # arguments' texts by id
    _foreign: set[str] = field(default_factory=set, init=False)  # ids that no process of ours has issued

    def issue(self, requests: Sequence[ToolRequest]) -> list[Call]:
        """Give what the model asks for ids of ours."""
        known = self._known()
        meant = [
            unwrapped(request) if find_tool(request.name, known) is CALL else request
            for request in _said_once(requests)
        ]
        return [self._issue(request, find_tool(request.name, known)) for request in _said_once(meant)]

    def offered(self) -> list[Tool]:
        """Return the tools that the user has not switched off."""
        return [tool for tool in self.tools.tools() if not self.approvals.is_off(tool)]

    def _known(self) -> Sequence[Tool]:
        return [*self.offer.own(self.offered(), self.told.history), *self.tools.tools()]

    def take_up(self, left: Sequence[tuple[Call, bool]]) -> None:
        """Open the answers to what the calls have asked that an earlier turn left, and look for their tools.

        Raises ModelError: an answer is to what nobody has asked; an edit cannot be taken; or a tool is
        missing, so that nobody can say what has become of its call.
        """
        self.replies = self.questions.opened(self.answers or {})
        tools = self._known()
        current = [(call, find_tool(call.name, tools)) for call, is_current in left if is_current]
        for call, tool in current:
            if not isinstance(tool, Tool) and self.approvals.by_call.get(call.id) is not False:
                raise ModelError("tool_missing", tool=call.name)
        if self.edits:
            found = [(call, tool) for call, tool in current if isinstance(tool, Tool)]
            waiting = {call.id: tool for call, tool in found if self._waits(call, tool)}
            self._edited = checked(self.edits, waiting, self.told.history)

    def _waits(self, call: Call, tool: Tool) -> bool:
        """Whether a person may still decide on a call."""
        is_ours = self.ids.check(call, tool) != "not_genuine"
        has_asked = call.id in self.replies or self.writing.has_asked(call.id)
        return self.approvals.may_write(tool, call) and is_ours and not has_asked

    async def settle(
        self,
        calls: Sequence[tuple[Call, bool]],
        *,
        cut_off: bool = False,
        why: Mapping[str, CodedError] = MappingProxyType({}),
    ) -> Literal["approval", "question"] | None:
        """Run or reject the calls; return for what of the user one of them waits.

        Each call comes with whether it is current: no message of the user came after it. `why` some are asked
        about again stands by id.
        """
        tools = self._known()
        meant = {call.id: find_tool(call.name, tools) for call, _ in calls}
        for call, _ in calls:
            self.told.emit(_call_event(call, meant[call.id]))
        repeated = repeated_calls(self.told.history, meant)
        running: list[Awaitable[bool]] = []
        again: list[tuple[Call, AskAgainError]] = []
        waiting: list[tuple[Call, CodedError | None]] = []
        for call, is_current in calls:
            tool = meant[call.id]
            verdict = self._verdict(call, tool, is_current=is_current, is_repeated=call.id in repeated)
            if cut_off:
                verdict = CodedError("cut_off")
            if isinstance(verdict, AskAgainError) and self.approvals.ask:
                again.append((call, verdict))
            elif isinstance(verdict, CodedError):
                self._record(call, tool, failure(verdict))
            elif verdict == "wait":
                waiting.append((call, why.get(call.id)))
            elif isinstance(tool, Tool):
                running.append(self._execute(call, tool))
        is_asking = any(await asyncio.gather(*running))
        if again and not waiting and not is_asking:
            return await self._ask_again(again)
        # While others wait for the user these wait, too, so that all are decided together.
        for call, reason in (*waiting, *again):
            why_again = (reason.code, reason.params) if reason and reason is not REPLACED else ()
            self.told.emit(events.ApprovalEvent(call.id, *why_again))
        return "approval" if waiting or again else "question" if is_asking else None

    async def _ask_again(
        self, again: Sequence[tuple[Call, AskAgainError]]
    ) -> Literal["approval", "question"] | None:
        """Ask about calls whose approval cannot be used, or that the user has changed, under new ids.

        Raises ModelError: an edited call has run, or runs, after all; what came of it is recorded.
        """
        edited, self._edited = self._edited, {}
        tools = self._known()
        results = [
            await self._replaced(call) if reason is REPLACED else failure(reason) for call, reason in again
        ]
        made: list[Call] = []
        why: dict[str, CodedError] = {}
        is_late = False
        for (call, reason), result in zip(again, results, strict=True):
            tool = find_tool(call.name, tools)
            if result.code != reason.code:
                self._record(call, tool, result)
                is_late |= call.id in edited
                continue
            self._record(call, None, result)
            request = ToolRequest(call.name, edited.get(call.id, call.arguments), call.signed)
            kind = "mend_" if is_mended(call) and call.id not in edited else "asks_"
            made.append(self._new(request, tool, kind))
            if reason is not REPLACED:
                why[made[-1].id] = reason
        wanted = None
        if made:
            asked = [call.to_dict() for call in made]
            self.told.append({"role": "assistant", "content": "", "tool_calls": asked})
            wanted = await self.settle([(call, True) for call in made], why=why)
        if is_late:
            raise ModelError("edit_too_late")
        return wanted

    async def _replaced(self, call: Call) -> ToolResult:
        """Let another call stand for this one, which then never runs here, or has its own result already."""

        async def run(running: RunningCall) -> Outcome:
            running.begin()
            return failure(REPLACED)

        result, _ = await self.writing.run(call.id, run, lambda *_: None)
        if isinstance(result, Asked):
            raise ModelError("edit_too_late")
        return result

    def _issue(self, request: ToolRequest, tool: Tool | CodedError) -> Call:
        kind = "call_"
        if isinstance(tool, Tool):
            request = replace(request, name=tool.offered)
            with suppress(ArgumentsError):  # rejected when it is decided on
                text, is_mended = read(request.arguments, tool.input_schema, (tool.name, tool.offered))
                kind = "mend_" if is_mended or request.is_mended else kind
                request = replace(request, arguments=text)
        return self._new(request, tool, "asks_" if request.from_prose else kind)

    def _new(self, request: ToolRequest, tool: Tool | CodedError, kind: str) -> Call:
        known = tool if isinstance(tool, Tool) else None
        call = self.ids.issue(request, known, kind)
        if known is not None and self.approvals.may_write(known, call):
            self.writing.issued(call.id)
        return call

    def _verdict(
        self, call: Call, tool: Tool | CodedError, *, is_current: bool, is_repeated: bool
    ) -> Verdict:
        if isinstance(tool, CodedError):
            return CodedError("declined") if self.approvals.by_call.get(call.id) is False else tool
        if is_repeated and self.approvals.may_write(tool, call):
            return CodedError("same_as_another")
        seal, memory = self.ids.check(call, tool), self.writing.memory(call.id)
        if seal == "not_genuine":
            self._foreign.add(call.id)
        if call.id in self.replies:  # it was let run, somewhere, or could not have asked
            memory = "begun"
        verdict = self.approvals.verdict(call, tool, is_current=is_current, seal=seal, memory=memory)
        # What waits beside an edited call goes along: no round goes on behind another's message.
        is_replaced = verdict == "wait" or (verdict == "run" and call.id in self._edited)
        return REPLACED if self._edited and is_replaced else verdict

    async def _execute(self, call: Call, tool: Tool) -> bool:
        """Run a call, and record what comes of it, or tell what it asks; return whether it does."""
        reply = self.replies.get(call.id)
        if reply is not None and reply.answers() is None:
            return self._ask(call, reply.server, reply.asked, reply.wrong)
        ms = 0
        try:
            result, ms = await self._run(call, tool)
        except asyncio.CancelledError:
            if self.writing.memory(call.id) == "begun":  # the service stops, or nobody listens any more
                self._record(call, tool, failure(CodedError("outcome_unknown")))
            raise
        except CodedError as error:  # it has not begun
            result = failure(error)
        except Exception:  # this call's outer edge: the others of its round have results of their own
            log.exception("工具调用 %s 意外中断", tool.offered)
            result = replace(failure(CodedError("call_broke")), unknown=not tool.read_only)
        if isinstance(result, Asked):
            return self._ask(call, tool.server, result, {})
        self._record(call, tool, result, ms)
        return False

    def _ask(self, call: Call, server: str, asked: Asked, wrong: Mapping[str, CodedError]) -> bool:
        for event in self.questions.told(call.id, server, asked, wrong):
            self.told.emit(event)
        return True

    async def _run(self, call: Call, tool: Tool) -> tuple[Outcome, int]:
        """Run a call, once, or join the one that runs under its id; it outlives its turn."""
        may_write = self.approvals.may_write(tool, call)
        ran_before = may_write and self.writing.memory(call.id) == "nothing"

        def tell(progress: float, total: float | None, message: str | None) -> None:
            self.told.emit(events.ToolProgressEvent(call.id, progress, total, message))

        async def run(running: RunningCall) -> Outcome:
            async with self._slots:
                running.begin()
                try:
                    result = await self._outcome(call, tool, running)
                except (UnknownServerError, ToolChangedError) as error:  # in the middle of the turn
                    result = replace(failure(error), unknown=False, unreachable=True)
            return _still_unknown(result) if ran_before and isinstance(result, ToolResult) else result

        if tool in OWN:
            return await self.offer.run(tool, parse(call.arguments), self.offered()), 0
        if may_write:
            return await self.writing.run(call.id, run, tell, honours_key=tool.honours_key)
        id = f"{call.id} {secrets.token_hex(8)}" if call.id in self._foreign else call.id
        return await self.reading.run(id, run, tell)

    async def _outcome(self, call: Call, tool: Tool, running: RunningCall) -> Outcome:
        """Call a tool. Who always allows it is not asked by its server, but by one that must ask."""
        reply = self.replies.get(call.id)
        send = partial(
            self.tools.call,
            tool.server,
            tool.name,
            parse(call.arguments),
            fingerprint=tool.fingerprint,
            key=call.id,
            confirmed=self.approvals.confirmation(call),
            on_progress=running.report,
        )
        if self.answers is None:
            return await send(asker=None)
        if reply is None and tool.honours_key and self.approvals.is_always_allowed(tool, call):
            outcome: Outcome = await send(asker=None)
            if not isinstance(outcome, ToolResult) or outcome.code not in ASKED_IN_VAIN:
                return outcome
        return await send(asker=self._asker, answers=reply.answers() if reply else None)

    def _record(self, call: Call, tool: Tool | CodedError | None, result: ToolResult, ms: int = 0) -> None:
        result = under_key(result, tool, call.args(), call.id) if result.unknown else result
        code = result.code or ("tool_failed" if result.is_error else None)
        self.told.emit(
            events.ToolResultEvent(
                id=call.id,
                result=result.text,
                isError=result.is_error,
                ms=ms,
                unknown=result.unknown,
                media=result.media,
                code=code,
                params=result.params,
                replayed=result.replayed,
                app=_shown_in_app(tool, result),
            )
        )
        text = ERROR.format(result.text) if result.is_error else result.text
        error = {"code": code, "params": result.params} if result.is_error else None
        media = [asdict(each) for each in result.media if each.mime_type.startswith(("image/", "audio/"))]
        self.told.append(tool_message(call, text, error), **({"media": media} if media else {}))


def _said_once(requests: Sequence[ToolRequest]) -> list[ToolRequest]:
    """A repeat without arguments is no call."""
    said = {request.name for request in requests if request.arguments.strip()}
    return [request for request in requests if request.arguments.strip() or request.name not in said]


def _still_unknown(result: ToolResult) -> ToolResult:
    """Return the result of a call that may have run before: a try that failed on its way says nothing."""
    if not result.unreachable and KEY not in result.params:
        return result
    text = f"{result.text}\n{SENTENCES['outcome_unknown']}"
    return replace(result, text=text, unknown=True, unreachable=False)


def under_key(result: ToolResult, tool: Tool | CodedError | None, args: Any, key: str) -> ToolResult:
    """Tell with an unknown outcome the key under which to ask for it, where the tool honours keys."""
    is_told = result.code == "outcome_unknown" and KEY in result.params
    if is_told or not result.unknown or not isinstance(tool, Tool) or not tool.honours_key:
        return result
    params: dict[str, Any] = {KEY: result.params.get(KEY) or _key_in(args) or key}
    if result.code != "outcome_unknown":
        params["reason"] = {"code": result.code, "params": result.params}
    text = result.text + AGAIN_WITH_KEY.format(key=params[KEY])
    return replace(result, text=text, code="outcome_unknown", params=params)


def _key_in(args: Any) -> str | None:
    """Return the key that the model repeats: in the tool's eyes it comes before the call's."""
    inner = list(args.values()) if isinstance(args, dict) else []
    found = [each.get(KEY) for each in (args, *inner) if isinstance(each, dict)]
    return next((key for key in found if isinstance(key, str) and key), None)


def _shown_in_app(tool: Tool | CodedError | None, result: ToolResult) -> dict[str, Any] | None:
    return {**(result.app or {}), "uri": tool.app} if isinstance(tool, Tool) and tool.app else None


def _call_event(call: Call, meant: Tool | CodedError) -> events.ToolCallEvent:
    args, tool = call.args(), meant if isinstance(meant, Tool) else None
    return events.ToolCallEvent(
        call.id,
        tool.server if tool else "",
        tool.name if tool else call.name,
        tool.title if tool else call.name,
        call.arguments if args is None else args,
        raw=call.arguments,
        mended=is_mended(call),
        readOnly=tool.read_only if tool else True,
        fingerprint=tool.fingerprint if tool else "",
        honoursKey=tool.honours_key if tool else False,
    )
