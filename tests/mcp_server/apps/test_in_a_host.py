"""The shop's apps in Chromium, shown by a minimal host that passes on what they ask to the real server."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp.client import Client
from playwright.sync_api import FrameLocator, Page, expect

import main
from tests.mcp_server.stand_ins import a_real_shop
from tests.support.page_browser import chromium

HOST = Path(main.__file__).parent / "tests" / "support" / "app_host.html"
TWICE = "button => { button.click(); button.click(); }"
HOSTILE = "<img src=x onerror=alert(1)>"


class Host:
    """The page of the host, and the client that its apps' calls go through."""

    def __init__(self, page: Page, portal: BlockingPortal, client: Client) -> None:
        self.page, self._portal, self._client = page, portal, client
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda line: self.errors.append(line.text) if line.type == "error" else None)
        page.expose_function("rpc", self.rpc)
        page.clock.install()
        page.set_content(HOST.read_text(encoding="utf-8"))

    def rpc(self, method: str, params: dict[str, Any]) -> Any:
        if method == "tools/call":
            return self.call(params["name"], params["arguments"], params.get("_meta"))
        assert method == "resources/read"
        return self._portal.call(self._client.read_resource, params["uri"]).model_dump(
            mode="json", by_alias=True
        )

    def call(self, tool: str, arguments: dict[str, Any], meta: Any = None) -> Any:
        result = self._portal.call(lambda: self._client.call_tool(tool, arguments, meta=meta))
        return result.model_dump(mode="json", by_alias=True, exclude_none=True)

    def buy(self, customer: str, product: int, quantity: int) -> Any:
        items = [{"productId": product, "quantity": quantity}]
        return self.call("create_purchase", {"input_data": {"customerName": customer, "items": items}})

    def show(self, name: str, **shown: Any) -> FrameLocator:
        uri = f"ui://product-mcp/{name}.html"
        html = self.rpc("resources/read", {"uri": uri})["contents"][0]["text"]
        context = {"theme": "light", "locale": "zh-CN", **shown.pop("context", {})}
        self.page.evaluate("what => show(what)", {"html": html, "context": context, **shown})
        return self.page.frame_locator("iframe")

    def asked(self, method: str) -> list[Any]:
        said: list[Any] = self.page.evaluate("asked")
        return [each["params"] for each in said if each["method"] == method]


@asynccontextmanager
async def a_client(folder: Path) -> AsyncIterator[Client]:
    async with a_real_shop(folder) as rest, Client(main.create_server(main.Settings(), rest)) as client:
        yield client


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("shop")
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(a_client(folder)) as client,
        chromium() as browser,
    ):
        yield Host(browser.new_page(viewport={"width": 720, "height": 1500}), portal, client)


@pytest.fixture(autouse=True)
def nothing_goes_wrong(host: Host) -> Iterator[None]:
    yield
    assert host.errors == []


def choose_watch_and_buds(host: Host) -> FrameLocator:
    app = host.show("products", args={}, result=host.call("get_products", {}))
    app.get_by_label("智能手表Galaxy：多一件").click()
    app.get_by_label("无线蓝牙耳机Pro：件数").fill("2")
    app.get_by_label("客户名称").fill("客户A")
    expect(app.locator("#total")).to_have_text("¥3097.00")
    return app


def test_products_are_chosen_into_one_order_however_often_it_is_pressed(host: Host) -> None:
    app = choose_watch_and_buds(host)
    before = host.call("get_inventory", {"productIds": [1, 2]})["structuredContent"]["result"]
    app.locator("#buy").evaluate(TWICE)
    expect(app.locator("#outcome")).to_contain_text("¥3097.00")
    (bought,) = host.asked("tools/call")
    assert bought["arguments"]["input_data"]["idempotencyKey"] == bought["_meta"]["idempotency-key"]
    first, second = (item["quantity"] for item in before)
    expect(app.locator(".card").nth(0)).to_contain_text(f"可售 {first - 1} 件")
    expect(app.locator(".card").nth(1)).to_contain_text(f"可售 {second - 2} 件")


