"""Whatever is killed, restarted, lost, repeated or stopped: one intent of a person is at most one order.

Hypothesis draws the interleavings over three real processes. Each intent buys for a customer of its own, so
the orders of that customer are what became of it.
"""

import contextlib
import json
import os
import secrets
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from tests.attacks.chain import PRODUCT, Chain, Moment
from tests.support.processes import LONG_RUNS

MOMENTS = st.sampled_from(["before", "after"])
SERVICES = st.sampled_from(["api", "main", "web"])
RUNS = 200 if LONG_RUNS else 2


def some_wait(machine: "Faults") -> bool:
    """Whether an intent waits for the person's answer."""
    return bool(machine.those(waiting=True))


def some_are_approved(machine: "Faults") -> bool:
    """Whether there is an intent whose purchase was confirmed."""
    return bool(machine.those(waiting=False))


@dataclass
class Intent:
    """One purchase that a person was asked about, and what was told of it."""

    customer: str
    history: list[dict[str, Any]]
    call: str = ""  # the id of the call that waits, or waited
    approved: bool = False  # the call that is open now
    was_approved: bool = False  # ever
    declined: bool = False
    acknowledged: set[int] = field(default_factory=set)  # numbers of orders that somebody was told
    unknown: bool = False  # the last that was told

    def up_to_the_call(self) -> list[dict[str, Any]]:
        """Return the history until the call was made."""
        made = next(i for i, m in enumerate(self.history) if self.call in json.dumps(m.get("tool_calls")))
        return self.history[: made + 1]


