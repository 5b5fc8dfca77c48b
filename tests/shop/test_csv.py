"""Orders and products as CSV files, as a spreadsheet reads and writes them, on both engines."""

import asyncio
import csv
import io
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import api
from models import OrderItem, PurchaseRequest
from shop import catalog, search, stock
from shop.engines import open_store
from shop.errors import CatalogError, StoreUnavailableError
from shop.filters import OrderFilter
from shop.sentences import failure_sentence
from shop.sheets import PART, Sheet, csv_lines, original
from tests.support.engines import ENGINES, ask, audit, new_url

pytestmark = pytest.mark.anyio
STOCK = {1: 100, 2: 50, 3: 200, 4: 150}
MANY = 90  # orders, whose lines are more than a part
HEAD = "id,name,price,description,quantity,keywords"
TEA = "7,茶,19.99,绿茶,5,tea"


@asynccontextmanager
async def serving(url: str, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    app = api.create_app(api.Settings(database_url=url, shop_timezone="Asia/Shanghai", **settings))
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")
    async with app.router.lifespan_context(app), http:
        yield http


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return new_url(request.param, tmp_path)


@pytest.fixture
async def client(url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(url) as client:
        yield client


async def buy(client: httpx.AsyncClient, customer: str, *lines: tuple[int, int]) -> dict[str, Any]:
    items = [{"productId": id_, "quantity": n} for id_, n in lines]
    bought = await client.post("/api/purchase", json={"customerName": customer, "items": items})
    order: dict[str, Any] = bought.json()
    return order


def rows(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    assert answer.content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""), strict=True))


async def test_each_line_of_an_order_is_a_row_newest_first_and_the_amounts_add_up(
    client: httpx.AsyncClient, url: str
) -> None:
    first, second = await buy(client, "A", (2, 3), (3, 1)), await buy(client, "B", (1, 1))
    await client.post(f"/api/orders/{first['id']}/cancel", json={})
    ask(url, "UPDATE orders SET ordered_at = '2026-11-26T17:30:00.000000+00:00' WHERE customer = 'A'")
    answer = await client.get("/api/orders.csv")
    found = rows(answer)
    assert [(row["id"], row["status"]) for row in found] == [
        (str(second["id"]), "placed"),
        *[(str(first["id"]), "cancelled")] * 2,
    ]
    assert found[1] == {
        "id": str(first["id"]),
        "orderDate": "2026-11-27 01:30:00",
        "customerName": "A",
        "status": "cancelled",
        "productId": "2",
        "productName": "无线蓝牙耳机Pro",
        "quantity": "3",
        "unitPrice": "899.00",
        "amount": "2697.00",
    }
    assert sum(float(row["amount"]) for row in found[1:]) == first["totalAmount"]
    today = (await client.get("/api/today")).json()["today"]
    assert answer.headers["Content-Disposition"] == f'attachment; filename="orders-{today}.csv"'
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"


FILTERS: dict[str, set[str]] = {
    "customerName=A": {"1"},
    "productId=3": {"1", "2"},
    "minAmount=1299": {"1", "3"},
    "maxAmount=1298.99": {"2"},
    "since=2026-11-28": set(),
    "since=2026-11-27&until=2026-11-27": {"1", "2", "3"},
    "until=2026-11-26": set(),
}


async def test_its_filters_are_those_of_the_list(client: httpx.AsyncClient, url: str) -> None:
    for customer, lines in (("A", [(2, 3), (3, 1)]), ("B", [(3, 1)]), ("C", [(1, 1)])):
        await buy(client, customer, *lines)
    ask(url, "UPDATE orders SET ordered_at = '2026-11-26T17:30:00.000000+00:00'")
    for query, ids in FILTERS.items():
        assert {row["id"] for row in rows(await client.get(f"/api/orders.csv?{query}"))} == ids, query
        listed = (await client.get(f"/api/orders?{query}")).json()
        assert {str(order["id"]) for order in listed} == ids, query
    refused = await client.get("/api/orders.csv?limit=1&customer=A")
    assert {error["loc"][1] for error in refused.json()["detail"]} == {"limit", "customer"}


