"""Old orders leave the shop for CSV files; their keys stay, and each stock stays the sum of its ledger.

The fact `archive` says how far it has come, so that it is taken up again wherever it was cut off: the files
are whole on disk before the first order is removed, and what is removed is what stands in them.
"""
# ruff: noqa: S608  the texts are put together from constants; every value is an argument

import asyncio
import csv
import itertools
import os
import secrets
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import TypeVar

from models import MAX_ID, Move
from shop import days, queries, writing
from shop.errors import CommandError, StoreUnavailableError
from shop.queries import Many, Script, Statement, Table, yuan
from shop.sheets import Sheet, give_name, written_to
from shop.store import Store

T = TypeVar("T")

_ORDERS = """SELECT o.id, o.day, o.ordered_at, o.customer, o.status, o.idempotency_key,
        i.product_id, p.name, i.quantity, i.unit_cents
    FROM orders o JOIN order_items i ON i.order_id = o.id JOIN products p ON p.id = i.product_id
    WHERE o.ordered_at < ?1 ORDER BY o.ordered_at, o.id, i.line"""
_MOVES = f"""SELECT {queries.MOVE} FROM moves WHERE order_id IN (SELECT id FROM orders WHERE ordered_at < ?1)
    ORDER BY id"""
# Lines of archived orders become one of each product: the last of them, since SQLite would give the number
# of the very last line again, and met first, in this run and in one that goes on.
_FOLDABLE = """SELECT id FROM moves m WHERE id < ?1 AND (
        EXISTS (SELECT 1 FROM archived_orders a WHERE a.order_id = m.order_id)
        OR (kind = 'purchase' AND order_id IS NULL))
    ORDER BY id DESC LIMIT ?2"""
_FOLD = """UPDATE moves SET change = change + ?2, kind = 'purchase', order_id = NULL, reason = ?3
    WHERE id = ?1"""

_STATE = partial(writing.fact, "archive")


@dataclass(frozen=True)
class Pace:
    """How many orders or lines of the ledger go in one transaction, and the pause after it, for purchases."""

    batch: int = 500
    pause_seconds: float = 0.05


@dataclass(frozen=True)
class Archived:
    """The file of orders, that of their lines of the ledger, and how many orders have left the shop."""

    orders: Path
    moves: Path
    number: int


async def archive(store: Store, before: date, folder: Path, pace: Pace = Pace()) -> list[Archived]:
    """Move the orders from before a day of the shop into new files; one that was cut off is finished first.

    Raises `CommandError` and `StoreUnavailableError`, after which the command can be given again.
    """
    today = await store.today()
    if before.isoformat() > today.today:
        raise CommandError("archive_too_new", before=before.isoformat(), today=today.today)
    state = await store.write(_STATE)
    done = []
    if state and (cut_off := _Run(store, pace, state)).is_written():
        done.append(await cut_off.remove())
        state = None
    end = days.first_moment(before, days.zone_named(today.timezone))
    if await store.fetch(Statement("SELECT 1 FROM orders WHERE ordered_at < ?1 LIMIT 1", [end])):
        run = _Run(store, pace, state)
        await run.write(end, _free_name(folder, before))
        done.append(await run.remove())
    return done


