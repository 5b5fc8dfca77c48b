"""The two engines for the shop's tests: a SQLite file, and a PostgreSQL server that the tests start."""

import asyncio
import functools
import itertools
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types

from shop import schema
from tests.support.processes import free_port, require

ENGINES = ["sqlite", "postgres"]


class PostgresServer:
    """A server of its own in a temporary folder."""

    def __init__(self) -> None:
        self.port = free_port()
        self._url = f"postgresql://shop@127.0.0.1:{self.port}/postgres"
        self.folder = Path(tempfile.mkdtemp(prefix="shop-postgres-"))
        self._names = itertools.count(1)
        self._as_user = _given_to_an_ordinary_user(self.folder)
        # Sorted as most servers' databases are: "~" before "a", unlike in SQLite.
        collation = ("--locale=C", "--locale-provider=icu", "--icu-locale=en")
        self._run("initdb", "-U", "shop", "--auth=trust", "--no-sync", "-E", "UTF8", *collation)
        self.start()

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        log = self.folder / "log"
        self._run("pg_ctl", "-w", "-l", str(log), "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        self._run("pg_ctl", "-w", "-m", mode, "stop")

    def kill(self) -> None:
        """End it with SIGKILL, as a machine without memory does; its own processes then end by themselves."""
        pid = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, 9)  # whose name Windows does not know

    def remove(self) -> None:
        with suppress(subprocess.CalledProcessError):
            self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def new_database(self) -> str:
        """Return the URL of an empty schema, which is made much faster than a database."""
        name = f"shop{next(self._names)}"
        self.query(self._url, f"CREATE SCHEMA {name}")
        return f"{self._url}?search_path={name}"

    def whole_database(self) -> str:
        """Return the URL of an empty database."""
        name = f"whole{next(self._names)}"
        self.query(self._url, f"CREATE DATABASE {name}")
        return self._url.removesuffix("postgres") + name

    def query(self, url: str, sql: str) -> list[Any]:
        async def ask() -> list[Any]:
            connection = await asyncpg.connect(url)
            try:
                rows: list[Any] = await connection.fetch(sql)
            finally:
                await connection.close()
            return rows

        with ThreadPoolExecutor(1) as pool:  # an async test has a loop of its own running here
            return pool.submit(asyncio.run, ask()).result()

    def _run(self, program: str, *args: str) -> None:
        subprocess.run(
            [_binary(program), "-D", str(self.folder / "data"), *args],
            check=True,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **self._as_user,
        )


def _given_to_an_ordinary_user(folder: Path) -> dict[str, Any]:
    """Return as whom to run PostgreSQL, which refuses root, and let that user have the folder."""
    if sys.platform == "win32":
        return {}
    if os.geteuid() != 0:
        return {}
    import pwd  # Windows has none

    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        user = pwd.getpwnam("nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _binary(program: str) -> str:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    return str(found[-1]) if found else require(program)


@functools.cache
def postgres() -> PostgresServer:
    """Return the server of this test process, started by the first test that wants one."""
    _binary("initdb")
    return PostgresServer()


def remove_postgres() -> None:
    """Remove the server of this test run, if there is one."""
    if postgres.cache_info().currsize:
        postgres().remove()


def new_url(engine: str, folder: Path) -> str:
    """Return the URL of a database that is not there yet, or is empty."""
    return f"sqlite:///{folder / 'shop.db'}" if engine == "sqlite" else postgres().new_database()


def whole_url(engine: str, folder: Path) -> str:
    """Return the same for what works on whole databases."""
    if engine == "postgres":
        return postgres().whole_database()
    return f"sqlite:///{folder / f'{len(list(folder.iterdir()))}.db'}"


@contextmanager
def stopped_postgres() -> Iterator[None]:
    """Take the server away for a while."""
    server = postgres()
    server.stop("immediate")
    try:
        yield
    finally:
        server.start()


def ask(url: str, sql: str) -> list[tuple[Any, ...]]:
    """Read or change the database behind the service's back."""
    if not url.startswith("sqlite"):
        return [tuple(row) for row in postgres().query(url, sql)]
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
        return connection.execute(sql).fetchall()


def audit(url: str, initial_stock: dict[int, int]) -> None:
    """Check in the tables themselves what must hold at every moment, also after a crash."""
    moved = "SELECT COALESCE(sum(change), 0) FROM moves WHERE product_id = p.id"
    others = f"{moved} AND kind IN ('purchase', 'cancellation')"
    rows = ask(url, f"SELECT id, stock, ({moved}), stock - ({others}) FROM products p")
    assert {row[0]: int(row[3]) for row in rows} == initial_stock
    assert all(row[1] >= 0 and row[1] == row[2] for row in rows)
    lines = "SELECT count(*) FROM moves WHERE product_id = p.id"
    assert ask(url, f"SELECT id FROM products p WHERE moves <> ({lines})") == []
    sold = """SELECT product_id, sum(quantity) AS n FROM order_items JOIN orders o ON o.id = order_id
        WHERE status = 'placed' GROUP BY product_id"""
    taken = """SELECT product_id, -sum(change) AS n FROM moves WHERE order_id IN (SELECT id FROM orders)
        GROUP BY product_id HAVING sum(change) <> 0"""
    assert sorted(ask(url, sold)) == sorted(ask(url, taken))
    lines = "SELECT sum(quantity * unit_cents) FROM order_items WHERE order_id = o.id"
    assert ask(url, f"SELECT id FROM orders o WHERE total_cents <> COALESCE(({lines}), -1)") == []
    units = "SELECT sum(quantity) FROM order_items WHERE order_id = o.id"
    assert ask(url, f"SELECT id FROM orders o WHERE units <> COALESCE(({units}), -1)") == []
    assert ask(url, "SELECT (SELECT count(*) FROM orders) - (SELECT sum(n) FROM order_counts)") == [(0,)]
    if url.startswith("sqlite"):
        assert ask(url, "PRAGMA integrity_check") == [("ok",)]
        assert ask(url, "PRAGMA foreign_key_check") == []


def write_old_shop(url: str, version: int) -> None:
    """Write a database as the first programs did: 茶, of which two were sold."""
    sqlite = url.startswith("sqlite")
    steps = (schema.SQLITE if sqlite else schema.POSTGRES)[:version]
    words = "search" if version < 3 else "keywords"
    marks = ["CREATE TABLE schema_version (version BIGINT)", f"INSERT INTO schema_version VALUES ({version})"]
    for statement in (
        *(statement for step in steps for statement in step),
        f"""INSERT INTO products (id, name, price_cents, description, {words}, stock)
            VALUES (7, '茶', 1999, '绿茶', '茶\n绿茶', 3)""",
        """INSERT INTO orders (customer, total_cents, units, ordered_at, idempotency_key)
            VALUES ('A', 3998, 2, '2026-01-31T10:00:00.000000+00:00', 'k')""",
        "INSERT INTO order_items VALUES (1, 0, 7, 2, 1999)",
        *([f"PRAGMA user_version = {version}"] if sqlite else marks),
    ):
        ask(url, statement)
