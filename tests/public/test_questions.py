"""What a server asks in the middle of a call is answered on a card."""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.page_backend import Backend, Step, call, done, result, says
from tests.support.page_browser import Open, Shown
from tests.support.page_questions import FORM, asks, goes_on, question


def asked(backend: Backend, open_page: Open, *questions: Step, **context: Any) -> Shown:
    """The page, with a card that asks."""
    shown = open_page(backend.url, **context)
    backend.say(asks(*questions))
    backend.say(goes_on(*result("c1", "booked")), says("done"), done())
    shown.ask("book")
    expect(form(shown)).not_to_have_count(0)
    return shown


def form(shown: Shown) -> Any:
    return shown.page.locator("form.asks")


def press(shown: Shown, name: str) -> None:
    form(shown).get_by_role("button", name=name, exact=True).click()


def answers(backend: Backend) -> dict[str, Any]:
    given: dict[str, Any] = backend.asked[-1]["answers"]
    return given


def test_a_form_is_filled_in_and_its_answer_goes_on_with_the_call(backend: Backend, open_page: Open) -> None:
    shown = asked(backend, open_page, question())
    box = form(shown)
    expect(shown.card.locator(".slot header")).to_contain_text("shop 提问")
    box.get_by_label("Your name").fill("Bo")
    box.get_by_label("mail").fill("bo@example.com")
    expect(box.get_by_label("seats")).to_have_value("2")
    box.get_by_label("seats").fill("3")
    box.get_by_label("smoking").select_option("是")
    box.get_by_label("day").fill("2026-12-24")
    box.get_by_label("menu").select_option("Vegetarian")
    box.get_by_label("table").select_option("Outside")
    box.get_by_label("wine").check()
    press(shown, "回答")
    expect(shown.answer).to_contain_text("done")
    content = {
        **{"name": "Bo", "mail": "bo@example.com", "seats": 3, "smoking": True, "day": "2026-12-24"},
        **{"menu": "v", "table": "out", "extras": ["bread", "wine"]},
    }
    assert answers(backend) == {"q1": {"action": "accept", "content": content, "state": "sealed q1"}}
    assert backend.asked[-1]["messages"][-1]["tool_calls"][0]["id"] == "c1"


def test_what_is_known_by_its_code_is_asked_in_the_readers_language(
    backend: Backend, open_page: Open
) -> None:
    line = {"code": "line", "params": {"quantity": 2, "name": "<b>茶</b>"}}
    wording = {"code": "buy", "params": {"lines": [line], "yuan": 30}}
    strange = question("q2", message="确认？", schema={}, wording={"code": "errorTitle", "params": {}})
    known = question(message="确认购买？", schema={}, wording=wording)
    shown = asked(backend, open_page, known, strange, locale="en-GB")
    expect(form(shown).locator(".asked")).to_have_text(["Buy 2 × <b>茶</b> for ¥30.00 in total?", "确认？"])


@pytest.mark.parametrize(("name", "action"), [("拒绝", "decline"), ("取消", "cancel")])
def test_a_question_can_be_refused(backend: Backend, open_page: Open, name: str, action: str) -> None:
    shown = asked(backend, open_page, question())
    press(shown, name)
    expect(shown.answer).to_contain_text("done")
    assert answers(backend) == {"q1": {"action": action, "state": "sealed q1"}}


def test_what_the_form_does_not_take_is_not_sent(backend: Backend, open_page: Open) -> None:
    shown = asked(backend, open_page, question())
    for label, value in [("Your name", ""), ("mail", "nobody"), ("seats", "0"), ("seats", "1.5")]:
        for name, right in [("Your name", "Bo"), ("mail", "bo@example.com"), ("seats", "2")]:
            form(shown).get_by_label(name).fill(right)
        form(shown).get_by_label(label).fill(value)
        press(shown, "回答")
        expect(form(shown).get_by_label(label)).to_be_focused()
        expect(form(shown).locator("[aria-invalid=true]")).to_be_focused()
    assert len(backend.asked) == 1


