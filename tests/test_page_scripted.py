"""The page in Chromium, in front of a back end that says whatever a test wants: slow, broken, hostile."""

import json
import os
import subprocess
import threading
import time

import pytest
from playwright.sync_api import expect

from tests.page_backend import ORDER, PRODUCTS, PURCHASE_ARGS, Backend, buys, call, done, result, says, server, tool
from tests.page_browser import PHONE, Open, Shown
from tests.processes import ROOT, require

pytest_plugins = ["tests.page_browser"]

RECEIPT = '.slot[aria-label="订单已生成"]'


# --- streaming ---------------------------------------------------------------------------------------------------


def test_text_shows_while_it_comes_and_stop_keeps_what_was_read(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    backend.say([("text", {"delta": "半句"}), ("html", {"html": "<p>半句话</p>"}), threading.Event()], says("never"))
    shown.begin("说点什么")
    expect(shown.answer).to_contain_text("半句话")
    shown.button("停止").click()
    shown.settle()
    expect(shown.page.locator(".note")).to_contain_text("已停止")
    shown.page.reload()
    expect(shown.answer).to_contain_text("半句话")


def test_what_was_read_before_a_stop_is_sent_with_the_next_question(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    backend.say([("text", {"delta": "半句"}), threading.Event()])
    shown.begin("一")
    expect(shown.answer).to_contain_text("半句")
    shown.button("停止").click()
    shown.settle()
    shown.ask("二")
    assert [message["content"] for message in backend.asked[-1]["messages"]] == ["一", "半句", "二"]


def test_enter_does_not_send_while_an_answer_is_coming(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    go_on = threading.Event()
    backend.say([go_on], says("好"), done())
    shown.begin("一")
    shown.input.fill("二")
    shown.input.press("Enter")
    go_on.set()
    shown.settle()
    expect(shown.input).to_have_value("二")
    assert len(backend.asked) == 1


def test_events_may_be_cut_anywhere_and_commented(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    wire = ': keep-alive\r\n\r\nevent: html\r\ndata: {"html":\r\ndata: "<p>中文🛒</p>"}\r\n\r\nevent: done\ndata: {"reason": "stop"}\n\n'
    backend.say([wire.encode()[i : i + 1] for i in range(len(wire.encode()))])
    shown.ask("一")
    expect(shown.answer.locator("p")).to_have_text("中文🛒")


def test_unchanged_paragraphs_stay_the_same_elements_while_more_comes(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    more = threading.Event()
    backend.say([("html", {"html": "<p>first</p>"}), more, ("html", {"html": "<p>first</p><p>second</p>"})], done())
    shown.begin("一")
    first = shown.answer.locator("p").first.element_handle()
    more.set()
    expect(shown.answer.locator("p")).to_have_count(2)
    assert first.evaluate("element => element.isConnected")


# --- when it goes wrong ------------------------------------------------------------------------------------------


def test_an_error_says_what_happened_and_try_again_repeats_the_question_once(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    backend.failure = (503, "模型服务没有回应")
    shown.ask("一")
    expect(shown.page.get_by_role("alert")).to_contain_text("模型服务没有回应")
    backend.failure = None
    backend.say(says("好了"), done())
    shown.button("重试").click()
    expect(shown.answer).to_contain_text("好了")
    expect(shown.page.get_by_role("alert")).to_have_count(0)
    assert backend.asked[0]["messages"] == backend.asked[1]["messages"]


def test_an_error_event_is_an_alert_and_not_an_answer(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    backend.say([("error", {"detail": "密钥无效 (401)"})], done("error"))
    shown.ask("一")
    expect(shown.page.get_by_role("alert")).to_contain_text("密钥无效 (401)")
    expect(shown.page.locator(".prose")).to_have_count(0)


def test_a_stream_that_just_ends_can_be_continued(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    backend.say(call("a", "get_products", {}), result("a", PRODUCTS))
    shown.ask("一")
    expect(shown.page.locator(".note")).to_contain_text("中断")
    backend.say(says("两件"), done())
    shown.button("继续").click()
    expect(shown.answer).to_contain_text("两件")
    assert [message["role"] for message in backend.asked[1]["messages"]] == ["user", "assistant", "tool"]


def test_ten_rounds_are_said_and_can_go_on(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    backend.say(says("先到这里"), done("rounds"))
    shown.ask("一")
    expect(shown.page.locator(".note")).to_contain_text("10 轮")
    expect(shown.button("继续")).to_be_visible()


def test_a_server_that_is_down_is_named_with_its_reason(backend: Backend, open_page: Open) -> None:
    backend.servers = [server("shop"), server("weather", "down", "Connection refused")]
    shown = open_page(backend.url)
    expect(shown.page.locator("#banner")).to_contain_text("weather")
    expect(shown.page.locator("#banner")).to_contain_text("Connection refused")
    expect(shown.page.locator("#health")).to_contain_text("1/2")


def test_without_indexeddb_and_with_broken_settings_the_page_still_answers(backend: Backend, open_page: Open) -> None:
    script = "localStorage.settings = '{broken'; Object.defineProperty(window, 'indexedDB', {value: undefined});"
    shown = open_page(backend.url, script=script)
    expect(shown.page.locator("#toast")).to_contain_text("存储")
    backend.say(says("好"), done())
    shown.ask("一")
    expect(shown.answer).to_contain_text("好")


def test_a_full_storage_is_said_and_survived(backend: Backend, open_page: Open) -> None:
    full = "IDBObjectStore.prototype.put = () => { throw new DOMException('full', 'QuotaExceededError') };"
    shown = open_page(backend.url, script=full)
    backend.say(says("好"), done())
    shown.ask("一")
    expect(shown.answer).to_contain_text("好")
    expect(shown.page.locator("#toast")).to_contain_text("已满")


# --- purchases ---------------------------------------------------------------------------------------------------


def test_confirming_posts_the_same_history_with_the_approval(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    backend.say(buys())
    shown.ask("买 2 个")
    backend.say(result("c1", ORDER), says("好"), done())
    shown.button("确认购买").click()
    expect(shown.page.locator(RECEIPT)).to_contain_text("¥1798.00")
    assert backend.asked[1]["approvals"] == {"c1": True}
    assert backend.asked[1]["messages"][0] == backend.asked[0]["messages"][0]


def test_enter_on_the_focused_button_confirms(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    backend.say(buys())
    shown.ask("买 2 个")
    expect(shown.button("确认购买")).to_be_focused()
    shown.page.keyboard.press("Shift+Tab")
    expect(shown.page.get_by_role("checkbox")).to_be_focused()
    shown.page.keyboard.press("Tab")
    backend.say(result("c1", ORDER), done())
    deadline = time.monotonic() + 10
    while not backend.asked[1:] and time.monotonic() < deadline:
        shown.page.keyboard.press("Enter")  # deaf for a moment, so that an Enter for the question does not buy
    expect(shown.page.locator(RECEIPT)).to_be_visible()


def test_always_allowing_a_tool_is_sent_and_can_be_taken_back(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    backend.say(buys())
    shown.ask("买 2 个")
    shown.page.get_by_label("以后总是允许此工具").check()
    backend.say(result("c1", ORDER), done())
    shown.button("确认购买").click()
    expect(shown.page.locator(RECEIPT)).to_be_visible()
    shown.ask("再买")
    assert backend.asked[-1]["autoApprove"] == ["shop/create_purchase"]
    shown.button("设置").click()
    shown.button("恢复询问").click()
    shown.page.keyboard.press("Escape")
    shown.ask("再买")
    assert backend.asked[-1]["autoApprove"] == []


def test_a_writing_tool_of_another_kind_shows_its_arguments(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    waits = [("approval", {"id": "w"})]
    backend.say(call("w", "send_mail", {"to": "a@example.com"}, read_only=False), waits, done("approval"))
    shown.ask("发邮件")
    expect(shown.page.locator(".slot.waiting")).to_contain_text("a@example.com")
    expect(shown.button("确认执行")).to_be_visible()


def test_too_little_stock_is_said_before_the_click(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    args = {"customerName": "B", "items": [{"productId": 2, "quantity": 30}, {"productId": 2, "quantity": 30}]}
    waits = [("approval", {"id": "x"})]
    backend.say(call("x", "create_purchase", args, read_only=False), waits, done("approval"))
    shown.ask("买 60 个")
    expect(shown.page.locator(".slot.waiting")).to_contain_text("库存不足，可用 50")


def test_an_unknown_outcome_is_shown_as_that_with_the_orders(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    backend.say(buys())
    shown.ask("买 2 个")
    backend.say(result("c1", "连接断开，结果未知", failed=True, unknown=True), says("不确定"), done())
    shown.button("确认购买").click()
    expect(shown.card).to_have_attribute("data-state", "unknown")
    shown.button("查看订单").click()
    expect(shown.card.locator("tbody")).to_contain_text("¥1798.00")


def test_a_purchase_cut_off_by_a_reload_is_unknown_and_repeats_under_the_same_id(
    backend: Backend, open_page: Open
) -> None:
    shown = open_page(backend.url)
    backend.say(buys())
    shown.ask("买 2 个")
    backend.say([threading.Event()])
    shown.button("确认购买").click()
    expect(shown.button("停止")).to_be_visible()
    shown.page.reload()
    expect(shown.card).to_have_attribute("data-state", "unknown")
    backend.say(result("c1", ORDER), says("好"), done())
    shown.button("重试（同一笔，只会成交一次）").click()
    expect(shown.page.locator(RECEIPT)).to_be_visible()
    assert backend.asked[-1]["approvals"] == {"c1": True}


def test_a_new_question_leaves_the_waiting_purchase_undone(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    backend.say(buys())
    shown.ask("买 2 个")
    shown.ask("算了")
    expect(shown.page.locator(".tool")).to_have_attribute("data-state", "refused")
    assert backend.asked[-1]["approvals"] == {}


def _bought(backend: Backend, open_page: Open) -> Shown:
    shown = open_page(backend.url)
    backend.say(buys())
    shown.ask("买 2 个")
    backend.say(result("c1", ORDER), says("买好了"), done())
    shown.button("确认购买").click()
    expect(shown.answer).to_contain_text("买好了")
    shown.settle()
    return shown


def test_answering_again_keeps_the_purchase_in_the_history(backend: Backend, open_page: Open) -> None:
    shown = _bought(backend, open_page)
    backend.say(says("已经买好了"), done())
    shown.button("重新回答").click()
    expect(shown.answer).to_contain_text("已经买好了")
    assert [message["role"] for message in backend.asked[-1]["messages"]] == ["user", "assistant", "tool"]


def test_editing_a_question_that_bought_asks_anew_at_the_end(backend: Backend, open_page: Open) -> None:
    shown = _bought(backend, open_page)
    shown.page.locator(".mine").hover()
    shown.button("编辑后重新提问").click()
    shown.page.locator(".editor textarea").fill("买 3 个")
    shown.button("提问").click()
    expect(shown.page.locator("#toast")).to_contain_text("已经生效")
    shown.settle()
    assert [message["role"] for message in backend.asked[-1]["messages"]] == ["user", "assistant", "tool", "assistant", "user"]


def test_editing_another_question_forgets_what_came_after_it(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    backend.say(says("一答"), done())
    shown.ask("一")
    backend.say(says("二答"), done())
    shown.ask("二")
    shown.page.locator(".mine").first.hover()
    shown.button("编辑后重新提问").first.click()
    shown.page.locator(".editor textarea").fill("新的一")
    shown.page.locator(".editor textarea").press("Enter")
    shown.settle()
    assert [message["content"] for message in backend.asked[-1]["messages"]] == ["新的一"]


# --- cards -------------------------------------------------------------------------------------------------------


def test_calls_side_by_side_have_their_own_cards_and_progress(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    wait = threading.Event()
    progress = [("tool_progress", {"id": "b", "progress": 3, "total": 4, "message": "四分之三"})]
    backend.say(call("a", "get_products", {}), call("b", "get_orders", {}), progress, [wait])
    shown.begin("一")
    expect(shown.card.locator("progress")).to_have_js_property("value", 3)
    expect(shown.card).to_contain_text("四分之三")
    expect(shown.page.locator('.tool[data-state="running"]')).to_have_count(2)
    wait.set()


def test_a_failed_call_opens_with_its_reason(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    backend.say(call("a", "get_products", {}), result("a", "请求产品服务时出错: 连接被拒绝", failed=True), done())
    shown.ask("一")
    expect(shown.card).to_have_attribute("data-state", "failed")
    expect(shown.card.locator("pre").last).to_contain_text("连接被拒绝")


# --- safety ------------------------------------------------------------------------------------------------------


def hostile(backend: Backend) -> str:
    there = backend.canary
    return (
        f"<script>fetch('{there}/script')</script><img src='{there}/img' onerror=\"fetch('{there}/onerror')\">"
        f"<svg onload=\"fetch('{there}/svg')\"></svg><style>@import '{there}/style';</style>"
        f"<link rel=stylesheet href='{there}/link'><iframe src='{there}/frame'></iframe>"
        f"<meta http-equiv=refresh content='0;url={there}/meta'><base href='{there}/'>"
        f"<form action='{there}/form'><button>Win</button></form><video src='{there}/video' autoplay></video>"
        f"<p style=\"background:url('{there}/css')\" onclick=\"fetch('{there}/click')\">bait</p>"
        f"<a href=\"javascript:fetch('{there}/js')\">link</a>"
    )


@pytest.mark.filterwarnings("default")
def test_hostile_text_runs_nothing_and_fetches_nothing(backend: Backend, open_page: Open) -> None:
    bait = hostile(backend)
    backend.servers = [server(bait), server("shop"), server("x", "down", bait)]
    backend.tools = [tool("get_inventory"), tool("get_orders", title=bait, description=bait), tool(bait, server=bait)]
    product = {"id": 1, "name": bait, "price": 1.0, "description": bait}
    backend.run["get_inventory"] = lambda _: [{"productId": 1, "quantity": 1, "product": product}]
    shown = open_page(backend.url, strict=False)
    backend.say(call("a", "get_products", {"query": bait}), result("a", [product]), says(bait, bait), done())
    shown.ask(bait)
    shown.card.locator("summary").first.click()
    shown.answer.get_by_text("bait").last.click()
    shown.answer.get_by_text("link", exact=True).last.click()
    backend.say([("error", {"detail": bait})], done("error"))
    shown.ask("二")
    shown.page.get_by_text("工具", exact=True).click()
    shown.page.locator(".server .card summary").first.click()
    expect(shown.page.locator("#banner")).to_contain_text("<script>")
    expect(shown.page.locator(".answer :is(script, img, iframe, form, style, meta, base, video, svg[onload])")).to_have_count(0)
    assert backend.canary_hits == []


# --- small things that decide ------------------------------------------------------------------------------------


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
    scroll.hover()
    shown.page.mouse.wheel(0, -800)
    expect(shown.button("回到最新")).to_be_visible()
    at = scroll.evaluate("box => box.scrollTop")
    more.set()
    expect(shown.answer.locator("p")).to_have_count(120)
    assert scroll.evaluate("box => box.scrollTop") == at
    shown.button("回到最新").click()
    assert scroll.evaluate("box => box.scrollHeight - box.scrollTop - box.clientHeight") < 2


def test_a_long_message_folds(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    shown.ask("很长。" * 600)
    expect(shown.page.locator(".bubble.folded")).to_be_visible()
    shown.button("展开全文").click()
    expect(shown.page.locator(".bubble.folded")).to_have_count(0)


def test_starter_questions_are_asked_by_keyboard(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    expect(shown.page.locator(".starter")).to_have_count(7)
    backend.say(says("好"), done())
    shown.page.locator(".starter").first.press("Enter")
    expect(shown.answer).to_contain_text("好")
    assert backend.asked[0]["messages"][0]["content"] == "有哪些商品？"


def test_a_screen_reader_hears_the_start_and_the_end_only(backend: Backend, open_page: Open) -> None:
    heard = "new MutationObserver(() => (window.heard ??= []).push(document.getElementById('live').textContent))"
    script = f"addEventListener('DOMContentLoaded', () => {heard}.observe(document.getElementById('live'), {{childList: true}}));"
    shown = open_page(backend.url, script=script)
    backend.say([("html", {"html": f"<p>{i}</p>"}) for i in range(20)], says("完"), done())
    shown.ask("一")
    assert shown.page.evaluate("window.heard") == ["正在回答…", "回答完成：完"]


# --- conversations -----------------------------------------------------------------------------------------------


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
    shown.page.locator("#chats input").fill("水果")
    shown.page.keyboard.press("Enter")
    expect(rows).to_have_text(["水果"])
    shown.button("删除 水果").click()
    expect(rows).to_have_count(0)
    shown.button("撤销").click()
    expect(rows).to_have_text(["水果"])


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


# --- languages, looks, sizes -------------------------------------------------------------------------------------


def test_the_language_follows_the_browser_and_can_be_switched(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url, locale="en-GB")
    expect(shown.page.locator("#empty h2")).to_have_text("What are you looking for?")
    shown.button("Settings").click()
    shown.page.get_by_text("中文", exact=True).click()
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


@pytest.mark.parametrize("width", [360, 390, 800, 1100, 1440, 3840])
def test_nothing_is_wider_than_the_screen(backend: Backend, open_page: Open, width: int) -> None:
    shown = open_page(backend.url, viewport={"width": width, "height": 800})
    backend.say(call("a", "get_products", {"query": "x" * 300}), result("a", PRODUCTS), buys())
    shown.ask("字" * 50 + "x" * 300)
    shown.card.locator("summary").first.click()
    expect(shown.button("确认购买")).to_be_visible()
    for box in ("html", "#scroll"):
        assert shown.page.locator(box).evaluate("box => box.scrollWidth <= box.clientWidth"), box


def test_reduced_motion_is_respected(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url, reduced_motion="reduce", viewport=PHONE)
    backend.say([threading.Event()])
    shown.begin("一")
    expect(shown.page.locator(".dots i").first).to_have_css("animation-name", "none")


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
        const put = request.result.transaction("conversations", "readwrite").objectStore("conversations");
        put.put({id, title: "long", at: 1, entries, calls: {}, approvals: {}}).onsuccess = resolve;
      };
    })"""
    shown.page.evaluate(fill)
    shown.page.reload()
    expect(shown.page.get_by_text("a249").last).to_be_in_viewport()
    expect(shown.page.locator(".mine")).to_have_count(250)


def test_script_and_style_stay_small() -> None:
    files = [*ROOT.glob("public/*.js"), *ROOT.glob("public/*.css")]
    assert sum(file.stat().st_size for file in files) < 60 * 1024


def test_nothing_comes_from_elsewhere(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    fetched: list[str] = []
    shown.page.on("request", lambda request: fetched.append(request.url))
    shown.page.reload()
    shown.ask("一")
    assert fetched
    assert all(url.startswith(backend.url) for url in fetched)


def test_two_waiting_calls_go_on_together_once_both_are_decided(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    function = {"name": "shop_create_purchase", "arguments": json.dumps(PURCHASE_ARGS)}
    asked = [{"id": call_id, "type": "function", "function": function} for call_id in ("a", "b")]
    message = [("message", {"message": {"role": "assistant", "content": "", "tool_calls": asked}})]
    both = [step for call_id in ("a", "b") for step in buys(call_id)[1:3]]
    backend.say(message, both, done("approval"))
    shown.ask("买两次")
    shown.button("确认购买").first.click()
    expect(shown.page.locator('.tool[data-state="chosen"]')).to_have_count(1)
    assert len(backend.asked) == 1
    backend.say(result("a", ORDER), result("b", "已取消", failed=True), done())
    shown.button("取消").click()
    expect(shown.page.locator(RECEIPT)).to_be_visible()
    assert backend.asked[1]["approvals"] == {"a": True, "b": False}


def test_names_in_a_result_that_pose_as_markup_stay_text(backend: Backend, open_page: Open) -> None:
    sly = {"innerHTML": "<img src=x>", "title": "sly"}
    backend.run["get_orders"] = lambda args: [] if "groupBy" in args else [{**ORDER, "customerName": sly}]
    backend.run["get_inventory"] = lambda _: [{"productId": 1, "quantity": 1, "product": {"id": 1, "name": sly, "price": 1}}]
    shown = open_page(backend.url)
    expect(shown.page.locator(".order")).to_be_visible()
    expect(shown.page.locator("#panel img")).to_have_count(0)


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core, from npm: asked for where CI runs, used where it can be had."""
    npm = require("npm")
    folder = tmp_path_factory.mktemp("axe")
    command = [npm, "install", "--no-save", "--no-audit", "--no-fund", "--silent", "axe-core@4"]
    got = subprocess.run(command, cwd=folder, timeout=100, check=False, capture_output=True)
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    if got.returncode or not script.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"axe-core cannot be installed: {got.stderr.decode()}")
        pytest.skip("axe-core cannot be installed here")
    return script.read_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(backend: Backend, open_page: Open, axe: str, scheme: str) -> None:
    backend.model["demo"] = True
    backend.servers.append(server("weather", "down", "连接被拒绝"))
    shown = open_page(backend.url, color_scheme=scheme)
    found = _audit(shown, axe)
    backend.say(says("看", "<h2>题</h2><table><tr><th>a</th></tr><tr><td>1</td></tr></table><pre>x</pre>"), buys())
    shown.ask("一")
    shown.card.locator("summary").first.click()
    found += _audit(shown, axe)
    shown.page.get_by_text("工具", exact=True).click()
    shown.page.locator(".server .card summary").first.click()
    shown.button("设置").click()
    found += _audit(shown, axe)
    shown.page.keyboard.press("Escape")
    backend.failure = (500, "坏了")
    shown.button("取消").click()
    shown.settle()
    assert found + _audit(shown, axe) == []


def _audit(shown: Shown, axe: str) -> list[str]:
    shown.page.wait_for_timeout(300)  # colours in transition have the wrong contrast
    shown.page.evaluate(axe)
    violations = shown.page.evaluate("axe.run().then((report) => report.violations)")
    return [
        f"{fault['id']}: {fault['nodes'][0]['html']} {fault['nodes'][0]['failureSummary']}"
        for fault in violations
        if fault["impact"] in ("serious", "critical")
    ]
