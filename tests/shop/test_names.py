"""Names of people: who is one customer, and who cannot be seen."""

import unicodedata
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

import api
from shop.engines import open_store
from tests.support.engines import ENGINES, ask, new_url, write_old_shop

pytestmark = pytest.mark.anyio
ITEMS = [{"productId": 3, "quantity": 1}]
JOSE = "Jose\u0301"  # as macOS writes it


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return new_url(request.param, tmp_path)


@pytest.fixture
async def client(url: str) -> AsyncIterator[httpx.AsyncClient]:
    app = api.create_app(api.Settings(database_url=url))
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")
    async with app.router.lifespan_context(app), http:
        yield http


async def buy(client: httpx.AsyncClient, name: str, key: str | None = None) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await client.post("/api/purchase", json={"customerName": name, "items": ITEMS}, headers=headers)


SAME = {
    "José": [
        "José",
        JOSE,
        " José",
        "Jo\u200bsé",
        "José\ufeff",
        "\u202dJosé\u202c",
        "J\u00adosé",
        "José\U000e0041",
    ],
    "张三": ["张三", "张三 ", "\u3000张三", "张\u200d三", "张三\n", "张三\x07", "张\u2060三"],
    "علی رضا": ["علی رضا", " علی رضا\u200f"],
    "👩👧": ["👩\u200d👧", "👩👧"],
    "a": ["a" + "\u200b" * 99, " " * 99 + "a"],
}


@pytest.mark.parametrize("name", SAME)
async def test_one_person_is_one_customer_however_the_name_was_typed(
    client: httpx.AsyncClient, name: str
) -> None:
    for number, spelling in enumerate(SAME[name]):
        assert (await buy(client, spelling)).json()["customerName"] == name
        found = await client.get("/api/orders", params={"customerName": spelling})
        assert found.headers["X-Total-Count"] == str(number + 1)
    sums = (await client.get("/api/orders/summary", params={"groupBy": "customer"})).json()
    assert [one["key"] for one in sums] == [name]


INVISIBLE = [
    "",
    " ",
    "\u3000\t\n",
    "\u200b",
    "\u00ad\ufeff",
    "\u3164",
    "\u115f\u1160",
    "\u2800",
    "\u202e",
    "\x07",
    "\u2029",
]


@pytest.mark.parametrize(
    "name", [*INVISIBLE, "\ufe0f", "\U000e0041", "\uffa0", "\u034f", "\u2066 \u2069", "\u0301"]
)
async def test_one_who_cannot_be_seen_is_refused(client: httpx.AsyncClient, name: str) -> None:
    answer = await buy(client, name)
    assert (answer.status_code, answer.json()["code"]) == (400, "empty_purchase")


@pytest.mark.parametrize(
    "name", ["O'Neil", "李 四", "X Æ A-12", "Ⅻ", "🎧", "한글", "\u1112\u1161\u11ab", "م"]
)
async def test_other_names_are_left_as_they_are(client: httpx.AsyncClient, name: str) -> None:
    assert (await buy(client, name)).json()["customerName"] == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize("two", ["\u0958", "\ufb2a", "\U0001d15e"])  # each is two characters in NFC
async def test_a_name_has_its_length_as_it_is_kept(client: httpx.AsyncClient, two: str) -> None:
    name = (await buy(client, two * 50)).json()["customerName"]
    assert (len(name), name) == (100, unicodedata.normalize("NFC", two * 50))
    found = await client.get("/api/orders", params={"customerName": name})
    assert found.headers["X-Total-Count"] == "1"
    answer = await buy(client, two * 51)
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", "customerName"])


async def test_a_repeat_by_key_is_the_same_request_in_any_spelling(client: httpx.AsyncClient) -> None:
    first = await buy(client, JOSE, "k")
    again = await buy(client, "José ", "k")
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (first.json(), "true")


async def test_names_of_old_orders_are_folded_but_none_to_nothing(url: str) -> None:
    write_old_shop(url, 3)
    columns = "INSERT INTO orders (customer, total_cents, units, ordered_at)"
    for name in (f"{JOSE} ", "José", "\u200b"):
        ask(url, f"{columns} VALUES ('{name}', 0, 0, '2026-01-31T10:00:00.000000+00:00')")
    await (await open_store(url)).close()
    names = ask(url, "SELECT customer, count(*) FROM orders GROUP BY customer")
    assert sorted(names) == [("A", 1), ("José", 2), ("\u200b", 1)]
