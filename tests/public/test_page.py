"""The page in Chromium, in front of the three real services and the demo model."""

import re

from playwright.sync_api import Route, expect

from tests.support.page_browser import PHONE, Open
from tests.support.suite import Suite

EARPHONES = "无线蓝牙耳机Pro"


def test_a_question_shows_the_tool_card_and_a_table_of_products(shop: Suite, open_page: Open) -> None:
    shown = open_page(shop.url)
    shown.ask("有哪些商品？")
    expect(shown.card).to_contain_text("product-mcp · get_products")
    expect(shown.card).to_have_attribute("data-state", "done")
    expect(shown.answer.locator(".prose tbody tr")).to_have_count(4)


def test_a_card_unfolds_to_arguments_and_a_readable_result(shop: Suite, open_page: Open) -> None:
    shown = open_page(shop.url)
    shown.ask("有哪些商品？")
    expect(shown.card.locator(".card-body")).not_to_be_visible()
    shown.card.locator("summary").first.click()
    expect(shown.card.locator("tbody tr")).to_have_count(4)
    expect(shown.card.locator("tbody")).to_contain_text("¥899.00")


def test_a_purchase_waits_for_a_click_and_then_the_stock_goes_down(shop: Suite, open_page: Open) -> None:
    shown = open_page(shop.url)
    expect(shown.page.locator(".bar-row").first).to_be_visible()
    before = shown.stock(EARPHONES)
    orders = len(shop.orders())
    shown.ask(f"帮客户A买 2 个{EARPHONES}")
    confirm = shown.page.get_by_role("group", name="确认购买")
    for text in (EARPHONES, "¥899.00", "¥1798.00", "客户A", str(before - 2)):
        expect(confirm).to_contain_text(text)
    assert len(shop.orders()) == orders
    shown.button("确认购买").click()
    expect(shown.page.get_by_role("group", name="订单已生成")).to_contain_text(f"订单号 #{orders + 1}")
    shown.settle()
    expect(shown.answer).to_contain_text(f"{before - 2}")
    expect(shown.page.locator(".bar-row").filter(has_text=EARPHONES).first.locator("b")).to_have_text(
        str(before - 2)
    )


def test_escape_cancels_a_purchase_and_nothing_is_bought(shop: Suite, open_page: Open) -> None:
    shown = open_page(shop.url)
    orders = len(shop.orders())
    shown.ask(f"帮客户A买 1 个{EARPHONES}")
    expect(shown.button("确认购买")).to_be_focused()
    shown.page.keyboard.press("Escape")
    expect(shown.card).to_have_attribute("data-state", "refused")
    shown.settle()
    assert len(shop.orders()) == orders


def test_a_conversation_and_its_waiting_purchase_survive_a_reload(shop: Suite, open_page: Open) -> None:
    shown = open_page(shop.url)
    shown.ask("有哪些商品？")
    shown.ask(f"帮客户B买 1 个{EARPHONES}")
    expect(shown.button("确认购买")).to_be_visible()
    shown.page.reload()
    expect(shown.page.locator(".prose tbody tr")).to_have_count(4)
    shown.button("确认购买").click()
    expect(shown.page.get_by_role("group", name="订单已生成")).to_contain_text("客户B")


def test_a_price_that_is_another_by_now_is_confirmed_again(shop: Suite, open_page: Open) -> None:
    shown = open_page(shop.url)
    orders = len(shop.orders())
    shown.ask(f"帮客户F买 1 个{EARPHONES}")

    def show_less(route: Route) -> None:
        route.continue_(post_data=(route.request.post_data or "").replace('"total":899', '"total":799'))

    shown.page.route("**/api/chat/stream", show_less)
    expect(shown.page.locator(".slot.waiting .total")).to_have_text("¥899.00")
    shown.button("确认购买").click()
    changed = shown.page.get_by_role("group", name="价格有变，没有下单")
    expect(changed).to_contain_text("现在合计 ¥899.00，不是确认过的 ¥799.00")
    shown.settle()
    shown.page.unroute_all()
    shown.button("按现在的价格重新确认").click()
    shown.button("确认购买").click()
    expect(shown.page.get_by_role("group", name="订单已生成")).to_contain_text("客户F")
    assert len(shop.orders()) == orders + 1


def test_a_purchase_whose_answer_is_lost_is_asked_for_again_and_bought_once(
    shop: Suite, open_page: Open
) -> None:
    shown = open_page(shop.url)
    orders = len(shop.orders())
    shown.ask(f"帮客户E买 1 个{EARPHONES}")

    def lose(route: Route) -> None:
        route.fetch()
        route.abort()

    shown.page.route("**/api/chat/stream", lose, times=1)
    shown.button("确认购买").click()
    expect(shown.page.get_by_role("group", name="订单已生成")).to_contain_text(f"订单号 #{orders + 1}")
    assert len(shop.orders()) == orders + 1


