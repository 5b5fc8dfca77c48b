"""The log of all three services: one format, on standard error, without personal data or secrets.

A record may repeat what others wrote, so none of its characters moves a cursor, colours a terminal or begins
a line that looks like a record: it is one line, and what follows of a traceback is set in.
"""

import codecs
import io
import json
import logging
import math
import os
import sys
from collections import Counter
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from serving import tracing
from serving.redaction import redacted

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
VISIBLE = "\u3000\xa0"  # blanks that Chinese and French texts hold, not printable to Python

# At INFO these log session ids, arguments, customers and URLs, or repeat our own lines.
QUIET = {
    "mcp": logging.WARNING,
    "mcp.client": logging.CRITICAL,  # a traceback when a server goes away, which the toolbox says in a line
    "opentelemetry": logging.ERROR,  # a line for each request whose headers are odd
    "sse_starlette": logging.WARNING,
    "httpx": logging.WARNING,
    "httpx2": logging.WARNING,
    "openai": logging.WARNING,
    "uvicorn": logging.WARNING,
    "stamina": logging.ERROR,  # "retry_scheduled" tells a reader nothing
}
PLAIN = {"✅": "[OK]", "❌": "[!!]"}  # for consoles without these two, such as GBK's
EXPORTER = "opentelemetry.exporter.otlp.proto.http.trace_exporter"


class OneLineFormatter(logging.Formatter):
    """A record as one printable line; the lines of its traceback begin with blanks."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's
        """Return the line itself, with the trace that it belongs to."""
        within = f" [trace {id}]" if (id := tracing.trace_id()) else ""
        return printable(redacted(super().formatMessage(record))) + within

    def formatException(self, ei: Any) -> str:  # noqa: N802  logging's
        """Return the traceback, set in."""
        return _set_in(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802  logging's
        """Return the stack, set in."""
        return _set_in(stack_info)


def _set_in(text: str) -> str:
    return "\n".join(f"    {printable(line)}" for line in redacted(text).split("\n"))


def printable(text: str) -> str:
    """Return a text with its control, format and other invisible characters escaped."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in VISIBLE else c.encode("unicode_escape").decode() for c in text
    )


def printable_lines(text: str) -> str:
    """Return a text of several lines, each printable."""
    return "\n".join(map(printable, text.split("\n")))


class JsonFormatter(logging.Formatter):
    """A record as one JSON object, as collectors of logs read it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object, in one line."""
        told = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redacted(record.getMessage()),
            "trace_id": tracing.trace_id(),
            "exception": redacted(self.formatException(record.exc_info)) if record.exc_info else "",
        }
        return json.dumps({name: value for name, value in told.items() if value})


class Seldom:
    """What is worth one line a minute, however often it happens."""

    def __init__(self, seconds: float = 60.0) -> None:
        self._seconds = seconds
        self._told: dict[str, float] = {}
        self._silent: Counter[str] = Counter()

    def is_due(self, what: str) -> bool:
        """Whether to log now; what was not logged is counted for the next line, see `silent`."""
        now = monotonic()
        if now - self._told.get(what, -math.inf) < self._seconds:
            self._silent[what] += 1
            return False
        self._told[what] = now
        return True

    def silent(self, what: str) -> int:
        """Return how often it has happened without a line, and forget that."""
        return self._silent.pop(what, 0)


def set_encodings() -> None:
    """Let what is printed be read: in UTF-8, or in another encoding of a console that has Chinese, too."""
    codecs.register_error("service", _instead)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # honcho reads its pipes as UTF-8; Python on Windows would write the system's own encoding.
            is_chosen = stream.isatty() or "PYTHONIOENCODING" in os.environ
            keeps = is_chosen and "中".encode(stream.encoding, "ignore")
            stream.reconfigure(encoding=None if keeps else "utf-8", errors="service")


def _instead(error: UnicodeError) -> tuple[str, int]:
    """Return what is printed for characters that the console's encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(PLAIN.get(c, "?") for c in error.object[error.start : error.end]), error.end


def configure(level: str, form: str = "text") -> None:
    """Set up the log of a service; at `debug` the levels of QUIET do not apply."""
    set_encodings()
    # What no format of ours tells is not looked up for each record (logging HOWTO, Optimization).
    logging.logThreads = logging.logMultiprocessing = logging.logProcesses = False
    logging._srcfile = None
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else OneLineFormatter(FORMAT))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    logging.captureWarnings(True)
    down = Seldom()  # of a collector that is: its exporter says so every few seconds
    logging.getLogger(EXPORTER).addFilter(lambda record: down.is_due(record.levelname))
    if level != "debug":
        for name, least in QUIET.items():
            logging.getLogger(name).setLevel(max(least, logging.getLevelNamesMapping()[level.upper()]))


def announce(text: str) -> None:
    """Print the start message on standard output, for the person who started the service.

    Its line ends are ours: what it repeats of others is to be `printable` already.
    """
    print("\n".join(map(printable, redacted(text).split("\n"))), flush=True)  # noqa: T201  the one place where a service prints