@pytest.mark.parametrize(
    "name", ["=1+1", "+1", "-1", "@x", "＝1", "a;=1", '=HYPERLINK("x","y")', "'=1", "' +1"]
)
async def test_no_name_is_a_formula(tmp_path: Path, name: str) -> None:
    async with serving(new_url("sqlite", tmp_path)) as client:
        await buy(client, name, (1, 1))
        cell = rows(await client.get("/api/orders.csv"))[0]["customerName"]
    assert all(part.lstrip()[:1] not in {"=", "+", "-", "@", "＝"} for part in cell.split(";"))
    assert original(cell) == name


@given(st.lists(st.text(alphabet="'=+-@＝ \t\r\n;,\"aä", max_size=9), min_size=1))
def test_every_text_comes_back_as_it_was(texts: list[str]) -> None:
    (read,) = csv.reader(io.StringIO(csv_lines([texts]), newline=""), strict=True)
    assert [original(cell) for cell in read] == texts


async def test_a_long_table_is_of_one_moment_and_sent_while_it_is_read(url: str, tmp_path: Path) -> None:
    shop = await open_store(url)
    items = [OrderItem(productId=id_, quantity=1) for id_ in (3, 4)]
    for _ in range(MANY):
        await shop.purchase(PurchaseRequest(customerName="客" * 100, items=items))
    sheet = Sheet(tmp_path, io.BytesIO())
    parts = sheet.parts(shop.export(await shop.order_lines(OrderFilter()), sheet))
    text = await anext(parts)
    assert len(text) == PART
    await shop.write(lambda: stock.cancel(1, ""))
    await shop.write(lambda: stock.cancel(MANY, ""))
    async for part in parts:
        text += part
    read = list(csv.DictReader(io.StringIO(text.decode("utf-8-sig"), newline="")))
    assert [int(row["id"]) for row in read[::2]] == list(range(MANY, 0, -1))
    assert {row["status"] for row in read} == {"placed"}
    await shop.close()


async def test_a_table_of_which_a_part_was_sent_does_not_begin_anew(tmp_path: Path) -> None:
    sheet = Sheet(tmp_path, io.BytesIO())

    async def fill() -> None:
        for _ in range(2):
            sheet.begin(["a"])
            sheet.add([["x" * PART]])
            await sent.wait()

    sent = asyncio.Event()
    async with aclosing(sheet.parts(fill())) as parts:
        assert len(await anext(parts)) == PART
        sent.set()
        with pytest.raises(StoreUnavailableError, match="export_torn"):
            await anext(parts)


async def test_products_go_out_and_in_without_a_change(client: httpx.AsyncClient, url: str) -> None:
    odd = {"name": '=茶\r\n, "x"', "price": 0.29, "description": "- a\n- b;\t'", "keywords": ["-a b", "'=c"]}
    assert (await client.put("/api/products/7", json=odd | {"quantity": 5})).status_code == 200
    counts = "SELECT kind, n FROM changes ORDER BY kind"
    before, file = ask(url, counts), (await client.get("/api/products.csv")).content
    done = await client.put("/api/products.csv", content=file)
    assert done.json() == {"created": 0, "changed": 0, "unchanged": 5, "stockKept": 0}
    assert (await client.get("/api/products.csv")).content == file
    assert ask(url, counts) == before


async def test_a_file_creates_and_changes_products_and_leaves_their_stock(
    client: httpx.AsyncClient, url: str
) -> None:
    file = f"{HEAD}\n{TEA}\n1,手表,1300,新的,999,\n"
    done = await client.put("/api/products.csv", content=file)
    assert done.json() == {"created": 1, "changed": 1, "unchanged": 0, "stockKept": 1}
    found = {row["id"]: row for row in rows(await client.get("/api/products.csv"))}
    assert list(found["1"].values()) == ["1", "手表", "1300.00", "新的", "100", ""]
    assert [item["id"] for item in (await client.get("/api/products?query=tea")).json()] == [7]
    assert [item["id"] for item in (await client.get("/api/products?query=新的")).json()] == [1]
    audit(url, STOCK | {7: 5})


