"""How much memory and how many files the services of a soak hold, and whether it stays so."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.services import Service

# main.py keeps what it sent for 15, web.py what calls came to for 10 and 2,000 calls that write.
SETTLED_MINUTES = 16.0
LEAST_MINUTES = 8.0  # to judge by
FLAT = 0.1  # MiB a minute, of the straight line through all that was seen
MORE_FILES = 16  # than at its first look: connections that are kept


@dataclass
class Process:
    """What one process held, at each look."""

    name: str
    minutes: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)  # MiB
    files: list[int] = field(default_factory=list)

    @property
    def growth(self) -> float | None:
        """Return by how many MiB a minute it grew once settled; None where that was too short."""
        late = [at for at, minute in enumerate(self.minutes) if minute - self.minutes[0] >= SETTLED_MINUTES]
        if not late or self.minutes[-1] - self.minutes[late[0]] < LEAST_MINUTES:
            return None
        minutes, memory = ([each[at] for at in late] for each in (self.minutes, self.memory))
        return statistics.linear_regression(minutes, memory).slope


@dataclass
class Held:
    """What each process held that ran."""

    processes: dict[int, Process] = field(default_factory=dict)  # by id

    def look(self, minute: float, services: Iterable[Service]) -> str:
        """Look at each, and return it in a line, with what else the machine has to do."""
        said = [f"load {Path('/proc/loadavg').read_text().split()[0]}"]
        for service in services:
            name = f"{service.name} {service.port}"
            process = self.processes.setdefault(service.process.pid, Process(name))
            process.minutes.append(minute)
            process.memory.append(service.memory())
            process.files.append(service.sockets())
            said.append(f"{service.name} {process.memory[-1]:.1f} MiB {process.files[-1]} files")
        return "  ".join(said)

    def is_judged(self, services: Sequence[Service]) -> bool:
        """Say whether one of each service ran long enough for that."""
        judged = {each.name for each in services if self.processes[each.process.pid].growth is not None}
        return judged == {each.name for each in services}

    def faults(self, services: Iterable[Service]) -> list[str]:
        """Print how each that still runs has grown, and return what is more than it may be."""
        wrong = []
        for service in services:
            it = self.processes[service.process.pid]
            grown, more = it.growth, it.files[-1] - it.files[0]
            by = "too short to be judged" if grown is None else f"{grown:+.3f} MiB a minute once settled"
            run = it.minutes[-1] - it.minutes[0]
            print(
                f"{it.name}, {run:.1f} min: {it.memory[0]:.1f} → {it.memory[-1]:.1f} MiB, {by};"
                f" {it.files[0]} → {it.files[-1]} files"
            )
            if grown is not None and grown > FLAT:
                wrong.append(f"{it.name} grows by {grown:.3f} MiB a minute, more than {FLAT}")
            if more > MORE_FILES:
                wrong.append(f"{it.name} holds {more} files more than at first")
        return wrong
