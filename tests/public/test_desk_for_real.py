"""Two owners in front of the three real services."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, expect

from tests.support.page_browser import Open, Shown
from tests.support.suite import Suite

POWER_BANK = "便携式移动电源"


@pytest.fixture(scope="module")
def owned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    """A shop whose MCP server works for the owner, who is to be asked before anything is done."""
    token = "owner-" + "t" * 40
    with Suite(tmp_path_factory.mktemp("owned")) as suite:
        suite.start("api", "main", "web", OWNER="true", OWNER_TOKEN=token, MCP_CONFIRM="always")
        yield suite


def unfold(shown: Shown) -> Locator:
    row = shown.page.locator("#stock li", has_text=POWER_BANK)
    row.locator(".bar-row").click()
    return row


def test_two_owners_work_at_the_same_shop(owned: Suite, open_page: Open) -> None:
    one, other = open_page(owned.url), open_page(owned.url)
    mine, theirs = unfold(one), unfold(other)
    mine.get_by_label("件数").fill("20")
    mine.get_by_role("button", name="+ 到货").click()
    expect(mine.locator(".output").first).to_have_text("已记入流水，现有 220 件")
    expect(theirs.locator(".bar-row b")).to_have_text("220")
    theirs.get_by_label("件数").fill("221")
    theirs.get_by_role("button", name="− 更正").click()
    expect(theirs.locator(".output").first).to_have_text(f"商品 {POWER_BANK} 库存不足. 可用: 220")
    for row, price in ((mine, "280"), (theirs, "270")):
        row.get_by_text("修改名称、价格、描述").click()
        row.get_by_label("单价（元）").fill(price)
    mine.get_by_label("描述").fill("")
    mine.get_by_label("新的关键词").fill("充电宝，power bank")
    mine.get_by_role("button", name="保存").click()
    expect(mine.locator(".below > p").first).to_have_text("")
    expect(theirs.locator(".output").last).to_contain_text("这期间已改成“280”")
    expect(theirs.get_by_label("单价（元）")).to_have_value("270")
    theirs.get_by_role("button", name="保存").click()
    expect(mine.locator(".bar-row")).to_contain_text("¥270.00")
    one.page.get_by_label("搜索商品").fill("power bank")
    expect(one.page.locator("#stock .bar-row")).to_have_count(1)
    expect(mine.locator(".bar-row")).to_be_visible()


def test_an_order_that_is_cancelled_leaves_sums_and_stock_as_before(owned: Suite, open_page: Open) -> None:
    shown = open_page(owned.url)
    stock = shown.stock("华为MateBook X Pro")
    owned.buy("客户Z", 4, 3)
    order = shown.page.locator("#orders li", has_text="客户Z")
    order.locator(".order").click()
    expect(shown.page.locator("#orders-total")).to_contain_text("1 笔")
    order.get_by_text("取消这笔订单").click()
    order.get_by_role("button", name="确认取消").click()
    expect(order.locator(".order")).to_contain_text("已取消")
    expect(shown.page.locator("#orders-total")).to_have_text("")
    row = shown.page.locator(".bar-row").filter(has_text="华为MateBook X Pro").first
    expect(row.locator("b")).to_have_text(f"{stock}")
    assert owned.orders()[0]["status"] == "cancelled"


def test_a_purchase_by_hand_is_confirmed_with_its_total(owned: Suite, open_page: Open) -> None:
    page = open_page(owned.url).page
    page.locator("#health").click()
    tool = page.locator(".server .card").filter(has_text="create_purchase")
    tool.locator("summary").first.click()
    tool.get_by_label(re.compile("^customerName")).fill("手动客户")
    tool.get_by_label(re.compile("^productId")).fill("1")
    tool.get_by_label(re.compile("^quantity")).fill("2")
    tool.get_by_role("button", name="运行").click()
    expect(tool.locator(".output")).to_contain_text("¥2598.00")
    before = owned.orders()
    tool.get_by_role("button", name="确认购买").click()
    expect(tool.locator(".output")).to_contain_text("订单已生成")
    (order,) = [each for each in owned.orders() if each not in before]
    assert order["customerName"] == "手动客户"
