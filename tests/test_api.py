"""The REST service in process, on both engines: the tutorial's answers, and every bad input."""

import gzip
import hashlib
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

import api
from models import MAX_ID
from serving import error_answers
from tests.support.engines import ENGINES, new_url

pytestmark = pytest.mark.anyio

BUY: dict[str, Any] = {"customerName": "客户A", "items": [{"productId": 2, "quantity": 2}]}


@asynccontextmanager
async def serving(**settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    app = api.create_app(api.Settings(**settings))
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as c,
    ):
        yield c


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return new_url(request.param, tmp_path)


@pytest.fixture
async def client(url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(database_url=url) as client:
        yield client


async def test_products_are_the_tutorials_json(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/products")
    assert answer.headers["X-Total-Count"] == "4"
    assert answer.text.startswith(
        '[{"id":1,"name":"智能手表Galaxy","price":1299.0,"description":"健康监测，运动追踪，支持多种应用"}'
    )


async def test_head_tells_how_long_a_list_is(client: httpx.AsyncClient) -> None:
    answer = await client.head("/api/products")
    assert (answer.status_code, answer.headers["X-Total-Count"]) == (200, "4")


async def test_inventory_carries_its_product(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/inventory?productId=2&productId=3")
    product = {
        "id": 2,
        "name": "无线蓝牙耳机Pro",
        "price": 899.0,
        "description": "主动降噪，30小时续航，IPX7防水",
    }
    assert answer.json()[0] == {"productId": 2, "quantity": 50, "product": product}
    assert [item["productId"] for item in answer.json()] == [2, 3]


async def test_a_purchase_is_answered_with_the_order(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/purchase", json=BUY)
    order = answer.json()
    assert (answer.status_code, list(order)) == (
        200,
        ["customerName", "items", "id", "totalAmount", "orderDate", "status"],
    )
    assert (order["totalAmount"], order["items"]) == (1798.0, BUY["items"])
    assert order["orderDate"].endswith("+00:00")
    assert (await client.get("/api/orders")).json() == [order]


async def test_a_replay_says_so(client: httpx.AsyncClient) -> None:
    first = await client.post("/api/purchase", json=BUY, headers={"Idempotency-Key": "k"})
    again = await client.post(
        "/api/purchase", content=json.dumps(BUY, indent=3), headers=JSON | {"Idempotency-Key": "k"}
    )
    assert again.json() == first.json()
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"


async def test_an_order_is_a_line_of_the_log_without_its_customers_name(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    for key in ({"Idempotency-Key": "k"}, {"Idempotency-Key": "k"}, {}):
        await client.post("/api/purchase", json=BUY, headers=key)
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("订单 ")]
    customer = hashlib.sha256(BUY["customerName"].encode()).hexdigest()[:12]
    assert lines == [
        f"订单 {n}：客户 {customer}，合计 1798.0 元，键 {key}" for n, key in ((1, "k"), (2, "无"))
    ]


async def test_a_key_used_for_another_order_is_refused(client: httpx.AsyncClient) -> None:
    await client.post("/api/purchase", json=BUY, headers={"Idempotency-Key": "k"})
    answer = await client.post(
        "/api/purchase", json=BUY | {"customerName": "B"}, headers={"Idempotency-Key": "k"}
    )
    refused = {"detail": "Idempotency-Key 已用于另一笔不同的订单", "code": "key_reused", "params": {}}
    assert (answer.status_code, answer.json()) == (422, refused)


@pytest.mark.parametrize("key", [b"", b"two words", b"a" * 256, "钥匙".encode(), b"\x7f"])
async def test_a_key_is_one_to_255_visible_characters(client: httpx.AsyncClient, key: bytes) -> None:
    answer = await client.post("/api/purchase", json=BUY, headers={b"Idempotency-Key": key})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["header", "Idempotency-Key"]
    assert (await client.get("/api/orders")).json() == []


async def test_blanks_around_a_key_are_no_part_of_it(client: httpx.AsyncClient) -> None:
    first = await client.post("/api/purchase", json=BUY, headers={"Idempotency-Key": "k"})
    again = await client.post("/api/purchase", json=BUY, headers={"Idempotency-Key": " k\t"})
    assert again.json() == first.json()


async def test_a_client_that_leaves_in_the_middle_of_its_body_raises_nothing(tmp_path: Path) -> None:
    answered: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        answered.append(message)

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/api/purchase", "query_string": b""}
    app = api.create_app(api.Settings(database_url=new_url("sqlite", tmp_path)))
    async with app.router.lifespan_context(app):
        await app(scope | {"headers": headers}, receive, send)  # the server would log what it raises
    assert answered[0]["status"] == 400


async def test_a_key_of_255_characters_is_fine(client: httpx.AsyncClient) -> None:
    assert (await client.post("/api/purchase", json=BUY, headers={"Idempotency-Key": "~" * 255})).is_success


EMPTY = {"detail": "请求无效：缺少客户名称或商品", "code": "empty_purchase", "params": {}}
UNKNOWN = {"detail": "商品ID 9 不存在", "code": "unknown_product", "params": {"productId": 9}}
OUT_OF_STOCK = {
    "detail": "商品 无线蓝牙耳机Pro 库存不足. 可用: 50",
    "code": "out_of_stock",
    "params": {"productId": 2, "name": "无线蓝牙耳机Pro", "available": 50},
}


@pytest.mark.parametrize(
    ("body", "status", "refusal"),
    [
        ({"items": BUY["items"]}, 400, EMPTY),
        ({"customerName": "  ", "items": BUY["items"]}, 400, EMPTY),
        ({"customerName": "A"}, 400, EMPTY),
        ({"customerName": "A", "items": []}, 400, EMPTY),
        ({"customerName": "A", "items": [{"productId": 9, "quantity": 1}]}, 404, UNKNOWN),
        ({"customerName": "A", "items": [{"productId": 2, "quantity": 51}]}, 400, OUT_OF_STOCK),
    ],
)
async def test_a_refusal_is_the_tutorials_sentence_with_its_code(
    client: httpx.AsyncClient, body: object, status: int, refusal: object
) -> None:
    answer = await client.post("/api/purchase", json=body)
    assert (answer.status_code, answer.json()) == (status, refusal)


JSON = {"Content-Type": "application/json"}
LINE = '{"productId": 1, "quantity": 1}'
Loc = list[str | int]
QUANTITY: Loc = ["body", "items", 0, "quantity"]
PRODUCT: Loc = ["body", "items", 0, "productId"]


def order(items: str = f"[{LINE}]", name: str = '"A"', more: str = "") -> str:
    return f'{{"customerName": {name}, "items": {items}{more}}}'


def quantity(value: str) -> str:
    return order(f'[{{"productId": 1, "quantity": {value}}}]')


def product(value: str) -> str:
    return order(f'[{{"productId": {value}, "quantity": 1}}]')


BAD_BODIES: dict[str, tuple[str | bytes, Loc]] = {
    "quantity true": (quantity("true"), QUANTITY),
    "quantity text": (quantity('"2"'), QUANTITY),
    "quantity fraction": (quantity("1.5"), QUANTITY),
    "quantity 0": (quantity("0"), QUANTITY),
    "quantity negative": (quantity("-1"), QUANTITY),
    "quantity null": (quantity("null"), QUANTITY),
    "quantity too large": (quantity("1000001"), QUANTITY),
    "quantity 10**24": (quantity(str(10**24)), QUANTITY),
    "quantity of 5000 digits": (quantity("9" * 5000), ["body"]),
    "quantity NaN": (quantity("NaN"), ["body"]),
    "product id 0": (product("0"), PRODUCT),
    "product id beyond 64 bits": (product(str(2**63)), PRODUCT),
    "product id text": (product('"1"'), PRODUCT),
    "unknown field": (order(more=', "discount": 9'), ["body", "discount"]),
    "unknown field of a line": (order(f'[{LINE[:-1]}, "price": 0}}]'), ["body", "items", 0, "price"]),
    "unknown field with a NUL": (order(more=', "a\\u0000b": 9'), ["body", "a\x00b"]),
    "NUL in the name": (order(name='"a\\u0000b"'), ["body", "customerName"]),
    "lone surrogate in the name": (order(name='"\\ud800"'), ["body"]),
    "lone surrogate in a field's name": (order(more=', "\\udfff": 1'), ["body"]),
    "lone surrogate in bytes": (order(name='"\ud800"').encode("utf-8", "surrogatepass"), ["body"]),
    "name of 101 characters": (order(name=f'"{"名" * 101}"'), ["body", "customerName"]),
    "name is a number": (order(name="1"), ["body", "customerName"]),
    "name is null": (order(name="null"), ["body", "customerName"]),
    "101 lines": (order(f"[{', '.join([LINE] * 101)}]"), ["body", "items"]),
    "items is an object": (order("{}"), ["body", "items"]),
    "a line is a number": (order("[1]"), ["body", "items", 0]),
    "a name twice": (order(more=', "customerName": "B"'), ["body"]),
    "a name twice, the same": (order(more=', "customerName": "A"'), ["body"]),
    "a name twice, escaped": (order(more=', "customer\\u004eame": "B"'), ["body"]),
    "a line's name twice": (order(f'[{LINE[:-1]}, "quantity": 2}}]'), ["body"]),
    "nested body": ("[" * 30_000, ["body"]),
    "nested objects": ('{"a":' * 10_000, ["body"]),
    "nested items": (order("[" * 400 + "]" * 400), ["body"]),
    "broken JSON": ("{", ["body"]),
    "no JSON": ("hello", ["body"]),
    "a list": ("[]", ["body"]),
    "null": ("null", ["body"]),
    "empty": ("", ["body"]),
    "invalid UTF-8": (b'{"customerName": "\xff"}', ["body"]),
}


@pytest.mark.parametrize("case", BAD_BODIES)
async def test_a_bad_body_is_refused_by_field(client: httpx.AsyncClient, case: str) -> None:
    body, loc = BAD_BODIES[case]
    answer = await client.post("/api/purchase", content=body, headers=JSON)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][: len(loc)] == loc
    assert (await client.get("/api/orders")).json() == []


ENCODED = {
    "UTF-16": (order().encode("utf-16"), {}, "body"),
    "UTF-16 without a mark": (order().encode("utf-16-le"), {}, "body"),
    "UTF-16, declared": (
        order().encode("utf-16"),
        {"Content-Type": "application/json; charset=utf-16"},
        "body",
    ),
    "GBK": (order(name='"张三"').encode("gbk"), {}, "body"),
    "gzip": (gzip.compress(order().encode()), {"Content-Encoding": "gzip"}, "Content-Encoding"),
    "said to be gzip": (order().encode(), {"Content-Encoding": "gzip"}, "Content-Encoding"),
}
TOLD = {"body": "Invalid JSON: must be UTF-8", "Content-Encoding": "must not be compressed"}


@pytest.mark.parametrize("case", ENCODED)
async def test_a_body_in_another_encoding_is_told_so(client: httpx.AsyncClient, case: str) -> None:
    body, headers, where = ENCODED[case]
    answer = await client.post("/api/purchase", content=body, headers=JSON | headers)
    [wrong] = answer.json()["detail"]
    assert (answer.status_code, wrong["loc"][-1], wrong["msg"]) == (422, where, TOLD[where])


async def test_a_mark_before_utf_8_is_no_part_of_a_body(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/purchase", content=b"\xef\xbb\xbf" + order().encode(), headers=JSON)
    assert answer.status_code == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
async def test_a_purchase_wants_to_be_json_so_that_no_web_page_can_send_one(
    client: httpx.AsyncClient, kind: str | None
) -> None:
    headers = {"Content-Type": kind} if kind else {}
    answer = await client.post("/api/purchase", content=order(), headers=headers)
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["header", "Content-Type"])


async def test_many_errors_do_not_make_a_long_answer(client: httpx.AsyncClient) -> None:
    many = {f"field{i}": 1 for i in range(4000)}
    answer = await client.post("/api/purchase", json=many)
    assert (answer.status_code, len(answer.json()["detail"])) == (422, error_answers.MAX_ERRORS)


async def test_a_long_field_name_is_shortened_in_the_answer(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/purchase", json={"x" * 60_000: 1})
    assert (answer.status_code, len(answer.content) < 1000) == (422, True)


NO_JSON_NUMBERS = [
    "1_0",
    "+5",
    "%2B5",
    "%205",
    "5%20",
    "5.",
    ".5",
    "05",
    "0x5",
    "５",
    "٥",
    "inf",
    "5%0A",
    "1e",
    "5,0",
]
NUMBERS = {"integer", "number"}


async def test_a_number_in_an_address_is_written_as_in_json(client: httpx.AsyncClient) -> None:
    """Python's own reading takes more: each parameter of each route, by the service's own document."""
    paths = (await client.get("/openapi.json")).json()["paths"]
    tried = 0
    gets = {path: of["get"].get("parameters", []) for path, of in paths.items() if "get" in of}
    for path, parameter in ((path, each) for path, those in gets.items() for each in those):
        schema, name = parameter["schema"], parameter["name"]
        if NUMBERS & {schema.get("type"), schema.get("items", {}).get("type")}:
            for text in NO_JSON_NUMBERS:
                of = path.replace("{id}", text if name == "id" else "1")
                answer = await client.get(of if name == "id" else f"{of}?{name}={text}")
                assert (answer.status_code, answer.json()["detail"][0]["loc"][1]) == (422, name), (of, text)
                tried += 1
    assert tried > 20 * len(NO_JSON_NUMBERS)


@pytest.mark.parametrize("path", ["products/{}", "products/{}/image", "inventory/{}/moves", "orders/{}"])
@pytest.mark.parametrize("id_", ["5.0", "1e0", "-0", "1.", "5%2E0"])
async def test_a_thing_has_one_address(client: httpx.AsyncClient, path: str, id_: str) -> None:
    answer = await client.get(f"/api/{path.format(id_)}")
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["path", "id"])


BAD_QUERIES = {
    "products?limit=0": "limit",
    "products?limit=501": "limit",
    "products?limit=a": "limit",
    "products?limit=": "limit",
    "products?offset=-1": "offset",
    f"products?offset={2**63}": "offset",
    "products?minPrice=nan": "minPrice",
    "products?maxPrice=inf": "maxPrice",
    "products?maxPrice=1e308": "maxPrice",
    "products?minPrice=-1": "minPrice",
    f"products?query={'x' * 101}": "query",
    "products?query=%00": "query",
    "products?qurey=x": "qurey",
    "inventory?productId=x": "productId",
    f"inventory?productId=1&productId={2**63}": "productId",
    "inventory?maxQuantity=-1": "maxQuantity",
    "orders?since=yesterday": "since",
    "orders?since=": "since",
    "orders?until=2026-02-30": "until",
    "orders?since=2026-11-02&until=2026-11-01": "until",
    "orders?productId=0": "productId",
    f"orders?productId={10**24}": "productId",
    "orders?customerName=%00": "customerName",
    "orders/summary?groupBy=colour": "groupBy",
    "orders/summary?since=1": "since",
    "orders/summary?minAmount=x": "minAmount",
    f"orders?customerName={'x' * 101}": "customerName",
    "orders?productId=1&productId=2": "productId",
    "orders.csv?since=2026-01-01&since=2026-01-01": "since",
    "products?limit=1&query=x&limit=1": "limit",
    "inventory?productId=1&productId=2&limit=1&limit=2": "limit",
    "inventory/1/moves?limit=1&limit=2": "limit",
}


@pytest.mark.parametrize("query", BAD_QUERIES)
async def test_a_bad_query_is_refused_by_field(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"/api/{query}")
    [wrong] = answer.json()["detail"]
    where, field, *index = wrong["loc"]  # and nothing of pydantic's
    assert (answer.status_code, where, field) == (422, "query", BAD_QUERIES[query])
    assert all(isinstance(part, int) for part in index)
    assert "items" not in wrong["msg"]


@pytest.mark.parametrize(
    "query",
    [
        f"offset={MAX_ID}",
        f"productId={MAX_ID}",
        "since=0001-01-01T00:00:00%2B14:00",
        "until=9999-12-31T23:59:59-12:00",
        "since=2026-11-21T08:00:00Z&until=2026-11-21",
        "since=2026-11-21T08:00:00.5+08:00&until=2026-11-21 09:00",
        "customerName=%F0%9F%8E%A7",
        "customerName=%ED%A0%80",
    ],
)
async def test_a_query_at_the_edge_is_answered(client: httpx.AsyncClient, query: str) -> None:
    assert (await client.get(f"/api/orders?{query}")).json() == []


@pytest.mark.parametrize("name", ["🎧 客户\U00020000", "a  b", "éé", "ابجد", "'; DROP TABLE x;--"])
async def test_names_come_back_exactly(client: httpx.AsyncClient, name: str) -> None:
    bought = (await client.post("/api/purchase", json=BUY | {"customerName": name})).json()
    found = (await client.get("/api/orders", params={"customerName": name})).json()
    assert [bought["customerName"], found] == [name, [bought]]


async def chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(0, size, 1024):
        yield b" " * 1024


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_body_of_65_kib_is_too_large(client: httpx.AsyncClient, chunked: bool) -> None:
    body = chunks(65 * 1024) if chunked else b" " * 65 * 1024
    answer = await client.post("/api/purchase", content=body, headers=JSON)
    too_large = {"detail": "请求体超过 64 KiB", "code": "too_large", "params": {}}
    assert (answer.status_code, answer.json()) == (413, too_large)


async def test_a_body_of_64_kib_is_read(client: httpx.AsyncClient) -> None:
    assert (await client.post("/api/purchase", content=order().ljust(64 * 1024), headers=JSON)).is_success


async def test_the_summary_is_served(client: httpx.AsyncClient) -> None:
    await client.post("/api/purchase", json=BUY)
    answer = await client.get("/api/orders/summary", params={"groupBy": "customer"})
    assert answer.json() == [
        {"key": "客户A", "label": "客户A", "orders": 1, "quantity": 2, "amount": 1798.0, "average": 1798.0}
    ]


async def test_it_says_that_it_is_well(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).status_code == 200


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json"])
async def test_its_documentation_opens(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 200


PATHS = [
    "/api/products",
    "/api/inventory",
    "/api/orders",
    "/api/orders/summary",
    "/api/purchase",
    "/api/nowhere",
]


@pytest.mark.parametrize(
    "header", [None, "Bearer wrong", "secret", "Basic secret", "Bearer", "Bearer sécret"]
)
async def test_with_a_token_set_nobody_gets_in_without_it(tmp_path: Path, header: str | None) -> None:
    headers = {b"Authorization": header.encode()} if header else {}
    async with serving(database_url=new_url("sqlite", tmp_path), api_token="secret") as client:
        for path in PATHS:
            answer = await client.request("POST" if "purchase" in path else "GET", path, headers=headers)
            assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (
                401,
                'Bearer realm="product-mcp"',
            )


async def test_with_the_token_everything_opens_and_health_needs_none(tmp_path: Path) -> None:
    async with serving(database_url=new_url("sqlite", tmp_path), api_token="secret") as client:
        for header in ("Bearer secret", "bearer  secret "):  # the scheme in any case (RFC 9110 section 11.1)
            answer = await client.get("/api/products", headers={"Authorization": header})
            assert answer.status_code == 200
        assert (await client.get("/healthz")).status_code == 200


def test_an_ipv6_address_may_stand_in_brackets() -> None:
    assert api.Settings(api_host="[::1]").api_host == "::1"


def test_a_token_that_fits_no_header_is_refused() -> None:
    with pytest.raises(ValueError, match="ASCII"):
        api.Settings(api_token="口令")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "shop.example"])
def test_off_loopback_it_wants_a_token(host: str) -> None:
    with pytest.raises(ValueError, match="API_TOKEN"):
        api.Settings(api_host=host)
    api.Settings(api_host=host, api_token="secret")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_on_loopback_it_wants_none(host: str) -> None:
    api.Settings(api_host=host)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 421),
        ("localhost:8000", 200),
        ("127.0.0.2:8000", 200),
        ("[::1]:8000", 200),
    ],
)
async def test_without_a_token_only_names_of_this_machine_are_answered(
    tmp_path: Path, host: str, status: int
) -> None:
    async with serving(database_url=new_url("sqlite", tmp_path)) as client:
        answer = await client.get("/api/products", headers={"Host": host})
    assert answer.status_code == status
    if status == 421:
        assert "API_ALLOWED_HOSTS" in answer.json()["detail"]


