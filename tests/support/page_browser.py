"""One Chromium for all page tests, the page as its user sees it, and the three real services behind it.

A pytest plugin of the page's test files, which import from it too: hence PYTEST_DONT_REWRITE.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests.support import page_backend
from tests.support.page_backend import Backend
from tests.support.processes import require
from tests.support.suite import Suite

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


Stack = Suite


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
