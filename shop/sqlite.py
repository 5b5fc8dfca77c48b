"""The shop's records in one SQLite file: readers wait for nobody, and purchases share their disk syncs."""

import asyncio
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from models import Order, PurchaseRequest
from shop import queries, schema
from shop.catalog import TUTORIAL, CatalogEntry
from shop.queries import Row, Statement
from shop.store import (
    Purchase,
    Stocked,
    Store,
    StoreError,
    StoreUnavailableError,
    check_lines,
    new_order,
    replay,
    wanted_stock,
)

T = TypeVar("T")

MAX_BATCH = 256  # orders in one transaction
READERS = 4
BUSY_SECONDS = 5.0  # how long to wait for another process that writes


class _Connections:
    """Open connections to one file, each used by one thread at a time."""

    def __init__(self, path: Path, busy_seconds: float) -> None:
        self._path = path
        self._name = str(path)
        self._busy_seconds = busy_seconds
        self._idle: list[sqlite3.Connection] = []
        self._inode = path.stat().st_ino

    def lend(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do the work with a connection; where that fails drop it, and raise `StoreUnavailableError`."""
        connection: sqlite3.Connection | None = None
        done = False
        try:
            self._check_file()
            connection = self._take()
            result = work(connection)
            done = True
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailableError(f"{self._path}: {error}") from error
        finally:
            if connection and not done:
                connection.close()
        self._idle.append(connection)
        return result

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _check_file(self) -> None:
        # SQLite goes on writing into a file that was deleted, and acknowledged orders would go with it.
        if os.stat(self._name).st_ino != self._inode:
            raise OSError("replaced by another file; start the service again")

    def _take(self) -> sqlite3.Connection:
        with suppress(IndexError):
            return self._idle.pop()
        uri = f"{self._path.absolute().as_uri()}?mode=rw"
        connection = sqlite3.connect(
            uri, uri=True, timeout=self._busy_seconds, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        return connection


@dataclass(frozen=True)
class _Job:
    request: PurchaseRequest
    key: str | None
    answer: asyncio.Future[Purchase]


class SqliteStore(Store):
    """The shop in one SQLite file, which several processes may share.

    Reads see the last commit and wait for nobody (WAL). Writes go through one thread, which takes all
    purchases that wait into one transaction: one disk sync for all, and a savepoint for each.
    """

    def __init__(self, path: Path) -> None:
        """Take a file that `_prepare` has made ready."""
        self._quick = _Connections(path, 0)
        self._patient = _Connections(path, BUSY_SECONDS)
        self._readers = ThreadPoolExecutor(READERS, "shop-reader")
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        self._writer = threading.Thread(target=self._write_until_closed, name="shop-writer", daemon=True)
        self._writer.start()

    @classmethod
    async def open(cls, path: Path, catalogue: list[CatalogEntry] | None = None) -> "SqliteStore":
        """Create or migrate the file and bring the catalogue in, all or nothing."""
        await asyncio.to_thread(_prepare, path, catalogue)
        return cls(path)

    async def fetch(self, statement: Statement) -> Sequence[Row]:
        """Read here when that is quick, else in a thread."""
        self._check_open()
        if statement.quick:
            # A hop to a thread would cost more than the read. Where the file is busy after all, take the hop.
            with suppress(StoreUnavailableError):
                return _read(self._quick, statement)
        return await asyncio.get_running_loop().run_in_executor(
            self._readers, _read, self._patient, statement
        )

    async def place(self, request: PurchaseRequest, key: str | None) -> Purchase:
        """Wait for the writer's next transaction."""
        self._check_open()
        job = _Job(request, key, asyncio.get_running_loop().create_future())
        self._jobs.put(job)
        return await job.answer

    async def close(self) -> None:
        """Write what waits, then close every connection."""
        self._closed = True
        self._jobs.put(None)
        await asyncio.to_thread(self._writer.join)
        self._readers.shutdown()
        self._quick.close()
        self._patient.close()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailableError("the store is closed")

    def _write_until_closed(self) -> None:
        while batch := self._next_batch():
            answers = self._write(batch)
            with suppress(RuntimeError):  # the loop is gone, and nobody waits any more
                batch[0].answer.get_loop().call_soon_threadsafe(_deliver, batch, answers)

    def _next_batch(self) -> list[_Job]:
        """Wait for one job and take all that wait with it; empty when the store closes."""
        batch: list[_Job] = []
        job = self._jobs.get()
        while job is not None:
            batch.append(job)
            if len(batch) == MAX_BATCH or self._jobs.empty():
                return batch
            job = self._jobs.get()
        if batch:
            self._jobs.put(None)
        return batch

    def _write(self, batch: list[_Job]) -> Sequence[Purchase | Exception]:
        try:
            return self._patient.lend(lambda connection: _place_all(connection, batch))
        except Exception as error:  # noqa: BLE001  the thread's outer edge: whatever it is, the buyers must hear
            return [error] * len(batch)


def _read(connections: _Connections, statement: Statement) -> list[Row]:
    return connections.lend(lambda connection: connection.execute(statement.sql, statement.args).fetchall())


def _deliver(batch: list[_Job], answers: Sequence[Purchase | Exception]) -> None:
    for job, answer in zip(batch, answers, strict=True):
        if job.answer.done():  # the buyer has gone; the order stands
            continue
        if isinstance(answer, Exception):
            job.answer.set_exception(answer)
        else:
            job.answer.set_result(answer)


def _place_all(connection: sqlite3.Connection, batch: list[_Job]) -> list[Purchase | StoreError]:
    connection.execute("BEGIN IMMEDIATE")
    answers = [_try_to_place(connection, job) for job in batch]
    connection.execute("COMMIT")
    return answers


def _try_to_place(connection: sqlite3.Connection, job: _Job) -> Purchase | StoreError:
    answer: Purchase | StoreError
    connection.execute("SAVEPOINT job")
    try:
        answer = _place(connection, job.request, job.key)
    except StoreError as refusal:
        connection.execute("ROLLBACK TO job")
        answer = refusal
    connection.execute("RELEASE job")
    return answer


def _place(connection: sqlite3.Connection, request: PurchaseRequest, key: str | None) -> Purchase:
    if key is not None and (earlier := _order(connection, "idempotency_key", key)):
        return replay(earlier, request)
    wanted = wanted_stock(request)
    select = "SELECT name, price_cents, stock FROM products WHERE id = ?"
    rows = {id_: connection.execute(select, (id_,)).fetchone() for id_ in wanted}
    found = {id_: Stocked(*row) for id_, row in rows.items() if row}
    total = check_lines(request, found)
    now = queries.iso(datetime.now(UTC))
    order_id = connection.execute(
        """INSERT INTO orders (customer, total_cents, units, ordered_at, idempotency_key)
            VALUES (?, ?, ?, ?, ?)""",
        (request.customerName, total, wanted.total(), now, key),
    ).lastrowid
    assert order_id is not None
    connection.executemany(
        "INSERT INTO order_items (order_id, line, product_id, quantity, unit_cents) VALUES (?, ?, ?, ?, ?)",
        [
            (order_id, number, line.productId, line.quantity, found[line.productId].cents)
            for number, line in enumerate(request.items)
        ],
    )
    connection.executemany(
        "UPDATE products SET stock = stock - ? WHERE id = ?", [(n, id_) for id_, n in wanted.items()]
    )
    return Purchase(new_order(order_id, request, total, now))


def _order(connection: sqlite3.Connection, column: str, value: str) -> Order | None:
    statement = queries.order_by(column, value)
    rows = connection.execute(statement.sql, statement.args).fetchall()
    return queries.to_orders(rows)[0] if rows else None


def _prepare(path: Path, catalogue: list[CatalogEntry] | None) -> None:
    """Try until the file is free: of two processes that switch it to WAL at once, SQLite turns one away."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            _prepare_now(path, catalogue)
        except StoreUnavailableError as error:
            if not _is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _is_busy(error: StoreUnavailableError) -> bool:
    cause = error.__cause__
    return (
        isinstance(cause, sqlite3.OperationalError) and cause.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
    )


def _prepare_now(path: Path, catalogue: list[CatalogEntry] | None) -> None:
    try:
        if not path.exists():
            path.touch()
        connections = _Connections(path, BUSY_SECONDS)
    except OSError as error:
        raise StoreUnavailableError(f"{path}: {error.strerror}") from error
    connections.lend(lambda connection: _fill(connection, catalogue))
    connections.close()


def _fill(connection: sqlite3.Connection, catalogue: list[CatalogEntry] | None) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    _migrate(connection)
    _import(connection, catalogue)
    connection.execute("COMMIT")


def _migrate(connection: sqlite3.Connection) -> None:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    for step in schema.steps_from(version, schema.SQLITE):
        for statement in step:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {len(schema.SQLITE)}")


def _import(connection: sqlite3.Connection, catalogue: list[CatalogEntry] | None) -> None:
    if catalogue is None and not connection.execute("SELECT 1 FROM products LIMIT 1").fetchone():
        catalogue = TUTORIAL
    connection.executemany(schema.UPSERT_PRODUCT, [entry.row() for entry in catalogue or []])
