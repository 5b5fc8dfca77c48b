"""What an MCP App may have of the page: its looks, a link, a message, a word to the model; what ends it."""

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Request, Route, expect

from tests.support.page_apps import KIND, app, offered, replace_app
from tests.support.page_browser import Open, Shown
from tests.support.suite import Suite

CHANGES = """
addEventListener("message", ({data: {method, params}}) => {
  if (method === "ui/notifications/host-context-changed") say(JSON.stringify(params));
});
say("READY");
"""
SAYS = """
const text = text => ({content: [{type: "text", text}]});
const says = what => ask("ui/update-model-context", what);
await says(text("the old word"));
await says({...text("page 7 is in view"), structuredContent: {page: 7}});
await attempt("long", () => says(text("x".repeat(1e5))));
await attempt("picture", () => says({content: [{type: "image", data: "", mimeType: "image/png"}]}));
await attempt("list", () => says({structuredContent: [1]}));
addEventListener("message", ({data}) => { if (data.params?.theme) says(text("dark")); });
say("END");
"""


# What a server may say instead of an app, and what its card says then.
NAME = "https://a{}.example.com"
DECLARED: list[tuple[dict[str, Any], str]] = [
    ({"mimeType": "text/html"}, "这个界面无法显示"),
    ({"text": ""}, "这个界面无法显示"),
    ({"text": "x" * (8 * 2**20 + 1)}, "这个界面无法显示"),
    (
        {"ui": {"csp": {"connectDomains": [NAME.format(n) + "/" * (n % 2) for n in range(10_000)]}}},
        NAME.format(19),
    ),
    ({"ui": {"csp": {"frameDomains": [NAME.format("x" * 300), NAME.format("; script-src *")]}}}, "界面"),
    ({"ui": {"csp": {"connectDomains": ["*", f"{NAME.format(1)}\n", {}, "https://127.0.0.1"]}}}, "界面"),
    ({"ui": {"csp": "*", "permissions": {"camera": {}}, "domain": "evil.example"}}, "界面"),
    ({"ui": []}, "界面"),
]


@pytest.fixture
def shown(shop: Suite, open_page: Open) -> Shown:
    return open_page(shop.url)


def begun(shown: Shown, at: str, script: str) -> Locator:
    """Show an app with this script; return the body of its document."""
    scripts = replace_app(shown, at)
    scripts.append(script)
    offered(shown)
    shown.button("显示界面").click()
    scripts.append("")  # of those that follow
    return app(shown).locator("body")


@pytest.mark.heavy  # eight documents, one of 8 MiB
def test_what_a_server_declares_is_bounded_before_anybody_is_asked(shop: Suite, shown: Shown) -> None:
    said: dict[str, Any] = {}

    def answer(route: Route) -> None:
        content = {"uri": "ui://x", "mimeType": KIND, "text": "<p>", **said}
        route.fulfill(json={"uri": "ui://x", "contents": [content]})

    shown.page.route("**/api/read-resource", answer)
    said.update(DECLARED[0][0])
    offered(shown)
    for number, (given, shows) in enumerate(DECLARED):
        said.clear()
        said.update(given)
        if number:
            shown.reload()
        box = shown.page.locator(".app-box")
        expect(box).to_contain_text(shows)
        reached = box.locator("p").nth(1).all_inner_texts()
        assert len(reached) == (shows.startswith("https")), given
        assert not reached or len(reached[0].split()) == 20


def test_an_app_is_told_of_another_theme_and_of_the_whole_window(shop: Suite, shown: Shown) -> None:
    body = begun(shown, shop.url, CHANGES)
    expect(body).to_contain_text("READY")
    shown.page.emulate_media(color_scheme="dark")
    expect(body).to_contain_text('"theme":"dark"')
    shown.button("全屏").click()
    expect(body).to_contain_text('"displayMode":"fullscreen"')
    box = shown.page.locator(".app-box")
    assert box.bounding_box() == {"x": 0, "y": 0, "width": 1440, "height": 900}
    shown.button("退出全屏").click()
    expect(body).to_contain_text('"displayMode":"inline"')
    expect(box.locator(".app-view")).not_to_have_css("height", "900px")


