"""What makes the page pleasant: keys, scrolling, conversations, languages, looks, sizes, everyone."""

import json
import re
import threading

import pytest
from playwright.sync_api import expect

from tests.support.page_backend import (
    PRODUCTS,
    Backend,
    buys,
    call,
    done,
    prompt,
    result,
    says,
)
from tests.support.page_browser import Open


def test_enter_that_picks_a_word_in_an_input_method_does_not_send(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    keyboard = shown.page.context.new_cdp_session(shown.page)
    keyboard.send("Input.imeSetComposition", {"text": "nihao", "selectionStart": 5, "selectionEnd": 5})
    shown.page.keyboard.press("Enter")
    expect(shown.page.locator(".mine")).to_have_count(0)


def test_shift_enter_breaks_the_line(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    shown.input.fill("一")
    shown.input.press("Shift+Enter")
    shown.input.type("二")
    shown.input.press("Enter")
    expect(shown.page.locator(".bubble")).to_have_text("一\n二")


def test_the_view_stays_where_one_reads_and_a_button_leads_down(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    long = "<p>line</p>" * 60
    more = threading.Event()
    backend.say([("html", {"html": long}), more, ("html", {"html": long + long})], done())
    shown.begin("一")
    expect(shown.answer.locator("p")).to_have_count(60)
    scroll = shown.page.locator("#scroll")
    at = scroll.evaluate("box => box.scrollHeight - box.clientHeight") - 800
    expect(scroll).to_have_js_property("scrollTop", at + 800)
    scroll.hover()
    shown.page.mouse.wheel(0, -800)
    expect(scroll).to_have_js_property("scrollTop", at)  # it glides there
    expect(shown.button("回到最新")).to_be_visible()
    more.set()
    expect(shown.answer.locator("p")).to_have_count(120)
    assert scroll.evaluate("box => box.scrollTop") == at
    shown.button("回到最新").click()
    assert scroll.evaluate("box => box.scrollHeight - box.scrollTop - box.clientHeight") < 2


def test_a_long_message_folds(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    shown.ask("很长。" * 600 + "末尾")
    bubble = shown.page.locator(".bubble")
    expect(bubble).not_to_contain_text("末尾", use_inner_text=True)
    bubble.locator("summary").click()
    expect(bubble).to_contain_text("末尾", use_inner_text=True)


def test_starter_questions_are_asked_by_keyboard(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    expect(shown.page.locator(".starter")).to_have_count(7)
    backend.say(says("好"), done())
    shown.page.locator(".starter").first.press("Enter")
    expect(shown.answer).to_contain_text("好")
    assert backend.asked[0]["messages"][0]["content"] == "有哪些商品？"


def test_a_starter_stays_under_the_finger_when_the_list_changes(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    starters = shown.page.locator(".starter")
    starters.first.focus()
    backend.prompts = [prompt("补货建议")]
    expect(starters).to_have_count(8)
    expect(starters.first).to_be_focused()
    backend.prompts = []
    expect(starters).to_have_count(7)
    expect(starters.first).to_be_focused()


def test_a_screen_reader_hears_the_start_and_the_end_only(backend: Backend, open_page: Open) -> None:
    script = """addEventListener("DOMContentLoaded", () => {
      const live = document.getElementById("live");
      const note = () => (window.heard ??= []).push(live.textContent);
      new MutationObserver(note).observe(live, {childList: true});
    });"""
    shown = open_page(backend.url, script=script)
    backend.say([("html", {"html": f"<p>{i}</p>"}) for i in range(20)], says("完"), done())
    shown.ask("一")
    assert shown.page.evaluate("window.heard") == ["正在回答…", "回答完成：完"]


def test_conversations_are_searched_renamed_and_deleted_with_undo(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    shown.ask("苹果多少钱")
    shown.button("新对话").click()
    shown.ask("香蕉多少钱")
    rows = shown.page.locator("#chats .open")
    expect(rows).to_have_text(["香蕉多少钱", "苹果多少钱"])
    shown.page.locator("#search").fill("苹果")
    expect(rows).to_have_text(["苹果多少钱"])
    shown.button("重命名 苹果多少钱").click()
    shown.page.locator("#chats").get_by_role("textbox").fill("水果")
    shown.page.keyboard.press("Enter")
    expect(rows).to_contain_text(["水果"])
    shown.button("删除 水果").click()
    expect(rows).to_have_count(0)
    shown.button("撤销").click()
    expect(rows).to_contain_text(["水果"])


def test_an_answer_goes_on_while_another_conversation_is_open(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    wait = threading.Event()
    backend.say([wait], says("久等了"), done())
    shown.begin("慢慢来")
    shown.button("新对话").click()
    expect(shown.button("停止")).to_have_count(0)
    wait.set()
    shown.button("慢慢来").click()
    expect(shown.answer).to_contain_text("久等了")


def test_a_conversation_is_exported_as_markdown_and_json(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    backend.say(call("a", "get_products", {}), result("a", PRODUCTS), says("两件"), done())
    shown.ask("有什么")
    shown.button("设置").click()
    with shown.page.expect_download() as markdown:
        shown.button("Markdown").click()
    text = markdown.value.path().read_text()
    assert markdown.value.suggested_filename == "有什么.md"
    assert "## 你\n\n有什么" in text
    assert "**shop · get_products**" in text
    with shown.page.expect_download() as exported:
        shown.button("JSON").click()
    assert json.loads(exported.value.path().read_text())["entries"][0]["message"]["content"] == "有什么"


def test_an_answer_is_copied(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url, permissions=["clipboard-read", "clipboard-write"])
    backend.say(says("抄我"), done())
    shown.ask("一")
    shown.answer.get_by_role("button", name="复制").click()
    expect(shown.page.locator("#toast")).to_contain_text("已复制")
    assert shown.page.evaluate("navigator.clipboard.readText()") == "抄我"


def test_what_the_browser_did_not_let_be_copied_is_not_called_copied(
    backend: Backend, open_page: Open
) -> None:
    refuses = "navigator.clipboard.writeText = () => Promise.reject(); document.execCommand = () => false"
    shown = open_page(backend.url, script=refuses)
    backend.say(says("抄我"), done())
    shown.ask("一")
    shown.answer.get_by_role("button", name="复制").click()
    expect(shown.page.locator("#toast")).to_have_text("浏览器不允许复制")


def test_the_language_follows_the_browser_and_can_be_switched(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url, locale="en-GB")
    expect(shown.page.locator("#empty h2")).to_have_text("What are you looking for?")
    shown.button("Settings").click()
    shown.page.get_by_text("简体", exact=True).click()
    expect(shown.page.locator("#empty h2")).to_have_text("想看点什么？")
    shown.page.reload()
    expect(shown.page.locator("html")).to_have_attribute("lang", "zh-CN")


def test_dark_follows_the_system_and_can_be_switched(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url, color_scheme="dark")
    body = shown.page.locator("body")
    expect(body).to_have_css("background-color", "rgb(23, 23, 21)")
    shown.button("设置").click()
    shown.page.get_by_text("浅色", exact=True).click()
    expect(body).to_have_css("background-color", "rgb(251, 250, 248)")
    shown.page.reload()
    expect(body).to_have_css("background-color", "rgb(251, 250, 248)")


def test_nothing_is_wider_than_the_screen(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    backend.say(call("a", "get_products", {"query": "x" * 300}), result("a", PRODUCTS), buys())
    shown.ask("字" * 50 + "x" * 300)
    shown.card.locator("summary").first.click()
    expect(shown.button("确认购买")).to_be_visible()
    for width in (360, 390, 800, 1100, 1440, 3840):
        shown.page.set_viewport_size({"width": width, "height": 800})
        for box in ("html", "#scroll"):
            fits = shown.page.locator(box).evaluate("box => box.scrollWidth <= box.clientWidth")
            assert fits, f"{box} at {width}"


def test_five_hundred_messages_open_at_the_end(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    shown.ask("一")
    fill = """() => new Promise((resolve) => {
      const request = indexedDB.open("product-mcp", 1);
      request.onsuccess = () => {
        const entries = [];
        for (let i = 0; i < 250; i++) {
          entries.push({message: {role: "user", content: `q${i}`}});
          entries.push({message: {role: "assistant", content: `a${i}`}, html: `<p>a${i}</p>`.repeat(5)});
        }
        const id = JSON.parse(localStorage.settings).current;
        const change = request.result.transaction("conversations", "readwrite");
        const long = {id, title: "long", at: 1, entries, calls: {}, approvals: {}};
        change.objectStore("conversations").put(long);
        change.oncomplete = resolve;
      };
    })"""
    shown.page.evaluate(fill)
    shown.page.reload()
    expect(shown.page.get_by_text("a249").last).to_be_in_viewport()
    expect(shown.page.locator(".mine")).to_have_count(250)


def test_prompts_of_the_servers_are_starters_too(backend: Backend, open_page: Open) -> None:
    backend.prompts = [prompt("补货检查")]
    shown = open_page(backend.url)
    expect(shown.page.locator(".starter")).to_have_count(8)
    backend.say(says("好"), done())
    shown.page.locator(".starter", has_text="补货检查").click()
    expect(shown.page.locator(".mine")).to_contain_text("filled in")


def test_a_prompt_with_arguments_is_filled_in_and_goes_into_the_composer(
    backend: Backend, open_page: Open
) -> None:
    backend.prompts = [prompt("推荐", "preference", preference="喜好", budget="预算")]
    shown = open_page(backend.url)
    starter = shown.page.locator(".starter", has_text="推荐").last
    starter.click()
    shown.page.get_by_role("dialog").get_by_role("button", name="取消").click()
    expect(starter).to_be_focused()
    starter.click()
    form = shown.page.get_by_role("dialog", name="推荐")
    expect(form.get_by_label(re.compile("preference"))).to_be_focused()
    shown.page.keyboard.press("Enter")
    expect(form).to_be_visible()
    form.get_by_label(re.compile("preference")).fill("降噪")
    shown.page.keyboard.press("Enter")
    expect(shown.input).to_have_value("filled in 降噪")
    expect(shown.input).to_be_focused()
    expect(form).not_to_be_visible()
    assert backend.asked == []


def test_nothing_comes_from_elsewhere(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    fetched: list[str] = []
    shown.page.on("request", lambda request: fetched.append(request.url))
    shown.page.reload()
    shown.ask("一")
    assert fetched
    assert all(url.startswith(backend.url) for url in fetched)


def test_a_conversation_deleted_while_it_answers_stays_deleted(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    backend.say([("text", {"delta": "慢慢说"}), threading.Event()])
    shown.begin("一")
    expect(shown.answer).to_contain_text("慢慢说")
    shown.button("删除 一").click()
    expect(shown.page.locator("#empty")).to_be_visible()
    shown.ask("二")
    expect(shown.page.locator("#chats .open")).to_have_text(["二"])
    shown.page.reload()
    expect(shown.page.locator("#chats .open")).to_have_text(["二"])


def test_a_broken_conversation_in_storage_is_passed_over(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    shown.ask("好的")
    broken = """() => new Promise((resolve) => {
      indexedDB.open("product-mcp", 1).onsuccess = ({target}) => {
        const change = target.result.transaction("conversations", "readwrite");
        const put = stored => change.objectStore("conversations").put(stored);
        for (const [id, entries] of [["x", "none"], ["y", [null]], ["z", undefined]]) put({id, entries});
        const entries = [{message: {role: "user", content: "坏"}}];
        put({id: "u", entries, calls: null});
        put({id: "v", entries, calls: {a: null}});
        put({id: "w", entries, title: 5});
        put({id: "t", entries: [{message: {role: "assistant", tool_calls: 5}}]});
        change.oncomplete = resolve;
      };
    })"""
    shown.page.evaluate(broken)
    left = {
        "draft ": "{}",
        "files ": "[null]",
        "unstored q": "7",
        "unstored r": '{"entries": 5}',
        "part s": "{",
    }
    shown.page.evaluate("left => Object.assign(localStorage, left)", left)
    shown.page.reload()
    expect(shown.page.locator("#chats .open")).to_have_text(["好的"])
    shown.button("新对话").click()
    expect(shown.input).to_have_value("")


@pytest.mark.parametrize(("locale", "when"), [("zh-CN", "11月21日 16:00"), ("en-US", "Nov 21, 04:00 PM")])
def test_times_and_money_are_written_by_locale(
    backend: Backend, open_page: Open, locale: str, when: str
) -> None:
    shown = open_page(backend.url, locale=locale, timezone_id="Asia/Shanghai")
    expect(shown.page.locator(".order")).to_contain_text(when)
    expect(shown.page.locator(".order")).to_contain_text("¥1798.00")
