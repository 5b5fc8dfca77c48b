"""The panel's shop: found, sorted, filtered, unfolded, saved, and told of changes."""

import threading
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.page_backend import HELD_SECONDS, Backend, buys, done, result, server
from tests.support.page_browser import PHONE, Open
from tests.support.page_states import ENTRY

Args = dict[str, Any]
PRODUCTS: list[dict[str, Any]] = [
    {
        "id": n,
        "name": f"{'耳机' if n % 10 == 0 else '手表'} {n}",
        "price": 10.0 * n,
        "description": f"第 {n} 号",
    }
    for n in range(1, 131)
]
ORDERS: list[dict[str, Any]] = [
    {
        "id": n,
        "customerName": "=客户A" if n % 2 else "客户B",
        "items": [
            {"productId": n, "quantity": 1},
            {"productId": 1, "quantity": 2},
            {"productId": 2, "quantity": 3},
        ],
        "totalAmount": 100.0 * n,
        "orderDate": f"2026-11-{n:02}T08:00:00+00:00",
        "status": "cancelled" if n == 29 else "placed",
    }
    for n in range(30, 0, -1)
]

HIDE = """() => {
    Object.defineProperty(document, "hidden", {value: true, writable: true, configurable: true});
    document.dispatchEvent(new Event("visibilitychange"));
}"""
SAID_AGAIN = """count => {
    window.said = [];
    new MutationObserver(() => said.push(count.textContent)).observe(count, {childList: true});
}"""
TOP = "row => row.getBoundingClientRect().top"  # pixels


class Shop:
    """As much of a shop as the panel asks for."""

    def __init__(self) -> None:
        self.stock = {product["id"]: 500 - product["id"] for product in PRODUCTS}
        self.orders = list(ORDERS)

    def products(self, args: Args) -> list[Any]:
        prices = range(int(args.get("minPrice", 0)), int(args.get("maxPrice", 10**6)) + 1)
        query = args.get("query", "")
        return _page([each for each in PRODUCTS if query in each["name"] and each["price"] in prices], args)

    def inventory(self, args: Args) -> list[Any]:
        ids = args.get("productIds", list(self.stock))
        most = args.get("maxQuantity", 10**6)
        rows = [
            {"productId": each["id"], "quantity": self.stock[each["id"]], "product": each}
            for each in PRODUCTS
            if each["id"] in ids and self.stock[each["id"]] <= most
        ]
        return _page(rows, args)

    def found(self, args: Args) -> list[Any]:
        customer, since, until = (args.get(name, "") for name in ("customerName", "since", "until"))
        rows = [
            each
            for each in self.orders
            if customer in ("", each["customerName"]) and since <= each["orderDate"] <= (until or "9")
        ]
        if args.get("groupBy") == "total":
            sold = [each["totalAmount"] for each in rows if each["status"] == "placed"]
            return [
                {"key": "total", "label": "合计", "orders": len(sold), "quantity": 1, "amount": sum(sold)}
            ]
        return [] if "groupBy" in args else _page(rows, args)


def _page(rows: list[Any], args: Args) -> list[Any]:
    offset = args.get("offset", 0)
    return rows[offset : offset + args.get("limit", 100)]


@pytest.fixture
def shop(backend: Backend) -> Shop:
    """130 products and 30 orders behind the scripted back end, which tells of changes."""
    shop = Shop()
    backend.run |= {
        "get_products": shop.products,
        "get_inventory": shop.inventory,
        "get_orders": shop.found,
    }
    backend.servers = [server("shop") | {"watched": ["shop://inventory", "shop://orders/latest"]}]
    return shop


def rows(page: Page) -> Locator:
    return page.locator("#stock .bar-row")


