"""A purchase that waits: its bill on any screen, what stands in its way, and what can be changed about it."""

import json
import re
import threading
from typing import Any

import pytest
from playwright.sync_api import Locator, expect
from starlette.responses import JSONResponse

from tests.support.page_backend import (
    HELD_SECONDS,
    ORDER,
    PRODUCTS,
    STOCK,
    Backend,
    Step,
    buys,
    call,
    done,
    result,
    says,
    server,
    tool,
)
from tests.support.page_browser import Open, Shown
from tests.support.suite import Suite

RECEIPT = '.slot[aria-label="订单已生成"]'
LONG = "deepseek-ai/DeepSeek-V3.2-Exp-and-a-name-that-goes-on-and-on"
PHONES = [
    ({"width": 320, "height": 640}, {"locale": "en-GB"}),
    ({"width": 360, "height": 740}, {"locale": "zh-CN"}),
    ({"width": 390, "height": 844}, {"locale": "en-GB"}),
]


def purchase(call_id: str, *lines: tuple[int, int], customer: str = "客户A") -> list[Step]:
    """A purchase of these products and quantities."""
    items = [{"productId": product, "quantity": quantity} for product, quantity in lines]
    args = {"input_data": {"customerName": customer, "items": items}}
    return call(call_id, "create_purchase", args, read_only=False)


def together(*calls: list[Step]) -> list[Step]:
    """Calls of one message, which all wait."""
    told = [dict(step for step in steps if isinstance(step, tuple)) for steps in calls]
    asked = [each for one in told for each in one["message"]["message"]["tool_calls"]]
    message = {"role": "assistant", "content": "", "tool_calls": asked}
    shown: list[Step] = [("tool_call", one["tool_call"]) for one in told]
    waits: list[Step] = [("approval", {"id": each["id"]}) for each in asked]
    return [("message", {"message": message}), *shown, *waits, *done("approval")]


def of_these(backend: Backend) -> None:
    """Let the inventory be asked for some products alone."""
    backend.tools[1] = tool("get_inventory", properties={"productIds": {"type": "array"}})
    backend.run["get_inventory"] = lambda args: [
        one for one in STOCK if one["productId"] in args.get("productIds", [one["productId"]])
    ]


def asked(backend: Backend, open_page: Open, steps: list[Step], **context: Any) -> Shown:
    of_these(backend)
    shown = open_page(backend.url, **context)
    backend.say(steps)
    shown.ask("买")
    expect(shown.page.locator(".slot.waiting .bill").first).to_be_visible()
    return shown


@pytest.mark.parametrize(("viewport", "context"), PHONES, ids=["320", "360", "390"])
def test_on_a_phone_nothing_of_a_bill_is_cut_and_every_button_is_in_reach(
    backend: Backend, open_page: Open, viewport: dict[str, int], context: dict[str, Any]
) -> None:
    backend.model["name"] = LONG
    steps = together(
        purchase("a", (1, 2), (2, 60), customer="林小姐 with a long name"), purchase("b", (2, 2))
    )
    phone = {"viewport": viewport, "has_touch": True, "is_mobile": True, **context}
    shown = asked(backend, open_page, steps, **phone)
    cut = """() => [...document.querySelectorAll(".bar > *, .slot *")].filter(each => {
        const {left, right, width} = each.getBoundingClientRect();
        return width && (left < 0 || right > innerWidth + 0.5);
    }).map(each => each.outerHTML)"""
    assert shown.page.evaluate(cut) == []
    small = """() => [...document.querySelectorAll(":is(.bar, .slot, .composer) :is(button, .check)")]
        .filter(each => each.checkVisibility())
        .map(each => [each.textContent || each.ariaLabel, each.getBoundingClientRect()])
        .filter(([, {width, height}]) => Math.min(width, height) < 43.5).map(([name]) => name)"""
    assert shown.page.evaluate(small) == []
    for opener, drawer in (("#side-toggle", "#side"), ("#panel-toggle", "#panel")):
        shown.page.locator(opener).click()
        shown.page.locator(f"{drawer} .drawer .icon").click()
        expect(shown.page.locator(drawer)).to_be_hidden()
        shown.page.locator(opener).click()
        shown.page.keyboard.press("Escape")
        expect(shown.page.locator(drawer)).to_be_hidden()
        shown.page.locator(opener).click()
        shown.page.touchscreen.tap(viewport["width"] - 5 if drawer == "#side" else 5, 300)
        expect(shown.page.locator(drawer)).to_be_hidden()


