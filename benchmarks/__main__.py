"""Runs the parts: `uv run --group bench python -m benchmarks [PART …] [--json FILE]`."""

import argparse
import importlib.metadata
import json
import os
import platform
import sys
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import chat_turn, flood, idle, mcp_calls, page, page_files, peers, rest, start_up, tool_call
from benchmarks.measure import Show
from benchmarks.results import Result, as_text
from benchmarks.services import Stage, stage

PARTS: dict[str, Callable[[Stage, Show], Awaitable[Result]]] = {
    "tool-call": tool_call.measure,
    "tool-client": tool_call.measure_client,
    "clients": peers.measure_clients,
    "mcpo": peers.measure_mcpo,
    "chat-turn": chat_turn.measure,
    "flood": flood.measure,
    "mcp": mcp_calls.measure,
    "mcp-bare": mcp_calls.measure_bare,
    "mcp-handshake": mcp_calls.measure_handshake,
    "products": rest.measure_products,
    "purchase": rest.measure_purchase,
    "orders": rest.measure_orders,
    "start": start_up.measure,
    "page": page.measure,
    "page-files": page_files.measure,
    "idle": idle.measure,
}
PACKAGES = ("mcp", "fastmcp", "fastapi", "uvicorn", "uvloop", "httptools", "pydantic", "httpx", "aiohttp")


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    if sys.platform == "win32":
        raise NotImplementedError
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "load before": os.getloadavg()[0],
        "versions": {package: importlib.metadata.version(package) for package in PACKAGES},
    }


def progress(part: str) -> Show:
    """Return what shows on a terminal, in one line, how far a part is."""
    line = "\r\033[K" if sys.stderr.isatty() else "\n"
    return lambda what: print(f"{line}{part}: {what}", end="", file=sys.stderr, flush=True)


async def run(names: list[str]) -> tuple[list[Result], list[str]]:
    """Run the parts one after another, each with services and a folder of its own.

    Returns the results, and the names of the parts that failed; their tracebacks are printed, and the minutes
    that the others took are not lost.
    """
    results, failed = [], []
    for name in names:
        try:
            with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder, stage(Path(folder)) as services:
                results.append(await PARTS[name](services, progress(name)))
        except Exception:  # noqa: BLE001  the outer edge of a part
            traceback.print_exc()
            failed.append(name)
    return results, failed


def main() -> None:
    """Read the command line, run, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("part", nargs="*", help=f"one of {', '.join(PARTS)}; all when none is named")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args()
    if unknown := set(given.part) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    about, began = machine(), time.monotonic()
    results, failed = uvloop.run(run(given.part or list(PARTS)))
    print(f"\n\n{as_text(results)}\n\n{time.monotonic() - began:.0f} s", flush=True)
    if given.json:
        found = about | {"results": [result.as_json() for result in results]}
        given.json.write_text(json.dumps(found, ensure_ascii=False, indent=2) + "\n")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
