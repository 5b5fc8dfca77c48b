"""The shop's records in one SQLite file: readers never wait for writers, and purchases share disk syncs."""

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, closing, suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from serving.metrics import Histogram
from shop import schema, writing
from shop.errors import OutcomeUnknownError, StoreError, StoreUnavailableError
from shop.queries import Many, Row, Script, Statement, Table
from shop.sheets import Sheet
from shop.sqlite_files import Connections, Files, connect, failed, failing
from shop.store import PART_ROWS, Store
from shop.writing import Preparation

T = TypeVar("T")

COMMITTED = Histogram(
    "shop_commit_writes", "Writes that shared one commit.", bounds=(1, 2, 4, 8, 16, 32, 64, 128, 256)
)

MAX_BATCH = 256  # purchases in one transaction
MAX_READERS = 4
BUSY_SECONDS = 4.0  # how long to wait for another process that writes: main.py waits 5 for an answer
RETRY_SECONDS = 0.02
CLOSE_SECONDS = 0.5  # a buyer who still waits was told already that the outcome is unknown


class _Job(NamedTuple):
    """A script that waits for the writer."""

    make: Callable[[], Script[Any]]
    result: asyncio.Future[Any]


class SqliteStore(Store):
    """The shop in one SQLite file, which several processes may share.

    Reads see the last commit and never wait for a writer (WAL). One thread writes: it takes all purchases
    that wait into one transaction, so that they share one disk sync.
    """

    def __init__(self, path: Path, busy_seconds: float) -> None:
        self._path = path
        self._files = Files(path, busy_seconds)
        self._inline = Connections(path, 0, self._files.check)
        self._threaded = Connections(path, busy_seconds, self._files.check)
        self._readers = ThreadPoolExecutor(MAX_READERS, "shop-reader")
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._gathered: list[_Job] = []  # in this iteration of the event loop
        self._closed = False
        self._writer = threading.Thread(target=self._write_until_closed, name="shop-writer", daemon=True)
        self._writer.start()

    @classmethod
    async def open(cls, path: Path, wanted: Preparation, busy_seconds: float = BUSY_SECONDS) -> "SqliteStore":
        """Create or migrate the file and import the catalogue, in one transaction."""
        is_due = await asyncio.to_thread(_prepare, path, wanted, busy_seconds)
        store = cls(path, busy_seconds)
        async with AsyncExitStack() as unless_open:
            unless_open.push_async_callback(store.close)
            if is_due:
                await store.index()
            unless_open.pop_all()
        return store

    async def fetch(self, statement: Statement) -> Sequence[Row]:
        """Read in a thread, or in the event loop where the statement is quick."""
        self._check_open()
        if statement.quick:
            # Quicker than a change of threads. If the file is locked, fall back to a thread, which may wait.
            with suppress(StoreUnavailableError):
                return _read(self._inline, statement)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, _read, self._threaded, statement)

    async def export(self, table: Table, sheet: Sheet) -> None:
        """Read with a connection that sees one commit."""

        def read(connection: sqlite3.Connection) -> None:
            sheet.begin(table.columns)
            cursor = connection.execute(table.statement.sql, table.statement.args)
            for rows in iter(lambda: cursor.fetchmany(PART_ROWS), []):
                sheet.add(map(table.cells, rows))

        self._check_open()
        await asyncio.get_running_loop().run_in_executor(self._readers, self._threaded.run, read)

    async def write(self, make: Callable[[], Script[T]], *, once: bool = False, much: bool = False) -> T:  # noqa: ARG002  nothing is repeated or cut off
        """Wait for the writer's next transaction."""
        self._check_open()
        loop = asyncio.get_running_loop()
        result: asyncio.Future[T] = loop.create_future()
        if not self._gathered:
            loop.call_soon(self._hand_over)
        self._gathered.append(_Job(make, result))
        return await result

    def _hand_over(self) -> None:
        """Let the writer wake up once for all that has come, or it would take the first one by itself."""
        for job in self._gathered:
            self._jobs.put(job)
        self._gathered.clear()

    def waiting(self) -> dict[tuple[str, ...], float]:
        """Return how many writes wait for the writer."""
        return {("writes",): self._jobs.qsize()}

    def version(self) -> object:
        """Return SQLite's own, with the connection that has told it: it counts the commits of all others."""
        with suppress(StoreUnavailableError):
            self._check_open()
            return self._inline.run(
                lambda connection: (connection, connection.execute("PRAGMA data_version").fetchone())
            )
        return None

    async def ping(self) -> None:
        """Return when the file can be read and written; another writer's lock is a good sign."""
        self._check_open()
        self._inline.run(_try_to_write)

    async def close(self) -> None:
        """Write what waits, then close every connection; another process's lock is not waited for long."""
        self._closed = True
        self._hand_over()
        self._jobs.put(None)
        await asyncio.to_thread(self._writer.join, CLOSE_SECONDS)
        self._readers.shutdown()
        self._inline.close()
        self._threaded.close()
        self._files.close()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailableError("database_closed")

    def _write_until_closed(self) -> None:
        while batch := self._next_batch():
            results = self._write(batch)
            COMMITTED.observe(len(batch))
            with suppress(RuntimeError):  # the loop is closed, and nobody waits any more
                batch[0].result.get_loop().call_soon_threadsafe(_deliver, batch, results)

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

    def _write(self, batch: list[_Job]) -> Sequence[Any]:
        try:
            return self._threaded.run(lambda connection: self._write_all(connection, batch))
        except Exception as error:  # noqa: BLE001  the thread's outer edge: every buyer must get an answer
            return [error] * len(batch)

    def _write_all(self, connection: sqlite3.Connection, batch: list[_Job]) -> list[Any]:
        connection.execute("BEGIN IMMEDIATE")
        results = [_done_or_refused(connection, job) for job in batch]
        try:
            connection.execute("COMMIT")
            self._files.check()  # nobody would find the orders in a file that is gone
        except StoreUnavailableError as replaced:
            raise OutcomeUnknownError(replaced) from replaced
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_IOERR_FSYNC:  # after it a crash may bring them back
                raise
            raise OutcomeUnknownError(failed(self._path, error)) from error
        return results


