"""Backup, restore and check, on both engines and beside a shop that is open."""

import asyncio
import errno
import itertools
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import api
from models import OrderItem, PurchaseRequest
from shop import stock
from shop.engines import open_store
from shop.errors import CommandError, StoreUnavailableError
from shop.filters import OrderQuery
from shop.keeping import RULES, kept
from shop.sentences import failure_sentence
from tests.support.engines import ENGINES, ask, audit, new_url, postgres, whole_url, write_old_shop

pytestmark = pytest.mark.anyio
STOCK = {1: 100, 2: 50, 3: 200, 4: 150}


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return whole_url(request.param, tmp_path)


async def buy(url: str, *keys: str) -> None:
    shop = await open_store(url, timezone="Asia/Shanghai")
    for key in keys:
        items = [OrderItem(productId=2, quantity=1), OrderItem(productId=3, quantity=2)]
        await shop.purchase(PurchaseRequest(customerName=key, items=items), key)
    if keys:
        await shop.write(lambda: stock.cancel(1, ""))
    await shop.close()


async def keys_of(url: str) -> list[str]:
    shop = await open_store(url)
    orders = await shop.orders(OrderQuery())
    await shop.close()
    return sorted(order.customerName for order in orders.items)


def names_in(folder: Path, pattern: str = "*") -> list[str]:
    return [path.name for path in folder.glob(pattern)]


