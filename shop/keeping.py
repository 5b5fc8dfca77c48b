"""Backup, restore and check of a shop, by the engine's own means and beside running services.

Nothing is migrated or created on the way, so that a backup can be made before a new version starts.
"""
# ruff: noqa: S608  the texts are put together from constants

import asyncio
import os
import shutil
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from shop import schema
from shop.archive import sync_folder
from shop.errors import CommandError, StoreUnavailableError
from shop.queries import Row
from shop.sheets import give_name, written_to
from shop.sqlite import BUSY_SECONDS
from shop.sqlite_files import connect, failing, file_of

Fetch = Callable[[str], Awaitable[Sequence[Row]]]

# By columns that others' tables of these names do not have.
COUNTS = "SELECT (SELECT count(price_cents) FROM products), (SELECT count(total_cents) FROM orders)"
KINDS = {b"SQLite format 3\0": "SQLite", b"PGDMP": "PostgreSQL"}  # how a backup begins
TABLES = (
    "products, orders, order_items, order_counts, product_terms, product_images, facts, moves, change_counts"
)
FUNCTIONS = "count_order, move_stock, guard_stock, count_change"
# What a backup of PostgreSQL must pass after it was read, else all of it is undone.
LOOKED = (
    "RESET search_path",
    COUNTS,
    f"""DO $$ BEGIN
        IF COALESCE((SELECT version FROM schema_version), 0) NOT BETWEEN 1 AND {len(schema.POSTGRES)} THEN
            RAISE EXCEPTION 'the tables are of a newer program, or of another one';
        END IF;
    END $$""",
)
# In the transaction that restores; what else is in the database stays.
EMPTIED = (
    f"DROP TABLE IF EXISTS {TABLES}, archived_orders, schema_version CASCADE",
    f"DROP FUNCTION IF EXISTS {FUNCTIONS} CASCADE",
)

_LEDGER = """SELECT product_id, sum(change) AS moved, count(*) AS lines FROM moves GROUP BY product_id"""
_SOLD = """SELECT i.order_id, i.product_id,
        CASE o.status WHEN 'cancelled' THEN 0 ELSE -sum(i.quantity) END AS due
    FROM order_items i JOIN orders o ON o.id = i.order_id GROUP BY i.order_id, i.product_id, o.status"""
_MOVED = "SELECT order_id, product_id, sum(change) AS moved FROM moves GROUP BY order_id, product_id"
_LINES = """SELECT order_id, sum(quantity * unit_cents) AS cents, sum(quantity) AS units
    FROM order_items GROUP BY order_id"""
_KEYS = """SELECT id, idempotency_key FROM orders
    UNION ALL SELECT order_id, idempotency_key FROM archived_orders"""

# By code, a statement that finds the numbers of what breaks the rule. Each sees one moment by itself.
RULES = {
    "stock_not_negative": "SELECT id FROM products WHERE stock < 0",
    "stock_is_ledger": f"""SELECT p.id FROM products p LEFT JOIN ({_LEDGER}) m ON m.product_id = p.id
        WHERE p.stock <> COALESCE(m.moved, 0) OR p.moves <> COALESCE(m.lines, 0)""",
    "order_is_in_ledger": f"""SELECT DISTINCT s.order_id FROM ({_SOLD}) s
        LEFT JOIN ({_MOVED}) m ON m.order_id = s.order_id AND m.product_id = s.product_id
        WHERE COALESCE(m.moved, 0) <> s.due""",
    "ledger_is_of_orders": """SELECT DISTINCT order_id FROM moves m WHERE order_id IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.id = m.order_id)
        AND NOT EXISTS (SELECT 1 FROM archived_orders a WHERE a.order_id = m.order_id)""",
    "total_is_sum": f"""SELECT o.id FROM orders o LEFT JOIN ({_LINES}) i ON i.order_id = o.id
        WHERE i.order_id IS NULL OR o.total_cents <> i.cents OR o.units <> i.units""",
    "key_is_of_one_order": f"""SELECT max(id) FROM ({_KEYS}) k WHERE idempotency_key IS NOT NULL
        GROUP BY idempotency_key HAVING count(*) > 1""",
    "line_is_of_order": """SELECT DISTINCT order_id FROM order_items i
        WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.id = i.order_id)
        OR NOT EXISTS (SELECT 1 FROM products p WHERE p.id = i.product_id)""",
    "orders_are_counted": """SELECT count(*) FROM orders
        HAVING count(*) <> (SELECT COALESCE(sum(n), 0) FROM order_counts)""",
}


