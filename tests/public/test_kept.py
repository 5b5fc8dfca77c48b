"""Nothing is lost: drafts, edits, half an answer, addresses."""

import re
import secrets
import threading

import pytest
from playwright.sync_api import expect

from tests.support.page_backend import Backend, done, says
from tests.support.page_browser import Open, Shown


def test_what_streamed_before_a_reload_stays_and_is_said_anew(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    drawn = ("html", {"html": "<p>前半<b>句</b></p>"})
    backend.say([("text", {"delta": "前半句"}), drawn, threading.Event()])
    shown.begin("一")
    expect(shown.answer.locator("b")).to_have_text("句")
    shown.reload()
    expect(shown.answer).to_contain_text("前半句")
    expect(shown.page.locator(".note")).to_contain_text("回答中断了")
    backend.say(says("整句"), done())
    shown.button("继续").click()
    expect(shown.answer).to_have_text(re.compile("^整句"))
    assert [message["content"] for message in backend.asked[-1]["messages"]] == ["一"]


NEVER_STORED = (
    "IDBObjectStore.prototype.{} = () => ({{}})"  # a request that is not answered while the page is there
)


def test_what_the_browser_has_not_stored_when_the_page_is_left_is_there_again(
    backend: Backend, open_page: Open
) -> None:
    shown = open_page(backend.url)
    backend.say(says("一答"), done())
    shown.page.evaluate(NEVER_STORED.format("put"))
    shown.ask("一")
    shown.reload()
    expect(shown.answer).to_contain_text("一答")
    shown.reload()  # by now it is stored, and nothing older comes back
    expect(shown.answer).to_contain_text("一答")
    shown.page.evaluate(NEVER_STORED.format("put"))
    backend.say(says("二答"), done())
    shown.ask("二")
    shown.reload()
    expect(shown.page.locator(".answer")).to_have_count(2)
    expect(shown.answer).to_contain_text("二答")
    shown.page.evaluate(NEVER_STORED.format("delete"))
    shown.page.get_by_role("button", name="删除 一").click()
    expect(shown.page.locator("#chats .open")).to_have_count(0)
    shown.reload()
    expect(shown.page.locator(".starter").first).to_be_visible()
    expect(shown.page.locator("#chats .open")).to_have_count(0)


OPENED_LATE = """if (sessionStorage.late) {
    const {open} = IDBFactory.prototype;
    IDBFactory.prototype.open = function(...args) {
        const real = open.apply(this, args);
        IDBFactory.prototype.open = open;
        return {
            set onsuccess(listener) { window.openNow = () => listener(); },
            get result() { return real.result; },
        };
    };
}"""


@pytest.mark.parametrize("leaves", [False, True])
def test_what_is_asked_before_the_browsers_store_has_opened_is_stored_then_or_when_the_page_is_left(
    backend: Backend, open_page: Open, leaves: bool
) -> None:
    shown = open_page(backend.url, script=OPENED_LATE)
    shown.page.evaluate("sessionStorage.late = 1")
    shown.page.reload()
    backend.say(says("一答"), done())
    shown.input.fill("一")
    shown.input.press("Enter")
    expect(shown.answer.get_by_role("button", name="复制")).to_be_visible()  # it has ended
    if leaves:
        shown.page.evaluate("sessionStorage.clear()")
        shown.reload()
        expect(shown.answer).to_contain_text("一答")
    else:
        shown.page.evaluate("openNow()")
        shown.wait_until(f"async () => (await ({STORED})()).includes(2)")


STORED = """() => new Promise(resolve => {
    indexedDB.open("product-mcp").onsuccess = ({target}) => {
        const all = target.result.transaction("conversations").objectStore("conversations").getAll();
        all.onsuccess = () => resolve(all.result.map(({entries}) => entries.length));
    };
})"""


def test_what_does_not_fit_into_the_browser_stays_in_the_page_and_is_said_once(
    backend: Backend, open_page: Open
) -> None:
    shown = open_page(backend.url)
    session = shown.page.context.new_cdp_session(shown.page)
    session.send("Storage.overrideQuotaForOrigin", {"origin": backend.url, "quotaSize": 200_000})
    long = secrets.token_hex(300_000)
    backend.say(says(long, "<p>很长</p>"), done())
    shown.ask("一")
    expect(shown.page.locator("#toast .toast")).to_contain_text("已满")
    shown.page.locator("#toast .toast").evaluate("element => element.remove()")
    backend.say(says("二答"), done())
    shown.ask("二")
    assert shown.page.evaluate(STORED) == [1]  # the first question; by now all writes have ended
    expect(shown.page.locator("#toast .toast")).to_have_count(0)
    session.send("Storage.overrideQuotaForOrigin", {"origin": backend.url})
    backend.say(says("三答"), done())
    shown.ask("三")
    assert [each["content"] for each in backend.asked[-1]["messages"]] == ["一", long, "二", "二答", "三"]
    assert shown.page.evaluate(STORED) == [6]


def test_what_another_tab_has_written_since_is_not_taken_back(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    backend.say(says("一答"), done())
    shown.ask("一")
    other = Shown(shown.page.context.new_page())
    other.page.goto(shown.page.url)
    expect(other.answer).to_contain_text("一答")
    shown.page.evaluate(NEVER_STORED.format("put"))
    backend.say(says("二答"), done())
    shown.ask("二")
    shown.page.goto("about:blank")
    backend.say(says("三答"), done())
    other.ask("三")
    other.wait_until(
        """() => new Promise(resolve => {
            indexedDB.open("product-mcp").onsuccess = ({target}) => {
                const all = target.result.transaction("conversations").objectStore("conversations").getAll();
                all.onsuccess = () => resolve(JSON.stringify(all.result).includes("三答"));
            };
        })"""
    )
    shown.page.goto(other.page.url)
    expect(shown.answer).to_contain_text("三答")
    expect(shown.page.locator(".mine")).to_have_text(["一", "三"])


def test_each_conversation_keeps_its_draft(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    shown.ask("一")
    shown.input.fill("写到一半")
    shown.page.locator("#files").set_input_files({"name": "a.txt", "mimeType": "", "buffer": b"text"})
    chip = shown.page.locator("#attached li")
    expect(chip).to_have_count(1)
    shown.button("新对话").click()
    expect(shown.input).to_have_value("")
    expect(chip).to_have_count(0)
    shown.input.fill("新的")
    shown.reload()
    expect(shown.input).to_have_value("新的")
    shown.page.locator("#chats .open").click()
    expect(shown.input).to_have_value("写到一半")
    expect(chip).to_contain_text("a.txt")
    backend.say(says("好"), done())
    shown.input.press("Enter")
    expect(shown.answer).to_contain_text("好")
    shown.reload()
    expect(shown.input).to_have_value("")
    expect(chip).to_have_count(0)


def test_an_edit_stays_when_one_taps_elsewhere(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    shown.ask("一")
    shown.button("编辑后重新提问").click()
    field = shown.page.locator(".mine textarea")
    field.fill("改一")
    shown.page.locator("#scroll").click(position={"x": 5, "y": 5})
    expect(field).to_have_value("改一")
    shown.reload()
    expect(field).to_have_value("改一")
    backend.say(says("好"), done())
    shown.page.locator(".mine").get_by_role("button", name="发送").click()
    expect(shown.page.locator(".bubble")).to_have_text("改一")
    expect(shown.answer).to_contain_text("好")
    shown.reload()
    expect(field).to_have_count(0)


def test_back_and_a_link_lead_to_a_conversation(backend: Backend, open_page: Open) -> None:
    shown = open_page(f"{backend.url}?x=1")
    title = shown.page.locator("#title")
    shown.ask("一")
    first = shown.page.url
    assert re.search(r"/\?x=1#/[\w.-]+$", first)
    shown.button("新对话").click()
    expect(shown.page).to_have_url(first.split("#")[0])
    shown.ask("二")
    shown.page.go_back()
    expect(title).to_have_text("一")
    shown.page.go_forward()
    expect(title).to_have_text("二")
    other = Shown(shown.page.context.new_page())
    other.page.goto(first)
    expect(other.page.locator("#title")).to_have_text("一")
    other.page.goto(f"{backend.url}#/gone")
    expect(other.page.locator(".note")).to_contain_text("没有这个对话")


def test_back_closes_what_was_opened_in_the_other_conversation(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    shown.ask("一")
    shown.button("新对话").click()
    shown.page.locator("#tab-tools").dispatch_event("click")
    shown.page.get_by_role("button", name="添加服务器").click()
    expect(shown.page.get_by_role("dialog")).to_be_visible()
    shown.page.go_back()
    expect(shown.page.locator("#title")).to_have_text("一")
    expect(shown.page.get_by_role("dialog")).to_have_count(0)


def test_a_page_whose_network_has_gone_says_so_at_once(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url, strict=False)
    shown.page.context.set_offline(True)
    expect(shown.page.locator("#banner")).to_contain_text(
        "连不上", timeout=20_000
    )  # before it is silent for long
    expect(shown.page.locator("#health")).to_have_attribute("data-status", "down")
    shown.page.context.set_offline(False)
    expect(shown.page.locator("#banner")).to_be_empty()


def test_copying_gives_markdown_also_without_a_clipboard(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url, script="Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    backend.say(says("**抄**我", "<p><strong>抄</strong>我</p>"), done())
    shown.ask("一")
    shown.answer.get_by_role("button", name="复制").click()
    expect(shown.page.locator("#toast")).to_contain_text("已复制")
    shown.input.press("Control+v")
    expect(shown.input).to_have_value("**抄**我")


def test_a_page_without_storage_keeps_drafts_while_it_is_open(backend: Backend, open_page: Open) -> None:
    forbid = """for (const name of ["indexedDB", "localStorage"])
      Object.defineProperty(window, name, {get() { throw new DOMException("", "SecurityError"); }});"""
    shown = open_page(backend.url, script=forbid)
    expect(shown.page.locator("#toast")).to_contain_text("只保留到页面关闭")
    shown.ask("一")
    shown.input.fill("写到一半")
    shown.button("新对话").click()
    expect(shown.input).to_have_value("")
    shown.page.go_back()
    expect(shown.input).to_have_value("写到一半")


def test_a_paste_that_is_too_long_says_what_became_of_it(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url, permissions=["clipboard-read", "clipboard-write"])
    toast = shown.page.locator("#toast")
    shown.ask("一")
    shown.page.evaluate("navigator.clipboard.writeText('字'.repeat(20001))")
    shown.input.press("Control+v")
    expect(shown.page.locator("#attached li")).to_have_count(1)
    expect(toast).to_contain_text("作为附件")
    shown.button("编辑后重新提问").click()
    shown.page.locator(".mine textarea").press("Control+v")
    expect(toast).to_contain_text("最多 20000 个字符")