async def test_what_was_backed_up_is_restored_into_an_empty_database(
    url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    await buy(url, "a", "b")
    assert await kept(url).backup(tmp_path / "backup") == (4, 2)
    empty = whole_url(request.node.callspec.params["url"], tmp_path)
    await kept(empty).restore(tmp_path / "backup")
    assert await keys_of(empty) == ["a", "b"]
    audit(empty, STOCK)
    await buy(empty, "b", "c")  # a key is known there, too, and numbers go on
    assert await keys_of(empty) == ["a", "b", "c"]
    assert await kept(empty).check() == {code: [] for code in RULES}


async def test_a_shop_that_is_there_is_replaced_only_if_told(url: str, tmp_path: Path) -> None:
    await buy(url, "a")
    await kept(url).backup(tmp_path / "backup")
    await buy(url, "b")
    with pytest.raises(CommandError, match="not_empty"):
        await kept(url).restore(tmp_path / "backup")
    assert await keys_of(url) == ["a", "b"]
    await kept(url).restore(tmp_path / "backup", replace=True)
    assert await keys_of(url) == ["a"]
    audit(url, STOCK)


OTHERS = {  # what another program's file holds
    "other tables": ["CREATE TABLE notes (id INTEGER)"],
    "tables of our names": ["CREATE TABLE products (id INTEGER)", "CREATE TABLE orders (id INTEGER)"],
    "our columns, no version": [
        "CREATE TABLE products (id INTEGER, price_cents INTEGER)",
        "CREATE TABLE orders (id INTEGER, total_cents INTEGER)",
    ],
}


@pytest.mark.parametrize("tables", OTHERS)
async def test_a_file_of_another_program_replaces_no_shop(
    url: str, tmp_path: Path, request: pytest.FixtureRequest, tables: str
) -> None:
    await buy(url, "a")
    other, file = whole_url(request.node.callspec.params["url"], tmp_path), tmp_path / "backup"
    for sql in OTHERS[tables]:
        ask(other, sql)
    if other.startswith("sqlite"):
        shutil.copy(other.removeprefix("sqlite:///"), file)
    else:
        dump = ["pg_dump", "--format=custom", "--file", str(file), "--dbname", other]
        await asyncio.to_thread(subprocess.run, dump, check=True)
    with pytest.raises((CommandError, StoreUnavailableError)):
        await kept(url).restore(file, replace=True)
    assert await keys_of(url) == ["a"]


async def test_no_file_is_overwritten_and_a_failed_backup_leaves_none(url: str, tmp_path: Path) -> None:
    await buy(url)
    file = tmp_path / "backup"
    file.write_text("mine")
    with pytest.raises(CommandError, match="file_exists"):
        await kept(url).backup(file)
    with pytest.raises(StoreUnavailableError, match="file_unwritable"):
        await kept(url).backup(tmp_path / "nowhere" / "backup")
    with pytest.raises(StoreUnavailableError, match="file_unwritable"):
        await kept(url).backup(tmp_path / ("x" * 300))
    assert file.read_text() == "mine"
    assert names_in(tmp_path, "*.part") == []


@pytest.mark.parametrize("error", [errno.EPERM, errno.EOPNOTSUPP])
async def test_a_backup_goes_to_a_disk_without_links(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    def link(*_: Any) -> None:
        raise OSError(error, "as on FAT")

    await buy(url, "a")
    monkeypatch.setattr(os, "link", link)
    await kept(url).backup(tmp_path / "backup")
    with pytest.raises(CommandError, match="file_exists"):
        await kept(url).backup(tmp_path / "backup")
    assert names_in(tmp_path, "backup*") == ["backup"]
    await kept(url).restore(tmp_path / "backup", replace=True)
    assert await keys_of(url) == ["a"]


async def test_a_running_shop_is_backed_up_whole_between_its_purchases(url: str, tmp_path: Path) -> None:
    shop = await open_store(url)
    is_over = asyncio.Event()

    async def buyer(who: int) -> None:
        for number in itertools.takewhile(lambda _: not is_over.is_set(), itertools.count()):
            request = PurchaseRequest(customerName="A", items=[OrderItem(productId=3, quantity=1)])
            await shop.purchase(request, f"{who}-{number}")
            await shop.write(partial(stock.move, 3, 1, "", f"back {who}-{number}"))

    async with asyncio.TaskGroup() as group:
        for who in range(3):
            group.create_task(buyer(who))
        for name in ("one", "two"):
            await kept(url).backup(tmp_path / name)
            assert not any((await kept(url).check()).values())
        is_over.set()
    await shop.close()
    await kept(url).restore(tmp_path / "two", replace=True)
    assert not any((await kept(url).check()).values())


async def test_an_open_sqlite_shop_sees_what_was_restored_under_it(tmp_path: Path) -> None:
    url = new_url("sqlite", tmp_path)
    await buy(url, "a")
    await kept(url).backup(tmp_path / "backup")
    shop = await open_store(url)
    await buy(url, "b")
    await kept(url).restore(tmp_path / "backup", replace=True)
    request = PurchaseRequest(customerName="c", items=[OrderItem(productId=3, quantity=1)])
    await shop.purchase(request, "c")
    await shop.close()
    assert await keys_of(url) == ["a", "c"]
    audit(url, STOCK)


async def test_cp_of_a_running_shop_lacks_the_newest_orders_and_a_backup_does_not(tmp_path: Path) -> None:
    url = new_url("sqlite", tmp_path)
    shop = await open_store(url)
    request = PurchaseRequest(customerName="a", items=[OrderItem(productId=3, quantity=1)])
    await shop.purchase(request, "a")
    shutil.copy(tmp_path / "shop.db", tmp_path / "copied.db")
    await kept(url).backup(tmp_path / "backup.db")
    assert ask(f"sqlite:///{tmp_path}/copied.db", "SELECT count(*) FROM orders") == [(0,)]
    assert ask(f"sqlite:///{tmp_path}/backup.db", "SELECT count(*) FROM orders") == [(1,)]
    await shop.close()


BREAKS = {
    "stock_is_ledger": "UPDATE moves SET change = change + 1 WHERE id = 2",
    "order_is_in_ledger": "DELETE FROM moves WHERE order_id = 2 AND product_id = 3",
    "ledger_is_of_orders": "UPDATE moves SET order_id = 77 WHERE order_id = 2",
    "total_is_sum": "UPDATE orders SET total_cents = 1 WHERE id = 2",
    "key_is_of_one_order": "INSERT INTO archived_orders VALUES (9, 'a')",
    "orders_are_counted": "UPDATE order_counts SET n = n + 1",
}


@pytest.mark.parametrize("code", BREAKS)
async def test_what_breaks_a_rule_is_found(url: str, code: str) -> None:
    await buy(url, "a", "b")
    ask(url, BREAKS[code])
    assert (await kept(url).check())[code]


async def test_lines_of_no_order_and_a_negative_stock_are_found_in_sqlite(tmp_path: Path) -> None:
    url = new_url("sqlite", tmp_path)
    await buy(url, "a", "b")
    ask(url, "UPDATE order_items SET product_id = 99 WHERE order_id = 2 AND line = 0")
    assert (await kept(url).check())["line_is_of_order"] == [2]


def damage(file: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2] + b"x" * (len(data) // 2))


async def test_a_damaged_file_is_found_and_never_restored(tmp_path: Path) -> None:
    url = new_url("sqlite", tmp_path)
    await buy(url, "a")
    await kept(url).backup(tmp_path / "backup")
    damage(tmp_path / "backup")
    with pytest.raises((CommandError, StoreUnavailableError)):
        await kept(url).restore(tmp_path / "backup", replace=True)
    assert await keys_of(url) == ["a"]
    with pytest.raises((CommandError, StoreUnavailableError)):
        await kept(f"sqlite:///{tmp_path}/backup").check()


@pytest.mark.parametrize("content", [b"", b"{}", b"PGDMP", b"SQLite format 3\0"])
async def test_what_is_no_backup_of_this_engine_is_refused(url: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "backup").write_bytes(content)
    with pytest.raises((CommandError, StoreUnavailableError)) as refused:
        await kept(url).restore(tmp_path / "backup")
    assert failure_sentence(refused.value)


async def test_an_older_shop_is_backed_up_unchanged_and_not_checked(url: str, tmp_path: Path) -> None:
    write_old_shop(url, 7)
    assert await kept(url).backup(tmp_path / "backup") == (1, 1)
    with pytest.raises(CommandError, match="schema_differs"):
        await kept(url).check()
    await kept(url).restore(tmp_path / "backup", replace=True)
    assert await keys_of(url) == ["A"]  # brought up to this program when it is opened


async def test_a_backup_of_a_newer_program_is_refused(
    url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    await buy(url, "a")
    newer = whole_url(request.node.callspec.params["url"], tmp_path)
    await buy(newer, "b")
    is_sqlite = newer.startswith("sqlite")
    ask(newer, "PRAGMA user_version = 99" if is_sqlite else "UPDATE schema_version SET version = 99")
    await kept(newer).backup(tmp_path / "backup")
    with pytest.raises((CommandError, StoreUnavailableError), match=r"schema_too_new|program_failed"):
        await kept(url).restore(tmp_path / "backup", replace=True)
    assert await keys_of(url) == ["a"]


async def test_a_database_without_a_shop_is_told_as_one(url: str, tmp_path: Path) -> None:
    if url.startswith("sqlite"):
        ask(url, "VACUUM")  # makes an empty file
    with pytest.raises(CommandError, match="no_tables"):
        await kept(url).check()
    with pytest.raises(CommandError, match="no_tables"):
        await kept(url).backup(tmp_path / "backup")


@pytest.mark.parametrize("place", ["127.0.0.1:99999", "127.0.0.1:x", "[::1"])
async def test_an_address_that_is_none_is_told(place: str) -> None:
    url = f"postgresql://shop@{place}/shop"
    with pytest.raises(StoreUnavailableError, match="database_failed"):
        await kept(url).check()
    with pytest.raises(StoreUnavailableError, match="database_failed"):
        await open_store(url)


async def test_where_there_is_no_shop_nothing_is_made(tmp_path: Path) -> None:
    shop = kept(new_url("sqlite", tmp_path))
    with pytest.raises(CommandError, match="no_shop"):
        await shop.check()
    with pytest.raises(CommandError, match="no_shop"):
        await shop.backup(tmp_path / "b")
    assert names_in(tmp_path) == []


def ended(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[object, str]:
    try:
        status: object = api.command(args[0], list(args[1:]))
    except SystemExit as over:
        status = over.code
    return status, capsys.readouterr().out


def test_the_commands_say_what_they_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", url := "sqlite:///shop.db")
    asyncio.run(buy(url, "a"))
    assert ended(capsys, "backup", "b") == (0, "已备份到 b：4 个商品，1 笔订单。\n")
    assert "--replace" in str(ended(capsys, "restore", "b")[0])
    assert ended(capsys, "restore", "b", "--replace")[1] == "已从 b 恢复：4 个商品，1 笔订单。\n"
    assert ended(capsys, "check")[0] == 0
    ask(url, "UPDATE orders SET total_cents = 1")
    status, said = ended(capsys, "check")
    assert status == 1
    assert "❌ 不成立：每笔订单的合计等于各行之和，有误的编号：1\n" in said
    at = ["--database-url", url]
    for args in (["backup"], ["backup", *at], ["backup", *at, "c"], ["restore", "--replace", *at, "b"]):
        assert "用法" in str(ended(capsys, *args)[0])
    for args in (["--replace", "b"], ["--replace", "b", *at], [f"--database-url={url}", "b", "--replace"]):
        assert ended(capsys, "restore", *args)[1] == "已从 b 恢复：4 个商品，1 笔订单。\n"


async def test_a_password_is_on_no_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = postgres().whole_database()
    told = tmp_path / "pg_dump"
    told.write_text(f'#!/bin/sh\necho "$* $PGPASSWORD" > {tmp_path}/said\n')
    told.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for where in (f"{url}?password=a%2Fb&application_name=x", url.replace("shop@", "shop:a%2Fb@", 1)):
        await kept(where)._run("pg_dump")  # type: ignore[attr-defined]
        said = (tmp_path / "said").read_text()
        assert (said.split()[-1], "a%2F" in said) == ("a/b", False)


async def test_without_the_clients_programs_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres().whole_database()
    await buy(url)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    with pytest.raises(CommandError) as missing:
        await kept(url).backup(tmp_path / "b")
    assert "postgresql-client" in failure_sentence(missing.value)
