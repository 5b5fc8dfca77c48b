"""One Chromium for all page tests, the page as its user sees it, and the three real services behind it.

A pytest plugin of the page's test files, which import from it too: hence PYTEST_DONT_REWRITE.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests.support import page_backend
from tests.support.page_backend import Backend
from tests.support.processes import Service, free_port, require

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
expect.set_options(timeout=10_000)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the system's Chromium, without a window."""
    path = require("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Shown:
    """The page in a browser context of its own, and what went wrong in it."""

    page: Page
    strict: bool = True
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda line: self._hear(line.type, line.text))

    def _hear(self, kind: str, text: str) -> None:
        # Chromium itself reports answers such as 502; how the page takes them is for the tests to say.
        if kind == "error" and not text.startswith("Failed to load resource"):
            self.errors.append(text)

    @property
    def input(self) -> Locator:
        return self.page.locator("#input")

    @property
    def answer(self) -> Locator:
        """The newest answer."""
        return self.page.locator(".answer").last

    @property
    def card(self) -> Locator:
        """The newest tool call."""
        return self.page.locator(".tool").last

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def ask(self, text: str) -> None:
        """Ask, and wait until the answer has ended."""
        self.begin(text)
        self.settle()

    def begin(self, text: str) -> None:
        """Ask, and wait until the question is on the screen."""
        before = self.page.locator(".mine").count()
        self.input.fill(text)
        self.input.press("Enter")
        expect(self.page.locator(".mine")).to_have_count(before + 1)

    def settle(self) -> None:
        """Wait until nothing is being answered."""
        expect(self.page.locator("#send.stop")).to_have_count(0)

    def stock(self, product: str) -> int:
        """Read a product's stock in the panel."""
        row = self.page.locator(".bar-row").filter(has_text=product).first
        return int(re.sub(r"\D", "", row.locator("b").inner_text()))


Open = Callable[..., Shown]


@dataclass
class Stack:
    """`api.py`, `main.py` and `web.py` on free ports, their files in one folder."""

    folder: Path
    api: int = field(default_factory=free_port)
    mcp: int = field(default_factory=free_port)
    web: int = field(default_factory=free_port)
    running: dict[str, Service] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web}"

    def start(self, *names: str, **settings: str) -> None:
        """Start these services and wait until they answer."""
        servers = {"product-mcp": {"type": "http", "url": f"http://127.0.0.1:{self.mcp}/mcp"}}
        (self.folder / "mcp.json").write_text(json.dumps({"mcpServers": servers}))
        env = {
            "API_PORT": str(self.api),
            "MCP_PORT": str(self.mcp),
            "WEB_PORT": str(self.web),
            "API_URL": f"http://127.0.0.1:{self.api}/api",
        }
        ports = {"api": self.api, "main": self.mcp, "web": self.web}
        for name in names:
            self.running[name] = Service.start(self.folder, f"{name}.py", env=env | settings)
        for name in names:
            self.running[name].wait_until_up(f"http://127.0.0.1:{ports[name]}/healthz")

    def stop(self, *names: str) -> None:
        """Stop these services, or all."""
        for name in names or tuple(self.running):
            self.running.pop(name).stop()

    def buy(self, customer: str, product: int, quantity: int) -> None:
        """Buy behind the page's back."""
        order = {"customerName": customer, "items": [{"productId": product, "quantity": quantity}]}
        httpx.post(f"http://127.0.0.1:{self.api}/api/purchase", json=order).raise_for_status()

    def orders(self) -> list[dict[str, object]]:
        """Read all orders from the REST service."""
        found: list[dict[str, object]] = httpx.get(f"http://127.0.0.1:{self.api}/api/orders?limit=500").json()
        return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The real services with the demo model; the tests share their stock."""
    require("chromium")
    stack = Stack(tmp_path_factory.mktemp("shop"))
    try:
        stack.start("api", "main", "web")
        yield stack
    finally:
        stack.stop()


@pytest.fixture(scope="session")
def _serving() -> Iterator[Backend]:
    require("chromium")
    with page_backend.running() as backend:
        yield backend


@pytest.fixture
def backend(_serving: Backend) -> Backend:
    """The scripted back end, with nothing said yet."""
    _serving.reset()
    return _serving


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Give a function that opens a URL in a fresh context; an error in the page's console fails the test."""
    opened: list[Shown] = []

    def open_(url: str, *, script: str = "", strict: bool = True, **context: Any) -> Shown:
        fresh = browser.new_context(**{"locale": "zh-CN", "viewport": WIDE, **context})
        fresh.add_init_script(script)
        shown = Shown(fresh.new_page(), strict)
        opened.append(shown)
        shown.page.goto(url)
        expect(shown.page.locator("#health")).to_have_attribute("data-status", re.compile(r".+"))
        return shown

    yield open_
    for shown in opened:
        shown.page.context.close()
    if errors := [error for shown in opened for error in shown.errors if shown.strict]:
        pytest.fail(f"errors in the page's console: {errors}")
