"""Fixtures of the page's tests.

Of package scope: Playwright's event loop runs on while its browser is open, and no other can run beside it.
So the browser closes before tests of another folder run in the same process.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.support import page_backend
from tests.support.page_backend import Backend
from tests.support.page_browser import WIDE, Open, Shown, chromium, program
from tests.support.suite import Suite


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="package")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    """The real services with the demo model; the tests share their stock."""
    program()
    with Suite(tmp_path_factory.mktemp("shop")) as suite:
        suite.start("api", "main", "web")
        yield suite


@pytest.fixture
def backend() -> Iterator[Backend]:
    """The scripted back end, one for each test: the last request of an earlier page finds it nowhere."""
    program()
    with page_backend.running() as backend:
        yield backend


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Return a function that opens a URL in a fresh context; a console error fails the test."""
    opened: list[Shown] = []

    def open_(url: str, *, script: str = "", strict: bool = True, **context: Any) -> Shown:
        fresh = browser.new_context(**{"locale": "zh-CN", "viewport": WIDE, **context})
        fresh.add_init_script(script)
        shown = Shown(fresh.new_page(), strict)
        opened.append(shown)
        shown.page.goto(url)
        expect(shown.page.locator("#health")).to_have_attribute("data-status", re.compile(r".+"))
        shown.ready()
        return shown

    yield open_
    for shown in opened:
        shown.page.context.close()
    if errors := [error for shown in opened for error in shown.errors if shown.strict]:
        pytest.fail(f"errors in the page's console: {errors}")