def test_too_many_of_a_list_are_not_sent(backend: Backend, open_page: Open) -> None:
    shown = asked(backend, open_page, question())
    form(shown).get_by_label("Your name").fill("Bo")
    for extra in ("water", "wine"):
        form(shown).get_by_label(extra).check()
    press(shown, "回答")
    expect(form(shown)).to_contain_text("请选择 0 到 2 项")
    form(shown).get_by_label("water").uncheck()
    press(shown, "回答")
    expect(shown.answer).to_contain_text("done")


def test_a_reload_keeps_the_question(backend: Backend, open_page: Open) -> None:
    shown = asked(backend, open_page, question())
    shown.page.reload()
    form(shown).get_by_label("Your name").fill("Bo")
    press(shown, "回答")
    expect(shown.answer).to_contain_text("done")
    assert answers(backend)["q1"]["content"]["name"] == "Bo"


def test_an_answer_that_is_refused_is_mended_with_all_that_was_filled_in(
    backend: Backend, open_page: Open
) -> None:
    shown = open_page(backend.url)
    backend.say(asks(question()))
    wrong = question(code="answer_invalid", params={"field": "name", "expected": "{}"})
    backend.say(goes_on(wrong), done("question"))
    backend.say(goes_on(*result("c1", "booked")), says("done"), done())
    shown.ask("book")
    form(shown).get_by_label("Your name").fill("Bo")
    form(shown).get_by_label("menu").select_option("Meat")
    press(shown, "回答")
    expect(form(shown).get_by_role("alert")).to_contain_text("name 的值不符合要求")
    expect(form(shown).get_by_label("Your name")).to_have_value("Bo")
    expect(form(shown).get_by_label("menu")).to_have_value("1")
    press(shown, "回答")
    expect(shown.answer).to_contain_text("done")


def test_several_questions_go_out_together(backend: Backend, open_page: Open) -> None:
    second = question("q2", message="Go there", schema={}, url="https://example.com/sign?a=1")
    shown = asked(backend, open_page, question(), second)
    expect(form(shown)).to_have_count(2)
    form(shown).first.get_by_label("Your name").fill("Bo")
    form(shown).last.get_by_role("button", name="我已完成").click()
    expect(form(shown)).to_have_count(1)
    assert len(backend.asked) == 1
    expect(form(shown).get_by_label("Your name")).to_have_value("Bo")
    press(shown, "回答")
    expect(shown.answer).to_contain_text("done")
    assert answers(backend)["q2"] == {"action": "accept", "content": None, "state": "sealed q2"}


def test_an_address_is_shown_in_full_and_opened_by_a_click_alone(backend: Backend, open_page: Open) -> None:
    url = f"{backend.canary}/a?b=c&d=%20e#f"
    shown = asked(backend, open_page, question(schema={}, url=url))
    expect(form(shown).locator(".address")).to_have_text(url)
    link = form(shown).get_by_role("link")
    assert [link.get_attribute(name) for name in ("href", "target", "rel")] == [
        url,
        "_blank",
        "noopener noreferrer",
    ]
    assert backend.canary_hits == []


def test_what_is_no_web_address_cannot_be_opened(backend: Backend, open_page: Open) -> None:
    urls = ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "mailto:a@b", "x"]
    told = [question(f"q{i}", schema={}, url=url) for i, url in enumerate(urls)]
    shown = asked(backend, open_page, *told)
    expect(form(shown).locator(".address")).to_have_text(urls)
    expect(form(shown).get_by_role("link")).to_have_count(0)


SECRETS = ["password", "api_key", "accessToken", "PIN", "cardNumber", "密码", "client secret"]


def test_what_looks_secret_is_warned_of_and_declined_first(backend: Backend, open_page: Open) -> None:
    told = [
        question(f"q{i}", schema={"type": "object", "properties": {name: {"type": "string"}}})
        for i, name in enumerate([*SECRETS, "keyboard", "shipping", "monkey"])
    ]
    shown = asked(backend, open_page, *told)
    expect(form(shown)).to_have_count(len(told))
    expect(shown.page.locator("form.secret")).to_have_count(len(SECRETS))
    first = shown.page.locator("form.secret").first
    expect(first.get_by_text("像是机密")).to_be_visible()
    expect(first.locator("button.primary")).to_have_text("拒绝")
    expect(first.locator("button").first).to_have_text("拒绝")


