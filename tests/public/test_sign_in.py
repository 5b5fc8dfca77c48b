"""Signing in to a server in the page, before a real authorization server."""

from pathlib import Path

from anyio.from_thread import start_blocking_portal
from playwright.sync_api import expect

from tests.support.page_browser import Open
from tests.support.sign_in_service import AuthorizationServer, service


def test_the_click_opens_a_tab_and_the_tools_come_by_themselves(open_page: Open, tmp_path: Path) -> None:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(service(tmp_path, AuthorizationServer())) as http,
    ):
        page = open_page(str(http.base_url)).page
        expect(page.locator("#banner")).to_contain_text("服务器 remote 要先登录")
        page.locator("#banner").get_by_role("button", name="查看").click()
        with page.context.expect_page() as opened:
            page.get_by_role("button", name="登录", exact=True).click()
        expect(opened.value.locator("body")).to_contain_text("已登录 remote")
        assert opened.value.evaluate("window.opener") is None
        expect(page.locator(".server")).to_contain_text("work")
        page.get_by_role("button", name="退出登录").click()
        expect(page.get_by_role("button", name="登录", exact=True)).to_be_visible()