def kept(url: str) -> "Keeping":
    """Return the means for the engine of `DATABASE_URL`. Raises `StoreUnavailableError`."""
    if path := file_of(url):
        return _Sqlite(path)
    if url.partition("://")[0] in {"postgresql", "postgres"}:
        return _Postgres(url)
    raise StoreUnavailableError("database_url_unknown")


class Keeping(ABC):
    """What keeps a shop. Every method may raise `StoreUnavailableError`."""

    kind: str
    version_of: str  # SQL, as are
    tables_in: str
    known: int  # the newest version of the tables

    @abstractmethod
    def opened(self) -> Any:
        """Return an asynchronous context with a `Fetch` that sees one moment."""

    @abstractmethod
    async def _write(self, part: Path) -> None: ...

    @abstractmethod
    async def _read(self, file: Path) -> None: ...

    @asynccontextmanager
    async def _shop(self) -> AsyncIterator[Fetch]:
        """Open what has to be a shop. Raises `CommandError`: there is nothing yet."""
        async with self.opened() as fetch:
            if not (await fetch(self.tables_in))[0][0]:
                raise CommandError("no_tables")
            yield fetch

    async def check(self) -> dict[str, list[Any]]:
        """Return the numbers of what breaks each of `RULES`.

        Raises `CommandError`: the tables are of another version, or damaged.
        """
        async with self._shop() as fetch:
            if (version := await self._look(fetch)) != self.known:
                raise CommandError("schema_differs", version=version, known=self.known)
            return {code: [row[0] for row in await fetch(sql)] for code, sql in RULES.items()}

    async def backup(self, file: Path) -> tuple[int, int]:
        """Write a file that is whole or not there; return how many products and orders there were before."""
        counts = await self.counts()
        with _whole(file) as part:
            await self._write(part)
        return counts

    async def counts(self) -> tuple[int, int]:
        """Return how many products and orders there are."""
        async with self._shop() as fetch:
            products, orders = (await fetch(COUNTS))[0]
        return products, orders

    async def restore(self, file: Path, *, replace: bool = False) -> None:
        """Make the shop what it was; one that is there is replaced only if told. Raises `CommandError`."""
        head = _head(file)
        kind = next((kind for begin, kind in KINDS.items() if head.startswith(begin)), "")
        if kind != self.kind:
            raise CommandError("backup_of_another", path=str(file), kind=kind or "?", wanted=self.kind)
        if not replace and not await self._is_empty():
            raise CommandError("not_empty")
        await self._read(file)

    async def _is_empty(self) -> bool:
        try:
            async with self._shop():
                return False
        except CommandError:
            return True

    async def _look(self, fetch: Fetch) -> object:
        """Return the version of the tables; in another program's table of that name anything may stand."""
        rows = await fetch(self.version_of)
        return rows[0][0] if rows else 0


class _Sqlite(Keeping):
    kind = "SQLite"
    version_of = "PRAGMA user_version"
    tables_in = "SELECT count(*) FROM sqlite_master"
    known = len(schema.SQLITE)

    def __init__(self, path: Path) -> None:
        self._path = path

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Fetch]:
        if not self._path.exists():
            raise CommandError("no_shop", database=str(self._path))
        with failing(self._path), closing(connect(self._path, BUSY_SECONDS)) as connection:
            connection.execute("BEGIN")

            async def fetch(sql: str) -> list[tuple[Any, ...]]:
                with failing(self._path):
                    return await asyncio.to_thread(lambda: connection.execute(sql).fetchall())

            yield fetch

    async def _look(self, fetch: Fetch) -> object:
        if (said := (await fetch("PRAGMA integrity_check(1)"))[0][0]) != "ok":
            raise CommandError("damaged", database=str(self._path), reason=said)
        return await super()._look(fetch)

    async def _write(self, part: Path) -> None:
        await asyncio.to_thread(_copy, self._path, part)

    async def _read(self, file: Path) -> None:
        """Write all pages in one transaction, which a running service waits for, and sees as one commit."""
        there = _Sqlite(file)
        async with there.opened() as fetch:
            version = await there._look(fetch)
            schema.steps_from(version, schema.SQLITE)  # raises for one of a newer program
            try:
                await fetch(COUNTS)
            except StoreUnavailableError as error:
                raise CommandError("backup_no_shop", path=str(file)) from error
            if not version:
                raise CommandError("backup_no_shop", path=str(file))
        with written_to(self._path):
            self._path.touch()
        await asyncio.to_thread(_copy, file, self._path)


