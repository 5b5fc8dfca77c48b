"""The tool-calling loop: messages, a toolbox and a model in, typed events out.

The server keeps nothing between two turns: the history comes in with every request and goes out as
`message` events. What the model proposes gets an id of ours, which is the call's idempotency key.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from math import inf
from typing import Any

from assistant.chat.approvals import AllowedTool, Approvals, SwitchedOff, ToolName
from assistant.chat.call_ids import CallIds
from assistant.chat.calls import Calls
from assistant.chat.events import DoneEvent, ErrorEvent, Event, Transcript
from assistant.chat.forms import Edits
from assistant.chat.history import Message, mend
from assistant.chat.interfaces import Model, Tools
from assistant.chat.questions import GivenAnswer, Questions
from assistant.chat.running_calls import Bounds, RunningCalls
from assistant.chat.tool_search import MAX_SHARE, MAX_TOOL_TOKENS, Offer
from assistant.chat.turn import MAX_ROUNDS, MAX_TURN_SECONDS, Turn
from serving.errors import CodedError

STOPPED = (ErrorEvent("restarting"), DoneEvent("error"))


class Chat:
    """Conversations of a model that can call tools."""

    def __init__(
        self,
        model: Model | None,
        tools: Tools,
        secret: bytes,
        *,
        max_rounds: int = MAX_ROUNDS,
        bounds: Bounds | None = None,
        max_turn_seconds: float = MAX_TURN_SECONDS,
        max_tool_tokens: float = MAX_TOOL_TOKENS,
        now: Callable[[], datetime] = lambda: datetime.now().astimezone(),
    ) -> None:
        """Make a chat; `secret` keys the MACs in call ids, and is the same in all replicas.

        Without a model each turn brings its own. `bounds` say how much is remembered of calls. Tools of more
        than `max_tool_tokens`, or of a quarter of its window, are searched by the model; the stand-in is
        offered all.
        """
        self._model = model
        self._tools = tools
        self._max_tool_tokens = max_tool_tokens
        self._offers: dict[float, Offer] = {}  # by how many tokens the tools may take
        self._ids = CallIds(secret)
        self._questions = Questions(secret)
        self._writing = RunningCalls(bounds or Bounds(), write=True)
        self._reading = RunningCalls(bounds or Bounds(), write=False)
        self._limits = (max_rounds, max_turn_seconds, now)
        self._turns: set[asyncio.Task[None]] = set()
        self._is_finishing = False

    def turn(
        self,
        messages: Sequence[Message],
        *,
        approvals: Mapping[str, bool] | None = None,
        confirmed: Mapping[str, Mapping[str, Any]] | None = None,
        answers: Mapping[str, GivenAnswer] | None = None,
        edits: Edits | None = None,
        auto_approve: Collection[AllowedTool] = (),
        ask_first: Collection[ToolName] = (),
        off: Collection[SwitchedOff] = (),
        ask: bool = True,
        model: Model | None = None,
    ) -> AsyncGenerator[Event]:
        """Carry the conversation on until the model has answered or a call waits for the user.

        Args:
            messages: The history, without a system message, in any state: it is mended first.
            approvals: The user's decisions on waiting calls, by call id.
            confirmed: What the user was shown and agreed to, such as `{"total": 1798.0}`, by the id of an
                approved call.
            answers: The user's answers to servers' questions, by their ids; None: nobody can be asked.
            edits: New arguments of waiting calls, by call id, which come before approvals: see web.py.
            auto_approve: Tools that run without asking for as long as they stay what they were; one that
                has changed asks, even if it calls itself read-only by now.
            ask_first: Tools that ask although their servers call them read-only.
            off: Tools, or whole servers, that the model is not offered, and whose calls are not run.
            ask: False lets every call run, for callers that are programs.
            model: Who answers this time, in the place of the chat's own model.

        Closing the iterator cancels the model; the calls go on, and another turn with the same history joins
        them, or has their results. `stop` ends one.
        """
        told = Transcript(mend(messages))
        always, first, without = frozenset(auto_approve), frozenset(ask_first), frozenset(off)
        by_call = {id: yes for id, yes in (approvals or {}).items() if id not in (edits or {})}
        decided = Approvals(by_call, confirmed or {}, always, first, ask, without)
        answering = model or self._model
        assert answering is not None
        share = MAX_SHARE * (answering.window or inf)
        most = inf if answering.demo else min(self._max_tool_tokens, share)
        offer = self._offers.setdefault(most, Offer(most))
        given = self._questions, answers, edits or {}
        calls = Calls(self._tools, offer, self._ids, self._writing, self._reading, decided, *given, told)
        return self._run(Turn(answering, self._tools, offer, calls, told, *self._limits), told)

    async def _run(self, turn: Turn, told: Transcript) -> AsyncGenerator[Event]:
        if not self._is_finishing:
            task = asyncio.create_task(turn.run())
            self._turns.add(task)
            task.add_done_callback(self._turns.discard)
            task.add_done_callback(lambda _: told.end())
            try:
                while news := await told.news():
                    for event in news:
                        yield event
                if not task.cancelled():
                    return
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        for event in STOPPED:
            yield event

    def stop(self, call_id: str) -> None:
        """Stop a call that a person does not want to wait for any longer; its turn goes on.

        One that writes may have run. Raises CodedError: it does not run in this process.
        """
        is_held = self._tools.release(call_id)
        if not self._writing.stop(call_id) and not self._reading.stop(call_id) and not is_held:
            raise CodedError("call_not_running")

    async def finish(self, seconds: float) -> None:
        """Wait for the writing calls in flight, at most so long, then end all turns.

        Each says so, and of a call that is given up that its outcome is unknown, with the key to ask for it.
        Turns that begin later end at once.
        """
        self._is_finishing = True
        await self._writing.finish(seconds)
        for task in self._turns:
            task.cancel()
        self._reading.cancel()
