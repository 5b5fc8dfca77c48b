"""Installs other people's clients, each in an environment of its own that stays for the next run."""

import hashlib
import os
import platform
import sqlite3
import subprocess
import sys
import tempfile
import tomllib
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import require

PACKAGES: dict[str, Any] = tomllib.loads(
    Path(__file__).with_name("packages.toml").read_text(encoding="utf-8")
)
BIN = "Scripts" if sys.platform == "win32" else "bin"
MACHINE = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), "arm64")
SYSTEM = f"{platform.system().lower()}-{MACHINE}"  # as npm's packages of Node are named


def python_environment(name: str) -> Path:
    """Return the folder with the programs of a Python client."""
    uv, packages = require("uv"), PACKAGES["python"][name]
    folder = _made(
        name,
        packages,
        [uv, "venv", "--quiet", "--no-config", "--python", sys.executable, "."],
        # Without this project's own settings, whose pins are not the client's.
        [uv, "pip", "install", "--quiet", "--no-config", "--python", ".", *packages],
    )
    return folder / BIN


def npm_package(name: str) -> Path:
    """Return the folder of a package of npm, with what it needs beside it."""
    package = f"{name}@{PACKAGES['npm'][name]}"
    options = ["--no-audit", "--no-fund", "--ignore-scripts", "--cache", ".npm"]
    return _made(name, [package], [require("npm"), "install", *options, package]) / "node_modules" / name


def node() -> Path:
    """Return a Node that is newer than many a machine's."""
    return npm_package(f"node-{SYSTEM}") / "bin" / "node"


def _made(name: str, packages: list[str], *commands: list[str]) -> Path:
    """Run commands in a folder of these packages, once for all runs; of several processes one does."""
    key = hashlib.sha256(repr((packages, sys.version)).encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"mcp-client-{name.replace('/', '-')}-{key}"
    done = folder / "done"
    if done.exists():
        return folder
    with closing(sqlite3.connect(f"{folder}.lock", 900, isolation_level=None)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        if not done.exists():
            _run_in(folder, name, *commands)
            with suppress(OSError):
                done.touch()
    return folder


def _run_in(folder: Path, name: str, *commands: list[str]) -> None:
    folder.mkdir(exist_ok=True)
    anew = os.environ | {"UV_VENV_CLEAR": "1"}  # the one before may have been broken off
    for command in commands:
        ran = subprocess.run(
            command, check=False, cwd=folder, env=anew, capture_output=True, text=True, timeout=600
        )
        if ran.returncode and os.environ.get("CI") == "true":
            pytest.fail(f"{name} could not be installed, and in CI nothing may skip:\n{ran.stderr}")
        if ran.returncode:
            pytest.skip(f"{name} could not be installed, as a rule for want of a network")
