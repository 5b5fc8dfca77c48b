"""The page in a real Chromium: first paint and ready, opened with a cold cache and after a service came back.

Ready is: the composer sends, the starters are there, the servers' state and tools and the stock are shown.
"""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

from benchmarks.measure import MILLISECOND, Show
from benchmarks.results import Figure, Result
from benchmarks.services import ROOT, START_SECONDS, Service, Stage, free_port
from benchmarks.wire import Connection
from tests.support.page_browser import FLAGS

ROUNDS = 15
RESTARTS = 4
PAINT_MARK_MS, READY_MARK_MS, WEIGHT_MARK_KB = 150.0, 300.0, 45.0
LOOK_SECONDS = 0.005
SETTLE_SECONDS = 0.5  # the browser has opened its window: that is not the page's
PAINT, READY = "first paint", "ready"
FIRST, ALL = "script and style of the first load, as sent", "all script and style until ready"

# Notes the moment, on the clock that all processes share, at which a frame with the ready page is drawn.
NOTE_READY = """
window.readyAt = [];
const ready = () =>
  document.getElementById("composer")?.onsubmit &&
  document.querySelector("#health[data-status=ready]") &&
  document.querySelectorAll(".starter").length >= 7 &&
  document.querySelectorAll(".server .card").length >= 4 &&
  document.querySelectorAll("#stock .bar-row").length >= 4 &&
  !document.getElementById("shop-note").textContent;
window.isReady = false;
const look = () => {
  const is = !!ready();
  if (is && !isReady) requestAnimationFrame(() => readyAt.push(performance.timeOrigin + performance.now()));
  isReady = is;
};
new MutationObserver(look).observe(document, {childList: true, subtree: true, attributes: true});
"""
UNTIL = """want => new Promise(resolve => {
  const reached = () => want.ready === isReady && readyAt.length >= want.times;
  const look = () => (reached() ? resolve() : setTimeout(look, 5));
  look();
})"""
# What stands in the document weighs as much as if it was sent by itself.
FOUND = r"""async () => {
  const kB = async text => {
    const packed = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
    return (await new Response(packed).blob()).size / 1000;
  };
  const inline = [...document.querySelectorAll("head :is(style, script:not([src]))")];
  const sum = sizes => sizes.reduce((total, size) => total + size, 0);
  const written = sum(await Promise.all(inline.map(({textContent}) => kB(textContent))));
  const [navigation] = performance.getEntriesByType("navigation");
  return [
    performance.getEntriesByName("first-contentful-paint")[0].startTime,
    readyAt[0] - performance.timeOrigin,
    ...[navigation.domContentLoadedEventStart, Infinity].map(end =>
      written + sum(performance.getEntriesByType("resource")
        .filter(({name, responseEnd}) => /\.(js|css)$/.test(name) && responseEnd <= end)
        .map(({encodedBodySize}) => encodedBodySize / 1000))),
  ];
}"""


@asynccontextmanager
async def _opened(browser: Browser, web: Service) -> AsyncIterator[Page]:
    """Open the page in a context of its own, whose cache is empty, and wait until it is ready."""
    context = await browser.new_context(locale="zh-CN", viewport={"width": 1440, "height": 900})
    try:
        page = await context.new_page()
        await page.add_init_script(NOTE_READY)
        await asyncio.sleep(SETTLE_SECONDS)
        await page.goto(web.url)
        await _until(page, ready=True, times=1)
        yield page
    finally:
        await context.close()


async def _until(page: Page, **want: Any) -> None:
    async with asyncio.timeout(START_SECONDS):
        await page.evaluate(UNTIL, want)


async def _cold(browser: Browser, web: Service) -> list[float]:
    """Return the milliseconds from the start of the navigation to first paint and to ready, and the kB."""
    async with _opened(browser, web) as page:
        found: list[float] = await page.evaluate(FOUND)
        return found


async def _known(web: Service) -> float:
    """Wait until the back end knows its server, and return the time in milliseconds."""
    await web.until_up()
    async with asyncio.timeout(START_SECONDS), Connection.opened(web.address) as connection:
        while True:
            servers = (await connection.ask("GET", "/api/status")).json()["servers"]
            if all(server["status"] == "ready" for server in servers):
                return time.time() / MILLISECOND
            await asyncio.sleep(LOOK_SECONDS)  # not our process


class _Services:
    """The three services, of which two can be started again under their old ports."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.running: dict[str, Service] = {}
        self._settings: dict[str, tuple[int, dict[str, str]]] = {}

    async def start(self) -> None:
        """Start all three."""
        api = await self._stage.api()
        self._settings["main"] = (free_port(), {"API_URL": f"{api.url}/api"})
        mcp = await self._again("main")
        self._settings["web"] = (free_port(), self._stage.web_settings(mcp))
        await self._again("web")

    async def _again(self, name: str) -> Service:
        port, env = self._settings[name]
        command = [str(ROOT / f"{name}.py"), "--port", str(port)]
        self.running[name] = self._stage.start(*command, name=name, port=port, env=env)
        await self.running[name].until_up()
        return self.running[name]

    async def back(self, name: str, page: Page, times: int) -> float:
        """Restart a service, and return the milliseconds from its being up to the page's being ready."""
        self.running[name].stop()
        await _until(page, ready=False, times=times - 1)
        await self._again(name)
        known = await _known(self.running["web"])
        await _until(page, ready=True, times=times)
        ready: float = await page.evaluate("() => readyAt.at(-1)")
        return max(0.0, ready - known)


async def measure(stage: Stage, show: Show) -> Result:
    """Open the page again and again, then let it live through restarts; skipped without Chromium."""
    title = "the page in Chromium"
    chromium = shutil.which("chromium")
    if chromium is None:
        show("skipped: chromium is not installed\n")
        return Result(title, [])
    services = _Services(stage)
    found: dict[str, list[float]] = {what: [] for what in (PAINT, READY, FIRST, ALL)}
    async with AsyncExitStack() as stack:
        await services.start()
        playwright = await stack.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        stack.push_async_callback(browser.close)
        for turn in range(ROUNDS + 1):  # the first only warms up the browser
            show(f"cold cache, round {turn}/{ROUNDS}")
            figures = await _cold(browser, services.running["web"])
            if turn:
                for what, figure in zip(found, figures, strict=True):
                    found[what].append(figure)
        page = await stack.enter_async_context(_opened(browser, services.running["web"]))
        for turn in range(2 * RESTARTS):
            name = ("web", "main")[turn % 2]
            show(f"restart {turn + 1}/{2 * RESTARTS}")
            took = await services.back(name, page, turn + 2)
            found.setdefault(f"ready again after {name}.py", []).append(took)
    marks = {PAINT: (PAINT_MARK_MS, "ms"), FIRST: (WEIGHT_MARK_KB, "kB"), ALL: (None, "kB")}
    return Result(
        title,
        [
            Figure(f"page: {what}", [figures], *marks.get(what, (READY_MARK_MS, "ms")))
            for what, figures in found.items()
        ],
        versions={"Chromium": {"Chromium": browser.version}},
    )
