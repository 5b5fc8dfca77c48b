"""A Chromium, the page as its user sees it, and the three real services behind it."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests.support.processes import LONG_RUNS, require

# Without the first three a context takes three processes and 2 s of CPU, not one and 0.7 s: Chromium would
# keep a spare one, and show the list of its address bar as a page. The others are what Playwright turns off:
# it passes a list of its own, and the last list counts.
UNWANTED = [
    "SpareRendererForSitePerProcess",
    "WebUIOmniboxPopup",
    "WebUIOmniboxAimPopup",
    "AimEnabled",
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "MediaRouter",
    "OptimizationHints",
    "PaintHolding",
    "ThirdPartyStoragePartitioning",
]
FLAGS = [
    f"--disable-features={','.join(UNWANTED)}",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
MOST_MS = 60_000  # that a busy machine takes for one step
expect.set_options(timeout=MOST_MS)


def program() -> str:
    """Return the path of Chromium without what a window needs: the same engine, at two thirds of the CPU.

    Where that is missing, and for `.ci/run --all`, the path of the whole browser; without either, skip.
    """
    shell = None if LONG_RUNS else shutil.which("chromium-headless-shell")
    return shell or require("chromium")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the system's Chromium, without a window."""
    path = program()
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
        self.page.set_default_timeout(MOST_MS)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda line: self._record(line.type, line.text))

    def _record(self, kind: str, text: str) -> None:
        # Chromium itself logs answers such as 502; tests check how the page handles them.
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

    def ready(self) -> None:
        """Wait for what the browser keeps: then the page draws it, and gives the input the focus."""
        expect(self.page.locator("main:not([aria-busy])")).to_be_visible()

    def reload(self) -> None:
        self.page.reload()
        self.ready()

    def ask(self, text: str) -> None:
        """Ask, and wait until the answer has ended."""
        self.begin(text)
        self.settle()

    def begin(self, text: str) -> None:
        """Ask, and wait until the question is on the screen."""
        self.ready()
        before = self.page.locator(".mine").count()
        self.input.fill(text)
        self.input.press("Enter")
        expect(self.page.locator(".mine")).to_have_count(before + 1)

    def settle(self) -> None:
        """Wait until nothing is being answered."""
        expect(self.page.locator("#send.stop")).to_have_count(0)

    def wait_until(self, promise: str) -> None:
        """Wait until what this function promises is true; to `wait_for_function` the promise itself is."""
        again = "await new Promise(done => setTimeout(done, 20))"
        self.page.evaluate(f"async () => {{ while (!await ({promise})()) {again}; }}")

    def stock(self, product: str) -> int:
        """Read a product's stock in the panel."""
        row = self.page.locator(".bar-row").filter(has_text=product).first
        return int(re.sub(r"\D", "", row.locator("b").inner_text()))


Open = Callable[..., Shown]