class _Run:
    """One archive; `state` is the fact as this run knows it: "writing RUN FILE", "removing RUN FILE" or none.

    The run's own name in it tells two apart that began at the same time: the later one goes on alone.
    """

    def __init__(self, store: Store, pace: Pace, state: str | None) -> None:
        self._store = store
        self._pace = pace
        self._state = state
        _, self._name, file = state.split(" ", 2) if state else ("", "", "")
        self._orders = Path(file)

    def is_written(self) -> bool:
        """Tell whether the files are whole. Raises `CommandError` where they were, and are gone."""
        if self._orders.exists():
            return True
        if self._state and self._state.startswith("removing "):
            raise CommandError("archive_missing", path=str(self._orders))
        self._remove_drafts(self._orders)
        return False

    async def write(self, end: str, orders: Path) -> None:
        """Write both files, that of the orders last."""
        self._name = secrets.token_hex(4)
        await self._advance("writing", orders)
        try:
            # Orders first: one that is cancelled meanwhile differs from its row, and stays in the shop.
            await _write(self._store, self._draft(orders), _order_lines(end))
            moves = Table(list(Move.model_fields), Statement(_MOVES, [end]), list)
            await _write(self._store, self._draft(_moves(orders)), moves)
            await self._written(_STATE)
            with written_to(orders):
                for file in (_moves(orders), orders):
                    give_name(self._draft(file), file)
                sync_folder(orders.parent)
        except StoreUnavailableError:
            await self._written(_STATE)  # where another run has taken over, that is why
            raise
        finally:
            self._remove_drafts(orders)

    async def remove(self) -> Archived:
        """Remove what stands in the files, as it stands there."""
        await self._advance("removing", self._orders)
        number, before = 0, MAX_ID
        with self._orders.open(encoding="utf-8-sig", newline="") as file:
            orders = _orders_in(file)
            while batch := set(itertools.islice(orders, self._pace.batch)):
                number += await self._written(partial(self._remove, batch))
        kept: dict[int, int] = {}  # by product, the line into which its others are folded
        while rows := await self._store.fetch(Statement(_FOLDABLE, [before, self._pace.batch])):
            await self._written(partial(self._fold, [row[0] for row in rows], kept))
            before = rows[-1][0]
        await self._store.write(self._finish)  # which finds nothing after a COMMIT that was lost
        return Archived(self._orders, _moves(self._orders), number)

    async def _advance(self, step: str, orders: Path) -> None:
        state = f"{step} {self._name} {orders}"
        await self._written(partial(writing.set_fact, "archive", state))
        self._state, self._orders = state, orders

    def _draft(self, file: Path) -> Path:
        return file.with_name(f"{file.name}.{self._name}.part")

    def _remove_drafts(self, orders: Path) -> None:
        for file in (orders, _moves(orders)):
            self._draft(file).unlink(missing_ok=True)

    async def _written(self, make: Callable[[], Script[T]]) -> T:
        """Write, unless another run has taken over or does so at this moment."""

        def held() -> Script[T]:
            if (yield from writing.fact("archive", locks=True)) != self._state:
                raise CommandError("archive_busy")
            return (yield from make())

        done = await self._store.write(held)
        await asyncio.sleep(self._pace.pause_seconds)
        return done

    def _finish(self) -> Script[None]:
        yield Statement("DELETE FROM facts WHERE name = 'archive' AND value = ?1", [self._state])

    def _remove(self, batch: set[tuple[int, str, str]]) -> Script[int]:
        wanted = f"SELECT id, status, ordered_at FROM orders WHERE id IN ({queries.marks(batch)}) ORDER BY id"
        kept = yield Statement(wanted, [row[0] for row in batch], locks=True)
        ids = [row[:1] for row in kept if tuple(row) in batch]
        yield Many("INSERT INTO archived_orders SELECT id, idempotency_key FROM orders WHERE id = ?1", ids)
        yield Many("DELETE FROM order_items WHERE order_id = ?1", ids)
        yield Many("DELETE FROM orders WHERE id = ?1", ids)
        return len(ids)

    def _fold(self, ids: list[int], kept: dict[int, int]) -> Script[None]:
        folded = (
            f"SELECT id, product_id, change FROM moves WHERE id IN ({queries.marks(ids)}) ORDER BY id DESC"
        )
        lines = yield Statement(folded, ids)
        sums: Counter[int] = Counter()
        for id_, product_id, change in lines:
            sums[kept.setdefault(product_id, id_)] += change if id_ != kept[product_id] else 0
        reason = f"已归档的订单，最近的在 {self._orders.name}"
        yield Many(_FOLD, [(id_, change, reason) for id_, change in sums.items()])
        gone = [row for row in lines if row[0] not in sums]
        yield Many("DELETE FROM moves WHERE id = ?1", [row[:1] for row in gone])
        # By id, as purchases lock.
        fewer = sorted(Counter(row[1] for row in gone).items())
        yield Many("UPDATE products SET moves = moves - ?2 WHERE id = ?1", fewer)


def _order_lines(end: str) -> Table:
    head = ("id", "day", "orderDate", "customerName", "status", "idempotencyKey", "productId", "productName")
    lines = Statement(_ORDERS, [end])
    return Table((*head, "quantity", "unitPrice"), lines, lambda row: (*row[:-1], yuan(row[-1])))


async def _write(store: Store, file: Path, table: Table) -> None:
    """Write a table down to the disk."""
    with written_to(file), file.open("wb") as out:
        await store.export(table, Sheet(file, out))
        out.flush()
        os.fsync(out.fileno())


def _orders_in(lines: Iterable[str]) -> Iterator[tuple[int, str, str]]:
    """Yield number, status and moment of each order in a file; its lines follow one another."""
    rows = csv.DictReader(lines)
    for order, _ in itertools.groupby(rows, lambda row: (int(row["id"]), row["status"], row["orderDate"])):
        yield order


def _free_name(folder: Path, before: date) -> Path:
    endings = itertools.chain([""], (f"-{number}" for number in itertools.count(2)))
    files = (folder / f"orders-before-{before}{ending}.csv" for ending in endings)
    return next(file for file in files if not (file.exists() or _moves(file).exists()))


def _moves(orders: Path) -> Path:
    return orders.with_name(orders.name.replace("orders", "moves", 1))


def sync_folder(folder: Path) -> None:
    """Write the names of the files in a folder down to the disk; Windows does so by itself."""
    if sys.platform != "win32":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
