"""What a part found: a line for each contender, and whether the goals are reached."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from benchmarks.measure import MILLISECOND, Ratio, Sample, percentile

Measured = Mapping[str, Sequence[Sample]]
Unit = Literal["ms", "/s", "s"]


@dataclass(frozen=True)
class Line:
    """One contender: its median, how much better than the first is; of one request p95 and CPU time in ms."""

    contender: str
    median: float
    p95: float
    cpu: float
    ratio: Ratio


@dataclass(frozen=True)
class Goal:
    """A figure to reach: at least so many times better than another, or at most so much."""

    what: str
    found: Ratio
    bound: float
    at_most: bool = False
    unit: str = "×"

    @property
    def reached(self) -> bool:
        """Tell whether the middle of the rounds is on the right side of the bound."""
        return self.found.middle <= self.bound if self.at_most else self.found.middle >= self.bound


@dataclass(frozen=True)
class Result:
    """What one part found."""

    title: str
    unit: Unit
    lines: list[Line]
    goals: list[Goal]

    def as_json(self) -> dict[str, Any]:
        """Return it for a file."""
        goals = [asdict(goal) | {"reached": goal.reached} for goal in self.goals]
        return {"title": self.title, "unit": self.unit, "lines": [asdict(line) for line in self.lines]} | {
            "goals": goals
        }


def value(sample: Sample, unit: Unit) -> float:
    """Return a round's figure: the median time of a request, or the rate."""
    return sample.rate if unit == "/s" else sample.median * (MILLISECOND if unit == "s" else 1)


def better(ours: Sequence[Sample], theirs: Sequence[Sample], unit: Unit) -> Ratio:
    """Return how many times better the first is, each round against the same round of the second."""
    pairs = [(value(a, unit), value(b, unit)) for a, b in zip(ours, theirs, strict=True)]
    return Ratio.of([a / b if unit == "/s" else b / a for a, b in pairs])


def result(title: str, unit: Unit, measured: Measured, goals: Sequence[Goal] = ()) -> Result:
    """Sum up a part; the first contender is what the others are compared with."""
    base = next(iter(measured.values()))
    lines = [
        Line(
            name,
            percentile([value(sample, unit) for sample in samples], 50),
            percentile([each for sample in samples for each in sample.each], 95) / MILLISECOND,
            percentile([sample.cpu / len(sample.each) / MILLISECOND for sample in samples], 50),
            better(samples, base, unit),
        )
        for name, samples in measured.items()
    ]
    return Result(title, unit, lines, list(goals))


def as_text(results: Sequence[Result]) -> str:
    """Return the table as Markdown, which also reads well in a terminal."""
    rows = [
        "| part | contender | median | ratio | spread | p95 of one, ms | CPU of one, ms |",
        "|---|---|--:|--:|---|--:|--:|",
    ]
    for found in results:
        title = found.title
        for line in found.lines:
            ratio, shown = line.ratio, _figure(line.median, found.unit)
            spread = f"{ratio.low:.2f} to {ratio.high:.2f}"
            rows.append(
                f"| {title} | {line.contender} | {shown} | {ratio.middle:.2f} × | {spread} "
                f"| {line.p95:.1f} | {line.cpu:.2f} |"
            )
            title = ""
    rows += ["", "| to reach | bound | found | spread | |", "|---|--:|--:|---|---|"]
    for goal in (goal for found in results for goal in found.goals):
        sign, mark = "≤" if goal.at_most else "≥", "reached" if goal.reached else "**not reached**"
        ratio = goal.found
        rows.append(
            f"| {goal.what} | {sign} {goal.bound:g} {goal.unit} | {ratio.middle:.2f} {goal.unit} "
            f"| {ratio.low:.2f} to {ratio.high:.2f} | {mark} |"
        )
    return "\n".join(rows)


def _figure(number: float, unit: Unit) -> str:
    return f"{number:,.0f} {unit}" if number >= 100 else f"{number:.2f} {unit}"
