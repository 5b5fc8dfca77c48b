"""The log of all three services: one format, on standard error, without personal data."""

import io
import logging
import os
import sys

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

# At INFO these log session ids, arguments, customers and URLs, or repeat our own lines.
QUIET = {
    "mcp": logging.WARNING,
    "mcp.client": logging.CRITICAL,  # a traceback when a server goes away, which the toolbox says in a line
    "sse_starlette": logging.WARNING,
    "httpx": logging.WARNING,
    "httpx2": logging.WARNING,
    "openai": logging.WARNING,
    "uvicorn": logging.WARNING,
    "stamina": logging.ERROR,  # "retry_scheduled" tells a reader nothing
}


def configure(level: str) -> None:
    """Set up the log of a service; at `debug` the levels of QUIET do not apply."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # honcho reads its pipes as UTF-8; Python on Windows would write the system's own encoding.
            is_chosen = stream.isatty() or "PYTHONIOENCODING" in os.environ
            stream.reconfigure(encoding=None if is_chosen else "utf-8", errors="replace")
    logging.basicConfig(level=level.upper(), format=FORMAT, stream=sys.stderr)
    if level != "debug":
        for name, least in QUIET.items():
            logging.getLogger(name).setLevel(max(least, logging.getLevelName(level.upper())))


def announce(text: str) -> None:
    """Print the start message on standard output, for the person who started the service."""
    print(text, flush=True)  # noqa: T201  the one place where a service prints
