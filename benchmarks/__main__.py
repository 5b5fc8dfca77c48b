"""Runs the parts: `uv run python -m benchmarks [PART …] [--runs N] [--json FILE] [--pages]`."""

import argparse
import json
import sys
import tempfile
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from benchmarks import (
    chat_turn,
    flood,
    idle,
    mcp_calls,
    page,
    page_files,
    peers,
    rest,
    start_up,
    streamed,
    tool_call,
)
from benchmarks.measure import Show
from benchmarks.pages import fill
from benchmarks.results import Result, contenders, ratios, takings, together
from benchmarks.run import Run
from benchmarks.services import Stage, stage

PARTS: dict[str, Callable[[Stage, Show], Awaitable[Result]]] = {
    "clients": peers.measure_clients,
    "mcpo": peers.measure_mcpo,
    "mcp": mcp_calls.measure,
    "mcp-bare": mcp_calls.measure_bare,
    "mcp-handshake": mcp_calls.measure_handshake,
    "tool-call": tool_call.measure,
    "tool-client": tool_call.measure_client,
    "chat-turn": chat_turn.measure,
    "products": rest.measure_products,
    "purchase": rest.measure_purchase,
    "page-files": page_files.measure,
    "streamed": streamed.measure,
    "flood": flood.measure,
    "orders": rest.measure_orders,
    "search": rest.measure_search,
    "start": start_up.measure,
    "page": page.measure,
    "idle": idle.measure,
}


def progress(what: str) -> Show:
    """Return what shows on a terminal, in one line, how far a part is."""
    line = "\r\033[K" if sys.stderr.isatty() else "\n"
    return lambda step: print(f"{line}{what}: {step}", end="", file=sys.stderr, flush=True)


async def run(names: list[str], runs: int) -> tuple[list[Result], list[str]]:
    """Run the parts one after another, so many times, each with services and a folder of its own.

    Returns the results of those that did not fail, and the names of those that did; their tracebacks are
    printed, and the minutes that the others took are not lost.
    """
    found: dict[str, list[Result]] = {name: [] for name in names}
    failed = []
    for number in range(1, runs + 1):
        for name in names:
            show = progress(name if runs == 1 else f"run {number}/{runs}, {name}")
            try:
                with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder, stage(Path(folder)) as it:
                    found[name].append(await PARTS[name](it, show))
            except Exception:  # noqa: BLE001  the outer edge of a part
                traceback.print_exc()
                failed.append(name)
    return [together(results) for results in found.values() if results], failed


def main() -> None:
    """Read the command line, run, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("part", nargs="*", help=f"one of {', '.join(PARTS)}; all when none is named")
    parser.add_argument("--runs", type=int, default=1, metavar="N", help="measure everything so many times")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--pages", action="store_true", help="write the tables into the project's two pages")
    given = parser.parse_args()
    if unknown := set(given.part) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if given.part and given.pages:
        parser.error("the pages hold all parts: name none with --pages")
    it = Run.begin(given.runs)
    results, failed = uvloop.run(run(given.part or list(PARTS), given.runs))
    about = it.end(results)
    tables = {"ratios": ratios(results), "takings": takings(results), "contenders": contenders(results)}
    print("\n", *filter(None, tables.values()), about.text(), sep="\n\n", flush=True)
    if given.json:
        found = about.as_json() | {"results": [result.as_json() for result in results]}
        given.json.write_text(json.dumps(found, ensure_ascii=False, indent=2) + "\n")
    if given.pages and not failed:
        fill(tables | {"run": about.text()})
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
