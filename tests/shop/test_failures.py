"""A database that is locked, full, read-only, damaged or gone: 503, nothing half-written, service again."""

import asyncio
import os
import sqlite3
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

import api
from models import PurchaseRequest
from serving.server import StartError
from shop import schema
from shop.engines import open_store
from shop.errors import CommandError, StoreUnavailableError
from shop.filters import OrderQuery
from shop.keeping import kept
from tests.support.engines import ask, new_url, postgres, stopped_postgres
from tests.support.processes import Spawn, free_port

pytestmark = pytest.mark.anyio
BUY = {"customerName": "秘密客户", "items": [{"productId": 3, "quantity": 1}]}


@asynccontextmanager
async def serving(url: str, busy_seconds: float = 0.05) -> AsyncIterator[httpx.AsyncClient]:
    app = api.create_app(api.Settings(database_url=url), busy_seconds=busy_seconds)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as c,
    ):
        yield c


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(new_url("sqlite", tmp_path)) as client:
        yield client


def is_unavailable(answer: httpx.Response) -> bool:
    said = {"detail": "数据库暂时不可用，请稍后重试", "code": "database_unavailable", "params": {}}
    assert (answer.status_code, answer.json()) == (503, said)
    return answer.headers["Retry-After"] == "1"


async def test_while_another_process_holds_the_lock_buying_waits_and_reading_does_not(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert is_unavailable(await client.post("/api/purchase", json=BUY))
        assert (await client.get("/api/products")).status_code == 200
        other.execute("ROLLBACK")
    assert (await client.post("/api/purchase", json=BUY)).json()["id"] == 1


async def test_the_log_says_what_is_wrong_and_not_who_buys(
    client: httpx.AsyncClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        await client.post("/api/purchase", json=BUY)
    assert [record.getMessage() for record in caplog.records if "数据库" in record.getMessage()] == [
        f"数据库不可用：{tmp_path / 'shop.db'}: database is locked"
    ]
    assert "秘密客户" not in caplog.text


async def test_the_log_has_one_line_for_a_fault_however_many_requests_it_strikes(
    client: httpx.AsyncClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "shop.db-wal").unlink()
    for path in ("products", "orders", "inventory", "orders.csv", "products.csv") * 3:
        assert is_unavailable(await client.get(f"/api/{path}"))
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1


async def test_a_file_damaged_under_way_is_no_crash(tmp_path: Path) -> None:
    url = new_url("sqlite", tmp_path)
    async with serving(url) as client:
        for _ in range(50):
            await client.post("/api/purchase", json=BUY)
    async with serving(url) as client:
        damage(tmp_path / "shop.db", skip=4096)
        assert is_unavailable(await client.get("/api/orders"))
        assert is_unavailable(await client.post("/api/purchase", json=BUY))


def damage(path: Path, skip: int) -> None:
    with path.open("r+b") as file:
        file.seek(skip)
        file.write(b"\xff" * (path.stat().st_size - skip))


def test_a_full_disk_loses_nothing_that_was_acknowledged(spawn: Spawn, tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux bounds another process's files")
    import resource

    url = f"http://127.0.0.1:{(port := free_port())}"
    service = spawn("api.py", "--port", str(port))
    service.wait_until_up(f"{url}/healthz")
    pid, (_, hard) = service.process.pid, resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE)
    with httpx.Client(base_url=url, timeout=60) as client:
        wal = (tmp_path / "shop.db-wal").stat().st_size
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (wal + 100_000, hard))
        bought = 0
        while (answer := client.post("/api/purchase", json=BUY)).status_code == 200:
            bought += 1
        assert (is_unavailable(answer), bought > 0) == (True, True)
        assert client.get("/api/orders").headers["X-Total-Count"] == str(bought)
        assert client.get("/api/inventory?productId=3").json()[0]["quantity"] == 200 - bought
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
        assert client.post("/api/purchase", json=BUY).status_code == 200
    assert "Traceback" not in service.log.read_text()


async def test_a_lost_postgresql_is_found_again_without_a_restart() -> None:
    async with serving(postgres().new_database()) as client:
        assert (await client.post("/api/purchase", json=BUY)).json()["id"] == 1
        with stopped_postgres():
            for request in (
                client.get("/api/products"),
                client.get("/healthz"),
                client.post("/api/purchase", json=BUY),
            ):
                assert is_unavailable(await request)
        assert (await client.post("/api/purchase", json=BUY)).status_code == 200
        assert (await client.get("/api/orders")).headers["X-Total-Count"] == "2"


async def test_a_connection_that_the_server_drops_costs_one_503_at_most() -> None:
    url = postgres().new_database()
    async with serving(url) as client:
        await client.get("/healthz")
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        postgres().query(url, f"{others} AND backend_type = 'client backend'")
        answers = [await client.post("/api/purchase", json=BUY) for _ in range(3)]
    assert [answer.status_code for answer in answers][1:] == [200, 200]


@contextmanager
def as_ordinary_user() -> Iterator[None]:
    """Become an ordinary user for a while: root ignores file permissions."""
    if sys.platform == "win32":
        pytest.skip("Windows has no such user")
    import pwd

    root = os.geteuid() == 0
    if root:
        os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.fixture
def folder_for_all() -> Iterator[Path]:
    """A folder that an ordinary user may enter, as pytest's own may not be."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


async def test_a_read_only_file_is_refused_at_start(folder_for_all: Path) -> None:
    url = new_url("sqlite", folder_for_all)
    await (await open_store(url)).close()
    (folder_for_all / "shop.db").chmod(0o444)
    with as_ordinary_user(), pytest.raises(StoreUnavailableError, match="readonly"):
        await open_store(url)


def run(monkeypatch: pytest.MonkeyPatch, folder: Path, *args: str) -> str:
    """Return the sentence with which the service refuses to start; a text to sys.exit is status 1."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["api.py", *args])
    with pytest.raises(SystemExit) as end:
        api.run()
    assert isinstance(end.value.code, str)
    return end.value.code


def with_newer_schema(path: Path, version: int = 99) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")


STARTS: dict[str, tuple[list[str], Any]] = {
    "无法启动：shop.db: file is not a database": ([], lambda path: path.write_bytes(b"\xff" * 8192)),
    "无法启动：数据库结构版本 99": ([], with_newer_schema),
    "无法启动：数据库结构版本是 -1，不是本程序写的": ([], lambda path: with_newer_schema(path, -1)),
    "无法启动：nowhere/shop.db: No such file or directory": (
        ["--database-url", "sqlite:///nowhere/shop.db"],
        None,
    ),
    "无法启动：DATABASE_URL 应为": (["--database-url", "mysql://x"], None),
    "无法启动：DATABASE_URL 应为 sqlite:///文件名": (["--database-url", "sqlite:///shop%00.db"], None),
    "无法启动：PostgreSQL: 连不上，请确认它已启动，DATABASE_URL 里的主机和端口": (
        ["--database-wait", "0", "--database-url", f"postgresql://x:geheim@127.0.0.1:{free_port()}/x"],
        None,
    ),
    "无法启动：PostgreSQL: target_session_attrs is expected to be one of …, got 'x'": (
        ["--database-url", "postgresql://127.0.0.1/x?target_session_attrs=x"],
        None,
    ),
    "无法启动：无法读取商品目录 none.json": (["--catalog", "none.json"], None),
    "设置有误：API_HOST=0.0.0.0 不是本机地址，其他机器也能连接，所以必须同时设置 API_TOKEN": (
        ["--host", "0.0.0.0"],
        None,
    ),
    "设置有误 API_PORT：应为整数": (["--port", "many"], None),
    "设置有误 API_PORT：不能大于 65535": (["--port", "70000"], None),
}


@pytest.mark.parametrize("sentence", STARTS)
def test_what_cannot_be_served_ends_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sentence: str
) -> None:
    args, prepare = STARTS[sentence]
    if prepare:
        prepare(tmp_path / "shop.db")
    said = run(monkeypatch, tmp_path, *args)
    assert said.startswith(sentence)
    assert "geheim" not in said