def test_products_are_counted_found_sorted_and_filtered(
    backend: Backend, shop: Shop, open_page: Open
) -> None:
    page = open_page(backend.url).page
    expect(page.locator("#stock-count")).to_have_text("20 / 130")
    page.locator("#more-stock").click()
    expect(page.locator("#stock-count")).to_have_text("120 / 130")
    expect(rows(page).nth(20)).to_be_focused()
    page.get_by_label("排序").select_option("库存少的在前")
    expect(rows(page).first).to_contain_text("耳机 130")
    page.get_by_label("搜索商品").fill("耳机")
    expect(page.locator("#stock-count")).to_have_text("13")
    page.locator("#stock-filter summary").click()
    page.get_by_label("最低价").fill("100")
    page.get_by_label("最高价").fill("500")
    expect(rows(page)).to_have_count(5)
    expect(rows(page).first).to_contain_text("耳机 50")
    shop.stock[30] = 7
    page.get_by_label("只看库存偏低的").check()
    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_contain_text("库存偏低")
    expect(page.locator("#stock-filter summary")).to_have_attribute("data-used", "3")
    rows(page).click()
    expect(page.locator("#stock .below")).to_contain_text("第 30 号")
    page.get_by_label("搜索商品").fill("没有这个")
    expect(page.locator("#stock")).to_have_text("没有找到")
    page.get_by_role("button", name="清除").first.click()
    expect(page.locator("#stock-count")).to_have_text("20 / 130")


def test_what_is_shown_belongs_to_what_is_typed_however_slow_the_shop_is(
    backend: Backend, shop: Shop, open_page: Open
) -> None:
    page = open_page(backend.url).page
    expect(rows(page)).to_have_count(20)
    asked, go_on = threading.Event(), threading.Event()

    def products(args: Args) -> list[Any]:
        asked.set()
        assert args["query"] != "耳" or go_on.wait(HELD_SECONDS)
        return shop.products(args)

    backend.run["get_products"] = products
    find = page.get_by_label("搜索商品")
    find.fill("耳")
    assert asked.wait(HELD_SECONDS)
    find.fill("耳机 1")
    find.fill("耳机 13")
    expect(page.locator("#shop")).to_have_attribute("aria-busy", "true")
    go_on.set()
    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_contain_text("耳机 130")
    expect(page.locator("#shop")).not_to_have_attribute("aria-busy", "true")
    assert backend.ran.count("get_products") == 2, "the one in between was not asked for"


def test_orders_are_filtered_summed_up_unfolded_and_saved(
    backend: Backend, shop: Shop, open_page: Open
) -> None:
    page = open_page(backend.url).page
    orders = page.locator("#orders .order")
    expect(orders).to_have_count(6)
    expect(orders.nth(1)).to_contain_text("已取消")
    expect(page.locator("#orders-total")).to_contain_text("29 笔")
    page.locator("#more-orders").click()
    expect(orders).to_have_count(30)
    expect(orders.nth(6)).to_be_focused()
    page.locator("#orders-filter summary").click()
    page.get_by_role("combobox", name="客户").fill("=客户A")
    page.get_by_label("从", exact=True).fill("2026-11-25")
    expect(orders).to_have_count(3)
    expect(page.locator("#orders-total")).to_contain_text("2 笔，合计 ¥5200.00")
    expect(orders.first).to_contain_text("另有 1 项")
    orders.first.click()
    expect(page.locator(".order-lines li")).to_have_text(["手表 29× 1", "手表 1× 2", "手表 2× 3"])
    page.get_by_label("到", exact=True).fill("2026-11-01")
    expect(orders).to_have_count(3)  # no period: it is not asked for
    page.get_by_label("到", exact=True).fill("")
    with page.expect_download() as download:
        page.get_by_role("button", name="导出 CSV").click()
    expect(page.locator("#toast")).to_contain_text("已导出 3 笔订单，9 行")
    assert download.value.suggested_filename.endswith(".csv")
    text = Path(download.value.path()).read_bytes().decode()
    lines = text.split("\r\n")
    assert text[0] == "\ufeff"
    assert lines[1].split(",")[2:] == ["'=客户A", "已取消", "29", "手表 29", "1", "2900"]
    assert lines[2].split(",")[4:] == ["1", "手表 1", "2", ""]


