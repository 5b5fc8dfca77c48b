"""Commands of `mcp.json` allowed by a line typed at the terminal that the service was started from."""

import asyncio
import os
import signal
import sys
import threading

from assistant.page.sentences import TRUSTED, explain
from assistant.toolbox import Toolbox
from serving.errors import CodedError
from serving.logs import announce

VERB = "trust "


def listen(toolbox: Toolbox) -> None:
    """Take lines `trust NAME` for as long as the process runs; none where nobody sits at a terminal."""
    if not sys.stdin or not sys.stdin.isatty():
        return
    if sys.platform != "win32":
        signal.signal(signal.SIGTTIN, signal.SIG_IGN)  # in the background reading ends; it would stop us
    # A daemon that reads the bare descriptor: nothing of it holds up the end of the process.
    arguments = (toolbox, asyncio.get_running_loop())
    threading.Thread(target=_read, args=arguments, daemon=True, name="terminal").start()


def _read(toolbox: Toolbox, loop: asyncio.AbstractEventLoop) -> None:
    try:
        while line := os.read(sys.stdin.fileno(), 4096).decode(errors="replace"):
            loop.call_soon_threadsafe(obey, toolbox, line)
    except (OSError, RuntimeError):
        return  # the terminal has gone, or the loop is closed


def obey(toolbox: Toolbox, line: str) -> None:
    """Allow the command that the line names, as its entry is now."""
    name = line.strip().removeprefix(VERB).strip()
    if not line.startswith(VERB):
        return
    try:
        link = toolbox.link(name)
        link.allow(link.server.fingerprint)
    except (CodedError, OSError) as error:
        announce(explain(error.code, error.params) if isinstance(error, CodedError) else str(error))
    else:
        announce(TRUSTED.format(name))
