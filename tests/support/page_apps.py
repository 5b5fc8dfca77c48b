"""An MCP App of a test's own in the place of the shop's, in the page."""

import json
from typing import Any

from playwright.sync_api import FrameLocator, Route

from tests.support.page_browser import Shown

KIND = "text/html;profile=mcp-app"
HELPERS = """
const tell = (method, params = {}) => parent.postMessage({jsonrpc: "2.0", method, params}, "*");
const ask = (method, params = {}) => new Promise((resolve, reject) => {
  const id = Math.random();
  addEventListener("message", ({data}) => {
    if (data.id === id) data.error ? reject(data.error) : resolve(data.result);
  });
  parent.postMessage({jsonrpc: "2.0", id, method, params}, "*");
});
const say = (...texts) => document.body.append(texts.join(" "), " ");
const attempt = async (name, work) => {
  try { say(`${name}:${await work()}`); }
  catch (error) { say(`${name}:${error.message ? "refused" : error}`); }
};
const loaded = (element, address) => new Promise((resolve, reject) => {
  const heard = {onload: () => resolve("REACHED"), onerror: () => reject(new Error("blocked"))};
  Object.assign(element, heard, address);
  document.body.append(element);
});
const begin = async () => {
  const appInfo = {name: "x", version: "1"};
  await ask("ui/initialize", {protocolVersion: "2026-01-26", appInfo, appCapabilities: {}});
  tell("ui/notifications/initialized");
};
"""


def app(shown: Shown, number: int = 0) -> FrameLocator:
    return shown.page.locator(".app-view iframe").nth(number).content_frame.frame_locator("iframe")


def replace_app(shown: Shown, at: str) -> list[str]:
    """Have the page read the last of these scripts in the place of an app; its `AT` is `at`."""
    scripts: list[str] = []

    def answer(route: Route) -> None:
        asked = json.loads(route.request.post_data or "{}")
        if not asked["uri"].startswith("ui://"):
            route.continue_()
            return
        script = f"const AT = '{at}'; {HELPERS} await begin(); {scripts[-1]}"
        # In the head: a test reads the text of the body.
        html = f'<!doctype html><meta charset="utf-8"><script type="module">{script}</script><body></body>'
        content: dict[str, Any] = {"uri": asked["uri"], "mimeType": KIND, "text": html, "ui": {}}
        route.fulfill(json={"uri": asked["uri"], "contents": [content]})

    shown.page.route("**/api/read-resource", answer)
    return scripts


def offered(shown: Shown) -> None:
    shown.ask("有哪些商品？")
    shown.page.locator(".app-box").scroll_into_view_if_needed()