EXCEL: dict[str, bytes] = {
    "comma": f"{HEAD}\n{TEA}".encode(),
    "byte order mark, CRLF, empty lines": f"\ufeff{HEAD}\r\n{TEA}\r\n,,,,,\r\n\r\n".encode(),
    "semicolons": f"{HEAD}\n{TEA}".replace(",", ";").encode(),
    "sep=": f"sep=;\r\n{HEAD}\r\n{TEA}".replace(",", ";").encode(),
    "a Chinese Excel's CSV": f"{HEAD}\r\n{TEA}\r\n".encode("gb18030"),
    "an Excel's Unicode text": f"{HEAD}\r\n{TEA}\r\n".replace(",", "\t").encode("utf-16"),
    "old line ends": f"{HEAD}\r{TEA}\r".encode(),
    "quoted": f'{HEAD}\n"7","茶","19.99","绿茶","5","tea"\n'.encode(),
    "another order": "Name, ID ,PRICE,description,keywords,quantity\n茶,7,19.99,绿茶,tea,5".encode(),
    "empty columns": f"{HEAD},,\n{TEA}\n".encode(),
    "full width": f"{HEAD}\n７,茶,１９．９９,绿茶,５,tea".encode(),
    "blanks around numbers": f"{HEAD}\n 7 ,茶,19.99\u00a0,绿茶, 5,tea".encode(),
}


@pytest.mark.parametrize("kind", EXCEL)
def test_it_is_read_as_spreadsheets_save_it(kind: str) -> None:
    (tea,) = catalog.from_csv(EXCEL[kind])
    assert tea.row() == (7, "茶", 1999, "绿茶", "tea", 5)


def test_a_cell_may_have_lines_and_the_last_ones_may_be_missing() -> None:
    first, second = catalog.from_csv(f'{HEAD}\n7,"茶\n叶",1,"a\n\nb",2,"x y\r\nz"\n8,y,2,\n'.encode())
    assert first.row() == (7, "茶\n叶", 100, "a\n\nb", "x y\nz", 2)
    assert second.row() == (8, "y", 200, "", "", 0)


WRONG: dict[str, tuple[bytes, str]] = {
    "a price with thousands": (f'{HEAD}\n{TEA}\n8,x,"1,299.00",y,1,'.encode(), "第 3 行的 price"),
    "a decimal comma": (
        f"{HEAD}\n7;茶;19,99;绿茶;5;".replace(HEAD, HEAD.replace(",", ";")).encode(),
        "第 2 行的 price",
    ),
    "a price with a sign": (f"{HEAD}\n7,x,¥1,y,1,".encode(), "第 2 行的 price"),
    "three decimals": (f"{HEAD}\n7,x,1.999,y,1,".encode(), "第 2 行的 price"),
    "no price": (f"{HEAD}\n7,x,,y,1,".encode(), "第 2 行的 price"),
    "a negative quantity": (f"{HEAD}\n7,x,1,y,-1,".encode(), "第 2 行的 quantity：Input should be greater"),
    "a name that nobody can see": (f"{HEAD}\n7,\u200b ,1,y,1,".encode(), "第 2 行的 name"),
    "an id as Excel shortens it": (f"{HEAD}\n6.9E+12,x,1,y,1,".encode(), "第 2 行的 id"),
    "an id that stands twice": (
        f"{HEAD}\n{TEA}\n\n{TEA}".encode(),
        "第 4 行的 id：7 stands before",
    ),
    "no name, after a cell of two lines": (f'{HEAD}\n7,"a\nb",1,y,1,\n8,,1,y,1,'.encode(), "第 4 行的 name"),
    "a NUL": (f"{HEAD}\n7,a\0b,1,y,1,".encode(), "第 2 行的 name"),
    "an unknown column": (f"{HEAD},colour\n{TEA},red".encode(), "第 1 行的 colour：is no column"),
    "a missing column": (b"id,name,price\n7,x,1", "第 1 行的 description：is missing"),
    "a column twice": (f"{HEAD},Name\n{TEA},x".encode(), "第 1 行的 name：stands twice"),
    "a cell too many": (f"{HEAD}\n{TEA},x".encode(), "第 2 行"),
    "a quote that does not end": (f'{HEAD}\n{TEA}\n8,"x,1,y,1,\n'.encode(), "第 3 行不是有效的 CSV"),
    "a quote in the middle": (f'{HEAD}\n7,"x"y,1,y,1,\n'.encode(), "第 2 行不是有效的 CSV"),
    "no text": (b"PK\x03\x04\xff\xff\x80", "UTF-8"),
    "nothing": (b"", "第 1 行的 description：is missing"),
    "no products": (f"\n{HEAD}\n\n".encode(), "没有商品"),
}


