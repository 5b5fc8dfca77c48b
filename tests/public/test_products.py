"""Products as products: cards, bought and compared by them; calls that fold; starters of this shop."""

import base64
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.support.asgi import in_a_thread
from tests.support.page_backend import PRODUCTS, STOCK, Backend, buys, call, done, result, says, tool
from tests.support.page_browser import PHONE, Open
from tests.support.page_media import MEDIA

PIXEL = MEDIA[0]["data"]
MUG = {"id": 3, "name": "Mug", "price": 9.5, "description": "", "image": "shop://products/3/image"}


def takes_ids(backend: Backend) -> None:
    backend.tools = [each for each in backend.tools if each["name"] != "get_inventory"]
    backend.tools.append(tool("get_inventory", properties={"productIds": {"type": "array"}}))


def test_an_answer_shows_the_products_that_it_names_with_the_stock_of_now(
    backend: Backend, open_page: Open
) -> None:
    takes_ids(backend)
    shown = open_page(backend.url)
    backend.say(
        call("c1", "get_products", {}), result("c1", [*PRODUCTS, MUG]), says("有智能手表Galaxy"), done()
    )
    shown.ask("手表")
    cards = shown.answer.locator(".product")
    expect(cards).to_have_count(1)
    expect(cards).to_contain_text("智能手表Galaxy")
    expect(cards).to_contain_text("¥1299.00")
    expect(cards).to_contain_text("100 件")
    shown.page.reload()
    expect(shown.answer.locator(".product")).to_contain_text("100 件")


@pytest.mark.parametrize("context", [{}, {"viewport": PHONE, "has_touch": True}], ids=["wide", "phone"])
def test_a_card_buys_by_the_conversation_and_cards_are_compared(
    backend: Backend, open_page: Open, context: dict[str, Any]
) -> None:
    stock = [STOCK[0] | {"quantity": 0}, STOCK[1]]
    backend.run["get_inventory"] = lambda _: stock
    shown = open_page(backend.url, **context)
    backend.say(call("c1", "get_inventory", {}), result("c1", stock), says("都在这里"), done())
    shown.ask("库存")
    first, second = (shown.answer.locator(".product").nth(i) for i in range(2))
    expect(first).to_contain_text("售罄")
    expect(first.get_by_role("button", name="购买")).to_be_disabled()
    for card in (first, second):
        card.get_by_role("checkbox").check()
    shown.button("比较这 2 个").click()
    dialog = shown.page.get_by_role("dialog")
    expect(dialog.locator("tbody tr").first).to_contain_text("¥1299.00¥899.00")
    backend.say(buys("p1"))
    dialog.get_by_role("button", name="购买 无线蓝牙耳机Pro").click()
    expect(shown.page.locator(".mine").last).to_contain_text("我要买 1 个无线蓝牙耳机Pro（商品 ID 2）")
    expect(shown.button("确认购买")).to_be_visible()
    shown.settle()
    expect(shown.page.locator(".shelf")).to_have_count(1)  # where something is bought stands its bill alone


