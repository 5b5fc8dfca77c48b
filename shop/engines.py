"""Opens the shop on the engine that `DATABASE_URL` names."""

from shop.catalog import CatalogEntry
from shop.errors import StoreUnavailableError
from shop.sqlite import BUSY_SECONDS, SqliteStore
from shop.sqlite_files import file_of
from shop.store import Store
from shop.writing import Preparation


async def open_store(
    url: str,
    catalogue: list[CatalogEntry] | None = None,
    *,
    timezone: str | None = None,
    move_days: bool = False,
    busy_seconds: float = BUSY_SECONDS,
    connections: int = 10,
    listen_url: str | None = None,
    wait_seconds: float = 0,
) -> Store:
    """Open the shop at `sqlite:///file` or `postgresql://…`; create, migrate and fill it where needed.

    `catalogue` adds new products and updates known ones, but for their stock; without one an empty shop gets
    the tutorial's. `timezone` is where the shop counts its days: a new database keeps it, or the machine's
    where none is given, and no other is taken but with `move_days`, which moves every order.
    `busy_seconds` is how long SQLite waits for another process that writes; `connections` is how many to
    PostgreSQL are held open at most, `listen_url` names a connection to it on which LISTEN works,
    `wait_seconds` is how long it is waited for.
    Raises `StoreUnavailableError`.
    """
    wanted = Preparation(catalogue, timezone, move_days)
    if path := file_of(url):
        return await SqliteStore.open(path, wanted, busy_seconds)
    if url.partition("://")[0] in {"postgresql", "postgres"}:
        try:
            from shop.postgres import PostgresStore  # noqa: PLC0415  asyncpg is an extra; its import takes 100 ms
        except ModuleNotFoundError as error:
            raise StoreUnavailableError("asyncpg_missing") from error
        return await PostgresStore.open(url, wanted, connections, listen_url, wait_seconds)
    raise StoreUnavailableError("database_url_unknown")
