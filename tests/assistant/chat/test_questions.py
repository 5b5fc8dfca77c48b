"""A server asks in the middle of a call: what the page is told, and how the call goes on."""

from typing import Any

import pytest

from assistant.chat import Chat, events
from assistant.chat.forms import problem
from assistant.chat.interfaces import Answer, Asked, Progress, Question, ToolResult
from assistant.chat.questions import GivenAnswer
from tests.support.scripted import (
    BUY,
    HELLO,
    SECRET,
    FakeTools,
    ScriptedModel,
    after,
    answering,
    calls,
    only,
    says,
    take,
    tool,
)

pytestmark = pytest.mark.anyio

SEATS = {"type": "object", "properties": {"seats": {"type": "integer", "minimum": 1}}, "required": ["seats"]}
ASKED = Asked((Question("a", "how many?", SEATS),), "state 1")
TWO = Asked((Question("a", "how many?", SEATS), Question("b", "go", url="https://x.test")), "state 2")


class Talk:
    """A conversation about one call that asks."""

    def __init__(self, *outcomes: Asked | ToolResult, read_only: bool = True, beside: bool = False) -> None:
        async def ask(args: dict[str, Any], on_progress: Progress | None) -> Asked | ToolResult:
            return left.pop(0)

        left = list(outcomes)
        self.tools = FakeTools(
            (tool("buy", read_only=read_only), ask), (tool("look", read_only=True), answering("[1]"))
        )
        wanted = [BUY, ("shop_look", "{}")] if beside else [BUY]
        self.chat = self.replica(calls(*wanted))
        self.history: list[dict[str, Any]] = [HELLO]
        self.approvals: dict[str, bool] = {}
        self.told: list[events.Event] = []

    def replica(self, *steps: Any, secret: bytes = SECRET) -> Chat:
        self.chat = Chat(ScriptedModel(*steps, *[says("done")] * 3), self.tools, secret)
        return self.chat

    async def go_on(self, answers: dict[str, GivenAnswer] | None = None, **options: Any) -> "Talk":
        self.told = await take(
            self.chat, self.history, approvals=self.approvals, answers=answers or {}, **options
        )
        self.history = after(self.told, self.history)
        return self

    @property
    def questions(self) -> list[events.QuestionEvent]:
        return only(self.told, events.QuestionEvent)

    @property
    def results(self) -> list[str]:
        return [each.result for each in only(self.told, events.ToolResultEvent)]

    @property
    def reason(self) -> str:
        reason: str = only(self.told, events.DoneEvent)[0].reason
        return reason

    def answered(self, action: Any = "accept", **content: Any) -> dict[str, GivenAnswer]:
        return {each.id: GivenAnswer(action, each.state, content or None) for each in self.questions}


async def test_a_question_ends_the_turn_and_its_answer_goes_on_with_the_same_call() -> None:
    talk = await Talk(ASKED, ToolResult("booked")).go_on()
    [question] = talk.questions
    assert (talk.reason, question.message, question.schema) == ("question", "how many?", SEATS)
    await talk.go_on(talk.answered(seats=2))
    assert (talk.reason, talk.results) == ("stop", ["booked"])
    first, second = talk.tools.called
    assert first == second
    given = talk.tools.answers[1]
    assert given
    assert (given.state, dict(given.by_key)) == ("state 1", {"a": Answer("accept", {"seats": 2})})


@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_a_refusal_reaches_the_server_too(action: Any) -> None:
    talk = await Talk(ASKED, ToolResult("not booked")).go_on()
    await talk.go_on(talk.answered(action, seats="nonsense that is not sent"))
    given = talk.tools.answers[1]
    assert given
    assert given.by_key == {"a": Answer(action)}


