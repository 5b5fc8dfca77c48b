"""What a part found: what each contender took, and the figures that are held against marks."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from benchmarks.measure import MILLISECOND, Ratio, Sample, percentile

Measured = Mapping[str, Sequence[Sample]]
Unit = Literal["ms", "/s"]
Versions = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Figure:
    """A ratio against somebody, better above 1, or what something takes; of each run its rounds.

    The mark of a ratio is reached from below, that of anything else from above.
    """

    what: str
    runs: list[list[float]]
    mark: float | None = None
    unit: str = "×"
    against: str = ""

    @property
    def found(self) -> Ratio:
        """Return the middle and the ends of all rounds."""
        return Ratio.of([each for rounds in self.runs for each in rounds])

    @property
    def reached(self) -> int:
        """Return in how many of the runs the middle of the rounds is on the right side of the mark."""
        if self.mark is None:
            return 0
        middles = [statistics.median(rounds) for rounds in self.runs]
        return sum(each >= self.mark if self.against else each <= self.mark for each in middles)


@dataclass(frozen=True)
class Result:
    """What one part found.

    Where contenders are compared, ours is the last. `cpu_of` names whose CPU time is in the samples.
    """

    title: str
    figures: list[Figure]
    unit: Unit = "ms"
    measured: Measured = field(default_factory=dict)
    cpu_of: str = ""
    versions: Versions = field(default_factory=dict)  # of peers that have an environment of their own

    def rows(self) -> list[dict[str, Any]]:
        """Return of each contender its median, of one request p95 and CPU time in ms, and ours against it."""
        ratios = {figure.against: figure.found for figure in self.figures}
        return [
            {
                "contender": name,
                "median": percentile([value(sample, self.unit) for sample in samples], 50),
                "p95": percentile([each for sample in samples for each in sample.each], 95) / MILLISECOND,
                "cpu": percentile([cpu(sample) for sample in samples], 50),
                "ratio": ratios.get(name),
            }
            for name, samples in self.measured.items()
        ]

    def as_json(self) -> dict[str, Any]:
        """Return it for a file."""
        figures = [asdict(figure) | {"reached": figure.reached} for figure in self.figures]
        rows = [row | {"ratio": asdict(row["ratio"]) if row["ratio"] else None} for row in self.rows()]
        return {
            "title": self.title,
            "unit": self.unit,
            "cpu of": self.cpu_of,
            "contenders": rows,
            "figures": figures,
            "versions": self.versions,
        }


def value(sample: Sample, unit: Unit) -> float:
    """Return a round's figure: the median time of a request, or the rate."""
    return sample.rate if unit == "/s" else sample.median


def cpu(sample: Sample) -> float:
    """Return the CPU time of one request, in milliseconds."""
    return sample.cpu / len(sample.each) / MILLISECOND


def against_each(
    title: str, unit: Unit, measured: Measured, marks: Mapping[str, float], cpu_of: str
) -> Result:
    """Hold the last contender, ours, against each of the others, each round against the same round."""
    *others, ours = measured
    figures = []
    for name in others:
        pairs = zip(measured[ours], measured[name], strict=True)
        values = [(value(our, unit), value(their, unit)) for our, their in pairs]
        ratios = [our / their if unit == "/s" else their / our for our, their in values]
        figures.append(Figure(title, [ratios], marks.get(name), against=name))
    return Result(title, figures, unit, measured, cpu_of)


def together(runs: Sequence[Result]) -> Result:
    """Return what several runs of one part found, as one."""
    first = runs[0]
    measured = {name: [each for run in runs for each in run.measured[name]] for name in first.measured}
    figures = [
        replace(figure, runs=[rounds for run in runs for rounds in run.figures[at].runs])
        for at, figure in enumerate(first.figures)
    ]
    return replace(first, measured=measured, figures=figures)


def table(head: str, rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown, none without rows; `head` has `>` before the names of numbers."""
    if not rows:
        return ""
    names = head.split(" | ")
    rule = "|".join("--:" if name.startswith(">") else "---" for name in names)
    lines = [" | ".join(name.removeprefix(">") for name in names), *(" | ".join(row) for row in rows)]
    first, *rest = (f"| {line} |" for line in lines)
    return "\n".join([first, f"|{rule}|", *rest])


def ratios(results: Sequence[Result]) -> str:
    """Return the table of what is faster than what."""
    rows, before = [], ""
    for figure in (figure for result in results for figure in result.figures if figure.against):
        found = figure.found
        clear = "faster" if found.low > 1 else "**slower**" if found.high < 1 else "within the spread"
        what = "" if figure.what == before else figure.what
        before = figure.what
        rows.append([what, figure.against, *_found(figure), clear, _mark(figure)])
    return table("what | against | >ratio | ends | ours is | mark", rows)


def takings(results: Sequence[Result]) -> str:
    """Return the table of what no ratio against another says."""
    figures = [figure for result in results for figure in result.figures if not figure.against]
    return table(
        "what | >found | ends | mark", [[figure.what, *_found(figure), _mark(figure)] for figure in figures]
    )


def contenders(results: Sequence[Result]) -> str:
    """Return the table of what each contender took."""
    rows = []
    for result in results:
        title, whose = result.title, result.cpu_of
        for row in result.rows():
            ratio = f"{row['ratio'].middle:.2f} ×" if row["ratio"] else ""
            median = f"{_number(row['median'])} {result.unit}"
            rows.append(
                [title, row["contender"], median, ratio, f"{row['p95']:.1f}", f"{row['cpu']:.2f}", whose]
            )
            title = whose = ""
    return table(
        "part | contender | >median | >ours against it | >p95 of one, ms | >CPU of one, ms | CPU of whom",
        rows,
    )


def _found(figure: Figure) -> list[str]:
    found = figure.found
    return [f"{_number(found.middle)} {figure.unit}", f"{_number(found.low)} to {_number(found.high)}"]


def _mark(figure: Figure) -> str:
    if figure.mark is None:
        return ""
    sign, runs = "≥" if figure.against else "≤", len(figure.runs)
    if runs == 1:
        reached = "reached" if figure.reached else "**not reached**"
    else:
        reached = f"reached in {figure.reached} of {runs}"
        reached = reached if figure.reached == runs else f"**{reached}**"
    return f"{sign} {figure.mark:g} {figure.unit}: {reached}"


def _number(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.2f}"
