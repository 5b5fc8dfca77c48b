"""What the document of an MCP App may rely on, what its host owes it, and what ends with its frame."""

import base64
import json
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.support.page_apps import HELPERS, KIND, app, offered, replace_app
from tests.support.page_browser import Open, Shown
from tests.support.suite import Suite

MAKE = """
const make = html => {
  document.body.insertAdjacentHTML("beforeend", html);
  return document.body.lastElementChild;
};
const told = [];
const until = async name => { while (!told.includes(name)) await new Promise(done => setTimeout(done, 10)); };
const moved = new Promise(done => addEventListener("hashchange", done));
addEventListener("message", ({data}) => { if (data.method) told.push(data.method.split("/").pop()); });
"""
# What an app does, and what it then says.
WORKS = [
    ("make('<a href=\"#here\">x</a>').click(); await moved; say(location.hash)", "#here"),
    ("history.pushState({}, '', '#/place'); say(location.hash)", "#/place"),
    (
        "const form = make('<form><input name=a required value=1><button></form>');"
        "form.onsubmit = event => { event.preventDefault(); say(`submitted ${form.a.value}`); };"
        "form.querySelector('button').click()",
        "submitted 1",
    ),
    (
        "const dialog = make('<dialog><form method=dialog><button value=yes></form></dialog>');"
        "dialog.onclose = () => say(dialog.returnValue);"
        "dialog.showModal(); dialog.querySelector('button').click()",
        "yes",
    ),
    ("say(document.compatMode)", "CSS1Compat"),
    # A second library in the same document greets, too, and is told the same; to say it twice is no greeting.
    (
        "await until('tool-result'); told.length = 0; await begin(); await until('tool-result'); say(told)",
        "tool-input,tool-result",
    ),
    (
        "await until('tool-result'); told.length = 0; tell('ui/notifications/initialized');"
        "await ask('ping'); say(told.filter(name => name.startsWith('tool')), '!')",
        " !",
    ),
    # Nothing that is no message of the protocol's keeps an app from being heard.
    (
        "for (const data of [null, 1, '', [], [[]], {}, {method: 5}, {method: {startsWith: 5}}, new Date(),"
        " 1n, new Map(), {id: {}, method: 'ping'}, [{id: 1, method: 'ping'}], {method: ['ui/initialize']},"
        " {method: new String('ui/notifications/sandbox-ended')}]) parent.postMessage(data, '*');"
        "await ask('ping'); say('heard')",
        "heard",
    ),
]
REFUSED_LINKS = [
    "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "blob:x", "about:blank",
    "mailto:a@b.example", "//evil.example", "x", "", "https://", "https://bank.example@evil.example/", "https://:x@evil.example",
]  # fmt: skip
PLACES = """
addEventListener("message", ({data}) => {
  if (data.params?.containerDimensions) say(JSON.stringify(data.params));
});
say("READY");
"""
# Whether the document is one that can be shown.
DOCUMENTS: list[tuple[dict[str, Any], bool]] = [
    ({"mimeType": "text/html; profile=mcp-app"}, True),
    ({"mimeType": "TEXT/HTML;charset=utf-8;profile=mcp-app"}, True),
    ({"mimeType": 'text/html;profile="mcp-app"; charset=utf-8'}, True),
    ({"mimeType": "text/html;profile=mcp-apps"}, False),
    ({"mimeType": "text/html;x=profile"}, False),
    ({"text": None, "blob": base64.b64encode("<p>读到".encode()).decode()}, True),
    ({"text": None, "blob": "%%%"}, False),
]


@pytest.fixture
def shown(shop: Suite, open_page: Open) -> Shown:
    return open_page(shop.url)


@pytest.mark.heavy
def test_what_a_document_relies_on_elsewhere_works_here(shop: Suite, shown: Shown) -> None:
    scripts = replace_app(shown, shop.url)
    scripts.append("")
    offered(shown)
    shown.button("显示界面").click()
    for script, said in WORKS:
        shown.button("关闭界面").click()
        scripts.append(f"{MAKE} {script}")
        shown.button("显示界面").click()
        expect(app(shown).locator("body")).to_contain_text(said)


