"""What servers ask in the middle of calls: told to whoever calls, and the calls go on with the answers.

For 2026-07-28 a question is the end of a request, and the next one brings the answer. Before that the server
waits: the call is held by the process that has sent it.
"""

import asyncio
import json
import secrets
from collections.abc import Callable, Coroutine, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from mcp.client.session import ClientRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    INVALID_REQUEST,
    URL_ELICITATION_REQUIRED,
    CallToolResult,
    ElicitRequestParams,
    ElicitResult,
    ErrorData,
)

from assistant.chat.interfaces import Answer, Answers, Asked, Outcome, Progress, Question
from assistant.toolbox.raw_results import carried, is_deep, raw_of, text_of
from assistant.toolbox.results import wording_of
from serving.errors import CodedError
from serving.redaction import redacted

MAX_ASKED = 20  # questions of a server in one call, one after another ...
MAX_AT_ONCE = 10  # ... and of one answer
MAX_QUESTION = 64_000  # characters of a question as JSON
MAX_STATE = 250_000  # characters of what a server wants back with the answers
NOBODY = ErrorData(code=INVALID_REQUEST, message="Elicitation not supported")
AGAIN = "product-mcp/again"  # beside such questions: with their answers the call is made anew
CANCELLED = ElicitResult(action="cancel")


class QuestionGoneError(CodedError):
    """A call that asked something is not held here any more."""


@dataclass(eq=False)
class Open:
    """A question that waits for its answer."""

    question: Question
    call: "CallUnderWay"  # with which it is asked
    answer: asyncio.Future[ElicitResult]


@dataclass(eq=False)
class CallUnderWay:
    """A call that was sent; `asker` is the talk in which its questions can be asked."""

    asker: str | None
    on_progress: Progress | None
    seconds: float = 0
    clock: asyncio.Timeout | None = None  # which stands while a person is asked
    waiting: dict[str, Open] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    asked: int = 0
    is_over: bool = False  # nobody answers any more
    task: asyncio.Task[Outcome] | None = None

    async def ask(self, params: Any, seconds: float) -> ElicitResult | ErrorData:
        """Ask, and wait for the answer, or so long."""
        try:
            question = question_of("", params)
        except CodedError:
            return ErrorData(code=INVALID_REQUEST, message="The question cannot be shown")
        if self.is_over or self.asked >= MAX_ASKED:
            return CANCELLED
        waits = Open(question, self, asyncio.get_running_loop().create_future())
        self.put(waits)
        try:
            async with asyncio.timeout(seconds):
                return await waits.answer
        except TimeoutError:
            waits.call.is_over = True
            return CANCELLED
        finally:
            waits.call.take(waits.question.key)

    def put(self, waits: Open) -> None:
        """Ask with this call; the time that a person takes does not count."""
        self.asked += 1
        waits.call, waits.question = self, replace(waits.question, key=str(self.asked))
        self.waiting[waits.question.key] = waits
        self.news.set()
        if self.clock is not None:
            self.clock.reschedule(None)

    def take(self, key: str) -> Open | None:
        """Ask this no more; the server's time counts anew, unless a person is still being asked."""
        waits = self.waiting.pop(key, None)
        if waits and self.clock is not None and not self.waiting:
            self.clock.reschedule(asyncio.get_running_loop().time() + self.seconds)
        return waits

    def answer(self, answers: Answers) -> None:
        """Let the server have these answers; one to what is asked no more is not used."""
        for key, given in answers.by_key.items():
            waits = self.take(key)
            if waits and not waits.answer.done():
                waits.answer.set_result(_result(given))


# The call for which a message is sent, and on whose own stream one comes in.
_CALL: ContextVar[CallUnderWay | None] = ContextVar("call", default=None)