def _part(file: Path) -> Path:
    return file.with_name(f"{file.name}.{os.getpid()}.part")


def _head(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(16)
    except OSError as error:
        raise CommandError("backup_unreadable", path=str(file), reason=error.strerror) from error


@contextmanager
def _whole(file: Path) -> Iterator[Path]:
    """Give a new private file, which gets its name, and overwrites none, once all is written down."""
    part = _part(file)
    with written_to(file):
        if file.exists():
            raise CommandError("file_exists", path=str(file))
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))  # it names customers
        try:
            yield part
            with part.open("rb+") as written:
                os.fsync(written.fileno())
            give_name(part, file)
            sync_folder(file.absolute().parent)
        finally:
            part.unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    """Copy a database at one moment; in one step, since one in several begins anew with each purchase."""
    with (
        failing(target),
        closing(connect(source, BUSY_SECONDS)) as here,
        closing(sqlite3.connect(target, timeout=BUSY_SECONDS)) as there,
    ):
        here.backup(there)
        with suppress(sqlite3.OperationalError):  # others have it open, as the running shop
            there.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it


class _Postgres(Keeping):
    kind = "PostgreSQL"
    version_of = "SELECT version FROM schema_version"
    tables_in = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()"
    known = len(schema.POSTGRES)

    def __init__(self, url: str) -> None:
        self._url = url

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Fetch]:
        try:
            from shop.postgres import snapshot  # noqa: PLC0415  asyncpg is an extra; its import takes 100 ms
        except ModuleNotFoundError as error:
            raise StoreUnavailableError("asyncpg_missing") from error
        async with snapshot(self._url) as fetch:
            yield fetch

    async def _write(self, part: Path) -> None:
        await self._run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", "--file", str(part))

    async def _read(self, file: Path) -> None:
        script = _part(file)
        try:
            with written_to(script):
                os.close(os.open(script, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            options = ("--no-owner", "--no-privileges", "--file", str(script), str(file))
            await self._run("pg_restore", *options, database=False)
            emptied, looked = ([f"--command={sql}" for sql in each] for each in (EMPTIED, LOOKED))
            once = ("--no-psqlrc", "--quiet", "--single-transaction", "--set", "ON_ERROR_STOP=1")
            await self._run("psql", *once, *emptied, "--file", str(script), *looked)
        finally:
            script.unlink(missing_ok=True)

    async def _run(self, program: str, *args: str, database: bool = True) -> None:
        """Run one of PostgreSQL's own programs; the password is on no command line."""
        if shutil.which(program) is None:
            raise CommandError("program_missing", program=program)
        address = urlsplit(self._url)
        options = address.query.split("&")
        given = [each.partition("=")[2] for each in options if each.startswith("password=")]
        password = {"PGPASSWORD": unquote(address.password or given[-1])} if address.password or given else {}
        user = f"{address.username}@" if address.username else ""
        query = "&".join(each for each in options if not each.startswith("password="))
        url = address._replace(netloc=user + address.netloc.rpartition("@")[2], query=query).geturl()
        process = await asyncio.create_subprocess_exec(
            program,
            *args,
            *(["--dbname", url] if database else []),
            env=os.environ | password,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await process.communicate()
        if process.returncode:
            reason = said.decode(errors="replace").strip().partition("\n")[0]
            raise CommandError("program_failed", program=program, reason=reason)
