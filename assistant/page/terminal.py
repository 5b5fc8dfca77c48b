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
    """Take lines `trust NAME MARK` for as long as the process runs; none where nobody sits at a terminal."""
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
    """Allow the command that the line names, if its entry is as it was shown; without the mark, show it."""
    if not line.startswith(VERB):
        return
    words = line.removeprefix(VERB).strip()
    name, _, mark = (words, "", "") if words in toolbox.links else words.rpartition(" ")
    try:
        link = toolbox.link(name or words)
        server, error = link.server, link.error
        if mark == server.mark:
            link.allow(server.fingerprint)
            announce(TRUSTED.format(name))
        elif error is not None and error.code in ("command_untrusted", "variables_untrusted"):
            announce(explain(error.code, error.params))
    except CodedError as error:
        announce(explain(error.code, error.params))
    except OSError as error:
        announce(str(error))