@pytest.mark.parametrize("host", ["[::1", ""])
async def test_what_is_no_name_of_a_host_is_refused_as_such(tmp_path: Path, host: str) -> None:
    async with serving(database_url=new_url("sqlite", tmp_path)) as client:
        answer = await client.get("/api/products", headers={"Host": host})
    assert (answer.status_code, answer.json()["code"]) == (421, "host_odd")


@pytest.mark.parametrize(("origin", "status"), [("http://localhost", 200), ("http://evil.example", 403)])
@pytest.mark.parametrize("token", [None, "secret"])
async def test_only_its_own_pages_may_call_it(
    tmp_path: Path, origin: str, status: int, token: str | None
) -> None:
    headers = {"Origin": origin, "Authorization": f"Bearer {token}"}
    async with serving(database_url=new_url("sqlite", tmp_path), api_token=token) as client:
        answer = await client.get("/api/products", headers=headers)
    assert answer.status_code == status
    if status == 403:
        assert (answer.json()["code"], answer.json()["params"]) == ("origin_not_allowed", {"origin": origin})


async def test_a_listed_page_may_use_every_route_and_read_the_headers_of_its_answers(tmp_path: Path) -> None:
    page, url = "https://mine.example", new_url("sqlite", tmp_path)
    async with serving(database_url=url, api_allowed_origins=page) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
        ours = [path for path in paths if path.startswith("/api/")]
        routes = [(method.upper(), path, about) for path in ours for method, about in paths[path].items()]
        for method, path, _ in [*routes, ("HEAD", "/api/products", {})]:
            asks = {"Origin": page, "Access-Control-Request-Method": method}
            assert (await client.options(path, headers=asks)).status_code == 200, (method, path)
        answer = await client.get("/api/products", headers={"Origin": page})
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    answers = [each for _, _, about in routes for each in about["responses"].values()]
    documented = {name for each in answers for name in each.get("headers", {})}
    assert {"X-Total-Count", "Idempotent-Replayed"} <= documented
    assert documented | {"Retry-After"} <= set(exposed)