class Questions:
    """The calls under way on a link, and those of them that wait for a person or for whoever asks again."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._process = secrets.token_hex(8)
        self._under_way: list[CallUnderWay] = []
        self._held: dict[str, CallUnderWay] = {}

    async def run(
        self,
        key: str,
        call: CallUnderWay,
        send: Callable[[], Coroutine[Any, Any, Outcome]],
        answers: Answers | None,
    ) -> Outcome:
        """Run a call until its outcome is there or its server asks; one that is held goes on.

        Raises QuestionGoneError.
        """
        if call.asker is None:
            return await self._sent(call, send)
        held = self._held.pop(key, None)
        if held is None and answers is not None and "process" in json.loads(answers.state):
            raise QuestionGoneError("question_gone")
        if held is None:
            call.task = asyncio.create_task(self._sent(call, send))
            call.task.add_done_callback(lambda _: call.news.set())
        else:
            held.asker, held.on_progress = call.asker, call.on_progress
            call = held
            if answers is not None:
                call.answer(answers)
        return await self._outcome(key, call)

    async def _sent(self, call: CallUnderWay, send: Callable[[], Coroutine[Any, Any, Outcome]]) -> Outcome:
        mark = _CALL.set(call)
        self._under_way.append(call)
        try:
            return await send()
        finally:
            _CALL.reset(mark)
            self._under_way.remove(call)
            self._pass_on(call)

    def _pass_on(self, call: CallUnderWay) -> None:
        """Let another call of the same talk ask what this one was not the one to ask, for it has ended."""
        others = [each for each in self._under_way if each.asker == call.asker]
        for key in list(call.waiting):
            waits = call.take(key)
            if waits and others:
                others[0].put(waits)
            elif waits and not waits.answer.done():
                waits.answer.set_result(CANCELLED)

    async def _outcome(self, key: str, call: CallUnderWay) -> Outcome:
        assert call.task is not None
        try:
            while not call.task.done() and not call.waiting:
                call.news.clear()
                await call.news.wait()
        except asyncio.CancelledError:
            call.task.cancel()
            await asyncio.wait({call.task})
            raise
        if call.task.done():
            return call.task.result()
        self._held[key] = call
        call.task.add_done_callback(partial(self._forget_later, key, call))
        questions = tuple(waits.question for waits in call.waiting.values())
        return Asked(questions, json.dumps({"process": self._process}))

    def _forget_later(self, key: str, call: CallUnderWay, task: asyncio.Task[Outcome]) -> None:
        """Keep an outcome as long as a question, for a person who answers late."""
        if not task.cancelled():
            task.exception()  # it is raised for who asks again, if anybody does
        if self._held.get(key) is call:
            task.get_loop().call_later(self._seconds, self._forget, key, call)

    def _forget(self, key: str, call: CallUnderWay) -> None:
        if self._held.get(key) is call:
            del self._held[key]

    async def on_question(
        self,
        context: ClientRequestContext,
        params: ElicitRequestParams,  # noqa: ARG002  the SDK's: what was sent lies beside it
    ) -> ElicitResult | ErrorData:
        """Ask what a server asks before 2026-07-28, if it is certain of whom."""
        call = _CALL.get() or self._certain()
        if call is None or call.asker is None:
            return NOBODY
        return await call.ask(raw_of(context.meta, {}), self._seconds)

    def _certain(self) -> CallUnderWay | None:
        """Return a call that asks on no stream of its own: any of the one talk that has calls under way."""
        askers = {call.asker for call in self._under_way}
        return min(self._under_way, key=lambda call: len(call.waiting)) if len(askers) == 1 else None

    def release(self, key: str) -> bool:
        """End a call that is held, and say whether there was one: nobody answers."""
        call = self._held.pop(key, None)
        if call is not None and call.task is not None:
            call.task.cancel()
        return call is not None

    async def close(self) -> None:
        """End the calls that are held."""
        tasks = [call.task for call in self._held.values() if call.task and not call.task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


def declared(params: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a request's parameters, which say that a person can be asked only where that is so.

    Before 2026-07-28 requests say nothing of it, since the handshake did. A call with nobody to ask does all
    the same: a server that reads it, as this project's own does, asks no question in vain.
    """
    meta = (params or {}).get("_meta") or {}
    able, call = meta.get(CLIENT_CAPABILITIES_META_KEY), _CALL.get()
    if call is not None:
        if call.asker is not None:
            return params
        able = able or {}
    elif not able or "elicitation" not in able:
        return params
    less = {name: value for name, value in able.items() if name != "elicitation"}
    return {**(params or {}), "_meta": {**meta, CLIENT_CAPABILITIES_META_KEY: less}}


