"""The main paths in the Firefox of this machine, if it has one: only a real browser shows them all."""

import re
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ViewportSize, expect

from tests.support import page_backend
from tests.support.firefox import firefox
from tests.support.page_backend import done, result, says
from tests.support.page_browser import PHONE, WIDE, Shown
from tests.support.page_questions import asks, goes_on, question
from tests.support.suite import Suite

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = shutil.which("firefox-esr") or shutil.which("firefox")
    if not path:
        pytest.skip("Firefox is not installed on this machine")
    with firefox(path) as started:
        yield started


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    with Suite(tmp_path_factory.mktemp("shop")) as suite:
        suite.start("api", "main", "web")
        yield suite


@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
def test_a_purchase_is_asked_for_confirmed_and_still_there_after_a_reload(
    browser: Browser, shop: Suite, viewport: ViewportSize
) -> None:
    page = browser.new_page(locale="zh-CN", viewport=viewport)
    shown = Shown(page)
    page.goto(shop.url)
    shown.ask("有哪些商品？")
    expect(shown.answer).to_contain_text("无线蓝牙耳机Pro")
    before = len(shop.orders())
    shown.ask("帮客户A买 2 个无线蓝牙耳机Pro")
    shown.button("确认购买").click()
    expect(page.get_by_role("group", name="订单已生成")).to_contain_text(f"订单号 #{before + 1}")
    shown.settle()
    assert len(shop.orders()) == before + 1
    page.reload()
    expect(page.get_by_role("group", name="订单已生成")).to_contain_text(f"订单号 #{before + 1}")
    if viewport == PHONE:
        page.locator("#panel-toggle").click()
    expect(page.locator("#orders .order").first).to_contain_text(f"#{before + 1}")
    expect(page.locator("#health")).to_have_attribute("data-status", re.compile("ready"))
    assert shown.errors == []
    page.context.close()


def test_a_servers_question_is_answered_by_its_form(browser: Browser) -> None:
    page = browser.new_page(locale="zh-CN")
    shown = Shown(page)
    with page_backend.running() as backend:
        page.goto(backend.url)
        backend.say(asks(question()))
        backend.say(goes_on(*result("c1", "booked")), says("done"), done())
        shown.ask("book")
        form = page.locator("form.asks")
        form.get_by_label("Your name").fill("Bo")
        # By keys: this driver's `fill` appends to a number, on an empty page too.
        form.get_by_label("seats").press("Control+a")
        page.keyboard.type("3")
        form.get_by_label("menu").select_option("Vegetarian")
        form.get_by_role("button", name="回答", exact=True).click()
        expect(shown.answer).to_contain_text("done")
        content = backend.asked[-1]["answers"]["q1"]["content"]
        assert (content["name"], content["seats"], content["menu"]) == ("Bo", 3, "v")
        page.context.close()
