"""Our services as children of a process that has imported what they import.

Nearly all that a start costs is its imports, 1 to 2 s of CPU. The child is a process like any other: in its
own folder, with its own environment and output, it runs the same file as `python FILE` does, and ends as that
does.
"""

import functools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

assert sys.platform == "linux"
ROOT = Path(__file__).parents[2]


class Forked:
    """Such a child, used as `subprocess.Popen` is."""

    def __init__(self, told: Any) -> None:
        self._told: Connection[Any, int] = told
        self.pid = self._told.recv()
        self.returncode: int | None = None
        self._reads = threading.Lock()  # as Popen has one: several threads may wait

    def poll(self) -> int | None:
        with self._reads:
            if self.returncode is None and self._told.poll(0):
                self.returncode = self._told.recv()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None and not self._told.poll(timeout):
            raise subprocess.TimeoutExpired(f"service {self.pid}", timeout or 0)
        ended = self.poll()
        assert ended is not None
        return ended

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(command: tuple[str, ...], env: dict[str, str], folder: Path, log: Path) -> Forked:
    """Run one of our files in a folder, its output in a file."""
    told, tells = Pipe(duplex=False)
    message = {"command": command, "env": env, "folder": str(folder), "log": str(log)}
    with tells:
        socket.send_fds(_server()[0], [json.dumps(message).encode()], [tells.fileno()])
    return Forked(told)


@functools.cache
def _server() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        return ours, subprocess.Popen(
            [sys.executable, "-um", "tests.support.forking", str(its.fileno())],
            cwd=ROOT,
            pass_fds=[its.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )


def end() -> None:
    """End the process that forks, once all that it started has ended."""
    if _server.cache_info().currsize:
        channel, process = _server()
        channel.close()
        process.wait()
        _server.cache_clear()
