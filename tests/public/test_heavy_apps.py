"""Apps that others wrote, and one that takes memory until its process ends."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.support.asgi import in_a_thread
from tests.support.chat_service import settings
from tests.support.page_apps import app, offered, replace_app
from tests.support.page_browser import FLAGS, Open, Shown
from tests.support.processes import require
from tests.support.scripted import ScriptedModel, calls, says
from tests.support.suite import Suite
from tests.world.clients.installed import node, npm_package
from web import create_app

pytestmark = pytest.mark.heavy

PDF = """%PDF-1.4
1 0 obj << /Type /Catalog /Pages 2 0 R >> endobj
2 0 obj << /Type /Pages /Kids [3 0 R] /Count 1 >> endobj
3 0 obj << /Type /Page /Parent 2 0 R /MediaBox [0 0 400 300] /Contents 4 0 R
/Resources << /Font << /F1 5 0 R >> >> >> endobj
4 0 obj << /Length 58 >> stream
BT /F1 24 Tf 60 200 Td (A bill of the shop: 1299.00) Tj ET
endstream endobj
5 0 obj << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> endobj
trailer << /Root 1 0 R >>
"""
# Each server's tool, and what its app then shows.
OTHERS = [
    ("budget-allocator", "get-budget-data", "Budget Allocator"),
    ("cohort-heatmap", "get-cohort-data", "Cohort"),
    ("system-monitor", "get-system-info", "CPU"),
    ("pdf", "display_pdf", "A bill of the shop: 1299.00"),
    ("map", "show-map", "CesiumJS"),
]
# Of an app that answers its host twice, and then takes all the memory that there is for it.
HOG = """
let pings = 0;
addEventListener("message", ({data: {id, method}}) => {
  if (method !== "ping") return;
  parent.postMessage({jsonrpc: "2.0", id, result: {}}, "*");
  if (++pings < 2) return;
  setTimeout(() => { for (const all = []; ; ) all.push(new Array(1e6).fill(Math.random())); }, 100);
});
say("HOG");
"""


@pytest.mark.parametrize(("name", "tool", "shows"), OTHERS)
def test_an_app_that_others_wrote_is_drawn(
    open_page: Open, tmp_path: Path, name: str, tool: str, shows: str
) -> None:
    program = npm_package(f"@modelcontextprotocol/server-{name}") / "dist" / "index.js"
    file = tmp_path / "bill.pdf"
    file.write_text(PDF)
    files = [str(file)] if name == "pdf" else []
    server = {"command": str(node()), "args": [str(program), "--stdio", *files]}
    (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": {name: server}}))
    args = json.dumps({"url": file.as_uri()} if files else {})
    model = ScriptedModel(calls((f"{name}_{tool}", args)), says("Here it is."), says("Here it is."))
    with in_a_thread(create_app(settings(tmp_path, web_trust_commands=True), model)) as url:
        shown = open_page(url, strict=False, locale="en")
        shown.begin(name)
        asks = shown.button("Confirm")
        expect(asks.or_(shown.button("Show it")).first).to_be_visible()
        if asks.is_visible():
            asks.click()
        shown.button("Show it").click()
        for _ in range((files and 2) or 0):  # its two readings do not say that they only read
            shown.page.locator(".app-box .slot input").check()
            shown.page.locator(".app-box .slot .primary").click()
        expect(app(shown).locator("body")).to_contain_text(shows, ignore_case=True)
        shown.page.context.close()


@pytest.fixture
def narrow(browser: Browser) -> Iterator[Browser]:
    """A browser of whose processes none may take more than 256 MB for what scripts make."""
    started = browser.browser_type.launch(
        executable_path=require("chromium"), args=[*FLAGS, "--js-flags=--max-old-space-size=256"]
    )
    yield started
    started.close()


def test_an_app_that_takes_all_memory_costs_its_own_card(shop: Suite, narrow: Browser) -> None:
    context: Any = narrow.new_context(locale="zh-CN")
    shown = Shown(context.new_page(), strict=False)
    shown.page.goto(shop.url)
    replace_app(shown, shop.url).append(HOG)
    offered(shown)
    shown.button("显示界面").click()
    expect(app(shown).locator("body")).to_contain_text("HOG")
    # Playwright takes the end of a frame's process for the page's: from here on the page itself is heard.
    shown.page.evaluate(
        "setInterval(() => { document.title = document.querySelector('.app-box').textContent; }, 200)"
    )
    devtools = narrow.new_browser_cdp_session()

    def titles() -> list[str]:
        return [target["title"] for target in devtools.send("Target.getTargets")["targetInfos"]]

    deadline = time.monotonic() + 200
    while not any("没有回应" in title for title in titles()):
        assert time.monotonic() < deadline, titles()
        time.sleep(0.5)
