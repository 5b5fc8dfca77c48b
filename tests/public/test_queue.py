"""A question that is typed while an answer comes waits as a chip, and goes out once."""

import threading

import pytest
from playwright.sync_api import Locator, expect

from tests.support.page_backend import Backend, Step, buys, call, done, result, says
from tests.support.page_browser import Open, Shown
from tests.support.page_questions import asks, goes_on, question


def chips(shown: Shown) -> Locator:
    return shown.page.locator("#queued li")


def type_in(shown: Shown, *questions: str) -> None:
    """Type questions while an answer comes."""
    before = chips(shown).count()
    for n, text in enumerate(questions, before + 1):
        shown.input.fill(text)
        shown.input.press("Enter")
        expect(chips(shown)).to_have_count(n)


def asked(backend: Backend) -> list[str]:
    """What was asked, in order, in the newest request."""
    return [each["content"] for each in backend.asked[-1]["messages"] if each["role"] == "user"]


@pytest.fixture
def held(backend: Backend) -> threading.Event:
    """The first answer waits for this."""
    event = threading.Event()
    backend.say(says("one"), [event], done())
    return event


def test_questions_wait_in_their_order_and_go_out_one_after_another(
    backend: Backend, held: threading.Event, open_page: Open
) -> None:
    for text in ("two", "three"):
        backend.say(says(text), done())
    shown = open_page(backend.url)
    shown.begin("a")
    expect(shown.answer).to_contain_text("one")  # by then it has been asked
    type_in(shown, "b", "c")
    assert len(backend.asked) == 1
    held.set()
    expect(shown.answer).to_contain_text("three")
    expect(chips(shown)).to_have_count(0)
    assert (asked(backend), len(backend.asked)) == (["a", "b", "c"], 3)


def test_one_that_waits_is_taken_back_and_edited(
    backend: Backend, held: threading.Event, open_page: Open
) -> None:
    backend.say(says("two"), done())
    shown = open_page(backend.url)
    shown.begin("a")
    expect(shown.answer).to_contain_text("one")  # by then it has been asked
    type_in(shown, "b")
    chips(shown).get_by_role("button", name="取回修改").click()
    expect(chips(shown)).to_have_count(0)
    expect(shown.input).to_have_value("b")
    type_in(shown, "better")
    held.set()
    expect(shown.answer).to_contain_text("two")
    assert asked(backend) == ["a", "better"]


def test_a_press_that_began_before_another_one_waits_counts(
    backend: Backend, held: threading.Event, open_page: Open
) -> None:
    shown = open_page(backend.url)
    shown.begin("a")
    expect(shown.answer).to_contain_text("one")  # by then it has been asked
    type_in(shown, "b", "c")
    chips(shown).first.get_by_role("button", name="取回修改").hover()
    shown.page.mouse.down()
    type_in(shown, "d")
    shown.page.mouse.up()
    expect(shown.input).to_have_value("b")
    expect(chips(shown).locator("bdi")).to_have_text(["c", "d"])
    held.set()


def test_the_button_stops_where_nothing_is_typed_and_what_waits_stays(
    backend: Backend, held: threading.Event, open_page: Open
) -> None:
    shown = open_page(backend.url)
    shown.begin("a")
    expect(shown.answer).to_contain_text("one")  # by then it has been asked
    type_in(shown, "b")
    shown.button("停止").click()
    shown.settle()
    expect(chips(shown)).to_have_count(1)
    backend.say(says("two"), done())
    chips(shown).get_by_role("button", name="正在进行的调用一结束就发送").click()
    expect(shown.answer).to_contain_text("two")
    expect(chips(shown)).to_have_count(0)
    assert asked(backend) == ["a", "b"]
    held.set()


def test_a_click_sends_it_to_wait_too(backend: Backend, held: threading.Event, open_page: Open) -> None:
    shown = open_page(backend.url)
    shown.begin("a")
    expect(shown.answer).to_contain_text("one")  # by then it has been asked
    shown.input.fill("b")
    shown.button("发送").click()
    expect(chips(shown)).to_have_count(1)
    held.set()


def test_a_reload_keeps_what_waits_and_sends_nothing_twice(
    backend: Backend, held: threading.Event, open_page: Open
) -> None:
    shown = open_page(backend.url)
    shown.begin("a")
    expect(shown.answer).to_contain_text("one")  # by then it has been asked
    type_in(shown, "b")
    shown.reload()
    expect(chips(shown)).to_have_count(1)
    backend.say(says("two"), done())
    chips(shown).get_by_role("button", name="正在进行的调用一结束就发送").click()
    expect(shown.answer).to_contain_text("two")
    held.set()
    shown.page.reload()
    expect(shown.page.locator(".mine")).to_have_count(2)
    expect(chips(shown)).to_have_count(0)
    assert [asked(backend), len(backend.asked)] == [["a", "b"], 2]


def test_one_can_go_out_at_the_next_round_with_the_results_kept(backend: Backend, open_page: Open) -> None:
    runs, thinks = threading.Event(), threading.Event()
    steps: list[Step] = [*call("c1", "look", {}), runs, *result("c1", "seen"), thinks, *says("not this")]
    backend.say(steps, done())
    backend.say(says("this"), done())
    shown = open_page(backend.url)
    shown.begin("a")
    expect(shown.card).to_be_visible()
    type_in(shown, "b")
    chips(shown).get_by_role("button", name="正在进行的调用一结束就发送").click()
    expect(chips(shown)).to_contain_text("接下来就发送")
    assert len(backend.asked) == 1
    runs.set()
    expect(shown.answer).to_contain_text("this")
    thinks.set()
    expect(chips(shown)).to_have_count(0)
    roles = [each["role"] for each in backend.asked[-1]["messages"]]
    assert roles == ["user", "assistant", "tool", "user"]
    expect(shown.page.locator(".answer").first).not_to_contain_text("not this")


def test_it_waits_until_what_has_to_be_confirmed_is(backend: Backend, open_page: Open) -> None:
    held = threading.Event()
    backend.say([held], buys())
    backend.say(result("c1", "bought"), says("done"), done())
    backend.say(says("after"), done())
    shown = open_page(backend.url)
    shown.begin("buy")
    type_in(shown, "b")
    held.set()
    confirm = shown.page.get_by_role("button", name="确认购买")
    expect(confirm).to_be_visible()
    expect(chips(shown)).to_have_count(1)
    assert len(backend.asked) == 1
    confirm.click()
    expect(shown.answer).to_contain_text("after")
    assert (asked(backend), len(backend.asked)) == (["buy", "b"], 3)


def test_what_is_typed_beside_a_servers_question_waits_for_its_answer(
    backend: Backend, open_page: Open
) -> None:
    shown = open_page(backend.url)
    backend.say(asks(question(schema={})))
    backend.say(goes_on(*result("c1", "x")), says("done"), done())
    backend.say(says("after"), done())
    shown.ask("book")
    type_in(shown, "b")
    shown.button("同意").click()
    expect(shown.answer).to_contain_text("after")
    assert (asked(backend), len(backend.asked)) == (["book", "b"], 3)