def test_a_link_is_opened_and_a_message_sent_once_a_person_has_agreed(shop: Suite, shown: Shown) -> None:
    link, said = f"{shop.url}/healthz?opened", {"type": "text", "text": "库存怎么样？"}
    body = begun(
        shown,
        shop.url,
        f"await ask('ui/open-link', {{url: {link!r}}}); say('OPENED');"
        f"await ask('ui/message', {{role: 'user', content: {json.dumps(said)}}}); say('SENT')",
    )
    box = shown.page.locator(".app-box .slot")
    expect(box).to_contain_text(link)
    with shown.page.context.expect_page() as opened:
        box.get_by_role("button", name="打开").click()
    expect(body).to_contain_text("OPENED")
    assert (opened.value.url, opened.value.evaluate("opener")) == (link, None)
    expect(box).to_contain_text(said["text"])
    box.get_by_role("button", name="发送").click()
    expect(body).to_contain_text("SENT")
    expect(shown.page.locator(".mine").last).to_contain_text(said["text"])
    expect(shown.answer).to_contain_text("智能手表")


def test_what_an_app_tells_the_model_goes_with_the_next_question_as_its_word(
    shop: Suite, shown: Shown
) -> None:
    sent: list[Any] = []

    def note(request: Request) -> None:
        if "stream" in request.url:
            sent.append(request.post_data_json)

    shown.page.on("request", note)
    expect(begun(shown, shop.url, SAYS)).to_have_text("long:refused picture:refused list:refused END ")
    tells = shown.page.locator(".app-box header").get_by_role("button", name=re.compile("附带"))
    tells.click()
    expect(shown.page.get_by_role("dialog")).to_contain_text("page 7 is in view")
    shown.page.keyboard.press("Escape")
    for question in ("库存怎么样？", "有哪些商品？"):
        shown.ask(question)
    first, second = (
        [message["content"] for message in body["messages"] if message["role"] == "user"]
        for body in sent[-2:]
    )
    word = {"type": "text", "text": 'page 7 is in view\n{"page":7}', "name": "product-mcp 的界面"}
    assert first[-1] == [{"type": "text", "text": "库存怎么样？"}, word]
    assert second[-1] == "有哪些商品？"
    expect(shown.page.locator(".mine").nth(1)).to_contain_text("product-mcp 的界面")
    expect(tells).to_be_hidden()
    shown.page.emulate_media(color_scheme="dark")
    tells.click()
    shown.page.get_by_role("dialog").get_by_role("button", name="移除").click()
    expect(tells).to_be_hidden()
    shown.ask("库存怎么样？")
    assert sent[-1]["messages"][-1]["content"] == "库存怎么样？"


def test_an_app_ends_once_its_server_is_taken_back(shop: Suite, shown: Shown) -> None:
    body = begun(shown, shop.url, SAYS)
    expect(body).to_contain_text("END")
    shown.page.locator("[popovertarget=settings]").click()
    shown.button("恢复询问").click()
    expect(shown.page.locator(".app-box")).to_contain_text("界面已关闭")
    expect(shown.page.locator(".app-view")).to_have_count(0)
    shown.page.keyboard.press("Escape")
    shown.button("显示界面").click()
    expect(shown.page.locator(".app-box")).to_contain_text("带来了自己的界面")  # it is asked about anew
    shown.ask("库存怎么样？")
    expect(shown.page.locator(".mine").last).not_to_contain_text("的界面")  # nor has it said anything


MOVES = """
const height = height => tell("ui/notifications/size-changed", {height});
addEventListener("message", ({data}) => {
  if (!data.params?.theme) return;
  height(77);
  setTimeout(() => say("MOVED"), 500); // longer than a change of its height takes
});
height(99);
"""
DEAF = """
new MutationObserver(() => {
  globalThis.deaf ||= getComputedStyle(document.querySelector(".slot.waiting .primary")).pointerEvents;
}).observe(document.documentElement, {attributeFilter: ["data-moved"]});
"""


def test_an_app_does_not_move_the_confirmation_of_another_card_below_a_pointer(
    shop: Suite, shown: Shown
) -> None:
    replace_app(shown, shop.url).append(MOVES)
    offered(shown)
    shown.ask("帮客户A买 1 个智能手表")
    bill = shown.page.locator(".slot.waiting", has_text="¥1299.00")
    expect(bill).to_be_visible()
    shown.page.evaluate(DEAF)
    shown.button("显示界面").first.click()
    height = "document.querySelector('.app-view')?.offsetHeight"
    shown.wait_until(f"() => {height} === 99")
    assert shown.page.evaluate("deaf") == "none"
    shown.page.emulate_media(color_scheme="dark")
    expect(app(shown).locator("body")).to_have_text("MOVED ")
    assert shown.page.evaluate(height) == 99


