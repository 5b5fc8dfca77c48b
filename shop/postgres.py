"""The shop's records in PostgreSQL, for several API processes at once. Needs the extra `postgres`."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from itertools import islice
from typing import Any, TypeVar

import asyncpg  # type: ignore[import-untyped]  # it ships no types

from shop import schema, writing
from shop.errors import OutcomeUnknownError, StoreUnavailableError
from shop.news import News
from shop.queries import Many, Row, Script, Statement, Table
from shop.sheets import Sheet
from shop.store import PART_ROWS, Store
from shop.writing import Preparation

T = TypeVar("T")
Work = Callable[[asyncpg.Connection], Awaitable[T]]

CONNECT_SECONDS = 5.0  # to open a connection
POOL_SECONDS = 2.0  # to wait for a free one; with the next, less than the 5 after which main.py asks again
WRITE_SECONDS = 3.0  # to wait for products that other purchases hold
COMMAND_SECONDS = 15.0
MIGRATE_SECONDS = 600.0  # for one statement over all orders, or the search terms of a whole catalogue
COPY_ROWS = 5_000  # in one COPY: some milliseconds
MAX_STATEMENTS = 100  # that are kept prepared
WAIT_SECONDS = 0.25  # between two tries at a server that is not there yet
STARTING = ("57P03", "53300")  # SQLSTATE: it starts or ends; other services hold all connections
REPEAT_PAUSES = (0.02, 0.2)  # seconds before the second and the third attempt
MIGRATION_LOCK = 0x70726F64  # any number, the same in every process

# All that the driver raises: what the server says, what the driver finds itself, and what the network does.
DRIVER_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    EOFError,
)
URL_ERRORS = (ValueError, OverflowError)  # a URL that is none, a port above 65535
# Classes and codes of SQLSTATE after which another attempt may do better at once: connection lost, rolled
# back for another's sake, server stopping or starting, prepared for tables of before a migration, a replica
# (of several hosts in DATABASE_URL another one may be the primary by now), no connection left.
REPEATABLE = ("08", "40", "57P", "0A000", "25006", "53300")


@asynccontextmanager
async def snapshot(url: str) -> AsyncIterator[Callable[[str], Awaitable[Sequence[Row]]]]:
    """Read by a connection of its own, without changing anything, all as it is at one moment."""
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS, statement_cache_size=0)
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                yield connection.fetch
        finally:
            await connection.close()
    except (*DRIVER_ERRORS, *URL_ERRORS) as error:
        raise _failed(error) from error


log = logging.getLogger(__name__)


class _CommitLostError(asyncpg.InterfaceError):  # type: ignore[misc]  # it ships no types
    """The connection went while COMMIT was under way: it may have been carried out, or not."""

    def __init__(self, reason: str, result: Any) -> None:
        super().__init__(reason)
        self.result = result  # what the transaction has returned


class PostgresStore(Store):
    """The shop in a PostgreSQL database. After a lost connection the next request opens another."""

    def __init__(self, pool: asyncpg.Pool, news: News | None) -> None:
        self._pool = pool
        self._news = news

    @classmethod
    async def open(
        cls,
        url: str,
        wanted: Preparation,
        connections: int,
        listen_url: str | None = None,
        wait_seconds: float = 0,
    ) -> "PostgresStore":
        """Create or migrate the tables and import the catalogue, in one transaction.

        A server that is not there, or is still starting, is waited for so long.
        """
        pool = asyncpg.create_pool(
            url,
            min_size=0,
            max_size=connections,
            timeout=CONNECT_SECONDS,
            command_timeout=COMMAND_SECONDS,
            connect=_Connect(),
            reset=_keep,
        )
        opened = cls(await pool, News(listen_url, (*DRIVER_ERRORS, *URL_ERRORS)) if listen_url else None)
        prepare = partial(_prepare, wanted=wanted)
        async with AsyncExitStack() as unless_open:
            unless_open.push_async_callback(opened.close)
            try:
                is_due = await _once_up(
                    lambda: opened._repeated(lambda connection: _in_transaction(connection, prepare)),
                    wait_seconds,
                )
                if is_due:
                    await opened.index()
            except URL_ERRORS as error:
                raise _failed(error) from error
            unless_open.pop_all()
        return opened

    async def fetch(self, statement: Statement) -> Sequence[Row]:
        """Read with a connection of the pool."""
        return await self._repeated(lambda connection: _fetch(connection, statement))

    async def export(self, table: Table, sheet: Sheet) -> None:
        """Read by a cursor, which sees one commit, in a transaction of its own."""

        async def read(connection: asyncpg.Connection) -> None:
            await asyncio.to_thread(sheet.begin, table.columns)
            sql, args = table.statement.sql.replace("?", "$"), table.statement.args
            cursor = await connection.cursor(sql, *args)
            while rows := await cursor.fetch(PART_ROWS):
                await asyncio.to_thread(sheet.add, map(table.cells, rows))

        await self._repeated(lambda connection: _in_transaction(connection, read))

    async def write(self, make: Callable[[], Script[T]], *, once: bool = False, much: bool = False) -> T:
        """Write in a transaction of its own."""

        async def run(connection: asyncpg.Connection) -> T:
            async with asyncio.timeout(MIGRATE_SECONDS if much else WRITE_SECONDS):
                return await run_script(connection, make())

        done = await self._repeated(lambda connection: _in_transaction(connection, run), once=once)
        if self._news:
            self._news.tell()
        return done

    async def pause(self, seconds: float) -> None:
        """Return after so long, or as soon as there is news of a commit."""
        await (self._news.pause(seconds) if self._news else super().pause(seconds))

    def waiting(self) -> dict[tuple[str, ...], float]:
        """Return how many connections there are, and how many of them nobody uses."""
        return {("connections",): self._pool.get_size(), ("idle connections",): self._pool.get_idle_size()}

    async def ping(self) -> None:
        """Return when the database answers and can be written."""
        sql = "SELECT current_setting('transaction_read_only'), (SELECT 1 FROM products LIMIT 1)"
        if (await self.fetch(Statement(sql, [])))[0][0] == "on":
            await self._pool.expire_connections()
            raise StoreUnavailableError("database_read_only", database="PostgreSQL")

    async def close(self) -> None:
        """Close every connection; without an answer from the server, drop them."""
        if self._news:
            await self._news.close()
        try:
            await asyncio.wait_for(self._pool.close(), CONNECT_SECONDS)
        except TimeoutError:
            self._pool.terminate()

    async def _repeated(self, work: Work[T], *, once: bool = False) -> T:
        """Call `work` with a connection, again with a new one where that may help.

        What must be done `once` is not repeated when a COMMIT may have been carried out.
        """
        lost: list[Any] = []  # what was done, unless its COMMIT was not carried out
        for pause in (*REPEAT_PAUSES, None):
            try:
                async with self._connection() as connection:
                    done = await work(connection)
                return next((mine for mine in lost if _is_found(mine, done)), done)
            except DRIVER_ERRORS as error:
                lost += [error.result] if isinstance(error, _CommitLostError) else []
                if pause is None or not _is_repeatable(error) or (lost and once):
                    failed = _failed(error)
                    raise (OutcomeUnknownError(failed) if lost else failed) from error
            await self._pool.expire_connections()
            await asyncio.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.Connection]:
        try:
            connection = await self._pool.acquire(timeout=POOL_SECONDS)
        except TimeoutError as error:
            connections = self._pool.get_size()
            if self._pool.get_idle_size() or connections < self._pool.get_max_size():
                raise  # it was one that could not be opened
            raise StoreUnavailableError("pool_full", seconds=POOL_SECONDS, connections=connections) from error
        try:
            yield connection
        finally:
            with suppress(*DRIVER_ERRORS):  # done is done; the pool drops a connection that it cannot reset
                await self._pool.release(connection)


class _Connect:
    """Connects; where a pooler stands between, statements are not prepared.

    In its transaction mode the next transaction may meet another server's connection, on which a statement of
    that name is another one, or none. A pooler is known by a process id that is not the server's.
    """

    def __init__(self) -> None:
        self._statements: int | None = None

    async def __call__(self, *args: Any, **options: Any) -> asyncpg.Connection:
        if self._statements is None:
            probe = await asyncpg.connect(*args, **options, statement_cache_size=0)
            try:
                is_direct = await probe.fetchval("SELECT pg_backend_pid()") == probe.get_server_pid()
                await probe.close()
            finally:
                probe.terminate()  # where the pool has given up meanwhile, or the connection broke
            self._statements = MAX_STATEMENTS if is_direct else 0
        return await asyncpg.connect(*args, **options, statement_cache_size=self._statements)


async def _once_up(work: Callable[[], Awaitable[T]], seconds: float) -> T:
    """Do the work, again until the server is there."""
    deadline, is_told = asyncio.get_running_loop().time() + seconds, False
    while True:
        try:
            return await work()
        except StoreUnavailableError as error:
            state = getattr(error.__cause__, "sqlstate", None)
            is_away = isinstance(error.__cause__, OSError) or state in STARTING
            if not is_away or asyncio.get_running_loop().time() >= deadline:
                raise
            if not is_told:
                log.warning("连不上数据库，最多等 %g 秒：%s", seconds, error.params["reason"])
            is_told = True
            await asyncio.sleep(WAIT_SECONDS)


async def _keep(connection: asyncpg.Connection) -> None:
    """Leave a connection as it is: nothing here sets what outlasts a transaction."""


def _is_found(mine: Any, found: Any) -> bool:
    """Tell whether what was found by a key is what was done before, by the same request."""
    return isinstance(mine, tuple) and found == (mine[0], True)


def _is_repeatable(error: Exception) -> bool:
    # A timeout has waited long enough. The driver's own errors are about the connection.
    state = getattr(error, "sqlstate", None) or "08"
    return not isinstance(error, TimeoutError) and state.startswith(REPEATABLE)


def _failed(error: Exception) -> StoreUnavailableError:
    # The first line only: the next ones may quote a row, and a customer's name does not belong in a log.
    # Nor does the address of an object, which the driver names for what it takes as `target_session_attrs`.
    reason = re.sub("<.* at 0x.*?>", "…", (str(error) or type(error).__name__).splitlines()[0])
    is_away = isinstance(error, OSError) and not isinstance(error, TimeoutError)
    code = "database_away" if is_away else "database_failed"
    return StoreUnavailableError(code, database="PostgreSQL", reason=reason)


async def _in_transaction(connection: asyncpg.Connection, work: Work[T]) -> T:
    transaction = connection.transaction(isolation="read_committed")
    await transaction.start()
    try:
        result = await work(connection)
    except BaseException:
        with suppress(*DRIVER_ERRORS):  # the connection is gone, and the transaction with it
            await transaction.rollback()
        raise
    try:
        await transaction.commit()
    except DRIVER_ERRORS as error:
        if (getattr(error, "sqlstate", None) or "08").startswith(("23", "40")):  # it was rolled back
            raise
        raise _CommitLostError(str(error) or type(error).__name__, result) from error
    return result


async def _fetch(connection: asyncpg.Connection, statement: Statement) -> Sequence[Row]:
    lock = " FOR NO KEY UPDATE" if statement.locks else ""
    rows: Sequence[Row] = await connection.fetch(statement.sql.replace("?", "$") + lock, *statement.args)
    return rows


async def _prepare(connection: asyncpg.Connection, wanted: Preparation) -> bool:
    await _migrate(connection)
    if wanted.move_days:  # an order in flight would keep its day of the old zone
        await connection.execute("LOCK TABLE orders IN SHARE ROW EXCLUSIVE MODE", timeout=MIGRATE_SECONDS)
    return await run_script(connection, writing.prepare(wanted))


async def _migrate(connection: asyncpg.Connection) -> None:
    await connection.execute("SELECT pg_advisory_xact_lock($1)", MIGRATION_LOCK)
    await connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)")
    versions = await connection.fetch("SELECT version FROM schema_version ORDER BY version DESC")
    for step in schema.steps_from(versions[0][0] if versions else 0, schema.POSTGRES):
        for statement in step:
            await connection.execute(statement, timeout=MIGRATE_SECONDS)
    written = (
        "UPDATE schema_version SET version = $1" if versions else "INSERT INTO schema_version VALUES ($1)"
    )
    await connection.execute(written, len(schema.POSTGRES))


async def run_script(connection: asyncpg.Connection, script: Script[T]) -> T:
    """Run a script's statements, and return what it returns."""
    try:
        step = next(script)
        while True:
            if isinstance(step, Many):
                await _write_many(connection, step)
                step = script.send([])
            else:
                step = script.send(await _fetch(connection, step))
    except StopIteration as done:
        result: T = done.value
        return result


async def _write_many(connection: asyncpg.Connection, step: Many) -> None:
    if step.table:  # as COPY, at several times the speed
        rows = iter(step.rows)
        # In a thread, where they are made: the terms of a catalogue would hold up everybody for seconds.
        while part := await asyncio.to_thread(lambda: list(islice(rows, COPY_ROWS))):
            await connection.copy_records_to_table(step.table, records=part, timeout=MIGRATE_SECONDS)
    else:
        await connection.executemany(step.sql.replace("?", "$"), step.rows, timeout=MIGRATE_SECONDS)
