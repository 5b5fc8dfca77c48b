"""A list is answered as it was read before, and never as it is not any more."""

import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import httpx
import pytest

import api
from shop import kept_lists
from shop.postgres import PostgresStore
from shop.queries import Row, Statement
from shop.sqlite import SqliteStore
from tests.support.engines import ENGINES, new_url

pytestmark = pytest.mark.anyio

LISTS = ["/api/products", "/api/inventory?maxQuantity=60", "/api/orders", "/api/orders/summary?groupBy=day"]
BUY = {"customerName": "A", "items": [{"productId": 2, "quantity": 1}]}
RENAME = "UPDATE products SET name = 'new' WHERE id = 2"


@asynccontextmanager
async def serving(url: str) -> AsyncIterator[httpx.AsyncClient]:
    app = api.create_app(api.Settings(database_url=url))
    network = httpx.ASGITransport(app, client=("127.0.0.1", 1))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=network, base_url="http://localhost") as http,
    ):
        yield http


async def read(http: httpx.AsyncClient, path: str) -> tuple[Any, str]:
    answer = await http.get(path)
    return answer.json(), answer.headers["X-Total-Count"]


async def name(http: httpx.AsyncClient) -> str:
    found: str = (await http.get("/api/products")).json()[1]["name"]
    return found


def rename(file: Path) -> None:
    with closing(sqlite3.connect(file)) as another, another:
        another.execute(RENAME)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("path", LISTS)
async def test_what_anybody_commits_is_there_at_once(engine: str, path: str, tmp_path: Path) -> None:
    url = new_url(engine, tmp_path)
    async with serving(url) as one, serving(url) as other:
        for number in range(3):
            changed = {"name": f"耳机 {number}", "price": 10 + number, "description": "新"}
            assert (await other.put("/api/products/2", json=changed)).status_code == 200
            assert (await other.post("/api/purchase", json=BUY)).status_code == 200
            after = await read(one, path)
            assert after == await read(one, path) == await read(other, path)
            assert (await one.post("/api/purchase", json=BUY)).status_code == 200
            if path != "/api/products":
                assert await read(one, path) != after


async def test_so_is_what_another_process_commits(tmp_path: Path) -> None:
    write = f"import sqlite3; c = sqlite3.connect('shop.db'); c.execute({RENAME!r}); c.commit()"
    async with serving(new_url("sqlite", tmp_path)) as http:
        assert [await name(http) for _ in range(2)] == ["无线蓝牙耳机Pro"] * 2
        subprocess.run([sys.executable, "-c", write], cwd=tmp_path, check=True)  # noqa: ASYNC221  quick
        assert await name(http) == "new"


@pytest.mark.parametrize("before", [True, False])
async def test_a_commit_beside_the_reading_is_seen_by_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    fetch = SqliteStore.fetch

    async def beside(self: SqliteStore, statement: Statement) -> Sequence[Row]:
        if before:
            rename(tmp_path / "shop.db")
        rows = await fetch(self, statement)
        if not before:
            rename(tmp_path / "shop.db")
        return rows

    async with serving(new_url("sqlite", tmp_path)) as http:
        with monkeypatch.context() as patched:
            patched.setattr(SqliteStore, "fetch", beside)
            assert await name(http) == ("new" if before else "无线蓝牙耳机Pro")
        assert [await name(http) for _ in range(2)] == ["new"] * 2


@pytest.mark.parametrize("engine", ENGINES)
async def test_only_sqlite_keeps_lists(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteStore if engine == "sqlite" else PostgresStore
    fetch, reads = store.fetch, 0

    async def counted(self: Any, statement: Statement) -> Sequence[Row]:
        nonlocal reads
        reads += 1
        rows: Sequence[Row] = await fetch(self, statement)
        return rows

    monkeypatch.setattr(store, "fetch", counted)
    async with serving(new_url(engine, tmp_path)) as http:
        first = [await read(http, "/api/products") for _ in range(3)]
        assert (first[1:], reads) == (first[:-1], 1 if engine == "sqlite" else 3)
        await read(http, "/api/products?limit=1")  # another list
        assert reads > 1


async def test_of_more_lists_than_are_kept_the_newest_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_lists, "MAX_LISTS", 2)
    fetch, reads = SqliteStore.fetch, list[str]()

    async def noted(self: SqliteStore, statement: Statement) -> Sequence[Row]:
        reads.append("read")
        return await fetch(self, statement)

    monkeypatch.setattr(SqliteStore, "fetch", noted)
    async with serving(new_url("sqlite", tmp_path)) as http:
        for limit in (1, 2, 3, 3, 2):
            await read(http, f"/api/products?limit={limit}")
        assert len(reads) == 6  # each with how long all of it is
        await read(http, "/api/products?limit=1")
        assert len(reads) == 8


async def test_what_is_refused_is_refused_again(tmp_path: Path) -> None:
    async with serving(new_url("sqlite", tmp_path)) as http:
        assert [(await http.get("/api/products?limit=0")).status_code for _ in range(2)] == [422, 422]


async def test_a_file_that_is_gone_is_told_also_of_what_was_read_before(tmp_path: Path) -> None:
    async with serving(new_url("sqlite", tmp_path)) as http:
        assert [(await http.get("/api/products")).status_code for _ in range(2)] == [200, 200]
        (tmp_path / "shop.db").unlink()
        assert (await http.get("/api/products")).status_code == 503
