"""Whatever is done in whatever order, at the counter, at the desk and to the files: the promises are kept."""

import asyncio
import contextlib
import csv
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from models import Move, Order, OrderItem, PurchaseRequest
from shop import stock, writing
from shop.archive import Pace, archive
from shop.catalog import TUTORIAL, CatalogEntry
from shop.engines import open_store
from shop.errors import StoreError
from shop.filters import InventoryQuery, ListQuery, OrderQuery, SummaryQuery
from shop.sheets import original
from shop.stock import Purchase
from shop.store import Store
from tests.support.engines import ENGINES, ask, audit, new_url
from tests.support.mortal_store import CutOff, MortalStore
from tests.support.processes import LONG_RUNS

OLD = "2024-12-31T10:00:00.000000+00:00"
NEW_YEAR = date(2025, 1, 1)
LINE = st.builds(OrderItem, productId=st.sampled_from([1, 2, 2, 2, 3, 4, 5, 99]), quantity=st.integers(1, 30))
REQUESTS = st.builds(
    PurchaseRequest,
    customerName=st.sampled_from(["甲", "=乙", "🎧"]),
    items=st.lists(LINE, min_size=1, max_size=4),
)
KEYS = st.sampled_from([None, "a", "b", "c"])
ORDER_IDS = st.integers(1, 12)
ENTRIES = st.builds(
    CatalogEntry,
    id=st.integers(2, 6),
    name=st.sampled_from(["茶", "=耳机"]),
    price=st.sampled_from([Decimal(0), Decimal("0.01"), Decimal("19.99")]),
    description=st.just(""),
    keywords=st.just([]),
    quantity=st.integers(0, 40),
)
CATALOGUES = st.lists(ENTRIES, min_size=1, max_size=3, unique_by=lambda entry: entry.id)


@dataclass
class Books:
    """What the shop should hold: a few dictionaries, changed by its answers alone."""

    products: dict[int, CatalogEntry] = field(default_factory=lambda: {entry.id: entry for entry in TUTORIAL})
    stock: Counter[int] = field(default_factory=lambda: Counter({e.id: e.quantity for e in TUTORIAL}))
    brought: Counter[int] = field(default_factory=lambda: Counter({e.id: e.quantity for e in TUTORIAL}))
    orders: dict[int, Order] = field(default_factory=dict)
    archived: dict[int, Order] = field(default_factory=dict)
    keys: dict[str, int] = field(default_factory=dict)
    moves: dict[str, Move] = field(default_factory=dict)
    imported: set[str] = field(default_factory=set)

    def save(self, entry: CatalogEntry) -> None:
        if entry.id not in self.products:
            self.bring(entry.id, entry.quantity)
        self.products[entry.id] = entry

    def bring(self, product: int, change: int) -> None:
        self.stock[product] += change
        self.brought[product] += change

    def total(self, items: list[OrderItem]) -> float:
        return sum(self.products[line.productId].cents * line.quantity for line in items) / 100


@dataclass(frozen=True)
class Buy:
    """A purchase."""

    request: PurchaseRequest
    key: str | None

    def refusal(self, books: Books) -> StoreError | None:
        """Say what must be refused, in the order in which the shop looks."""
        if self.key in books.keys:
            if books.keys[self.key] in books.archived:
                return StoreError("archived", orderId=books.keys[self.key])
            order = books.orders[books.keys[self.key]]
            same = (order.customerName, order.items) == (self.request.customerName, self.request.items)
            return None if same else StoreError("key_reused")
        wanted: Counter[int] = Counter()
        for line in self.request.items:
            wanted[line.productId] += line.quantity
        for line in self.request.items:
            if line.productId not in books.products:
                return StoreError("unknown_product", productId=line.productId)
            if books.stock[line.productId] < wanted[line.productId]:
                return out_of_stock(books, line.productId)
        return None

    async def ask(self, store: Store) -> Purchase:
        return await store.purchase(self.request, self.key)

    def book(self, books: Books, bought: Purchase) -> None:
        order = bought.order
        assert (order.customerName, order.items) == (self.request.customerName, self.request.items)
        if self.key is not None:
            assert books.keys.setdefault(self.key, order.id) == order.id
        if not bought.replayed:
            assert order.id not in books.orders | books.archived
            assert order.totalAmount == books.total(order.items)
            books.orders[order.id] = order
            for line in order.items:
                books.stock[line.productId] -= line.quantity


