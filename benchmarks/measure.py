"""How it is measured: bursts of requests, and the contenders in turns (A B A B …)."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

Call = Callable[[], Awaitable[object]]
Show = Callable[[str], None]
MILLISECOND = 1e-3


@dataclass(frozen=True)
class Sample:
    """One burst: how long each request took, all together, and the services' CPU time, in seconds."""

    each: list[float]
    elapsed: float
    cpu: float = 0.0

    @property
    def median(self) -> float:
        """Return the median of one request, in milliseconds."""
        return statistics.median(self.each) / MILLISECOND

    @property
    def rate(self) -> float:
        """Return requests a second."""
        return len(self.each) / self.elapsed


Burst = Callable[[], Awaitable[Sample]]


class Process(Protocol):
    """What spends CPU time."""

    def cpu(self) -> float:
        """Return the CPU time that it has spent, in seconds."""
        ...


class Here:
    """This process, where the client that is measured runs in it."""

    def cpu(self) -> float:
        """Return the CPU time that it has spent, in seconds."""
        return time.process_time()


class Kept(Protocol):
    """A connection that a server may close while it is another contender's turn."""

    async def keep(self) -> None:
        """Open it again where that has happened."""
        ...


@dataclass(frozen=True)
class Contender:
    """A burst of requests, the processes that answer it, and the connections that it goes over.

    A client whose own CPU time counts, too, has it in its sample.
    """

    burst: Burst
    processes: Sequence[Process]
    connections: Sequence[Kept]

    async def measure(self) -> Sample:
        """Make the burst."""
        for connection in self.connections:
            await connection.keep()
        before = sum(process.cpu() for process in self.processes)
        sample = await self.burst()
        spent = sum(process.cpu() for process in self.processes) - before
        return replace(sample, cpu=sample.cpu + spent)


async def one_by_one(call: Call, count: int) -> Sample:
    """Make so many calls, one after another."""
    return await side_by_side([call], count)


async def side_by_side(calls: Sequence[Call], count: int) -> Sample:
    """Make `count` calls altogether, each of `calls` by itself one after another."""
    each: list[float] = []
    left = iter(range(count))

    async def work(call: Call) -> None:
        for _ in left:
            began = time.perf_counter()
            await call()
            each.append(time.perf_counter() - began)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for call in calls:
            group.create_task(work(call))
    return Sample(each, time.perf_counter() - began)


async def in_turns(contenders: Mapping[str, Contender], rounds: int, show: Show) -> dict[str, list[Sample]]:
    """Measure each contender once a round, so that drift of the machine hits all alike.

    The round before the first only warms up.
    """
    samples: dict[str, list[Sample]] = {name: [] for name in contenders}
    for turn in range(rounds + 1):
        for name, contender in contenders.items():
            show(f"{name}, round {turn}/{rounds}" if turn else f"{name}, warming up")
            sample = await contender.measure()
            if turn:
                samples[name].append(sample)
    return samples


def percentile(values: Sequence[float], percent: int) -> float:
    """Return a percentile of at least one value."""
    if len(values) == 1:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


@dataclass(frozen=True)
class Ratio:
    """How many times better one contender is than another: of each round, then the middle and the ends."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, rounds: Sequence[float]) -> "Ratio":
        """Sum up the rounds."""
        return cls(statistics.median(rounds), min(rounds), max(rounds))
