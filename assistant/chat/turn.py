"""One turn: the model answers, its calls are decided on and run, until it wants no more of them."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import aclosing, suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Literal

from assistant.chat import compaction, events
from assistant.chat.calls import Calls
from assistant.chat.events import Transcript
from assistant.chat.history import (
    MAX_SENT,
    Call,
    Message,
    length_of,
    mend,
    open_calls,
    sendable,
    shorten_results,
)
from assistant.chat.interfaces import (
    ContextOverflowError,
    Model,
    ModelError,
    Reply,
    Restart,
    Thought,
    Tool,
    Tools,
    Usage,
)
from assistant.chat.sentences import NO_MORE_ROUNDS
from assistant.chat.system_message import system_message
from assistant.chat.tool_search import Offer, wrapped
from serving.errors import CodedError

log = logging.getLogger(__name__)

MAX_ROUNDS = 10  # answers with tool calls in a turn
MAX_TURN_SECONDS = 1_800.0  # in which the model answers; the calls have times of their own


@dataclass
class Turn:
    """The state of a turn; `seconds` are left for the model."""

    model: Model
    tools: Tools
    offer: Offer
    calls: Calls
    told: Transcript
    max_rounds: int
    seconds: float
    now: Callable[[], datetime]
    can_compact: bool = True  # nobody waits twice in a turn for a summary that does not come

    async def run(self) -> None:
        """Carry the conversation on; the last event is always a `DoneEvent`."""
        reason: Literal["stop", "approval", "question", "rounds", "error"] = "error"
        try:
            reason = await self._rounds()
        except ModelError as error:
            self.told.emit(events.ErrorEvent(error.code, error.params))
        except Exception:  # the task's outer edge: the page waits for the end of the turn
            log.exception("一轮对话意外中断")
            self.told.emit(events.ErrorEvent("turn_broke"))
        self.told.emit(events.DoneEvent(reason))

    async def _rounds(self) -> Literal["stop", "approval", "question", "rounds"]:
        await self.tools.settled()  # right after a start the tools are not listed yet
        pending = open_calls(self.told.history)
        if pending or self.calls.edits:
            self.calls.take_up(pending)
            if wanted := await self.calls.settle(pending):
                return wanted
        for _ in range(self.max_rounds):
            calls, finish = await self._answer(self.calls.offered())
            if not calls:
                return "stop"
            current = [(call, True) for call in calls]
            if wanted := await self.calls.settle(current, cut_off=finish == "length"):
                return wanted
        await self._answer([], or_else=NO_MORE_ROUNDS.format(rounds=self.max_rounds))
        return "rounds"

    async def _answer(self, tools: list[Tool], or_else: str = "") -> tuple[list[Call], str]:
        """Let the model answer, append its message, and return the calls that it wants.

        `or_else` is said for a model that says nothing; without it, that is an error.
        """
        reply = await self._reply(tools)
        calls = [] if or_else else self.calls.issue(reply.calls)
        text = reply.text
        if not text and not calls:
            if not or_else:
                raise ModelError("only_thought" if reply.finish == "length" else "empty_reply")
            self.told.emit(events.TextEvent(or_else))
            text = or_else
        message: Message = {"role": "assistant", "content": text, **reply.extra}
        if reply.finish == "length" and reply.text and not calls:
            message["error"] = _mark(CodedError("answer_cut"))
        if reply.notes:
            message["notes"] = [_mark(note) for note in reply.notes]
        if calls:
            message["tool_calls"] = [call.to_dict() for call in calls]
        self.told.append(message)
        return calls, reply.finish

    async def _reply(self, tools: list[Tool]) -> Reply:
        """Let the model answer; a conversation that is too long for it is compacted, and else cut."""
        listed = 0 if self.offer.is_over_budget(tools) else sum(tool.tokens for tool in tools)
        if compaction.is_full(self.told.history, self.model.window, listed):
            await self._compact()
        is_cut = sum(map(length_of, self.told.history)) > MAX_SENT
        reply = None
        with suppress(ContextOverflowError):
            reply = await self._ask_model(self._sent(), tools)
        if reply is None and await self._compact():
            with suppress(ContextOverflowError):
                reply = await self._ask_model(self._sent(), tools)
        if reply is None:
            reply, is_cut = await self._ask_model(shorten_results(self._sent()), tools), True
        return replace(reply, notes=[*reply.notes, CodedError("history_cut")]) if is_cut else reply

    def _sent(self) -> list[Message]:
        return sendable(mend(self.told.history))

    async def _compact(self) -> bool:
        """Let one message stand for the older turns, and tell the page; return whether that was possible."""
        history = self.told.history
        older = compaction.Older(history, self.model.window)
        if self.model.demo or not older.questions or not self.can_compact:
            return False
        try:
            async with asyncio.timeout(self.seconds):
                message, used = await older.message(self.model, self.tools.tools())
        except (ModelError, TimeoutError):
            log.warning("没能整理较早的对话", exc_info=True)
            self.can_compact = False
            return False
        history[: older.at] = [message]
        self._count(used)
        self.told.emit(events.CompactedEvent(message, older.questions))
        return True

    def _count(self, used: Usage | None) -> None:
        if used:
            self.told.emit(events.UsageEvent(**asdict(used), window=self.model.window))

    async def _ask_model(self, history: list[Message], tools: list[Tool]) -> Reply:
        """Let the model answer; what it said before it failed is kept as a part. Raises ModelError."""
        functions = self.offer.functions(tools, self.told.history) if tools else []
        is_searched = self.offer.is_over_budget(tools)
        system = system_message(self.now(), tools, self.tools.instructions(), is_searched=is_searched)
        answer = self.model.reply([system, *wrapped(history, functions)], functions)
        began, said = time.monotonic(), ""
        failure = ModelError("no_reply")
        try:
            async with asyncio.timeout(self.seconds), aclosing(answer) as pieces:
                async for piece in pieces:
                    match piece:
                        case Reply(usage=used):
                            self._count(used)
                            return piece
                        case Thought(text):
                            self.told.emit(events.ThinkingEvent(text))
                        case Restart():
                            said = ""
                            self.told.emit(events.TextEvent("", restart=True))
                        case str():
                            said += piece
                            self.told.emit(events.TextEvent(piece))
        except ModelError as error:
            failure = error
        except TimeoutError:
            failure = ModelError("turn_too_long")
        except asyncio.CancelledError:  # the service stops, or nobody listens any more
            self._keep_part(said, ModelError("restarting"))
            raise
        finally:
            self.seconds -= time.monotonic() - began
        self._keep_part(said, failure)
        raise failure

    def _keep_part(self, said: str, why: ModelError) -> None:
        if said:
            self.told.append({"role": "assistant", "content": said, "error": _mark(why)})


def _mark(why: CodedError) -> dict[str, Any]:
    return {"code": why.code, "params": why.params}