async def test_questions_at_once_are_answered_together_and_others_follow_in_the_same_call() -> None:
    talk = await Talk(TWO, ASKED, ToolResult("booked")).go_on()
    answers = talk.answered(seats=2)
    first, second = talk.questions
    await talk.go_on({first.id: answers[first.id]})
    assert [each.id for each in talk.questions] == [first.id, second.id]  # nothing was sent
    assert len(talk.tools.called) == 1
    await talk.go_on(answers)
    assert [each.message for each in talk.questions] == ["how many?"]
    await talk.go_on(talk.answered(seats=3))
    assert talk.results == ["booked"]


async def test_an_answer_that_breaks_the_form_is_asked_for_again_with_the_field_named() -> None:
    talk = await Talk(ASKED, ToolResult("booked")).go_on()
    before = talk.questions[0]
    await talk.go_on(talk.answered(seats=0))
    [question] = talk.questions
    assert (question.id, question.state) == (before.id, before.state)
    assert (question.code, question.params["field"]) == ("answer_invalid", "seats")
    assert len(talk.tools.called) == 1
    await talk.go_on(talk.answered(seats=1))
    assert talk.results == ["booked"]


async def test_another_replica_goes_on_with_an_approved_call_that_honours_no_key() -> None:
    talk = await Talk(ASKED, ToolResult("booked"), read_only=False).go_on()
    talk.approvals = {only(talk.told, events.ApprovalEvent)[0].id: True}
    await talk.go_on()
    assert (talk.reason, len(talk.tools.called)) == ("question", 1)
    talk.replica()
    await talk.go_on(talk.answered(seats=2))
    assert talk.results == ["booked"]


async def test_a_writing_call_that_has_asked_runs_once_for_two_pages_that_answer() -> None:
    talk = await Talk(ASKED, ToolResult("booked"), read_only=False).go_on()
    talk.approvals = {only(talk.told, events.ApprovalEvent)[0].id: True}
    history, answers = talk.history, (await talk.go_on()).answered(seats=2)
    for _ in range(2):
        talk.history = history
        await talk.go_on(answers)
        assert talk.results == ["booked"]
    assert len(talk.tools.called) == 2  # the question, and its answer


async def test_the_others_of_the_round_have_their_results_while_one_asks() -> None:
    talk = await Talk(ASKED, ToolResult("booked"), beside=True).go_on()
    assert (talk.reason, talk.results) == ("question", ["[1]"])
    await talk.go_on(talk.answered(seats=2))
    assert (talk.reason, talk.results) == ("stop", ["booked"])


def forged(answers: dict[str, GivenAnswer], **changes: str) -> dict[str, GivenAnswer]:
    [(id, answer)] = answers.items()
    state = answer.state.replace(changes.get("old", ""), changes.get("new", ""))
    return {changes.get("id", id): GivenAnswer("accept", state, {"seats": 2})}


@pytest.mark.parametrize(
    "changes",
    [
        {"old": "state 1", "new": "state 9"},
        {"old": "minimum", "new": "maximum"},
        {"old": "shop", "new": "bank"},
        {"id": "0" * 32 + ".0"},
        {"old": "[", "new": ""},
    ],
)
async def test_an_answer_to_what_was_never_asked_is_not_used(changes: dict[str, str]) -> None:
    talk = await Talk(ASKED, ToolResult("booked")).go_on()
    answers = talk.answered(seats=2)
    await talk.go_on(forged(answers, **changes))
    assert only(talk.told, events.ErrorEvent)[0].code == "answer_not_genuine"
    await talk.go_on(answers)
    assert talk.results == ["booked"]


async def test_an_answer_to_the_question_of_another_call_is_not_this_calls() -> None:
    other = await Talk(ASKED).go_on()
    talk = await Talk(ASKED, ASKED).go_on()
    await talk.go_on(other.answered(seats=2))
    assert (talk.reason, talk.tools.answers) == ("question", [None, None])


async def test_an_answer_to_a_call_that_has_ended_changes_nothing() -> None:
    talk = await Talk(ASKED, ToolResult("booked")).go_on()
    answers = talk.answered(seats=2)
    await talk.go_on(answers)
    await talk.go_on(answers)
    assert (talk.reason, talk.results, len(talk.tools.called)) == ("stop", [], 2)


