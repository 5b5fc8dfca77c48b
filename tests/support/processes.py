"""Real processes on free ports, and the parts that a machine may lack."""

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx
import pytest

ROOT = Path(__file__).parents[2]
OURS = ("API_", "MCP_", "WEB_", "OPENAI_", "LLM_", "DATABASE_", "CATALOG", "CORS_")


def require(program: str) -> str:
    """Return the path of a program that only some tests need; skip without it, but never in CI."""
    path = shutil.which(program)
    if path:
        return path
    reason = f"{program} is not installed on this machine"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}, and in CI nothing may skip")
    pytest.skip(reason)


def free_port() -> int:
    """Return a TCP port on 127.0.0.1 that the system picks."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@dataclass
class Service:
    """A `python FILE ARGS` of ours, its output in a file, so that a full pipe never blocks it."""

    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(cls, folder: Path, file: str, *args: str, env: dict[str, str] | None = None) -> "Service":
        """Start one of our files in `folder`, where no `.env` of the machine is read."""
        log = folder / f"{Path(file).stem}-{time.monotonic_ns()}.log"
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(OURS)}
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, str(ROOT / file), *args],
                env=inherited | {"PYTHONUNBUFFERED": "1"} | (env or {}),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        return cls(process, log)

    def wait_until_up(self, url: str, seconds: float = 30) -> None:
        """Wait until a GET of the URL answers 200; fail with the log when it does not."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                pytest.fail(f"ended with status {self.process.returncode}:\n{self.log.read_text()}")
            with suppress(httpx.TransportError):
                if httpx.get(url, timeout=2).status_code == 200:
                    return
            time.sleep(0.05)
        pytest.fail(f"{url} did not answer within {seconds} s:\n{self.log.read_text()}")

    def stop(self) -> int:
        """End the process as Ctrl+C does, by force after 10 s, and return its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


class Spawn(Protocol):
    """Starts one of our files as a process, in the test's temporary folder."""

    def __call__(self, file: str, *args: str, env: dict[str, str] | None = None) -> Service: ...
