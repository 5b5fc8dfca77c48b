"""What the page loads and when: what is seen first at once, a conversation once the shop is shown."""

from playwright.sync_api import Route, expect

from tests.support.page_backend import Backend, buys
from tests.support.page_browser import Open
from tests.support.suite import Suite

CONVERSATION = "**/static/conversation-view.js"


def test_a_question_that_is_asked_before_a_conversation_is_loaded_waits_for_it(
    backend: Backend, open_page: Open
) -> None:
    shown = open_page(backend.url)
    held: list[Route] = []
    shown.page.route(CONVERSATION, lambda route: held.append(route))  # noqa: PLW0108  Playwright marks it
    with shown.page.expect_request(CONVERSATION):
        shown.page.reload()
    shown.ready()
    expect(shown.page.locator(".server .card").first).to_be_attached()
    expect(shown.page.locator(".starter").first).to_be_visible()
    shown.input.fill("一")
    shown.input.press("Enter")
    expect(shown.input).to_have_value("一")
    held[0].continue_()
    expect(shown.page.locator(".mine")).to_have_text("一")
    expect(shown.input).to_have_value("")


def test_a_question_is_not_lost_where_a_conversation_cannot_be_loaded(
    backend: Backend, open_page: Open
) -> None:
    shown = open_page(backend.url)
    shown.page.route(CONVERSATION, lambda route: route.abort())
    with shown.page.expect_request(CONVERSATION):
        shown.page.reload()
    shown.ready()
    shown.input.fill("一")
    shown.input.press("Enter")
    expect(shown.page.locator("#toast")).to_contain_text("连不上")
    expect(shown.input).to_have_value("一")
    shown.page.unroute(CONVERSATION)
    shown.input.press("Enter")
    expect(shown.page.locator(".mine")).to_have_text("一")


def test_a_purchase_whose_bill_cannot_be_loaded_says_so_and_leads_on(
    backend: Backend, open_page: Open
) -> None:
    shown = open_page(backend.url)
    shown.page.route("**/static/bill.js", lambda route: route.abort())
    backend.say(buys())
    shown.ask("买")
    expect(shown.card.locator(".slot")).to_contain_text("连不上")
    shown.page.unroute("**/static/bill.js")
    shown.button("重试").click()
    expect(shown.button("确认购买")).to_be_visible()


def test_what_cannot_be_opened_says_so(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    shown.page.get_by_text("工具", exact=True).click()
    for module, opener in [("server-editor", "添加服务器"), ("server-page", "管理 shop")]:
        shown.page.route(f"**/static/{module}.js", lambda route: route.abort())
        shown.page.get_by_role("button", name=opener).click()
        expect(shown.page.locator("#toast")).to_contain_text("连不上")
        shown.page.locator("#toast .toast").evaluate("toast => toast.remove()")


def test_what_the_back_end_knows_of_the_shop_is_not_asked_for_again(shop: Suite, open_page: Open) -> None:
    shown = open_page(shop.url)
    shown.wait_until("async () => (await (await fetch('api/status')).json()).servers[0].timezone")
    expect(shown.page.locator("#orders > li").first).to_be_attached()  # the last that this page asks for
    asked: list[str] = []
    shown.page.on("request", lambda request: asked.append(request.url))
    shown.reload()
    expect(shown.page.locator("#orders > li").first).to_be_attached()
    called = [url.rpartition("/")[2] for url in asked if "/api/" in url]
    assert called == ["watch", "call-tool", "call-tool", "call-tool", "call-tool"]
