"""The servers' resources in the page: found, read, followed, attached; links in results open them."""

import base64
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.support.page_backend import Backend, call, done, result, says, server
from tests.support.page_browser import Open, Shown
from tests.support.page_media import PIXEL, media

WATCH = {"id": 1, "name": "智能手表"}


def listed(uri: str, title: str, **more: Any) -> dict[str, Any]:
    return {"uri": uri, "title": title, "description": "", "mimeType": "", "size": None, **more}


@pytest.fixture
def shown(backend: Backend, open_page: Open) -> Shown:
    args = [{"name": "kind", "required": True}, {"name": "id", "required": True}]
    template = listed("shop://{kind}/{id}", "一个", arguments=args)
    products = listed("shop://products", "商品", size=2000)
    odd = {"code": "list_refused", "params": {"list": "resources", "reason": "no"}, "text": "…"}
    files = [listed("file:///cat.png", "猫"), listed("file:///b.pdf", "报告"), listed("file:///gone", "没了")]
    backend.servers.append(server("files"))
    backend.lists = {
        "shop": {"resources": [products], "templates": [template], "skipped": []},
        "files": {"resources": files, "templates": [], "skipped": [odd]},
    }
    backend.resources |= {
        "shop://products": [WATCH],
        "shop://products/1": WATCH,
        "file:///cat.png": {"mimeType": "image/png", "blob": PIXEL},
        "file:///b.pdf": {"mimeType": "application/pdf", "blob": base64.b64encode(b"%PDF").decode()},
    }
    return open_page(backend.url)


def dialog(shown: Shown) -> Locator:
    return shown.page.get_by_role("dialog", name="服务器的资源")


def choose(shown: Shown, title: str) -> Locator:
    if not dialog(shown).count():
        shown.button("服务器的资源").click()
    dialog(shown).locator(".starter", has_text=title).click()
    return dialog(shown)


def test_resources_are_searched_shown_and_attached_as_what_the_model_gets(
    backend: Backend, shown: Shown
) -> None:
    shown.button("服务器的资源").click()
    expect(dialog(shown).locator(".starter")).to_have_count(5)
    expect(dialog(shown).locator(".notes li")).to_have_text("不肯列出它的 resources：no")
    dialog(shown).get_by_role("searchbox").fill("PRODUCTS")
    expect(dialog(shown).locator(".starter")).to_have_text(["商品shop://products2 KB"])
    expect(choose(shown, "商品").locator("tbody")).to_contain_text("智能手表")
    shown.button("附到问题里").click()
    expect(dialog(shown)).to_have_count(0)
    expect(shown.page.locator("#attached li")).to_contain_text("shop://products47 个字符 · 1 KB")
    backend.say(says("好"), done())
    shown.ask("看看")
    part = backend.asked[-1]["messages"][0]["content"][1]
    assert (part["type"], part["name"], "name" in part["text"]) == ("text", "shop://products", True)


def test_what_is_open_is_read_again_when_it_changes(backend: Backend, shown: Shown) -> None:
    open_one = choose(shown, "商品")
    expect(open_one.get_by_text("实时更新")).to_be_visible()
    backend.put("shop://products", [WATCH | {"name": "新手表"}])
    expect(open_one.locator("tbody")).to_contain_text("新手表")
    assert backend.followed == ["shop://products"]


def test_a_template_is_completed_while_it_is_typed_and_filled_in(backend: Backend, shown: Shown) -> None:
    backend.completions = ["products", "orders"]
    form = choose(shown, "一个")
    form.get_by_label("kind").fill("pro")
    expect(form.locator("datalist").first.locator("option")).to_have_count(1)
    assert backend.completed[-1] == {"name": "kind", "value": "pro"}
    form.get_by_label("kind").fill("products")
    form.get_by_label("id").fill("1")
    shown.page.keyboard.press("Enter")
    expect(form).to_contain_text("shop://products/1")
    expect(form.locator("pre")).to_contain_text("智能手表")


def test_a_picture_is_seen_and_attached_a_file_is_saved_and_what_fails_says_why(
    backend: Backend, shown: Shown
) -> None:
    expect(choose(shown, "报告").locator("a[download]")).to_have_text("b.pdf")
    expect(shown.button("附到问题里")).not_to_be_visible()
    shown.button("返回列表").click()
    expect(choose(shown, "没了").locator(".bad")).to_contain_text("file:///gone")
    shown.button("返回列表").click()
    expect(choose(shown, "猫").locator("img")).to_be_visible()
    shown.button("附到问题里").click()
    expect(shown.page.locator("#attached img")).to_have_count(1)


def test_a_link_in_a_result_is_read_through_its_server(backend: Backend, shown: Shown) -> None:
    link = media("application/json", "", "shop://products", "全部商品")
    backend.say(call("c1", "find", {}), result("c1", "1", media=[link]), says("好"), done())
    shown.ask("找")
    shown.card.locator("summary").first.click()
    shown.button("打开").click()
    expect(dialog(shown)).to_contain_text("shop · 全部商品")
    expect(dialog(shown).locator("tbody")).to_contain_text("智能手表")
