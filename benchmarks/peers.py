"""What people would pick instead, on the same MCP server: other Python clients, and mcpo before `web.py`.

Each is installed in an environment of its own (`contenders/peers.toml`).
"""

import asyncio
import json
import shutil
import subprocess
import sys
import tomllib
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measure import Contender, Sample, Show, in_turns
from benchmarks.results import Goal, Result, better, result
from benchmarks.services import NotUpError, Stage, free_port
from benchmarks.tool_call import CALL, TOOL, posts

PEERS: dict[str, Any] = tomllib.loads(
    Path(__file__).with_name("contenders").joinpath("peers.toml").read_text(encoding="utf-8")
)
PROGRAM = (
    "import asyncio, json, sys\nfrom benchmarks.contenders.pace import pace\n{client}\nasyncio.run(main())\n"
)
ROUNDS = 7
CALLS = {"ours": 60, "FastMCP 4": 60, "openai-agents": 60, "LangChain": 10}  # a round
OTHERS = {"FastMCP 4": "fastmcp", "openai-agents": "openai_agents", "LangChain": "langchain"}
MCPO_CALLS = 60  # a round
MCPO_GOAL = 2.0
NO_SLOWER = 1.0
LINE_BYTES = 1_000_000  # of an answer: so many times of calls


def installed(name: str, folder: Path) -> Path:
    """Return the folder with the programs of an environment that holds a peer alone."""
    uv = shutil.which("uv")
    if uv is None:
        raise FileNotFoundError("uv")
    home = folder / name
    make = ["venv", "--quiet", "--no-config", "--python", sys.executable, str(home)]
    fill = ["pip", "install", "--quiet", "--no-config", "--python", str(home), *PEERS[name]["packages"]]
    for command in (make, fill):
        subprocess.run([uv, *command], check=True)
    return home / "bin"


@dataclass(frozen=True)
class Peer:
    """A client in a process of its own, which makes as many calls as it is told."""

    process: Process

    async def burst(self, count: int) -> Sample:
        """Let it make so many calls, one after another; its own CPU time is in the sample."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{count}\n".encode())
        return Sample(**json.loads(await self.answer()))

    async def answer(self) -> bytes:
        """Read its next line; none where it has ended."""
        assert self.process.stdout is not None
        return await self.process.stdout.readline()


@asynccontextmanager
async def running(stage: Stage, name: str, python: str, *command: str) -> AsyncIterator[Peer]:
    """Start a client and wait until it has called once."""
    log = stage.folder / f"{name}.log"
    with log.open("wb") as told:
        process = await asyncio.create_subprocess_exec(
            python, *command, env=stage.environment(), stdin=PIPE, stdout=PIPE, stderr=told, limit=LINE_BYTES
        )
    try:
        peer = Peer(process)
        if not await peer.answer():
            raise NotUpError(f"{name}: {log.read_text()}")
        yield peer
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def measure_clients(stage: Stage, show: Show) -> Result:
    """Measure one tool call after another, by the clients that Python programs use."""
    api = await stage.api()
    mcp = await stage.mcp(api)
    config = stage.web_settings(mcp)["MCP_CONFIG_PATH"]
    url = f"{mcp.url}/mcp"
    async with AsyncExitStack() as stack:
        show("installing the others")
        peers = {
            "ours": await stack.enter_async_context(
                running(stage, "ours", sys.executable, "-m", "benchmarks.contenders.our_toolbox", config)
            )
        }
        for name, package in OTHERS.items():
            programs = await asyncio.to_thread(installed, package, stage.folder)
            program = PROGRAM.format(client=PEERS[package]["client"])
            command = (str(programs / "python"), "-c", program, url)
            peers[name] = await stack.enter_async_context(running(stage, package, *command))
        contenders = {
            name: Contender(partial(peer.burst, CALLS[name]), [api, mcp], []) for name, peer in peers.items()
        }
        measured = await in_turns(contenders, ROUNDS, show)
    goals = [
        Goal(f"a tool call from Python, against {name}", better(measured["ours"], samples, "ms"), NO_SLOWER)
        for name, samples in measured.items()
        if name != "ours"
    ]
    return result("tool call from Python, client to database", "ms", measured, goals)


async def measure_mcpo(stage: Stage, show: Show) -> Result:
    """Measure one tool call over HTTP after another: through mcpo, and through `web.py`."""
    api = await stage.api()
    mcp = await stage.mcp(api)
    web = await stage.web(mcp)
    show("installing mcpo")
    programs = await asyncio.to_thread(installed, "mcpo", stage.folder)
    port = free_port()
    args = ["--host", "127.0.0.1", "--port", str(port), "--server-type", "streamable-http"]
    command = [str(programs / "mcpo"), *args, "--", f"{mcp.url}/mcp"]
    mcpo = stage.start(*command, name="mcpo", port=port, python=str(programs / "python"))
    await mcpo.until_up(f"/{TOOL}")
    contenders = {
        "mcpo": await posts([api, mcp, mcpo], f"/{TOOL}", {}, MCPO_CALLS),
        "ours": await posts([api, mcp, web], "/api/call-tool", CALL, MCPO_CALLS),
    }
    measured = await in_turns(contenders, ROUNDS, show)
    goal = Goal(
        "a tool call by POST, against mcpo", better(measured["ours"], measured["mcpo"], "ms"), MCPO_GOAL
    )
    return result("tool call by POST, on the same MCP server", "ms", measured, [goal])
