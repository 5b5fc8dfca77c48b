"""A table of growth: one row for each size, one column for each cost."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """What something costs, against how much of it there is."""

    name: str  # of its file, too
    title: str
    size: str
    columns: list[str]
    rows: Sequence[tuple[int, Sequence[float]]]
    drawn: Sequence[str] = ()  # columns in the plot; all when there is none

    def as_markdown(self) -> str:
        """Return the table."""
        head = [f"| {self.size} | {' | '.join(self.columns)} |", "|--:" * (len(self.columns) + 1) + "|"]
        rows = [f"| {size:,} | {' | '.join(map(_figure, costs))} |" for size, costs in self.rows]
        return "\n".join([*head, *rows])

    def lines(self) -> dict[str, list[tuple[float, float]]]:
        """Return the points of each column that is drawn."""
        return {
            column: [(float(size), costs[number]) for size, costs in self.rows if costs[number] > 0]
            for number, column in enumerate(self.columns)
            if column in (self.drawn or self.columns)
        }


def _figure(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.2f}".rstrip("0").rstrip(".")
