"""What servers ask in the middle of calls: sealed for the page, its answers opened and checked."""

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from assistant.chat.call_ids import mac
from assistant.chat.events import QuestionEvent
from assistant.chat.forms import problem
from assistant.chat.interfaces import Answer, Answers, Asked, ModelError, Question
from serving.errors import CodedError

MARK = 32  # characters of a state's MAC


@dataclass(frozen=True)
class GivenAnswer:
    """A person's answer as the page sends it, with the state that came with the question."""

    action: Literal["accept", "decline", "cancel"]
    state: str
    content: dict[str, Any] | None = None


@dataclass(frozen=True)
class Reply:
    """What a call asked, and the answers to it; `wrong` are those that its forms do not take."""

    server: str
    asked: Asked
    by_key: dict[str, Answer] = field(default_factory=dict)
    wrong: dict[str, CodedError] = field(default_factory=dict)

    def answers(self) -> Answers | None:
        """Return the answers, if there is one to each question."""
        is_whole = all(question.key in self.by_key for question in self.asked.questions)
        return Answers(self.asked.state, self.by_key) if is_whole else None


class Questions:
    """Seals questions, so that any replica can go on with an answer, and no page can make one up."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def told(
        self, call: str, server: str, asked: Asked, wrong: Mapping[str, CodedError]
    ) -> list[QuestionEvent]:
        """Return the questions of a call as the page is told them; of some, why an answer was not taken."""
        forms = [[each.key, each.message, each.schema, each.url, each.wording] for each in asked.questions]
        sealed = json.dumps([call, server, asked.state, forms])
        mark = self._mark(sealed)
        made: list[QuestionEvent] = []
        for number, question in enumerate(asked.questions):
            why = wrong.get(question.key)
            made.append(
                QuestionEvent(
                    f"{mark}.{number}",
                    call,
                    server,
                    question.message,
                    question.schema,
                    question.url,
                    f"{mark}{sealed}",
                    why.code if why else None,
                    why.params if why else {},
                    question.wording,
                )
            )
        return made

    def opened(self, given: Mapping[str, GivenAnswer]) -> dict[str, Reply]:
        """Return what a page answers, by the ids of the calls. Raises ModelError: we never asked this."""
        replies: dict[str, tuple[str, Reply]] = {}
        for id, answer in given.items():
            mark, sealed, number = answer.state[:MARK], answer.state[MARK:], id[MARK + 1 :]
            if not hmac.compare_digest(self._mark(sealed).encode(), mark.encode()) or id[:MARK] != mark:
                raise ModelError("answer_not_genuine")
            call, server, state, forms = json.loads(sealed)
            asked = Asked(tuple(Question(*form) for form in forms), state)
            if replies.get(call, ("",))[0] != mark:
                replies[call] = mark, Reply(server, asked)
            _take(replies[call][1], number, answer)
        return {call: reply for call, (_, reply) in replies.items()}

    def _mark(self, sealed: str) -> str:
        return mac(self._secret, "question", sealed).hex()[:MARK]


def _take(reply: Reply, number: str, answer: GivenAnswer) -> None:
    for question in [each for i, each in enumerate(reply.asked.questions) if str(i) == number]:
        is_form = answer.action == "accept" and not question.url
        content = (answer.content or {}) if is_form else None
        wrong = problem(question.schema, content) if content is not None else None
        if wrong:
            reply.wrong[question.key] = wrong
        else:
            reply.by_key[question.key] = Answer(answer.action, content)