@pytest.mark.parametrize("fault", ["lost", "unsaid"])
def test_an_order_whose_answer_is_lost_is_tried_again_as_the_same_order(host: Host, fault: str) -> None:
    app = choose_watch_and_buds(host)
    orders = len(host.call("get_orders", {})["structuredContent"]["result"])
    host.page.evaluate(f"{fault} = 1")
    app.locator("#buy").click()
    host.page.wait_for_function("asked.some(each => each.method === 'tools/call')")
    host.page.clock.run_for(120_000)
    expect(app.locator("#outcome")).to_contain_text("还不知道有没有下单成功")
    expect(app.get_by_label("智能手表Galaxy：多一件")).to_be_disabled()
    # The host tells again what it has told: the app is drawn anew, and the order is the same.
    host.page.evaluate("tell({method: 'ui/notifications/tool-result', params: shown.result})")
    host.page.evaluate(
        "tell({method: 'ui/notifications/host-context-changed', params: {locale: 'en', theme: 'dark'}})"
    )
    app.get_by_role("button", name="Try the same order again").click()
    expect(app.locator("#outcome")).to_contain_text("nothing was ordered twice")
    first, second = host.asked("tools/call")
    assert first == second
    assert len(host.call("get_orders", {})["structuredContent"]["result"]) == orders + 1


def test_a_purchase_is_shown_while_it_waits_and_as_its_receipt(host: Host) -> None:
    order = {"customerName": HOSTILE, "items": [{"productId": 3, "quantity": 2}]}
    app = host.show("receipt", args={"input_data": order})
    expect(app.locator("#title")).to_have_text("等待确认")
    expect(app.locator("#lines")).to_have_text("2 × 便携式移动电源¥598.00")
    expect(app.locator("#customer")).to_have_text(HOSTILE)
    lost = {"code": "outcome_unknown", "params": {"idempotencyKey": "a key"}}
    failed = {
        "isError": True,
        "content": [{"type": "text", "text": "不知道"}],
        "_meta": {"product-mcp/error": lost},
    }
    host.page.evaluate("result => tell({method: 'ui/notifications/tool-result', params: result})", failed)
    app.get_by_role("button", name="再试一次").evaluate(TWICE)
    expect(app.locator("#title")).to_contain_text("已下")
    expect(app.locator("#total")).to_have_text("¥598.00")
    expect(app.locator("#again")).to_be_hidden()
    (bought,) = host.asked("tools/call")
    assert bought["arguments"]["input_data"] == {**order, "idempotencyKey": "a key"}


def test_stock_is_read_again_every_10_seconds_while_it_is_seen(host: Host) -> None:
    app = host.show("stock", args={}, result=host.call("get_inventory", {"productIds": [4]}))
    expect(app.locator("#bars")).to_have_text("华为MateBook X Pro150 件")
    host.buy("客户A", 4, 145)
    host.page.clock.run_for(10_000)
    expect(app.locator("#bars")).to_have_text("华为MateBook X Pro5 件")
    expect(app.locator("#bars .line")).to_have_class("line low")
    assert host.asked("tools/call") == []  # a host may ask a person about each


LOOKS: list[tuple[str, str, dict[str, Any]]] = [
    ("products", "get_products", {}),
    ("stock", "get_inventory", {}),
    ("sales", "get_orders", {}),
    ("sales", "get_orders", {"groupBy": "customer"}),
]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_each_app_fits_into_300_pixels_and_takes_the_hosts_colours(host: Host, theme: str) -> None:
    host.buy(HOSTILE, 1, 1)
    for name, tool, args in LOOKS:
        context = {
            "theme": theme,
            "locale": "en",
            "styles": {"variables": {"--color-text-primary": "rgb(1, 2, 3)"}},
        }
        app = host.show(name, args=args, result=host.call(tool, args), width=300, context=context)
        expect(app.locator("html")).to_have_attribute("lang", "en")
        expect(app.locator("li").first).to_be_visible()
        if name == "products":  # its last word: nothing changes its height after it
            expect(app.locator(".card").last).to_contain_text("available")
        assert app.locator("html").evaluate("html => html.scrollWidth") == 300
        height = app.locator("body").evaluate("body => Math.ceil(body.getBoundingClientRect().height)")
        host.page.wait_for_function("height => size?.width === 300 && size.height === height", arg=height)
        assert app.locator("body").evaluate("body => getComputedStyle(body).color") == "rgb(1, 2, 3)"
        is_dark = "getComputedStyle(document.documentElement).backgroundColor !== 'rgb(255, 255, 255)'"
        assert app.locator("html").evaluate(f"() => {is_dark}") is (theme == "dark")
        expect(app.locator("img")).to_have_count(0)
