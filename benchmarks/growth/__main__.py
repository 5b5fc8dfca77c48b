"""Runs the growth tables: `python -m benchmarks.growth [PART …] [--plots FOLDER]`."""

import argparse
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from benchmarks.__main__ import progress
from benchmarks.growth import changes, chats, clients, conversation, orders, pages, products, servers
from benchmarks.growth.plot import plot
from benchmarks.growth.table import Table
from benchmarks.measure import Show
from benchmarks.services import Stage, stage

PARTS: dict[str, Callable[[Stage, Show], Awaitable[Table | list[Table]]]] = {
    "orders": orders.measure,
    "products": products.measure,
    "changes": changes.measure,
    "chats": chats.measure,
    "clients": clients.measure,
    "conversation": conversation.measure,
    "pages": pages.measure,
    "servers": servers.measure,
}


async def run(names: list[str], plots: Path | None) -> None:
    """Run the parts, print each table as it is there, and draw it."""
    for name in names:
        with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder, stage(Path(folder)) as services:
            found = await PARTS[name](services, progress(name))
        for table in found if isinstance(found, list) else [found]:
            print(f"\n\n### {table.title}\n\n{table.as_markdown()}", flush=True)
            if plots is not None:
                picture = plot(table.title, table.size, table.lines())
                (plots / f"{table.name}.svg").write_text(picture)


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("part", nargs="*", help=f"one of {', '.join(PARTS)}; all when none is named")
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="write an SVG for each table there")
    given = parser.parse_args()
    if unknown := set(given.part) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    uvloop.run(run(given.part or list(PARTS), given.plots))


if __name__ == "__main__":
    main()
