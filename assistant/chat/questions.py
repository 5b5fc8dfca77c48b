"""What servers ask in the middle of calls: sealed for the page, its answers opened and checked."""

import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal
from urllib.parse import urlsplit

from assistant.chat.call_ids import mac
from assistant.chat.events import QuestionEvent
from assistant.chat.interfaces import Answer, Answers, Asked, ModelError, Question
from serving.errors import CodedError

MARK = 32  # characters of a state's MAC
MAX_CHOSEN = 1_000  # of a list
RULES = ("type", "format", "enum", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems")


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
        self, call: str, server: str, asked: Asked, wrong: Mapping[str, CodedError] | None = None
    ) -> list[QuestionEvent]:
        """Return the questions of a call as the page is told them; of some, why an answer was not taken."""
        forms = [[each.key, each.message, each.schema, each.url, each.wording] for each in asked.questions]
        sealed = json.dumps([call, server, asked.state, forms])
        mark = self._mark(sealed)
        made: list[QuestionEvent] = []
        for number, question in enumerate(asked.questions):
            why = (wrong or {}).get(question.key)
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


# --- a form's content --------------------------------------------------------------------------------------


def problem(schema: Mapping[str, Any], content: Mapping[str, Any]) -> CodedError | None:
    """Return what a form does not take of its content, by a code with the field's name."""
    given, required = schema.get("properties"), schema.get("required")
    fields = given if isinstance(given, dict) else {}
    for name in required if isinstance(required, list) else ():
        if isinstance(name, str) and name in fields and content.get(name) is None:
            return CodedError("answer_missing", field=name)
    for name, value in content.items():
        spec = fields.get(name)
        if name not in fields or not _fits(value, spec if isinstance(spec, dict) else {}):
            rules = {key: spec[key] for key in RULES if key in spec} if isinstance(spec, dict) else {}
            return CodedError("answer_invalid", field=name, expected=json.dumps(rules, ensure_ascii=False))
    return None


def _fits(value: Any, spec: Mapping[str, Any]) -> bool:
    kind = spec.get("type")
    forms = [each for key in ("oneOf", "anyOf") for each in _dicts(spec.get(key))]
    choices = (
        spec["enum"] if isinstance(spec.get("enum"), list) else [f["const"] for f in forms if "const" in f]
    )
    if choices:
        return any(value == choice and type(value) is type(choice) for choice in choices)
    if forms:
        return any(_fits(value, form) for form in forms)
    kinds = kind if isinstance(kind, list) else [kind]
    return any(_is(value, each, spec) for each in kinds)


def _dicts(value: Any) -> Sequence[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _is(value: Any, kind: Any, spec: Mapping[str, Any]) -> bool:
    match kind:
        case "boolean":
            return isinstance(value, bool)
        case "integer" | "number":
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            is_whole = kind == "number" or (is_number and value == int(value))
            return is_number and is_whole and _within(value, spec, "minimum", "maximum")
        case "array":
            items = spec.get("items")
            of_form = items if isinstance(items, dict) else {}
            is_list = isinstance(value, list) and len(value) <= MAX_CHOSEN
            are_texts = is_list and all(isinstance(each, str) and _fits(each, of_form) for each in value)
            return are_texts and _within(len(value), spec, "minItems", "maxItems")
        case "string":
            is_text = isinstance(value, str)
            return is_text and _within(len(value), spec, "minLength", "maxLength") and _is_formed(value, spec)
        case "null":
            return value is None
        case _:
            return isinstance(value, str | int | float | bool)


def _within(value: float, spec: Mapping[str, Any], least: str, most: str) -> bool:
    low, high = spec.get(least), spec.get(most)
    is_high_enough = not isinstance(low, int | float) or value >= low
    return is_high_enough and (not isinstance(high, int | float) or value <= high)


def _is_formed(text: str, spec: Mapping[str, Any]) -> bool:
    try:
        match spec.get("format"):
            case "email":
                name, _, host = text.rpartition("@")
                return bool(name and host) and not any(map(str.isspace, text))
            case "uri":
                return bool(urlsplit(text).scheme) and not any(map(str.isspace, text))
            case "date":
                return date.fromisoformat(text).isoformat() == text
            case "date-time":
                return "T" in text.upper() and datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
    return True