# --- questions as they are sent ----------------------------------------------------------------------------


def question_of(key: str, params: Any) -> Question:
    """Read what a server asks, of whatever form. Raises CodedError: it cannot be shown."""
    given = params if isinstance(params, dict) else {}
    schema, url = given.get("requestedSchema"), text_of(given, "url")
    form = schema if isinstance(schema, dict) and not url else {}
    if given.get("mode") == "url" and not url:  # whoever agreed would have gone nowhere
        raise CodedError("asks_unclear")
    if is_deep(form) or len(json.dumps(given)) > MAX_QUESTION:
        raise CodedError("asks_too_much")
    return Question(key, redacted(text_of(given, "message")), form, url, wording_of(given.get("_meta")))


def state_only(raw: Mapping[str, Any]) -> str | None:
    """Return the state with which a server wants to be asked again, without asking anything."""
    state = raw.get("requestState")
    return state if isinstance(state, str) and not raw.get("inputRequests") else None


def asked_of(raw: Mapping[str, Any], call: CallUnderWay, answers: Answers | None) -> Asked | None:
    """Return what a server asks in the place of a result. Raises CodedError: that cannot be asked."""
    requests, state = raw.get("inputRequests"), raw.get("requestState")
    if not isinstance(requests, dict) or not requests:
        if requests or (raw.get("resultType") == "input_required" and not raw.get("content")):
            raise CodedError("asks_unclear")
        return None
    if call.asker is None:
        raise CodedError("asks_nobody")
    rounds = (json.loads(answers.state).get("rounds", 0) if answers else 0) + 1
    if rounds > MAX_ASKED or len(requests) > MAX_AT_ONCE or len(str(state)) > MAX_STATE:
        raise CodedError("asks_too_much")
    questions: list[Question] = []
    for key, request in requests.items():
        method = text_of(request, "method") if isinstance(request, dict) else ""
        if method != "elicitation/create":
            raise CodedError("asks_unsupported" if method else "asks_unclear", method=method[:100])
        questions.append(question_of(key, request.get("params")))
    if len(questions) == 1 and questions[0].wording is None:  # that of the answer, since 2026-07-28
        questions = [replace(questions[0], wording=wording_of(raw.get("_meta")))]
    kept = {
        "rounds": rounds,
        "again": raw.get(AGAIN) is True,
        "state": state if isinstance(state, str) else None,
    }
    return Asked(tuple(questions), json.dumps(kept))


def refused_with_url(error: MCPError) -> CallToolResult:
    """Return the question that a refusal is: the person goes to an address, and the call is made again.

    Raises MCPError: the refusal is none.
    """
    given = error.data.get("elicitations") if isinstance(error.data, dict) else None
    if error.code != URL_ELICITATION_REQUIRED or not isinstance(given, list) or not given:
        raise error
    requests = {str(i): {"method": "elicitation/create", "params": each} for i, each in enumerate(given)}
    return CallToolResult(content=[], _meta=carried({"inputRequests": requests, AGAIN: True}))


def continuation(answers: Answers | None) -> dict[str, Any]:
    """Return the arguments with which a call goes on after an answer to `asked_of`.

    Raises CodedError: the person did not go where the server wanted.
    """
    state = json.loads(answers.state) if answers else {}
    if answers is None or "rounds" not in state:
        return {}
    if state["again"]:
        if any(answer.action != "accept" for answer in answers.by_key.values()):
            raise CodedError("question_refused")
        return {}
    responses = {key: _result(answer) for key, answer in answers.by_key.items()}
    return {"input_responses": responses, "request_state": state["state"]}


def _result(answer: Answer) -> ElicitResult:
    content = None if answer.content is None else dict(answer.content)
    return ElicitResult(action=answer.action, content=content)