async def test_a_wrong_file_is_named_with_line_and_field_and_changes_nothing(tmp_path: Path) -> None:
    async with serving(url := new_url("sqlite", tmp_path)) as client:
        for what, (file, said) in WRONG.items():
            answer = await client.put("/api/products.csv", content=file)
            assert (answer.status_code, said in answer.json()["detail"]) == (422, True), (what, answer.text)
        params = (await client.put("/api/products.csv", content=WRONG["no price"][0])).json()["params"]
        large = await client.put("/api/products.csv", content=b"x" * (4 * 1024 * 1024 + 1))
    assert (params["line"], params["field"], large.json()["code"]) == (2, "price", "csv_too_large")
    audit(url, STOCK)


@pytest.mark.parametrize("what", WRONG)
def test_the_same_file_is_refused_as_a_catalogue(tmp_path: Path, what: str) -> None:
    (tmp_path / "list.CSV").write_bytes(WRONG[what][0])
    with pytest.raises(CatalogError) as wrong:
        catalog.load(tmp_path / "list.CSV")
    said = failure_sentence(wrong.value)
    assert str(tmp_path) in said
    assert WRONG[what][1] in said or what == "no products"


async def test_the_file_that_goes_out_is_a_catalogue(client: httpx.AsyncClient, tmp_path: Path) -> None:
    (tmp_path / "products.csv").write_bytes((await client.get("/api/products.csv")).content)
    assert [entry.row() for entry in catalog.load(tmp_path / "products.csv")] == [
        entry.row() for entry in catalog.TUTORIAL
    ]


async def test_importing_is_the_owners_and_reading_is_not(tmp_path: Path) -> None:
    who = {"Authorization": "Bearer a"}
    async with serving(new_url("sqlite", tmp_path), api_token="a", owner_token="o") as client:
        refused = await client.put("/api/products.csv", content=HEAD, headers=who)
        assert (refused.status_code, refused.json()["code"]) == (403, "owner_only")
        for path in ("orders", "products"):
            assert (await client.get(f"/api/{path}.csv")).status_code == 401
            assert (await client.get(f"/api/{path}.csv", headers=who)).status_code == 200


async def test_an_import_that_takes_long_holds_nobody_up(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, is_read, was_read = threading.Event(), threading.Event(), []

    def slow_terms(*_: object) -> list[tuple[str, int, int]]:
        begun.set()
        was_read.append(is_read.wait(10))
        return [("tea", 1, 7)]

    monkeypatch.setattr(search, "index_rows", slow_terms)
    importing = asyncio.create_task(client.put("/api/products.csv", content=f"{HEAD}\n{TEA}".encode()))
    await asyncio.to_thread(begun.wait, 10)
    assert (await client.get("/api/inventory")).status_code == 200
    is_read.set()
    assert (await importing).json()["created"] == 1
    assert was_read == [True]
