"""From the one command to a page with its tools."""

import os
import secrets
import sys
import time

from benchmarks.measure import Show
from benchmarks.results import Figure, Result
from benchmarks.services import ROOT, Stage, free_port, until_tools
from benchmarks.wire import Connection

ROUNDS = 3
MARK_SECONDS = 2.0


def _settings(stage: Stage, api: int, mcp: int, web: int) -> dict[str, str]:
    folder = stage.folder / secrets.token_hex(4)
    folder.mkdir()
    config = folder / "mcp.json"
    config.write_text(f'{{"mcpServers": {{"product-mcp": {{"url": "http://127.0.0.1:{mcp}/mcp"}}}}}}')
    return {
        "API_PORT": str(api),
        "MCP_PORT": str(mcp),
        "WEB_PORT": str(web),
        "API_URL": f"http://127.0.0.1:{api}/api",
        "MCP_CONFIG_PATH": str(config),
        "DATABASE_URL": f"sqlite:///{folder / 'shop.db'}",
        "WEB_SECRET": secrets.token_hex(16),
        "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]]),
    }


async def _start(stage: Stage) -> float:
    """Start everything as the Procfile says, end it, and return the seconds until the tools were listed."""
    api, mcp, web = free_port(), free_port(), free_port()
    began = time.perf_counter()
    everything = stage.start(
        "-m",
        "honcho",
        "start",
        name="honcho",
        port=web,
        cwd=ROOT,  # as the Procfile's commands want it
        env=_settings(stage, api, mcp, web),
    )
    try:
        await everything.until_up("/")
        async with Connection.opened(everything.address) as connection:
            await connection.ask("GET", "/")
        await until_tools(everything)
        return time.perf_counter() - began
    finally:
        everything.stop()


async def measure(stage: Stage, show: Show) -> Result:
    """Measure a start with an empty database, the packages installed."""
    seconds = []
    for turn in range(ROUNDS + 1):  # the first may have to compile what has changed
        show(f"start {turn}/{ROUNDS}")
        seconds.append(await _start(stage))
    del seconds[0]
    figure = Figure("from the one command to a page with its tools", [seconds], MARK_SECONDS, "s")
    return Result("start of all three services", [figure])