def test_at_400_percent_a_confirmation_can_be_read_and_reached(backend: Backend, open_page: Open) -> None:
    shown = asked(backend, open_page, buys(), viewport={"width": 320, "height": 256})
    expect(shown.page.locator(".slot.waiting .total")).to_have_text("¥1798.00")
    assert shown.page.locator("#scroll").evaluate("box => box.clientHeight") > 128  # half of the screen
    for part in (".bill", ".facts", ".primary"):
        shown.page.locator(f".slot.waiting {part}").scroll_into_view_if_needed()
        expect(shown.page.locator(f".slot.waiting {part}")).to_be_in_viewport(ratio=1)
    shown.button("发送").scroll_into_view_if_needed()
    expect(shown.button("发送")).to_be_in_viewport(ratio=1)


def test_each_of_several_keeps_its_bill_and_says_what_was_chosen(backend: Backend, open_page: Open) -> None:
    steps = together(purchase("a", (2, 30)), purchase("b", (2, 30)), purchase("c", (1, 1)))
    shown = asked(backend, open_page, steps)
    cards = shown.page.locator(".tool")
    cards.nth(0).get_by_role("button", name="确认购买").click()
    expect(cards.nth(0).locator(".slot")).to_contain_text("你已确认")
    expect(cards.nth(0).locator(".bill")).to_contain_text("¥26,970.00")
    expect(cards.nth(1).locator(".problem")).to_contain_text("只剩 20 件")  # the others were promised
    cards.nth(1).get_by_role("button", name="取消").click()
    expect(cards.nth(1).locator(".slot")).to_contain_text("你已取消")
    expect(cards.nth(1).locator(".bill")).to_be_visible()
    assert len(backend.asked) == 1


HINDERED: list[tuple[list[tuple[int, int]], str, tuple[str, list[tuple[int, int]]] | None]] = [
    ([(2, 60)], "无线蓝牙耳机Pro 只剩 50 件", ("买剩下的 50 件", [(2, 50)])),
    (
        [(2, 30), (2, 30), (1, 1)],
        "无线蓝牙耳机Pro 只剩 50 件",
        ("只买现有的", [(2, 50), (1, 1)]),
    ),
    ([(9, 1)], "没有编号为 9 的商品", None),
]


def test_what_cannot_succeed_says_so_and_offers_what_is_left(backend: Backend, open_page: Open) -> None:
    of_these(backend)
    shown = open_page(backend.url)
    for lines, problem, offered in HINDERED:
        shown.button("新对话").click()
        backend.say(together(purchase("a", *lines)))
        shown.ask("买")
        expect(shown.page.locator(".problem")).to_contain_text(problem)
        expect(shown.button("确认购买")).to_have_count(0)
        if offered is None:
            expect(shown.page.locator(".slot.waiting .primary")).to_have_count(0)
            continue
        offer, items = offered
        replaced = result("a", "已改", failed=True, code="replaced", params={})
        backend.say(replaced, together(purchase("b", *items)))
        shown.button(offer).click()
        expect(shown.button("确认购买")).to_be_visible()
        edits = backend.asked[-1]["edits"]["a"]["input_data"]
        assert [(one["productId"], one["quantity"]) for one in edits["items"]] == items
        assert edits["customerName"] == "客户A"