@dataclass(frozen=True)
class Bring:
    """A delivery or a correction."""

    product: int
    change: int
    key: str | None

    def refusal(self, books: Books) -> StoreError | None:
        if self.key in books.moves:
            found = books.moves[self.key]
            same = (found.productId, found.change) == (self.product, self.change)
            return None if same else StoreError("key_reused", of="change")
        if self.product not in books.products:
            return StoreError("unknown_product", productId=self.product)
        is_too_much = books.stock[self.product] + self.change < 0
        return out_of_stock(books, self.product) if is_too_much else None

    async def ask(self, store: Store) -> tuple[Move, bool]:
        return await store.write(lambda: stock.move(self.product, self.change, "", self.key))

    def book(self, books: Books, answer: tuple[Move, bool]) -> None:
        moved, replayed = answer
        assert (moved.productId, moved.change) == (self.product, self.change)
        if self.key is not None:
            assert books.moves.setdefault(self.key, moved) == moved
        if not replayed:
            books.bring(self.product, self.change)


@dataclass(frozen=True)
class Cancel:
    """A cancellation."""

    order: int

    def refusal(self, books: Books) -> StoreError | None:
        if self.order in books.archived:
            return StoreError("archived", orderId=self.order)
        return None if self.order in books.orders else StoreError("unknown_order", orderId=self.order)

    async def ask(self, store: Store) -> tuple[Order, bool]:
        return await store.write(lambda: stock.cancel(self.order, ""))

    def book(self, books: Books, answer: tuple[Order, bool]) -> None:
        order, was_cancelled = answer
        assert order == books.orders[order.id].model_copy(update={"status": "cancelled"})
        assert was_cancelled == (books.orders[order.id].status == "cancelled")
        books.orders[order.id] = order
        for line in () if was_cancelled else order.items:
            books.stock[line.productId] += line.quantity


Operation = Buy | Bring | Cancel
BUYS = st.builds(Buy, REQUESTS, KEYS)
BRINGS = st.builds(Bring, st.sampled_from([1, 2, 5, 99]), st.integers(-60, 60).filter(bool), KEYS)
CANCELS = st.builds(Cancel, ORDER_IDS)


def out_of_stock(books: Books, product: int) -> StoreError:
    at_hand = {"name": books.products[product].name, "available": books.stock[product]}
    return StoreError("out_of_stock", productId=product, **at_hand)


def was_found(answer: Any) -> bool:
    return bool(answer.replayed if isinstance(answer, Purchase) else isinstance(answer, tuple) and answer[1])


