"""The wheel and the sdist, installed into an empty environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from anyio.to_thread import run_sync
from mcp.client import Client

if TYPE_CHECKING:
    from weather.tests.conftest import Start

PACKAGE = Path(__file__).parent.parent


def run(*command: str | Path) -> str:
    done = subprocess.run(
        command,
        cwd=PACKAGE,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def uv() -> str:
    path = shutil.which("uv")
    if path:
        return path
    if os.environ.get("CI") == "true":
        pytest.fail("uv is not installed on this machine, and in CI nothing may skip")
    pytest.skip("uv is not installed on this machine")


@pytest.mark.heavy
@pytest.mark.anyio
@pytest.mark.timeout(300)
async def test_the_wheel_installed_into_an_empty_environment_answers(
    uv: str, start: Start, tmp_path: Path
) -> None:
    def install() -> Path:
        dist, env = tmp_path / "dist", tmp_path / "env"
        run(uv, "build", "--package", "mcp-streamable-weather", "--out-dir", dist)
        wheel, sdist = sorted(dist.glob("*.whl")) + sorted(dist.glob("*.tar.gz"))
        run(sys.executable, "-m", "twine", "check", "--strict", wheel, sdist)
        run(uv, "venv", "--python", sys.executable, env)
        run(uv, "pip", "install", "--python", env, wheel)
        return env / "bin" / "mcp-streamable-weather"

    command = await run_sync(install)
    program = await run_sync(start, command)
    async with Client(program.url, read_timeout_seconds=60) as client:
        result = await client.call_tool("get-weather", {"city": "北京"})
    assert result.structured_content is not None
    assert result.structured_content["city"] == "北京"