LOOKS = """
const products = {name: "get_products", arguments: {}};
const look = () => attempt("call", () => ask("tools/call", products).then(() => 1));
addEventListener("message", ({data}) => {
  if (!data.params?.theme) return;
  for (let i = 0; i < 14; i++) look();
  ask("ping").then(() => say("SENT"));
});
say("READY");
"""


@pytest.mark.parametrize("ends", ["consent", "frame"])
def test_a_call_that_waits_its_turn_when_its_app_ends_does_not_go_out(
    shop: Suite, shown: Shown, ends: str
) -> None:
    asked: list[str] = []

    def note(request: Request) -> None:
        if "call-tool" in request.url and '"app":true' in (request.post_data or ""):
            asked.append(request.url)

    shown.page.on("request", note)
    shown.page.clock.install()
    body = begun(shown, shop.url, LOOKS)
    expect(body).to_have_text("READY ")
    shown.page.locator("[popovertarget=settings]").click()
    shown.page.clock.pause_at(shown.page.evaluate("Date.now() / 1000") + 60)
    shown.page.emulate_media(color_scheme="dark")
    expect(body).to_contain_text("SENT")
    shown.page.clock.run_for(1)
    expect(body).to_have_text("READY SENT " + "call:1 " * 11)  # the others wait for the clock
    if ends == "consent":
        shown.button("恢复询问").click()
        shown.page.clock.run_for(10_000)
        expect(shown.page.locator(".app-box")).to_contain_text("界面已关闭")
    shown.page.keyboard.press("Escape")
    if ends == "frame":
        shown.button("新对话").click()
        expect(shown.page.locator(".app-view")).to_have_count(0)
        shown.page.clock.run_for(10_000)
    shown.page.clock.resume()
    shown.ask("库存怎么样？")
    assert len(asked) == 11
    if ends == "frame":
        shown.page.go_back()
        expect(shown.page.locator(".app-box").first).to_be_attached()
        shown.page.locator(".app-box").first.scroll_into_view_if_needed()
        expect(app(shown).locator("body")).to_be_attached()  # it begins anew with its card


def test_an_app_that_has_not_begun_is_not_closed_as_silent_while_its_tab_is_hidden(
    shop: Suite, open_page: Open
) -> None:
    hides = "Object.defineProperty(document, 'hidden', {get: () => globalThis.isHidden === true})"
    shown = open_page(shop.url, script=hides)
    shown.page.clock.install()
    content = {"uri": "ui://x", "mimeType": KIND, "text": "<p>never says that it has begun"}
    shown.page.route(
        "**/api/read-resource", lambda route: route.fulfill(json={"uri": "ui://x", "contents": [content]})
    )
    offered(shown)
    shown.button("显示界面").click()
    expect(app(shown).locator("body")).to_contain_text("never")
    shown.page.evaluate("globalThis.isHidden = true")
    shown.page.clock.run_for(90_000)
    expect(app(shown).locator("body")).to_contain_text("never")
    shown.page.evaluate("globalThis.isHidden = false")
    shown.page.clock.run_for(31_000)
    expect(shown.page.locator(".app-box")).to_contain_text("没有回应")


@pytest.mark.parametrize("decision", ["取消", "确认购买"])
def test_an_app_keeps_its_state_when_the_call_of_another_card_is_decided(
    shop: Suite, shown: Shown, decision: str
) -> None:
    replace_app(shown, shop.url).append("say(Math.random())")
    offered(shown)
    shown.button("显示界面").click()
    body = app(shown).locator("body")
    expect(body).to_contain_text("0.")
    state = body.inner_text()
    shown.page.route("**/api/read-resource", lambda route: route.abort())  # six more would end the first
    shown.ask("帮客户A买 1 个智能手表")
    shown.button(decision).click()
    shown.settle()
    expect(shown.card).to_have_attribute("data-state", "refused" if decision == "取消" else "done")
    assert app(shown).locator("body").inner_text() == state