def test_a_shop_that_goes_down_takes_the_button_with_it_and_brings_it_back(
    backend: Backend, open_page: Open
) -> None:
    shown = asked(backend, open_page, buys())
    backend.servers[0] = server("shop", "down", "gone")
    expect(shown.page.locator(".problem")).to_contain_text("商店连不上")
    expect(shown.button("确认购买")).to_have_count(0)
    backend.servers[0] = server("shop")
    expect(shown.button("确认购买")).to_be_visible()


def test_stock_that_others_buy_meanwhile_is_said_at_once(backend: Backend, open_page: Open) -> None:
    shown = asked(backend, open_page, buys())
    backend.run["get_inventory"] = lambda _: [{"productId": 2, "quantity": 1, "product": PRODUCTS[1]}]
    backend.changes += 1
    expect(shown.button("买剩下的 1 件")).to_be_visible()


@pytest.mark.parametrize(("price", "quantity", "buys_it"), [(899.0, 40, True), (999.0, 50, False)])
def test_a_press_that_began_before_the_news_counts_unless_it_would_be_dearer(
    backend: Backend, open_page: Open, price: float, quantity: int, buys_it: bool
) -> None:
    shown = asked(backend, open_page, buys())
    shown.button("确认购买").hover()
    shown.page.mouse.down()
    news = {"productId": 2, "quantity": quantity, "product": PRODUCTS[1] | {"price": price}}
    backend.run["get_inventory"] = lambda _: [news]
    backend.changes += 1
    bill = shown.page.locator(".slot.waiting .bill")
    expect(bill).to_contain_text(f"{price:.2f}")
    expect(bill).to_contain_text(f"剩余 {quantity - 2}")
    backend.say(result("c1", ORDER), done())
    shown.page.mouse.up()
    if not buys_it:
        shown.button("取消").click()
    shown.settle()
    assert backend.asked[1]["approvals"] == {"c1": buys_it}


def test_quantity_and_customer_are_changed_in_the_card_and_confirmed_anew(
    backend: Backend, open_page: Open
) -> None:
    shown = asked(backend, open_page, buys())
    shown.button("修改").click()
    shown.page.get_by_role("spinbutton", name="数量").fill("3")
    shown.page.get_by_role("textbox", name="客户").fill(" 客户B ")
    replaced = result("c1", "已改", failed=True, code="replaced", params={})
    backend.say(replaced, together(purchase("n", (2, 3), customer="客户B")))
    shown.button("更新").click()
    expect(shown.page.locator(".slot.waiting .total")).to_have_text("¥2697.00")
    expect(shown.page.locator(".tool:visible")).to_have_count(1)
    items = [{"productId": 2, "quantity": 3}]
    assert backend.asked[1]["edits"] == {"c1": {"input_data": {"customerName": "客户B", "items": items}}}
    backend.say(result("n", ORDER), says("好"), done())
    shown.button("确认购买").click()
    expect(shown.page.locator(RECEIPT)).to_be_visible()
    assert (backend.asked[2]["edits"], backend.asked[2]["approvals"]) == ({}, {"n": True})


