"""The figures that the project tells of itself: which way round they are, and where they stand."""

import re

import pytest

from benchmarks import pages
from benchmarks.measure import Sample
from benchmarks.results import Figure, Result, against_each, contenders, ratios, takings, together


def rounds(*seconds: float) -> list[Sample]:
    """Rounds of one request each."""
    return [Sample([each], each, cpu=0.001) for each in seconds]


@pytest.mark.parametrize("unit", ["ms", "/s"])
def test_a_ratio_above_1_says_that_ours_takes_less_in_the_same_round(unit: str) -> None:
    measured = {"theirs": rounds(0.2, 0.9, 0.4), "ours": rounds(0.1, 0.3, 0.4)}
    result = against_each("a call", unit, measured, {"theirs": 2.5}, "client")  # type: ignore[arg-type]
    assert ratios([result]).splitlines() == [
        "| what | against | ratio | ends | ours is | mark |",
        "|---|---|--:|---|---|---|",
        "| a call | theirs | 2.00 × | 1.00 to 3.00 | within the spread | ≥ 2.5 ×: **not reached** |",
    ]


def test_a_mark_is_held_against_each_run() -> None:
    figures = [
        Figure("ready", [times], 300, "ms") for times in ([200.0, 290.0, 900.0], [100.0, 310.0, 320.0])
    ]
    (figure,) = together([Result("page", [each]) for each in figures]).figures
    assert figure.reached == 1
    row = "| ready | 300 ms | 100 to 900 | ≤ 300 ms: **reached in 1 of 2** |"
    assert takings([Result("page", [figure])]).splitlines()[-1] == row


def test_only_what_was_measured_is_told() -> None:
    start = Result("start", [Figure("start", [[1.5]], 3, "s")])
    assert (contenders([start]), ratios([start])) == ("", "")


def test_the_pages_have_a_place_for_each_table() -> None:
    places = [re.findall(r"<!-- (\w+) -->", page.read_text(encoding="utf-8")) for page in pages.PAGES]
    assert places == [
        ["ratios", "end", "takings", "end", "run", "end"],
        ["contenders", "end", "run", "end"],
    ]
