"""Answers on the page, from a back end that says whatever a test wants: slow, broken, hostile."""

import re
import threading

import pytest
from playwright.sync_api import expect

from assistant.page.markdown import to_html
from tests.support.page_backend import (
    ORDER,
    PRODUCTS,
    Backend,
    Step,
    call,
    done,
    result,
    says,
    server,
    tool,
)
from tests.support.page_browser import PHONE, Open


def test_text_shows_while_it_comes_and_stop_keeps_what_was_read(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    backend.say(
        [("text", {"delta": "半句"}), ("html", {"html": "<p>半句话</p>"}), threading.Event()], says("never")
    )
    shown.begin("说点什么")
    expect(shown.answer).to_contain_text("半句话")
    shown.button("停止").click()
    shown.settle()
    expect(shown.page.locator(".note")).to_contain_text("已停止")
    shown.page.reload()
    expect(shown.answer).to_contain_text("半句话")


def test_what_was_read_before_a_stop_is_sent_with_the_next_question(
    backend: Backend, open_page: Open
) -> None:
    shown = open_page(backend.url)
    backend.say([("text", {"delta": "半句"}), threading.Event()])
    shown.begin("一")
    expect(shown.answer).to_contain_text("半句")
    shown.button("停止").click()
    shown.settle()
    shown.ask("二")
    assert [message["content"] for message in backend.asked[-1]["messages"]] == ["一", "半句", "二"]


def test_events_may_be_cut_anywhere_and_commented(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    comment = ": keep-alive\r\n\r\n"
    html = 'event: html\r\ndata: {"html": "<p>中文🛒</p>"}\r\n\r\n'
    wire = (comment + html + 'event: done\ndata: {"reason": "stop"}\n\n').encode()
    backend.say([wire[i : i + 1] for i in range(len(wire))])
    shown.ask("一")
    expect(shown.answer.locator("p")).to_have_text("中文🛒")


def test_unchanged_paragraphs_stay_the_same_elements_while_more_comes(
    backend: Backend, open_page: Open
) -> None:
    shown = open_page(backend.url)
    more = threading.Event()
    backend.say(
        [("html", {"html": "<p>first</p>"}), more, ("html", {"html": "<p>first</p><p>second</p>"})], done()
    )
    shown.begin("一")
    first = shown.answer.locator("p").first.element_handle()
    more.set()
    expect(shown.answer.locator("p")).to_have_count(2)
    assert first.evaluate("element => element.isConnected")


def test_an_answer_that_came_block_by_block_is_the_same_after_a_reload(
    backend: Backend, open_page: Open
) -> None:
    shown = open_page(backend.url)
    blocks = ["<p>一</p>\n", "<ul><li>二</li></ul>\n", "<p>三<b>四</b></p>"]
    parts: list[Step] = [("text", {"delta": "一"}), ("html", {"html": "<p>", "keep": 0})]
    for number, block in enumerate(blocks):
        keep = sum(map(len, blocks[:number]))
        parts += [("html", {"html": part, "keep": keep}) for part in (block[:-5], block)]
    backend.say(parts, [("message", {"message": {"role": "assistant", "content": "…"}})], done())
    shown.ask("一")
    for _ in range(2):
        assert shown.answer.locator(".prose").inner_html() == "".join(blocks)
        shown.page.reload()
        expect(shown.answer.locator(".prose")).to_be_visible()


def test_an_error_says_what_happened_and_try_again_repeats_the_question_once(
    backend: Backend, open_page: Open
) -> None:
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


def test_failures_are_said_in_the_readers_language_and_go_by_code(backend: Backend, open_page: Open) -> None:
    reason = {"code": "connect_refused", "params": {"address": "http://x/mcp"}}
    backend.servers = [server("weather", "down", "连不上") | reason, server("shop")]
    shown = open_page(backend.url, locale="en-GB")
    expect(shown.page.locator("#banner")).to_contain_text("http://x/mcp cannot be reached")
    short = {"code": "out_of_stock", "params": {"productId": 2, "name": "Watch", "available": 3}}
    late = {"code": "model_late", "params": {}, "detail": "模型服务没有及时回答"}
    backend.say(call("a", "f", {}), result("a", "库存不足", failed=True, **short), [("error", late)])
    shown.ask("一")
    expect(shown.card.locator(".slot p")).to_have_text("Not enough of Watch in stock: 3 available")
    shown.card.locator("summary").click()
    expect(shown.card.locator("pre").last).to_have_text("库存不足")
    expect(shown.page.get_by_role("alert")).to_contain_text("did not answer in time")


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


def test_of_many_servers_that_are_down_two_are_named(backend: Backend, open_page: Open) -> None:
    backend.servers = [server("shop"), *(server(f"s{n}", "down", "No route " * 50) for n in range(6))]
    shown = open_page(backend.url, viewport=PHONE)
    banner = shown.page.locator("#banner")
    expect(banner.locator("p")).to_have_count(3)
    expect(banner.locator("p").last).to_contain_text("还有 4 个服务器")
    banner.get_by_role("button", name="查看").click()
    expect(shown.page.locator(".server", has_text="s5")).to_be_visible()


def test_a_stream_that_is_broken_on_its_way_is_told_in_the_readers_language(
    backend: Backend, open_page: Open
) -> None:
    shown = open_page(backend.url)
    backend.say([b'event: text\ndata: {"delta": "cut\n\n'], done())
    shown.ask("一")
    expect(shown.page.locator(".note.error")).to_contain_text("读不懂")
    expect(shown.page.locator(".note.error")).not_to_contain_text("JSON")


def test_a_server_that_is_down_can_be_reconnected(backend: Backend, open_page: Open) -> None:
    backend.servers.append(server("weather", "down", "Connection refused"))
    shown = open_page(backend.url)
    shown.page.locator("#health").click()
    box = shown.page.locator(".server").filter(has_text="weather")
    expect(box).to_contain_text("streamable-http · 2026-07-28")
    expect(box).to_contain_text("Connection refused")
    box.get_by_role("button", name="重新连接").click()
    expect(box).to_contain_text("已连接")
    expect(shown.page.locator("#banner")).to_be_empty()


def test_a_press_that_began_before_the_banner_said_more_counts(backend: Backend, open_page: Open) -> None:
    backend.servers.append(server("files", "untrusted"))
    shown = open_page(backend.url)
    shown.page.locator("#banner").get_by_role("button", name="查看").hover()
    shown.page.mouse.down()
    backend.servers.append(server("weather"))
    expect(shown.page.locator("#health")).to_contain_text("2/3")
    shown.page.mouse.up()
    expect(shown.page.locator("#tools")).to_be_visible()


def test_without_indexeddb_and_with_broken_settings_the_page_still_answers(
    backend: Backend, open_page: Open
) -> None:
    script = (
        "localStorage.settings = '{broken'; Object.defineProperty(window, 'indexedDB', {value: undefined});"
    )
    shown = open_page(backend.url, script=script)
    expect(shown.page.locator("#toast")).to_contain_text("存储")
    backend.say(says("好"), done())
    shown.ask("一")
    expect(shown.answer).to_contain_text("好")


def test_a_full_storage_is_said_and_survived(backend: Backend, open_page: Open) -> None:
    full = "IDBObjectStore.prototype.put = () => { throw new DOMException('full', 'QuotaExceededError') };"
    shown = open_page(backend.url, script=full)
    backend.say(says("好"), done())
    shown.begin("一")
    expect(shown.page.locator("#toast")).to_contain_text("已满")  # which goes by itself
    expect(shown.answer).to_contain_text("好")


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


def test_a_failed_call_says_its_reason_without_being_opened(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    backend.say(
        call("a", "get_products", {}), result("a", "请求产品服务时出错: 连接被拒绝", failed=True), done()
    )
    shown.ask("一")
    expect(shown.card).to_have_attribute("data-state", "failed")
    expect(shown.card.locator(".slot p")).to_have_text("请求产品服务时出错: 连接被拒绝")
    expect(shown.card.get_by_role("button", name="重试")).to_be_visible()


def hostile(backend: Backend) -> str:
    there = backend.canary
    return (
        f"<script>fetch('{there}/script')</script>"
        f"<img src='{there}/img' onerror=\"fetch('{there}/onerror')\">"
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
    backend.tools = [
        tool("get_inventory"),
        tool("get_orders", title=bait, description=bait),
        tool(bait, server=bait),
    ]
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
    expect(
        shown.page.locator(".answer :is(script, img, iframe, form, style, meta, base, video, svg[onload])")
    ).to_have_count(0)
    assert backend.canary_hits == []


def test_names_in_a_result_that_pose_as_markup_stay_text(backend: Backend, open_page: Open) -> None:
    sly = {"innerHTML": "<img src=x>", "title": "sly"}
    backend.run["get_orders"] = lambda args: [] if "groupBy" in args else [{**ORDER, "customerName": sly}]
    backend.run["get_inventory"] = lambda _: [
        {"productId": 1, "quantity": 1, "product": {"id": 1, "name": sly, "price": 1}}
    ]
    shown = open_page(backend.url)
    expect(shown.page.locator(".order")).to_be_visible()
    expect(shown.page.locator("#panel img")).to_have_count(0)


def test_a_tool_that_only_reads_asks_first_where_the_user_wants_it(backend: Backend, open_page: Open) -> None:
    backend.tools = [tool("get_secret")]
    shown = open_page(backend.url)
    shown.page.get_by_text("工具", exact=True).click()
    shown.page.locator("details", has_text="get_secret").first.locator("summary").first.click()
    shown.page.get_by_label("运行前先问我").check()
    backend.say(call("c1", "get_secret", {}), [("approval", {"id": "c1"})], done("approval"))
    shown.ask("秘密")
    assert backend.asked[-1]["askFirst"] == [{"server": "shop", "tool": "get_secret"}]
    expect(shown.button("确认执行")).to_be_visible()


def test_every_part_of_a_formula_is_shown_and_it_is_copied_as_tex(backend: Backend, open_page: Open) -> None:
    tex = r"\boxed{42} + \cancel{5} = \frac{x_1}{\sqrt{y}}"
    backend.say([("html", {"html": to_html(f"即 ${tex}$。")})], done())
    shown = open_page(backend.url)
    shown.ask("一")
    expect(shown.answer.locator("math")).to_have_text(re.compile(r"42.*5.*x.*1.*y"))
    copied = """() => {
        getSelection().selectAllChildren(document.querySelector(".prose"));
        const event = new ClipboardEvent("copy", {clipboardData: new DataTransfer()});
        document.dispatchEvent(event);
        return event.clipboardData.getData("text/plain").trim();
    }"""
    assert shown.page.evaluate(copied) == f"即 ${tex}$。"


SCROLLED = """frame => {
    frame.scrollTop = 300;
    const [outer, head] = [frame, frame.querySelector("th")].map(one => one.getBoundingClientRect().top);
    return [frame.scrollTop, Math.round(head - outer)];
}"""


def test_the_head_of_a_tall_table_stays_in_place_while_it_scrolls(backend: Backend, open_page: Open) -> None:
    table = "| 号 | 名 |\n|---|---|\n" + "\n".join(f"| {n} | 手表 |" for n in range(80))
    backend.say([("html", {"html": to_html(table)})], done())
    shown = open_page(backend.url)
    shown.ask("一")
    scrolled, off = shown.answer.locator(".wide").evaluate(SCROLLED)
    assert scrolled == 300
    assert abs(off) <= 1  # a border, and parts of a pixel


def test_beside_a_wide_column_the_others_stay_readable(backend: Backend, open_page: Open) -> None:
    table = f"| 名称 | 说明 |\n|---|---|\n| 无线蓝牙耳机Pro | https://example.com/{'a' * 200} |"
    backend.say([("html", {"html": to_html(table)})], done())
    shown = open_page(backend.url)
    shown.ask("一")
    lines = "cell => Math.round(cell.clientHeight / parseFloat(getComputedStyle(cell).lineHeight))"
    assert shown.answer.locator("td").first.evaluate(lines) <= 4


def test_what_runs_from_right_to_left_begins_at_the_right(backend: Backend, open_page: Open) -> None:
    backend.say([("html", {"html": to_html("שלום, 899.\n\n- ساعة\n\nok")})], done())
    shown = open_page(backend.url)
    shown.input.fill("מה יש?")
    begins = """element => {
        const range = document.createRange();
        range.selectNodeContents(element);
        const [text, box] = [range.getBoundingClientRect(), element.getBoundingClientRect()];
        return text.left - box.left > box.right - text.right ? "right" : "left";
    }"""
    shown.ask("מה יש לכם?\nשורה ארוכה יותר מהראשונה")
    found = [each.evaluate(begins) for each in shown.answer.locator(".prose p, .prose li").all()]
    assert found == ["right", "right", "left"]
    directions = shown.page.locator(".bubble").evaluate("bubble => getComputedStyle(bubble).unicodeBidi")
    assert directions == "plaintext"


def test_a_limit_counts_down_and_then_points_to_the_way_on(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    params = {"seconds": 58, "status": 429, "reason": "tokens"}
    backend.say([("error", {"code": "model_rate_limited_for", "params": params})], done("error"))
    shown.page.clock.install()
    shown.ask("一")
    said = shown.page.locator(".note.error p").first
    expect(said).to_have_attribute("aria-live", "off")  # it counts by now
    shown.page.clock.pause_at(shown.page.evaluate("Date.now() / 1000") + 20)
    left = int(re.findall(r"(\d+)秒", said.inner_text())[0])
    assert left < 58
    shown.page.clock.run_for(5000)
    expect(said).to_contain_text(f" {left - 5}秒")
    shown.page.clock.run_for(60_000)
    expect(said).to_have_text("现在可以重试了。")
    assert len(backend.asked) == 1
