"""Upgrades in order, and back: an earlier version from this repository's history beside today's."""

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import httpx
import pytest

from tests.support.buyers import by_hand, by_mcp, by_rest, order
from tests.support.engines import postgres
from tests.support.processes import ROOT, Service, Spawn, free_port, require

pytestmark = [pytest.mark.anyio, pytest.mark.heavy]
EARLIER = "10d485c8942d7a217b1d929483089629eea15905"  # tables of another version, same dependencies
PORTS = {"api": "API_PORT", "main": "MCP_PORT", "web": "WEB_PORT"}
BUYERS = {"api": by_rest, "main": by_mcp, "web": by_hand}


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    command = ["git", "archive", "--format=tar", EARLIER]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("this clone has no history")
    folder = tmp_path_factory.mktemp("earlier")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as packed:
        packed.extractall(folder, filter="data")
    return folder


def command(code: Path, folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, str(code / "api.py"), *args]
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def started(spawn: Spawn, code: Path, name: str, env: dict[str, str]) -> Service:
    service = spawn.program(sys.executable, str(code / f"{name}.py"), env=env)
    service.wait_until_up(f"http://127.0.0.1:{env[PORTS[name]]}/healthz")
    return service


async def orders_at(env: dict[str, str]) -> list[str]:
    async with httpx.AsyncClient(timeout=60) as http:
        found = (await http.get(f"{env['API_URL']}/orders")).json()
    return sorted(order["customerName"] for order in found)


async def buy(env: dict[str, str], name: str, key: str) -> None:
    async with httpx.AsyncClient(base_url=f"http://localhost:{env[PORTS[name]]}", timeout=60) as http:
        assert await BUYERS[name](http, key), key


def go_back(folder: Path) -> None:
    """Put the backup in the shop's place, as the earlier program has no command for it."""
    for file in folder.glob("shop.db*"):
        file.unlink()
    (folder / "kept").rename(folder / "shop.db")


def restored(file: Path) -> str:
    """Fill an empty database of PostgreSQL by its own means."""
    empty = postgres().whole_database()
    subprocess.run([require("pg_restore"), "--dbname", empty, str(file)], check=True)
    return empty


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    ports = {name: str(free_port()) for name in PORTS.values()}
    servers = {"product-mcp": {"type": "http", "url": f"http://localhost:{ports['MCP_PORT']}/mcp"}}
    (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": servers}))
    return ports | {"API_URL": f"http://127.0.0.1:{ports['API_PORT']}/api", "MCP_CONFIRM": "never"}


async def test_todays_shop_opens_an_earlier_ones_and_the_way_back_is_the_backup(
    earlier: Path, spawn: Spawn, env: dict[str, str], tmp_path: Path
) -> None:
    old = started(spawn, earlier, "api", env)
    await buy(env, "api", "before")
    assert command(ROOT, tmp_path, "backup", "kept").returncode == 0  # by today's program, beside the old one
    old.stop()
    new = started(spawn, ROOT, "api", env)
    await buy(env, "api", "after")
    assert await orders_at(env) == ["after", "before"]
    assert command(ROOT, tmp_path, "check").returncode == 0
    new.stop()
    refused = spawn.program(sys.executable, str(earlier / "api.py"), env=env)
    assert refused.process.wait(150) == 1
    assert "数据库结构版本" in refused.log.read_text()
    go_back(tmp_path)
    started(spawn, earlier, "api", env)
    assert await orders_at(env) == ["before"]


async def test_on_one_postgresql_an_earlier_shop_beside_todays_loses_nothing_and_the_backup_leads_back(
    earlier: Path, spawn: Spawn, env: dict[str, str], tmp_path: Path
) -> None:
    url = postgres().whole_database()
    env |= {"DATABASE_URL": url}
    beside = env | {"API_PORT": str(free_port())}
    old = started(spawn, earlier, "api", beside)
    await buy(beside, "api", "before")
    assert command(ROOT, tmp_path, "backup", "kept", "--database-url", url).returncode == 0
    started(spawn, ROOT, "api", env)
    await buy(env, "api", "after")
    async with httpx.AsyncClient(base_url=f"http://localhost:{beside['API_PORT']}", timeout=60) as http:
        for key in ("before", "after", "beside"):
            answer = await http.post("/api/purchase", json=order(key), headers={"Idempotency-Key": key})
            assert answer.status_code == 200 or (answer.status_code, key) == (503, "beside"), answer.text
    assert [key for key in await orders_at(env) if key != "beside"] == ["after", "before"]
    assert command(ROOT, tmp_path, "check", "--database-url", url).returncode == 0
    old.stop()
    refused = spawn.program(sys.executable, str(earlier / "api.py"), env=beside)
    assert refused.process.wait(150) == 1
    assert "请升级程序" in refused.log.read_text()
    started(spawn, earlier, "api", beside | {"DATABASE_URL": restored(tmp_path / "kept")})
    here = beside | {"API_URL": f"http://127.0.0.1:{beside['API_PORT']}/api"}
    await buy(here, "api", "again")
    assert await orders_at(here) == ["again", "before"]


@pytest.mark.parametrize(
    "today", [("api",), ("api", "main"), ("main",), ("web",), ("main", "web"), ("api", "web")], ids="-".join
)
async def test_services_of_both_versions_buy_beside_one_another(
    earlier: Path, spawn: Spawn, env: dict[str, str], today: tuple[str, ...]
) -> None:
    for name in PORTS:
        started(spawn, ROOT if name in today else earlier, name, env)
    for name in PORTS:
        await buy(env, name, name)
    assert await orders_at(env) == sorted(PORTS)