def test_days_are_the_shops_and_times_the_readers(backend: Backend, shop: Shop, open_page: Open) -> None:
    backend.servers = [backend.servers[0] | {"timezone": "Asia/Shanghai"}]
    shop.orders = [ORDERS[0] | {"id": 31, "orderDate": "2026-11-29T17:30:00+00:00"}, ORDERS[1]]
    page = open_page(backend.url, timezone_id="America/New_York").page
    orders = page.locator("#orders .order")
    expect(orders.first).to_contain_text("11月29日 12:30 (商店是11月30日)")
    expect(orders.last).to_contain_text("11月29日 03:00")
    expect(orders.last).not_to_contain_text("商店")
    page.locator("#orders-filter summary").click()
    expect(page.locator("#orders-filter")).to_contain_text("日期按商店的时区：Asia/Shanghai")
    with page.expect_download() as download:
        page.get_by_role("button", name="导出 CSV").click()
    lines = Path(download.value.path()).read_bytes().decode().split("\r\n")
    assert "Asia/Shanghai" in lines[0]
    assert [line.split(",")[1] for line in lines[1:-1:3]] == ["2026-11-30 01:30:00", "2026-11-29 16:00:00"]
    backend.servers = [backend.servers[0] | {"timezone": "America/New_York"}]
    expect(orders.first).not_to_contain_text("商店")
    expect(page.locator("#shop-zone")).to_have_text("")


def test_products_are_shown_before_the_orders_are_there(
    backend: Backend, shop: Shop, open_page: Open
) -> None:
    goes_on, orders = threading.Event(), backend.run["get_orders"]

    def late(args: Args) -> Any:
        assert goes_on.wait(HELD_SECONDS)
        return orders(args)

    backend.run["get_orders"] = late
    page = open_page(backend.url).page
    expect(rows(page)).to_have_count(20)
    expect(page.locator(".starters")).to_contain_text(PRODUCTS[1]["name"])
    expect(page.locator("#orders .order")).to_have_count(0)
    goes_on.set()
    expect(page.locator("#orders .order").first).to_be_visible()


def test_a_page_that_is_told_of_changes_does_not_ask_and_takes_nothing_away(
    backend: Backend, shop: Shop, open_page: Open
) -> None:
    page = open_page(backend.url).page
    expect(rows(page)).to_have_count(20)
    find = page.get_by_label("搜索商品")
    page.get_by_label("排序").select_option("库存少的在前")
    row = rows(page).filter(has_text="手表 129")
    row.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#stock .below").filter(has_text="第 129 号")).to_be_visible()
    page.locator("#panel").evaluate("panel => { panel.scrollTop = 300 }")
    read = rows(page).filter(has_text="手表 119")
    top = read.evaluate(TOP)
    before = len(backend.ran)
    page.locator("#stock-count").evaluate(SAID_AGAIN)
    shop.stock[129] = 450
    backend.changes += 1
    expect(row.locator("b")).to_have_text("450")
    expect(rows(page).nth(1)).not_to_contain_text("手表 129")
    expect(row).to_be_focused()
    expect(page.locator("#stock .below").filter(has_text="第 129 号")).to_be_attached()
    assert abs(read.evaluate(TOP) - top) < 2, "what is read stays where it is"
    assert page.evaluate("said") == [], "there are as many as before"
    asked = len(backend.ran) - before
    assert (
        asked == backend.ran[before:].count("get_inventory") + backend.ran[before:].count("get_orders") <= 4
    )
    page.get_by_text("工具", exact=True).click()
    shop.stock[130] = 3
    backend.changes += 1
    page.get_by_text("商店", exact=True).click()
    expect(rows(page).filter(has_text="耳机 130").locator("b")).to_have_text("3")
    expect(find).to_have_value("")
    page.evaluate(HIDE)  # which ends the stream that tells it of changes
    shop.stock[130] = 1
    backend.changes += 1
    page.evaluate("document.hidden = false")
    expect(rows(page).filter(has_text="耳机 130").locator("b")).to_have_text("1")


