"""What is half filled in stays while another conversation, language or part of the page is looked at."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from tests.support.page_backend import Backend, done, prompt, result, says, tool
from tests.support.page_browser import Open, Shown
from tests.support.page_states import ENTRY, PREVIEW, waits

TWO = [{"productId": 1, "quantity": 1}, {"productId": 2, "quantity": 2}]
PURCHASE = {"input_data": {"customerName": "客户A", "items": TWO}}
Elsewhere = Callable[[Shown], None]


def another_conversation(shown: Shown) -> None:
    shown.button("新对话").click()
    expect(shown.page.locator(".starter").first).to_be_visible()
    shown.page.locator("#chats .open").click()


def in_english(shown: Shown) -> None:
    shown.button("设置").click()
    shown.page.get_by_text("English", exact=True).click()
    shown.page.keyboard.press("Escape")
    expect(shown.page.locator("#create")).to_have_text("New conversation")


def reloaded(shown: Shown) -> None:
    shown.reload()


@pytest.mark.parametrize("elsewhere", [another_conversation, in_english, reloaded])
def test_a_purchase_that_is_being_changed(backend: Backend, open_page: Open, elsewhere: Elsewhere) -> None:
    shown = open_page(backend.url)
    backend.say(waits("c1", "create_purchase", PURCHASE))
    shown.ask("买")
    form = shown.page.locator("form.asks")
    shown.button("修改").click()
    form.locator("[type=number]").nth(1).fill("7")
    form.locator("input:not([type])").fill("林小姐")
    form.get_by_role("button", name="去掉").first.click()
    elsewhere(shown)
    expect(form.locator("[type=number]")).to_have_value("7")
    expect(form.locator("input:not([type])")).to_have_value("林小姐")
    expect(form.locator("li button")).to_be_hidden()  # the last line
    backend.say(result("c1", "改了", failed=True, code="replaced"), says("好"), done())
    form.locator("[type=submit]").click()
    shown.settle()
    items = [{"productId": 2, "quantity": 7}]
    assert backend.asked[-1]["edits"] == {"c1": {"input_data": {"customerName": "林小姐", "items": items}}}


@pytest.mark.parametrize("elsewhere", [another_conversation, in_english, reloaded])
def test_the_arguments_of_a_call(backend: Backend, open_page: Open, elsewhere: Elsewhere) -> None:
    shown = open_page(backend.url)
    backend.say(waits("c1", "note", {"text": "x"}))
    shown.ask("记下")
    shown.button("修改").click()
    field = shown.page.locator("textarea.args")
    field.fill('{"text": "写到一半')
    elsewhere(shown)
    expect(field).to_have_value('{"text": "写到一半')
    field.press("Escape")
    expect(shown.page.locator(".slot.waiting .change")).to_be_focused()
    shown.reload()
    expect(shown.page.locator(".slot.waiting .change")).to_be_visible()
    expect(field).to_have_count(0)


def test_a_tool_that_is_run_by_hand_in_another_language(backend: Backend, open_page: Open) -> None:
    rows = {"type": "array", "items": {"type": "string"}}
    backend.tools.append(tool("note", properties={"text": {"type": "string"}, "tags": rows}))
    shown = open_page(backend.url)
    shown.page.get_by_text("工具", exact=True).click()
    card = shown.page.locator("#tools .card", has_text="note")
    card.locator("summary").first.click()
    card.get_by_label("text").fill("写到一半")
    for _ in range(2):
        card.get_by_role("button", name="添加一项").click()
    card.locator(".rows input").nth(0).fill("一")
    card.locator(".rows input").nth(1).fill("二")
    card.get_by_role("button", name="移除第 1 项").click()
    in_english(shown)
    expect(card.get_by_role("button", name="Run")).to_be_visible()
    expect(card.get_by_label("text")).to_have_value("写到一半")
    expect(card.locator(".rows input")).to_have_count(1)
    expect(card.locator(".rows input")).to_have_value("二")


def test_a_prompt_and_the_text_of_a_server_whose_dialog_was_closed(backend: Backend, open_page: Open) -> None:
    backend.prompts = [prompt("推荐", preference="喜好")]
    shown = open_page(backend.url)
    page, dialog = shown.page, shown.page.get_by_role("dialog")

    def kept(opener: Locator, field: str, text: str) -> None:
        opener.click()
        dialog.locator(field).fill(text)
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        opener.click()
        expect(dialog.locator(field)).to_have_value(text)
        page.keyboard.press("Escape")

    kept(page.locator(".starter", has_text="推荐").last, "form input", "降噪")
    page.route("**/api/servers/preview", lambda route: route.fulfill(json=PREVIEW))
    page.route("**/api/servers/shop/entry", lambda route: route.fulfill(json=ENTRY))
    page.route("**/api/servers/shop/wire*", lambda route: route.fulfill(status=404))
    page.get_by_text("工具", exact=True).click()
    kept(page.get_by_role("button", name="添加服务器"), "textarea", "npx -y @scope/server")
    page.get_by_role("button", name="添加服务器").click()
    expect(dialog.locator(".server")).to_have_count(2)  # what was pasted is read again


def test_a_provider_and_a_template_whose_dialog_was_closed(backend: Backend, open_page: Open) -> None:
    arguments = [{"name": "id", "required": True}]
    template = {"uri": "shop://{id}", "title": "一个", "description": "", "mimeType": "", "size": None}
    backend.lists["shop"] = {
        "resources": [],
        "templates": [template | {"arguments": arguments}],
        "skipped": [],
    }
    known = {"locked": False, "damaged": False, "held": {}, "kept": []}
    one = {
        "id": "one",
        "name": {"zh": "一", "en": "One"},
        "base": "https://one.example/v1",
        "key": "https://k",
    }
    shown = open_page(backend.url)
    page, dialog = shown.page, shown.page.get_by_role("dialog")
    page.route("**/api/models", lambda route: route.fulfill(json=known | {"catalogue": [one]}))
    page.route("**/api/models/local", lambda route: route.fulfill(json={"servers": []}))
    shown.button("服务器的资源").click()
    dialog.locator(".starter").click()
    dialog.get_by_label("id").fill("写到一半")
    page.keyboard.press("Escape")
    shown.button("服务器的资源").click()
    dialog.locator(".starter").click()
    expect(dialog.get_by_label("id")).to_have_value("写到一半")
    page.keyboard.press("Escape")
    page.locator("#model").click()
    dialog.get_by_role("button", name="添加模型服务").click()
    dialog.get_by_role("textbox", name="地址").fill("https://two.example")
    page.keyboard.press("Escape")
    page.locator("#model").click()
    expect(dialog.get_by_role("textbox", name="地址")).to_have_value("https://two.example")
    dialog.get_by_role("button", name="取消").click()
    page.keyboard.press("Escape")
    page.locator("#model").click()
    expect(dialog.get_by_role("button", name="添加模型服务")).to_be_visible()