async def test_health_answers_by_any_name(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz", headers={"Host": "shop.internal"})).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [("GET", "/api/nowhere", 404, "not_found"), ("PUT", "/api/products", 405, "method_not_allowed")],
)
async def test_an_unknown_path_or_method_has_a_code_too(
    client: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    answer = await client.request(method, path)
    assert (answer.status_code, answer.json()["code"], answer.json()["params"]) == (status, code, {})


def test_the_document_shows_what_an_error_looks_like() -> None:
    document = api.create_app(api.Settings()).openapi()
    assert document["components"]["schemas"]["Problem"]["required"] == ["detail", "code", "params"]
    answers = document["paths"]["/api/purchase"]["post"]["responses"]
    shown = {status for status, answer in answers.items() if "Problem" in str(answer)}
    assert shown == {"400", "401", "403", "404", "409", "410", "413", "421", "422", "503"}
    events = document["paths"]["/api/changes"]["get"]["responses"]
    assert [*events["200"]["content"], *events["401"]["content"]] == ["text/event-stream", "application/json"]


def test_the_document_says_whether_a_token_is_wanted() -> None:
    document = api.create_app(api.Settings(api_token="secret")).openapi()
    assert document["security"] == [{"bearer": []}]
    assert document["paths"]["/healthz"]["get"]["security"] == []
    assert "security" not in api.create_app(api.Settings()).openapi()


async def test_uvicorn_finds_an_app_whose_settings_are_the_environments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", new_url("sqlite", tmp_path))
    monkeypatch.setattr(sys, "argv", ["uvicorn", "api:app", "--reload"])
    app = api.app
    async with app.router.lifespan_context(app):
        assert (tmp_path / "shop.db").exists()
