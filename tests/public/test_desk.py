"""The owner's desk in the panel: what it sends, once, and what it says; nothing typed is lost."""

import threading
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from starlette.responses import JSONResponse

from tests.support.page_backend import HELD_SECONDS, ORDER, PRODUCTS, Backend, server, tool
from tests.support.page_browser import Open

Args = dict[str, Any]
MOVES = [
    {
        "id": 3,
        "productId": 2,
        "change": -2,
        "kind": "purchase",
        "orderId": 7,
        "reason": "",
        "moveDate": "2026-11-21T08:00:00+00:00",
    },
    {
        "id": 2,
        "productId": 2,
        "change": 52,
        "kind": "opening",
        "orderId": None,
        "reason": "盘点",
        "moveDate": "2026-11-20T08:00:00+00:00",
    },
]
LOST = {"code": "late", "params": {"server": "shop"}, "detail": "…", "unknown": True}


def refusal(code: str, **params: Any) -> JSONResponse:
    return JSONResponse({"result": "…", "isError": True, "code": code, "params": params})


class Shop:
    """Two products and an order behind the scripted back end, and with what its tools were called."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.products = [dict(product) for product in PRODUCTS]
        self.stock = {1: 100, 2: 50}
        self.order = {**ORDER, "status": "placed"}
        self.calls: list[Args] = []
        self.answers: list[Any] = []  # instead of doing what is asked
        self.go_on = threading.Event()
        self.go_on.set()
        backend.servers = [server("shop") | {"watched": ["shop://inventory"]}]
        for name in ("restock", "change_product", "cancel_order"):
            backend.tools.append(tool(name, read_only=False, honoursKey=True))
            backend.run[name] = getattr(self, name)
        backend.run |= {
            "get_inventory": lambda args: [self.row(id_) for id_ in args.get("productIds", list(self.stock))],
            "get_orders": lambda args: [] if "groupBy" in args else [self.order],
        }
        backend.resources["shop://products/2/moves"] = MOVES

    def row(self, id_: int) -> Args:
        product = next(each for each in self.products if each["id"] == id_)
        return {"productId": id_, "quantity": self.stock[id_], "product": product}

    def _called(self, args: Args) -> Any:
        self.calls.append(args)
        self.go_on.wait(HELD_SECONDS)
        return self.answers.pop(0) if self.answers else None

    def restock(self, args: Args) -> Any:
        if answer := self._called(args):
            return answer
        self.stock[args["productId"]] += args["change"]
        return self.row(args["productId"])

    def change_product(self, args: Args) -> Any:
        if answer := self._called(args):
            return answer
        changes: Args = {name: args[name] for name in ("name", "price", "description") if name in args}
        if "productId" not in args:
            self.products.append({"id": 3, "description": "", **changes})
            self.stock[3] = args.get("quantity", 0)
            return self.products[-1]
        product = next(each for each in self.products if each["id"] == args["productId"])
        product |= changes | ({"description": ""} if "clearDescription" in args else {})
        return product

    def cancel_order(self, args: Args) -> Any:
        if answer := self._called(args):
            return answer
        self.order = self.order | {"status": "cancelled"}
        return self.order


@pytest.fixture
def shop(backend: Backend) -> Shop:
    return Shop(backend)


def unfold(page: Page, name: str = "无线蓝牙耳机Pro") -> Locator:
    """Unfold a product and return what it unfolds to."""
    row = page.locator("#stock li", has_text=name)
    row.locator(".bar-row").click()
    return row


def test_stock_is_moved_once_whatever_happens_and_nothing_typed_is_lost(
    backend: Backend, shop: Shop, open_page: Open
) -> None:
    page = open_page(backend.url).page
    row = unfold(page)
    count, reason = row.get_by_label("件数"), row.get_by_label("原因")
    count.fill("5")
    reason.fill("到货")
    shop.answers = [refusal("out_of_stock", productId=2, name="耳机", available=50)]
    row.get_by_role("button", name="− 更正").click()
    expect(row.locator(".output").first).to_have_text("商品 耳机 库存不足. 可用: 50")
    expect(count).to_have_value("5")
    expect(reason).to_have_value("到货")
    shop.go_on.clear()
    count.press("Enter")
    expect(count).to_be_disabled()
    shop.go_on.set()
    expect(row.locator(".bar-row b")).to_have_text("55")
    expect(row.locator(".output").first).to_have_text("已记入流水，现有 55 件")
    expect(count).to_have_value("")
    expect(count).to_be_focused()
    count.fill("7")
    shop.answers = [JSONResponse(LOST, 502), JSONResponse(LOST, 502)]
    row.get_by_role("button", name="+ 到货").click()
    again = row.get_by_role("button", name="再试一次（同一笔，只会执行一次）")
    again.click()
    expect(row.locator(".output").first).to_contain_text("不知道这一步是否成功")
    expect(again).to_be_focused()
    expect(count).to_be_disabled()
    page.keyboard.press("Enter")
    expect(row.locator(".bar-row b")).to_have_text("62")
    assert shop.calls[:2] == [
        {"productId": 2, "change": -5, "reason": "到货"},
        {"productId": 2, "change": 5, "reason": "到货"},
    ]
    assert shop.calls[2:] == [{"productId": 2, "change": 7}] * 3
    refused, done, *same = backend.keys
    assert len({refused, done, *same}) == len(same) == 3


def test_a_price_is_changed_in_place_and_a_change_by_another_is_seen(
    backend: Backend, shop: Shop, open_page: Open
) -> None:
    page = open_page(backend.url).page
    row = unfold(page)
    row.get_by_text("修改名称、价格、描述").click()
    price, save = row.get_by_label("单价（元）"), row.get_by_role("button", name="保存")
    expect(price).to_have_value("899")
    shop.products[1] |= {"price": 850.0, "description": "新描述"}
    backend.changes += 1
    expect(price).to_have_value("850")
    expect(row.get_by_label("描述")).to_have_value("新描述")
    price.fill("800")
    shop.products[1]["price"] = 840.0  # of which the page is not told in time
    save.click()
    expect(row.locator(".output", has_text="单价")).to_contain_text("这期间已改成“840”")
    assert shop.calls == []
    expect(price).to_have_value("800")
    save.click()
    expect(row.locator(".bar-row")).to_contain_text("¥800.00")
    expect(row.locator(".output", has_text="已保存")).to_be_visible()
    assert shop.calls == [{"productId": 2, "price": 800}]
    assert backend.confirmed == [{}]
    row.get_by_label("描述").fill(" ")
    row.get_by_label("新的关键词").fill("buds，耳塞 , ")
    save.click()
    expect(row.locator(".below > p").first).to_have_text("")
    assert shop.calls[1:] == [{"productId": 2, "clearDescription": True, "keywords": ["buds", "耳塞"]}]
    row.get_by_text("库存流水").click()
    expect(row.locator(".moves li").first).to_have_text("售出 11月21日 08:00 · #7-2")
    expect(row.locator(".moves li").last).to_have_text("期初 11月20日 08:00 · 盘点+52")


def test_a_product_is_added_and_typing_survives_what_is_pushed(
    backend: Backend, shop: Shop, open_page: Open
) -> None:
    page = open_page(backend.url).page
    page.get_by_text("新商品").click()
    form = page.locator("#desk")
    form.get_by_label("名称").fill("充电宝")
    form.get_by_label("单价（元）").fill("99.5")
    form.get_by_label("初始库存").fill("9")
    keywords = form.get_by_label("关键词（用逗号分隔）")
    keywords.fill("power bank，移动")
    shop.stock[1] = 12
    backend.changes += 1
    expect(page.locator("#stock .bar-row b").first).to_have_text("12")
    expect(keywords).to_be_focused()
    shop.answers = [refusal("owner_only")]
    form.get_by_role("button", name="添加").click()
    expect(form.locator(".output")).to_contain_text("只有店主可以这样做")
    expect(keywords).to_have_value("power bank，移动")
    keywords.press("Enter")
    expect(page.locator("#stock .bar-row").last).to_contain_text("充电宝")
    expect(form.locator(".output")).to_have_text("已添加 充电宝，编号 3")
    product = {"name": "充电宝", "price": 99.5, "quantity": 9, "keywords": ["power bank", "移动"]}
    assert shop.calls == [product, product]


def test_an_order_is_cancelled_after_a_question_that_names_it(
    backend: Backend, shop: Shop, open_page: Open
) -> None:
    page = open_page(backend.url).page
    order = page.locator("#orders li").first
    order.locator(".order").click()
    order.get_by_text("取消这笔订单").click()
    expect(order).to_contain_text("取消 客户A 的订单 #7（¥1798.00）吗？无线蓝牙耳机Pro × 2 会退回库存。")
    order.get_by_role("button", name="不取消").click()
    expect(order.get_by_label("原因")).not_to_be_visible()
    assert shop.calls == []
    page.keyboard.press("Enter")  # the question has the focus
    order.get_by_label("原因").fill("买错了")
    order.get_by_role("button", name="确认取消").click()
    expect(order.locator(".order")).to_contain_text("已取消")
    expect(page.locator("#toast")).to_contain_text("订单 #7 已取消")
    expect(order.get_by_text("取消这笔订单")).to_have_count(0)
    expect(order.locator(".order")).to_be_focused()
    assert shop.calls == [{"orderId": 7, "reason": "买错了"}]


def test_only_the_tools_of_the_shop_itself_open_the_desk(
    backend: Backend, shop: Shop, open_page: Open
) -> None:
    backend.servers.append(server("other"))
    names = ("restock", "change_product", "cancel_order")
    backend.tools = [each for each in backend.tools if each["name"] not in names]
    backend.tools += [tool(name, server="other", read_only=False, honoursKey=True) for name in names]
    backend.tools.append(tool("restock", read_only=False, honoursKey=False))
    page = open_page(backend.url).page
    row = unfold(page)
    expect(row.get_by_role("button", name="它的订单")).to_be_visible()
    expect(row.locator("form")).to_have_count(0)
    expect(page.locator("#desk")).to_be_empty()
    backend.tools = [each | {"server": "shop", "honoursKey": True} for each in backend.tools]
    expect(page.locator("#desk")).to_contain_text("新商品")


def test_what_is_half_filled_in_stays_in_another_language(backend: Backend, open_page: Open) -> None:
    Shop(backend)
    shown = open_page(backend.url)
    page = shown.page
    page.locator("#stock .bar-row").nth(1).click()
    row = page.locator("#stock > li").nth(1)
    for summary in (row.locator(".more summary").first, page.locator("#desk summary")):
        summary.click()
    row.locator("[name=price]").fill("12")
    row.locator("[name=count]").fill("3")
    page.locator("#desk [name=name]").fill("新的")
    shown.button("设置").click()
    page.get_by_text("English", exact=True).click()
    expect(row.get_by_role("button", name="Save")).to_be_visible()
    expect(row.locator("[name=price]")).to_have_value("12")
    expect(row.locator("[name=name]")).to_have_value("无线蓝牙耳机Pro")
    expect(row.locator("[name=count]")).to_have_value("3")
    expect(row.locator(".warned")).to_have_count(0)
    expect(page.locator("#desk [name=name]")).to_have_value("新的")
