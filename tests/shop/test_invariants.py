"""Any sequence of purchases, replays, conflicting replays, restarts and reads keeps the shop's promises."""

import asyncio
import contextlib
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from models import Order, OrderItem, PurchaseRequest
from shop.engines import open_store
from shop.errors import StoreError
from shop.filters import InventoryQuery, OrderQuery, SummaryQuery
from shop.stock import Purchase
from shop.store import Store
from tests.support.engines import ENGINES, audit, new_url
from tests.support.processes import LONG_RUNS

STOCK = {1: 100, 2: 50, 3: 200, 4: 150}
LINE = st.builds(OrderItem, productId=st.sampled_from([1, 2, 2, 2, 3, 4, 99]), quantity=st.integers(1, 30))
REQUESTS = st.builds(
    PurchaseRequest,
    customerName=st.sampled_from(["甲", "乙", "🎧"]),
    items=st.lists(LINE, min_size=1, max_size=4),
)
KEYS = st.sampled_from([None, "a", "b", "c"])


class Shop(RuleBasedStateMachine):
    """The shop beside a model of it: a few dictionaries."""

    engine: str

    @initialize()
    def open(self) -> None:
        self.cleanup = contextlib.ExitStack()
        self.loop = self.cleanup.enter_context(asyncio.Runner())
        folder = self.cleanup.enter_context(tempfile.TemporaryDirectory())
        self.url = new_url(self.engine, Path(folder))
        self.store: Store = self.loop.run(open_store(self.url))
        self.stock = dict(STOCK)
        self.orders: dict[int, Order] = {}
        self.keys: dict[str, Order] = {}

    @rule(request=REQUESTS, key=KEYS)
    def buy(self, request: PurchaseRequest, key: str | None) -> None:
        expected = self.refusal(request, key)
        [answer] = self.attempt((request, key))
        if isinstance(answer, Purchase):
            assert expected is None
        else:
            assert (type(answer), str(answer)) == (type(expected), str(expected))

    @rule(requests=st.lists(st.tuples(REQUESTS, KEYS), min_size=2, max_size=6))
    def buy_together(self, requests: list[tuple[PurchaseRequest, str | None]]) -> None:
        self.attempt(*requests)

    @rule(key=KEYS)
    def replay(self, key: str | None) -> None:
        if key is not None and (order := self.keys.get(key)):
            asked = PurchaseRequest(customerName=order.customerName, items=order.items)
            [answer] = self.attempt((asked, key))
            assert isinstance(answer, Purchase)
            assert answer.replayed

    @rule()
    def restart(self) -> None:
        self.loop.run(self.store.close())
        self.store = self.loop.run(open_store(self.url))

    @invariant()
    def the_shop_agrees_with_the_model(self) -> None:
        self.loop.run(self.compare())

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.loop.run(self.store.close())
            audit(self.url, STOCK)
            self.cleanup.close()

    def refusal(self, request: PurchaseRequest, key: str | None) -> StoreError | None:
        """Say what must be refused, in the order in which the shop looks."""
        if key in self.keys:
            order = self.keys[key]
            same = (order.customerName, order.items) == (request.customerName, request.items)
            return None if same else StoreError("key_reused")
        wanted: Counter[int] = Counter()
        for line in request.items:
            wanted[line.productId] += line.quantity
        for line in request.items:
            if line.productId not in self.stock:
                return StoreError("unknown_product", productId=line.productId)
            if self.stock[line.productId] < wanted[line.productId]:
                name = {
                    1: "智能手表Galaxy",
                    2: "无线蓝牙耳机Pro",
                    3: "便携式移动电源",
                    4: "华为MateBook X Pro",
                }
                left = {"name": name[line.productId], "available": self.stock[line.productId]}
                return StoreError("out_of_stock", productId=line.productId, **left)
        return None

    def attempt(self, *requests: tuple[PurchaseRequest, str | None]) -> list[Purchase | BaseException]:
        """Buy all at once, and write into the model what was sold."""

        async def buy_all() -> list[Purchase | BaseException]:
            return await asyncio.gather(
                *(self.store.purchase(*one) for one in requests), return_exceptions=True
            )

        answers = self.loop.run(buy_all())
        for (request, key), answer in zip(requests, answers, strict=True):
            assert isinstance(answer, Purchase | StoreError)
            if isinstance(answer, Purchase):
                self.record(request, key, answer)
        return answers

    def record(self, request: PurchaseRequest, key: str | None, bought: Purchase) -> None:
        order = bought.order
        assert (order.customerName, order.items) == (request.customerName, request.items)
        if key is not None:
            assert self.keys.setdefault(key, order) == order
        if not bought.replayed:
            assert self.orders.setdefault(order.id, order) is order
            for line in order.items:
                self.stock[line.productId] -= line.quantity

    async def compare(self) -> None:
        inventory = await self.store.inventory(InventoryQuery())
        assert {item.productId: item.quantity for item in inventory.items} == self.stock
        listed = await self.store.orders(OrderQuery(limit=500))
        assert {order.id: order for order in listed.items} == self.orders
        assert listed.total == len(self.orders)
        assert (await self.store.orders(OrderQuery(limit=1))).total == len(self.orders)
        sums = await self.store.summary(SummaryQuery(groupBy="day"))
        assert round(sum(day.amount for day in sums.items), 2) == sum(
            o.totalAmount for o in self.orders.values()
        )


@pytest.mark.parametrize("engine", ENGINES)
def test_any_sequence_keeps_the_shops_promises(engine: str) -> None:
    machine = type("Machine", (Shop,), {"engine": engine})
    bounds = settings(
        max_examples=250 if LONG_RUNS else 25,
        stateful_step_count=20,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=bounds)
