"""Real processes on free ports, and the parts that a machine may lack."""

import functools
import itertools
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx
import pytest

if sys.platform == "linux":
    from tests.support import forked

    Process = subprocess.Popen[bytes] | forked.Forked
else:
    Process = subprocess.Popen[bytes]

ROOT = Path(__file__).parents[2]
SERVICES = {"api.py", "main.py", "web.py"}
READ_AT_IMPORT = re.compile("PYTHON|OTEL|TZ|LANG|LC_")  # by the interpreter, or by a library
OURS = ("API_", "SHOP_", "MCP_", "WEB_", "OPENAI_", "LLM_", "DATABASE_", "CATALOG", "CORS_")
LONG_RUNS = os.environ.get("LONG_RUNS") == "1"  # set by .ci/run --all: random tests try many times more
STOP_SECONDS = 60  # a busy machine is slow, and what hangs is found by its own test

# No system hands these out by itself, so nothing takes a port between its choice and the service's start.
FIRST_PORT, LAST_PORT, PORTS_OF_A_PROCESS = 20_000, 32_000, 100


def require(program: str) -> str:
    """Return the path of a program that only some tests need; skip without it, but never in CI."""
    # Servers lie in /usr/sbin, which a user of Debian does not have in the path.
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin")
    if path:
        return path
    reason = f"{program} is not installed on this machine"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}, and in CI nothing may skip")
    pytest.skip(reason)


def is_free(port: int) -> bool:
    with socket.socket() as sock:
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@functools.cache
def _ports() -> tuple[socket.socket, Iterator[int]]:
    """Take a range of ports; whoever holds its first one owns it, until this process ends."""
    starts = list(range(FIRST_PORT, LAST_PORT, PORTS_OF_A_PROCESS))
    random.shuffle(starts)
    held = socket.socket()
    for first in starts:
        with suppress(OSError):  # another process owns it
            held.bind(("127.0.0.1", first))
            return held, itertools.cycle(range(first + 1, first + PORTS_OF_A_PROCESS))
    raise AssertionError("other processes own all ranges of ports")


def replace_text(path: Path, text: str) -> None:
    """Give a file that is watched another text at once, as editors do: it is never seen half written."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


def free_port() -> int:
    """Return a TCP port on 127.0.0.1 on which nothing listens, another one at each call."""
    return next(filter(is_free, _ports()[1]))


def state_of(folder: Path) -> Path:
    """Where a service started in a test's folder remembers things: beside it, for it is the project."""
    return folder.with_name(f"{folder.name}-state")


@dataclass
class Service:
    """A process, its output in a file, so that a full pipe never blocks it."""

    process: Process
    log: Path

    def wait_until_up(self, url: str, seconds: float = 150) -> None:
        """Wait until a GET of the URL answers 200; fail with the log when it does not."""
        deadline = time.monotonic() + seconds
        with httpx.Client(timeout=20) as http:  # one for all tries: a client takes 25 ms of CPU to make
            while time.monotonic() < deadline:
                if self.process.poll() is not None:
                    pytest.fail(f"ended with status {self.process.returncode}:\n{self.log.read_text()}")
                with suppress(httpx.TransportError):
                    if http.get(url).status_code == 200:
                        return
                time.sleep(0.05)
        pytest.fail(f"{url} did not answer within {seconds} s:\n{self.log.read_text()}")

    def stop(self) -> int:
        """End the process with SIGTERM, by force where it does not end, and return its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


@dataclass
class Spawn:
    """Starts processes in a folder, where no `.env` of the machine is read; at its end all of them end."""

    folder: Path
    started: list[Service] = field(default_factory=list)

    def __call__(self, file: str, *args: str, env: dict[str, str] | None = None) -> Service:
        """Start one of our files, on Linux by a fork where it is a service."""
        command = (str(ROOT / file), *args)
        if sys.platform == "linux" and file in SERVICES and not any(map(READ_AT_IMPORT.match, env or {})):
            log = self._log(command[0])
            return self._kept(forked.start(command, self._environment(env), self.folder, log), log)
        return self.program(sys.executable, *command, env=env)

    def program(self, *command: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> Service:
        """Start any program, without this machine's settings of our services, in `cwd` or the folder."""
        log = self._log(command[1])
        with log.open("wb") as out:
            process = subprocess.Popen(
                command,
                env=self._environment(env),
                cwd=cwd or self.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        return self._kept(process, log)

    def afresh(self, file: str, *args: str, env: dict[str, str] | None = None) -> Service:
        """Start one of our files as a person does; for tests of the start itself."""
        return self.program(sys.executable, str(ROOT / file), *args, env=env)

    def _log(self, file: str) -> Path:
        return self.folder / f"{Path(file).stem}-{time.monotonic_ns()}.log"

    def _environment(self, more: dict[str, str] | None) -> dict[str, str]:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(OURS)}
        own = {"PYTHONUNBUFFERED": "1", "WEB_STATE_DIR": str(state_of(self.folder))}
        return inherited | own | (more or {})

    def _kept(self, process: Process, log: Path) -> Service:
        self.started.append(Service(process, log))
        return self.started[-1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for service in self.started:
            service.stop()
