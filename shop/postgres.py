"""The shop's records in PostgreSQL, for several API processes at once. Needs the extra `postgres`."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg  # type: ignore[import-untyped]  # it ships no types

from models import Order, PurchaseRequest
from shop import queries, schema, search, store
from shop.catalog import TUTORIAL, CatalogEntry
from shop.errors import StoreUnavailableError
from shop.queries import Row, Statement
from shop.store import Intent, Purchase, StockedProduct, Store

MAX_CONNECTIONS = 10
CONNECT_SECONDS = 5.0  # to open a connection, or to wait for a free one
COMMAND_SECONDS = 15.0
INDEX_SECONDS = 600.0  # to write the search terms of a whole catalogue
MIGRATION_LOCK = 0x70726F64  # any number, the same in every process


class PostgresStore(Store):
    """The shop in a PostgreSQL database. After a lost connection the next request opens another."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        """Take an open pool to a database with its tables; see `open`."""
        self._pool = pool

    @classmethod
    async def open(cls, url: str, catalogue: list[CatalogEntry] | None = None) -> "PostgresStore":
        """Create or migrate the tables and import the catalogue, in one transaction."""
        try:
            pool = await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=MAX_CONNECTIONS,
                timeout=CONNECT_SECONDS,
                command_timeout=COMMAND_SECONDS,
            )
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError, ValueError) as error:
            raise _failed(error) from error
        opened = cls(pool)
        try:
            async with opened._transaction() as connection:
                await _migrate(connection)
                await _import(connection, catalogue)
        except StoreUnavailableError:
            await opened.close()
            raise
        return opened

    async def fetch(self, statement: Statement) -> Sequence[Row]:
        """Read with a connection of the pool."""
        async with self._connection() as connection:
            return await _fetch(connection, statement)

    async def place(self, intent: Intent) -> Purchase:
        """Buy in a transaction of its own."""
        async with self._transaction() as connection:
            return await _place(connection, intent)

    async def close(self) -> None:
        """Close every connection; without an answer from the server, drop them."""
        try:
            await asyncio.wait_for(self._pool.close(), CONNECT_SECONDS)
        except TimeoutError:
            self._pool.terminate()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.Connection]:
        try:
            async with self._pool.acquire(timeout=CONNECT_SECONDS) as connection:
                yield connection
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            raise _failed(error) from error

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[asyncpg.Connection]:
        async with self._connection() as connection, connection.transaction(isolation="read_committed"):
            yield connection


def _failed(error: Exception) -> StoreUnavailableError:
    # The first line only: the next ones may quote a row, and a customer's name does not belong in a log.
    reason = (str(error) or type(error).__name__).splitlines()[0]
    return StoreUnavailableError("database_failed", database="PostgreSQL", reason=reason)


async def _fetch(connection: asyncpg.Connection, statement: Statement) -> Sequence[Row]:
    rows: Sequence[Row] = await connection.fetch(statement.sql.replace("?", "$"), *statement.args)
    return rows


async def _order(connection: asyncpg.Connection, key: str) -> Order | None:
    rows = await _fetch(connection, queries.order_of_key(key))
    return queries.to_orders(rows)[0] if rows else None


async def _place(connection: asyncpg.Connection, intent: Intent) -> Purchase:
    request, key = intent.request, intent.key
    wanted = store.wanted_stock(request)
    rows = await connection.fetch(  # locked by id: two purchases in opposite orders would deadlock
        """SELECT id, name, price_cents, stock FROM products
            WHERE id = ANY($1::bigint[]) ORDER BY id FOR NO KEY UPDATE""",
        list(wanted),
    )
    # After locking: a purchase with the same key may have held these products, and its order is visible now.
    if key is not None and (earlier := await _order(connection, key)):
        return store.replay(earlier, intent)
    products = {row[0]: StockedProduct(row[1], row[2], row[3]) for row in rows}
    total = store.checked_total(intent, products)
    now = store.order_time()
    order_id: int | None = await connection.fetchval(
        """INSERT INTO orders (customer, total_cents, units, ordered_at, idempotency_key)
            VALUES ($1, $2, $3, $4, $5) ON CONFLICT (idempotency_key) DO NOTHING RETURNING id""",
        request.customerName,
        total,
        wanted.total(),
        now,
        key,
    )
    if order_id is None and key is not None and (earlier := await _order(connection, key)):
        return store.replay(earlier, intent)  # the key was used for other products meanwhile
    assert order_id is not None
    await _write_lines(connection, order_id, request, products)
    return Purchase(store.new_order(order_id, request, total, now))


async def _write_lines(
    connection: asyncpg.Connection,
    order_id: int,
    request: PurchaseRequest,
    products: dict[int, StockedProduct],
) -> None:
    lines = request.items
    await connection.execute(
        """INSERT INTO order_items (order_id, line, product_id, quantity, unit_cents)
            SELECT $1, * FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])""",
        order_id,
        list(range(len(lines))),
        [line.productId for line in lines],
        [line.quantity for line in lines],
        [products[line.productId].cents for line in lines],
    )
    wanted = store.wanted_stock(request)
    await connection.execute(
        """UPDATE products SET stock = stock - n
            FROM unnest($1::bigint[], $2::bigint[]) AS taken (product_id, n)
            WHERE id = product_id""",  # locked and checked above; the table has a CHECK, too
        list(wanted),
        list(wanted.values()),
    )


async def _migrate(connection: asyncpg.Connection) -> None:
    await connection.execute("SELECT pg_advisory_xact_lock($1)", MIGRATION_LOCK)
    await connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)")
    version: int | None = await connection.fetchval("SELECT version FROM schema_version")
    if version is None:
        await connection.execute("INSERT INTO schema_version VALUES (0)")
    for step in schema.steps_from(version or 0, schema.POSTGRES):
        for statement in step:
            await connection.execute(statement)
    await connection.execute("UPDATE schema_version SET version = $1", len(schema.POSTGRES))


async def _import(connection: asyncpg.Connection, catalogue: list[CatalogEntry] | None) -> None:
    if await connection.fetchval("SELECT value FROM facts WHERE name = 'search'") != search.VERSION:
        products = await connection.fetch("SELECT id, name, keywords, description FROM products")
        await _index(connection, products)
        await connection.execute(schema.UPSERT_FACT.replace("?", "$"), "search", search.VERSION)
    if catalogue is None and not await connection.fetchval("SELECT 1 FROM products LIMIT 1"):
        catalogue = TUTORIAL
    await save_products(connection, catalogue or [])


async def save_products(connection: asyncpg.Connection, entries: Sequence[CatalogEntry]) -> None:
    """Write products with the terms under which they are found; known ones keep their stock."""
    # By id, as purchases lock: in another order the two would deadlock.
    rows = sorted(entry.row() for entry in entries)
    await connection.executemany(schema.UPSERT_PRODUCT.replace("?", "$"), rows)
    await _index(connection, [(id_, name, words, about) for id_, name, _, about, words, _ in rows])


async def _index(connection: asyncpg.Connection, products: Sequence[search.Searchable]) -> None:
    ids = [row[0] for row in products]
    await connection.execute("DELETE FROM product_terms WHERE product_id = ANY($1::bigint[])", ids)
    terms = itertools.chain.from_iterable(search.index_rows(*row) for row in products)
    await connection.copy_records_to_table(
        "product_terms",
        records=terms,
        columns=["term", "place", "product_id"],
        timeout=INDEX_SECONDS,
    )