def test_who_wants_a_table_has_it_and_keeps_it(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    backend.say(call("c1", "get_products", {}), result("c1", PRODUCTS), says("好"), done())
    shown.ask("一")
    shown.button("看表格").click()
    expect(shown.answer.locator(".shelf tbody tr")).to_have_count(2)
    shown.page.reload()
    expect(shown.answer.locator(".shelf tbody tr")).to_have_count(2)
    shown.button("看卡片").click()
    expect(shown.answer.locator(".product")).to_have_count(2)


def test_what_is_no_list_of_products_stays_what_it_is(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    flights = [{"id": 1, "name": "CA 981", "price": 5000, "departure": "10:00"}]
    backend.say(call("c1", "flights", {}, server="air"), result("c1", flights), says("CA 981"), done())
    shown.ask("飞")
    expect(shown.answer.locator(".acts")).to_be_visible()
    shown.answer.locator("summary").first.click()
    expect(shown.answer.locator("tbody tr")).to_have_count(1)
    expect(shown.page.locator(".shelf:not(:empty)")).to_have_count(0)


def test_a_picture_is_read_from_its_server_and_a_broken_one_is_a_mark(
    backend: Backend, open_page: Open
) -> None:
    app, asked = backend.app(), []

    async def picture(request: Request) -> Response:
        asked.append(dict(request.query_params))
        is_there = request.query_params["uri"] == MUG["image"]
        return Response(base64.b64decode(PIXEL), media_type="image/png") if is_there else Response("{}", 404)

    app.router.routes.append(Route("/api/picture", picture))
    rows = [
        MUG,
        MUG | {"id": 4, "image": "shop://gone"},
        MUG | {"id": 5, "image": f"{backend.canary}"},
        MUG | {"id": 6, "image": f"data:image/png;base64,{PIXEL}"},
    ]
    with in_a_thread(app) as url:
        shown = open_page(url)
        backend.say(call("c1", "goods", {}), result("c1", rows), says("好"), done())
        shown.ask("一")
        expect(shown.page.locator(".product .mark")).to_have_count(2)
        expect(shown.page.locator(".product img")).to_have_count(2)
        expect(shown.page.locator(".product img").first).to_have_js_property("naturalWidth", 1)
    assert {each["uri"] for each in asked} == {MUG["image"], "shop://gone"}
    assert backend.canary_hits == []


def test_the_panel_shows_the_pictures_that_products_have_and_loads_each_once(
    backend: Backend, open_page: Open
) -> None:
    asked: list[str] = []

    async def picture(request: Request) -> Response:
        asked.append(request.query_params["uri"])
        return Response(base64.b64decode(PIXEL), media_type="image/png")

    app = backend.app()
    app.router.routes.append(Route("/api/picture", picture))
    backend.run["get_inventory"] = lambda _: [STOCK[0], {"productId": 3, "quantity": 5, "product": MUG}]
    with in_a_thread(app) as url:
        shown = open_page(url)
        expect(shown.page.locator("#stock .thumb img")).to_have_js_property("naturalWidth", 1)
        backend.run["get_inventory"] = lambda _: [{"productId": 3, "quantity": 4, "product": MUG}]
        backend.changes += 1
        expect(shown.page.locator("#stock .bar-row", has_text="Mug").locator("b")).to_have_text("4")
        expect(shown.page.locator("#stock .thumb img")).to_have_js_property("naturalWidth", 1)
    assert asked == [MUG["image"]]


def tools(page: Page) -> list[str]:
    found: list[str] = page.locator(".tool").evaluate_all(
        "all => all.filter(one => one.checkVisibility()).map(one => one.dataset.state)"
    )
    return found


def test_calls_that_have_read_fold_into_one_line_that_opens_by_keyboard(
    backend: Backend, open_page: Open
) -> None:
    shown = open_page(backend.url)
    names = ("get_products", "get_inventory", "get_inventory")
    reads = [part for i, name in enumerate(names) for part in (call(f"c{i}", name, {}), result(f"c{i}", []))]
    backend.say(*reads, says("好"), done())
    shown.ask("一")
    for _ in range(2):
        line = shown.answer.locator(".calls > summary")
        expect(line).to_have_text("get_products · get_inventory3 次调用")
        assert tools(shown.page) == []
        line.press("Enter")
        assert tools(shown.page) == ["done"] * 3
        card = shown.answer.locator(".tool").first
        expect(card.locator("code").first).not_to_be_visible()
        card.locator("summary").first.press("Enter")
        expect(card.locator("code").first).to_contain_text("shop · get_products")
        expect(card.locator(".card-state").first).to_contain_text("3 ms")
        shown.page.reload()


def test_what_waits_fails_or_was_bought_stays_in_sight_between_lines(
    backend: Backend, open_page: Open
) -> None:
    shown = open_page(backend.url)

    def read(id_: str) -> list[Any]:
        return [*call(id_, "get_products", {}), *result(id_, [])]

    failed = [*call("f", "get_orders", {}), *result("f", "no", failed=True)]
    backend.say(read("a"), read("b"), failed, read("c"), read("d"), buys("p"))
    shown.ask("买")
    expect(shown.answer.locator(".calls")).to_have_count(2)
    assert tools(shown.page) == ["failed", "waiting"]
    order = {"customerName": "A", "items": [{"productId": 2, "quantity": 1}], "id": 7, "totalAmount": 899.0}
    bought = result("p", order | {"orderDate": "2026-11-21T08:00:00+00:00"})
    backend.say(bought, read("e"), read("g"), says("好"), done())
    shown.button("确认购买").click()
    shown.settle()
    expect(shown.answer.locator(".calls")).to_have_count(3)
    expect(shown.answer.locator(".receipt")).to_be_visible()
    assert tools(shown.page) == ["failed", "done"]


def test_starters_speak_of_what_this_shop_has_or_in_general(backend: Backend, open_page: Open) -> None:
    tea = {"productId": 1, "quantity": 5, "product": {"id": 1, "name": "Green Tea", "price": 31.0}}
    backend.run["get_inventory"] = lambda _: [tea]
    shown = open_page(backend.url, locale="en-GB")
    expect(shown.page.locator("#starters")).to_contain_text("Buy 2 of Green Tea for customer A")
    expect(shown.page.locator("#starters")).to_contain_text("I have 40 yuan")
    backend.tools = []
    shown = open_page(backend.url)
    expect(shown.page.locator("#starters")).to_contain_text("哪些商品快卖完了？")
    assert "{" not in shown.page.locator("#starters").inner_text()


def test_the_panel_buys_by_the_conversation_too(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    backend.say(buys())
    shown.page.locator(".bar-row").first.click()
    shown.page.locator("#stock").get_by_role("button", name="购买").click()
    expect(shown.page.locator(".mine")).to_contain_text("智能手表Galaxy")
    expect(shown.button("确认购买")).to_be_visible()