async def test_who_does_not_know_of_questions_is_nobody_to_be_asked() -> None:
    talk, page = (Talk(ToolResult("booked")) for _ in range(2))
    await take(talk.chat, [HELLO])
    await page.go_on()
    assert (talk.tools.askers, page.tools.askers == [None]) == ([None], False)


OF = {
    "text": {"type": "string", "minLength": 2, "maxLength": 3},
    "mail": {"type": "string", "format": "email"},
    "page": {"type": "string", "format": "uri"},
    "day": {"type": "string", "format": "date"},
    "at": {"type": "string", "format": "date-time"},
    "number": {"type": "number", "maximum": 2.5},
    "whole": {"type": "integer"},
    "yes": {"type": "boolean"},
    "one": {"type": "string", "enum": ["a", "b"]},
    "titled": {"type": "string", "oneOf": [{"const": "a", "title": "A"}]},
    "some": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}, "maxItems": 1, "minItems": 1},
    "titles": {"type": "array", "items": {"anyOf": [{"const": "a", "title": "A"}]}},
    "maybe": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
    "list": {"type": ["string", "null"]},
    "odd": {"type": "wonder"},
    "none": 7,
}


@pytest.mark.parametrize(
    ("field", "takes", "refuses"),
    [
        ("text", ["ab", "abc"], ["a", "abcd", 1, None, ["ab"]]),
        ("mail", ["a@b"], ["a", "@", "a @b"]),
        ("page", ["https://x.test", "urn:a"], ["x", "http://a b", "http://["]),
        ("day", ["2026-02-28"], ["2026-02-30", "20260228", "tomorrow"]),
        ("at", ["2026-02-28T10:00:00Z", "2026-02-28T10:00:00.000+08:00"], ["2026-02-28", "2026-02-28T10:00"]),
        ("number", [1, 2.5, -3], [2.6, "1", True]),
        ("whole", [1, 2.0], [1.5, False, "1"]),
        ("yes", [True, False], [1, "true"]),
        ("one", ["a"], ["c", 1, ["a"]]),
        ("titled", ["a"], ["A"]),
        ("some", [["a"]], [[], ["a", "b"], ["c"], "a", [1]]),
        ("titles", [["a"], []], [["A"]]),
        ("maybe", [1], ["x"]),
        ("list", ["x"], [1]),
        ("odd", ["x", 1, True], [{}]),
        ("none", ["x"], [{}]),
    ],
)
def test_what_a_field_takes(field: str, takes: list[Any], refuses: list[Any]) -> None:
    form = {"properties": OF}
    assert [value for value in takes if problem(form, {field: value})] == []
    refused = [problem(form, {field: value}) for value in refuses]
    assert [(each and each.params["field"]) for each in refused] == [field] * len(refuses)


@pytest.mark.parametrize("schema", [{}, {"properties": 1}, {"properties": {"a": {}}, "required": "a"}])
def test_a_form_of_nonsense_takes_an_empty_answer(schema: dict[str, Any]) -> None:
    assert problem(schema, {}) is None
    assert problem(schema, {"b": 1})


def test_a_field_that_has_to_be_filled_in_is_named() -> None:
    missing = problem(SEATS, {})
    assert missing
    assert (missing.code, missing.params) == ("answer_missing", {"field": "seats"})


def test_what_a_field_takes_is_told_where_it_may_also_be_null() -> None:
    wrong = problem({"properties": {"n": {"type": ["integer", "null"], "minimum": 2}}}, {"n": 1})
    assert wrong
    assert wrong.params == {"field": "n", "expected": '{"type": "integer", "minimum": 2}'}


def test_behind_very_many_choices_a_field_takes_what_its_server_does() -> None:
    towns = [{"const": f"t{number}", "title": f"Town {number}"} for number in range(2_100)]
    form = {"properties": {"town": {"type": "string", "oneOf": towns}, "n": {"type": "integer"}}}
    assert problem(form, {"town": "t2099", "n": 1}) is None