class Faults(RuleBasedStateMachine):
    """People who buy, while everything breaks."""

    chain: Chain
    count = 0  # of intents, over all examples: their customers differ

    def __init__(self) -> None:
        super().__init__()
        self.chain.heal()
        self.before = self.chain.stock()
        self.intents: list[Intent] = []

    def pick(self, number: int, *, waiting: bool) -> Intent:
        """Return one of `those`."""
        found = self.those(waiting=waiting)
        return found[number % len(found)]

    def those(self, *, waiting: bool) -> list[Intent]:
        """Return the intents that wait for an answer, or those that were approved."""
        return [intent for intent in self.intents if not intent.declined and intent.approved != waiting]

    # --- what people do -----------------------------------------------------------------------------------

    @rule(quantity=st.integers(1, 2))
    def ask(self, quantity: int) -> None:
        Faults.count += 1
        customer = f"C{Faults.count}"
        wish = {"customerName": customer, "items": [{"productId": PRODUCT, "quantity": quantity}]}
        intent = Intent(customer, [{"role": "user", "content": json.dumps(wish)}])
        self.turn(intent, intent.history, {})
        assert intent.call, "a purchase waits for the person"
        self.intents.append(intent)

    @precondition(some_wait)
    @rule(number=st.integers(0, 9))
    def approve(self, number: int) -> None:
        intent = self.pick(number, waiting=True)
        self.approve_now(intent)
        assert intent.acknowledged, "nothing was broken, so it was bought"

    @precondition(some_wait)
    @rule(number=st.integers(0, 9))
    def approve_twice_at_once(self, number: int) -> None:
        intent = self.pick(number, waiting=True)
        again = threading.Thread(target=self.approve_now, args=[intent])
        again.start()
        self.approve_now(intent)
        again.join()
        assert len(intent.acknowledged) == 1

    @precondition(some_wait)
    @rule(number=st.integers(0, 9))
    def decline(self, number: int) -> None:
        intent = self.pick(number, waiting=True)
        intent.declined = True
        self.turn(intent, intent.history, {intent.call: False})

    @precondition(some_wait)
    @rule(number=st.integers(0, 9), events=st.integers(0, 4))
    def stop_the_turn(self, number: int, events: int) -> None:
        intent = self.pick(number, waiting=True)
        intent.approved = intent.was_approved = True
        self.turn(intent, intent.history, {intent.call: True}, leave_after=events)

    @precondition(some_are_approved)
    @rule(number=st.integers(0, 9))
    def try_again(self, number: int) -> None:
        """Send the same call again, as the card's button does, whatever was told of it."""
        intent = self.pick(number, waiting=False)
        self.turn(intent, intent.up_to_the_call(), {intent.call: True})
        assert len(intent.acknowledged) == 1, "the shop has one order under this key, old or new"

    @precondition(some_are_approved)
    @rule(number=st.integers(0, 9))
    def repeat_by_key(self, number: int) -> None:
        """Let the model follow the advice that it was given: the same order under the key it was told."""
        intent = self.pick(number, waiting=False)
        if not intent.unknown:
            return
        first = intent.call
        self.turn(intent, [*intent.history, {"role": "user", "content": "repeat"}], {})
        self.turn(intent, intent.history, {intent.call: True})
        intent.call, intent.approved = first, True
        assert len(intent.acknowledged) == 1

    # --- what breaks --------------------------------------------------------------------------------------

    @precondition(some_wait)
    @rule(number=st.integers(0, 9), moment=MOMENTS, way=st.sampled_from(["to_main", "to_api"]))
    def lose_an_answer(self, number: int, moment: Moment, way: str) -> None:
        intent = self.pick(number, waiting=True)
        getattr(self.chain, way).arm(moment)
        self.approve_now(intent)
        self.chain.heal()

    @precondition(some_wait)
    @rule(number=st.integers(0, 9), moment=MOMENTS, service=SERVICES, softly=st.booleans())
    def end_a_service_in_the_middle(self, number: int, moment: Moment, service: str, softly: bool) -> None:
        intent = self.pick(number, waiting=True)
        suite = self.chain.suite
        way = self.chain.to_main if service == "main" else self.chain.to_api
        process = suite.running[service].process
        way.arm(moment, process.terminate if softly else process.kill)
        self.approve_now(intent)
        process.wait(150)
        suite.running.pop(service)
        self.chain.heal()

    @precondition(lambda self: self.intents)
    @rule(service=SERVICES)
    def restart(self, service: str) -> None:
        self.chain.suite.stop(service)
        self.chain.heal()

    # --- how it is seen -----------------------------------------------------------------------------------

    def approve_now(self, intent: Intent) -> None:
        intent.approved = intent.was_approved = True
        with contextlib.suppress(httpx.TransportError):  # web.py itself was ended
            self.turn(intent, intent.history, {intent.call: True})

    def turn(
        self,
        intent: Intent,
        history: list[dict[str, Any]],
        approvals: dict[str, bool],
        leave_after: int | None = None,
    ) -> None:
        """Have one turn as the page does, and keep what was told; leave after so many events."""
        intent.history = list(history)
        body = {"messages": history, "approvals": approvals}
        with (
            httpx.Client(base_url=self.chain.suite.url, timeout=60) as http,
            http.stream("POST", "/api/chat/stream", json=body) as response,
        ):
            assert response.status_code == 200, response.read()
            name, count = "", 0
            for line in response.iter_lines():
                key, _, value = line.partition(": ")
                name = value if key == "event" else name
                if key == "data":
                    self.hear(intent, name, json.loads(value))
                    count += 1
                if leave_after is not None and count > leave_after:
                    return

    def hear(self, intent: Intent, event: str, data: dict[str, Any]) -> None:
        if event == "approval":
            intent.call, intent.approved = data["id"], False
        elif event == "message":
            intent.history.append(data["message"])
        elif event == "tool_result":
            intent.unknown = data["unknown"]
            assert not (data["code"] == "outcome_unknown" and not data["unknown"])
            if not data["isError"]:
                intent.acknowledged.add(json.loads(data["result"].split("\n")[0])["id"])

    def teardown(self) -> None:
        """Compare the shop's books with what was told."""
        self.chain.heal()
        sold = 0
        for intent in self.intents:
            orders = self.chain.orders_of(intent.customer)
            assert len(orders) <= 1, f"{intent.customer} bought {len(orders)} times"
            assert intent.acknowledged <= {order["id"] for order in orders}, "an acknowledged order is lost"
            if not intent.was_approved:
                assert not orders, "bought without a click"
            sold += sum(item["quantity"] for order in orders for item in order["items"])
        assert self.before - self.chain.stock() == sold, "stock and orders disagree"


@pytest.mark.timeout(1800)
def test_no_fault_loses_or_doubles_a_purchase() -> None:
    number = int(os.environ.get("SEED") or secrets.randbelow(2**32))
    print(f"SEED={number}")
    with tempfile.TemporaryDirectory() as folder, Chain(Path(folder)) as chain:
        Faults.chain = chain
        options = settings(
            max_examples=RUNS,
            stateful_step_count=8,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
            phases=[Phase.generate],  # a shrunk example would cost minutes of restarts
            report_multiple_bugs=False,
        )
        run_state_machine_as_test(seed(number)(Faults), settings=options)
