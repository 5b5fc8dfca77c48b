"""A store whose process is killed, as seen by what works with it."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from shop.queries import Row, Script, Statement, Table
from shop.sheets import Sheet
from shop.store import Store

T = TypeVar("T")


class CutOff(BaseException):
    """The moment at which the process is killed."""


class MortalStore(Store):
    """Does so much of what it is asked, then the process ends: before the next, or right after its commit."""

    def __init__(self, store: Store, lives: int, *, commits: bool) -> None:
        self._store = store
        self._lives = lives
        self._commits = commits

    async def fetch(self, statement: Statement) -> Sequence[Row]:
        self._spend()
        return await self._store.fetch(statement)

    async def export(self, table: Table, sheet: Sheet) -> None:
        self._spend()
        await self._store.export(table, sheet)

    async def write(self, make: Callable[[], Script[T]], *, once: bool = False, much: bool = False) -> T:
        if not self._commits:
            self._spend()
        done = await self._store.write(make, once=once, much=much)
        if self._commits:
            self._spend()
        return done

    def _spend(self) -> None:
        self._lives -= 1
        if self._lives < 0:
            raise CutOff

    async def ping(self) -> None:
        await self._store.ping()

    async def close(self) -> None:
        await self._store.close()