VERSIONS = {  # of another program's table, as Flyway's; or damaged
    "BIGINT": ("-1", "NULL", "99"),
    "VARCHAR(50)": ("'1'", "'1.2'"),
}


@pytest.mark.parametrize(
    ("kind", "version"), [(kind, version) for kind in VERSIONS for version in VERSIONS[kind]]
)
async def test_a_version_that_is_none_of_ours_ends_the_start_and_the_check_with_a_sentence(
    tmp_path: Path, kind: str, version: str
) -> None:
    url = new_url("postgres", tmp_path)
    await (await open_store(url)).close()
    ask(url, f"ALTER TABLE schema_version ALTER version TYPE {kind}, ALTER version DROP NOT NULL")
    ask(url, f"INSERT INTO schema_version VALUES ({version})")
    ask(url, f"DELETE FROM schema_version WHERE CAST(version AS TEXT) = '{len(schema.POSTGRES)}'")
    with pytest.raises(StoreUnavailableError, match=r"schema_unknown|schema_too_new"):
        await open_store(url)
    with pytest.raises(CommandError, match="schema_differs"):
        await kept(url).check()


async def test_a_lock_held_for_long_ends_the_start_with_a_sentence(tmp_path: Path) -> None:
    url = new_url("sqlite", tmp_path)
    with closing(sqlite3.connect(tmp_path / "shop.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StartError, match=r"shop\.db: database is locked"):
            async with serving(url, busy_seconds=0.05):
                pass


def test_a_failed_start_is_status_1_and_no_traceback(spawn: Spawn, tmp_path: Path) -> None:
    (tmp_path / "shop.db").write_bytes(b"no database" * 1000)
    service = spawn.afresh("api.py", "--port", str(free_port()))
    assert service.process.wait(150) == 1
    assert service.log.read_text() == "无法启动：shop.db: file is not a database\n"


def test_a_start_names_its_file_whole(spawn: Spawn) -> None:
    port = free_port()
    service = spawn("api.py", "--port", str(port), env={"DATABASE_URL": "sqlite:///a%20shop.db"})
    service.wait_until_up(f"http://127.0.0.1:{port}/api/products")
    assert f"可以共用 {spawn.folder / 'a shop.db'}；" in service.log.read_text(encoding="utf-8")


async def test_after_a_start_that_failed_the_file_is_as_before(tmp_path: Path) -> None:
    url = new_url("sqlite", tmp_path)
    shop = await open_store(url)
    await shop.close()
    with_newer_schema(tmp_path / "shop.db")
    before = (tmp_path / "shop.db").read_bytes()
    with pytest.raises(StoreUnavailableError):
        await open_store(url)
    assert (tmp_path / "shop.db").read_bytes() == before


async def test_a_store_that_was_closed_says_so(tmp_path: Path) -> None:
    shop = await open_store(new_url("sqlite", tmp_path))
    await shop.close()
    with pytest.raises(StoreUnavailableError):
        await shop.purchase(PurchaseRequest.model_validate(BUY))
    with pytest.raises(StoreUnavailableError):
        await shop.orders(OrderQuery(offset=1))


async def test_a_start_waits_for_its_database(caplog: pytest.LogCaptureFixture) -> None:
    url = postgres().new_database()
    with stopped_postgres():
        with pytest.raises(StoreUnavailableError):
            await open_store(url)
        opening = asyncio.create_task(open_store(url, wait_seconds=60))
        async with asyncio.timeout(60):
            while "最多等 60 秒" not in caplog.text:  # noqa: ASYNC110  what it says is the test's clock
                await asyncio.sleep(0.01)
    await (await opening).close()
    assert caplog.text.count("最多等 60 秒") == 1


async def test_a_database_that_does_not_exist_is_not_waited_for() -> None:
    url = f"{postgres().whole_database()}x"
    async with asyncio.timeout(60):
        with pytest.raises(StoreUnavailableError, match="does not exist"):
            await open_store(url, wait_seconds=3600)
