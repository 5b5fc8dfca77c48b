"""A PostgreSQL that goes in the middle of a request: repeated where nothing can be done twice, else 503."""

import asyncio
import gc
import inspect
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from functools import partial
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import httpx
import pytest

import api
from models import PurchaseRequest
from shop import archive as archiving
from shop import postgres as engine
from shop import sqlite_files
from shop.engines import open_store
from shop.errors import StoreUnavailableError
from shop.queries import Script
from tests.support.clock import put_forward
from tests.support.engines import ask, audit, postgres
from tests.support.postgres_proxy import PostgresProxy, cutting

pytestmark = pytest.mark.anyio
BUY = {"customerName": "A", "items": [{"productId": 3, "quantity": 1}]}
KEY = {"Idempotency-Key": "k"}
STOCK = {1: 100, 2: 50, 3: 200, 4: 150}


@asynccontextmanager
async def serving(url: str, pool: int = 10) -> AsyncIterator[httpx.AsyncClient]:
    app = api.create_app(api.Settings(database_url=url, database_pool=pool))
    http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")
    async with app.router.lifespan_context(app), http:
        yield http


@asynccontextmanager
async def cut_off() -> AsyncIterator[tuple[PostgresProxy, httpx.AsyncClient, str]]:
    """Serve a shop whose database is behind a proxy."""
    url = postgres().new_database()
    async with cutting(url) as (proxy, by_proxy), serving(by_proxy) as http:
        yield proxy, http, url


# Where the connection ends, and whether the server has carried that out.
BEFORE_COMMIT = [
    ("BEGIN", False),
    ("BEGIN", True),
    ("FOR NO KEY UPDATE", False),
    ("INSERT INTO orders", True),
    ("INSERT INTO order_items", True),
    ("INSERT INTO moves", True),
]
AT_COMMIT = [("COMMIT;", False), ("COMMIT;", True)]


@pytest.mark.parametrize(("text", "passed_on"), BEFORE_COMMIT)
@pytest.mark.parametrize("headers", [{}, KEY])
async def test_a_connection_lost_before_the_commit_costs_nothing(
    text: str, passed_on: bool, headers: dict[str, str]
) -> None:
    async with cut_off() as (proxy, http, url):
        proxy.cut(text, passed_on=passed_on)
        answer = await http.post("/api/purchase", json=BUY, headers=headers)
    assert (answer.status_code, proxy.seen) == (200, 1)
    audit(url, STOCK)
    assert ask(url, "SELECT count(*) FROM orders") == [(1,)]