def test_a_question_is_announced_and_answered_by_the_keyboard(backend: Backend, open_page: Open) -> None:
    short = {name: FORM["properties"][name] for name in ("name", "seats")}
    shown = asked(backend, open_page, question(schema={**FORM, "properties": short}))
    expect(shown.page.locator("#live")).to_contain_text("服务器向你提问")
    expect(form(shown).get_by_label("Your name")).to_be_focused()
    shown.page.keyboard.type("Bo")
    expect(form(shown).get_by_label("Your name")).to_have_value("Bo")
    form(shown).get_by_label("seats").press("Enter")
    expect(shown.answer).to_contain_text("done")


def test_text_of_a_server_is_text(backend: Backend, open_page: Open) -> None:
    schema = {"type": "object", "properties": {"<b>x</b>": {"type": "string", "title": "<i>t</i>\u202e"}}}
    shown = asked(backend, open_page, question(message="<img src=x onerror=alert(1)>", schema=schema))
    expect(form(shown).locator("img, i")).to_have_count(0)
    expect(form(shown)).to_contain_text("<img src=x onerror=alert(1)>")


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"properties": 3},
        {"properties": {"a": 1, "b": None}},
        {"properties": {"a": {"enum": 3, "items": "x"}}},
    ],
)
def test_a_schema_of_nonsense_can_be_answered(backend: Backend, open_page: Open, schema: Any) -> None:
    shown = asked(backend, open_page, question(schema=schema))
    form(shown).locator("[type=submit]").click()
    expect(shown.answer).to_contain_text("done")
    assert answers(backend)["q1"]["action"] == "accept"


def test_while_a_call_asks_an_approval_of_the_same_round_is_decided_too(
    backend: Backend, open_page: Open
) -> None:
    shown = open_page(backend.url)
    buys = call("c2", "run", {}, read_only=False)
    both = [*call("c1", "book", {}), *buys]
    both[0][1]["message"]["tool_calls"].append(buys[0][1]["message"]["tool_calls"][0])  # type: ignore[index]
    backend.say([both[0], both[1], both[3], question(), ("approval", {"id": "c2"})], done("approval"))
    backend.say(goes_on(*result("c1", "booked"), *result("c2", "ran")), says("done"), done())
    shown.ask("both")
    shown.page.get_by_role("button", name=re.compile("^确认")).click()
    form(shown).get_by_label("Your name").fill("Bo")
    assert len(backend.asked) == 1
    press(shown, "回答")
    expect(shown.answer).to_contain_text("done")
    assert (backend.asked[-1]["approvals"]["c2"], list(answers(backend))) == (True, ["q1"])


def test_what_is_filled_in_stays_in_whatever_way_one_looks_elsewhere(
    backend: Backend, open_page: Open
) -> None:
    shown = asked(backend, open_page, question())
    name, seats = form(shown).get_by_label("Your name"), form(shown).get_by_label("seats")
    name.fill("Ann")
    seats.fill("4")
    form(shown).get_by_label("water").check()
    shown.button("新对话").click()
    shown.page.locator("#chats .open").click()
    expect(name).to_have_value("Ann")
    name.fill("Anna")
    shown.button("设置").click()
    shown.page.get_by_text("English", exact=True).click()
    expect(form(shown).get_by_role("button", name="Answer")).to_be_visible()
    expect(name).to_have_value("Anna")
    shown.reload()
    expect(name).to_have_value("Anna")
    expect(seats).to_have_value("4")
    expect(form(shown).get_by_label("water")).to_be_checked()
    form(shown).get_by_role("button", name="Answer").click()
    shown.settle()
    assert answers(backend)["q1"]["content"]["name"] == "Anna"


def test_a_secret_that_is_filled_in_is_kept_nowhere(backend: Backend, open_page: Open) -> None:
    schema = {"type": "object", "properties": {"password": {"type": "string"}}}
    shown = asked(backend, open_page, question(schema=schema))
    form(shown).get_by_label("password").fill("hunter2")
    assert "hunter2" not in shown.page.evaluate("JSON.stringify(localStorage)")


def test_a_form_is_not_headed_by_the_name_of_a_class(backend: Backend, open_page: Open) -> None:
    shown = asked(backend, open_page, question(schema=FORM | {"title": "book_tableArguments"}))
    expect(form(shown)).to_contain_text("Your name")
    expect(form(shown)).not_to_contain_text("book_tableArguments")