def test_many_changes_are_few_questions(backend: Backend, shop: Shop, open_page: Open) -> None:
    page = open_page(backend.url).page
    expect(rows(page)).to_have_count(20)
    looks: list[Args] = []
    is_asked, goes_on = threading.Event(), threading.Event()

    def slow(args: Args) -> list[Any]:
        looks.append(args)
        is_asked.set()
        assert goes_on.wait(60)
        return shop.inventory(args)

    backend.run["get_inventory"] = slow
    for left in range(40, 0, -1):
        shop.stock[1] = left
        backend.changes += 1
        assert is_asked.wait(60)  # all others come while the shop is asked about the first
        page.evaluate("new Promise(requestAnimationFrame)")
    assert len(looks) == 1
    goes_on.set()
    expect(rows(page).first.locator("b")).to_have_text("1")
    assert len(looks) <= 3


def test_an_order_leads_to_the_conversation_that_bought_it(
    backend: Backend, shop: Shop, open_page: Open
) -> None:
    shown = open_page(backend.url)
    order = {**ORDERS[0], "items": [{"productId": 2, "quantity": 2}], "id": 31}
    backend.say(buys())
    shown.ask("买 2 个")
    backend.say(result("c1", order), done())
    shown.button("确认购买").click()
    expect(shown.page.get_by_role("group", name="订单已生成")).to_be_visible()
    shop.orders.insert(0, order)
    backend.changes += 1
    shown.page.locator("#create").click()
    expect(shown.page.locator(".mine")).to_have_count(0)
    shown.page.locator(".order", has_text="#31").click()
    shown.page.locator(".order", has_text="#30").click()
    expect(shown.button("打开下单时的对话")).to_have_count(1)
    shown.button("打开下单时的对话").click()
    expect(shown.page.locator(".mine")).to_have_text("买 2 个")
    expect(shown.card.locator("summary").first).to_be_focused()


def test_the_header_says_how_it_is(backend: Backend, open_page: Open) -> None:
    page = open_page(backend.url).page
    states: list[tuple[list[dict[str, Any]], str, str]] = [
        ([server("shop") | {"shopAway": True}], "down", "shop 的商店连不上"),
        ([], "none", "0/0"),
        ([server("shop"), server("other", "disabled")], "ready", "1/1"),
        ([server("shop", "disabled")], "none", "0/0"),
    ]
    for servers, light, said in states:
        backend.servers = servers
        expect(page.locator("#health")).to_have_attribute("data-status", light)
        expect(page.locator("main.chat")).to_contain_text(said)


def test_an_entry_that_is_edited_stands_above_the_drawer(backend: Backend, open_page: Open) -> None:
    page = open_page(backend.url, viewport=PHONE).page
    page.route("**/api/servers/shop/entry", lambda route: route.fulfill(json=ENTRY))
    page.route("**/api/servers/shop/wire*", lambda route: route.fulfill(status=404))
    page.locator("#panel-toggle").click()
    page.get_by_text("工具", exact=True).click()
    page.get_by_role("button", name="管理 shop").click()
    page.get_by_role("button", name="编辑配置").click()
    dialog = page.get_by_role("dialog", name="管理 shop")
    expect(dialog).to_be_visible()
    page.wait_for_timeout(300)  # the panel would come back over it now
    expect(page.locator("#panel:popover-open")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_be_visible()


def test_an_open_drawer_keeps_the_focus_and_gives_it_back(backend: Backend, open_page: Open) -> None:
    page = open_page(backend.url, viewport=PHONE).page
    page.locator("#side-toggle").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#chat")).to_have_attribute("inert", "")
    for _ in range(12):
        page.keyboard.press("Tab")
        assert page.evaluate("document.querySelector('#chat').contains(document.activeElement)") is False
    page.locator("#search").focus()
    page.keyboard.press("Escape")
    expect(page.locator("#side-toggle")).to_be_focused()
