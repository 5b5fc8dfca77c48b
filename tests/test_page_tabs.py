"""Long conversations, and one conversation in two tabs."""

import threading

import pytest
from playwright.sync_api import expect

from tests.page_backend import ORDER, Backend, buys, call, done, result, says
from tests.page_browser import Open, Shown

pytest_plugins = ["tests.page_browser"]

STORE = """async entries => {
  const request = indexedDB.open("product-mcp", 1);
  await new Promise(resolve => (request.onsuccess = resolve));
  const id = JSON.parse(localStorage.settings).current;
  const store = request.result.transaction("conversations", "readwrite").objectStore("conversations");
  const put = store.put({id, title: "long", at: 1, entries, calls: {}, approvals: {}});
  await new Promise(resolve => (put.onsuccess = resolve));
}"""


def other_tab(shown: Shown) -> Shown:
    other = Shown(shown.page.context.new_page())
    other.page.goto(shown.page.url)
    expect(other.page.locator("#title")).to_have_text(shown.page.locator("#title").inner_text())
    return other


def looked_up(number: int, size: int) -> list[dict[str, object]]:
    """A question, a call, its result of so many characters, an answer."""
    steps = call(f"c{number}", "get_products", {}) + result(f"c{number}", "库" * size) + says("好")
    messages = [step[1]["message"] for step in steps if isinstance(step, tuple) and step[0] == "message"]
    return [{"message": {"role": "user", "content": f"q{number}"}}, *({"message": one} for one in messages)]


def stored(backend: Backend, open_page: Open, entries: list[dict[str, object]]) -> Shown:
    shown = open_page(backend.url)
    shown.ask("一")
    shown.page.evaluate(STORE, entries)
    shown.page.reload()
    expect(shown.page.locator(".mine").last).to_be_visible()
    return shown


def test_a_conversation_beyond_the_servers_bound_is_sent_without_its_oldest_results(
    backend: Backend, open_page: Open
) -> None:
    entries = [entry for number in range(30) for entry in looked_up(number, 20_000)]  # 1.8 MB
    shown = stored(backend, open_page, entries)
    backend.say(buys())
    shown.ask("买 2 个")
    backend.say(result("c1", ORDER), says("买好了"), done())
    shown.button("确认购买").click()
    expect(shown.answer).to_contain_text("买好了")
    for asked in backend.asked[1:]:
        results = [message["content"] for message in asked["messages"] if message["role"] == "tool"]
        assert backend.size(asked) < 2**20
        assert len(results[0]) < 100 < len(results[29])
        assert len([message for message in asked["messages"] if message["role"] == "user"]) == 31
    assert backend.asked[2]["approvals"] == {"c1": True}
    shown.page.locator(".tool").first.locator("summary").first.click()
    shown.page.reload()
    kept = shown.page.evaluate(
        """() => new Promise(resolve => (indexedDB.open("product-mcp", 1).onsuccess = ({target}) => {
          const all = target.result.transaction("conversations").objectStore("conversations").getAll();
          all.onsuccess = () => resolve(all.result[0].entries[2].message.content.length);
        }))"""
    )
    assert kept == 20_000


@pytest.mark.parametrize("too_many", [False, True])
def test_a_conversation_too_long_even_so_is_sent_without_its_oldest_questions(
    backend: Backend, open_page: Open, too_many: bool
) -> None:
    question = {"role": "user", "content": "问" * (10 if too_many else 20_000)}
    told = {"role": "tool", "tool_call_id": "x", "content": "1"}
    round_: list[dict[str, object]] = [{"message": question}]
    round_.extend([{"message": told}] * (70 if too_many else 0))
    shown = stored(backend, open_page, round_ * 30)
    shown.ask("最后")
    messages = backend.asked[-1]["messages"]
    assert len(messages) <= 2000
    assert backend.size(backend.asked[-1]) < 2**20
    assert messages[0]["role"] == "user"
    assert messages[-1]["content"] == "最后"


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


def test_while_one_tab_answers_the_other_says_so_and_keeps_the_question(
    backend: Backend, open_page: Open
) -> None:
    shown = open_page(backend.url)
    backend.say(says("一答"), done())
    shown.ask("一")
    other = other_tab(shown)
    go_on = threading.Event()
    backend.say([go_on], says("二答"), done())
    shown.begin("二")
    expect(other.page.locator(".note")).to_contain_text("另一个标签页")
    other.input.fill("三")
    other.input.press("Enter")
    expect(other.page.locator("#toast")).to_contain_text("另一个标签页")
    expect(other.input).to_have_value("三")
    go_on.set()
    expect(other.answer).to_contain_text("二答")
    expect(other.page.locator(".note")).to_have_count(0)
    assert len(backend.asked) == 2


def test_a_purchase_confirmed_in_one_tab_shows_its_receipt_in_both(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    backend.say(buys())
    shown.ask("买 2 个")
    other = other_tab(shown)
    go_on = threading.Event()
    backend.say([go_on], result("c1", ORDER), says("买好了"), done())
    other.button("确认购买").click()
    expect(shown.card).to_have_attribute("data-state", "running")
    go_on.set()
    expect(shown.page.get_by_role("group", name="订单已生成")).to_be_visible()
    assert len(backend.asked) == 2


def test_a_tab_that_is_closed_while_it_answers_leaves_the_question_to_the_other(
    backend: Backend, open_page: Open
) -> None:
    shown = open_page(backend.url)
    shown.ask("一")
    other = other_tab(shown)
    backend.say([("text", {"delta": "半"}), threading.Event()])
    shown.begin("二")
    expect(other.page.locator(".note")).to_contain_text("另一个标签页")
    shown.page.close()
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
