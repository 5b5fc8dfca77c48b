"""A file of the database that is deleted or replaced under a running service costs no order."""

import asyncio
import shutil
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

import httpx
import pytest

import api
from shop.errors import StoreUnavailableError
from shop.sqlite_files import Files
from tests.support.engines import ask, audit, new_url

pytestmark = pytest.mark.anyio
FILES = ["shop.db", "shop.db-wal", "shop.db-shm"]
BUY = {"customerName": "A", "items": [{"productId": 3, "quantity": 1}]}
STOCK = {1: 100, 2: 50, 3: 200, 4: 150}


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    app = api.create_app(api.Settings(database_url=new_url("sqlite", folder)))
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")
    async with app.router.lifespan_context(app), http:
        yield http


async def buy(http: httpx.AsyncClient, key: str) -> tuple[int, str | None]:
    answer = await http.post("/api/purchase", json=BUY, headers={"Idempotency-Key": key})
    return answer.status_code, answer.json().get("code")


@pytest.mark.parametrize("file", FILES)
async def test_a_file_that_is_deleted_stops_the_service_from_acknowledging(tmp_path: Path, file: str) -> None:
    async with serving(tmp_path) as http:
        assert await buy(http, "first") == (200, None)
        (tmp_path / file).unlink()
        assert await buy(http, "second") == (503, "database_unavailable")
        assert (await http.get("/healthz")).status_code == 503


@pytest.mark.parametrize("file", FILES)
async def test_a_file_that_is_replaced_does_too(tmp_path: Path, file: str) -> None:
    async with serving(tmp_path) as http:
        shutil.copy(tmp_path / file, tmp_path / "other")
        (tmp_path / "other").rename(tmp_path / file)
        assert await buy(http, "first") == (503, "database_unavailable")


@pytest.mark.parametrize("file", FILES)
async def test_a_file_that_is_put_back_lets_it_go_on(tmp_path: Path, file: str) -> None:
    async with serving(tmp_path) as http:
        (tmp_path / file).rename(tmp_path / "away")
        assert await buy(http, "first") == (503, "database_unavailable")
        (tmp_path / "away").rename(tmp_path / file)
        assert await buy(http, "first") == (200, None)
    audit(new_url("sqlite", tmp_path), STOCK)


async def test_what_was_acknowledged_outlives_the_log_that_held_it(tmp_path: Path) -> None:
    async with serving(tmp_path) as http:
        bought = [await buy(http, f"{number}") for number in range(5)]
        (tmp_path / "shop.db-wal").unlink()
        assert await buy(http, "late") == (503, "database_unavailable")
        copy = shutil.copy(tmp_path / "shop.db", tmp_path / "copy.db")  # as it would be after a kill -9
    assert bought == [(200, None)] * 5
    for file in (tmp_path / "shop.db", Path(copy)):
        assert ask(f"sqlite:///{file}", "SELECT count(*) FROM orders") == [(5,)]
    async with serving(tmp_path) as http:
        assert await buy(http, "late") == (200, None)
        assert (await http.get("/api/orders")).headers["X-Total-Count"] == "6"


SLOW = """CREATE TRIGGER slow AFTER INSERT ON orders BEGIN
    SELECT count(*) FROM (WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 4000000)
        SELECT n FROM c);
END"""


async def until_it_writes(other: sqlite3.Connection) -> None:
    with suppress(sqlite3.OperationalError):  # locked
        while True:
            other.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")
            await asyncio.sleep(0)


@pytest.mark.parametrize("file", FILES)
async def test_a_file_that_is_deleted_during_a_purchase_leaves_its_outcome_unknown(
    tmp_path: Path, file: str
) -> None:
    async with serving(tmp_path) as http:
        with closing(sqlite3.connect(tmp_path / "shop.db", isolation_level=None, timeout=0)) as other:
            other.execute(SLOW)
            buying = asyncio.create_task(buy(http, "k"))
            await until_it_writes(other)
            (tmp_path / file).unlink()
        assert await buying == (503, "outcome_unknown")
    if file == "shop.db-wal":  # the records are there, so that the key can settle it
        async with serving(tmp_path) as http:
            assert await buy(http, "k") == (200, None)
        assert ask(new_url("sqlite", tmp_path), "SELECT count(*) FROM orders") == [(1,)]


def test_a_file_that_another_process_is_just_closing_is_waited_for(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "shop.db", isolation_level=None, check_same_thread=False)
    for statement in ("PRAGMA journal_mode = WAL", "PRAGMA locking_mode = EXCLUSIVE", "CREATE TABLE t (a)"):
        other.execute(statement)
    threading.Timer(0.1, other.close).start()
    Files(tmp_path / "shop.db", busy_seconds=60).close()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="Linux tells which files are open")
def test_what_is_no_database_is_not_kept_open(tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    file.write_bytes(b"no database" * 100)
    with pytest.raises(StoreUnavailableError) as refused:  # it holds all that the functions knew
        Files(file, 0)
    assert file not in [link.resolve() for link in Path("/proc/self/fd").iterdir()], refused
