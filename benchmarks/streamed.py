"""What the page asks of `web.py`: the CPU time of a streamed turn, and of a purchase that is confirmed."""

import json
from functools import partial
from typing import Any

from benchmarks.measure import Contender, Show, in_turns, one_by_one
from benchmarks.results import Figure, Result, cpu
from benchmarks.services import Stage
from benchmarks.tool_call import ours
from benchmarks.wire import Connection

ROUNDS = 5
TURNS, PURCHASES = 60, 30  # a round
QUESTION, ORDER = "有哪些商品？", "给小明买2个无线蓝牙耳机"
TURN, PURCHASE = "a streamed turn with one call", "a confirmed purchase with its look-ups"
MARKS_MS = {TURN: 4.0, PURCHASE: 10.0}

Events = list[tuple[str, Any]]


async def stream(connection: Connection, messages: list[Any], **more: Any) -> Events:
    """Send a conversation as the page does, and return the events to the end."""
    answer = await connection.ask("POST", "/api/chat/stream", {"messages": messages, **more})
    blocks = [block.split("\n") for block in answer.body.decode().split("\n\n")]
    fields = [dict(line.split(": ", 1) for line in block if ": " in line) for block in blocks]
    return [(event["event"], json.loads(event["data"])) for event in fields if "data" in event]


async def turn(connection: Connection) -> None:
    """Ask what there is."""
    told = await stream(connection, [{"role": "user", "content": QUESTION}])
    assert told[-1] == ("done", {"reason": "stop"}), told[-1]
    assert [name for name, _ in told].count("tool_result") == 1, told


async def purchase(connection: Connection) -> None:
    """Order in a sentence, and say yes to the call that the model proposes."""
    messages = [{"role": "user", "content": ORDER}]
    told = await stream(connection, messages)
    asked = {data["id"]: True for name, data in told if name == "approval"}
    assert asked, told
    messages += [data["message"] for name, data in told if name == "message"]
    told = await stream(connection, messages, approvals=asked)
    results = [data for name, data in told if name == "tool_result"]
    assert told[-1] == ("done", {"reason": "stop"}), told[-1]
    assert not any(result["isError"] for result in results), results
    assert "placed" in results[0]["result"], results


async def measure(stage: Stage, show: Show) -> Result:
    """Measure both with the demo model over the real services, one after another."""
    services = await ours(stage)
    connection = await Connection.open(services[-1].address)
    contenders = {
        TURN: Contender(lambda: one_by_one(partial(turn, connection), TURNS), [services[-1]], [connection]),
        PURCHASE: Contender(
            lambda: one_by_one(partial(purchase, connection), PURCHASES), [services[-1]], [connection]
        ),
    }
    measured = await in_turns(contenders, ROUNDS, show)
    figures = [
        Figure(f"CPU of web.py: {name}", [[cpu(each) for each in samples]], MARKS_MS[name], "ms")
        for name, samples in measured.items()
    ]
    return Result("with the demo model", figures, "ms", measured, "web.py")
