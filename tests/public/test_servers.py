"""Servers added, edited and removed in the page, which writes them into `mcp.json`."""

import json
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from anyio.from_thread import start_blocking_portal
from playwright.sync_api import Page, expect

from tests.support.asgi import serve
from tests.support.chat_service import client, shop_server
from tests.support.page_browser import PHONE, Open
from tests.support.processes import replace_text


@contextmanager
def two_shops(folder: Path) -> Iterator[tuple[str, str]]:
    """The page of a back end with one server, and the address of another."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(serve(shop_server().streamable_http_app())) as other,
        portal.wrap_async_context_manager(client(folder)) as http,
    ):
        yield str(http.base_url), f"{other}/mcp"


def entries(folder: Path) -> Any:
    return json.loads((folder / "mcp.json").read_text())["mcpServers"]


def press(page: Page, name: str) -> None:
    page.get_by_role("dialog").get_by_role("button", name=name, exact=True).click()


def test_an_address_is_pasted_tried_and_added_and_its_tools_are_there(
    open_page: Open, tmp_path: Path
) -> None:
    with two_shops(tmp_path) as (url, other):
        page = open_page(url, viewport=PHONE).page
        page.locator("#health").click()
        page.get_by_role("button", name="添加服务器").click()
        dialog = page.get_by_role("dialog", name="添加服务器")
        expect(dialog.get_by_role("textbox", name="粘贴")).to_be_focused()
        dialog.get_by_role("textbox", name="粘贴").fill(other)
        expect(dialog).to_contain_text(f"streamable-http · {other}")
        press(page, "测试")
        expect(dialog).to_contain_text("已连接：3 个工具")
        dialog.get_by_role("textbox", name="名称").fill("二店")
        press(page, "添加")
        expect(dialog).not_to_be_visible()
        added = page.locator(".server", has_text="二店")
        expect(added).to_have_attribute("data-status", "ready")
        expect(added.locator(".card")).to_have_count(3)
        assert entries(tmp_path)["二店"] == {"url": other}


def test_what_is_not_understood_cannot_be_added(open_page: Open, tmp_path: Path) -> None:
    with two_shops(tmp_path) as (url, other):
        page = open_page(url, strict=False).page  # the browser logs each refusal
        page.locator("#health").click()
        page.get_by_role("button", name="添加服务器").click()
        dialog = page.get_by_role("dialog")
        text = dialog.get_by_role("textbox", name="粘贴")
        text.fill('{\n  "a": {"url": 1 2}\n}')
        expect(dialog).to_contain_text("第 2 行第 17 列不是合法的 JSON")
        expect(dialog.get_by_role("button", name="添加", exact=True)).to_be_disabled()
        text.fill(json.dumps({"shop": {"url": other}, "bad": {"url": "ftp://x"}, "c": {"command": "touch"}}))
        expect(dialog.locator("section")).to_have_count(3)
        expect(dialog).to_contain_text("已有名为 shop 的服务器")
        expect(dialog).to_contain_text("先在面板里允许")
        press(page, "添加")
        expect(dialog).not_to_be_visible()
        assert [*entries(tmp_path)] == ["shop", "shop-2", "c"]
        expect(page.locator('[data-status="untrusted"]')).to_contain_text("touch")
        page.keyboard.press("Escape")


def test_an_entry_is_edited_switched_off_and_removed(open_page: Open, tmp_path: Path) -> None:
    with two_shops(tmp_path) as (url, other):
        page = open_page(url, strict=False).page
        page.locator("#health").click()
        manage = page.get_by_role("button", name="管理 shop")

        def edit() -> None:
            manage.click()
            press(page, "编辑配置")

        edit()
        dialog = page.get_by_role("dialog")
        text = dialog.get_by_role("textbox", name="mcp.json")
        expect(text).to_have_value(json.dumps(entries(tmp_path)["shop"]))
        text.fill('{\n"url" 1}')
        press(page, "保存")
        expect(dialog).to_contain_text("第 2 行")
        assert text.evaluate("box => box.value.slice(box.selectionStart, box.selectionEnd)") == '"url" 1}'
        text.fill(json.dumps({"url": other, "headers": {"X-Key": "a-secret-key"}}))
        press(page, "保存")
        expect(dialog).not_to_be_visible()
        expect(page.locator(".server", has_text=other)).to_have_attribute("data-status", "ready")
        edit()
        expect(text).to_have_value(json.dumps({"url": other, "headers": {"X-Key": "***1***"}}))
        press(page, "停用")
        expect(page.locator(".server")).to_have_attribute("data-status", "disabled")
        assert entries(tmp_path)["shop"]["disabled"] is True
        edit()
        press(page, "删除")
        expect(dialog.get_by_role("button", name="取消")).to_be_focused()
        dialog.get_by_role("button", name="删除").last.click()
        expect(page.locator(".server")).to_have_count(0)
        assert entries(tmp_path) == {}


def test_a_servers_page_shows_the_calls_as_they_pass(open_page: Open, tmp_path: Path) -> None:
    with two_shops(tmp_path) as (url, other):
        page = open_page(url).page
        page.locator("#health").click()
        page.get_by_role("button", name="管理 shop").click()
        dialog = page.get_by_role("dialog", name="shop 的细节")
        expect(dialog).to_contain_text("prompts, resources, tools")
        links = {
            name: parse_qs(urlsplit(dialog.get_by_role("link", name=name).get_attribute("href") or "").query)
            for name in ("Cursor", "VS Code")
        }
        entry = {"url": entries(tmp_path)["shop"]["url"]}
        assert json.loads(b64decode(links["Cursor"]["config"][0])) == entry
        assert json.loads(links["VS Code"]["config"][0]) == {"type": "http", **entry}
        calls = dialog.locator(".wire", has_text="tools/call")
        dialog.get_by_role("searchbox").fill("tools/call")
        expect(dialog.locator(".wire").and_(page.locator(":not(:has-text('tools/call'))"))).to_have_count(0)
        page.request.post(f"{url}/api/call-tool", data={"server": "shop", "name": "buy", "args": {"n": 41}})
        expect(calls).to_have_count(2)
        calls.first.locator("summary").click()
        expect(calls.first).to_contain_text("bought 41")
        expect(calls.first).to_contain_text("ms")
        dialog.get_by_label("消息").select_option("out")
        expect(calls).to_have_count(1)
        press(page, "暂停")
        page.request.post(f"{url}/api/call-tool", data={"server": "shop", "name": "look"})
        press(page, "重新列出")
        expect(dialog).to_contain_text("3 个工具")
        expect(calls).to_have_count(1)
        press(page, "继续")
        expect(calls).to_have_count(2)
        press(page, "编辑配置")
        expect(page.get_by_role("dialog", name="管理 shop")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        assert entries(tmp_path)["shop"]["url"] != other


def test_a_file_broken_meanwhile_is_shown_where_it_breaks_until_it_is_mended(
    open_page: Open, tmp_path: Path
) -> None:
    with two_shops(tmp_path) as (url, _):
        page = open_page(url, locale="en").page
        expect(page.locator("#health")).to_have_text("1 of 1 server")
        whole = (tmp_path / "mcp.json").read_text()
        replace_text(tmp_path / "mcp.json", '{"mcpServers": {\n  "shop": {"url": "SECRET" "x": 1}}}')
        banner = page.locator("#banner .warn")
        expect(banner).to_contain_text("mcp.json, line 2, column 27: a comma is missing here")
        expect(banner).to_contain_text("The configuration of before is still in use")
        banner.get_by_role("button", name="Look").click()
        expect(page.locator(".fault")).to_be_in_viewport()
        expect(page.locator(".fault code")).to_have_text('2 │ "shop": {"url": "***" "***": ***}}}')
        expect(page.locator("#health")).to_have_text("1 of 1 server")
        replace_text(tmp_path / "mcp.json", whole)
        expect(page.locator(".fault")).to_have_count(0)
        expect(banner).to_have_count(0)