def _read(connections: Connections, statement: Statement) -> list[Row]:
    return connections.run(lambda connection: connection.execute(statement.sql, statement.args).fetchall())


def _deliver(batch: list[_Job], results: Sequence[Any]) -> None:
    for job, result in zip(batch, results, strict=True):
        if job.result.done():  # the buyer has disconnected; the order stands
            continue
        if isinstance(result, Exception):
            job.result.set_exception(result)
        else:
            job.result.set_result(result)


def _try_to_write(connection: sqlite3.Connection) -> None:
    connection.execute("SELECT 1 FROM products LIMIT 1").fetchall()
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if not _is_busy(error):
            raise
    else:
        connection.execute("ROLLBACK")


def _done_or_refused(connection: sqlite3.Connection, job: _Job) -> Any:
    """Run one script. A refusal comes before the first write, so it leaves the transaction as it was."""
    try:
        return run_script(connection, job.make())
    except StoreError as refusal:
        return refusal


def _prepare(path: Path, wanted: Preparation, busy_seconds: float) -> bool:
    """Prepare the file, again while it is locked: SQLite waits for no lock when it switches a file to WAL."""
    deadline = time.monotonic() + busy_seconds
    while True:
        try:
            with failing(path):
                if not path.exists():
                    path.touch()
                with closing(connect(path, busy_seconds)) as connection:
                    return _migrate_and_import(connection, wanted)
        except StoreUnavailableError as error:
            if not _is_busy(error.__cause__) or time.monotonic() > deadline:
                raise
            time.sleep(RETRY_SECONDS)


def _is_busy(error: BaseException | None) -> bool:
    return (
        isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
    )


def _migrate_and_import(connection: sqlite3.Connection, wanted: Preparation) -> bool:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    for step in schema.steps_from(version, schema.SQLITE):
        for statement in step:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {len(schema.SQLITE)}")
    is_due = run_script(connection, writing.prepare(wanted))
    connection.execute("COMMIT")
    return is_due


def run_script(connection: sqlite3.Connection, script: Script[T]) -> T:
    """Run a script's statements, and return what it returns."""
    try:
        step = next(script)
        while True:
            if isinstance(step, Many):
                connection.executemany(step.sql, step.rows)
                step = script.send([])
            else:
                step = script.send(connection.execute(step.sql, step.args).fetchall())
    except StopIteration as done:
        result: T = done.value
        return result
