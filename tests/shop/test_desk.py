"""The owner's desk: products, deliveries and corrections, cancellations; and who may use it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

import api
from tests.support.engines import ENGINES, ask, audit, new_url

pytestmark = pytest.mark.anyio
TEA = {"name": "茶", "price": 19.99, "description": "绿茶"}
BUY = {"customerName": "A", "items": [{"productId": 2, "quantity": 3}, {"productId": 3, "quantity": 1}]}
STOCK = {1: 100, 2: 50, 3: 200, 4: 150}
KEY_REUSED = {
    "detail": "Idempotency-Key 已用于另一次不同的改动",
    "code": "key_reused",
    "params": {"of": "change"},
}


@asynccontextmanager
async def serving(**settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    app = api.create_app(api.Settings(**settings))
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")
    async with app.router.lifespan_context(app), http:
        yield http


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return new_url(request.param, tmp_path)


@pytest.fixture
async def desk(url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(database_url=url) as client:
        yield client


async def move(desk: httpx.AsyncClient, product: int, key: str | None = None, **body: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await desk.post(f"/api/inventory/{product}/moves", json=body, headers=headers)


async def stock(desk: httpx.AsyncClient, product: int) -> int:
    left: int = (await desk.get("/api/inventory", params={"productId": product})).json()[0]["quantity"]
    return left


async def test_a_delivery_and_a_correction_are_lines_newest_first(desk: httpx.AsyncClient, url: str) -> None:
    assert (await move(desk, 2, change=20, reason="到货")).json()["kind"] == "delivery"
    assert (await move(desk, 2, change=-5)).json()["kind"] == "correction"
    listed = await desk.get("/api/inventory/2/moves")
    assert [(line["change"], line["kind"], line["reason"]) for line in listed.json()] == [
        (-5, "correction", ""),
        (20, "delivery", "到货"),
        (50, "opening", ""),
    ]
    assert (await stock(desk, 2), listed.headers["X-Total-Count"]) == (65, "3")
    audit(url, STOCK | {2: 65})


async def test_a_delivery_with_a_key_is_made_once_however_often_it_is_sent(
    desk: httpx.AsyncClient, url: str
) -> None:
    answers = await asyncio.gather(*(move(desk, 2, "k", change=20) for _ in range(5)))
    assert len({answer.text for answer in answers}) == 1
    assert [answer.headers.get("Idempotent-Replayed") for answer in answers].count(None) == 1
    assert await stock(desk, 2) == 70
    for product, change in ((2, 21), (3, 20)):
        refused = await move(desk, product, "k", change=change)
        assert (refused.status_code, refused.json()) == (422, KEY_REUSED)
    audit(url, STOCK | {2: 70})


async def test_a_cancelled_order_returns_its_stock_once_and_leaves_the_sums(
    desk: httpx.AsyncClient, url: str
) -> None:
    bought = [(await desk.post("/api/purchase", json=BUY)).json() for _ in range(2)]
    path = f"/api/orders/{bought[0]['id']}"
    cancels = [desk.post(f"{path}/cancel", json={"reason": "买错了"}) for _ in range(3)]
    cancelled = bought[0] | {"status": "cancelled"}
    answers = await asyncio.gather(*cancels)
    assert [answer.json() for answer in answers] == [cancelled] * 3
    assert [answer.headers.get("Idempotent-Replayed") for answer in answers].count(None) == 1
    assert (await desk.get(path)).json() == cancelled
    assert (await desk.get("/api/orders")).json() == [bought[1], cancelled]
    assert (await stock(desk, 2), await stock(desk, 3)) == (47, 199)
    for group in ("product", "customer", "day", "total"):
        sums = (await desk.get("/api/orders/summary", params={"groupBy": group})).json()
        assert sum(one["amount"] for one in sums) == bought[1]["totalAmount"]
    newest = (await desk.get("/api/inventory/2/moves")).json()[0]
    assert (newest["change"], newest["orderId"], newest["reason"]) == (3, bought[0]["id"], "买错了")
    audit(url, STOCK)


@pytest.mark.parametrize("kind", [None, "application/json", "text/plain"])
async def test_a_cancellation_needs_no_body_and_no_other_page_sends_it(
    desk: httpx.AsyncClient, kind: str | None
) -> None:
    order = (await desk.post("/api/purchase", json=BUY)).json()
    headers, path = {"Content-Type": kind} if kind else {}, f"/api/orders/{order['id']}/cancel"
    foreign = await desk.post(path, headers=headers | {"Origin": "http://elsewhere.example"})
    assert (foreign.status_code, (await desk.get("/api/orders")).json()) == (403, [order])
    answer = await desk.post(path, headers=headers)
    assert (answer.status_code, answer.json()) == (200, order | {"status": "cancelled"})


async def test_a_cancelled_order_is_what_its_key_finds(desk: httpx.AsyncClient) -> None:
    first = (await desk.post("/api/purchase", json=BUY, headers={"Idempotency-Key": "k"})).json()
    await desk.post(f"/api/orders/{first['id']}/cancel", json={})
    again = await desk.post("/api/purchase", json=BUY, headers={"Idempotency-Key": "k"})
    assert (again.json(), await stock(desk, 2)) == (first | {"status": "cancelled"}, 50)


async def test_a_product_is_created_with_its_stock_and_changed_but_for_it(
    desk: httpx.AsyncClient, url: str
) -> None:
    made = await desk.put("/api/products/7", json=TEA | {"quantity": 5, "keywords": ["beverage"]})
    assert made.json() == TEA | {"id": 7}
    assert (await desk.get("/api/products?query=beverage")).json() == [made.json()]
    await desk.put("/api/products/7", json=TEA | {"price": 30, "quantity": 99})
    assert (await desk.get("/api/products?query=beverage")).json() == []
    assert (await stock(desk, 7), ask(url, "SELECT price_cents FROM products WHERE id = 7")) == (5, [(3000,)])
    audit(url, STOCK | {7: 5})


@pytest.mark.parametrize(("method", "path"), [("PUT", "/7"), ("POST", ""), ("PATCH", "/2")])
async def test_a_products_name_has_no_blanks_around_it(
    desk: httpx.AsyncClient, method: str, path: str
) -> None:
    body = {"name": "\u3000 绿 茶\n", **({"price": 1} if method != "PATCH" else {})}
    body |= {"description": ""} if method == "PUT" else {}
    answer = await desk.request(method, f"/api/products{path}", json=body)
    assert answer.json()["name"] == "绿 茶"
    table = await desk.put("/api/products.csv", content="id,name,price,description\n8, 绿 茶 ,2,x")
    assert (table.status_code, (await desk.get("/api/products/8")).json()["name"]) == (200, "绿 茶")


async def change(desk: httpx.AsyncClient, path: str, key: str | None = None, **body: Any) -> httpx.Response:
    method, headers = "PATCH" if "/" in path else "POST", {"Idempotency-Key": key} if key else {}
    return await desk.request(method, f"/api/{path}", json=body, headers=headers)


async def test_what_is_not_given_of_a_product_stays_as_it_is(desk: httpx.AsyncClient, url: str) -> None:
    cheaper = await change(desk, "products/2", price=799.5)
    assert cheaper.json() == (await desk.get("/api/products/2")).json()
    assert (cheaper.json()["name"], cheaper.json()["price"]) == ("无线蓝牙耳机Pro", 799.5)
    assert (await desk.get("/api/products?query=cancelling")).json() == [cheaper.json()]
    await change(desk, "products/2", keywords=["buds"], description="")
    assert (await desk.get("/api/products?query=cancelling")).json() == []
    assert (await desk.get("/api/products?query=buds")).json() == [cheaper.json() | {"description": ""}]
    audit(url, STOCK)


async def test_a_change_with_a_key_is_made_once_and_undoes_no_later_one(desk: httpx.AsyncClient) -> None:
    assert "Idempotent-Replayed" not in (await change(desk, "products/2", "k", price=800)).headers
    await change(desk, "products/2", price=900)
    again = await change(desk, "products/2", "k", price=800.0)
    assert (again.json()["price"], again.headers["Idempotent-Replayed"]) == (900, "true")
    for path, price in (("products/2", 801), ("products/3", 800)):
        refused = await change(desk, path, "k", price=price)
        assert (refused.status_code, refused.json()) == (422, KEY_REUSED)


async def test_a_change_that_was_refused_leaves_its_key_unused(desk: httpx.AsyncClient) -> None:
    for _ in range(2):
        assert (await change(desk, "products/5", "k", price=1)).status_code == 404
    await desk.post("/api/products", json=TEA)
    done = await change(desk, "products/5", "k", price=1)
    assert (done.json()["price"], done.headers.get("Idempotent-Replayed")) == (1, None)


async def test_a_new_product_gets_the_next_id_once_for_a_key(desk: httpx.AsyncClient, url: str) -> None:
    new: dict[str, Any] = {"name": "茶", "price": 19.99, "quantity": 5}
    made = await asyncio.gather(*(change(desk, "products", "k", **new) for _ in range(4)))
    assert {answer.text for answer in made} == {made[0].text}
    assert (made[0].json()["id"], made[0].json()["description"]) == (5, "")
    others = await asyncio.gather(*(change(desk, "products", None, name="茶", price=1) for _ in range(4)))
    assert sorted(answer.json()["id"] for answer in others) == [6, 7, 8, 9]
    await desk.put(f"/api/products/{2**53 - 1}", json=TEA)
    assert (await desk.post("/api/products", json=TEA)).json()["id"] == 10
    audit(url, STOCK | {5: 5, 10: 0, 2**53 - 1: 0} | dict.fromkeys(range(6, 10), 0))


REFUSED: list[tuple[str, str, Any, int, str]] = [
    ("POST", "inventory/2/moves", {"change": -51}, 400, "out_of_stock"),
    ("POST", "inventory/9/moves", {"change": 1}, 404, "unknown_product"),
    ("GET", "inventory/9/moves", None, 404, "unknown_product"),
    ("GET", "orders/9", None, 404, "unknown_order"),
    ("POST", "orders/9/cancel", {}, 404, "unknown_order"),
    ("GET", "products/9", None, 404, "unknown_product"),
    ("PATCH", "products/9", {"price": 1}, 404, "unknown_product"),
]


@pytest.mark.parametrize("case", REFUSED)
async def test_what_cannot_be_is_refused_with_its_code(
    desk: httpx.AsyncClient, url: str, case: tuple[str, str, Any, int, str]
) -> None:
    method, path, body, status, code = case
    answer = await desk.request(method, f"/api/{path}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    audit(url, STOCK)


BAD: list[tuple[str, str, Any, str]] = [
    ("POST", "inventory/2/moves", {}, "change"),
    ("POST", "inventory/2/moves", {"change": 0}, "change"),
    ("POST", "inventory/2/moves", {"change": "1"}, "change"),
    ("POST", "inventory/2/moves", {"change": True}, "change"),
    ("POST", "inventory/2/moves", {"change": 1_000_001}, "change"),
    ("POST", "inventory/2/moves", {"change": -1_000_001}, "change"),
    ("POST", "inventory/2/moves", {"change": 1, "reason": "x" * 201}, "reason"),
    ("POST", "inventory/2/moves", {"change": 1, "reason": "a\0b"}, "reason"),
    ("POST", "inventory/2/moves", {"change": 1, "stock": 3}, "stock"),
    ("POST", "orders/1/cancel", {"reason": 1}, "reason"),
    ("PUT", "products/7", TEA | {"price": 1.999}, "price"),
    ("PUT", "products/7", TEA | {"price": "1"}, "price"),
    ("PUT", "products/7", TEA | {"name": ""}, "name"),
    ("PUT", "products/7", TEA | {"name": " "}, "name"),
    ("POST", "products", {"name": "\u200b", "price": 1}, "name"),
    ("PATCH", "products/2", {"name": "\u2060\u2800"}, "name"),
    ("PUT", "products/7", TEA | {"id": 7}, "id"),
    ("PUT", "products/7", TEA | {"quantity": -1}, "quantity"),
    ("PUT", "products/0", TEA, "id"),
    ("POST", "products", TEA | {"id": 7}, "id"),
    ("POST", "products", {"name": "茶"}, "price"),
    ("PATCH", "products/2", {"price": -1}, "price"),
    ("PATCH", "products/2", {"quantity": 1}, "quantity"),
    ("PUT", f"products/{2**53}", TEA, "id"),
]


@pytest.mark.parametrize(("method", "path", "body", "field"), BAD)
async def test_a_bad_field_is_named_and_nothing_is_written(
    tmp_path: Path, method: str, path: str, body: Any, field: str
) -> None:
    async with serving(database_url=(url := new_url("sqlite", tmp_path))) as desk:
        answer = await desk.request(method, f"/api/{path}", json=body)
    assert (answer.status_code, [each["loc"][1:] for each in answer.json()["detail"]]) == (422, [[field]])
    audit(url, STOCK)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


WHO: list[tuple[dict[str, Any], dict[str, str], int]] = [
    ({}, {}, 200),
    ({}, {"X-Forwarded-For": "10.0.0.1"}, 403),
    ({}, {"Forwarded": "for=10.0.0.1"}, 403),
    ({"api_token": "a"}, bearer("a"), 200),
    ({"api_token": "a", "api_host": "0.0.0.0"}, bearer("a"), 403),
    ({"owner_token": "o"}, {}, 403),
    ({"owner_token": "o"}, bearer("x"), 403),
    ({"owner_token": "o"}, bearer("o") | {"Forwarded": "for=10.0.0.1"}, 200),
    ({"owner_token": "o", "api_token": "a"}, bearer("a"), 403),
    ({"owner_token": "o", "api_token": "a"}, bearer("o"), 200),
    ({"owner_token": "o", "api_token": "a"}, {}, 401),
]


@pytest.mark.parametrize(("settings", "headers", "status"), WHO)
async def test_the_desk_is_the_owners(
    tmp_path: Path, settings: dict[str, Any], headers: dict[str, str], status: int
) -> None:
    async with serving(database_url=new_url("sqlite", tmp_path), **settings) as client:
        for method, path in (
            ("PUT", "products/1"),
            ("PATCH", "products/1"),
            ("POST", "inventory/1/moves"),
            ("POST", "orders/1/cancel"),
        ):
            body = {"products/1": TEA, "inventory/1/moves": {"change": 1}}.get(path, {})
            answer = await client.request(method, f"/api/{path}", json=body, headers=headers)
            assert answer.status_code == (404 if status == 200 and "cancel" in path else status)


async def test_the_owners_token_does_what_the_services_own_does(tmp_path: Path) -> None:
    settings = {"owner_token": "o", "api_token": "a"}
    async with serving(database_url=new_url("sqlite", tmp_path), **settings) as client:
        assert (await client.get("/api/products", headers=bearer("o"))).status_code == 200