@pytest.mark.parametrize(("text", "passed_on"), AT_COMMIT)
async def test_a_lost_commit_is_settled_by_the_key_and_the_order_is_this_requests(
    text: str, passed_on: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with cut_off() as (proxy, http, url):
        proxy.cut(text, passed_on=passed_on)
        answer = await http.post("/api/purchase", json=BUY, headers=KEY)
    assert (answer.status_code, proxy.seen) == (200, 1)
    assert "Idempotent-Replayed" not in answer.headers
    assert ask(url, "SELECT id, idempotency_key FROM orders") == [(answer.json()["id"], "k")]
    assert [record.message for record in caplog.records if record.message.startswith("订单 ")]
    audit(url, STOCK)


AT_DESK = [
    ("inventory/3/moves", {"change": 5}),
    ("products", {"name": "茶", "price": 1}),
    ("orders/1/cancel", {}),
]


@pytest.mark.parametrize(("path", "body"), AT_DESK)
async def test_so_is_what_was_done_at_the_desk(path: str, body: dict[str, object]) -> None:
    async with cut_off() as (proxy, http, _):
        await http.post("/api/purchase", json=BUY)
        proxy.cut("COMMIT;", passed_on=True)
        answers = [await http.post(f"/api/{path}", json=body, headers=KEY) for _ in range(2)]
    assert (answers[1].json(), proxy.seen) == (answers[0].json(), 1)
    assert [answer.headers.get("Idempotent-Replayed") for answer in answers] == [None, "true"]


async def test_a_lost_commit_makes_an_earlier_order_no_new_one() -> None:
    async with cut_off() as (proxy, http, _):
        first = await http.post("/api/purchase", json=BUY, headers=KEY)
        proxy.cut("COMMIT;", passed_on=True)
        answer = await http.post("/api/purchase", json=BUY, headers=KEY)
    assert (answer.json(), proxy.seen) == (first.json(), 1)
    assert answer.headers["Idempotent-Replayed"] == "true"


async def test_an_archive_whose_last_commit_is_lost_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres().new_database()
    async with cutting(url) as (proxy, by_proxy):
        finish = archiving._Run._finish

        def cut(run: archiving._Run) -> Script[None]:
            if not proxy.seen:
                proxy.cut("COMMIT;", passed_on=True)
            return finish(run)

        monkeypatch.setattr(archiving._Run, "_finish", cut)
        shop = await open_store(by_proxy)
        await shop.purchase(PurchaseRequest.model_validate(BUY))
        ask(url, "UPDATE orders SET ordered_at = '2020-01-01T00:00:00.000000+00:00'")
        (run,) = await archiving.archive(shop, date(2025, 1, 1), tmp_path)
        await shop.close()
    assert (run.number, proxy.seen) == (1, 1)
    assert ask(url, "SELECT name FROM facts WHERE name = 'archive'") == []


@pytest.mark.parametrize(("text", "passed_on"), AT_COMMIT)
async def test_a_lost_commit_without_a_key_is_not_repeated_and_nobody_is_invited_to(
    text: str, passed_on: bool
) -> None:
    async with cut_off() as (proxy, http, url):
        proxy.cut(text, passed_on=passed_on)
        answer = await http.post("/api/purchase", json=BUY)
    assert (answer.status_code, answer.json()["code"]) == (503, "outcome_unknown")
    assert "Retry-After" not in answer.headers
    assert ask(url, "SELECT count(*) FROM orders") == [(int(passed_on),)]


@pytest.mark.parametrize(("text", "passed_on"), AT_COMMIT)
async def test_a_database_that_stays_away_after_a_commit_leaves_the_outcome_unknown_and_the_key_as_it_was(
    text: str, passed_on: bool
) -> None:
    async with cut_off() as (proxy, http, url):
        proxy.cut(text, passed_on=passed_on)
        proxy.gone = True
        answer = await http.post("/api/purchase", json=BUY, headers=KEY)
        assert (answer.status_code, answer.json()["code"]) == (503, "outcome_unknown")
        assert answer.headers["Retry-After"] == "1"
        proxy.gone = False
        answer = await http.post("/api/purchase", json=BUY, headers=KEY)
    assert (answer.status_code, answer.headers.get("Idempotent-Replayed") == "true") == (200, passed_on)
    assert ask(url, "SELECT count(*) FROM orders") == [(1,)]
    audit(url, STOCK)


async def test_after_the_commit_nothing_is_asked_that_could_get_lost() -> None:
    async with cut_off() as (proxy, http, _):
        proxy.cut("pg_advisory_unlock_all", passed_on=False)  # how asyncpg's pool resets a connection
        answer = await http.post("/api/purchase", json=BUY)
    assert (answer.status_code, proxy.seen, answer.headers.get("Idempotent-Replayed")) == (200, 0, None)


async def test_a_new_connection_that_is_given_up_before_it_is_used_is_closed() -> None:
    async with cutting(postgres().new_database()) as (proxy, by_proxy):
        proxy.cut("pg_backend_pid", passed_on=False)  # what is asked first: whether a pooler stands between
        proxy.on_held = partial(put_forward, engine.POOL_SECONDS)
        with pytest.raises(StoreUnavailableError):
            await open_store(by_proxy)
        gc.collect()  # what was forgotten open is a ResourceWarning
        await (await open_store(by_proxy)).close()
    assert proxy.seen == 1


async def test_a_read_is_repeated_on_another_connection() -> None:
    async with cut_off() as (proxy, http, _):
        proxy.cut("FROM products", passed_on=False, times=2)
        assert (await http.get("/api/products")).status_code == 200
        proxy.cut("FROM products", passed_on=False, times=3)
        assert (await http.get("/api/products?limit=1")).status_code == 503


BLOCKED = "SELECT 1 FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
TERMINATE = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"""


async def test_terminated_backends_are_not_seen_by_anybody() -> None:
    url = postgres().new_database()
    async with serving(url) as http:
        for _ in range(10):
            await asyncio.gather(*(http.get("/api/products?query=x") for _ in range(10)))  # opens them all
            ask(url, TERMINATE)
            answers = await asyncio.gather(
                *(
                    http.post("/api/purchase", json=BUY, headers={"Idempotency-Key": f"{_}-{i}"})
                    for i in range(10)
                )
            )
            assert [answer.status_code for answer in answers] == [200] * 10
    assert ask(url, "SELECT count(*) FROM orders") == [(100,)]


async def test_while_the_server_is_a_replica_nothing_is_bought_and_then_it_is_again() -> None:
    url = postgres().new_database()
    async with serving(url) as http:
        owner = await asyncpg.connect(url)
        await owner.execute("ALTER ROLE shop SET default_transaction_read_only = on")
        try:
            await owner.execute(TERMINATE)
            for _ in range(2):
                answer = await http.post("/api/purchase", json=BUY, headers=KEY)
                assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
            assert (await http.get("/healthz")).status_code == 503
            assert (await http.get("/api/products")).status_code == 200
        finally:
            await owner.execute("ALTER ROLE shop RESET default_transaction_read_only")
            await owner.close()
        assert (await http.post("/api/purchase", json=BUY, headers=KEY)).status_code == 200
        assert (await http.get("/healthz")).status_code == 200


async def test_a_pool_that_is_full_is_waited_for_and_then_a_503(caplog: pytest.LogCaptureFixture) -> None:
    url = postgres().new_database()
    blocker = await asyncpg.connect(url)
    async with serving(url, pool=1) as http:
        async with blocker.transaction():
            await blocker.execute("SELECT 1 FROM products WHERE id = 3 FOR UPDATE")
            buying = asyncio.create_task(http.post("/api/purchase", json=BUY))
            while not await blocker.fetchval(BLOCKED):  # noqa: ASYNC110  PostgreSQL tells nobody
                await asyncio.sleep(0.01)
            assert (await http.get("/api/products")).status_code == 503
        assert "1 个都在用：请调大 DATABASE_POOL" in caplog.text
        assert (await buying).status_code == 200
        assert (await http.get("/api/products")).status_code == 200
    await blocker.close()


async def test_a_row_that_somebody_holds_is_waited_for_and_then_a_503() -> None:
    url = postgres().new_database()
    blocker = await asyncpg.connect(url)
    async with serving(url) as http:
        async with blocker.transaction():
            await blocker.execute("SELECT 1 FROM products WHERE id = 3 FOR UPDATE")
            answer = await http.post("/api/purchase", json=BUY, headers=KEY)
            assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        assert (await http.post("/api/purchase", json=BUY, headers=KEY)).status_code == 200
    await blocker.close()
    audit(url, STOCK)


async def test_a_purchase_that_the_server_rolled_back_for_another_is_bought_all_the_same() -> None:
    url = postgres().new_database()
    await (await open_store(url)).close()
    fail_once = """CREATE SEQUENCE tries;
        CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF nextval('tries') = 1 THEN RAISE EXCEPTION 'once' USING ERRCODE = '40P01'; END IF;
            RETURN NEW;
        END $$;
        CREATE CONSTRAINT TRIGGER once AFTER INSERT ON orders DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION fail_once()"""
    connection = await asyncpg.connect(url)
    await connection.execute(fail_once)
    await connection.close()
    async with serving(url) as http:
        assert (await http.post("/api/purchase", json=BUY)).status_code == 200
    audit(url, STOCK)


def exceptions_of(*modules: object) -> list[type[Exception]]:
    return [
        kind
        for module in modules
        for kind in vars(module).values()
        if inspect.isclass(kind) and issubclass(kind, Exception) and not issubclass(kind, Warning)
    ]


def test_whatever_a_driver_can_raise_is_known_by_its_kind() -> None:
    known = exceptions_of(asyncpg.exceptions)
    assert len(known) > 200
    assert [kind for kind in known if not issubclass(kind, engine.DRIVER_ERRORS)] == []
    kinds = [*exceptions_of(sqlite3), sqlite3.Warning]
    assert [kind for kind in kinds if not issubclass(kind, sqlite_files.DRIVER_ERRORS)] == []