def test_a_link_is_one_of_the_web_whose_host_is_seen(shop: Suite, shown: Shown) -> None:
    links = json.dumps([*REFUSED_LINKS, None, 5, {}, ["https://a.example"]])
    script = (
        f"for (const url of {links}) await attempt('link', () => ask('ui/open-link', {{url}})); say('END')"
    )
    replace_app(shown, shop.url).append(script)
    offered(shown)
    shown.button("显示界面").click()
    expect(app(shown).locator("body")).to_have_text("link:refused " * (len(REFUSED_LINKS) + 4) + "END ")
    expect(shown.page.locator(".app-box .slot")).to_be_empty()


def test_a_document_is_read_however_its_type_is_written(shop: Suite, shown: Shown) -> None:
    given: dict[str, Any] = {}

    def answer(route: Route) -> None:
        content = {"uri": "ui://x", "mimeType": KIND, "text": "<p>读到", **given}
        route.fulfill(json={"contents": [{name: each for name, each in content.items() if each is not None}]})

    shown.page.route("**/api/read-resource", answer)
    offered(shown)
    shown.button("显示界面").click()
    for document, can_be_shown in DOCUMENTS:
        given.clear()
        given.update(document)
        shown.reload()
        shown.page.locator(".app-box").scroll_into_view_if_needed()
        if can_be_shown:
            expect(app(shown).locator("body")).to_have_text("读到")
        else:
            expect(shown.page.locator(".app-box")).to_contain_text("这个界面无法显示")


def test_an_app_is_told_of_another_size_of_its_place(shop: Suite, shown: Shown) -> None:
    replace_app(shown, shop.url).append(PLACES)
    offered(shown)
    shown.button("显示界面").click()
    body = app(shown).locator("body")
    expect(body).to_have_text("READY ")
    shown.page.set_viewport_size({"width": 1440, "height": 500})
    expect(body).to_contain_text('"maxHeight":400')
    shown.page.set_viewport_size({"width": 600, "height": 500})
    width = shown.page.evaluate("document.querySelector('.app-view').clientWidth")
    expect(body).to_contain_text(f'"width":{width}')


def test_an_app_that_asks_to_be_closed_is(shop: Suite, shown: Shown) -> None:
    replace_app(shown, shop.url).append("tell('ui/notifications/request-teardown')")
    offered(shown)
    shown.button("显示界面").click()
    expect(shown.page.locator(".app-box")).to_contain_text("界面已关闭")


def test_an_app_has_the_colours_that_were_chosen_for_the_page(shop: Suite, open_page: Open) -> None:
    shown = open_page(shop.url, color_scheme="light")
    shown.page.evaluate("localStorage.setItem('settings', JSON.stringify({theme: 'dark'}))")
    shown.reload()
    html = f'<!doctype html><script type="module">{HELPERS} await begin(); say("READY")</script><body></body>'
    content = {"uri": "ui://x", "mimeType": KIND, "text": html}
    shown.page.route("**/api/read-resource", lambda route: route.fulfill(json={"contents": [content]}))
    offered(shown)
    shown.button("显示界面").click()
    expect(app(shown).locator("body")).to_contain_text("READY")
    frame = shown.page.locator(".app-view iframe")
    # Else black letters of an app without colours of its own would stand on the page's dark ground.
    expect(frame).to_have_css("color-scheme", "dark")


def test_an_app_is_told_of_our_failures_in_the_readers_language(shop: Suite, open_page: Open) -> None:
    shown = open_page(shop.url, locale="en")
    failed = {
        "result": "服务器 s 未连接",
        "isError": True,
        "code": "refused",
        "params": {"server": "s", "status": 503, "said": "busy"},
        "app": {},
    }
    script = (
        "say((await ask('tools/call', {name: 'get_products', arguments: {}})).content[0].text); say('END')"
    )
    replace_app(shown, shop.url).append(script)
    offered(shown)
    shown.page.route("**/api/call-tool", lambda route: route.fulfill(json=failed))
    shown.button("Show it").click()
    body = app(shown).locator("body")
    expect(body).to_contain_text("END")
    assert body.inner_text().isascii(), body.inner_text()
