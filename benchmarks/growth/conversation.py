"""Cost against the length of the conversation that a question comes with."""

import json
from functools import partial
from typing import Any

from benchmarks.growth.table import Table
from benchmarks.measure import MILLISECOND, Contender, Show, in_turns, one_by_one
from benchmarks.results import value
from benchmarks.services import Service, Stage
from benchmarks.tool_call import ours
from benchmarks.wire import Connection, request

SIZES = (1, 10, 100, 500, 2_000)
ROUNDS = 3
TURNS = 5  # a round
QUESTION = {"role": "user", "content": "有哪些商品？"}
KIB = 1024


async def _turn(web: Service) -> list[dict[str, Any]]:
    """Return the messages that one turn leaves: question, call, result, answer."""
    async with Connection.opened(web.address) as connection:
        answer = await connection.ask("POST", "/api/chat/stream", {"messages": [QUESTION]})
    events = answer.body.decode().replace("\r\n", "\n").split("\n\n")
    parts = [dict(line.split(": ", 1) for line in event.split("\n") if ": " in line) for event in events]
    added = [json.loads(part["data"])["message"] for part in parts if part.get("event") == "message"]
    return [QUESTION, *added]


def _history(turn: list[dict[str, Any]], size: int) -> list[dict[str, Any]]:
    """Repeat a turn until the conversation has so many messages, the newest of them a question."""
    text = json.dumps(turn)
    messages: list[dict[str, Any]] = []
    while len(messages) < size - 1:
        # Each repetition has ids of its own, as in a conversation that went on.
        messages += json.loads(text.replace("call_", f"call_{len(messages):04}"))
    return [*messages[: (size - 1) // len(turn) * len(turn)], QUESTION]


async def measure(stage: Stage, show: Show) -> Table:
    """Measure a turn of the demo model, and what of it the browser's back end spends."""
    *_, web = await ours(stage)
    turn = await _turn(web)
    contenders, sizes = {}, {}
    for size in SIZES:
        connection = await Connection.open(web.address)
        data = request(web.address, "POST", "/api/chat/stream", {"messages": _history(turn, size)})
        sizes[size] = len(data) / KIB

        async def call(connection: Connection = connection, data: bytes = data) -> None:
            answer = await connection.send(data)
            assert b'"reason": "stop"' in answer.body, answer.body[-500:]

        contenders[str(size)] = Contender(partial(one_by_one, call, TURNS), [web], [connection])
    measured = await in_turns(contenders, ROUNDS, show)
    rows = []
    for size, samples in zip(SIZES, measured.values(), strict=True):
        await contenders[str(size)].measure()  # once more, alone: what it needs is there
        median = sorted(value(sample, "ms") for sample in samples)[ROUNDS // 2]
        cpu = sorted(sample.cpu / len(sample.each) for sample in samples)[ROUNDS // 2] / MILLISECOND
        rows.append((size, [median, cpu, sizes[size], web.memory()]))
    columns = ["turn, ms", "CPU of web.py, ms", "request, KiB", "memory after, MiB"]
    return Table("conversation", "Messages in the conversation", "messages", columns, rows, columns[:2])