class Shop(RuleBasedStateMachine):
    """The shop beside its books."""

    engine: str

    @initialize()
    def open(self) -> None:
        self.cleanup = contextlib.ExitStack()
        self.loop = self.cleanup.enter_context(asyncio.Runner())
        self.folder = Path(self.cleanup.enter_context(tempfile.TemporaryDirectory()))
        self.url = new_url(self.engine, self.folder)
        self.store: Store = self.loop.run(open_store(self.url))
        self.books = Books()

    @rule(operation=st.one_of(BUYS, BUYS, BRINGS, CANCELS))
    def one(self, operation: Operation) -> None:
        refusal = operation.refusal(self.books)
        [answer] = self.attempt([operation])
        assert refusal is None or answer == refusal
        assert refusal is not None or not isinstance(answer, StoreError)

    @rule(operations=st.lists(st.one_of(BUYS, BUYS, BRINGS, CANCELS), min_size=2, max_size=6))
    def some_at_once(self, operations: list[Operation]) -> None:
        self.attempt(operations)

    @rule(key=KEYS)
    def replay(self, key: str | None) -> None:
        if key is not None and (order := self.books.orders.get(self.books.keys.get(key, 0))):
            asked = PurchaseRequest(customerName=order.customerName, items=order.items)
            [answer] = self.attempt([Buy(asked, key)])
            assert isinstance(answer, Purchase)
            assert (answer.replayed, answer.order) == (True, order)

    @rule(entry=ENTRIES)
    def change_product(self, entry: CatalogEntry) -> None:
        self.loop.run(self.store.write(lambda: writing.save_product(entry)))
        self.books.save(entry)

    @rule(catalogue=st.none() | CATALOGUES)
    def restart(self, catalogue: list[CatalogEntry] | None) -> None:
        self.loop.run(self.store.close())
        self.store = self.loop.run(open_store(self.url, catalogue))
        if catalogue is not None and repr(catalogue) not in self.books.imported:
            self.books.imported.add(repr(catalogue))
            for entry in catalogue:
                self.books.save(entry)

    @rule(share=st.sampled_from([1, 2]), lives=st.none() | st.integers(0, 16), commits=st.booleans())
    def archive(self, share: int, lives: int | None, commits: bool) -> None:
        """Archive all orders, or each second one; now and then the command is killed before."""
        ask(self.url, f"UPDATE orders SET ordered_at = '{OLD}' WHERE id % {share} = 0")
        pace = Pace(2, 0)
        if lives is not None:
            with contextlib.suppress(CutOff):
                mortal = MortalStore(self.store, lives, commits=commits)
                self.loop.run(archive(mortal, NEW_YEAR, self.folder, pace))
            audit(self.url, self.books.brought)
        self.loop.run(archive(self.store, NEW_YEAR, self.folder, pace))
        old = {id_ for id_ in self.books.orders if id_ % share == 0}
        self.books.archived |= {id_: self.books.orders.pop(id_) for id_ in old}
        assert self.in_files() == {
            (order.id, order.customerName, order.status): Counter(map(repr, order.items))
            for order in self.books.archived.values()
        }

    @invariant()
    def the_shop_agrees_with_its_books(self) -> None:
        self.loop.run(self.compare())

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.loop.run(self.store.close())
            audit(self.url, self.books.brought)
            self.cleanup.close()

    def attempt(self, operations: list[Operation]) -> list[Any]:
        """Do all at once, and write into the books what the answers say."""

        async def all_of_them() -> list[Any]:
            asked = (operation.ask(self.store) for operation in operations)
            return await asyncio.gather(*asked, return_exceptions=True)

        answers = self.loop.run(all_of_them())
        # What is cancelled was bought before, and what was found had been done before.
        booked = zip(operations, answers, strict=True)
        for operation, answer in sorted(
            booked, key=lambda each: (isinstance(each[0], Cancel), was_found(each[1]))
        ):
            if not isinstance(answer, StoreError):
                operation.book(self.books, answer)
        return answers

    def in_files(self) -> dict[tuple[int, str, str], Counter[str]]:
        """Return the orders of all files with their lines; one that is in them twice has too many."""
        found: dict[tuple[int, str, str], Counter[str]] = {}
        for file in self.folder.glob("orders-*.csv"):
            with file.open(encoding="utf-8-sig", newline="") as lines:
                for row in csv.DictReader(lines):
                    line = OrderItem(productId=int(row["productId"]), quantity=int(row["quantity"]))
                    order = int(row["id"]), original(row["customerName"]), row["status"]
                    found.setdefault(order, Counter())[repr(line)] += 1
        return found

    async def compare(self) -> None:
        books, orders = self.books, self.books.orders
        inventory = (await self.store.inventory(InventoryQuery())).items
        assert {item.productId: item.quantity for item in inventory} == books.stock
        shown = {
            item.productId: (item.product.name, item.product.price) for item in inventory if item.product
        }
        assert shown == {entry.id: (entry.name, entry.cents / 100) for entry in books.products.values()}
        listed = await self.store.orders(OrderQuery(limit=500))
        assert {order.id: order for order in listed.items} == orders
        assert listed.total == (await self.store.orders(OrderQuery(limit=1))).total == len(orders)
        placed = [order for order in orders.values() if order.status == "placed"]
        for group in ("day", "product"):
            sums = await self.store.summary(SummaryQuery(groupBy=group))
            amount = sum(row.amount for row in sums.items)
            assert amount == pytest.approx(sum(order.totalAmount for order in placed))
        for product in books.products:
            ledger = await self.store.moves(product, ListQuery(limit=500))
            assert sum(move.change for move in ledger.items) == books.stock[product]


@pytest.mark.parametrize("engine", ENGINES)
def test_any_sequence_keeps_the_shops_promises(engine: str) -> None:
    machine = type("Machine", (Shop,), {"engine": engine})
    bounds = settings(
        max_examples=250 if LONG_RUNS else 6,
        stateful_step_count=20,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=bounds)