def test_orders_are_analysed_in_a_table(shop: Suite, open_page: Open) -> None:
    shop.buy("客户C", 3, 1)
    shown = open_page(shop.url)
    shown.ask("按商品汇总一下订单")
    expect(shown.answer.locator(".prose table")).to_contain_text("便携式移动电源")


def test_a_purchase_made_elsewhere_shows_in_the_panel(shop: Suite, open_page: Open) -> None:
    shown = open_page(shop.url)
    expect(shown.page.locator(".bar-row").first).to_be_visible()
    before = shown.stock("便携式移动电源")
    shop.buy("别处的客户", 3, 5)
    stock = shown.page.locator(".bar-row").filter(has_text="便携式移动电源").first.locator("b")
    expect(stock).to_have_text(str(before - 5))
    expect(shown.page.locator(".order").first).to_contain_text("别处的客户")


def test_a_tool_runs_by_hand_from_its_form(shop: Suite, open_page: Open) -> None:
    shown = open_page(shop.url)
    shown.page.get_by_text("工具", exact=True).click()
    tool = shown.page.locator(".server .card").filter(has_text="get_inventory")
    tool.locator("summary").first.click()
    tool.get_by_role("button", name="添加一项").click()
    tool.get_by_label("第 1 项", exact=True).fill("2")
    tool.get_by_role("button", name="运行").click()
    expect(tool.locator(".output tbody tr")).to_have_count(1)
    expect(tool.locator(".output")).to_contain_text(EARPHONES)


def test_a_nested_form_buys_by_hand(shop: Suite, open_page: Open) -> None:
    shown = open_page(shop.url)
    shown.page.locator("#health").click()
    tool = shown.page.locator(".server .card").filter(has_text="create_purchase")
    tool.locator("summary").first.click()
    tool.get_by_label(re.compile("^customerName")).fill("手动客户")
    tool.get_by_label(re.compile("^productId")).fill("3")
    tool.get_by_label(re.compile("^quantity")).fill("1")
    tool.get_by_role("button", name="运行").click()
    for text in ("¥299.00", "手动客户"):
        expect(tool.locator(".output")).to_contain_text(text)
    before = len(shop.orders())
    tool.get_by_role("button", name="取消").click()
    expect(tool.locator(".output")).to_be_empty()
    tool.get_by_role("button", name="运行").click()
    assert len(shop.orders()) == before
    tool.get_by_role("button", name="确认购买").click()
    expect(tool.locator(".output")).to_contain_text("订单已生成")
    assert shop.orders()[0]["customerName"] == "手动客户"


def test_the_demo_model_says_what_it_is_and_leads_to_another(shop: Suite, open_page: Open) -> None:
    shown = open_page(shop.url, locale="en-US")
    expect(shown.page.locator(".empty")).to_contain_text("The built-in demo model is answering")
    shown.button("Demo model").click()
    expect(shown.page.get_by_role("dialog", name="Models")).to_contain_text("Add a provider")


def test_a_server_that_dies_is_shown_and_comes_back_without_a_reload(shop: Suite, open_page: Open) -> None:
    shown = open_page(shop.url)
    shop.stop("main")
    expect(shown.page.locator("#banner")).to_contain_text("product-mcp")
    shown.ask("有哪些商品？")
    expect(shown.answer).to_contain_text(re.compile("没有|连接|暂时|不可用"))
    shop.start("main")
    expect(shown.page.locator("#banner")).to_be_empty(timeout=60_000)
    shown.ask("有哪些商品？")
    expect(shown.answer.locator(".prose tbody tr")).to_have_count(4)


def test_the_panel_is_a_drawer_on_a_phone(shop: Suite, open_page: Open) -> None:
    shown = open_page(shop.url, viewport=PHONE)
    expect(shown.page.locator("#panel")).not_to_be_visible()
    shown.button("商店与工具").click()
    expect(shown.page.locator("#panel .bar-row").first).to_be_visible()
    shown.page.keyboard.press("Tab")
    expect(shown.page.get_by_role("radio", name="商店")).to_be_focused()
    shown.page.keyboard.press("Escape")
    expect(shown.page.locator("#panel")).not_to_be_visible()


def test_a_conversation_survives_a_restart_of_all_services(shop: Suite, open_page: Open) -> None:
    shown = open_page(shop.url)
    shown.ask(f"帮客户D买 1 个{EARPHONES}")
    expect(shown.button("确认购买")).to_be_visible()
    shop.stop()
    expect(shown.page.locator("#banner")).to_contain_text("web.py")
    shop.start("api", "main", "web")
    expect(shown.page.locator("#banner")).to_be_empty(timeout=60_000)
    shown.page.reload()
    shown.button("确认购买").click()
    expect(shown.page.get_by_role("group", name="订单已生成")).to_contain_text("客户D")