def test_arguments_of_any_tool_that_writes_can_be_changed(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    backend.say(together(call("w", "send_mail", {"to": "a@example.com"}, read_only=False)))
    shown.ask("发邮件")
    shown.button("修改").click()
    field = shown.page.get_by_role("textbox", name="参数")
    field.fill("{")
    shown.button("更新").click()
    expect(shown.page.get_by_role("alert")).to_contain_text("不是有效的 JSON")
    field.fill('{"to": "b@example.com"}')
    shown.button("更新").click()
    shown.settle()
    assert backend.asked[-1]["edits"] == {"w": {"to": "b@example.com"}}


FAILURES: list[tuple[str, dict[str, Any], str]] = [
    ("没有货", {"code": "out_of_stock", "params": {"name": "耳机", "available": 1}}, "商品 耳机 库存不足"),
    ('{"error": {"message": "Card was declined", "code": 7}}', {}, "Card was declined"),
    ('{"errno": 7}', {}, "工具没有成功"),
    ("tool_failed", {}, "工具没有成功"),
    ("Error executing tool create_purchase: the shop is closed", {}, "the shop is closed"),
]


def test_a_failure_is_a_sentence_and_can_be_tried_again(backend: Backend, open_page: Open) -> None:
    shown = asked(backend, open_page, buys())
    slot = shown.page.locator(".slot.failed")
    for text, more, said in FAILURES:
        backend.say(result("c1", text, failed=True, **more), says("没有买成"), done())
        shown.button("确认购买").click()
        expect(slot).to_contain_text(said)
        for internal in ("{", "tool_failed", "out_of_stock", "Error executing"):
            expect(slot).not_to_contain_text(internal)
        shown.settle()
        slot.get_by_role("button", name="重试").click()  # each under the same key
        expect(shown.button("确认购买")).to_be_visible()


def test_once_purchases_are_allowed_no_line_says_that_they_ask(backend: Backend, open_page: Open) -> None:
    shown = asked(backend, open_page, buys())
    expect(shown.page.locator(".fine")).to_contain_text("总会先请你确认")
    shown.page.get_by_label("以后总是允许此工具").check()
    shown.button("确认购买").click()
    expect(shown.page.locator(".fine")).to_contain_text("不再询问")
    shown.page.reload()
    expect(shown.page.locator(".fine")).to_contain_text("不再询问")
    shown.button("设置").click()
    shown.button("恢复询问").click()
    expect(shown.page.locator(".fine")).to_contain_text("总会先请你确认")


def test_of_the_real_services_a_changed_purchase_is_bought_once_as_changed(
    shop: Suite, open_page: Open
) -> None:
    shown = open_page(shop.url)
    shown.ask("帮改单的客户买 2 个便携式移动电源")
    shown.button("修改").click()
    shown.page.get_by_role("spinbutton", name="数量").fill("3")
    shown.button("更新").click()
    expect(shown.page.locator(".slot.waiting")).to_contain_text("3 ×")
    shown.button("确认购买").click()
    expect(shown.page.locator(RECEIPT)).to_be_visible()
    shown.settle()
    bought = [order["items"] for order in shop.orders() if "改单" in json.dumps(order, ensure_ascii=False)]
    assert [[line["quantity"] for line in lines] for lines in bought] == [[3]]


def by_hand(backend: Backend, open_page: Open, items: str) -> Locator:
    fields = {"customerName": {"type": "string"}, "items": {"type": "array"}}
    body = {"type": "object", "properties": fields}
    backend.tools[3] = tool("create_purchase", read_only=False, properties={"input_data": body})
    shown = open_page(backend.url)
    shown.page.get_by_text("工具", exact=True).click()
    shown.page.locator(".server .card summary", has_text="create_purchase").click()
    form = shown.page.locator(".server form.try")
    form.get_by_label("customerName").fill("客户A")
    form.get_by_label("items").fill(items)
    form.get_by_role("button", name="运行").click()
    return form


def test_a_purchase_by_hand_asks_first_and_shows_its_receipt(backend: Backend, open_page: Open) -> None:
    of_these(backend)
    backend.run["create_purchase"] = lambda _: ORDER
    form = by_hand(backend, open_page, '[{"productId": 2, "quantity": 60}]')
    form.get_by_role("button", name="买剩下的 50 件").click()
    expect(form.locator(".bill")).to_contain_text("50 ×")
    assert "create_purchase" not in backend.ran
    form.get_by_role("button", name="确认购买").dblclick()
    expect(form.locator(".slot.receipt")).to_contain_text("订单号 #7")
    form.get_by_role("button", name="运行").click()
    form.get_by_role("button", name="买剩下的 50 件").click()
    form.get_by_role("button", name="确认购买").click()
    expect(form.locator(".slot.receipt")).to_contain_text("订单号 #7")
    assert backend.confirmed == [{"total": 44950}] * 2


def test_a_purchase_by_hand_that_is_changed_is_bought_as_it_is_shown_then(
    backend: Backend, open_page: Open
) -> None:
    bought: list[Any] = []
    stock = [one | {"product": PRODUCTS[0] | {"name": str(one["productId"])}} for one in STOCK]
    backend.run["get_inventory"] = lambda _: stock

    def buy(args: dict[str, Any]) -> dict[str, Any]:
        bought.append(args["input_data"])
        return ORDER

    backend.run["create_purchase"] = buy
    items = [{"productId": 1, "quantity": 1}, {"productId": 2, "quantity": 2}]
    form = by_hand(backend, open_page, json.dumps(items))
    update, confirm = (form.get_by_role("button", name=name) for name in ("更新", "确认购买"))
    change = form.get_by_role("button", name="修改")
    change.click()
    form.get_by_role("textbox", name="客户").fill("客户B")  # which costs the same
    update.click()
    expect(form.locator(".facts")).to_contain_text("客户B")
    expect(confirm).to_be_visible()
    change.click()
    for field, count in zip(form.get_by_role("spinbutton", name="数量").all(), "21", strict=True):
        field.fill(count)  # and so does that
    late = threading.Event()
    backend.run["get_inventory"] = lambda _: (late.wait(HELD_SECONDS), stock)[1]
    update.click()
    expect(form.locator(".bill")).to_contain_text(re.compile("2 ×.*1 ×"))
    confirm.click()
    expect(form.locator(".slot.receipt")).to_be_visible()
    late.set()
    items = [{"productId": 1, "quantity": 2}, {"productId": 2, "quantity": 1}]
    assert bought == [{"customerName": "客户B", "items": items}]


def test_a_shop_that_goes_down_leaves_the_prices_that_were_read(backend: Backend, open_page: Open) -> None:
    shown = asked(backend, open_page, buys())
    total = shown.page.locator(".slot .total")
    expect(total).to_have_text("¥1798.00")
    backend.run["get_inventory"] = lambda _: JSONResponse({"detail": "gone"}, 502)
    backend.changes += 1
    expect(shown.page.locator(".slot .left")).to_have_text("购买后剩余 –")
    expect(total).to_have_text("¥1798.00")
    backend.say(result("c1", ORDER), done())
    shown.button("确认购买").click()
    expect(shown.page.locator(RECEIPT)).to_contain_text("2 × ¥899.00")


def test_a_receipt_shows_the_prices_at_once_and_what_is_left_however_late_that_comes(
    backend: Backend, open_page: Open
) -> None:
    shown = asked(backend, open_page, buys())
    confirm = shown.button("确认购买")
    expect(confirm).to_have_accessible_description(
        re.compile("无线蓝牙耳机Pro.*2 × ¥899.00.*客户A.*¥1798.00")
    )
    late = threading.Event()
    backend.run["get_inventory"] = lambda _: (late.wait(HELD_SECONDS), STOCK)[1]
    backend.say(result("c1", ORDER), done())
    confirm.click()
    receipt = shown.page.locator(RECEIPT)
    expect(receipt).to_contain_text("2 × ¥899.00")
    expect(receipt).to_contain_text("剩余 –")
    late.set()
    expect(receipt).to_contain_text("剩余 50")
    shown.reload()
    backend.run["get_inventory"] = lambda _: []
    expect(receipt).to_contain_text("剩余 50")


def test_a_receipt_shows_no_price_that_is_not_the_orders(backend: Backend, open_page: Open) -> None:
    shown = asked(backend, open_page, buys())
    backend.say(result("c1", ORDER | {"totalAmount": 1600}), done())
    shown.button("确认购买").click()
    receipt = shown.page.locator(RECEIPT)
    expect(receipt).to_contain_text("¥1600.00")
    expect(receipt).to_contain_text("无线蓝牙耳机Pro")
    expect(receipt).not_to_contain_text("¥899.00")
