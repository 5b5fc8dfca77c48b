"""What people would pick instead, on the same MCP server: other Python clients, and mcpo beside `web.py`.

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
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measure import Contender, Sample, Show, in_turns
from benchmarks.results import Result, against_each
from benchmarks.services import NotUpError, Stage, free_port
from benchmarks.tool_call import ALL_THREE, CALL, TOOL, posts

PEERS: dict[str, Any] = tomllib.loads(
    Path(__file__).with_name("contenders").joinpath("peers.toml").read_text(encoding="utf-8")
)
PROGRAM = (
    "import asyncio, json, sys\nfrom benchmarks.contenders.pace import pace\n{client}\nasyncio.run(main())\n"
)
ROUNDS = 7
CALLS = {"FastMCP 4": 60, "openai-agents": 60, "LangChain": 10, "ours": 60}  # a round
OTHERS = {"FastMCP 4": "fastmcp", "openai-agents": "openai_agents", "LangChain": "langchain"}
MCPO_CALLS = 60  # a round
MCPO_MARKS = {"mcpo": 2.0}
NO_SLOWER = 1.0
TOLD = {"mcp", "fastapi", "starlette", "uvicorn", "httpx", "httpx2", "pydantic"}  # besides what was asked for
LINE_BYTES = 1_000_000  # of an answer: so many times of calls


@dataclass(frozen=True)
class Installed:
    """An environment that holds a peer alone."""

    home: Path
    versions: dict[str, str]  # of the packages that its figures depend on most

    def program(self, name: str) -> str:
        """Return where one of its programs is."""
        return str(self.home / "bin" / name)


async def installed(name: str, stage: Stage, show: Show) -> Installed:
    """Install a peer in an environment of its own."""
    show(f"installing {name}")
    return await asyncio.to_thread(_installed, name, stage.folder)


def _installed(name: str, folder: Path) -> Installed:
    uv = shutil.which("uv")
    if uv is None:
        raise FileNotFoundError("uv")
    home, wanted = folder / name, PEERS[name]["packages"]
    at = ["--no-config", "--python", str(home)]
    subprocess.run([uv, "venv", "--quiet", "--no-config", "--python", sys.executable, str(home)], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", *at, *wanted], check=True)
    found = subprocess.run([uv, "pip", "list", "--format", "json", *at], check=True, capture_output=True)
    told = TOLD | {package.split("==")[0].split("[")[0] for package in wanted}
    packages = {package["name"]: package["version"] for package in json.loads(found.stdout)}
    return Installed(home, {package: version for package, version in packages.items() if package in told})


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
    peers, versions = {}, {}
    async with AsyncExitStack() as stack:
        for name, package in OTHERS.items():
            theirs = await installed(package, stage, show)
            versions[name] = theirs.versions
            program = PROGRAM.format(client=PEERS[package]["client"])
            command = (theirs.program("python"), "-c", program, url)
            peers[name] = await stack.enter_async_context(running(stage, package, *command))
        peers["ours"] = await stack.enter_async_context(
            running(stage, "ours", sys.executable, "-m", "benchmarks.contenders.our_toolbox", config)
        )
        contenders = {
            name: Contender(partial(peer.burst, CALLS[name]), [api, mcp], []) for name, peer in peers.items()
        }
        measured = await in_turns(contenders, ROUNDS, show)
    marks = dict.fromkeys(OTHERS, NO_SLOWER)
    found = against_each(
        "tool call from Python, client to database", "ms", measured, marks, "client and servers"
    )
    return replace(found, versions=versions)


async def measure_mcpo(stage: Stage, show: Show) -> Result:
    """Measure one tool call over HTTP after another: through mcpo, and through `web.py`."""
    api = await stage.api()
    mcp = await stage.mcp(api)
    web = await stage.web(mcp)
    theirs = await installed("mcpo", stage, show)
    port = free_port()
    args = ["--host", "127.0.0.1", "--port", str(port), "--server-type", "streamable-http"]
    command = [theirs.program("mcpo"), *args, "--", f"{mcp.url}/mcp"]
    mcpo = stage.start(*command, name="mcpo", port=port, python=theirs.program("python"))
    await mcpo.until_up(f"/{TOOL}")
    contenders = {
        "mcpo": await posts([api, mcp, mcpo], f"/{TOOL}", {}, MCPO_CALLS),
        "ours": await posts([api, mcp, web], "/api/call-tool", CALL, MCPO_CALLS),
    }
    measured = await in_turns(contenders, ROUNDS, show)
    found = against_each("tool call by POST, on the same MCP server", "ms", measured, MCPO_MARKS, ALL_THREE)
    return replace(found, versions={"mcpo": theirs.versions})
