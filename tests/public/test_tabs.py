"""One conversation in two tabs."""

import threading

from playwright.sync_api import expect

from tests.support.page_backend import ORDER, Backend, buys, call, done, result, says
from tests.support.page_browser import Open, Shown


def other_tab(shown: Shown) -> Shown:
    other = Shown(shown.page.context.new_page())
    other.page.goto(shown.page.url)
    other.ready()
    expect(other.page.locator("#title")).to_have_text(shown.page.locator("#title").inner_text())
    return other


LOOK = """() => new Promise(resolve => {
    indexedDB.open("product-mcp").onsuccess = ({target}) => {
        target.result.transaction("conversations").objectStore("conversations").getAll().onsuccess = resolve;
    };
}).then(() => 0)"""


def stays(shown: Shown, *tabs: Shown) -> bool:
    """Whether the answer is the same element after the tabs have had time to tell each other of changes."""
    answer = shown.answer.element_handle()
    for tab in tabs * 20:
        tab.page.evaluate(LOOK)
    return bool(answer.evaluate("answer => answer.isConnected"))


def test_what_one_tab_says_is_there_in_the_other(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    backend.say(says("一答"), done())
    shown.ask("一")
    other = other_tab(shown)
    backend.say(says("二答"), done())
    other.ask("二")
    expect(shown.answer).to_contain_text("二答")
    backend.say(says("三答"), done())
    shown.ask("三")
    expect(other.answer).to_contain_text("三答")
    said = [message["content"] for message in backend.asked[-1]["messages"]]
    assert said == ["一", "一答", "二", "二答", "三"]


def test_while_one_tab_answers_the_other_may_ask_too_and_nothing_is_lost(
    backend: Backend, open_page: Open
) -> None:
    shown = open_page(backend.url)
    backend.say(says("一答"), done())
    shown.ask("一")
    other = other_tab(shown)
    go_on = threading.Event()
    backend.say([go_on], says("二答"), done())
    shown.begin("二")
    expect(shown.page.locator(".mine")).to_have_text(["一", "二"])
    backend.say(says("三答"), done())
    other.begin("三")
    expect(other.page.locator("#toast")).to_contain_text("另一个标签页")  # which goes by itself
    other.settle()
    go_on.set()
    expect(shown.answer).to_contain_text("二答")
    expect(other.page.locator(".mine")).to_have_text(["一", "三"])
    for tab in (shown, other):
        expect(tab.page.locator("#chats .open")).to_have_count(2)
    other.page.locator("#chats .open:not([aria-current])").click()
    expect(other.page.locator(".mine")).to_have_text(["一", "二"])
    other.page.reload()
    expect(other.page.locator("#chats .open")).to_have_count(2)


def test_a_purchase_confirmed_in_one_tab_shows_its_receipt_in_both(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    backend.say(buys())
    shown.ask("买 2 个")
    other = other_tab(shown)
    backend.say(result("c1", ORDER), says("买好了"), done())
    other.button("确认购买").click()
    for tab in (other, shown):
        expect(tab.page.get_by_role("group", name="订单已生成")).to_be_visible()
        expect(tab.answer).to_contain_text("买好了")
    expect(shown.page.locator("#chats .open")).to_have_count(1)
    assert len(backend.asked) == 2
    assert any(stays(other, shown, other) for _ in range(20)), (
        "each draws what the other has stored, without end"
    )


def test_a_tab_that_is_closed_while_it_answers_leaves_its_question_behind(
    backend: Backend, open_page: Open
) -> None:
    shown = open_page(backend.url)
    shown.ask("一")
    other = other_tab(shown)
    backend.say([("text", {"delta": "半"}), threading.Event()])
    shown.begin("二")
    expect(shown.answer).to_contain_text("半")
    shown.page.close()
    other.page.reload()
    backend.say(says("二答"), done())
    other.button("继续").click()
    expect(other.answer).to_contain_text("二答")


def test_a_conversation_deleted_in_one_tab_goes_from_the_others_list(
    backend: Backend, open_page: Open
) -> None:
    shown = open_page(backend.url)
    shown.ask("一")
    other = other_tab(shown)
    shown.button("删除 一").click()
    expect(other.page.locator("#chats .open")).to_have_count(0)


def test_a_tab_opened_while_another_answers_does_not_call_it_interrupted(
    backend: Backend, open_page: Open
) -> None:
    shown = open_page(backend.url)
    go_on = threading.Event()
    backend.say([("text", {"delta": "半"})], [go_on], says("一答"), done())
    shown.begin("一")
    expect(shown.answer).to_contain_text("半")
    other = other_tab(shown)
    note = other.page.locator(".note")
    expect(note).to_contain_text("另一个标签页正在接收")
    expect(note.get_by_role("button")).to_have_count(0)
    go_on.set()
    expect(other.answer).to_have_text("一答")
    expect(note).to_have_count(0)
    assert len(backend.asked) == 1


def test_an_answer_whose_tab_is_closed_can_be_asked_for_in_the_other(
    backend: Backend, open_page: Open
) -> None:
    shown = open_page(backend.url)
    backend.say([("text", {"delta": "半"})], [threading.Event()])
    shown.begin("一")
    expect(shown.answer).to_contain_text("半")
    other = other_tab(shown)
    expect(other.page.locator(".note")).to_contain_text("另一个标签页正在接收")
    shown.page.close()
    backend.say(says("一答"), done())
    other.button("继续").click()
    expect(other.answer).to_have_text("一答")


def test_a_tab_does_not_wait_for_the_answer_that_it_has_just_received_itself(
    backend: Backend, open_page: Open
) -> None:
    shown = open_page(backend.url)
    shown.page.clock.install()
    shown.page.clock.pause_at(shown.page.evaluate("Date.now() / 1000") + 60)
    backend.say(call("c1", "get_orders", {}), result("c1", [ORDER]), done())  # nothing is said of it
    shown.ask("一")
    shown.button("新对话").click()
    shown.page.locator("#chats .open").click()
    expect(shown.page.locator(".note")).to_contain_text("中断")
