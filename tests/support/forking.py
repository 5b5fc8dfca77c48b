"""The process that forks where a test starts one of our services; tests/support/forked.py tells why."""

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from tests.support.processes import ROOT
from tests.support.tree import DOORS, imported, parsed

assert sys.platform == "linux"
MAX_MESSAGE = 200_000


def serve(channel: socket.socket) -> dict[str, Any]:
    """Fork for each message, and tell the child's number and how it ended; in a child, return its message."""
    running: dict[int, tuple[int, Connection[Any, Any]]] = {}  # by what becomes readable at its end
    while True:
        readable, _, _ = select.select([channel.fileno(), *running], [], [])
        for ended in running.keys() & readable:
            pid, tells = running.pop(ended)
            os.close(ended)
            with tells, suppress(OSError):  # nobody listens any more
                tells.send(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        if channel.fileno() in readable:
            message, fds, _, _ = socket.recv_fds(channel, MAX_MESSAGE, 1)
            if not message:
                sys.exit()
            tells = Connection(fds[0], readable=False)
            if not (pid := os.fork()):
                channel.close()
                tells.close()
                for ends, (_, others) in running.items():
                    os.close(ends)
                    others.close()
                return dict(json.loads(message))
            running[os.pidfd_open(pid)] = (pid, tells)
            tells.send(pid)


def become(service: dict[str, Any]) -> None:
    """Run its file as `python FILE` does."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(service["env"])
    os.chdir(service["folder"])
    with open(service["log"], "wb") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    sys.argv[:] = service["command"]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for the tests, and ends them
    for door in DOORS:
        for module in imported(parsed(ROOT / door)):
            importlib.import_module(module)
    gc.freeze()  # what is never collected is not copied
    sys.path[0] = str(ROOT)
    become(serve(socket.socket(fileno=int(sys.argv[1]))))
