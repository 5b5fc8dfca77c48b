"""Buying on the page: asked first, bought once, and said plainly when nobody knows."""

import json
import re
import threading

from playwright.sync_api import Route, expect

from tests.support.page_backend import (
    ORDER,
    PURCHASE_ARGS,
    Backend,
    Step,
    buys,
    call,
    done,
    result,
    says,
    tool,
)
from tests.support.page_browser import Open, Shown

RECEIPT = '.slot[aria-label="订单已生成"]'


def test_confirming_posts_the_same_history_with_the_approval(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    backend.say(buys())
    shown.ask("买 2 个")
    backend.say(result("c1", ORDER), says("好"), done())
    shown.button("确认购买").click()
    expect(shown.page.locator(RECEIPT)).to_contain_text("¥1798.00")
    assert backend.asked[1]["approvals"] == {"c1": True}
    assert backend.asked[1]["messages"][0] == backend.asked[0]["messages"][0]


def test_enter_on_the_focused_button_confirms_but_not_the_one_meant_for_the_question(
    backend: Backend, open_page: Open
) -> None:
    shown = open_page(backend.url, script="window.now = 0; performance.now = () => window.now")
    backend.say(buys())
    shown.ask("买 2 个")
    expect(shown.page.locator(".slot.waiting .total")).to_have_text("¥1798.00")
    expect(shown.button("确认购买")).to_be_focused()
    shown.page.keyboard.press("Enter")
    expect(shown.button("确认购买")).to_be_focused()
    shown.page.keyboard.press("Shift+Tab")
    expect(shown.page.get_by_role("checkbox")).to_be_focused()
    shown.page.keyboard.press("Tab")
    backend.say(result("c1", ORDER), done())
    shown.page.evaluate("window.now = 500")
    shown.page.keyboard.press("Enter")
    expect(shown.page.locator(RECEIPT)).to_be_visible()


def test_a_double_click_confirms_once(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    backend.say(buys())
    shown.ask("买 2 个")
    backend.say(result("c1", ORDER), done())
    shown.button("确认购买").dblclick()
    expect(shown.page.locator(RECEIPT)).to_be_visible()
    shown.settle()
    assert len(backend.asked) == 2


def test_the_confirmation_below_a_long_conversation_is_in_sight(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    for number in range(4):
        backend.say(says("长", "<p>长</p>" * 20), done())
        shown.ask(f"{number}")
    backend.say(buys())
    shown.ask("买 2 个")
    expect(shown.button("确认购买")).to_be_in_viewport()


def test_always_allowing_a_tool_is_sent_and_can_be_taken_back(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    backend.say(buys())
    shown.ask("买 2 个")
    shown.page.get_by_label("以后总是允许此工具").check()
    backend.say(result("c1", ORDER), done())
    shown.button("确认购买").click()
    expect(shown.page.locator(RECEIPT)).to_be_visible()
    shown.ask("再买")
    assert backend.asked[-1]["autoApprove"] == [
        {"server": "shop", "tool": "create_purchase", "fingerprint": "f1"}
    ]
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
    args = {
        "customerName": "B",
        "items": [{"productId": 2, "quantity": 30}, {"productId": 2, "quantity": 30}],
    }
    waits = [("approval", {"id": "x"})]
    backend.say(call("x", "create_purchase", {"input_data": args}, read_only=False), waits, done("approval"))
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


def test_a_purchase_is_followed_to_its_receipt_over_a_reload_right_after_it_was_confirmed(
    backend: Backend, open_page: Open
) -> None:
    shown = open_page(backend.url)
    backend.say(buys())
    shown.ask("买 2 个")
    backend.say([threading.Event()])
    with shown.page.expect_response("**/api/chat/stream"):
        shown.button("确认购买").click()
    backend.say(result("c1", ORDER), says("好"), done())
    shown.page.reload()
    expect(shown.page.locator(RECEIPT)).to_be_visible()
    expect(shown.answer).to_contain_text("好")
    assert [turn["approvals"] for turn in backend.asked[1:]] == [{"c1": True}] * 2


def test_a_purchase_that_was_stopped_is_unknown_after_a_reload_and_repeats_under_the_same_id(
    backend: Backend, open_page: Open
) -> None:
    shown = open_page(backend.url)
    backend.say(buys())
    shown.ask("买 2 个")
    backend.say([threading.Event()])
    with shown.page.expect_response("**/api/chat/stream"):
        shown.button("确认购买").click()
    shown.button("停止").click()
    shown.settle()
    shown.page.reload()
    expect(shown.card).to_have_attribute("data-state", "unknown")
    backend.say(result("c1", ORDER), says("好"), done())
    shown.button("再试一次（同一笔，只会执行一次）").click()
    expect(shown.page.locator(RECEIPT)).to_be_visible()
    assert [turn["approvals"] for turn in backend.asked[1:]] == [{"c1": True}] * 2


def test_a_purchase_that_waits_is_asked_about_as_one_however_late_the_shop_is_known(
    backend: Backend, open_page: Open
) -> None:
    shown = open_page(backend.url)
    backend.say(buys())
    shown.ask("买 2 个")
    held: list[Route] = []
    shown.page.route("**/api/watch", lambda route: held.insert(0, route))
    shown.page.reload()
    expect(shown.button("确认执行")).to_be_visible()
    held[0].continue_()
    expect(shown.button("确认购买")).to_be_visible()
    expect(shown.page.locator(".slot.waiting .total")).to_have_text("¥1798.00")


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
    shown.page.get_by_role("textbox", name="编辑").fill("买 3 个")
    shown.page.keyboard.press("Enter")
    expect(shown.page.locator("#toast")).to_contain_text("已经生效")
    shown.settle()
    assert [message["role"] for message in backend.asked[-1]["messages"]] == [
        "user",
        "assistant",
        "tool",
        "assistant",
        "user",
    ]


def test_editing_another_question_forgets_what_came_after_it(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    backend.say(says("一答"), done())
    shown.ask("一")
    backend.say(says("二答"), done())
    shown.ask("二")
    shown.page.locator(".mine").first.hover()
    shown.button("编辑后重新提问").first.click()
    shown.page.get_by_role("textbox", name="编辑").fill("新的一")
    shown.page.keyboard.press("Enter")
    expect(shown.page.locator(".mine")).to_have_text(["新的一"])
    shown.settle()
    assert [message["content"] for message in backend.asked[-1]["messages"]] == ["新的一"]


def test_two_waiting_calls_go_on_together_once_both_are_decided(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    function = {"name": "shop_create_purchase", "arguments": json.dumps(PURCHASE_ARGS)}
    asked = [{"id": call_id, "type": "function", "function": function} for call_id in ("a", "b")]
    message = [("message", {"message": {"role": "assistant", "content": "", "tool_calls": asked}})]
    both = [step for call_id in ("a", "b") for step in buys(call_id)[1:3]]
    backend.say(message, both, done("approval"))
    shown.ask("买两次")
    expect(shown.button("确认购买")).to_have_count(2)  # each comes once its bill is there
    shown.button("确认购买").first.click()
    expect(shown.page.locator('.tool[data-state="chosen"]')).to_have_count(1)
    expect(shown.page.locator(".slot.waiting .left")).to_have_text("购买后剩余 46")  # drawn anew
    assert len(backend.asked) == 1
    backend.say(result("a", ORDER), result("b", "已取消", failed=True), done())
    shown.button("取消").click()
    expect(shown.page.locator(RECEIPT)).to_be_visible()
    assert backend.asked[1]["approvals"] == {"a": True, "b": False}


def test_an_enter_that_is_still_held_down_does_not_confirm(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url, script="window.now = 0; performance.now = () => window.now")
    backend.say(buys())
    shown.input.fill("买 2 个")
    shown.page.keyboard.down("Enter")
    expect(shown.button("确认购买")).to_be_focused()
    shown.page.evaluate("window.now = 5000")
    shown.page.keyboard.down("Enter")  # again: that it repeats
    shown.page.keyboard.up("Enter")
    expect(shown.button("确认购买")).to_be_focused()
    backend.say(result("c1", ORDER), done())
    shown.page.keyboard.press("Enter")
    expect(shown.page.locator(RECEIPT)).to_be_visible()
    assert len(backend.asked) == 2


def test_an_escape_within_a_field_of_a_card_refuses_nothing(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    backend.tools.append(tool("note", read_only=False))
    waits: list[Step] = [("approval", {"id": "n1"})]
    backend.say(call("n1", "note", {"text": "a"}, read_only=False), waits, done("approval"))
    shown.ask("记下")
    shown.button("修改").click()
    field = shown.page.get_by_role("textbox", name="参数")
    expect(field).to_be_focused()
    keyboard = shown.page.context.new_cdp_session(shown.page)
    keyboard.send("Input.imeSetComposition", {"text": "ni", "selectionStart": 2, "selectionEnd": 2})
    shown.page.keyboard.press("Escape")  # the input method's
    expect(field).to_have_value(re.compile("ni"))
    keyboard.send("Input.insertText", {"text": "你"})
    shown.page.keyboard.press("Escape")
    expect(shown.button("修改")).to_be_focused()
    expect(shown.button("确认执行")).to_be_visible()


def test_an_escape_of_an_input_method_keeps_what_is_typed(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    backend.say(buys())
    shown.ask("买 2 个")
    keyboard = shown.page.context.new_cdp_session(shown.page)
    composition = {"text": "ni", "selectionStart": 2, "selectionEnd": 2}
    shown.button("修改").click()
    customer = shown.page.locator(".asks").get_by_label("客户")
    customer.focus()
    keyboard.send("Input.imeSetComposition", composition)
    shown.page.keyboard.press("Escape")
    expect(customer).to_have_value(re.compile("ni"))
    keyboard.send("Input.insertText", {"text": "你"})
    shown.page.keyboard.press("Escape")
    shown.page.get_by_role("button", name="编辑").first.click()
    question = shown.page.get_by_role("textbox", name="编辑")
    expect(question).to_be_focused()
    question.press("End")
    keyboard.send("Input.imeSetComposition", composition)
    shown.page.keyboard.press("Escape")
    expect(question).to_have_value("买 2 个ni")
